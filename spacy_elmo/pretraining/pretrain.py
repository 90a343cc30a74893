"""From a prepared corpus to a model directory: the whole of a training."""

from __future__ import annotations

from pathlib import Path

from spacy_elmo.formats import load
from spacy_elmo.pretraining.adapt import adapt
from spacy_elmo.pretraining.config import PretrainConfig
from spacy_elmo.pretraining.corpus.corpus import Corpus
from spacy_elmo.pretraining.report.output import write_output
from spacy_elmo.pretraining.report.progress import Progress, read_log
from spacy_elmo.pretraining.run.distributed import Group
from spacy_elmo.pretraining.run.loop import Trainer
from spacy_elmo.pretraining.run.state import Training

TRAINING = "training"


def pretrain(
    corpus: str | Path,
    out: str | Path,
    config: PretrainConfig,
    *,
    heldout: str | Path | None = None,
    init: str | Path | None = None,
    device: str | None = None,
    progress: Progress | None = None,
) -> bool:
    """Train a biLM, or go on where an earlier call with the same arguments was stopped.

    corpus: Folder made by `prepare`.
    out: Folder for the model: a native directory with its softmax, a card (`README.md`) and the
        curves. Checkpoints and the log are in `training` inside it.
    config: The training config.
    heldout: Another prepared corpus, to measure perplexity on.
    init: Weights to start from, of any format that can be loaded.
    device: "cpu" or "cuda"; None: a GPU if there is one.
    progress: Where to tell what is going on.

    Returns False if a signal stopped it; there is a checkpoint then, and the same call goes on.

    Raises ValueError for input that does not fit together and a config without a budget,
    CheckpointError (a ValueError) for checkpoints of another run, TrainingError if the loss
    diverges, OSError if the disk is full.
    """
    config = config.with_budget(None, None, None)
    text = Corpus(corpus)
    held = None if heldout is None else Corpus(heldout, text.vocabulary)
    if config.n_negative_samples > text.n_vocabulary:
        raise ValueError(
            f"n_negative_samples is {config.n_negative_samples}, but the corpus's vocabulary has "
            f"{text.n_vocabulary} words: lower it, or set it to 0 for the full softmax"
        )
    out = Path(out)
    _check_out(out)
    group = Group.join(device)
    progress = progress if progress and group.leads else Progress(shown=group.leads)
    lm = None
    if init is not None:
        lm, config, told = adapt(load(init), text, config)
        progress.say(f"Starting from {init}: {told}")
    for one in filter(None, (text, held)):
        _check_characters(one, config)
    name = None if init is None else Path(init).resolve().name
    training = Training(text, config, group, lm, init=name)
    trainer = Trainer(training, out / TRAINING, held, progress)
    if trainer.resume():
        progress.say(f"Going on from step {training.step}, {training.tokens:,} tokens")
    elif init is not None:
        trainer.evaluate()
    finished = trainer.run()
    if group.leads:
        if finished:
            found = trainer.evaluate()
            _tell_gain(progress, out)
            with trainer.writing(f"the model into {out}"):
                write_output(trainer, out, found)
        else:
            progress.say(f"Stopped at step {training.step}: run the same command to go on")
    group.leave()
    return finished


def _check_out(out: Path) -> None:
    if out.exists() and not (out / TRAINING).is_dir() and any(out.iterdir()):
        raise ValueError(f"{out} exists and is no folder of a training: choose another name")


def _check_characters(corpus: Corpus, config: PretrainConfig) -> None:
    cnn = config.model.char_cnn
    if cnn is None or corpus.max_characters == cnn.max_characters_per_token:
        return
    raise ValueError(
        f"{corpus.path} was prepared with {corpus.max_characters} characters per word, "
        f"the model reads {cnn.max_characters_per_token}: make them agree"
    )


def _tell_gain(progress: Progress, out: Path) -> None:
    """Held-out perplexity of the weights it started from, and now."""
    measured = [entry for entry in read_log(out / TRAINING / "log.jsonl") if "heldout" in entry]
    if measured and measured[0]["step"] == 0:
        before, after = (measured[k]["heldout_average"] for k in (0, -1))
        progress.say(f"Held-out perplexity: {before:.1f} before, {after:.1f} after")
