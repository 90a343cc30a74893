"""The biLM out of a task's model gives what the original gives."""

from __future__ import annotations

import json
import re
import shutil
import warnings
from copy import deepcopy
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import spacy
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from thinc.api import Config
from typer.testing import CliRunner

from spacy_elmo import BiLM
from spacy_elmo.bilm.task_mix import TaskMix
from spacy_elmo.cli.app import app
from spacy_elmo.formats import WeightsError, load, save
from spacy_elmo.formats.allennlp import options as allennlp_options
from tests.formats.allennlp.make import (
    KEY,
    MODULE,
    OPTIONS,
    bilm_state,
    config,
    elmo_state,
    mix_state,
    write_model,
)
from tests.formats.archives.make import pack
from tests.formats.models import assert_same
from tests.reference.elmo import ReferenceElmo
from tests.reference.weights import random_weights

SENTENCES = [["The", "bank", "raised", "naïve", "rates"], ["銀行"]]
FTA = f"model.{KEY}.options_file"
pytestmark = pytest.mark.filterwarnings("ignore:.*its options are neither")


def weights_of(options: dict[str, Any], seed: int = 0) -> dict[str, np.ndarray]:
    return random_weights(options, np.random.default_rng(seed), lstm_scale=2.0)


def difference(lm: BiLM, options: dict[str, Any], seed: int = 0) -> float:
    """Largest difference from the oracle."""
    reference = ReferenceElmo(weights_of(options, seed), options)
    expected = [reference.layers(words) for words in SENTENCES]
    found = lm.encode(SENTENCES)
    return max(float(np.abs(a - b).max()) for a, b in zip(found, expected, strict=True))


def changed(**values: Any) -> dict[str, Any]:
    """Options with other values."""
    options = deepcopy(OPTIONS)
    for name, value in values.items():
        options["lstm" if name in options["lstm"] else "char_cnn"][name] = value
    return options


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_model(tmp_path / "model", elmo_state(weights_of(OPTIONS)))


@st.composite
def described(draw: st.DrawFn) -> dict[str, Any]:
    """Options of any network that AllenNLP has."""
    filters = st.lists(
        st.tuples(st.integers(1, 5), st.integers(1, 4)).map(list), min_size=1, max_size=4
    )
    return changed(
        dim=draw(st.integers(1, 7)),
        projection_dim=draw(st.integers(1, 5)),
        n_layers=draw(st.integers(1, 3)),
        cell_clip=draw(st.sampled_from([0.5, 3, 10])),
        proj_clip=draw(st.sampled_from([0.5, 3, 10])),
        filters=draw(filters),
        activation=draw(st.sampled_from(["relu", "tanh"])),
        n_highway=draw(st.integers(1, 2)),
        embedding={"dim": draw(st.integers(1, 4))},
    )


@settings(max_examples=15, deadline=None)
@given(options=described(), seed=st.integers(0, 1000), legacy=st.booleans())
def test_any_network(
    tmp_path_factory: pytest.TempPathFactory, options: dict[str, Any], seed: int, legacy: bool
) -> None:
    folder = tmp_path_factory.mktemp("model")
    state = elmo_state(weights_of(options, seed))
    write_model(folder, state, fta={FTA: options}, _use_new_zipfile_serialization=not legacy)
    lm = load(folder)
    assert difference(lm, options, seed) < 1e-5
    assert lm.config.cell_clip == options["lstm"]["cell_clip"]
    assert lm.notes == ()
    save(lm, folder / "native")
    again = load(folder / "native")
    assert_same(again, lm)
    assert again.task_mixes == lm.task_mixes


@pytest.mark.parametrize("file", ["weights.th", "best.th"])
def test_folders_and_archives(tmp_path: Path, file: str) -> None:
    folder = write_model(tmp_path / "model", elmo_state(weights_of(OPTIONS)), file=file)
    expected = load(folder)
    assert difference(expected, OPTIONS) < 1e-5
    assert_same(load(folder / file), expected)
    assert_same(load(pack(folder, tmp_path / "model.tar.gz")), expected)
    # As a training leaves it, with the archive of its result and other states.
    shutil.move(tmp_path / "model.tar.gz", folder / "model.tar.gz")
    (folder / "training_state_epoch_0.th").write_bytes(b"x")
    assert_same(load(folder), expected)
    (folder / file).unlink()
    (folder / "config.json").unlink()
    shutil.rmtree(folder / "vocabulary")
    assert_same(load(folder), expected)


def test_the_archived_state_is_read_before_the_best(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "m", elmo_state(weights_of(OPTIONS, 1)), file="best.th")
    write_model(folder, elmo_state(weights_of(OPTIONS, 2)))
    assert difference(load(folder), OPTIONS, 2) < 1e-5


# Options


@pytest.mark.parametrize(
    ("key", "module", "name"),
    [
        (KEY, MODULE, FTA),
        (KEY, f"_{MODULE}", FTA),
        ("text_field_embedder.elmo", MODULE, "model.text_field_embedder.elmo.options_file"),
        (KEY, MODULE, "model.text_field_embedder.elmo.options_file"),
        ("elmo", "_elmo", "model.elmo.options_file"),
        ("unlike.anything", "_of_another_name", "model.unlike.anything.options_file"),
    ],
)
def test_archived_options(tmp_path: Path, key: str, module: str, name: str) -> None:
    options = changed(cell_clip=0.5, activation="tanh")
    state = elmo_state(weights_of(options), module)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        lm = load(write_model(tmp_path / "m", state, described=config(key), fta={name: options}))
    assert difference(lm, options) < 1e-5


def test_published_defaults_are_said_aloud(folder: Path) -> None:
    with pytest.warns(UserWarning, match="its options are neither") as caught:
        lm = load(folder)
    (message,) = (str(each.message) for each in caught)
    assert message.startswith(f"{folder}: its options are neither in it nor in the catalogue")
    assert "(x/options.json in its config)" in message
    assert "cell_clip 3, proj_clip 3, relu" in message
    assert difference(lm, OPTIONS) < 1e-5
    done = CliRunner().invoke(app, ["info", str(folder)])
    assert "cell 3, projection 3" in done.output


def test_options_by_hand(folder: Path, tmp_path: Path) -> None:
    for values in (
        {"cell_clip": 0.5, "proj_clip": 0, "activation": "tanh"},
        {"use_skip_connections": False, "max_characters_per_token": 20},
    ):
        (tmp_path / "o.json").write_text(json.dumps(changed(**values)))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            lm = load(folder, options=tmp_path / "o.json")
        assert difference(lm, changed(**values)) < 1e-5
    # They go before those that were archived, and make up for a config that is missing.
    write_model(folder, elmo_state(weights_of(OPTIONS)), fta={FTA: changed(cell_clip=9)})
    assert load(folder).config.cell_clip == 9
    assert not load(folder, options=tmp_path / "o.json").config.use_skip_connections
    (folder / "config.json").unlink()
    load(folder, options=tmp_path / "o.json")
    with pytest.raises(WeightsError, match=r"config\.json: is missing"):
        load(folder)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"dim": 7}, "lstm_dim is 7, but of .*weights.th it is 6"),
        ({"n_layers": 3}, "n_layers is 3, but of .* it is 2"),
        ({"filters": [[1, 2], [4, 5]]}, "filters is"),
        ({"n_highway": 2}, "n_highway is 2, but"),
        ({"embedding": {"dim": 9}}, "embedding_dim is 9, but"),
        ({"n_characters": 300}, "n_characters is 300"),
        ({"use_skip_connections": False}, "use_skip_connections is False, but"),
        ({"max_characters_per_token": 20}, "max_characters_per_token is 20, but"),
        ({"activation": "gelu"}, "activation"),
    ],
)
def test_options_of_another_model(tmp_path: Path, values: dict[str, Any], expected: str) -> None:
    state = elmo_state(weights_of(OPTIONS))
    folder = write_model(tmp_path / "m", state, fta={FTA: changed(**values)})
    with pytest.raises(WeightsError, match=expected) as caught:
        load(folder)
    assert str(folder / "fta" / FTA) in str(caught.value)


def test_options_by_their_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = {"https://x.org/o.json": changed(cell_clip=5), "https://x.org/w.hdf5": OPTIONS}
    monkeypatch.setattr(allennlp_options, "options_of_address", known.get)
    state = elmo_state(weights_of(OPTIONS))
    for names, clip in (
        ({"options_file": "https://x.org/o.json"}, 5),
        ({"options_file": "/etc/passwd", "weight_file": "https://x.org/w.hdf5"}, 3),
    ):
        folder = write_model(tmp_path / "m", state, described=config(**names))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert load(folder).config.cell_clip == clip


def test_options_of_the_catalogue() -> None:
    at = "/models/elmo/2x1024_128_2048cnn_1xhighway/elmo_2x1024_128_2048cnn_1xhighway_"
    for address in (
        f"https://s3-us-west-2.amazonaws.com/allennlp{at}options.json",
        f"https://allennlp.s3.amazonaws.com{at}weights.hdf5",
    ):
        values = allennlp_options.options_of_address(address)
        assert values is not None
        assert values["lstm"]["dim"] == 1024
    assert allennlp_options.options_of_address("https://x.org/options.json") is None
    assert allennlp_options.options_of_address("http://[x") is None


def test_an_address_that_is_none_is_no_known_one(tmp_path: Path) -> None:
    described = config(options_file="http://[x")
    folder = write_model(tmp_path / "m", elmo_state(weights_of(OPTIONS)), described=described)
    (note,) = load(folder).notes
    assert "nor in the catalogue (http://[x in its config)" in note


def test_a_path_in_the_config_is_never_opened(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "o.json").write_text(json.dumps(changed(cell_clip=9)))
    described = config(options_file=str(tmp_path / "o.json"))
    assert load(write_model(folder, elmo_state(weights_of(OPTIONS)), described=described)).notes
    assert allennlp_options.options_of_address(str(tmp_path / "o.json")) is None


# Several ELMos


@pytest.fixture
def two(tmp_path: Path) -> Path:
    state = elmo_state(weights_of(OPTIONS, 1), "text_field_embedder.token_embedder_a._elmo")
    state |= elmo_state(weights_of(OPTIONS, 2), "text_field_embedder.token_embedder_ab._elmo")
    described = config("text_field_embedder.token_embedders.a")
    embedders = described["model"]["text_field_embedder"]["token_embedders"]
    embedders["ab"] = dict(embedders["a"], options_file="y/options.json")
    path = "model.text_field_embedder.token_embedders."
    return write_model(
        tmp_path / "two",
        state,
        described=described,
        fta={f"{path}a.options_file": OPTIONS, f"{path}ab.options_file": changed(cell_clip=5)},
    )


def test_several_elmos(two: Path, tmp_path: Path) -> None:
    archive = pack(two, tmp_path / "model.tar.gz")
    names = [f"text_field_embedder.token_embedder_{x}._elmo" for x in ("a", "ab")]
    for source in (two, archive):
        with pytest.raises(WeightsError) as caught:
            load(source)
        assert f"holds 2 ELMos: {', '.join(names)}. " in str(caught.value)
        assert f"after a #: PATH#{names[0]}" in str(caught.value)
        for number, name in enumerate(names):
            for part in (name, name.removesuffix("._elmo")):
                lm = BiLM.from_pretrained(f"{source}#{part}")
                assert difference(lm, changed(cell_clip=3 + 2 * number), number + 1) < 1e-5
        for part in ("text_field_embedder", "text_field_embedder.token_embedder", "nothing", ""):
            with pytest.raises(WeightsError, match=r"Choose one of text_field.*a\._elmo, text"):
                load(f"{source}#{part}")


def test_an_elmo_within_another(tmp_path: Path) -> None:
    state = elmo_state(weights_of(OPTIONS, 1), "elmo")
    state |= elmo_state(weights_of(OPTIONS, 2), "elmo.inner")
    folder = write_model(tmp_path / "m", state, fta={FTA: OPTIONS})
    for part, seed in (("elmo", 1), ("elmo.inner", 2)):
        assert difference(load(f"{folder}#{part}"), OPTIONS, seed) < 1e-5


def test_a_part_through_a_pipeline_and_the_commands(two: Path, tmp_path: Path) -> None:
    archive = pack(two, tmp_path / "model.tar.gz")
    source = f"{archive}#text_field_embedder.token_embedder_ab"
    expected = load(source)
    nlp = spacy.blank("en")
    nlp.add_pipe("elmo", config={"model": {"weights": source}, "keep_layers": True})
    nlp.to_disk(tmp_path / "saved")
    archive.unlink()
    doc = spacy.load(tmp_path / "saved")("The bank")
    np.testing.assert_array_equal(doc._.elmo_layers, expected.encode([["The", "bank"]])[0])
    source = f"{two}#text_field_embedder.token_embedder_ab"
    done = CliRunner().invoke(app, ["convert", source, str(tmp_path / "native")])
    assert done.exit_code == 0, done.output
    assert_same(load(tmp_path / "native"), expected)


def test_several_languages(tmp_path: Path) -> None:
    module = "text_field_embedder.token_embedder_elmo.elmo_{}"
    state = elmo_state(weights_of(OPTIONS, 1), module.format("es"))
    state |= elmo_state(weights_of(OPTIONS, 2), module.format("fr"))
    state["text_field_embedder.token_embedder_elmo.aligning_es.weight"] = torch.eye(8)
    files = {kind: {"es": f"es/{kind}", "fr": f"fr/{kind}"} for kind in ("options_files",)}
    folder = write_model(
        tmp_path / "m",
        state,
        described=config(**files, options_file=None),
        fta={
            f"model.{KEY}.options_files.es": OPTIONS,
            f"model.{KEY}.options_files.fr": changed(proj_clip=7),
        },
    )
    lm = load(f"{folder}#{module.format('fr')}")
    assert lm.config.proj_clip == 7
    assert difference(lm, changed(proj_clip=7), 2) < 1e-5
    assert load(f"{folder}#{module.format('es')}").config.proj_clip == 3


def test_options_of_which_none_is_clearly_meant(tmp_path: Path) -> None:
    state = elmo_state(weights_of(OPTIONS), "_something.else")
    fta = {"model.a.options_file": OPTIONS, "model.b.options_file": changed(cell_clip=5)}
    folder = write_model(tmp_path / "m", state, fta=fta, described=config("a"))
    with pytest.raises(WeightsError, match=r"has options of several models .* as `options`"):
        load(folder)
    # Where all say the same it does not matter.
    fta = dict.fromkeys(fta, changed(cell_clip=5))
    write_model(folder, state, fta=fta, described=config("a"))
    assert load(folder).config.cell_clip == 5


def test_options_of_another_elmo_are_not_taken(two: Path) -> None:
    """Only one of two was archived with its options: the other has an address that is unknown."""
    (two / "fta/model.text_field_embedder.token_embedders.ab.options_file").rename(
        two / "fta/model.text_field_embedder.token_embedders.a.options_file"
    )
    assert load(f"{two}#text_field_embedder.token_embedder_a").config.cell_clip == 5
    lm = load(f"{two}#text_field_embedder.token_embedder_ab")
    assert lm.config.cell_clip == 3
    assert "(y/options.json in its config)" in lm.notes[0]


def test_a_bilm_without_an_elmo_around_it(tmp_path: Path) -> None:
    for prefix in ("", "_contextualizer."):
        folder = write_model(tmp_path / "m", bilm_state(weights_of(OPTIONS), prefix))
        lm = load(folder)
        assert difference(lm, OPTIONS) < 1e-5
        assert lm.task_mixes == ()


def test_token_vectors_that_the_task_has_cached_do_not_matter(folder: Path) -> None:
    state = elmo_state(weights_of(OPTIONS))
    state[f"{MODULE}._elmo_lstm._word_embedding.weight"] = torch.zeros(5, 4)
    assert difference(load(write_model(folder, state)), OPTIONS) < 1e-5


def test_parameters_and_other_number_types(tmp_path: Path) -> None:
    state: dict[str, Any] = elmo_state(weights_of(OPTIONS))
    expected = load(write_model(tmp_path / "m", state))
    state = {name: torch.nn.Parameter(tensor.double()) for name, tensor in state.items()}
    found = load(write_model(tmp_path / "m", state))
    assert_same(found, expected)
    state = {name: tensor.detach().half() for name, tensor in state.items()}
    found = load(write_model(tmp_path / "m", state))
    for tensor, other in zip(found.parameters(), expected.parameters(), strict=True):
        torch.testing.assert_close(tensor, other, atol=2e-3, rtol=2e-3)


def test_the_constant_of_a_bias_is_taken_off_in_float32(folder: Path) -> None:
    name = f"{MODULE}._elmo_lstm._elmo_lstm.forward_layer_0.state_linearity.bias"
    state = elmo_state(weights_of(OPTIONS))
    stored = torch.linspace(0.001, 0.3, len(state[name])).half()  # whose differences to 1 are none
    state[name] = stored
    bias = load(write_model(folder, state)).state_dict()["forward_layers.0.bias"]
    i, f, g, o = stored.float().chunk(4)
    assert torch.equal(bias, torch.cat([i, f - 1, o, g]))


# The task's mixes


def test_mixes(tmp_path: Path) -> None:
    state = bilm_state(weights_of(OPTIONS), "_elmo._elmo_lstm.")
    state |= mix_state("_elmo.scalar_mix_0", [0.0, 0.0, float(np.log(2))], 2.0)
    state |= mix_state("_elmo.scalar_mix_1", [-9e10, 1.0, -9e10], 0.5)  # as one layer is chosen
    described = config("elmo", do_layer_norm=True)
    lm = load(write_model(tmp_path / "m", state, described=described))
    first, second = lm.task_mixes
    assert first.weights == pytest.approx((0.25, 0.25, 0.5))
    assert (first.gamma, first.layer_norm) == (2.0, True)
    weights, gamma = first
    assert (weights, gamma) == (first.weights, first.gamma)
    assert second == TaskMix((0.0, 1.0, 0.0), 0.5, layer_norm=True)
    for target in ("native", "half"):
        lm.save(tmp_path / target, dtype="float16" if target == "half" else "float32")
        assert BiLM.from_pretrained(tmp_path / target).task_mixes == lm.task_mixes
    commands = ["convert", str(tmp_path / "m"), str(tmp_path / "x.hdf5")]
    assert CliRunner().invoke(app, commands).exit_code == 0
    assert BiLM.from_pretrained(tmp_path / "x.hdf5").task_mixes == lm.task_mixes
    for damaged in ("{", "3", '[{"weights": [1.0], "gamma": 1.0}]'):
        with h5py.File(tmp_path / "x.hdf5", "r+") as file:
            file["spacy_elmo"].attrs["task_mixes"] = damaged
        with pytest.raises(WeightsError, match=r"'spacy_elmo': .*Get the weights anew"):
            load(tmp_path / "x.hdf5")
    done = CliRunner().invoke(app, ["info", str(tmp_path / "native")])
    assert done.output.count("layer_weights = ") == 2
    assert "The task normalised each layer" in done.output


def test_the_lines_that_info_prints_give_the_mix(folder: Path, tmp_path: Path) -> None:
    lm = load(folder)
    (mix,) = lm.task_mixes
    done = CliRunner().invoke(app, ["info", str(folder)])
    lines = re.findall(r"^(?:layer_weights|gamma) = .*$", done.output, re.MULTILINE)
    given = Config().from_str("\n".join(["[model]", *lines]))["model"]
    nlp = spacy.blank("en")
    nlp.add_pipe("elmo", config={"model": {"weights": str(folder), **given}})
    expected = mix.gamma * np.tensordot(mix.weights, lm.encode([["The", "bank"]])[0], axes=1)
    np.testing.assert_allclose(nlp("The bank")._.elmo_vectors, expected, atol=1e-6)
    # The default stays the average, and the mixes go along with a pipeline.
    nlp = spacy.blank("en")
    nlp.add_pipe("elmo", config={"model": {"weights": str(folder)}})
    mean = lm.encode([["The", "bank"]])[0].mean(0)
    np.testing.assert_allclose(nlp("The bank")._.elmo_vectors, mean, atol=1e-6)
    nlp.to_disk(tmp_path / "saved")
    again = spacy.load(tmp_path / "saved")
    assert again.get_pipe("elmo").model.shims[0].lm.task_mixes == lm.task_mixes
    other = spacy.blank("en").from_config(nlp.config).from_bytes(nlp.to_bytes())
    assert other.get_pipe("elmo").model.shims[0].lm.task_mixes == lm.task_mixes


def test_a_native_config_without_mixes_is_as_it_was(tmp_path: Path, folder: Path) -> None:
    lm = load(folder)
    lm.task_mixes = ()
    lm.save(tmp_path / "native")
    assert "task_mixes" not in json.loads((tmp_path / "native/config.json").read_text())


@pytest.mark.parametrize(
    ("mixes", "expected"),
    [
        ("x", "expected a list of mixes"),
        ([1], "expected an object"),
        ([{"weights": [1, 2]}], "a mix has no gamma"),
        ([{"weights": [0.5, 0.5], "gamma": 1.0}], "a mix has 2 weights, the model 3 layers"),
        ([{"weights": [1, -1, 1], "gamma": 1.0}], "none negative"),
        ([{"weights": [1, "x", 1], "gamma": 1.0}], "expected numbers"),
        ([{"weights": [1, 1, 1], "gamma": "x"}], "gamma"),
        ([{"weights": [1, 1, 1], "gamma": 1.0, "x": 1}], "unknown key 'x'"),
    ],
)
def test_mixes_of_a_damaged_config(
    tmp_path: Path, folder: Path, mixes: object, expected: str
) -> None:
    load(folder).save(tmp_path / "native")
    path = tmp_path / "native/config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"task_mixes": mixes}))
    with pytest.raises(WeightsError, match=expected):
        load(tmp_path / "native")


# Published forms, with goldens of the original


PUBLISHED = (
    *("tagger_v2", "tagger_projection_v2", "two_mixes_v2", "small_v2"),
    *("tagger_v0_fta", "small_v0_fta"),
)


@pytest.mark.parametrize("name", PUBLISHED)
def test_goldens(shared: Path, name: str) -> None:
    folder = shared / "fixtures/published/allennlp"
    lm = load(folder / f"{name}.tar.gz")
    assert bool(lm.notes) == (not name.endswith("fta"))
    told = json.loads((folder / f"{name}.json").read_text())["elmo_modules"][0]["mixes"]
    assert [mix.gamma for mix in lm.task_mixes] == [mix["gamma"] for mix in told]
    with np.load(folder / f"{name}_goldens.npz") as goldens:
        for number, words in enumerate(json.loads(goldens["sentences"].tobytes())):
            (layers,) = lm.encode([words])
            np.testing.assert_allclose(layers, goldens[f"layers_s{number}"], atol=5e-6, rtol=0)
            for k, mix in enumerate(lm.task_mixes):
                mixed = mix.gamma * np.tensordot(mix.weights, layers, axes=1)
                expected = goldens[f"mix{k}_s{number}"]
                np.testing.assert_allclose(mixed, expected, atol=5e-6, rtol=0)


def test_the_archive_of_the_original(shared: Path) -> None:
    folder = shared / "fixtures/allennlp"
    lm = load(folder / "simple_tagger_with_elmo.tar.gz")
    given = load(folder / "simple_tagger_with_elmo.tar.gz", options=folder / "options.json")
    assert given.config == lm.config
    assert given.notes == ()
    with np.load(folder / "all_layers_fresh.npz") as goldens:
        for number, words in enumerate(json.loads(goldens["sentences"].tobytes())):
            (layers,) = lm.encode([words])
            np.testing.assert_allclose(layers, goldens[f"s{number}"], atol=5e-6, rtol=0)
