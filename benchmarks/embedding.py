"""`python -m benchmarks.embedding TEXT`: words per second of `embed` against `BiLM.stream`.

In seconds of the processor, so that what runs beside does not count; what is waited for (the disk)
does not count either, so wall time is shown, too.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from benchmarks.measure import machine
from spacy_elmo import BiLM, embed
from spacy_elmo.embedding.docs.tokenizer import Tokenizer
from spacy_elmo.embedding.entries import TextFiles


def main() -> None:
    """Measure, and print a line per format."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.embedding", description=__doc__)
    parser.add_argument("text", type=Path, help="a text file, one entry per line")
    parser.add_argument("--weights", default="en_elmo_sm")
    parser.add_argument("--layers", default="all")
    parser.add_argument("--formats", nargs="+", default=["npy", "parquet", "hdf5"])
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    lm = BiLM.from_pretrained(arguments.weights)
    tokenizer = Tokenizer("en")
    files = TextFiles([arguments.text])
    # spaCy and the tokenizer's cache are warm then, as in a long run.
    entries = tokenizer(list(files.entries(tokenizer)))
    sentences = [words for entry in entries for words in entry.sentences]
    n_words = sum(map(len, sentences))
    print(machine())
    print(f"{n_words:,} words, {arguments.weights}, one thread, layers {arguments.layers}")

    def stream() -> None:
        lm.weights_changed()  # the token layer's cache is empty, as it is for `embed`
        for _ in lm.stream(sentences):
            pass

    with tempfile.TemporaryDirectory() as folder:
        for turn in range(2):
            of_stream = _rates("stream", stream, n_words)
            for suffix in arguments.formats:
                out = Path(folder) / f"{turn}.{suffix}"
                rate = _rates(
                    suffix,
                    lambda out=out: embed(lm, files, out, layers=arguments.layers),
                    n_words,
                )
                print(f"    {rate / of_stream:.2f} of stream")
                for path in Path(folder).iterdir():
                    path.unlink()


def _rates(name: str, work: Callable[[], object], n_words: int) -> float:
    """Words per second of the processor, printed beside those of the clock."""
    wall, processor = time.perf_counter(), time.process_time()
    work()
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    print(
        f"{name}: {n_words / processor:,.0f} words/s of the processor, {n_words / wall:,.0f} wall"
    )
    return n_words / processor


if __name__ == "__main__":
    main()
