"""What the states around each token of a Doc say, out of the states of the top layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from spacy_elmo.bilm.context import Neighbours
from spacy_elmo.pipeline.doc.sentences import DocSentences
from spacy_elmo.pipeline.model.loaded import LoadedBiLM
from spacy_elmo.pipeline.settings import ElmoSettings
from spacy_elmo.types import Floats


class Around(NamedTuple):
    """What is around the tokens of a Doc, None where nobody asked.

    Attributes:
        context: The states themselves, zeros for white space.
            *Shape:* (n_directions, n_tokens, width / n_directions).
    """

    context: Floats | None


NOTHING_AROUND = Around(None)


def wants_around(settings: ElmoSettings) -> bool:
    """Whether the settings ask for anything of this."""
    return settings.context


def read_around(
    loaded: LoadedBiLM, read: Sequence[DocSentences], tops: Sequence[Floats]
) -> list[Around]:
    """What the settings ask for, of each Doc.

    Args:
        loaded: The language model.
        read: The sentences of the Docs.
        tops: States of the top layer, zeros for white space. *Shape:* (n_tokens, width).
    """
    edges = loaded.edges[-1]
    n_directions = loaded.lm.config.n_directions
    found = []
    for doc, top in zip(read, tops, strict=True):
        states = Neighbours(doc.numbers, n_directions).gather(np, top, edges)
        found.append(Around(np.stack(np.split(states, n_directions, axis=1))))
    return found
