"""``elmo distill``: static vectors of words, out of their contexts."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import typer

# Seconds until the first line of progress, and between two.
FIRST_LINE, LINES = 2.0, 30.0


def distill(
    weights: str = typer.Argument(..., help="Name or path of weights, or of a saved pipeline."),
    inputs: list[str] = typer.Argument(
        ..., metavar="TEXT...", help="Files as for `elmo embed`; they are read twice."
    ),
    output: Path = typer.Argument(
        ...,
        metavar="OUTPUT",
        help="NAME.txt, .vec or .w2v: word2vec's text, which `spacy init vectors` reads. A name "
        "without a suffix: a folder, a blank pipeline with the vectors.",
    ),
    n_words: int = typer.Option(50_000, "--n-words", "-n", min=1, help="So many frequent words."),
    min_count: int = typer.Option(5, min=1, help="Occurrences that each of them must have."),
    words: Path | None = typer.Option(
        None, "--words", "-w", help="A file with the words instead, one per line."
    ),
    contexts: int = typer.Option(100, min=1, help="Occurrences per word that are drawn, at most."),
    layers: str = typer.Option("average", help="average, top, token, or the number of a layer."),
    remove_components: int = typer.Option(
        0, min=0, help="Take off the mean and so many directions that all words vary in."
    ),
    unit: bool = typer.Option(False, "--unit", help="Scale the vectors to length 1."),
    unseen: bool = typer.Option(
        False,
        "--unseen",
        help="Words of the list that the texts do not hold: out of their token layer.",
    ),
    seed: int = typer.Option(0, help="Of what is drawn."),
    lang: str = typer.Option("en", "--lang", "-l", help="Language, for bare weights."),
    tokenized: bool = typer.Option(False, "--tokenized", help="Split text at white space."),
    options: Path | None = typer.Option(None, help="Options file of HDF5 weights."),
    vocab: Path | None = typer.Option(None, help="Vocabulary file of HDF5 weights."),
    device: str = typer.Option("cpu", help="Where to compute: cpu or cuda."),
    force: bool = typer.Option(False, "--force", "-f", help="Replace OUTPUT if it exists."),
) -> None:
    """Make static vectors of words: each the mean over some of its contexts."""
    from wasabi import msg

    from spacy_elmo.cli.counts import echo_repaired
    from spacy_elmo.embedding.distill import distill as run
    from spacy_elmo.embedding.entries import TextFiles
    from spacy_elmo.pretraining.run.distributed import usable_device

    files = TextFiles(inputs)
    listed = None
    if words is not None:
        listed = words.read_text("utf-8-sig").split("\n")
        listed = [line for line in map(str.strip, listed) if line]
    due = [time.monotonic() + FIRST_LINE]

    def progress(done: int, total: int) -> None:
        if time.monotonic() >= due[0]:
            due[0] = time.monotonic() + LINES
            print(f"{done / total:7.2%}  {done:,} contexts", file=sys.stderr, flush=True)

    found = run(
        weights,
        files,
        output,
        words=listed,
        n_words=n_words,
        min_count=min_count,
        contexts=contexts,
        layers=layers,
        remove_components=remove_components,
        unit=unit,
        unseen=unseen,
        seed=seed,
        lang=lang,
        tokenized=tokenized,
        options=options,
        vocab=vocab,
        device=usable_device(device),
        force=force,
        progress=progress,
    )
    echo_repaired(files.counts)
    if listed is not None and len(found.words) < len(set(listed)):
        left_out = len(set(listed)) - len(found.words)
        typer.echo(f"{left_out:,} words are not in the texts, and were left out", err=True)
    total = f"{int(found.contexts.sum()):,}"
    msg.good(f"Wrote {len(found.words):,} words, out of {total} contexts, to {output}")
