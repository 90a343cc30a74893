"""Text to measure on: UD English EWT, dev and test."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# Where `spacy project assets` puts it, or else beside the checkout.
ASSETS = ROOT / "assets" / "ud-english-ewt"
BESIDE = ROOT.parent / "shared" / "eval" / "ud-english-ewt"
DEFAULT_FOLDER = BESIDE if BESIDE.is_dir() and not ASSETS.is_dir() else ASSETS
FILES = ("en_ewt-ud-dev.conllu", "en_ewt-ud-test.conllu")


@dataclass(frozen=True)
class Text:
    """Sentences to measure with.

    Attributes:
        sentences: Lists of words.
        raw: The same sentences as they were written.
        tags: The tag of each word.
    """

    sentences: list[list[str]]
    raw: list[str]
    tags: list[list[str]]


def read_text(folder: Path) -> Text:
    """Read the CoNLL-U files of a folder. Exits with a message where they are missing."""
    sentences: list[list[str]] = []
    raw: list[str] = []
    tags: list[list[str]] = []
    for name in FILES:
        path = folder / name
        if not path.exists():
            raise SystemExit(
                f"{path} is missing: `spacy project assets` gets it; or name a folder of "
                "UD_English-EWT (github.com/UniversalDependencies) with --text"
            )
        words: list[str] = []
        words_tags: list[str] = []
        for line in path.read_text(encoding="utf8").splitlines():
            if line.startswith("# text = "):
                raw.append(line.removeprefix("# text = "))
            elif line and not line.startswith("#"):
                number, word, _, _, tag = line.split("\t")[:5]
                if number.isdigit():
                    words.append(word)
                    words_tags.append(tag)
            elif not line and words:
                sentences.append(words)
                tags.append(words_tags)
                words, words_tags = [], []
    return Text(sentences, raw, tags)
