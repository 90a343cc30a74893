"""How `prepare` runs: same bytes in any number of processes, nothing half-done, clear refusals."""

from __future__ import annotations

import multiprocessing
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from spacy_elmo.pretraining.corpus import running_text
from spacy_elmo.pretraining.corpus.corpus import Corpus
from spacy_elmo.pretraining.corpus.prepare import prepare
from spacy_elmo.pretraining.corpus.segmentation import Settings
from spacy_elmo.pretraining.corpus.workers import segment_blocks
from spacy_elmo.text import reading
from spacy_elmo.text.reading import Block

TEXT = "The cat sat. It slept!\n\nA d\xf6g (big) came in 1999; it b\xe4rked.\n" * 40


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def write(folder: Path, text: str = TEXT) -> Path:
    (folder / "in.txt").write_text(text, "utf8")
    return folder / "in.txt"


def test_same_bytes_in_any_number_of_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write(tmp_path)
    source.write_bytes(source.read_bytes() + b"\xff\n")
    prepare([source], tmp_path / "whole")
    monkeypatch.setattr(reading, "BLOCK_BYTES", 300)  # blocks for all processes
    monkeypatch.setattr(running_text, "_BUFFER", 100)
    prepare([source], tmp_path / "two", n_process=2)
    prepare([source], tmp_path / "one")
    expected = contents(tmp_path / "whole")
    assert len(expected) == 6
    assert contents(tmp_path / "one") == contents(tmp_path / "two") == expected


def test_errors_of_workers_arrive(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text('{"tokens": "a"}')
    with pytest.raises(ValueError, match=r"in.jsonl, line 1: expected an object"):
        prepare([tmp_path / "in.jsonl"], tmp_path / "out", n_process=2)
    assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl"]


def test_killed_worker() -> None:
    block = Block("tokens", "test", 1, b"a b\n")

    def blocks() -> object:
        for number in range(1000):
            yield block
            if number == 10:
                for child in multiprocessing.active_children():
                    child.kill()  # if the pool, after the first one's end, has not ended it
                    child.join()

    with pytest.raises(ChildProcessError, match="a worker process died"):
        list(segment_blocks(blocks(), Settings(), n_process=2))  # type: ignore[arg-type]


@pytest.mark.parametrize("n_process", [0, -2])
def test_number_of_processes(tmp_path: Path, n_process: int) -> None:
    with pytest.raises(ValueError, match="number of processes must be at least 1"):
        prepare([write(tmp_path)], tmp_path / "out", n_process=n_process)


SCRIPT = """
import signal, sys
from spacy_elmo.text import reading
from spacy_elmo.pretraining.corpus.prepare import prepare
if __name__ == "__main__":
    # What a shell starts in the background ignores it, and so does all that is started from there.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    reading.BLOCK_BYTES = 1000
    prepare(["-"], sys.argv[1], tokenized=True, min_count=1, n_process=2)
"""


def wait_until(happened: object, seconds: float = 120) -> None:
    assert callable(happened)
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def processes(parent: int | None = None) -> set[int]:
    """Running processes, of one parent or all; none that only wait to be reaped."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if parent in (None, int(fields[1])) and fields[0] != "Z":
            found.add(int(path.parent.name))
    return found


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes in /proc")
@pytest.mark.parametrize(
    "kill", [signal.SIGKILL, pytest.param(signal.SIGINT, marks=pytest.mark.soak)]
)
def test_killed_while_it_works(tmp_path: Path, kill: signal.Signals) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    out, partial = tmp_path / "out", tmp_path / "out.partial"
    with (tmp_path / "stderr").open("wb") as stderr:
        run = subprocess.Popen(
            [sys.executable, tmp_path / "script.py", out],
            stdin=subprocess.PIPE,
            stderr=stderr,
            cwd=Path(__file__).parents[3],
        )
    assert run.stdin is not None
    try:
        run.stdin.write(b"a b c\n" * 20_000)
        run.stdin.flush()
    except BrokenPipeError:
        pytest.fail((tmp_path / "stderr").read_text())
    ids = partial / "provisional-ids"
    wait_until(lambda: ids.exists() and ids.stat().st_size > 0)
    children = processes(parent=run.pid)
    assert len(children) >= 2
    # What another run is at work on is not taken from it, not by force.
    with pytest.raises(FileExistsError, match=r"out.partial: another run is at work on it"):
        prepare([write(tmp_path)], out, force=True)
    assert ids.exists()
    run.send_signal(kill)
    assert run.wait(120) != 0
    run.stdin.close()
    assert not out.exists()
    assert partial.exists() == (kill == signal.SIGKILL)
    # No worker is left behind.
    wait_until(lambda: not children & processes())

    if kill == signal.SIGKILL:
        with pytest.raises(FileExistsError, match=r"out.partial exists: another run .* was killed"):
            prepare([write(tmp_path)], out)
    prepare([write(tmp_path)], out, force=True)
    assert len(Corpus(out)) > 0
    assert not partial.exists()


def test_killed_between_two_renames(tmp_path: Path) -> None:
    """Where the system needs two, to replace a corpus: neither the old nor the new is lost."""
    options = {"tokenized": True, "min_count": 1}
    out, partial = tmp_path / "out", tmp_path / "out.partial"
    prepare([write(tmp_path, "old\n")], tmp_path / ".out.0123abcd.tmp", **options)  # type: ignore[arg-type]
    prepare([write(tmp_path, "new\n")], partial, **options)  # type: ignore[arg-type]
    with pytest.raises(FileExistsError, match="exists already"):
        prepare([write(tmp_path, "newer\n")], out, **options)  # type: ignore[arg-type]
    assert Corpus(out).types[3:] == ["new"]
    prepare([write(tmp_path, "newer\n")], out, force=True, **options)  # type: ignore[arg-type]
    assert Corpus(out).types[3:] == ["newer"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.txt", "out"]


def test_existing_output(tmp_path: Path) -> None:
    source, out = write(tmp_path, "a b\n"), tmp_path / "deep" / "out"
    options = {"tokenized": True, "min_count": 1}
    prepare([source], out, **options)  # type: ignore[arg-type]
    before = contents(out)
    write(tmp_path, "c\n")
    with pytest.raises(FileExistsError, match="exists already"):
        prepare([source], out, **options)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="not a single word"):
        prepare([write(tmp_path, "\n")], out, force=True, **options)  # type: ignore[arg-type]
    assert contents(out) == before
    prepare([write(tmp_path, "c\n")], out, force=True, **options)  # type: ignore[arg-type]
    assert Corpus(out).types[3:] == ["c"]
    assert [path.name for path in out.parent.iterdir()] == ["out"]


def test_force_replaces_nothing_but_a_corpus(tmp_path: Path) -> None:
    precious = tmp_path / "home"
    precious.mkdir()
    (precious / "thesis.txt").write_text("...")
    with pytest.raises(FileExistsError, match="is no prepared corpus, so it is not replaced"):
        prepare([write(tmp_path)], precious, force=True)
    assert (precious / "thesis.txt").exists()
    (tmp_path / "empty").mkdir()
    prepare([write(tmp_path)], tmp_path / "empty")
    assert len(Corpus(tmp_path / "empty")) > 0


@pytest.mark.parametrize(
    ("inputs", "error", "message"),
    [
        ([], ValueError, "no input"),
        (["nowhere.txt"], FileNotFoundError, "no such file: nowhere.txt"),
        (["."], ValueError, "is a folder: give the files to read"),
        (["docs.spacy.gz"], ValueError, "must be decompressed first"),
    ],
)
def test_unusable_inputs(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    inputs: list[str],
    error: type[Exception],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "docs.spacy.gz").write_bytes(b"")
    with pytest.raises(error, match=message):
        prepare(inputs, tmp_path / "out")


@pytest.mark.parametrize("option", ["max_characters", "max_vocab"])
def test_unusable_sizes(tmp_path: Path, option: str) -> None:
    with pytest.raises(ValueError, match=f"{option} must be at least 3, not 2"):
        prepare([write(tmp_path)], tmp_path / "out", **{option: 2})  # type: ignore[arg-type]
