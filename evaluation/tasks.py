"""The tasks of the comparison, and their training configs: the same but for where vectors come
from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from spacy.cli.init_config import init_config
from spacy.language import Language
from spacy.util import registry
from thinc.api import Config, Model

from spacy_elmo.cli.init_config import elmo_config

SIDES = ("tok2vec", "elmo")
MIXES = ("learned", "average", "last")
# An L2 penalty this strong holds the layer weights equal (Peters et al. 2018, section 5.1, do it
# with 1; here it also has to hold against Adam's steps of equal size).
AVERAGE_L2 = 100.0
LAST_LAYER = "spacy-elmo-project.last_layer.v1"


@dataclass(frozen=True)
class Task:
    """data: Name of the data set. pipe: Of spaCy. score: Its figure. title: For the table.
    steps: Of training, by the share of the training data. lang: Of the text."""

    title: str
    data: str
    pipe: str
    score: str
    steps: dict[float, int]
    lang: str = "en"


TASKS = {
    "tagging": Task(
        "Tagging, UD English EWT (XPOS accuracy)",
        "ewt",
        "tagger",
        "tag_acc",
        {1.0: 3000, 0.3: 2000, 0.1: 1200, 0.01: 600},
    ),
    "parsing": Task(
        "Parsing, UD English EWT (LAS)",
        "ewt",
        "parser",
        "dep_las",
        {1.0: 3000, 0.3: 2000, 0.1: 1200, 0.01: 600},
    ),
    "ner": Task(
        "Named entities, WNUT17 (F1)",
        "wnut17",
        "ner",
        "ents_f",
        {1.0: 2000, 0.3: 1200, 0.1: 800, 0.01: 400},
    ),
    "sentiment": Task(
        "Sentiment, SST-5 (accuracy)",
        "sst5",
        "textcat",
        "cats_micro_f",
        {1.0: 2000, 0.3: 1200, 0.1: 800, 0.01: 400},
    ),
    "tagging-de": Task(
        "Tagging, UD German GSD (XPOS accuracy)",
        "gsd",
        "tagger",
        "tag_acc",
        {1.0: 1200, 0.111: 600},
        lang="de",
    ),
}


def task_config(
    task: Task,
    side: str,
    *,
    weights: str = "en_elmo_sm",
    mix: str = "learned",
    width: int | None = None,
    context: bool = False,
    vectors: Path | None = None,
) -> Config:
    """A training config.

    side: "tok2vec": spaCy's default pipeline for a CPU; "elmo": the same pipe on a frozen biLM.
    weights, mix: Of the latter. mix: "learned", "average" or "last".
    context: Whether its listeners also mix the states around each word.
    vectors: Static vectors beside the features, as `spacy init vectors` writes them; None: none.
    width: Of the encoder's layers; None: that of spaCy's tok2vec, or of `init-config`.
    """
    if side == "elmo":
        config = elmo_config(task.lang, [task.pipe], weights=weights)
        layers = config["components"][task.pipe]["model"]["tok2vec"]
        layers["embed"]["elmo"]["context"] = context
        if mix == "average":
            layers["embed"]["elmo"]["layer_l2"] = AVERAGE_L2
        elif mix == "last":
            config["initialize"]["after_init"] = {"@callbacks": LAST_LAYER}
    else:
        # The pipe as on the other side, with the small tok2vec that spaCy gives a CPU.
        config = init_config(lang=task.lang, pipeline=[task.pipe], optimize="accuracy")
        small = init_config(lang=task.lang, pipeline=["tagger"], optimize="efficiency")
        config["components"]["tok2vec"] = small["components"]["tok2vec"]
        layers = config["components"]["tok2vec"]["model"]
        config["paths"]["vectors"] = None
    if vectors is not None:
        features = layers["embed"]["features"] if side == "elmo" else layers["embed"]
        features["include_static_vectors"] = True
        config["paths"]["vectors"] = str(vectors)
        config["initialize"]["vectors"] = "${paths.vectors}"
    if width is not None:
        layers["embed"]["width"] = layers["encode"]["width"] = width
    for corpus in ("train", "dev"):
        config["corpora"][corpus]["gold_preproc"] = True
    return Config(config)


@registry.callbacks(LAST_LAYER)  # type: ignore[untyped-decorator]
def last_layer() -> Callable[[Language], Language]:
    """Makes listeners take the last layer alone. The softmax is saturated then, so that its
    gradient is zero and training leaves it there."""

    def set_weights(nlp: Language) -> Language:
        for listener in listeners(nlp).values():
            weights = listener.ops.asarray1f([-100.0] * len(listener.get_param("layer_weights")))
            weights[-1] = 0.0
            listener.set_param("layer_weights", weights)
        return nlp

    return set_weights


def listeners(nlp: Language) -> dict[str, Model[Any, Any]]:
    """The listener of each pipe that has one."""
    found = {}
    for name, pipe in nlp.pipeline:
        model = getattr(pipe, "model", None)
        for node in model.walk() if isinstance(model, Model) else ():
            if node.name == "elmo-listener":
                found[name] = node
    return found


def learned_mixes(nlp: Language) -> dict[str, dict[str, Any]]:
    """Share of each layer, the token layer first, and gamma, of each pipe that listens."""
    mixes = {}
    for name, listener in listeners(nlp).items():
        powers = np.exp(np.asarray(listener.get_param("layer_weights")))
        shares = [round(float(share), 4) for share in powers / powers.sum()]
        mixes[name] = {"layers": shares, "gamma": round(float(listener.get_param("gamma")[0]), 4)}
    return mixes
