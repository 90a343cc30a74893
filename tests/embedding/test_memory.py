"""Memory does not grow with the corpus."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

RUN = """
import resource, sys
import torch
from spacy_elmo import embed
from spacy_elmo.embedding.entries import TextFiles

torch.set_num_threads(1)
embed(sys.argv[1], TextFiles([sys.argv[2]]), sys.argv[3], layers="average", forget_sentences=
      sys.argv[3].endswith("hdf5"))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def peak(weights: Path, n: int, out: Path) -> float:
    """Peak of the memory for so many lines of three words, in MB."""
    text = out.with_suffix(".txt")
    with text.open("w", encoding="utf8") as file:
        for k in range(n):
            file.write(f"word{k % 50_000} and {k}\n")
    command = [sys.executable, "-c", RUN, str(weights), str(text), str(out)]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(ended.stdout) / (1024**2 if sys.platform == "darwin" else 1024)


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.skipif(sys.platform == "win32", reason="has no resource")
@pytest.mark.parametrize("suffix", ["npy", "parquet", "hdf5"])
def test_a_million_lines(suffix: str, weights: Path, tmp_path: Path) -> None:
    few = peak(weights, 300_000, tmp_path / f"few.{suffix}")
    many = peak(weights, 1_000_000, tmp_path / f"many.{suffix}")
    print(f"{suffix}: {few:.0f} MB for 300,000 lines, {many:.0f} MB for 1,000,000")
    # Offsets, 8 bytes per line, are all that is read at once; caches of the tokenizer fill up.
    assert many < few + 60
