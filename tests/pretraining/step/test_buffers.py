"""Memory kept between steps."""

from __future__ import annotations

import torch

from spacy_elmo.pretraining.step.buffers import Buffers


def test_what_came_back_is_found_again() -> None:
    buffers = Buffers()
    like = torch.zeros(1)
    first, second = buffers.take((3, 4), like), buffers.take((3, 4), like)
    assert first.data_ptr() != second.data_ptr()
    buffers.give_back(first)
    assert buffers.take((3, 4), like) is first
    assert buffers.take((3, 4), like) is not second  # still in use


def test_only_the_same_kind_is_given() -> None:
    buffers = Buffers()
    given = torch.ones(3, 4)
    buffers.give_back(given)
    assert buffers.take((4, 3), given).shape == (4, 3)
    assert buffers.take((3, 4), given.bfloat16()).dtype == torch.bfloat16
    assert buffers.take((3, 4), given) is given
