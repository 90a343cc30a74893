"""The biLM inside a Thinc model.

Not Thinc's `PyTorchShim`: that one switches the module between training and evaluation while other
threads use it, ignores averaged weights, and hands its id on to its copies, so that their
parameters share one optimiser state.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import srsly
import torch
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from thinc.api import (
    ArgsKwargs,
    NumpyOps,
    Optimizer,
    get_torch_default_device,
    torch2xp,
    xp2torch,
)
from thinc.compat import has_cupy
from thinc.shims import Shim
from torch import Tensor

from spacy_elmo.bilm.bilm import BiLM
from spacy_elmo.bilm.config import BiLMConfig
from spacy_elmo.bilm.scalar_mix import ScalarMix
from spacy_elmo.pipeline.doc.storage import Floats
from spacy_elmo.pipeline.model.fixed_mix import FixedMix
from spacy_elmo.pipeline.model.layer_cache import LayerCache
from spacy_elmo.pipeline.model.source import Source

Sentences = Sequence[Sequence[str]]
PRECISIONS = ("float32", "bfloat16", "float16")


class BiLMShim(Shim):
    """Holds a `BiLM`, loaded when it is first asked for.

    source: Where the weights come from. mix: How the layers become one vector.

    The attributes below are settings of the moment: they are never saved with the weights.

    frozen: Whether the weights stay as they are. learn_rate_factor: What the optimiser's learning
    rate is multiplied by. type_cache_size: Word types whose token-layer vector is kept.
    batch_tokens: Bound of the tokens computed together; None: by memory. precision: Float type of
    the LSTM products where no gradients are asked for. cache: Layers of sentences read in training,
    or None. fill_cache: Whether more of them are kept now.
    """

    def __init__(self, source: Source, mix: FixedMix) -> None:
        super().__init__(None)
        self.source = source
        self.mix = mix
        self.frozen = True
        self.learn_rate_factor = 1.0
        self.type_cache_size: int | None = None
        self.batch_tokens: int | None = None
        self.precision = torch.float32
        self.cache: LayerCache | None = None
        self.fill_cache = False
        self.device: torch.device = get_torch_default_device()
        self._mix: ScalarMix | None = None
        self._lock = threading.Lock()

    # The weights

    @property
    def is_loaded(self) -> bool:
        """Whether the weights are there."""
        return self._model is not None

    @property
    def lm(self) -> BiLM:
        """The language model, loaded now if it was not."""
        with self._lock:
            if self._model is None:
                self._take(self.source.load(self._available_device()))
            lm: BiLM = self._model
            return lm

    def reload(self, source: Source | None = None) -> None:
        """Load the weights anew. When that fails, those that were there stay."""
        with self._lock:
            source = self.source if source is None else source
            self._take(source.load(self._available_device()))
            self.source = source

    def configure(
        self,
        *,
        frozen: bool = True,
        learn_rate_factor: float = 1.0,
        type_cache_size: int | None = None,
        batch_tokens: int | None = None,
        precision: str = "float32",
        cache: LayerCache | None = None,
        device: str | None = None,
    ) -> None:
        """Set the settings of the moment; see the class.

        device: None leaves it as it is.

        Raises ValueError for an unknown precision or device.
        """
        if precision not in PRECISIONS:
            raise ValueError(f"precision is {precision!r}: expected one of {', '.join(PRECISIONS)}")
        self.precision = getattr(torch, precision)
        self.frozen = frozen
        self.learn_rate_factor = learn_rate_factor
        self.type_cache_size = type_cache_size
        self.batch_tokens = batch_tokens
        self.cache = cache
        if device is not None:
            self.device = _device(device)
        with self._lock:
            if self._model is not None:
                self._take(self._model)

    def _available_device(self) -> torch.device:
        if self.device.type == "cuda" and not torch.cuda.is_available():
            raise ValueError(
                f'device = "{self.device}", but PyTorch finds no GPU here: set the device of the '
                'component to null or "cpu" (in spacy.load with config={...})'
            )
        return self.device

    def _take(self, lm: BiLM) -> None:
        device = self._available_device()
        mix = self.mix.module(lm.config.n_outputs)
        self.source.set_initial_state(lm)
        lm.to(device).requires_grad_(not self.frozen)
        if self.type_cache_size is not None:
            lm.cache_size = self.type_cache_size
        lm.compute_dtype = self.precision
        self._mix = mix.to(device)
        self._model = lm
        if self.cache is not None:
            self.cache.clear()

    # Forwards and backwards

    @property
    def mix_weights(self) -> Floats:
        """What each layer is multiplied by in the mixed vector. *Shape:* (n_layers,)."""
        return self.mix.weights(self.lm.config.n_outputs)

    def encode(self, sentences: Sentences, *, mixed: bool) -> list[Floats]:
        """Layers of each sentence, or their mix, without gradients.

        Returns per sentence *Shape:* (n_layers, n_tokens, width), mixed: (n_tokens, width).
        """
        lm, cache = self.lm, self.cache
        if mixed or cache is None or not self.frozen or not (cache or self.fill_cache):
            mix = self._mix if mixed else None
            return lm.encode(sentences, mix=mix, batch_tokens=self.batch_tokens)
        found = [cache.get(words) for words in sentences]
        missing = [k for k, layers in enumerate(found) if layers is None]
        computed = lm.encode([sentences[k] for k in missing], batch_tokens=self.batch_tokens)
        for k, layers in zip(missing, computed, strict=True):
            found[k] = layers
            if self.fill_cache:
                cache.put(sentences[k], layers)
        return [layers for layers in found if layers is not None]

    def begin_layers(self, sentences: Sentences) -> tuple[Tensor, Callable[[Tensor], None]]:
        """Layers of all words with a way back: gradients add up in the parameters.

        Returns the layers, detached, *Shape:* (n_layers, n_words, width), and what to call with
        their gradient.
        """
        layers = self.lm(sentences)

        def backprop(gradient: Tensor) -> None:
            torch.autograd.backward(layers, gradient)

        return layers.detach(), backprop

    def __call__(self, inputs: Any, is_train: bool) -> tuple[Any, Callable[[Any], Any]]:
        """Thinc's generic call: `ArgsKwargs` of one argument, the sentences."""
        (sentences,) = inputs.args if isinstance(inputs, ArgsKwargs) else (inputs,)
        if is_train and not self.frozen:
            return self.begin_layers(sentences)
        parts = self.encode(sentences, mixed=False)
        n_layers, width = self.lm.config.n_outputs, self.lm.config.width
        empty = np.zeros((n_layers, 0, width), dtype=np.float32)
        return torch.from_numpy(np.concatenate([empty, *parts], axis=1)), lambda gradient: None

    def finish_update(self, optimizer: Optimizer) -> None:
        """Give the optimiser every parameter that has a gradient."""
        lm = self._model
        if lm is None:
            return
        changed = False
        with _scaled(optimizer, self.learn_rate_factor) as scale:
            for name, parameter in lm.named_parameters():
                if parameter.grad is None:
                    continue
                data, gradient = _array(parameter.data), _array(parameter.grad)
                array, _ = optimizer((self.id, name), data, gradient, **scale)
                parameter.data = xp2torch(array, device=parameter.device)
                parameter.grad = None
                changed = True
        if changed:
            lm.weights_changed()

    @contextmanager
    def use_params(self, params: Mapping[Any, Any]) -> Iterator[None]:
        """Use other values of parameters, averages for instance, inside the block."""
        lm = self._model
        named = {} if lm is None else dict(lm.named_parameters())
        own = {name: params[self.id, name] for name in named if (self.id, name) in params}
        if not own:
            yield
            return
        kept = {name: named[name].data for name in own}
        try:
            for name, array in own.items():
                named[name].data = xp2torch(array, device=named[name].device)
            lm.weights_changed()
            yield
        finally:
            for name, data in kept.items():
                named[name].data = data
            lm.weights_changed()

    # Copies, devices, files

    def copy(self) -> BiLMShim:
        """A copy with weights and an id of its own, for optimisers know parameters by id."""
        copied = BiLMShim(self.source, self.mix)
        new = {"id": copied.id, "_lock": copied._lock, "_model": None, "_mix": None}
        copied.__dict__.update({**self.__dict__, **new})
        copied.cache = copy.copy(self.cache)  # an empty one
        with self._lock:
            if self._model is not None:
                copied._take(copy.deepcopy(self._model))
        return copied

    def __deepcopy__(self, memo: dict[int, Any]) -> BiLMShim:
        return self.copy()

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = threading.Lock()

    def to_device(self, device_type: str, device_id: int) -> None:
        """Move to "cpu" or a "gpu" by number; Thinc calls this."""
        device = "cpu" if device_type == "cpu" else f"cuda:{device_id}"
        with self._lock:
            self.device = torch.device(device)
            if self._model is not None:
                self._take(self._model)

    def to_disk(self, path: str | Path) -> None:
        """Write a native directory."""
        self.lm.save(Path(path))

    def from_disk(self, path: str | Path) -> BiLMShim:
        """Read a native directory. When that fails, the weights that were there stay."""
        with self._lock:
            self._take(Source(str(path)).load(self._available_device()))
        return self

    def to_bytes(self) -> bytes:
        """The weights as bytes: safetensors, with config and vocabulary beside them."""
        from spacy_elmo.formats.assemble import config_to_store

        lm = self.lm
        tensors = {name: tensor.contiguous() for name, tensor in lm.state_dict().items()}
        message = {
            "config": config_to_store(lm).to_dict(),
            "vocabulary": lm.vocabulary,
            "weights": save_tensors(tensors),
        }
        data: bytes = srsly.msgpack_dumps(message)
        return data

    def from_bytes(self, data: bytes) -> BiLMShim:
        """Take the weights that `to_bytes` gave. When that fails, those that were there stay.

        Raises WeightsError, a ValueError, for bytes that do not hold them.
        """
        from spacy_elmo.errors import problem
        from spacy_elmo.formats.assemble import assemble

        source = Path("(bytes)")
        try:
            message = srsly.msgpack_loads(data)
            config = BiLMConfig.from_dict(message["config"])
            tensors = load_tensors(message["weights"])
            lm = assemble(source, config, message["vocabulary"], tensors)
        except Exception as error:  # each layer of the bytes has errors of its own
            what = f"hold no language model of this package: {error}"
            raise problem(source, what, "Give what to_bytes gave") from error
        with self._lock:
            self._take(lm)
        return self


def _device(name: str) -> torch.device:
    try:
        return torch.device(name)
    except RuntimeError as error:
        raise ValueError(
            f'device = "{name}" is no device of PyTorch: expected "cpu", "cuda", "cuda:1" ...'
        ) from error


@contextmanager
def _scaled(optimizer: Optimizer, factor: float) -> Iterator[dict[str, float]]:
    """Multiply the learning rate inside the block. Yields what to call the optimiser with."""
    if factor == 1.0:
        yield {}
    elif not getattr(optimizer, "use_radam", False):
        yield {"lr_scale": factor}
    else:
        # Thinc's RAdam does not read lr_scale. The rate is a number until the next step of its
        # schedule, and nothing but the step of the weights reads it.
        rate = optimizer.learn_rate
        optimizer.learn_rate = rate * factor
        try:
            yield {}
        finally:
            optimizer.learn_rate = rate


def _array(tensor: Tensor) -> Any:
    """As an array for Thinc's optimisers, on the same device if cupy is there to hold it."""
    return torch2xp(tensor, ops=None if has_cupy else NumpyOps())
