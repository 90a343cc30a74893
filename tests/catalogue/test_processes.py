"""Downloads by real processes: killed, two at once, with a full disk."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from spacy_elmo import BiLM
from tests.catalogue.server import Site
from tests.formats.models import assert_same
from tests.tiny import tiny_lm

WEIGHTS, OPTIONS = "tiny_weights.hdf5", "tiny_options.json"
# The command, in a process that imports no more than it needs.
COMMAND = "from spacy_elmo.cli.app import app; app()"


def start(site: Site, *more: str, before: str = "") -> subprocess.Popen[str]:
    arguments = ["download", site.url(WEIGHTS), site.url(OPTIONS), "--name", "tiny", *more]
    return subprocess.Popen(
        [sys.executable, "-c", before + COMMAND, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def output(process: subprocess.Popen[str]) -> str:
    text, _ = process.communicate(timeout=120)
    return text


@pytest.mark.skipif(sys.platform == "win32", reason="needs kill")
def test_killed_in_the_middle_and_gone_on_with(site: Site, home: Path) -> None:
    site.piece, reached, go_on = 1000, threading.Event(), threading.Event()
    small = "from spacy_elmo.catalogue import transfer; transfer.CHUNK = 500; "
    n_options = -(-len(site.files[OPTIONS]) // site.piece)
    pieces = []

    def wait() -> None:
        pieces.append(1)
        if len(pieces) == n_options + 6:  # of the weights
            reached.set()
            go_on.wait(60)

    site.on_piece = wait
    process = start(site, before=small)
    assert reached.wait(60)
    # What was sent may be on its way: wait for some of it, however slow this machine is.
    part = home / "models/.tiny.part" / f"{WEIGHTS}.part"
    for _ in range(6000):
        if part.is_file() and part.stat().st_size:
            break
        threading.Event().wait(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    go_on.set()
    assert process.returncode == -signal.SIGKILL
    size = part.stat().st_size
    assert 0 < size <= 6000
    assert not (home / "models/tiny").exists()
    site.requests.clear()
    again = start(site)
    text = output(again)
    assert again.returncode == 0, text
    assert f"going on after {size:,}" in text
    assert site.requests == [(WEIGHTS, f"bytes={size}-")]
    assert_same(BiLM.from_pretrained("tiny"), tiny_lm())
    assert [path.name for path in (home / "models").iterdir()] == ["tiny"]


def test_two_at_once(site: Site, home: Path) -> None:
    reached, go_on = threading.Event(), threading.Event()

    def wait() -> None:
        reached.set()
        go_on.wait(60)

    site.on_piece = wait
    first = start(site)
    assert reached.wait(60)
    second = start(site)
    text = output(second)
    assert second.returncode == 1
    assert "is being downloaded by another process" in text
    go_on.set()
    assert first.wait(60) == 0, output(first)
    assert_same(BiLM.from_pretrained("tiny"), tiny_lm())
    assert len(site.requests) == 2


@pytest.mark.skipif(sys.platform == "win32", reason="needs limits of files")
def test_a_disk_that_fills_up(site: Site, home: Path) -> None:
    limit = (
        "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (7000, 7000)); "
    )
    process = start(site, before=limit)
    text = output(process)
    assert process.returncode == 1
    assert "cannot be written" in text
    assert "Make room" in text
    assert "Traceback" not in text
    assert not (home / "models/tiny").exists()
    again = start(site)
    assert again.wait(60) == 0, output(again)
    assert (WEIGHTS, "bytes=7000-") in site.requests
    assert_same(BiLM.from_pretrained("tiny"), tiny_lm())
