"""The softmax over a vocabulary of any size, in bounded memory.

It is computed for some states and some words at a time, 4 MB of logits: what is there at once is a
few times that, for 800,000 words as for 8,000. Products are float32, sums over the vocabulary
float64.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spacy_elmo.bilm.network import Network
from spacy_elmo.bilm.scoring.prior import log_uniform
from spacy_elmo.types import Floats, Ints
from spacy_elmo.vocabulary import BOS_WORD, EOS_WORD, SPECIAL_WORDS, UNK_WORD

Logs = NDArray[np.float64]
Ranked = list[tuple[str, float]]
"""Words and their natural-log probabilities, the most probable first."""

# What is computed at once.
STATES = 256
WORDS = 4096


def check_can_score(network: Network) -> None:
    """Check that a model has what scores and perplexity need.

    Raises:
        ValueError: For a model without a softmax or without its vocabulary.
    """
    if network.softmax is None or network.vocabulary is None:
        raise ValueError(
            "this model has no softmax with a vocabulary, which scores and perplexity need. The "
            "packaged models have one, and so has what `spacy elmo pretrain` makes, a native "
            "directory with softmax.safetensors and vocab.txt, and a TensorFlow checkpoint of "
            "bilm-tf with its vocabulary. HDF5 files never have one, nor has a pipeline that was "
            "saved without it (save_softmax of the component). `spacy elmo pretrain --init` trains "
            "one for weights that lack it"
        )


class OutputLayer:
    """The words that a language model predicts, and how probable a state makes each.

    Args:
        network: The weights, and the vocabulary.

    Attributes:
        words: The vocabulary.
        numbers: The number of each word.
        unknown: Number of `<UNK>`, which stands for every other word.
        begin: Number of `<S>`.
        end: Number of `</S>`.

    Raises:
        ValueError: For a model without a softmax, and a vocabulary without the special words.
    """

    def __init__(self, network: Network) -> None:
        check_can_score(network)
        assert network.softmax is not None
        assert network.vocabulary is not None
        self.words: Sequence[str] = network.vocabulary
        self.numbers = {word: number for number, word in enumerate(self.words)}
        missing = [word for word in SPECIAL_WORDS if word not in self.numbers]
        if missing:
            raise ValueError(
                f"the vocabulary of this model lacks {', '.join(missing)}, and without these words "
                "there are no scores: use the vocabulary that the softmax was trained with"
            )
        self.begin, self.end, self.unknown = (
            self.numbers[word] for word in (BOS_WORD, EOS_WORD, UNK_WORD)
        )
        self._softmax = network.softmax

    def is_of(self, network: Network) -> bool:
        """Whether these are still the softmax and the vocabulary of a network."""
        return self._softmax is network.softmax and self.words is network.vocabulary

    def ids(self, words: Sequence[str]) -> Ints:
        """Number of each word, that of `<UNK>` for those outside the vocabulary."""
        numbers = [self.numbers.get(word, self.unknown) for word in words]
        return np.array(numbers, dtype=np.int64)

    @torch.inference_mode()
    def log_probabilities(
        self, states: Floats, targets: Ints, *, rank: bool = False
    ) -> tuple[Logs, Ints | None]:
        """How probable one word each is.

        Args:
            states: What the words are predicted from. *Shape:* (n, P).
            targets: Numbers of the words. *Shape:* (n,).
            rank: Whether their ranks are wanted. Takes twice as long.

        Returns:
            Natural logarithms of the probabilities, *Shape:* (n,), and how many words are more
            probable, plus 1, *Shape:* (n,).
        """
        logs = np.empty(len(states), dtype=np.float64)
        ranks = np.empty(len(states), dtype=np.int64) if rank else None
        for part, hidden in self._parts(states):
            wanted = torch.from_numpy(targets[part]).to(hidden.device)
            logits = hidden.new_empty(len(hidden))
            total = None
            for start, block in self._blocks(hidden):
                inside = ((wanted >= start) & (wanted < start + block.shape[1])).nonzero()[:, 0]
                logits[inside] = block[inside, wanted[inside] - start]
                total = _log_sum(total, block)
            assert total is not None
            logs[part] = (logits.double() - total).cpu().numpy()
            if ranks is not None:
                above = torch.ones_like(wanted)
                for _, block in self._blocks(hidden):
                    above += (block > logits[:, None]).sum(dim=1)
                ranks[part] = above.cpu().numpy()
        return logs, ranks

    @torch.inference_mode()
    def distributions(self, states: Floats) -> Floats:
        """How probable every word is. *Shape:* (n, P) to (n, V), natural logarithms."""
        logs = np.empty((len(states), len(self.words)), dtype=np.float32)
        for part, hidden in self._parts(states):
            total = None
            for start, block in self._blocks(hidden):
                logs[part, start : start + block.shape[1]] = block.cpu().numpy()
                total = _log_sum(total, block)
            assert total is not None
            logs[part] -= total.float().cpu().numpy()[:, None]
        return logs

    @torch.inference_mode()
    def best(
        self,
        states: Sequence[Floats],
        n: int,
        *,
        never: Sequence[int] = (),
        without: Ints | None = None,
    ) -> list[Ranked]:
        """The most probable words by one state each, or by a forward and a backward one.

        Two say together what their product does, divided by how frequent the word is (the
        log-uniform distribution by its number): each of them has taken that into account.

        Args:
            states: Of one direction, or of both. *Shape:* (n_places, P).
            n: So many words, or all of a smaller vocabulary.
            never: Numbers of words that are left out. They are a part of what probabilities are
                shares of.
            without: One more of them for each place. *Shape:* (n_places,).

        Returns:
            For each place the words with their log probabilities.
        """
        frequent = None
        if len(states) > 1:
            frequent = torch.from_numpy(np.log(log_uniform(len(self.words)))).float()
        found: list[Ranked] = []
        # As many more as may have to be left out.
        n_best = n + len(never) + (without is not None)
        for parts in zip(*map(self._parts, states), strict=True):
            part, first = parts[0]
            best = first.new_empty(len(first), 0)
            numbers = torch.empty(len(first), 0, dtype=torch.int64, device=first.device)
            total = None
            for blocks in zip(*(self._blocks(hidden) for _, hidden in parts), strict=True):
                start, block = blocks[0]
                if frequent is not None:
                    stop = start + block.shape[1]
                    block.add_(blocks[1][1]).sub_(frequent[start:stop].to(block.device))
                values, places = block.topk(min(n_best, block.shape[1]), dim=1)
                best, order = torch.cat([best, values], dim=1).sort(
                    dim=1, descending=True, stable=True
                )
                numbers = torch.cat([numbers, places + start], dim=1).gather(1, order)
                best, numbers = best[:, :n_best], numbers[:, :n_best]
                total = _log_sum(total, block)
            assert total is not None
            logs = (best.double() - total[:, None]).tolist()
            own = [-1] * len(first) if without is None else without[part].tolist()
            for row, ids, itself in zip(logs, numbers.tolist(), own, strict=True):
                left_out = {itself, *never}
                pairs = [(k, log) for k, log in zip(ids, row, strict=True) if k not in left_out]
                found.append([(self.words[k], log) for k, log in pairs[:n]])
        return found

    def _parts(self, states: Floats) -> Iterator[tuple[slice, Tensor]]:
        """Some states at a time, where the weights are."""
        device = self._softmax.weight.device
        for start in range(0, len(states), STATES):
            part = slice(start, start + STATES)
            yield part, torch.from_numpy(np.ascontiguousarray(states[part])).to(device)

    def _blocks(self, hidden: Tensor) -> Iterator[tuple[int, Tensor]]:
        """Logits of some words at a time, and the number of the first. To be overwritten."""
        weight, bias = self._softmax.weight, self._softmax.bias
        # One buffer for all: what is taken and given back by turns breaks the memory into pieces.
        buffer = hidden.new_empty(len(hidden) * min(WORDS, len(weight)))
        for start in range(0, len(weight), WORDS):
            rows = weight[start : start + WORDS].float()
            with torch.autocast(hidden.device.type, enabled=False):
                logits = buffer[: len(hidden) * len(rows)].view(len(hidden), len(rows))
                of_words = bias[start : start + WORDS].float()
                yield start, torch.addmm(of_words, hidden, rows.t(), out=logits)


def _log_sum(total: Tensor | None, logits: Tensor) -> Tensor:
    """Logarithm of the sum of exp over the words so far, in float64. Overwrites the logits.

    *Shape:* (n,).
    """
    highest = logits.amax(dim=1, keepdim=True)
    sums = logits.sub_(highest).exp_().sum(dim=1).double().log_() + highest[:, 0].double()
    return sums if total is None else torch.logaddexp(total, sums)
