"""Matrix products and attention in PyTorch."""
import torch
from torch.nn import functional as F

SIZES = ["2048x2048x2048", "16384x64x64", "768x512x128", "64x64x64", "1x512x512"]
ROWS = [f"product {kind} {sizes}" for kind in ("plain", "transposed", "activated") for sizes in SIZES]
ROWS += [f"attention {t}" for t in (256, 512, 1024, 2048, 4096)]


def body(parts):
    if parts[0] == "attention":
        return attention(int(parts[1]))
    m, k, n = (int(s) for s in parts[2].split("x"))
    a = torch.randn(m, k)
    if parts[1] == "plain":
        b = torch.randn(k, n)
        return lambda: a @ b
    b = torch.randn(n, k)
    if parts[1] == "transposed":
        return lambda: a @ b.T
    bias = torch.randn(n)
    return lambda: F.gelu(F.linear(a, b, bias))


def attention(length):
    """Causal, 4 heads of 32, 4,096 tokens altogether; from one array of queries, keys and values, as a layer has them."""
    batch, heads, d = 4096 // length, 4, 32
    qkv, g = torch.randn(batch, length, 3 * heads * d, requires_grad=True), torch.randn(batch, length, heads * d)

    def both():
        q, k, v = (x.view(batch, length, heads, d).transpose(1, 2) for x in qkv.split(heads * d, dim=2))
        o = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).reshape(batch, length, heads * d)
        o.backward(g)
        qkv.grad = None

    return both


def work(parts):
    """Multiplications and additions of the definition."""
    if parts[0] == "attention":
        length = int(parts[1])
        # Two products forward, four on the way back (and one of the first two again), over half of the square.
        return 7 * 2 * 4096 * (length + 1) / 2 * 128
    m, k, n = (int(s) for s in parts[2].split("x"))
    return 2 * m * k * n
