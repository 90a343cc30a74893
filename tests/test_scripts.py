"""The measuring commands: on data so small that the right figure is known."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import contexts
import convert
import encoders
import numpy as np
import pytest
import spacy
import srsly
import torch
from coarsewsd import evaluate_coarsewsd, macro, most_frequent_sense, nearest_senses, read_all
from coarsewsd import main as coarsewsd_main
from encoders import Variant
from hypothesis import given
from hypothesis import strategies as st
from mean_vector import main as mean_vector_main
from numpy.typing import NDArray
from probe import probe
from random_pairs import main as random_pairs_main
from random_pairs import mean_cosine, random_words
from readers import Marked, read_text, read_wic, sample_text
from row import add_row, fingerprint, read_rows
from row import main as row_main
from rows import plan
from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab
from table import comparison, error_reduction, mixes
from table import main as table_main
from tasks import TASKS, task_config
from wic import best_threshold, evaluate_wic
from wic import main as wic_main

from spacy_elmo import BiLM
from tests.tiny import tiny_lm

ROOT = Path(__file__).parents[1]
SMOKE = ROOT / "tests" / "smoke"
PLAIN = Variant("made up", "", False)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("weights") / "random"
    tiny_lm().save(path)
    return str(path)


@pytest.fixture
def wic_folder(tmp_path: Path) -> Path:
    """Two pairs of different senses, two of the same."""
    rows = [
        ("bank\tN\t1-0\tThe bank lends .\tBanks lend money .", "T"),
        ("bank\tN\t1-2\tThe bank lends .\tOn the bank .", "F"),
        ("run\tV\t1-1\tThey run .\tWe run .", "T"),
        ("run\tV\t1-0\tThey run .\tRun the firm .", "F"),
    ]
    for split in ("train", "dev"):
        folder = tmp_path / "wic" / split
        folder.mkdir(parents=True)
        (folder / f"{split}.data.txt").write_text("\n".join(row for row, _ in rows))
        (folder / f"{split}.gold.txt").write_text("\n".join(gold for _, gold in rows))
    return tmp_path / "wic"


@pytest.fixture
def wsd_folder(tmp_path: Path) -> Path:
    """One word, whose sense the word before it tells."""
    lines = {
        "train": ["1\triver bank .", "1\triver bank !", "1\tsavings bank .", "1\triver bank ?"],
        "test": ["1\tsavings bank .", "1\triver bank ."],
    }
    gold = {"train": "1\n1\n0\n1", "test": "0\n1"}
    folder = tmp_path / "coarsewsd20" / "bank"
    folder.mkdir(parents=True)
    for split, texts in lines.items():
        (folder / f"{split}.data.txt").write_text("\n".join(texts))
        (folder / f"{split}.gold.txt").write_text(gold[split])
    return tmp_path / "coarsewsd20"


def by_word_before(marked: Sequence[Marked]) -> dict[Variant, NDArray[np.float32]]:
    """An encoder that sees nothing but the word before."""
    kinds = ["river", "savings", "the", "they", "we"]
    rows = np.zeros((len(marked), len(kinds) + 1), np.float32)
    for row, (words, place) in zip(rows, marked, strict=True):
        before = words[place - 1].lower() if place else ""
        row[kinds.index(before) if before in kinds else -1] = 1
    return {PLAIN: rows}


def test_wic_is_read_as_published(wic_folder: Path) -> None:
    pairs = read_wic(wic_folder, "dev")
    assert [pair.same for pair in pairs] == [True, False, True, False]
    assert pairs[0].second == Marked(["Banks", "lend", "money", "."], 0)
    assert [pair.first.words[pair.first.place] for pair in pairs] == ["bank", "bank", "run", "run"]


def test_wic_accuracy_is_that_of_the_cosines(wic_folder: Path) -> None:
    train = read_wic(wic_folder, "train")
    result = evaluate_wic(by_word_before, train, train)[PLAIN]
    # Only the second pair has a cosine of 1, and it is one of the two that differ.
    assert result.train == result.dev == 0.5
    result = evaluate_wic(by_word_before, train, [pair for pair in train if pair.same])[PLAIN]
    assert result.train == 0.5


@given(
    st.lists(
        st.tuples(st.sampled_from(np.linspace(-0.9, 0.9, 13).tolist()), st.booleans()),
        min_size=1,
        max_size=30,
    )
)
def test_no_threshold_is_better(items: list[tuple[float, bool]]) -> None:
    values = np.array([value for value, _ in items], np.float32)
    gold = np.array([truth for _, truth in items])
    best = ((values >= best_threshold(values, gold)) == gold).mean()
    for threshold in np.linspace(-1, 1, 81):
        assert best >= ((values >= threshold) == gold).mean()


def test_coarsewsd_by_the_nearest_neighbour(wsd_folder: Path) -> None:
    data = read_all(wsd_folder)
    assert list(data) == ["bank"]
    assert most_frequent_sense(data) == {"bank": 0.5}
    assert evaluate_coarsewsd(by_word_before, data) == {PLAIN: {"bank": 1.0}}


def test_the_token_layer_is_the_most_frequent_sense(wsd_folder: Path, weights: str) -> None:
    data = read_all(wsd_folder)
    (encode,) = encoders.elmo_encoders(weights, None, [["some", "text"]])
    results = evaluate_coarsewsd(encode, data)
    assert results[Variant("random", "token layer", False)] == {"bank": 0.5}
    # Context tells the senses apart even to random weights: the sentences are the same.
    assert results[Variant("random", "layer 1", False)] == {"bank": 1.0}
    assert macro({"bank": 1.0, "apple": 0.0}) == 0.5


def test_the_nearest_known_vectors_vote() -> None:
    known = np.array([[1, 0], [0, 1], [0, 2], [0, 3]], np.float32)
    senses = np.array(["a", "b", "c", "c"])
    vectors = np.array([[2, 0], [0, 5], [1, 0.9]], np.float32)
    assert nearest_senses(vectors, known, senses).tolist() == ["a", "c", "a"]


def test_encoder_variants(weights: str) -> None:
    text = [["Alice", "sat", "down"], ["She", "rose"]]
    (encode,) = encoders.elmo_encoders(weights, None, text)
    marked = [Marked(words, place) for words in text for place in range(len(words))]
    found = encode(marked)
    lm = BiLM.from_pretrained(weights)
    layers = np.concatenate(lm.encode(text), axis=1)
    np.testing.assert_allclose(found[Variant("random", "layer 2", False)], layers[2], atol=1e-6)
    average = layers.mean(axis=0)
    np.testing.assert_allclose(found[Variant("random", "average", False)], average, atol=1e-6)
    # The text is the sample that the mean was taken over.
    centred = found[Variant("random", "average", True)]
    np.testing.assert_allclose(centred, average - average.mean(axis=0), atol=1e-6)


def test_the_warm_state_is_made_where_there_is_none(weights: str) -> None:
    text = [["Alice", "sat", "down"], ["She", "rose"]]
    zero, warm = encoders.elmo_encoders(weights, ["zero", "warm"], text)
    marked = [Marked(text[1], 0)]
    first, second = zero(marked), warm(marked)
    token, context = (
        [
            found[Variant(name, layer, False)]
            for name, found in (("random, zero", first), ("random, warm", second))
        ]
        for layer in ("token layer", "layer 1")
    )
    assert np.array_equal(*token)
    assert not np.allclose(*context)


def test_random_words_differ() -> None:
    sentences = [["The", "bank", "the", "river", "!", "42"], ["Bank", "holiday"]]
    words = random_words(sentences, 4, seed=1)
    forms = [words[place].lower() for words, place in words]
    assert sorted(forms) == ["bank", "holiday", "river", "the"]
    assert words == random_words(sentences, 4, seed=1)
    with pytest.raises(ValueError, match="5 different words"):
        random_words(sentences, 5, seed=1)


def test_mean_cosine_of_pairs() -> None:
    def encode(marked: Sequence[Marked]) -> dict[Variant, NDArray[np.float32]]:
        return {PLAIN: np.array([[1, 0], [2, 0], [1, 0], [0, 3]], np.float32)}

    assert mean_cosine(encode, [Marked(["x"], 0)] * 4) == {PLAIN: (0.5, 0.5)}


def test_text_is_split_into_words_and_sentences(tmp_path: Path) -> None:
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text("It rains. Don't go!\n\nStay here.\n")
    sentences = list(read_text([tmp_path / "a.txt"]))
    assert sentences == [["It", "rains", "."], ["Do", "n't", "go", "!"], ["Stay", "here", "."]]
    # An equal share from each file.
    sample = sample_text([tmp_path / "a.txt", tmp_path / "b.txt"], 8)
    assert sample == sentences[:2] * 2


def test_commands_report(
    wic_folder: Path,
    wsd_folder: Path,
    weights: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    text, out = [SMOKE / "text.txt"], tmp_path / "new" / "figures.json"
    common: dict[str, Any] = {"initial_state": None, "text": text, "json": out}
    wic_main(weights, wic_folder, words=200, **common)
    figures = json.loads(out.read_text())
    assert len(figures["values"]) == 8
    assert all(0 <= row["dev"] <= 1 for row in figures["values"])
    coarsewsd_main(weights, wsd_folder, words=200, **common)
    (first, *_) = json.loads(out.read_text())["values"]
    assert first["macro"] == first["words"]["bank"] == 0.5
    random_pairs_main(weights, pairs=50, seed=0, words=1500, **common)
    rows = json.loads(out.read_text())["values"]
    assert all(-1 <= row["mean"] <= 1 for row in rows)
    raw, centred = (
        next(r["mean"] for r in rows if r["layer"] == "average" and r["centred"] == c)
        for c in (False, True)
    )
    assert abs(centred) < abs(raw)
    printed = capsys.readouterr().out
    assert printed.count("| token layer |") == 6


def test_encoders_start_from_the_states_asked_for(weights: str) -> None:
    text = [["The", "bank", "lends", "."], ["We", "sat", "there", "."]]
    own = encoders.elmo_encoders(weights, None, text)
    asked = encoders.elmo_encoders(weights, ["zero", "warm"], text)
    found = [(each.name, each.lm.initial_state) for each in (*own, *asked)]
    assert found == [("random", "zero"), ("random, zero", "zero"), ("random, warm", "warm")]


def test_mean_vector_is_stored(weights: str, tmp_path: Path) -> None:
    out = tmp_path / "with-mean"
    mean_vector_main(weights, out, [SMOKE / "text.txt"], words=500, dtype="float32")
    lm = BiLM.from_pretrained(out)
    sample = sample_text([SMOKE / "text.txt"], 500)
    expected = np.concatenate(lm.encode(sample), axis=1).mean(axis=1)
    assert lm.mean_layers is not None
    np.testing.assert_allclose(lm.mean_layers.numpy(), expected, rtol=1e-5, atol=1e-6)


def test_missing_data_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="spacy project assets"):
        read_wic(tmp_path, "dev")
    with pytest.raises(SystemExit, match="spacy project assets"):
        convert.main("ewt", tmp_path, tmp_path)
    with pytest.raises(SystemExit, match="no CoarseWSD-20"):
        read_all(tmp_path)


def test_wnut17_and_sst5_are_read_as_published(tmp_path: Path) -> None:
    path = tmp_path / "emerging.conll"
    path.write_text("Empire\tB-location\nState\tI-location\n#hot\tO\n\t\nBob\tB-person\n\n\n")
    first, second = convert.read_wnut17(path)
    assert [(ent.text, ent.label_) for ent in first.ents] == [("Empire State", "location")]
    assert [token.ent_iob_ for token in first] == ["B", "I", "O"]
    assert [ent.label_ for ent in second.ents] == ["person"]
    path = tmp_path / "trees.txt"
    path.write_text("(3 (2 It) (4 (2 works\\/runs) (2 -RRB-)))\n(0 (1 ``) (0 No))\n")
    first, second = convert.read_sst5(path)
    assert [token.text for token in first] == ["It", "works/runs", ")"]
    assert first.cats == {"0": 0, "1": 0, "2": 0, "3": 1, "4": 0}
    assert [token.text for token in second] == ['"', "No"]
    assert second.cats["0"] == 1


@pytest.mark.parametrize(
    ("name", "folder", "sentences", "words"),
    [
        ("ewt", "ud-english-ewt", (12544, 2001, 2077), 25094),
        ("wnut17", "wnut17", (3394, 1009, 1287), 23394),
        ("sst5", "sst5", (8544, 1101, 2210), 42405),
    ],
)
def test_the_real_data_sets(
    name: str, folder: str, sentences: Sequence[int], words: int, shared: Path
) -> None:
    read, files = convert.DATA_SETS[name]
    docs = list(read(shared / "eval" / folder / files["test"]))
    assert (len(docs), sum(map(len, docs))) == (sentences[2], words)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The sentences of the smoke test in place of UD English EWT."""
    convert.main("smoke", SMOKE / "tagged", tmp_path / "ewt")
    (tmp_path / "ewt" / "dev.spacy").rename(tmp_path / "ewt" / "test.spacy")
    docs = list(DocBin().from_disk(tmp_path / "ewt" / "test.spacy").get_docs(Vocab()))
    DocBin(docs=docs[:5]).to_disk(tmp_path / "ewt" / "dev.spacy")
    return tmp_path


def test_rows_and_tables(data: Path, weights: str, capsys: pytest.CaptureFixture[str]) -> None:
    results = data / "rows.json"

    def row(side: str, mix: str = "learned", width: int | None = None) -> None:
        row_main("tagging", side, 0.5, 0, 10, weights, mix, width, data, results)

    row("tok2vec")
    for mix in ("learned", "average", "last"):
        row("elmo", mix)
    rows = srsly.read_json(results)
    assert [r["n_train"] for r in rows] == [52] * 4
    assert all(0 < r["score"] < 1 and r["words_per_second"] > 0 for r in rows)
    tok2vec, learned, average, last = rows
    assert tok2vec["mixes"] == {}
    layers = {r["mix"]: r["mixes"]["tagger"]["layers"] for r in (learned, average, last)}
    assert layers["last"] == [0.0, 0.0, 1.0]
    np.testing.assert_allclose(layers["average"], [1 / 3] * 3, atol=2e-3)
    assert layers["learned"] != layers["average"]
    assert {r["weights"] for r in (learned, average, last)} == {fingerprint(weights)}
    before = results.read_bytes()
    row("elmo")
    assert results.read_bytes() == before
    assert "has this row" in capsys.readouterr().out
    assert "| 50% (52) " in comparison(rows)
    assert "0.00 0.00 1.00" not in mixes(rows)
    assert f"{100 * last['score']:.2f}" in mixes(rows)
    for side in ("tok2vec", "elmo"):
        row(side, width=16)
    assert [r.get("width") for r in srsly.read_json(results)] == [None] * 4 + [16] * 2


def test_processes_share_a_file_of_rows(tmp_path: Path) -> None:
    path = tmp_path / "new" / "rows.json"
    rows = [{"task": "ner", "side": "tok2vec", "seed": seed} for seed in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda row: add_row(path, row), [*rows, *rows]))
    assert sorted(row["seed"] for row in read_rows(path)) == list(range(8))


def test_weights_are_told_apart_by_their_content(tmp_path: Path) -> None:
    path, copy = tmp_path / "bilm", tmp_path / "copy" / "bilm"
    tiny_lm().save(path)
    shutil.copytree(path, copy)
    (copy / "README.md").write_text("Others may write here.")
    (copy / "training").mkdir()
    before = fingerprint(str(path))
    assert fingerprint(str(copy)) == before
    name, _, digest = before.partition("@")
    assert (name, len(digest)) == ("bilm", 8)
    lm = tiny_lm()
    with torch.no_grad():
        next(lm.parameters()).add_(1)
    lm.save(path)
    assert fingerprint(str(path)) != before
    # A file alone, too.
    lm.save(tmp_path / "bilm.hdf5")
    assert fingerprint(str(tmp_path / "bilm.hdf5")).startswith("bilm.hdf5@")


def made_up(side: str, score: float, steps: int = 100, **more: Any) -> dict[str, Any]:
    """A row of a file of rows."""
    row = {"task": "ner", "side": side, "fraction": 0.1, "seed": 0, "steps": steps, "n_train": 339}
    row |= {"score": score, "words_per_second": 1000, "train_seconds": 1.0, "mixes": {}}
    if side == "elmo":
        row |= {"mix": "learned", "weights": "bilm@1a2b3c4d"}
        row["mixes"] = {"ner": {"layers": [0.5, 0.5], "gamma": 1.0}}
    return row | more


def test_other_steps_are_no_other_seed() -> None:
    rows = [made_up("tok2vec", 0.1), made_up("elmo", 0.2)]
    rows += [made_up("tok2vec", 0.3, steps=200), made_up("elmo", 0.4, steps=200)]
    rows += [made_up("elmo", 0.5, mix=mix) for mix in ("last", "average")]
    *_, longer, shorter = comparison(rows).splitlines()
    assert [cell.strip() for cell in longer.split("|")[3:7]] == ["200", "", "30.00", "40.00"]
    assert [cell.strip() for cell in shorter.split("|")[3:7]] == ["100", "", "10.00", "20.00"]
    *_, rule, only = mixes(rows).splitlines()
    assert set(rule) == {"|", "-"}
    assert [cell.strip() for cell in only.split("|")[3:7]] == ["100", "50.00", "50.00", "20.00"]


def test_tables_are_of_one_model_each(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Rows of other weights are no other seeds; those of tok2vec belong to every table."""
    rows = [made_up("tok2vec", 0.1), made_up("elmo", 0.2), made_up("elmo", 0.3, weights="bilm@0")]
    srsly.write_json(tmp_path / "rows.json", rows)
    table_main(tmp_path / "rows.json")
    first, second = capsys.readouterr().out.split("bilm@0: 2 rows")
    assert first.startswith("bilm@1a2b3c4d: 2 rows")
    assert ("| 20.00 |" in first, "| 30.00 |" in first) == (True, False)
    assert ("| 20.00 |" in second, "| 30.00 |" in second) == (False, True)
    assert first.count("| 10.00 ") == second.count("| 10.00 ") == 1


def test_other_widths_are_no_other_seed() -> None:
    wider = {"width": 256, "words_per_second": 500}
    rows = [made_up("tok2vec", 0.3, **wider), made_up("elmo", 0.4, **wider)]
    rows += [made_up("elmo", 0.2), made_up("tok2vec", 0.1), made_up("elmo", 0.5, width=64)]
    *_, own, wide = comparison(rows).splitlines()
    assert [cell.strip() for cell in own.split("|")[4:7]] == ["", "10.00", "20.00"]
    assert [cell.strip() for cell in wide.split("|")[4:7]] == ["256", "30.00", "40.00"]
    speeds = [line.split("|")[-2].strip() for line in (own, wide)]
    assert speeds == ["1,000 / 1,000", "500 / 500"]


def test_a_width_is_that_of_all_layers() -> None:
    for side, pipe in (("tok2vec", "tok2vec"), ("elmo", "tagger")):
        config = task_config(TASKS["tagging"], side, width=48)
        model = config["components"][pipe]["model"]
        layers = model if side == "tok2vec" else model["tok2vec"]
        assert (layers["embed"]["width"], layers["encode"]["width"]) == (48, 48)


def test_the_same_pipe_on_both_sides() -> None:
    for task in TASKS.values():
        ours, default = (task_config(task, side) for side in ("elmo", "tok2vec"))
        for config in (ours, default):
            del config["components"][task.pipe]["model"]["tok2vec"]
            config["components"].pop("elmo" if config is ours else "tok2vec")
            config["nlp"]["pipeline"] = config["nlp"]["pipeline"][1:]
        assert ours == default


def test_every_row_is_planned_once() -> None:
    rows = [tuple(arguments) for arguments in plan()]
    assert len(rows) == len(set(rows)) == (2 * 4 + 2) * (3 + 1 + 1 + 1) + 2 * 3
    assert {arguments[0] for arguments in rows} == set(TASKS)


def test_error_reduction() -> None:
    assert error_reduction(0.9, 0.92) == pytest.approx(0.2)
    assert error_reduction(0.9, 0.89) == pytest.approx(-0.1)


def test_a_probe_learns_what_is_linear() -> None:
    generator = torch.Generator().manual_seed(0)
    points = torch.randn(42_000, 5, generator=generator) * 3 + 7
    gold = (points @ torch.tensor([1.0, -1.0, 0.5, 0.0, 2.0]) > 17.5).long()
    found = probe(points[2000:], gold[2000:], points[:2000], 2, seed=0)
    assert (found == gold[:2000]).float().mean() > 0.9


def test_static_vectors_know_no_context(tmp_path: Path) -> None:
    pytest.importorskip("gensim")
    encode = contexts.StaticVectors([SMOKE / "text.txt"], 1300, epochs=1)
    marked = [Marked(["the", "sun"], 0), Marked(["On", "the", "sea"], 1), Marked(["qwxz"], 0)]
    (vectors,) = encode(marked).values()
    assert np.array_equal(vectors[0], vectors[1])
    assert vectors[0].any()
    assert not vectors[2].any()


def test_words_of_tagged_docs_stay_as_annotated(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text("and/or/CCONJ 1/2/NUM\n")
    (doc,) = convert.read_tagged(tmp_path / "x.txt")
    assert [(token.text, token.tag_) for token in doc] == [("and/or", "CCONJ"), ("1/2", "NUM")]
    assert isinstance(doc, Doc)
    assert spacy.blank("en").vocab is not doc.vocab
