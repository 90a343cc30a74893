"""Bytes of a language model are checked as files are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import srsly
import torch
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from spacy_elmo import BiLM, WeightsError
from spacy_elmo.pipeline.model.serialize import bilm_from_bytes, bilm_to_bytes
from tests.formats.models import (
    TINY,
    TINY_WORDS,
    WORDS,
    assert_same,
    give_softmax,
    give_state,
    model,
    small_weights,
)

BIAS = "forward_layers.1.bias"


def everything() -> BiLM:
    lm = model()
    torch.manual_seed(0)
    give_softmax(lm)
    give_state(lm)
    lm.mean_layers = torch.randn(TINY.n_outputs, TINY.width)
    return lm


@pytest.mark.parametrize("lm", [everything(), model(TINY_WORDS)])
def test_there_and_back(lm: BiLM) -> None:
    assert_same(bilm_from_bytes(bilm_to_bytes(lm)), lm)


def test_other_float_types_are_written_as_float32() -> None:
    lm = small_weights()
    assert_same(bilm_from_bytes(bilm_to_bytes(lm.double())), small_weights())
    assert_same(bilm_from_bytes(bilm_to_bytes(lm.half())), lm.float())


def changed_tensor(name: str, change: Callable[[torch.Tensor], torch.Tensor | None]) -> Any:
    def edit(message: dict[str, Any], tensors: dict[str, torch.Tensor]) -> None:
        found = change(tensors.pop(name, torch.zeros(2)))
        if found is not None:
            tensors[name] = found

    return edit


def changed(key: str, value: object) -> Any:
    def edit(message: dict[str, Any], tensors: dict[str, torch.Tensor]) -> None:
        *section, last = key.split(".")
        place = message
        for name in section:
            place = place[name]
        if value is ...:
            del place[last]
        else:
            place[last] = value

    return edit


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (changed_tensor(BIAS, lambda t: t * torch.nan), f"{BIAS}.*NaN or infinite"),
        (changed_tensor(BIAS, lambda t: t.double()), f"{BIAS}.*holds float64 values"),
        (changed_tensor(BIAS, lambda t: t.bfloat16()), f"{BIAS}.*holds bfloat16 values"),
        (changed_tensor(BIAS, lambda t: t.int()), f"{BIAS}.*holds int32 values"),
        (changed_tensor(BIAS, lambda t: t[:-1].contiguous()), f"{BIAS}.*has shape"),
        (changed_tensor(BIAS, lambda t: None), f"{BIAS}.*is missing"),
        (changed_tensor("surplus", lambda t: t), "surplus.*is unknown"),
        (changed_tensor("initial_h", lambda t: None), "holds initial_c without its partner"),
        (changed_tensor("initial_h", lambda t: t * torch.inf), "initial_h.*NaN or infinite"),
        (changed_tensor("mean_layers", lambda t: t[:1].contiguous()), "mean_layers.*has shape"),
        (changed_tensor("softmax.bias", lambda t: None), "softmax.weight without its partner"),
        (changed_tensor("softmax.bias", lambda t: t[1:].contiguous()), "softmax.bias.*has shape"),
        (changed("vocabulary", WORDS[:-1]), "softmax.weight.*has 11 rows, the vocabulary 10 words"),
        (changed("vocabulary", [*WORDS[:-1], 3]), "the vocabulary is no list of words"),
        (changed("vocabulary", "words"), "the vocabulary is no list of words"),
        (changed("vocabulary", [*WORDS[:-1], "the"]), "'the' stands on line 4 and again"),
        (changed("config.cell_clip", float("inf")), "cell_clip is inf: expected a finite"),
        (changed("config.cell_clip", ...), "the key 'cell_clip' is missing"),
        (changed("config.n_layers", 10**9), "n_layers is 1000000000: expected"),
        (changed("config.char_cnn.max_characters_per_token", 10**9), "max_characters_per_token is"),
        (changed("config", 3), "the config is 3"),
    ],
)
def test_what_no_file_may_hold_no_bytes_may_hold(edit: Any, expected: str) -> None:
    message = srsly.msgpack_loads(bilm_to_bytes(everything()))
    tensors = load_tensors(message["weights"])
    edit(message, tensors)
    message["weights"] = save_tensors(tensors)
    with pytest.raises(WeightsError, match=f"hold no language model of this package: .*{expected}"):
        bilm_from_bytes(srsly.msgpack_dumps(message))


def test_words_of_a_model_that_reads_them() -> None:
    message = srsly.msgpack_loads(bilm_to_bytes(model(TINY_WORDS)))
    for words, expected in (
        (WORDS[:-1], "has 11 rows, the vocabulary 10 words"),
        ([*WORDS[:2], "unk", *WORDS[3:]], "lacks <UNK>"),
    ):
        data = srsly.msgpack_dumps({**message, "vocabulary": words})
        with pytest.raises(WeightsError, match=expected):
            bilm_from_bytes(data)


def test_values_that_are_not_finite_are_not_written() -> None:
    lm = model()
    with torch.no_grad():
        lm.forward_layers[1].bias[3] = torch.nan
    with pytest.raises(WeightsError, match=r"forward_layers.1.bias.*NaN"):
        bilm_to_bytes(lm)
