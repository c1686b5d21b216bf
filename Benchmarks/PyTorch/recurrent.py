"""Recurrent baselines in PyTorch, of the sizes of NSTMBaselines' defaults: `nn.LSTM` and `nn.GRU` as `word_language_model` uses them, Mamba
and S4D from their papers' formulas in eager form, with the scans of `scans.py` and convolutions by Fourier transforms."""
import math

import torch
from torch import nn
from torch.nn import functional as F

import scans


class Stacked(nn.Module):
    """Embedding, two layers of cells, head."""

    def __init__(self, cells, vocabulary=65, width=128, layers=2):
        super().__init__()
        self.encoder = nn.Embedding(vocabulary, width)
        self.rnn = cells(width, width, layers, batch_first=True)
        self.decoder = nn.Linear(width, vocabulary)

    def forward(self, tokens, targets):
        logits = self.decoder(self.rnn(self.encoder(tokens))[0])
        return F.cross_entropy(logits.view(-1, logits.shape[-1]), targets.reshape(-1))


class MambaLayer(nn.Module):
    def __init__(self, width=128, states=16, expansion=2):
        super().__init__()
        channels, self.states, self.rank = expansion * width, states, (width + 15) // 16
        self.projection = nn.Linear(width, 2 * channels, bias=False)
        self.conv = nn.Conv1d(channels, channels, 4, groups=channels, padding=3)
        self.selection = nn.Linear(channels, self.rank + 2 * states, bias=False)
        self.step = nn.Linear(self.rank, channels)
        self.log_decay = nn.Parameter(torch.arange(1, states + 1).float().log().repeat(channels, 1))
        self.skip = nn.Parameter(torch.ones(channels))
        self.output = nn.Linear(channels, width, bias=False)
        with torch.no_grad():
            size = torch.empty(channels).uniform_(math.log(1e-3), math.log(0.1)).exp()
            self.step.bias.copy_(size + torch.log(-torch.expm1(-size)))

    def forward(self, u):
        x, z = self.projection(u).chunk(2, -1)
        x = F.silu(self.conv(x.transpose(1, 2))[..., : u.shape[1]].transpose(1, 2))
        low, b, c = self.selection(x).split([self.rank, self.states, self.states], -1)
        y = SELECTIVE(x, F.softplus(self.step(low)), -self.log_decay.exp(), b, c, self.skip)
        return self.output(y * F.silu(z))


SELECTIVE = scans.FORMS["selective"][scans.FASTEST["selective"]]


class S4DLayer(nn.Module):
    def __init__(self, width=128, states=64):
        super().__init__()
        half = states // 2
        self.log_step = nn.Parameter(torch.empty(width).uniform_(math.log(1e-3), math.log(0.1)))
        self.log_decay = nn.Parameter(torch.full((width, half), 0.5).log())
        self.frequency = nn.Parameter(math.pi * torch.arange(half).float().repeat(width, 1))
        self.c = nn.Parameter(torch.view_as_real(torch.randn(width, half, dtype=torch.cfloat)))
        self.skip = nn.Parameter(torch.randn(width))
        self.output = nn.Linear(width, 2 * width)

    def forward(self, x):
        n = x.shape[1]
        a = torch.complex(-self.log_decay.exp(), self.frequency)
        step = a * self.log_step.exp().unsqueeze(-1)
        c = torch.view_as_complex(self.c) * (step.exp() - 1) / a
        powers = (step.unsqueeze(-1) * torch.arange(n)).exp()
        kernel = 2 * torch.einsum("hn,hnl->hl", c, powers).real
        u = x.transpose(1, 2)
        y = torch.fft.irfft(torch.fft.rfft(u, n=2 * n) * torch.fft.rfft(kernel, n=2 * n), n=2 * n)[..., :n]
        y = F.gelu((y + u * self.skip.unsqueeze(-1)).transpose(1, 2))
        return F.glu(self.output(y), -1)


class Blocks(nn.Module):
    """Residual blocks of one part, tied embeddings."""

    def __init__(self, layer, norm, vocabulary=65, width=128, layers=4):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width)
        self.layers = nn.ModuleList(layer(width) for _ in range(layers))
        self.norms = nn.ModuleList(norm(width) for _ in range(layers + 1))
        nn.init.normal_(self.embedding.weight, std=0.02)

    def forward(self, tokens, targets):
        x = self.embedding(tokens)
        for norm, layer in zip(self.norms, self.layers):
            x = x + layer(norm(x))
        logits = self.norms[-1](x) @ self.embedding.weight.T
        return F.cross_entropy(logits.view(-1, logits.shape[-1]), targets.reshape(-1))


MAKE = {
    "lstm": lambda: Stacked(nn.LSTM), "gru": lambda: Stacked(nn.GRU), "mamba": lambda: Blocks(MambaLayer, nn.RMSNorm),
    "s4d": lambda: Blocks(S4DLayer, lambda width: nn.LayerNorm(width, bias=False)),
}
