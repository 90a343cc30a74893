"""The biLM: token layer, LSTM layers in each direction, and the two ways through them."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from spacy_elmo.bilm.config import BiLMConfig
from spacy_elmo.bilm.inference.cache import TokenCache
from spacy_elmo.bilm.inference.engine import Engine
from spacy_elmo.bilm.inference.windows import (
    DEFAULT_CACHE_SIZE,
    Sentence,
    check_sentences,
    encode_windows,
)
from spacy_elmo.bilm.lstm import LSTMLayer
from spacy_elmo.bilm.packing import pack
from spacy_elmo.bilm.scalar_mix import ScalarMix
from spacy_elmo.bilm.softmax import Softmax
from spacy_elmo.bilm.stack import Stack
from spacy_elmo.bilm.state import CarriedState, State
from spacy_elmo.bilm.token_encoder import WordEmbedding, build_token_encoder
from spacy_elmo.vocabulary import BOS_WORD, EOS_WORD

INITIAL_STATES = ("zero", "warm", "carry")


class BiLM(nn.Module):
    """A bidirectional language model whose layers are contextual vectors (ELMo).

    Peters et al. 2018, "Deep contextualized word representations", section 3; numerics of
    bilm-tf and AllenNLP.

    config: Sizes and switches.
    vocabulary: For word input the word of each embedding row; with characters the words of the
        softmax, if there is one.

    Attributes: `config`, `vocabulary`, `softmax` (the output layer for scoring, or None), and
    `initial_state`, the state every sentence starts from:

    - "zero": zeros;
    - "warm": a state reached on running text, stored with the weights (see `warm_up`);
    - "carry": what the sentence in the same row of the call before ended with, as AllenNLP and
      bilm-tf do it. Vectors then depend on everything read before.

    Settings of the moment, never saved: `cache_size`, word types whose token-layer vector `encode`
    keeps (65,536), and `compute_dtype`, the float type of its LSTM products (`torch.float32`;
    `torch.bfloat16` or `torch.float16` are faster on a GPU and good to two or three digits).
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
        self.vocabulary: list[str] | None = None
        self.set_vocabulary(vocabulary)
        self.cache_size = DEFAULT_CACHE_SIZE
        self.compute_dtype = torch.float32
        self._initial_state = config.initial_state
        self._carried = CarriedState(config)
        self._engine: tuple[tuple[object, ...], Engine] | None = None
        self._engine_lock = threading.Lock()
        # On the meta device there are no values to set, and drawing normal ones there makes PyTorch
        # import its compiler: more than a second, and 70 MB.
        if self.device.type != "meta":
            self.reset_parameters()

    @classmethod
    def from_pretrained(
        cls,
        source: str | Path,
        *,
        options: str | Path | None = None,
        vocab: str | Path | None = None,
        initial_state: str | None = None,
        device: str | torch.device = "cpu",
    ) -> BiLM:
        """Load weights of any known format.

        source: Name of a packaged model, a native directory, an HDF5 file of AllenNLP or bilm-tf,
            or a folder that holds one.
        options: The options file of an HDF5 file, where it is not beside it.
        vocab: The vocabulary of a word-input model, where it is not beside it.
        initial_state: "zero", "warm" or "carry"; None: what the weights say (HDF5: "zero").
        device: Where to put the weights.

        Raises `spacy_elmo.formats.WeightsError`, a ValueError, for anything that is wrong with
        the files, and ValueError for an initial state the weights do not have.
        """
        from spacy_elmo.formats import load

        lm: BiLM = load(source, options=options, vocab=vocab, device=device)
        if initial_state is not None:
            lm.initial_state = initial_state
        return lm

    def save(self, path: str | Path, *, dtype: str = "float32") -> None:
        """Write the weights.

        Args:
            path: A path that ends in .hdf5 or .h5 becomes an HDF5 file with its options file beside
                it, any other a native directory.
            dtype: "float32", or "float16" for a native directory of half the size, the form of
                packaged models.
        """
        from spacy_elmo.formats import save

        save(self, path, dtype=dtype)

    def reset_parameters(self) -> None:
        """Initialise all weights at random, as bilm-tf does before training."""
        self.token_encoder.reset_parameters()
        for layers in self._layers():
            for layer in layers:
                layer.reset_parameters()

    def set_vocabulary(self, vocabulary: Sequence[str] | None) -> None:
        """Set the vocabulary. Raises ValueError if it does not fit a word-input model."""
        self.vocabulary = None if vocabulary is None else list(vocabulary)
        if self.vocabulary is not None and isinstance(self.token_encoder, WordEmbedding):
            self.token_encoder.set_vocabulary(self.vocabulary)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self._weight.device

    @property
    def initial_state(self) -> str:
        """The state sentences start from: "zero", "warm" or "carry"."""
        return self._initial_state

    @initial_state.setter
    def initial_state(self, value: str) -> None:
        if value not in INITIAL_STATES:
            raise ValueError(f"initial_state is {value!r}: expected one of {INITIAL_STATES}")
        if value == "warm" and self.initial_h is None:
            raise ValueError(
                "these weights hold no warm state: call warm_up(sentences) with some running "
                'text first, or use initial_state="zero"'
            )
        self._initial_state = value
        self._carried.reset()

    def forward(self, sentences: Sequence[Sentence], *, boundaries: bool = False) -> Tensor:
        """All layers of all tokens, with gradients: the plain way through the network.

        sentences: Lists of words.
        boundaries: Keep the rows of `<S>` and `</S>` around each sentence.

        Returns rows of all sentences, one after the other. Layer 0 is the token layer, once per
        direction. *Shape:* (n_outputs, n_rows, width).
        """
        check_sentences(sentences)
        rows = [[BOS_WORD, *words, EOS_WORD] for words in sentences]
        packing = pack([len(words) for words in rows])
        types: dict[str, int] = {}
        token_types = [types.setdefault(word, len(types)) for word in chain.from_iterable(rows)]
        table = self.token_encoder(self.token_encoder.word_ids(list(types)).to(self.device))
        vectors = table[torch.tensor(token_types, dtype=torch.int64, device=self.device)]
        state = self._state(len(rows))
        ends = []
        outputs = [[vectors] * self.config.n_directions]
        per_direction = []
        for d, (name, layers) in enumerate(
            zip(self.config.directions, self._layers(), strict=True)
        ):
            index = torch.from_numpy(packing.rows(name)).to(self.device)
            order = torch.from_numpy(packing.order).to(self.device)
            back = torch.empty_like(index)
            back[index] = torch.arange(len(index), device=self.device)
            inputs = vectors[index]
            hidden = []
            for k, layer in enumerate(layers):
                result, h, c = layer(
                    inputs, packing.batch_sizes, state.h[k, d][order], state.c[k, d][order]
                )
                ends.append((k, d, order, h, c))
                inputs = result + inputs if k and self.config.use_skip_connections else result
                hidden.append(inputs[back])
            per_direction.append(hidden)
        outputs += [list(pair) for pair in zip(*per_direction, strict=True)]
        if self.initial_state == "carry":
            self._carried.update(ends, len(rows))
        stacked = torch.stack([torch.cat(halves, dim=1) for halves in outputs])
        if boundaries:
            return stacked
        inside = np.concatenate(
            [[False, *[True] * len(words), False] for words in sentences] or [[]]
        )
        return stacked[:, torch.from_numpy(inside.astype(bool)).to(self.device)]

    def encode(
        self,
        sentences: Sequence[Sentence],
        *,
        mix: ScalarMix | None = None,
        batch_tokens: int | None = None,
    ) -> list[NDArray[np.float32]]:
        """Layers of each sentence, fast and without gradients.

        sentences: Lists of words; a sentence may be empty.
        mix: Keep only this mix of the layers.
        batch_tokens: Bound of the tokens computed together; None: by memory.

        Returns an array per sentence. *Shape:* (n_outputs, n_tokens, width), or
        (n_tokens, width) with a mix.

        Raises ValueError for a sentence that is a string or holds something else than strings.
        """
        if self.initial_state == "carry":
            sentences = check_sentences(sentences)
            with torch.no_grad():
                layers = self.forward(sentences)
                result = layers if mix is None else mix(layers)
            ends = np.cumsum([len(words) for words in sentences])[:-1]
            arrays = result.float().cpu().numpy()
            return [part.copy() for part in np.split(arrays, ends, axis=-2)] if sentences else []
        return list(self.stream(sentences, mix=mix, batch_tokens=batch_tokens))

    def stream(
        self,
        sentences: Iterable[Sentence],
        *,
        mix: ScalarMix | None = None,
        batch_tokens: int | None = None,
    ) -> Iterator[NDArray[np.float32]]:
        """`encode` for an endless iterable: yields arrays in order, in bounded memory.

        Raises ValueError with the initial state "carry", where a batch is what one call of
        `encode` is given.
        """
        if self.initial_state == "carry":
            raise ValueError(
                'stream() cuts its own batches, and in the "carry" state vectors depend on them: '
                "call encode() batch by batch"
            )
        return encode_windows(
            self._ready_engine(), self.config, sentences, mix=mix, batch_tokens=batch_tokens
        )

    def warm_up(self, sentences: Iterable[Sentence]) -> None:
        """Read running text, and make the state it leaves the one every sentence starts from.

        The text is read as in training: one stream per direction, no mark fed twice, the state
        never reset. Stored is the mean of the states after each sentence, so it does not hang on
        the last one. Kept with the weights by `save`; sets `initial_state` to "warm".

        sentences: Lists of words, in order. A few hundred are plenty.

        Raises ValueError when there is no sentence with a word.
        """
        from spacy_elmo.bilm.state import mean_state

        rows = [list(words) for words in check_sentences(sentences) if len(words)]
        if not rows:
            raise ValueError("warm_up needs some running text: at least one sentence with a word")
        # In inference mode the state could neither be trained from nor watched for changes.
        with torch.inference_mode(False), torch.no_grad():
            h, c = mean_state(self, rows)
        self.initial_h, self.initial_c = h, c
        self.config = replace(self.config, initial_state="warm")
        self.initial_state = "warm"
        self.weights_changed()

    def reset_state(self) -> None:
        """Forget the state carried from call to call."""
        self._carried.reset()

    def __getstate__(self) -> dict[str, Any]:
        # What the engine holds is computed anew: a copy has weights of its own.
        return {**self.__dict__, "_engine": None, "_engine_lock": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        self._engine_lock = threading.Lock()

    def weights_changed(self) -> None:
        """Forget everything computed from the weights. Changes by PyTorch's own optimizers and
        `load_state_dict` are noticed without; writing through `.data` or numpy is not."""
        with self._engine_lock:
            self._engine = None

    @property
    def _weight(self) -> Tensor:
        return next(self.parameters())

    def _layers(self) -> list[list[LSTMLayer]]:
        """LSTM layers of each direction."""
        stacks = [self.forward_layers, self.backward_layers]
        return [list(stack) for stack in stacks if stack is not None]

    def _state(self, n_rows: int) -> State:
        if self.initial_state == "carry":
            return self._carried.state(n_rows, self.device)
        if self.initial_state == "warm":
            assert self.initial_h is not None
            assert self.initial_c is not None
            return State.repeated(self.initial_h, self.initial_c, n_rows)
        return State.zero(self.config, n_rows, self.device, self._weight.dtype)

    def _ready_engine(self) -> Engine:
        tensors = [*self.parameters(), *self.buffers()]
        key = (
            self.initial_state,
            self.cache_size,
            self.compute_dtype,
            *((id(tensor), tensor.data_ptr(), tensor._version) for tensor in tensors),
        )
        with self._engine_lock:
            if self._engine is None or self._engine[0] != key:
                with (
                    torch.inference_mode(),
                    torch.autocast(self.device.type, enabled=False),
                ):
                    state = self._state(1)
                    self._engine = (
                        key,
                        Engine(
                            TokenCache(self.token_encoder, self.cache_size),
                            list(zip(self.config.directions, self._layers(), strict=True)),
                            (state.h[:, :, 0], state.c[:, :, 0]),
                            skip=self.config.use_skip_connections,
                            dtype=self.compute_dtype,
                        ),
                    )
            return self._engine[1]


def _layer(config: BiLMConfig) -> LSTMLayer:
    return LSTMLayer(
        config.lstm_dim,
        config.projection_dim,
        projection=config.lstm_projection,
        cell_clip=config.cell_clip,
        proj_clip=config.proj_clip,
    )
