"""The listener's scalar mix against PyTorch's: values and gradients."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from spacy.tokens import Doc
from spacy.vocab import Vocab
from thinc.api import NumpyOps

from spacy_elmo.bilm import ScalarMix
from spacy_elmo.pipeline.doc.handover import DocLayers
from spacy_elmo.pipeline.doc.sentences import sentence_numbers
from spacy_elmo.pipeline.listening.mix import mix_layers


def random_docs(rng: np.random.Generator) -> list[DocLayers]:
    """Three Docs: two sentences with white space between, an empty one, a word."""
    sentences = [[0, 0, -1, 1, 1, 1], [], [0]]
    docs = []
    for numbers in sentences:
        values = rng.normal(size=(3, len(numbers), 4)).astype(np.float32)
        values[:, [number == -1 for number in numbers]] = 0
        docs.append(DocLayers(values, np.array(numbers, dtype=np.int64)))
    return docs


@pytest.mark.parametrize("layer_norm", [False, True])
def test_values_and_gradients(layer_norm: bool) -> None:
    rng = np.random.default_rng(0)
    docs = random_docs(rng)
    weights = rng.normal(size=3).astype(np.float32)
    gamma = np.array([1.5], dtype=np.float32)
    mixed, backprop = mix_layers(NumpyOps(), docs, weights, gamma, layer_norm=layer_norm)
    gradients = [rng.normal(size=each.shape).astype(np.float32) for each in mixed]
    for gradient, doc in zip(gradients, docs, strict=True):
        gradient[doc.sentences == -1] = 0
    found = backprop(gradients, True)

    torch_mix = ScalarMix(3, weights=weights.tolist(), gamma=1.5, layer_norm=layer_norm)
    loss = torch.zeros(())
    inputs = [torch.tensor(doc.values, requires_grad=True) for doc in docs]
    for doc, each, value, gradient in zip(docs, inputs, mixed, gradients, strict=True):
        for number in range(doc.sentences.max(initial=-1) + 1):
            rows = np.flatnonzero(doc.sentences == number)
            expected = torch_mix(each[:, rows])
            np.testing.assert_allclose(value[rows], expected.detach(), atol=1e-5)
            loss = loss + (expected * torch.from_numpy(gradient[rows])).sum()
        assert not value[doc.sentences == -1].any()
    loss.backward()
    np.testing.assert_allclose(found.weights, torch_mix.weights.grad, atol=1e-5)
    np.testing.assert_allclose(found.gamma, torch_mix.gamma.grad, rtol=1e-4)
    assert found.layers is not None
    for each, layers in zip(inputs, found.layers, strict=True):
        expected = torch.zeros_like(each) if each.grad is None else each.grad
        np.testing.assert_allclose(layers, expected, atol=1e-5)
    assert backprop(gradients, False).layers is None


def test_sentence_numbers() -> None:
    vocab = Vocab()
    doc = Doc(vocab, words=["a", "b", "c"], sent_starts=[True, False, True])
    assert sentence_numbers(doc).tolist() == [0, 0, 1]
