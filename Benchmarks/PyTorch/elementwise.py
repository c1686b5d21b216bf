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
