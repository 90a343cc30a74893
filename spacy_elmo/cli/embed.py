"""``elmo embed``: the vectors of a corpus, to a file."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from spacy_elmo.embedding.progress import Progress

# Seconds until the first plain line of progress, and between two.
FIRST_LINE, LINES = 2.0, 30.0


def embed(
    weights: str = typer.Argument(
        ...,
        help="Name or path of weights, or of a saved pipeline, whose tokenizer and sentences are "
        "then used.",
    ),
    inputs: list[str] = typer.Argument(
        ...,
        metavar="INPUT...",
        help="Text, one entry per line; .jsonl with a text or tokens in every line; .conllu; "
        ".spacy. All but .spacy also as .gz, .bz2, .xz. - is the standard input.",
    ),
    output: Path = typer.Argument(
        ..., metavar="OUTPUT", help="NAME.hdf5, .h5, .parquet, .npy, .npz or .spacy."
    ),
    layers: str = typer.Option(
        "all",
        help="all, top, average (the plain mean), token, or numbers from 0 (the token layer), "
        "separated by commas.",
    ),
    pool: str | None = typer.Option(
        None, help="mean: one vector per entry, over its words. Default: one per token."
    ),
    dtype: str = typer.Option("float32", help="float32 or float16."),
    compression: str | None = typer.Option(
        None,
        help="HDF5: gzip, lzf. Parquet: snappy (its default), none, zstd, gzip, lz4, brotli. "
        ".npz: deflate.",
    ),
    precision: str | None = typer.Option(
        None, help="Of the products inside the LSTM: float32, bfloat16, float16, auto."
    ),
    lang: str = typer.Option(
        "en", "--lang", "-l", help="Language whose tokenizer splits text, for bare weights."
    ),
    tokenized: bool = typer.Option(False, "--tokenized", help="Split text at white space."),
    use_sentence_keys: bool = typer.Option(
        False, "--use-sentence-keys", help="HDF5: name the datasets by their text."
    ),
    forget_sentences: bool = typer.Option(
        False, "--forget-sentences", help="HDF5: leave out the dataset sentence_to_index."
    ),
    options: Path | None = typer.Option(None, help="Options file of HDF5 weights."),
    vocab: Path | None = typer.Option(None, help="Vocabulary file of HDF5 weights."),
    device: str = typer.Option("cpu", help="Where to compute: cpu or cuda."),
    force: bool = typer.Option(
        False, "--force", "-f", help="Replace OUTPUT, and what another run left."
    ),
    ray: bool = typer.Option(
        False,
        "--ray",
        help="Run on Ray: INPUT are folders of Parquet or JSONL files, OUTPUT a folder of Parquet "
        "files with a row per text.",
    ),
    address: str | None = typer.Option(
        None, help="With --ray: the cluster. Default: a new one on this machine."
    ),
    column: str = typer.Option("text", help="With --ray: the column of texts."),
    actors: int | None = typer.Option(None, min=1, help="With --ray: processes that compute."),
    cpus: int = typer.Option(1, min=1, help="With --ray: CPUs of each."),
) -> None:
    """Write the vectors of a corpus to a file.

    A killed run goes on where it was when the same command is given again.
    """
    from wasabi import msg

    if ray:
        from spacy_elmo.embedding.on_ray import embed_on_ray

        if use_sentence_keys or forget_sentences or options or vocab or device != "cpu":
            raise ValueError(
                "--use-sentence-keys, --forget-sentences, --options, --vocab and --device are not "
                "for --ray"
            )
        rows = embed_on_ray(
            weights,
            inputs,
            output,
            column=column,
            layers=layers,
            dtype=dtype,
            pool=pool,
            compression=compression,
            lang=lang,
            tokenized=tokenized,
            precision=precision,
            address=address,
            actors=actors,
            cpus=cpus,
            force=force,
        )
        msg.good(f"Wrote {rows:,} rows to {output}")
        return

    if address is not None or actors is not None or cpus != 1 or column != "text":
        raise ValueError("--address, --column, --actors and --cpus are for --ray")
    from spacy_elmo.cli.counts import echo_repaired
    from spacy_elmo.embedding.embed import embed as run
    from spacy_elmo.embedding.entries import TextFiles
    from spacy_elmo.pretraining.run.distributed import usable_device

    files = TextFiles(inputs)
    with _Meter() as meter:
        done = run(
            weights,
            files,
            output,
            layers=layers,
            dtype=dtype,
            pool=pool,
            compression=compression,
            use_sentence_keys=use_sentence_keys,
            forget_sentences=forget_sentences,
            lang=lang,
            tokenized=tokenized,
            options=options,
            vocab=vocab,
            precision=precision,
            device=usable_device(device),
            force=force,
            progress=meter.update,
        )
    echo_repaired(files.counts)
    rate = f"; {_rate(done)}" if done.n_tokens else ""
    msg.good(f"Wrote {done.n_entries:,} entries to {output}{rate}")


class _Meter:
    """Tells of progress on standard error: a bar where somebody watches, else lines."""

    def __init__(self) -> None:
        self.bar: Any = None
        self.due = time.monotonic() + FIRST_LINE
        self.has_begun = False

    def __enter__(self) -> _Meter:
        return self

    def __exit__(self, *exception: object) -> None:
        if self.bar is not None:
            self.bar.close()

    def update(self, progress: Progress) -> None:
        """So far it is."""
        if not self.has_begun:
            self.has_begun = True
            self._begin(progress)
        if self.bar is not None:
            self.bar.set_postfix_str(_rate(progress), refresh=False)
            self.bar.update(progress.n_entries - self.bar.n)
        elif time.monotonic() >= self.due and progress.n_tokens:
            self.due = time.monotonic() + LINES
            print(self._line(progress), file=sys.stderr, flush=True)

    def _begin(self, progress: Progress) -> None:
        from spacy_elmo.embedding.estimate import in_words

        if progress.resumed:
            typer.echo(f"Going on after {progress.resumed:,} entries", err=True)
        if progress.n_bytes is not None:
            room = in_words(progress.n_bytes)
            typer.echo(f"This takes about {room} on the disk while it is made", err=True)
        if sys.stderr.isatty():
            from tqdm import tqdm

            total = None if progress.expected is None else round(progress.expected)
            self.bar = tqdm(total=total, initial=progress.resumed, unit="entries")

    def _line(self, progress: Progress) -> str:
        from spacy_elmo.pretraining.report.meter import time_left

        line = f"{progress.n_entries:,} entries  {_rate(progress)}"
        new = progress.n_entries - progress.resumed
        if progress.expected is None or progress.expected <= progress.n_entries or not new:
            return line
        share = new / (progress.expected - progress.resumed)
        whole = progress.n_entries / progress.expected
        return f"{whole:7.2%}  {line}  left {time_left(progress.seconds, share)}"


def _rate(progress: Progress) -> str:
    return f"{progress.n_tokens / max(progress.seconds, 1e-9):,.0f} tokens/s"
