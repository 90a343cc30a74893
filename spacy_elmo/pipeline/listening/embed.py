"""`spacy-elmo.ElmoEmbed.v1`: ELMo's vectors beside a pipe's own features of the words."""

from __future__ import annotations

from typing import Any

from spacy.tokens import Doc
from spacy.util import registry
from thinc.api import Maxout, Model, chain, concatenate, with_array
from thinc.layers.chain import init as init_chain

from spacy_elmo.pipeline.listening.listener import ElmoListener
from spacy_elmo.pipeline.settings import check_at_least
from spacy_elmo.types import Array

EmbedModel = Model[list[Doc], list[Array]]


@registry.architectures("spacy-elmo.ElmoEmbed.v1")  # type: ignore[untyped-decorator]
def build_elmo_embed_v1(
    width: int,
    elmo: Model[Any, Any],
    features: Model[Any, Any] | None = None,
    maxout_pieces: int = 3,
    context: bool = False,
) -> EmbedModel:
    """The `embed` layer of a `spacy.Tok2Vec.v2`: words in context beside their own features.

    For each word its vector in context and its own features stand side by side (Peters et al. 2018,
    section 3.3: [x_k; ELMo_k]), brought to one width by a maxout layer with layer norm, as
    `spacy.MultiHashEmbed.v2` does with static vectors.

    The language model knows what a word means here; the features learn what the task says of the
    word itself, such as its tag in most cases.

    Args:
        width: Of the output.
        elmo: A `spacy-elmo.ElmoListener.v1`.
        features: Such as a `spacy.MultiHashEmbed.v2`; None: ELMo alone.
        maxout_pieces: Of the maxout layer.
        context: The same as `context = true` in the block of the listener.

    Returns:
        A model of Docs. *Shape:* (n_tokens, width) per Doc.

    Raises:
        ValueError: For an impossible size.
    """
    check_at_least(1, "width", width)
    check_at_least(1, "maxout_pieces", maxout_pieces)
    if context:
        for node in elmo.walk():
            if isinstance(node, ElmoListener):
                node.use_context()
    vectors = elmo if features is None else concatenate(elmo, features)
    maxout = Maxout(nO=width, nP=maxout_pieces, normalize=True, dropout=0.0)
    model: EmbedModel = chain(vectors, with_array(maxout))
    # Some pipes, the entity linker for one, ask for it when they are made.
    model.set_dim("nO", width)
    model.init = init_embed
    return model


def init_embed(model: EmbedModel, X: Any = None, Y: Any = None) -> None:
    """Initialise all layers; without data the maxout layer goes by the sizes of those before it."""
    vectors, maxout = model.layers
    if X is None:
        vectors.initialize()
        width = vectors.maybe_get_dim("nO")
        if width is not None:
            _first(maxout).set_dim("nI", width)
    init_chain(model, X, Y)


def _first(model: Model[Any, Any]) -> Model[Any, Any]:
    while model.layers:
        model = model.layers[0]
    return model
