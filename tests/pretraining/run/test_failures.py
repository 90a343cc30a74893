"""What goes wrong in a training: each time a clear error or a way back, and nothing lost."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from spacy_elmo.bilm.bilm import BiLM
from spacy_elmo.errors import CheckpointError, TrainingError
from spacy_elmo.formats.front_matter import split_card
from spacy_elmo.pretraining.config import PretrainConfig
from spacy_elmo.pretraining.corpus.corpus import Corpus
from spacy_elmo.pretraining.pretrain import pretrain
from spacy_elmo.pretraining.run import checkpoint as checkpoints
from spacy_elmo.pretraining.run.events import CheckpointWritten, Message, Started
from tests.pretraining.processes import ENVIRONMENT, ROOT, command, run
from tests.pretraining.small import config, make_corpus, new_trainer, sentences, train


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return make_corpus(tmp_path_factory.mktemp("text"), number=60)


def _train(corpus: Corpus, out: Path, made: PretrainConfig, **options: Any) -> bool:
    return pretrain(corpus.path, out, made, **options)


def _checkpoints(out: Path) -> list[Path]:
    return checkpoints.found(out / "training" / "checkpoints")


@pytest.mark.parametrize("damage", ["cut", "altered", "empty", "other"])
def test_a_damaged_checkpoint_is_passed_over(damage: str, corpus: Corpus, tmp_path: Path) -> None:
    made = config(tokens=400)
    trainer = new_trainer(corpus, tmp_path, made)
    assert train(trainer)
    older, newer = checkpoints.found(trainer.checkpoint_folder)
    data = bytearray(newer.read_bytes())
    if damage == "altered":
        data[-100] ^= 1
    elif damage == "other":
        torch.save({"a": torch.zeros(1)}, newer)
        data = bytearray(newer.read_bytes())
    newer.write_bytes({"cut": data[:-1000], "empty": b""}.get(damage, data))
    again = new_trainer(corpus, tmp_path, made)
    message, started = again.resume()
    assert started == Started(again.training.step, again.training.tokens, True)
    assert f"{again.training.step:09d}" in older.name
    assert isinstance(message, Message)
    assert str(newer) in message.text
    assert "Going back to the one before it" in message.text
    # Set aside, so that it does not count as one of those that are kept.
    assert not newer.exists()
    assert newer.with_suffix(".damaged").exists()


def test_nothing_but_damaged_checkpoints_is_an_error(corpus: Corpus, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert _train(corpus, out, config(tokens=80))
    for path in _checkpoints(out):
        path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(CheckpointError, match=r"none of the checkpoints .* can be read"):
        _train(corpus, out, config(tokens=160))


def test_checkpoints_run_no_code(tmp_path: Path) -> None:
    """A pickle in the place of a checkpoint is refused, not unpickled."""
    path = tmp_path / "step-000000001.safetensors"
    path.write_bytes(b"cos\nsystem\n(S'touch " + str(tmp_path / "run").encode() + b"'\ntR.")
    with pytest.raises(CheckpointError, match="cannot be read as a checkpoint"):
        checkpoints.read(path)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"learning_rate": 0.5}, "learning_rate was 0.02 and is now 0.5"),
        ({"model": {"lstm_dim": 24}}, "model.lstm_dim was 16 and is now 24"),
        ({"batch_size": 4}, "batch_size was 8 and is now 4"),
    ],
)
def test_a_changed_config_is_an_error(
    changes: dict[str, Any], named: str, corpus: Corpus, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    assert _train(corpus, out, config(tokens=80))
    before = [path.read_bytes() for path in _checkpoints(out)]
    with pytest.raises(CheckpointError, match=named):
        _train(corpus, out, config(tokens=160, **changes))
    assert [path.read_bytes() for path in _checkpoints(out)] == before


def test_a_changed_corpus_is_an_error(corpus: Corpus, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert _train(corpus, out, config(tokens=80))
    other = make_corpus(tmp_path / "other", number=300)
    with pytest.raises(CheckpointError, match="made with another corpus"):
        _train(other, out, config(tokens=160))


def test_a_larger_budget_goes_on(corpus: Corpus, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert _train(corpus, out, config(tokens=80))
    assert _train(corpus, out, config(tokens=160, log_every=1))
    saved = checkpoints.read(_checkpoints(out)[-1])
    assert saved.state["tokens"] == 160


def test_a_full_disk_keeps_the_last_checkpoint(corpus: Corpus, tmp_path: Path) -> None:
    """A limit on the size of files stands for the full disk: writing fails half-way."""
    out = tmp_path / "out"
    assert _train(corpus, out, config(tokens=80))
    good = _checkpoints(out)
    limit = good[-1].stat().st_size // 2
    arguments = command(corpus.path, out, config(tokens=400))
    failed = subprocess.run(
        arguments,
        cwd=ROOT,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    assert failed.returncode == 1
    assert "cannot write the checkpoint of step" in failed.stderr
    assert str(good[-1]) in failed.stderr
    assert "Traceback" not in failed.stderr
    assert _checkpoints(out) == good
    assert not list((out / "training" / "checkpoints").glob("*.tmp"))
    told: list[Any] = []  # with room again
    assert _train(corpus, out, config(tokens=400), progress=told.append)
    (started,) = [event for event in told if isinstance(event, Started)]
    assert started.step == 2


def test_a_loss_that_is_no_number_rolls_back(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One bad step: back to the checkpoint, on with half the rate, and finite weights."""
    trainer = new_trainer(corpus, tmp_path, config(tokens=800, log_every=4))
    training = trainer.training
    advance, broken = training.advance, []

    def advance_badly(*arguments: Any) -> Any:
        result = advance(*arguments)
        if training.step == 10 and not broken:
            broken.append(training.step)
            with torch.no_grad():
                training.lm.forward_layers[0].bias.fill_(float("nan"))
        return result

    monkeypatch.setattr(training, "advance", advance_badly)
    assert train(trainer)
    assert broken == [10]
    assert training.rate_factor == 0.5
    assert all(torch.isfinite(value).all() for value in training.lm.parameters())


def test_a_loss_that_stays_no_number_is_an_error(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = new_trainer(corpus, tmp_path, config())
    advance = trainer.training.advance

    def advance_badly(*arguments: Any) -> Any:
        result = advance(*arguments)
        with torch.no_grad():
            trainer.training.lm.forward_layers[0].bias.fill_(float("nan"))
        return result

    monkeypatch.setattr(trainer.training, "advance", advance_badly)
    with pytest.raises(TrainingError, match="lower learning_rate or clip_norm"):
        train(trainer)
    first = checkpoints.read(checkpoints.found(trainer.checkpoint_folder)[-1])
    assert all(torch.isfinite(value).all() for value in first.tensors.values())


def test_a_folder_of_something_else_is_not_touched(corpus: Corpus, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear", encoding="utf8")
    with pytest.raises(ValueError, match="is no folder of a training"):
        _train(corpus, tmp_path, config())
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_negative_samples": 5000}, "n_negative_samples is 5000, but .* lower it"),
        (
            {"model": {"char_cnn": {"max_characters_per_token": 20}}},
            "prepared with 50 characters per word, the model reads 20",
        ),
    ],
)
def test_what_does_not_fit_the_corpus(
    changes: dict[str, Any], message: str, corpus: Corpus, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=message):
        _train(corpus, tmp_path / "out", config(**changes))
    assert not (tmp_path / "out").exists()


def test_held_out_text_with_other_characters_than_the_weights(
    corpus: Corpus, tmp_path: Path
) -> None:
    assert _train(corpus, tmp_path / "first", config(tokens=80))
    held = make_corpus(tmp_path / "held", number=20, max_characters=6)
    with pytest.raises(ValueError, match="6 characters per word, the model reads 50"):
        _train(corpus, tmp_path / "out", config(), heldout=held.path, init=tmp_path / "first")


def test_without_a_budget_it_would_never_end(corpus: Corpus, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no budget: set epochs, tokens or seconds"):
        _train(corpus, tmp_path / "out", config(tokens=None))


def test_a_budget_of_time_counts_all_of_it(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also what a step waits for: its batch, a device."""
    trainer = new_trainer(corpus, tmp_path, config(tokens=None, seconds=0.6))
    batches = trainer.training.batches
    batch = batches.batch

    def slow(step: int) -> Any:
        time.sleep(0.1)
        return batch(step)

    monkeypatch.setattr(batches, "batch", slow)
    assert train(trainer)
    assert trainer.training.step <= 6


@pytest.mark.parametrize("device", ["cuda", "gpu"])
def test_a_device_that_is_not_there(device: str, corpus: Corpus, tmp_path: Path) -> None:
    if device == "cuda" and torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(ValueError, match=f"device is '{device}'"):
        _train(corpus, tmp_path / "out", config(), device=device)


def test_going_on_from_other_weights_is_an_error(corpus: Corpus, tmp_path: Path) -> None:
    """The card names the weights; a run goes on only from those it began with."""
    for name in ("first", "second"):
        assert _train(corpus, tmp_path / name, config(tokens=80))
    out = tmp_path / "out"
    assert _train(corpus, out, config(tokens=80), init=tmp_path / "first")
    card = (out / "README.md").read_text("utf8")
    assert "started from the weights `first`" in card
    assert "license:" not in split_card(card)[0]  # the licences of `first` hold, too
    means = [BiLM.from_pretrained(folder).mean_layers for folder in (tmp_path / "first", out)]
    assert means[0] is not None
    assert means[1] is not None  # of its own, not that of the weights it started from
    assert not torch.equal(means[0], means[1])
    for init, message in ((tmp_path / "second", "from second"), (None, "from random weights")):
        with pytest.raises(CheckpointError, match=f"started from first, .* start {message}"):
            _train(corpus, out, config(tokens=160), init=init)
    assert _train(corpus, out, config(tokens=160), init=tmp_path / "first")


def test_what_a_killed_write_left_is_removed(corpus: Corpus, tmp_path: Path) -> None:
    trainer = new_trainer(corpus, tmp_path, config(tokens=80))
    trainer.checkpoint_folder.mkdir(parents=True)
    left = trainer.checkpoint_folder / "step-000000007.tmp"
    left.write_bytes(b"half")
    assert [type(event) for event in trainer.save()] == [CheckpointWritten]
    assert not left.exists()


def test_a_log_that_cannot_be_written_says_what_is_safe(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("spacy_elmo.pretraining.report.log.Log.write", full)
    with pytest.raises(OSError, match=r"cannot write the log .* checkpoint is .*step-000000000"):
        _train(corpus, tmp_path / "out", config(tokens=400, log_every=1))


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (OSError(28, "No space left on device"), "Make room"),
        (OSError("I/O error: File too large (os error 27)"), "Make room"),
        (PermissionError(13, "Permission denied"), "Make it writable"),
        (OSError(16, "Device or resource busy"), "Put that right"),
    ],
)
def test_the_advice_fits_the_error(error: OSError, advice: str, tmp_path: Path) -> None:
    with (
        pytest.raises(OSError, match=rf"\. {advice} and run the same command again"),
        checkpoints.saying_what_is_safe("the model", tmp_path),
    ):
        raise error


@pytest.mark.parametrize("there", ["link", "dangling link", "current folder"])
def test_where_the_model_goes(
    there: str, corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, out = tmp_path / "disk" / "model", tmp_path / "out"
    real.parent.mkdir()
    if there != "dangling link":
        real.mkdir()
    out.symlink_to(real)
    if there == "current folder":
        monkeypatch.chdir(real)
        out = Path()
    assert _train(corpus, out, config(tokens=80))
    names = {path.name for path in real.iterdir()}
    assert {"config.json", "weights.safetensors", "README.md", "training"} < names
    assert "\n# model\n" in (real / "README.md").read_text("utf8")
    assert [path.name for path in real.parent.iterdir()] == ["model"]


def test_a_file_in_the_place_of_the_model(corpus: Corpus, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("precious")
    with pytest.raises(ValueError, match="out is a file: give the name of a folder"):
        _train(corpus, tmp_path / "out", config())
    assert (tmp_path / "out").read_text() == "precious"


def test_errors_of_the_command_are_one_line(tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text("\n".join(sentences(3)), encoding="utf8")
    failed = run(
        [sys.executable, "-m", "spacy_elmo.pretraining", str(text), "out", "--tokens", "9"]
    )
    assert failed.returncode == 1
    assert failed.stderr.startswith("Error: ")
    assert len(failed.stderr.splitlines()) == 1
