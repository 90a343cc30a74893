"""How much of its budget a training has used up, and the learning rate there."""

from __future__ import annotations

import math

from spacy_elmo.pretraining.config import PretrainConfig


def progress(config: PretrainConfig, tokens: int, seconds: float, tokens_per_epoch: int) -> float:
    """Share of the budget used up, 1.0 or more at its end; 0.0 without a budget.

    Args:
        config: The training config, which holds the budget.
        tokens: Tokens seen.
        seconds: Time spent.
        tokens_per_epoch: Tokens of the corpus.

    >>> progress(PretrainConfig(tokens=1000, seconds=60.0), 250, 30.0, 10_000)
    0.5
    """
    shares = [0.0]
    if config.tokens is not None:
        shares.append(tokens / config.tokens)
    if config.epochs is not None:
        shares.append(tokens / (config.epochs * tokens_per_epoch))
    if config.seconds is not None:
        shares.append(seconds / config.seconds)
    return max(shares)


def learning_rate(config: PretrainConfig, step: int, share: float) -> float:
    """Learning rate of a step (counted from 0) at a share of the budget.

    It rises over `warmup_steps`; with the cosine schedule it falls to `final_rate` times the
    highest rate at the end of the budget (Loshchilov and Hutter 2017, section 3).

    >>> config = PretrainConfig(learning_rate=0.01, warmup_steps=10, final_rate=0.0)
    >>> [round(learning_rate(config, step, share), 4) for step, share in [(4, 0), (10, 0.5)]]
    [0.005, 0.005]
    """
    rate = config.learning_rate
    if config.schedule == "cosine":
        wave = 0.5 * (1.0 + math.cos(math.pi * min(share, 1.0)))
        rate *= config.final_rate + (1.0 - config.final_rate) * wave
    if step < config.warmup_steps:
        rate *= (step + 1) / config.warmup_steps
    return rate
