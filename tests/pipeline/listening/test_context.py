"""Listeners with context = true: a second mix, of the states around each word."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spacy
import torch
from spacy.language import Language
from spacy.tokens import Doc, DocBin
from thinc.api import Adam

from spacy_elmo.bilm import BiLM
from spacy_elmo.pipeline.listening.embed import build_elmo_embed_v1
from spacy_elmo.pipeline.listening.listener import ElmoListener, build_elmo_listener_v1
from spacy_elmo.pipeline.listening.mixing import CONTEXT, OWN
from spacy_elmo.pipeline.model.bilm import build_bilm_v1
from tests.pipeline.listening.examples import GOLD, make, tags
from tests.tiny import N_LAYERS, WIDTH, tiny_lm

HALF = WIDTH // 2
WORDS = [["They", "sat", " ", "by", "the", "bank"], [], ["bank"], ["The", "bank", "raised"]]


def docs_with_sentences(nlp: Language) -> list[Doc]:
    """Two sentences with white space between, an empty Doc, a word, one sentence."""
    docs = [Doc(nlp.vocab, words=words) for words in WORDS]
    for token in docs[0]:
        token.is_sent_start = token.i in (0, 3)
    return docs


def sentences(docs: Sequence[Doc]) -> list[list[str]]:
    found = []
    for doc in docs:
        parts = list(doc.sents) if doc.has_annotation("SENT_START") else [doc]
        cuts = [[token.text for token in part if not token.is_space] for part in parts]
        found += [words for words in cuts if words]
    return found


def expected(lm: BiLM, docs: Sequence[Doc]) -> np.ndarray:
    """Rows of all words: plain averages of the layers, and of the states around."""
    rows = []
    for words in sentences(docs):
        with torch.no_grad():
            layers = lm([words], boundaries=True).numpy()
        own = layers[:, 1:-1].mean(axis=0)
        parts = [own, layers[1:, :-2, :HALF].mean(axis=0)]
        if lm.config.bidirectional:
            parts.append(layers[1:, 2:, HALF:].mean(axis=0))
        rows.append(np.concatenate(parts, axis=1))
    return np.concatenate(rows)


def only_words(docs: Sequence[Doc], outputs: Sequence[np.ndarray]) -> np.ndarray:
    kept = []
    for doc, rows in zip(docs, outputs, strict=True):
        is_space = np.array([token.is_space for token in doc], dtype=bool)
        assert not rows[is_space].any()
        kept.append(rows[~is_space])
    return np.concatenate(kept)


def own_listener(weights: Path, **settings: Any) -> Any:
    model = build_elmo_listener_v1(
        context=True, bilm=build_bilm_v1(weights=str(weights)), **settings
    )
    model.initialize()
    return model


@pytest.mark.parametrize("bidirectional", [True, False])
def test_the_states_around_stand_beside_the_word(tmp_path: Path, bidirectional: bool) -> None:
    lm = tiny_lm(bidirectional=bidirectional)
    lm.save(tmp_path / "lm")
    model = own_listener(tmp_path / "lm")
    docs = docs_with_sentences(spacy.blank("en"))
    wanted = expected(lm, docs)
    assert wanted.shape == (9, 2 * lm.config.width)
    assert model.get_dim("nO") == 2 * lm.config.width
    for is_train in (False, True):
        outputs, _ = model(docs, is_train)
        np.testing.assert_allclose(only_words(docs, outputs), wanted, atol=1e-5)


@pytest.mark.parametrize("way", ["pipeline", "kept layers", "update", "other process"])
def test_whichever_way_the_layers_come(weights: Path, way: str) -> None:
    nlp, examples = make(weights, {"context": True}, elmo={"keep_layers": way == "kept layers"})
    nlp.initialize(lambda: examples)
    listener = next(
        node for node in nlp.get_pipe("tagger_0").model.walk() if isinstance(node, ElmoListener)
    )
    docs = docs_with_sentences(nlp)
    wanted = expected(tiny_lm(), docs)
    elmo = nlp.get_pipe("elmo")
    if way == "update":
        elmo.shared.update(docs, "elmo", {"elmo": 0.0})  # type: ignore[attr-defined]
    elif way == "other process":
        docs = list(DocBin(docs=docs, store_user_data=True).get_docs(nlp.vocab))
    else:
        docs = [elmo(doc) for doc in docs]  # type: ignore[operator]
        if way == "kept layers":
            docs = list(DocBin(docs=docs, store_user_data=True).get_docs(nlp.vocab))
    outputs, _ = listener(docs, is_train=way == "update")
    np.testing.assert_allclose(only_words(docs, outputs), wanted, atol=1e-5)


def loss_of(
    model: Any, docs: Sequence[Doc], into: Sequence[np.ndarray]
) -> tuple[float, Callable[..., Any]]:
    outputs, backprop = model(docs, is_train=True)
    total = sum(
        float((each.astype(np.float64) * gradient).sum())
        for each, gradient in zip(outputs, into, strict=True)
    )
    return total, backprop


def slope(change: Callable[[float], None], loss: Callable[[], float], step: float) -> float:
    """Central difference of a loss along a direction."""
    change(step)
    above = loss()
    change(-2 * step)
    below = loss()
    change(step)
    return (above - below) / (2 * step)


@pytest.mark.parametrize("layer_norm", [False, True])
def test_gradients_by_finite_differences(weights: Path, layer_norm: bool) -> None:
    """Of both mixes, and of the language model's weights, the marks at the ends included."""
    rng = np.random.default_rng(1)
    model = own_listener(weights, frozen=False, layer_norm=layer_norm)
    for names in (OWN, CONTEXT):
        for name in names:
            shape = model.get_param(name).shape
            model.set_param(name, rng.normal(size=shape).astype(np.float32))
    docs = docs_with_sentences(spacy.blank("en"))
    into = [rng.normal(size=(len(doc), 2 * WIDTH)).astype(np.float32) for doc in docs]
    into[0][2] = 0  # white space
    lm = model.layers[0].shims[0].lm

    def loss() -> float:
        return loss_of(model, docs, into)[0]

    _, backprop = loss_of(model, docs, into)
    backprop(into)
    for names in (OWN, CONTEXT):
        for name in names:
            value, gradient = model.get_param(name), model.get_grad(name).astype(np.float64)
            towards = rng.normal(size=value.shape)

            def change(step: float, name: str = name, towards: np.ndarray = towards) -> None:
                moved = model.get_param(name) + np.float32(step) * towards
                model.set_param(name, moved.astype(np.float32))

            found = slope(change, loss, 1e-2)
            assert found == pytest.approx((gradient * towards).sum(), rel=0.01, abs=0.02), name
    for name, parameter in lm.named_parameters():
        if parameter.grad is None:
            continue
        direction = parameter.grad / parameter.grad.norm().clamp(min=1e-12)

        def change_lm(
            step: float, parameter: Any = parameter, direction: torch.Tensor = direction
        ) -> None:
            with torch.no_grad():
                parameter += step * direction

        found = slope(change_lm, loss, 3e-3)
        assert found == pytest.approx(float(parameter.grad.norm()), rel=0.02, abs=0.02), name


def test_the_marks_learn_from_the_context(weights: Path) -> None:
    """Their states are in the context of the first and the last word alone."""
    model = own_listener(weights, frozen=False)
    doc = Doc(spacy.blank("en").vocab, words=["bank"])
    into = [np.ones((1, 2 * WIDTH), dtype=np.float32)]
    into[0][:, :WIDTH] = 0
    outputs, backprop = model([doc], is_train=True)
    lm = model.layers[0].shims[0].lm
    layers = lm([["bank"]], boundaries=True)
    states = torch.cat([layers[1:, 0, :HALF], layers[1:, 2, HALF:]], dim=1).mean(dim=0)
    np.testing.assert_allclose(outputs[0][0, WIDTH:], states.detach().numpy(), atol=1e-6)
    wanted = torch.autograd.grad(states.sum(), list(lm.parameters()), allow_unused=True)
    backprop(into)
    for parameter, gradient in zip(lm.parameters(), wanted, strict=True):
        if gradient is not None:
            torch.testing.assert_close(parameter.grad, gradient, atol=1e-5, rtol=1e-4)


def test_through_the_shared_model_as_through_one_of_its_own(weights: Path) -> None:
    """Two listeners, with and without context: what goes back is the sum."""
    rng = np.random.default_rng(2)
    nlp, examples = make(weights, {"context": True}, {}, elmo={"frozen": False})
    nlp.initialize(lambda: examples)
    docs = docs_with_sentences(nlp)
    elmo: Any = nlp.get_pipe("elmo")
    elmo.shared.update(docs, "elmo", {"elmo": 0.0})
    gradients, parts, owns = [], [], []
    for k, context in enumerate((True, False)):
        (listener,) = (
            n for n in nlp.get_pipe(f"tagger_{k}").model.walk() if isinstance(n, ElmoListener)
        )
        into = [rng.normal(size=(len(d), WIDTH * (1 + context))).astype("f4") for d in docs]
        parts.append(listener(docs, is_train=True)[1])
        gradients.append(into)
        alone = build_elmo_listener_v1(
            context=context, frozen=False, bilm=build_bilm_v1(weights=str(weights))
        )
        alone.initialize()
        alone(docs, is_train=True)[1](into)
        owns.append({n: p.grad for n, p in alone.layers[0].shims[0].lm.named_parameters()})
    for part, into in zip(parts, gradients, strict=True):
        part(into)
    for name, parameter in elmo.model.shims[0].lm.named_parameters():
        both = [own[name] for own in owns if own[name] is not None]
        if both:
            wanted = torch.stack(both).sum(dim=0)
            torch.testing.assert_close(parameter.grad, wanted, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("settings", [{}, {"cache": "memory"}, {"frozen": False}])
def test_learned_saved_loaded_and_replaced(
    weights: Path, tmp_path: Path, settings: dict[str, Any]
) -> None:
    nlp, examples = make(weights, {"context": True, "projection": 8}, elmo=settings)
    nlp.initialize(lambda: examples)
    optimizer = Adam(0.02)
    for _ in range(60 if "frozen" in settings else 150):
        nlp.update(examples, sgd=optimizer)
    assert tags(nlp) == GOLD
    (listener,) = (n for n in nlp.get_pipe("tagger_0").model.walk() if isinstance(n, ElmoListener))
    assert listener.get_param(CONTEXT[0]).shape == (N_LAYERS - 1,)
    assert listener.get_param(CONTEXT[0]).any(), "learned"
    nlp.to_disk(tmp_path / "saved")
    loaded = spacy.load(tmp_path / "saved")
    assert tags(loaded) == GOLD
    loaded.replace_listeners("elmo", "tagger_0", ["model.tok2vec"])
    assert tags(loaded) == GOLD
    loaded.remove_pipe("elmo")
    loaded.to_disk(tmp_path / "replaced")
    assert tags(spacy.load(tmp_path / "replaced")) == GOLD


def test_the_cache_changes_nothing(weights: Path) -> None:
    def trained(**settings: Any) -> list[np.ndarray]:
        nlp, examples = make(weights, {"context": True}, elmo=settings)
        optimizer = nlp.initialize(lambda: examples)
        for _ in range(3):
            nlp.update(examples, sgd=optimizer)
        nodes = [*nlp.get_pipe("tagger_0").model.walk()]
        return [node.get_param(n) for node in nodes for n in node.param_names if node.has_param(n)]

    for one, other in zip(trained(), trained(cache="memory"), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_without_it_nothing_is_there(weights: Path) -> None:
    model = build_elmo_listener_v1(bilm=build_bilm_v1(weights=str(weights)))
    model.initialize()
    assert set(model.param_names) == set(OWN)
    assert model.get_dim("nO") == WIDTH


def test_a_copy_reads_the_context_too(weights: Path) -> None:
    model = own_listener(weights)
    docs = docs_with_sentences(spacy.blank("en"))
    for one, other in zip(model.predict(docs), model.copy().predict(docs), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_embed_turns_it_on_in_its_listener(weights: Path) -> None:
    def embed(of_listener: bool, of_embed: bool) -> Any:
        spacy.util.fix_random_seed(0)
        listener = build_elmo_listener_v1(
            context=of_listener, bilm=build_bilm_v1(weights=str(weights))
        )
        model = build_elmo_embed_v1(width=6, elmo=listener, context=of_embed)
        model.initialize()
        return model

    docs = docs_with_sentences(spacy.blank("en"))
    wanted = embed(True, False).predict(docs)
    for one, other in zip(wanted, embed(False, True).predict(docs), strict=True):
        np.testing.assert_array_equal(one, other)
    plain = embed(False, False)
    assert plain.layers[0].get_dim("nO") == WIDTH


def test_weights_of_another_width_are_named(weights: Path, tmp_path: Path) -> None:
    model = own_listener(weights)
    tiny_lm(projection_dim=6).save(tmp_path / "narrow")
    other = build_elmo_listener_v1(
        context=True, bilm=build_bilm_v1(weights=str(tmp_path / "narrow"))
    )
    other.initialize()
    model._layers = [other.layers[0]]
    with pytest.raises(ValueError, match=r"3 layers of width 16, but .* gives 3 of width 12"):
        model.fit()
