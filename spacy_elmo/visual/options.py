"""What can be set for each style, with the defaults."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeVar

from spacy_elmo.errors import ElmoError
from spacy_elmo.fields import check_fields
from spacy_elmo.visual.theme import THEMES, Theme


@dataclass(frozen=True)
class Options:
    """Options that every style has.

    Attributes:
        theme: "light", "dark", or "auto": what the reader's system prefers.
        title: What is written above; None: what the style thinks fit.
        attribute: The `attribute` of the component.
    """

    theme: Theme = "auto"
    title: str | None = None
    attribute: str = "elmo"


@dataclass(frozen=True)
class SimilarityOptions(Options):
    """Options of `similarity`.

    Attributes:
        labels: What to write beside each token, span or doc; None: its text, or the words around.
        groups: What each belongs to. Those of one group stand together, under its name. None: the
            labels of spans, if all have one.
        max_items: How many are shown at most.
        values: Write the numbers into the cells; None: where there are 16 or fewer.
    """

    labels: Sequence[str] | None = None
    groups: Sequence[str] | None = None
    max_items: int = 100
    values: bool | None = None


@dataclass(frozen=True)
class SensesOptions(Options):
    """Options of `senses`.

    Attributes:
        word: Whose occurrences are shown, in any case; None: what was given are tokens or spans.
        color: "sense": by the labels of `doc.spans[spans_key]`; "cluster": by clusters of the
            vectors; None: by sense if any occurrence has one.
        spans_key: Key of the span groups.
        n_clusters: How many clusters; None: from one to six, whichever separates best.
        surroundings: Weight of the content words around, beside the word's own vector, for places
            and clusters; 0: the own vector alone.
        projection: "pca" or "umap" (which needs the package umap-learn).
        max_points: How many are shown at most.
    """

    word: str | None = None
    color: str | None = None
    spans_key: str = "senses"
    n_clusters: int | None = None
    surroundings: float = 1.0
    projection: str = "pca"
    max_points: int = 1000


@dataclass(frozen=True)
class SurprisalOptions(Options):
    """Options of `surprisal`.

    Attributes:
        direction: "forward" or "backward": of reading.
        max_bits: The end of the scale. The same for all texts, so that they compare.
        max_tokens: Tokens shown of a Doc at most.
    """

    direction: str = "forward"
    max_bits: float = 20.0
    max_tokens: int = 5000


@dataclass(frozen=True)
class LayersOptions(Options):
    """Options of `layers`."""


@dataclass(frozen=True)
class CurvesOptions(Options):
    """Options of `curves`."""


@dataclass(frozen=True)
class ExplorerOptions(Options):
    """Options of `explorer`.

    Attributes:
        word: Shown first; None: a frequent word of several groups.
        spans_key: Key of span groups whose labels are the meanings of what they cover; words
            without any are grouped by clusters.
        surroundings: Weight of the content words around, beside the word's own vector, for places
            and clusters. Neighbours are those of the own vectors.
        max_occurrences: Occurrences kept at most.
        max_per_word: Of each word at most.
        max_width: Vectors wider than this are projected to it by PCA.
    """

    word: str | None = None
    spans_key: str = "senses"
    surroundings: float = 1.0
    max_occurrences: int = 20_000
    max_per_word: int = 200
    max_width: int = 256


AnyOptions = TypeVar("AnyOptions", bound=Options)

_CHOICES: dict[str, tuple[str | None, ...]] = {
    "theme": THEMES,
    "color": (None, "sense", "cluster"),
    "projection": ("pca", "umap"),
    "direction": ("forward", "backward"),
}
_AT_LEAST = {
    "max_items": 2,
    "max_points": 1,
    "n_clusters": 1,
    "surroundings": 0,
    "max_tokens": 1,
    "max_occurrences": 1,
    "max_per_word": 1,
    "max_width": 2,
}


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def read_options(cls: type[AnyOptions], given: Mapping[str, Any], style: str) -> AnyOptions:
    """Options of a style, checked.

    Raises:
        ElmoError: For an option that the style has not, and an impossible value.
    """
    unknown = sorted(set(given) - {field.name for field in fields(cls)})
    if unknown:
        names = ", ".join(sorted(field.name for field in fields(cls)))
        raise ElmoError(f"style {style!r} has no option {unknown[0]!r}: it has {names}")
    values = {name: value for name, value in given.items() if name not in _CHOICES}
    try:
        check_fields(cls, values)
    except ValueError as error:
        raise ElmoError(f"option {error}") from error
    for name, value in given.items():
        if name in _CHOICES and value not in _CHOICES[name]:
            expected = ", ".join(map(repr, _CHOICES[name]))
            raise ElmoError(f"option {name} is {value!r}: expected one of {expected}")
        if name in ("labels", "groups") and value is not None and not _is_list(value):
            raise ElmoError(f"option {name} is {value!r:.80}: expected a list")
        if name in _AT_LEAST and value is not None and value < _AT_LEAST[name]:
            raise ElmoError(f"option {name} is {value!r}: expected {_AT_LEAST[name]} or more")
    if given.get("max_bits", 1) <= 0:
        raise ElmoError(f"option max_bits is {given['max_bits']!r}: expected more than 0")
    return cls(**given)
