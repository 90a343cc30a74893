"""``elmo score``: how surprising each token of some texts is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from itertools import chain, repeat
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import typer

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokens import Doc

    from spacy_elmo.pipeline.scoring import DocScores
    from spacy_elmo.text.reading import Kind

FORMATS = ("tsv", "jsonl")
COLUMNS = ("entry", "token", "text", "surprisal", "surprisal_backward", "unknown")

# A token may hold what separates columns and lines.
ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


def score(
    weights: str = typer.Argument(..., help="Name or path of weights with a softmax."),
    inputs: list[str] = typer.Argument(
        ...,
        metavar="INPUT...",
        help="Text as for `elmo prepare`. Each paragraph, sentence of words, or Doc is an entry.",
    ),
    output: Path | None = typer.Option(
        None, "--output", "-o", help="File to write; left out: the standard output."
    ),
    file_format: str | None = typer.Option(
        None, "--format", help="tsv or jsonl; left out: by the suffix of the output, or tsv."
    ),
    state: str | None = typer.Option(
        None, help="What sentences start from: zero or warm. Default: what the weights say."
    ),
    lang: str = typer.Option("en", "--lang", "-l", help="Language whose tokenizer is used."),
    pipeline: str | None = typer.Option(
        None, "--pipeline", "-p", help="Find words and sentences by this pipeline (name or path)."
    ),
    tokenized: bool = typer.Option(
        False, "--tokenized", help="Plain text is one sentence per line, words between spaces."
    ),
    device: str = typer.Option("cpu", help="Where to compute: cpu or cuda."),
    force: bool = typer.Option(False, "--force", "-f", help="Replace the output if it exists."),
) -> None:
    """Say how surprising each token is, in bits: after what is before it, and before what is after.

    TSV has a line per token, JSONL a line per entry with lists that are aligned to its tokens.
    White space, which is not read, has 0. Numbers count from 0. A word outside the vocabulary
    ("unknown") has the score of <UNK>. Tabs, line breaks and backslashes in a text are escaped in
    TSV as in C.
    """
    from spacy_elmo.cli.counts import echo_repaired
    from spacy_elmo.files import new_file
    from spacy_elmo.pipeline.scoring import score_docs
    from spacy_elmo.pretraining.run.distributed import usable_device
    from spacy_elmo.text.reading import check_inputs

    suffix = "tsv" if output is None else output.suffix.lower().removeprefix(".")
    chosen = file_format or (suffix if suffix in FORMATS else "tsv")
    if chosen not in FORMATS:
        raise ValueError(f"--format is {chosen!r}: expected one of {', '.join(FORMATS)}")
    if output is not None and output.exists() and not force:
        raise FileExistsError(f"{output} exists: give another path, or --force to replace it")
    counts: Counter[str] = Counter()
    kinds = check_inputs(inputs, tokenized)
    nlp = _pipeline(lang, pipeline)
    docs = _docs(kinds, nlp, counts)
    entries = score_docs(docs, nlp.vocab, weights, state=state, device=usable_device(device))
    lines = _tsv(entries) if chosen == "tsv" else _jsonl(entries)
    with ExitStack() as stack:
        file: TextIO | None = None
        if output is not None:
            path = stack.enter_context(new_file(output))
            file = stack.enter_context(path.open("w", encoding="utf8", newline="\n"))
        for line in lines:
            typer.echo(line, file=file)
    echo_repaired(counts)


def _pipeline(lang: str, name: str | None) -> Language:
    import spacy

    if name is not None:
        return spacy.load(name)
    try:
        return spacy.blank(lang)
    except ImportError as error:  # no such language, or a package it needs is missing
        raise ValueError(f"language {lang!r}: {error}") from error


def _docs(inputs: Iterable[tuple[str, Kind]], nlp: Language, counts: Counter[str]) -> Iterator[Doc]:
    """The entries as Docs with sentences: paragraphs, sentences of words, Docs of files."""
    from spacy.pipeline import Sentencizer

    from spacy_elmo.pretraining.corpus.segmentation import read_docs
    from spacy_elmo.text.reading import read_blocks
    from spacy_elmo.text.records import read_records

    find_sentences = Sentencizer()
    for block in read_blocks(inputs):
        if block.kind == "docs":
            docs: Iterable[Doc] = read_docs(block.source, nlp.vocab)
        else:
            records = chain.from_iterable(read_records(block, counts))
            docs = chain.from_iterable(_read(record, nlp) for record in records)
        for doc in docs:
            yield doc if doc.has_annotation("SENT_START") else find_sentences(doc)


def _read(record: str | list[str], nlp: Language) -> Iterable[Doc]:
    from spacy.tokens import Doc

    if isinstance(record, str):
        nlp.max_length = max(nlp.max_length, len(record))  # a parser's memory is the user's
        return nlp.pipe([record])
    starts: list[bool | int | None] = [k == 0 for k in range(len(record))]
    return [Doc(nlp.vocab, words=record, sent_starts=starts)]


def _tsv(entries: Iterable[tuple[Doc, DocScores]]) -> Iterator[str]:
    yield "\t".join(COLUMNS)
    for number, (doc, scores) in enumerate(entries):
        backward: Iterable[float | None] = scores.backward or repeat(None, len(doc))
        for token, bits, back, unknown in zip(
            doc, scores.forward, backward, scores.unknown, strict=True
        ):
            text = token.text.translate(ESCAPES)
            other = "" if back is None else f"{back:.6f}"
            yield f"{number}\t{token.i}\t{text}\t{bits:.6f}\t{other}\t{int(unknown)}"


def _jsonl(entries: Iterable[tuple[Doc, DocScores]]) -> Iterator[str]:
    import json

    for number, (doc, scores) in enumerate(entries):
        record = {
            "entry": number,
            "tokens": [token.text for token in doc],
            "surprisal": _rounded(scores.forward),
            "surprisal_backward": _rounded(scores.backward),
            "unknown": scores.unknown,
        }
        yield json.dumps(record, ensure_ascii=False)


def _rounded(bits: list[float] | None) -> list[float] | None:
    return None if bits is None else [round(each, 6) for each in bits]
