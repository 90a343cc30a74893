"""Entries split by a pipeline, with the sentences that its `elmo` component would read."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np
import srsly
from spacy.language import Language
from spacy.tokens import Doc

from spacy_elmo.embedding.docs.tokenizer import entry_of_doc, make_doc, read_docs
from spacy_elmo.embedding.entries import Entry, Raw
from spacy_elmo.errors import EmbeddingError
from spacy_elmo.files import expanded
from spacy_elmo.pipeline.elmo import Elmo
from spacy_elmo.pipeline.model.bilm import load
from spacy_elmo.pipeline.model.loaded import LoadedBiLM


class PipelineReader:
    """The tokenizer of a pipeline, and its components before `elmo`.

    Args:
        nlp: The pipeline.
        tokenized: Whether texts are split at white space instead.

    Raises:
        EmbeddingError: If it has no `elmo` component, or several.
    """

    def __init__(self, nlp: Language, *, tokenized: bool = False) -> None:
        found = [(name, pipe) for name, pipe in nlp.pipeline if isinstance(pipe, Elmo)]
        if len(found) != 1:
            names = ", ".join(name for name, _ in found)
            raise EmbeddingError(
                f"the pipeline has several `elmo` components ({names}): disable all but one"
                if found
                else f"the pipeline has no `elmo` component, only {', '.join(nlp.pipe_names)}: "
                'add one (nlp.add_pipe("elmo")), or give weights'
            )
        name, self.component = found[0]
        self.nlp = nlp
        self.tokenized = tokenized
        self._after = nlp.pipe_names[nlp.pipe_names.index(name) :]

    @property
    def token_attr(self) -> str:
        """What the language model reads of a token, as the component's config says."""
        return self.component.settings.token_attr

    def loaded(self) -> LoadedBiLM:
        """The language model of the component, loaded now if it was not."""
        self.component.shared.settle()
        return load(self.component.model)

    def __call__(self, raws: Sequence[Raw], *, keep_docs: bool = False) -> list[Entry]:
        """Split some entries; see `Reader`."""
        given = any(isinstance(raw, Doc) for raw in raws)
        with ExitStack() as stack:
            if not keep_docs and not given:  # strings of this call are forgotten at its end
                stack.enter_context(self.nlp.memory_zone())
            docs = [
                raw if isinstance(raw, Doc) else make_doc(self.nlp, raw, tokenized=self.tokenized)
                for raw in raws
            ]
            read = list(self.nlp.pipe(docs, disable=self._after))
            if len(read) != len(raws):
                raise EmbeddingError(
                    f"components before {self.component.name!r} gave {len(read)} Docs for "
                    f"{len(raws)}: see the errors they logged"
                )
            return [entry_of_doc(doc, keep_docs, self.token_attr) for doc in read]

    def identity(self) -> str:
        """SHA-256 over the tokenizer and the components before `elmo`: settings and weights."""
        digest = hashlib.sha256()
        parts: list[tuple[str, Any, Any]] = [("", {}, self.nlp.tokenizer)]
        for name, pipe in self.nlp.pipeline:
            if name in self._after:
                break
            parts.append((name, self.nlp.get_pipe_config(name), pipe))
        for name, config, part in parts:
            # Without the vocabulary, which grows with what is read.
            to_bytes = getattr(part, "to_bytes", lambda exclude: b"")
            for data in (
                name.encode("utf8"),
                srsly.json_dumps(config, sort_keys=True).encode("utf8", "surrogatepass"),
                _counts(to_bytes(exclude=["vocab"])),
            ):
                digest.update(b"%d:%s" % (len(data), data))
        return digest.hexdigest()

    def docs(self, path: str) -> Iterable[Any]:
        """The Docs of a `.spacy` file."""
        return read_docs(path, self.nlp.vocab)


def _counts(data: bytes) -> bytes:
    """How often each byte occurs: what components write of sets is in another order each time."""
    return np.bincount(np.frombuffer(data, dtype=np.uint8), minlength=256).tobytes()


def load_pipeline(name: str) -> Language | None:
    """A saved or installed pipeline; None if this is the name or path of none."""
    import spacy

    path = expanded(name)
    saved = (path / "config.cfg").is_file() and (path / "meta.json").is_file()
    if saved or (name and not path.exists() and spacy.util.is_package(name)):
        return spacy.load(path if saved else name)
    return None
