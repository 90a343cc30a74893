"""``elmo info``: what some weights are, or which versions are installed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from spacy_elmo.files import read_json

if TYPE_CHECKING:
    from spacy_elmo.bilm.bilm import BiLM
    from spacy_elmo.bilm.config import BiLMConfig
    from spacy_elmo.bilm.task_mix import TaskMix

CARD = "README.md"
PACKAGES = ("spacy-elmo", "spacy", "thinc", "torch", "numpy", "safetensors", "h5py")


def info(
    weights: str | None = typer.Argument(
        None,
        help="Name or path of weights, or of a pipeline with `elmo`. Left out: installed versions.",
        show_default=False,
    ),
    options: Path | None = typer.Option(
        None, help="Options file, if it is not beside the weights."
    ),
    vocab: Path | None = typer.Option(None, help="Vocabulary, if it is not beside the weights."),
    card: bool = typer.Option(False, "--card", help="Print the card of the weights as well."),
) -> None:
    """Describe weights, or (without any) the installation."""
    from wasabi import msg

    if weights is None:
        msg.table(versions(), divider=False)
        return
    pipeline = find_pipeline(weights)
    if pipeline is None:
        show(weights, options, vocab, card)
        return
    meta = read_json(pipeline / "meta.json")
    typer.echo(f"Pipeline: {pipeline}\nIts licence: {meta.get('license') or 'none is named'}")
    for folder in weights_in(pipeline):
        typer.echo(f"\nComponent {folder.parent.name!r}")
        show(str(folder), options, vocab, card)


def show(weights: str, options: Path | None, vocab: Path | None, card: bool) -> None:
    """Print the description of weights, and of their card."""
    from wasabi import msg

    from spacy_elmo.catalogue import downloaded, how_to_get, models
    from spacy_elmo.catalogue.record import rows_of
    from spacy_elmo.formats import load, papers_of
    from spacy_elmo.formats.front_matter import split_card
    from spacy_elmo.formats.papers import licences

    if weights in models() and not Path(weights).exists() and downloaded(weights) is None:
        entry = models()[weights]
        msg.table(rows_of(entry), divider=False)
        typer.echo(f"\n{how_to_get(entry)}")
        return
    lm = load(weights, options=options, vocab=vocab)
    named = ", ".join(licences(papers_of(weights)))
    rows = {"Format": lm.read_as} | describe(lm)
    msg.table({**rows, "Licences": named or "none is named"} | published(weights), divider=False)
    for mix in lm.task_mixes:
        typer.echo(f"\n{mix_lines(mix)}")
    found = find_card(weights)
    if found is not None:
        _, text = split_card(found.read_text("utf-8-sig"))
        typer.echo(f"\n{text}" if card else f"\nCard: {found}")
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
    rows = token_layer(config)
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
    if lm.config.lang is not None:
        rows["Language"] = lm.config.lang
    if lm.config.tokenisation is not None:
        rows["Tokenisation"] = lm.config.tokenisation
    if lm.notes:
        rows["Note"] = "\n".join(lm.notes)
    return rows


def published(weights: str) -> dict[str, str]:
    """What is known of downloaded weights: licence, language and so on; nothing of others."""
    from spacy_elmo.catalogue.record import rows
    from spacy_elmo.formats.loading import download_of, resolve

    fetched = download_of(resolve(weights))
    return {} if fetched is None else rows(fetched.facts)


def token_layer(config: BiLMConfig) -> dict[str, str]:
    """What the token layer reads of a word, and its sizes."""
    cnn, many_langs = config.char_cnn, config.many_langs
    rows: dict[str, str] = {}
    if many_langs is not None:
        words = {} if config.n_words is None else {"words": many_langs.word_dim}
        characters = {"characters": many_langs.char_dim} if many_langs.char_dim else {}
        rows = {
            "Input": f"{' and '.join(words | characters)} of ELMoForManyLangs, at most "
            f"{many_langs.max_characters_per_token} characters per token"
        }
        if words:
            rows["Word embedding"] = f"{config.n_words:,} x {many_langs.word_dim}"
        if characters:
            n_characters = f"{len(many_langs.characters):,} and the marks"
            rows["Character embedding"] = f"{n_characters} x {many_langs.char_dim}"
    elif cnn is not None:
        rows = {
            "Input": f"characters, at most {cnn.max_characters_per_token} per token",
            "Character embedding": f"{cnn.n_characters} x {cnn.embedding_dim}",
        }
    else:
        rows = {"Input": f"{config.n_words:,} words"}
    sizes = cnn or many_langs
    if sizes is not None and sizes.filters:
        filters = " ".join(f"[{width}, {number}]" for width, number in sizes.filters)
        rows["Filters"] = f"[width, number] {filters}: {sizes.n_filters} in all, {sizes.activation}"
        rows["Highway layers"] = str(sizes.n_highway)
    return rows


def mix_lines(mix: TaskMix) -> str:
    """The lines by which a pipeline uses a mix that a task has learned.

    >>> from spacy_elmo.bilm.task_mix import TaskMix
    >>> print(mix_lines(TaskMix((0.25, 0.75), 1.5)))
    # A mix of the task's model, for [components.elmo.model]; the default: the average
    layer_weights = [0.25, 0.75]
    gamma = 1.5
    """
    lines = ["# A mix of the task's model, for [components.elmo.model]; the default: the average"]
    if mix.layer_norm:
        lines.append("# The task normalised each layer before it, which a pipeline does not")
    weights = ", ".join(f"{weight:.9g}" for weight in mix.weights)
    return "\n".join([*lines, f"layer_weights = [{weights}]", f"gamma = {mix.gamma:.9g}"])


def find_card(weights: str) -> Path | None:
    """The card of weights given by name or path, if there is one.

    It is the README.md in their folder, or in the archive; that of an HDF5 file may bear its name
    (`x_README.md`).
    """
    from spacy_elmo.formats.hdf5.companions import companion
    from spacy_elmo.formats.loading import places_of_papers

    candidates: list[Path] = []
    for path in places_of_papers(weights):
        if path.is_dir():
            candidates += [path / CARD]
        else:
            candidates += [companion(path, "README", ".md"), path.parent / CARD]
    return next((card for card in candidates if card.is_file()), None)


def find_pipeline(name: str) -> Path | None:
    """The folder of a saved pipeline given by its path or the name of its package; else None."""
    path = Path(name)
    if not path.exists() and name.isidentifier():
        from spacy.util import get_model_meta, get_package_path, is_package

        if is_package(name):
            package = get_package_path(name)
            meta = get_model_meta(package)
            path = package / f"{meta['lang']}_{meta['name']}-{meta['version']}"
    found = (path / "config.cfg").is_file() and (path / "meta.json").is_file()
    return path if found else None


def weights_in(pipeline: Path) -> list[Path]:
    """The folders of weights in a saved pipeline.

    Raises:
        ValueError: If there are none.
    """
    from spacy_elmo.formats import native

    found = [path for path in sorted(pipeline.glob("*/model")) if native.recognise(path)]
    if not found:
        raise ValueError(f"{pipeline}: a pipeline without `elmo`: give one that has it, or weights")
    return found


def _clip(value: float | None) -> str:
    return "off" if value is None else f"{value:g}"
