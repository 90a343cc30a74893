"""Files for TensorBoard's embedding projector."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from spacy.tokens import Span, Token

from spacy_elmo.errors import ElmoError
from spacy_elmo.files import new_files
from spacy_elmo.visual.occurrences import as_docs, context, find, senses_of
from spacy_elmo.visual.rows import unit_rows
from spacy_elmo.visual.text import plain

VECTORS, METADATA, CONFIG = "vectors.tsv", "metadata.tsv", "projector_config.pbtxt"
MOST = 100_000


def write_projector(
    docs: Any,
    folder: str | Path,
    *,
    word: str | None = None,
    attribute: str = "elmo",
    spans_key: str = "senses",
) -> int:
    """Write vectors and what they belong to, for TensorBoard (`--logdir FOLDER`) or its web page.

    The vectors are those that similarities compare: centred, of length 1. Tokens of white space
    are left out.

    Args:
        docs: A Doc, several, or a list of tokens and spans.
        folder: Written to; made if it is missing, what else it holds stays.
        word: Only the occurrences of this word.
        attribute: The `attribute` of the component.
        spans_key: Key of span groups whose labels are the senses.

    Returns:
        How many vectors were written.

    Raises:
        ElmoError: For more than 100,000 vectors, none at all, or before `elmo` has run.
    """
    objects = _objects(docs, word)
    if not objects:
        raise ElmoError("there is no token to write")
    if len(objects) > MOST:
        raise ElmoError(
            f"{len(objects):,} vectors are more than the projector can show ({MOST:,}): name a "
            "word, or give fewer Docs"
        )
    rows = unit_rows(objects, attribute)
    metadata = ["word\tsense\tcontext"]
    for each, sense in zip(objects, senses_of(objects, spans_key), strict=True):
        cells = (each.text, sense or "", str(context(each)))
        metadata.append("\t".join(map(plain, cells)))
    lines = ("\t".join(f"{value:.6g}" for value in row) for row in rows)
    with new_files(Path(folder), last=CONFIG) as aside:
        with (aside / VECTORS).open("w", encoding="utf8", newline="\n") as file:
            file.writelines(f"{line}\n" for line in lines)
        (aside / METADATA).write_text("\n".join([*metadata, ""]), encoding="utf8", newline="\n")
        (aside / CONFIG).write_text(
            f'embeddings {{\n  tensor_name: "{attribute}"\n  tensor_path: "{VECTORS}"\n'
            f'  metadata_path: "{METADATA}"\n}}\n',
            encoding="utf8",
            newline="\n",
        )
    return len(objects)


def _objects(docs: Any, word: str | None) -> Sequence[Token | Span]:
    if isinstance(docs, list) and docs and all(isinstance(each, (Token, Span)) for each in docs):
        return docs
    found = as_docs(docs, "projector")
    if word is not None:
        return find(found, word)
    return [token for doc in found for token in doc if not token.is_space]
