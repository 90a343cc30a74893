"""The factory `elmo_senses`: its default config and its arguments."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from spacy.language import Language
from thinc.api import Model

from spacy_elmo.pipeline.listening.listener import ARCHITECTURE
from spacy_elmo.pipeline.senses.component import ElmoSenses
from spacy_elmo.pipeline.senses.settings import SensesSettings

DEFAULT_CONFIG: dict[str, Any] = {
    **asdict(SensesSettings()),
    "model": {"@architectures": ARCHITECTURE, "upstream": "*"},
}


@Language.factory(
    "elmo_senses",
    assigns=["doc.spans"],
    default_config=DEFAULT_CONFIG,
    default_score_weights={
        "spans_senses_acc": 1.0,
        "spans_senses_f": 0.0,
        "spans_senses_p": 0.0,
        "spans_senses_r": 0.0,
    },
)
def make_elmo_senses(
    nlp: Language,
    name: str,
    model: Model[Any, Any],
    spans_key: str,
    classifier: str,
    view: str,
    attr: str,
) -> ElmoSenses:
    """Make an `elmo_senses` component. It knows no senses yet.

    The arguments are the model, `spacy-elmo.ElmoListener.v1`, and the settings that
    `SensesSettings` documents.

    Raises:
        ValueError: For an impossible setting, and another model.
    """
    settings = SensesSettings(spans_key=spans_key, classifier=classifier, view=view, attr=attr)
    return ElmoSenses(nlp.vocab, model, name, settings)
