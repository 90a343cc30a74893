"""Archives of every kind give what the folder in them gives, by every way in."""

from __future__ import annotations

import gzip
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import spacy
from typer.testing import CliRunner

from spacy_elmo import BiLM
from spacy_elmo.cli.app import app
from spacy_elmo.formats import WeightsError, load, save
from tests.formats.archives.make import everything_under, pack
from tests.formats.models import TINY_WORDS, assert_same, model, small_weights

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.xz", ".tar.bz2")


def error(source: str | Path) -> str:
    with pytest.raises(WeightsError) as caught:
        load(source)
    return str(caught.value)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with HDF5 weights under the names of NLPL."""
    path = tmp_path / "folder"
    save(model(), path / "model.hdf5")
    (path / "model_options.json").rename(path / "options.json")
    return path


@pytest.mark.parametrize("inside", ["", "nested/", "./"])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_hdf5(folder: Path, tmp_path: Path, suffix: str, inside: str) -> None:
    archive = pack(folder, tmp_path / f"x{suffix}", inside=inside)
    assert_same(load(archive), model())
    shutil.move(archive, tmp_path / "of_no_name")  # as other caches name it
    assert_same(BiLM.from_pretrained(str(tmp_path / "of_no_name")), model())


@pytest.mark.parametrize("suffix", [".zip", ".tar.xz"])
def test_native(tmp_path: Path, suffix: str) -> None:
    save(model(TINY_WORDS), tmp_path / "native")
    assert_same(load(pack(tmp_path / "native", tmp_path / f"x{suffix}")), model(TINY_WORDS))


def test_words_that_are_compressed_and_options_of_training(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    save(model(TINY_WORDS), folder / "model.hdf5")
    words = (folder / "model_vocab.txt").read_bytes()
    (folder / "model_vocab.txt").unlink()
    (folder / "vocab.txt.gz").write_bytes(gzip.compress(words))
    assert_same(load(pack(folder, tmp_path / "x.zip")), model(TINY_WORDS))
    save(model(), tmp_path / "c" / "model.hdf5")
    options = json.loads((tmp_path / "c/model_options.json").read_text())
    options["char_cnn"]["n_characters"] = 261
    (tmp_path / "c/model_options.json").write_text(json.dumps(options))
    assert_same(load(pack(tmp_path / "c", tmp_path / "c.zip")), model())


def test_what_systems_leave_among_the_files_is_not_unpacked(
    folder: Path, tmp_path: Path, cache: Path
) -> None:
    for name in ("__MACOSX/nested/._model.hdf5", "nested/._options.json", "nested/.DS_Store"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")
    for file in ("model.hdf5", "options.json"):
        shutil.move(folder / file, folder / "nested" / file)
    assert_same(load(pack(folder, tmp_path / "x.zip")), model())
    names = {name.rpartition("/")[2] for name in everything_under(cache)}
    assert not names & {"__MACOSX", ".DS_Store", "._model.hdf5", "._options.json"}


def test_a_folder_that_holds_one_archive(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    pack(folder, tmp_path / "kept/1.zip")
    (tmp_path / "kept/README.md").touch()
    assert_same(load(tmp_path / "kept"), model())
    pack(folder, tmp_path / "kept/2.tar.gz")
    assert f"{tmp_path / 'kept'}: holds 2 archives: 1.zip, 2.tar.gz" in error(tmp_path / "kept")


def test_several_models_in_one(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "both/a")
    shutil.copytree(folder, tmp_path / "both/b")
    archive = pack(tmp_path / "both", tmp_path / "x.zip")
    assert f"{archive}: holds weights in 2 folders: a, b. Unpack it" in error(archive)


def test_a_part_of_what_has_none(folder: Path, tmp_path: Path) -> None:
    archive = pack(folder, tmp_path / "x.zip")
    for source in (archive, folder, "en_elmo_sm"):
        assert "holds one model, but #elmo asks for one of several" in error(f"{source}#elmo")
    # A file may have such a name.
    shutil.move(archive, tmp_path / "x#elmo.zip")
    assert_same(load(tmp_path / "x#elmo.zip"), model())


def test_options_given_by_hand(folder: Path, tmp_path: Path, cache: Path) -> None:
    shutil.move(folder / "options.json", tmp_path / "given.json")
    archive = pack(folder, tmp_path / "x.zip")
    message = error(archive)
    assert message.startswith(f"{archive}: member model.hdf5: has no options file")
    assert "cache" not in message
    assert not cache.exists()
    assert_same(load(archive, options=tmp_path / "given.json"), model())
    # What was kept of it does not make up for them.
    assert error(archive) == message


def test_through_a_pipeline_that_outlives_it(folder: Path, tmp_path: Path, cache: Path) -> None:
    save(small_weights(), folder / "model.hdf5")
    (folder / "model_options.json").rename(folder / "options.json")
    (folder / "README").write_text("Trained on naught.")
    (folder / "LICENSE").write_text("None.")
    archive = pack(folder, tmp_path / "x.tar.gz", inside="nested/")
    nlp = spacy.blank("en")
    nlp.add_pipe("elmo", config={"model": {"weights": str(archive)}})
    expected = nlp("They sat on the bank.")._.elmo_vectors
    nlp.to_disk(tmp_path / "saved")
    archive.unlink()
    shutil.rmtree(cache)
    found = spacy.load(tmp_path / "saved")("They sat on the bank.")._.elmo_vectors
    np.testing.assert_array_equal(found, expected)
    assert (tmp_path / "saved/elmo/model/README").read_text() == "Trained on naught."
    assert (tmp_path / "saved/elmo/model/LICENSE").read_text() == "None."


def test_through_the_commands(folder: Path, tmp_path: Path) -> None:
    (folder / "README.md").write_text("Trained on naught.")
    archive = pack(folder, tmp_path / "x.zip")
    done = CliRunner().invoke(app, ["info", str(archive), "--card"])
    assert done.exit_code == 0, done.output
    assert "3 of width 8" in done.output
    assert "Trained on naught." in done.output
    read_as = "an HDF5 file of bilm-tf or AllenNLP in an archive"
    assert re.search(rf"Format +{read_as}", done.output)
    done = CliRunner().invoke(app, ["convert", str(archive), str(tmp_path / "native")])
    assert done.exit_code == 0, done.output
    assert f"{read_as}, and wrote" in " ".join(done.output.split())
    assert_same(load(tmp_path / "native"), model())
    assert (tmp_path / "native/README.md").read_text() == "Trained on naught."


def test_the_message_names_the_whole_source(tmp_path: Path) -> None:
    source = f"{tmp_path}/my#model/x.tar.gz"
    assert f"no weights at {source!r}" in error(source)


# Published forms, with goldens of the original


def largest_difference(source: Path, goldens: Path, state: str | None = None) -> float:
    lm = BiLM.from_pretrained(source, initial_state=state)
    with np.load(goldens) as file:
        sentences = json.loads(file["sentences"].tobytes())
        layers = [file[f"s{number}"] for number in range(len(sentences))]
    found = [lm.encode([sentence])[0] for sentence in sentences]
    return max(float(np.abs(a - b).max()) for a, b in zip(found, layers, strict=True))


@pytest.mark.parametrize("name", ["901", "no_vocab", "nested_folder", "vocab_gz", "n261"])
def test_nlpl(shared: Path, name: str) -> None:
    nlpl = shared / "fixtures/published/nlpl"
    assert largest_difference(nlpl / f"{name}.zip", nlpl / "bilm_layers_fresh.npz") < 5e-6
    assert largest_difference(nlpl / f"{name}.zip", nlpl / "bilm_layers_carry.npz", "carry") < 5e-6


def test_nlpl_with_a_checkpoint(shared: Path) -> None:
    published = shared / "fixtures/published"
    goldens = published / "tf_checkpoint/char2/golden/all_layers_fresh.npz"
    assert largest_difference(published / "nlpl/with_checkpoint.zip", goldens) < 5e-6


def test_nlpl_elmoformanylangs(shared: Path) -> None:
    nlpl = shared / "fixtures/published/nlpl"
    assert largest_difference(nlpl / "904_efml.zip", nlpl / "efml_layers_fresh.npz") < 2e-6
