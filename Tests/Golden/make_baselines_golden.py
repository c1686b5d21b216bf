"""Writes Tests/BaselinesTests/Golden with PyTorch, in float64: state_dicts as safetensors, with what the models make of them.

    python Tests/Golden/make_baselines_golden.py

The modules are torch.nn's own. Values are rounded to 12 digits."""

import json
import pathlib

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(11)
folder = pathlib.Path(__file__).resolve().parent.parent / "BaselinesTests" / "Golden"


def rounded(t):
    return {"shape": list(t.shape), "values": [float(f"{v:.12g}") for v in t.detach().flatten().tolist()]}


def write(name, value):
    (folder / name).write_text(json.dumps({"torch": torch.__version__, **value}, separators=(",", ":")) + "\n")


class Recurrent(nn.Module):
    """A language model with the names of PyTorch's own example."""

    def __init__(self, kind, vocabulary, width, layers):
        super().__init__()
        self.encoder = nn.Embedding(vocabulary, width)
        self.rnn = kind(width, width, layers, batch_first=True)
        self.decoder = nn.Linear(width, vocabulary)

    def forward(self, tokens):
        return self.decoder(self.rnn(self.encoder(tokens))[0])


class GPT(nn.Module):
    """A language model with the names of nanoGPT, made of PyTorch's modules; weights of head and embedding are the same."""

    def __init__(self, vocabulary, width, heads, hidden, layers, positions):
        super().__init__()
        block = lambda: nn.ModuleDict(
            {
                "ln_1": nn.LayerNorm(width, bias=False),
                "attn": nn.ModuleDict(
                    {"c_attn": nn.Linear(width, 3 * width, bias=False), "c_proj": nn.Linear(width, width, bias=False)}
                ),
                "ln_2": nn.LayerNorm(width, bias=False),
                "mlp": nn.ModuleDict(
                    {"c_fc": nn.Linear(width, hidden, bias=False), "c_proj": nn.Linear(hidden, width, bias=False)}
                ),
            }
        )
        self.heads = heads
        self.transformer = nn.ModuleDict(
            {
                "wte": nn.Embedding(vocabulary, width),
                "wpe": nn.Embedding(positions, width),
                "h": nn.ModuleList([block() for _ in range(layers)]),
                "ln_f": nn.LayerNorm(width, bias=False),
            }
        )
        for p in self.parameters():
            nn.init.normal_(p, 1 if p.dim() == 1 else 0, 0.4)

    def forward(self, tokens):
        t = self.transformer
        x = t.wte(tokens) + t.wpe.weight[: tokens.shape[1]]
        for b in t.h:
            q, k, v = (z.unflatten(2, (self.heads, -1)).transpose(1, 2) for z in b.attn.c_attn(b.ln_1(x)).chunk(3, 2))
            x = x + b.attn.c_proj(F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2))
            x = x + b.mlp.c_proj(F.gelu(b.mlp.c_fc(b.ln_2(x))))
        return t.ln_f(x) @ t.wte.weight.T


def model(name, m):
    tokens, targets = torch.randint(7, (2, 5)), torch.randint(7, (2, 5))
    logits = m(tokens)
    loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten())
    loss.backward()
    save_file({k: t.contiguous() for k, t in m.state_dict().items()}, folder / f"{name}.safetensors")
    gradients = {k: rounded(p.grad) for k, p in m.named_parameters()}
    write(
        f"{name}.json",
        {
            "tokens": rounded(tokens), "targets": rounded(targets), "logits": rounded(logits), "loss": loss.item(),
            "gradients": gradients,
        },
    )


def module(m, x, forward=None, **inputs):
    """What a module makes of x, and the gradients of a weighted sum of it."""
    x = x.requires_grad_()
    y = (forward or m)(x)
    weights = torch.randn(y.shape)
    (y * weights).sum().backward()
    return {
        "x": rounded(x), "y": rounded(y), "weights": rounded(weights), "dx": rounded(x.grad),
        "parameters": {k: rounded(p) for k, p in m.named_parameters()},
        "gradients": {k: rounded(p.grad) for k, p in m.named_parameters()},
    }


model("lstm", Recurrent(nn.LSTM, 7, 4, 2))
model("gru", Recurrent(nn.GRU, 7, 4, 2))
model("transformer", GPT(7, 8, 2, 12, 2, 6))

norm, attention = nn.LayerNorm(6), nn.MultiheadAttention(8, 2, bias=False, batch_first=True)
block = nn.TransformerEncoderLayer(8, 2, 12, 0, "gelu", batch_first=True, norm_first=True, bias=False)
for p in [*norm.parameters(), *block.norm1.parameters(), *block.norm2.parameters()]:
    nn.init.normal_(p, 1, 0.3)
causal = nn.Transformer.generate_square_subsequent_mask(5)
write(
    "modules.json",
    {
        "modules": {
            "layer-norm": module(norm, torch.randn(2, 3, 6)),
            "attention": module(attention, torch.randn(2, 5, 8), lambda x: attention(x, x, x, need_weights=False)[0]),
            "conv1d": module(nn.Conv1d(4, 6, 3, stride=2, padding=1, groups=2), torch.randn(2, 4, 9)),
            "block": module(block, torch.randn(2, 5, 8), lambda x: block(x, causal, is_causal=True)),
        }
    },
)
