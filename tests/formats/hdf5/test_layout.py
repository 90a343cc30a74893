"""Names, arrangement and meaning of what is read from HDF5 and written to it."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spacy_elmo import BiLM, BiLMConfig, CharCNNConfig
from spacy_elmo.formats import WeightsError, load, save
from tests.formats.models import TINY, WORDS, assert_same, configs, datasets, model, small_weights
from tests.reference.elmo import ReferenceElmo
from tests.reference.weights import random_weights, read_hdf5

SENTENCES = [["the", "Bank", "raised", "its", "straße"], [], ["銀行"], ["x" * 70, "</S>"]]

CELLS = {
    "standard": "RNN_{d}/RNN/MultiRNNCell/Cell{i}/LSTMCell",
    "one layer": "RNN_{d}/RNN/LSTMCell",
    "forward only": "rnn/MultiRNNCell/Cell{i}/LSTMCell",
    "forward only, one layer": "rnn/LSTMCell",
}
UNTRANSLATED = {"W_0": "kernel", "B": "bias", "W_P_0": "projection/kernel"}


def respell(path: Path, spelling: str, config: BiLMConfig) -> None:
    """Move the LSTM weights of a file we wrote to the names another version would use."""
    forward_only = spelling.startswith("forward only")
    with h5py.File(path, "r+") as file:
        for d in range(config.n_directions):
            for i in range(config.n_layers):
                for name in ("W_0", "B", "W_P_0"):
                    new = UNTRANSLATED[name] if forward_only else name
                    key = f"{CELLS['standard'].format(d=d, i=i)}/{name}"
                    if key in file:
                        file.move(key, f"{CELLS[spelling].format(d=d, i=i)}/{new}")
            del file[f"RNN_{d}/RNN/MultiRNNCell"]


@pytest.mark.parametrize(
    ("spelling", "n_layers", "bidirectional"),
    [
        ("one layer", 1, True),
        ("one layer", 1, False),
        ("forward only", 1, False),
        ("forward only", 3, False),
        ("forward only, one layer", 1, False),
    ],
)
@pytest.mark.parametrize("told", [True, False])
def test_spellings(
    tmp_path: Path, spelling: str, n_layers: int, bidirectional: bool, told: bool
) -> None:
    config = BiLMConfig.from_dict(
        {**TINY.to_dict(), "n_layers": n_layers, "bidirectional": bidirectional}
    )
    lm = model(config)
    save(lm, tmp_path / "x.hdf5")
    respell(tmp_path / "x.hdf5", spelling, config)
    if not told and spelling != "one layer":
        # bilm-tf's forward-only options often do not say so.
        change_options(tmp_path / "x_options.json", lambda options: options.pop("bidirectional"))
    assert_same(load(tmp_path / "x.hdf5"), lm)


def change_options(path: Path, change: Any) -> None:
    options = json.loads(path.read_text("utf8"))
    change(options)
    path.write_text(json.dumps(options), "utf8")


@pytest.mark.parametrize("n_characters", [261, 262, None])
def test_number_of_characters_comes_from_the_file(tmp_path: Path, n_characters: int | None) -> None:
    lm = model()
    save(lm, tmp_path / "x.hdf5")
    assert datasets(tmp_path / "x.hdf5")["char_embed"].shape == (261, 3)
    change_options(
        tmp_path / "x_options.json",
        lambda options: options["char_cnn"].update(n_characters=n_characters),
    )
    assert_same(load(tmp_path / "x.hdf5"), lm)


def test_options_hold_every_key_allennlp_asks_for(tmp_path: Path) -> None:
    config = BiLMConfig.from_dict({**TINY.to_dict(), "cell_clip": None, "proj_clip": 2.5})
    save(model(config), tmp_path / "x_weights.hdf5")
    options = json.loads((tmp_path / "x_options.json").read_text("utf8"))
    assert options == {
        "bidirectional": True,
        "lstm": {
            "dim": 6,
            "projection_dim": 4,
            "n_layers": 2,
            "cell_clip": None,
            "proj_clip": 2.5,
            "use_skip_connections": True,
        },
        "char_cnn": {
            "embedding": {"dim": 3},
            "filters": [[1, 2], [3, 5]],
            "activation": "relu",
            "n_highway": 1,
            "n_characters": 262,
            "max_characters_per_token": 50,
        },
    }


def test_what_bilm_tf_leaves_out_means_what_it_means_there(tmp_path: Path) -> None:
    """Its options may lack the clips, skip connections, highways, and the number of layers."""
    config = BiLMConfig(
        lstm_dim=6,
        projection_dim=4,
        char_cnn=CharCNNConfig(embedding_dim=3, filters=((1, 2),), n_highway=0),
        n_layers=1,
        cell_clip=None,
        proj_clip=None,
        use_skip_connections=False,
    )
    lm = model(config)
    save(lm, tmp_path / "x.hdf5")

    def shorten(options: dict[str, Any]) -> None:
        options["lstm"] = {key: options["lstm"][key] for key in ("dim", "projection_dim")}
        del options["char_cnn"]["n_highway"], options["bidirectional"]
        options |= {"dropout": 0.1, "n_epochs": 10, "all_clip_norm_val": 10.0}

    change_options(tmp_path / "x_options.json", shorten)
    assert_same(load(tmp_path / "x.hdf5"), lm)


def test_other_readers_find_only_what_they_know(tmp_path: Path) -> None:
    """A warm state and a mean go to a group of our own."""
    lm = small_weights()
    save(lm, tmp_path / "plain.hdf5")
    lm.warm_up([["a", "b"]])
    lm.mean_layers = torch.ones(3, 8)
    save(lm, tmp_path / "more.hdf5")
    plain, more = datasets(tmp_path / "plain.hdf5"), datasets(tmp_path / "more.hdf5")
    assert {key.split("/")[0] for key in more.keys() - plain.keys()} == {"spacy_elmo"}
    assert all(more[key].tobytes() == values.tobytes() for key, values in plain.items())
    names = [(tmp_path / f"{name}_options.json").read_text() for name in ("plain", "more")]
    assert names[0] == names[1]


# The reference ELMo knows HDF5 names only, and shares no code with the package.


@given(config=configs(), seed=st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow])
def test_what_is_written_is_what_the_reference_reads(config: BiLMConfig, seed: int) -> None:
    lm = small_weights(config, seed=seed)
    with TemporaryDirectory() as folder:
        save(lm, Path(folder) / "x.hdf5")
        options = json.loads((Path(folder) / "x_options.json").read_text("utf8"))
        reference = ReferenceElmo(read_hdf5(Path(folder) / "x.hdf5"), options, lm.vocabulary)
    assert_close(lm, reference)


@pytest.mark.parametrize("n_layers", [1, 2])
@pytest.mark.parametrize("bidirectional", [True, False])
@pytest.mark.parametrize("words", [True, False])
@pytest.mark.parametrize("projections", [True, False])
def test_what_the_reference_writes_is_read(
    tmp_path: Path, n_layers: int, bidirectional: bool, words: bool, projections: bool
) -> None:
    options: dict[str, Any] = {
        "bidirectional": bidirectional,
        "lstm": {
            "dim": 9 if projections else 5,
            "projection_dim": 5,
            "n_layers": n_layers,
            "cell_clip": 0.4,
            "proj_clip": 0.5,
            "use_skip_connections": True,
        },
    }
    if not words:
        options["char_cnn"] = {
            "embedding": {"dim": 3},
            "filters": [[1, 2], [4, 3]],
            "activation": "tanh",
            "n_highway": 2,
            "n_characters": 262,
            "max_characters_per_token": 20,
        }
    weights = random_weights(
        options,
        np.random.default_rng(1),
        n_words=len(WORDS) if words else None,
        cnn_projection=projections,
        lstm_projection=projections,
    )
    with h5py.File(tmp_path / "w.hdf5", "w") as file:
        for key, values in weights.items():
            file[key] = values
    (tmp_path / "options.json").write_text(json.dumps(options))
    (tmp_path / "vocab.txt").write_bytes("".join(f"{word}\r\n" for word in WORDS).encode())
    reference = ReferenceElmo(weights, options, WORDS if words else None)
    assert_close(load(tmp_path), reference)


def assert_close(lm: BiLM, reference: ReferenceElmo) -> None:
    for sentence, found in zip(SENTENCES, lm.encode(SENTENCES), strict=True):
        expected = reference.layers(sentence)
        assert found.shape == expected.shape
        assert np.abs(found - expected).max(initial=0) <= 1e-5 * max(
            1.0, float(np.linalg.norm(expected, axis=-1).max(initial=0))
        )


def test_softmax_without_a_vocabulary(tmp_path: Path) -> None:
    """pytorch-fast-elmo's convention; the words may be given, and must then be as many."""
    lm = model()
    save(lm, tmp_path / "x.hdf5")
    with h5py.File(tmp_path / "x.hdf5", "r+") as file:
        file["softmax/W"] = np.ones((3, 4), np.float32)
        file["softmax/b"] = np.arange(3, dtype=np.float32)
    found = load(tmp_path / "x.hdf5")
    assert found.vocabulary is None
    assert found.softmax is not None
    assert found.softmax.bias.tolist() == [0, 1, 2]
    (tmp_path / "three").write_text("<S>\n</S>\n<UNK>")
    assert load(tmp_path / "x.hdf5", vocab=tmp_path / "three").vocabulary == WORDS[:3]
    (tmp_path / "vocab.txt").write_text("<S>\n</S>\n")
    with pytest.raises(WeightsError, match=r"vocab.txt: has 2 lines, but 'softmax/W'.* 3 rows"):
        load(tmp_path / "x.hdf5")
