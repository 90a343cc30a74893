"""``elmo render``: pictures of texts, pipelines and trainings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokens import Doc

OF_TEXT = ("similarity", "senses", "surprisal", "explorer")
MOST_TOKENS = 200_000


def render(
    style: str = typer.Argument(
        ..., help="similarity, senses, surprisal, layers, curves or explorer."
    ),
    inputs: list[str] = typer.Argument(
        ...,
        metavar="INPUT...",
        help="Text as for `elmo prepare`, .spacy among it. For layers: a "
        "trained pipeline (name or path). For curves: the folder of a training.",
    ),
    output: Path | None = typer.Option(
        None,
        "--output",
        "-o",
        help="File to write: a page (.html), or the picture alone (.svg). - is the standard "
        "output. Default: STYLE.html.",
    ),
    weights: str = typer.Option(
        "en_elmo_sm", "--weights", "-w", help="Name or path of the language model's weights."
    ),
    lang: str = typer.Option("en", "--lang", "-l", help="Language whose tokenizer is used."),
    pipeline: str | None = typer.Option(
        None, "--pipeline", "-p", help="Read the texts with this pipeline, which has `elmo`."
    ),
    word: str | None = typer.Option(
        None, help="For senses: the word. For explorer: the one shown first."
    ),
    theme: str = typer.Option("auto", help="auto, light or dark."),
    title: str | None = typer.Option(None, help="What to write above."),
    option: list[str] = typer.Option(
        [], "--option", help="Another option of the style, NAME=VALUE; see docs/pictures.md."
    ),
    tokenized: bool = typer.Option(
        False, "--tokenized", help="Plain text is one sentence per line, words between spaces."
    ),
    limit: int = typer.Option(MOST_TOKENS, min=1, help="Tokens read of the texts at most."),
    minify: bool = typer.Option(False, "--minify", help="Leave out line breaks between elements."),
    projector: Path | None = typer.Option(
        None, help="Write the vectors into this folder, too, for TensorBoard's projector."
    ),
    force: bool = typer.Option(False, "--force", "-f", help="Replace the output if it exists."),
) -> None:
    """Draw a picture: SVG or HTML that needs nothing else to be looked at."""
    from wasabi import msg

    from spacy_elmo.cli.counts import echo_repaired
    from spacy_elmo.files import write_text
    from spacy_elmo.visual.display import STYLES, draw
    from spacy_elmo.visual.options import read_options
    from spacy_elmo.visual.projector import write_projector

    options = {"theme": theme, "title": title, **_parsed(option)}
    if style in ("senses", "explorer"):
        options["word"] = word
    elif word is not None:
        raise ValueError(f"--word is for senses and explorer, not for {style}")
    path = Path(f"{style}.html") if output is None else output
    if style in STYLES:
        read_options(STYLES[style].options, options, style)
        _check(style, inputs, path, projector, force=force)
    shown: Any = inputs[0]
    if style == "layers":
        import spacy

        shown = spacy.load(inputs[0])
    elif style in OF_TEXT:
        nlp = _pipeline(pipeline, lang, weights, score=style == "surprisal")
        counts: Counter[str] = Counter()
        shown = _read(nlp, inputs, counts, tokenized=tokenized, limit=limit)
        echo_repaired(counts)
        if style == "similarity" and len(shown) == 1:
            shown = shown[0]
    page = path.suffix.lower() != ".svg"
    markup = draw(shown, style, page=page, minified=minify, options=options)
    if str(path) == "-":
        typer.echo(markup)
    else:
        write_text(path, markup)
        msg.good(f"Wrote {path}")
    if projector is not None:
        chosen = {name: options[name] for name in ("attribute", "spans_key") if name in options}
        of_word = word if style == "senses" else None
        n = write_projector(shown, projector, word=of_word, **chosen)
        typer.echo(f"Wrote {n:,} vectors into {projector}", err=True)


def _check(
    style: str, inputs: list[str], path: Path, projector: Path | None, *, force: bool
) -> None:
    """Everything that can be wrong before anything is computed."""
    if style not in OF_TEXT and len(inputs) > 1:
        raise ValueError(f"{style} takes one input, not {len(inputs)}")
    if projector is not None and style not in OF_TEXT:
        raise ValueError(f"--projector writes the vectors of texts: {style} shows none")
    if path.suffix.lower() == ".svg" and style in ("surprisal", "explorer"):
        raise ValueError(f"{style} is HTML, no SVG: give a name that ends in .html")
    if path.is_dir():
        raise ValueError(f"{path} is a folder: give the name of a file")
    if str(path) != "-" and path.exists() and not force:
        raise FileExistsError(f"{path} exists: give another path, or --force to replace it")


def _parsed(given: list[str]) -> dict[str, Any]:
    """NAME=VALUE pairs, the value as JSON where it is some, else as text."""
    import json

    found: dict[str, Any] = {}
    for each in given:
        name, equals, value = each.partition("=")
        if not equals:
            raise ValueError(f"--option {each}: expected NAME=VALUE")
        try:
            found[name] = json.loads(value)
        except ValueError:
            found[name] = value
    return found


def _pipeline(path: str | None, lang: str, weights: str, *, score: bool) -> Language:
    import spacy

    if path is not None:
        return spacy.load(path)
    try:
        nlp = spacy.blank(lang)
    except ImportError as error:
        raise ValueError(f"language {lang!r}: {error}") from error
    nlp.add_pipe("sentencizer")
    config: dict[str, Any] = {"model": {"weights": weights}}
    if score:
        config["score"] = True
    nlp.add_pipe("elmo", config=config)
    return nlp


def _read(
    nlp: Language, inputs: list[str], counts: Counter[str], *, tokenized: bool, limit: int
) -> list[Doc]:
    """Docs with vectors, up to a number of tokens."""
    found: list[Doc] = []
    n_tokens = 0
    for doc in _docs(nlp, inputs, counts, tokenized):
        found.append(doc)
        n_tokens += len(doc)
        if n_tokens >= limit:
            typer.echo(f"Stopped after {n_tokens:,} tokens (--limit {limit:,})", err=True)
            break
    if not n_tokens:
        raise ValueError(f"there is no word in {', '.join(inputs)}")
    return found


def _docs(nlp: Language, inputs: list[str], counts: Counter[str], tokenized: bool) -> Iterator[Doc]:
    from spacy.tokens import Doc
    from spacy.util import minibatch

    from spacy_elmo.pretraining.corpus.segmentation import read_docs
    from spacy_elmo.text.reading import check_inputs, read_blocks
    from spacy_elmo.text.records import read_records

    def unread() -> Iterator[str | Doc]:
        for block in read_blocks(check_inputs(inputs, tokenized)):
            if block.kind == "docs":
                yield from read_docs(block.source, nlp.vocab)
                continue
            for group in read_records(block, counts):
                for record in group:
                    if isinstance(record, str):
                        yield record
                    else:
                        doc = Doc(nlp.vocab, words=record)
                        if len(doc):
                            doc[0].is_sent_start = True
                        yield doc

    # So that no more is computed than the limit lets through.
    for batch in minibatch(unread(), 256):  # type: ignore[no-untyped-call]
        yield from nlp.pipe(batch)
