"""The ELMos in the state dict of a task's model."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from spacy_elmo.errors import problem

_MARK = "_token_embedder._char_embedding_weights"
_LSTM = "_elmo_lstm.forward_layer_0.input_linearity.weight"
_BILM = "_elmo_lstm."
_TRANSFORMER = re.compile(r"(.*?)\.?_(?:forward|backward)_transformer\..*")


@dataclass(frozen=True)
class Module:
    """An ELMo in a model.

    Attributes:
        path: Name of the module in the model, "" if it is the model itself.
        prefix: What the names of its biLM's tensors begin with.
    """

    path: str
    prefix: str

    @property
    def elmo(self) -> str:
        """What the names of its mixes begin with."""
        return self.prefix.removesuffix(_BILM)


def find_modules(names: Iterable[str]) -> list[Module]:
    """All ELMos whose tensors have these names."""
    names = set(names)
    found = []
    for name in sorted(names):
        prefix = name.removesuffix(_MARK)
        if name.endswith(_MARK) and (not prefix or prefix.endswith(".")):
            if prefix + _LSTM not in names:
                continue  # characters without a language model
            found.append(Module(prefix.removesuffix(_BILM).rstrip("."), prefix))
    return found


def choose_module(path: Path, tensors: Mapping[str, Tensor], part: str | None) -> Module:
    """The ELMo to read.

    Args:
        path: The state dict, for messages.
        tensors: What is in it.
        part: Name of its module, or of one around it; None: there must be only one.

    Returns:
        The module.

    Raises:
        WeightsError: If there is none, none of that name, or several; it names them.
    """
    modules = find_modules(tensors)
    if not modules:
        raise problem(path, *_what_else(tensors))
    if part is not None:
        name = part.strip(".")
        chosen = [module for module in modules if module.path == name]
        chosen = chosen or [m for m in modules if f"{m.path}.".startswith(f"{name}.")]
        if len(chosen) == 1:
            return chosen[0]
        what = f"holds {len(chosen) or 'no'} ELMo{'s' * (len(chosen) > 1)} at {part!r}"
        raise problem(path, what, f"Choose one of {_names(modules)}")
    if len(modules) > 1:
        what = f"holds {len(modules)} ELMos: {_names(modules)}"
        advice = f"Choose one by its name after a #: PATH#{modules[0].path}"
        raise problem(path, what, advice)
    return modules[0]


def _names(modules: Iterable[Module]) -> str:
    return ", ".join(module.path or "(the model itself)" for module in modules)


def _what_else(tensors: Mapping[str, Tensor]) -> tuple[str, str]:
    """What a model without an ELMo has, and what to do."""
    for name in tensors:
        if transformer := _TRANSFORMER.fullmatch(name):
            where = f" at {transformer[1]!r}" if transformer[1] else ""
            what = (
                f"holds a transformer language model{where} "
                "(bidirectional_language_model_transformer, the 'transformer ELMo')"
            )
            return what, "It is another network: give a model whose ELMo has LSTM layers"
    modules = sorted({name.partition(".")[0] for name in tensors})
    more = f" and {len(modules) - 8} more" if len(modules) > 8 else ""
    what = f"holds no ELMo: no tensor's name ends in {_MARK!r}"
    found = ", ".join(modules[:8]) or "nothing"
    return f"{what} (found the modules {found}{more})", "Give a model that has one"
