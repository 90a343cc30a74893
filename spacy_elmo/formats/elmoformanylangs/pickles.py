"""State dicts that PyTorch pickled, read without running what a pickle asks for."""

from __future__ import annotations

import pickle
import warnings
import zipfile
import zlib
from pathlib import Path

import torch
from torch import Tensor

from spacy_elmo.errors import problem

_ADVICE = "Get the weights anew"


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """Read a file that `torch.save` wrote of a state dict.

    Args:
        path: The file, of PyTorch 1.6 or later (a zip archive) or of an earlier version.

    Returns:
        The tensors by name, on the CPU.

    Raises:
        WeightsError: For a file that is missing, damaged, larger inside than outside, holds
            something else than tensors, or would run code.
    """
    if not path.is_file():
        raise problem(path, "is missing, or no file", _ADVICE)
    try:
        if zipfile.is_zipfile(path):
            _check_archive(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PyTorch's, of what is old in old files
            found = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        reason = str(error).split("\n", 1)[0][:200]
        what = f"is no state dict of tensors, or would run code, which is not done ({reason})"
        raise problem(path, what, "Do not trust it: " + _ADVICE.lower()) from error
    except Exception as error:  # whatever PyTorch makes of damaged bytes
        if isinstance(error, ValueError) and str(error).startswith(str(path)):
            raise
        reason = f"{type(error).__name__}: {str(error)[:200]}"
        raise problem(path, f"is damaged or truncated ({reason})", _ADVICE) from error
    if not isinstance(found, dict):
        raise problem(path, f"holds {type(found).__name__}, expected a dict of tensors", _ADVICE)
    tensors: dict[str, Tensor] = {}
    for name, tensor in found.items():
        if not isinstance(name, str) or not isinstance(tensor, Tensor):
            what = f"holds {type(tensor).__name__} under {name!r}, expected tensors by name"
            raise problem(path, what, _ADVICE)
        if tensor.layout != torch.strided or _is_repeated(tensor):
            raise problem(path, "does not stand there number by number", _ADVICE, tensor=name)
        tensors[name] = tensor
    return tensors


def _check_archive(path: Path) -> None:
    """Compare the members of an archive with their checksums, which PyTorch does not.

    `torch.save` compresses nothing: what is compressed is no work of its, and may be a bomb.
    """
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        names = [member.filename for member in members]
        if len(set(names)) != len(names):
            raise problem(path, "holds two members of one name", _ADVICE)
        for member in members:
            if member.compress_type != zipfile.ZIP_STORED or member.flag_bits & 1:
                what = f"holds {member.filename!r} compressed or encrypted: expected plain numbers"
                raise problem(path, what, _ADVICE)
        if sum(member.file_size for member in members) > path.stat().st_size:
            raise problem(path, "declares members larger than itself", _ADVICE)
        try:
            damaged = archive.testzip()
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError) as error:
            raise problem(path, f"is damaged ({error})", _ADVICE) from error
        if damaged is not None:
            raise problem(path, f"is damaged: {damaged!r} does not have its checksum", _ADVICE)


def _is_repeated(tensor: Tensor) -> bool:
    """Whether few stored numbers pretend to be many."""
    return tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes()
