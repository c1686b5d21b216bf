"""Training steps, streaming and the cost of a small operation in PyTorch."""
import torch
from torch.nn import functional as F

import recurrent
import scans
from nstm import NSTM, GRULayer, NSTMLayer
from transformer import Transformer, training_step

ROWS = [
    "overhead",
    "train transformer 12x64", "train transformer 8x256", "train transformer 2x1024", "train transformer-10m 4x256",
    ("train nstm 12x64", "train transformer 12x64"), ("train nstm-equal 12x64", "train transformer 12x64"), "train nstm 12x64",
    ("train nstm 8x256", "train transformer 8x256"), ("train nstm 2x1024", "train transformer 2x1024"),
    ("train nstm 1x4096", "train transformer 1x4096"), "train nstm-gru 12x64",
    "train lstm 12x64", "train lstm 32x256", "train gru 12x64", "train gru 32x256", "train mamba 4x1024", "train s4d 4x1024",
    "stream transformer", ("stream nstm", "stream transformer"),
]
# Feed-forward widths: the Tiny Shakespeare configuration, and one with as many parameters as the Transformer.
HIDDEN = {"nstm": 160, "nstm-equal": 416, "nstm-gru": 160}


def body(parts):
    """A function that does the work once, and how often it does it."""
    if parts[0] == "overhead":
        return overhead(), 100
    if parts[0] == "stream":
        return stream(), 1
    batch, length = (int(s) for s in parts[2].split("x"))
    if parts[1] == "transformer":
        model = Transformer(context=length)
    elif parts[1] == "transformer-10m":
        model = Transformer(width=384, layers=6, heads=6, context=length)
    elif parts[1] in recurrent.MAKE:
        scans.prepare()
        model = recurrent.MAKE[parts[1]]()
    else:
        model = NSTM(hidden=HIDDEN[parts[1]], layer=GRULayer if parts[1] == "nstm-gru" else NSTMLayer)
    return training_step(model, batch, length), 1


def overhead():
    x, factor = torch.randn(4, 4, requires_grad=True), torch.randn(4, 4)

    def chain():
        v = x
        for _ in range(100):
            v = v * factor
        v.sum().backward()
        x.grad = None

    return chain


def stream():
    """One token at a time through the Transformer, with a key-value cache of the tokens so far (as our streaming does)."""
    model = Transformer(context=4096).eval()
    state = {}

    @torch.no_grad()
    def step():
        t = state.get("t", 0)
        if t > 2048:
            state.clear()
            t = 0
        x = model.embedding(torch.tensor([[t % 65]])) + model.positions.weight[t]
        for i, block in enumerate(model.blocks):
            q, k, v = block.qkv(block.norm1(x)).split(128, dim=2)
            if i in state:
                k, v = torch.cat([state[i][0], k], 1), torch.cat([state[i][1], v], 1)
            state[i] = (k, v)
            q, k, v = (z.view(1, -1, 4, 32).transpose(1, 2) for z in (q, k, v))
            x = x + block.out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(1, 1, 128))
            x = x + block.down(F.gelu(block.up(block.norm2(x))))
        model.norm(x) @ model.embedding.weight.T
        state["t"] = t + 1

    return step


def work(parts):
    """Multiplications and additions of the Transformers' products in a training step; None for the others."""
    if parts[0] != "train" or not parts[1].startswith("transformer"):
        return None
    batch, length = (int(s) for s in parts[2].split("x"))
    width, layers = (384, 6) if parts[1].endswith("10m") else (128, 4)
    parameters = layers * 12 * width * width + 65 * width
    return batch * length * (6 * parameters + 7 * 2 * layers * (length + 1) / 2 * width)
