"""A corpus to a file of vectors."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from spacy_elmo.bilm.batching import batched
from spacy_elmo.bilm.bilm import BiLM
from spacy_elmo.embedding.entries import Entry, Raw, TextFiles, check_raw, raw_key
from spacy_elmo.embedding.estimate import check_room, needed_bytes, size_of
from spacy_elmo.embedding.layers import choose_layers, pool_mean
from spacy_elmo.embedding.source import Source, open_source
from spacy_elmo.embedding.spec import Spec
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
# Entries, and characters, that are split into tokens together.
_SPLIT_ENTRIES, _SPLIT_CHARACTERS = 256, 1 << 16


@dataclass(frozen=True)
class Progress:
    """How far an embedding is.

    Attributes:
        n_entries: Entries that are written.
        n_tokens: Tokens that were read by this process.
        resumed: Entries that an earlier process wrote.
        seconds: Since this process began to compute.
        expected: About how many entries there are; None: not known.
        n_bytes: About how much the output will take while it is made; None: not known.
        is_finished: Whether the output is complete.
    """

    n_entries: int
    n_tokens: int = 0
    resumed: int = 0
    seconds: float = 0.0
    expected: float | None = None
    n_bytes: int | None = None
    is_finished: bool = False


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
        force: Replace an output that exists, and what another run left.
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
    config = source.lm.config
    choice = choose_layers(layers, config.n_outputs)
    spec = Spec(
        config.width,
        tuple(choice.labels),
        choice.several,
        dtype,
        pool,
        source.name,
        source.digest(),
    )
    how = {
        "lang": lang,
        "tokenized": tokenized,
        "initial_state": source.settings["initial_state"],
        "precision": str(source.settings["compute_dtype"]),
        "batch_tokens": source.batch_tokens,
        "token_attr": source.token_attr,
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
    try:
        with writer:
            if writer.is_done:
                return Progress(writer.n_entries, is_finished=True)
            if isinstance(texts, TextFiles):
                raws: Iterable[Raw] = texts.entries(source.reader)
            else:
                raws = texts
            begin = Progress(writer.n_entries, 0, writer.n_entries, 0.0, whole, needed)
            run = _Run(source, writer, begin, progress)
            last = run.embed(iter(raws), choice)
    except OSError as error:
        if error.errno is None or isinstance(error, (FileExistsError, FileNotFoundError)):
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
        begin: Progress,
        progress: Callable[[Progress], object],
    ) -> None:
        self.source = source
        self.writer = writer
        self.begin = begin
        self.progress = progress
        self.n_tokens = 0
        self._digest = hashlib.sha256()
        self._began = time.monotonic()

    def embed(self, raws: Iterator[Raw], choice: Any) -> Progress:
        """Write all entries that are not written yet."""
        self.progress(self.begin)
        self._skip(raws)
        self._began = time.monotonic()
        writer, source = self.writer, self.source
        chunks = batched(
            _split(raws, source, writer.needs_docs, writer.n_entries),
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

    def _skip(self, raws: Iterator[Raw]) -> None:
        """Go past the entries that are written, and make sure that they are the same."""
        for _ in range(self.writer.n_entries):
            try:
                self._digest.update(raw_key(next(raws)))
            except StopIteration:
                break
        if self.writer.n_entries and self.writer.note.get("input") != self._digest.hexdigest():
            raise EmbeddingError(
                f"the input is not the one that {self.writer.folder} was begun with: give the same "
                "files in the same order, or force to start anew"
            )

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
    groups = batched(raws, _length, max_size=_SPLIT_CHARACTERS, max_items=_SPLIT_ENTRIES)
    number = first
    for group in groups:
        for raw in group:
            check_raw(number, raw)
            number += 1
        keys = [raw_key(raw) for raw in group]
        yield from zip(keys, source.reader(group, keep_docs=keep_docs), strict=True)


def _length(raw: Raw) -> int:
    try:
        return len(raw)
    except TypeError:
        return 1  # no entry at all, as will be said


def _used(folder: Path) -> int:
    """Bytes of what an earlier run left."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
