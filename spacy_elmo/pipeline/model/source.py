"""Where a component's weights come from, before they are loaded."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from spacy_elmo.bilm.bilm import BiLM
from spacy_elmo.bilm.config import STORED_INITIAL_STATES, BiLMConfig
from spacy_elmo.errors import WeightsError
from spacy_elmo.languages import same_language


@dataclass(frozen=True)
class Source:
    """What the config says about weights; building one opens nothing.

    Attributes:
        weights: A name or a path, None for none.
        options: The options file that goes with it, or None.
        vocab: The vocabulary that goes with it, or None.
        initial_state: "zero", "warm", or None for what the weights say.
    """

    weights: str | None = None
    options: str | None = None
    vocab: str | None = None
    initial_state: str | None = None

    def __post_init__(self) -> None:
        state = self.initial_state
        if state == "carry":
            raise ValueError(
                'initial_state = "carry" makes vectors depend on the texts read before, so the '
                'component refuses it: use "zero" or "warm" here, or '
                'BiLM.from_pretrained(..., initial_state="carry") outside spaCy'
            )
        if state is not None and state not in STORED_INITIAL_STATES:
            raise ValueError(
                f"initial_state is {state!r}: expected one of {STORED_INITIAL_STATES} or null"
            )

    def exists(self) -> bool:
        """Whether there is something at the place the weights come from."""
        from spacy_elmo.formats import resolve

        try:
            return self.weights is not None and resolve(self.weights).exists()
        except WeightsError:
            return False

    def load(self, device: torch.device) -> BiLM:
        """Load the weights.

        Raises:
            WeightsError: When there are none, or something is wrong with them.
        """
        if self.weights is None:
            raise WeightsError(
                "the `elmo` component has no weights: give it some with "
                'config={"model": {"weights": "name or path"}}, or load a saved pipeline'
            )
        lm = BiLM.from_pretrained(
            self.weights, options=self.options, vocab=self.vocab, device=device
        )
        self.set_initial_state(lm)
        return lm

    def papers(self) -> dict[str, bytes]:
        """The card and the licences of the weights, by file name."""
        from spacy_elmo.formats import papers_of

        return {} if self.weights is None else papers_of(self.weights)

    def mismatches(self, config: BiLMConfig, language: str, token_attr: str) -> list[str]:
        """What is to be said of weights that were trained on other text than they are used for.

        Args:
            config: Of the weights.
            language: Code of the pipeline's language; "xx" is any, and "" none that is known.
            token_attr: What stands for a word.
        """
        from spacy_elmo.formats.loading import PACKAGED

        lang = config.lang
        if lang is None and self.weights in PACKAGED:
            lang = self.weights.partition("_")[0]
        found = []
        if not same_language(lang, language):
            found.append(
                f"the weights {self.weights!r} were trained on text in {lang!r}, but the "
                f"pipeline is for {language!r}: its words are little more than spellings to "
                "them. Name other weights in the config of the component"
            )
        if config.tokenisation == "lemmas" and token_attr != "LEMMA":
            found.append(
                f"the weights {self.weights!r} were trained on lemmas, but are fed the "
                f'{token_attr} of each token: set token_attr = "LEMMA" in the config of the '
                "component, behind a lemmatizer"
            )
        return found

    def set_initial_state(self, lm: BiLM) -> None:
        """Make a model start where the config says, if it says."""
        if self.initial_state is not None:
            lm.initial_state = self.initial_state
