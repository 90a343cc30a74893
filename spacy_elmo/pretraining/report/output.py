"""What a training leaves behind: the native directory, its card, and the picture of the curves."""

from __future__ import annotations

import shutil
from itertools import islice
from pathlib import Path

from spacy_elmo.formats import save
from spacy_elmo.pretraining.perplexity.exact import Perplexity, sentence_perplexity, some_sentences
from spacy_elmo.pretraining.report.card import Facts, write_card
from spacy_elmo.pretraining.report.plot import draw
from spacy_elmo.pretraining.report.progress import read_log
from spacy_elmo.pretraining.run.loop import Trainer

# Sentences of the training text from which the warm state is computed.
WARM_SENTENCES = 500


def choose_initial_state(trainer: Trainer) -> dict[str, Perplexity]:
    """Give the model the initial state that fits it, by held-out perplexity.

    A model whose rows always started from zero keeps "zero". Where the state was carried on, the
    warm state is computed from the training text and kept if it predicts held-out sentences better.

    Returns the perplexities measured, by state.
    """
    lm, heldout, config = trainer.training.lm, trainer.heldout, trainer.config
    measured = {}
    lm.initial_state = "zero"

    def measure() -> Perplexity:
        assert heldout is not None
        return sentence_perplexity(lm, some_sentences(heldout, config.evaluate_tokens))

    if heldout is not None:
        measured["zero"] = measure()
    if not config.carry_state:
        return measured
    lm.warm_up(islice(trainer.training.corpus.words(), WARM_SENTENCES))
    if heldout is not None:
        measured["warm"] = measure()
        if measured["zero"].average <= measured["warm"].average:
            lm.initial_state = "zero"
    elif config.reset_probability > 0.0:
        lm.initial_state = "zero"
    return measured


def write_output(trainer: Trainer, out: Path, heldout: Perplexity | None) -> None:
    """Write the model into its directory, beside the folder of the training.

    heldout: Perplexity on the held-out text.

    Each file appears complete, and `config.json`, by which the directory is known, comes last.
    """
    training = trainer.training
    lm = training.lm
    sentences = choose_initial_state(trainer)
    running = heldout if trainer.config.carry_state else None
    facts = Facts(
        training.init, training.tokens, training.seconds, training.corpus.meta, running, sentences
    )
    aside = out / ".model.tmp"
    shutil.rmtree(aside, ignore_errors=True)
    try:
        save(lm, aside)
        (aside / "README.md").write_text(
            write_card(lm, trainer.config, facts, out.resolve().name), encoding="utf8"
        )
        picture = draw(read_log(trainer.folder / "log.jsonl"), f"{out.resolve().name}: perplexity")
        (aside / "curves.svg").write_text(picture, encoding="utf8")
        for path in sorted(aside.iterdir(), key=lambda path: path.name == "config.json"):
            path.replace(out / path.name)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    trainer.progress.say(f"Wrote {out}")
