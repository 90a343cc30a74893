"""Scores of words: against published numbers, the float64 oracle, and `evaluate`'s perplexity."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spacy_elmo.bilm import BiLM
from spacy_elmo.bilm.scoring import output_layer
from spacy_elmo.pretraining.perplexity.exact import sentence_perplexity
from tests.bilm.oracle_cases import set_warm_state, warm_state
from tests.bilm.scoring.models import SENTENCES, every_word, scored_model, with_softmax
from tests.tiny import tiny_lm


def published(shared: Path, name: str) -> tuple[BiLM, dict[str, Any]]:
    """A checkpoint of bilm-tf with its softmax, and the scores that were computed from it."""
    folder = shared / "fixtures" / "published" / "tf_checkpoint" / name
    lm = BiLM.from_pretrained(folder / "save_dir")
    scores = folder / "golden" / "log_probs.json"
    if name == "char2":
        scores = shared / "fixtures" / "published" / "scoring" / "char2_log_probs.json"
    return lm, json.loads(scores.read_text("utf8"))


@pytest.mark.parametrize("name", ["char2", "forward1"])
def test_scores_are_those_of_the_original_network(shared: Path, name: str) -> None:
    lm, golden = published(shared, name)
    for item, found in zip(
        golden["zero_state"],
        lm.score([item["tokens"] for item in golden["zero_state"]]),
        strict=True,
    ):
        np.testing.assert_allclose(found.forward, item["forward"]["log_prob"], atol=2e-6)
        ids = item["forward"]["target_ids"]
        assert found.unknown.tolist() == [number == 2 for number in ids[:-1]]
        if "backward" in item:
            np.testing.assert_allclose(found.backward, item["backward"]["log_prob"], atol=2e-6)
        else:
            assert found.backward is None


def test_a_carried_state_is_what_the_call_before_left() -> None:
    elmo, lm = scored_model("plain")
    lm.initial_state = "carry"
    state = elmo.zero_state()
    for words in SENTENCES:
        forward, backward = every_word(elmo, lm, words, state)
        (found,) = lm.score([words])
        assert found.forward[-1] == pytest.approx(forward[-1, 1], abs=1e-5)
        assert found.backward is not None
        assert found.backward[0] == pytest.approx(backward[0, 0], abs=1e-5)
        _, state = elmo.layers_with_boundaries(words, state)


def test_distributions_are_those_of_the_original_network(shared: Path) -> None:
    lm, golden = published(shared, "char2")
    wanted = np.load(shared / "fixtures" / "published" / "scoring" / "char2_distributions.npz")
    for number, item in enumerate(golden["zero_state"]):
        found = lm.distributions(item["tokens"])
        np.testing.assert_allclose(found.forward, wanted[f"forward{number}"], atol=2e-6)
        np.testing.assert_allclose(found.backward, wanted[f"backward{number}"], atol=2e-6)


CASES = ["plain", "no_skip", "forward_only", "word_input", "forward_only_one_layer_words"]


@pytest.mark.parametrize("warm", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_scores_by_definition(case: str, warm: bool) -> None:
    elmo, lm = scored_model(case)
    state = warm_state(elmo) if warm else elmo.zero_state()
    if warm:
        set_warm_state(lm, state)
    numbers = {word: number for number, word in enumerate(lm.vocabulary or [])}
    for words, found in zip(SENTENCES, lm.score(SENTENCES, rank=True), strict=True):
        ids = [numbers.get(word, 2) for word in words]
        logs = every_word(elmo, lm, words, state)
        for direction, (score, rank, targets) in enumerate(
            [
                (found.forward, found.forward_rank, [*ids, 1]),
                (found.backward, found.backward_rank, [0, *ids]),
            ]
        ):
            if direction == len(logs):
                assert score is rank is None
                continue
            wanted = logs[direction][np.arange(len(targets)), targets]
            np.testing.assert_allclose(score, wanted, atol=1e-5)
            assert (rank == 1 + (logs[direction] > wanted[:, None]).sum(axis=1)).all()
        assert found.unknown.tolist() == [number == 2 for number in ids]
        assert found.forward.dtype == np.float64
        distributions = lm.distributions(words)
        for direction, each in enumerate(logs):
            np.testing.assert_allclose(distributions[direction], each, atol=1e-5)


@pytest.mark.parametrize("case", ["plain", "forward_only"])
@pytest.mark.parametrize("warm", [False, True])
def test_their_sum_is_the_perplexity_that_evaluate_reports(case: str, warm: bool) -> None:
    elmo, lm = scored_model(case)
    if warm:
        set_warm_state(lm, warm_state(elmo))
    sentences = [words for words in SENTENCES if words] * 20
    scores = lm.score(sentences)
    for direction, name in enumerate(lm.config.directions):
        logs = np.concatenate([getattr(score, name) for score in scores])
        reported = sentence_perplexity(lm, sentences).directions[direction]
        assert np.exp(-logs.mean()) == pytest.approx(reported, rel=1e-6)


def test_what_is_computed_at_once_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    _, lm = scored_model("plain")
    words = SENTENCES[0]
    at_once = lm.score(SENTENCES, rank=True), lm.substitutes(words, 1), lm.distributions(words)
    monkeypatch.setattr(output_layer, "STATES", 3)
    monkeypatch.setattr(output_layer, "WORDS", 4)
    parts = lm.score(SENTENCES, rank=True), lm.substitutes(words, 1), lm.distributions(words)
    for one, other in zip(at_once[0], parts[0], strict=True):
        np.testing.assert_allclose(one.forward, other.forward, atol=1e-5)
        np.testing.assert_allclose(one.backward, other.backward, atol=1e-5)
        np.testing.assert_array_equal(one.forward_rank, other.forward_rank)
    assert [word for word, _ in at_once[1]] == [word for word, _ in parts[1]]
    np.testing.assert_allclose([x for _, x in at_once[1]], [x for _, x in parts[1]], atol=1e-5)
    np.testing.assert_allclose(at_once[2].backward, parts[2].backward, atol=1e-5)


LARGE = """
import resource
import torch
from spacy_elmo.bilm.softmax import Softmax
from tests.bilm.scoring.models import with_softmax
from tests.tiny import tiny_lm

torch.set_num_threads(1)
words = ["<S>", "</S>", "<UNK>", *(f"w{number}" for number in range(800_000 - 3))]
lm = with_softmax(tiny_lm(), words)
few = [["w1", "w799000"] * 75]
many = few * 2
lm.score(few, rank=True)
lm.all_substitutes(few)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
scores = lm.score(many, rank=True)
lm.all_substitutes(many)
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
assert [len(score.forward) for score in scores] == [151, 151]
print((after - before) / 1024)
"""


@pytest.mark.soak
def test_memory_is_bounded_for_800_000_words() -> None:
    """All logits of 300 places at once would be 960 MB; of the 150 more, half of that."""
    pytest.importorskip("resource")
    result = subprocess.run(
        [sys.executable, "-c", LARGE], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert float(result.stdout) < 100


def test_a_model_without_a_softmax_says_which_files_have_one() -> None:
    for ask in (
        lambda lm: lm.score([["a"]]),
        lambda lm: lm.distributions(["a"]),
        lambda lm: lm.next_words(["a"]),
        lambda lm: lm.substitutes(["a"], 0),
    ):
        with pytest.raises(ValueError, match=r"no softmax .* softmax\.safetensors and vocab\.txt"):
            ask(tiny_lm())


def test_a_vocabulary_without_the_special_words() -> None:
    lm = with_softmax(tiny_lm(), ["<S>", "a", "b"])
    with pytest.raises(ValueError, match="lacks </S>, <UNK>"):
        lm.score([["a"]])


def test_another_softmax_is_noticed() -> None:
    lm = with_softmax(tiny_lm(), ["<S>", "</S>", "<UNK>", "a"])
    assert len(lm.distributions(["a"]).forward[0]) == 4
    with_softmax(lm, ["<S>", "</S>", "<UNK>", "a", "b"])
    assert len(lm.distributions(["a"]).forward[0]) == 5


def test_bad_sentences() -> None:
    lm = with_softmax(tiny_lm(), ["<S>", "</S>", "<UNK>", "a"])
    with pytest.raises(ValueError, match="sentence 0 is the string"):
        lm.score(["not split"])
    assert lm.score([]) == []
