"""Add the numbers of AllenNLP to `data/`.

Not run by the tests. It was run once, on Python 3.11 with PyTorch and h5py, and beside them
`pip install --no-deps allennlp==2.10.1`. What else AllenNLP imports is of no use to its ELMo and no
longer fits together, so that stand-ins take its place.

    python tests/goldens/allennlp_elmo.py
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import numpy as np
import torch

UNUSED = {
    *("PIL", "base58", "cached_path", "dill", "fairscale", "filelock", "google", "_jsonnet"),
    *("lmdb", "more_itertools", "nltk", "sacremoses", "scipy", "sentencepiece", "sklearn"),
    *("tensorboardX", "termcolor", "torchvision", "traitlets", "transformers", "wandb", "yaml"),
    *("boto3", "botocore", "huggingface_hub", "overrides", "tokenizers"),
}


class StandIn(ModuleType):
    """A module of empty classes, and of functions that give back what they are given."""

    __path__: ClassVar[list[str]] = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if name[:1].isupper():
            return type(name, (), {})
        return lambda *given, **_: given[0] if given else None


class StandIns(MetaPathFinder, Loader):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        known = fullname.partition(".")[0] in UNUSED
        return ModuleSpec(fullname, self, is_package=True) if known else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return StandIn(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        pass


sys.meta_path.insert(0, StandIns())
sys.path[0] = str(Path(__file__).parent)
from allennlp.modules.elmo import _ElmoBiLm, batch_to_ids  # noqa: E402
from allennlp.modules.scalar_mix import ScalarMix  # noqa: E402
from cases import BATCHES, CASES, DATA, MIX_GAMMA, MIX_WEIGHTS  # noqa: E402


@torch.no_grad()
def main() -> None:
    for name, options in CASES.items():
        if "char_cnn" not in options or not options["lstm"]["use_skip_connections"]:
            continue  # AllenNLP reads characters, and knows no network without skip connections
        lm = _ElmoBiLm(str(DATA / f"{name}_options.json"), str(DATA / f"{name}.hdf5"))
        n_layers = options["lstm"]["n_layers"] + 1
        mix = ScalarMix(n_layers, do_layer_norm=True, initial_scalar_parameters=[0.0] * n_layers)
        for parameter, value in zip(mix.scalar_parameters, MIX_WEIGHTS, strict=False):
            parameter.fill_(value)
        mix.gamma.fill_(MIX_GAMMA)
        found: dict[str, np.ndarray] = {}
        for state in ("zero", "carry"):
            number = 0
            lm._elmo_lstm.reset_states()
            for batch in BATCHES:
                if state == "zero":
                    lm._elmo_lstm.reset_states()
                read = lm(batch_to_ids(batch))
                layers = torch.stack(read["activations"]).numpy()
                mixed = mix(read["activations"], read["mask"]).numpy()
                for row, words in enumerate(batch):
                    found[f"{state}{number}"] = layers[:, row, 1 : len(words) + 1]
                    if state == "zero" and batch is BATCHES[0]:
                        found[f"mix{number}"] = mixed[row, 1 : len(words) + 1]
                    number += 1
        np.savez(DATA / f"{name}_allennlp.npz", **found)


if __name__ == "__main__":
    main()
