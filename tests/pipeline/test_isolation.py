"""What is broken or absent elsewhere breaks nothing here."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

BROKEN_H5PY = """
import sys

class Broken:
    def find_spec(self, name, path=None, target=None):
        if name == "h5py" or name.startswith("h5py."):
            raise ImportError("h5py is broken")

sys.meta_path.insert(0, Broken())
import spacy

nlp = spacy.blank("en")
from spacy_elmo.pipeline import factory

nlp.add_pipe("elmo", config={"model": {"weights": sys.argv[1]}})
assert nlp("a river bank")[2]._.elmo.any()
nlp.to_disk(sys.argv[2] + "/saved")
assert spacy.load(sys.argv[2] + "/saved")("a")[0]._.elmo.any()

other = spacy.blank("en")
open(sys.argv[2] + "/weights.hdf5", "wb").write(b"\\x89HDF\\r\\n\\x1a\\n")
other.add_pipe("elmo", config={"model": {"weights": sys.argv[2] + "/weights.hdf5"}})
try:
    other("a")
except Exception as error:
    print(type(error).__name__, error)
"""


def test_a_broken_h5py(weights: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", BROKEN_H5PY, str(weights), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "h5py" in done.stdout
