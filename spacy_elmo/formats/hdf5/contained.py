"""The datasets of an HDF5 file, all of which must be numbers that stand in the file itself.

HDF5 can take what looks like its own from elsewhere: raw bytes of any file (external storage),
datasets of other files (virtual ones, external links). Weights that do so would carry what the user
can read into whatever is saved of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Any

from spacy_elmo.errors import problem
from spacy_elmo.formats.hdf5.library import h5py_errors, import_h5py


def contained_datasets(path: Path, file: Any) -> dict[str, Any]:
    """All datasets of an open file, by full name.

    Args:
        path: The file, for messages.
        file: The open file.

    Returns:
        The datasets, nothing of them read yet.

    Raises:
        WeightsError: For a link that is not an object's own name, and a dataset that is not
            stored in the file.
    """
    with h5py_errors(path):
        objects = list(_walk(import_h5py(path), file["/"].id, "", set()))
    found = {}
    for name, item, foreign in objects:
        if foreign is None and item is not None:
            with h5py_errors(path):
                foreign = _foreign(import_h5py(path), item)
            found[name] = item
        if foreign is not None:
            advice = "Weights must stand in the file itself: do not trust it, get the weights anew"
            raise problem(path, foreign, advice, tensor=name)
    return found


def _walk(
    h5py: Any, group: Any, prefix: str, seen: set[Any]
) -> Iterator[tuple[str, Any, str | None]]:
    """Name, dataset or None, and what is wrong with the link, of everything in a group."""
    place = h5py.h5o.get_info(group)
    if (place.fileno, place.addr) in seen:
        return  # a group that holds itself
    seen.add((place.fileno, place.addr))
    links = group.links
    for key in group:
        name = prefix + key.decode("utf8", "backslashreplace")
        kind = links.get_info(key).type
        if kind == h5py.h5l.TYPE_HARD:
            item = h5py.h5o.open(group, key)
            if isinstance(item, h5py.h5g.GroupID):
                yield from _walk(h5py, item, f"{name}/", seen)
            elif isinstance(item, h5py.h5d.DatasetID):
                yield name, h5py.Dataset(item), None
        elif kind == h5py.h5l.TYPE_EXTERNAL:
            file = links.get_val(key)[0].decode("utf8", "backslashreplace")
            yield name, None, f"is a link to another file ({file})"
        elif kind == h5py.h5l.TYPE_SOFT:
            target = links.get_val(key).decode("utf8", "backslashreplace")
            yield name, None, f"is a link to another place ({target})"
        else:
            yield name, None, "is a link of an unknown kind"


def _foreign(h5py: Any, dataset: Any) -> str | None:
    """What is wrong with where a dataset is stored, if anything is."""
    if dataset.is_virtual:
        return "is a virtual dataset, whose numbers are in other files"
    if dataset.external is not None:
        return f"takes its numbers from another file ({dataset.external[0][0]})"
    return None


def check_complete(path: Path, name: str, dataset: Any) -> None:
    """Make sure that every number of a dataset was written: HDF5 fills what was not with zeros.

    Raises:
        WeightsError: If some were not.
    """
    if not dataset.size:
        return
    if dataset.chunks is None:
        complete = dataset.id.get_storage_size() >= dataset.size * dataset.dtype.itemsize
    else:
        pairs = zip(dataset.shape, dataset.chunks, strict=True)
        complete = dataset.id.get_num_chunks() >= prod(-(-size // chunk) for size, chunk in pairs)
    if not complete:
        raise problem(path, "was never fully written", "Get the weights anew", tensor=name)
