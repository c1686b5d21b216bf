"""Writes golden values of reductions, contractions, channel norms and losses: PyTorch in float64.

    python Tests/Golden/make_numeric_golden.py

Every file is a dictionary of cases; a case holds settings, inputs, the output, the seed of the way back and the gradients.
"""

import json
import pathlib

import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)
folder = pathlib.Path(__file__).resolve().parent.parent / "AutogradTests" / "Golden"
generator = torch.Generator().manual_seed(20250311)


def normal(*shape):
    # Four digits are enough for an input, and keep the files small.
    return (torch.randn(shape, generator=generator) * 1e4).round() / 1e4


def array(t):
    t = t.detach()
    return {"shape": list(t.shape), "values": t.reshape(-1).tolist()}


def case(inputs, function, settings=None, constants=None):
    """A case: named inputs, whose gradients are taken, and named constants, given to the function in this order."""
    variables = {k: v.clone().requires_grad_() for k, v in inputs.items()}
    y = function(*variables.values(), *(constants or {}).values())
    seed = normal(*y.shape)
    grads = torch.autograd.grad((y * seed).sum(), list(variables.values()))
    out = {"settings": settings or {}, "seed": array(seed), "output": array(y)}
    for (key, value), grad in zip(variables.items(), grads):
        out[key], out["grad_" + key] = array(value), array(grad)
    for key, value in (constants or {}).items():
        out[key] = array(value)
    return out


def write(name, cases):
    (folder / f"{name}.json").write_text(json.dumps(cases, separators=(",", ":")) + "\n")


def reductions():
    x = normal(3, 4, 5)
    ties = normal(3, 4, 5).clamp(-0.5, 0.5)
    zeros = normal(3, 4, 5)
    zeros[0, 0, 0] = zeros[1, :2, 0] = 0
    empty = normal(3, 4, 5)
    empty[1, 2] = -torch.inf
    axes = (0, 2)
    write("reductions", {
        "variance": case({"x": x}, lambda x: x.var(axes)),
        "variance_population": case({"x": x}, lambda x: x.var(axes, correction=0)),
        "deviation": case({"x": x}, lambda x: x.std(axes)),
        "maximum": case({"x": ties}, lambda x: x.amax(axes)),
        "minimum": case({"x": ties}, lambda x: x.amin(axes)),
        "product": case({"x": zeros}, lambda x: x.prod(1)),
        "norm_1": case({"x": x}, lambda x: torch.linalg.vector_norm(x, 1, axes)),
        "norm_2": case({"x": x}, lambda x: torch.linalg.vector_norm(x, 2, axes)),
        "norm_3.5": case({"x": x}, lambda x: torch.linalg.vector_norm(x, 3.5, axes)),
        "norm_infinite": case({"x": ties}, lambda x: torch.linalg.vector_norm(x, torch.inf, axes)),
        "norm_2_of_zeros": case({"x": torch.zeros(3, 4, 5)}, lambda x: torch.linalg.vector_norm(x, 2, axes)),
        "log_sum_exp": case({"x": x * 30}, lambda x: x.logsumexp(axes)),
    })


def contractions():
    specifications = {
        "bqd,bkd->bqk": [(2, 3, 4), (2, 5, 4)],
        "bthd,bshd->bhts": [(2, 3, 2, 4), (2, 5, 2, 4)],
        "ij,kj,kl->li": [(2, 3), (4, 3), (4, 2)],
        "abcd,dbef->caef": [(2, 3, 2, 4), (4, 3, 2, 2)],
        "iij->ji": [(3, 3, 2)],
        "bii,i->b": [(2, 3, 3), (3,)],
        "ij,jk": [(2, 3), (3, 4)],
        "ba": [(2, 3)],
        "...ij,...jk->...ik": [(2, 1, 2, 3), (3, 3, 2)],
        "ijk,kji->": [(2, 3, 4), (4, 3, 2)],
    }
    write("einsum", {
        s: case({f"x{i}": normal(*shape) for i, shape in enumerate(shapes)}, lambda *x, s=s: torch.einsum(s, *x))
        for s, shapes in specifications.items()
    })


def channel_norms():
    cases = {}
    for name, shape in {"image": (3, 4, 2, 5), "sequence": (2, 6, 7), "rows": (5, 4)}.items():
        c = shape[1]
        inputs = {"x": normal(*shape) * 2 + 1, "gain": normal(c), "bias": normal(c)}
        mean, variance = normal(c), normal(c).abs() + 0.5
        running_mean, running_variance = mean.clone(), variance.clone()
        cases[f"train_{name}"] = case(inputs, lambda x, g, b: F.batch_norm(x, None, None, g, b, True, 0.1, 1e-5))
        F.batch_norm(inputs["x"], running_mean, running_variance, inputs["gain"], inputs["bias"], True, 0.1, 1e-5)
        cases[f"train_{name}"] |= {
            "mean": array(mean), "variance": array(variance),
            "running_mean": array(running_mean), "running_variance": array(running_variance)}
        cases[f"evaluate_{name}"] = case(
            inputs, lambda x, g, b, m, v: F.batch_norm(x, m, v, g, b, False, 0.1, 1e-5),
            constants={"mean": mean, "variance": variance})
        cases[f"group_{name}"] = case(inputs, lambda x, g, b: F.group_norm(x, 2, g, b, 1e-5), {"groups": 2})
    write("channel_norms", cases)


def losses():
    targets = torch.tensor([0, 4, 2, 2, 2, 1, 3, 1, 0])
    weights = normal(5).abs() + 0.1
    logits = {"x0": normal(9, 5) * 2}
    near = torch.tensor([0.0, 1.0, 1.0, 0.0, 0.25, 0.5, 1.0, 0.0])
    confident = torch.tensor([-20.0, 18.0, 30.0, -35.0, 0.3, -0.7, -4.0, 5.0])
    labels = {"targets": targets}
    write("losses", {
        "smoothed": case(logits, lambda x, t: F.cross_entropy(x, t, label_smoothing=0.1), {"smoothing": 0.1}, labels),
        "ignoring": case(logits, lambda x, t: F.cross_entropy(x, t, ignore_index=2), {"ignoring": 2}, labels),
        "classes": case(
            logits, lambda x, t, w: F.cross_entropy(x, t, w), {}, labels | {"weights": weights}),
        "everything": case(
            logits, lambda x, t, w: F.cross_entropy(x, t, w, ignore_index=2, label_smoothing=0.2),
            {"smoothing": 0.2, "ignoring": 2}, labels | {"weights": weights}),
        "binary": case({"x0": confident}, lambda x, t: F.binary_cross_entropy_with_logits(x, t), {}, {"targets": near}),
        "kl": case(
            {"x0": normal(4, 5).log_softmax(-1), "x1": normal(4, 5).log_softmax(-1)},
            lambda q, p: F.kl_div(q, p, reduction="batchmean", log_target=True)),
        "l1": case({"x0": normal(4, 5)}, lambda x, t: F.l1_loss(x, t), {}, {"targets": normal(4, 5)}),
        "huber": case(
            {"x0": normal(4, 5)}, lambda x, t: F.huber_loss(x, t, delta=0.6), {"delta": 0.6}, {"targets": normal(4, 5)}),
    })


def functions():
    x = torch.linspace(-9, 9, 73)
    positive = torch.linspace(0.1, 9, 57)
    write("functions", {
        name: case({"x": domain}, function) for name, (domain, function) in {
            "gelu_tanh": (x, lambda x: F.gelu(x, approximate="tanh")), "mish": (x, F.mish), "elu": (x, F.elu), "selu": (x, F.selu),
            "leaky_relu": (x, F.leaky_relu), "hardswish": (x, F.hardswish), "hardsigmoid": (x, lambda x: F.relu6(x + 3) / 6),
            "softsign": (x, F.softsign), "erf": (x, torch.erf), "round": (x, torch.round), "sign": (x, torch.sign),
            "floor": (x, torch.floor), "pow": (positive, lambda x: x.pow(-1.3)), "log1p": (positive, torch.log1p),
        }.items()
    })


reductions()
contractions()
channel_norms()
losses()
functions()
