"""Writes Tests/AutogradTests/Golden/scans.json with PyTorch, in float64: each recurrence as a loop over tokens from its formula.

    python Tests/Golden/make_scan_golden.py

Every output is the outputs of all tokens and then the last state, flattened one after the other.
"""

import json
import pathlib

import torch

torch.set_default_dtype(torch.float64)
path = pathlib.Path(__file__).resolve().parent.parent / "AutogradTests" / "Golden" / "scans.json"
g = torch.Generator().manual_seed(11)
B, T, H, dk, dv, D, N = 1, 18, 2, 2, 3, 3, 2  # longer than a chunk of 16 tokens


def normal(*shape):
    return (torch.randn(*shape, generator=g) * 1e3).round() / 1e3


def unit(*shape):
    return (torch.rand(*shape, generator=g) * 1e3).round() / 1e3


def array(t):
    return {"shape": list(t.shape), "values": [float(f"{x:.13g}") for x in t.detach().flatten().tolist()]}


def case(function, **inputs):
    for t in inputs.values():
        t.requires_grad_()
    y = torch.cat([t.flatten() for t in function(**inputs)])
    seed = normal(*y.shape)
    result = {"settings": {}, "seed": array(seed), "output": array(y)}
    for (key, value), grad in zip(inputs.items(), torch.autograd.grad((y * seed).sum(), inputs.values())):
        result[key], result["grad_" + key] = array(value), array(grad)
    return result


def matrix(query, key, value, state, decay=None, beta=None, bonus=None):
    q, k, v = (x.view(B, T, H, -1) for x in (query, key, value))
    S, out = state, []
    for t in range(T):
        if bonus is not None:
            seen = S + torch.einsum("bhk,bhv->bhkv", bonus.view(H, dk) * k[:, t], v[:, t])
            out.append(torch.einsum("bhk,bhkv->bhv", q[:, t], seen))
        if decay is not None:
            S = decay[:, t].view(B, H, -1, 1) * S
        w = v[:, t]
        if beta is not None:
            w = beta[:, t].unsqueeze(-1) * (w - torch.einsum("bhk,bhkv->bhv", k[:, t], S))
        S = S + torch.einsum("bhk,bhv->bhkv", k[:, t], w)
        if bonus is None:
            out.append(torch.einsum("bhk,bhkv->bhv", q[:, t], S))
    return torch.stack(out, 1), S


def diagonal(input, decay, state):
    h, out = state, []
    for t in range(T):
        h = decay[:, t] * h + input[:, t]
        out.append(h)
    return torch.stack(out, 1), h


def complex_diagonal(input, input_im, decay, decay_im, state, state_im):
    a, h, out = torch.complex(decay, decay_im), torch.complex(state, state_im), []
    for t in range(T):
        h = a[:, t] * h + torch.complex(input, input_im)[:, t]
        out.append(h)
    y = torch.stack(out, 1)
    return y.real, y.imag, h.real, h.imag


def selective(x, delta, a, b, c, skip, state):
    h, out = state, []
    for t in range(T):
        h = (delta[:, t].unsqueeze(-1) * a).exp() * h + (delta[:, t] * x[:, t]).unsqueeze(-1) * b[:, t].unsqueeze(1)
        out.append((h * c[:, t].unsqueeze(1)).sum(-1) + skip * x[:, t])
    return torch.stack(out, 1), h


def wkv(key, value, decay, bonus):
    out = []
    for t in range(T):
        # From the definition, without any trick.
        age = torch.arange(t - 1, -1, -1).view(1, -1, 1)
        e = torch.cat([(age * decay + key[:, :t]).exp(), (bonus + key[:, t]).exp().unsqueeze(1)], 1)
        out.append((e * value[:, : t + 1]).sum(1) / e.sum(1))
    return (torch.stack(out, 1),)


def state():
    return normal(B, H, dk, dv)


def qkv():
    return dict(query=normal(B, T, H * dk), key=normal(B, T, H * dk) / 2, value=normal(B, T, H * dv), state=state())


path.write_text(json.dumps({
    "linear_attention": case(matrix, **qkv()),
    "retention": case(matrix, **qkv(), decay=unit(B, T, H)),
    "gated_linear_attention": case(matrix, **qkv(), decay=unit(B, T, H * dk)),
    "delta": case(matrix, **qkv(), beta=unit(B, T, H)),
    "gated_delta": case(matrix, **qkv(), decay=unit(B, T, H), beta=unit(B, T, H)),
    "channel_gated_delta": case(matrix, **qkv(), decay=unit(B, T, H * dk), beta=unit(B, T, H)),
    "rwkv6": case(matrix, **qkv(), decay=unit(B, T, H * dk), bonus=normal(H * dk)),
    "diagonal": case(diagonal, input=normal(B, T, D), decay=unit(B, T, D), state=normal(B, D)),
    "complex_diagonal": case(
        complex_diagonal, input=normal(B, T, D), input_im=normal(B, T, D), decay=unit(B, T, D) - 0.5,
        decay_im=unit(B, T, D) - 0.5, state=normal(B, D), state_im=normal(B, D)),
    "selective": case(
        selective, x=normal(B, T, D), delta=unit(B, T, D), a=-1 - unit(D, N), b=normal(B, T, N), c=normal(B, T, N),
        skip=normal(D), state=normal(B, D, N)),
    "wkv": case(wkv, key=normal(B, T, D), value=normal(B, T, D), decay=-unit(D), bonus=normal(D)),
}, separators=(",", ":")) + "\n")
