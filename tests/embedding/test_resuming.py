"""Runs that are killed go on where they were, with the result of one that ran through."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest
import spacy
from spacy.language import Language

from spacy_elmo import BiLM, EmbeddingError, embed
from spacy_elmo.embedding.docs.pipeline import PipelineReader
from spacy_elmo.embedding.writers.work import Work
from spacy_elmo.embedding.writers.writer import Writer
from spacy_elmo.pipeline import factory  # noqa: F401  (registers the factory)
from tests.embedding.outputs import contents

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

FORMATS = ("npy", "npz", "hdf5", "parquet", "spacy")
each_format = pytest.mark.parametrize("suffix", FORMATS, indirect=True)
WORDS = ["the", "bank", "raised", "its", "rates", "river", "銀行", "a-very-long-word", "/"]


def texts(n: int = 60) -> list[str]:
    """Lines of any length; some are empty, some the same."""
    chosen = random.Random(0)
    return [" ".join(chosen.choices(WORDS, k=chosen.choice([0, 1, 3, 3, 12]))) for _ in range(n)]


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch, one_thread: None) -> None:
    monkeypatch.setattr("spacy_elmo.embedding.embed.CHUNK_ENTRIES", 5)
    monkeypatch.setattr("spacy_elmo.embedding.embed.PART_CHUNKS", 2)


def in_child(work: Callable[[], object]) -> int:
    """Start a process that does this; its number."""
    child = os.fork()
    if not child:
        try:
            work()
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    return child


def killed(work: Callable[[], object], after: float | None = None) -> bool:
    """Whether a process that does this was killed, by itself or after some seconds."""
    child = in_child(work)
    if after is not None:
        time.sleep(after)
        os.kill(child, signal.SIGKILL)
    status = os.waitpid(child, 0)[1]
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, "it failed"
    return os.WIFSIGNALED(status)


def kill_self(*arguments: object, **options: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@each_format
def test_killed_while_it_computes(suffix: str, lm: BiLM, tmp_path: Path) -> None:
    through, out = tmp_path / f"through.{suffix}", tmp_path / "killed" / f"through.{suffix}"
    embed(lm, texts(), through)
    # 12 batches, made safe after every other one: in the middle of a part, then just after one.
    for batches in (7, 2):
        left = [batches]

        def count(progress: object, left: list[int] = left) -> None:
            left[0] -= 1
            if left[0] < 0:
                kill_self()

        assert killed(lambda count=count: embed(lm, texts(), out, progress=count))
        assert not list(out.parent.glob("through*.spacy" if suffix == "spacy" else out.name))
    told = []
    done = embed(lm, texts(), out, progress=told.append)
    assert (told[0].resumed, done.n_entries) == (40, 60)
    assert contents(out) == contents(through)
    assert {path.name for path in out.parent.iterdir()} == {
        path.name for path in tmp_path.iterdir() if path.is_file()
    }


@each_format
@pytest.mark.parametrize("moment", ["before", "after", "moved"])
def test_killed_at_the_end(
    suffix: str, moment: str, lm: BiLM, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the output is put together, when it is, and when its files were moved."""
    through, out = tmp_path / f"x.{suffix}", tmp_path / "killed" / f"x.{suffix}"
    embed(lm, texts(), through)
    owner, name = {
        "before": (Work, "out"),
        "after": (Work, "finish"),
        "moved": (Work, "remove"),
    }[moment]
    with monkeypatch.context() as patched:
        patched.setattr(owner, name, kill_self)
        assert killed(lambda: embed(lm, texts(), out))
    done = embed(lm, texts(), out)
    assert done.n_entries == 60
    assert contents(out) == contents(through)
    assert not list(out.parent.glob("*.partial"))


def test_killed_between_two_files(
    lm: BiLM, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    embed(lm, texts(), tmp_path / "through.npy")
    out = tmp_path / "killed" / "through.npy"
    embed(lm, ["other"], out)
    replace = Path.replace

    def once(self: Path, target: Path) -> Path:
        if self.name == "through.npy":  # the last one
            kill_self()
        return replace(self, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", once)
        assert killed(lambda: embed(lm, texts(), out, force=True))
    embed(lm, texts(), out, force=True)
    assert contents(out) == contents(tmp_path / "through.npy")


def test_another_input_after_one_that_was_finished(
    lm: BiLM, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a killed run had only to move is no output of the next call with another input."""
    out, other = tmp_path / "x.npy", ["x"] * 5
    embed(lm, texts(), tmp_path / "through.npy")
    embed(lm, other, tmp_path / "other.npy")

    def left() -> None:
        with monkeypatch.context() as patched:
            patched.setattr(Work, "_move", kill_self)
            assert killed(lambda: embed(lm, texts(), out, force=True))

    for wrong in (other, [*texts(), "more"], texts()[:-1]):
        left()
        with pytest.raises(EmbeddingError, match="was finished for another input"):
            embed(lm, wrong, out)
        assert contents(out) == contents(tmp_path / "through.npy")
    for given in (other, iter(other)):
        left()
        assert embed(lm, given, out, force=True).n_entries == 5
        assert contents(out) == contents(tmp_path / "other.npy")
    left()
    assert embed(lm, iter(texts()), out, force=True).n_entries == 60
    assert contents(out) == contents(tmp_path / "through.npy")


@pytest.mark.soak
@pytest.mark.timeout(1800)
@each_format
def test_killed_at_any_moment(suffix: str, lm: BiLM, tmp_path: Path) -> None:
    through, out = tmp_path / f"x.{suffix}", tmp_path / "killed" / f"x.{suffix}"
    began = time.monotonic()
    embed(lm, texts(300), through)
    seconds = time.monotonic() - began
    chosen = random.Random(1)
    for _ in range(20):
        killed(lambda: embed(lm, texts(300), out, force=True), chosen.uniform(0, 1.2 * seconds))
    embed(lm, texts(300), out, force=True)
    assert contents(out) == contents(through)
    assert not list(out.parent.glob("*.partial"))


def interrupted(lm: BiLM | Language, out: Path, **options: object) -> None:
    """Leave the remains of a run."""

    def stop(progress: object) -> None:
        if progress.n_entries >= 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        embed(lm, texts(), out, progress=stop, **options)
    assert out.with_name(out.name + ".partial").is_dir()


def test_remains_of_another_run(lm: BiLM, tmp_path: Path) -> None:
    out = tmp_path / "x.npy"
    interrupted(lm, out, layers="top")
    with pytest.raises(EmbeddingError, match=r"another run left, with other layers, several: run"):
        embed(lm, texts(), out, layers="all")
    other = [*texts()[:3], "changed", *texts()[4:]]
    with pytest.raises(EmbeddingError, match="the input is not the one"):
        embed(lm, other, out, layers="top")
    with pytest.raises(EmbeddingError, match="the input is not the one"):
        embed(lm, texts()[:5], out, layers="top")
    assert embed(lm, texts(), out, layers="top").resumed == 20
    interrupted(lm, out, layers="top", force=True)
    embed(lm, other, out, layers="all", force=True)
    embed(lm, other, tmp_path / "y.npy", layers="all")
    assert contents(out) == contents(tmp_path / "y.npy")


@each_format
def test_force_begins_anew_with_another_input(suffix: str, lm: BiLM, tmp_path: Path) -> None:
    out = tmp_path / f"x.{suffix}"
    other = [*texts()[:3], "changed", *texts()[4:]]
    embed(lm, other, tmp_path / f"other.{suffix}")
    for given in (other, iter(other)):
        interrupted(lm, out, force=True)
        told = []
        embed(lm, given, out, force=True, progress=told.append)
        assert told[0].resumed == 0
        assert contents(out) == contents(tmp_path / f"other.{suffix}")
    interrupted(lm, out, force=True)
    told = []
    embed(lm, texts(), out, force=True, progress=told.append)
    assert told[0].resumed == 20  # the same input: it goes on


def in_another_process(path: Path) -> str:
    """The identity of a saved pipeline's reader where sets of strings have another order."""
    code = (
        "import spacy; from spacy_elmo.embedding.docs.pipeline import PipelineReader; "
        f"print(PipelineReader(spacy.load({str(path)!r})).identity())"
    )
    command = [sys.executable, "-c", code]
    environment = {**os.environ, "PYTHONHASHSEED": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return done.stdout.strip()


def test_a_pipeline_that_splits_in_another_way(weights: Path, tmp_path: Path) -> None:
    def pipeline(punct_chars: list[str] | None, hyphens: bool = True) -> Language:
        nlp = spacy.blank("en")
        nlp.add_pipe("sentencizer", config={"punct_chars": punct_chars})
        nlp.add_pipe("elmo", config={"model": {"weights": str(weights)}})
        if not hyphens:
            nlp.tokenizer.infix_finditer = None
        return nlp

    out = tmp_path / "x.npy"
    first = pipeline(None)
    interrupted(first, out)
    for other in (pipeline(["/"]), pipeline(None, hyphens=False)):
        with pytest.raises(EmbeddingError, match="left, with other reader: run that one again"):
            embed(other, texts(), out)
    first.to_disk(tmp_path / "saved")
    again = spacy.load(tmp_path / "saved")
    for text in texts():  # what it has read changes nothing
        first(text)
    assert PipelineReader(again).identity() == in_another_process(tmp_path / "saved")
    told = []
    embed(first, texts(), out, progress=told.append)
    assert told[0].resumed == 20


def test_one_run_at_a_time(lm: BiLM, tmp_path: Path) -> None:
    out = tmp_path / "x.npy"

    def again(progress: object) -> None:
        with pytest.raises(FileExistsError, match="another run is at work"):
            embed(lm, texts(), out)

    embed(lm, texts(9), out, progress=again)


def test_a_writer_says_where_it_is(tmp_path: Path) -> None:
    import numpy as np

    from spacy_elmo.embedding.entries import entry_of_words
    from spacy_elmo.embedding.spec import Spec
    from spacy_elmo.embedding.writers.npy import NpyWriter

    def write(writer: Writer, n: int) -> None:
        for _ in range(n):
            writer.write(entry_of_words(["a"]), np.full((1, 2), writer.n_entries, np.float32))

    def fail() -> None:
        with NpyWriter(tmp_path / "x.npy", Spec(width=2)) as writer:
            write(writer, 2)
            writer.checkpoint()
            write(writer, 1)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    with NpyWriter(tmp_path / "x.npy", Spec(width=2)) as writer:
        assert writer.n_entries == 2
        write(writer, 2)
    assert np.load(tmp_path / "x.npy")[:, 0].tolist() == [0, 1, 2, 3]


def test_sentence_keys_of_a_run_that_goes_on(tmp_path: Path) -> None:
    import numpy as np

    from spacy_elmo.embedding.entries import entry_of_words
    from spacy_elmo.embedding.spec import Spec
    from spacy_elmo.embedding.writers.hdf5 import Hdf5Writer

    def write(*words: str) -> None:
        with Hdf5Writer(tmp_path / "x.hdf5", Spec(width=2), use_sentence_keys=True) as writer:
            for word in words:
                writer.write(entry_of_words([word]), np.zeros((1, 2), np.float32))
            writer.checkpoint()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write("a", "b")
    with pytest.raises(EmbeddingError, match="entry 2, 'a', names a dataset that is there already"):
        write("a")
