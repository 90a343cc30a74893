"""The block of metadata at the top of a card: YAML between two lines of three dashes.

The hub of Hugging Face reads it in a README.md: https://huggingface.co/docs/hub/model-cards. Keys
are those of https://github.com/huggingface/hub-docs/blob/main/modelcard.md, identifiers of licences
those of https://huggingface.co/docs/hub/repositories-licenses. Where several licences hold, or one
that has no identifier, the hub asks for `license: other` with a `license_name`. Data sets are named
only if they are on the hub, so never here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection

from spacy_elmo.languages import is_language

TAGS = ("spacy", "elmo", "feature-extraction")
LICENCE_NAME = "see-data-and-licences"
"""Name of the licence where several hold: a section of the card tells of them."""

# Those of the hub's list that `papers.licences` can find, and how cards write them.
_CC = (
    *("BY 2.0", "BY 2.5", "BY 3.0", "BY 4.0", "BY-SA 3.0", "BY-SA 4.0", "BY-ND 4.0"),
    *("BY-NC 2.0", "BY-NC 3.0", "BY-NC 4.0", "BY-NC-ND 3.0", "BY-NC-ND 4.0"),
    *("BY-NC-SA 2.0", "BY-NC-SA 3.0", "BY-NC-SA 4.0"),
)
_NAMES = (
    *("MIT", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ODC-By", "ODbL", "CC0 1.0"),
    *("GPL-2.0", "GPL-3.0", "LGPL-2.1", "LGPL-3.0", "AGPL-3.0", *(f"CC {name}" for name in _CC)),
)
_IDENTIFIERS = {name.lower().replace(" ", "-"): name for name in _NAMES}
_ALIASES = {"cc0": "cc0-1.0", "apache-license-version-2.0": "apache-2.0"}
_BLOCK = re.compile(r"\A\ufeff?---[ \t]*\r?\n(?:.*?\n)??---[ \t]*(?:\r?\n|\Z)", re.DOTALL)
# What YAML takes for a plain string, but for the words below.
_PLAIN = re.compile(r"[a-z][a-z0-9.-]*")
_WORDS_OF_YAML = ("y", "n", "yes", "no", "on", "off", "true", "false", "null")


def front_matter(language: str | None, licences: Collection[str] = ()) -> str:
    """The block for weights.

    Args:
        language: Code of the language of their text; "xx" is several, and None is not known.
        licences: Names of the licences that hold for them, as cards write them. None of them: the
            block says nothing.

    >>> print(front_matter("en", ["CC BY-SA 4.0"]), end="")
    ---
    language:
    - en
    license: cc-by-sa-4.0
    library_name: spacy-elmo
    pipeline_tag: feature-extraction
    tags:
    - spacy
    - elmo
    - feature-extraction
    ---
    """
    lines = ["---"]
    if is_language(language):
        assert language is not None
        code = language.partition("-")[0]
        lines += ["language:", f"- {_scalar('multilingual' if code == 'xx' else code)}"]
    if licences:
        lines += [f"license: {hub_licence(licences)}"]
        if hub_licence(licences) == "other":
            lines += [f"license_name: {LICENCE_NAME}"]
    lines += ["library_name: spacy-elmo", "pipeline_tag: feature-extraction"]
    lines += ["tags:", *(f"- {tag}" for tag in TAGS), "---"]
    return "\n".join(lines) + "\n"


def hub_licence(licences: Collection[str]) -> str:
    """The hub's identifier of a licence; "other" for one that has none, and for several.

    >>> hub_licence(["CC BY-SA 4.0"]), hub_licence(["CC0"]), hub_licence(["MIT", "CC0"])
    ('cc-by-sa-4.0', 'cc0-1.0', 'other')
    """
    found = {re.sub(r"[ ,]+", "-", name.lower()) for name in licences}
    found = {_ALIASES.get(name, name) for name in found}
    return found.pop() if len(found) == 1 and found <= _IDENTIFIERS.keys() else "other"


def licences_in(block: str) -> list[str]:
    r"""Licences that a block names by the hub's identifiers, as cards write them.

    >>> licences_in("---\nlicense: cc-by-sa-4.0\ntags:\n- mit\n---\n")
    ['CC BY-SA 4.0']
    """
    found = re.search(r"^license:(.*?)^(?=\w|---)", block, re.MULTILINE | re.DOTALL)
    words = re.findall(r"[\w.-]+", found[1].lower()) if found else []
    return [_IDENTIFIERS[word] for word in words if word in _IDENTIFIERS]


def split_card(card: str) -> tuple[str, str]:
    r"""The block of a card, "" where it has none, and the text below it.

    >>> split_card("---\nlicense: mit\n---\n# A model\n")
    ('---\nlicense: mit\n---\n', '# A model\n')
    """
    found = _BLOCK.match(card)
    block = found[0] if found else ""
    return block, card[len(block) :]


def below_block(card: str, note: str) -> str:
    """A card with a note at the top of its text, unless it is there already."""
    block, text = split_card(card)
    return card if text.lstrip().startswith(note.strip()) else f"{block}{note}{text.lstrip()}"


def _scalar(value: str) -> str:
    """A string as YAML: `no`, Norwegian, would be a truth value."""
    is_plain = _PLAIN.fullmatch(value) and value not in _WORDS_OF_YAML
    return value if is_plain else json.dumps(value)
