"""What could stand in the place of a token, by the component whose vectors its Doc keeps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol
from weakref import ReferenceType, WeakKeyDictionary, WeakSet, ref

from spacy.tokens import Doc, Token
from spacy.vocab import Vocab

from spacy_elmo.pipeline.doc.context import context
from spacy_elmo.types import Floats


class Predictor(Protocol):
    """A component that says what could stand in the place of a token."""

    vocab: Vocab

    @property
    def attribute(self) -> str:
        """Name of its extension attributes."""

    def substitutes(
        self, tokens: Sequence[Token], n: int = 10, direction: str = "both", *, itself: bool = True
    ) -> list[list[tuple[str, float]]]:
        """The most probable words for the place of each token."""


_predictors: WeakSet[Predictor] = WeakSet()
# The component that read a Doc, by its attribute. A Doc from a file or another process has none.
_readers: WeakKeyDictionary[Doc, dict[str, ReferenceType[Predictor]]] = WeakKeyDictionary()


def register_predictor(component: Predictor) -> None:
    """Let the tokens of a component's Docs ask it. It is not kept alive."""
    _predictors.add(component)


def note_reader(doc: Doc, component: Predictor) -> None:
    """Let the tokens of a Doc ask the component that read it, which is not kept alive."""
    _readers.setdefault(doc, {})[component.attribute] = ref(component)


def substitutes(
    token: Token,
    attribute: str,
    n: int = 10,
    direction: str = "both",
    *,
    itself: bool = True,
) -> list[tuple[str, float]]:
    """The words that most probably stand in the place of a token, by what stands around it.

    Reads nothing anew: needs the context that a component with context = true keeps.

    Args:
        token: The token.
        attribute: The `attribute` of the component.
        n: How many.
        direction: "both", "forward" (what is before alone) or "backward".
        itself: Whether the token's own text may be one of them.

    Returns:
        Words and their natural-log probabilities, the most probable first. Never special symbols.

    Raises:
        ValueError: Where the component that read the Doc is gone; where none is known, and no or
            more than one component with this attribute has the vocabulary of the Doc; for a context
            that was not kept, a model without a softmax, white space, and bad arguments.
    """
    states_around(token, attribute)  # raises where there are none, whoever could be asked
    reader = _readers.get(token.doc, {}).get(attribute)
    if reader is not None:
        component = reader()
        possible = [] if component is None else [component]
    else:
        possible = [
            each
            for each in list(_predictors)
            if each.vocab is token.vocab and each.attribute == attribute
        ]
    if len(possible) == 1:
        return possible[0].substitutes([token], n, direction, itself=itself)[0]
    if possible:
        raise ValueError(
            f"`._.{attribute}_substitutes` asks the language model, and {len(possible)} components "
            f'with the attribute "{attribute}" have the vocabulary of this Doc, which none of them '
            "has read here: ask the right one, nlp.get_pipe(...).substitutes([token])"
        )
    raise ValueError(
        f"`._.{attribute}_substitutes` asks the language model, and there is no component with the "
        f'attribute "{attribute}" in a pipeline with the vocabulary of this Doc: keep the pipeline '
        "as long as its Docs, and read Docs with its vocabulary, DocBin.get_docs(nlp.vocab)"
    )


def states_around(token: Token, attribute: str) -> Floats:
    """The context of a token, from which it can be predicted. *Shape:* (width,).

    Raises:
        ValueError: For white space, and for a context that was not kept.
    """
    if token.is_space:
        raise ValueError(f"token {token.i} is white space, which the language model does not read")
    found = context(token, attribute)
    if found is None:
        raise ValueError(
            f"the context of {token!r} was not kept: set context = true in the config of the "
            "`elmo` component, and run it over the Doc"
        )
    return found
