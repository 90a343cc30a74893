"""Short trainings side by side: which sizes and settings predict best for how much work.

    python scripts/training_study.py CORPUS HELDOUT CONFIG RUNS

RUNS is a JSON list of changes to the training config, each with a `name`. One row per run: tokens
seen, time, parameters, and held-out perplexity on running text and on single sentences.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from spacy_elmo.bilm.size import n_parameters
from spacy_elmo.pretraining.config import PretrainConfig
from spacy_elmo.pretraining.corpus.corpus import Corpus
from spacy_elmo.pretraining.perplexity.exact import (
    running_perplexity,
    sentence_perplexity,
    some_sentences,
)
from spacy_elmo.pretraining.run.distributed import Group
from spacy_elmo.pretraining.run.finish import WARM_SENTENCES
from spacy_elmo.pretraining.run.state import Training

HELDOUT_TOKENS = 12_000
HEADER = (
    "| run | parameters, M | tokens | minutes | running text | from zero | from warm |\n"
    "|---|---|---|---|---|---|---|"
)


def train(corpus: Corpus, heldout: Corpus, config: PretrainConfig) -> dict[str, Any]:
    """Train once and measure."""
    training = Training(corpus, config, Group())
    start = time.monotonic()
    for batch, windows in training.batches.ahead(0):
        share = training.share
        if share >= 1.0:
            break
        training.advance(batch, windows, training.rate(share))
    minutes = (time.monotonic() - start) / 60
    lm = training.lm
    count = n_parameters(lm)
    sentences = list(some_sentences(heldout, HELDOUT_TOKENS))
    found = {
        "parameters": f"{count / 1e6:.2f}",
        "tokens": f"{training.tokens:,}",
        "minutes": f"{minutes:.1f}",
        "running": f"{running_perplexity(lm, heldout, max_tokens=HELDOUT_TOKENS).average:.0f}",
        "zero": f"{sentence_perplexity(lm, sentences).average:.0f}",
        "warm": "",
    }
    if config.carry_state:
        lm.warm_up(islice(corpus.words(), WARM_SENTENCES))
        found["warm"] = f"{sentence_perplexity(lm, sentences).average:.0f}"
    return found


def main() -> None:
    """Run all and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("corpus", "heldout", "config", "runs"):
        parser.add_argument(name, type=Path)
    given = parser.parse_args()
    corpus = Corpus(given.corpus)
    heldout = Corpus(given.heldout, corpus.vocabulary)
    base = json.loads(given.config.read_text(encoding="utf8"))
    print(HEADER, flush=True)
    for run in json.loads(given.runs.read_text(encoding="utf8")):
        name = run.pop("name")
        model = {**base.get("model", {}), **run.pop("model", {})}
        config = PretrainConfig.from_dict({**base, **run, "model": model})
        config = replace(config, seconds=None)  # the runs' budgets are in tokens
        found = train(corpus, heldout, config)
        print(f"| {name} | {' | '.join(map(str, found.values()))} |", flush=True)


if __name__ == "__main__":
    main()
