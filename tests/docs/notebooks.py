"""Notebooks of docs/notebooks, executed anew and stored: python -m tests.docs.notebooks [FILE ...]

A notebook is stored with its outputs, and without what depends on the machine that executed it:
`make notebooks` after a change of one, and the tests say whether the outputs still hold.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.docs.snippets import ROOT

FOLDER = ROOT / "docs" / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
# What a kernel would write here names the version of its Python.
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python", "pygments_lexer": "python"},
}
SECONDS = 240  # for a cell


def execute(book: Any, folder: Path) -> None:
    """Execute a notebook in place, in a folder, with the Python that runs this.

    Raises:
        nbclient.exceptions.CellExecutionError: If a cell raises.
    """
    from jupyter_client.kernelspec import KernelSpecManager
    from jupyter_client.manager import AsyncKernelManager
    from nbclient import NotebookClient

    # Of no folder, so that no kernel that somebody has installed takes the name.
    specs = KernelSpecManager(kernel_dirs=[])
    kernel = AsyncKernelManager(kernel_name="python3", kernel_spec_manager=specs)
    where = {"metadata": {"path": str(folder)}}
    client = NotebookClient(
        book,
        km=kernel,
        timeout=SECONDS,
        resources=where,
        record_timing=False,
        coalesce_streams=True,
    )
    # On one thread: on a busy machine several wait for each other most of the time.
    client.execute(env={**os.environ, "OMP_NUM_THREADS": "1"})


def store(path: Path) -> None:
    """Execute a notebook and write it over the old one."""
    import nbformat

    book = nbformat.read(path, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        execute(book, Path(folder))
    book.metadata = nbformat.from_dict(METADATA)
    for cell in book.cells:
        cell.metadata = nbformat.from_dict({})
    nbformat.validate(book)
    nbformat.write(book, path)


if __name__ == "__main__":
    for notebook in [Path(name) for name in sys.argv[1:]] or NOTEBOOKS:
        store(notebook)
        print(notebook)
