"""The extension attributes of Doc, Span and Token: getters over the one array of the Doc.

Module-level functions, with the attribute's name bound by `functools.partial`, because processes
started by `spawn` receive them pickled.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

from spacy.tokens import Doc, Span, Token

from spacy_elmo.pipeline.doc import storage
from spacy_elmo.pipeline.doc.context import context
from spacy_elmo.pipeline.doc.handover import drop_everywhere
from spacy_elmo.pipeline.doc.scores import perplexity, surprisal, surprisal_backward
from spacy_elmo.pipeline.doc.similarity import similarity
from spacy_elmo.pipeline.doc.substitutes import substitutes
from spacy_elmo.pipeline.doc.values import layers, vector, vectors
from spacy_elmo.types import Floats

# The attributes that somebody has missed.
_warned: set[str] = set()

# What of the Doc's array some attributes show: setting one to None frees no more than that.
_ITEMS = {"_layers": "layers", "_perplexity": "scores"}

Owner = type[Doc] | type[Span] | type[Token]


def register_attributes(attribute: str = "elmo") -> None:
    """Register our extension attributes under a name.

    These are `NAME`, `NAME_vectors`, `NAME_layers`, `NAME_context`, `NAME_surprisal`,
    `NAME_surprisal_backward`, `NAME_perplexity`, `NAME_similarity` and `NAME_substitutes`. The
    component does it when it is made; a script that reads Docs with vectors from a `DocBin`, and
    has no component, does it itself. Twice is as good as once.

    Args:
        attribute: The `attribute` of the component that made the vectors.

    Raises:
        ValueError: For a name that is no Python identifier, or when an extension attribute of one
            of these names is not ours; nothing is registered then.
    """
    if not re.fullmatch(r"[^\W\d]\w*", attribute):
        raise ValueError(
            f"attribute = {attribute!r}: expected a name of letters, digits and underscores, such "
            'as "elmo", which gives `Token._.elmo`'
        )
    new = []
    for owner, name, extension in _extensions(attribute):
        if not owner.has_extension(name):
            new.append((owner, name, extension))
        elif not _is_ours(owner.get_extension(name), extension):
            raise ValueError(
                f"{owner.__name__}._.{name} is an extension attribute of somebody else, and is not "
                "overwritten. Give the `elmo` component another name for its own, for instance "
                f'config={{"attribute": "my_{attribute}"}}, or remove the other one first'
            )
    for owner, name, extension in new:
        owner.set_extension(name, **extension)


def taken(attribute: str, name: str, other: str) -> str:
    """Message for two components with one name for their extension attributes."""
    return (
        f"components {other!r} and {name!r} would both write `._.{attribute}`: give one of them "
        "another name for its extension attributes, for instance "
        f'config={{"attribute": "{attribute}_2"}}'
    )


def similarity_method(obj: Doc | Span | Token, attribute: str) -> Callable[..., float]:
    """`similarity` of an object, to be called with the other one."""
    method = partial(similarity, obj, attribute=attribute)
    method.__doc__ = similarity.__doc__
    return method


def substitutes_method(token: Token, attribute: str) -> Callable[..., list[tuple[str, float]]]:
    """`substitutes` of a token, to be called with their number."""
    method = partial(substitutes, token, attribute)
    method.__doc__ = substitutes.__doc__
    return method


def layers_or_warning(obj: Doc | Span | Token, attribute: str) -> Floats | None:
    """`layers`, with a warning, once, where they are missing because they were not kept."""
    found = layers(obj, attribute)
    if found is None:
        _warn_of_missing(obj.doc, attribute, "layers", "keep_layers")
    return found


def context_or_warning(obj: Span | Token, attribute: str) -> Floats | None:
    """`context`, with a warning, once, where it is missing because it was not kept."""
    found = context(obj, attribute)
    if found is None:
        _warn_of_missing(obj.doc, attribute, "context", "context")
    return found


def _warn_of_missing(doc: Doc, attribute: str, item: str, setting: str) -> None:
    name = f"{attribute}_{item}"
    rows = None if name in _warned else storage.read(doc, attribute)
    if rows is not None and item not in rows:
        _warned.add(name)
        warnings.warn(
            f"`._.{name}` is None: it was not kept. Set {setting} = true in the config of the "
            "component",
            stacklevel=4,
        )


def _extensions(attribute: str) -> list[tuple[Owner, str, dict[str, Any]]]:
    def bound(function: Callable[..., Any]) -> partial[Any]:
        result = partial(function, attribute=attribute)
        result.__doc__ = function.__doc__
        return result

    owners: tuple[Owner, ...] = (Doc, Span, Token)
    found: list[tuple[Owner, str, dict[str, Any]]] = []
    for owner in owners:
        getters: dict[str, Callable[..., Any]] = {
            attribute: vector,
            f"{attribute}_layers": layers_or_warning,
            # No method of spaCy's: to set one would leave the value in the user data.
            f"{attribute}_similarity": similarity_method,
        }
        if owner is not Token:
            getters[f"{attribute}_vectors"] = vectors
        if owner is not Doc:
            getters[f"{attribute}_context"] = context_or_warning
        if owner is Doc:
            getters[f"{attribute}_perplexity"] = perplexity
        if owner is Token:
            getters[f"{attribute}_surprisal"] = surprisal
            getters[f"{attribute}_surprisal_backward"] = surprisal_backward
            getters[f"{attribute}_substitutes"] = substitutes_method
        for name, getter in getters.items():
            setter = partial(_set, name=name, attribute=attribute)
            found.append((owner, name, {"getter": bound(getter), "setter": setter}))
    return found


def _set(obj: Doc | Span | Token, value: Any, name: str, attribute: str) -> None:
    """Drop what is kept on a Doc. Nothing else can be set: it would be believed, and lost.

    Raises:
        ValueError: For any other value than None, and for another owner than a Doc.
    """
    if name in (f"{attribute}_similarity", f"{attribute}_substitutes"):
        raise ValueError(f"`._.{name}` is a method, and cannot be set")
    if not isinstance(obj, Doc):
        owner = type(obj).__name__
        raise ValueError(
            f"{owner}._.{name} cannot be set: it is read from what the Doc keeps. "
            f"doc._.{attribute}_vectors = None frees all of it; values of your own need an "
            f'extension attribute of your own, {owner}.set_extension("my_{attribute}", '
            "default=None)"
        )
    if value is not None:
        raise ValueError(
            f"Doc._.{name} can only be set to None, which frees what the Doc keeps: the values "
            "come from the `elmo` component"
        )
    item = _ITEMS.get(name.removeprefix(attribute))
    if item is None:
        storage.free(obj, attribute)
    else:
        storage.drop(obj, attribute, item)
    drop_everywhere(obj)


def _is_ours(registered: tuple[Any, ...], extension: dict[str, Any]) -> bool:
    """Whether what spaCy has, (default, method, getter, setter), does what ours would do."""
    _, method, getter, setter = registered
    found = {"method": method, "getter": getter, "setter": setter}
    return all(_same(found[kind], extension.get(kind)) for kind in found)


def _same(one: Any, other: Any) -> bool:
    # Partial functions are equal only to themselves.
    if isinstance(one, partial) and isinstance(other, partial):
        return one.func is other.func and one.keywords == other.keywords
    return one is other
