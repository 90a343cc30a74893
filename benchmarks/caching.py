"""Epochs of a tagger on a frozen language model, with and without the cache of its layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import spacy
from spacy.tokens import Doc
from spacy.training import Example
from spacy.training.batchers import minibatch_by_words
from spacy.vocab import Vocab
from thinc.api import Adam

from benchmarks.measure import seconds
from benchmarks.report import Report
from benchmarks.text import Text

WEIGHTS = "en_elmo_sm"
BATCH_WORDS = 1000  # where the batches of spaCy's own configs end up
N_PASSES = 2
# Their settings, and what they are held to.
CACHES: dict[str, tuple[dict[str, Any], str]] = {
    '`cache = "memory"`': ({"cache": "memory"}, "at least 3x"),
    '`cache = "disk"`': ({"cache": "disk"}, ""),
    '`cache = "memory"`, `cache_half`': ({"cache": "memory", "cache_half": True}, ""),
}


def measure(report: Report, text: Text, n_sentences: int) -> None:
    """Rows of frozen training, from the second epoch on."""
    report.progress(f"epochs of a tagger, {n_sentences:,} sentences, {WEIGHTS}")
    plain = _training(text, n_sentences)
    cached = {name: _training(text, n_sentences, **elmo) for name, (elmo, _) in CACHES.items()}
    epochs = [plain, *cached.values()]
    for epoch in epochs:
        epoch()  # the first one fills the caches
    # Turn by turn, so that what else the machine does slows all of them.
    passes = [[seconds(epoch) for epoch in epochs] for _ in range(N_PASSES)]
    time_plain, *times = (min(each) for each in zip(*passes, strict=True))
    report.add(
        f"epoch of a tagger after the first, {n_sentences:,} sentences, {WEIGHTS}, `cache = null`",
        f"{time_plain:.2f} s",
        time_plain,
    )
    for (name, (_, aim)), time in zip(CACHES.items(), times, strict=True):
        ratio = time_plain / time
        report.add(f"the same with {name}", f"{time:.2f} s, {ratio:.1f}x", ratio, aim)


def _training(text: Text, n_sentences: int, **elmo: Any) -> Callable[[], None]:
    """A tagger with a bare listener. Returns what trains it for one epoch."""
    spacy.util.fix_random_seed(0)
    nlp = spacy.blank("en")
    nlp.add_pipe("elmo", config={"model": {"weights": WEIGHTS}, **elmo})
    listener = {"@architectures": "spacy-elmo.ElmoListener.v1"}
    model = {"@architectures": "spacy.Tagger.v2", "nO": None, "tok2vec": listener}
    nlp.add_pipe("tagger", config={"model": model})
    examples = _examples(nlp.vocab, text, n_sentences)
    nlp.initialize(lambda: examples)
    optimizer = Adam(0.001)

    def epoch() -> None:
        for batch in minibatch_by_words(examples, BATCH_WORDS):
            nlp.update(batch, sgd=optimizer, drop=0.1)

    return epoch


def _examples(vocab: Vocab, text: Text, n_sentences: int) -> list[Example]:
    pairs = zip(text.sentences[:n_sentences], text.tags, strict=False)
    return [Example.from_dict(Doc(vocab, words=words), {"tags": tags}) for words, tags in pairs]
