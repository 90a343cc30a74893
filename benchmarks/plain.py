"""ELMo the published way, in plain PyTorch: what the fast path is compared with.

As AllenNLP runs it: the character CNN for every token over 50 characters, one cell step per time
step and direction with its input product inside the loop, padded batches of 32 in text order.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from spacy_elmo import BiLM
from spacy_elmo.bilm.lstm import LSTMLayer
from spacy_elmo.vocabulary import BOS_WORD, EOS_WORD

BATCH_SIZE = 32


class PlainELMo:
    """A biLM with characters, computed without any of the fast path's ideas."""

    def __init__(self, lm: BiLM) -> None:
        self.lm = lm
        directions = [lm.forward_layers]
        if lm.backward_layers is not None:
            directions.append(lm.backward_layers)
        self.directions = [[_Cell(layer) for layer in layers] for layers in directions]

    @torch.inference_mode()
    def encode(self, sentences: Sequence[Sequence[str]]) -> list[Tensor]:
        """Layers of each sentence. *Shape:* (n_outputs, n_tokens, width)."""
        result: list[Tensor] = []
        for start in range(0, len(sentences), BATCH_SIZE):
            result += self._batch(sentences[start : start + BATCH_SIZE])
        return result

    def _batch(self, sentences: Sequence[Sequence[str]]) -> list[Tensor]:
        rows = [[BOS_WORD, *words, EOS_WORD] for words in sentences]
        lengths = [len(row) for row in rows]
        n_steps = max(lengths)
        encoder = self.lm.token_encoder
        words = [word for row in rows for word in row + [""] * (n_steps - len(row))]
        vectors = _every_position(encoder, encoder.word_ids(words)).view(len(rows), n_steps, -1)
        layers = [torch.cat([vectors] * len(self.directions), dim=2)]
        halves = []
        for backwards, cells in enumerate(self.directions):
            inputs = vectors
            outputs = []
            for k, cell in enumerate(cells):
                output = cell.run(inputs, lengths, bool(backwards))
                inputs = output + inputs if k and self.lm.config.use_skip_connections else output
                outputs.append(inputs)
            halves.append(outputs)
        layers += [torch.cat(pair, dim=2) for pair in zip(*halves, strict=True)]
        stacked = torch.stack(layers)
        return [stacked[:, row, 1 : length - 1] for row, length in enumerate(lengths)]


class _Cell(nn.Module):
    """AllenNLP's LstmCellWithProjection: two linear layers, a loop over time."""

    def __init__(self, layer: LSTMLayer) -> None:
        super().__init__()
        width = layer.projection_dim
        self.layer = layer
        self.input_linearity = nn.Linear(width, 4 * layer.lstm_dim, bias=False)
        self.state_linearity = nn.Linear(width, 4 * layer.lstm_dim)
        with torch.no_grad():
            self.input_linearity.weight.copy_(layer.weight[:, :width])
            self.state_linearity.weight.copy_(layer.weight[:, width:])
            self.state_linearity.bias.copy_(layer.working_bias())

    def run(self, inputs: Tensor, lengths: Sequence[int], backwards: bool) -> Tensor:
        """Run over padded rows. *Shape:* (n_rows, n_steps, width), of the inputs and the result."""
        n_rows, n_steps, width = inputs.shape
        layer = self.layer
        outputs = torch.zeros_like(inputs)
        h = inputs.new_zeros(n_rows, width)
        c = inputs.new_zeros(n_rows, layer.lstm_dim)
        steps = reversed(range(n_steps)) if backwards else range(n_steps)
        active = torch.tensor(lengths)[:, None]
        for step in steps:
            gates = self.input_linearity(inputs[:, step]) + self.state_linearity(h)
            i, f, o, g = gates.chunk(4, dim=1)
            cell = torch.sigmoid(i) * torch.tanh(g) + torch.sigmoid(f) * c
            if layer.cell_clip is not None:
                cell = cell.clamp(-layer.cell_clip, layer.cell_clip)
            hidden = torch.sigmoid(o) * torch.tanh(cell)
            if layer.projection is not None:
                hidden = hidden @ layer.projection.t()
                if layer.proj_clip is not None:
                    hidden = hidden.clamp(-layer.proj_clip, layer.proj_clip)
            runs = step < active
            c = torch.where(runs, cell, c)
            h = torch.where(runs, hidden, h)
            outputs[:, step] = torch.where(runs, hidden, 0.0)
        return outputs


def _every_position(encoder: nn.Module, ids: Tensor) -> Tensor:
    """Token layer over all 50 positions, used or not."""
    table = nn.functional.pad(encoder.char_embedding, (0, 0, 1, 0))
    characters = nn.functional.embedding(ids, table).transpose(1, 2)
    activation = torch.relu if encoder.config.activation == "relu" else torch.tanh
    features = [activation(conv(characters).amax(dim=2)) for conv in encoder.convolutions]
    vectors = torch.cat(features, dim=1)
    for highway in encoder.highways:
        vectors = highway(vectors)
    return vectors if encoder.projection is None else encoder.projection(vectors)
