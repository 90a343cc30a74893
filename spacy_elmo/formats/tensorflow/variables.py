"""Names of variables in checkpoints of biLMs, and which of them say nothing about vectors."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

from spacy_elmo.errors import problem
from spacy_elmo.formats.blocks import Stored
from spacy_elmo.formats.hdf5.names import Spelling
from spacy_elmo.formats.tensorflow.bundle import Bundle
from spacy_elmo.formats.tensors import Place
from spacy_elmo.types import Array, Shape

# TensorFlow has spelled cells in these ways: bilm-tf's training in 1.x, with and without levels for
# directions and layers; its graph for prediction, which TF-Hub's modules hold; all of 0.x.
_CELLS = (
    *("RNN_{d}/rnn/multi_rnn_cell/cell_{i}/lstm_cell", "RNN_{d}/rnn/lstm_cell"),
    *("rnn/multi_rnn_cell/cell_{i}/lstm_cell", "rnn/lstm_cell"),
    "RNN_{d}/RNN/MultiRNNCell/Cell{i}/rnn/lstm_cell",
    *("RNN_{d}/RNN/MultiRNNCell/Cell{i}/LSTMCell", "RNN_{d}/RNN/LSTMCell"),
    *("RNN/MultiRNNCell/Cell{i}/LSTMCell", "RNN/LSTMCell"),
)
# Names within a cell: of 1.2 and later, of 1.0 and 1.1, of 0.x.
_WITHIN = (
    ("kernel", "bias", "projection/kernel"),
    ("weights", "biases", "projection/weights"),
    ("W_0", "B", "W_P_0"),
)
SPELLINGS = tuple(Spelling(cell, *within) for cell, within in product(_CELLS, _WITHIN))

# A scope, and whether its tables begin with a row of zeros for "no word": those of prediction do.
_SCOPES = (("lm/", False), ("bilm/", True), ("module/bilm/", True))

_SLOTS = re.compile(
    r"(?P<of>.+)/(?:Adagrad|Adam|Adadelta|Ftrl|Momentum|RMSProp|GradientDescent)(?:_\d+)?"
)
_COUNTERS = re.compile(r"(?:.*/)?(?:global_step|train_perplexity|beta[12]_power(?:_\d+)?)")
_STATES = re.compile(r"(?:module/)?bilm/Variable(?:_\d+)?")
_AGGREGATION = re.compile(r"(?:module/)?aggregation/.+")


@dataclass(frozen=True)
class Variables:
    """The variables of a network among those of a checkpoint.

    Attributes:
        scope: What their names begin with.
        stored: Them, without their scope: under the names that bilm-tf has for them.
        aggregation: Names of the weights of a TF-Hub module's own mix of the layers.
    """

    scope: str
    stored: Mapping[str, Stored]
    aggregation: tuple[str, ...]

    def named(self) -> dict[str, Stored]:
        """Them by their full names."""
        return {self.scope + name: stored for name, stored in self.stored.items()}

    def place(self, spelling: Spelling, name: str, shape: Shape) -> Place:
        """Where the checkpoint holds one of our tensors."""
        place = spelling.place(name, shape)
        return replace(place, key=self.scope + place.key)


def network_variables(bundle: Bundle) -> Variables:
    """Sort the variables of a checkpoint.

    Args:
        bundle: Its index.

    Raises:
        WeightsError: For one that is of no network, of no optimizer, and no counter: it is not
            known what it is for; and for one that is stored in parts.
    """
    scope, padded = _scope(bundle.entries)
    stored, aggregation = {}, []
    for name, entry in bundle.entries.items():
        if _is_beside(name, bundle):
            continue
        if _AGGREGATION.fullmatch(name):
            aggregation.append(name)
        elif not name.startswith(scope):
            what = f"is unknown (shape {entry.shape}): expected names that begin with {scope!r}"
            advice = "Give the checkpoint of a biLM of bilm-tf"
            raise problem(bundle.index, what, advice, tensor=name)
        elif entry.sliced:
            what = "is stored in parts (a partitioned variable), which is not read"
            raise problem(bundle.index, what, "Save it as a whole", tensor=name)
        else:
            variable = bundle.stored(name)
            own = name.removeprefix(scope)
            if padded and own in ("char_embed", "embedding"):
                variable = _without_padding(bundle.index, name, variable)
            stored[own] = variable
    return Variables(scope, stored, tuple(aggregation))


def _scope(names: Collection[str]) -> tuple[str, bool]:
    for scope, padded in _SCOPES:
        if any(name.startswith(scope) for name in names):
            return scope, padded
    return _SCOPES[0]


def _is_beside(name: str, bundle: Bundle) -> bool:
    """Whether a variable belongs to an optimizer, is a counter, or a state."""
    slot = _SLOTS.fullmatch(name)
    of = bundle.entries.get(slot["of"]) if slot else None
    if of is not None and of.shape == bundle.entries[name].shape:
        return True
    return bool(_COUNTERS.fullmatch(name) or _STATES.fullmatch(name))


def _without_padding(index: Path, name: str, table: Stored) -> Stored:
    """A table without its first row, which must be of zeros."""
    if len(table.shape) != 2 or not table.shape[0]:
        return table  # whoever compares shapes will say so

    def rows(start: int, stop: int) -> Array:
        if not start and table.read(0, 1).any():
            what = "does not begin with the row of zeros that stands for no word"
            raise problem(index, what, "Give the checkpoint of a biLM of bilm-tf", tensor=name)
        return table.read(start + 1, stop + 1)

    return Stored((table.shape[0] - 1, table.shape[1]), table.dtype, rows)
