"""JSON values as the fields of a frozen dataclass."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

# What JSON may hold for a field of each annotated type. bool is an int in Python, so it is named
# only where it is meant. Fields of other types are their dataclass's own affair.
_JSON_TYPES: dict[str, tuple[type, ...]] = {
    "bool": (bool,),
    "int": (int,),
    "int | None": (int, type(None)),
    "float": (int, float),
    "float | None": (int, float, type(None)),
    "str": (str,),
}


def check_fields(cls: type[Any], values: Mapping[str, Any], prefix: str = "") -> None:
    """Check values that are to become the fields of a dataclass.

    Args:
        cls: The dataclass, whose module has `from __future__ import annotations`.
        values: Values by the names of fields; fields may be missing.
        prefix: What stands before the names in messages.

    Raises:
        ValueError: For a name that is no field, and a value of another type than the field's.
    """
    known = {field.name: str(field.type) for field in fields(cls)}
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise ValueError(
            f"unknown key {prefix + str(unknown[0])!r}: expected some of {sorted(known)}"
        )
    for name, value in values.items():
        allowed = _JSON_TYPES.get(known[name])
        if allowed is None:
            continue
        if not isinstance(value, allowed) or (isinstance(value, bool) and bool not in allowed):
            raise ValueError(f"{prefix}{name} is {value!r}: expected {known[name]}")
