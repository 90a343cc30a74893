"""Perplexity of a model on a file: raw text, tokenised text, or a prepared corpus."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from spacy_elmo.bilm.bilm import BiLM
from spacy_elmo.bilm.scoring.output_layer import check_can_score
from spacy_elmo.errors import CorpusError
from spacy_elmo.files import expanded
from spacy_elmo.pretraining.corpus.corpus import Corpus
from spacy_elmo.pretraining.corpus.counts import COUNTS, READ
from spacy_elmo.pretraining.corpus.prepare import prepare
from spacy_elmo.pretraining.perplexity.exact import (
    Perplexity,
    running_perplexity,
    sentence_perplexity,
)
from spacy_elmo.text.opening import open_text
from spacy_elmo.text.reading import OTHER_THAN_PLAIN, check_inputs
from spacy_elmo.vocabulary import VOCABULARY_FILE, read_words, write_vocabulary

# How WikiText writes a mark inside a word: ` @-@ ` for `-`, and so on.
WIKITEXT_MARKS = (b"-", b",", b".")


def measure(
    lm: BiLM,
    source: str | Path,
    *,
    state: str | None = None,
    language: str = "en",
    pipeline: str | None = None,
    tokenized: bool = False,
    wikitext: bool = False,
    tell: Callable[[str], object] = lambda line: None,
) -> Perplexity:
    """Perplexity with the full softmax.

    Args:
        lm: A model with a softmax and its vocabulary.
        source: Text of any kind that `prepare` reads, or a folder made by it.
        state: What sentences start from: "zero", "warm", or "carry", the state after the sentence
            before (running text); None: what the weights say.
        language: Whose tokenizer finds words, as for `prepare`.
        pipeline: What finds sentences and words, as for `prepare`.
        tokenized: Whether plain text is one sentence per line, words between spaces.
        wikitext: Undo WikiText's spacing of marks inside words, ` @-@ ` and the like, in plain
            text.
        tell: Is given a line for everything that was dropped or repaired in the text.

    Raises:
        ValueError: For a model without a softmax, a state it does not have, unusable text, and
            `wikitext` for anything but an uncompressed file of plain text.
    """
    check_can_score(lm)
    assert lm.vocabulary is not None
    state = state or lm.initial_state
    if state != "carry":
        lm.start(state, 1)  # raises where there is none, before the text is read
    with tempfile.TemporaryDirectory() as folder:
        path = expanded(source)
        prepared = (path / "corpus.json").is_file()
        if wikitext and (prepared or path.suffix.lower() in OTHER_THAN_PLAIN or str(path) == "-"):
            raise ValueError(
                f"{source}: the spacing of WikiText can be undone in an uncompressed file of plain "
                "text only"
            )
        if not prepared:
            path = Path(folder) / "corpus"
            write_vocabulary(Path(folder) / "vocab.txt", lm.vocabulary)
            cnn = lm.config.char_cnn
            meta = prepare(
                [_undone(source, Path(folder)) if wikitext else source],
                path,
                language=language,
                pipeline=pipeline,
                tokenized=tokenized,
                vocabulary=Path(folder) / "vocab.txt",
                max_characters=50 if cnn is None else cnn.max_characters_per_token,
            )
            for name, meaning in COUNTS.items():
                if meta[name] and name not in READ:
                    tell(f"{source}: {meta[name]:,} {meaning}")
        else:
            _compare_vocabularies(lm.vocabulary, path, tell)
        corpus = Corpus(path, lm.vocabulary)
        if state == "carry":
            return running_perplexity(lm, corpus)
        return sentence_perplexity(lm, corpus.words(), initial_state=state)


def _compare_vocabularies(
    words: Sequence[str], corpus: Path, tell: Callable[[str], object]
) -> None:
    own = read_words(corpus / VOCABULARY_FILE, error=CorpusError)
    if own != words:
        tell(
            f"{corpus} was prepared with another vocabulary ({len(own):,} words) than the model's "
            f"({len(words):,}), which is used: perplexities of models with different vocabularies "
            "do not compare"
        )


def _undone(source: str | Path, folder: Path) -> Path:
    """A copy of a text without WikiText's spaces around marks inside words."""
    check_inputs([source], tokenized=True)
    with expanded(source).open("rb") as file:
        stream = open_text(file, str(source))
        data = b"".join(iter(lambda: stream.read(1 << 20), b""))
    for mark in WIKITEXT_MARKS:
        data = data.replace(b" @" + mark + b"@ ", mark)
    path = folder / "text.txt"
    path.write_bytes(data)
    return path
