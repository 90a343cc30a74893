"""Reading a checkpoint of TensorFlow, with its options and vocabulary beside it."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import torch

from spacy_elmo.bilm.bilm import BiLM
from spacy_elmo.bilm.config import BiLMConfig
from spacy_elmo.errors import WeightsError, problem
from spacy_elmo.formats.assemble import assemble
from spacy_elmo.formats.blocks import FLOATS, read_tensors
from spacy_elmo.formats.generation import unchanged
from spacy_elmo.formats.hdf5.companions import beside
from spacy_elmo.formats.hdf5.options import read_config
from spacy_elmo.formats.tensorflow.bundle import Bundle, read_index
from spacy_elmo.formats.tensorflow.find import find_index
from spacy_elmo.formats.tensorflow.variables import SPELLINGS, Variables, network_variables
from spacy_elmo.formats.tensors import network_tensors, softmax_tensors
from spacy_elmo.vocabulary import read_vocabulary

WEIGHT, BIAS, EMBEDDING = "softmax.weight", "softmax.bias", "token_encoder.embedding"


def read(
    path: Path, *, options: Path | None, vocab: Path | None, device: str | torch.device
) -> BiLM:
    """Read a checkpoint. See `Reader`.

    Args:
        path: The index, or a folder with one.
        options: The options file, where it is not beside the index.
        vocab: The vocabulary, where it is not beside it.
        device: Where the tensors go.

    Returns:
        The model, with its softmax if the checkpoint has one. Its `notes` say what was left out.

    Raises:
        WeightsError: If anything about the weights is wrong.
    """
    index = find_index(path)
    options = options or _beside(index, "options", ".json")
    if options is None:
        what = "has no options file (options.json or *_options.json) beside it"
        raise problem(index, what, "Put it there, or give its path as `options`")
    with ExitStack() as held:
        held.enter_context(unchanged(index, options))
        bundle = read_index(index)
        held.enter_context(unchanged(*(bundle.shard(k) for k in range(bundle.n_shards))))
        variables = network_variables(bundle)
        config, spelling = read_config(options, index, variables.stored, "zero", SPELLINGS)
        n_words, rows_of = _words(config, variables)
        words = vocab or (None if n_words is None else _beside(index, "vocab", ".txt"))
        vocabulary = None
        if words is not None:
            held.enter_context(unchanged(words))
            vocabulary = read_vocabulary(
                words,
                n_words=n_words,
                rows_of=f"{variables.scope + rows_of!r} of {index}",
                special="anywhere" if config.n_words is not None else None,
                error=WeightsError,
            )
        elif config.n_words is not None:
            what = "reads whole words, and has no vocabulary (vocab.txt) beside it"
            raise problem(index, what, "Put it there, or give its path as `vocab`")
        softmax = softmax_tensors(n_words or 0, config)
        tensors = read_tensors(
            index,
            variables.named(),
            (variables.place(spelling, *tensor) for tensor in network_tensors(config)),
            (variables.place(spelling, *tensor) for tensor in softmax.items()),
            dtypes=FLOATS,
            described_by=str(options),
            device=device,
        )
        if BIAS in tensors and WEIGHT not in tensors and EMBEDDING in tensors:
            # `share_embedding_softmax`: the rows that words are read with also predict them.
            tensors[WEIGHT] = tensors[EMBEDDING].clone()
        lm = assemble(index, config, vocabulary, tensors)
    lm.notes = _notes(bundle, variables)
    return lm


def _beside(index: Path, kind: str, suffix: str) -> Path | None:
    """Options or vocabulary beside an index; of a module of TF-Hub, also beside its folder."""
    folders = [index.parent]
    if index.parent.name == "variables":
        folders.append(index.parent.parent)
    found = (beside(folder / index.name, kind, suffix) for folder in folders)
    return next((file for file in found if file is not None), None)


def _words(config: BiLMConfig, variables: Variables) -> tuple[int | None, str]:
    """How many words there must be, if that is known, and the variable that says so."""
    if config.n_words is not None:
        return config.n_words, "embedding"
    for name in ("softmax/W", "softmax/b"):
        if name in variables.stored and variables.stored[name].shape:
            return variables.stored[name].shape[0], name
    return None, ""


def _notes(bundle: Bundle, variables: Variables) -> tuple[str, ...]:
    """What to say of the mix that a module of TF-Hub has, which is not the default here."""
    if not variables.aggregation:
        return ()
    weights = [name for name in variables.aggregation if name.endswith(("_W", "/weights"))]
    gammas = [name for name in variables.aggregation if name.endswith(("_gamma", "/scaling"))]
    if len(weights) != 1 or len(gammas) != 1 or len(variables.aggregation) != 2:
        names = ", ".join(variables.aggregation)
        return (f"the mix of the module ({names}) is left out, for it is not known how it is used",)
    shares = torch.softmax(torch.tensor(bundle.vector(weights[0]), dtype=torch.float64), dim=0)
    listed = ", ".join(f"{share:.9g}" for share in shares.tolist())
    return (
        f"the module mixes its layers with layer_weights = [{listed}] and gamma = "
        f"{float(bundle.vector(gammas[0])[0]):.9g}; the default here is their average",
    )
