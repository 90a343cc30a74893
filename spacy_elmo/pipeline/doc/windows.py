"""A stream of Docs in windows: as many as are computed together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from spacy.tokens import Doc


def doc_windows(
    docs: Iterable[Doc], max_docs: int, max_tokens: Callable[[], int]
) -> Iterator[list[Doc]]:
    """Cut a stream into windows, none empty, each with one Doc at least.

    Args:
        docs: The stream.
        max_docs: Bound of the Docs in a window.
        max_tokens: Gives the bound of their tokens. Called once, when there is a Doc.
    """
    window: list[Doc] = []
    n_tokens = 0
    bound: int | None = None
    for doc in docs:
        bound = max_tokens() if bound is None else bound
        if window and (len(window) >= max_docs or n_tokens + len(doc) > bound):
            yield window
            window, n_tokens = [], 0
        window.append(doc)
        n_tokens += len(doc)
    if window:
        yield window
