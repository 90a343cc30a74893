"""The card in a native directory, when weights are saved there.

Where there is none, `BiLM.save` writes a stub: sizes, and what is not known. A stub bears its own
digest, so that one which nobody edited is made anew with the weights. A card that somebody wrote is
never overwritten; if other weights come to lie beside it, a note at its top says so, and its block
of metadata, which programs read, no longer names a licence.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from torch import Tensor

from spacy_elmo.bilm.bilm import BiLM
from spacy_elmo.bilm.size import n_parameters
from spacy_elmo.files import write_text
from spacy_elmo.formats.assemble import config_to_store
from spacy_elmo.formats.blocks import BLOCK, Stored
from spacy_elmo.formats.front_matter import front_matter, split_card
from spacy_elmo.types import Array

CARD = "README.md"

REPLACED = (
    "> The weights beside this card were replaced by others after it was written. What follows "
    "tells of the earlier ones; which of it holds for those that are here now is not known."
)

_NOT_KNOWN = """## Data and licences

Not stated: which text these weights were trained on, under which licences, and how well they
predict. Whoever gives them to others adds it, here and as `license` at the top.
"""
_MARK = "<!-- Written by spacy-elmo, and anew by each save until somebody edits it: {} -->\n"
_STUB = re.compile(re.escape(_MARK).replace(r"\{\}", "([0-9a-f]{64})") + r"\Z")


def stub(lm: BiLM, dtype: str) -> str:
    """A card that tells what can be read off a model.

    Args:
        lm: The model.
        dtype: Number type of the stored weights.
    """
    mean = "none" if lm.mean_layers is None else "stored, for centred similarity"
    lines = [
        front_matter(lm.config.lang) + "# A bidirectional language model (ELMo)",
        "",
        "## Network",
        "",
        *network_lines(lm),
        f"- mean vector: {mean}",
        f"- stored as {dtype}",
        "",
        _NOT_KNOWN,
    ]
    text = "\n".join(lines) + "\n"
    return text + _MARK.format(_digest(text))


def write_stub(lm: BiLM, target: Path, dtype: str) -> None:
    """Write a stub beside saved weights, if they are in a directory that has no card.

    Args:
        lm: The model.
        target: The path of the weights.
        dtype: Number type of the stored weights.
    """
    if target.is_dir() and not os.path.lexists(target / CARD):
        write_text(target / CARD, stub(lm, dtype))


def is_stub(card: str) -> bool:
    """Whether a card is one that `stub` made and nobody has changed."""
    found = _STUB.search(card)
    return found is not None and found[1] == _digest(card[: found.start()])


def replaced(card: str, lm: BiLM) -> str:
    """A card beside which other weights come to lie.

    Its metadata, which name a licence for instance, become part of the text.

    Args:
        card: The card.
        lm: The model that is there from now on.
    """
    block, text = split_card(card)
    if text.startswith(REPLACED):
        return card
    if not block:
        return f"{REPLACED}\n\n{text}"
    earlier = "\n".join(block.splitlines()[1:-1])
    return f"{front_matter(lm.config.lang)}{REPLACED}\n\n```yaml\n{earlier}\n```\n\n{text.lstrip()}"


def network_lines(lm: BiLM) -> list[str]:
    """A model's sizes as items of a list."""
    sizes = lm.config
    projected = f"projected to {sizes.projection_dim}" if sizes.lstm_projection else None
    softmax = (
        "without a softmax"
        if lm.softmax is None
        else f"and a softmax over {len(lm.softmax.weight):,} words"
    )
    return [
        f"- {sizes.n_layers} LSTM layers of {sizes.lstm_dim} cells, "
        f"{projected or 'without projection'}, "
        f"{'in both directions' if sizes.bidirectional else 'forward only'}; vectors of "
        f"{sizes.width} in {sizes.n_outputs} layers",
        f"- {_token_layer(lm)}",
        f"- {n_parameters(lm) / 1e6:.2f} M parameters, {softmax}",
        f"- initial state: {config_to_store(lm).initial_state}",
    ]


def is_same_network(
    stored: Mapping[str, Stored], network: Mapping[str, Tensor], names: list[str]
) -> bool:
    """Whether tensors in a file are those of a network, if rounded to float16.

    Args:
        stored: Those of the file.
        network: Those of the model.
        names: Which of them count: the parameters, and not what was measured with them.
    """
    with np.errstate(over="ignore"):
        return all(
            name in stored and _is_same(stored[name], network[name].detach()) for name in names
        )


def _is_same(stored: Stored, tensor: Tensor) -> bool:
    if stored.shape != tuple(tensor.shape):
        return False
    rows = max(1, BLOCK // max(1, tensor[:1].numel()))
    starts = range(0, len(tensor), rows)
    ends = [min(start + rows, len(tensor)) for start in starts]
    return all(
        _equal(stored.read(start, end), tensor[start:end])
        for start, end in zip(starts, ends, strict=True)
    )


def _equal(old: Array, new: Tensor) -> bool:
    return np.array_equal(old.astype(np.float16), new.cpu().float().numpy().astype(np.float16))


def _token_layer(lm: BiLM) -> str:
    cnn, many_langs = lm.config.char_cnn, lm.config.many_langs
    if many_langs is not None:
        words = "" if lm.config.n_words is None else f", and {lm.config.n_words:,} words"
        return f"token layer of ELMoForManyLangs: {len(many_langs.characters):,} characters{words}"
    if cnn is None:
        return f"word input: an embedding of {lm.config.n_words:,} words"
    filters = ", ".join(f"{number} of width {width}" for width, number in cnn.filters)
    return (
        f"characters of {cnn.embedding_dim}, filters ({cnn.activation}) {filters}; "
        f"{cnn.n_highway} highway layer(s)"
    )


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf8")).hexdigest()
