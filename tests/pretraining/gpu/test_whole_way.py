"""From parts of a corpus to pieces of weights and back: what a machine rented for minutes does."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from spacy_elmo.bilm import BiLM
from spacy_elmo.bilm.config import BiLMConfig
from spacy_elmo.errors import CorpusError
from spacy_elmo.formats import save
from spacy_elmo.pretraining.corpus.corpus import Corpus
from spacy_elmo.pretraining.gpu import parts as parts_module
from spacy_elmo.pretraining.gpu.__main__ import main
from spacy_elmo.pretraining.gpu.parts import (
    join_folder,
    pack_corpus,
    split_folder,
    unpack_corpus,
)
from spacy_elmo.pretraining.gpu.state import DeviceTraining
from spacy_elmo.pretraining.run.distributed import Group
from spacy_elmo.pretraining.run.events import CheckpointWritten, Measured, Step
from spacy_elmo.pretraining.run.finish import Results
from spacy_elmo.pretraining.run.loop import Trainer
from spacy_elmo.pretraining.step.language_model import new_model
from tests.pretraining.small import MODEL, config, make_corpus


def same_text(found: Corpus, wanted: Corpus, sentences: slice = slice(None)) -> bool:
    ours = [found.sentence(number).tolist() for number in range(len(found))]
    theirs = [wanted.sentence(number).tolist() for number in range(len(wanted))]
    return ours == theirs[sentences]


def test_a_corpus_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts_module, "BLOCK_TOKENS", 500)
    monkeypatch.setattr(parts_module, "RARE", 20)  # some of its types are rare then
    corpus = make_corpus(tmp_path, 300)
    bound = 30_000
    files = pack_corpus(corpus, tmp_path / "parts", "train", bound)
    assert [path.name for path in files] == [f"train-{k:02d}.tar" for k in range(len(files))]
    assert len(files) > 2
    assert all(path.stat().st_size <= bound for path in files)
    unpack_corpus(files, tmp_path / "whole")
    whole = Corpus(tmp_path / "whole")
    assert same_text(whole, corpus)
    assert whole.types == corpus.types
    assert whole.vocabulary == corpus.vocabulary
    assert np.array_equal(whole.characters, corpus.characters)
    # The first one alone, and without one in the middle.
    unpack_corpus(files[:1], tmp_path / "first")
    first = Corpus(tmp_path / "first")
    assert 0 < len(first) < len(corpus)
    assert same_text(first, corpus, slice(len(first)))
    unpack_corpus([files[0], *files[2:]], tmp_path / "gap")
    gap = Corpus(tmp_path / "gap")
    assert len(first) < len(gap) < len(corpus)
    with pytest.raises(CorpusError, match="first part"):
        unpack_corpus(files[1:], tmp_path / "none")
    files[1].write_bytes(files[1].read_bytes()[:5000])
    with pytest.raises(CorpusError, match=r"train-01\.tar"):
        unpack_corpus(files, tmp_path / "damaged")


def test_a_folder_in_pieces(tmp_path: Path) -> None:
    source = tmp_path / "model"
    source.mkdir()
    for name, size in (("a.bin", 70_000), ("b.txt", 10)):
        (source / name).write_bytes(np.random.default_rng(size).bytes(size))
    pieces = split_folder(source, tmp_path / "out", 16_384)
    assert len(pieces) == 5
    assert {path.name for path in (tmp_path / "out").iterdir()} == {path.name for path in pieces}
    join_folder(pieces[::-1], tmp_path / "joined")
    for path in source.iterdir():
        assert (tmp_path / "joined" / path.name).read_bytes() == path.read_bytes()
    with pytest.raises(ValueError, match="do not make a whole"):
        join_folder(pieces[:2], tmp_path / "cut")


@pytest.fixture(scope="module")
def rented(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the parts of a corpus and a config."""
    folder = tmp_path_factory.mktemp("rented")
    make_corpus(folder / "train", 400)
    make_corpus(folder / "heldout", 60, seed=1, vocabulary=folder / "train/corpus/vocab.txt")
    given = [str(folder / name) for name in ("train/corpus", "parts", "heldout/corpus")]
    assert main(["pack", *given[:2], "--heldout", given[2]]) == 0
    made: dict[str, Any] = {
        "model": MODEL,
        "batch_size": 8,
        "unroll_steps": 5,
        "n_negative_samples": 8,
        "learning_rate": 0.02,
        "log_every": 5,
        "tokens": 1,
    }
    (folder / "config.json").write_text(json.dumps(made))
    return folder


def command(folder: Path, out: Path, seconds: float) -> list[str]:
    given = [folder / "parts", out.parent / "work", out, "--config", folder / "config.json"]
    module = [sys.executable, "-m", "spacy_elmo.pretraining.gpu", "train", *map(str, given)]
    return [*module, "--seconds", str(seconds), "--device", "cpu"]


@pytest.mark.soak
def test_a_training_for_some_seconds(rented: Path, tmp_path: Path) -> None:
    out = tmp_path / "tiny_model"
    done = subprocess.run(command(rented, out, 34), capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stderr
    pieces = sorted(out.iterdir())
    assert [path.name for path in pieces] == ["tiny_model.tar.00"]
    assert main(["unpack", *map(str, pieces), str(tmp_path / "joined")]) == 0
    lm = BiLM.from_pretrained(tmp_path / "joined")
    assert lm.softmax is not None
    assert lm.mean_layers is not None
    assert lm.encode([["the", "cat"]])[0].shape == (3, 2, 16)
    assert "tiny_model" in (tmp_path / "joined/README.md").read_text("utf8")
    assert (tmp_path / "joined/curves.svg").is_file()


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_killed_it_has_left_weights(rented: Path, tmp_path: Path) -> None:
    out = tmp_path / "tiny_model"
    code = (
        "import sys; import spacy_elmo.pretraining.gpu.__main__ as m; m.CHECKPOINT_SECONDS = 0.5;"
        "sys.exit(m.main(sys.argv[1:]))"
    )
    given = [sys.executable, "-c", code, *command(rented, out, 600)[3:]]
    running = subprocess.Popen(given, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not (out.is_dir() and list(out.glob("*.tar.00"))) and time.monotonic() < deadline:
        time.sleep(0.1)
    running.send_signal(signal.SIGKILL)
    running.wait()
    join_folder(list(out.glob("*.tar.??")), tmp_path / "joined")
    lm = BiLM.from_pretrained(tmp_path / "joined")
    assert lm.softmax is not None
    assert np.isfinite(lm.encode([["the", "cat"]])[0]).all()


def test_the_loop_runs_it(rented: Path, tmp_path: Path) -> None:
    """The captured training behind the loop: events, checkpoints, the last phases."""
    corpus = Corpus(rented / "train/corpus")
    heldout = Corpus(rented / "heldout/corpus", corpus.vocabulary)
    made = config(batch_size=8, tokens=4000, dropout=0.1)
    device = "cuda" if torch.cuda.is_available() else "cpu"

    def run(tokens: int) -> tuple[DeviceTraining, list[Any]]:
        training = DeviceTraining(
            corpus, made.with_budget(None, tokens, None), Group(device=device)
        )

        def write(results: Results) -> Path:
            save(training.lm, tmp_path / "model")
            return tmp_path / "model"

        trainer = Trainer(training, tmp_path / "run", heldout, write=write)
        return training, list(trainer.run())

    training, events = run(2000)
    assert training.tokens == 2000
    assert any(isinstance(event, Step) for event in events)
    assert any(isinstance(event, CheckpointWritten) for event in events)
    training, events = run(4000)  # goes on
    assert events[0].resumed
    assert training.tokens == 4000
    measured = [event.perplexity.average for event in events if isinstance(event, Measured)]
    assert measured
    assert all(value < 25 for value in measured)  # 28 words
    assert BiLM.from_pretrained(tmp_path / "model").mean_layers is not None


def test_it_starts_from_weights(rented: Path, tmp_path: Path) -> None:
    """With a rate of zero, what comes back is what was given."""
    lm = new_model(BiLMConfig.from_dict(MODEL), Corpus(rented / "train/corpus").vocabulary, seed=5)
    save(lm, tmp_path / "first", dtype="float16")
    still = json.loads((rented / "config.json").read_text()) | {"learning_rate": 0.0}
    (tmp_path / "still.json").write_text(json.dumps(still))
    places = [rented / "parts", tmp_path / "work", tmp_path / "out"]
    options = ["--config", tmp_path / "still.json", "--seconds", 1, "--init", tmp_path / "first"]
    assert main(["train", *map(str, places + options)]) == 0
    join_folder(list((tmp_path / "out").iterdir()), tmp_path / "joined")
    found, wanted = (
        BiLM.from_pretrained(tmp_path / name).state_dict() for name in ("joined", "first")
    )
    for name in wanted:
        assert torch.equal(found[name], wanted[name]), name
    assert "first" in (tmp_path / "joined/README.md").read_text("utf8")


def test_errors(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "config.json").write_text("{}")
    given = [str(tmp_path / name) for name in ("parts", "work", "out")]
    arguments = ["train", *given, "--config", str(tmp_path / "config.json"), "--seconds", "5"]
    assert main(arguments) == 1
    assert "holds no parts of a corpus" in capsys.readouterr().err
