"""Every kind of pipe that takes a `tok2vec` listens, trains, saves and loads."""

from __future__ import annotations

import multiprocessing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import Adam

from tests.pipeline.listening.examples import listener

WORDS = ["The", "bank", "in", "Paris", "raised", "its", "rates", "."]
GOLD: dict[str, Any] = {
    "tags": ["D", "N", "I", "N", "V", "D", "N", "P"],
    "pos": ["DET", "NOUN", "ADP", "PROPN", "VERB", "PRON", "NOUN", "PUNCT"],
    "morphs": ["", "Number=Sing", "", "Number=Sing", "Tense=Past", "", "Number=Plur", ""],
    "heads": [1, 4, 3, 1, 4, 6, 4, 4],
    "deps": ["det", "nsubj", "case", "nmod", "ROOT", "poss", "obj", "punct"],
    "lemmas": ["the", "bank", "in", "Paris", "raise", "its", "rate", "."],
    "entities": ["O", "O", "O", "U-GPE", "O", "O", "O", "O"],
    "sent_starts": [1, 0, 0, 0, 0, 0, 0, 0],
    "spans": {"sc": [(12, 17, "GPE")]},
    "cats": {"money": 1.0, "sport": 0.0},
}


def config(factory: str, **settings: Any) -> dict[str, Any]:
    """The factory's own config, with a listener in place of its `tok2vec`."""
    model = spacy.blank("en").get_factory_meta(factory).default_config["model"]
    model = {**model, "tok2vec": listener(**settings)}
    if factory == "textcat":
        model = {"@architectures": "spacy.TextCatReduce.v1", "exclusive_classes": True}
        flags = {"use_reduce_first": True, "use_reduce_last": True, "use_reduce_max": True}
        model |= {**flags, "use_reduce_mean": True, "nO": None, "tok2vec": listener(**settings)}
    rare = {"parser": "min_action_freq", "trainable_lemmatizer": "min_tree_freq"}
    return {"model": model, **({rare[factory]: 1} if factory in rare else {})}


def pipeline(weights: Path, factory: str, **settings: Any) -> tuple[Language, list[Example]]:
    spacy.util.fix_random_seed(0)
    nlp = spacy.blank("en")
    nlp.add_pipe("elmo", config={"model": {"weights": str(weights)}, "frozen": False})
    nlp.add_pipe(factory, name="pipe", config=config(factory, **settings))
    examples = [
        Example.from_dict(Doc(nlp.vocab, words=WORDS), GOLD),
        Example.from_dict(
            Doc(nlp.vocab, words=["They", "played"]), {"cats": {"money": 0.0, "sport": 1.0}}
        ),
    ]
    nlp.initialize(lambda: examples)
    return nlp, examples


def annotations(doc: Doc) -> dict[str, Any]:
    return {**doc.to_json(), "groups": {key: len(group) for key, group in doc.spans.items()}}


@pytest.mark.parametrize("projection", [None, 12])
@pytest.mark.parametrize(
    "factory",
    [
        "tagger",
        "morphologizer",
        "senter",
        "parser",
        "ner",
        "spancat",
        "textcat",
        "trainable_lemmatizer",
    ],
)
def test_pipe(weights: Path, tmp_path: Path, factory: str, projection: int | None) -> None:
    nlp, examples = pipeline(weights, factory, projection=projection)
    optimizer = Adam(0.003)
    first = nlp.update(examples, sgd=optimizer, losses={})["pipe"]
    steps = [nlp.update(examples, sgd=optimizer, losses={}) for _ in range(15)]
    assert min(losses["pipe"] for losses in steps) < first
    assert steps[0]["elmo"] > 0, "gradients come back"
    doc = nlp(Doc(nlp.vocab, words=WORDS))
    nlp.to_disk(tmp_path / "saved")
    loaded = spacy.load(tmp_path / "saved")
    assert annotations(loaded(Doc(loaded.vocab, words=WORDS))) == annotations(doc)


def test_several_processes(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if "fork" not in multiprocessing.get_all_start_methods():
        pytest.skip("no fork here")
    monkeypatch.setattr("spacy.language.mp", multiprocessing.get_context("fork"))
    nlp, _ = pipeline(weights, "ner", projection=8)
    texts = ["The bank in Paris raised its rates .", "", "Paris"] * 8
    alone = [annotations(doc) for doc in nlp.pipe(texts)]
    docs = list(nlp.pipe(texts, n_process=2, batch_size=4))
    assert [annotations(doc) for doc in docs] == alone
    assert all(doc._.elmo is not None for doc in docs)


def test_a_pipe_that_trains_on_copies_of_the_docs(weights: Path) -> None:
    """`entity_linker` copies them to set the gold entities; its gradients arrive all the same."""
    nlp = spacy.blank("en")
    nlp.add_pipe("elmo", config={"model": {"weights": str(weights)}, "frozen": False})
    linker: Any = nlp.add_pipe(
        "entity_linker",
        config={
            "incl_prior": False,
            "entity_vector_length": 3,
            "model": {
                "@architectures": "spacy.EntityLinker.v2",
                "nO": None,
                "tok2vec": listener(projection=8),
            },
        },
    )

    def knowledge(vocab: Any) -> Any:
        from spacy.kb import InMemoryLookupKB

        kb = InMemoryLookupKB(vocab, entity_vector_length=3)
        kb.add_entity("Q90", freq=3, entity_vector=[1.0, 0.0, 0.0])
        kb.add_entity("Q830149", freq=3, entity_vector=[0.0, 1.0, 0.0])
        kb.add_alias("Paris", entities=["Q90", "Q830149"], probabilities=[0.5, 0.5])
        return kb

    examples = []
    for text, entity in (("He lives in Paris", "Q90"), ("Paris is far from Dallas", "Q830149")):
        doc = nlp.make_doc(text)
        doc[0].is_sent_start = True
        start = text.index("Paris")
        doc.ents = [doc.char_span(start, start + 5, label="GPE")]
        links = {(start, start + 5): {entity: 1.0}}
        entities = [(start, start + 5, "GPE")]
        examples.append(Example.from_dict(doc, {"links": links, "entities": entities}))
    linker.set_kb(knowledge)
    nlp.initialize(lambda: examples)
    losses: dict[str, float] = {}
    optimizer = Adam(0.01)
    first = nlp.update(examples, sgd=optimizer, losses={})["entity_linker"]
    for _ in range(20):
        losses = nlp.update(examples, sgd=optimizer, losses={})
    assert losses["elmo"] > 0
    assert np.isfinite(losses["entity_linker"])
    assert losses["entity_linker"] < first
