"""Reading a PyTorch state dict that nobody vouches for: tensors alone, and no code."""

from __future__ import annotations

import pickle
import struct
import warnings
from collections.abc import Mapping
from pathlib import Path
from zipfile import ZIP_STORED, BadZipFile, ZipFile

import torch
from torch import Tensor

from spacy_elmo.errors import ElmoError, problem

_ZIP = b"PK\x03\x04"
# What PyTorch before 1.6 wrote first: its magic number, pickled.
_LEGACY = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
_ANEW = "Get the weights anew"
_ZIP_ERRORS = (
    *(BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError),
    *(ValueError, OverflowError, LookupError, struct.error),  # of headers that make no sense
)


def read_state_dict(path: Path, *, others: bool = True) -> dict[str, Tensor]:
    """Read a state dict.

    Args:
        path: A file that PyTorch saved; it is opened with `weights_only=True` alone.
        others: Leave out what is no tensor, or has no name; False: it is an error.

    Returns:
        Tensors on the CPU by their names; those of PyTorch 1.6 and later are read from the file
        when they are used.

    Raises:
        WeightsError: For anything else, damaged files, and tensors that claim to be larger than
            what is stored.
    """
    try:
        if not path.is_file():
            raise problem(path, "is missing, or is no file", _ANEW)
        n_bytes = path.stat().st_size
        with path.open("rb") as file:
            first = file.read(len(_LEGACY))
    except OSError as error:
        raise problem(path, f"cannot be read ({error})", "Check its permissions") from error
    is_zip = first.startswith(_ZIP)
    if is_zip:
        _check_zip(path, n_bytes)
    elif first != _LEGACY:
        what = f"is no state dict of PyTorch: it begins with {first[:12]!r}"
        raise problem(path, what if first else "is empty", _ANEW)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of how old files store tensors
            values = torch.load(path, map_location="cpu", weights_only=True, mmap=is_zip)
    except pickle.UnpicklingError as error:
        what = "holds something else than tensors, which could run any code, or is damaged"
        raise problem(path, what, f"It was not opened. {_ANEW}") from error
    except Exception as error:  # what PyTorch raises depends on where the damage is
        what = f"is damaged or truncated ({str(error).splitlines()[0] if str(error) else error!r})"
        raise problem(path, what, _ANEW) from error
    if not isinstance(values, Mapping):
        what = f"holds a {type(values).__name__}, expected tensors by name"
        raise problem(path, what, _ANEW)
    tensors = {}
    for name, value in values.items():
        if isinstance(name, str) and isinstance(value, Tensor):
            _check_tensor(path, name, value, n_bytes)
            tensors[name] = value.detach()
        elif not others:
            what = f"holds {type(value).__name__} as {name!r}, expected tensors by name"
            raise problem(path, what, _ANEW)
    return tensors


def _check_tensor(path: Path, name: str, tensor: Tensor, n_bytes: int) -> None:
    """Make sure that each number of a tensor stands in the file by itself."""
    if tensor.layout != torch.strided or tensor.is_quantized or tensor.is_meta:
        raise problem(path, "is no plain array of numbers", _ANEW, tensor=name)
    size = tensor.numel() * tensor.element_size()
    if size > n_bytes:
        what = f"has shape {tuple(tensor.shape)}, more than the whole file"
        raise problem(path, what, _ANEW, tensor=name)
    if size > tensor.untyped_storage().nbytes():
        what = f"has shape {tuple(tensor.shape)}, more than the numbers stored for it"
        raise problem(path, what, _ANEW, tensor=name)


def _check_zip(path: Path, n_bytes: int) -> None:
    """Compare checksums, and make sure that no part is larger than it looks."""
    try:
        with ZipFile(path) as archive:
            names = set()
            for member in archive.infolist():
                is_plain = member.compress_type == ZIP_STORED and not member.flag_bits & 1
                if not is_plain or member.file_size > n_bytes:
                    what = f"has a compressed part, {member.filename!r}, and PyTorch writes none"
                    raise problem(path, what, f"Do not trust it. {_ANEW}")
                if member.filename in names:
                    what = f"has two parts of one name, {member.filename!r}"
                    raise problem(path, what, f"Do not trust it. {_ANEW}")
                names.add(member.filename)
            damaged = archive.testzip()
    except ElmoError:
        raise
    except _ZIP_ERRORS as error:
        raise problem(path, f"is damaged or truncated ({error})", _ANEW) from error
    if damaged is not None:
        raise problem(path, f"is damaged: its part {damaged!r} was changed", _ANEW)
