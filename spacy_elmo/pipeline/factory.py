"""The factory `elmo`: its default config and its arguments."""

from __future__ import annotations

import inspect
from dataclasses import asdict, fields
from typing import Any

from spacy.language import Language
from thinc.api import Model

from spacy_elmo.pipeline.doc import attributes
from spacy_elmo.pipeline.elmo import Elmo
from spacy_elmo.pipeline.model.bilm import build_bilm_v1
from spacy_elmo.pipeline.settings import ElmoSettings

DEFAULT_CONFIG: dict[str, Any] = {
    **asdict(ElmoSettings()),
    "model": {
        "@architectures": "spacy-elmo.BiLM.v1",
        **{
            name: parameter.default
            for name, parameter in inspect.signature(build_bilm_v1).parameters.items()
        },
    },
}


@Language.factory(
    "elmo",
    default_config=DEFAULT_CONFIG,
    assigns=[
        *(f"{owner}._.elmo" for owner in ("doc", "span", "token")),
        *(f"{owner}._.elmo_layers" for owner in ("doc", "span", "token")),
        *(f"{owner}._.elmo_vectors" for owner in ("doc", "span")),
        *(f"{owner}._.elmo_context" for owner in ("span", "token")),
        "token._.elmo_surprisal",
        "token._.elmo_surprisal_backward",
        "doc._.elmo_perplexity",
    ],
)
def make_elmo(
    nlp: Language,
    name: str,
    model: Model[Any, Any],
    frozen: bool,
    keep_layers: bool,
    attribute: str,
    set_tensor: bool,
    set_hooks: bool,
    center_similarity: bool,
    learn_rate_factor: float,
    batch_tokens: int | None,
    type_cache_size: int | None,
    precision: str,
    cache: str | None,
    cache_gb: float,
    cache_half: bool,
    save_dtype: str,
    save_softmax: bool | None,
    device: str | None,
    context: bool,
    score: bool,
    token_attr: str,
) -> Elmo:
    """Make an `elmo` component. Opens no weights.

    The arguments are the model, `spacy-elmo.BiLM.v1`, and the settings that `ElmoSettings`
    documents. spaCy checks a config against this signature, so they are written out here.

    Raises:
        ValueError: For an impossible setting, and an extension attribute that is taken, by another
            component or the user.
    """
    given = locals()
    settings = ElmoSettings(**{field.name: given[field.name] for field in fields(ElmoSettings)})
    for other_name, other in nlp.components:
        if isinstance(other, Elmo) and other.attribute == attribute:
            raise ValueError(attributes.taken(attribute, name, other_name))
    return Elmo(nlp.vocab, model, name, settings)
