"""Published models by name: what is known of them, and their files in the cache folder.

Only `transfer.py` touches the network, and only `spacy elmo download` calls it.
"""

from spacy_elmo.catalogue.cache import Fetched, downloaded, how_to_get, of_path, opened
from spacy_elmo.catalogue.entries import (
    PACKAGED,
    entry_of_url,
    find,
    models,
    similar,
    unreadable,
)
from spacy_elmo.catalogue.options import options_of_url

__all__ = [
    "PACKAGED",
    "Fetched",
    "downloaded",
    "entry_of_url",
    "find",
    "how_to_get",
    "models",
    "of_path",
    "opened",
    "options_of_url",
    "similar",
    "unreadable",
]
