"""JSON values as the fields of a frozen dataclass."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

# What JSON may hold for a field of each annotated type. bool is an int in Python, so it is named
# only where it is meant. Fields of other types are their dataclass's own affair.
_JSON_TYPES: dict[str, tuple[type, ...]] = {
    "bool": (bool,),
    "bool | None": (bool, type(None)),
    "int": (int,),
    "int | None": (int, type(None)),
    "float": (int, float),
    "float | None": (int, float, type(None)),
    "str": (str,),
    "str | None": (str, type(None)),
}


def check_fields(cls: type[Any], values: Mapping[str, Any], prefix: str = "") -> None:
    """Check values that are to become the fields of a dataclass.

    Args:
        cls: The dataclass, whose module has `from __future__ import annotations`.
        values: Values by the names of fields; fields may be missing.
        prefix: What stands before the names in messages.

    Raises:
        ValueError: For a name that is no field, a value of another type than the field's, and
            numbers that are not finite, or too large for a float.
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
            raise ValueError(f"{prefix}{name} is {short(value)}: expected {known[name]}")
        if float in allowed and value is not None and not is_finite(value):
            raise ValueError(f"{prefix}{name} is {short(value)}: expected a finite number")


def is_finite(value: object) -> bool:
    """Whether a value is a number that a float can hold: no NaN, no infinity.

    >>> is_finite(3), is_finite(float("nan")), is_finite(10**400)
    (True, False, False)
    """
    try:
        return isinstance(value, int | float) and math.isfinite(value)
    except OverflowError:
        return False


def short(value: Any) -> str:
    """A value for a message: whole, unless it is very long."""
    try:
        text = repr(value)
    except ValueError:  # Python writes no whole number of more than 4,300 digits
        return "a number of thousands of digits"
    return text if len(text) <= 200 else f"{text[:200]}..."
