"""What of an `elmo_senses` component is saved with its pipeline."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from spacy import util
from spacy.vocab import Vocab

from spacy_elmo.errors import ElmoError
from spacy_elmo.files import new_file
from spacy_elmo.pipeline.listening.listener import ElmoListener
from spacy_elmo.pipeline.senses import serialize
from spacy_elmo.pipeline.senses.learned import Learned
from spacy_elmo.pipeline.senses.settings import SensesSettings


class Saved:
    """The side of a component that is saved and loaded. To be mixed into a `TrainablePipe`."""

    name: str
    vocab: Vocab
    model: ElmoListener
    settings: SensesSettings
    learned: Learned | None
    _is_warned = False

    def to_bytes(self, *, exclude: Iterable[str] = ()) -> bytes:
        """The component as bytes.

        Args:
            exclude: What to leave out: "senses", "model", "vocab".
        """
        writers = {
            "vocab": lambda: self.vocab.to_bytes(exclude=exclude),
            "model": self.model.to_bytes,
            "senses": lambda: serialize.to_bytes(self.learned),
        }
        data: bytes = util.to_bytes(writers, exclude)
        return data

    def from_bytes(self, data: bytes, *, exclude: Iterable[str] = ()) -> Saved:
        """Read what `to_bytes` gave.

        Raises:
            ElmoError: For damaged senses, and ones learned by another `attr`.
        """
        readers = {
            "vocab": lambda b: self.vocab.from_bytes(b, exclude=exclude),
            "model": self.model.from_bytes,
            "senses": lambda b: self._take(b, f"the bytes of component {self.name!r}"),
        }
        util.from_bytes(data, readers, exclude)
        return self

    def to_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> None:
        """Save to a directory: what was learned as a file `senses`.

        Args:
            path: The directory.
            exclude: What to leave out: "senses", "model", "vocab".
        """
        writers = {
            "vocab": lambda p: self.vocab.to_disk(p, exclude=exclude),
            "model": lambda p: self.model.to_disk(p),
            "senses": lambda p: _write(p, serialize.to_bytes(self.learned)),
        }
        util.to_disk(path, writers, exclude)

    def from_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> Saved:
        """Load from a directory that `to_disk` wrote.

        Raises:
            ElmoError: For damaged senses, and ones learned by another `attr`.
        """
        readers: dict[str, Callable[[Path], Any]] = {
            "vocab": lambda p: self.vocab.from_disk(p, exclude=exclude),
            "model": lambda p: self.model.from_disk(p),
            "senses": lambda p: self._take(p.read_bytes(), str(p)),
        }
        util.from_disk(path, readers, exclude)
        return self

    def _take(self, data: bytes, where: str) -> None:
        learned = serialize.from_bytes(data, where)
        if learned is not None and learned.attr != self.settings.attr:
            raise ElmoError(
                f"{where}: the words were learned with attr = {learned.attr!r}, but the config of "
                f"component {self.name!r} says {self.settings.attr!r}: set it back, or initialise "
                "the component anew"
            )
        self.learned = learned
        self._is_warned = False


def _write(path: Path, data: bytes) -> None:
    with new_file(path) as aside:
        aside.write_bytes(data)
