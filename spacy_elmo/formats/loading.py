"""Loading and saving weights of any format, by name or path."""

from __future__ import annotations

import warnings
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch

from spacy_elmo import catalogue
from spacy_elmo.bilm.bilm import BiLM
from spacy_elmo.errors import WeightsError, problem
from spacy_elmo.files import expanded
from spacy_elmo.formats import (
    allennlp,
    archives,
    dispatch,
    elmoformanylangs,
    hdf5,
    native,
    tensorflow,
)
from spacy_elmo.formats.foreign import FOREIGN_SUFFIXES, describe
from spacy_elmo.formats.format import Format, Writer
from spacy_elmo.formats.papers import read_papers
from spacy_elmo.formats.tensorflow.bundle import INDEX

# In the order they are tried. A new format is a module with a `Format`, and its line here.
FORMATS: tuple[Format, ...] = (
    native.FORMAT,
    tensorflow.WITH_HDF5,
    hdf5.FORMAT,
    allennlp.FORMAT,
    elmoformanylangs.FORMAT,
    tensorflow.FORMAT,
)
# An archive holds what one of these reads, or another archive of it.
FORMATS = (*FORMATS, archives.format_of((*FORMATS, archives.format_of(FORMATS))))

# Names of models that come with the package.
PACKAGED = catalogue.PACKAGED
MODELS = Path(__file__).parent.parent / "models"


def load(
    source: str | Path,
    *,
    options: str | Path | None = None,
    vocab: str | Path | None = None,
    device: str | torch.device = "cpu",
) -> BiLM:
    """Load weights.

    Args:
        source: Name of a packaged or downloaded model, or path of weights in any of `FORMATS`;
            `PATH#MODULE` is one of several ELMos in a model of AllenNLP.
        options: The options file of HDF5 weights or of a checkpoint, if it is not beside them; of a
            model of AllenNLP, if it is not inside; of ELMoForManyLangs, the file that describes its
            network.
        vocab: The vocabulary of these (one word per line), if it is not beside them.
        device: Where the weights go.

    Returns:
        The model, its tensors float32. Memory rises by their size and a few megabytes: they are
        read straight into the parameters. That of an AllenNLP model may rise by its file's size
        as well, which the system can take back; HDF5 weights with a checkpoint beside them, and
        folders of ELMoForManyLangs, hold the network twice while they are read.

    Raises:
        WeightsError: If anything about the weights is wrong.
    """
    path, (_, part) = resolve(source), split_part(source)
    fetched = download_of(path)
    given = {"options": options, "vocab": vocab}
    if fetched is not None:  # it says which of its files are what
        given = {"options": options or fetched.options, "vocab": vocab or fetched.vocab}
    paths = {kind: None if file is None else expanded(file) for kind, file in given.items()}
    for kind, file in paths.items():
        if file is not None and not file.is_file():
            raise problem(file, "is no file", f"Correct the path given as `{kind}`")
    known = format_of(path)
    # Weights loaded on first use, inside inference mode, must not be good for inference only.
    with torch.inference_mode(False):
        lm = dispatch.read(
            known, path, part, options=paths["options"], vocab=paths["vocab"], device=device
        )
    for note in lm.notes:
        warnings.warn(f"{source}: {note}", stacklevel=2)
    if fetched is not None:
        facts = fetched.facts
        lm.config = replace(
            lm.config,
            lang=lm.config.lang or facts.get("lang"),
            tokenisation=lm.config.tokenisation or facts.get("tokenisation"),
        )
    return lm


def save(lm: BiLM, path: str | Path, *, dtype: str = "float32", card: bool = False) -> None:
    """Write weights: completely, or not at all.

    Args:
        lm: The model.
        path: A path that ends in .hdf5 or .h5 becomes an HDF5 file with its options file beside it,
            any other a native directory.
        dtype: "float32", exact to the bit, or "float16" for a native directory of half the size,
            the form of packaged models.
        card: Whether a native directory without a card gets a stub of one.

    Raises:
        WeightsError: If something else is in the way, the weights are not finite (in `dtype`), or
            the disk does not take them.
    """
    path = expanded(path)
    check_target(path)
    writers = _writers()
    write = writers.get(path.suffix.lower(), writers[""])
    if card and write is native.write:
        write = partial(native.write, card=True)
    try:
        write(lm, path, dtype=dtype)
    except OSError as error:
        advice = "Make room, or choose another place; what was there before is unchanged"
        raise problem(path, f"could not be written ({error})", advice) from error


def check_target(path: Path) -> None:
    """Check the name that weights are to be written to, before there are any.

    Args:
        path: The path.

    Raises:
        WeightsError: For the name of another kind of file, which would become a directory.
    """
    suffix = path.suffix.lower()
    if suffix in FOREIGN_SUFFIXES and suffix not in _writers() and not path.is_dir():
        what = f"would be a directory, although its name ends in {suffix}"
        advice = f"Give {path.with_suffix('')} for a native directory, or "
        raise problem(path, what, f"{advice}{path.with_suffix('.hdf5')} for an HDF5 file")


def resolve(source: str | Path) -> Path:
    """The path of weights that are given by name or path.

    Args:
        source: Name of a packaged or downloaded model, or a path.

    Returns:
        The path, which exists. Of a downloaded model it is that of the file to open, where it is
        one.

    Raises:
        WeightsError: If there is no such thing; it says how to get weights.
    """
    given, (source, _) = source, split_part(source)
    # In a `Path`, "./NAME" has become "NAME".
    if str(source) in PACKAGED and not (isinstance(source, Path) and source.exists()):
        path = MODELS / str(source)
        if not path.is_dir():
            raise WeightsError(
                f"the model {str(source)!r} is not part of this installation of spacy-elmo. "
                f"{_how_to_get_weights()}"
            )
        return path
    try:
        path = Path(source).expanduser()
        exists = bool(str(source)) and path.exists()
        index = path.with_name(path.name + INDEX)
        if not exists and index.is_file():  # the prefix of a checkpoint of TensorFlow
            return index
    except (OSError, RuntimeError, ValueError):  # too long a name, nobody's home, no name at all
        exists = False
    found = catalogue.opened(path) if exists else _downloaded(str(source))
    if found is None:
        raise WeightsError(
            f"no weights at {str(given)!r}: it is no path that exists, and no name of a packaged "
            f"model ({', '.join(PACKAGED)}) or a downloaded one. "
            f"{catalogue.similar(str(source))}{_how_to_get_weights()}"
        )
    return found


def _downloaded(name: str) -> Path | None:
    """What to open of a downloaded model, None for an unknown name.

    Raises:
        WeightsError: For a published model that is not here, or cannot be read.
    """
    fetched = catalogue.downloaded(name)
    if fetched is not None:
        return fetched.weights
    if name in catalogue.models():
        raise WeightsError(catalogue.how_to_get(catalogue.find(name)))
    if name in catalogue.unreadable():
        known = catalogue.unreadable()[name]
        raise problem(name, f"cannot be read: {known.reason}", f"See {known.page}")
    return None


def format_of(path: Path) -> Format:
    """The format of weights, by names and first bytes.

    Args:
        path: As `resolve` gives it.

    Raises:
        WeightsError: If it is none that can be read.
    """
    try:
        known = dispatch.recognise(FORMATS, path)
    except OSError as error:
        raise problem(path, f"cannot be read ({error})", "Check its permissions") from error
    if known is None:
        what, advice = describe(path)
        raise problem(path, f"holds no weights ({what})", advice or dispatch.expected(FORMATS))
    return known


def download_of(path: Path) -> catalogue.Fetched | None:
    """The downloaded model that a path given by `resolve` belongs to, or None.

    Raises:
        WeightsError: If its files are not as they came.
    """
    fetched = catalogue.of_path(path)
    return fetched if fetched is not None and fetched.weights == path else None


def split_part(source: str | Path) -> tuple[str | Path, str | None]:
    """A name or path, and which of the models there is meant: what stands behind a `#`.

    Args:
        source: As for `load`. A path that exists has no part, whatever its name.

    >>> split_part("model.tar.gz#text_field_embedder")
    ('model.tar.gz', 'text_field_embedder')
    >>> split_part("en_elmo_sm")
    ('en_elmo_sm', None)
    """
    whole, mark, part = str(source).rpartition("#")
    try:
        is_path = Path(source).expanduser().exists()
    except (OSError, RuntimeError, ValueError):
        is_path = False
    return (whole, part) if mark and not is_path else (source, None)


def places_of_papers(source: str | Path) -> list[Path]:
    """What holds the card and the licences of weights, as `read_papers` takes it.

    Args:
        source: As for `resolve`.

    Returns:
        Of an archive that was read the folder it was unpacked to; then the folder of a downloaded
        model, or the path of `resolve`.

    Raises:
        WeightsError: As `resolve`.
    """
    path = resolve(source)
    contents = archives.contents(path)
    here = path if path.is_dir() or download_of(path) is None else path.parent
    return [here] if contents is None else [contents, here]


def papers_of(source: str | Path) -> dict[str, bytes]:
    """The card and the licences of weights, by name: what is inside, and what came with a download.

    Where both have one of a name, that of the download is `README.download.md`, say.

    Args:
        source: As for `resolve`.

    Raises:
        WeightsError: As `resolve`.
    """
    inner, *outer = (read_papers(place) for place in places_of_papers(source))
    found = dict(inner)
    taken = {name.casefold() for name in inner}
    for name, content in (paper for papers in outer for paper in papers.items()):
        path = Path(name)
        known = f"{path.stem}.download{path.suffix}" if name.casefold() in taken else name
        found[known] = content
    return found


def _writers() -> dict[str, Writer]:
    return {suffix: known.write for known in FORMATS if known.write for suffix in known.suffixes}


def _how_to_get_weights() -> str:
    return (
        "Give the path of weights you have (HDF5 files of AllenNLP and bilm-tf, models of "
        "AllenNLP, checkpoints of bilm-tf, folders of ELMoForManyLangs and archives of these work "
        "as they are, or after `spacy elmo convert`), or train some with `spacy elmo pretrain`."
    )
