"""A mix of the layers that some task has learned: kept with the weights, used when asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from spacy_elmo.fields import check_fields, is_finite


@dataclass(frozen=True)
class TaskMix:
    """Weights of the layers and a factor, as an AllenNLP model learned them for its task.

    `weights, gamma = mix` takes it apart.

    Attributes:
        weights: Share of each layer, the token layer first: what the softmax gave, in sum 1.
        gamma: Factor of the whole.
        layer_norm: Whether the task normalised each layer before it mixed them.
    """

    weights: tuple[float, ...]
    gamma: float
    layer_norm: bool = False

    def __post_init__(self) -> None:
        weights = self.weights
        if not weights or not all(is_finite(weight) and weight >= 0 for weight in weights):
            raise ValueError(f"weights is {weights!r}: expected numbers, none negative")
        if not is_finite(self.gamma):
            raise ValueError(f"gamma is {self.gamma!r}: expected a finite number")

    def __iter__(self) -> Iterator[Any]:
        return iter((self.weights, self.gamma))

    def to_dict(self) -> dict[str, Any]:
        """The mix as plain, JSON-able values."""
        return {**asdict(self), "weights": list(self.weights)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TaskMix:
        """The mix that `to_dict` gave.

        Raises:
            ValueError: For anything else.
        """
        if not isinstance(values, Mapping) or not isinstance(values.get("weights"), Sequence):
            raise ValueError(f"a mix is {values!r}: expected an object with a list of weights")
        check_fields(cls, values)
        if "gamma" not in values:
            raise ValueError("a mix has no gamma")
        return cls(**{**values, "weights": tuple(values["weights"])})


def task_mixes_of(values: Any, n_layers: int) -> tuple[TaskMix, ...]:
    """Mixes of what a file holds: a list of what `TaskMix.to_dict` gave, or None for none.

    Args:
        values: What was read.
        n_layers: Layers that each must mix.

    Raises:
        ValueError: For anything else, and mixes of another number of layers.
    """
    if values is None:
        return ()
    if not isinstance(values, list):
        raise ValueError(f"task_mixes is {values!r}: expected a list of mixes")
    mixes = tuple(TaskMix.from_dict(each) for each in values)
    for mix in mixes:
        if len(mix.weights) != n_layers:
            raise ValueError(
                f"task_mixes: a mix has {len(mix.weights)} weights, the model {n_layers} layers"
            )
    return mixes
