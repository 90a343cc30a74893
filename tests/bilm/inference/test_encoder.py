"""Encoders on one network: each with a state, a precision and caches of its own."""

from __future__ import annotations

import copy
import gc
import pickle
import weakref

import numpy as np
import pytest
import torch

from spacy_elmo.bilm.inference.encoder import Encoder
from tests.tiny import tiny_lm

SENTENCES = [["the", "bank", "raised"], [], ["its", "rates"]]


def test_another_encoder_takes_nothing_from_the_model() -> None:
    lm = tiny_lm()
    lm.warm_up(SENTENCES * 5)
    warm = lm.encode(SENTENCES)[0]
    zero = Encoder("zero", compute_dtype=torch.bfloat16).encode(lm, SENTENCES)[0]
    assert not np.allclose(zero[1:], warm[1:], atol=1e-3)
    assert (lm.initial_state, lm.compute_dtype) == ("warm", torch.float32)
    np.testing.assert_array_equal(lm.encode(SENTENCES)[0], warm)
    lm.initial_state = "zero"
    exact = lm.encode(SENTENCES)[0]
    assert 0 < np.abs(zero - exact).max() < 0.1


def test_what_is_carried_is_each_encoders_own() -> None:
    lm = tiny_lm()
    lm.initial_state = "carry"
    first = lm.encode(SENTENCES)[0]
    other = Encoder("carry")
    np.testing.assert_array_equal(other.encode(lm, SENTENCES)[0], first)
    second = lm.encode(SENTENCES)[0]
    assert not np.allclose(second, first, atol=1e-4)
    np.testing.assert_array_equal(other.encode(lm, SENTENCES)[0], second)


def test_states_that_are_not_there() -> None:
    with pytest.raises(ValueError, match="initial_state is 'cold'"):
        Encoder("cold")
    lm = tiny_lm()
    warm = Encoder("warm")
    for read in (warm.forward, warm.encode):
        with pytest.raises(ValueError, match="no warm state"):
            read(lm, SENTENCES)
    with pytest.raises(ValueError, match="initial_state is 'cold'"):
        lm.start("cold", 1)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda lm: pickle.loads(pickle.dumps(lm))])
def test_a_copy_is_on_its_own(copied) -> None:  # type: ignore[no-untyped-def]
    lm = tiny_lm()
    lm.cache_size, lm.compute_dtype = 11, torch.bfloat16
    lm.initial_state = "carry"
    lm.encode(SENTENCES)
    other = copied(lm)
    assert (other.initial_state, other.cache_size) == ("carry", 11)
    assert other.compute_dtype == torch.bfloat16
    np.testing.assert_array_equal(other.encode(SENTENCES)[0], lm.encode(SENTENCES)[0])
    lm.initial_state = other.initial_state = "zero"
    before = lm.encode(SENTENCES)[0]
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.mul_(2)
    np.testing.assert_array_equal(lm.encode(SENTENCES)[0], before)
    assert not np.allclose(other.encode(SENTENCES)[0], before, atol=1e-2)


def test_a_model_is_freed_as_soon_as_it_is_dropped() -> None:
    lm = tiny_lm()
    lm.encode(SENTENCES)
    alive = weakref.ref(lm)
    gc.disable()
    try:
        del lm
        assert alive() is None
    finally:
        gc.enable()
