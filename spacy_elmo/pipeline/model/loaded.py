"""A loaded biLM with all that goes with it, swapped as one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from spacy_elmo.bilm.bilm import BiLM
from spacy_elmo.bilm.inference.encoder import Encoder
from spacy_elmo.bilm.inference.windows import Mix, window_tokens
from spacy_elmo.bilm.network import inside
from spacy_elmo.bilm.precision import dtype_of
from spacy_elmo.bilm.scalar_mix import ScalarMix
from spacy_elmo.bilm.scoring.output_layer import check_can_score
from spacy_elmo.pipeline.model.fixed_mix import FixedMix
from spacy_elmo.pipeline.model.layer_cache import LayerCache
from spacy_elmo.pipeline.settings import ElmoSettings
from spacy_elmo.types import Floats, Sentences


@dataclass(frozen=True)
class LoadedBiLM:
    """A network, what it is read with, the mix of its layers, and the settings of it all.

    Whoever computes holds on to one of these from beginning to end: when other weights are loaded
    in between, by another thread for instance, the results still belong together.

    Attributes:
        lm: The network.
        encoder: What it is read with: initial state, precision, caches.
        mix: How its layers become one vector, as a module on its device.
        mix_weights: What each layer is multiplied by in that mix. *Shape:* (n_layers,).
        settings: Those of the component.
        cache: Layers of sentences read in training, or None.
    """

    lm: BiLM
    encoder: Encoder
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
            lm: The network. It is moved to the device, and gets an encoder by the settings.
            mix: The mix of its layers.
            settings: Those of the component.
            device: Where to compute.

        Raises:
            ValueError: When the mix is made for another number of layers, and when scores are asked
                for without a softmax.
        """
        if settings.score:
            check_can_score(lm)
        n_layers = lm.config.n_outputs
        module = mix.module(n_layers).to(device)
        lm.to(device).requires_grad_(not settings.frozen)
        encoder = Encoder(lm.initial_state, compute_dtype=dtype_of(settings.precision, device))
        if settings.type_cache_size is not None:
            encoder.cache_size = settings.type_cache_size
        lm.encoder = encoder  # that it tells when its weights have changed
        cache = None
        if settings.cache is not None:
            n_bytes = int(settings.cache_gb * 1e9)
            cache = LayerCache(settings.cache, n_bytes, half=settings.cache_half)
        return cls(lm, encoder, module, mix.weights(n_layers), settings, cache)

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
    def context_mean(self) -> Floats | None:
        """The mean of what stands around a word, where the weights carry one.

        That of the top layer: but for the ends of sentences these are the same states.
        *Shape:* (width,).
        """
        if self.lm.mean_layers is None:
            return None
        mean: Floats = self.lm.mean_layers[-1].cpu().numpy().copy()
        return mean

    @property
    def means(self) -> dict[str, Floats | None]:
        """What a Doc carries for centred similarity, by the names of `Rows`."""
        if not self.settings.center_similarity:
            return {}
        return {
            "mean": self.mean,
            "context_mean": self.context_mean if self.settings.context else None,
        }

    @property
    def edges(self) -> Floats:
        """States of the LSTM layers at the ends of every sentence, as in `DocLayers`.

        *Shape:* (n_layers - 1, n_directions, width / n_directions).
        """
        edges = self.encoder.edges(self.lm)
        return edges.reshape(len(edges), self.lm.config.n_directions, -1)

    @property
    def token_budget(self) -> int:
        """Bound of the tokens that are computed together."""
        if self.settings.batch_tokens is not None:
            return self.settings.batch_tokens
        return window_tokens(self.lm.config, self.lm.device)

    def vectors(self, sentences: Sentences) -> list[Floats]:
        """Mixed vectors of each sentence, without gradients. *Shape:* (n_words, width)."""
        return self._encode(sentences, self.mix)

    def layers(self, sentences: Sentences) -> list[Floats]:
        """Layers of each sentence, without gradients. *Shape:* (n_layers, n_words, width)."""
        cache = self.cache
        if cache is None or not self.settings.frozen or not cache.is_filling:
            return self._encode(sentences)
        found = [cache.get(words) for words in sentences]
        missing = [k for k, layers in enumerate(found) if layers is None]
        computed = self._encode([sentences[k] for k in missing])
        for k, layers in zip(missing, computed, strict=True):
            found[k] = layers
            cache.put(sentences[k], layers)
        return [layers for layers in found if layers is not None]

    def vectors_and_top(self, sentences: Sentences) -> list[Floats]:
        """Mixed vectors and the states of the top layer. *Shape:* (2, n_words, width)."""
        return self._encode(sentences, self._mix_and_top)

    def _mix_and_top(self, layers: Tensor) -> Tensor:
        return torch.stack([self.mix(layers), layers[-1]])

    def _encode(self, sentences: Sentences, mix: Mix | None = None) -> list[Floats]:
        return self.encoder.encode(
            self.lm, sentences, mix=mix, batch_tokens=self.settings.batch_tokens
        )

    def begin_layers(
        self, sentences: Sentences
    ) -> tuple[Tensor, Tensor, Callable[[Tensor, Tensor | None], None]]:
        """Layers of all words, with a backprop: gradients add up in the parameters.

        Args:
            sentences: Of one word or more each, one at least.

        Returns:
            The layers, *Shape:* (n_layers, n_words, width), and the edges, as `edges`, both
            detached; and what to call with their gradients. None: nobody asked for that of the
            edges.
        """
        rows = self.encoder.forward(self.lm, sentences, boundaries=True)
        layers = rows[:, inside(sentences).to(rows.device)]
        # All sentences start alike: those of the first one are those of all.
        ends = rows[1:, [0, len(sentences[0]) + 1]]
        half = self.lm.config.projection_dim
        edges = torch.stack(
            [ends[:, d, d * half : (d + 1) * half] for d in range(self.lm.config.n_directions)],
            dim=1,
        )

        def backprop(gradient: Tensor, of_edges: Tensor | None) -> None:
            if of_edges is None:
                torch.autograd.backward(layers, gradient)
            else:
                torch.autograd.backward([layers, edges], [gradient, of_edges])

        return layers.detach(), edges.detach(), backprop
