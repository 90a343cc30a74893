"""Vectors of words in their sentences."""

from __future__ import annotations

import numpy as np

from evaluation import encoders
from evaluation.encoders import Variant
from evaluation.readers import Marked
from spacy_elmo import BiLM


def test_encoder_variants(weights: str) -> None:
    text = [["Alice", "sat", "down"], ["She", "rose"]]
    (encode,) = encoders.elmo_encoders(weights, None, text)
    marked = [Marked(words, place) for words in text for place in range(len(words))]
    found = encode(marked)
    lm = BiLM.from_pretrained(weights)
    layers = np.concatenate(lm.encode(text), axis=1)
    np.testing.assert_allclose(found[Variant("random", "layer 2", False)], layers[2], atol=1e-6)
    context = np.concatenate(lm.context(text))
    np.testing.assert_allclose(found[Variant("random", "context", False)], context, atol=1e-6)
    centred = found[Variant("random", "context", True)]
    np.testing.assert_allclose(centred, context - layers[-1].mean(axis=0), atol=1e-5)
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


def test_encoders_start_from_the_states_asked_for(weights: str) -> None:
    text = [["The", "bank", "lends", "."], ["We", "sat", "there", "."]]
    own = encoders.elmo_encoders(weights, None, text)
    asked = encoders.elmo_encoders(weights, ["zero", "warm"], text)
    found = [(each.name, each.lm.initial_state) for each in (*own, *asked)]
    assert found == [("random", "zero"), ("random, zero", "zero"), ("random, warm", "warm")]
