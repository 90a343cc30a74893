"""A loaded biLM with all that goes with it, swapped as one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from spacy_elmo.bilm.bilm import BiLM
from spacy_elmo.bilm.inference.windows import WINDOW_FLOATS
from spacy_elmo.bilm.scalar_mix import ScalarMix
from spacy_elmo.pipeline.doc.storage import Floats
from spacy_elmo.pipeline.model.fixed_mix import FixedMix
from spacy_elmo.pipeline.model.layer_cache import LayerCache
from spacy_elmo.pipeline.settings import ElmoSettings


@dataclass(frozen=True)
class LoadedBiLM:
    """A network, the mix of its layers, and the settings they were made ready with.

    Whoever computes holds on to one of these from beginning to end: when other weights are loaded
    in between, by another thread for instance, the results still belong together.

    Attributes:
        lm: The network.
        mix: How its layers become one vector, as a module on its device.
        mix_weights: What each layer is multiplied by in that mix. *Shape:* (n_layers,).
        settings: Those of the component.
        cache: Layers of sentences read in training, or None.
    """

    lm: BiLM
    mix: ScalarMix
    mix_weights: Floats
    settings: ElmoSettings
    cache: LayerCache | None

    @classmethod
    def prepare(
        cls, lm: BiLM, mix: FixedMix, settings: ElmoSettings, device: torch.device
    ) -> LoadedBiLM:
        """Make a network ready for use.

        Args:
            lm: The network. It is moved to the device.
            mix: The mix of its layers.
            settings: Those of the component.
            device: Where to compute.

        Raises:
            ValueError: When the mix is made for another number of layers.
        """
        n_layers = lm.config.n_outputs
        module = mix.module(n_layers).to(device)
        lm.to(device).requires_grad_(not settings.frozen)
        if settings.type_cache_size is not None:
            lm.cache_size = settings.type_cache_size
        lm.compute_dtype = getattr(torch, settings.precision)
        cache = None
        if settings.cache is not None:
            n_bytes = int(settings.cache_gb * 1e9)
            cache = LayerCache(settings.cache, n_bytes, half=settings.cache_half)
        return cls(lm, module, mix.weights(n_layers), settings, cache)

    @property
    def n_layers(self) -> int:
        """Number of layers, the token layer included."""
        return self.lm.config.n_outputs

    @property
    def width(self) -> int:
        """Width of a layer, and of the mixed vectors."""
        return self.lm.config.width

    @property
    def mean(self) -> Floats | None:
        """The mean of the mixed vectors over running text, where the weights carry it.

        *Shape:* (width,).
        """
        if self.lm.mean_layers is None:
            return None
        mean: Floats = self.mix_weights @ self.lm.mean_layers.cpu().numpy()
        return mean

    @property
    def token_budget(self) -> int:
        """Bound of the tokens that are computed together."""
        if self.settings.batch_tokens is not None:
            return self.settings.batch_tokens
        return max(1, WINDOW_FLOATS // (self.n_layers * self.width))

    def vectors(self, sentences: Sequence[Sequence[str]]) -> list[Floats]:
        """Mixed vectors of each sentence, without gradients. *Shape:* (n_words, width)."""
        return self.lm.encode(sentences, mix=self.mix, batch_tokens=self.settings.batch_tokens)

    def layers(self, sentences: Sequence[Sequence[str]]) -> list[Floats]:
        """Layers of each sentence, without gradients. *Shape:* (n_layers, n_words, width)."""
        cache, batch_tokens = self.cache, self.settings.batch_tokens
        if cache is None or not self.settings.frozen or not cache.is_filling:
            return self.lm.encode(sentences, batch_tokens=batch_tokens)
        found = [cache.get(words) for words in sentences]
        missing = [k for k, layers in enumerate(found) if layers is None]
        computed = self.lm.encode([sentences[k] for k in missing], batch_tokens=batch_tokens)
        for k, layers in zip(missing, computed, strict=True):
            found[k] = layers
            cache.put(sentences[k], layers)
        return [layers for layers in found if layers is not None]

    def begin_layers(
        self, sentences: Sequence[Sequence[str]]
    ) -> tuple[Tensor, Callable[[Tensor], None]]:
        """Layers of all words, with a backprop: gradients add up in the parameters.

        Returns:
            The layers, detached, *Shape:* (n_layers, n_words, width), and what to call with their
            gradient.
        """
        layers = self.lm(sentences)

        def backprop(gradient: Tensor) -> None:
            torch.autograd.backward(layers, gradient)

        return layers.detach(), backprop
