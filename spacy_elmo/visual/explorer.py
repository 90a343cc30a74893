"""Style `explorer`: one page on which to look up words, their meanings and their neighbours.

The page holds all it needs. Its policy forbids it to load anything from anywhere.
"""

from __future__ import annotations

import base64
import json
from importlib.resources import files
from typing import Any

from spacy_elmo.visual.explorer_data import Explored, explore
from spacy_elmo.visual.markup import Picture
from spacy_elmo.visual.occurrences import as_docs
from spacy_elmo.visual.options import ExplorerOptions
from spacy_elmo.visual.text import escape
from spacy_elmo.visual.theme import FONT, variables


def draw(docs: Any, options: ExplorerOptions) -> list[Picture]:
    """The page of all words of some Docs.

    Raises:
        ElmoError: For Docs without words, without vectors, and a first word that does not occur.
    """
    found = as_docs(docs, "explorer")
    explored = explore(found, options)
    title = options.title if options.title is not None else "Words in context"
    return [Picture(page(explored, title, len(found), options), title, is_page=True)]


def page(explored: Explored, title: str, n_docs: int, options: ExplorerOptions) -> str:
    """The page around its contents."""
    n, width = explored.vectors.shape
    values = {**explored.values, "width": width}
    about = (
        f"{n:,} occurrences of {len(values['words']):,} words in {n_docs:,} texts. {explored.note}"
    )
    slots = {
        "title": escape(title),
        "about": escape(about.strip()),
        "style": variables(options.theme) + f":root{{--font:{FONT}}}" + asset("explorer.css"),
        "values": script_json(values),
        "vectors": base64.b64encode(explored.vectors.tobytes()).decode("ascii"),
        "script": asset("explorer.js"),
    }
    parts = asset("explorer.html").split("§")
    # Every other part is the name of a slot.
    parts[1::2] = [slots[name] for name in parts[1::2]]
    return "".join(parts)


def script_json(values: Any) -> str:
    r"""JSON that can stand inside an element `script`, whatever texts it holds.

    >>> script_json(["</script>"])
    '["\\u003c/script>"]'
    """
    # Lone surrogates have been replaced before; U+2028 is no end of a line in JSON.
    return json.dumps(values, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


def asset(name: str) -> str:
    """A file of the page, as it lies in the package."""
    return (files("spacy_elmo.visual") / "assets" / name).read_text("utf8")
