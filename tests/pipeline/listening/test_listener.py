"""Pipes that listen: what they learn, what they share, what they leave alone."""

from __future__ import annotations

import copy
import gc
import pickle
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import Adam

from spacy_elmo.bilm import BiLM
from spacy_elmo.pipeline.doc import storage
from spacy_elmo.pipeline.doc.alignment import token_sentences
from spacy_elmo.pipeline.listening.listener import ElmoListener
from spacy_elmo.pipeline.model.loaded import LoadedBiLM
from tests.pipeline.listening.examples import (
    GOLD,
    TAGGED,
    listener,
    make,
    tagged,
    tagger_config,
    tags,
)
from tests.tiny import N_LAYERS, WIDTH, tiny_lm


def first_listener(nlp: Language, name: str = "tagger_0") -> ElmoListener:
    model = nlp.get_pipe(name).model  # type: ignore[attr-defined]
    return next(node for node in model.walk() if isinstance(node, ElmoListener))


def lm_of(nlp: Language) -> BiLM:
    lm: BiLM = nlp.get_pipe("elmo").model.shims[0].lm  # type: ignore[attr-defined]
    return lm


def weights_of(nlp: Language) -> dict[str, np.ndarray]:
    return {name: p.detach().numpy().copy() for name, p in lm_of(nlp).named_parameters()}


def furthest(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> float:
    return max(float(np.abs(one[name] - other[name]).max()) for name in one)


def train(nlp: Language, examples: list[Example], steps: int, **settings: Any) -> dict[str, float]:
    optimizer = Adam(settings.pop("rate", 0.02))
    losses: dict[str, float] = {}
    for _ in range(steps):
        losses = {}
        nlp.update(examples, sgd=optimizer, losses=losses, **settings)
    return losses


@pytest.mark.parametrize("projection", [None, 8])
def test_a_frozen_model_is_enough_to_overfit(
    weights: Path, tmp_path: Path, projection: int | None
) -> None:
    nlp, examples = make(weights, {"projection": projection})
    nlp.initialize(lambda: examples)
    before = weights_of(nlp)
    losses = train(nlp, examples, 150)
    assert tags(nlp) == GOLD
    assert losses["elmo"] == 0.0
    assert furthest(before, weights_of(nlp)) == 0
    mix = first_listener(nlp).get_param("layer_weights")
    assert np.ptp(mix) > 0.05, "the mix was learned"
    nlp.to_disk(tmp_path / "saved")
    loaded = spacy.load(tmp_path / "saved")
    assert tags(loaded) == GOLD
    np.testing.assert_array_equal(first_listener(loaded).get_param("layer_weights"), mix)
    again = spacy.blank("en").from_config(nlp.config).from_bytes(nlp.to_bytes())
    assert tags(again) == GOLD


def test_fine_tuning_changes_the_model_and_converts(weights: Path, tmp_path: Path) -> None:
    nlp, examples = make(weights, {"projection": 8}, elmo={"frozen": False})
    nlp.initialize(lambda: examples)
    before = weights_of(nlp)
    losses = train(nlp, examples, 60)
    assert tags(nlp) == GOLD
    assert losses["elmo"] > 0
    after = weights_of(nlp)
    assert all(np.abs(before[name] - after[name]).max() > 1e-4 for name in before)
    expected = nlp("The bank raised rates")._.elmo_vectors
    lm_of(nlp).save(tmp_path / "tuned.hdf5")
    words = [["The", "bank", "raised", "rates"]]
    found = BiLM.from_pretrained(tmp_path / "tuned.hdf5").encode(words)[0].mean(axis=0)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_language_model_runs_once_per_batch(
    weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nlp, examples = make(weights, {"projection": 4}, {}, {"layer_norm": True})
    nlp.initialize(lambda: examples)
    runs: list[int] = []
    for name in ("layers", "vectors", "begin_layers"):
        original = getattr(LoadedBiLM, name)

        def counting(self: LoadedBiLM, sentences: Any, original: Any = original) -> Any:
            runs.append(len(sentences))
            return original(self, sentences)

        monkeypatch.setattr(LoadedBiLM, name, counting)
    nlp.update(examples)
    assert len(runs) == 1
    list(nlp.pipe([text for text, _ in TAGGED]))
    assert len(runs) == 2
    nlp.update(examples, annotates=["tagger_0", "tagger_2"])
    assert len(runs) == 3


TWO_SENTENCES = "The bank raised rates . They sat on a river bank ."


@pytest.mark.parametrize("disabled", [["tagger_1"], ["tagger_0", "tagger_1"]])
def test_a_pipe_disabled_while_spacy_linked_is_fed_again(
    disabled: list[str], weights: Path, tmp_path: Path
) -> None:
    """spaCy links without it, and tells nobody when it is enabled. What it hears of a Doc is what
    the component read, although sentence boundaries have been set in between."""
    nlp, examples = make(weights, {"projection": 4}, {"projection": 4, "layer_norm": True})
    nlp.add_pipe("sentencizer", after="elmo")
    nlp.initialize(lambda: examples)
    nlp.to_disk(tmp_path / "saved")
    heard = [first_listener(nlp, name).predict([nlp(TWO_SENTENCES)])[0] for name in disabled]
    loaded = spacy.load(tmp_path / "saved", disable=disabled)
    pipe: Any = loaded.get_pipe("elmo")
    for name in disabled:
        assert name not in pipe.listening_components
        loaded.enable_pipe(name)
    doc = loaded(TWO_SENTENCES)
    assert sorted(pipe.listening_components) == ["tagger_0", "tagger_1"]
    for name, expected in zip(disabled, heard, strict=True):
        for each in (doc, loaded(TWO_SENTENCES)):
            found = first_listener(loaded, name).predict([each])[0]
            np.testing.assert_allclose(found, expected, atol=1e-6)


def test_sentences_are_those_that_were_read(weights: Path) -> None:
    """Asked for again, the layers of a Doc are computed from the sentences the component read,
    also where the retokenizer has merged white space into a word; but where it has not read some of
    the text, the Doc's own boundaries count."""
    nlp, examples = make(weights, {"layer_norm": True})
    nlp.add_pipe("sentencizer", first=True)
    nlp.initialize(lambda: examples)
    node = first_listener(nlp)
    doc = nlp("The bank . \n Three rivers .")
    expected = node.predict([doc])[0]
    with doc.retokenize() as retokenizer:
        retokenizer.merge(doc[3:5])
    assert doc[3].text == "\n Three"
    for token in doc[1:]:
        token.is_sent_start = False
    found = node.predict([doc])[0]
    np.testing.assert_allclose(found[:3], expected[:3], atol=1e-6)
    rows = storage.read(doc, "elmo")
    assert rows is not None
    assert token_sentences(doc, rows).tolist() == [0, 0, 0, 1, 1, 1]

    raw = nlp.make_doc("A bank . The river .")
    raw[3].is_sent_start = True
    joined = Doc.from_docs([nlp("They sat ."), raw])
    assert joined is not None
    alone = node.predict([raw])[0]
    np.testing.assert_allclose(node.predict([joined])[0][-len(raw) :], alone, atol=1e-5)


def test_a_pipe_disabled_while_spacy_linked_trains_the_model(weights: Path) -> None:
    """`spacy train` disables sourced pipes while it initialises the others."""
    nlp, examples = make(weights, {"projection": 8}, elmo={"frozen": False})
    nlp.initialize(lambda: examples)
    with nlp.select_pipes(disable=["tagger_0"]):
        nlp.initialize(lambda: examples)
    optimizer = Adam(0.01)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        nlp.update(examples, sgd=optimizer)
        losses = nlp.update(examples, sgd=optimizer)
    assert losses["elmo"] > 0


def test_pipes_can_be_pickled_in_the_middle_of_an_update(weights: Path) -> None:
    """As for a process that is spawned; gradients wait for a pipe that was left out."""
    nlp, examples = make(weights, {"projection": 8}, {"projection": 4}, elmo={"frozen": False})
    nlp.initialize(lambda: examples)
    nlp.update(examples, exclude=["tagger_1"])
    copied: Any = pickle.loads(pickle.dumps([pipe for _, pipe in nlp.pipeline]))
    docs = [nlp.make_doc("A river bank")]
    for pipe in copied:
        list(pipe.pipe(docs))
    assert [token.tag_ for token in docs[0]] == [token.tag_ for token in nlp("A river bank")]


def test_layers_do_not_outlive_their_use(weights: Path) -> None:
    nlp, examples = make(weights, {}, {"projection": 4})
    nlp.initialize(lambda: examples)
    pipe: Any = nlp.get_pipe("elmo")
    docs = list(nlp.pipe([text for text, _ in TAGGED]))
    assert len(pipe.shared.handover) == 0
    assert all(doc._.elmo_layers is None for doc in docs)
    assert "layers" not in str([list(value) for doc in docs for value in doc.user_data.values()])
    with nlp.select_pipes(disable=["tagger_1"]):
        docs = list(nlp.pipe(["a b"]))
        assert len(pipe.shared.handover) == 1
        del docs
        gc.collect()
        assert len(pipe.shared.handover) == 0
        doc = nlp("a b")
        doc._.elmo_vectors = None
        assert len(pipe.shared.handover) == 0


def test_a_copied_pipeline_listens_to_its_own_component(weights: Path) -> None:
    nlp, examples = make(weights, {"projection": 4})
    nlp.initialize(lambda: examples)
    expected = tags(nlp)
    copied = copy.deepcopy(nlp)
    del nlp
    gc.collect()
    assert tags(copied) == expected


def test_empty_docs_inside_batches(weights: Path) -> None:
    nlp, examples = make(weights, {"projection": 4, "layer_norm": True}, elmo={"frozen": False})
    nlp.initialize(lambda: examples)
    empty = [Example.from_dict(nlp.make_doc(text), {}) for text in ("", "  ")]
    losses = nlp.update([empty[0], *examples, empty[1]], sgd=Adam(0.01))
    assert np.isfinite(list(losses.values())).all()
    nlp.update(empty, sgd=Adam(0.01))
    expected = tags(nlp)
    texts = [part for text, _ in TAGGED for part in ("", text, " ")]
    assert [[t.tag_ for t in doc] for doc in nlp.pipe(texts)][1::3] == expected


def test_dropout_is_that_of_training(weights: Path) -> None:
    nlp, examples = make(weights, {})
    nlp.initialize(lambda: examples)
    node = first_listener(nlp)
    docs = [example.predicted for example in examples]
    node.attrs["dropout_rate"] = 0.5
    dropped, _ = node.begin_update(docs)
    share = np.mean([(each == 0).mean() for each in dropped if len(each)])
    assert 0.3 < share < 0.7
    assert all((each != 0).all() for each in node.predict(docs))
    nlp.update(examples, drop=0.25)
    assert node.attrs["dropout_rate"] == 0.25


def test_l2_pulls_towards_the_plain_average(weights: Path) -> None:
    spread = []
    for l2 in (0.0, 10.0):
        nlp, examples = make(weights, {"layer_l2": l2})
        nlp.initialize(lambda: examples)  # noqa: B023
        train(nlp, examples, 40)
        spread.append(np.ptp(first_listener(nlp).get_param("layer_weights")))
    assert spread[1] < spread[0] / 2


SGD = {"rate": 0.05}


def state(nlp: Language) -> dict[str, np.ndarray]:
    found = weights_of(nlp)
    for name in nlp.pipe_names[1:]:
        for k, node in enumerate(nlp.get_pipe(name).model.walk()):  # type: ignore[attr-defined]
            for param in node.param_names:
                found[f"{name}.{k}.{param}"] = np.array(node.get_param(param))
    return found


@pytest.mark.parametrize("frozen", [True, False])
def test_both_orders_of_updating_give_the_same_weights(weights: Path, frozen: bool) -> None:
    """`nlp.update(sgd=...)` asks for the new weights before the gradients have come, `spacy train`
    afterwards."""
    states = []
    for hot in (True, False):
        nlp, examples = make(weights, {"projection": 8}, {"projection": 4}, elmo={"frozen": frozen})
        nlp.initialize(lambda: examples)  # noqa: B023
        optimizer = Adam(0.05, L2=0.0)
        for k in range(6):
            batch = examples[k % 2 :]
            if hot:
                nlp.update(batch, sgd=optimizer)
            else:
                nlp.update(batch, sgd=False)  # type: ignore[arg-type]
                for _, pipe in nlp.pipeline:
                    pipe.finish_update(optimizer)  # type: ignore[attr-defined]
        states.append(state(nlp))
    assert furthest(*states) <= 2e-6


def test_gradients_belong_to_the_weights_they_were_computed_with(weights: Path) -> None:
    """One step of plain gradient descent moves along the gradient at the old weights."""
    nlp, examples = make(weights, {"projection": 8}, elmo={"frozen": False})
    nlp.initialize(lambda: examples)
    before = weights_of(nlp)
    nlp.update(examples, sgd=False)  # type: ignore[arg-type]
    gradients = {n: p.grad.numpy().copy() for n, p in lm_of(nlp).named_parameters()}

    def plain(key: Any, weights: Any, gradient: Any, *, lr_scale: float = 1.0) -> Any:
        weights -= 0.1 * gradient
        gradient[...] = 0
        return weights, gradient

    nlp.get_pipe("elmo").finish_update(plain)  # type: ignore[attr-defined]
    expected = {name: before[name] - 0.1 * gradients[name] for name in before}
    assert furthest(weights_of(nlp), expected) <= 1e-6


@pytest.mark.parametrize("excluded", ["tagger_0", "tagger_1"])
@pytest.mark.parametrize("hot", [True, False])
def test_a_listening_pipe_left_out_of_training(weights: Path, excluded: str, hot: bool) -> None:
    """The others' gradients arrive, whichever pipe is left out: as if it did not listen."""
    results = []
    for alone in (False, True):
        nlp, examples = make(weights, {"projection": 8}, {"projection": 8}, elmo={"frozen": False})
        nlp.initialize(lambda: examples)  # noqa: B023
        if alone:
            nlp.remove_pipe(excluded)
        optimizer = Adam(0.05, L2=0.0)
        for _ in range(3):
            exclude = [] if alone else [excluded]
            if hot:
                nlp.update(examples, sgd=optimizer, exclude=exclude)
            else:
                nlp.update(examples, sgd=False, exclude=exclude)  # type: ignore[arg-type]
                for name, pipe in nlp.pipeline:
                    if name not in exclude:
                        pipe.finish_update(optimizer)  # type: ignore[attr-defined]
        nlp("flush what is still to be sent")
        results.append(weights_of(nlp))
    assert furthest(*results) <= 2e-6
    assert (
        furthest(
            results[0],
            {n: p.numpy() for n, p in BiLM.from_pretrained(weights).state_dict().items()},
        )
        > 0.01
    )


def test_several_pipes_gradients_are_added(weights: Path) -> None:
    gradients = []
    for names in (["tagger_0"], ["tagger_1"], ["tagger_0", "tagger_1"]):
        nlp, examples = make(weights, {"projection": 8}, {"projection": 4}, elmo={"frozen": False})
        nlp.initialize(lambda: examples)  # noqa: B023
        for name in ("tagger_0", "tagger_1"):
            output = nlp.get_pipe(name).model.get_ref("softmax")  # type: ignore[attr-defined]
            rng = np.random.default_rng(3)
            output.set_param("W", rng.normal(size=output.get_param("W").shape).astype("f"))
        exclude = [name for name in ("tagger_0", "tagger_1") if name not in names]
        nlp.update(examples, sgd=False, exclude=exclude)  # type: ignore[arg-type]
        nlp.get_pipe("elmo").shared.finish()  # type: ignore[attr-defined]
        found = {n: p.grad.numpy().copy() for n, p in lm_of(nlp).named_parameters()}
        gradients.append(found)
    total = {name: gradients[0][name] + gradients[1][name] for name in gradients[0]}
    size = max(float(np.abs(each).max()) for each in total.values())
    assert size > 0.01
    assert furthest(gradients[2], total) <= 1e-6 * size


def test_accumulated_batches(weights: Path) -> None:
    """`accumulate_gradient`: two halves and one step, as one batch and one step."""
    results = []
    for parts in (1, 2):
        nlp, examples = make(weights, {"projection": 8}, elmo={"frozen": False})
        nlp.initialize(lambda: examples)  # noqa: B023
        size = len(examples) // parts
        for start in range(0, len(examples), size):
            nlp.update(examples[start : start + size], sgd=False)  # type: ignore[arg-type]
        for _, pipe in nlp.pipeline:
            pipe.finish_update(Adam(0.05, L2=0.0))  # type: ignore[attr-defined]
        results.append(weights_of(nlp))
    assert furthest(*results) <= 1e-4


def test_averages_reach_the_language_model(weights: Path, tmp_path: Path) -> None:
    nlp, examples = make(weights, {"projection": 8}, elmo={"frozen": False})
    nlp.initialize(lambda: examples)
    optimizer = Adam(0.05, use_averages=True)
    for _ in range(4):
        nlp.update(examples, sgd=optimizer)
    last = weights_of(nlp)
    with nlp.use_params(optimizer.averages):
        averaged = weights_of(nlp)
        vectors = np.array(nlp("A river bank")._.elmo_vectors)
        nlp.to_disk(tmp_path / "best")
    assert furthest(averaged, last) > 1e-3
    assert furthest(weights_of(nlp), last) == 0
    best = spacy.load(tmp_path / "best")
    assert furthest(weights_of(best), averaged) == 0
    np.testing.assert_allclose(best("A river bank")._.elmo_vectors, vectors, atol=1e-6)


def test_annotating(weights: Path) -> None:
    """The component annotates while it trains, and stays in step with its listeners."""
    results = []
    for annotates in ([], ["elmo"]):
        nlp, examples = make(weights, {"projection": 8}, elmo={"frozen": False})
        nlp.initialize(lambda: examples)  # noqa: B023
        train(nlp, examples, 5, annotates=annotates)
        results.append(weights_of(nlp))
    assert furthest(*results) <= 2e-6


def test_excluded_component_still_feeds(weights: Path) -> None:
    """`training.frozen_components = ["elmo"]`: neither updated nor annotating."""
    nlp, examples = make(weights, {"projection": 8})
    nlp.initialize(lambda: examples)
    train(nlp, examples, 150, exclude=["elmo"])
    assert tags(nlp) == GOLD


def test_disabled_component_still_feeds(weights: Path) -> None:
    nlp, examples = make(weights, {"projection": 8})
    nlp.initialize(lambda: examples)
    train(nlp, examples, 150)
    with nlp.select_pipes(disable=["elmo"]):
        assert tags(nlp) == GOLD


def test_rehearse(weights: Path) -> None:
    nlp, examples = make(weights, {"projection": 8}, elmo={"frozen": False})
    optimizer = nlp.initialize(lambda: examples)
    nlp.update(examples, sgd=optimizer)
    nlp.resume_training(sgd=optimizer)
    before = weights_of(nlp)
    with pytest.warns(UserWarning, match="has not seen in this update"):
        nlp.rehearse(tagged(nlp), sgd=optimizer)
    nlp("flush")
    assert furthest(weights_of(nlp), before) == 0
    nlp.update(tagged(nlp), sgd=optimizer)


def test_tokens_merged_between_the_component_and_a_listener(weights: Path) -> None:
    nlp, examples = make(weights, {"projection": 8, "layer_norm": True})
    nlp.initialize(lambda: examples)

    def merge(doc: Doc) -> Doc:
        with doc.retokenize() as retokenizer:
            if len(doc) > 2:
                retokenizer.merge(doc[1:3])
        return doc

    Language.component("merge_second_and_third", func=merge)
    nlp.add_pipe("merge_second_and_third", after="elmo")
    doc = nlp("The bank raised rates")
    assert [token.text for token in doc] == ["The", "bank raised", "rates"]
    assert all(token.tag_ for token in doc)


def test_changed_tokens_in_training_are_an_error(weights: Path) -> None:
    nlp, examples = make(weights, {"projection": 8})
    nlp.initialize(lambda: examples)
    copies = [Example(example.x.copy(), example.y) for example in examples]
    nlp.get_pipe("elmo").update(copies)  # type: ignore[attr-defined]
    with copies[0].predicted.retokenize() as retokenizer:
        retokenizer.merge(copies[0].predicted[1:3])
    with pytest.raises(ValueError, match="the listener of pipe 'tagger_0' was given other Docs"):
        nlp.get_pipe("tagger_0").update(copies)  # type: ignore[attr-defined]
    others = [*copies[1:3], Example.from_dict(nlp.make_doc("new"), {"tags": ["N"]})]
    nlp.get_pipe("elmo").update(copies)  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match="must train on the same Docs"):
        nlp.get_pipe("tagger_0").update(others)  # type: ignore[attr-defined]


def test_a_listener_without_a_component_is_an_error() -> None:
    nlp = spacy.blank("en")
    tagger: Any = nlp.add_pipe("tagger", config=tagger_config(projection=8))
    tagger.add_label("N")
    with pytest.raises(ValueError, match="but none stands before it in the pipeline: add it"):
        nlp.initialize()


def test_a_named_component_that_is_not_there(weights: Path) -> None:
    nlp, examples = make(weights, {"projection": 8, "upstream": "other"})
    with pytest.raises(ValueError, match="listens to the component 'other', but none stands"):
        nlp.initialize(lambda: examples)


def test_a_component_behind_the_listener_does_not_count(weights: Path) -> None:
    nlp = spacy.blank("en")
    tagger: Any = nlp.add_pipe("tagger", config=tagger_config())
    tagger.add_label("N")
    nlp.add_pipe("elmo", config={"model": {"weights": str(weights)}})
    with pytest.raises(ValueError, match="none stands before it"):
        nlp.initialize()


def test_a_removed_component_feeds_no_more(weights: Path) -> None:
    nlp, examples = make(weights, {"projection": 8})
    nlp.initialize(lambda: examples)
    nlp.remove_pipe("elmo")
    gc.collect()
    with pytest.raises(ValueError, match="pipe 'tagger_0' listens to an `elmo` component"):
        nlp("a")


def test_other_weights_are_refused_when_linked(weights: Path, tmp_path: Path) -> None:
    nlp, examples = make(weights, {"projection": 8})
    nlp.initialize(lambda: examples)
    tiny_lm(projection_dim=5).save(tmp_path / "narrow")
    tiny_lm(n_layers=1).save(tmp_path / "flat")
    for other, sizes in (("narrow", "3 of width 10"), ("flat", "2 of width 16")):
        elmo = spacy.blank("en")
        elmo.add_pipe("elmo", config={"model": {"weights": str(tmp_path / other)}})
        elmo("load")
        with pytest.raises(
            ValueError, match=rf"tagger_0' was made for 3 layers of width 16, .* gives {sizes}"
        ):
            elmo.add_pipe("tagger_0", source=nlp)


def test_width_is_inferred_when_linked(weights: Path) -> None:
    nlp, _ = make(weights, {})
    assert first_listener(nlp).has_dim("nO") is None
    nlp.get_pipe("elmo")(nlp.make_doc("load"))  # type: ignore[operator]
    nlp._link_components()
    assert first_listener(nlp).get_dim("nO") == WIDTH


def test_a_width_needed_too_early_is_an_error(weights: Path) -> None:
    model = {"@architectures": "spacy.EntityLinker.v2", "nO": None}
    nlp, _ = make(weights)
    with pytest.raises(ValueError, match="give the listener a projection"):
        nlp.add_pipe("entity_linker", config={"model": {**model, "tok2vec": listener()}})
    nlp, _ = make(weights)
    nlp.add_pipe("entity_linker", config={"model": {**model, "tok2vec": listener(projection=8)}})


def test_the_nearest_of_two_components_feeds(weights: Path, tmp_path: Path) -> None:
    tiny_lm(projection_dim=5).save(tmp_path / "narrow")
    nlp, examples = make(weights)
    second = {"model": {"weights": str(tmp_path / "narrow")}, "attribute": "narrow"}
    nlp.add_pipe("elmo", name="narrow", config=second)
    nlp.add_pipe("tagger", name="tagger_0", config=tagger_config())
    nlp.add_pipe("tagger", name="tagger_1", config=tagger_config(upstream="elmo"))
    nlp.initialize(lambda: examples)
    assert first_listener(nlp).get_dim("nO") == 10
    assert first_listener(nlp, "tagger_1").get_dim("nO") == WIDTH
    names = [nlp.get_pipe(name).listening_components for name in ("elmo", "narrow")]  # type: ignore[attr-defined]
    assert names == [["tagger_1"], ["tagger_0"]]
    nlp.update(examples, sgd=Adam(0.01))


def test_impossible_settings() -> None:
    nlp = spacy.blank("en")
    with pytest.raises(ValueError, match="projection is 0"):
        nlp.add_pipe("tagger", config=tagger_config(projection=0))
    with pytest.raises(ValueError, match="layer_l2 is -1"):
        nlp.add_pipe("tagger", config=tagger_config(layer_l2=-1.0))


def test_thinc_copies_stay_listeners(weights: Path) -> None:
    nlp, examples = make(weights, {"projection": 8, "layer_norm": True})
    nlp.initialize(lambda: examples)
    pipe: Any = nlp.get_pipe("tagger_0")
    docs = [example.predicted for example in examples]
    copied = pipe.model.copy()
    for one, other in zip(pipe.model.predict(docs), copied.predict(docs), strict=True):
        np.testing.assert_array_equal(one, other)
    assert first_listener(nlp).layer_norm
    node = next(node for node in copied.walk() if isinstance(node, ElmoListener))
    assert node is not first_listener(nlp)
    assert len(node.get_param("layer_weights")) == N_LAYERS


def test_gradients_of_an_earlier_batch_are_an_error(weights: Path) -> None:
    nlp, examples = make(weights, {"projection": 8}, elmo={"frozen": False})
    nlp.initialize(lambda: examples)
    pipe: Any = nlp.get_pipe("elmo")
    pipe.update(examples)
    outputs, backprop = first_listener(nlp).begin_update([each.predicted for each in examples])
    pipe.update(examples)
    with pytest.raises(ValueError, match=r"tagger_0' sends gradients .* the update is done"):
        backprop(outputs)


def test_a_pipe_that_trains_after_the_update_is_told_so(weights: Path) -> None:
    """Its gradients would belong to a pass through the network that is over."""
    nlp, examples = make(weights, {"projection": 8}, {"projection": 8}, elmo={"frozen": False})
    nlp.initialize(lambda: examples)
    elmo, first, second = (pipe for _, pipe in nlp.pipeline)
    elmo.update(examples)  # type: ignore[attr-defined]
    first.update(examples)  # type: ignore[attr-defined]
    elmo.finish_update(Adam(0.01))  # type: ignore[attr-defined]
    with pytest.warns(UserWarning, match="pipe 'tagger_1' trains on Docs .* has not seen"):
        second.update(examples)  # type: ignore[attr-defined]
