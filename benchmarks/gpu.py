"""The rows of the benchmark that need a GPU: `python -m benchmarks.gpu PARTS`.

Prints each figure as soon as it is there. Needs PyTorch, numpy and safetensors only.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from spacy_elmo.bilm.bilm import BiLM
from spacy_elmo.bilm.config import BiLMConfig, CharCNNConfig
from spacy_elmo.pretraining.config import PretrainConfig
from spacy_elmo.pretraining.corpus.corpus import Corpus
from spacy_elmo.pretraining.gpu.parts import unpack_corpus
from spacy_elmo.pretraining.gpu.state import DeviceTraining
from spacy_elmo.pretraining.run.distributed import Group

FILTERS = ((1, 32), (2, 32), (3, 64), (4, 128), (5, 256), (6, 256))
SIZES = ((1024, 4096), (1024, 1024), (1024, 512), (512, 1024), (512, 512))  # cells, rows


def config_of(n_cells: int, n_rows: int, *, n_negatives: int = 8192) -> PretrainConfig:
    """A training of a size, with the batch a GPU needs."""
    model = BiLMConfig(
        lstm_dim=n_cells,
        projection_dim=256,
        cell_clip=None,
        proj_clip=None,
        char_cnn=CharCNNConfig(filters=FILTERS, n_highway=1),
    )
    return PretrainConfig(
        model=model,
        batch_size=n_rows,
        unroll_steps=32,
        n_negative_samples=n_negatives,
        precision="bfloat16",
        dropout=0.1,
        learning_rate=0.004,
        warmup_steps=300,
        seconds=600.0,
    )


def seconds(function: Callable[[], object], times: int) -> float:
    """Mean time of a call, once warm."""
    for _ in range(3):
        function()
    torch.cuda.synchronize()
    began = time.monotonic()
    for _ in range(times):
        function()
    torch.cuda.synchronize()
    return (time.monotonic() - began) / times


def ceilings() -> None:
    """What the card can do: products and copies."""
    a, b = (torch.randn(8192, 8192, device="cuda", dtype=torch.bfloat16) for _ in range(2))
    rate = 2 * 8192**3 / seconds(lambda: a @ b, 10) / 1e12
    source = torch.randn(1 << 30, device="cuda")
    target = torch.empty_like(source)
    copied = 2 * source.nbytes / seconds(lambda: target.copy_(source), 10) / 1e12
    print(f"products {rate:.0f} TFLOP/s in bfloat16, copies {copied:.2f} TB/s", flush=True)


def flops(config: PretrainConfig) -> float:
    """Operations of a training token, without the token layer (both directions)."""
    cells, width = config.model.lstm_dim, config.model.projection_dim
    layer = 2 * (4 * cells * 2 * width + cells * width)
    softmax = 2 * width * config.n_negative_samples
    return 3.0 * config.model.n_directions * (config.model.n_layers * layer + softmax)


def training_rate(corpus: Corpus, config: PretrainConfig, *, profile: bool) -> None:
    """Tokens per second of whole steps."""
    began = time.monotonic()
    training = DeviceTraining(corpus, config, Group(device="cuda"))
    ready = time.monotonic() - began
    batches = training.ahead(0)

    def step() -> None:
        batch, windows = next(batches)
        training.advance(batch, windows, 0.001)

    took = seconds(step, 20)
    rate = training.device_step.n_positions / took
    share = flops(config) * rate / 790e12
    room = training.device_step.distinct
    print(
        f"{config.model.lstm_dim}/{config.model.projection_dim}, {config.batch_size} rows: "
        f"{rate / 1e6:.2f} M tokens/s, {took * 1e3:.1f} ms a step, {share:.0%} of 790 TFLOP/s; "
        f"ready in {ready:.1f} s, {torch.cuda.max_memory_allocated() / 1e9:.1f} GB, room for "
        f"{room.capacity}, {int(room.missing)} missing",
        flush=True,
    )
    if profile:
        from torch.profiler import ProfilerActivity
        from torch.profiler import profile as watch

        with watch(activities=[ProfilerActivity.CUDA]) as seen:
            step()
            torch.cuda.synchronize()
        print(
            seen.key_averages().table(
                sort_by="cuda_time_total", row_limit=25, max_name_column_width=70
            )
        )
    torch.cuda.reset_peak_memory_stats()


def stream_rate(corpus: Corpus, n_tokens: int, device: str = "cuda") -> None:
    """Tokens per second of `stream` at 512/128, all types cached."""
    sentences: list[list[str]] = []
    n_words = 0
    for words in corpus.words():
        sentences.append(words)
        n_words += len(words)
        if n_words >= n_tokens:
            break
    lm = BiLM(BiLMConfig(lstm_dim=512, projection_dim=128)).to(device)
    lm.encoder.cache_size = 2**20
    for dtype in (torch.float32, torch.bfloat16):
        lm.compute_dtype = dtype
        for layers, mix in (("all layers", None), ("their average", _average)):
            for _ in range(2):  # the first pass fills the table of types
                began = time.monotonic()
                n_read = sum(found.shape[-2] for found in lm.stream(sentences, mix=mix))
                took = time.monotonic() - began
            print(
                f"stream, 512/128, {layers}, {dtype}: {n_read / took / 1e6:.2f} M tokens/s "
                f"({n_read:,} tokens)",
                flush=True,
            )


def _average(layers: torch.Tensor) -> torch.Tensor:
    return layers.mean(dim=0)


def learning(corpus: Corpus, config: PretrainConfig, budget: float) -> None:
    """Loss of a short training, with its rate over the warm-up and constant from there."""
    config = replace(config, schedule="constant", seconds=budget)
    training = DeviceTraining(corpus, config, Group(device="cuda"))
    began = told = time.monotonic()
    losses = torch.zeros(2, device="cuda")
    steps = 0
    for batch, windows in training.ahead(0):
        loss, norm = training.advance(batch, windows, training.rate(0.0))
        losses += loss / batch.n_positions
        steps += 1
        if steps % 50 == 0:
            torch.cuda.synchronize()
            now = time.monotonic()
            if now - told > budget / 6 or now - began > budget:
                mean = (losses / steps).tolist()
                print(
                    f"  rate {config.learning_rate}, {config.batch_size} rows: {now - began:.0f} s "
                    f"{training.tokens / 1e6:.0f} M tokens, loss {mean[0]:.3f} {mean[1]:.3f}, "
                    f"norm {norm.item():.2f}",
                    flush=True,
                )
                told, steps = now, 0
                losses.zero_()
            if now - began > budget:
                return


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", type=Path, help="folder of a packed corpus (make gpu-pack)")
    parser.add_argument("--profile", action="store_true", help="where the time of a step goes")
    parser.add_argument("--learning", type=float, default=0.0, help="seconds a learning rate")
    given = parser.parse_args(arguments)
    print(torch.cuda.get_device_name(), torch.__version__)
    ceilings()
    with tempfile.TemporaryDirectory() as folder:
        unpack_corpus([given.parts / "train-00.tar"], Path(folder))
        corpus = Corpus(folder)
        stream_rate(corpus, 2_000_000)
        for n_cells, n_rows in SIZES:
            config = config_of(n_cells, n_rows)
            training_rate(corpus, config, profile=given.profile and n_rows == SIZES[0][1])
        for rate in (0.003, 0.006) if given.learning else ():
            learning(corpus, replace(config_of(*SIZES[1]), learning_rate=rate), given.learning)


if __name__ == "__main__":
    main()
