"""The training step for a GPU against the CPU's, piece by piece and as a whole.

All of it runs on the CPU too, and on a GPU where there is one.
"""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from spacy_elmo.bilm.characters import PADDING
from spacy_elmo.bilm.scoring.prior import log_uniform
from spacy_elmo.pretraining.batches.packed import DIRECTIONS, read_symbols
from spacy_elmo.pretraining.batches.sampling import (
    draw_negatives,
    log_expected_counts,
)
from spacy_elmo.pretraining.config import PretrainConfig
from spacy_elmo.pretraining.corpus.corpus import Corpus
from spacy_elmo.pretraining.corpus.prepare import prepare
from spacy_elmo.pretraining.gpu.distinct import (
    SHORT,
    Capacity,
    DistinctTypes,
    long_types,
    measure_capacity,
)
from spacy_elmo.pretraining.gpu.layer import run_layer
from spacy_elmo.pretraining.gpu.sampled_softmax import Negatives, expected_draws, sampled_gradients
from spacy_elmo.pretraining.gpu.state import DeviceTraining, unsupported
from spacy_elmo.pretraining.gpu.stream import EpochStream
from spacy_elmo.pretraining.gpu.token_layer import embed_types
from spacy_elmo.pretraining.run.distributed import Group
from spacy_elmo.pretraining.step.language_model import LayerStates, run_direction
from spacy_elmo.pretraining.step.recurrence import run_window
from spacy_elmo.pretraining.step.sampled_softmax import sampled_loss
from tests.pretraining.small import config as small_config
from tests.pretraining.small import sentences

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
every_device = pytest.mark.parametrize("device", DEVICES)


@pytest.fixture(autouse=True)
def full_precision() -> Iterator[None]:
    """Some machines let PyTorch round the inputs of float32 products to 10 bits."""
    kinds = torch.backends.cuda.matmul, torch.backends.cudnn
    before = [kind.allow_tf32 for kind in kinds]
    for kind in kinds:
        kind.allow_tf32 = False
    yield
    for kind, value in zip(kinds, before, strict=True):
        kind.allow_tf32 = value


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """The tiny language, with some words that are longer than the table for short ones is wide."""
    folder = tmp_path_factory.mktemp("corpus")
    lines = [
        line.replace("friend", "friend" * (3 + k % 5)) for k, line in enumerate(sentences(150))
    ]
    (folder / "text.txt").write_text("\n".join(lines) + "\n", encoding="utf8")
    prepare([folder / "text.txt"], folder / "corpus", tokenized=True, min_count=1)
    return Corpus(folder / "corpus")


def close(found: Tensor, wanted: Tensor, tolerance: float = 1e-5) -> None:
    torch.testing.assert_close(found.cpu(), wanted.cpu(), rtol=tolerance, atol=tolerance)


@every_device
@pytest.mark.parametrize("epoch", [0, 3])
def test_rows_read_shuffled_sentences_on_and_on(corpus: Corpus, device: str, epoch: int) -> None:
    stream = EpochStream(corpus, 4, 5, 2, 7, torch.device(device))
    stream.lay_out(epoch)
    n_positions = corpus.n_tokens + corpus.n_sentences
    assert stream.n_windows == n_positions // 20
    order = np.random.default_rng((7, epoch)).permutation(corpus.n_sentences)
    lengths = np.diff(corpus.sentences)[order] + 1
    sentence = np.repeat(order, lengths)
    offset = np.arange(n_positions) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    used = 4 * stream.n_windows * 5
    for direction, name in enumerate(DIRECTIONS):
        wanted = read_symbols(corpus, sentence[:used], offset[:used], name)
        for tables, whole in zip((stream.inputs, stream.targets), wanted, strict=True):
            assert np.array_equal(tables[direction].cpu().numpy().reshape(-1), whole)
    number = torch.tensor(2, device=device)
    inputs, targets = stream.window(number)
    assert inputs.shape == targets.shape == (2, 5, 4)
    assert torch.equal(inputs[1, :, 3].cpu(), stream.inputs[1, 3, 10:15].cpu().long())
    assert torch.equal(targets[0, :, 0].cpu(), stream.targets[0, 0, 10:15].cpu().long())


def test_a_corpus_smaller_than_a_batch(corpus: Corpus) -> None:
    with pytest.raises(ValueError, match="lower batch_size or unroll_steps"):
        EpochStream(corpus, 10_000, 100, 2, 0, torch.device("cpu"))


@every_device
def test_types_are_numbered_with_short_words_first(device: str) -> None:
    is_long = torch.tensor([False, True, False, True, False, False], device=device)
    inputs = torch.tensor([[5, 1, 5], [2, 1, 5]], device=device)
    distinct = DistinctTypes(is_long, Capacity(4, 2))
    types, places = distinct(inputs)
    assert types.tolist() == [2, 5, 0, 0, 1, 0]
    assert torch.equal(types[places], inputs)
    assert int(distinct.missing) <= 0
    too_small = DistinctTypes(is_long, Capacity(1, 1))
    too_small(inputs)
    assert int(too_small.missing) == 1  # two short ones, room for one
    too_small(inputs[:1, 1:2])
    assert int(too_small.missing) == 1  # remembered


def test_the_room_for_types_is_what_windows_need() -> None:
    is_long = torch.zeros(3000, dtype=torch.bool)
    is_long[::10] = True
    windows = [torch.arange(1000), torch.arange(500).repeat(4)]
    room = measure_capacity(windows, is_long)
    assert 900 * 1.2 <= room.short <= 900 * 1.2 + 256
    assert 100 * 1.2 <= room.long <= 100 * 1.2 + 256


@every_device
def test_the_token_layer_is_the_networks(corpus: Corpus, device: str) -> None:
    training = DeviceTraining(corpus, small_config(batch_size=4), Group(device=device))
    cnn = training.device_step.cnn
    characters = training.device_step.characters
    is_long = long_types(characters, PADDING, 3)
    assert is_long.any()
    assert not is_long.all()
    for chosen, columns in ((~is_long, SHORT), (is_long, characters.shape[1])):
        given = characters[chosen]
        weights = torch.randn(len(given), cnn.width, device=device)
        weights_of = dict(cnn.named_parameters())
        found = embed_types(cnn.config, weights_of, given[:, :columns], torch.float32)
        wanted = cnn(given.long())
        close(found, wanted)
        parameters = list(cnn.parameters())
        for ours, reference in zip(
            torch.autograd.grad((found * weights).sum(), parameters),
            torch.autograd.grad((wanted * weights).sum(), parameters),
            strict=True,
        ):
            close(ours, reference, 1e-4)


@every_device
@pytest.mark.parametrize(("steps", "rows", "cells"), [(1, 1, 3), (4, 5, 7), (3, 2, 300)])
def test_a_layer_is_the_cpus(device: str, steps: int, rows: int, cells: int) -> None:
    torch.manual_seed(steps)
    width = 4

    def leaf(*shape: int) -> Tensor:
        return torch.randn(*shape, device=device).mul_(0.5).requires_grad_()

    inputs, weight, bias = leaf(steps, rows, width), leaf(4 * cells, 2 * width), leaf(4 * cells)
    projection, h, c = leaf(width, cells), leaf(rows, width), leaf(rows, cells)
    wanted, last_h, last_c = run_window(
        inputs.transpose(1, 2), h.t(), c.t(), weight, bias, projection
    )
    found, our_h, our_c = run_layer(inputs, h, c, weight, bias, projection)
    close(found, wanted.transpose(1, 2))
    close(our_h, last_h.t())
    close(our_c, last_c.t())
    gradient = torch.randn_like(found)
    leaves = [inputs, weight, bias, projection]
    for ours, reference in zip(
        torch.autograd.grad(found, leaves, gradient),
        torch.autograd.grad(wanted, leaves, gradient.transpose(1, 2)),
        strict=True,
    ):
        close(ours, reference, 1e-4)


@every_device
def test_the_full_softmax_is_cross_entropy(device: str) -> None:
    torch.manual_seed(0)
    n_words, width, n = 30, 6, 50
    hidden, weight = (torch.randn(k, width, device=device).requires_grad_() for k in (n, n_words))
    bias = torch.randn(n_words, device=device).requires_grad_()
    targets = torch.randint(n_words, (n,), device=device)
    negatives = Negatives(n_words, 0, torch.device(device))
    loss, *found = sampled_gradients(
        hidden.detach(), weight.detach(), bias.detach(), negatives, negatives.draw(), targets, 0.5
    )
    wanted = F.cross_entropy(hidden @ weight.t() + bias, targets, reduction="sum")
    close(loss, wanted)
    for ours, reference in zip(
        found, torch.autograd.grad(0.5 * wanted, [hidden, weight, bias]), strict=True
    ):
        close(ours, reference, 1e-4)


@every_device
def test_the_sampled_softmax_is_the_cpus(device: str) -> None:
    torch.manual_seed(1)
    n_words, width, n, n_samples = 60, 5, 40, 20
    hidden = torch.randn(n, width, device=device).requires_grad_()
    weight = torch.randn(n_words, width, device=device).requires_grad_()
    bias = torch.randn(n_words, device=device).requires_grad_()
    targets = torch.randint(n_words, (n,), device=device)
    negatives = Negatives(n_words, n_samples, torch.device(device))
    words, column = negatives.draw()
    assert len(set(words.tolist())) == n_samples
    assert torch.equal(column[words].cpu(), torch.arange(n_samples))
    assert int((column == n_samples).sum()) == n_words - n_samples
    assert bool((column[targets] < n_samples).any())
    assert not bool((column[targets] < n_samples).all())
    loss, *found = sampled_gradients(
        hidden.detach(), weight.detach(), bias.detach(), negatives, (words, column), targets, 1.0
    )
    # The CPU's wants the touched rows: here the negatives, then every word.
    rows = torch.cat([words, torch.arange(n_words, device=device)])
    index = torch.where(column[targets] < n_samples, column[targets], n_samples + targets)
    wanted = sampled_loss(
        hidden, weight[rows], bias[rows], negatives.log_expected[rows], index, n_samples
    )
    close(loss, wanted, 1e-4)
    for ours, reference in zip(
        found, torch.autograd.grad(wanted, [hidden, weight, bias]), strict=True
    ):
        close(ours, reference, 1e-4)


def test_words_are_drawn_as_often_as_one_after_the_other() -> None:
    torch.manual_seed(0)
    n_words, n_samples, times = 40, 10, 4000
    negatives = Negatives(n_words, n_samples, torch.device("cpu"))
    ours = torch.zeros(n_words)
    for _ in range(times):
        ours[negatives.draw()[0]] += 1
    random = np.random.default_rng(0)
    theirs = np.zeros(n_words)
    for _ in range(times):
        theirs[draw_negatives(n_words, n_samples, random)[0]] += 1
    # Four deviations of a difference of two shares of `times`.
    bound = 4 * np.sqrt(2 * 0.25 / times)
    assert np.abs(ours.numpy() / times - theirs / times).max() < bound
    # And the correction says how often.
    assert np.abs(negatives.log_expected.exp().numpy() - theirs / times).max() < 0.05


def test_the_expected_number_of_draws() -> None:
    draws = expected_draws(500, 60)
    counts = np.exp(log_expected_counts(np.arange(500), 500, draws))
    assert abs(counts.sum() - 60) < 0.2
    assert np.isclose(log_uniform(500).sum(), 1.0)


def reference_gradients(training: DeviceTraining) -> tuple[Tensor, dict[str, Tensor]]:
    """Loss per direction and gradients by the CPU's network and the full softmax."""
    lm, step = training.lm, training.device_step
    inputs, targets = training.stream.window(torch.zeros((), dtype=torch.int64).to(lm.device))
    losses = []
    for direction in range(2):
        vectors = lm.token_encoder(step.characters[inputs[direction]].long().flatten(0, 1))
        state = LayerStates(
            step.h[direction].transpose(1, 2).float(), step.c[direction].transpose(1, 2)
        )
        hidden, _ = run_direction(lm, direction, vectors.view(*inputs[direction].shape, -1), state)
        assert lm.softmax is not None
        logits = hidden @ lm.softmax.weight.t() + lm.softmax.bias
        losses.append(F.cross_entropy(logits, targets[direction].flatten(), reduction="sum"))
    total = torch.stack(losses)
    named = dict(lm.named_parameters())
    mean = total.sum() / (2 * step.n_positions)
    gradients = torch.autograd.grad(mean, list(named.values()))
    return total.detach(), dict(zip(named, gradients, strict=True))


@every_device
@pytest.mark.parametrize("clip_norm", [0.0, 0.01])
def test_a_whole_step(corpus: Corpus, device: str, clip_norm: float) -> None:
    config = small_config(batch_size=4, n_negative_samples=0, clip_norm=clip_norm)
    training = DeviceTraining(corpus, config, Group(device=device))
    losses, gradients = reference_gradients(training)
    before = {name: p.detach().clone() for name, p in training.lm.named_parameters()}
    batch, windows = next(training.ahead(0))
    found, norm = training.advance(batch, windows, 0.01)
    close(found, losses, 1e-4)
    wanted = torch.sqrt(sum(g.square().sum() for g in gradients.values()))  # type: ignore[arg-type]
    close(norm, wanted, 1e-4)
    factor = clip_norm / max(clip_norm, float(norm)) if clip_norm else 1.0
    for name, parameter in training.lm.named_parameters():
        if device == "cpu":  # a captured graph keeps its gradients to itself
            assert parameter.grad is not None
            close(parameter.grad, gradients[name] * factor, 1e-5)
        decay = 0.01 * config.weight_decay
        decayed = parameter.dim() > 1 and not name.startswith("softmax")
        gradient = gradients[name] * factor
        step = 0.01 * gradient / (gradient.abs() + config.epsilon)  # Adam's first
        clear = gradient.abs() > 1e-5
        expected = before[name] * (1 - decay * decayed) - step
        close(parameter[clear], expected[clear], 2e-4)


@every_device
@pytest.mark.parametrize("precision", ["float32", pytest.param("bfloat16", marks=pytest.mark.soak)])
def test_it_learns(corpus: Corpus, device: str, precision: str) -> None:
    config = small_config(
        batch_size=4, n_negative_samples=20, learning_rate=0.02, warmup_steps=5, dropout=0.1
    )
    config = PretrainConfig.from_dict({**config.to_dict(), "precision": precision})
    training = DeviceTraining(corpus, config, Group(device=device))
    losses = []
    for batch, windows in training.ahead(0):
        loss, _ = training.advance(batch, windows, training.rate(0.0))
        losses.append(float(loss.mean()) / batch.n_positions)
        if len(losses) == 5 * training.stream.n_windows:
            break
    n = training.stream.n_windows
    assert np.mean(losses[-n:]) < 0.8 * np.mean(losses[:n])
    assert training.stream.epoch == 4
    assert training.tokens == len(losses) * training.device_step.n_positions


@every_device
def test_a_checkpoint_goes_on_as_if_nothing_had_happened(corpus: Corpus, device: str) -> None:
    config = small_config(batch_size=4, n_negative_samples=20, dropout=0.1)

    def run(training: DeviceTraining, n_steps: int) -> list[list[float]]:
        found = []
        for batch, windows in training.ahead(training.step):
            loss, _ = training.advance(batch, windows, training.rate(0.0))
            found.append(loss.tolist())
            if len(found) == n_steps:
                return found
        raise AssertionError

    first = DeviceTraining(corpus, config, Group(device=device))
    n = first.stream.n_windows + 3  # into the second epoch
    run(first, n)
    saved = first.capture()
    wanted = run(first, 4)
    second = DeviceTraining(corpus, config, Group(device=device))
    run(second, 2)
    second.restore(saved)
    assert second.step == n
    # On a GPU sums are added up in any order.
    assert np.allclose(run(second, 4), wanted, rtol=0.0 if device == "cpu" else 1e-4)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, None),
        ({"order": "text"}, "an order of its own"),
        ({"reset_probability": 0.1}, "rows that start anew"),
        ({"optimizer": "adagrad"}, "another optimizer"),
        ({"precision": "float16"}, "float16"),
        ({"model": {"cell_clip": 3.0}}, "clips"),
        ({"model": {"lstm_projection": False, "lstm_dim": 128}}, "without a projection"),
        ({"model": {"char_cnn": None}}, "word input"),
    ],
)
def test_what_it_leaves_to_the_other(change: dict[str, object], reason: str | None) -> None:
    found = unsupported(PretrainConfig.from_dict(change), Group())
    assert (found is None) if reason is None else (reason in str(found))


def test_kernels_in_triton() -> None:
    """On a GPU the kernels themselves; elsewhere by Triton's interpreter, where it is installed."""
    pytest.importorskip("triton")
    command = [sys.executable, "-m", "tests.pretraining.gpu.triton_check"]
    root = Path(__file__).parents[3]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr[-3000:]
