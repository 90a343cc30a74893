"""The linear probe."""

from __future__ import annotations

import torch

from evaluation.probe import probe


def test_a_probe_learns_what_is_linear() -> None:
    generator = torch.Generator().manual_seed(0)
    points = torch.randn(42_000, 5, generator=generator) * 3 + 7
    gold = (points @ torch.tensor([1.0, -1.0, 0.5, 0.0, 2.0]) > 17.5).long()
    found = probe(points[2000:], gold[2000:], points[:2000], 2, seed=0)
    assert (found == gold[:2000]).float().mean() > 0.9
