"""Running the component: batches, order, sentences, bad Docs, lateness of the weights."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spacy
import torch
from numpy.typing import NDArray
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import Adam

from spacy_elmo.bilm import BiLM
from spacy_elmo.formats import WeightsError
from spacy_elmo.pipeline.model.loaded import LoadedBiLM
from tests.pipeline.listening.examples import listener
from tests.tiny import N_LAYERS, WIDTH

Make = Callable[..., Language]
TEXTS = [
    "They sat on the river bank.",
    "",
    "The bank raised its rates  again , and\nagain .",
    " \n ",
    "x",
    "bank",
    "The bank raised its rates",
]


def close(found: NDArray[Any], expected: NDArray[Any]) -> bool:
    """The same vectors: within 1e-5 of their norm."""
    assert found.shape == expected.shape
    norms = np.linalg.norm(expected, axis=-1, keepdims=True)
    return bool((np.abs(found - expected) <= 1e-5 * norms).all())


def test_predict_changes_nothing_and_set_annotations_does(make_nlp: Make) -> None:
    nlp = make_nlp(keep_layers=True)
    pipe: Any = nlp.get_pipe("elmo")
    docs = [nlp.make_doc(text) for text in TEXTS]
    before = [doc.to_bytes() for doc in docs]
    predictions = pipe.predict(docs)
    assert [doc.to_bytes() for doc in docs] == before
    pipe.set_annotations(docs, predictions)
    for doc, prediction in zip(docs, predictions, strict=True):
        assert doc._.elmo_vectors.shape == (len(doc), WIDTH)
        assert doc._.elmo_layers.shape == (N_LAYERS, len(doc), WIDTH)
        np.testing.assert_array_equal(doc._.elmo_vectors, prediction.vectors)


@pytest.mark.parametrize("config", [{}, {"keep_layers": True}, {"batch_tokens": 3}])
@pytest.mark.parametrize("batch_size", [1, 2, 1000])
def test_batches_do_not_matter(make_nlp: Make, config: dict[str, Any], batch_size: int) -> None:
    alone = [make_nlp()(text) for text in TEXTS]
    nlp = make_nlp(**config)
    for order in (range(len(TEXTS)), reversed(range(len(TEXTS)))):
        numbers = list(order)
        texts = [(TEXTS[k], k) for k in numbers]
        found = list(nlp.pipe(texts, as_tuples=True, batch_size=batch_size))
        assert [k for _, k in found] == numbers
        for doc, k in found:
            assert doc.text == TEXTS[k]
            assert close(doc._.elmo_vectors, alone[k]._.elmo_vectors)


def test_empty_docs_anywhere_change_nothing(nlp: Language) -> None:
    alone = {text: nlp(text)._.elmo_vectors for text in TEXTS}
    mixed = [part for text in TEXTS for part in ("", text, "", " ")]
    for doc in nlp.pipe(mixed):
        assert close(doc._.elmo_vectors, alone.get(doc.text, np.zeros((len(doc), WIDTH))))


def test_only_empty_docs(nlp: Language) -> None:
    docs = list(nlp.pipe(["", "", " "]))
    assert [doc._.elmo_vectors.shape for doc in docs] == [(0, WIDTH), (0, WIDTH), (1, WIDTH)]
    assert list(nlp.pipe([])) == []
    assert nlp.get_pipe("elmo").predict([]) == []  # type: ignore[attr-defined]


def test_the_numbers_of_allennlp(shared: Path) -> None:
    """Whatever the batch, every layer is what AllenNLP computed."""
    fixtures = shared / "fixtures/allennlp"
    with np.load(fixtures / "all_layers_fresh.npz") as file:
        sentences = json.loads(bytes(file["sentences"]))
        golden = [file[f"s{k}"] for k in range(len(sentences))]
    nlp = spacy.blank("en")
    model = {"weights": str(fixtures / "lm_weights.hdf5"), "initial_state": "zero"}
    nlp.add_pipe("elmo", config={"model": model, "keep_layers": True})
    filled = [(words, layers) for words, layers in zip(sentences, golden, strict=True) if words]
    for batch_size in (1, 7, len(filled)):
        docs = [Doc(nlp.vocab, words=words) for words, _ in filled]
        for doc, (_, layers) in zip(nlp.pipe(docs, batch_size=batch_size), filled, strict=True):
            assert np.abs(doc._.elmo_layers - layers).max() <= 5e-6


def test_sentences_are_read_one_by_one(nlp: Language, weights: Path) -> None:
    words = ["The", "bank", ".", " ", "It", "closed"]
    starts = [True, False, False, True, False, False]
    split = nlp(Doc(nlp.vocab, words=words, sent_starts=starts))
    whole = nlp(Doc(nlp.vocab, words=words))
    lm = BiLM.from_pretrained(weights)
    first, second, joined = lm.encode([words[:3], words[4:], words[:3] + words[4:]])
    kept = [0, 1, 2, 4, 5]
    expected = np.concatenate([first, second], axis=1).mean(axis=0)
    assert close(split._.elmo_vectors[kept], expected)
    assert close(whole._.elmo_vectors[kept], joined.mean(axis=0))
    assert not close(split._.elmo_vectors, whole._.elmo_vectors)


def test_layer_weights_and_gamma(make_nlp: Make) -> None:
    layers = make_nlp(keep_layers=True)(TEXTS[0])._.elmo_layers
    for model, expected in [
        ({"layer_weights": [0, 0, 1]}, layers[2]),
        ({"layer_weights": [1, 1, 2], "gamma": 0.5}, (layers[0] + layers[1] + 2 * layers[2]) / 8),
    ]:
        for keep in (False, True):
            doc = make_nlp(model=model, keep_layers=keep)(TEXTS[0])
            assert close(doc._.elmo_vectors, expected)


@pytest.mark.parametrize("bad", [[], [1, -1, 1], [0, 0, 0]])
def test_impossible_layer_weights(make_nlp: Make, bad: list[float]) -> None:
    with pytest.raises(ValueError, match="expected one number per layer"):
        make_nlp(model={"layer_weights": bad})


def test_layer_weights_of_another_number_of_layers(make_nlp: Make) -> None:
    nlp = make_nlp(model={"layer_weights": [1, 1]})
    with pytest.raises(ValueError, match="2 numbers, but these weights have 3 layers"):
        nlp("a")


def fail_on(word: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the language model fail on every batch that holds a word."""
    vectors = LoadedBiLM.vectors

    def failing(self: LoadedBiLM, sentences: Any) -> Any:
        if any(word in words for words in sentences):
            raise RuntimeError(f"cannot read {word}")
        return vectors(self, sentences)

    monkeypatch.setattr(LoadedBiLM, "vectors", failing)


def test_a_bad_doc_drops_alone(nlp: Language, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = {text: nlp(text)._.elmo_vectors for text in TEXTS}
    fail_on("poison", monkeypatch)
    errors: list[tuple[str, list[str], str]] = []
    nlp.set_error_handler(
        lambda name, proc, docs, error: errors.append((name, [d.text for d in docs], str(error)))
    )
    bad = [*TEXTS[:3], "some poison here", *TEXTS[3:], "poison"]
    docs = list(nlp.pipe(bad))
    assert [doc.text for doc in docs] == TEXTS
    assert all(close(doc._.elmo_vectors, alone[doc.text]) for doc in docs)
    assert errors == [
        ("elmo", ["some poison here"], "cannot read poison"),
        ("elmo", ["poison"], "cannot read poison"),
    ]


def test_without_a_handler_a_bad_doc_raises(nlp: Language, monkeypatch: pytest.MonkeyPatch) -> None:
    fail_on("poison", monkeypatch)
    with pytest.raises(RuntimeError, match="cannot read poison"):
        list(nlp.pipe([*TEXTS, "poison"]))
    with pytest.raises(RuntimeError, match="cannot read poison"):
        nlp("poison")


def test_pipe_is_lazy(make_nlp: Make) -> None:
    nlp = make_nlp(batch_tokens=10)
    taken: list[int] = []

    def texts() -> Iterator[str]:
        for k in range(1000):
            taken.append(k)
            yield "three words here"

    stream = nlp.pipe(texts())
    assert not taken
    next(stream)
    assert len(taken) <= 5
    stream = nlp.pipe(texts(), batch_size=2)
    taken.clear()
    next(stream)
    assert len(taken) <= 3


def test_building_opens_no_weights(make_nlp: Make) -> None:
    nlp = make_nlp(model={"weights": "/no/such/place"})
    assert nlp.get_pipe("elmo").model.has_dim("nO") is None  # type: ignore[attr-defined]
    assert nlp.config["components"]["elmo"]["model"]["weights"] == "/no/such/place"
    for use in (
        lambda: nlp("a"),
        lambda: list(nlp.pipe(["a"])),
        lambda: nlp.initialize(),
        lambda: nlp.to_bytes(),
    ):
        with pytest.raises(WeightsError, match="no weights at '/no/such/place'"):
            use()


def test_the_packaged_model_or_how_to_get_weights(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("spacy_elmo.formats.loading.MODELS", tmp_path)
    nlp = spacy.blank("en")
    nlp.add_pipe("elmo")
    with pytest.raises(WeightsError, match=r"'en_elmo_sm' is not part of .* pretrain"):
        nlp("a")


def test_no_weights_at_all(make_nlp: Make) -> None:
    with pytest.raises(WeightsError, match="has no weights: give it some"):
        make_nlp(model={"weights": None})("a")


def test_carry_is_refused(make_nlp: Make) -> None:
    with pytest.raises(ValueError, match=r'initial_state = "carry" makes vectors depend'):
        make_nlp(model={"initial_state": "carry"})
    with pytest.raises(ValueError, match="initial_state is 'hot'"):
        make_nlp(model={"initial_state": "hot"})


def test_warm_state(make_nlp: Make, tmp_path: Path, weights: Path) -> None:
    lm = BiLM.from_pretrained(weights)
    lm.warm_up([["some", "running", "text"]] * 3)
    lm.save(tmp_path / "warm")
    model = {"weights": str(tmp_path / "warm")}
    zero = make_nlp()("the bank")._.elmo_vectors
    warm = make_nlp(model=model)("the bank")._.elmo_vectors
    assert not close(warm, zero)
    assert close(warm, lm.encode([["the", "bank"]])[0].mean(axis=0))
    assert close(
        make_nlp(model={**model, "initial_state": "zero"})("the bank")._.elmo_vectors, zero
    )
    cold = make_nlp(model={"initial_state": "warm"})
    with pytest.raises(ValueError, match="hold no warm state"):
        cold("a")


@pytest.mark.parametrize(
    "bad", [{"batch_tokens": 0}, {"type_cache_size": -1}, {"learn_rate_factor": -0.5}]
)
def test_impossible_settings(make_nlp: Make, bad: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="expected at least"):
        make_nlp(**bad)


@pytest.mark.parametrize(("precision", "off"), [("bfloat16", 0.02), ("float16", 0.002)])
def test_less_precision(make_nlp: Make, precision: str, off: float) -> None:
    exact = make_nlp()("The bank raised its rates")._.elmo_vectors
    vectors = make_nlp(precision=precision)("The bank raised its rates")._.elmo_vectors
    assert vectors.dtype == np.float32
    difference = np.linalg.norm(vectors - exact, axis=1) / np.linalg.norm(exact, axis=1)
    assert 0 < difference.max() < off
    with pytest.raises(ValueError, match="precision is 'half': expected one of float32, bfloat16"):
        make_nlp(precision="half")


def test_impossible_devices(make_nlp: Make) -> None:
    with pytest.raises(ValueError, match='device = "gpu" is no device of PyTorch'):
        make_nlp(device="gpu")
    if not torch.cuda.is_available():
        nlp = make_nlp(device="cuda")
        with pytest.raises(ValueError, match="PyTorch finds no GPU here"):
            nlp("a")


def test_another_kind_of_model_is_refused(make_nlp: Make) -> None:
    model = {"@architectures": "spacy.HashEmbedCNN.v2", "pretrained_vectors": None}
    sizes = {"width": 8, "depth": 1, "embed_size": 10, "window_size": 1, "maxout_pieces": 2}
    model = {**model, **sizes, "subword_features": False}
    nlp = spacy.blank("en")
    nlp_config = {"model": model}
    with pytest.raises(ValueError, match=r"made by the architecture spacy-elmo.BiLM.v1"):
        nlp.add_pipe("elmo", config=nlp_config)


def test_memory_zone(nlp: Language) -> None:
    expected = nlp("some new words")._.elmo_vectors
    for _ in range(2):
        with nlp.memory_zone():
            found = [np.array(doc._.elmo_vectors) for doc in nlp.pipe(["some new words"] * 3)]
        assert all(close(each, expected) for each in found)


def test_beside_tok2vec_in_any_order(weights: Path) -> None:
    """Both write and both listen, and neither disturbs the other."""
    elmo = {"model": {"weights": str(weights)}}
    results = []
    for names in (["elmo", "tok2vec"], ["tok2vec", "elmo"]):
        nlp = spacy.blank("en")
        for name in names:
            nlp.add_pipe(name, config=elmo if name == "elmo" else {})
        tagger: Any = nlp.add_pipe(
            "tagger",
            config={
                "model": {
                    "@architectures": "spacy.Tagger.v2",
                    "nO": None,
                    "normalize": False,
                    "tok2vec": {
                        "@architectures": "spacy.Tok2VecListener.v1",
                        "width": 96,
                        "upstream": "*",
                    },
                }
            },
        )
        tagger.add_label("N")
        tagger.add_label("V")
        nlp.initialize()
        doc = nlp("the bank raised")
        assert doc.tensor.shape == (3, 96)
        assert doc[0].tag_ in ("N", "V")
        results.append(doc._.elmo_vectors)
    assert close(results[0], results[1])


@pytest.mark.parametrize("names", [["elmo", "tok2vec"], ["tok2vec", "elmo"]])
def test_listeners_of_both_kinds_beside_static_vectors(
    names: list[str], weights: Path, tmp_path: Path
) -> None:
    """Each of two taggers listens to its own kind; both train, and are the same when loaded."""
    spacy.util.fix_random_seed(0)
    nlp = spacy.blank("en")
    rng = np.random.default_rng(0)
    for word in ("the", "bank", "raised"):
        nlp.vocab.set_vector(word, rng.normal(size=8).astype("f"))
    for name in names:
        weighted = {"model": {"weights": str(weights)}, "frozen": False}
        nlp.add_pipe(name, config=weighted if name == "elmo" else {})
    static = {"@architectures": "spacy.Tok2VecListener.v1", "width": 96, "upstream": "*"}
    for name, block in (("first", static), ("second", listener())):
        model = {"@architectures": "spacy.Tagger.v2", "nO": None, "tok2vec": block}
        nlp.add_pipe("tagger", name=name, config={"model": model})
    examples = [Example.from_dict(nlp.make_doc("the bank raised"), {"tags": ["D", "N", "V"]})]
    nlp.initialize(lambda: examples)
    optimizer = Adam(0.02)
    losses: dict[str, float] = {}  # added up: in the end there is nothing left to learn
    for _ in range(30):
        nlp.update(examples, sgd=optimizer, losses=losses)
    assert losses["elmo"] > 0
    assert losses["tok2vec"] > 0
    nlp.to_disk(tmp_path / "saved")
    for each in (nlp, spacy.load(tmp_path / "saved")):
        for left_out in ("first", "second"):
            with each.select_pipes(disable=[left_out]):
                assert [token.tag_ for token in each("the bank raised")] == ["D", "N", "V"]


def test_labels_make_no_sense(nlp: Language) -> None:
    pipe: Any = nlp.get_pipe("elmo")
    with pytest.raises(NotImplementedError, match="add_label"):
        pipe.add_label("X")
    assert pipe.labels == ()
