"""A corpus to a file of vectors."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from spacy_elmo.bilm.batching import batched
from spacy_elmo.bilm.bilm import BiLM
from spacy_elmo.embedding.entries import Entry, Raw, TextFiles, check_raw, checked_groups, raw_key
from spacy_elmo.embedding.estimate import check_room, needed_bytes, size_of
from spacy_elmo.embedding.given import Given
from spacy_elmo.embedding.layers import LayerChoice, choose_layers, pool_mean
from spacy_elmo.embedding.progress import Progress
from spacy_elmo.embedding.source import Source, open_source
from spacy_elmo.embedding.writers.opening import open_writer, writer_class
from spacy_elmo.embedding.writers.writer import Writer
from spacy_elmo.errors import EmbeddingError

if TYPE_CHECKING:
    from spacy.language import Language

# Entries that are computed together at most, however short they are.
CHUNK_ENTRIES = 8192
# Chunks after which what is written is made safe. The encoder's cache starts anew then: in the last
# bits its vectors depend on what stood together when it was filled, and a run that goes on must
# give the same bytes.
PART_CHUNKS = 8


def embed(
    model: str | Path | BiLM | Language,
    texts: Iterable[Raw] | TextFiles,
    output: str | Path,
    *,
    layers: str | int | Sequence[int] = "all",
    dtype: str = "float32",
    pool: str | None = None,
    compression: str | None = None,
    use_sentence_keys: bool = False,
    forget_sentences: bool = False,
    lang: str = "en",
    tokenized: bool = False,
    options: str | Path | None = None,
    vocab: str | Path | None = None,
    precision: str | None = None,
    device: str | torch.device = "cpu",
    force: bool = False,
    progress: Callable[[Progress], object] = lambda progress: None,
) -> Progress:
    """Write the vectors of all tokens of a corpus, in memory that does not grow with it.

    The output appears when it is complete. Until then `OUTPUT.partial` is beside it; the same call
    goes on after a process that was killed, with the same result.

    Args:
        model: Name or path of weights or of a saved pipeline, a `BiLM`, or a pipeline, whose
            tokenizer and sentences (those found before `elmo`) are then used.
        texts: Texts, lists of words, or Docs; or `TextFiles`. Each is an entry of the output.
        output: What to write: `.hdf5`, `.h5`, `.parquet`, `.npy`, `.npz` or `.spacy`.
        layers: "all", "top", "average" (the plain mean), "token", or numbers from 0, the token
            layer.
        dtype: "float32" or "float16".
        pool: "mean": one vector per entry, the mean over its words; None: a row per token.
        compression: Of HDF5 "gzip" or "lzf"; of Parquet "snappy", "none", "zstd", "gzip", "lz4" or
            "brotli"; of `.npz` "deflate".
        use_sentence_keys: In HDF5, name the datasets by the texts.
        forget_sentences: In HDF5, leave out the index of the texts.
        lang: Language whose tokenizer splits texts, where the model is no pipeline. A text is then
            one sentence.
        tokenized: Split texts at white space.
        options: The options file of HDF5 weights.
        vocab: The vocabulary of HDF5 weights.
        precision: Of the LSTM layers' products: "float32", "bfloat16", "float16", or "auto",
            the faster one of the first two on this machine; None: as the model says.
        device: Where weights are put that are loaded here.
        force: Replace an output that exists, and what a run with other arguments or another input
            left. What the same run left is gone on from, if `texts` can be read twice.
        progress: Called before the first and after each batch.

    Returns:
        What was done.

    Raises:
        WeightsError: If there are no such weights.
        CorpusError: For files that are no text.
        EmbeddingError: If the disk has too little room, another run left something, the input
            changed since, or entries cannot be written.
        FileExistsError: If the output is there already, or another run is at work on it.
        ValueError: For unusable options or texts.
    """
    kind = writer_class(output)
    source = open_source(
        model,
        options=options,
        vocab=vocab,
        lang=lang,
        tokenized=tokenized,
        precision=precision,
        device=device,
    )
    choice = choose_layers(layers, source.lm.config.n_outputs)
    spec = source.spec(choice, dtype, pool)
    how = {
        "lang": lang,
        "tokenized": tokenized,
        "initial_state": source.settings["initial_state"],
        "precision": str(source.settings["compute_dtype"]),
        "batch_tokens": source.batch_tokens,
        "token_attr": source.token_attr,
        "reader": source.reader.identity(),
    }
    writer = open_writer(
        output,
        spec,
        force=force,
        identity=how,
        compression=compression,
        use_sentence_keys=use_sentence_keys,
        forget_sentences=forget_sentences,
        attribute=source.attribute if kind.needs_docs else None,
    )
    size = size_of(texts, source.reader)
    needed = None if size is None else needed_bytes(size, spec, kind)
    whole = None if size is None else size.entries
    if needed is not None:
        check_room(writer.path, needed, _used(writer.folder))
    given = Given(texts, source.reader)
    try:
        with writer:
            begin = Progress(0, expected=whole, n_bytes=needed)
            last = _Run(source, writer, given, begin, progress).embed(choice, force)
    except OSError as error:
        if error is given.error or error.errno is None:
            raise
        if isinstance(error, (FileExistsError, FileNotFoundError)):
            raise
        raise EmbeddingError(
            f"{output} could not be written ({error.strerror}): what is written so far is kept in "
            f"{writer.folder}; make room and run the same again to go on"
        ) from error
    return last


class _Run:
    """One process's work on an output."""

    def __init__(
        self,
        source: Source,
        writer: Writer,
        given: Given,
        begin: Progress,
        progress: Callable[[Progress], object],
    ) -> None:
        self.source = source
        self.writer = writer
        self.given = given
        self.begin = begin
        self.progress = progress
        self.n_tokens = 0
        self._digest = hashlib.sha256()
        self._began = time.monotonic()

    def embed(self, choice: LayerChoice, force: bool) -> Progress:
        """Write all entries that are not written yet."""
        writer, source = self.writer, self.source
        raws = self._unwritten(force)
        if writer.is_done:
            return Progress(writer.n_entries, is_finished=True)
        written = writer.n_entries
        self.begin = replace(self.begin, n_entries=written, resumed=written)
        self.progress(self.begin)
        self._began = time.monotonic()
        pairs = _split(raws, source, writer.needs_docs, written)
        chunks = batched(
            self.given.watched(pairs),
            lambda pair: pair[1].n_words,
            max_size=source.batch_tokens,
            max_items=CHUNK_ENTRIES,
        )
        encoder = source.encoder()
        for number, chunk in enumerate(chunks, 1):
            entries = [entry for _, entry in chunk]
            arrays = source.vectors(encoder, entries, choice)
            for (key, entry), rows in zip(chunk, arrays, strict=True):
                pooled = pool_mean(rows, entry.rows) if writer.spec.pool else rows
                writer.write(entry, pooled)
                self._digest.update(key)
                self.n_tokens += entry.n_tokens
            if number % PART_CHUNKS == 0:
                self._checkpoint()
                encoder = source.encoder()
            self.progress(self._now())
        self._checkpoint()
        return self._now(is_finished=True)

    def _unwritten(self, force: bool) -> Iterator[Raw]:
        """The entries that are not written. If those that are were others, force begins anew."""
        writer = self.writer
        begun = writer.is_done or writer.n_entries > 0
        if begun and force and not self.given.is_repeatable:
            writer.restart()  # once it is compared with what is written, it is gone
            begun = False
        raws = self.given.entries()
        if not begun or self._goes_on(raws):
            return raws
        if force:
            writer.restart()
            self._digest = hashlib.sha256()
            return self.given.entries()
        if writer.is_done:
            raise EmbeddingError(
                f"{writer.path} was finished for another input, which a killed run had begun: give "
                "another name, or force to replace it"
            )
        raise EmbeddingError(
            f"the input is not the one that {writer.folder} was begun with: give the same files in "
            "the same order, or force to start anew"
        )

    def _goes_on(self, raws: Iterator[Raw]) -> bool:
        """Whether the input begins with what is written, and ends there if that is complete."""
        for number, raw in enumerate(islice(raws, self.writer.n_entries)):
            check_raw(number, raw)
            self._digest.update(raw_key(raw))
        if self.writer.note.get("input") != self._digest.hexdigest():
            return False
        return not (self.writer.is_done and any(True for _ in raws))

    def _checkpoint(self) -> None:
        self.writer.checkpoint({"input": self._digest.hexdigest()})

    def _now(self, is_finished: bool = False) -> Progress:
        return replace(
            self.begin,
            n_entries=self.writer.n_entries,
            n_tokens=self.n_tokens,
            seconds=time.monotonic() - self._began,
            is_finished=is_finished,
        )


def _split(
    raws: Iterator[Raw], source: Source, keep_docs: bool, first: int
) -> Iterator[tuple[bytes, Entry]]:
    """Entries split into tokens, each with what tells it from others."""
    for group in checked_groups(raws, first):
        keys = [raw_key(raw) for raw in group]
        yield from zip(keys, source.reader(group, keep_docs=keep_docs), strict=True)


def _used(folder: Path) -> int:
    """Bytes of what an earlier run left."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
