"""Static vectors distilled from contexts against word2vec trained on the same text.

python -m evaluation.distilled TEXT...

Two measures without any context: the linear probe of `evaluation.probe` as a tagger, and the rank
correlation with the judgements of polysemesim on its pairs of different words.
"""

from __future__ import annotations

import json as json_library
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
import typer

from evaluation.probe import probe, read_tags
from evaluation.readers import EVAL
from evaluation.report import finish, percent
from spacy_elmo import distill
from spacy_elmo.embedding.docs.tokenizer import Tokenizer
from spacy_elmo.embedding.entries import TextFiles
from spacy_elmo.types import Floats, Sentence

Table = Mapping[str, Floats]


def read_pairs(path: Path) -> list[tuple[str, str, float]]:
    """The pairs of different words, each with the mean of its judgements."""
    judged: dict[tuple[str, str], list[float]] = defaultdict(list)
    for worker in json_library.loads(path.read_text("utf8")).values():
        for item in worker["judgements"].values():
            first, second = (
                _marked(item[f"sentence_{k}"], item[f"highlights_{k}"]) for k in (1, 2)
            )
            if first and second and first != second:
                judged[first, second].append(float(item["rating"]))
    return [(*pair, float(np.mean(ratings))) for pair, ratings in judged.items()]


def _marked(sentence: str, places: Sequence[int] | int) -> str:
    """The word that is judged, "" where it is several."""
    found = [places] if isinstance(places, int) else places
    words = [sentence.split()[place].strip(".,!?'\"").lower() for place in found]
    return words[0] if len(words) == 1 else ""


def correlation(table: Table, pairs: Sequence[tuple[str, str, float]]) -> tuple[float, int]:
    """Rank correlation of cosines with judgements, over the pairs that have vectors."""
    from scipy.stats import spearmanr  # type: ignore[import-untyped]

    cosines, ratings = [], []
    for first, second, rating in pairs:
        if first in table and second in table:
            a, b = table[first], table[second]
            cosines.append(float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b))))
            ratings.append(rating)
    return float(spearmanr(cosines, ratings).statistic), len(ratings)


def tagging(table: Table, data: Path) -> float:
    """Accuracy of the linear probe on the vectors of the words alone; zeros for unknown ones."""
    width = len(next(iter(table.values())))
    rows, tags = [], []
    for split in ("train", "test"):
        sentences, gold = read_tags(data / f"en_ewt-ud-{split}.conllu")
        words = [word for words in sentences for word in words]
        zero = np.zeros(width, dtype=np.float32)
        found = [table[word] if word in table else table.get(word.lower(), zero) for word in words]
        rows.append(torch.from_numpy(np.stack(found)))
        tags.append(gold)
    number = {tag: index for index, tag in enumerate(sorted(set(tags[0])))}
    train = torch.tensor([number[tag] for tag in tags[0]])
    test = torch.tensor([number.get(tag, -1) for tag in tags[1]])
    chosen = probe(rows[0], train, rows[1], len(number), 0)
    return float((chosen == test).double().mean())


def word2vec(sentences: Sequence[Sentence], width: int, words: set[str]) -> Table:
    """word2vec (gensim's skip-gram, 5 epochs) on the same sentences."""
    from gensim.models import Word2Vec

    model = Word2Vec(
        [list(words) for words in sentences],
        vector_size=width,
        sg=1,
        min_count=1,
        workers=1,
        seed=0,
    )
    return {word: model.wv[word] for word in words if word in model.wv}


def main(
    texts: list[Path] = typer.Argument(..., help="Text files, one paragraph per line."),
    weights: str = typer.Option("en_elmo_sm", help="Name or path of weights."),
    n_words: int = typer.Option(20_000, help="Words of the tables."),
    contexts: int = typer.Option(50, help="Occurrences per word that are drawn."),
    data: Path = typer.Option(EVAL, help="Folder of the data sets."),
    json: Path | None = typer.Option(None, help="Write the figures here, too."),
) -> None:
    """Distilled vectors, with and without their common components, against word2vec."""
    files = TextFiles(texts)
    pairs = read_pairs(data / "polysemesim" / "polyseme_similarity.json")
    tables: dict[str, Table] = {}
    for name, layers, removed in (
        ("distilled, average", "average", 0),
        ("distilled, average, 2 removed", "average", 2),
        ("distilled, token layer", "token", 0),
    ):
        found = distill(
            weights,
            files,
            n_words=n_words,
            min_count=2,
            contexts=contexts,
            layers=layers,
            remove_components=removed,
        )
        tables[name] = dict(zip(found.words, found.vectors, strict=True))
    words = set(tables["distilled, average"])
    tables["word2vec"] = word2vec(list(_sentences(files)), 300, words)
    rows, values = [], {}
    for name, table in tables.items():
        accuracy, (rank, n) = tagging(table, data / "ud-english-ewt"), correlation(table, pairs)
        rows.append((name, percent(accuracy), f"{rank:.3f}", str(n)))
        values[name] = {"tagging": accuracy, "spearman": rank, "pairs": n}
    title = f"Static vectors of {len(words):,} words, {contexts} contexts each, {weights}"
    finish(title, ("vectors", "tagging", "Spearman", "pairs"), rows, values, json)


def _sentences(files: TextFiles) -> Iterator[Sentence]:
    tokenizer = Tokenizer("en")
    for entry in tokenizer(list(files.entries(tokenizer))):
        yield from entry.sentences


if __name__ == "__main__":
    typer.run(main)
