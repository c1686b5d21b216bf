"""Writes the golden values of convolutions and pooling: PyTorch in float64.

    python Tests/Golden/make_convolution_golden.py

The form of the file is that of `make_golden.py`. Pairs of settings are [rows, columns]; sequences have one row."""

import json
import pathlib

import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)
folder = pathlib.Path(__file__).resolve().parent.parent / "AutogradTests" / "Golden"
generator = torch.Generator().manual_seed(20240608)


def normal(*shape):
    return (torch.randn(*shape, generator=generator) * 1e4).round() / 1e4


def array(t):
    return {"shape": list(t.shape), "values": t.detach().reshape(-1).tolist()}


def case(settings, y, **inputs):
    seed = normal(*y.shape)
    result = {"settings": settings, "seed": array(seed), "output": array(y)}
    for (name, value), grad in zip(inputs.items(), torch.autograd.grad((y * seed).sum(), list(inputs.values()))):
        result[name], result["grad_" + name] = array(value), array(grad)
    return result


def pairs(**settings):
    return {f"{name}_{axis}": pair[i] for name, pair in settings.items() for i, axis in enumerate(("rows", "columns"))}


convolutions = {}
for name, (shape, outputs, kernel, stride, padding, dilation, groups) in {
    "same": ((2, 3, 5, 6), 4, (3, 3), (1, 1), (1, 1), (1, 1), 1),
    "odd": ((2, 4, 9, 8), 6, (2, 3), (3, 2), (2, 1), (1, 2), 2),
    "dilated": ((1, 2, 11, 9), 3, (4, 2), (1, 2), (3, 0), (3, 4), 1),
    "depthwise": ((2, 5, 6, 7), 5, (3, 2), (2, 1), (1, 2), (1, 1), 5),
    "multiplied": ((1, 3, 4, 5), 9, (2, 2), (1, 1), (0, 1), (2, 1), 3),
    "sequence": ((2, 6, 13), 4, (5,), (2,), (3,), (2,), 2),
    "sequence_depthwise": ((3, 4, 10), 4, (3,), (1,), (2,), (1,), 4),
}.items():
    x = normal(*shape).requires_grad_()
    weight, bias = normal(outputs, shape[1] // groups, *kernel).requires_grad_(), normal(outputs).requires_grad_()
    function = F.conv2d if len(kernel) == 2 else F.conv1d
    y = function(x, weight, bias, stride, padding, dilation, groups)
    wide = pairs(stride=(1,) * (2 - len(kernel)) + stride, padding=(0,) * (2 - len(kernel)) + padding,
                 dilation=(1,) * (2 - len(kernel)) + dilation)
    convolutions[name] = case({"groups": groups, **wide}, y, x=x, weight=weight, bias=bias)

pooling = {}
for name, (shape, kernel, stride, padding) in {
    "plain": ((2, 3, 6, 8), (2, 2), (2, 2), (0, 0)),
    "odd": ((2, 2, 9, 7), (3, 4), (2, 3), (1, 2)),
    "overlapping": ((1, 3, 7, 7), (5, 3), (1, 2), (2, 1)),
}.items():
    for kind in ("max", "average", "average_own"):
        x = normal(*shape).requires_grad_()
        if kind == "max":
            y, indices = F.max_pool2d(x, kernel, stride, padding, return_indices=True)
        else:
            y = F.avg_pool2d(x, kernel, stride, padding, count_include_pad=kind == "average")
        result = case(pairs(kernel=kernel, stride=stride, padding=padding), y, x=x)
        if kind == "max":
            result["indices"] = array(indices)
        pooling[f"{kind}_{name}"] = result
x = normal(2, 3, 7, 5).requires_grad_()
pooling["adaptive"] = case(pairs(outputs=(3, 4)), F.adaptive_avg_pool2d(x, (3, 4)), x=x)

for name, cases in (("convolutions", convolutions), ("pooling", pooling)):
    (folder / f"{name}.json").write_text(json.dumps(cases, separators=(",", ":")) + "\n")
