"""``elmo info``: what some weights are, or which versions are installed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from spacy_elmo.bilm.bilm import BiLM

CARD = "README.md"
PACKAGES = ("spacy-elmo", "spacy", "thinc", "torch", "numpy", "safetensors", "h5py")


def info(
    weights: str | None = typer.Argument(
        None, help="Name or path of weights. Left out: the installed versions.", show_default=False
    ),
    options: Path | None = typer.Option(None, help="Options file of HDF5 weights."),
    vocab: Path | None = typer.Option(None, help="Vocabulary file of HDF5 weights."),
    card: bool = typer.Option(False, "--card", help="Print the card of the weights as well."),
) -> None:
    """Describe weights, or (without any) the installation."""
    from wasabi import msg

    if weights is None:
        msg.table(versions(), divider=False)
        return
    from spacy_elmo.formats import load

    lm = load(weights, options=options, vocab=vocab)
    msg.table(describe(lm), divider=False)
    path = find_card(weights)
    if path is not None:
        typer.echo(f"\n{path.read_text('utf-8-sig')}" if card else f"\nCard: {path}")
    elif card:
        typer.echo(f"\nNo card ({CARD}) beside these weights.")


def versions() -> dict[str, str]:
    """The versions, and the kernels in use, that a bug report should name."""
    import platform
    from importlib.metadata import PackageNotFoundError, version

    rows = {"Python": platform.python_version(), "Platform": platform.platform()}
    for package in PACKAGES:
        try:
            rows[package] = version(package)
        except PackageNotFoundError:
            rows[package] = "not installed"
    return rows | kernels()


def kernels() -> dict[str, str]:
    """What each kernel's work is done by on this machine, and what could do it."""
    from spacy_elmo.bilm.kernels import loader
    from spacy_elmo.bilm.kernels.overview import kernels_in_use

    offered = loader.offered()
    there = f"the processor offers {', '.join(offered)}"
    note = there if offered else "the compiled kernels were not built"
    return {name: f"{used or 'PyTorch'} ({note})" for name, used in kernels_in_use().items()}


def describe(lm: BiLM) -> dict[str, str]:
    """Sizes and switches of a biLM in the words of the paper, one row each."""
    from spacy_elmo.bilm.size import n_parameters

    config = lm.config
    if config.char_cnn is None:
        rows = {"Input": f"{config.n_words:,} words"}
    else:
        cnn = config.char_cnn
        filters = " ".join(f"[{width}, {number}]" for width, number in cnn.filters)
        rows = {
            "Input": f"characters, at most {cnn.max_characters_per_token} per token",
            "Character embedding": f"{cnn.n_characters} x {cnn.embedding_dim}",
            "Filters": f"[width, number] {filters}: {cnn.n_filters} in all, {cnn.activation}",
            "Highway layers": str(cnn.n_highway),
        }
    directions = "forward and backward" if config.bidirectional else "forward only"
    projection = f"projected to {config.projection_dim}" if config.lstm_projection else "as it is"
    rows |= {
        "Layers": f"{config.n_outputs} of width {config.width} (the token layer and "
        f"{config.n_layers} LSTM)",
        "LSTM": f"{config.lstm_dim} cells {projection}, {directions}",
        "Skip connections": "yes" if config.use_skip_connections else "no",
        "Clips": f"cell {_clip(config.cell_clip)}, projection {_clip(config.proj_clip)}",
        "Initial state": config.initial_state,
        "Mean vector": "none" if lm.mean_layers is None else "stored, for centred similarity",
        "Parameters": f"{n_parameters(lm):,}, without the softmax",
        "Vocabulary": f"{len(lm.vocabulary):,} words" if lm.vocabulary is not None else "none",
    }
    if lm.softmax is None:
        rows["Softmax"] = "none: these weights give vectors but no probabilities"
    else:
        n_words, width = lm.softmax.weight.shape
        rows["Softmax"] = f"{n_words:,} words x {width}"
    return rows


def find_card(weights: str) -> Path | None:
    """The card (README.md) in the folder of weights given by name or path, if there is one."""
    from spacy_elmo.formats import resolve

    path = resolve(weights)
    card = (path if path.is_dir() else path.parent) / CARD
    return card if card.is_file() else None


def _clip(value: float | None) -> str:
    return "off" if value is None else f"{value:g}"
