"""Text to a prepared corpus.

Two passes. The first segments the input, in any number of processes, numbers the types as they come
and writes these provisional ids to disk. The second renumbers them by frequency. In memory there
is never more than the table of types and a few blocks of text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from spacy_elmo.errors import CorpusError
from spacy_elmo.files import expanded, write_json
from spacy_elmo.formats.loading import PACKAGED, resolve
from spacy_elmo.pretraining.corpus.checks import META_FILE
from spacy_elmo.pretraining.corpus.corpus import Corpus
from spacy_elmo.pretraining.corpus.partial import partial_folder
from spacy_elmo.pretraining.corpus.ranking import order_types
from spacy_elmo.pretraining.corpus.running_text import RunningText
from spacy_elmo.pretraining.corpus.segmentation import Settings
from spacy_elmo.pretraining.corpus.workers import segment_blocks
from spacy_elmo.text.reading import check_inputs, read_blocks
from spacy_elmo.vocabulary import VOCABULARY_FILE, read_vocabulary


def prepare(
    inputs: Iterable[str | Path],
    output: str | Path,
    *,
    language: str = "en",
    pipeline: str | None = None,
    tokenized: bool = False,
    max_vocab: int = 50_000,
    min_count: int = 3,
    vocabulary: str | Path | None = None,
    max_characters: int = 50,
    n_process: int = 1,
    force: bool = False,
    advance: Callable[[int], object] = lambda size: None,
    tell: Callable[[str], object] = lambda line: None,
) -> dict[str, Any]:
    """Turn text into a prepared corpus, for `Corpus` to read.

    The same input and options give the same bytes, whatever the number of processes. The folder
    appears when it is complete: until then it is called `<output>.partial` (one that is there, and
    empty, is filled then). Raw text and `.spacy`
    files need spaCy; text that is already tokenised does not.

    Args:
        inputs: Files: plain text, one paragraph per line; `.jsonl` with a `text` (paragraphs, one
            per line) or `tokens` (the words of a sentence) in every line; `.conllu`; `.spacy`. All
            but the last also as `.gz`, `.bz2` or `.xz`. UTF-8, or UTF-16 with its byte order mark.
            `-` is the standard input, as plain text.
        output: Folder to make.
        language: Language whose tokenizer is used; sentences are found as by the `sentencizer`.
        pipeline: Name or path of a pipeline to find words and sentences instead (sentences as by
            the `sentencizer` if it finds none).
        tokenized: Plain text is one sentence per line, its words separated by whitespace.
        max_vocab: Entries of the vocabulary at most, `<S>`, `</S>` and `<UNK>` among them.
        min_count: Occurrences that a word of the vocabulary must have.
        vocabulary: File (or folder with a `vocab.txt`, or name of a packaged model) of a vocabulary
            to use as it is, as for held-out text; `max_vocab` and `min_count` then do nothing.
        max_characters: Characters (bytes) per word, the two word boundaries among them.
        n_process: Processes; -1 for all cores.
        force: Replace an existing corpus, or the remains of a run that was killed; never what
            another run is at work on.
        advance: Called with the number of bytes (of files as stored) read since the last call.
        tell: Is given a line for what begins when all is read.

    Returns:
        What `corpus.json` holds: sizes, settings, and counts of what was dropped and repaired.

    Raises:
        CorpusError: For unusable input or vocabulary, or input without a single word.
        ValueError: For unusable options.
        FileExistsError: If the output is there, and may not be replaced, or another run is at
            work on it.
        FileNotFoundError: If an input or the vocabulary is not there.
        ChildProcessError: If a worker process is killed.
    """
    sources = check_inputs(inputs, tokenized)
    if max_characters < 3:
        raise ValueError(f"max_characters must be at least 3, not {max_characters}")
    if max_vocab < 3:
        raise ValueError(f"max_vocab must be at least 3, not {max_vocab}")
    known = None if vocabulary is None else _read_vocabulary(_vocabulary_path(vocabulary))
    with partial_folder(expanded(output), force) as partial:
        blocks = read_blocks(sources, advance)
        with RunningText(partial) as text:
            for parts, counts in segment_blocks(blocks, Settings(language, pipeline), n_process):
                text.add(parts, counts)
        tell(f"Numbering {len(text.numbers):,} types and writing the corpus")
        types, n_vocabulary = order_types(
            text.occurrences(), max_vocab=max_vocab, min_count=min_count, vocabulary=known
        )
        meta = text.write(types, n_vocabulary, max_characters)
        meta |= {"language": language, "pipeline": pipeline, "tokenized": tokenized}
        write_json(partial / META_FILE, meta)
    return meta


def _read_vocabulary(path: Path) -> list[str]:
    """The vocabulary of a file, or of a folder (a prepared corpus, a model) that holds one."""
    if (path / META_FILE).is_file():
        return Corpus(path).vocabulary
    path = path / VOCABULARY_FILE if path.is_dir() else path
    if not path.exists():
        raise FileNotFoundError(f"no such file: {path}")
    return read_vocabulary(path, special="first", error=CorpusError)


def _vocabulary_path(vocabulary: str | Path) -> Path:
    """The path of a vocabulary that is given by a path or by the name of a packaged model."""
    path = expanded(vocabulary)
    return resolve(str(path)) if str(path) in PACKAGED and not path.exists() else path
