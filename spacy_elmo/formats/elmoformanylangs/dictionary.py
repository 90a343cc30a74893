"""Dictionaries of ELMoForManyLangs, `char.dic` and `word.dic`: which row a character or word has.

They are read as the original does, with `codecs.open`, `strip()` and `split` at tabulators: lines
end at everything that Unicode counts as a line's end, and a line of a number alone is that of a
character that `strip` took away, which the original takes to be the ideographic space U+3000.
"""

from __future__ import annotations

from pathlib import Path

from spacy_elmo.errors import problem

LARGEST_FILE = 1 << 30  # of the published ones, none has 10 MB
_SPACE = "\u3000"
_ADVICE = "Expected lines of a token, a tabulator and a row: get the weights anew"


def read_dictionary(path: Path) -> dict[str, int]:
    """Read a dictionary.

    Args:
        path: The file.

    Returns:
        The row of each token. Where one stands twice, its last line counts.

    Raises:
        WeightsError: For a file that cannot be read, is not UTF-8, or holds something else.
    """
    if not path.is_file():
        raise problem(path, "is missing", "Copy it from where the weights are, or get them anew")
    if path.stat().st_size > LARGEST_FILE:
        raise problem(path, f"is larger than {LARGEST_FILE:,} bytes, too large for a dictionary")
    try:
        text = path.read_bytes().decode("utf8")
    except OSError as error:
        raise problem(path, f"cannot be read ({error})", "Check its permissions") from error
    except UnicodeDecodeError as error:
        raise problem(path, f"is not UTF-8 (byte {error.start})", "Get the weights anew") from error
    rows: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        fields = line.strip().split("\t")
        token = _SPACE if len(fields) == 1 else fields[0]
        if len(fields) > 2:
            raise problem(path, f"line {number} has {len(fields)} fields", _ADVICE)
        try:
            row = int(fields[-1])
        except ValueError as error:
            what = f"line {number} ends in {fields[-1][:40]!r}, which is no number"
            raise problem(path, what, _ADVICE) from error
        if row < 0:
            raise problem(path, f"line {number} names row {row}", _ADVICE)
        rows[token] = row
    if not rows:
        raise problem(path, "is empty", _ADVICE)
    return rows


def check_rows(path: Path, rows: dict[str, int], needed: tuple[str, ...]) -> None:
    """Check that a dictionary has some tokens.

    Raises:
        WeightsError: For the first that is missing.
    """
    for token in needed:
        if token not in rows:
            raise problem(path, f"lacks {token}, without which no word can be read", _ADVICE)
