"""Saved with the pipeline, and checked when read."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spacy
import srsly
from spacy.language import Language

from spacy_elmo.errors import ElmoError
from spacy_elmo.pipeline.senses import serialize
from spacy_elmo.pipeline.senses.learned import Learned, WordSenses
from tests.pipeline.senses.made_up import examples, found

TEXT = "The bank of the river , a bank in town , my BANK ."


def test_disk(senses: Language, tmp_path: Path) -> None:
    senses.to_disk(tmp_path / "nlp")
    loaded = spacy.load(tmp_path / "nlp")
    assert found(loaded, TEXT) == found(senses, TEXT)
    one, other = (nlp(TEXT).spans["senses"].attrs["scores"] for nlp in (senses, loaded))
    np.testing.assert_allclose(one, other, atol=1e-5)
    loaded.get_pipe("elmo_senses").add(examples(loaded))  # type: ignore[attr-defined]
    loaded.to_disk(tmp_path / "nlp")  # over itself
    assert spacy.load(tmp_path / "nlp").get_pipe("elmo_senses").words["bank"] == {  # type: ignore[attr-defined]
        "money": 4,
        "river": 6,
    }


def test_bytes_and_copies(senses: Language) -> None:
    made = spacy.util.load_model_from_config(senses.config, auto_fill=True)
    made.from_bytes(senses.to_bytes())
    assert found(made, TEXT) == found(senses, TEXT)
    copied = copy.deepcopy(senses.get_pipe("elmo_senses").learned)  # type: ignore[attr-defined]
    assert serialize.to_bytes(copied) == serialize.to_bytes(made.get_pipe("elmo_senses").learned)  # type: ignore[attr-defined]


def test_another_classifier_at_load(senses: Language, tmp_path: Path) -> None:
    senses.to_disk(tmp_path / "nlp")
    for name in ("knn", "centroid"):
        config = {"components.elmo_senses.classifier": name, "components.elmo_senses.view": "token"}
        loaded = spacy.load(tmp_path / "nlp", config=config)
        assert len(found(loaded, TEXT)) == 3
    with pytest.raises(ElmoError, match=r"learned with attr = 'LOWER', but .* says 'TEXT'"):
        spacy.load(tmp_path / "nlp", config={"components.elmo_senses.attr": "TEXT"})


def test_with_a_language_model_of_its_own(weights: Path, tmp_path: Path) -> None:
    bilm = {"@architectures": "spacy-elmo.BiLM.v1", "weights": str(weights)}
    nlp = spacy.blank("en")
    nlp.add_pipe("elmo_senses", config={"model": {"bilm": bilm}})
    nlp.initialize(lambda: examples(nlp))
    nlp.to_disk(tmp_path / "nlp")
    assert found(spacy.load(tmp_path / "nlp"), TEXT) == found(nlp, TEXT)
    beside = spacy.blank("en")
    beside.add_pipe("elmo", config={"model": bilm})
    beside.add_pipe("elmo_senses")
    beside.initialize(lambda: examples(beside))
    assert found(beside, TEXT) == found(nlp, TEXT)


def test_untrained_is_saved_as_such(make_senses: Callable[..., Language], tmp_path: Path) -> None:
    make_senses().to_disk(tmp_path / "nlp")
    with pytest.raises(ValueError, match="no senses yet"):
        spacy.load(tmp_path / "nlp")("A bank .")


def test_several_processes(senses: Language) -> None:
    texts = [TEXT, "No word .", "A bank ."] * 2
    alone, together = (
        [[span.label_ for span in doc.spans["senses"]] for doc in docs]
        for docs in (senses.pipe(texts), senses.pipe(texts, n_process=2, batch_size=2))
    )
    assert alone == together


def learned() -> Learned:
    """Two words, one of two senses."""
    states = np.arange(18, dtype=np.float32).reshape(3, 2, 3)
    words = {
        ("bank",): WordSenses.of(["b", "a"], states[:2]),
        ("river", "bank"): WordSenses.of(["c"], states[2:]),
    }
    return Learned("LOWER", np.ones(3, np.float32), np.zeros(3, np.float32), words)


def test_round_trip() -> None:
    known = learned()
    read = serialize.from_bytes(serialize.to_bytes(known), "here")
    assert read is not None
    assert read.attr == "LOWER"
    assert list(read.words) == list(known.words)
    for word, senses in known.words.items():
        assert read.words[word].senses == senses.senses
        np.testing.assert_array_equal(read.words[word].states, senses.states)
    assert serialize.to_bytes(read) == serialize.to_bytes(known)
    assert serialize.from_bytes(serialize.to_bytes(None), "here") is None


def altered(change: Callable[[dict[str, Any], dict[str, Any]], None]) -> bytes:
    """Senses with something changed in them."""
    from safetensors.numpy import load, save

    message = srsly.msgpack_loads(serialize.to_bytes(learned()))
    inside = message["learned"]
    arrays = load(inside["arrays"])
    change(inside, arrays)
    inside["arrays"] = save(arrays)
    data: bytes = srsly.msgpack_dumps(message)
    return data


def _set(name: str, value: Any) -> Callable[[dict[str, Any], dict[str, Any]], None]:
    return lambda _, arrays: arrays.__setitem__(name, value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_set("numbers", np.array([0, 5, 0])), "do not fit its examples"),
        (_set("numbers", np.array([0, 0, 0])), "do not fit its examples"),
        (_set("numbers", np.array([-1, 0, 0])), "do not fit its examples"),
        (_set("lengths", np.array([1, 1])), "other numbers of examples"),
        (_set("lengths", np.array([3, 0])), "a word without examples"),
        (_set("lengths", np.array([3])), "other numbers of examples"),
        (_set("mean", np.ones(4, np.float32)), "shapes"),
        (_set("mean", np.ones(3)), "mean is float64"),
        (_set("states", np.full((3, 2, 3), np.nan, np.float32)), "no finite number"),
        (lambda inside, _: inside.update(attr="POS"), "unknown attr"),
        (lambda inside, _: inside["words"][0].__setitem__(0, []), "no name"),
        (lambda inside, _: inside["words"][0].__setitem__(1, ["a", 3]), "no name"),
        (lambda inside, _: inside["words"].__setitem__(1, [["bank"], ["c"]]), "twice"),
        (lambda _, arrays: arrays.pop("edges"), "edges"),
    ],
)
def test_damage(change: Callable[[dict[str, Any], dict[str, Any]], None], message: str) -> None:
    with pytest.raises(ElmoError, match=f"here: holds no senses.*{message}"):
        serialize.from_bytes(altered(change), "here")


def test_cut_bytes_and_other_files(senses: Language, tmp_path: Path) -> None:
    data = serialize.to_bytes(learned())
    for wrong in (b"", data[: len(data) // 2], b"\x80", b"\x93\x01", data[1:]):
        with pytest.raises(ElmoError, match="here: holds no senses"):
            serialize.from_bytes(wrong, "here")
    senses.to_disk(tmp_path / "nlp")
    file = tmp_path / "nlp" / "elmo_senses" / "senses"
    file.write_bytes(file.read_bytes()[:-9])
    before = senses.get_pipe("elmo_senses").learned  # type: ignore[attr-defined]
    with pytest.raises(ElmoError, match=r"elmo_senses.senses: holds no senses"):
        senses.get_pipe("elmo_senses").from_disk(file.parent, exclude=["vocab"])  # type: ignore[attr-defined]
    assert senses.get_pipe("elmo_senses").learned is before  # type: ignore[attr-defined]
