"""``python -m spacy_elmo.pretraining.gpu``: a pretraining on a machine rented for some minutes.

`pack` writes a prepared corpus into parts that can be sent there, `train` trains there for a given
time, and `unpack` puts together the weights that were sent back.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from spacy_elmo.bilm.bilm import BiLM
from spacy_elmo.formats import load, save
from spacy_elmo.pretraining.config import PretrainConfig
from spacy_elmo.pretraining.corpus.corpus import Corpus
from spacy_elmo.pretraining.gpu.parts import (
    join_folder,
    pack_corpus,
    split_folder,
    unpack_corpus,
)
from spacy_elmo.pretraining.pretrain import stopped_by
from spacy_elmo.pretraining.report.progress import Progress
from spacy_elmo.pretraining.run import checkpoint as checkpoints
from spacy_elmo.pretraining.run.events import CheckpointWritten, Event, Written
from spacy_elmo.pretraining.step.language_model import new_model

TRAIN, HELDOUT = "train", "heldout"
# Kept back for the last phases: states, mean vector, perplexity, and writing.
RESERVE = 30.0
CHECKPOINT_SECONDS = 150.0


def pack(corpus: Path, heldout: Path | None, parts: Path) -> None:
    """Write a prepared corpus, and a held-out one, as parts."""
    for name, folder in ((TRAIN, corpus), (HELDOUT, heldout)):
        if folder is not None:
            for path in pack_corpus(Corpus(folder), parts, name):
                print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")


def train(
    parts: Path,
    work: Path,
    out: Path,
    config: PretrainConfig,
    seconds: float,
    device: str | None = None,
    init: Path | None = None,
) -> int:
    """Train on the parts that are there, for so many seconds in all; go on if it was begun.

    Args:
        parts: Folder of the parts.
        work: Folder for the unpacked corpus, and the model in a folder of the config's name.
        out: Where the weights go, float16, in pieces, at every checkpoint and at the end.
        config: The training config; its budget is replaced.
        seconds: From now to the end, the last phases included.
        device: "cpu" or "cuda"; None: a GPU if there is one.
        init: Weights to start from; None: random ones.

    Returns:
        The number of the signal that stopped it; 0: none did.
    """
    began = time.monotonic()
    corpora: dict[str, Path | None] = {}
    for name in (TRAIN, HELDOUT):
        found = sorted(parts.glob(f"{name}-*.tar"))
        corpora[name] = work / name if found else None
        if found and not (work / name / "corpus.json").is_file():
            unpack_corpus(found, work / name)
    corpus, heldout = corpora[TRAIN], corpora[HELDOUT]
    if corpus is None:
        raise FileNotFoundError(f"{parts} holds no parts of a corpus (train-00.tar and so on)")
    model = work / out.name
    show = Progress(seconds=10.0)

    def watch(event: Event) -> None:
        show(event)
        if isinstance(event, CheckpointWritten) and event.step:
            with tempfile.TemporaryDirectory(dir=work) as folder:
                save(_model_of(event.path, corpus), Path(folder) / model.name, dtype="float16")
                split_folder(Path(folder) / model.name, out)
        elif isinstance(event, Written):
            with tempfile.TemporaryDirectory(dir=work) as folder:
                target = Path(folder) / model.name
                save(load(event.path), target, dtype="float16")
                for name in ("README.md", "curves.svg"):
                    (target / name).write_bytes((event.path / name).read_bytes())
                split_folder(target, out)

    left = seconds - (time.monotonic() - began) - RESERVE
    config = replace(
        config,
        epochs=None,
        tokens=None,
        seconds=max(1.0, left),
        checkpoint_seconds=CHECKPOINT_SECONDS,
    )
    return stopped_by(
        corpus, model, config, heldout=heldout, init=init, device=device, progress=watch
    )


def _model_of(path: Path, corpus: Path) -> BiLM:
    """The model of a checkpoint."""
    saved = checkpoints.read(path)
    config = PretrainConfig.from_dict(saved.state["config"])
    lm = new_model(config.model, Corpus(corpus).vocabulary)
    prefix = "model."
    tensors = {
        name.removeprefix(prefix): tensor
        for name, tensor in saved.tensors.items()
        if name.startswith(prefix)
    }
    lm.load_state_dict(tensors)
    return lm


def parser() -> argparse.ArgumentParser:
    """The arguments."""
    made = argparse.ArgumentParser(prog="python -m spacy_elmo.pretraining.gpu", description=__doc__)
    commands = made.add_subparsers(dest="command", required=True)
    packing = commands.add_parser("pack", help="a prepared corpus to parts")
    packing.add_argument("corpus", type=Path)
    packing.add_argument("parts", type=Path)
    packing.add_argument("--heldout", type=Path, help="prepared corpus to measure perplexity on")
    training = commands.add_parser("train", help="train on the parts that are there")
    training.add_argument("parts", type=Path)
    training.add_argument("work", type=Path, help="folder for the corpus and the checkpoints")
    training.add_argument("out", type=Path, help="folder for the weights; its name is the model's")
    training.add_argument("--config", type=Path, required=True, help="JSON file")
    training.add_argument("--seconds", type=float, required=True, help="time for all of it")
    training.add_argument("--device", choices=("cpu", "cuda"))
    training.add_argument("--init", type=Path, help="weights to start from (default: random ones)")
    unpacking = commands.add_parser("unpack", help="pieces of weights to a native directory")
    unpacking.add_argument("pieces", type=Path, nargs="+", help="NAME.tar.00 and so on")
    unpacking.add_argument("model", type=Path, help="folder to write")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Run; returns the exit status."""
    given = parser().parse_args(arguments)
    try:
        if given.command == "pack":
            pack(given.corpus, given.heldout, given.parts)
        elif given.command == "unpack":
            join_folder(given.pieces, given.model)
        else:
            config = PretrainConfig.from_file(given.config)
            places = given.parts, given.work, given.out
            signal = train(*places, config, given.seconds, given.device, given.init)
            return 128 + signal if signal else 0
    except (ValueError, OSError) as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
