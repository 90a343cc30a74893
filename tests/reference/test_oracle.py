"""The oracle against numbers of TensorFlow and AllenNLP, and against arithmetic done by hand."""

import itertools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tests.reference.characters import character_ids
from tests.reference.elmo import ReferenceElmo
from tests.reference.mixing import scalar_mix
from tests.reference.output_layer import (
    expected_count,
    log_probabilities,
    log_uniform_probability,
    perplexity,
    sampled_softmax_losses,
    sentence_log_probabilities,
)
from tests.reference.weights import random_weights, read_hdf5

Array = npt.NDArray[Any]

# Largest difference allowed in any number. The published numbers are float32 themselves.
PUBLISHED = 2e-6
ALL_LAYERS = 5e-6


def published_elmo(folder: Path) -> ReferenceElmo:
    options = json.loads((folder / "options.json").read_text(encoding="utf-8"))
    return ReferenceElmo(read_hdf5(folder / "lm_weights.hdf5"), options)


def sentences_of(archive: Any) -> list[list[str]]:
    sentences: list[list[str]] = json.loads(archive["sentences"].tobytes().decode("utf-8"))
    return sentences


# Character ids


def test_character_ids_of_single_words(shared: Path) -> None:
    expected = json.loads((shared / "fixtures/bilm-tf/data_expected.json").read_text("utf-8"))
    for word, ids in expected["word_to_char_ids_50"].items():
        # This table is written without the offset of 1.
        np.testing.assert_array_equal(character_ids(word) - 1, ids, err_msg=word)


def test_character_ids_of_a_padded_batch(shared: Path) -> None:
    expected = json.loads((shared / "fixtures/bilm-tf/data_expected.json").read_text("utf-8"))
    batch = expected["batcher_50_with_offset"]
    for sentence, rows in zip(batch["sentences"], batch["ids"], strict=True):
        words = ["<S>", *sentence, "</S>"]
        np.testing.assert_array_equal([character_ids(word) for word in words], rows[: len(words)])
        assert not np.any(rows[len(words) :])


@pytest.mark.parametrize("direction", ["forward", "reverse"])
def test_character_ids_of_training_batches(shared: Path, direction: str) -> None:
    expected = json.loads((shared / "fixtures/bilm-tf/data_expected.json").read_text("utf-8"))
    vocabulary, length = list(expected["vocabulary"]), expected["max_characters_per_token"]
    # The one word outside the vocabulary keeps its own characters.
    vocabulary[vocabulary.index("<UNK>")] = "unicorn"
    for batch in expected[direction]:
        words = [[vocabulary[word_id] for word_id in row] for row in batch["token_ids"]]
        ids = [[character_ids(word, length) - 1 for word in row] for row in words]
        np.testing.assert_array_equal(ids, batch["tokens_characters"])


def test_character_ids_by_hand() -> None:
    np.testing.assert_array_equal(character_ids("Āt", 6), [259, 197, 129, 117, 260, 261])
    np.testing.assert_array_equal(character_ids("<S>", 4), [259, 257, 260, 261])
    np.testing.assert_array_equal(character_ids("</S>", 4), [259, 258, 260, 261])
    np.testing.assert_array_equal(character_ids("", 4), [259, 260, 261, 261])
    # Two of the three bytes of 日 fit; the half character stays.
    np.testing.assert_array_equal(character_ids("日", 4), [259, 0xE6 + 1, 0x97 + 1, 260])
    # A lone surrogate has no UTF-8 form and is left out.
    np.testing.assert_array_equal(character_ids("a\ud800b", 5), [259, 98, 99, 260, 261])


# Published vectors


@pytest.mark.parametrize("origin", ["bilm-tf", "allennlp"])
def test_top_layer_of_published_streams(shared: Path, origin: str) -> None:
    import h5py

    folder = shared / "fixtures" / origin
    name = {"bilm-tf": "lm_embeddings_sentences.json", "allennlp": "sentences.json"}[origin]
    streams = json.loads((folder / name).read_text(encoding="utf-8"))
    # Sentence k of each of the three streams makes batch k; the state goes from batch to batch.
    batches = [[text.split() for text in texts] for texts in zip(*streams, strict=True)]
    answers = list(published_elmo(folder).carry(batches))
    for stream in range(len(streams)):
        with h5py.File(folder / f"lm_embeddings_{stream}.hdf5", "r") as golden:
            assert len(golden) == len(answers)
            for k, answer in enumerate(answers):
                expected = np.concatenate(golden[str(k)][...], axis=-1)
                assert answer[stream][-1].shape == expected.shape
                assert np.abs(answer[stream][-1] - expected).max() < PUBLISHED


def test_published_token_embeddings(shared: Path) -> None:
    folder = shared / "fixtures/allennlp"
    words = (folder / "vocab_test.txt").read_text(encoding="utf-8").split("\n")
    expected = read_hdf5(folder / "elmo_token_embeddings.hdf5")["embedding"]
    assert len(words) == len(expected)
    assert {"<S>", "</S>"} <= set(words)
    assert np.abs(published_elmo(folder).token_vectors(words) - expected).max() < PUBLISHED


def test_all_layers_from_zero_state(shared: Path) -> None:
    folder = shared / "fixtures/allennlp"
    elmo = published_elmo(folder)
    with np.load(folder / "all_layers_fresh.npz") as archive:
        for k, sentence in enumerate(sentences_of(archive)):
            assert archive[f"s{k}"].shape == (3, len(sentence), 32)
            assert np.abs(elmo.layers(sentence) - archive[f"s{k}"]).max() < ALL_LAYERS


def test_all_layers_with_carried_state(shared: Path) -> None:
    folder = shared / "fixtures/allennlp"
    with np.load(folder / "all_layers_carry.npz") as archive:
        sentences = sentences_of(archive)
        starts = np.cumsum([0, *archive["batch_sizes"]])
        batches = [sentences[a:b] for a, b in itertools.pairwise(starts)]
        answers = [a for batch in published_elmo(folder).carry(batches) for a in batch]
        assert len(answers) == len(sentences)
        for k, answer in enumerate(answers):
            assert np.abs(answer - archive[f"s{k}"]).max() < ALL_LAYERS


# By hand: the network


def one_cell(weights: Mapping[str, npt.ArrayLike], **lstm: Any) -> ReferenceElmo:
    lstm = {"dim": 1, "projection_dim": 1, "n_layers": 1, "use_skip_connections": False} | lstm
    return ReferenceElmo(weights, {"lstm": lstm, "bidirectional": False})


CELL = "RNN_0/RNN/MultiRNNCell/Cell0/LSTMCell"


def test_lstm_step_by_hand() -> None:
    # Each gate has its own bias, so that a swapped order changes the answer.
    elmo = one_cell({f"{CELL}/W_0": np.zeros((2, 4)), f"{CELL}/B": [0.5, 2.0, -1.0, 0.25]})
    h, c = elmo.lstm_step(np.ones(1), np.ones(1), np.array([4.0]), 0, 0)
    # i = 0.62245933, tanh(j) = 0.96402758, f = sigmoid(-1 + 1) = 0.5, o = 0.5621765
    assert c[0] == pytest.approx(0.5 * 4.0 + 0.62245933 * 0.96402758, abs=1e-8)
    assert h[0] == pytest.approx(0.5621765 * np.tanh(2.60006797), abs=1e-7)


def test_cell_is_clipped_before_use_and_projection_after() -> None:
    weights: dict[str, npt.ArrayLike] = {
        f"{CELL}/W_0": np.zeros((2, 4)),
        f"{CELL}/B": [100.0, 100.0, 100.0, 100.0],
        f"{CELL}/W_P_0": np.array([[-2.0]]),
    }
    x = h = np.zeros(1)
    c = np.array([7.0])
    free_h, free_c = one_cell(weights).lstm_step(x, h, c, 0, 0)
    assert (free_h[0], free_c[0]) == pytest.approx((-2.0 * np.tanh(8.0), 8.0))
    cell_h, cell_c = one_cell(weights, cell_clip=0.5).lstm_step(x, h, c, 0, 0)
    assert (cell_h[0], cell_c[0]) == pytest.approx((-2.0 * np.tanh(0.5), 0.5))
    both_h, _ = one_cell(weights, cell_clip=0.5, proj_clip=0.75).lstm_step(x, h, c, 0, 0)
    assert both_h[0] == pytest.approx(-0.75)
    zero_h, zero_c = one_cell(weights, cell_clip=0, proj_clip=0).lstm_step(x, h, c, 0, 0)
    assert (zero_h[0], zero_c[0]) == (free_h[0], free_c[0])
    del weights[f"{CELL}/W_P_0"]
    no_projection, _ = one_cell(weights, proj_clip=0.1).lstm_step(x, h, c, 0, 0)
    assert no_projection[0] == pytest.approx(np.tanh(8.0))


def test_input_rows_come_before_recurrent_rows() -> None:
    # Only the candidate j sees anything: 3 x + 5 h.
    matrix = [[0.0, 3.0, 0.0, 0.0], [0.0, 5.0, 0.0, 0.0]]
    elmo = one_cell({f"{CELL}/W_0": matrix, f"{CELL}/B": np.zeros(4)})
    _, c = elmo.lstm_step(np.array([0.01]), np.array([0.1]), np.zeros(1), 0, 0)
    assert c[0] == pytest.approx(0.5 * np.tanh(0.53))


def test_char_cnn_by_hand() -> None:
    # Characters are their own id; the kernel of width 2 answers 10 * first + second.
    weights: dict[str, npt.ArrayLike] = {
        "char_embed": np.arange(1.0, 262.0)[:, None],
        "CNN/W_cnn_0": np.array([10.0, 1.0]).reshape(1, 2, 1, 1),
        "CNN/b_cnn_0": [-2000.0],
    }
    cnn = {"filters": [[2, 1]], "activation": "relu", "max_characters_per_token": 5}
    options: dict[str, Any] = {"lstm": {"n_layers": 1}, "char_cnn": cnn}
    # Ids of "a": 259, 98, 260, 261, 261; windows 2688, 1240, 2861, 2871.
    assert ReferenceElmo(weights, options).char_cnn("a") == pytest.approx([871.0])
    weights["CNN/b_cnn_0"] = [-3000.0]
    assert ReferenceElmo(weights, options).char_cnn("a") == pytest.approx([0.0])
    cnn["activation"] = "tanh"
    weights["CNN/b_cnn_0"] = [-2871.5]
    assert ReferenceElmo(weights, options).char_cnn("a") == pytest.approx(np.tanh([-0.5]))


def test_highway_by_hand() -> None:
    # The convolution answers 3 for any word. Gate sigmoid(-2) weighs the transformed value.
    weights: dict[str, npt.ArrayLike] = {
        "char_embed": np.zeros((261, 1)),
        "CNN/W_cnn_0": np.zeros((1, 1, 1, 1)),
        "CNN/b_cnn_0": [3.0],
        "CNN_high_0/W_carry": [[0.0]],
        "CNN_high_0/b_carry": [-2.0],
        "CNN_high_0/W_transform": [[2.0]],
        "CNN_high_0/b_transform": [1.0],
    }
    cnn = {"filters": [[1, 1]], "activation": "relu", "max_characters_per_token": 5}
    elmo = ReferenceElmo(weights, {"lstm": {"n_layers": 1}, "char_cnn": {**cnn, "n_highway": 1}})
    gate = 0.11920292202211755
    assert elmo.char_cnn("word") == pytest.approx([gate * 7.0 + (1 - gate) * 3.0])


VOCABULARY = ["<S>", "</S>", "<UNK>", "a", "b", "c"]


def word_elmo(seed: int, skip: bool = True, bidirectional: bool = True) -> ReferenceElmo:
    lstm = {"dim": 5, "projection_dim": 3, "n_layers": 2, "use_skip_connections": skip}
    options = {"lstm": lstm, "bidirectional": bidirectional}
    weights = random_weights(options, np.random.default_rng(seed), n_words=len(VOCABULARY))
    return ReferenceElmo(weights, options, VOCABULARY)


def test_word_input() -> None:
    elmo = word_elmo(0)
    rows = elmo.weights["embedding"]
    np.testing.assert_array_equal(elmo.token_vectors(["c", "nowhere", "<S>"]), rows[[5, 2, 0]])
    layers = elmo.layers(["a", "b"])
    assert layers.shape == (3, 2, 6)
    np.testing.assert_array_equal(layers[0], np.concatenate([rows[[3, 4]]] * 2, axis=1))


def test_skip_connection_adds_the_layer_below_to_the_output_only() -> None:
    plain, skip = word_elmo(1, skip=False), word_elmo(1, skip=True)
    sentence = ["a", "b", "c"]
    a, b = plain.layers(sentence), skip.layers(sentence)
    np.testing.assert_array_equal(a[:2], b[:2])
    np.testing.assert_allclose(a[2] + a[1], b[2], atol=1e-14)


def test_backward_direction_is_the_forward_one_read_from_the_other_end() -> None:
    elmo = word_elmo(2)
    twin = ReferenceElmo(
        {  # both directions share the forward weights
            name.replace("RNN_0", f"RNN_{d}"): w
            for d in range(2)
            for name, w in elmo.weights.items()
            if "RNN_1" not in name
        },
        elmo.options,
        ["</S>", "<S>", "<UNK>", "a", "b", "c"],
    )
    # Its `<S>` has the vector of the twin's `</S>`.
    swapped = ReferenceElmo(twin.weights, twin.options, VOCABULARY)
    there, back = twin.layers(["a", "b", "b", "c"]), swapped.layers(["c", "b", "b", "a"])
    np.testing.assert_allclose(there[1:, :, :3], back[1:, ::-1, 3:], atol=1e-14)


def test_forward_only_is_the_first_half() -> None:
    both, forward = word_elmo(3), word_elmo(3, bidirectional=False)
    sentence = ["a", "nowhere", "b"]
    np.testing.assert_array_equal(forward.layers(sentence), both.layers(sentence)[:, :, :3])


def test_carried_rows() -> None:
    elmo = word_elmo(4)
    rows: list[Any] = []
    batches: list[list[list[str]]] = [
        [["a"], ["b", "c"], ["c"]],
        [["b"]],
        [["c"], [], ["a"], ["b"]],
    ]
    answers = []
    for batch in batches:
        before = list(rows)
        answers += list(elmo.carry([batch], rows))
        assert len(rows) == max(len(before), len(batch))
        for row in range(len(before)):
            changed = not np.array_equal(rows[row][0], before[row][0])
            assert changed == (row < len(batch))  # an empty sentence changes its row too
    # Row 0 by hand: three sentences one after the other.
    state = elmo.zero_state()
    for batch, answer in zip(batches, answers, strict=True):
        expected, state = elmo.layers_with_boundaries(batch[0], state)
        np.testing.assert_array_equal(answer[0], expected[:, 1:-1])
    assert answers[2][1].shape == (3, 0, 6)
    # Row 3 is new in the last batch and starts from zero; row 0 does not.
    np.testing.assert_array_equal(answers[2][3], elmo.layers(["b"]))
    assert np.abs(answers[1][0][1:] - elmo.layers(["b"])[1:]).max() > 1e-3


def test_given_state_reaches_layers_but_not_the_token_layer() -> None:
    elmo = word_elmo(5)
    _, warm = elmo.layers_with_boundaries(["a", "b", "c"], elmo.zero_state())
    zero_layers, warm_layers = elmo.layers(["b"]), elmo.layers(["b"], warm)
    np.testing.assert_array_equal(zero_layers[0], warm_layers[0])
    assert np.abs(zero_layers[1:] - warm_layers[1:]).max(axis=(1, 2)).min() > 1e-3


# By hand: the mix


def test_scalar_mix_by_hand() -> None:
    first = np.arange(8.0).reshape(2, 4, 1)  # two layers of <S>, two words, </S>
    empty = np.full((2, 2, 1), 50.0)
    mixed, nothing = scalar_mix([first, empty], np.log([1.0, 3.0]), gamma=2.0)
    # Words: 1, 2 in layer 0 and 5, 6 in layer 1; shares 1/4 and 3/4.
    np.testing.assert_allclose(mixed, [[2 * (0.25 + 3.75)], [2 * (0.5 + 4.5)]])
    assert nothing.shape == (0, 1)


def test_scalar_mix_layer_norm_by_hand() -> None:
    first = np.arange(8.0).reshape(2, 4, 1)
    second = np.array([[[0.0], [6.0], [0.0]]] * 2)
    # Counted by bilm-tf in layer 0: 1, 2, 6: mean 3, variance 14/3; in layer 1: 5, 6, 6.
    mixed, _ = scalar_mix([first, second], np.array([9.0, -900.0]), 1.0, "bilm-tf")
    np.testing.assert_allclose(mixed[:, 0], np.array([-2.0, -1.0]) / np.sqrt(14 / 3), rtol=1e-12)
    # Counted by AllenNLP in layer 0: 0, 1, 2, 3, 0, 6, 0: mean 12/7.
    _, mixed = scalar_mix([first, second], np.array([9.0, -900.0]), 1.0, "allennlp")
    mean, square = 12 / 7, (0 + 1 + 4 + 9 + 36) / 7
    np.testing.assert_allclose(mixed[:, 0], [(6 - mean) / np.sqrt(square - mean**2)], rtol=1e-12)


def test_scalar_mix_eps_stands_inside_the_root() -> None:
    layers = np.array([[[0.0], [1e-6], [-1e-6], [0.0]]])
    (mixed,) = scalar_mix([layers], np.zeros(1), 1.0, "bilm-tf", eps=1e-12)
    np.testing.assert_allclose(mixed[:, 0], np.array([1.0, -1.0]) / np.sqrt(2.0))


# By hand: the output layer


def test_uniform_softmax_has_the_size_of_the_vocabulary_as_perplexity() -> None:
    log_p = log_probabilities(np.ones((4, 3)), np.zeros((10, 3)), np.zeros(10))
    np.testing.assert_allclose(log_p, -np.log(10.0))
    assert perplexity(log_p[:, 0]) == pytest.approx(10.0)
    assert perplexity(log_p[:, 0], np.full(2, -np.log(1000.0))) == pytest.approx(100.0)


def test_sentence_log_probabilities_by_hand() -> None:
    # Symbol ids 0, 2, 1; outputs choose the bias-free logits directly.
    top = np.log([[0.1, 0.2, 0.7], [0.3, 0.6, 0.1], [0.05, 0.05, 0.9]])
    ids, identity, zero = np.array([0, 2, 1]), np.eye(3), np.zeros(3)
    forward = sentence_log_probabilities(top, ids, identity, zero, direction=0)
    backward = sentence_log_probabilities(top, ids, identity, zero, direction=1)
    np.testing.assert_allclose(np.exp(forward), [0.7, 0.6])
    np.testing.assert_allclose(np.exp(backward), [0.3, 0.9])


def test_log_uniform_probabilities() -> None:
    p = log_uniform_probability(np.arange(1000), 1000)
    assert p.sum() == pytest.approx(1.0)
    assert p[0] == pytest.approx(np.log(2.0) / np.log(1001.0))
    np.testing.assert_allclose(expected_count(np.arange(1000), 1000, 1), p)
    assert expected_count(np.array([0]), 3, 2)[0] == pytest.approx(0.75)  # 1 - (1 - 1/2) ** 2


def test_expected_count_is_the_chance_of_being_seen() -> None:
    rng = np.random.default_rng(0)
    p = log_uniform_probability(np.arange(20), 20)
    draws = rng.choice(20, size=(20_000, 7), p=p)
    seen = np.mean([[word in row for word in (0, 3, 19)] for row in draws], axis=0)
    np.testing.assert_allclose(expected_count(np.array([0, 3, 19]), 20, 7), seen, atol=0.015)


def test_sampling_everything_often_is_the_full_softmax() -> None:
    rng = np.random.default_rng(1)
    outputs, w, b = rng.normal(size=(6, 4)), rng.normal(size=(9, 4)), rng.normal(size=9)
    targets = np.array([0, 8, 3, 3, 1, 7])
    # After very many draws every expected count is 1 and nothing is left to correct.
    losses = sampled_softmax_losses(outputs, targets, np.arange(9), 10**6, w, b)
    expected = -log_probabilities(outputs, w, b)[np.arange(6), targets]
    np.testing.assert_allclose(losses, expected, rtol=1e-9)


def test_sampled_softmax_by_hand() -> None:
    # V = 3: chances 1/2, log_4(3/2), log_4(4/3); two tries. All logits are zero.
    losses = sampled_softmax_losses(
        np.zeros((2, 1)), np.array([0, 1]), np.array([2, 1]), 2, np.zeros((3, 1)), np.zeros(3)
    )
    count = 1 - (1 - np.array([0.5, np.log(1.5) / np.log(4), np.log(4 / 3) / np.log(4)])) ** 2
    odds = 1 / count
    expected = [odds[0] / odds.sum(), odds[1] / (odds[1] + odds[2])]  # 1 is a hit for target 1
    np.testing.assert_allclose(np.exp(-losses), expected)
