"""BC-ResNet-2 for spoken words: a network that takes spectrograms, made to take waveforms by its first layer.

Reference: Kim et al., Broadcasted residual learning for efficient keyword spotting, Interspeech 2021, section 3.
"""

import torch
from torch import nn

RATE, POINTS, HOP, BANDS = 16000, 1024, 512, 40
WORDS = 35


class LogMel(nn.Module):
    """Waveforms (B, T) at 16 kHz in [-1, 1] to the binary logarithm of mel power (B, 1, 40, frames).

    How a network wants its spectrograms is known only to those who trained it; here: 40 bands of HTK's mel scale up to
    8 kHz, 1,024 points every 512 samples, a Hann window. Without weights, so the weights file need not know of it.
    """

    def __init__(self):
        super().__init__()
        top = 2595 * torch.log10(torch.tensor(1 + RATE / 2 / 700))
        edges = 700 * (10 ** (torch.linspace(0, float(top), BANDS + 2) / 2595) - 1)
        frequency = torch.linspace(0, RATE / 2, POINTS // 2 + 1)
        low, middle, high = (edges[i : i + BANDS, None] for i in range(3))
        filters = torch.minimum((frequency - low) / (middle - low), (high - frequency) / (high - middle)).clamp_min(0)
        self.register_buffer("filters", filters, persistent=False)
        self.register_buffer("window", torch.hann_window(POINTS), persistent=False)

    def forward(self, x):
        """Waveforms to spectrograms, in full precision."""
        with torch.autocast(x.device.type, enabled=False):
            spectrum = torch.stft(x.float(), POINTS, HOP, window=self.window, return_complex=True)
            return (self.filters @ spectrum.abs().square() + 1e-9).log2().unsqueeze(1)


class BandNorm(nn.Module):
    """Batch normalisation of each fifth of the frequencies by itself."""

    def __init__(self, width):
        super().__init__()
        self.bn = nn.BatchNorm2d(5 * width)

    def forward(self, x):
        """Maps (B, width, F, T) to the same shape."""
        return self.bn(x.reshape(len(x), -1, x.shape[2] // 5, x.shape[3])).view_as(x)


class Block(nn.Module):
    """A convolution over frequency, and one over time of its mean over frequency, which is added everywhere.

    Where the width stays it is residual.
    """

    def __init__(self, width, wider, stride=1, dilation=1):
        super().__init__()
        self.residual = width == wider
        over = nn.Conv2d(wider, wider, (3, 1), (stride, 1), (1, 0), groups=wider)
        widen = [] if self.residual else [nn.Conv2d(width, wider, 1), nn.BatchNorm2d(wider), nn.ReLU()]
        self.f2 = nn.Sequential(*widen, over, BandNorm(wider))
        time = nn.Conv2d(wider, wider, (1, 3), 1, (0, dilation), (1, dilation), groups=wider)
        self.f1 = nn.Sequential(time, nn.BatchNorm2d(wider), nn.SiLU(), nn.Conv2d(wider, wider, 1), nn.Dropout(0.1))

    def forward(self, x):
        """Maps (B, width, F, T) to (B, wider, F / stride, T)."""
        y = self.f2(x)
        y = y + self.f1(y.mean(2, keepdim=True))
        return torch.relu(x + y if self.residual else y)


class BCResNet(nn.Module):
    """Waveforms (B, T) at 16 kHz to scores (B, 35). The last layer is a linear one, so that it is seen to classify."""

    def __init__(self):
        super().__init__()
        self.spectrogram = LogMel()
        self.input_conv = nn.Conv2d(1, 32, 5, (2, 1), 2)
        self.t1, self.n11 = Block(32, 16), Block(16, 16)
        self.t2, self.n21 = Block(16, 24, 2, 2), Block(24, 24, 1, 2)
        self.t3, self.n31, self.n32, self.n33 = Block(24, 32, 2, 4), *(Block(32, 32, 1, 4) for _ in range(3))
        self.t4, self.n41, self.n42, self.n43 = Block(32, 40, 1, 8), *(Block(40, 40, 1, 8) for _ in range(3))
        self.dw_conv = nn.Conv2d(40, 40, 5, 1, (0, 2), groups=20)
        self.onexone_conv = nn.Conv2d(40, 64, 1)
        self.head_conv = nn.Linear(64, WORDS)

    def forward(self, x):
        """Waveforms to scores."""
        x = self.input_conv(self.spectrogram(x))
        for block in (self.t1, self.n11, self.t2, self.n21, self.t3, self.n31, self.n32, self.n33):
            x = block(x)
        for block in (self.t4, self.n41, self.n42, self.n43):
            x = block(x)
        return self.head_conv(self.onexone_conv(self.dw_conv(x)).mean((2, 3)))
