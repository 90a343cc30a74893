"""``elmo evaluate``: perplexity of a model on texts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer


def evaluate(
    model: str = typer.Argument(..., help="Name or path of weights with a softmax."),
    texts: list[str] = typer.Argument(
        ..., metavar="TEXT...", help="Text as for `elmo prepare`, or folders made by it."
    ),
    state: str | None = typer.Option(
        None,
        help="What sentences start from: zero, warm, or carry (the state after the sentence "
        "before). Default: what the weights say.",
    ),
    lang: str = typer.Option("en", "--lang", "-l", help="Language whose tokenizer is used."),
    pipeline: str | None = typer.Option(
        None, "--pipeline", "-p", help="Find words and sentences by this pipeline (name or path)."
    ),
    tokenized: bool = typer.Option(
        False, "--tokenized", help="Plain text is one sentence per line, words between spaces."
    ),
    wikitext: bool = typer.Option(
        False, "--wikitext", help="Undo WikiText's spacing of marks inside words: ` @-@ `."
    ),
    device: str = typer.Option("cpu", help="Where to compute: cpu or cuda."),
    output: Path | None = typer.Option(None, "--output", "-o", help="Write the figures as JSON."),
) -> None:
    """Measure perplexity with the full softmax, per file and direction.

    It is exp of the mean loss per predicted token; </S> and <S> are counted, <UNK> is one class.
    """
    from wasabi import msg

    from spacy_elmo.files import write_json
    from spacy_elmo.formats import load
    from spacy_elmo.pretraining.perplexity.measure import measure
    from spacy_elmo.pretraining.run.distributed import usable_device

    lm = load(model, device=usable_device(device))
    rows, figures = [], {}
    vocabulary = _vocabulary(lm.vocabulary)
    if output is not None:
        _warn_of_others(output, vocabulary)
    for text in texts:
        typer.echo(f"Measuring {Path(text).name}", err=True)
        found = measure(
            lm,
            text,
            state=state,
            language=lang,
            pipeline=pipeline,
            tokenized=tokenized,
            wikitext=wikitext,
            tell=lambda line: typer.echo(line, err=True),
        )
        each = [f"{value:.2f}" for value in found.directions]
        rows.append(
            [
                Path(text).name,
                *each,
                *([f"{found.average:.2f}"] if len(each) > 1 else []),
                f"{found.n_tokens:,}",
                f"{found.unknown_rate:.2%}",
            ]
        )
        figures[text] = {
            "perplexity": dict(zip(lm.config.directions, found.directions, strict=True)),
            "average": found.average,
            "tokens": found.n_tokens,
            "unknown_rate": found.unknown_rate,
            "state": state or lm.initial_state,
            "vocabulary": vocabulary,
        }
    if output is not None:  # before anything is shown, which may fail
        write_json(output, figures, allow_nan=True)
    average = ["average"] if lm.config.bidirectional else []
    header = ["text", *lm.config.directions, *average, "tokens", "unknown"]
    typer.echo(
        f"Perplexity, sentences from the state {state or lm.initial_state!r}, over "
        f"{vocabulary['words']:,} words (vocabulary {vocabulary['digest']}; figures of different "
        "vocabularies do not compare)"
    )
    msg.table(rows, header=header, divider=True, aligns=["l", *"r" * (len(header) - 1)])


def _vocabulary(words: Sequence[str] | None) -> dict[str, Any]:
    """What tells a vocabulary from others: its size, and some digits of its digest."""
    from spacy_elmo.formats.generation import words_digest

    return {"words": len(words or ()), "digest": words_digest(words)[:12]}


def _warn_of_others(output: Path, vocabulary: dict[str, Any]) -> None:
    """Warn if the file to be written holds figures of a model with another vocabulary."""
    from spacy_elmo.files import read_json

    try:
        before = read_json(output) if output.is_file() else {}
    except ValueError:
        return  # it is replaced, whatever it is
    for text, figures in before.items():
        known = figures.get("vocabulary", vocabulary) if isinstance(figures, dict) else vocabulary
        if known != vocabulary:
            typer.secho(
                f"Warning: {output} holds the perplexity of {text} for a model of another "
                "vocabulary: the figures do not compare",
                fg="yellow",
                err=True,
            )
            return
