"""Packed batches against bilm-tf's own, and against its loop written out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_elmo.pretraining.batches.packed import PackedBatch, PackedStream
from spacy_elmo.pretraining.corpus.corpus import Corpus
from spacy_elmo.pretraining.corpus.prepare import prepare

WORDS = [f"w{number}" for number in range(30)]


def make_corpus(folder: Path, sentences: list[list[str]], vocabulary: list[str]) -> Corpus:
    (folder / "text.txt").write_text("\n".join(map(" ".join, sentences)), "utf8")
    (folder / "vocab.txt").write_text("\n".join(vocabulary), "utf8")
    prepare(
        [folder / "text.txt"],
        folder / "corpus",
        tokenized=True,
        vocabulary=folder / "vocab.txt",
        max_characters=8,
        force=True,
    )
    return Corpus(folder / "corpus")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    random = np.random.default_rng(0)
    lengths = random.integers(1, 40, 100)
    sentences = [list(random.choice(WORDS, length)) for length in lengths]
    vocabulary = ["<S>", "</S>", "<UNK>", *WORDS[:20]]
    return make_corpus(tmp_path_factory.mktemp("corpus"), sentences, vocabulary)


def sentence_generator(corpus: Corpus, *, backward: bool) -> Iterator[list[int]]:
    while True:
        for number in range(len(corpus)):
            ids = corpus.sentence(number).tolist()
            yield [1, *reversed(ids), 0] if backward else [0, *ids, 1]


def loop_of_bilm_tf(
    corpus: Corpus, n_rows: int, n_steps: int, *, backward: bool
) -> Iterator[tuple[list[list[int]], list[list[int]]]]:
    """The batches as bilm-tf's `_get_batch` makes them, one sentence after the other."""
    generator = sentence_generator(corpus, backward=backward)
    streams: list[list[int]] = [[] for _ in range(n_rows)]
    while True:
        inputs: list[list[int]] = [[] for _ in range(n_rows)]
        targets: list[list[int]] = [[] for _ in range(n_rows)]
        for row in range(n_rows):
            while len(inputs[row]) < n_steps:
                if len(streams[row]) <= 1:
                    streams[row] = next(generator)
                count = min(len(streams[row]) - 1, n_steps - len(inputs[row]))
                inputs[row] += streams[row][:count]
                targets[row] += streams[row][1 : count + 1]
                streams[row] = streams[row][count:]
        yield inputs, targets


def same(one: PackedBatch, other: PackedBatch) -> bool:
    return np.array_equal(one.inputs, other.inputs) and np.array_equal(one.targets, other.targets)


def test_batches_are_those_of_bilm_tf(shared: Path, tmp_path: Path) -> None:
    expected = json.loads((shared / "fixtures/bilm-tf/data_expected.json").read_text("utf8"))
    sentences = [sentence.split() for sentence in expected["sentences"]]
    corpus = make_corpus(tmp_path, sentences, expected["vocabulary"])
    stream = PackedStream(corpus, 3, 5, seed=None)
    assert len(expected["forward"]) == len(expected["reverse"]) == 4
    for golden in zip(expected["forward"], expected["reverse"], strict=True):
        batch = stream.next()
        for direction in range(2):
            inputs, wanted = batch.inputs[direction], golden[direction]
            assert corpus.word_of_type[inputs].tolist() == wanted["token_ids"]
            assert batch.targets[direction].tolist() == wanted["next_token_id"]
            characters = corpus.characters[inputs].astype(int) - 1  # there without the offset
            assert characters.tolist() == wanted["tokens_characters"]


@settings(max_examples=50, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 12), min_size=1, max_size=12),
    n_rows=st.integers(1, 7),
    n_steps=st.integers(1, 9),
)
def test_packing_equals_the_loop_over_tokens(
    tmp_path_factory: pytest.TempPathFactory, lengths: list[int], n_rows: int, n_steps: int
) -> None:
    words = iter(WORDS * 10)
    sentences = [[next(words) for _ in range(length)] for length in lengths]
    corpus = make_corpus(tmp_path_factory.mktemp("c"), sentences, ["<S>", "</S>", "<UNK>", "w1"])
    stream = PackedStream(corpus, n_rows, n_steps, seed=None)
    forward = loop_of_bilm_tf(corpus, n_rows, n_steps, backward=False)
    backward = loop_of_bilm_tf(corpus, n_rows, n_steps, backward=True)
    for _ in range(10):
        batch = stream.next()
        for direction, loop in enumerate((forward, backward)):
            inputs, targets = next(loop)
            assert batch.inputs[direction].tolist() == inputs
            assert np.array_equal(batch.targets[direction], corpus.word_of_type[targets])


@pytest.mark.parametrize("same_text", [True, False])
@pytest.mark.parametrize("seed", [None, 3])
def test_resumes_anywhere(corpus: Corpus, seed: int | None, same_text: bool) -> None:
    def stream() -> PackedStream:
        return PackedStream(corpus, 4, 7, seed=seed, same_text=same_text)

    whole = stream()
    for number in range(200):  # more than two epochs
        state = json.loads(json.dumps(whole.state()))
        if number % 17 == 0:
            resumed = stream()
            resumed.restore(state)
        assert same(whole.next(), resumed.next())
        assert whole.state() == resumed.state()
    assert all(plan["epoch"] >= 2 for plan in whole.state()["plans"])


def sentences_of_epoch(stream: PackedStream, direction: int) -> list[bytes]:
    """The inputs of the next epoch of a stream of one row, sentence by sentence."""
    total = stream.corpus.n_tokens + stream.corpus.n_sentences
    batches = [stream.next() for _ in range(total)]
    inputs = np.concatenate([batch.inputs[direction, 0] for batch in batches])
    starts = np.flatnonzero(inputs <= 1)
    return [sentence.tobytes() for sentence in np.split(inputs, starts)[1:]]


def test_shuffling(corpus: Corpus) -> None:
    def epoch(direction: int = 0, **options: object) -> list[bytes]:
        return sentences_of_epoch(PackedStream(corpus, 1, 1, **options), direction)  # type: ignore[arg-type]

    in_order, shuffled = epoch(seed=None), epoch(seed=0)
    assert in_order != shuffled
    assert sorted(in_order) == sorted(shuffled)  # every sentence once
    assert epoch(seed=0) == shuffled
    assert epoch(seed=1) != shuffled
    again = PackedStream(corpus, 1, 1, seed=0)
    assert sentences_of_epoch(again, 0) != sentences_of_epoch(
        again, 0
    )  # another order in the next epoch

    forward = [np.frombuffer(sentence, np.int64)[1:] for sentence in shuffled]
    for same_text in (True, False):
        sentences = epoch(1, seed=0, same_text=same_text)
        backward = [np.frombuffer(sentence, np.int64)[:0:-1] for sentence in sentences]
        equal = list(map(np.ndarray.tolist, backward)) == list(map(np.ndarray.tolist, forward))
        assert equal == same_text


def test_one_direction(corpus: Corpus) -> None:
    both = PackedStream(corpus, 3, 4).next()
    backward = PackedStream(corpus, 3, 4, directions=["backward"]).next()
    assert backward.inputs.shape == (1, 3, 4)
    assert np.array_equal(backward.inputs[0], both.inputs[1])


def test_corpus_smaller_than_a_batch(corpus: Corpus) -> None:
    batch = PackedStream(corpus, 500, 30).next()
    assert batch.inputs.shape == (2, 500, 30)
    symbols = np.count_nonzero(batch.inputs[0] == 0)
    assert symbols > 2 * len(corpus)


def test_position_of_another_stream(corpus: Corpus, tmp_path: Path) -> None:
    stream = PackedStream(corpus, 3, 5)
    stream.next()
    with pytest.raises(ValueError, match="is of 3 rows, this stream has 4"):
        PackedStream(corpus, 4, 5).restore(stream.state())
    with pytest.raises(ValueError, match="is of 1 orders"):
        PackedStream(corpus, 3, 5, same_text=False).restore(stream.state())
    other = make_corpus(tmp_path, [["a"], ["b"]], ["<S>", "</S>", "<UNK>"])
    with pytest.raises(ValueError, match="another one"):
        PackedStream(other, 3, 5).restore(stream.state())
