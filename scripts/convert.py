"""Annotated data sets to spaCy's binary format, one sentence per Doc, with the words as annotated.

The training sentences are shuffled once, so that the first tenth of them is a fair tenth. Where a
data set has no dev sentences of its own, a tenth of the training sentences is held out for them.

    python scripts/convert.py ewt assets/ud-english-ewt build/data/ewt
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import typer
from spacy.tokens import Doc, DocBin
from spacy.training import converters
from spacy.vocab import Vocab

SEED = 0


def read_ud(path: Path) -> Iterator[Doc]:
    """CoNLL-U: tags, parts of speech, lemmas, heads and dependencies."""
    convert: Callable[..., Iterator[Doc]] = converters.conllu_to_docs  # type: ignore[attr-defined]
    yield from convert(path.read_text("utf8"), n_sents=1, no_print=True)


def read_wnut17(path: Path) -> Iterator[Doc]:
    """A word and an IOB tag in each line, an empty one between sentences: named entities."""
    vocab = Vocab()
    for block in re.split(r"\n\s*\n", path.read_text("utf8")):
        columns = [line.rstrip().split("\t") for line in block.split("\n") if line.strip()]
        if columns:
            yield Doc(vocab, [row[0] for row in columns], ents=[row[-1] for row in columns])


def read_sst5(path: Path) -> Iterator[Doc]:
    """Trees of the Stanford Sentiment Treebank: the sentiment of the whole sentence, 0 to 4."""
    vocab = Vocab()
    for line in path.read_text("utf8").splitlines():
        words = [_unescaped(word) for word in re.findall(r" ([^()\s]+)\)", line)]
        doc = Doc(vocab, words)
        doc.cats = {str(label): float(line.startswith(f"({label} ")) for label in range(5)}
        yield doc


def read_tagged(path: Path) -> Iterator[Doc]:
    """A sentence per line, each word with its tag: `The/DET dog/NOUN`."""
    vocab = Vocab()
    for line in path.read_text("utf8").splitlines():
        pairs = [word.rsplit("/", 1) for word in line.split()]
        yield Doc(vocab, [word for word, _ in pairs], tags=[tag for _, tag in pairs])


Reader = Callable[[Path], Iterator[Doc]]
DATA_SETS: dict[str, tuple[Reader, dict[str, str]]] = {
    "ewt": (
        read_ud,
        {split: f"en_ewt-ud-{split}.conllu" for split in ("train", "dev", "test")},
    ),
    # The dev sentences are what is trained on: a language with little annotated text.
    "gsd": (read_ud, {"train": "de_gsd-ud-dev.conllu", "test": "de_gsd-ud-test.conllu"}),
    "wnut17": (
        read_wnut17,
        {
            "train": "wnut17train.conll",
            "dev": "emerging.dev.conll",
            "test": "emerging.test.annotated",
        },
    ),
    "sst5": (read_sst5, {split: f"{split}.txt" for split in ("train", "dev", "test")}),
    "smoke": (read_tagged, {"train": "train.txt", "dev": "dev.txt"}),
}


def main(
    name: str = typer.Argument(..., help=f"Data set: {', '.join(DATA_SETS)}."),
    folder: Path = typer.Argument(..., help="Where its files are."),
    out: Path = typer.Argument(..., help="Folder for train.spacy, dev.spacy and test.spacy."),
) -> None:
    """Convert a data set to .spacy files."""
    if name not in DATA_SETS:
        raise SystemExit(f"no data set {name!r}: expected one of {', '.join(DATA_SETS)}")
    read, files = DATA_SETS[name]
    out.mkdir(parents=True, exist_ok=True)
    for split, file in files.items():
        if not (folder / file).is_file():
            raise SystemExit(f"{folder / file} is missing: `spacy project assets` fetches it")
        docs = list(read(folder / file))
        if split == "train":
            random.Random(SEED).shuffle(docs)
            if "dev" not in files:
                n_held_out = len(docs) // 10
                _write(docs[:n_held_out], out / "dev.spacy")
                docs = docs[n_held_out:]
        _write(docs, out / f"{split}.spacy")


def _write(docs: list[Doc], path: Path) -> None:
    DocBin(docs=docs).to_disk(path)
    print(f"{path}: {len(docs):,} sentences, {sum(map(len, docs)):,} words")


def _unescaped(word: str) -> str:
    """Brackets and quotes as they were before the Penn Treebank's conventions."""
    for escaped, plain in (("-LRB-", "("), ("-RRB-", ")"), ("``", '"'), ("''", '"')):
        word = word.replace(escaped, plain)
    return word.replace("\\/", "/")


if __name__ == "__main__":
    typer.run(main)
