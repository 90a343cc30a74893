"""How surprising the tokens of a stream of Docs are, whatever pipeline they come from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from spacy.tokens import Doc
from spacy.vocab import Vocab

from spacy_elmo.pipeline.doc.scores import surprisal, surprisal_backward
from spacy_elmo.pipeline.doc.sentences import sentence_numbers
from spacy_elmo.pipeline.elmo import Elmo
from spacy_elmo.pipeline.model.bilm import build_bilm_v1, load
from spacy_elmo.pipeline.settings import ElmoSettings

# Besides that of any `elmo` component that the Docs have met.
ATTRIBUTE = "elmo_scored"


class DocScores(NamedTuple):
    """Of each token of a Doc, white space included, which has 0.

    Attributes:
        forward: How surprising it is after the words before it, in bits.
        backward: Before those after it; None for a forward-only model.
        unknown: Whether it is outside the vocabulary, so that its score is that of `<UNK>`.
    """

    forward: list[float]
    backward: list[float] | None
    unknown: list[bool]


def score_docs(
    docs: Iterable[Doc],
    vocab: Vocab,
    weights: str,
    *,
    state: str | None = None,
    device: str | None = None,
) -> Iterator[tuple[Doc, DocScores]]:
    """Score the tokens of Docs, sentence by sentence.

    Args:
        docs: The Docs; they may be endless.
        vocab: Theirs.
        weights: Name or path of weights with a softmax, which are loaded now.
        state: What sentences start from, "zero" or "warm"; None: what the weights say.
        device: Where to compute.

    Returns:
        The Docs with their scores, in order.

    Raises:
        ValueError: For weights without a softmax, or without that state.
    """
    settings = ElmoSettings(score=True, attribute=ATTRIBUTE, device=device)
    model = build_bilm_v1(weights, initial_state=state)
    elmo = Elmo(vocab, model, ATTRIBUTE, settings)
    numbers = load(model).lm.output_layer.numbers
    return ((doc, _scores(doc, numbers)) for doc in elmo.pipe(docs))


def _scores(doc: Doc, numbers: dict[str, int]) -> DocScores:
    forward = [surprisal(token, ATTRIBUTE) or 0.0 for token in doc]
    backward = [surprisal_backward(token, ATTRIBUTE) for token in doc]
    known = [each for each in backward if each is not None]
    is_word = sentence_numbers(doc) >= 0
    return DocScores(
        forward,
        known if len(known) == len(backward) else None,
        [
            bool(word) and token.text not in numbers
            for token, word in zip(doc, is_word, strict=True)
        ],
    )
