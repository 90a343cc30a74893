"""The biLM inside a Thinc model.

Not Thinc's `PyTorchShim`: that one switches the module between training and evaluation while other
threads use it, ignores averaged weights, and hands its id on to its copies, so that their
parameters share one optimizer state.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import torch
from thinc.api import Optimizer, get_torch_default_device
from thinc.shims import Shim

from spacy_elmo.bilm.bilm import BiLM
from spacy_elmo.fork_lock import ForkLock
from spacy_elmo.pipeline.model.fixed_mix import FixedMix
from spacy_elmo.pipeline.model.loaded import LoadedBiLM
from spacy_elmo.pipeline.model.optimizer import other_params, take_step
from spacy_elmo.pipeline.model.serialize import bilm_from_bytes, bilm_to_bytes, without_softmax
from spacy_elmo.pipeline.model.source import Source
from spacy_elmo.pipeline.settings import ElmoSettings


class BiLMShim(Shim):
    """Holds a `LoadedBiLM`, loaded when it is first asked for, and swaps it at once for another.

    Attributes:
        source: Where the weights come from.
        mix: How the layers become one vector.
        settings: Those of the component; never saved with the weights.
        device: Where the weights are, or will be.
        is_component: Whether this is the language model of the component itself, which only its
            listeners train, and not one inside another pipe.
        language: Code of the pipeline's language, where it is known.
    """

    def __init__(self, source: Source, mix: FixedMix) -> None:
        super().__init__(None)
        self.source = source
        self.mix = mix
        self.settings = ElmoSettings()
        self.is_component = False
        self.language = ""
        self.device: torch.device = get_torch_default_device()
        self._loaded: LoadedBiLM | None = None
        self._papers: Mapping[str, bytes] = {}
        self._is_trained = False  # since they were loaded
        self._warned: set[str] = set()
        self._lock = ForkLock()

    @property
    def frozen(self) -> bool:
        """Whether training leaves the weights as they are; set by the component."""
        return self.settings.frozen

    @frozen.setter
    def frozen(self, value: bool) -> None:
        raise AttributeError(
            "`frozen` of the shim cannot be set: set it on the component, "
            'nlp.get_pipe("elmo").frozen = True or False, so that the config agrees. For a pipe '
            "with a language model of its own it stands in the block of its listener"
        )

    # The weights

    @property
    def is_loaded(self) -> bool:
        """Whether the weights are there."""
        return self._loaded is not None

    @property
    def loaded(self) -> LoadedBiLM:
        """The language model and what goes with it, loaded now if it was not."""
        with self._lock:
            if self._loaded is None:
                self._take(self.source.load(self._available_device()))
                self._come_from(self.source.papers())
                self._warn_of_mismatches()
            assert self._loaded is not None
            return self._loaded

    @property
    def papers(self) -> Mapping[str, bytes]:
        """The card and the licences that came with the weights, by file name."""
        return self._papers

    @property
    def lm(self) -> BiLM:
        """The network, loaded now if it was not."""
        return self.loaded.lm

    def reload(self, source: Source | None = None) -> None:
        """Load the weights anew. When that fails, those that were there stay."""
        with self._lock:
            source = self.source if source is None else source
            self._take(source.load(self._available_device()))
            self.source = source
            self._come_from(source.papers())
            self._warn_of_mismatches()

    def configure(self, settings: ElmoSettings) -> None:
        """Set the settings. Where they name no device, it stays as it is."""
        with self._lock:
            self.settings = settings
            if settings.device is not None:
                self.device = torch.device(settings.device)
            self._take_again()

    def _warn_of_mismatches(self) -> None:
        """Warn, once, of weights for another language or other words."""
        assert self._loaded is not None
        config, attr = self._loaded.lm.config, self.settings.token_attr
        for message in self.source.mismatches(config, self.language, attr):
            if message not in self._warned:
                self._warned.add(message)
                warnings.warn(message, stacklevel=5)

    def _available_device(self) -> torch.device:
        if self.device.type == "cuda" and not torch.cuda.is_available():
            raise ValueError(
                f'device = "{self.device}", but PyTorch finds no GPU here: set the device of the '
                'component to null or "cpu" (in spacy.load with config={...})'
            )
        return self.device

    def _take(self, lm: BiLM) -> None:
        device = self._available_device()
        self.source.set_initial_state(lm)
        self._loaded = LoadedBiLM.prepare(lm, self.mix, self.settings, device)

    def _come_from(self, papers: Mapping[str, bytes]) -> None:
        self._papers, self._is_trained = papers, False

    def _take_again(self) -> None:
        if self._loaded is not None:
            self._take(self._loaded.lm)

    # Training

    def finish_update(self, optimizer: Optimizer) -> None:
        """Give the optimizer every parameter that has a gradient."""
        if self._loaded is not None:
            self._is_trained = self._is_trained or not self.settings.frozen
            take_step(self._loaded.lm, self.id, optimizer, self.settings.learn_rate_factor)

    @contextmanager
    def use_params(self, params: Mapping[Any, Any]) -> Iterator[None]:
        """Use other values of parameters, averages for instance, inside the block."""
        loaded = self._loaded
        if loaded is None:
            yield
            return
        with ExitStack() as stack:
            if loaded.cache is not None and any(key[0] == self.id for key in params):
                stack.enter_context(loaded.cache.paused())  # it has layers of the present ones
            stack.enter_context(other_params(loaded.lm, self.id, params))
            yield

    # Copies, devices, files

    def copy(self) -> BiLMShim:
        """A copy with weights and an id of its own, for optimizers know parameters by id."""
        copied = BiLMShim(self.source, self.mix)
        copied.settings, copied.device = self.settings, self.device
        copied.is_component, copied.language = self.is_component, self.language
        with self._lock:
            copied._papers, copied._is_trained = self._papers, self._is_trained
            if self._loaded is not None:
                copied._take(copy.deepcopy(self._loaded.lm))
        return copied

    def __deepcopy__(self, memo: dict[int, Any]) -> BiLMShim:
        return self.copy()

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = ForkLock()

    def to_device(self, device_type: str, device_id: int) -> None:
        """Move to "cpu" or a "gpu" by number; Thinc calls this."""
        device = "cpu" if device_type == "cpu" else f"cuda:{device_id}"
        with self._lock:
            self.device = torch.device(device)
            self._take_again()

    def to_disk(self, path: str | Path) -> None:
        """Write a native directory, with the card and the licences of the weights."""
        from spacy_elmo.formats import save
        from spacy_elmo.formats.papers import write_papers

        save(self._to_save(), path, dtype=self.settings.save_dtype)
        write_papers(Path(path), self._papers, is_trained=self._is_trained)

    def from_disk(self, path: str | Path) -> BiLMShim:
        """Read a native directory. When that fails, the weights that were there stay."""
        from spacy_elmo.formats.papers import read_papers

        with self._lock:
            self._take(Source(str(path)).load(self._available_device()))
            self._come_from(read_papers(Path(path)))
        return self

    def to_bytes(self) -> bytes:
        """The weights as bytes."""
        return bilm_to_bytes(self._to_save())

    def _to_save(self) -> BiLM:
        keep = self.settings.save_softmax
        keep = self.settings.score if keep is None else keep
        return self.lm if keep else without_softmax(self.lm)

    def from_bytes(self, data: bytes) -> BiLMShim:
        """Take the weights that `to_bytes` gave. When that fails, those that were there stay.

        Raises:
            WeightsError: For bytes that do not hold them.
        """
        lm = bilm_from_bytes(data)
        with self._lock:
            self._take(lm)
            self._come_from({})
        return self
