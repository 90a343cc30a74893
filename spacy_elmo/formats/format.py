"""What a weight format is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import torch

    from spacy_elmo.bilm.bilm import BiLM


class Reader(Protocol):
    """Reads weights that the format has recognised.

    path: The file or directory. options, vocab: Files given by the user, or None.
    device: Where the tensors go.

    Raises WeightsError, and gives no model, when anything about the weights is wrong.
    """

    def __call__(
        self, path: Path, *, options: Path | None, vocab: Path | None, device: str | torch.device
    ) -> BiLM: ...


class Writer(Protocol):
    """Writes a model to a path: completely, or not at all.

    dtype: Number type of the stored weights, "float32" or, where a format has it, "float16".
    """

    def __call__(self, lm: BiLM, path: Path, *, dtype: str) -> None: ...


@dataclass(frozen=True)
class Format:
    """One way to store weights.

    description: What a path must be, for messages.
    recognise: Whether a path that exists looks like this format. Looks at names and first bytes
        only: damaged weights are recognised, and then the reader says what is wrong with them.
    suffixes: Endings of the paths `write` is asked to write, lower case; "" stands for a path
        with any other ending.
    """

    description: str
    recognise: Callable[[Path], bool]
    read: Reader
    write: Writer | None = None
    suffixes: tuple[str, ...] = ()
