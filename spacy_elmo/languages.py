"""What text a model was trained on, as far as its vectors depend on it: language and words."""

from __future__ import annotations

import re

TOKENISATIONS = ("words", "lemmas")
"""What stands for a word in the text that a model was trained on."""

# Codes of one language. Norwegian is written in two forms, and `no` names either.
_SAME = (frozenset({"no", "nb", "nn"}),)
_CODE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")
_ANY = ("", "xx")


def is_language(value: object) -> bool:
    """Whether a value is the code of a language: "en", "grc", "pt-BR"."""
    return isinstance(value, str) and _CODE.fullmatch(value) is not None


def same_language(first: str | None, second: str | None) -> bool:
    """Whether two codes may stand for one language; None, "" and "xx" stand for any.

    >>> same_language("no", "nb"), same_language("pt-BR", "pt"), same_language("en", "de")
    (True, True, False)
    """
    codes = {(code or "").partition("-")[0] for code in (first, second)}
    return len(codes) == 1 or bool(codes & {*_ANY}) or any(codes <= same for same in _SAME)
