"""Options files by their address: what archives that only name it need offline."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from spacy_elmo.catalogue.cache import downloaded
from spacy_elmo.catalogue.entries import entry_of_url, models, same_address
from spacy_elmo.errors import ElmoError
from spacy_elmo.files import read_json


def options_of_url(url: str) -> Mapping[str, Any] | None:
    """The contents of a published options file, without the network.

    Args:
        url: Its address, as a config names it; that of the weights beside it will do, too.

    Returns:
        Its values: of the file itself where a model with it was downloaded, else what the catalogue
        knows of it; None: it is not known.
    """
    entry = entry_of_url(url)
    if entry is None:
        return None
    for other in models().values():  # several models may share one file
        if any(f.url and same_address(f.url) == same_address(url) for f in other.files):
            with suppress(ElmoError):  # a damaged download: another has them, or the catalogue
                fetched = downloaded(other.name)
                if fetched is not None and fetched.options is not None:
                    return read_json(fetched.options)
    is_options = PurePosixPath(urlsplit(url).path).suffix == ".json"
    same = [file for file in entry.files if file.role == ("options" if is_options else "weights")]
    return entry.options if same else None
