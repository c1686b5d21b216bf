"""NSTM beside PyTorch on this machine: every row is measured in turn by both, several times, and the medians are compared.

    env -u OPENBLAS_CORETYPE python Benchmarks/compare.py [--rounds 3] [--rows train,stream]

Needs `torch` in the Python that runs it. Builds the Swift side first. Prints a Markdown table."""
import argparse
import os
import platform
import statistics
import subprocess
import sys
import time

import torch
from torch.nn import functional as F

here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(here, "PyTorch"))
import scans  # noqa: E402
from nstm import NSTM  # noqa: E402
from transformer import Transformer, training_step  # noqa: E402


def median(body, budget=1.5, warmup=3, inner=1):
    for _ in range(warmup):
        body()
    times, end = [], time.perf_counter() + budget
    while len(times) < 7 or (time.perf_counter() < end and len(times) < 2000):
        start = time.perf_counter()
        for _ in range(inner):
            body()
        times.append((time.perf_counter() - start) / inner)
    return statistics.median(times)


def overhead():
    x, factor = torch.randn(4, 4, requires_grad=True), torch.randn(4, 4)

    def chain():
        v = x
        for _ in range(100):
            v = v * factor
        v.sum().backward()
        x.grad = None

    return median(chain) / 100


def product(m, k, n, transposed):
    a, b = torch.randn(m, k), torch.randn(n, k) if transposed else torch.randn(k, n)
    return median(lambda: a @ (b.T if transposed else b), inner=max(1, int(2e7 / (m * k * n))))


def elementwise(function, *shape):
    x = torch.randn(*shape, requires_grad=True)
    ones = torch.ones(*shape)

    def body():
        function(x).backward(ones)
        x.grad = None

    return median(body)


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

    return median(step, inner=50, warmup=1)


def pytorch(row):
    parts = row.split()
    sizes = [int(s) for s in parts[-1].split("x")] if "x" in parts[-1] and parts[-1][0].isdigit() else []
    if parts[0] == "overhead":
        return overhead()
    if parts[0] == "matmul":
        return product(*sizes, transposed=parts[1] == "transposed")
    if parts[0] == "train":
        hidden = {"nstm": 160, "nstm-equal": 416}
        model = Transformer(context=sizes[1]) if parts[1] == "transformer" else NSTM(hidden=hidden[parts[1]])
        return median(training_step(model, *sizes), budget=1.5, warmup=5)
    if parts[0] == "stream":
        return stream()
    if parts[0] == "scan":
        return median(scans.step(parts[1]), warmup=2)
    if parts[0] == "gelu":
        return elementwise(F.gelu, 768, 512)
    if parts[0] == "softmax":
        return elementwise(lambda x: x.softmax(-1), 4096, 256)
    if parts[0] == "layernorm":
        norm = torch.nn.LayerNorm(512)
        return elementwise(norm, 2048, 512)
    raise SystemExit(f"unknown row {row}")


# Row, and the PyTorch row it is compared with when that is another one.
ROWS = [
    ("overhead", None),
    ("matmul plain 2048x2048x2048", None),
    ("matmul plain 16384x64x64", None),
    ("matmul plain 768x512x128", None),
    ("matmul plain 64x64x64", None),
    ("matmul plain 1x512x512", None),
    ("matmul transposed 768x128x512", None),
    ("gelu", None),
    ("softmax", None),
    ("layernorm", None),
    ("train transformer 12x64", None),
    ("train transformer 8x256", None),
    ("train transformer 2x1024", None),
    ("train nstm 12x64", "train transformer 12x64"),
    ("train nstm-equal 12x64", "train transformer 12x64"),
    ("train nstm 12x64", None),
    ("train nstm 8x256", "train transformer 8x256"),
    ("train nstm 2x1024", "train transformer 2x1024"),
    *[(f"scan {row}", None) for row in scans.FASTEST],
    ("stream transformer", None),
    ("stream nstm", "stream transformer"),
]


def figure(row, seconds):
    parts = row.split()
    if parts[0] in ("train", "stream"):
        tokens = 1
        if parts[0] == "train":
            b, t = parts[-1].split("x")
            tokens = int(b) * int(t)
        return f"{tokens / seconds:,.0f} tokens/s"
    if parts[0] == "matmul":
        m, k, n = (int(s) for s in parts[-1].split("x"))
        return f"{2 * m * k * n / seconds / 1e9:.0f} GFLOP/s"
    return f"{seconds * 1e6:.2f} µs"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", default="", help="only rows that begin with one of these, separated by commas")
    options = parser.parse_args()
    subprocess.run(["swift", "build", "-c", "release", "--package-path", here], check=True, stdout=sys.stderr)
    worker = subprocess.Popen(
        [os.path.join(here, ".build", "release", "nstm-bench")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ours(row):
        worker.stdin.write(row + "\n")
        worker.stdin.flush()
        return float(worker.stdout.readline())

    print(f"{platform.processor() or platform.machine()}, torch {torch.__version__} with {torch.get_num_threads()} threads\n")
    print("| work | NSTM | PyTorch | compared with | ratio (lowest … highest) |\n|---|---|---|---|---|")
    prefixes = [p for p in options.rows.split(",") if p]
    for row, other in ROWS:
        if prefixes and not any(row.startswith(p) for p in prefixes):
            continue
        mine, theirs = [], []
        for _ in range(options.rounds):
            mine.append(ours(row))
            theirs.append(pytorch(other or row))
            time.sleep(0.5)  # PyTorch's threads spin for a while after their last work
        ratios = sorted(t / m for m, t in zip(mine, theirs))
        print(
            f"| {row} | {figure(row, statistics.median(mine))} | {figure(other or row, statistics.median(theirs))} "
            f"| {other or 'the same'} | {statistics.median(ratios):.2f} ({ratios[0]:.2f} … {ratios[-1]:.2f}) |", flush=True)
    worker.stdin.close()


if __name__ == "__main__":
    main()
