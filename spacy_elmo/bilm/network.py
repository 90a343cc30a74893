"""The network: token layer, LSTM layers in each direction, and the differentiable way through."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from spacy_elmo.bilm.config import INITIAL_STATES, BiLMConfig
from spacy_elmo.bilm.lstm import LSTMLayer
from spacy_elmo.bilm.packing import pack
from spacy_elmo.bilm.sentences import Words, check_sentences, word_types
from spacy_elmo.bilm.softmax import Softmax
from spacy_elmo.bilm.stack import Stack
from spacy_elmo.bilm.state import State
from spacy_elmo.bilm.task_mix import TaskMix
from spacy_elmo.bilm.token_encoder import CharCNN
from spacy_elmo.bilm.token_layers import build_token_encoder
from spacy_elmo.bilm.walk import walk
from spacy_elmo.types import Sentence


class Network(nn.Module):
    """Configuration, weights and vocabulary of a biLM, and what they compute.

    Nothing in it is of the moment: what it gives depends on its weights and arguments alone.

    Args:
        config: Sizes and switches.
        vocabulary: For word input the word of each embedding row; with characters the words of the
            softmax, if there is one.

    Attributes:
        config: Sizes and switches.
        vocabulary: The words, or None.
        softmax: The output layer for scoring, or None.
        initial_h: The stored state of running text, or None. *Shape:* (n_layers, n_directions, P).
        initial_c: The same of the cells. *Shape:* (n_layers, n_directions, C).
        mean_layers: The mean vector of each layer, or None. *Shape:* (n_outputs, width).
        task_mixes: Mixes of the layers that a task has learned, if the weights come from one.
        notes: What to know of how the weights were read, for messages; never saved.
        read_as: The form they were read in, for messages; "" for none. Never saved.
    """

    initial_h: Tensor | None
    initial_c: Tensor | None
    mean_layers: Tensor | None

    def __init__(self, config: BiLMConfig, vocabulary: Sequence[str] | None = None) -> None:
        super().__init__()
        self.config = config
        self.token_encoder = build_token_encoder(config)
        self.forward_layers = Stack[LSTMLayer](_layer(config) for _ in range(config.n_layers))
        self.backward_layers = (
            Stack[LSTMLayer](_layer(config) for _ in range(config.n_layers))
            if config.bidirectional
            else None
        )
        self.softmax: Softmax | None = None
        for name in ("initial_h", "initial_c", "mean_layers"):
            self.register_buffer(name, None)
        self.task_mixes: tuple[TaskMix, ...] = ()
        self.notes: tuple[str, ...] = ()
        self.read_as = ""
        self.vocabulary: list[str] | None = None
        self.set_vocabulary(vocabulary)
        # On the meta device there are no values to set, and drawing normal ones there makes PyTorch
        # import its compiler: more than a second, and 70 MB.
        if self.device.type != "meta":
            self.reset_parameters()

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, local_metadata: Any, *args: Any
    ) -> None:
        """Make room for what a model may have or not: warm state, mean, softmax.

        PyTorch calls this before it looks into the modules inside.
        """
        *_, errors = args
        for pair in (("initial_h", "initial_c"), ("softmax.weight", "softmax.bias")):
            there = [name for name in pair if prefix + name in state_dict]
            if len(there) == 1:
                errors.append(f"{prefix}{there[0]} without its partner: expected both of {pair}")
        config = self.config
        states = (config.n_layers, config.n_directions)
        like = next(self.parameters())
        for name, shape in (
            ("initial_h", (*states, config.projection_dim)),
            ("initial_c", (*states, config.lstm_dim)),
            ("mean_layers", (config.n_outputs, config.width)),
        ):
            if prefix + name in state_dict and getattr(self, name) is None:
                setattr(self, name, like.new_zeros(shape))
        rows = state_dict.get(f"{prefix}softmax.weight")
        if rows is not None and self.softmax is None:
            with torch.device(like.device):
                self.softmax = Softmax(len(rows), config.projection_dim).to(like.dtype)
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *args)

    def reset_parameters(self) -> None:
        """Initialise all weights at random, as bilm-tf does before training."""
        self.token_encoder.reset_parameters()
        for _, layers in self.directions():
            for layer in layers:
                layer.reset_parameters()

    def set_vocabulary(self, vocabulary: Sequence[str] | None) -> None:
        """Set the vocabulary.

        Raises:
            ValueError: It does not fit a word-input model.
        """
        self.vocabulary = None if vocabulary is None else list(vocabulary)
        if self.vocabulary is not None and not isinstance(self.token_encoder, CharCNN):
            self.token_encoder.set_vocabulary(self.vocabulary)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device

    def directions(self) -> list[tuple[str, Stack[LSTMLayer]]]:
        """Name and LSTM layers of each direction: forward, and backward if there is one."""
        both = (("forward", self.forward_layers), ("backward", self.backward_layers))
        return [(name, layers) for name, layers in both if layers is not None]

    def start(self, initial_state: str, n_rows: int) -> State:
        """The state of so many rows before their first word.

        Args:
            initial_state: "zero", or "warm": the stored state of running text.
            n_rows: Number of rows.

        Raises:
            ValueError: The weights hold no warm state, or there is no such state.
        """
        if initial_state == "zero":
            dtype = next(self.parameters()).dtype
            return State.zero(self.config, n_rows, self.device, dtype)
        if initial_state != "warm":
            raise ValueError(
                f"initial_state is {initial_state!r}: expected one of {INITIAL_STATES}"
            )
        if self.initial_h is None or self.initial_c is None:
            raise ValueError(
                "these weights hold no warm state: call warm_up(sentences) with some running "
                'text first, or use initial_state="zero"'
            )
        return State.repeated(self.initial_h, self.initial_c, n_rows)

    def token_vectors(self, words: Iterable[str]) -> Tensor:
        """Token-layer vectors of words, each distinct one computed once. *Shape:* (n_words, P)."""
        types, numbers = word_types(words)
        table: Tensor = self.token_encoder(self.token_encoder.word_ids(types).to(self.device))
        return table[torch.tensor(numbers, dtype=torch.int64, device=self.device)]

    def run(
        self, sentences: Iterable[Words], state: State, *, boundaries: bool = False
    ) -> tuple[Tensor, State]:
        """All layers of all tokens, with gradients: the plain way through the network.

        Args:
            sentences: Lists of words.
            state: What each sentence starts from.
            boundaries: Keep the rows of `<S>` and `</S>` around each sentence.

        Returns:
            Rows of all sentences, one after the other, *Shape:* (n_outputs, n_rows, width), and the
            state after each sentence. Layer 0 is the token layer, once per direction.

        Raises:
            ValueError: A sentence is a string or a token, or holds something else than words.
        """
        # What the caller computes in half precision is the caller's: the network's own numbers are
        # those of its weights' float type.
        with torch.autocast(self.device.type, enabled=False):
            return self._run(check_sentences(sentences), state, boundaries)

    def _run(
        self, sentences: Sequence[Sentence], state: State, boundaries: bool
    ) -> tuple[Tensor, State]:
        begin, end = self.token_encoder.boundaries
        rows = [[begin, *words, end] for words in sentences]
        packing = pack([len(words) for words in rows])
        vectors = self.token_vectors(chain.from_iterable(rows))
        order = torch.from_numpy(packing.order).to(self.device)
        back_to_rows = _inverse(order)
        skip = self.config.use_skip_connections

        def recurrence(
            layer: LSTMLayer, inputs: Tensor, h: Tensor, c: Tensor
        ) -> tuple[Tensor, Tensor, Tensor]:
            after: tuple[Tensor, Tensor, Tensor] = layer(inputs, packing.batch_sizes, h, c)
            return after

        halves, last_h, last_c = [], [], []
        for d, (name, layers) in enumerate(self.directions()):
            packed = torch.from_numpy(packing.rows(name)).to(self.device)
            back_to_tokens = _inverse(packed)
            before = state.h[:, d][:, order], state.c[:, d][:, order]
            half, half_h, half_c = [vectors], [], []
            for result, h, c in walk(recurrence, layers, vectors[packed], *before, skip=skip):
                half.append(result[back_to_tokens])
                half_h.append(h)
                half_c.append(c)
            halves.append(half)
            last_h.append(torch.stack(half_h)[:, back_to_rows])
            last_c.append(torch.stack(half_c)[:, back_to_rows])
        outputs = torch.stack([torch.cat(pair, dim=1) for pair in zip(*halves, strict=True)])
        after = State(torch.stack(last_h, dim=1), torch.stack(last_c, dim=1))
        if boundaries:
            return outputs, after
        return outputs[:, inside(sentences).to(self.device)], after


def inside(sentences: Iterable[Sentence]) -> Tensor:
    """Which rows are words, and not `<S>` or `</S>` around them. *Shape:* (n_rows,)."""
    rows = [[False, *[True] * len(words), False] for words in sentences]
    return torch.from_numpy(np.concatenate(rows or [[]]).astype(bool))


def _inverse(order: Tensor) -> Tensor:
    """Where each place of an order went."""
    inverse = torch.empty_like(order)
    inverse[order] = torch.arange(len(order), device=order.device)
    return inverse


def _layer(config: BiLMConfig) -> LSTMLayer:
    return LSTMLayer(
        config.lstm_dim,
        config.projection_dim,
        projection=config.lstm_projection,
        cell_clip=config.cell_clip,
        proj_clip=config.proj_clip,
    )
