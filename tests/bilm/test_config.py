"""Configs: what they refuse, and that JSON brings them back."""

import json
import re

import pytest

from spacy_elmo.bilm import BiLM, BiLMConfig, CharCNNConfig
from spacy_elmo.bilm.size import n_parameters


@pytest.mark.parametrize(
    "config",
    [
        BiLMConfig(),
        BiLMConfig(lstm_dim=8, projection_dim=8, lstm_projection=False, cell_clip=None),
        BiLMConfig(char_cnn=None, n_words=10, bidirectional=False, n_layers=1),
        BiLMConfig(char_cnn=CharCNNConfig(activation="tanh", n_highway=0), initial_state="warm"),
    ],
)
def test_json_round_trip(config: BiLMConfig) -> None:
    assert BiLMConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_a_clip_of_zero_is_off() -> None:
    config = BiLMConfig(cell_clip=0, proj_clip=0.0)
    assert config.cell_clip is None
    assert config.proj_clip is None


def test_widths() -> None:
    both = BiLMConfig(projection_dim=512)
    assert (both.width, both.n_outputs, both.directions) == (1024, 3, ("forward", "backward"))
    one = BiLMConfig(projection_dim=512, bidirectional=False)
    assert (one.width, one.directions) == (512, ("forward",))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"lstm_dim": 0}, "lstm_dim is 0"),
        ({"lstm_dim": 2.5}, "lstm_dim is 2.5"),
        ({"n_layers": True}, "n_layers is True"),
        ({"cell_clip": -1.0}, "cell_clip is -1.0"),
        ({"cell_clip": "3"}, "cell_clip is '3'"),
        ({"lstm_projection": False}, "lstm_dim (4096) equal to projection_dim (512)"),
        ({"initial_state": "carry"}, "initial_state is 'carry'"),
        ({"char_cnn": None}, "needs n_words"),
        ({"char_cnn": None, "n_words": 2}, "n_words is 2"),
        ({"n_words": 5}, "n_words is for word input"),
        ({"char_cnn": 3}, "char_cnn is 3"),
        ({"char_cnn": {"filters": []}}, "filters is empty"),
        ({"char_cnn": {"filters": [[1, 2, 3]]}}, "list of [width, number] pairs"),
        ({"char_cnn": {"filters": [[60, 2]]}}, "width 60 does not fit"),
        ({"char_cnn": {"activation": "gelu"}}, "activation is 'gelu'"),
        ({"char_cnn": {"projection": False}}, "as many filters (2048) as projection_dim (512)"),
        ({"char_cnn": {"n_characters": 100}}, "n_characters is 100"),
        ({"char_cnn": {"colour": 1}}, "unknown key 'char_cnn.colour'"),
        ({"colour": 1}, "unknown key 'colour'"),
        ({"cell_clip": float("inf")}, "cell_clip is inf: expected a finite number"),
        ({"proj_clip": float("nan")}, "proj_clip is nan: expected a finite number"),
        ({"cell_clip": 10**400}, "expected a finite number"),
        ({"lstm_dim": 10**30}, "lstm_dim is 10^30 or more: expected a whole number of at most"),
        ({"lstm_dim": 10**5000}, "lstm_dim is 10^30 or more"),
        ({"projection_dim": 10**9}, "projection_dim is 1000000000: expected a whole number"),
        ({"n_layers": 10**9}, "n_layers is 1000000000: expected a whole number of at most 1,000"),
        ({"char_cnn": None, "n_words": 10**10}, "n_words is 10000000000: expected"),
        ({"char_cnn": {"n_highway": 10**9}}, "n_highway is 1000000000: expected"),
        ({"char_cnn": {"embedding_dim": 10**9}}, "embedding_dim is 1000000000: expected"),
        ({"char_cnn": {"n_characters": 10**9}}, "n_characters is 1000000000: expected"),
        ({"char_cnn": {"filters": [[1, 10**9]]}}, "number of filters is 1000000000: expected"),
        ({"char_cnn": {"filters": [[1, 2]] * 2000}}, "number of filter widths is 2000: expected"),
        (
            {"char_cnn": {"max_characters_per_token": 10**9}},
            "max_characters_per_token is 1000000000: expected a whole number of at most 10,000",
        ),
        ({"lstm_dim": 10**6, "projection_dim": 10**6}, "these sizes make a network of"),
    ],
)
def test_refused_values_are_named(values: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        BiLMConfig.from_dict(values)


@pytest.mark.parametrize("clip", [float("inf"), float("nan"), 10**400, "3"])
def test_a_clip_is_a_finite_number(clip: float) -> None:
    with pytest.raises(ValueError, match=r"cell_clip is .*: expected a positive, finite number"):
        BiLMConfig(cell_clip=clip)


@pytest.mark.parametrize(
    "config",
    [
        BiLMConfig(lstm_dim=6, projection_dim=4, n_layers=3),
        BiLMConfig(lstm_dim=5, projection_dim=5, lstm_projection=False, bidirectional=False),
        BiLMConfig(lstm_dim=6, projection_dim=4, char_cnn=None, n_words=7),
        BiLMConfig(
            lstm_dim=6,
            projection_dim=4,
            char_cnn=CharCNNConfig(filters=((2, 4),), projection=False),
        ),
    ],
)
def test_the_size_that_is_bounded_is_that_of_the_network(config: BiLMConfig) -> None:
    assert config._n_values() == n_parameters(BiLM(config))
