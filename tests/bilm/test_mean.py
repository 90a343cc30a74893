"""The mean vector: what it is, and that it travels with the weights."""

import numpy as np
import pytest
import torch

from spacy_elmo import BiLM
from tests.tiny import tiny_lm

SENTENCES = [["The", "bank", "raised", "its", "rates"], ["No"], [], ["Two", "words"]]


@pytest.fixture
def lm() -> BiLM:
    return tiny_lm()


def test_every_word_counts_once(lm):
    words = np.concatenate(lm.encode(SENTENCES), axis=1)
    assert words.shape == (3, 8, 16)
    lm.measure_mean(iter(SENTENCES))
    mean = lm.mean_layers
    assert mean is not None
    assert mean.dtype == torch.float32
    np.testing.assert_allclose(mean.numpy(), words.mean(axis=1), rtol=1e-5, atol=1e-7)


def test_it_is_stored_with_the_weights(lm, tmp_path):
    lm.measure_mean(SENTENCES)
    for name in ("native", "weights.hdf5"):
        lm.save(tmp_path / name)
        again = BiLM.from_pretrained(tmp_path / name)
        assert again.mean_layers is not None
        assert torch.equal(again.mean_layers, lm.mean_layers)


def test_no_words(lm):
    with pytest.raises(ValueError, match="at least one sentence with a word"):
        lm.measure_mean([[], []])
