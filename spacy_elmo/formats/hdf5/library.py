"""The library h5py, imported only when a file needs it, and its errors made ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from spacy_elmo.errors import ElmoError, problem


def import_h5py(path: Path) -> Any:
    """Import h5py.

    Args:
        path: The file that needs it, for messages.

    Returns:
        The module.

    Raises:
        WeightsError: If it cannot be imported.
    """
    try:
        import h5py
    except Exception as error:  # an installation can be broken in many ways
        what = f"is HDF5, which needs the package h5py, and that cannot be imported ({error})"
        raise problem(path, what, "Install it: pip install h5py") from error
    return h5py


@contextmanager
def h5py_errors(path: Path) -> Iterator[None]:
    """Within this context what h5py raises for a damaged file becomes WeightsError.

    Args:
        path: The file. What h5py raises depends on where the damage is.
    """
    try:
        yield
    except ElmoError:
        raise
    except (OSError, RuntimeError, LookupError, ValueError, TypeError) as error:
        what = f"is missing, or is no HDF5 file, or is damaged or truncated ({error})"
        raise problem(path, what, "Get the weights anew") from error
