"""``elmo init-config``: a training config in which every pipe listens to `elmo`."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from thinc.api import Config

STATIC = "spacy.Tok2VecListener.v1"
LISTENER = "spacy-elmo.ElmoListener.v1"
EMBED = "spacy-elmo.ElmoEmbed.v1"
FEATURES_WIDTH = 96  # as in spaCy's small tok2vec
DEFAULT = "en_elmo_sm"


def init_config(
    output: Path = typer.Argument(Path("-"), help="File to write; - is the standard output."),
    lang: str = typer.Option("en", "--lang", "-l", help="Language of the pipeline."),
    pipeline: str = typer.Option(
        "tagger,parser,ner", "--pipeline", "-p", help="Pipes to train, separated by commas."
    ),
    weights: str = typer.Option(
        DEFAULT, "--weights", "-w", help="Name or path of the language model's weights."
    ),
    width: int = typer.Option(
        128,
        min=0,
        help="Width of each pipe's own layers; 0, with --depth 0 --no-features: it has none.",
    ),
    depth: int = typer.Option(
        4, min=0, help="Layers of an encoder of each pipe's own on top; 0: no encoder."
    ),
    features: bool = typer.Option(
        True, help="Give each pipe features of the words themselves, too."
    ),
    force: bool = typer.Option(False, "--force", "-f", help="Replace OUTPUT if it exists."),
) -> None:
    """Write a training config of pipes that learn on top of a frozen language model.

    Each pipe mixes the vectors for itself, joins them with features of the word itself (those of
    spaCy's `tok2vec`: its form, prefix, suffix and shape), and encodes both once more with their
    neighbours (maxout over a window of three words). The rest is what
    `spacy init config --optimize accuracy` recommends. Train with
    `spacy train OUTPUT --paths.train TRAIN.spacy --paths.dev DEV.spacy`.
    """
    from wasabi import msg

    from spacy_elmo.errors import WeightsError
    from spacy_elmo.formats.loading import PACKAGED, resolve

    to_stdout = str(output) == "-"
    if not to_stdout and output.exists() and not force:
        raise FileExistsError(f"{output} exists: give another path, or --force to replace it")
    names = [name.strip() for name in pipeline.split(",") if name.strip()]
    config = elmo_config(
        lang, names, weights=weights, width=width or None, depth=depth, features=features
    )
    if to_stdout:
        typer.echo(config.to_str())
    else:
        output.parent.mkdir(parents=True, exist_ok=True)
        config.to_disk(output)
        msg.good(f"Wrote {output}")
    try:
        resolve(weights)
    except WeightsError as error:  # they may be for another machine
        typer.secho(f"the config names weights that are not here: {error}", fg="yellow", err=True)
    if lang != "en" and weights in PACKAGED:
        text = f"{weights} was trained on English: give weights for {lang!r} with --weights"
        typer.secho(text, fg="yellow", err=True)


def elmo_config(
    lang: str,
    pipeline: list[str],
    *,
    weights: str = DEFAULT,
    width: int | None = 128,
    depth: int = 4,
    features: bool = True,
) -> Config:
    """A filled training config with `elmo` and pipes that listen to it.

    Args:
        lang: Language code.
        pipeline: Names of factories; those that take no vectors stay as they are.
        weights: Name or path, written as it is.
        width: Width of each pipe's own layers; None: it has none.
        depth: Layers of an encoder of each pipe's own on top; 0: no encoder.
        features: Whether each pipe has features of the words themselves, too.

    Returns:
        The config.

    Raises:
        ValueError: For a pipe that spaCy does not know, when none of them can listen, and for
            layers without a width.
    """
    from spacy.cli.init_config import init_config as recommended
    from spacy.util import load_model_from_config
    from thinc.api import Config

    names = [name for name in pipeline if name != "elmo"]
    try:
        config = recommended(lang=lang, pipeline=names, optimize="accuracy", silent=True)
    except ImportError as error:  # no such language, or a package it needs is missing
        raise ValueError(f"language {lang!r}: {error}") from error
    components = config["components"]
    default = components.pop("tok2vec", None)  # None: no pipe takes vectors
    own = None
    if features and default:
        # Which features of a word are worth having depends on the language's alphabet.
        embed = default["model"]["embed"]
        own = {**embed, "width": FEATURES_WIDTH, "include_static_vectors": False}
    layers = tok2vec(width, depth, own)
    if not replace_architecture(components, STATIC, layers):
        raise ValueError(
            f"none of the pipes {', '.join(names) or '(none)'} can listen to vectors: give some "
            "that can, such as --pipeline tagger,ner"
        )
    # Sentences found by rule are for the language model to read, in training as well.
    rules = [name for name in config["nlp"]["pipeline"] if name == "sentencizer"]
    others = [name for name in config["nlp"]["pipeline"] if name not in rules]
    config["nlp"]["pipeline"] = [
        *rules,
        *("elmo" if name == "tok2vec" else name for name in others),
    ]
    if rules:
        config["training"]["annotating_components"] = rules
    model = {"@architectures": "spacy-elmo.BiLM.v1", "weights": weights}
    # Frozen, so that what it says about the training text needs computing only once.
    elmo = {"factory": "elmo", "cache": "memory", "model": model}
    config["components"] = {"elmo": elmo, **components}
    # The vectors spaCy recommends beside a tok2vec would be one more download.
    config["paths"]["vectors"] = None
    filled: Config = load_model_from_config(Config(config), auto_fill=True).config
    return filled


def tok2vec(
    width: int | None, depth: int, features: dict[str, Any] | None = None
) -> dict[str, Any]:
    """What a pipe gets its vectors from: a listener, and layers on top of it.

    >>> tok2vec(width=None, depth=0)
    {'@architectures': 'spacy-elmo.ElmoListener.v1', 'upstream': 'elmo'}
    """
    listener = {"@architectures": LISTENER, "upstream": "elmo"}
    if width is None:
        if depth or features:
            raise ValueError(
                "an encoder, or features beside the vectors, need a width: give one, or "
                "--depth 0 --no-features"
            )
        return listener
    embed = {"@architectures": EMBED, "width": width, "elmo": listener, "features": features}
    if not depth:
        return embed
    encoder = {
        "@architectures": "spacy.MaxoutWindowEncoder.v2",
        "width": width,
        "depth": depth,
        "window_size": 1,
        "maxout_pieces": 3,
    }
    return {"@architectures": "spacy.Tok2Vec.v2", "embed": embed, "encode": encoder}


def replace_architecture(block: dict[str, Any], name: str, by: dict[str, Any]) -> int:
    """Replace every block of an architecture, however deep inside others; returns how many.

    >>> block = {"ner": {"model": {"tok2vec": {"@architectures": "old", "width": 96}}}}
    >>> replace_architecture(block, "old", {"@architectures": "new"})
    1
    >>> block
    {'ner': {'model': {'tok2vec': {'@architectures': 'new'}}}}
    """
    replaced = 0
    for key, value in block.items():
        if isinstance(value, dict):
            if value.get("@architectures") == name:
                block[key] = deepcopy(by)
                replaced += 1
            else:
                replaced += replace_architecture(value, name, by)
    return replaced
