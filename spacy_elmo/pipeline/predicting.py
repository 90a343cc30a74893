"""What a component says of the words that could stand in a place."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from spacy.tokens import Token

from spacy_elmo.bilm.scoring.output_layer import Ranked
from spacy_elmo.pipeline.doc.substitutes import states_around
from spacy_elmo.pipeline.model.bilm import BiLMModel, load
from spacy_elmo.pipeline.settings import ElmoSettings


class Predicting:
    """The side of a component that predicts words. To be mixed into a `TrainablePipe`."""

    model: BiLMModel
    settings: ElmoSettings

    @property
    def attribute(self) -> str:
        """Name of the extension attributes."""
        return self.settings.attribute

    def substitutes(
        self, tokens: Sequence[Token], n: int = 10, direction: str = "both", *, itself: bool = True
    ) -> list[Ranked]:
        """The words that most probably stand in the places of some tokens, many at a time.

        Args:
            tokens: Tokens that have a context: of Docs that a component with context = true has
                read.
            n: How many for each.
            direction: "both", "forward" (what is before alone) or "backward".
            itself: Whether a token's own text may be one of them.

        Returns:
            For each token words and their natural-log probabilities, the most probable first. Never
            special symbols.

        Raises:
            ValueError: For a token without a context, white space, a model without a softmax, and
                bad arguments.
        """
        lm = load(self.model).lm
        ids = lm.output_layer.ids([token.text for token in tokens])
        states = [states_around(token, self.attribute) for token in tokens]
        if not states:
            return []
        halves = np.split(np.stack(states), lm.config.n_directions, axis=1)
        return lm.substitutes_by(halves, n, direction, without=None if itself else ids)
