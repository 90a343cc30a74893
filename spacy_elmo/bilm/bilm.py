"""The biLM: a network with its encoder, and what users call."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from spacy_elmo.bilm.config import BiLMConfig
from spacy_elmo.bilm.context import Neighbours
from spacy_elmo.bilm.inference.encoder import Encoder
from spacy_elmo.bilm.mean import mean_state, mean_vectors
from spacy_elmo.bilm.padded import pad
from spacy_elmo.bilm.scalar_mix import ScalarMix
from spacy_elmo.bilm.scoring.language_model import LanguageModel
from spacy_elmo.bilm.sentences import Words, check_sentences
from spacy_elmo.types import Floats


class BiLM(LanguageModel):
    """A bidirectional language model whose layers are contextual vectors (ELMo).

    Peters et al. 2018, "Deep contextualized word representations", section 3; numerics of
    bilm-tf and AllenNLP.

    Sentences start from one of three states, `initial_state`:

    - "zero": zeros;
    - "warm": a state reached on running text, stored with the weights (see `warm_up`);
    - "carry": what the sentence in the same row of the call before ended with, as AllenNLP and
      bilm-tf do it. Vectors then depend on everything read before.

    Args:
        config: Sizes and switches.
        vocabulary: For word input the word of each embedding row; with characters the words of the
            softmax, if there is one.

    Attributes:
        encoder: What is of the moment, apart from the weights: the initial state, the carried
            state, caches and precision. Another one reads with the same weights, undisturbed.
    """

    def __init__(self, config: BiLMConfig, vocabulary: Sequence[str] | None = None) -> None:
        super().__init__(config, vocabulary)
        self.encoder = Encoder(config.initial_state)

    @classmethod
    def from_pretrained(
        cls,
        source: str | Path,
        *,
        options: str | Path | None = None,
        vocab: str | Path | None = None,
        initial_state: str | None = None,
        device: str | torch.device = "cpu",
    ) -> BiLM:
        """Load weights of any known format.

        Args:
            source: Name of a packaged or downloaded model, a native directory, an HDF5 file of
                AllenNLP or bilm-tf, a checkpoint of TensorFlow (its prefix or its .index), a folder
                of ELMoForManyLangs, the folder of an AllenNLP model with an ELMo inside, a folder
                that holds one of these, or an archive of one (.zip, .tar, .tar.gz, .tar.xz).
                `PATH#MODULE` chooses one of several ELMos of an AllenNLP model.
            options: The options file of HDF5 weights or of a checkpoint, where it is not beside
                them; of an AllenNLP model, where it is not inside; of ELMoForManyLangs, the file
                that describes its network.
            vocab: The vocabulary of a word-input model or of a softmax, where it is not beside it.
            initial_state: "zero", "warm" or "carry"; None: what the weights say (HDF5: "zero").
            device: Where to put the weights.

        Raises:
            WeightsError: Something is wrong with the files.
            ValueError: The weights do not have that initial state.
        """
        from spacy_elmo.formats import load

        lm: BiLM = load(source, options=options, vocab=vocab, device=device)
        if initial_state is not None:
            lm.initial_state = initial_state
        return lm

    def save(self, path: str | Path, *, dtype: str = "float32") -> None:
        """Write the weights.

        A native directory without a model card gets the stub of one: sizes, and what is not known.
        A card that is there stays; beside other weights, it says so from then on.

        Args:
            path: One that ends in .hdf5 or .h5 becomes an HDF5 file with its options file beside
                it, any other a native directory.
            dtype: "float32", or "float16" for a native directory of half the size, the form of
                packaged models.
        """
        from spacy_elmo.formats import save

        save(self, path, dtype=dtype, card=True)

    @property
    def initial_state(self) -> str:
        """The state sentences start from: "zero", "warm" or "carry"."""
        return self.encoder.initial_state

    @initial_state.setter
    def initial_state(self, value: str) -> None:
        if value == "warm":
            self.start(value, 1)  # raises where there is none
        self.encoder.initial_state = value

    @property
    def cache_size(self) -> int:
        """Word types whose token-layer vector `encode` keeps (65,536); never saved."""
        return self.encoder.cache_size

    @cache_size.setter
    def cache_size(self, value: int) -> None:
        self.encoder.cache_size = value

    @property
    def compute_dtype(self) -> torch.dtype:
        """Float type of the LSTM products in `encode`; never saved.

        `torch.float32`; `torch.bfloat16` or `torch.float16` are faster on a GPU and good to two or
        three digits.
        """
        return self.encoder.compute_dtype

    @compute_dtype.setter
    def compute_dtype(self, value: torch.dtype) -> None:
        self.encoder.compute_dtype = value

    def forward(self, sentences: Iterable[Words], *, boundaries: bool = False) -> Tensor:
        """All layers of all tokens, with gradients: the plain way through the network.

        Args:
            sentences: As for `encode`.
            boundaries: Keep the rows of `<S>` and `</S>` around each sentence.

        Returns:
            Rows of all sentences, one after the other. Layer 0 is the token layer, once per
            direction. *Shape:* (n_outputs, n_rows, width).

        Raises:
            ValueError: A sentence is a string or a token, or holds something else than words.
        """
        return self.encoder.forward(self, sentences, boundaries=boundaries)

    def encode(
        self,
        sentences: Iterable[Words],
        *,
        mix: ScalarMix | None = None,
        batch_tokens: int | None = None,
    ) -> list[Floats]:
        """Layers of each sentence, fast and without gradients.

        Args:
            sentences: Lists, or any iterables, of words or of spaCy tokens: `doc.sents`, `[doc]`.
                A token of white space is a word like any other here. A sentence may be empty.
            mix: Keep only this mix of the layers.
            batch_tokens: Bound of the tokens computed together; None: by memory.

        Returns:
            An array per sentence. *Shape:* (n_outputs, n_tokens, width), or (n_tokens, width) with
            a mix.

        Raises:
            ValueError: A sentence is a string or a token, or holds something else than words.
        """
        return self.encoder.encode(self, sentences, mix=mix, batch_tokens=batch_tokens)

    def stream(
        self,
        sentences: Iterable[Words],
        *,
        mix: ScalarMix | None = None,
        batch_tokens: int | None = None,
    ) -> Iterator[Floats]:
        """`encode` for an endless iterable: yields arrays in order, in bounded memory.

        Args:
            sentences: As for `encode`.
            mix: Keep only this mix of the layers.
            batch_tokens: Bound of the tokens computed together; None: by memory.

        Returns:
            An iterator of what `encode` gives.

        Raises:
            ValueError: The initial state is "carry", where a batch is what one call of `encode` is
                given.
        """
        return self.encoder.stream(self, sentences, mix=mix, batch_tokens=batch_tokens)

    def top_states(
        self, sentences: Iterable[Words], *, batch_tokens: int | None = None
    ) -> Iterator[tuple[Floats, Floats]]:
        """States of the top layer of each sentence, and at its edges; see `Encoder.top_states`."""
        return self.encoder.top_states(self, sentences, batch_tokens=batch_tokens)

    def context(
        self, sentences: Iterable[Words], *, batch_tokens: int | None = None
    ) -> list[Floats]:
        """What stands around each word, without the word itself: what it is predicted from.

        It is the top layer's forward state of the word before, and beside it the backward state of
        the word after; at the ends of a sentence those of `<S>` and `</S>`. A forward-only model
        has the first half alone.

        Args:
            sentences: As for `encode`.
            batch_tokens: Bound of the tokens computed together; None: by memory.

        Returns:
            An array per sentence. *Shape:* (n_words, width).

        Raises:
            ValueError: A sentence is a string or a token, or holds something else than words.
        """
        found = []
        for states, edges in self.top_states(sentences, batch_tokens=batch_tokens):
            beside = Neighbours(np.zeros(len(states), dtype=np.int64), self.config.n_directions)
            found.append(beside.gather(np, states, edges))
        return found

    def padded(
        self, sentences: Iterable[Words], *, gradients: bool = False
    ) -> tuple[Tensor, Tensor]:
        """Layers of several sentences in one tensor, for one's own PyTorch model.

        Args:
            sentences: As for `encode`.
            gradients: Take the way with gradients, for training the language model, too; otherwise
                the fast one of `encode`.

        Returns:
            The layers, zeros behind the end of each sentence, *Shape:* (n_outputs, n_sentences,
            n_tokens, width); and where there are words, boolean, *Shape:* (n_sentences, n_tokens).

        Raises:
            ValueError: A sentence is a string or a token, or holds something else than words.
        """
        words = check_sentences(sentences)
        if gradients:
            rows = self.forward(words)
        else:
            empty = np.zeros((self.config.n_outputs, 0, self.config.width), dtype=np.float32)
            arrays = np.concatenate([empty, *self.encode(words)], axis=1)
            rows = torch.from_numpy(arrays).to(self.device)
        return pad(rows, list(map(len, words)))

    def warm_up(self, sentences: Iterable[Words]) -> None:
        """Read running text, and make the state it leaves the one every sentence starts from.

        The text is read as in training: one stream per direction, no mark fed twice, the state
        never reset. Stored is the mean of the states after each sentence, so it does not hang on
        the last one. Kept with the weights by `save`; sets `initial_state` to "warm".

        Args:
            sentences: As for `encode`, in order. A few hundred are plenty.

        Raises:
            ValueError: There is no sentence with a word.
        """
        rows = [words for words in check_sentences(sentences) if len(words)]
        if not rows:
            raise ValueError("warm_up needs some running text: at least one sentence with a word")
        # In inference mode the state could neither be trained from nor watched for changes.
        exact = torch.autocast(self.device.type, enabled=False)
        with torch.inference_mode(False), torch.no_grad(), exact:
            self.initial_h, self.initial_c = mean_state(self, rows)
        self.config = replace(self.config, initial_state="warm")
        self.initial_state = "warm"
        self.weights_changed()

    def measure_mean(self, sentences: Iterable[Words]) -> None:
        """Read text, and make the mean of its vectors the one that centred similarity subtracts.

        Set is `mean_layers`, *Shape:* (n_outputs, width). Kept with the weights by `save`.

        Args:
            sentences: Lists of words; some ten thousand words are plenty.

        Raises:
            ValueError: There is no sentence with a word, or the initial state is "carry".
        """
        self.mean_layers = mean_vectors(self.stream(sentences)).to(self.device)

    def reset_state(self) -> None:
        """Forget the state carried from call to call."""
        self.encoder.reset_state()

    def set_vocabulary(self, vocabulary: Sequence[str] | None) -> None:
        """Set the vocabulary.

        Raises:
            ValueError: It does not fit a word-input model.
        """
        super().set_vocabulary(vocabulary)
        if hasattr(self, "encoder"):  # a word-input model may have known a word as unknown
            self.weights_changed()

    def weights_changed(self) -> None:
        """Forget everything computed from the weights.

        Changes by PyTorch's own optimizers and `load_state_dict` are noticed without; writing
        through `.data` or numpy is not.
        """
        self.encoder.weights_changed()
