"""Writes Tests/ModulesTests/Golden/transformer.json and Tests/OptimTests/Golden/optimizers.json with PyTorch, in float64.

    python Tests/Golden/make_transformer_golden.py

The Transformer is written with torch.nn.functional only, so that it shares nothing with the one it checks.
"""

import json
import pathlib

import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)
tests = pathlib.Path(__file__).resolve().parent.parent
g = torch.Generator().manual_seed(7)


def rounded(t):
    return {"shape": list(t.shape), "values": t.detach().flatten().tolist()}


def write(target, name, value):
    (tests / target / "Golden" / name).write_text(json.dumps(value, separators=(",", ":")) + "\n")


def transformer():
    vocabulary, width, heads, hidden, positions, batch, length = 7, 8, 2, 12, 6, 2, 5
    shapes = {
        "embedding.weight": [vocabulary, width],
        "positions.weight": [positions, width],
        "blocks.0.mixer.projection.weight": [3 * width, width],
        "blocks.0.mixer.output.weight": [width, width],
        "blocks.0.norm1.gain": [width],
        "blocks.0.norm2.gain": [width],
        "blocks.0.feedForward.up.weight": [hidden, width],
        "blocks.0.feedForward.down.weight": [width, hidden],
        "norm.gain": [width],
    }
    p = {k: (torch.randn(s, generator=g) * 0.5 + (1 if k.endswith("gain") else 0)).requires_grad_() for k, s in shapes.items()}
    tokens = torch.randint(vocabulary, (batch, length), generator=g)
    targets = torch.randint(vocabulary, (batch, length), generator=g)

    x = p["embedding.weight"][tokens] + p["positions.weight"][:length]
    h = F.layer_norm(x, [width], p["blocks.0.norm1.gain"])
    q, k, v = (h @ p["blocks.0.mixer.projection.weight"].T).split(width, dim=2)
    q, k, v = (t.view(batch, length, heads, width // heads).transpose(1, 2) for t in (q, k, v))
    o = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).reshape(batch, length, width)
    x = x + o @ p["blocks.0.mixer.output.weight"].T
    h = F.layer_norm(x, [width], p["blocks.0.norm2.gain"])
    x = x + F.gelu(h @ p["blocks.0.feedForward.up.weight"].T) @ p["blocks.0.feedForward.down.weight"].T
    logits = F.layer_norm(x, [width], p["norm.gain"]) @ p["embedding.weight"].T
    loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten())
    loss.backward()
    write(
        "ModulesTests",
        "transformer.json",
        {
            "torch": torch.__version__,
            "tokens": rounded(tokens),
            "targets": rounded(targets),
            "logits": rounded(logits),
            "loss": loss.item(),
            "parameters": {k: rounded(t) for k, t in p.items()},
            "gradients": {k: rounded(t.grad) for k, t in p.items()},
        },
    )


def optimizers():
    start = torch.randn([3, 2], generator=g)
    gradients = [torch.randn([3, 2], generator=g) for _ in range(6)]
    makers = {
        "adamw": lambda p: torch.optim.AdamW(p, lr=0.01, betas=(0.9, 0.99), eps=1e-8, weight_decay=0.1),
        "sgd": lambda p: torch.optim.SGD(p, lr=0.05, weight_decay=0.1),
        "momentum": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, weight_decay=0.1),
        "nesterov": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, nesterov=True, weight_decay=0.1),
    }
    results = {}
    for name, make in makers.items():
        p = start.clone().requires_grad_()
        optimizer = make([p])
        results[name] = []
        for gradient in gradients:
            p.grad = gradient.clone()
            optimizer.step()
            results[name].append(rounded(p))
    write(
        "OptimTests",
        "optimizers.json",
        {"torch": torch.__version__, "start": rounded(start), "gradients": [rounded(t) for t in gradients], "results": results},
    )


transformer()
optimizers()
