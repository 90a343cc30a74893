"""The settings of the `elmo` component: the one list of them, with their defaults and ranges."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from spacy_elmo.bilm.precision import PRECISIONS
from spacy_elmo.pipeline.doc.fed import TOKEN_ATTRS

CACHES = ("memory", "disk")
SAVE_DTYPES = ("float32", "float16")


@dataclass(frozen=True)
class ElmoSettings:
    """What the config says of an `elmo` component, beside its model.

    Read from the config whenever a pipeline is loaded, and never saved with the weights: so
    `spacy.load(path, config={"components.elmo.keep_layers": True})` changes it.

    Attributes:
        frozen: Leave the weights of the language model as they are in training.
        keep_layers: Keep all layers on the Doc (`._.elmo_layers`), not only the mixed vectors.
        attribute: Name of the extension attributes: "elmo" gives `._.elmo`, `._.elmo_vectors`,
            `._.elmo_layers`, `._.elmo_context`, `._.elmo_similarity`, `._.elmo_surprisal`,
            `._.elmo_surprisal_backward`, `._.elmo_perplexity` and `._.elmo_substitutes`.
        set_tensor: Put a copy of the vectors into `doc.tensor`, too.
        set_hooks: Make `.vector` and `.similarity` of Docs, spans and tokens use the vectors. Hooks
            do not come back from `nlp.pipe(n_process=2)`: see `spacy_elmo.set_hooks`.
        center_similarity: Subtract the mean vector before a cosine, where the weights carry one.
        learn_rate_factor: What the optimizer's learning rate is multiplied by for the language
            model, when it is not frozen.
        batch_tokens: Bound of the tokens computed together; None: by memory (128 MB of output, on
            a GPU 512 MB).
        type_cache_size: Word types whose context-free vector is kept; None: 65,536.
        precision: Float type of the LSTM layers' products: "float32"; "bfloat16", for processors
            (AMX) and GPUs that multiply matrices of it, slower elsewhere (vectors are off by 0.4 %
            of their norm with `en_elmo_sm`); "float16", for a GPU (0.03 %); "auto": bfloat16 where
            there are such units, else float32. Training the language model itself is always done in
            float32.
        cache: Keep the layers of all texts read since training began, so that only the first epoch
            computes them: "memory", "disk" (a temporary file) or None. For a frozen model only.
        cache_gb: Bound of that cache, in 10^9 bytes. One token takes 4 bytes times layers times
            width.
        cache_half: Keep it in float16: half the size, with a relative error of up to 5e-4.
        save_dtype: Number type of the weights in a saved pipeline: "float32", or "float16" for half
            the size.
        save_softmax: Whether a saved pipeline keeps the output layer over the words, which vectors
            do not need, and with characters as input its vocabulary; None: where the component
            needs it, with score = true.
        device: A PyTorch device; None: that of Thinc's current ops (`spacy.require_gpu`).
        context: Keep the states around each token, too: `._.elmo_context` of tokens and spans. As
            large as the vectors; computed by the same pass.
        score: How surprising each word is: `._.elmo_surprisal` and `._.elmo_surprisal_backward` of
            tokens, `._.elmo_perplexity` of Docs. Needs weights with a softmax.
        token_attr: What is read of a token: "TEXT", or what else spaCy knows of it: "LEMMA",
            "LOWER" or "NORM". Lemmas must be there before the component runs.

    Raises:
        ValueError: For a number out of its range, or an unknown precision, number type, cache,
            device or token attribute.
    """

    frozen: bool = True
    keep_layers: bool = False
    attribute: str = "elmo"
    set_tensor: bool = False
    set_hooks: bool = False
    center_similarity: bool = True
    learn_rate_factor: float = 1.0
    batch_tokens: int | None = None
    type_cache_size: int | None = None
    precision: str = "float32"
    cache: str | None = None
    cache_gb: float = 4.0
    cache_half: bool = False
    save_dtype: str = "float32"
    save_softmax: bool | None = None
    device: str | None = None
    context: bool = False
    score: bool = False
    token_attr: str = "TEXT"

    def __post_init__(self) -> None:
        check_at_least(0, "learn_rate_factor", self.learn_rate_factor)
        check_at_least(1, "batch_tokens", self.batch_tokens)
        check_at_least(0, "type_cache_size", self.type_cache_size)
        check_at_least(0, "cache_gb", self.cache_gb)
        if self.precision not in PRECISIONS:
            raise ValueError(
                f"precision is {self.precision!r}: expected one of {', '.join(PRECISIONS)}"
            )
        if self.save_dtype not in SAVE_DTYPES:
            raise ValueError(
                f"save_dtype is {self.save_dtype!r}: expected one of {', '.join(SAVE_DTYPES)}"
            )
        if self.cache is not None and self.cache not in CACHES:
            raise ValueError(f"cache is {self.cache!r}: expected one of {CACHES}, or null")
        if self.token_attr not in TOKEN_ATTRS:
            raise ValueError(
                f"token_attr is {self.token_attr!r}: expected one of {', '.join(TOKEN_ATTRS)}"
            )
        if self.device is not None:
            try:
                torch.device(self.device)
            except RuntimeError as error:
                raise ValueError(
                    f'device = "{self.device}" is no device of PyTorch: expected "cpu", "cuda", '
                    '"cuda:1" ...'
                ) from error


def check_at_least(least: int, name: str, value: float | None) -> None:
    """Check a number of a config, or null.

    Raises:
        ValueError: For a number that is too small or not finite, and for what is no number.
    """
    if value is None:
        return
    # spaCy's check of a config lets a number in quotes pass.
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"{name} is {value!r}: expected a number, without quotes")
    if not (value >= least and math.isfinite(value)):
        raise ValueError(f"{name} is {value}: expected at least {least}")
