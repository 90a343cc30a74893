"""A wheel as users get it: in an environment of its own, where README's first lines run.

python -m tests.installed dist/NAME.whl    # what `make wheel` ends with
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.docs.snippets import ROOT, blocks

# What the snippet cannot say itself: that it was the installed package, with its kernels or not.
WHERE = """
import spacy_elmo
from spacy_elmo.bilm.kernels import loader
print(spacy_elmo.__file__)
print("kernels:", ", ".join(loader.offered()) or "none")
"""


def python_of(environment: Path) -> Path:
    """The Python of a virtual environment."""
    return environment / ("Scripts" if os.name == "nt" else "bin") / "python"


def run_first_snippet(environment: Path, folder: Path) -> list[str]:
    """Run README's first Python block by an environment, from a folder that is no checkout.

    Returns:
        The lines that it printed.
    """
    code = blocks(ROOT / "README.md", "python")[0] + WHERE
    done = subprocess.run(
        [python_of(environment), "-I", "-c", code],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    similarity, where, kernels = done.stdout.splitlines()[-3:]
    assert 0 < float(similarity) < 0.9, similarity
    assert Path(where).resolve().is_relative_to(environment.resolve()), where
    return [similarity, where, kernels]


def main(wheel: Path) -> None:
    """Install a wheel, with the pinned versions of what it needs, and run the snippet."""
    with tempfile.TemporaryDirectory() as folder:
        environment = Path(folder) / "venv"
        subprocess.run([sys.executable, "-m", "venv", environment], check=True)
        pip = [python_of(environment), "-m", "pip", "--disable-pip-version-check", "install"]
        pins = ("--quiet", "--constraint", ROOT / "constraints.txt")
        subprocess.run([*pip, *pins, wheel.resolve()], check=True, cwd=folder)
        print(*run_first_snippet(environment, Path(folder)), sep="\n")
    print(f"{wheel}: {wheel.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
