"""What a weight format is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch

from spacy_elmo.bilm.bilm import BiLM


class Reader(Protocol):
    """Reads weights that the format has recognised."""

    def __call__(
        self, path: Path, *, options: Path | None, vocab: Path | None, device: str | torch.device
    ) -> BiLM:
        """Read weights.

        Args:
            path: The file or directory.
            options: An options file given by the user, or None.
            vocab: A vocabulary given by the user, or None.
            device: Where the tensors go.

        Returns:
            The model.

        Raises:
            WeightsError: When anything about the weights is wrong.
        """
        ...


class PartReader(Protocol):
    """Reads one of several models that some weights hold."""

    def __call__(
        self,
        path: Path,
        *,
        options: Path | None,
        vocab: Path | None,
        device: str | torch.device,
        part: str | None = None,
    ) -> BiLM:
        """Read weights, as a `Reader` does.

        Args:
            path: The file or directory.
            options: An options file given by the user, or None.
            vocab: A vocabulary given by the user, or None.
            device: Where the tensors go.
            part: Name of the model; None: there must be only one.
        """
        ...


class Writer(Protocol):
    """Writes a model to a path: completely, or not at all."""

    def __call__(self, lm: BiLM, path: Path, *, dtype: str) -> None:
        """Write a model.

        Args:
            lm: The model.
            path: The file or directory.
            dtype: Number type of the stored weights, "float32" or, where a format has it,
                "float16".

        Raises:
            WeightsError: When something else is in the way, or the model could not be read back.
        """
        ...


@dataclass(frozen=True)
class Format:
    """One way to store weights.

    Attributes:
        description: What a path must be, for messages.
        recognise: Whether a path that exists looks like this format. Looks at names and first bytes
            only: damaged weights are recognised, and then the reader says what is wrong with them.
        read: Reads weights that were recognised.
        write: Writes weights, where the format can be written.
        suffixes: Endings of the paths `write` is asked to write, lower case; "" stands for a path
            with any other ending.
        read_part: Reads one of several models in such weights, where the format has such.
    """

    description: str
    recognise: Callable[[Path], bool]
    read: Reader
    write: Writer | None = None
    suffixes: tuple[str, ...] = ()
    read_part: PartReader | None = None

    @property
    def kind(self) -> str:
        """The description without what stands in parentheses or behind a comma."""
        return self.description.partition(" (")[0].partition(",")[0]
