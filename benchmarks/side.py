"""What one side of the comparison runs, with whichever `spacy_elmo` its process finds.

`python benchmarks/side.py SETTINGS` (JSON: `text`, the folder of UD English EWT; `weights`, a name
or path) answers requests, one JSON object per line with what to measure, by one figure per line. It
uses what both packages have, and imports nothing of `benchmarks`, which belongs to one of them.
"""

from __future__ import annotations

import json
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import spacy
import torch
from spacy.language import Language

import spacy_elmo
from spacy_elmo import BiLM, BiLMConfig, CharCNNConfig

FILES = ("en_ewt-ud-dev.conllu", "en_ewt-ud-test.conllu")
SHORT = "The old bank by the river raised its rates again last week"
N_WORDS = 50_000
HIGHWAYS = {4096: 2}  # as the published models of these numbers of cells have them
SMALL_FILTERS = ((1, 32), (2, 32), (3, 64), (4, 128), (5, 256))


class Measurements:
    """Models and text, made when they are first needed."""

    def __init__(self, settings: dict[str, str]) -> None:
        self.sentences, self.raw = _read(Path(settings["text"]))
        self.weights = settings["weights"]
        self.lms: dict[str, BiLM] = {}
        self.warm: set[str] = set()  # sizes whose cache of types is filled
        self.trainings: dict[str, Callable[[], float]] = {}
        self.pipelines: dict[tuple[str, str], Language] = {}
        self.folder = tempfile.TemporaryDirectory()
        self.saved: dict[str, str] = {}  # folders of random weights, by size

    def encode(self, size: str, precision: str, n_sentences: int) -> float:
        """Tokens per second of one `encode`, types cached."""
        sentences = self.sentences[:n_sentences]
        if size not in self.lms:
            self.lms[size] = _random_lm(size)
        lm = self.lms[size]
        lm.compute_dtype = getattr(torch, precision)
        lm.encode(sentences[:100])
        if size not in self.warm:
            lm.encode(sentences)
            self.warm.add(size)
        return sum(map(len, sentences)) / _seconds(lambda: lm.encode(sentences))

    def pipe(self, precision: str, n_texts: int) -> float:
        """Rate of `nlp.pipe` over raw text as a share of the rate of `encode` on its words."""
        nlp = self._pipeline(self.weights, precision)
        raw = self.raw[:n_texts]
        words = [[token.text for token in doc] for doc in nlp.tokenizer.pipe(raw)]
        if self.weights not in self.lms:
            self.lms[self.weights] = BiLM.from_pretrained(self.weights)
        lm = self.lms[self.weights]
        lm.compute_dtype = getattr(torch, precision)

        def pipe() -> None:
            for doc in nlp.pipe(raw):
                _ = doc._.elmo_vectors

        pipe(), lm.encode(words)
        return _seconds(lambda: lm.encode(words)) / _seconds(pipe)

    def short_text(self, size: str, precision: str, repetitions: int) -> float:
        """Median milliseconds of `nlp` on one short text, warm."""
        if size not in self.saved:
            self.saved[size] = str(Path(self.folder.name, size.replace("/", "-")))
            _random_lm(size).save(self.saved[size])
        nlp = self._pipeline(self.saved[size], precision)
        for _ in range(10):
            nlp(SHORT)
        return 1e3 * statistics.median(_seconds(lambda: nlp(SHORT)) for _ in range(repetitions))

    def train(
        self, cells: int, projection: int, rows: int, negatives: int, precision: str
    ) -> float:
        """Tokens per second of one step of pretraining, of which the first two are not counted."""
        name = f"{cells}/{projection}/{precision}"
        if name not in self.trainings:
            step = self._training(cells, projection, rows, negatives, precision)
            step(), step()
            self.trainings[name] = step
        return self.trainings[name]()

    def stream_memory(self, n_tokens: int) -> float:
        """Peak resident MiB of this process after `stream` over so many tokens."""
        lm = _random_lm("1024/128")
        n_done = 0
        for layers in lm.stream(cycle(self.sentences)):
            n_done += layers.shape[1]
            if n_done >= n_tokens:
                return _peak_memory()
        raise AssertionError("cycle ended")

    def training_memory(self, **sizes: Any) -> float:
        """Peak resident MiB of this process after some steps of pretraining."""
        for _ in range(3):
            self.train(**sizes)
        return _peak_memory()

    def _pipeline(self, weights: str, precision: str) -> Language:
        if (weights, precision) not in self.pipelines:
            nlp = self.pipelines[weights, precision] = spacy.blank("en")
            model = {"weights": weights}
            nlp.add_pipe("elmo", config={"model": model, "precision": precision})
        return self.pipelines[weights, precision]

    def _training(
        self, cells: int, projection: int, rows: int, negatives: int, precision: str
    ) -> Callable[[], float]:
        try:
            from spacy_elmo.pretraining.config import PretrainConfig
            from spacy_elmo.pretraining.corpus.corpus import Corpus
            from spacy_elmo.pretraining.corpus.prepare import prepare
            from spacy_elmo.pretraining.run.distributed import Group
            from spacy_elmo.pretraining.run.state import Training
        except ImportError:  # where these stood at 61f52b1
            from spacy_elmo.pretraining.distributed import Group
            from spacy_elmo.pretraining.prepare import prepare
            from spacy_elmo.pretraining.training import Training

            from spacy_elmo.pretraining.config import PretrainConfig
            from spacy_elmo.pretraining.corpus import Corpus

        filters = SMALL_FILTERS if projection < 256 else (*SMALL_FILTERS, (6, 256))
        model = BiLMConfig(
            lstm_dim=cells,
            projection_dim=projection,
            cell_clip=None,
            proj_clip=None,
            char_cnn=CharCNNConfig(filters=filters, n_highway=1),
        )
        config = PretrainConfig(
            model=model,
            batch_size=rows,
            n_negative_samples=negatives,
            precision=precision,
            tokens=1,
        )
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            known = dict.fromkeys(word for words in self.sentences for word in words)
            words = ["<S>", "</S>", "<UNK>", *known][:N_WORDS]
            words += [f"word-{number}" for number in range(N_WORDS - len(words))]
            (folder / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf8")
            text = "\n".join(map(" ".join, self.sentences)) + "\n"
            (folder / "text.txt").write_text(text, encoding="utf8")
            prepare(
                [folder / "text.txt"],
                folder / "corpus",
                tokenized=True,
                vocabulary=folder / "vocab.txt",
            )
            training = Training(Corpus(folder / "corpus"), config, Group())
            steps = cycle(list(islice(training.batches.ahead(0), 6)))
        n_threads = torch.get_num_threads()

        def step() -> float:
            batch, windows = next(steps)
            torch.set_num_threads(max(1, n_threads // 2))  # each direction has its own
            taken = _seconds(lambda: training.advance(batch, windows, 1e-3))
            torch.set_num_threads(n_threads)
            return rows * config.unroll_steps / taken

        return step


def _random_lm(size: str) -> BiLM:
    """Random weights: speed does not depend on their values."""
    cells, projection = map(int, size.split("/"))
    torch.manual_seed(0)
    cnn = CharCNNConfig(n_highway=HIGHWAYS.get(cells, 1))
    return BiLM(BiLMConfig(lstm_dim=cells, projection_dim=projection, char_cnn=cnn))


def _read(folder: Path) -> tuple[list[list[str]], list[str]]:
    """Sentences as words, and as they were written."""
    sentences, raw, words = [], [], []
    for name in FILES:
        for line in (folder / name).read_text(encoding="utf8").splitlines():
            if line.startswith("# text = "):
                raw.append(line.removeprefix("# text = "))
            elif line and not line.startswith("#"):
                number, word = line.split("\t")[:2]
                if number.isdigit():
                    words.append(word)
            elif not line and words:
                sentences.append(words)
                words = []
    return sentences, raw


def _seconds(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _peak_memory() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Say where the package is, then answer until the input ends."""
    measurements = Measurements(json.loads(sys.argv[1]))
    print(json.dumps(spacy_elmo.__file__), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        figure = getattr(measurements, request.pop("what"))(**request)
        print(json.dumps(figure), flush=True)


if __name__ == "__main__":
    main()
