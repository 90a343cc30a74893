"""The network on random weights against the plain float64 numpy ELMo of `tests/reference`.

Both ways through the network are compared, the differentiable `forward` and the fast `encode`, in
every layer, for every switch a weight file can carry.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_elmo.bilm import BiLM, ScalarMix, Softmax
from tests.bilm.oracle_cases import (
    CASES,
    LONG,
    SENTENCES,
    VOCABULARY,
    Array,
    Case,
    assert_same,
    set_warm_state,
    warm_state,
)
from tests.reference.elmo import Sentence
from tests.reference.mixing import scalar_mix
from tests.reference.output_layer import log_probabilities

BATCHES: list[list[Sentence]] = [
    SENTENCES[:3],
    [["."]],
    [*SENTENCES[2:], ["bank"]],
    [[], ["raised", "the"], ["unknown"]],
]


pytestmark = pytest.mark.usefixtures("one_thread", "kernels")
every_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())


def run_both_ways(lm: BiLM, sentences: Sequence[Sentence]) -> list[list[Array]]:
    """The layers of each sentence by `forward` and by `encode`; not for the carried state."""
    ends = np.cumsum([len(words) for words in sentences])[:-1]
    by_forward = np.split(lm.forward(sentences).detach().numpy(), ends, axis=1)
    return [by_forward, lm.encode(sentences)]


# Layers


@every_case
def test_from_zero_state(case: Case) -> None:
    elmo, lm = case.build()
    for answers in run_both_ways(lm, SENTENCES):
        assert len(answers) == len(SENTENCES)
        for sentence, answer in zip(SENTENCES, answers, strict=True):
            assert_same(answer, elmo.layers(sentence))


@every_case
def test_from_a_given_state(case: Case) -> None:
    elmo, lm = case.build()
    state = warm_state(elmo)
    # What follows would not notice a state that does nothing.
    assert np.abs(elmo.layers(["the"], state) - elmo.layers(["the"]))[1:].max() > 1e-4
    set_warm_state(lm, state)
    for _ in range(2):  # it stays the same from call to call
        for answers in run_both_ways(lm, SENTENCES):
            for sentence, answer in zip(SENTENCES, answers, strict=True):
                assert_same(answer, elmo.layers(sentence, state))


@every_case
def test_with_carried_state(case: Case) -> None:
    elmo, lm = case.build()
    lm.initial_state = "carry"
    expected = [answer for batch in elmo.carry(BATCHES) for answer in batch]
    by_encode = [answer for batch in BATCHES for answer in lm.encode(batch)]
    lm.initial_state = "carry"  # and the state is forgotten
    by_forward = [answer for batch in BATCHES for answer in _forward_parts(lm, batch)]
    for answers in (by_encode, by_forward):
        assert len(answers) == len(expected)
        for answer, right in zip(answers, expected, strict=True):
            assert_same(answer, right)


def _forward_parts(lm: BiLM, batch: Sequence[Sentence]) -> list[Array]:
    ends = np.cumsum([len(words) for words in batch])[:-1]
    return np.split(lm.forward(batch).detach().numpy(), ends, axis=1)


@pytest.mark.parametrize("name", ["plain", "forward_only"])
def test_boundaries_kept(name: str) -> None:
    elmo, lm = CASES[name].build()
    expected = [elmo.layers_with_boundaries(words, elmo.zero_state())[0] for words in SENTENCES]
    answer = lm.forward(SENTENCES, boundaries=True).detach().numpy()
    assert_same(answer, np.concatenate(expected, axis=1))


@pytest.mark.parametrize("batch_tokens", [1, 5, 43, 1000])
def test_cut_into_batches_of_any_size(batch_tokens: int) -> None:
    elmo, lm = CASES["plain"].build()
    answers = lm.encode(SENTENCES, batch_tokens=batch_tokens)
    for sentence, answer in zip(SENTENCES, answers, strict=True):
        assert_same(answer, elmo.layers(sentence))


@pytest.mark.parametrize("n_threads", [2, 4])
def test_directions_side_by_side(n_threads: int) -> None:
    elmo, lm = CASES["both_clips_fire"].build()
    torch.set_num_threads(n_threads)  # the fixture puts it back
    answers = lm.encode(SENTENCES)
    assert torch.get_num_threads() == n_threads
    for sentence, answer in zip(SENTENCES, answers, strict=True):
        assert_same(answer, elmo.layers(sentence))


@pytest.mark.parametrize("name", [name for name in CASES if "clip" in name])
def test_clips_of_the_cases_do_fire(name: str) -> None:
    case = CASES[name]
    clips = [clip for clip in ("cell_clip", "proj_clip") if getattr(case, clip) is not None]
    if not case.lstm_projection:
        clips.remove("proj_clip")  # only a projected output is clipped
    assert clips
    elmo, _ = case.build()
    for clip in clips:
        changes: dict[str, Any] = {clip: None}
        without, _ = replace(case, **changes).build()
        assert np.abs(elmo.layers(SENTENCES[3]) - without.layers(SENTENCES[3])).max() > 0.05


# Widths start at 3 and LSTM weights stay moderate: a vector of one or two numbers comes near zero
# by cancellation, and large weights make the recurrence chaotic. Float32 cannot keep a bound
# relative to the norm there.
@st.composite
def cases(draw: st.DrawFn) -> Case:
    filters = tuple(
        draw(st.lists(st.tuples(st.integers(1, 7), st.integers(3, 5)), min_size=1, max_size=3))
    )
    cnn_projection, lstm_projection = draw(st.booleans()), draw(st.booleans())
    word_input = draw(st.booleans())
    projection_dim = draw(st.integers(3, 8))
    if not (cnn_projection or word_input):
        projection_dim = sum(number for _, number in filters)
    return Case(
        activation=draw(st.sampled_from(["relu", "tanh"])),
        filters=filters,
        n_highway=draw(st.integers(0, 3)),
        max_characters=draw(st.sampled_from([7, 10, 50])),
        cnn_projection=cnn_projection,
        word_input=word_input,
        lstm_dim=draw(st.integers(3, 9)) if lstm_projection else projection_dim,
        projection_dim=projection_dim,
        lstm_projection=lstm_projection,
        cell_clip=draw(st.sampled_from([None, 0.0, 0.3, 3.0])),
        proj_clip=draw(st.sampled_from([None, 0.0, 0.3, 3.0])),
        skip=draw(st.booleans()),
        n_layers=draw(st.integers(1, 4)),
        bidirectional=draw(st.booleans()),
        scale=draw(st.sampled_from([0.3, 1.0])),
        seed=draw(st.integers(0, 2**16)),
    )


words = st.one_of(st.sampled_from([*VOCABULARY, LONG]), st.text(max_size=12))
batches = st.lists(st.lists(st.lists(words, max_size=9), min_size=1, max_size=5), max_size=3)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(case=cases(), batches=batches, start=st.sampled_from(["zero", "warm", "carry"]))
def test_any_configuration_any_text(case: Case, batches: list[list[Sentence]], start: str) -> None:
    elmo, lm = case.build()
    if start == "carry":
        lm.initial_state = "carry"
        for batch, expected in zip(batches, elmo.carry(batches), strict=True):
            for answer, right in zip(lm.encode(batch), expected, strict=True):
                assert_same(answer, right)
        return
    state = warm_state(elmo) if start == "warm" else elmo.zero_state()
    if start == "warm":
        set_warm_state(lm, state)
    for batch in batches:
        for answers in run_both_ways(lm, batch):
            for sentence, answer in zip(batch, answers, strict=True):
                assert_same(answer, elmo.layers(sentence, state))


def test_more_sentences_and_words_than_one_batch_holds() -> None:
    elmo, lm = Case(lstm_dim=24, projection_dim=10, n_layers=1, n_highway=0).build()
    rng = np.random.default_rng(0)
    sentences = [
        [f"w{rng.integers(2000)}" for _ in range(length)] for length in rng.integers(0, 12, 200)
    ]
    for answers in run_both_ways(lm, sentences):
        for sentence, answer in zip(sentences, answers, strict=True):
            assert_same(answer, elmo.layers(sentence))


def test_one_very_long_sentence() -> None:
    elmo, lm = CASES["original_switches"].build()
    sentence = [VOCABULARY[k] for k in np.random.default_rng(1).integers(3, 8, 600)]
    for (answer,) in run_both_ways(lm, [sentence]):
        assert_same(answer, elmo.layers(sentence))


# The mix, the warm state, the softmax


@pytest.mark.parametrize("layer_norm", [None, "bilm-tf", "allennlp"])
def test_scalar_mix(layer_norm: Any) -> None:
    elmo, lm = CASES["plain"].build()
    weights, gamma = [0.5, -1.0, 2.0], 1.7
    mix = ScalarMix(3, weights=weights, gamma=gamma, layer_norm=layer_norm is not None)
    layers = [elmo.layers_with_boundaries(words, elmo.zero_state())[0] for words in SENTENCES]
    expected = np.concatenate(scalar_mix(layers, np.array(weights), gamma, layer_norm))
    with torch.no_grad():
        if layer_norm == "allennlp":
            # Statistics over the boundaries too: mix first, then drop them.
            inside = [[False, *[True] * len(words), False] for words in SENTENCES]
            answer = mix(lm.forward(SENTENCES, boundaries=True))[np.concatenate(inside)]
        else:
            answer = mix(lm.forward(SENTENCES))
    assert_same(answer.numpy(), expected)


def test_encode_with_a_mix() -> None:
    elmo, lm = CASES["plain"].build()
    mix = ScalarMix(3, weights=[0.5, -1.0, 2.0], gamma=1.7)
    layers = [elmo.layers_with_boundaries(words, elmo.zero_state())[0] for words in SENTENCES]
    expected = scalar_mix(layers, np.array([0.5, -1.0, 2.0]), 1.7)
    for answer, right in zip(lm.encode(SENTENCES, mix=mix), expected, strict=True):
        assert_same(answer, right)


@every_case
def test_warm_up_is_the_mean_state_of_running_text(case: Case) -> None:
    elmo, lm = case.build()
    text = [words for words in SENTENCES if words]
    lm.warm_up(text)
    assert lm.initial_state == "warm"
    for direction in range(elmo.n_directions):
        # As in training: forwards no `</S>` is read, backwards no `<S>`, last sentence first.
        state, states = elmo.zero_state(), []
        read = [[elmo.boundaries[0], *words] for words in text]
        if direction == 1:
            read = [[elmo.boundaries[1], *reversed(words)] for words in reversed(text)]
        for symbols in read:
            _, state = elmo.run_direction(elmo.token_vectors(symbols), direction, state)
            states.append(state)
        for part, buffer in enumerate((lm.initial_h, lm.initial_c)):
            assert buffer is not None
            expected = np.mean([state[part][:, direction] for state in states], axis=0)
            assert_same(buffer[:, direction].numpy(), expected)


def test_softmax() -> None:
    rng = np.random.default_rng(3)
    hidden, weight, bias = (
        rng.normal(size=shape).astype(np.float32) for shape in ((6, 5), (9, 5), (9,))
    )
    softmax = Softmax(9, 5)
    softmax.load_state_dict({"weight": torch.from_numpy(weight), "bias": torch.from_numpy(bias)})
    answer = softmax(torch.from_numpy(hidden)).detach().numpy()
    assert_same(answer, log_probabilities(hidden.astype(float), weight.astype(float), bias))
