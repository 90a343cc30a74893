"""An earlier commit of this package, installed into a folder of its own, to measure against.

Its entry points and metadata are its own, so that spaCy and the commands of that process know
nothing of the package in the environment. Needs the history of a git clone, and a C compiler only
where that commit has kernels.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

from benchmarks.text import ROOT

COMMIT = "61f52b1"


def install(commit: str = COMMIT) -> Path:
    """Install a commit into `build/earlier/COMMIT`, if it is not there yet, and return the folder.

    Raises:
        SystemExit: Where there is no git, or no such commit in this clone.
    """
    folder = ROOT / "build" / "earlier" / commit
    site = folder / "site"
    if not site.is_dir():
        command = ["git", "-C", str(ROOT), "archive", "--format=tar", commit]
        done = subprocess.run(command, capture_output=True, check=False)
        if done.returncode:
            raise SystemExit(
                f"commit {commit} is not to be had, so nothing is compared with it: "
                f"{done.stderr.decode(errors='replace').strip()} (it needs a clone with history)"
            )
        with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
            archive.extractall(folder / "source", filter="data")
        _pip_install(folder / "source", site)
    return site


def _pip_install(source: Path, site: Path) -> None:
    aside = site.with_name("site.partial")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
    command += ["--no-build-isolation", "--target", str(aside), str(source)]
    subprocess.run(command, check=True)
    aside.rename(site)


class Side:
    """A process that measures with one of the two packages, one figure per request.

    Both sides live at once and are asked in turn, so that what else the machine does slows both.
    """

    def __init__(self, site: Path | None, settings: dict[str, Any]) -> None:
        (ROOT / "build").mkdir(exist_ok=True)
        environment = dict(os.environ)
        if site is not None:
            environment["PYTHONPATH"] = str(site)
        # As a file, not a module: the folder of this checkout must not come before `site`.
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("side.py")), json.dumps(settings)],
            env=environment,
            cwd=ROOT / "build",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.package = self._answer()

    def measure(self, what: str, **settings: Any) -> float:
        """One figure, as `side.py` names it."""
        assert self.process.stdin is not None
        print(json.dumps({"what": what, **settings}), file=self.process.stdin, flush=True)
        return float(self._answer())

    def close(self) -> None:
        """End the process."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()

    def _answer(self) -> Any:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the process that measures ended with {self.process.wait()}")
        return json.loads(line)
