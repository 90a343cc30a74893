"""The training step at the default recipe's sizes: against the plain one and against the peak."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import torch

from benchmarks.measure import peak_gflops, seconds
from benchmarks.plain_training import PlainTraining
from benchmarks.report import Report
from benchmarks.text import Text
from spacy_elmo.bilm.config import BiLMConfig
from spacy_elmo.pretraining.batches.batches import TrainingBatch
from spacy_elmo.pretraining.config import RECIPES, PretrainConfig
from spacy_elmo.pretraining.corpus.corpus import Corpus
from spacy_elmo.pretraining.corpus.prepare import prepare
from spacy_elmo.pretraining.run.distributed import Group
from spacy_elmo.pretraining.run.state import Training
from spacy_elmo.pretraining.step.language_model import LayerStates, run_direction
from spacy_elmo.pretraining.step.sampled_softmax import sampled_loss

N_WORDS = 50_000  # the recipe's vocabulary


def measure(report: Report, text: Text, n_steps: int) -> None:
    """Rows of the training step. n_steps: Steps to time; the median counts."""
    config = RECIPES["default"]
    tokens = config.batch_size * config.unroll_steps
    report.progress(f"training steps of {tokens} tokens")
    with tempfile.TemporaryDirectory() as folder:
        corpus = _corpus(text, Path(folder))
        n_threads = torch.get_num_threads()
        training, plain = _trainings(corpus, config)
        batches = list(islice(training.batches.ahead(0), n_steps + 1))
        ours, theirs = [], []
        for number, (batch, windows) in enumerate(batches):
            # Turn by turn, so that what else the machine does slows both.
            time_plain = seconds(lambda batch=batch: plain.step(batch))
            torch.set_num_threads(max(1, n_threads // 2))
            time_ours = seconds(
                lambda batch=batch, windows=windows: training.advance(batch, windows, 1e-3)
            )
            torch.set_num_threads(n_threads)
            if number:  # the first one warms up
                theirs.append(time_plain)
                ours.append(time_ours)
        peak = peak_gflops()
        mine, other = statistics.median(ours), statistics.median(theirs)
        n_types = statistics.mean(len(batch.types) for batch, _ in batches)
        share = step_flops(config.model, config, n_types) / mine / 1e9 / peak
        report.add(
            "training step, the plain way", f"{tokens / other:,.0f} tokens/s", tokens / other
        )
        report.add("training step", f"{tokens / mine:,.0f} tokens/s", tokens / mine)
        report.add(
            "training step against the plain way",
            f"{other / mine:.2f}x",
            other / mine,
            "at least 1.5x",
        )
        report.add("training step, share of the peak", f"{share:.2f}", share)
        torch.set_num_threads(max(1, n_threads // 2))
        for name, time in profile(training, batches[0][0], mine).items():
            report.add(f"training step: {name}", f"{time / mine:.0%}", time / mine)
        torch.set_num_threads(n_threads)


def step_flops(sizes: BiLMConfig, config: PretrainConfig, n_types: float) -> float:
    """Operations of the matrix products of a step, forward and twice as many backward."""
    cells, width = sizes.lstm_dim, sizes.projection_dim
    layer = 4 * cells * 2 * width + cells * width
    per_token = sizes.n_directions * (sizes.n_layers * layer + width * config.n_negative_samples)
    cnn = sizes.char_cnn
    assert cnn is not None
    positions = 16  # of a word, in the mean over types, with the marks
    per_type = cnn.n_filters * width + 2 * cnn.n_highway * cnn.n_filters**2
    per_type += positions * cnn.embedding_dim * sum(w * n for w, n in cnn.filters)
    tokens = config.batch_size * config.unroll_steps
    return 6.0 * (tokens * per_token + n_types * per_type)


def profile(training: Training, batch: TrainingBatch, whole: float) -> dict[str, float]:
    """Seconds of the parts of a step, each run in all threads as in the step itself."""
    lm, stepper, config = training.lm, training.stepper, training.config
    n_directions = config.model.n_directions
    assert lm.softmax is not None
    vectors = torch.randn(len(batch.types), config.model.projection_dim, requires_grad=True)
    weight = lm.softmax.weight.detach()[batch.words].requires_grad_()
    bias = lm.softmax.bias.detach()[batch.words].requires_grad_()
    n_rows = batch.inputs.shape[2]
    hidden = torch.randn(batch.targets.shape[1], config.model.projection_dim, requires_grad=True)

    def recurrence(direction: int) -> None:
        states = LayerStates.zero(lm, n_rows)
        outputs, _ = run_direction(lm, direction, vectors[batch.inputs[direction]], states)
        parameters = [training.stepper.dense[name] for name in stepper.layer_names[direction]]
        torch.autograd.grad(outputs.sum(), [vectors, *parameters])

    def softmax(direction: int) -> None:
        loss = sampled_loss(
            hidden, weight, bias, batch.log_expected, batch.targets[direction], batch.n_negatives
        )
        torch.autograd.grad(loss, [hidden, weight, bias])

    def side_by_side(work: Callable[[int], Any]) -> None:
        stepper._side_by_side(work, n_directions)

    def token_layer() -> None:
        embedded = stepper._embed(batch.types)
        stepper._embed_backward(embedded, torch.ones(len(batch.types), vectors.shape[1]))

    gradients = stepper(batch, training.states, 0)
    parts = {
        "LSTM layers": lambda: side_by_side(recurrence),
        "token layer": token_layer,
        "sampled softmax": lambda: side_by_side(softmax),
        "optimizer": lambda: training.optimizer.step(gradients.dense, gradients.rows, 1e-3),
    }
    times = {
        name: statistics.median(seconds(part) for _ in range(5)) for name, part in parts.items()
    }
    times["the rest"] = max(0.0, whole - sum(times.values()))
    return times


def _trainings(corpus: Corpus, config: PretrainConfig) -> tuple[Training, PlainTraining]:
    training = Training(corpus, config, Group())
    return training, PlainTraining(Training(corpus, config, Group()).lm, config)


def _corpus(text: Text, folder: Path) -> Corpus:
    """The text with a vocabulary of the recipe's size: topped up by words that never occur."""
    source = folder / "text.txt"
    source.write_text("\n".join(map(" ".join, text.sentences)) + "\n", encoding="utf8")
    known = dict.fromkeys(word for words in text.sentences for word in words)
    words = ["<S>", "</S>", "<UNK>", *known][:N_WORDS]
    words += [f"word-{number}" for number in range(N_WORDS - len(words))]
    (folder / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf8")
    prepare([source], folder / "corpus", tokenized=True, vocabulary=folder / "vocab.txt")
    return Corpus(folder / "corpus")
