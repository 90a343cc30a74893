"""The training configs of the two sides of the comparison."""

from __future__ import annotations

from evaluation.tasks import TASKS, task_config


def test_a_width_is_that_of_all_layers() -> None:
    for side, pipe in (("tok2vec", "tok2vec"), ("elmo", "tagger")):
        config = task_config(TASKS["tagging"], side, width=48)
        model = config["components"][pipe]["model"]
        layers = model if side == "tok2vec" else model["tok2vec"]
        assert (layers["embed"]["width"], layers["encode"]["width"]) == (48, 48)


def test_the_same_pipe_on_both_sides() -> None:
    for task in TASKS.values():
        ours, default = (task_config(task, side) for side in ("elmo", "tok2vec"))
        for config in (ours, default):
            del config["components"][task.pipe]["model"]["tok2vec"]
            config["components"].pop("elmo" if config is ours else "tok2vec")
            config["nlp"]["pipeline"] = config["nlp"]["pipeline"][1:]
        assert ours == default
