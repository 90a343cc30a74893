"""Files at the top of the repository, as pages; links in them and to them made to fit."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from spacy_elmo.formats.front_matter import split_card

ROOT = Path(__file__).resolve().parents[2]
# The page that stands for each: in the repository it is only a link to the file.
PAGES = {
    "changelog": "CHANGELOG.md",
    "contributing": "CONTRIBUTING.md",
    "model-en-elmo-md": "spacy_elmo/models/en_elmo_md/README.md",
    "model-en-elmo-sm": "spacy_elmo/models/en_elmo_sm/README.md",
    "security": "SECURITY.md",
}


def read(app: Any, docname: str, content: list[str]) -> None:
    """Put a file in the place of its page, and lead links to files to their pages."""
    text = content[0]
    if docname in PAGES:
        text = (ROOT / PAGES[docname]).read_text(encoding="utf8")
        _, text = split_card(text)  # metadata of the model, and not of the page
        text = re.sub(r"\]\((?:\.\./)*docs/", "](", text)
    for page, file in PAGES.items():
        text = re.sub(rf"\]\((?:\.\./)?{re.escape(file)}", f"]({page}.md", text)
    content[0] = text


def setup(app: Any) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("source-read", read)
    return {"parallel_read_safe": True}
