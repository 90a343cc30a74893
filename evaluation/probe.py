"""What each layer knows about parts of speech: accuracy of a linear classifier on its vectors.

python -m evaluation.probe en_elmo_sm
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import torch
import typer
from numpy.typing import NDArray
from spacy.tokens import Doc
from spacy.training import converters
from torch import Tensor, nn

from evaluation.readers import EVAL
from evaluation.report import finish, percent
from spacy_elmo import BiLM

EPOCHS = 5
BATCH = 512
LEARN_RATE = 2e-3


def read_tags(path: Path) -> tuple[list[list[str]], list[str]]:
    """Sentences, and the tag of every word in them."""
    convert: Callable[..., Iterator[Doc]] = converters.conllu_to_docs  # type: ignore[attr-defined]
    docs = list(convert(path.read_text("utf8"), n_sents=1, no_print=True))
    return [[token.text for token in doc] for doc in docs], [t.tag_ for doc in docs for t in doc]


def encode(lm: BiLM, sentences: Iterable[list[str]]) -> NDArray[np.float16]:
    """All layers, then their average. *Shape:* (n_layers + 2, n_words, width)."""
    parts = [np.asarray(part, np.float16) for part in lm.stream(sentences)]
    layers = np.concatenate(parts, axis=1)
    average = layers.mean(axis=0, dtype=np.float32, keepdims=True).astype(np.float16)
    return np.concatenate([layers, average])


def probe(train: Tensor, gold: Tensor, test: Tensor, n_tags: int, seed: int) -> Tensor:
    """Fit a softmax on one layer's vectors; returns the tags of the test words.

    train, test: *Shape:* (n_words, width). gold: *Shape:* (n_words,).
    """
    generator = torch.Generator().manual_seed(seed)
    mean, spread = train.mean(dim=0), train.std(dim=0) + 1e-6
    classifier = nn.Linear(train.shape[1], n_tags)
    nn.init.zeros_(classifier.weight)
    nn.init.zeros_(classifier.bias)
    optimizer = torch.optim.Adam(classifier.parameters(), lr=LEARN_RATE)
    steps = EPOCHS * (len(train) // BATCH + 1)
    decay = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.01, total_iters=steps)
    for _ in range(EPOCHS):
        for rows in torch.split(torch.randperm(len(train), generator=generator), BATCH):
            scores = classifier((train[rows] - mean) / spread)
            loss = nn.functional.cross_entropy(scores, gold[rows])
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
            decay.step()
    with torch.no_grad():
        chosen: Tensor = classifier((test - mean) / spread).argmax(dim=1)
    return chosen


def main(
    weights: str = typer.Argument("en_elmo_sm", help="Name or path of weights."),
    data: Path = typer.Option(EVAL / "ud-english-ewt", help="Folder of the CoNLL-U files."),
    seed: int = typer.Option(0, help="Of the order of the words."),
    json: Path | None = typer.Option(None, help="Write the figures here, too."),
) -> None:
    """Tagging accuracy of a linear probe on each layer."""
    lm = BiLM.from_pretrained(weights)
    train_words, train_tags = read_tags(data / "en_ewt-ud-train.conllu")
    test_words, test_tags = read_tags(data / "en_ewt-ud-test.conllu")
    number = {tag: index for index, tag in enumerate(sorted(set(train_tags)))}
    gold = torch.tensor([number[tag] for tag in train_tags])
    test_gold = torch.tensor([number.get(tag, -1) for tag in test_tags])
    train, test = (torch.from_numpy(encode(lm, words)) for words in (train_words, test_words))
    names = ["token layer", *(f"layer {k}" for k in range(1, lm.config.n_outputs)), "average"]
    values = {}
    for name, train_layer, test_layer in zip(names, train, test, strict=True):
        found = probe(train_layer.float(), gold, test_layer.float(), len(number), seed)
        values[name] = float((found == test_gold).double().mean())
    rows = [(name, percent(accuracy)) for name, accuracy in values.items()]
    title = f"Linear probe for the {len(number)} tags of UD English EWT (XPOS), test, {weights}"
    finish(title, ("vector", "accuracy"), rows, values, json)


if __name__ == "__main__":
    typer.run(main)
