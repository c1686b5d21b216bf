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

    def project(self, x):
        """Queries, keys of length √e and values [B, H, T, e], and write weights [B, T, N]."""
        b, t, d = x.shape
        h, e = self.heads, d // self.heads
        qkv = F.silu(self.conv(self.qkv(x).transpose(1, 2))[..., :t].transpose(1, 2))
        q, k, v = (z.view(b, t, h, e).transpose(1, 2) for z in qkv.split(d, dim=2))
        k = F.normalize(k, dim=-1) * math.sqrt(e)
        logits = self.router(x)
        kept = torch.zeros_like(logits).scatter(2, logits.topk(self.k, dim=2).indices, 1.0)
        return q, k, v, kept * torch.sigmoid(logits)

    def forward(self, x):
        b, t, d = x.shape
        h, n, e = self.heads, self.states, d // self.heads
        q, k, v, write = self.project(x)
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


class GRULayer(NSTMLayer):
    """The same layer with a rule that depends on the states: a gated recurrent unit a state, token by token, with plain operations."""

    def __init__(self, width=128, heads=4, states=32, k=4):
        super().__init__(width, heads, states, k)
        self.input, self.recurrent = nn.Linear(width, 3 * width), nn.Linear(width, 3 * width)

    def forward(self, x):
        b, t, d = x.shape
        h, n, e = self.heads, self.states, d // self.heads
        q, k, v, write = self.project(x)
        k, v = (z.transpose(1, 2).reshape(b, t, d) for z in (k, v))
        keys, values = self.keys.expand(b, n, d), self.values.expand(b, n, d)
        reads = []
        for i in range(t):
            w = write[:, i].unsqueeze(2)
            r1, z1, c1 = self.input(v[:, i]).unsqueeze(1).chunk(3, 2)
            r2, z2, c2 = self.recurrent(values).chunk(3, 2)
            candidate = torch.tanh(c1 + torch.sigmoid(r1 + r2) * c2)
            values = values + w * torch.sigmoid(z1 + z2) * (candidate - values)
            keys = keys + w * (k[:, i].unsqueeze(1) - keys)
            split = keys.view(b, n, h, e).permute(0, 2, 3, 1), values.view(b, n, h, e).transpose(1, 2)
            p = torch.softmax(q[:, :, i : i + 1] @ split[0] / math.sqrt(e), dim=-1)
            reads.append((p @ split[1]).reshape(b, d))
        o = torch.stack(reads, 1)
        return self.out(self.norm(o) * F.silu(self.gate(x)))


class Block(nn.Module):
    def __init__(self, width, hidden, layer):
        super().__init__()
        self.norm1, self.norm2 = nn.RMSNorm(width), nn.RMSNorm(width)
        self.mixer = layer(width)
        self.up, self.down = nn.Linear(width, hidden, bias=False), nn.Linear(hidden, width, bias=False)

    def forward(self, x):
        x = x + self.mixer(self.norm1(x))
        return x + self.down(F.gelu(self.up(self.norm2(x))))


class NSTM(nn.Module):
    def __init__(self, vocabulary=65, width=128, layers=4, hidden=416, layer=NSTMLayer):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width)
        self.blocks = nn.ModuleList(Block(width, hidden, layer) for _ in range(layers))
        self.norm = nn.RMSNorm(width)

    def forward(self, tokens, targets):
        x = self.embedding(tokens)
        for block in self.blocks:
            x = block(x)
        logits = self.norm(x) @ self.embedding.weight.T
        return F.cross_entropy(logits.view(-1, logits.shape[-1]), targets.reshape(-1))
