"""Configs: what they refuse, and that JSON brings them back."""

import json
import re

import pytest

from spacy_elmo.bilm import BiLMConfig, CharCNNConfig


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
    ],
)
def test_refused_values_are_named(values: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        BiLMConfig.from_dict(values)
