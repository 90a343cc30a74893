"""Clocks, memory, the machine's peak, and the models that are measured."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from spacy_elmo import BiLM, BiLMConfig, CharCNNConfig

# The published sizes (Peters et al. 2018; allennlp.org/elmo): cells, projection, highway layers.
SIZES = {"1024/128": (1024, 128, 1), "4096/512": (4096, 512, 2)}


def random_lm(size: str) -> BiLM:
    """A biLM of a published size with random weights: speed does not depend on their values."""
    lstm_dim, projection_dim, n_highway = SIZES[size]
    torch.manual_seed(0)
    config = BiLMConfig(
        lstm_dim=lstm_dim,
        projection_dim=projection_dim,
        char_cnn=CharCNNConfig(n_highway=n_highway),
    )
    return BiLM(config)


def lstm_flops(lm: BiLM) -> int:
    """Floating-point operations of the LSTM layers per token (two per multiply-add)."""
    cells, width = lm.config.lstm_dim, lm.config.projection_dim
    per_layer = 4 * cells * 2 * width + cells * width
    return 2 * per_layer * lm.config.n_layers * lm.config.n_directions


def seconds(work: Callable[[], Any]) -> float:
    """Wall time of one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def best_of(n_passes: int, work: Callable[[], Any]) -> float:
    """Shortest wall time of some calls."""
    return min(seconds(work) for _ in range(n_passes))


def peak_gflops() -> float:
    """The machine's matrix-product peak: the best of square float32 products at 1024 and 2048."""
    best = 0.0
    for size in (1024, 2048):
        left, right, out = torch.randn(size, size), torch.randn(size, size), torch.empty(size, size)
        time_best = best_of(
            8, lambda left=left, right=right, out=out: torch.mm(left, right, out=out)
        )
        best = max(best, 2 * size**3 / time_best / 1e9)
    return best


def machine() -> str:
    """The first line of the report."""
    try:
        with Path("/proc/cpuinfo").open(encoding="utf8") as lines:
            processor = next(line.split(":")[1].strip() for line in lines if "model name" in line)
    except (OSError, StopIteration):
        processor = platform.processor() or platform.machine()
    versions = ", ".join(f"{name} {version(name)}" for name in ("torch", "spacy", "thinc", "numpy"))
    return (
        f"{processor}, {torch.get_num_threads()} threads, "
        f"{torch.backends.cpu.get_cpu_capability()}; Python {platform.python_version()}, {versions}"
    )


def in_new_process(module: str, *arguments: str) -> Any:
    """What `python -m module arguments` prints as JSON on its last line."""
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr}")
    return json.loads(done.stdout.strip().splitlines()[-1])
