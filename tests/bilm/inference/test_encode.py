"""The fast way through the network: same numbers as the plain way, whatever the batch."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from functools import partial
from itertools import count, islice

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from spacy_elmo.bilm import BiLM, ScalarMix
from spacy_elmo.bilm.inference import engine as inference_engine
from spacy_elmo.bilm.inference import lstm as inference_lstm
from spacy_elmo.bilm.inference import windows
from spacy_elmo.bilm.inference.lstm import FEW_ROWS, STEPS_AT_ONCE
from spacy_elmo.bilm.inference.threads import run_side_by_side
from tests.tiny import tiny_lm

WORDS = st.text(max_size=12) | st.sampled_from(["the", "bank", "<S>", "</S>", "Ünïcödé", "a" * 70])
SENTENCES = st.lists(st.lists(WORDS, max_size=8), max_size=8)

both_ways = pytest.mark.usefixtures("kernels")


def same(actual: NDArray[np.float32], expected: NDArray[np.float32]) -> None:
    """Equal within 1e-5 of the vector's norm."""
    assert actual.shape == expected.shape
    norms = np.linalg.norm(expected, axis=-1)
    assert (np.linalg.norm(actual - expected, axis=-1) <= 1e-5 * norms).all()


@pytest.fixture(scope="module")
def lm() -> BiLM:
    return tiny_lm()


@both_ways
@settings(deadline=None, max_examples=60)
@given(sentences=SENTENCES)
def test_same_as_the_plain_way(lm: BiLM, sentences: list[list[str]]) -> None:
    encoded = lm.encode(sentences)
    assert [array.shape for array in encoded] == [(3, len(words), 16) for words in sentences]
    if sentences:
        with torch.no_grad():
            plain = lm(sentences).numpy()
        same(np.concatenate(encoded, axis=1), plain)


@settings(deadline=None, max_examples=30)
@given(sentences=SENTENCES, data=st.data())
def test_neither_order_nor_company_matters(
    lm: BiLM, sentences: list[list[str]], data: st.DataObject
) -> None:
    order = data.draw(st.permutations(range(len(sentences))))
    together = lm.encode([sentences[k] for k in order])
    for k, array in zip(order, together, strict=True):
        same(array, lm.encode([sentences[k]])[0])
        assert array.flags.owndata


@both_ways
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_many_rows_and_few(lm: BiLM, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch whose steps go from many rows to few, for longer than those are done at once."""
    lengths = [*range(1, 3 * STEPS_AT_ONCE), *[3] * FEW_ROWS]
    sentences = [["the", "bank"] * length for length in lengths]
    with torch.no_grad():
        expected = lm(sentences).split([len(words) for words in sentences], dim=1)
    monkeypatch.setattr(inference_lstm, "MANY_WEIGHTS", 0)
    other = tiny_lm()
    other.compute_dtype = dtype
    for actual, layers in zip(other.encode(sentences), expected, strict=True):
        if dtype == torch.float32:
            same(actual, layers.numpy())
        else:
            difference = np.linalg.norm(actual - layers.numpy())
            assert 0 < difference < 0.05 * np.linalg.norm(layers)


@both_ways
@pytest.mark.parametrize("threads", [1, 2, 4])
def test_thread_count_does_not_matter(lm: BiLM, threads: int) -> None:
    sentences = [["the", "bank"] * k for k in range(1, 9)]
    expected = lm.encode(sentences)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(threads)
        actual = lm.encode(sentences)
        assert torch.get_num_threads() == threads  # put back after the work
    finally:
        torch.set_num_threads(before)
    for a, b in zip(actual, expected, strict=True):
        same(a, b)


@both_ways
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_few_rows_need_no_threads(
    lm: BiLM, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    little = tiny_lm()
    little.compute_dtype = dtype
    sentences = [["the", "bank"] * k for k in range(1, 9)]
    calls: list[int] = []

    def spy(jobs: list[Callable[[], None]]) -> list[None]:
        calls.append(len(jobs))
        return run_side_by_side(jobs)

    monkeypatch.setattr(inference_engine, "run_side_by_side", spy)
    alone = little.encode(sentences)
    assert not calls
    for name in ("LITTLE_ROWS", "LITTLE_WEIGHTS"):
        with monkeypatch.context() as patch:
            patch.setattr(inference_engine, name, 0)
            for one, other in zip(alone, little.encode(sentences), strict=True):
                np.testing.assert_array_equal(one, other)
    assert calls == [2, 2]


@both_ways
def test_many_threads_at_once(lm: BiLM) -> None:
    sentences = [[f"w{k}", "the", "bank"] * (k % 5) for k in range(40)]
    expected = lm.encode(sentences)
    wrong: list[str] = []

    def work() -> None:
        for _ in range(10):
            lm.weights_changed()
            for k, (a, b) in enumerate(zip(lm.encode(sentences), expected, strict=True)):
                if not np.allclose(a, b, atol=1e-5):
                    wrong.append(f"sentence {k}")

    before = torch.get_num_threads()
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert torch.get_num_threads() == before


def test_thread_count_of_callers_stays(lm: BiLM) -> None:
    """Callers that overlap, and one that is new: each keeps the count it has, or would have had."""
    sentences = [["the", "bank"] * 4] * 20
    counts: list[int] = []

    def work(rounds: int) -> None:
        for _ in range(rounds):
            lm.encode(sentences)
        counts.append(torch.get_num_threads())

    before = torch.get_num_threads()
    try:
        torch.set_num_threads(8)
        lm.encode(sentences)  # makes the pool; a thread born in that moment may see its count
        others = [threading.Thread(target=work, args=(rounds,)) for rounds in (1, 4, 8)]
        for other in others:
            other.start()
        work(3)
        for other in others:
            other.join()
        last = threading.Thread(target=work, args=(1,))
        last.start()
        last.join()
    finally:
        torch.set_num_threads(before)
    assert counts == [8] * 5


def test_jobs_share_the_threads() -> None:
    counts: list[int] = []

    def job() -> None:
        torch.ones(100_000).exp()  # the first operation of a thread sets its thread count, too
        counts.append(torch.get_num_threads())

    before = torch.get_num_threads()
    try:
        torch.set_num_threads(6)
        run_side_by_side([job, job])
    finally:
        torch.set_num_threads(before)
    assert counts == [3, 3]


def test_exception_in_a_job() -> None:
    ended: list[int] = []

    def job(number: int) -> None:
        ended.append(number)
        if number:
            raise ValueError(f"job {number}")

    before = torch.get_num_threads()
    try:
        torch.set_num_threads(4)
        with pytest.raises(ValueError, match="job 1"):
            run_side_by_side([partial(job, number) for number in (0, 1, 2)])
        assert sorted(ended) == [0, 1, 2]
        assert torch.get_num_threads() == 4
    finally:
        torch.set_num_threads(before)


@both_ways
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("in_child", [None, 2])
def test_after_fork(lm: BiLM, in_child: int | None) -> None:
    sentences = [["the", "bank"]] * 3
    expected = lm.encode(sentences)  # the parent's threads exist now, the child's will not
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        # Large enough for PyTorch to start threads of its own.
        large = torch.ones(1 << 20)
        large.exp_()
        child = os.fork()
        if child == 0:
            signal.alarm(30)  # ends a child that hangs
            if in_child is None:
                large.exp_()
            else:
                torch.set_num_threads(in_child)
            fine = np.allclose(lm.encode(sentences)[2], expected[2], atol=1e-6)
            os._exit(0 if fine else 1)
    finally:
        torch.set_num_threads(before)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0


def test_stream_is_lazy_and_in_order(lm: BiLM, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows, "WINDOW_FLOATS", 48 * 20)  # windows of 20 tokens
    read: list[int] = []

    def endless() -> object:
        for k in count():
            read.append(k)
            yield ["word"] * (k % 7)

    arrays = list(islice(lm.stream(endless()), 50))  # type: ignore[arg-type]
    assert [array.shape[1] for array in arrays] == [k % 7 for k in range(50)]
    assert len(read) < 70


def test_a_sentence_longer_than_the_window(lm: BiLM) -> None:
    words = [f"w{k % 50}" for k in range(1000)]
    small = lm.encode([["a"], words, ["b"]], batch_tokens=10)
    same(small[1], lm.encode([words])[0])


def test_the_type_cache_is_bounded_and_changes_nothing() -> None:
    small, large = tiny_lm(), tiny_lm()
    small.cache_size = 5
    for k in range(4):
        sentences = [[f"w{k}", f"w{j}"] for j in range(10)] + [["w1"] * 3]
        for a, b in zip(small.encode(sentences), large.encode(sentences), strict=True):
            same(a, b)
    assert small.encoder._engine is not None
    assert len(small.encoder._engine[1].cache._rows) <= 5


def test_a_change_of_weights_is_noticed() -> None:
    lm = tiny_lm()
    before = lm.encode([["the", "bank"]])[0]
    optimizer = torch.optim.SGD(lm.parameters(), lr=0.1)
    lm([["the", "bank"]]).sum().backward()
    optimizer.step()
    after = lm.encode([["the", "bank"]])[0]
    assert not np.allclose(before[0], after[0])
    assert not np.allclose(before[2], after[2])
    lm.token_encoder.char_embedding.data.zero_()
    lm.weights_changed()
    assert not np.allclose(after[0], lm.encode([["the", "bank"]])[0][0])


def test_mix_of_encode(lm: BiLM) -> None:
    sentences = [["the", "bank"], [], ["raised", "its", "rates"]]
    mix = ScalarMix(3, weights=[1.0, 0.0, -1.0], gamma=0.5)
    mixed = lm.encode(sentences, mix=mix)
    for array, layers in zip(mixed, lm.encode(sentences), strict=True):
        assert array.shape == layers.shape[1:]
        with torch.no_grad():
            np.testing.assert_allclose(array, mix(torch.from_numpy(layers)).numpy(), atol=1e-6)


@both_ways
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_smaller_floats(lm: BiLM, dtype: torch.dtype) -> None:
    sentences = [["the", "bank", "raised"], ["its", "rates"]] * FEW_ROWS
    expected = lm.encode(sentences)
    small = tiny_lm()
    small.compute_dtype = dtype
    for array, exact in zip(small.encode(sentences), expected, strict=True):
        assert array.dtype == np.float32
        same(array[0], exact[0])  # the token layer stays float32
        difference = np.linalg.norm(array[1:] - exact[1:], axis=-1)
        norms = np.linalg.norm(exact[1:], axis=-1)
        assert (difference > 0).all()
        assert (difference < 0.05 * norms).all()


def test_the_callers_autocast_is_not_ours(lm: BiLM) -> None:
    expected = lm.encode([["the", "bank"]])[0]
    fresh = tiny_lm()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        same(fresh.encode([["the", "bank"]])[0], expected)


@both_ways
def test_warm_state(lm: BiLM) -> None:
    warm = tiny_lm()
    with pytest.raises(ValueError, match="no warm state"):
        warm.initial_state = "warm"
    with pytest.raises(ValueError, match="some running text"):
        warm.warm_up([[], []])
    warm.warm_up([["the", "bank", "raised"], ["its", "rates"]] * 10)
    assert warm.initial_state == "warm"
    sentences = [["the", "bank"], ["rates"]]
    with torch.no_grad():
        plain = warm(sentences).numpy()
    same(np.concatenate(warm.encode(sentences), axis=1), plain)
    assert not np.allclose(plain[1:], np.concatenate(lm.encode(sentences), axis=1)[1:], atol=1e-3)
    warm.initial_state = "zero"
    same(warm.encode(sentences)[0], lm.encode(sentences)[0])


def test_warm_up_in_inference_mode() -> None:
    lm, same_lm = tiny_lm(), tiny_lm()
    text = [["the", "bank", "raised"], ["its", "rates"]]
    with torch.inference_mode():
        lm.warm_up(text)
    same_lm.warm_up(text)
    same(lm.encode(text)[0], same_lm.encode(text)[0])
    lm(text).sum().backward()


def test_carry_depends_on_the_calls_before_and_reset_forgets() -> None:
    lm = tiny_lm()
    lm.initial_state = "carry"
    first = lm.encode([["the", "bank"]])[0]
    second = lm.encode([["the", "bank"]])[0]
    assert not np.allclose(first[1], second[1], atol=1e-4)
    lm.reset_state()
    same(lm.encode([["the", "bank"]])[0], first)
    with pytest.raises(ValueError, match="call encode"):
        lm.stream([["a"]])


def test_gradients_reach_every_weight() -> None:
    lm = tiny_lm(n_layers=3)
    lm([["the", "bank", "raised"], ["rates"]])[-1].square().sum().backward()
    for name, parameter in lm.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize(
    ("sentences", "message"),
    [
        ("The bank", "got a string"),
        (["The bank"], "sentence 0 is the string 'The bank'"),
        ([["a"], ["b", 3]], "sentence 1 holds 3"),
        ([["a"], [b"b"]], "sentence 1 holds b'b'"),
    ],
)
def test_bad_sentences(lm: BiLM, sentences: object, message: str) -> None:
    for call in (lm.encode, lm, lambda s: list(lm.stream(s)), lm.warm_up):
        with pytest.raises(ValueError, match=message):
            call(sentences)  # type: ignore[operator, arg-type]


def test_word_input_needs_its_vocabulary() -> None:
    lm = tiny_lm(char_cnn=None, n_words=4)
    with pytest.raises(ValueError, match="load it with `vocab=FILE`"):
        lm.encode([["a"]])
    lm.set_vocabulary(["<S>", "</S>", "<UNK>", "a"])
    known, unknown, other = (lm.encode([[word]])[0] for word in ("a", "b", "c"))
    same(unknown, other)
    assert not np.allclose(known, unknown)
    with pytest.raises(ValueError, match="3 words, the word embedding 4 rows"):
        lm.set_vocabulary(["<S>", "</S>", "<UNK>"])
    with pytest.raises(ValueError, match="'a' stands on line 2 and again on line 4"):
        lm.set_vocabulary(["<S>", "a", "<UNK>", "a"])
    with pytest.raises(ValueError, match="lacks"):
        lm.set_vocabulary(["<S>", "</S>", "b", "a"])
