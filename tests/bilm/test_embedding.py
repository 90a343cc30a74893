"""`padded` and `ElmoEmbedding`: against `encode`, the oracle of numbers, and PyTorch's customs."""

from __future__ import annotations

import copy
import io
import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from spacy_elmo import BiLM, ElmoEmbedding, WeightsError
from tests.tiny import N_LAYERS, WIDTH, tiny_lm

SENTENCES = [["The", "bank", "raised", "rates"], [], ["Hello"], ["a", "b"]]
LM = tiny_lm()


@settings(max_examples=20, deadline=None)
@given(st.lists(st.lists(st.sampled_from(["the", "bank", "é", ""]), max_size=5), max_size=4))
def test_padded_holds_what_encode_gives(sentences: list[list[str]]) -> None:
    longest = max(map(len, sentences), default=0)
    for gradients in (False, True):
        layers, mask = LM.padded(sentences, gradients=gradients)
        assert layers.shape == (N_LAYERS, len(sentences), longest, WIDTH)
        assert mask.dtype == torch.bool
        assert mask.sum(dim=1).tolist() == list(map(len, sentences))
        assert layers.requires_grad == gradients
        for k, array in enumerate(LM.encode(sentences)):
            n = len(sentences[k])
            found = layers[:, k].detach().numpy()
            np.testing.assert_allclose(found[:, :n], array, atol=1e-5)
            assert not found[:, n:].any()


@pytest.mark.parametrize("wrong", ["a string", ["a string"], [[3]]])
def test_padded_refuses_what_encode_refuses(wrong: object) -> None:
    for gradients in (False, True):
        with pytest.raises(ValueError, match="expected"):
            LM.padded(wrong, gradients=gradients)  # type: ignore[arg-type]


def test_vectors_are_the_mix() -> None:
    elmo = ElmoEmbedding(LM)
    vectors, mask = elmo(SENTENCES)
    assert vectors.shape == (4, 4, WIDTH)
    for k, array in enumerate(LM.encode(SENTENCES)):
        found = vectors[k, : len(SENTENCES[k])].detach().numpy()
        np.testing.assert_allclose(found, array.mean(axis=0), atol=1e-5)
    assert not vectors[~mask].any()


def test_several_mixes_with_projections() -> None:
    elmo = ElmoEmbedding(LM, n_mixes=2, projection=3)
    with torch.no_grad():
        elmo.mixes[1].weights.copy_(torch.tensor([50.0, 0.0, 0.0]))
    (first, second), mask = elmo(SENTENCES)
    assert first.shape == second.shape == (4, 4, 3)
    assert elmo.width == 3
    token_layer = torch.from_numpy(LM.encode(SENTENCES)[0][0])
    torch.testing.assert_close(second[0], elmo.projections[1](token_layer), atol=1e-5, rtol=1e-5)
    assert not first[~mask].any()  # although the projection has a bias


def test_gradients_are_those_of_finite_differences() -> None:
    lm = tiny_lm().double()
    elmo = ElmoEmbedding(lm, frozen=False, projection=3).double()
    goal = torch.randn(4, 4, 3, dtype=torch.float64)

    def loss() -> torch.Tensor:
        return (elmo(SENTENCES)[0] * goal).sum()

    loss().backward()
    checked = {
        "mix": elmo.mixes[0].weights,
        "gamma": elmo.mixes[0].gamma,
        "projection": elmo.projections[0].weight,
        "characters": lm.token_encoder.char_embedding,
        "forward": next(lm.forward_layers[1].parameters()),
        "backward": next(lm.backward_layers[0].parameters()),
    }
    for name, parameter in checked.items():
        assert parameter.grad is not None, name
        place = int(parameter.grad.abs().argmax())
        values = parameter.data.view(-1)
        step, before = 1e-5, values[place].item()
        sides = []
        for sign in (1, -1):
            values[place] = before + sign * step
            sides.append(loss().item())
        values[place] = before
        numeric = (sides[0] - sides[1]) / (2 * step)
        assert parameter.grad.view(-1)[place].item() == pytest.approx(numeric, rel=1e-4), name


def test_frozen_or_not() -> None:
    elmo = ElmoEmbedding(tiny_lm())
    elmo(SENTENCES)[0].sum().backward()
    assert all(p.grad is None and not p.requires_grad for p in elmo.bilm.parameters())
    assert elmo.mixes[0].weights.grad is not None
    free = ElmoEmbedding(tiny_lm(), frozen=False)
    free.eval()
    with torch.no_grad():
        before = free(SENTENCES)[0]
    optimizer = torch.optim.SGD(free.parameters(), lr=0.1)
    free(SENTENCES)[0].square().sum().backward()
    optimizer.step()
    with torch.no_grad():  # the fast path reads the new weights
        after = free(SENTENCES)[0]
    assert not torch.equal(before, after)
    torch.testing.assert_close(after, free(SENTENCES)[0].detach(), atol=1e-5, rtol=1e-5)


def test_dropout_is_for_training() -> None:
    elmo = ElmoEmbedding(LM, dropout=0.5)
    torch.manual_seed(0)
    assert (elmo(SENTENCES)[0][0] == 0).any()
    elmo.eval()
    assert (elmo(SENTENCES)[0][0] != 0).all()


@pytest.mark.parametrize("frozen", [True, False])
def test_autocast(frozen: bool) -> None:
    elmo = ElmoEmbedding(tiny_lm(), frozen=frozen, projection=4)
    exact = elmo(SENTENCES)[0]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        vectors, _ = elmo(SENTENCES)
    assert vectors.dtype == torch.bfloat16
    torch.testing.assert_close(vectors.float(), exact, atol=0.1, rtol=0.1)
    scaler = torch.amp.GradScaler("cpu")
    learning = [p for p in elmo.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(learning, lr=0.1)
    before = [p.detach().clone() for p in learning]
    scaler.scale(vectors.float().square().sum()).backward()
    scaler.step(optimizer)
    scaler.update()
    assert all(p.isfinite().all() for p in learning)
    assert any(not torch.equal(a, b) for a, b in zip(before, learning, strict=True))


def test_state_dict_and_copies() -> None:
    first = ElmoEmbedding(tiny_lm(seed=0), n_mixes=2, projection=3)
    second = ElmoEmbedding(tiny_lm(seed=1), n_mixes=2, projection=3)
    with torch.no_grad():
        first.mixes[0].weights.add_(torch.tensor([1.0, 2.0, 3.0]))
    file = io.BytesIO()
    torch.save(first.state_dict(), file)
    file.seek(0)
    second.load_state_dict(torch.load(file, weights_only=True))
    expected = first(SENTENCES)[0]
    for other in (second, copy.deepcopy(first), pickle.loads(pickle.dumps(first))):
        for found, each in zip(other(SENTENCES)[0], expected, strict=True):
            torch.testing.assert_close(found, each)


class Collate:
    """Embeds in the worker."""

    def __init__(self, elmo: ElmoEmbedding) -> None:
        self.elmo = elmo

    def __call__(self, batch: list[list[str]]) -> tuple[torch.Tensor, torch.Tensor]:
        with torch.no_grad():
            return self.elmo(batch)


@pytest.mark.parametrize("start", [None, pytest.param("spawn", marks=pytest.mark.soak)])
def test_in_a_worker_of_a_data_loader(start: str | None) -> None:
    elmo = ElmoEmbedding(LM, projection=3)
    elmo(SENTENCES)  # its threads are running
    loader = DataLoader(
        SENTENCES,  # type: ignore[arg-type]
        batch_size=2,
        num_workers=1,
        collate_fn=Collate(elmo),
        multiprocessing_context=start,
    )
    for k, (vectors, mask) in enumerate(loader):
        expected, expected_mask = elmo(SENTENCES[2 * k : 2 * k + 2])
        torch.testing.assert_close(vectors, expected.detach(), atol=1e-5, rtol=1e-5)
        assert torch.equal(mask, expected_mask)


def test_bad_arguments() -> None:
    for wrong in ({"n_mixes": 0}, {"projection": 0}, {"dropout": 2.0}):
        with pytest.raises(ValueError, match=r"expected at least 1|dropout probability"):
            ElmoEmbedding(LM, **wrong)  # type: ignore[arg-type]
    with pytest.raises(WeightsError, match="no weights at"):
        ElmoEmbedding("nothing")


def test_given_by_path(tmp_path) -> None:
    BiLM.save(LM, tmp_path / "tiny")
    found, _ = ElmoEmbedding(tmp_path / "tiny")(SENTENCES)
    torch.testing.assert_close(found, ElmoEmbedding(LM)(SENTENCES)[0])
