"""Folders as ELMoForManyLangs saves them, with random weights."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tests.reference.many_langs import (
    MARKS,
    ReferenceManyLangs,
    many_langs_options,
    random_many_langs,
    rows_of,
)

WORDS = ["the", "bank", "straße", "銀行", "a b", "longest!!!"]
CHARACTERS = "abehknrstß銀行!"
SENTENCES = [
    ["the", "bank", "of", "straße", "銀行"],
    ["longest!!!!!!", "longest!!!", "a b", "<bos>", "<S>", ""],
    [],
    ["🏦"],
]


def write_folder(
    folder: Path,
    options: Mapping[str, Any] | None = None,
    *,
    words: Mapping[str, int] | None = None,
    characters: Mapping[str, int] | None = None,
    seed: int = 0,
    **sizes: Any,
) -> ReferenceManyLangs:
    """Write a model.

    Args:
        folder: Where.
        options: Of the network; None: small ones.
        words: The rows of words, where they are not in order.
        characters: The same of characters.
        seed: Of the weights.
        sizes: Other values of `many_langs_options`.

    Returns:
        The oracle of the model.
    """
    options = options or many_langs_options(**sizes)
    embedder = options["token_embedder"]
    rows = words or rows_of(["<oov>", "<bos>", "<eos>", "<pad>", *WORDS])
    char_rows = characters or rows_of([*CHARACTERS, *MARKS])
    used = rows if embedder["word_dim"] else None
    chars_used = char_rows if embedder["char_dim"] else None
    weights = random_many_langs(options, np.random.default_rng(seed), used, chars_used)
    folder.mkdir(parents=True, exist_ok=True)
    encoder = {name for name in weights if "_layer_" in name and "emb_layer" not in name}
    for file, names in (
        ("encoder.pkl", encoder),
        ("token_embedder.pkl", weights.keys() - encoder),
    ):
        tensors = {name: torch.from_numpy(weights[name]) for name in sorted(names)}
        torch.save(tensors, folder / file)
    for file, dictionary in (("word.dic", used), ("char.dic", chars_used)):
        if dictionary is not None:
            lines = (f"{token}\t{row}\n" for token, row in dictionary.items())
            (folder / file).write_text("".join(lines), "utf8", newline="\n")
    (folder / "config.json").write_text(json.dumps({"seed": 1, "config_path": "cnn.json"}))
    (folder / "cnn.json").write_text(json.dumps(options))
    return ReferenceManyLangs(weights, options, used, chars_used)
