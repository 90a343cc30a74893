"""What is of the moment when a network reads: where sentences start, caches, precision."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from spacy_elmo.bilm.config import INITIAL_STATES
from spacy_elmo.bilm.inference.cache import DEFAULT_CACHE_SIZE, TokenCache
from spacy_elmo.bilm.inference.engine import Engine
from spacy_elmo.bilm.inference.windows import NOT_FINITE, Mix, encode_windows
from spacy_elmo.bilm.network import Network
from spacy_elmo.bilm.sentences import Words, check_sentences
from spacy_elmo.bilm.state import CarriedState
from spacy_elmo.fork_lock import ForkLock
from spacy_elmo.types import Floats


class Encoder:
    """Reads sentences with a network, which it never changes.

    A network may have any number of them: one with another initial state or precision takes
    nothing from the others. The network is an argument of each call, not a part of the encoder, so
    that a model can own one without holding on to itself.

    Args:
        initial_state: "zero", "warm" or "carry"; see `BiLM`.
        cache_size: Word types whose token-layer vector is kept.
        compute_dtype: Float type of the LSTM products in `encode` and `stream`.

    Raises:
        ValueError: There is no such initial state.
    """

    def __init__(
        self,
        initial_state: str = "zero",
        *,
        cache_size: int = DEFAULT_CACHE_SIZE,
        compute_dtype: torch.dtype = torch.float32,
    ) -> None:
        self.cache_size = cache_size
        self.compute_dtype = compute_dtype
        self._carried = CarriedState()
        self._engine: tuple[tuple[object, ...], Engine] | None = None
        self._lock = ForkLock()
        self._told_not_finite = False
        self.initial_state = initial_state

    @property
    def initial_state(self) -> str:
        """The state sentences start from. Setting it forgets what was carried."""
        return self._initial_state

    @initial_state.setter
    def initial_state(self, value: str) -> None:
        if value not in INITIAL_STATES:
            raise ValueError(f"initial_state is {value!r}: expected one of {INITIAL_STATES}")
        self._initial_state = value
        self._carried.reset()

    def forward(
        self, network: Network, sentences: Iterable[Words], *, boundaries: bool = False
    ) -> Tensor:
        """All layers of all tokens, with gradients; see `BiLM.forward`."""
        sentences = check_sentences(sentences)
        carries = self.initial_state == "carry"
        state = network.start("zero" if carries else self.initial_state, len(sentences))
        if carries:
            state = self._carried.start(state)
        layers, after = network.run(sentences, state, boundaries=boundaries)
        if carries:
            self._carried.update(after)
        # Asked of a GPU, this would wait for it at every call.
        if layers.device.type == "cpu":
            self._tell_not_finite(layers.detach())
        return layers

    def encode(
        self,
        network: Network,
        sentences: Iterable[Words],
        *,
        mix: Mix | None = None,
        batch_tokens: int | None = None,
    ) -> list[Floats]:
        """Layers of each sentence, fast and without gradients; see `BiLM.encode`."""
        if self.initial_state != "carry":
            return list(self.stream(network, sentences, mix=mix, batch_tokens=batch_tokens))
        sentences = check_sentences(sentences)
        if not sentences:
            return []
        with torch.no_grad():
            layers = self.forward(network, sentences)
            result = layers if mix is None else mix(layers)
        ends = np.cumsum([len(words) for words in sentences])[:-1]
        return [part.copy() for part in np.split(result.float().cpu().numpy(), ends, axis=-2)]

    def stream(
        self,
        network: Network,
        sentences: Iterable[Words],
        *,
        mix: Mix | None = None,
        batch_tokens: int | None = None,
    ) -> Iterator[Floats]:
        """`encode` for an endless iterable; see `BiLM.stream`."""
        if self.initial_state == "carry":
            raise ValueError(
                'stream() cuts its own batches, and in the "carry" state vectors depend on them: '
                "call encode() batch by batch"
            )
        return encode_windows(
            self._ready_engine(network),
            network.config,
            sentences,
            mix=mix,
            batch_tokens=batch_tokens,
        )

    def edges(self, network: Network) -> Floats:
        """States of the LSTM layers at the marks that every sentence begins with.

        The forward half is that of `<S>`, the backward half that of `</S>`.

        Returns:
            *Shape:* (n_layers, width).

        Raises:
            ValueError: In the "carry" state, where they differ from sentence to sentence.
        """
        if self.initial_state == "carry":
            raise ValueError('in the "carry" state each sentence has edges of its own')
        with torch.inference_mode():
            edges: Floats = self._ready_engine(network).edges.float().cpu().numpy()
        return edges

    def top_states(
        self, network: Network, sentences: Iterable[Words], *, batch_tokens: int | None = None
    ) -> Iterator[tuple[Floats, Floats]]:
        """States of the top layer: of the words of each sentence, and at its edges.

        Args:
            network: The weights.
            sentences: As for `BiLM.encode`.
            batch_tokens: Bound of the tokens computed together; None: by memory.

        Yields:
            For each sentence the states of its words, *Shape:* (n_words, width), and the forward
            state of its `<S>` beside the backward one of its `</S>`, *Shape:* (width,).
        """
        if self.initial_state != "carry":
            top = self.edges(network)[-1]
            for states in self.stream(network, sentences, mix=_top, batch_tokens=batch_tokens):
                yield states, top
            return
        sentences = check_sentences(sentences)
        if not sentences:
            return
        with torch.no_grad():
            rows = self.forward(network, sentences, boundaries=True)[-1].float().cpu().numpy()
        half = network.config.projection_dim
        start = 0
        for words in sentences:
            end = start + len(words) + 2
            yield (
                rows[start + 1 : end - 1].copy(),
                np.concatenate([rows[start, :half], rows[end - 1, half:]]),
            )
            start = end

    def reset_state(self) -> None:
        """Forget the state carried from call to call."""
        self._carried.reset()

    def weights_changed(self) -> None:
        """Forget everything computed from weights."""
        with self._lock:
            self._engine = None
            self._told_not_finite = False

    def _tell_not_finite(self, layers: Tensor) -> None:
        # A sum mostly says so, at a fraction of the time.
        if self._told_not_finite or layers.sum().isfinite() or layers.isfinite().all():
            return
        self._told_not_finite = True
        warnings.warn(NOT_FINITE, RuntimeWarning, stacklevel=4)

    def __getstate__(self) -> dict[str, Any]:
        # What the engine holds is computed anew: a copy is for weights of its own.
        return {**self.__dict__, "_engine": None, "_lock": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = ForkLock()

    def _ready_engine(self, network: Network) -> Engine:
        tensors = [*network.parameters(), *network.buffers()]
        key = (
            self.initial_state,
            self.cache_size,
            self.compute_dtype,
            *((id(tensor), tensor.data_ptr(), tensor._version) for tensor in tensors),
        )
        with self._lock:
            if self._engine is None or self._engine[0] != key:
                with torch.inference_mode(), torch.autocast(network.device.type, enabled=False):
                    engine = Engine(
                        TokenCache(network.token_encoder, self.cache_size),
                        network.directions(),
                        network.start(self.initial_state, 1),
                        skip=network.config.use_skip_connections,
                        dtype=self.compute_dtype,
                    )
                self._engine = (key, engine)
            return self._engine[1]


def _top(layers: Tensor) -> Tensor:
    return layers[-1]
