"""``elmo prepare``: text to the corpus that `pretrain` and `evaluate` read."""

from __future__ import annotations

from pathlib import Path

import typer


def prepare(
    inputs: list[str] = typer.Argument(
        ...,
        metavar="INPUT",
        help="Plain text, one paragraph per line; .jsonl with a text or tokens in every line; "
        ".conllu; .spacy. All but .spacy also as .gz, .bz2, .xz. - is the standard input.",
    ),
    output: Path = typer.Argument(..., metavar="OUTPUT", help="Folder to make."),
    lang: str = typer.Option("en", "--lang", "-l", help="Language whose tokenizer is used."),
    pipeline: str | None = typer.Option(
        None, "--pipeline", "-p", help="Find words and sentences by this pipeline (name or path)."
    ),
    tokenized: bool = typer.Option(
        False, "--tokenized", help="Plain text is one sentence per line, words between spaces."
    ),
    max_vocab: int = typer.Option(
        50_000, min=3, help="Words of the vocabulary at most, <S>, </S> and <UNK> among them."
    ),
    min_count: int = typer.Option(
        3, min=1, help="Occurrences that a word of the vocabulary must have."
    ),
    vocab: Path | None = typer.Option(
        None,
        help="Use this vocabulary instead: vocab.txt, a corpus or model that has one, or the name "
        "of a packaged model.",
    ),
    max_characters: int = typer.Option(
        50, min=3, help="Characters (bytes) per word, the two word boundaries among them."
    ),
    n_process: int = typer.Option(1, "--n-process", "-n", help="Processes; -1 for all cores."),
    force: bool = typer.Option(
        False, "--force", "-f", help="Replace a corpus, or what a killed run left."
    ),
) -> None:
    """Prepare text for pretraining: tokenise it, count its words, number them."""
    from wasabi import msg

    from spacy_elmo.pretraining.corpus.counts import COUNTS
    from spacy_elmo.pretraining.corpus.prepare import prepare as run
    from spacy_elmo.pretraining.report.meter import Meter
    from spacy_elmo.text.reading import check_inputs, total_bytes

    total = total_bytes(check_inputs(inputs, tokenized))
    with Meter(total) as meter:
        meta = run(
            inputs,
            output,
            language=lang,
            pipeline=pipeline,
            tokenized=tokenized,
            max_vocab=max_vocab,
            min_count=min_count,
            vocabulary=vocab,
            max_characters=max_characters,
            n_process=n_process,
            force=force,
            advance=meter.advance,
            tell=meter.say,
        )
    known = 1 - meta["n_unknown"] / meta["n_tokens"]
    typer.echo(
        f"{meta['n_tokens']:,} words in {meta['n_sentences']:,} sentences, "
        f"{meta['n_types']:,} types; the vocabulary's {meta['n_vocabulary']:,} cover {known:.2%}",
        err=True,
    )
    for name, meaning in COUNTS.items():
        if meta[name]:
            typer.echo(f"{meta[name]:,} {meaning}", err=True)
    msg.good(f"Wrote {output}")
