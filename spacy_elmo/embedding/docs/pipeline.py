"""Entries split by a pipeline, with the sentences that its `elmo` component would read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from spacy.language import Language
from spacy.tokens import Doc

from spacy_elmo.embedding.docs.tokenizer import entry_of_doc, make_doc, read_docs
from spacy_elmo.embedding.entries import Entry, Raw
from spacy_elmo.errors import EmbeddingError
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

    def docs(self, path: str) -> Iterable[Any]:
        """The Docs of a `.spacy` file."""
        return read_docs(path, self.nlp.vocab)


def load_pipeline(name: str) -> Language | None:
    """A saved or installed pipeline; None if this is the name or path of none."""
    import spacy

    path = Path(name).expanduser()
    saved = (path / "config.cfg").is_file() and (path / "meta.json").is_file()
    if saved or (name and not path.exists() and spacy.util.is_package(name)):
        return spacy.load(path if saved else name)
    return None
