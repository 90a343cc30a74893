"""An HDF5 file with the checkpoint that it was made of beside it, which has its softmax."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import torch

from spacy_elmo.bilm.bilm import BiLM
from spacy_elmo.bilm.softmax import Softmax
from spacy_elmo.errors import ElmoError, WeightsError, problem
from spacy_elmo.formats import hdf5
from spacy_elmo.formats.blocks import FLOATS, read_tensors
from spacy_elmo.formats.generation import unchanged
from spacy_elmo.formats.hdf5.companions import beside
from spacy_elmo.formats.hdf5.names import Spelling
from spacy_elmo.formats.tensorflow.bundle import INDEX, Bundle, read_index
from spacy_elmo.formats.tensorflow.find import STATE, find_index, looks_like_one
from spacy_elmo.formats.tensorflow.reader import BIAS, EMBEDDING, WEIGHT
from spacy_elmo.formats.tensorflow.variables import SPELLINGS, Variables, network_variables
from spacy_elmo.formats.tensors import Place, network_tensors
from spacy_elmo.vocabulary import read_vocabulary

_DATA = ".data-"  # between a prefix and the number of a data file


def recognise(path: Path) -> bool:
    """HDF5 weights in a folder with a checkpoint."""
    return hdf5.FORMAT.recognise(path) and _index(path) is not None


def read(
    path: Path, *, options: Path | None, vocab: Path | None, device: str | torch.device
) -> BiLM:
    """Read an HDF5 file, and the softmax of the checkpoint beside it. See `Reader`.

    The checkpoint is used if its network is the same, number by number; if not, or if it is not
    clear which is meant, `notes` say so.

    Args:
        path: The HDF5 file, or the folder.
        options: The options file, where it is not beside the weights.
        vocab: The vocabulary, where it is not beside them.
        device: Where the tensors go.

    Raises:
        WeightsError: If anything about the weights is wrong, those of the checkpoint among them.
    """
    lm = hdf5.FORMAT.read(path, options=options, vocab=vocab, device=device)
    index = _index(path)
    if index is None or lm.softmax is not None:
        return lm
    if isinstance(index, str):
        lm.notes = (*lm.notes, f"the checkpoint beside it is left out: {index}")
        return lm
    try:
        with ExitStack() as held:
            held.enter_context(unchanged(index))
            bundle = read_index(index)
            held.enter_context(unchanged(*(bundle.shard(k) for k in range(bundle.n_shards))))
            different = _add_softmax(lm, bundle, vocab, device)
    except WeightsError as error:
        advice = f"It is read because it is beside {path}: move it away to do without its softmax"
        raise WeightsError(f"{error}. {advice}") from error
    if different:
        lm.notes = (*lm.notes, f"the checkpoint {index.name} beside it is left out: {different}")
    return lm


def _index(path: Path) -> Path | str | None:
    """The index of the checkpoint beside HDF5 weights.

    Returns:
        The index, or why it is not clear which; None: there is no checkpoint, only something else
        that also ends in .index.
    """
    folder = path if path.is_dir() else path.parent
    try:
        if not looks_like_one(folder):
            return None
        names = [file.name for file in folder.iterdir()]
        has_state = (folder / STATE).is_file()
        is_sure = has_state or any(_DATA in name for name in names)
        try:
            index = find_index(folder)
        except ElmoError as error:
            return str(error) if is_sure else None
        if index.parent != folder:
            return None
        data = f"{index.name.removesuffix(INDEX)}{_DATA}"
        if any(name.startswith(data) for name in names):
            return index
        return f"{index.name} has no file {data}* beside it" if has_state else None
    except OSError:
        return None


def _add_softmax(lm: BiLM, bundle: Bundle, vocab: Path | None, device: str | torch.device) -> str:
    """Give a model the softmax of a checkpoint. Returns why not, "" if it has it now."""
    try:
        variables = network_variables(bundle)
    except ElmoError as error:
        return str(error)
    spelling = next((s for s in SPELLINGS if s.is_used(variables.stored)), None)
    if spelling is None:
        return "it holds no weights of LSTM layers"
    required = [variables.place(spelling, *tensor) for tensor in network_tensors(lm.config)]
    different = _different_shapes(required, variables)
    if different:
        return different
    words = _vocabulary(lm, bundle, variables, vocab)
    tensors = read_tensors(
        bundle.index,
        variables.named(),
        required,
        _softmax_places(lm, variables, spelling),
        dtypes=FLOATS,
        described_by="the HDF5 file beside it",
        device=device,
    )
    own = lm.state_dict()
    for place in required:
        if not torch.equal(own[place.name], tensors[place.name]):
            return f"it is of another model, {place.key!r} has other values"
    if BIAS in tensors and WEIGHT not in tensors and EMBEDDING in tensors:
        tensors[WEIGHT] = tensors[EMBEDDING]
    if not {BIAS, WEIGHT} <= tensors.keys():
        return "it holds no softmax"
    with torch.device("meta"):
        output = Softmax(len(tensors[BIAS]), lm.config.projection_dim)
    output.load_state_dict({"weight": tensors[WEIGHT], "bias": tensors[BIAS]}, assign=True)
    lm.softmax = output
    if lm.vocabulary is None and words is not None:
        lm.set_vocabulary(words)
    return ""


def _different_shapes(required: list[Place], variables: Variables) -> str:
    named = variables.named()
    for place in required:
        if place.key not in named:
            return f"it is of another model, it has no {place.key!r}"
        if named[place.key].shape != place.shape_in_file:
            return f"it is of another model, {place.key!r} has another shape"
    return ""


def _softmax_places(lm: BiLM, variables: Variables, spelling: Spelling) -> list[Place]:
    n_words = _rows(variables)
    width = lm.config.projection_dim
    shapes = ((WEIGHT, (n_words, width)), (BIAS, (n_words,)))
    return [variables.place(spelling, name, shape) for name, shape in shapes]


def _rows(variables: Variables) -> int:
    """Words of the softmax."""
    bias = variables.stored.get("softmax/b")
    return bias.shape[0] if bias is not None and bias.shape else 0


def _vocabulary(
    lm: BiLM, bundle: Bundle, variables: Variables, vocab: Path | None
) -> list[str] | None:
    """The words of the softmax: the model's own, or those beside it."""
    n_words = _rows(variables)
    if lm.vocabulary is not None:
        if n_words not in (0, len(lm.vocabulary)):
            what = f"has {n_words} rows, the vocabulary {len(lm.vocabulary)} words"
            advice = "Use the vocabulary that the model was trained with"
            raise problem(bundle.index, what, advice, tensor=f"{variables.scope}softmax/b")
        return None
    path = vocab or beside(bundle.index, "vocab", ".txt")
    if path is None or not n_words:
        return None
    rows_of = f"{variables.scope}softmax/b of {bundle.index}"
    return read_vocabulary(path, n_words=n_words, rows_of=rows_of, error=WeightsError)
