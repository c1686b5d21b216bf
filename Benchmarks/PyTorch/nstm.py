"""The flagship NSTM in PyTorch, in its fastest eager form: the gated-slot recurrence of a whole sequence as masked products of one
chunk (exact for short sequences), independent top-k gates shared by the heads. A peer for speed; not tuned for anything else."""
import math

import torch
from torch import nn
from torch.nn import functional as F


class NSTMLayer(nn.Module):
    def __init__(self, width=128, heads=4, states=32, k=4):
        super().__init__()
        self.heads, self.states, self.k = heads, states, k
        self.router = nn.Linear(width, states)
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.conv = nn.Conv1d(3 * width, 3 * width, 4, groups=3 * width, padding=3, bias=False)
        self.gate = nn.Linear(width, width, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        self.norm = nn.RMSNorm(width)
        self.keys = nn.Parameter(torch.randn(states, width))
        self.values = nn.Parameter(0.02 * torch.randn(states, width))

    def forward(self, x):
        b, t, d = x.shape
        h, n, e = self.heads, self.states, d // self.heads
        qkv = F.silu(self.conv(self.qkv(x).transpose(1, 2))[..., :t].transpose(1, 2))
        q, k, v = (z.view(b, t, h, e).transpose(1, 2) for z in qkv.split(d, dim=2))
        k = F.normalize(k, dim=-1) * math.sqrt(e)
        logits = self.router(x)
        kept = torch.zeros_like(logits).scatter(2, logits.topk(self.k, dim=2).indices, 1.0)
        write = kept * torch.sigmoid(logits)
        decay = torch.log1p(-write.clamp(max=1 - 1e-6)).cumsum(1)  # [B, T, N]
        carried = decay.exp().unsqueeze(1)
        # Share of token j in state m at time i: write_j · exp(decay_i − decay_j), j ≤ i; the exponent is never positive.
        causal = torch.ones(t, t).tril()[None, :, :, None]
        share = (decay.unsqueeze(2) - decay.unsqueeze(1)).clamp(max=0).exp() * write.unsqueeze(1) * causal
        k0 = self.keys.view(n, h, e).transpose(0, 1)
        v0 = self.values.view(n, h, e).transpose(0, 1)
        scores = q @ k.transpose(2, 3)  # [B, H, T, T]
        z = carried * (q @ k0.transpose(1, 2)) + torch.einsum("bhij,bijm->bhim", scores, share)
        p = torch.softmax(z / math.sqrt(e), dim=-1)
        mix = torch.einsum("bhim,bijm->bhij", p, share)
        o = (p * carried) @ v0 + mix @ v
        o = o.transpose(1, 2).reshape(b, t, d)
        return self.out(self.norm(o) * F.silu(self.gate(x)))


class Block(nn.Module):
    def __init__(self, width, hidden):
        super().__init__()
        self.norm1, self.norm2 = nn.RMSNorm(width), nn.RMSNorm(width)
        self.mixer = NSTMLayer(width)
        self.up, self.down = nn.Linear(width, hidden, bias=False), nn.Linear(hidden, width, bias=False)

    def forward(self, x):
        x = x + self.mixer(self.norm1(x))
        return x + self.down(F.gelu(self.up(self.norm2(x))))


class NSTM(nn.Module):
    def __init__(self, vocabulary=65, width=128, layers=4, hidden=416):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width)
        self.blocks = nn.ModuleList(Block(width, hidden) for _ in range(layers))
        self.norm = nn.RMSNorm(width)

    def forward(self, tokens, targets):
        x = self.embedding(tokens)
        for block in self.blocks:
            x = block(x)
        logits = self.norm(x) @ self.embedding.weight.T
        return F.cross_entropy(logits.view(-1, logits.shape[-1]), targets.reshape(-1))
