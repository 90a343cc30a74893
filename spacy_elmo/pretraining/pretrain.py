"""From a prepared corpus to a model directory: the whole of a training."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from itertools import chain
from pathlib import Path

from spacy_elmo.bilm.bilm import BiLM
from spacy_elmo.files import expanded, place_of
from spacy_elmo.formats import load
from spacy_elmo.pretraining.adapt import adapt
from spacy_elmo.pretraining.config import PretrainConfig
from spacy_elmo.pretraining.corpus.corpus import Corpus
from spacy_elmo.pretraining.gpu.state import DeviceTraining, unsupported
from spacy_elmo.pretraining.report.card import TrainingSummary, write_card
from spacy_elmo.pretraining.report.log import Log, read_log
from spacy_elmo.pretraining.report.metrics import gain
from spacy_elmo.pretraining.report.output import write_output
from spacy_elmo.pretraining.run.checkpoint import saying_what_is_safe
from spacy_elmo.pretraining.run.distributed import Group
from spacy_elmo.pretraining.run.events import Event, Message, Phase, Started, Stopped
from spacy_elmo.pretraining.run.finish import INITIAL_STATE, Results
from spacy_elmo.pretraining.run.folder_lock import folder_lock
from spacy_elmo.pretraining.run.interrupt import Interrupt
from spacy_elmo.pretraining.run.loop import Trainer
from spacy_elmo.pretraining.run.protocol import TrainingState
from spacy_elmo.pretraining.run.state import Training

TRAINING = "training"
LOG = "log.jsonl"


def pretrain(
    corpus: str | Path,
    out: str | Path,
    config: PretrainConfig,
    *,
    heldout: str | Path | None = None,
    init: str | Path | None = None,
    device: str | None = None,
    progress: Callable[[Event], object] | None = None,
) -> bool:
    """Train a biLM, or go on where an earlier call with the same arguments was stopped.

    Args:
        corpus: Folder made by `prepare`.
        out: Folder for the model: a native directory with its softmax, a card (`README.md`) and
            the curves. Checkpoints and the log are in `training` inside it.
        config: The training config.
        heldout: Another prepared corpus, to measure perplexity on.
        init: Weights to start from, of any format that can be loaded.
        device: "cpu" or "cuda"; None: a GPU if there is one.
        progress: Is given every event (see `spacy_elmo.pretraining.run.events`), in the first
            process of several; `report.progress.Progress()` tells them to people. None: nothing
            is told.

    Returns:
        False if a signal stopped it; there is a checkpoint then, and the same call goes on.

    Raises:
        ValueError: For input that does not fit together and a config without a budget.
        CheckpointError: For checkpoints of another run.
        TrainingError: If the loss diverges, or another training is at work in the folder.
        OSError: If the disk is full.
    """
    return not stopped_by(
        corpus, out, config, heldout=heldout, init=init, device=device, progress=progress
    )


def stopped_by(
    corpus: str | Path,
    out: str | Path,
    config: PretrainConfig,
    *,
    heldout: str | Path | None = None,
    init: str | Path | None = None,
    device: str | None = None,
    progress: Callable[[Event], object] | None = None,
) -> int:
    """Do as `pretrain` does, and tell the number of the signal that stopped it; 0: none did."""
    config = config.with_budget(None, None, None)
    text = Corpus(corpus)
    held = None if heldout is None else Corpus(heldout, text.vocabulary)
    if config.n_negative_samples > text.n_vocabulary:
        raise ValueError(
            f"n_negative_samples is {config.n_negative_samples}, but the corpus's vocabulary has "
            f"{text.n_vocabulary} words: lower it, or set it to 0 for the full softmax"
        )
    out = expanded(out)
    _check_out(place_of(out))
    group = Group.join(device)
    lm, first = None, []
    if init is not None:
        lm, config, told = adapt(load(init), text, config)
        first.append(Message(f"Starting from {init}: {told}"))
    for one in filter(None, (text, held)):
        _check_characters(one, config)
    name = None if init is None else Path(init).resolve().name
    folder = place_of(out) / TRAINING
    signal, log = 0, Log(folder / LOG)
    with ExitStack() as held_open:
        if group.leads:
            warning = held_open.enter_context(folder_lock(folder))
            first.extend(Message(told) for told in filter(None, [warning]))
        training = _training(text, config, group, lm, name)
        interrupt = held_open.enter_context(Interrupt())
        trainer = Trainer(
            training, folder, held, interrupt=interrupt, write=partial(_write, training, out)
        )
        for event in chain(first, _with_gain(trainer.run(), folder / LOG)):
            if isinstance(event, Stopped):
                signal = event.signal
            if group.leads:
                with saying_what_is_safe("the log", trainer.checkpoint_folder):
                    log(event)
                if progress is not None:
                    progress(event)
                    if isinstance(event, Started) and log.damage is not None:
                        progress(Message(log.damage))
        group.leave()
    return signal


def _with_gain(events: Iterator[Event], log: Path) -> Iterator[Event]:
    """The events, and what the training has gained over the weights it started from."""
    for event in events:
        yield event
        if isinstance(event, Phase) and event.name == INITIAL_STATE:
            before_and_after = gain(read_log(log))
            if before_and_after is not None:
                yield Message(before_and_after)


def _write(training: TrainingState, out: Path, results: Results) -> Path:
    place = place_of(out)
    card = write_card(training.lm, training.config, _summary(training, results), place.name)
    with saying_what_is_safe(f"the model into {out}", place / TRAINING / "checkpoints"):
        write_output(training.lm, place, card, read_log(place / TRAINING / LOG))
    return out


def _summary(training: TrainingState, results: Results) -> TrainingSummary:
    return TrainingSummary(
        training.init,
        training.tokens,
        training.seconds,
        training.corpus.meta,
        results.heldout if training.config.carry_state else None,
        results.sentences,
        results.mean_words,
        results.mean_text,
    )


def _training(
    text: Corpus, config: PretrainConfig, group: Group, lm: BiLM | None, init: str | None
) -> TrainingState:
    """On a GPU a captured graph, where it can compute what the config asks for."""
    if group.device.type == "cuda" and unsupported(config, group) is None:
        return DeviceTraining(text, config, group, lm, init=init)
    return Training(text, config, group, lm, init=init)


def _check_out(out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise ValueError(f"{out} is a file: give the name of a folder")
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
