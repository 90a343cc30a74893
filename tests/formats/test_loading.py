"""What a source may be: names, paths, folders; what is refused, and what is never opened."""

import os
import pickle
import subprocess
import sys
import textwrap
from pathlib import Path
from shutil import copy
from tempfile import TemporaryDirectory
from typing import Any
from zipfile import ZipFile, is_zipfile

import pytest

from spacy_elmo import BiLM
from spacy_elmo.formats import WeightsError, load, loading, native, resolve, save
from spacy_elmo.formats.format import Format
from tests.formats.models import TINY_WORDS, assert_same, model


def error(source: str | Path) -> str:
    with pytest.raises(WeightsError) as caught:
        load(source)
    return str(caught.value)


def test_nothing_there(tmp_path: Path) -> None:
    for source in (tmp_path / "nowhere", str(tmp_path / "nowhere.hdf5"), ""):
        message = error(source)
        assert repr(str(source)) in message
        for way in ("path of weights you have", "spacy elmo convert", "spacy elmo pretrain"):
            assert way in message


def test_packaged_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "MODELS", tmp_path)
    message = error("en_elmo_sm")
    assert "'en_elmo_sm' is not part of this installation" in message
    assert "spacy elmo pretrain" in message
    lm = model()
    save(lm, tmp_path / "en_elmo_sm")
    assert resolve("en_elmo_sm") == tmp_path / "en_elmo_sm"
    assert_same(load("en_elmo_sm"), lm)
    # A `Path` is a name, too, unless there is something of that name.
    monkeypatch.chdir(tmp_path.parent)
    assert_same(load(Path("en_elmo_sm")), lm)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    save(model(seed=1), "en_elmo_sm")
    assert_same(load(Path("./en_elmo_sm")), model(seed=1))
    assert_same(load("./en_elmo_sm"), model(seed=1))
    assert_same(load("en_elmo_sm"), lm)


@pytest.mark.parametrize("source", ["", "x" * 5000, "~nobody_of_this_name/elmo", "a\0b"])
def test_sources_that_are_no_paths(source: str) -> None:
    assert "no weights at" in error(source)


def test_home_and_relative_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(model(), tmp_path / "m")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for source in ("~/m", "m", "./m", Path("m"), tmp_path / "m", Path("~/m")):
        assert_same(load(source), model())
    save(model(TINY_WORDS), "~/w.hdf5")
    assert (tmp_path / "w.hdf5").is_file()
    for name in ("options.json", "vocab.txt"):
        (tmp_path / f"w_{name}").rename(tmp_path / f"elsewhere_{name[:3]}")
    lm = load("~/w.hdf5", options="~/elsewhere_opt", vocab=Path("~/elsewhere_voc"))
    assert_same(lm, model(TINY_WORDS))


def test_through_the_model_class(tmp_path: Path) -> None:
    lm = model()
    lm.save(tmp_path / "m")
    lm.save(str(tmp_path / "M.H5"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["M.H5", "M_options.json", "m"]
    assert_same(BiLM.from_pretrained(str(tmp_path / "m")), lm)
    assert_same(BiLM.from_pretrained(tmp_path / "M.H5"), lm)
    with pytest.raises(ValueError, match="no warm state"):
        BiLM.from_pretrained(tmp_path / "m", initial_state="warm")


def test_folders_that_hold_no_weights(tmp_path: Path) -> None:
    assert "holds no weights (found nothing). Expected a native directory" in error(tmp_path)
    for number in range(10):
        (tmp_path / f"{number}.txt").touch()
    message = error(tmp_path)
    assert "(found 0.txt, 1.txt, 2.txt," in message
    assert "and 2 more" in message
    assert "an HDF5 file of bilm-tf or AllenNLP" in message
    assert "holds no weights (a file of an unknown kind)" in error(tmp_path / "1.txt")


def test_a_config_of_another_library_makes_no_native_directory(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"architectures": ["BertModel"]}')
    assert "holds no weights (found config.json)" in error(tmp_path)
    (tmp_path / "weights.safetensors").touch()
    assert "is no config of a biLM" in error(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
@pytest.mark.parametrize("name", ["pipe", "pipe.hdf5"])
def test_a_pipe_is_not_waited_for(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    assert "a file of an unknown kind" in error(tmp_path / name)


# HDF5 files and what lies beside them


@pytest.mark.parametrize(
    ("weights", "options"),
    [
        ("weights.hdf5", "options.json"),
        ("weights.h5", "elmo_options.json"),
        ("elmo_2x4096_weights.hdf5", "elmo_2x4096_options.json"),
        ("model.hdf5", "model_options.json"),
        ("model", "options.json"),  # recognised by its first bytes
    ],
)
def test_options_beside(tmp_path: Path, weights: str, options: str) -> None:
    save(model(), tmp_path / "a.hdf5")
    folder = tmp_path / "folder"
    folder.mkdir()
    (tmp_path / "a.hdf5").rename(folder / weights)
    (tmp_path / "a_options.json").rename(folder / options)
    assert_same(load(folder / weights), model())
    if weights != "model":
        assert_same(load(folder), model())
    # Files that only look a bit like options do not matter.
    (folder / "pred.options.json").touch()
    (folder / "my-options.json").touch()
    assert_same(load(folder / weights), model())
    # Given ones go first.
    (folder / options).rename(tmp_path / "given.json")
    assert_same(load(folder / weights, options=str(tmp_path / "given.json")), model())


def test_two_weight_files(tmp_path: Path) -> None:
    save(model(seed=1), tmp_path / "a.hdf5")
    save(model(seed=2), tmp_path / "b.hdf5")
    message = error(tmp_path)
    assert message.startswith(f"{tmp_path}: holds 2 weights files: a.hdf5, b.hdf5. ")
    assert "Give the path of the one to load" in message
    # Each has options that bear its name.
    assert_same(load(tmp_path / "a.hdf5"), model(seed=1))
    assert_same(load(tmp_path / "b.hdf5"), model(seed=2))
    # The options of one are not taken for those of the other.
    (tmp_path / "a_options.json").unlink()
    assert f"{tmp_path / 'a.hdf5'}: has no options file" in error(tmp_path / "a.hdf5")


def test_two_options_files(tmp_path: Path) -> None:
    save(model(), tmp_path / "a.hdf5")
    (tmp_path / "a_options.json").rename(tmp_path / "options.json")
    copy(tmp_path / "options.json", tmp_path / "old_options.json")
    message = error(tmp_path / "a.hdf5")
    assert "holds 2 options files: old_options.json, options.json. " in message
    assert "as `options`" in message
    assert_same(load(tmp_path, options=tmp_path / "options.json"), model())
    # One that bears the weights' name is no guess.
    copy(tmp_path / "options.json", tmp_path / "a_options.json")
    assert_same(load(tmp_path), model())


def test_two_vocabularies(tmp_path: Path) -> None:
    lm = model(TINY_WORDS)
    save(lm, tmp_path / "a.hdf5")
    (tmp_path / "a_vocab.txt").rename(tmp_path / "vocab.txt")
    assert_same(load(tmp_path), lm)
    copy(tmp_path / "vocab.txt", tmp_path / "old_vocab.txt")
    assert "holds 2 vocab files: old_vocab.txt, vocab.txt" in error(tmp_path)
    assert_same(load(tmp_path, vocab=tmp_path / "vocab.txt"), lm)


def test_published_folders(shared: Path) -> None:
    lm = load(shared / "weights/deepligand-peptide")
    assert (lm.config.lstm_dim, lm.config.projection_dim) == (256, 32)
    assert lm.vocabulary is None
    with_words = load(
        shared / "weights/deepligand-peptide",
        vocab=shared / "weights/deepligand-peptide/vocab.txt",
    )
    assert with_words.vocabulary is not None
    assert len(with_words.vocabulary) == 25
    assert load(shared / "weights/en-interim").config.cell_clip is None
    assert "holds 4 weights files: lm_embeddings_0.hdf5" in error(shared / "fixtures/bilm-tf")


# What is never opened, and what may be missing


class Trap:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> object:
        return os.mkdir, (str(self.marker),)


@pytest.mark.parametrize(
    "file",
    ["weights.safetensors", "config.json", "w.hdf5", "model.pt", "encoder.pkl", "weights.th"],
)
def test_pickles_stay_shut(tmp_path: Path, file: str) -> None:
    folder = tmp_path / "m"
    save(model(), folder)
    if file not in ("weights.safetensors", "config.json"):
        for own in folder.iterdir():
            own.unlink()
    (folder / file).write_bytes(pickle.dumps(Trap(tmp_path / "sprung")))
    error(folder)
    error(folder / file)
    assert not (tmp_path / "sprung").exists()


H5PY = {
    "absent": 'raise ModuleNotFoundError("No module named h5py")',
    "broken": 'raise ValueError("numpy.dtype size changed")',
}


@pytest.mark.parametrize("state", H5PY)
def test_without_h5py(tmp_path: Path, state: str) -> None:
    """The native format needs no h5py; HDF5 says that it does."""
    save(model(), tmp_path / "m")
    save(model(), tmp_path / "x.hdf5")
    (tmp_path / "path").mkdir()
    (tmp_path / "path/h5py.py").write_text(H5PY[state])
    script = """
    import sys
    from spacy_elmo import BiLM, WeightsError
    lm = BiLM.from_pretrained("m")
    lm.save("again")
    assert lm.encode([["a"]])[0].shape == (3, 1, 8)
    for action in (lambda: BiLM.from_pretrained("x.hdf5"), lambda: lm.save("y.hdf5")):
        try:
            action()
        except WeightsError as error:
            print(error)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{tmp_path / 'path'}{os.pathsep}{Path.cwd()}"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 2
    assert all("pip install h5py" in line for line in lines)
    assert lines[0].startswith("x.hdf5: ")
    assert_same(load(tmp_path / "again"), model())
    assert not (tmp_path / "y.hdf5").exists()


def test_import_needs_neither_spacy_nor_h5py() -> None:
    script = """
    import sys
    sys.modules["spacy"] = sys.modules["thinc"] = sys.modules["h5py"] = None
    import spacy_elmo.formats
    from spacy_elmo import WeightsError
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, timeout=120
    )
    assert done.returncode == 0, done.stderr


def test_a_new_format_is_one_entry_of_the_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here: a zip of a native directory."""

    def read(path: Path, **given: Any) -> BiLM:
        with TemporaryDirectory() as folder, ZipFile(path) as archive:
            archive.extractall(folder)
            return native.read(Path(folder), **given)

    def write(lm: BiLM, path: Path, *, dtype: str) -> None:
        with TemporaryDirectory() as folder, ZipFile(path, "w") as archive:
            native.write(lm, Path(folder), dtype=dtype)
            for file in Path(folder).iterdir():
                archive.write(file, file.name)

    zipped = Format("a zip file", is_zipfile, read, write, suffixes=(".zip",))
    monkeypatch.setattr(loading, "FORMATS", (zipped, *loading.FORMATS))
    save(model(), tmp_path / "m.zip")
    assert is_zipfile(tmp_path / "m.zip")
    assert_same(load(tmp_path / "m.zip"), model())
    save(model(), tmp_path / "m")
    assert_same(load(tmp_path / "m"), model())
    (tmp_path / "x").touch()
    assert "Expected a zip file, or a native directory" in error(tmp_path / "x")


def test_byte_order_marks_at_the_start_of_any_file(tmp_path: Path) -> None:
    """As editors on Windows put them there."""
    lm = model(TINY_WORDS)
    for target in ("m", "m.hdf5"):
        save(lm, tmp_path / target)
    for name in ("m/config.json", "m/vocab.txt", "m_options.json", "m_vocab.txt"):
        path = tmp_path / name
        path.write_text(path.read_text("utf8"), "utf-8-sig")
    for target in ("m", "m.hdf5"):
        assert_same(load(tmp_path / target), lm)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes with a name")
@pytest.mark.parametrize("name", ["config.json", "weights.safetensors"])
def test_a_pipe_inside_a_folder_is_not_waited_for(tmp_path: Path, name: str) -> None:
    save(model(TINY_WORDS), tmp_path / "m")
    (tmp_path / "m" / name).unlink()
    os.mkfifo(tmp_path / "m" / name)
    code = "import sys; from spacy_elmo.formats import load; load(sys.argv[1])"
    command = [sys.executable, "-c", code, str(tmp_path / "m")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert f"WeightsError: {tmp_path / 'm' / name}: " in done.stderr
