"""Several files are one model: of one generation, or an error."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import h5py
import pytest
from safetensors.numpy import load_file, save_file

from spacy_elmo import BiLM
from spacy_elmo.formats import WeightsError, load, native, save
from spacy_elmo.formats.generation import unchanged
from spacy_elmo.formats.hdf5 import writer
from tests.formats.models import TINY, WORDS, assert_same, give_softmax, small_weights

ROOT = Path(__file__).parents[2]


def generation(seed: int, *, clip: float | None = None) -> BiLM:
    """A model whose files could pass for those of any other seed."""
    lm = small_weights(replace(TINY, cell_clip=clip or 3.0 + seed), seed=seed)
    give_softmax(lm)
    lm.set_vocabulary([*WORDS[:3], *(f"{word}{seed}" for word in WORDS[3:])])
    return lm


NATIVE = ["config.json", "vocab.txt", "weights.safetensors", "softmax.safetensors"]
HDF5 = ["m_options.json", "m_vocab.txt", "m.hdf5"]


@pytest.mark.parametrize("target", ["m", "m.hdf5"])
def test_no_file_can_pass_for_one_of_another_model(tmp_path: Path, target: str) -> None:
    for seed, folder in enumerate(["a", "b"]):
        save(generation(seed), tmp_path / folder / target)
    names = NATIVE if target == "m" else HDF5
    inside = target if target == "m" else ""
    for name in names:
        shutil.rmtree(tmp_path / "mixed", ignore_errors=True)
        shutil.copytree(tmp_path / "a", tmp_path / "mixed")
        shutil.copy(tmp_path / "b" / inside / name, tmp_path / "mixed" / inside / name)
        with pytest.raises(WeightsError, match=r"is not the one that .* was written with"):
            load(tmp_path / "mixed" / target)
    assert_same(load(tmp_path / "a" / target), generation(0))


def test_what_means_the_same_is_the_same(tmp_path: Path) -> None:
    """Line ends, indentation and the order of keys are not the model."""
    save(generation(0), tmp_path / "m")
    save(generation(0), tmp_path / "m.hdf5")
    for config in (tmp_path / "m/config.json", tmp_path / "m_options.json"):
        values = json.loads(config.read_text("utf8"))
        config.write_text(json.dumps(dict(reversed(values.items()))), "utf8")
    for vocab in (tmp_path / "m/vocab.txt", tmp_path / "m_vocab.txt"):
        vocab.write_bytes(vocab.read_bytes().replace(b"\n", b"\r\n"))
    assert_same(load(tmp_path / "m"), generation(0))
    assert_same(load(tmp_path / "m.hdf5"), generation(0))


def test_an_edited_config_and_a_lost_vocabulary_are_named(tmp_path: Path) -> None:
    path = tmp_path / "m"
    save(generation(0), path)
    config = json.loads((path / "config.json").read_text("utf8"))
    (path / "config.json").write_text(json.dumps({**config, "proj_clip": None}), "utf8")
    with pytest.raises(WeightsError, match=r"m/config.json: is not the one .* edited"):
        load(path)
    save(generation(0), path)
    (path / "vocab.txt").unlink()
    with pytest.raises(WeightsError, match=r"m/vocab.txt: is missing, and .*safetensors was"):
        load(path)


def test_files_that_name_no_digests_load(tmp_path: Path) -> None:
    save(generation(0), tmp_path / "m")
    save(generation(0), tmp_path / "m.hdf5")
    for name in ("weights.safetensors", "softmax.safetensors"):
        save_file(load_file(tmp_path / "m" / name), tmp_path / "m" / name)
    with h5py.File(tmp_path / "m.hdf5", "r+") as file:
        del file["spacy_elmo"]
    assert_same(load(tmp_path / "m"), generation(0))
    assert_same(load(tmp_path / "m.hdf5"), generation(0))


def test_metadata_that_are_no_object(tmp_path: Path) -> None:
    save(generation(0), tmp_path / "m")
    weights = tmp_path / "m/weights.safetensors"
    save_file(load_file(weights), weights, metadata={native.METADATA: "[1"})
    with pytest.raises(WeightsError, match=r"weights.safetensors: is damaged: its metadata"):
        load(tmp_path / "m")


@pytest.mark.parametrize("replaced", NATIVE)
def test_replaced_while_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, replaced: str
) -> None:
    save(generation(0), tmp_path / "m")
    assemble = native.assemble

    def assemble_late(*args: object) -> BiLM:
        copy = tmp_path / "copy"
        shutil.copy(tmp_path / "m" / replaced, copy)
        copy.replace(tmp_path / "m" / replaced)
        return assemble(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(native, "assemble", assemble_late)
    with pytest.raises(WeightsError, match=f"{replaced}: was replaced while the weights were"):
        load(tmp_path / "m")


def test_what_appears_or_goes_meanwhile(tmp_path: Path) -> None:
    file = tmp_path / "x"
    with pytest.raises(WeightsError, match="x: was replaced"), unchanged(file):
        file.touch()

    def read_what_goes() -> None:
        with unchanged(file):
            file.unlink()
            raise ValueError("a reader's own words for it")

    with pytest.raises(WeightsError, match="x: was replaced"):
        read_what_goes()
    with pytest.raises(KeyError), unchanged(file):
        raise KeyError


def test_hdf5_writer_that_dies_at_any_rename(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever reads finds the old model until the weights are new, then the new one."""
    replace_file = Path.replace
    for survived in range(4):
        save(generation(0), tmp_path / "m.hdf5")
        done = 0

        def die(path: Path, target: Path, survived: int = survived) -> Path:
            nonlocal done
            if done == survived:
                raise KeyboardInterrupt
            done += 1
            return replace_file(path, target)

        monkeypatch.setattr(Path, "replace", die)
        if survived < 3:
            with pytest.raises(KeyboardInterrupt):
                save(generation(1), tmp_path / "m.hdf5")
        else:
            monkeypatch.setattr(writer, "forget_kept", lambda file: None)
            save(generation(1), tmp_path / "m.hdf5")
        monkeypatch.undo()
        assert_same(load(tmp_path / "m.hdf5"), generation(int(survived == 3)))
        save(generation(2), tmp_path / "m.hdf5")
        assert sorted(file.name for file in tmp_path.iterdir()) == sorted(HDF5)


def test_hdf5_writer_that_dies_over_weights_without_digests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(generation(0), tmp_path / "m.hdf5")
    with h5py.File(tmp_path / "m.hdf5", "r+") as file:
        del file["spacy_elmo"]
    before = (tmp_path / "m.hdf5").read_bytes()
    monkeypatch.setattr(writer, "forget_kept", lambda file: None)
    save(generation(1), tmp_path / "m.hdf5")
    (tmp_path / "m.hdf5").write_bytes(before)
    with pytest.raises(WeightsError, match=r"m_options.json: was replaced by a writer that died"):
        load(tmp_path / "m.hdf5")
    for name in ("m_options.json", "m_vocab.txt"):
        [old] = tmp_path.glob(f".{name}.*.old")
        old.replace(tmp_path / name)
    assert_same(load(tmp_path / "m.hdf5"), generation(0))


def test_a_vocabulary_left_by_the_model_before_is_not_read(tmp_path: Path) -> None:
    save(generation(0), tmp_path / "m.hdf5")
    left = (tmp_path / "m_vocab.txt").read_bytes()
    save(small_weights(seed=1), tmp_path / "m.hdf5")
    (tmp_path / "m_vocab.txt").write_bytes(left)
    assert_same(load(tmp_path / "m.hdf5"), small_weights(seed=1))


WRITE_AND_DIE = """
import os, random, signal, sys, time
import torch
from spacy_elmo import WeightsError
from spacy_elmo.formats import load, save
from tests.formats.models import assert_same
from tests.formats.test_generation import generation
torch.set_num_threads(1)
target = sys.argv[1]
models = [generation(0), generation(1)]
save(models[0], target)

def check():
    found = load(target)
    number = int(found.vocabulary == models[1].vocabulary)
    assert_same(found, models[number])

def writer():
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.write(writing, b"!")
        while True:
            for lm in reversed(models):
                save(lm, target)
    os.read(reading, 1)
    os.close(reading), os.close(writing)
    return child

def end(child):
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)

for _ in range(8):
    child = writer()
    time.sleep(random.uniform(0, 0.1))
    end(child)
    check()
read = refused = 0
child = writer()
for _ in range(30):
    try:
        check()
        read += 1
    except WeightsError:
        refused += 1
end(child)
print(read, refused)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="a directory is replaced in one step there")
@pytest.mark.parametrize("target", ["m", "m.hdf5"])
def test_killed_writers_and_readers_beside_them(tmp_path: Path, target: str) -> None:
    """What is read is one of the two models, whole, or an error: after a kill never an error."""
    done = subprocess.run(
        [sys.executable, "-c", WRITE_AND_DIE, target],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert sum(map(int, done.stdout.split())) == 30
