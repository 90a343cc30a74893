"""The component `elmo_senses`: learning, labelling, and what spaCy asks of a pipe."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import spacy
import torch
from spacy import displacy
from spacy.language import Language
from spacy.tokens import Doc, DocBin, Span
from spacy.training import Example

from spacy_elmo.pipeline.senses.states import occurrence_states
from tests.pipeline.scored import lm_of
from tests.pipeline.senses.made_up import MONEY, RIVER, TEXTS, example, examples, found


def pipe(nlp: Language) -> Any:
    return nlp.get_pipe("elmo_senses")


@pytest.mark.parametrize("classifier", ["ridge", "knn", "centroid"])
@pytest.mark.parametrize("view", ["token", "context", "both"])
def test_it_knows_what_it_has_learned(
    make_senses: Callable[..., Language], classifier: str, view: str
) -> None:
    nlp = make_senses(classifier=classifier, view=view)
    nlp.initialize(lambda: examples(nlp, TEXTS[:2]))
    for text, sense in TEXTS[:2]:
        assert [label for _, _, label in found(nlp, text)] == [sense]


def test_words_and_labels(senses: Language) -> None:
    assert pipe(senses).words == {"bank": {MONEY: 2, RIVER: 3}}
    assert pipe(senses).labels == (MONEY, RIVER)
    assert list(senses.pipe_labels["elmo_senses"]) == [MONEY, RIVER]


def test_unseen_words_are_left_alone(senses: Language) -> None:
    assert found(senses, "Banks and a river .") == []
    assert [each[:2] for each in found(senses, "BANK , bank")] == [("BANK", 0), ("bank", 2)]


def test_a_word_of_one_sense_and_one_of_several_tokens(
    make_senses: Callable[..., Language],
) -> None:
    nlp = make_senses()
    more = [example(nlp, "The river bank broke .", "shore", "river bank")]
    nlp.initialize(lambda: examples(nlp) + more)
    doc = nlp("A River bank is no bank .")
    first = doc.spans["senses"][0]
    assert (first.text, first.label_) == ("River bank", "shore")
    assert [span.start for span in doc.spans["senses"]] == [1, 5]
    scores = doc.spans["senses"].attrs["scores"]
    assert scores.shape == (2,)
    assert scores[0] == 1.0


@Language.component("senses_test_lemmas")
def set_lemmas(doc: Doc) -> Doc:
    """Without the s of the plural."""
    for token in doc:
        token.lemma_ = token.lower_.rstrip("s")
    return doc


def test_lemmas(make_senses: Callable[..., Language]) -> None:
    nlp = make_senses(attr="LEMMA")
    nlp.add_pipe("senses_test_lemmas", first=True)
    texts = [("Banks lend .", MONEY), ("River banks .", RIVER)]
    nlp.initialize(lambda: [example(nlp, *each, word="banks") for each in texts])
    assert pipe(nlp).words == {"bank": {MONEY: 1, RIVER: 1}}
    assert [each[0] for each in found(nlp, "Banks lend , a bank .")] == ["Banks", "bank"]


def test_more_is_learned_and_nothing_forgotten(senses: Language) -> None:
    text = "The bank raised its rates . They sat on the river bank ."
    before = found(senses, text)
    arm = [
        example(senses, f"My arm {verb} .", sense, "arm")
        for verb, sense in (("hurts", "body"), ("sells chips", "firm"))
    ]
    pipe(senses).add(arm)
    assert found(senses, text) == before
    assert [each[2] for each in found(senses, "My arm sells chips .")] == ["firm"]
    pipe(senses).add([example(senses, "The plane went into a steep bank .", "turn")] * 3)
    assert pipe(senses).words["bank"] == {MONEY: 2, RIVER: 3, "turn": 3}
    assert found(senses, "The plane went into a steep bank .")[0][2] == "turn"


def test_all_at_once_or_one_after_the_other(make_senses: Callable[..., Language]) -> None:
    at_once, bit_by_bit = make_senses(), make_senses()
    at_once.initialize(lambda: examples(at_once))
    bit_by_bit_pipe = pipe(bit_by_bit)
    for each in examples(bit_by_bit):
        bit_by_bit_pipe.add([each])
    assert bit_by_bit_pipe.words == pipe(at_once).words
    one, other = (p.learned.words["bank",] for p in (pipe(at_once), bit_by_bit_pipe))
    np.testing.assert_allclose(one.states, other.states, atol=1e-5)
    assert one.senses == other.senses


def test_initialising_anew_forgets(senses: Language) -> None:
    senses.initialize(lambda: [example(senses, "My arm .", "body", "arm")])
    assert pipe(senses).words == {"arm": {"body": 1}}


def test_updates_learn_nothing_and_cost_no_pass(
    senses: Language, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = pipe(senses).learned

    def fails(*_: object, **__: object) -> None:
        raise AssertionError("the language model runs")

    monkeypatch.setattr("spacy_elmo.pipeline.listening.shared.run", fails)
    losses = senses.update(examples(senses), sgd=senses.create_optimizer())
    assert losses["elmo_senses"] == 0.0
    assert pipe(senses).learned is before
    with senses.use_params({}):
        assert pipe(senses).learned is before


def test_it_reads_sentences_as_it_will_later(make_senses: Callable[..., Language]) -> None:
    plain, split = make_senses(), make_senses()
    split.add_pipe("sentencizer", first=True)
    text = "It rained . The bank closed ."
    states = []
    for nlp in (plain, split):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            nlp.initialize(lambda nlp=nlp: [example(nlp, text, MONEY)])  # type: ignore[misc]
        states.append(pipe(nlp).learned.words["bank",].states)
    assert not np.allclose(states[0], states[1], atol=1e-3)
    model = pipe(split).model
    assert pipe(split).predict([split(text)])[0][0].sense == MONEY
    alone = make_senses()
    alone.initialize(lambda: [example(alone, "The bank closed .", MONEY)])
    np.testing.assert_allclose(states[1], pipe(alone).learned.words["bank",].states, atol=1e-5)
    assert model.learns is False


def test_its_upstream_by_name_or_the_nearest(make_nlp: Callable[..., Language]) -> None:
    for upstream, expected in (("*", "second"), ("elmo", "elmo")):
        nlp = make_nlp()
        config = {"attribute": "other", "model": nlp.get_pipe_config("elmo")["model"]}
        nlp.add_pipe("elmo", name="second", config=config)
        nlp.add_pipe("elmo_senses", config={"model": {"upstream": upstream}})
        nlp.initialize(lambda nlp=nlp: examples(nlp))  # type: ignore[misc]
        assert pipe(nlp).model.upstreams.last.name == expected
        assert len(found(nlp, "A bank .")) == 1
    nlp.rename_pipe("elmo", "first")
    assert nlp.get_pipe_config("elmo_senses")["model"]["upstream"] == "first"


def test_two_of_them(make_senses: Callable[..., Language]) -> None:
    nlp = make_senses()
    nlp.add_pipe("elmo_senses", name="others", config={"spans_key": "others"})
    gold = [*examples(nlp), example(nlp, "My arm .", "body", "arm", key="others")]
    nlp.initialize(lambda: gold)
    doc = nlp("An arm at a bank .")
    assert [span.text for span in doc.spans["senses"]] == ["bank"]
    assert [span.text for span in doc.spans["others"]] == ["arm"]


def test_docbin_displacy_and_scores(senses: Language) -> None:
    docs = [each.reference for each in examples(senses)]
    stored = DocBin().from_bytes(DocBin(docs=docs, store_user_data=True).to_bytes())
    gold = list(stored.get_docs(senses.vocab))
    scores = senses.evaluate([Example(senses.make_doc(doc.text), doc) for doc in gold])
    assert scores["spans_senses_f"] == scores["spans_senses_acc"] == 1.0
    assert set(scores["spans_senses_per_type"]) == {MONEY, RIVER}
    doc = senses(TEXTS[0][0])
    html = displacy.render(doc, style="span", options={"spans_key": "senses"}, jupyter=False)
    assert RIVER in html
    assert DocBin(docs=[doc]).to_bytes()
    again = Doc(senses.vocab).from_bytes(doc.to_bytes())
    assert again.spans["senses"][0].label_ == RIVER


def test_scores_of_wrong_and_missing_ones(senses: Language) -> None:
    text = "The bank and the bank and my arm ."
    predicted, gold = senses.make_doc(text), senses.make_doc(text)
    predicted.spans["senses"] = [Span(predicted, 1, 2, label="a"), Span(predicted, 4, 5, label="b")]
    gold.spans["senses"] = [
        Span(gold, 1, 2, label="a"),
        Span(gold, 4, 5, label="a"),
        Span(gold, 7, 8, label="c"),
    ]
    scores = pipe(senses).score([Example(predicted, gold)])
    assert scores["spans_senses_acc"] == 0.5  # "arm" was left alone
    assert scores["spans_senses_p"] == pytest.approx(1 / 2)
    assert scores["spans_senses_r"] == pytest.approx(1 / 3)
    nothing = pipe(senses).score([Example(senses.make_doc("x"), senses.make_doc("x"))])
    assert nothing["spans_senses_acc"] is None
    assert nothing["spans_senses_f"] is None


def test_other_pipes_learn_beside_it(make_senses: Callable[..., Language]) -> None:
    nlp = make_senses(elmo={"frozen": False})
    tok2vec = {"@architectures": "spacy-elmo.ElmoListener.v1", "projection": 8}
    nlp.add_pipe("tagger", config={"model": {"tok2vec": tok2vec}})
    gold = [
        Example.from_dict(
            each.predicted,
            {"spans": _offsets(each), "tags": ["A", *"B" * (len(each.predicted) - 1)]},
        )
        for each in examples(nlp)
    ]
    with pytest.warns(UserWarning, match="frozen = false"):
        nlp.initialize(lambda: gold)
    optimizer = nlp.create_optimizer()
    nlp.update(gold, sgd=optimizer)  # the tagger's output layer starts with zeros
    losses = nlp.update(gold, sgd=optimizer)
    assert losses["elmo"] > 0
    assert losses["elmo_senses"] == 0.0
    assert nlp("A bank .")[0].tag_ in ("A", "B")


def _offsets(each: Example) -> dict[str, list[tuple[int, int, str]]]:
    return {
        key: [(span.start_char, span.end_char, span.label_) for span in group]
        for key, group in each.reference.spans.items()
    }


# What is wrong


def test_untrained(make_senses: Callable[..., Language]) -> None:
    nlp = make_senses()
    with pytest.raises(ValueError, match=r"'elmo_senses' has learned no senses yet.*initialize"):
        nlp("A bank .")


def test_nothing_to_learn_from(make_senses: Callable[..., Language]) -> None:
    nlp = make_senses()
    gold = [Example(nlp.make_doc("A bank ."), nlp.make_doc("A bank ."))]
    with pytest.raises(ValueError, match=r"nothing to learn from.*doc.spans\['senses'\]"):
        nlp.initialize(lambda: gold)
    with pytest.raises(ValueError, match="nothing to learn from"):
        pipe(nlp).add([])
    with pytest.raises(ValueError, match="nothing to learn from"):
        nlp.initialize()
    assert pipe(nlp).learned is None


def test_a_span_without_label_teaches_nothing_by_half(senses: Language) -> None:
    before = pipe(senses).learned
    wrong = [example(senses, "My arm .", "body", "arm"), example(senses, "A bank .", "")]
    with pytest.raises(ValueError, match=r"'bank' in 'A bank .' stands in .* without a label"):
        pipe(senses).add(wrong)
    assert pipe(senses).learned is before


def test_spans_that_are_no_tokens(make_senses: Callable[..., Language]) -> None:
    nlp = make_senses()
    reference = Doc(nlp.vocab, words=["river", "bank", "s"], spaces=[True, False, False])
    reference.spans["senses"] = [Span(reference, 1, 2, label=RIVER)]
    crooked = Example(nlp.make_doc("river banks"), reference)
    with pytest.warns(UserWarning, match="leaves out 1 of the occurrences"):
        nlp.initialize(lambda: [crooked, *examples(nlp)])
    assert pipe(nlp).words == {"bank": {MONEY: 2, RIVER: 3}}
    learned = pipe(nlp).learned
    with (
        pytest.warns(UserWarning, match="leaves out 1"),
        pytest.raises(ValueError, match="nothing to learn from"),
    ):
        pipe(nlp).add([crooked])
    assert pipe(nlp).learned is learned


def test_without_an_upstream(weights: object) -> None:
    nlp = spacy.blank("en")
    nlp.add_pipe("elmo_senses")
    with pytest.raises(ValueError, match=r"'elmo_senses' listens to an `elmo` component"):
        nlp.initialize(lambda: examples(nlp))
    with pytest.raises(ValueError, match=r"'elmo_senses' listens to an `elmo` component"):
        pipe(nlp).add(examples(nlp))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"classifier": "svm"}, "classifier is 'svm': expected one of ridge, knn, centroid"),
        ({"view": "all"}, "view is 'all': expected one of token, context, both"),
        ({"attr": "POS"}, "attr is 'POS': expected one of TEXT"),
        ({"spans_key": ""}, "spans_key is empty"),
        ({"model": {"projection": 8}}, "without projection"),
    ],
)
def test_bad_settings(
    make_nlp: Callable[..., Language], config: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        make_nlp().add_pipe("elmo_senses", config=config)


def test_another_language_model(senses: Language, tmp_path: Any) -> None:
    from tests.tiny import tiny_lm

    tiny_lm(seed=5).save(tmp_path / "other")
    tiny_lm(projection_dim=6).save(tmp_path / "narrow")
    learned = pipe(senses).learned
    for name in ("other", "narrow"):
        nlp = spacy.blank("en")
        nlp.add_pipe("elmo", config={"model": {"weights": str(tmp_path / name)}})
        pipe_ = nlp.add_pipe("elmo_senses")
        pipe_.learned = learned  # type: ignore[attr-defined]
        if name == "other":
            with pytest.warns(UserWarning, match="another language model"):
                nlp("A bank .")
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                nlp("A bank .")
        else:
            with pytest.raises(ValueError, match="of width 16, but this one's is 12"):
                nlp("A bank .")
            with pytest.raises(ValueError, match="of width 16, but this one's is 12"):
                pipe_.add(examples(nlp))  # type: ignore[attr-defined]


def test_states_of_two_language_models_are_not_mixed(senses: Language) -> None:
    known = pipe(senses).learned
    lm = lm_of(senses)
    with torch.no_grad():
        for parameter in lm.parameters():
            parameter.add_(0.5)
    lm.weights_changed()
    with pytest.raises(ValueError, match="with another language model, or with its weights before"):
        pipe(senses).add(examples(senses))
    assert pipe(senses).learned is known
    senses.initialize(lambda: examples(senses))
    assert pipe(senses).learned is not known


def test_states_that_are_no_finite_numbers_are_not_learned(
    make_senses: Callable[..., Language], monkeypatch: pytest.MonkeyPatch
) -> None:
    nlp = make_senses()

    def damaged(*arguments: Any) -> np.ndarray:
        states = occurrence_states(*arguments)
        states[0, 1, 2] = np.nan
        return states

    monkeypatch.setattr("spacy_elmo.pipeline.senses.learning.occurrence_states", damaged)
    with pytest.raises(ValueError, match="gives states that are no finite numbers"):
        nlp.initialize(lambda: examples(nlp))
    assert pipe(nlp).learned is None
