"""Writes the golden values that the tests compare with: PyTorch in float64.

    python Tests/Golden/make_golden.py

Every file is a dictionary of cases; a case holds settings and arrays ({"shape", "values"}). Inputs are part of the files, so
that nothing depends on a random generator being the same elsewhere.
"""

import json
import pathlib

import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)
tests = pathlib.Path(__file__).resolve().parent.parent
generator = torch.Generator().manual_seed(20240607)


def normal(*shape):
    # Four digits are enough for an input, and keep the files small.
    return (torch.randn(*shape, generator=generator) * 1e4).round() / 1e4


def array(t):
    t = t.detach()
    return {"shape": list(t.shape), "values": t.reshape(-1).tolist()}


def gradients(y, seed, *inputs):
    return torch.autograd.grad((y * seed).sum(), inputs)


def write(folder, name, cases):
    path = tests / folder / "Golden" / f"{name}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(cases, separators=(",", ":")) + "\n")


def attention():
    cases = {}
    for name, (batch, length, heads, width) in {"one_head": (1, 5, 1, 4), "two_heads": (2, 6, 2, 3)}.items():
        qkv = normal(batch, length, 3 * heads * width).requires_grad_()
        q, k, v = (p.reshape(batch, length, heads, width).transpose(1, 2) for p in qkv.chunk(3, dim=-1))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).reshape(batch, length, heads * width)
        seed = normal(*y.shape)
        (grad,) = gradients(y, seed, qkv)
        cases[name] = {"settings": {"heads": heads}, "qkv": array(qkv), "seed": array(seed), "output": array(y), "grad": array(grad)}
    write("AutogradTests", "attention", cases)


def norms():
    cases = {}
    for name, epsilon in {"layer_norm": 1e-5, "rms_norm": 1e-6}.items():
        x, gain, bias = normal(3, 4, 7).requires_grad_(), normal(7).requires_grad_(), normal(7).requires_grad_()
        if name == "layer_norm":
            y, inputs = F.layer_norm(x, (7,), gain, bias, epsilon), (x, gain, bias)
        else:
            y, inputs = F.rms_norm(x, (7,), gain, epsilon), (x, gain)
        seed = normal(*y.shape)
        grads = gradients(y, seed, *inputs)
        case = {"settings": {"epsilon": epsilon}, "seed": array(seed), "output": array(y)}
        for key, value, grad in zip(("x", "gain", "bias"), inputs, grads):
            case[key], case["grad_" + key] = array(value), array(grad)
        cases[name] = case
    write("AutogradTests", "norms", cases)


def cross_entropy():
    x = normal(9, 5).requires_grad_()
    targets = torch.tensor([0, 4, -1, 2, 2, -1, 3, 1, 0])
    y = F.cross_entropy(x, targets, ignore_index=-1)
    (grad,) = gradients(y, 1, x)
    write("AutogradTests", "cross_entropy", {"ignored": {
        "settings": {}, "x": array(x), "targets": array(targets), "output": array(y), "grad": array(grad)}})


def activations():
    x = torch.linspace(-9, 9, 73)
    cases = {}
    for name, function in {
        "gelu": F.gelu, "silu": F.silu, "softplus": F.softplus, "log_sigmoid": F.logsigmoid, "tanh": torch.tanh,
    }.items():
        z = x.clone().requires_grad_()
        # Above a threshold torch's softplus returns x itself.
        y = F.softplus(z, threshold=50) if name == "softplus" else function(z)
        (grad,) = gradients(y, 1, z)
        cases[name] = {"settings": {}, "x": array(x), "output": array(y), "grad": array(grad)}
    write("AutogradTests", "activations", cases)


def convolution():
    batch, length, channels, width = 2, 7, 5, 4
    x, weight, bias = normal(batch, length, channels), normal(width, channels), normal(channels)
    for t in (x, weight, bias):
        t.requires_grad_()
    padded = F.pad(x.transpose(1, 2), (width - 1, 0))
    y = F.silu(F.conv1d(padded, weight.T.unsqueeze(1), bias, groups=channels)).transpose(1, 2)
    seed = normal(*y.shape)
    case = {"settings": {}, "seed": array(seed), "output": array(y)}
    for key, value, grad in zip(("x", "weight", "bias"), (x, weight, bias), gradients(y, seed, x, weight, bias)):
        case[key], case["grad_" + key] = array(value), array(grad)
    write("AutogradTests", "convolution", {"depthwise_silu": case})


def optimizers():
    def run(settings, make):
        start = normal(7)
        parameter = torch.nn.Parameter(start.clone())
        optimizer = make([parameter])
        case = {"settings": settings, "parameter": array(start), "gradients": [], "results": []}
        for _ in range(5):
            g = normal(7)
            parameter.grad = g.clone()
            optimizer.step()
            case["gradients"].append(array(g))
            case["results"].append(array(parameter))
        return case

    adamw = {}
    for name, (lr, beta1, beta2, eps, decay) in {
        "usual": (1e-2, 0.9, 0.999, 1e-8, 0.1), "fast_betas": (3e-3, 0.8, 0.95, 1e-6, 0.0),
    }.items():
        settings = {"lr": lr, "beta1": beta1, "beta2": beta2, "eps": eps, "weight_decay": decay}
        adamw[name] = run(settings, lambda p: torch.optim.AdamW(p, lr=lr, betas=(beta1, beta2), eps=eps, weight_decay=decay))
    write("OptimTests", "adamw", adamw)

    sgd = {}
    for name, (momentum, nesterov, decay) in {
        "plain": (0.0, False, 0.0), "momentum": (0.9, False, 0.01), "nesterov": (0.9, True, 0.01),
    }.items():
        settings = {"lr": 0.05, "momentum": momentum, "nesterov": int(nesterov), "weight_decay": decay}
        sgd[name] = run(
            settings, lambda p: torch.optim.SGD(p, lr=0.05, momentum=momentum, nesterov=nesterov, weight_decay=decay))
    write("OptimTests", "sgd", sgd)


attention()
norms()
cross_entropy()
activations()
convolution()
optimizers()
