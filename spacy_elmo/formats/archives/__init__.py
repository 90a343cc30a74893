"""Zip and tar archives of weights: members are checked, then unpacked one by one into a cache."""

from spacy_elmo.formats.archives.reader import contents, format_of

__all__ = ["contents", "format_of"]
