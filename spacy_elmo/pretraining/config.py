"""The training config: a frozen dataclass, its JSON form, and the named recipes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from spacy_elmo.bilm.config import BiLMConfig, CharCNNConfig
from spacy_elmo.bilm.limits import LARGEST_TABLE
from spacy_elmo.fields import check_fields, short
from spacy_elmo.files import expanded
from spacy_elmo.vocabulary import SPECIAL_WORDS

OPTIMIZERS = ("adamw", "adagrad")
SCHEDULES = ("constant", "cosine")
ORDERS = ("text", "shuffled", "sentences")
PRECISIONS = ("float32", "bfloat16", "float16")

# What may change between a run and its continuation: how long it goes on, and what it tells.
BUDGET = ("epochs", "tokens", "seconds")
REPORTS = ("log_every", "checkpoint_seconds", "evaluate_seconds", "evaluate_tokens", "data")

# Least and largest values. The largest are no advice: beyond them a number is a slip, and would be
# noticed as exhausted memory, an overflow, or a run without an end.
LARGEST_BATCH = 2**26
_RANGES: dict[str, tuple[float, float]] = {
    "batch_size": (1, 2**20),
    "unroll_steps": (1, 2**20),
    "max_sentence_length": (2, 2**20),
    "n_negative_samples": (0, LARGEST_TABLE),
    "warmup_steps": (0, 10**9),
    "seed": (0, 2**63 - 1),
    "log_every": (1, 10**9),
    "evaluate_tokens": (1, 10**12),
    "checkpoint_seconds": (0, 10**9),
    "evaluate_seconds": (0, 10**9),
    "epochs": (0, 10**6),
    "tokens": (0, 10**15),
    "seconds": (0, 10**9),
    "learning_rate": (0, 1000),
    "weight_decay": (0, 1000),
    "initial_accumulator": (0, 10**12),
    "epsilon": (0, 1),
    "final_rate": (0, 1),
    "clip_norm": (0, 10**12),
    "reset_probability": (0, 1),
}

SMALL = BiLMConfig(
    lstm_dim=512,
    projection_dim=128,
    char_cnn=CharCNNConfig(filters=((1, 32), (2, 32), (3, 64), (4, 128), (5, 256)), n_highway=1),
    cell_clip=None,
    proj_clip=None,
)

NO_MANY_LANGS = (
    "pretraining knows the token layers of bilm-tf, not that of ELMoForManyLangs, whose characters "
    "a prepared corpus does not hold"
)


@dataclass(frozen=True)
class PretrainConfig:
    """How a biLM is trained. The defaults are the recipe `default`; see `RECIPES`.

    Args:
        model: Sizes of the network. With word input `n_words` becomes that of the corpus's
            vocabulary.
        share_embedding_softmax: The softmax's weights are the word embedding (word input only).
        order: How rows are filled. "text": every row reads the running text on from a place of its
            own. "shuffled": the next sentence of a shuffled order whenever a row has used up its
            own (bilm-tf). "sentences": a row is a sentence, from the initial state.
        same_text: With "shuffled", whether both directions read the same sentences (bilm-tf: not).
        batch_size: Rows of a batch, over all processes.
        unroll_steps: Symbols per row and step; back-propagation ends there. With "sentences" a
            batch has about `batch_size * unroll_steps` symbols.
        max_sentence_length: Longer sentences are cut, with "sentences".
        carry_state: Rows go on from their state; if not, every window starts from zero.
        reset_probability: With carry_state, the share of rows that start a window from zero all the
            same, so that the zero state is trained too. Without, single sentences are read better
            from the "warm" state, which the trained model then says of itself.
        n_negative_samples: Words sampled for the softmax; 0: the full softmax.
        dropout: Share dropped from the input of each LSTM layer and from the last output.
        optimizer: "adamw" or "adagrad".
        learning_rate: The highest one.
        beta1: Of AdamW, for the mean of the gradients.
        beta2: Of AdamW, for the mean of their squares.
        weight_decay: Of AdamW; biases, softmax and word embedding do not decay.
        initial_accumulator: Of Adagrad.
        epsilon: Added to the root of the squares.
        schedule: "constant", or "cosine": falls to `final_rate` times the highest rate at the
            budget's end.
        final_rate: Of the cosine schedule.
        warmup_steps: Steps over which the rate rises.
        clip_norm: Highest global norm of the gradients; 0: no clipping.
        loss_times_unroll: Gradients are those of the loss times `unroll_steps` (bilm-tf).
        precision: "float32", or "bfloat16" or "float16" for the products (weights stay float32).
        epochs: The budget in rounds of the text. The first budget to be reached ends the training.
        tokens: The budget in predicted symbols of the text, `</S>` included, counted once for both
            directions.
        seconds: The budget in time.
        seed: Of initial weights, order, negatives and dropout.
        log_every: Steps between two entries of the log.
        checkpoint_seconds: Time between two checkpoints.
        evaluate_seconds: Time between two measurements of held-out perplexity.
        evaluate_tokens: Held-out tokens to measure during training (all at its end).
        data: What the text is and its licences, for the card.
    """

    model: BiLMConfig = SMALL
    share_embedding_softmax: bool = False
    order: str = "shuffled"
    same_text: bool = True
    batch_size: int = 128
    unroll_steps: int = 20
    max_sentence_length: int = 100
    carry_state: bool = True
    reset_probability: float = 0.0
    n_negative_samples: int = 2048
    dropout: float = 0.0
    optimizer: str = "adamw"
    learning_rate: float = 3e-3
    beta1: float = 0.9
    beta2: float = 0.98
    weight_decay: float = 0.0
    initial_accumulator: float = 1.0
    epsilon: float = 1e-8
    schedule: str = "cosine"
    final_rate: float = 0.02
    warmup_steps: int = 200
    clip_norm: float = 1.0
    loss_times_unroll: bool = False
    precision: str = "float32"
    epochs: float | None = None
    tokens: int | None = None
    seconds: float | None = None
    seed: int = 0
    log_every: int = 20
    checkpoint_seconds: float = 600.0
    evaluate_seconds: float = 1800.0
    evaluate_tokens: int = 50_000
    data: str = ""

    def __post_init__(self) -> None:
        for name, choices in (
            ("order", ORDERS),
            ("optimizer", OPTIMIZERS),
            ("schedule", SCHEDULES),
            ("precision", PRECISIONS),
        ):
            if getattr(self, name) not in choices:
                raise ValueError(
                    f"{name} is {getattr(self, name)!r}: expected one of {', '.join(choices)}"
                )
        for name, (least, largest) in _RANGES.items():
            value = getattr(self, name)
            # Not `value < least or value > largest`: NaN is neither.
            if value is not None and not least <= value <= largest:
                raise ValueError(f"{name} is {short(value)}: expected {least:,} to {largest:,}")
        for name in ("dropout", "beta1", "beta2"):
            if not 0.0 <= getattr(self, name) < 1.0:
                value = short(getattr(self, name))
                raise ValueError(f"{name} is {value}: expected 0 or more, below 1")
        for name in BUDGET:
            if getattr(self, name) == 0:
                raise ValueError(f"{name} is 0: expected more than 0, or null")
        if self.batch_size * self.unroll_steps > LARGEST_BATCH:
            raise ValueError(
                f"batch_size {self.batch_size:,} times unroll_steps {self.unroll_steps:,} is "
                f"{self.batch_size * self.unroll_steps:,} symbols: expected at most "
                f"{LARGEST_BATCH:,}"
            )
        if self.model.many_langs is not None:
            raise ValueError(f"model.many_langs: {NO_MANY_LANGS}")
        if self.share_embedding_softmax and self.model.char_cnn is not None:
            raise ValueError(
                "share_embedding_softmax needs word input (model.char_cnn: null): characters have "
                "no embedding per word that the softmax could share"
            )
        if self.optimizer == "adamw" and self.epsilon == 0.0:
            raise ValueError(
                "epsilon is 0: adamw would divide by zero where a gradient is zero; expected more"
            )
        if self.optimizer == "adagrad" and self.epsilon == self.initial_accumulator == 0.0:
            raise ValueError(
                "epsilon and initial_accumulator are 0: adagrad would divide by zero where a "
                "gradient is zero; expected one of them to be more"
            )
        if self.model.initial_state != "zero":  # measured when the training is done
            object.__setattr__(self, "model", replace(self.model, initial_state="zero"))
        if self.order == "sentences":
            object.__setattr__(self, "carry_state", False)

    def to_dict(self) -> dict[str, Any]:
        """The config as plain, JSON-able values; `from_dict` is its inverse."""
        return {**asdict(self), "model": self.model.to_dict()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> PretrainConfig:
        """Build a config from JSON values.

        The key `recipe` names the recipe that the other keys change; `model` may give some of its
        keys only.

        Raises:
            ValueError: For an unknown key or recipe and for invalid values.

        >>> config = PretrainConfig.from_dict({"recipe": "bilm-tf", "batch_size": 64})
        >>> config.optimizer, config.batch_size
        ('adagrad', 64)
        """
        values = dict(values)
        recipe = values.pop("recipe", "default")
        if recipe not in RECIPES:
            raise ValueError(f"no recipe {recipe!r}: expected one of {', '.join(RECIPES)}")
        base = RECIPES[recipe]
        check_fields(cls, values)
        if "model" in values:
            values["model"] = _model(base.model, values["model"])
        return replace(base, **values)

    def with_budget(
        self, epochs: float | None, tokens: int | None, seconds: float | None
    ) -> PretrainConfig:
        """With another budget, if any of it is given.

        Raises:
            ValueError: If there is none at all: the training would never end.
        """
        if any(value is not None for value in (epochs, tokens, seconds)):
            return replace(self, epochs=epochs, tokens=tokens, seconds=seconds)
        if self.epochs is None and self.tokens is None and self.seconds is None:
            raise ValueError("no budget: set epochs, tokens or seconds")
        return self

    @classmethod
    def from_file(cls, path: str | Path) -> PretrainConfig:
        """Read a config from a JSON file.

        Raises:
            ValueError: If it is invalid, naming the file.
        """
        try:
            values = json.loads(expanded(path).read_text(encoding="utf-8-sig"))
            if not isinstance(values, dict):
                raise ValueError("expected a JSON object")
            return cls.from_dict(values)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error


def _model(base: BiLMConfig, values: Any) -> BiLMConfig:
    """The recipe's sizes with some keys changed."""
    if not isinstance(values, Mapping):
        raise ValueError(f"model is {values!r}: expected an object of sizes")
    merged = {**base.to_dict(), **values}
    if isinstance(values.get("char_cnn"), Mapping) and base.char_cnn is not None:
        merged["char_cnn"] = {**base.to_dict()["char_cnn"], **values["char_cnn"]}
    if merged["char_cnn"] is None and merged["n_words"] is None:
        merged["n_words"] = len(SPECIAL_WORDS)  # the trainer puts the corpus's vocabulary here
    return BiLMConfig.from_dict(merged)


RECIPES: dict[str, PretrainConfig] = {
    "default": PretrainConfig(),
    # The original's training (bilm-tf, bin/train_elmo.py and training.py).
    "bilm-tf": PretrainConfig(
        model=BiLMConfig(),
        order="shuffled",
        same_text=False,
        batch_size=384,
        unroll_steps=20,
        carry_state=True,
        reset_probability=0.0,
        n_negative_samples=8192,
        dropout=0.1,
        optimizer="adagrad",
        learning_rate=0.2,
        initial_accumulator=1.0,
        epsilon=0.0,
        schedule="constant",
        warmup_steps=0,
        clip_norm=10.0,
        loss_times_unroll=True,
        epochs=10.0,
    ),
}


def read_config(
    path: Path | None, epochs: float | None, tokens: int | None, seconds: float | None
) -> PretrainConfig:
    """The config of a file, or the default recipe, with another budget if one is given.

    Raises:
        ValueError: For an invalid file, and without any budget.
    """
    config = PretrainConfig() if path is None else PretrainConfig.from_file(path)
    return config.with_budget(epochs, tokens, seconds)
