"""What is embedded, as it is read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

from spacy_elmo.embedding.entries import Raw, Reader, TextFiles

T = TypeVar("T")


class Given:
    """The entries as they are given.

    Args:
        texts: The entries, or files of them.
        reader: What reads `.spacy` files.

    Attributes:
        error: The error that ended the reading, if one did: it tells of the input, not the output.
    """

    def __init__(self, texts: Iterable[Raw] | TextFiles, reader: Reader) -> None:
        self.error: OSError | None = None
        self._texts = texts
        self._reader = reader

    @property
    def is_repeatable(self) -> bool:
        """Whether it can be read more than once: no generator, no pipe."""
        if isinstance(self._texts, TextFiles):
            return self._texts.is_repeatable
        return iter(self._texts) is not self._texts

    def entries(self) -> Iterator[Raw]:
        """The entries, from the first one on."""
        if isinstance(self._texts, TextFiles):
            return self.watched(self._texts.entries(self._reader))
        return self.watched(self._texts)

    def watched(self, items: Iterable[T]) -> Iterator[T]:
        """The same items; an `OSError` on the way to one is kept as `error`."""
        try:
            iterator = iter(items)
            while True:
                try:
                    item = next(iterator)
                except StopIteration:
                    return
                yield item
        except OSError as error:
            self.error = error
            raise
