"""The tiny networks of the goldens and the text they read. Standard library only: the scripts that
run the original implementations, each on its own old libraries, import this too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

DATA = Path(__file__).parent / "data"

VOCABULARY = ["<S>", "</S>", "<UNK>", "the", "bank", "raised", "Zürich", "."]

# Read one after the other with the state carried from row to row, then each from zero.
BATCHES = [
    [["the", "bank", "raised", "its", "rates", "."], ["Zürich"], ["日本語", "🙂", "the"]],
    [["Donaudampfschifffahrtselektrizitätenhauptbetriebswerk" * 2, "."]],
    [["the", "river", "bank"], ["</S>", "raised", "the"]],
]

MIX_WEIGHTS = [0.5, -1.0, 0.25, 0.75]
"""Weights of the layer-normed mix of the first batch, as many as there are layers."""
MIX_GAMMA = 1.5


def options(
    n_layers: int,
    *,
    activation: str = "relu",
    n_highway: int = 1,
    clips: tuple[float, float] | None = None,
    skip: bool = True,
    words: bool = False,
) -> dict[str, Any]:
    """An `options.json` as bilm-tf writes it."""
    cell_clip, proj_clip = clips or (None, None)
    made: dict[str, Any] = {
        "bidirectional": True,
        "lstm": {
            "dim": 7,
            "projection_dim": 5,
            "n_layers": n_layers,
            "cell_clip": cell_clip,
            "proj_clip": proj_clip,
            "use_skip_connections": skip,
        },
    }
    if not words:
        made["char_cnn"] = {
            "embedding": {"dim": 2},
            "filters": [[1, 3], [2, 4], [3, 4]],
            "n_highway": n_highway,
            "activation": activation,
            "max_characters_per_token": 50,
            "n_characters": 262,
        }
    return made


CASES = {
    "chars": options(2, n_highway=2, clips=(0.5, 0.25)),
    "one_layer": options(1, activation="tanh", n_highway=0, skip=False),
    "three_layers": options(3),
    "words": options(2, clips=(3.0, 3.0), words=True),
}
WITH_SOFTMAX = ("one_layer", "words")
