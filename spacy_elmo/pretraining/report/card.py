"""The card of a trained model: what it is, what it was trained on, how well it predicts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from spacy_elmo.bilm.bilm import BiLM
from spacy_elmo.formats.cards import network_lines
from spacy_elmo.formats.front_matter import front_matter
from spacy_elmo.formats.papers import licences
from spacy_elmo.pretraining.config import PretrainConfig
from spacy_elmo.pretraining.perplexity.exact import Perplexity


@dataclass(frozen=True)
class TrainingSummary:
    """What a card tells of a training.

    Attributes:
        init: The weights it started from; None: random ones.
        tokens: Tokens seen.
        seconds: Time spent.
        corpus: What `corpus.json` holds.
        running: Held-out perplexity on running text.
        sentences: Held-out perplexity with each sentence from an initial state, by that state's
            name.
        mean_words: Words whose mean vector the model carries.
        mean_text: Which text they are from: "held-out" or "training".
    """

    init: str | None
    tokens: int
    seconds: float
    corpus: Mapping[str, Any]
    running: Perplexity | None
    sentences: Mapping[str, Perplexity]
    mean_words: int
    mean_text: str


def write_card(lm: BiLM, config: PretrainConfig, summary: TrainingSummary, name: str) -> str:
    """The card as Markdown, with the block of metadata that the hub of Hugging Face reads.

    Args:
        lm: The trained model.
        config: The training config.
        summary: What else it tells.
        name: Of the model.
    """
    corpus = summary.corpus
    epochs = summary.tokens / (corpus["n_tokens"] + corpus["n_sentences"])
    lines = [
        front_matter(corpus.get("language"), _licences(config, summary)) + f"# {name}",
        "",
        f"A bidirectional language model (ELMo) for {corpus.get('language', 'text')}, trained by "
        "`spacy elmo pretrain`.",
        "",
        "## Network",
        "",
        *network_lines(lm),
        f"- mean vector, which centred similarity subtracts: of {summary.mean_words:,} words of "
        f"the {summary.mean_text} text",
        "",
        "## Training",
        "",
        *_start(summary),
        f"- text: {corpus['n_tokens']:,} tokens in {corpus['n_sentences']:,} sentences, "
        f"{corpus['n_types']:,} types",
        f"- seen: {summary.tokens:,} predicted tokens per direction, {epochs:.2f} epochs, in "
        f"{summary.seconds / 3600:.2f} hours",
        f"- {config.optimizer}, learning rate {config.learning_rate:g} ({config.schedule}), "
        f"{config.batch_size} rows of {config.unroll_steps} steps, "
        f"{config.n_negative_samples or 'all'} sampled words, dropout {config.dropout:g}",
        "",
        "## Data and licences",
        "",
        config.data or "Not stated. (Set `data` in the training config.)",
        "",
        "## Perplexity on held-out text",
        "",
        *_perplexities(summary),
    ]
    return "\n".join(lines) + "\n"


def _licences(config: PretrainConfig, summary: TrainingSummary) -> list[str]:
    """The licences that the training config names; none where it cannot name all that hold."""
    return licences({"data": config.data.encode("utf8")}) if summary.init is None else []


def _start(summary: TrainingSummary) -> list[str]:
    if summary.init is None:
        return []
    return [
        f"- started from the weights `{summary.init}`, whose own training, text and licences "
        "are not counted below: their card tells of them"
    ]


def _perplexities(summary: TrainingSummary) -> list[str]:
    rows = {"running text, state carried on": summary.running}
    rows |= {f"each sentence from the {name} state": p for name, p in summary.sentences.items()}
    known = {name: found for name, found in rows.items() if found is not None}
    if not known:
        return ["Not measured: no held-out text was given."]
    table = [
        "Full softmax; exp of the mean loss per predicted token, `</S>`, `<S>` and `<UNK>` "
        "counted.",
        "",
        "| | forward | backward | average | tokens | unknown |",
        "|---|---|---|---|---|---|",
    ]
    for name, found in known.items():
        forward, backward = (*found.directions, math.nan)[:2]
        table.append(
            f"| {name} | {forward:.1f} | {'' if math.isnan(backward) else f'{backward:.1f}'} | "
            f"{found.average:.1f} | {found.n_tokens:,} | {found.unknown_rate:.2%} |"
        )
    return table
