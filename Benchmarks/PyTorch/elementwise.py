"""Element functions, rows and the optimizer in PyTorch, forward and backward."""
import torch
from torch.nn import functional as F

FUNCTIONS = {
    "exp": torch.exp,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "silu": F.silu,
    "gelu": F.gelu,
    "softmax": lambda x: x.softmax(-1),
}


def elementwise(name, rows, columns):
    """A function that runs the work once."""
    x = torch.randn(rows, columns, requires_grad=True)
    if name == "adamw":
        optimizer = torch.optim.AdamW([x], lr=1e-3, betas=(0.9, 0.99), weight_decay=0.1, fused=True)
        x.grad = torch.randn(rows, columns)
        return optimizer.step
    if name == "crossentropy":
        targets = torch.randint(columns, (rows,))

        def loss():
            F.cross_entropy(x, targets).backward()
            x.grad = None

        return loss
    parameters = []
    if name in FUNCTIONS:
        function = FUNCTIONS[name]
    elif name == "layernorm":
        function = torch.nn.LayerNorm(columns)
        parameters = list(function.parameters())
    else:
        function = torch.nn.RMSNorm(columns)
        parameters = list(function.parameters())
    ones = torch.ones(rows, columns)

    def both():
        function(x).backward(ones)
        x.grad = None
        for p in parameters:
            p.grad = None

    return both


ROWS = [f"elementwise {name} 768x512" for name in ("exp", "tanh", "sigmoid", "silu", "gelu")]
ROWS += [
    "elementwise softmax 4096x256", "elementwise layernorm 2048x512", "elementwise rmsnorm 2048x512",
    "elementwise crossentropy 4096x256", "elementwise adamw 2048x512",
]


def body(parts):
    return elementwise(parts[1], *(int(s) for s in parts[2].split("x")))


# Arrays that the definition reads and writes, forward and backward.
ARRAYS = {"exp": 5, "tanh": 5, "sigmoid": 5, "silu": 5, "gelu": 5, "softmax": 5, "layernorm": 5, "rmsnorm": 5, "crossentropy": 3, "adamw": 7}


def traffic(parts):
    """Bytes that have to move when nothing stays in a register between forward and backward."""
    rows, columns = (int(s) for s in parts[2].split("x"))
    return 4 * ARRAYS[parts[1]] * rows * columns
