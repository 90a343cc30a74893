"""``elmo evaluate``: perplexity of a model on texts."""

from __future__ import annotations

from pathlib import Path

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
        }
    if output is not None:  # before anything is shown, which may fail
        write_json(output, figures, allow_nan=True)
    average = ["average"] if lm.config.bidirectional else []
    header = ["text", *lm.config.directions, *average, "tokens", "unknown"]
    typer.echo(f"Perplexity, sentences from the state {state or lm.initial_state!r}")
    msg.table(rows, header=header, divider=True, aligns=["l", *"r" * (len(header) - 1)])
