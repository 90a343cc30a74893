"""The errors of the package: one base, and one class for each thing that can be at fault."""

from __future__ import annotations

from pathlib import Path


class ElmoError(ValueError):
    """Something that the user can put right: the message says what is wrong, where, what to do."""


class WeightsError(ElmoError):
    """Weights that cannot be read or written."""


class DownloadError(ElmoError):
    """A model that could not be downloaded."""


class CorpusError(ElmoError):
    """Text that cannot be prepared, or a folder that is no prepared corpus, or a damaged one."""


class EmbeddingError(ElmoError):
    """Vectors of a corpus that cannot be computed or written, or remains of another run."""


class TrainingError(ElmoError):
    """A training that cannot go on."""


class CheckpointError(ElmoError):
    """A checkpoint that cannot be used: damaged, or of another run."""


class DamagedCheckpoint(CheckpointError):
    """A checkpoint that was cut or altered."""


def problem(
    path: Path | str,
    what: str,
    advice: str = "",
    *,
    tensor: str | None = None,
    error: type[ElmoError] = WeightsError,
) -> ElmoError:
    """Build the error for something wrong with a file.

    Args:
        path: The file or directory at fault, or what else to call it.
        what: What was found, and what was expected instead.
        advice: What the user can do.
        tensor: Name of the tensor at fault, as the file spells it.
        error: The class of the error.

    Returns:
        The error, to be raised.
    """
    where = f"{path}: " if tensor is None else f"{path}: tensor {tensor!r}: "
    return error(f"{where}{what}. {advice}".strip())
