"""Codes of languages."""

import pytest

from spacy_elmo.languages import is_language, same_language


@pytest.mark.parametrize("code", ["en", "grc", "pt-BR", "zh-Hant-TW"])
def test_codes(code: str) -> None:
    assert is_language(code)


@pytest.mark.parametrize("value", ["", "EN", "english", "e", "en_US", "en-", "en\n", None, 3])
def test_no_codes(value: object) -> None:
    assert not is_language(value)


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("en", "en", True),
        ("en", "de", False),
        ("pt-BR", "pt", True),
        ("no", "nb", True),
        ("nn", "no", True),
        ("no", "sv", False),
        ("en", "xx", True),
        ("en", "", True),
        (None, "de", True),
    ],
)
def test_whether_two_are_one(first: str | None, second: str | None, same: bool) -> None:
    assert same_language(first, second) is same
    assert same_language(second, first) is same
