"""Facts about tokens as arrays, quicker than asking token by token."""

from __future__ import annotations

from typing import Any

import numpy as np
from spacy.attrs import IDS  # type: ignore[import-not-found]
from spacy.tokens import Doc, Span

from spacy_elmo.types import Bools, Ints


def token_facts(tokens: Doc | Span, *names: str) -> Ints:
    """Values of some of spaCy's attributes, such as "IDX". *Shape:* (n_tokens, n_names)."""
    source: Any = tokens  # spaCy's types know no Span.to_array, which takes no names either
    values = source.to_array([IDS[name] for name in names])
    facts: Ints = values.astype(np.int64).reshape(len(tokens), len(names))
    return facts


def character_offsets(tokens: Doc | Span) -> Ints:
    """First character and end of each token in the Doc's text. *Shape:* (n_tokens, 2)."""
    offsets = token_facts(tokens, "IDX", "LENGTH")
    offsets[:, 1] += offsets[:, 0]
    return offsets


def space_mask(tokens: Doc | Span) -> Bools:
    """Which tokens are white space. *Shape:* (n_tokens,)."""
    mask: Bools = token_facts(tokens, "IS_SPACE")[:, 0] != 0
    return mask
