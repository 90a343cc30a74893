"""Docstrings say `*Shape:*`; Napoleon would take what stands before the colon for a type."""

from __future__ import annotations

from typing import Any


def keep_shapes(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Take the colon away before Napoleon reads the docstring."""
    lines[:] = [line.replace("*Shape:*", "*Shape*") for line in lines]


def setup(app: Any) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("autodoc-process-docstring", keep_shapes, priority=100)
    return {"parallel_read_safe": True}
