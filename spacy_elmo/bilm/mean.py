"""Means over running text: the state that it leaves, and the vectors that it has."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from itertools import chain

import torch
from torch import Tensor

from spacy_elmo.bilm.lstm import LSTMLayer
from spacy_elmo.bilm.network import Network
from spacy_elmo.bilm.walk import walk
from spacy_elmo.types import Floats, Sentence


def mean_state(network: Network, sentences: Sequence[Sentence]) -> tuple[Tensor, Tensor]:
    """Mean state after each sentence of running text, read once from a zero state.

    Args:
        network: The weights.
        sentences: Lists of words, in order.

    Returns:
        h, *Shape:* (n_layers, n_directions, P), and c, with C for P.
    """
    config = network.config
    zero = network.start("zero", 1)
    means: list[tuple[Tensor, Tensor]] = []
    for direction, (name, layers) in enumerate(network.directions()):
        forward = name == "forward"
        mark = network.token_encoder.boundaries[direction]
        # Backwards the stream runs from the last sentence's end to the first one's beginning.
        text = sentences if forward else [list(reversed(words)) for words in reversed(sentences)]
        rows = [[mark, *words] for words in text]
        vectors = network.token_vectors(chain.from_iterable(rows))
        states = zero.h[:, direction], zero.c[:, direction]
        read = partial(_read, lengths=[len(row) for row in rows])
        steps = walk(read, layers, vectors, *states, skip=config.use_skip_connections)
        h, c = zip(*[(mean_h, mean_c) for _, mean_h, mean_c in steps], strict=True)
        means.append((torch.cat(h), torch.cat(c)))
    h, c = zip(*means, strict=True)
    return torch.stack(h, dim=1), torch.stack(c, dim=1)


def _read(
    layer: LSTMLayer, inputs: Tensor, h: Tensor, c: Tensor, *, lengths: Sequence[int]
) -> tuple[Tensor, Tensor, Tensor]:
    """One layer over sentences one after the other; its state after them is their mean state."""
    outputs = []
    mean_h, mean_c = torch.zeros_like(h), torch.zeros_like(c)
    for part in torch.split(inputs, list(lengths)):
        result, h, c = layer(part, [1] * len(part), h, c)
        outputs.append(result)
        mean_h += h / len(lengths)
        mean_c += c / len(lengths)
    return torch.cat(outputs), mean_h, mean_c


def mean_vectors(encoded: Iterable[Floats]) -> Tensor:
    """Mean of each layer over the words of some text.

    Vectors of a language model lie in a narrow cone, so that the cosine of any two is well above
    zero; without their common part it says more (Mu and Viswanath 2018, "All-but-the-top").

    Args:
        encoded: Layers of each sentence. *Shape:* (n_outputs, n_tokens, width).

    Returns:
        *Shape:* (n_outputs, width).

    Raises:
        ValueError: There is no word.
    """
    total: Tensor | None = None
    n_words = 0
    for layers in encoded:
        summed = torch.from_numpy(layers).sum(dim=1, dtype=torch.float64)
        total = summed if total is None else total.add_(summed)
        n_words += layers.shape[1]
    if total is None or not n_words:
        raise ValueError("the mean needs some text: at least one sentence with a word")
    return (total / n_words).float()
