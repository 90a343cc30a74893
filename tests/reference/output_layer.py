"""The softmax over words: exact log probabilities, and the sampled loss used in training."""

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def log_softmax(logits: Array) -> Array:
    shifted = logits - logits.max(axis=-1, keepdims=True)
    log_p: Array = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return log_p


def log_probabilities(outputs: Array, softmax_w: Array, softmax_b: Array) -> Array:
    """Log probability of every word of the vocabulary from one direction's top layer.

    Shape: outputs (T, P), softmax_w (V, P), softmax_b (V,); result (T, V)
    """
    return log_softmax(outputs @ softmax_w.T + softmax_b)


def sentence_log_probabilities(
    top: Array, word_ids: Array, softmax_w: Array, softmax_b: Array, direction: int
) -> Array:
    """Log probability of each symbol of a sentence that this direction predicts.

    top: (T, P), this direction's top layer over `<S> words </S>`; word_ids: (T,), the same symbols.
    Forward: `<S>` predicts the first word, the last word predicts `</S>`.
    Backward: `</S>` predicts the last word, the first word predicts `<S>`.
    Both results stand in the order of the text. Shape: (T - 1,)
    """
    predicting = top[:-1] if direction == 0 else top[1:]
    predicted = word_ids[1:] if direction == 0 else word_ids[:-1]
    every_word = log_probabilities(predicting, softmax_w, softmax_b)
    log_p: Array = every_word[np.arange(len(predicted)), predicted]
    return log_p


def log_uniform_probability(word_id: Array, n_vocabulary: int) -> Array:
    """Chance that one draw of TensorFlow's log-uniform sampler gives this word."""
    p: Array = np.log((word_id + 2.0) / (word_id + 1.0)) / np.log(n_vocabulary + 1.0)
    return p


def expected_count(word_id: Array, n_vocabulary: int, n_tries: int) -> Array:
    """How often a word is expected among the distinct words seen in so many draws."""
    p = log_uniform_probability(word_id, n_vocabulary)
    count: Array = -np.expm1(n_tries * np.log1p(-p))
    return count


def sampled_softmax_losses(
    outputs: Array,
    targets: Array,
    sampled: Array,
    n_tries: int,
    softmax_w: Array,
    softmax_b: Array,
) -> Array:
    """Cross entropy of each target against itself and the sampled words (Jean et al. 2015).

    outputs (T, P), targets (T,), sampled (S,) distinct words shared by all positions, n_tries the
    draws it took to get them. A sampled word that is the target itself does not count.
    Shape: (T,)
    """
    n_vocabulary = len(softmax_b)

    def corrected(logits: Array, word_ids: Array) -> Array:
        return logits - np.log(expected_count(word_ids, n_vocabulary, n_tries))

    target_logits = np.einsum("tp,tp->t", outputs, softmax_w[targets]) + softmax_b[targets]
    target_logits = corrected(target_logits, targets)
    sampled_logits = corrected(outputs @ softmax_w[sampled].T + softmax_b[sampled], sampled)
    accidental_hit = sampled[None, :] == targets[:, None]
    sampled_logits = np.where(accidental_hit, -np.inf, sampled_logits)
    candidates = np.concatenate([target_logits[:, None], sampled_logits], axis=1)
    losses: Array = -log_softmax(candidates)[:, 0]
    return losses


def perplexity(forward: Array, backward: Array | None = None) -> float:
    """exp of the mean negative log probability; of both directions' mean where there are two."""
    losses = [-log_p.mean() for log_p in (forward, backward) if log_p is not None]
    return float(np.exp(np.mean(losses)))
