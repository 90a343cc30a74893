"""JSON values that become the fields of a dataclass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from spacy_elmo.fields import check_fields


@dataclass(frozen=True)
class Sizes:
    n: int = 1
    share: float = 0.5
    clip: float | None = None
    on: bool = True
    name: str = ""
    pairs: tuple[int, ...] = ()


@pytest.mark.parametrize(
    "values",
    [{}, {"n": 2, "share": 1, "clip": None, "on": False, "name": "x"}, {"clip": 3, "pairs": [1]}],
)
def test_values_of_the_right_types(values: dict[str, Any]) -> None:
    check_fields(Sizes, values)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"n": 1.0}, "part.n is 1.0: expected int"),
        ({"n": True}, "part.n is True: expected int"),
        ({"share": None}, "part.share is None: expected float"),
        ({"clip": "3"}, r"part.clip is '3': expected float \| None"),
        ({"on": 1}, "part.on is 1: expected bool"),
        ({"name": None}, "part.name is None: expected str"),
        ({"share": float("nan")}, "part.share is nan: expected a finite number"),
        ({"clip": float("-inf")}, "part.clip is -inf: expected a finite number"),
        ({"clip": 10**400}, r"part.clip is 10+\.\.\.: expected a finite number"),
        ({"share": 10**5000}, "part.share is a number of thousands of digits: expected a finite"),
        ({"m": 1}, "unknown key 'part.m': expected some of .*'clip'"),
    ],
)
def test_values_that_no_field_takes(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_fields(Sizes, values, "part.")
