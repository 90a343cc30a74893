"""Reading a folder of ELMoForManyLangs."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch

from spacy_elmo.bilm.bilm import BiLM
from spacy_elmo.bilm.config import BiLMConfig
from spacy_elmo.bilm.many_langs import MARKS, OOV
from spacy_elmo.errors import problem
from spacy_elmo.formats.assemble import assemble
from spacy_elmo.formats.elmoformanylangs.convert import Taken, lstm_layers, token_layer
from spacy_elmo.formats.elmoformanylangs.dictionary import check_rows, read_dictionary
from spacy_elmo.formats.elmoformanylangs.options import network_values, read_options
from spacy_elmo.formats.generation import unchanged
from spacy_elmo.formats.state_dict import read_state_dict

ENCODER, TOKEN_EMBEDDER, CLASSIFIER = "encoder.pkl", "token_embedder.pkl", "classifier.pkl"
WORDS, CHARACTERS = "word.dic", "char.dic"
NAMES = (ENCODER, TOKEN_EMBEDDER, WORDS, CHARACTERS)


def recognise(path: Path) -> bool:
    """A folder with the encoder of such a model and another of its files."""
    return (path / ENCODER).is_file() and any((path / name).is_file() for name in NAMES[1:])


def read(
    path: Path, *, options: Path | None, vocab: Path | None, device: str | torch.device
) -> BiLM:
    """Read a folder of ELMoForManyLangs. See `Reader`.

    Args:
        path: The folder.
        options: The file that describes the network, in place of the one that `config.json` names.
        vocab: None: the folder has its own dictionaries.
        device: Where the tensors go.

    Returns:
        The model. Its `notes` say what was assumed or left out.

    Raises:
        WeightsError: If anything about the weights is wrong, or `vocab` is given.
    """
    if vocab is not None:
        what = f"has dictionaries of its own, but {vocab} was given"
        raise problem(path, what, "Leave out `vocab`")
    described_by, described, assumed = read_options(path, options)
    with ExitStack() as held:
        held.enter_context(unchanged(*(path / name for name in NAMES), described_by))
        values = network_values(described_by, described)
        many: dict[str, Any] = values["many_langs"]
        words = characters = vocabulary = None
        if many["word_dim"]:
            rows = read_dictionary(path / WORDS)
            check_rows(path / WORDS, rows, (OOV,))
            vocabulary = sorted(rows, key=rows.__getitem__)
            words = path / WORDS, [rows[word] for word in vocabulary]
            values["n_words"] = len(vocabulary)
        if many["char_dim"]:
            rows = read_dictionary(path / CHARACTERS)
            check_rows(path / CHARACTERS, rows, MARKS)
            # Longer ones than a character are never looked up, but for the marks.
            known = sorted((c for c in rows if len(c) == 1), key=rows.__getitem__)
            many["characters"] = "".join(known)
            characters = path / CHARACTERS, [rows[c] for c in (*MARKS, *known)]
        try:
            config = BiLMConfig.from_dict(values)
        except ValueError as error:
            raise problem(described_by, str(error), "Correct the description") from error
        taken = Taken(
            path / TOKEN_EMBEDDER,
            read_state_dict(path / TOKEN_EMBEDDER, others=False),
            described_by,
        )
        tensors = token_layer(taken, config, words, characters)
        taken = Taken(path / ENCODER, read_state_dict(path / ENCODER, others=False), described_by)
        tensors |= lstm_layers(taken, config)
        for name in tensors:
            tensors[name] = tensors[name].to(device)
        lm = assemble(path, config, vocabulary, tensors)
    notes = [assumed] if assumed else []
    if (path / CLASSIFIER).is_file():
        notes.append(f"{CLASSIFIER}, its output layer, is left out: it scores no words here")
    lm.notes = tuple(notes)
    return lm
