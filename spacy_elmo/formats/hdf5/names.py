"""Names and arrangements of tensors in the HDF5 files of bilm-tf and AllenNLP."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from torch import Tensor

from spacy_elmo.formats.tensors import AS_IS, Layout, Place
from spacy_elmo.types import Shape


def _convolution(weight: Tensor) -> Tensor:
    """Turn (n, d_c, width) into (1, width, d_c, n)."""
    return weight.permute(2, 1, 0).unsqueeze(0)


TRANSPOSED = Layout(lambda weight: weight.t())
CONVOLUTION = Layout(_convolution)
GATES_TRANSPOSED = Layout(lambda weight: weight.t(), gates=True)
GATES = Layout(lambda bias: bias, gates=True)

# What other readers do not know lives in a group of its own, where they do not look.
OWN_GROUP = "spacy_elmo"
# Attribute of it, a list in JSON, there only in weights that come from a task's model.
TASK_MIXES = "task_mixes"

# Our name, the name in the file, the arrangement there. A field in braces stands for a number, or
# for a direction, which the file numbers: 0 is forward, 1 backward. `{cell}` depends on who wrote
# the file.
KEYS: tuple[tuple[str, str, Layout], ...] = (
    ("token_encoder.embedding", "embedding", AS_IS),
    ("token_encoder.char_embedding", "char_embed", AS_IS),
    ("token_encoder.convolutions.{i}.weight", "CNN/W_cnn_{i}", CONVOLUTION),
    ("token_encoder.convolutions.{i}.bias", "CNN/b_cnn_{i}", AS_IS),
    ("token_encoder.highways.{i}.gate.weight", "CNN_high_{i}/W_carry", TRANSPOSED),
    ("token_encoder.highways.{i}.gate.bias", "CNN_high_{i}/b_carry", AS_IS),
    ("token_encoder.highways.{i}.transform.weight", "CNN_high_{i}/W_transform", TRANSPOSED),
    ("token_encoder.highways.{i}.transform.bias", "CNN_high_{i}/b_transform", AS_IS),
    ("token_encoder.projection.weight", "CNN_proj/W_proj", TRANSPOSED),
    ("token_encoder.projection.bias", "CNN_proj/b_proj", AS_IS),
    ("{direction}_layers.{i}.weight", "{cell}/{weight}", GATES_TRANSPOSED),
    ("{direction}_layers.{i}.bias", "{cell}/{bias}", GATES),
    ("{direction}_layers.{i}.projection", "{cell}/{projection}", TRANSPOSED),
    ("softmax.weight", "softmax/W", AS_IS),
    ("softmax.bias", "softmax/b", AS_IS),
    ("initial_h", f"{OWN_GROUP}/initial_h", AS_IS),
    ("initial_c", f"{OWN_GROUP}/initial_c", AS_IS),
    ("mean_layers", f"{OWN_GROUP}/mean_layers", AS_IS),
)


@dataclass(frozen=True)
class Spelling:
    """One way to name the LSTM weights.

    Attributes:
        cell: The group of one layer of one direction.
        weight: Name of the weights within it.
        bias: Name of the bias within it.
        projection: Name of the projection within it.
    """

    cell: str
    weight: str = "W_0"
    bias: str = "B"
    projection: str = "W_P_0"

    @property
    def numbers_layers(self) -> bool:
        """False: TensorFlow made no group per layer, because there is only one."""
        return "{i}" in self.cell

    @property
    def numbers_directions(self) -> bool:
        """False: the group of a forward-only model."""
        return "{d}" in self.cell

    def is_used(self, names: Collection[str]) -> bool:
        """Whether a file with datasets of these names spells so."""
        return f"{self.cell.format(d=0, i=0)}/{self.weight}" in names

    def place(self, name: str, shape: Shape) -> Place:
        """Where the file holds one of our tensors.

        >>> STANDARD.place("backward_layers.1.weight", (64, 8)).key
        'RNN_1/RNN/MultiRNNCell/Cell1/LSTMCell/W_0'
        """
        for ours, theirs, layout in KEYS:
            match = _pattern(ours).fullmatch(name)
            if match is None:
                continue
            numbers = match.groupdict()
            direction = int(numbers.get("direction") == "backward")
            fields = {
                "i": numbers.get("i"),
                "cell": self.cell.format(d=direction, i=numbers.get("i")),
                "weight": self.weight,
                "bias": self.bias,
                "projection": self.projection,
            }
            return Place(name, shape, theirs.format(**fields), layout)
        raise AssertionError(f"no HDF5 name for {name!r}")


def _pattern(template: str) -> re.Pattern[str]:
    fields = {r"\{i\}": r"(?P<i>\d+)", r"\{direction\}": r"(?P<direction>forward|backward)"}
    pattern = re.escape(template)
    for field, group in fields.items():
        pattern = pattern.replace(field, group)
    return re.compile(pattern)


# The names AllenNLP reads; the only ones written.
STANDARD = Spelling("RNN_{d}/RNN/MultiRNNCell/Cell{i}/LSTMCell")

_UNTRANSLATED = ("kernel", "bias", "projection/kernel")

# bilm-tf's `dump_weights` derives names from TensorFlow's, which have no level for layers where
# there is one, and none for directions, which also escape its translation, where there is one.
SPELLINGS = (
    STANDARD,
    Spelling("RNN_{d}/RNN/LSTMCell"),
    Spelling("rnn/MultiRNNCell/Cell{i}/LSTMCell", *_UNTRANSLATED),
    Spelling("rnn/LSTMCell", *_UNTRANSLATED),
)
