"""The settings of the component `elmo_senses`: the one list of them."""

from __future__ import annotations

from dataclasses import dataclass

from spacy_elmo.pipeline.doc.fed import TOKEN_ATTRS
from spacy_elmo.pipeline.senses.classifiers import CLASSIFIERS, VIEWS


@dataclass(frozen=True)
class SensesSettings:
    """What the config says of an `elmo_senses` component, beside its model.

    Read from the config whenever a pipeline is loaded. Classifier and view may be others than in
    training: what is saved are the examples.

    Attributes:
        spans_key: Of the span group with the senses, `doc.spans[spans_key]`.
        classifier: "ridge", least squares with a penalty; "knn", the ten nearest examples by their
            cosines; or "centroid", the nearest mean of a sense's examples.
        view: What it looks at: "token", the top layer's vector of the word; "context", the states
            around it; or "both".
        attr: What stands for a word: "LOWER", "TEXT", "NORM" or "LEMMA". Lemmas must be there
            before the component runs.

    Raises:
        ValueError: For an unknown classifier, view or attribute, and an empty key.
    """

    spans_key: str = "senses"
    classifier: str = "ridge"
    view: str = "both"
    attr: str = "LOWER"

    def __post_init__(self) -> None:
        for name, possible in (
            ("classifier", tuple(CLASSIFIERS)),
            ("view", VIEWS),
            ("attr", tuple(TOKEN_ATTRS)),
        ):
            value = getattr(self, name)
            if value not in possible:
                raise ValueError(f"{name} is {value!r}: expected one of {', '.join(possible)}")
        if not self.spans_key:
            raise ValueError("spans_key is empty: expected the name of a span group")
