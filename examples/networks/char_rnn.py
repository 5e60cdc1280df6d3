"""A character-level language model: two recurrent layers and a weighted mean over everything they and the input say.

The design is that of textgenrnn, by Max Woolf. For Regraft, a text comes as numbers (B, L) of a vocabulary that lies
beside the weights, -1 where it has ended.
"""

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

SHORTEST = 40
"""Characters that it was trained on; shorter texts were filled up with the number 0 in front."""


class CharRNN(nn.Module):
    """Characters (B, L) of 465 to scores (B, 465) of the next one."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(465, 100)
        self.rnn_1 = nn.LSTM(100, 128, batch_first=True)
        self.rnn_2 = nn.LSTM(128, 128, batch_first=True)
        self.attention = nn.Linear(356, 1, bias=False)
        self.output = nn.Linear(356, 465)

    def forward(self, tokens):
        """Token numbers to scores."""
        tokens, lengths = in_front(tokens)
        inputs = self.embedding(tokens)
        first = self.recur(self.rnn_1, inputs, lengths)
        second = self.recur(self.rnn_2, first, lengths)
        states = torch.cat([inputs, first, second], 2)
        ended = torch.arange(tokens.shape[1], device=tokens.device) >= lengths[:, None]
        weights = self.attention(states).squeeze(2).masked_fill(ended, float("-inf")).softmax(1)
        return self.output((states * weights[:, :, None]).sum(1))

    def recur(self, layer, inputs, lengths):
        """The states (B, L, 128) of a layer, each text read to its end."""
        packed = pack_padded_sequence(inputs, lengths.cpu(), batch_first=True, enforce_sorted=False)
        return pad_packed_sequence(layer(packed)[0], batch_first=True, total_length=inputs.shape[1])[0]


def in_front(tokens):
    """The texts with zeros in front, at least 40 characters long, and their lengths; zeros also where they end."""
    count = (tokens >= 0).sum(1)
    shift = (SHORTEST - count).clamp_min(0)
    places = torch.arange(max(SHORTEST, tokens.shape[1]), device=tokens.device) - shift[:, None]
    found = tokens.gather(1, places.clamp(0, tokens.shape[1] - 1))
    return torch.where((places >= 0) & (places < count[:, None]), found, 0), count + shift
