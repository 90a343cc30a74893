"""The data sets of the evaluation, each read from the files its authors published."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
ASSETS = ROOT / "assets"
BESIDE = ROOT.parent / "shared" / "eval"
EVAL = BESIDE if BESIDE.is_dir() and not any(ASSETS.glob("*")) else ASSETS
"""Where the data sets are looked for by default: where `spacy project assets` puts them, or else
beside the checkout."""


class Marked(NamedTuple):
    """A word in its sentence: the one at a place, counted from 0."""

    words: list[str]
    place: int


class Pair(NamedTuple):
    """An item of Word-in-Context: one word in two sentences, and whether its sense is the same."""

    first: Marked
    second: Marked
    same: bool


class Sense(NamedTuple):
    """An item of CoarseWSD-20: a word, and the name of its sense."""

    word: Marked
    sense: str


def read_wic(folder: Path, split: str) -> list[Pair]:
    """Word-in-Context (Pilehvar and Camacho-Collados 2019). split: "train" or "dev"."""
    pairs = []
    data = _lines(folder / split / f"{split}.data.txt")
    gold = _lines(folder / split / f"{split}.gold.txt")
    for line, label in zip(data, gold, strict=True):
        _, _, places, first, second = line.split("\t")
        a, b = map(int, places.split("-"))
        pairs.append(Pair(Marked(first.split(), a), Marked(second.split(), b), label == "T"))
    return pairs


def coarsewsd_words(folder: Path) -> list[str]:
    """The ambiguous words, one folder each."""
    words = sorted(path.parent.name for path in folder.glob("*/train.data.txt"))
    if not words:
        raise SystemExit(f"{folder} holds no CoarseWSD-20: expected {folder}/WORD/train.data.txt")
    return words


def read_coarsewsd(folder: Path, word: str, split: str) -> list[Sense]:
    """A word of CoarseWSD-20 (Loureiro et al. 2021). split: "train" or "test"."""
    data = _lines(folder / word / f"{split}.data.txt")
    gold = _lines(folder / word / f"{split}.gold.txt")
    senses = []
    for line, sense in zip(data, gold, strict=True):
        index, _, sentence = line.partition("\t")
        senses.append(Sense(Marked(sentence.split(), int(index)), sense))
    return senses


def read_text(paths: Sequence[Path], lang: str = "en") -> Iterator[list[str]]:
    """Sentences of words of raw text, found as `spacy elmo prepare` finds them."""
    from spacy_elmo.pretraining.corpus.segmentation import Segmenter, Settings
    from spacy_elmo.text.reading import check_inputs, read_blocks

    segment = Segmenter(Settings(language=lang))
    for block in read_blocks(check_inputs(paths, tokenized=False)):
        for part in segment(block)[0]:
            for ids in np.split(part.ids, np.cumsum(part.lengths)[:-1]):
                yield [part.words[number] for number in ids]


def sample_text(paths: Sequence[Path], n_words: int, lang: str = "en") -> list[list[str]]:
    """About `n_words` words in running sentences: an equal share from the start of each file."""
    share = n_words / len(paths)
    return [words for path in paths for words in _until(read_text([path], lang), share)]


def _until(sentences: Iterable[list[str]], n_words: float) -> Iterator[list[str]]:
    seen = 0
    for words in sentences:
        if seen >= n_words:
            return
        seen += len(words)
        yield words


def _lines(path: Path) -> list[str]:
    if not path.is_file():
        raise SystemExit(f"{path} is missing: `spacy project assets` fetches the data sets")
    return path.read_text("utf8").splitlines()
