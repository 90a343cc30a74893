"""Starting from weights that exist: continued training, domain adaptation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from spacy_elmo.bilm.bilm import BiLM
from spacy_elmo.pretraining.config import NO_MANY_LANGS, PretrainConfig
from spacy_elmo.pretraining.corpus.corpus import Corpus
from spacy_elmo.pretraining.step.language_model import new_model, tie


def adapt(lm: BiLM, corpus: Corpus, config: PretrainConfig) -> tuple[BiLM, PretrainConfig, str]:
    """Make loaded weights ready to be trained on a corpus.

    The config takes over their sizes. Rows of the softmax (and of a word embedding) go to the
    corpus's words by name; words that are new start at random. Without a softmax all of it is new.

    Args:
        lm: The weights.
        corpus: The text.
        config: The training config.

    Returns:
        The model, the config and what was done, in words.

    Raises:
        ValueError: For words of the corpus that are cut at another length than the model's, and for
            a model of ELMoForManyLangs.
    """
    if lm.config.many_langs is not None:
        raise ValueError(f"the weights to start from cannot be trained: {NO_MANY_LANGS}")
    # What they were trained on before is not what they are trained on now.
    sizes = replace(lm.config, initial_state="zero", lang=None, tokenisation=None)
    if sizes.char_cnn is not None:
        length = sizes.char_cnn.max_characters_per_token
        if corpus.max_characters != length:
            raise ValueError(
                f"{corpus.path} was prepared with {corpus.max_characters} characters per word, "
                f"these weights read {length}: prepare it with --max-characters {length}"
            )
    else:
        if lm.vocabulary is None:
            raise ValueError("weights with word input need their vocabulary to be continued")
        sizes = replace(sizes, n_words=corpus.n_vocabulary)
    new = new_model(sizes, corpus.vocabulary, seed=config.seed)
    config = replace(config, model=sizes)
    rows = _same_words(lm.vocabulary or [], corpus.vocabulary)
    told = "the weights have no softmax: it starts at random"
    with torch.no_grad():
        for (name, target), (_, source) in zip(
            new.token_encoder.named_parameters(), lm.token_encoder.named_parameters(), strict=True
        ):
            _copy(target, source, rows if name == "embedding" else None)
        for target_layer, source_layer in zip(_layers(new), _layers(lm), strict=True):
            for target, source in zip(
                target_layer.parameters(), source_layer.parameters(), strict=True
            ):
                target.copy_(source)
        if lm.softmax is not None and lm.vocabulary is not None:
            assert new.softmax is not None
            _copy(new.softmax.weight, lm.softmax.weight, rows)
            _copy(new.softmax.bias, lm.softmax.bias, rows)
            told = f"{len(rows[0]):,} of {corpus.n_vocabulary:,} words have rows in its softmax"
    if config.share_embedding_softmax:
        tie(new)
    return new, config, told


def _layers(lm: BiLM) -> list[torch.nn.Module]:
    return [*lm.forward_layers, *(lm.backward_layers or [])]


def _same_words(old: Sequence[str], new: Sequence[str]) -> tuple[Tensor, Tensor]:
    """Places of the words that both vocabularies have: in the new one and in the old one."""
    places = {word: number for number, word in enumerate(old)}
    pairs = [(number, places[word]) for number, word in enumerate(new) if word in places]
    table = torch.tensor(pairs, dtype=torch.int64).view(-1, 2)
    return table[:, 0], table[:, 1]


def _copy(target: Tensor, source: Tensor, rows: tuple[Tensor, Tensor] | None) -> None:
    if rows is None:
        target.copy_(source)
    else:
        target[rows[0]] = source[rows[1]]
