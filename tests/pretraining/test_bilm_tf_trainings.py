"""bilm-tf's own small trainings (its tests/test_training.py): all must learn their text by heart.

134 tokens, 50 epochs, two rows of 10 steps, dropout, 16 negatives: test perplexity below 20.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from spacy_elmo.pretraining.config import PretrainConfig
from spacy_elmo.pretraining.corpus.corpus import Corpus
from spacy_elmo.pretraining.corpus.prepare import prepare
from spacy_elmo.pretraining.perplexity.exact import running_perplexity
from tests.pretraining.small import new_trainer, train

CHARACTERS = {
    "activation": "tanh",
    "embedding_dim": 4,
    "filters": [[1, 8], [2, 8], [3, 16], [4, 32], [5, 64]],
    "max_characters_per_token": 12,
    "n_highway": 1,
}
WORDS: dict[str, Any] = {"char_cnn": None}

SETTINGS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "forward only, words": ({**WORDS, "bidirectional": False}, {}),
    "both directions, characters": ({"char_cnn": CHARACTERS}, {}),
    "softmax tied to the words": (
        WORDS,
        {"share_embedding_softmax": True},
    ),
    "skip connections": (
        {"char_cnn": CHARACTERS, "use_skip_connections": True},
        {},
    ),
    "twice the rows": ({**WORDS, "bidirectional": False}, {"batch_size": 4}),
}


@pytest.fixture(scope="module")
def corpora(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[int, Corpus]:
    """The training text, with words cut at 12 and at 50 characters."""
    folder = tmp_path_factory.mktemp("bilm-tf")
    source = shared / "fixtures" / "bilm-tf" / "train"
    made = {}
    for length in (12, 50):
        prepare(
            [source / "data.txt"],
            folder / str(length),
            tokenized=True,
            vocabulary=source / "vocab.txt",
            max_characters=length,
        )
        made[length] = Corpus(folder / str(length))
    return made


LONG = ("both directions, characters", "skip connections")


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.soak] if name in LONG else []) for name in SETTINGS],
)
def test_learns_its_text(
    name: str, corpora: dict[int, Corpus], tmp_path: Path, one_thread: None
) -> None:
    model, changes = SETTINGS[name]
    sizes = {
        "lstm_dim": 16,
        "projection_dim": 8,
        "n_layers": 2,
        "cell_clip": 5.0,
        "proj_clip": 5.0,
        "use_skip_connections": False,
        **model,
    }
    config = PretrainConfig.from_dict(
        {
            "recipe": "bilm-tf",
            "model": sizes,
            "batch_size": 2,
            "unroll_steps": 10,
            "n_negative_samples": 16,
            "clip_norm": 1.0,
            "epochs": None,
            "tokens": 50 * (134 // 20) * 20,  # bilm-tf rounds an epoch down to whole batches
            **changes,
        }
    )
    corpus = corpora[12 if model["char_cnn"] else 50]
    assert corpus.n_tokens == 134
    trainer = new_trainer(corpus, tmp_path, config)
    assert train(trainer)
    assert running_perplexity(trainer.training.lm, corpus).average < 20.0


def test_characters_have_no_embedding_to_tie() -> None:
    with pytest.raises(ValueError, match="share_embedding_softmax needs word input"):
        PretrainConfig.from_dict({"recipe": "bilm-tf", "share_embedding_softmax": True})
