"""The float type of the LSTM layers' products, by the name that settings give it."""

from __future__ import annotations

import torch

PRECISIONS = ("float32", "bfloat16", "float16", "auto")


def dtype_of(precision: str, device: torch.device) -> torch.dtype:
    """The float type that a name means on a device.

    Args:
        precision: One of `PRECISIONS`. "auto" is bfloat16 where there are units that multiply
            matrices of it (AMX of a processor; a GPU from Ampere on), else float32: without them,
            bfloat16 is slower.
        device: Where it is computed.

    Raises:
        ValueError: For another name.

    >>> dtype_of("float16", torch.device("cuda"))
    torch.float16
    """
    if precision not in PRECISIONS:
        raise ValueError(f"precision is {precision!r}: expected one of {', '.join(PRECISIONS)}")
    if precision == "auto":
        precision = "bfloat16" if has_matrix_units(device) else "float32"
    dtype: torch.dtype = getattr(torch, precision)
    return dtype


def has_matrix_units(device: torch.device) -> bool:
    """Whether a device has units of their own for products of bfloat16 matrices."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    # Not public, and of PyTorch 2.4 on: where it is missing, the answer is the slower, safe one.
    supported = getattr(torch.cpu, "_is_amx_tile_supported", None)
    return device.type == "cpu" and supported is not None and bool(supported())
