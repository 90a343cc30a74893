"""Cards beside weights: the block that the hub reads, stubs, notes where weights were replaced."""

from __future__ import annotations

from pathlib import Path

import pytest
import srsly
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_elmo import BiLM
from spacy_elmo.formats import load, papers_of, save
from spacy_elmo.formats.cards import REPLACED, is_stub, stub
from spacy_elmo.formats.front_matter import below_block, front_matter, licences_in, split_card
from spacy_elmo.formats.loading import MODELS, PACKAGED
from spacy_elmo.formats.papers import TRAINED, licences, read_papers, write_papers
from tests.formats.models import TINY, TINY_WORDS, WORDS, assert_same, configs, give_softmax, model

CARD = (
    "---\nlicense: mit\ndatasets:\n- somebody/text\n---\n# My model\n\nTrained on my own diary.\n"
)


def metadata(card: str) -> dict[str, object]:
    """The block of a card, as a reader of YAML has it."""
    block, _ = split_card(card)
    assert block.startswith("---\n")
    assert block.endswith("\n---\n")
    found = srsly.yaml_loads(block.strip().strip("-"))
    assert isinstance(found, dict)
    return dict(found)


@pytest.mark.parametrize("name", sorted(PACKAGED))
def test_packaged_cards(name: str) -> None:
    card = (MODELS / name / "README.md").read_text("utf8")
    told = metadata(card)
    assert told["library_name"] == "spacy-elmo"
    assert told["pipeline_tag"] == "feature-extraction"
    assert {"spacy", "elmo"} <= set(told["tags"])  # type: ignore[call-overload]
    assert told["language"] == [load(name).config.lang or "en"]
    # Several hold, and the card tells of them: what the hub calls "other".
    assert len(licences(papers_of(name))) > 1
    assert (told["license"], told["license_name"]) == ("other", "see-data-and-licences")
    assert "\n## Data and licences\n" in card
    assert "datasets" not in told
    assert split_card(card)[1].startswith(f"# {name}\n")
    assert front_matter("en", licences(papers_of(name))) == split_card(card)[0]


@pytest.mark.parametrize(
    ("language", "expected"),
    [("en", ["en"]), ("no", ["no"]), ("pt-BR", ["pt"]), ("xx", ["multilingual"])],
)
def test_languages_are_strings(language: str, expected: list[str]) -> None:
    assert metadata(front_matter(language))["language"] == expected


@pytest.mark.parametrize("language", [None, "", "German", "e n"])
def test_what_is_no_code_of_a_language_is_left_out(language: str | None) -> None:
    assert "language" not in metadata(front_matter(language))


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ([], {}),
        (["CC BY-NC-SA 4.0"], {"license": "cc-by-nc-sa-4.0"}),
        (["Apache License, Version 2.0"], {"license": "apache-2.0"}),
        (["CC0", "CC0 1.0"], {"license": "cc0-1.0"}),
        (["CC BY"], {"license": "other", "license_name": "see-data-and-licences"}),
        (["MIT", "ODbL"], {"license": "other", "license_name": "see-data-and-licences"}),
    ],
)
def test_licences(names: list[str], expected: dict[str, str]) -> None:
    found = metadata(front_matter(None, names))
    assert {key: found[key] for key in found if key.startswith("license")} == expected


def test_a_licence_that_only_the_block_names_counts() -> None:
    assert licences_in("---\nlicense:\n- mit\n- odc-by\nlanguage: en\n---\n") == ["MIT", "ODC-By"]
    both = "---\nlicense: [apache-2.0, mit]\n---\nCode: Apache 2.0. Tags: odbl."
    assert licences({"README.md": both.encode()}) == ["Apache 2.0", "MIT"]
    assert licences({"README.md": b"license: mit\n---\n"}) == []


@settings(max_examples=50, deadline=None)
@given(st.text(alphabet="-\n\r\ufeffa: #", max_size=30))
def test_a_card_is_its_block_and_its_text(card: str) -> None:
    block, text = split_card(card)
    assert block + text == card
    assert below_block(below_block(card, "> Note\n\n"), "> Note\n\n") == below_block(
        card, "> Note\n\n"
    )


def test_a_rule_in_the_text_is_no_block() -> None:
    for card in ("# Model\n---\nlicense: mit\n---\n", "---\nno end", "----\na: b\n----\n", ""):
        assert split_card(card) == ("", card)
    assert split_card("---\n---\ntext")[1] == "text"
    assert split_card("---\r\na: b\r\n---\r\ntext")[1] == "text"


@settings(max_examples=20, deadline=None)
@given(configs())
def test_any_model_gets_a_stub(config) -> None:  # type: ignore[no-untyped-def]
    lm = BiLM(config, None if config.n_words is None else WORDS[: config.n_words])
    card = stub(lm, "float16")
    assert is_stub(card)
    assert not is_stub(card.replace("Not stated", "Stated"))
    assert metadata(card)["library_name"] == "spacy-elmo"
    assert f"- {config.n_layers} LSTM layers of {config.lstm_dim} cells" in card
    assert "- stored as float16\n" in card
    assert licences({"README.md": card.encode()}) == []


@pytest.mark.parametrize(("state", "stored"), [("zero", "zero"), ("carry", "warm")])
def test_a_stub_names_the_initial_state_that_is_stored(
    tmp_path: Path, state: str, stored: str
) -> None:
    lm = BiLM(TINY)
    lm.warm_up([["the", "bank"]])
    lm.initial_state = state
    lm.save(tmp_path / "m")
    assert load(tmp_path / "m").initial_state == stored
    assert f"- initial state: {stored}\n" in (tmp_path / "m/README.md").read_text("utf8")


def test_a_stub_goes_with_its_weights(tmp_path: Path) -> None:
    lm = model(TINY_WORDS, seed=1)
    lm.save(tmp_path / "m")
    first = (tmp_path / "m/README.md").read_text("utf8")
    assert "without a softmax" in first
    give_softmax(lm)
    save(lm, tmp_path / "m")  # whoever writes: what it says must hold
    second = (tmp_path / "m/README.md").read_text("utf8")
    assert f"a softmax over {len(lm.vocabulary or []):,} words" in second
    assert is_stub(second)
    assert read_papers(tmp_path / "m") == {}
    assert_same(load(tmp_path / "m"), lm)


def test_only_directories_and_only_on_request(tmp_path: Path) -> None:
    save(model(), tmp_path / "m")
    assert not (tmp_path / "m/README.md").exists()
    model().save(tmp_path / "x.hdf5")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m", "x.hdf5", "x_options.json"]


def test_a_card_that_somebody_wrote_stays_with_its_weights(tmp_path: Path) -> None:
    lm = BiLM(TINY)
    lm.save(tmp_path / "m")
    edited = (tmp_path / "m/README.md").read_text("utf8").replace("Not stated", "My diary")
    for card in (CARD, edited, "Caf\u00e9\r\n"):
        (tmp_path / "m/README.md").write_text(card, "utf8", newline="")
        for dtype in ("float32", "float16"):
            lm.save(tmp_path / "m", dtype=dtype)
        lm.warm_up([["the", "bank"]])  # measured, not trained
        lm.save(tmp_path / "m")
        assert (tmp_path / "m/README.md").read_bytes() == card.encode()


@pytest.mark.parametrize("inside", [False, True], ids=["replaced", "filled"])
def test_a_card_of_other_weights_says_so(
    tmp_path: Path, inside: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    model(seed=1).save(tmp_path / "m")
    (tmp_path / "m/README.md").write_text(CARD, "utf8")
    if inside:  # the current folder is not replaced, but filled
        monkeypatch.chdir(tmp_path / "m")
    for seed in (2, 3):
        model(seed=seed).save(tmp_path / "m")
        card = (tmp_path / "m/README.md").read_text("utf8")
        assert split_card(card)[1].startswith(REPLACED)
        assert card.count(REPLACED) == 1
        assert {"license", "datasets"} & metadata(card).keys() == set()
        for part in ("license: mit\ndatasets:\n- somebody/text", split_card(CARD)[1]):
            assert part in card
    assert read_papers(tmp_path / "m").keys() == {"README.md"}


def test_other_sizes_and_damaged_weights_are_other_weights(tmp_path: Path) -> None:
    for name in ("sizes", "damaged", "missing"):
        model(TINY_WORDS).save(tmp_path / name)
        (tmp_path / name / "README.md").write_text("# A")
    (tmp_path / "damaged/weights.safetensors").write_bytes(b"damaged")
    (tmp_path / "missing/weights.safetensors").unlink()
    for name in ("sizes", "damaged", "missing"):
        model(seed=1).save(tmp_path / name)
        assert (tmp_path / name / "README.md").read_text() == f"{REPLACED}\n\n# A"


def test_one_number_makes_other_weights(tmp_path: Path) -> None:
    lm = model(seed=1)
    lm.save(tmp_path / "m")
    (tmp_path / "m/README.md").write_text("# A")
    with torch.no_grad():
        last = list(lm.parameters())[-1].view(-1)
        last[-1] = 1.0 if last[-1] != 1.0 else 2.0
    lm.save(tmp_path / "m")
    assert (tmp_path / "m/README.md").read_text().startswith(REPLACED)


def test_what_is_no_text_is_left_alone(tmp_path: Path) -> None:
    model(seed=1).save(tmp_path / "m")
    (tmp_path / "m/README.md").write_bytes(b"\xff\xfe")
    model(seed=2).save(tmp_path / "m")
    assert (tmp_path / "m/README.md").read_bytes() == b"\xff\xfe"


def test_the_note_of_trained_weights_stands_below_the_block(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    for _ in range(2):
        write_papers(tmp_path / "m", {"README.md": CARD.encode()}, is_trained=True)
        block, text = split_card((tmp_path / "m/README.md").read_text("utf8"))
        assert block == split_card(CARD)[0]
        assert text == TRAINED + split_card(CARD)[1]
    write_papers(tmp_path / "m", read_papers(tmp_path / "m"), is_trained=True)
    assert (tmp_path / "m/README.md").read_text("utf8").count(TRAINED) == 1
