"""Which kernels there are, and the instruction set that each of them uses."""

from __future__ import annotations

import torch

from spacy_elmo.bilm.kernels import char_cnn
from spacy_elmo.bilm.kernels.lstm_cell import lstm_cell
from spacy_elmo.bilm.kernels.lstm_output import lstm_output
from spacy_elmo.bilm.kernels.lstm_training import training_cell
from spacy_elmo.bilm.kernels.sampled_softmax import softmax_pass


def kernels_in_use() -> dict[str, str | None]:
    """The kernels' choices for float32 on a CPU, as whoever runs them gets it.

    Returns:
        For the name of each kernel its instruction set, or None where PyTorch does its work.
    """
    kind = torch.float32, torch.float32, torch.device("cpu")
    chosen: dict[str, object] = {
        "LSTM cell": lstm_cell(*kind),
        "LSTM output": lstm_output(*kind),
        "LSTM training": training_cell(*kind),
        "Sampled softmax": softmax_pass(*kind),
    }
    used = {name: getattr(kernel, "instruction_set", None) for name, kernel in chosen.items()}
    used["Character CNN"] = char_cnn.instruction_set_for(*kind[1:])
    return used
