"""Static vectors are means over contexts; their files are read by spaCy and gensim."""

from __future__ import annotations

import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from spacy_elmo import BiLM, EmbeddingError, distill
from spacy_elmo.cli.app import app
from spacy_elmo.embedding.entries import TextFiles
from spacy_elmo.embedding.sampling import Sampler
from spacy_elmo.embedding.static import fit_unseen, unit, without_common

WORDS = ["the", "bank", "raised", "its", "rates", "river", "straße"]


def lines(n: int = 40) -> list[list[str]]:
    chosen = random.Random(0)
    return [chosen.choices(WORDS, k=chosen.randint(0, 6)) for _ in range(n)]


@pytest.mark.parametrize("layers", ["average", "top", "0"])
def test_means_of_all_contexts(layers: str, lm: BiLM) -> None:
    found = distill(lm, lines(), layers=layers, contexts=10_000)
    rows: dict[str, list[np.ndarray]] = {}
    for words, array in zip(lines(), lm.encode(lines()), strict=True):
        one = {"average": array.mean(axis=0), "top": array[-1], "0": array[0]}[layers]
        for word, row in zip(words, one, strict=True):
            rows.setdefault(word, []).append(row)
    counts = Counter(word for words in lines() for word in words)
    assert found.words == sorted(WORDS, key=lambda word: (-counts[word], word))
    for word, vector, n in zip(found.words, found.vectors, found.contexts, strict=True):
        assert n == counts[word]
        np.testing.assert_allclose(vector, np.mean(rows[word], axis=0), atol=1e-5)


def test_bounded_and_drawn_anew_with_another_seed(lm: BiLM) -> None:
    first, same, other = (distill(lm, lines(), contexts=3, seed=seed) for seed in (0, 0, 1))
    assert first.contexts.tolist() == [3] * len(WORDS)
    assert np.array_equal(first.vectors, same.vectors)
    assert not np.array_equal(first.vectors, other.vectors)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.sampled_from("abc"), max_size=5), max_size=8), st.integers(1, 4))
def test_the_sampler_chooses_as_many_as_it_says(sentences: list[list[str]], n: int) -> None:
    counts = Counter(word for words in sentences for word in words)
    sampler = Sampler(counts, n, 0)
    chosen = [words[k] for words in sentences for k in sampler.choose(words)]
    assert Counter(chosen) == {word: min(n, count) for word, count in counts.items()}
    assert sampler.total == 0


def test_every_occurrence_is_as_likely() -> None:
    times = np.zeros(6)
    for seed in range(600):
        times[Sampler({"a": 6}, 2, seed).choose(["a"] * 6)] += 1
    assert np.abs(times - 200).max() < 60  # more than five standard deviations


def test_words_that_are_given(lm: BiLM) -> None:
    words = ["river", "nowhere", "bank", "river"]
    found = distill(lm, lines(), words=words)
    assert found.words == ["river", "bank"]
    found = distill(lm, lines(), words=[*WORDS, "banks"], unseen=True, contexts=1000)
    assert found.words[-1] == "banks"
    assert found.contexts[-1] == 0
    assert np.isfinite(found.vectors).all()


def test_unseen_words_by_the_token_layer() -> None:
    """What is linear in the token layer is found."""
    rng = np.random.default_rng(0)
    tokens = rng.normal(size=(400, 8)).astype(np.float32)
    weights = rng.normal(size=(8, 5))
    found = fit_unseen(tokens[:300], (tokens[:300] @ weights + 3).astype(np.float32), tokens[300:])
    np.testing.assert_allclose(found, tokens[300:] @ weights + 3, atol=0.05)


def test_common_components() -> None:
    rng = np.random.default_rng(0)
    own = rng.normal(size=(500, 6))
    own[:, :2] *= 0.01
    mixed = (own + rng.normal(size=(500, 1)) * 50 * np.eye(6)[0] + 7).astype(np.float32)
    rest = without_common(mixed, 1)
    assert np.abs(rest.mean(axis=0)).max() < 1e-4
    assert rest.std(axis=0)[0] < 0.1
    np.testing.assert_allclose(rest[:, 2:], own[:, 2:] - own[:, 2:].mean(axis=0), atol=0.5)
    assert without_common(mixed, 0) is mixed
    lengths = np.linalg.norm(unit(np.array([[3, 4], [0, 0]], dtype=np.float32)), axis=1)
    assert lengths.tolist() == [1, 0]


def test_files(lm: BiLM, tmp_path: Path) -> None:
    found = distill(lm, lines(), tmp_path / "x.vec", unit=True, remove_components=1)
    first, *rest = (tmp_path / "x.vec").read_text("utf8").splitlines()
    assert first == f"{len(WORDS)} {lm.config.width}"
    for line, word, vector in zip(rest, found.words, found.vectors, strict=True):
        assert line.split(" ")[0] == word
        np.testing.assert_allclose([float(x) for x in line.split(" ")[1:]], vector, atol=1e-5)
    distill(lm, lines(), tmp_path / "pipeline", unit=True, remove_components=1)
    nlp = spacy.load(tmp_path / "pipeline")
    for word, vector in zip(found.words, found.vectors, strict=True):
        np.testing.assert_allclose(nlp(word)[0].vector, vector, atol=1e-6)
    assert not nlp("unknown")[0].has_vector
    gensim = pytest.importorskip("gensim", reason="reads word2vec's text")
    vectors = gensim.models.KeyedVectors.load_word2vec_format(str(tmp_path / "x.vec"))
    np.testing.assert_allclose(vectors["straße"], found.vectors[found.words.index("straße")], 1e-4)


@pytest.mark.soak
def test_init_vectors_reads_it(lm: BiLM, tmp_path: Path) -> None:
    found = distill(lm, lines(), tmp_path / "x.txt")
    command = [sys.executable, "-m", "spacy", "init", "vectors", "en", "x.txt", "pipeline"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    nlp = spacy.load(tmp_path / "pipeline")
    np.testing.assert_allclose(
        nlp("river")[0].vector, found.vectors[found.words.index("river")], atol=1e-5
    )


def test_mistakes(lm: BiLM, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("a b\n", encoding="utf8")
    for texts, options, message in (
        (iter([]), {}, "read twice"),
        (TextFiles(["-"]), {}, "read twice"),
        (lines(), {"contexts": 0}, "contexts is 0"),
        (lines(), {"layers": "all"}, "one layer, or the average"),
        (lines(), {"remove_components": 99}, "remove_components is 99"),
        (lines(), {"min_count": 10**6}, "no word occurs 1000000 times"),
        (lines(), {"words": ["nowhere"]}, "none of these words"),
        (lines(), {"words": ["a b"]}, "word 1 is 'a b'"),
        (lines(), {"unseen": True}, "give `words`"),
        (lines(), {"output": tmp_path / "x.npy"}, "ends in '.npy'"),
    ):
        with pytest.raises(ValueError, match=message):
            distill(lm, texts, **{"output": tmp_path / "out", **options})
    assert not (tmp_path / "out").exists()
    with pytest.raises(FileExistsError, match="exists already"):
        distill(lm, lines(), tmp_path / "text.txt")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "mine").touch()
    with pytest.raises(FileExistsError, match="is no pipeline"):
        distill(lm, lines(), tmp_path / "folder", force=True)
    with pytest.raises(EmbeddingError, match="read twice"):
        distill(lm, "a text", tmp_path / "out")


def test_the_command(weights: Path, tmp_path: Path) -> None:
    text, words, out = tmp_path / "text.txt", tmp_path / "words.txt", tmp_path / "x.vec"
    text.write_text("\n".join(map(" ".join, lines())), encoding="utf8")
    words.write_text("bank\nnowhere\nriver\n", encoding="utf8")
    arguments = ["distill", weights, text, out, "--words", words, "--contexts", "2", "--tokenized"]
    done = CliRunner().invoke(app, list(map(str, arguments)))
    assert done.exit_code == 0, done.output
    assert "Wrote 2 words, out of 4 contexts" in done.output
    assert "1 words are not in the texts" in done.output
    assert [line.split(" ")[0] for line in out.read_text("utf8").splitlines()[1:]] == [
        "bank",
        "river",
    ]
