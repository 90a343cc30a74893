"""Static vectors out of contexts: for each word the mean of its contextual vectors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from spacy_elmo.bilm.batching import batched
from spacy_elmo.bilm.bilm import BiLM
from spacy_elmo.embedding import static
from spacy_elmo.embedding.embed import CHUNK_ENTRIES
from spacy_elmo.embedding.entries import Raw, TextFiles, checked_groups
from spacy_elmo.embedding.layers import LayerChoice, choose_layers
from spacy_elmo.embedding.sampling import Sampler, most_frequent
from spacy_elmo.embedding.source import Source, open_source
from spacy_elmo.errors import EmbeddingError
from spacy_elmo.types import Floats, Sentence

if TYPE_CHECKING:
    from spacy.language import Language


@dataclass(frozen=True)
class Distilled:
    """What was distilled.

    Attributes:
        words: The words.
        vectors: *Shape:* (n_words, width).
        contexts: Occurrences that each is the mean of; 0 for one that no text holds.
            *Shape:* (n_words,).
    """

    words: list[str]
    vectors: Floats
    contexts: np.ndarray


def distill(
    model: str | Path | BiLM | Language,
    texts: Sequence[Raw] | TextFiles,
    output: str | Path | None = None,
    *,
    words: Sequence[str] | None = None,
    n_words: int = 50_000,
    min_count: int = 5,
    contexts: int = 100,
    layers: str | int = "average",
    remove_components: int = 0,
    unit: bool = False,
    unseen: bool = False,
    seed: int = 0,
    lang: str = "en",
    tokenized: bool = False,
    options: str | Path | None = None,
    vocab: str | Path | None = None,
    device: str | torch.device = "cpu",
    force: bool = False,
    progress: Callable[[int, int], object] = lambda done, of: None,
) -> Distilled:
    """Make static vectors of words out of their contexts.

    The texts are read twice: to count words, and to compute vectors in the sentences of those
    occurrences that were drawn.

    Args:
        model: As for `embed`.
        texts: As for `embed`, but such as can be read twice.
        output: `.txt`, `.vec` or `.w2v`: word2vec's text. A name without a suffix: a folder with a
            blank pipeline that has the vectors. None: nothing is written.
        words: The words; None: the most frequent ones.
        n_words: How many of these.
        min_count: Occurrences that each of these must have.
        contexts: Occurrences per word that are drawn, at most.
        layers: One layer: "average", "top", "token", or a number.
        remove_components: Take off the mean of all vectors and this many of the directions in which
            they vary most.
        unit: Scale the vectors to length 1.
        unseen: Words of `words` that the texts do not hold get a vector out of their token layer,
            by the linear map that fits the others; otherwise they are left out.
        seed: Of what is drawn.
        lang: As for `embed`.
        tokenized: As for `embed`.
        options: As for `embed`.
        vocab: As for `embed`.
        device: As for `embed`.
        force: Replace an output that exists.
        progress: Called with the occurrences that are done, and how many there are.

    Returns:
        The words with their vectors, the words in the order given, or the most frequent first.

    Raises:
        EmbeddingError: If the texts hold none of the words, or cannot be read twice.
        FileExistsError: If the output is there already.
        ValueError: For unusable options.
    """
    if isinstance(texts, TextFiles):
        if not texts.is_repeatable:
            raise EmbeddingError("the texts are read twice: give files, not the standard input")
    elif not isinstance(texts, Sequence) or isinstance(texts, str):
        raise EmbeddingError("the texts are read twice: give a list of them, or `TextFiles`")
    for name, value in (("n_words", n_words), ("min_count", min_count), ("contexts", contexts)):
        if value < 1:
            raise ValueError(f"{name} is {value}: expected at least 1")
    if output is not None:
        static.check_output(Path(output), force)
    listed = None if words is None else static.check_words(words)
    if unseen and listed is None:
        raise ValueError("unseen is for words that are given: give `words`, or leave it out")
    source = open_source(
        model, options=options, vocab=vocab, lang=lang, tokenized=tokenized, device=device
    )
    choice = choose_layers(layers, source.lm.config.n_outputs)
    if choice.several:
        raise ValueError(f"layers is {layers!r}: a static vector is of one layer, or the average")
    width = source.lm.config.width
    if not 0 <= remove_components < width:
        raise ValueError(f"remove_components is {remove_components}: expected 0 to {width - 1}")
    counts = Counter(chain.from_iterable(_sentences(texts, source)))
    chosen = most_frequent(counts, n_words, min_count) if listed is None else listed
    found = {word: counts[word] for word in chosen if counts[word]}
    if not found:
        raise EmbeddingError(
            f"no word occurs {min_count} times in these texts"
            if listed is None
            else "the texts hold none of these words"
        )
    sampler = Sampler(found, contexts, seed)
    vectors, n_contexts = _means(source, choice, texts, sampler, list(found), progress)
    made = dict(zip(found, vectors, strict=True))
    missing = [word for word in chosen if word not in made] if unseen else []
    if missing:
        tokens = _token_vectors(source, [*found, *missing])
        known, new = tokens[: len(found)], tokens[len(found) :]
        made |= dict(zip(missing, static.fit_unseen(known, vectors, new), strict=True))
    kept = [word for word in chosen if word in made]
    table = np.stack([made[word] for word in kept])
    table = static.without_common(table, remove_components)
    table = static.unit(table) if unit else table
    if output is not None:
        if Path(output).suffix.lower() in static.TEXT_SUFFIXES:
            static.write_word2vec(Path(output), kept, table)
        else:
            static.write_pipeline(Path(output), kept, table, lang)
    per_word = dict(zip(found, n_contexts.tolist(), strict=True))
    return Distilled(kept, table, np.array([per_word.get(word, 0) for word in kept]))


def _sentences(texts: Sequence[Raw] | TextFiles, source: Source) -> Iterator[Sentence]:
    raws = texts.entries(source.reader) if isinstance(texts, TextFiles) else texts
    for group in checked_groups(raws):
        for entry in source.reader(group):
            yield from entry.sentences


def _means(
    source: Source,
    choice: LayerChoice,
    texts: Sequence[Raw] | TextFiles,
    sampler: Sampler,
    words: Sequence[str],
    progress: Callable[[int, int], object],
) -> tuple[Floats, np.ndarray]:
    """Means over the occurrences that are drawn, and how many these are."""
    numbers = {word: k for k, word in enumerate(words)}
    sums = np.zeros((len(words), source.lm.config.width), dtype=np.float64)
    n_contexts = np.zeros(len(words), dtype=np.int64)
    total = sampler.total
    encoder = source.encoder()
    drawn = ((sentence, sampler.choose(sentence)) for sentence in _sentences(texts, source))
    chunks = batched(
        ((sentence, places) for sentence, places in drawn if places),
        lambda pair: len(pair[0]),
        max_size=source.batch_tokens,
        max_items=CHUNK_ENTRIES,
    )
    for chunk in chunks:
        rows_of_each = source.rows(encoder, [words for words, _ in chunk], choice)
        for (sentence, places), rows in zip(chunk, rows_of_each, strict=True):
            ids = np.array([numbers[sentence[place]] for place in places])
            np.add.at(sums, ids, rows[places])
            np.add.at(n_contexts, ids, 1)
        progress(int(n_contexts.sum()), total)
    return (sums / n_contexts[:, None]).astype(np.float32), n_contexts


def _token_vectors(source: Source, words: Sequence[str]) -> Floats:
    """The token layer of words, without the LSTM layers. *Shape:* (n_words, projection)."""
    with torch.inference_mode():
        parts = [
            source.lm.token_vectors(words[start : start + 1024]).float().cpu().numpy()
            for start in range(0, len(words), 1024)
        ]
    tokens: Floats = np.concatenate(parts)
    return tokens
