"""The recurrences of the scan kernels in PyTorch, forward and backward, each in the fastest eager form we could write:
chunk-parallel products for slots and matrix states, several forms of the diagonal scan of which the fastest counts. Every form is compared
with a loop over tokens by `python Benchmarks/PyTorch/scans.py`, which also prints the time of each."""
import math

import torch
from torch.nn import functional as F

B, T, H, d, N, D, M = 4, 1024, 4, 32, 32, 256, 16  # M: states a channel of the selective scan, at width 128


def heads(x):
    return x.view(B, T, H, -1).transpose(1, 2)


def merge(x):
    return x.transpose(1, 2).reshape(B, T, -1)


# Gated slots with a softmax read ------------------------------------------------------------------------------------------


def slots(qkv, write, k0, v0, chunk=64):
    """Two masked products a chunk, joined by a softmax; the states go from chunk to chunk."""
    q, k, v = (heads(x) for x in qkv.split(H * d, dim=2))
    K, V = (x.view(B, N, H, d).transpose(1, 2) for x in (k0, v0))
    decay = torch.log1p(-write.clamp(max=1 - 1e-6)).view(B, T // chunk, chunk, N).cumsum(2)
    w = write.view(B, T // chunk, chunk, N)
    causal = torch.ones(chunk, chunk).tril()[:, :, None]
    # [B, chunks, C, C, N]: the share of token j in state m at token i; heads have it in common.
    share = (decay.unsqueeze(3) - decay.unsqueeze(2)).clamp(max=0).exp() * w.unsqueeze(2) * causal
    carried = decay.exp()
    outputs = []
    for c in range(T // chunk):
        r = slice(c * chunk, (c + 1) * chunk)
        qc, kc, vc, s, g = q[:, :, r], k[:, :, r], v[:, :, r], share[:, c], carried[:, c].unsqueeze(1)
        z = g * (qc @ K.transpose(2, 3)) + torch.einsum("bhij,bijm->bhim", qc @ kc.transpose(2, 3), s)
        p = torch.softmax(z / math.sqrt(d), dim=-1)
        outputs.append((p * g) @ V + torch.einsum("bhim,bijm->bhij", p, s) @ vc)
        last, keep = s[:, -1].transpose(1, 2).unsqueeze(1), g[:, :, -1].unsqueeze(-1)
        K, V = keep * K + last @ kc, keep * V + last @ vc
    return merge(torch.cat(outputs, 2))


def slots_parallel(qkv, write, k0, v0, chunk=16):
    """The same without a loop: the states before all chunks at once, from the decays between chunks."""
    n = T // chunk
    q, k, v = (heads(x).reshape(B, H, n, chunk, d) for x in qkv.split(H * d, dim=2))
    w = write.view(B, n, chunk, N)
    G = torch.log1p(-write.clamp(max=1 - 1e-6)).view(B, n, chunk, N).cumsum(2)
    causal = MASK[chunk][:, :, None]
    share = (G.unsqueeze(3) - G.unsqueeze(2)).masked_fill(causal, -math.inf).exp() * w.unsqueeze(2)  # [B, n, C, C, N]
    end = G[:, :, -1]  # [B, n, N]
    total = F.pad(end.cumsum(1), (0, 0, 1, 0))[:, :-1]
    between = (total.unsqueeze(2) - total.unsqueeze(1) - end.unsqueeze(1)).masked_fill(STRICT[n][:, :, None], -math.inf).exp()
    last = share[:, :, -1].transpose(2, 3).unsqueeze(1)  # [B, 1, n, N, C]

    def before(first, x):
        first = first.view(B, N, H, d).permute(0, 2, 1, 3).unsqueeze(2)
        return torch.einsum("bcem,bhemd->bhcmd", between, last @ x) + total.exp().unsqueeze(1).unsqueeze(-1) * first

    K, V = before(k0, k), before(v0, v)
    g = G.exp().unsqueeze(1)
    z = g * (q @ K.transpose(-1, -2)) + torch.einsum("bhnij,bnijm->bhnim", q @ k.transpose(-1, -2), share)
    p = torch.softmax(z / math.sqrt(d), dim=-1)
    o = (p * g) @ V + torch.einsum("bhnim,bnijm->bhnij", p, share) @ v
    return merge(o.reshape(B, H, T, d))


def slots_loop(qkv, write, k0, v0):
    q, k, v = (x.view(B, T, H, d).unbind(1) for x in qkv.split(H * d, dim=2))
    K, V = (x.view(B, N, H, d).transpose(1, 2) for x in (k0, v0))
    u, out = write.view(B, T, 1, N, 1).unbind(1), []
    for t in range(T):
        K, V = torch.lerp(K, k[t].unsqueeze(2), u[t]), torch.lerp(V, v[t].unsqueeze(2), u[t])
        p = torch.softmax((K @ q[t].unsqueeze(-1)).squeeze(-1) / math.sqrt(d), dim=-1)
        out.append((p.unsqueeze(2) @ V).squeeze(2))
    return torch.stack(out, 1).view(B, T, H * d)


# Matrix state with a scalar decay ------------------------------------------------------------------------------------------


def linear_parallel(q, k, v, a, chunk=64):
    """Masked products inside chunks; all chunk states at once from one product with the decays between chunks."""
    n = T // chunk
    q, k, v = (heads(x).reshape(B, H, n, chunk, d) for x in (q, k, v))
    G = a.transpose(1, 2).reshape(B, H, n, chunk).log().cumsum(-1)
    L = (G.unsqueeze(-1) - G.unsqueeze(-2)).masked_fill(MASK[chunk], -math.inf).exp()
    inner = ((q @ k.transpose(-1, -2)) * L) @ v
    end = G[..., -1:]
    add = (k * (end - G).exp().unsqueeze(-1)).transpose(-1, -2) @ v  # [B, H, n, d, d]
    total = F.pad(end.squeeze(-1).cumsum(-1), (1, 0))[..., :-1]
    between = (total.unsqueeze(-1) - total.unsqueeze(-2) - end.transpose(-1, -2)).masked_fill(STRICT[n], -math.inf).exp()
    S = (between @ add.reshape(B, H, n, d * d)).reshape(B, H, n, d, d)
    o = inner + (q * G.exp().unsqueeze(-1)) @ S
    return merge(o.reshape(B, H, T, d))


def linear_loop(q, k, v, a):
    q, k, v = (x.view(B, T, H, d).unbind(1) for x in (q, k, v))
    a, S, out = a.unbind(1), torch.zeros(B, H, d, d), []
    for t in range(T):
        S = a[t][..., None, None] * S + k[t].unsqueeze(-1) * v[t].unsqueeze(-2)
        out.append((q[t].unsqueeze(-2) @ S).squeeze(-2))
    return torch.stack(out, 1).view(B, T, H * d)


# The delta rule, with the same decay -----------------------------------------------------------------------------------------


def delta_chunks(q, k, v, a, beta, chunk=64):
    """WY form: the corrections of a chunk by one triangular solve, then products; chunk states one after the other."""
    n = T // chunk
    q, k, v = (heads(x).reshape(B, H, n, chunk, d) for x in (q, k, v))
    beta = beta.transpose(1, 2).reshape(B, H, n, chunk, 1)
    G = a.transpose(1, 2).reshape(B, H, n, chunk).log().cumsum(-1)
    L = (G.unsqueeze(-1) - G.unsqueeze(-2)).masked_fill(MASK[chunk], -math.inf).exp()
    carried = G.exp().unsqueeze(-1)
    lower = (beta * (k @ k.transpose(-1, -2)) * L).tril(-1)
    UW = torch.linalg.solve_triangular(lower, torch.cat([beta * v, beta * carried * k], -1), upper=False, unitriangular=True)
    U, W = UW.split(d, -1)
    A = (q @ k.transpose(-1, -2)) * L
    decayed, qg = (k * (G[..., -1:] - G).exp().unsqueeze(-1)).transpose(-1, -2), q * carried
    keep = carried[..., -1:, :]
    S, out = torch.zeros(B, H, d, d), []
    for c in range(n):
        e = U[:, :, c] - W[:, :, c] @ S
        out.append(qg[:, :, c] @ S + A[:, :, c] @ e)
        S = keep[:, :, c] * S + decayed[:, :, c] @ e
    return merge(torch.stack(out, 2).reshape(B, H, T, d))


def delta_loop(q, k, v, a, beta):
    q, k, v = (x.view(B, T, H, d).unbind(1) for x in (q, k, v))
    a, beta, S, out = a.unbind(1), beta.unbind(1), torch.zeros(B, H, d, d), []
    for t in range(T):
        S = a[t][..., None, None] * S
        e = beta[t].unsqueeze(-1) * (v[t] - (k[t].unsqueeze(-2) @ S).squeeze(-2))
        S = S + k[t].unsqueeze(-1) * e.unsqueeze(-2)
        out.append((q[t].unsqueeze(-2) @ S).squeeze(-2))
    return torch.stack(out, 1).view(B, T, H * d)


# Diagonal scan ----------------------------------------------------------------------------------------------------------------


def diagonal_loop(a, b):
    a, b, h, out = a.unbind(1), b.unbind(1), torch.zeros_like(b[:, 0]), []
    for t in range(T):
        h = torch.addcmul(b[t], a[t], h)
        out.append(h)
    return torch.stack(out, 1)


def diagonal_steps(a, b):
    """Hillis and Steele: log T steps over everything."""
    s = 1
    while s < T:
        b = torch.cat([b[:, :s], torch.addcmul(b[:, s:], a[:, s:], b[:, :-s])], 1)
        if 2 * s < T:
            a = torch.cat([a[:, :s], a[:, s:] * a[:, :-s]], 1)
        s *= 2
    return b


def diagonal_tree(a, b):
    """Blelloch: scan of pairs, recursively; linear work."""
    n = a.shape[1]
    if n == 1:
        return b
    a0, a1, b0, b1 = a[:, 0::2], a[:, 1::2], b[:, 0::2], b[:, 1::2]
    odd = diagonal_tree(a0 * a1, torch.addcmul(b1, a1, b0))
    even = torch.cat([b0[:, :1], torch.addcmul(b0[:, 1:], a0[:, 1:], odd[:, :-1])], 1)
    return torch.stack([even, odd], 2).flatten(1, 2)


def scan_(a, b, block):
    """h ← a h + b in place of b, without a graph: all blocks step by step together, then the carries, then their share."""
    shape = b.shape
    a, b = (x.view(shape[0], T // block, block, *shape[2:]) for x in (a, b))
    p = a.clone()
    for i in range(1, block):
        b[:, :, i].addcmul_(a[:, :, i], b[:, :, i - 1])
        p[:, :, i].mul_(p[:, :, i - 1])
    for j in range(1, T // block):
        b[:, j].addcmul_(p[:, j], b[:, j - 1, -1].unsqueeze(1))
    return b.view(shape)


class Blocks(torch.autograd.Function):
    """The scan in blocks with the derivative written by hand: the way back is the same scan from the end."""

    block = 32

    @staticmethod
    def forward(context, a, b):
        h = scan_(a, b.clone(), Blocks.block)
        context.save_for_backward(a, h)
        return h

    @staticmethod
    def backward(context, g):
        a, h = context.saved_tensors
        shifted = torch.cat([a[:, 1:], torch.zeros_like(a[:, :1])], 1)
        db = scan_(shifted.flip(1), g.flip(1), Blocks.block).flip(1)
        da = torch.cat([torch.zeros_like(h[:, :1]), db[:, 1:] * h[:, :-1]], 1)
        return da, db


def diagonal_blocks(a, b):
    return Blocks.apply(a, b)


# Selective scan (Mamba) -------------------------------------------------------------------------------------------------------


def selective(scan):
    def run(x, delta, A, Bt, C, skip):
        a = (delta.unsqueeze(-1) * A).exp()
        b = (delta * x).unsqueeze(-1) * Bt.unsqueeze(2)
        return (scan(a.flatten(2), b.flatten(2)).view_as(a) @ C.unsqueeze(-1)).squeeze(-1) + skip * x

    return run


def selective_loop(x, delta, A, Bt, C, skip):
    h, out = torch.zeros(B, x.shape[2], M), []
    x_, delta_, B_, C_ = x.unbind(1), delta.unbind(1), Bt.unbind(1), C.unbind(1)
    for t in range(T):
        h = (delta_[t].unsqueeze(-1) * A).exp() * h + (delta_[t] * x_[t]).unsqueeze(-1) * B_[t].unsqueeze(1)
        out.append((h @ C_[t].unsqueeze(-1)).squeeze(-1))
    return torch.stack(out, 1) + skip * x


# ------------------------------------------------------------------------------------------------------------------------------


def prepare():
    global MASK, STRICT
    MASK = {c: ~torch.ones(c, c, dtype=torch.bool).tril() for c in (8, 16, 32, 64, 128)}
    STRICT = {n: ~torch.ones(n, n, dtype=torch.bool).tril(-1) for n in (8, 16, 32, 64, 128)}


def inputs(row):
    """Leaves of a row, in the ranges in which the Swift side draws them."""
    g = torch.Generator().manual_seed(1)
    normal = lambda *s: torch.randn(*s, generator=g)  # noqa: E731
    gate = lambda low, *s: low + (1 - low) * torch.rand(*s, generator=g)  # noqa: E731
    width = H * d
    if row == "slots":
        x = [normal(B, T, 3 * width), gate(0, B, T, N), normal(B, N, width), normal(B, N, width)]
    elif row in ("linear", "delta"):
        q, k, v = (normal(B, T, width) for _ in range(3))
        k = F.normalize(k.view(B, T, H, d), dim=-1).view(B, T, width)
        x = [q, k, v, gate(0.8, B, T, H)] + ([gate(0, B, T, H)] if row == "delta" else [])
    elif row == "diagonal":
        x = [gate(0.5, B, T, D), normal(B, T, D)]
    else:
        x = [normal(B, T, 128), 0.1 * gate(0.01, B, T, 128), -torch.arange(1, M + 1).float().repeat(128, 1),
             normal(B, T, M), normal(B, T, M), normal(128)]
    return [t.requires_grad_() for t in x]


# The first of each list is the loop over tokens, which the others must equal.
FORMS = {
    "slots": {"loop": slots_loop, **{f"chunks of {c}": lambda *x, c=c: slots(*x, chunk=c) for c in (16, 32)},
              **{f"parallel chunks of {c}": lambda *x, c=c: slots_parallel(*x, chunk=c) for c in (8, 16, 32)}},
    "linear": {"loop": linear_loop, **{f"chunks of {c}": lambda *x, c=c: linear_parallel(*x, chunk=c) for c in (16, 32, 64, 128)}},
    "delta": {"loop": delta_loop, **{f"chunks of {c}": lambda *x, c=c: delta_chunks(*x, chunk=c) for c in (16, 32, 64, 128)}},
    "diagonal": {"loop": diagonal_loop, "log T steps": diagonal_steps, "tree": diagonal_tree, "blocks": diagonal_blocks},
    "selective": {"loop": selective_loop, "tree": selective(diagonal_tree), "blocks": selective(diagonal_blocks)},
}
# What was fastest where it was tried; `compare.py` measures this form.
FASTEST = {"slots": "parallel chunks of 16", "linear": "chunks of 32", "delta": "chunks of 32", "diagonal": "blocks", "selective": "blocks"}


def step(row, form=None):
    """One repetition: forward and backward from a given gradient of the output."""
    prepare()
    x, f = inputs(row), FORMS[row][form or FASTEST[row]]
    with torch.no_grad():
        seed = torch.ones_like(f(*x))

    def body():
        return torch.autograd.grad(f(*x), x, seed)

    return body


ROWS = [f"scan {row}" for row in FASTEST]


def body(parts):
    return step(parts[1])


def work(parts):
    """Floating-point operations of our kernels, forward and backward (chunks of 16 tokens; exponentials not counted)."""
    C, tokens, state = 16, B * T * H, d * d
    linear = 12 * state + 20 * C * d
    operations = {"slots": 32 * N * d, "linear": linear, "delta": linear + 8 * state + 13 * C * d}
    return tokens * operations[parts[1]] if parts[1] in operations else None


def traffic(parts):
    """Bytes that have to be read and written: a, b, h; then a, h and three gradients."""
    return 8 * 4 * B * T * D if parts[1] == "diagonal" else None


if __name__ == "__main__":
    import sys
    import time

    for row in sys.argv[1:] or FORMS:
        prepare()
        x, reference = inputs(row), None
        for form, f in FORMS[row].items():
            y = f(*x)
            found = [y, *torch.autograd.grad(y, x, torch.ones_like(y))]
            reference = reference or found
            error = max(float(((p - q).norm() / q.norm()).detach()) for p, q in zip(found, reference))
            body, times = step(row, form), []
            slow = form == "loop"
            for _ in range(3 if slow else 9):
                start = time.perf_counter()
                body()
                times.append(time.perf_counter() - start)
            print(f"{row}, {form}: {sorted(times)[len(times) // 2] * 1e3:.2f} ms, differs from the first by {error:.1e}", flush=True)
