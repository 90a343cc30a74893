"""The states around each word: against the oracle, and against what `encode` gives."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_elmo.bilm.context import Neighbours
from tests.bilm.oracle_cases import (
    CASES,
    SENTENCES,
    Array,
    assert_same,
    set_warm_state,
    warm_state,
)
from tests.reference.elmo import ReferenceElmo, State
from tests.tiny import WIDTH, tiny_lm


def expected(elmo: ReferenceElmo, state: State) -> list[Array]:
    """What stands around each word, out of layers with their boundaries."""
    found = []
    for sentence in SENTENCES:
        layers, _ = elmo.layers_with_boundaries(sentence, state)
        halves = np.split(layers[-1], elmo.n_directions, axis=-1)
        beside = [halves[0][:-2], *[half[2:] for half in halves[1:]]]
        found.append(np.concatenate(beside, axis=-1).astype(np.float32))
    return found


@pytest.mark.parametrize("name", ["plain", "no_skip", "one_layer", "forward_only", "word_input"])
def test_the_context_is_the_oracles(name: str) -> None:
    elmo, lm = CASES[name].build()
    for found, wanted in zip(lm.context(SENTENCES), expected(elmo, elmo.zero_state()), strict=True):
        assert_same(found, wanted)


@pytest.mark.parametrize("name", ["plain", "four_layers", "forward_only"])
def test_the_warm_state_is_that_of_the_marks_too(name: str) -> None:
    elmo, lm = CASES[name].build()
    state = warm_state(elmo)
    set_warm_state(lm, state)
    for found, wanted in zip(lm.context(SENTENCES), expected(elmo, state), strict=True):
        assert_same(found, wanted)


def test_carried_from_call_to_call() -> None:
    elmo, lm = CASES["plain"].build()
    lm.initial_state = "carry"
    state = elmo.zero_state()
    for sentence in SENTENCES[:4]:
        layers, state = elmo.layers_with_boundaries(sentence, state)
        half = layers.shape[-1] // 2
        wanted = np.concatenate([layers[-1, :-2, :half], layers[-1, 2:, half:]], axis=1)
        assert_same(lm.context([sentence])[0], wanted.astype(np.float32))
    with pytest.raises(ValueError, match="of its own"):
        lm.encoder.edges(lm)


def test_inside_a_sentence_it_is_what_encode_gives() -> None:
    lm = tiny_lm()
    words = ["the", "bank", "raised", "its", "rates"]
    (layers,), (context,) = lm.encode([words]), lm.context([words])
    half = WIDTH // 2
    np.testing.assert_array_equal(context[1:, :half], layers[-1, :-1, :half])
    np.testing.assert_array_equal(context[:-1, half:], layers[-1, 1:, half:])
    assert context.dtype == np.float32


def test_the_word_itself_changes_nothing() -> None:
    lm = tiny_lm()
    one, other = lm.context([["a", "river", "bank", "here"], ["a", "river", "x", "here"]])
    np.testing.assert_allclose(one[2], other[2], atol=1e-6)
    assert not np.allclose(one[1], other[1])
    assert not np.allclose(one[3], other[3])


def test_new_weights_have_new_marks() -> None:
    lm = tiny_lm()
    before = lm.encoder.edges(lm)
    with torch.no_grad():
        lm.forward_layers[0].weight.mul_(1.5)
    after = lm.encoder.edges(lm)
    assert not np.allclose(before[:, : WIDTH // 2], after[:, : WIDTH // 2])
    np.testing.assert_array_equal(before[:, WIDTH // 2 :], after[:, WIDTH // 2 :])


def test_bad_input_is_told_as_encode_tells_it() -> None:
    with pytest.raises(ValueError, match="sentence 1 is the string"):
        tiny_lm().context([["fine"], "forgotten to split"])


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.lists(st.booleans(), min_size=1, max_size=5), max_size=5),
    st.sampled_from([1, 2]),
    st.integers(0, 2**31),
)
def test_rows_of_neighbours_and_their_gradients(
    rows: list[list[bool]], n_directions: int, seed: int
) -> None:
    """Any words and white space: by a loop; and the gradients are the transposed way."""
    random = np.random.default_rng(seed)
    numbers = np.array(
        [number if word else -1 for number, row in enumerate(rows) for word in row], dtype=np.int64
    )
    half = 2
    values = random.standard_normal((3, len(numbers), half * n_directions))
    edges = random.standard_normal((3, half * n_directions))
    beside = Neighbours(numbers, n_directions)
    found = beside.gather(np, values, edges)
    wanted = np.zeros_like(values)
    for number in set(numbers[numbers >= 0].tolist()):
        words = np.flatnonzero(numbers == number).tolist()
        for before, after in pairwise([None, *words]):
            source = edges[:, :half] if before is None else values[:, before, :half]
            wanted[:, after, :half] = source
        for before, after in pairwise([*words, None]):
            source = edges[:, half:] if after is None else values[:, after, half:]
            wanted[:, before, half:] = source
    np.testing.assert_array_equal(found, wanted)
    gradient = random.standard_normal(values.shape)
    d_values, d_edges = beside.scatter(np, gradient)
    np.testing.assert_allclose(
        (gradient * found).sum(), (d_values * values).sum() + (d_edges * edges).sum(), atol=1e-9
    )
