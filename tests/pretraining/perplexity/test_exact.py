"""Perplexity against its definition, computed word by word with the float64 reference."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch

from spacy_elmo.bilm.bilm import BiLM
from spacy_elmo.bilm.scoring.output_layer import check_can_score
from spacy_elmo.bilm.state import State
from spacy_elmo.pretraining.corpus.corpus import Corpus
from spacy_elmo.pretraining.perplexity.exact import (
    Perplexity,
    running_perplexity,
    sentence_perplexity,
)
from spacy_elmo.pretraining.step.language_model import new_model
from spacy_elmo.vocabulary import BOS, EOS, UNK
from tests.pretraining.small import config, make_corpus, sentences


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    # A vocabulary without the rarer words: some are unknown.
    return make_corpus(tmp_path_factory.mktemp("text"), number=40, max_vocab=15)


def _model(corpus: Corpus, **sizes: Any) -> BiLM:
    made = config(model=sizes).model
    lm = new_model(made, corpus.vocabulary, seed=3)
    with torch.no_grad():
        for parameter in lm.parameters():
            parameter.mul_(1.5)  # further from uniform
    return lm


def _by_definition(lm: BiLM, texts: list[list[str]]) -> list[float]:
    """Losses of single words, sentence by sentence, from the plain way through the network."""
    assert lm.softmax is not None
    ids = {word: number for number, word in enumerate(lm.vocabulary or [])}
    width = lm.config.projection_dim
    sums, count = [0.0] * lm.config.n_directions, 0
    for words in texts:
        with torch.no_grad():
            top = lm([words], boundaries=True)[-1].double()
        symbols = [BOS, *(ids.get(word, UNK) for word in words), EOS]
        weight, bias = lm.softmax.weight.double(), lm.softmax.bias.double()
        for place in range(len(symbols) - 1):
            forward = torch.log_softmax(weight @ top[place, :width] + bias, 0)
            sums[0] -= forward[symbols[place + 1]].item()
            if lm.config.bidirectional:
                backward = torch.log_softmax(weight @ top[place + 1, width:] + bias, 0)
                sums[1] -= backward[symbols[place]].item()
            count += 1
    return [math.exp(total / count) for total in sums]


@pytest.mark.parametrize("bidirectional", [True, False])
@pytest.mark.parametrize("state", ["zero", "warm"])
def test_sentences_from_the_initial_state(bidirectional: bool, state: str, corpus: Corpus) -> None:
    lm = _model(corpus, bidirectional=bidirectional)
    texts = [line.split() for line in sentences(30, seed=5)]
    texts.append(["unheard", "of"])
    if state == "warm":
        lm.warm_up(texts[:10])
    found = sentence_perplexity(lm, [*texts, []])
    assert found.directions == pytest.approx(_by_definition(lm, texts), rel=1e-5)
    assert found.n_tokens == sum(len(words) + 1 for words in texts)
    known = set(corpus.vocabulary)
    assert found.n_unknown == sum(word not in known for words in texts for word in words) > 0
    lm.initial_state = "carry"  # what is asked for counts, and the model stays as it is
    assert sentence_perplexity(lm, texts, initial_state=state) == found
    assert lm.initial_state == "carry"


@pytest.mark.parametrize("state", ["zero", "warm", "given"])
def test_running_text_carries_the_state(corpus: Corpus, state: str) -> None:
    """One row over the whole text, forward: as one sentence after the other with carried state,
    but `</S>` is never read (as in training). It begins with the warm state where there is one."""
    lm = _model(corpus, bidirectional=False)
    assert lm.softmax is not None
    start = lm.start("zero", 1)
    if state == "warm":
        lm.warm_up([line.split() for line in sentences(10, seed=5)])
        start = lm.start("warm", 1)
    elif state == "given":
        start = State(torch.randn_like(start.h), torch.randn_like(start.c))
    given = start if state == "given" else None
    found = running_perplexity(lm, corpus, n_rows=1, n_steps=7, start=given)
    h, c = start.h[:, 0].clone(), start.c[:, 0].clone()
    losses = []
    for number in range(len(corpus)):
        types = corpus.sentence(number).tolist()
        words = ["<S>", *(corpus.types[k] for k in types)]
        targets = [*corpus.word_of_type[types].tolist(), EOS]
        values = lm.token_encoder(lm.token_encoder.word_ids(words))
        with torch.no_grad():
            for k, layer in enumerate(lm.forward_layers):
                result, h[k], c[k] = layer(values, [1] * len(words), h[k].clone(), c[k].clone())
                values = result + values if k else result
            logits = lm.softmax(values).double()
        losses += [-row[word].item() for row, word in zip(logits, targets, strict=True)]
    assert found.directions[0] == pytest.approx(math.exp(sum(losses) / len(losses)), rel=1e-5)
    assert found.n_tokens == corpus.n_tokens + corpus.n_sentences


def test_several_rows_read_the_same_text(corpus: Corpus) -> None:
    lm = _model(corpus)
    one = running_perplexity(lm, corpus, n_rows=1)
    many = running_perplexity(lm, corpus, n_rows=3, n_steps=4)
    assert (many.n_tokens, many.n_unknown) == (one.n_tokens, one.n_unknown)
    assert many.directions == pytest.approx(one.directions, rel=0.05)  # two more cold starts
    some = running_perplexity(lm, corpus, n_rows=3, n_steps=4, max_tokens=60)
    assert some.n_tokens == 60


def test_average_is_of_the_losses() -> None:
    assert Perplexity((math.exp(1.0), math.exp(3.0)), 5, 0).average == pytest.approx(math.exp(2.0))


def test_without_a_softmax_there_is_no_perplexity(corpus: Corpus, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="has no softmax"):
        check_can_score(BiLM(config().model))


def test_without_text_there_is_no_perplexity(corpus: Corpus) -> None:
    with pytest.raises(ValueError, match="no text"):
        sentence_perplexity(_model(corpus), [[]])
