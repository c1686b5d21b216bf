"""NSTM beside PyTorch on this machine: every row is measured in turn by both, several times, and the medians are compared.

    env -u OPENBLAS_CORETYPE python Benchmarks/compare.py [--rounds 3] [--rows train,stream] [--precision high]

Needs `torch` in the Python that runs it. Builds the Swift side first. Prints a Markdown table; `share` is what NSTM reaches of the
machine's own peak, measured at the start: of multiply-adds in registers, or of a copy from array to array."""
import argparse
import os
import platform
import statistics
import subprocess
import sys
import time

import torch

here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(here, "PyTorch"))
import convolutions  # noqa: E402
import elementwise  # noqa: E402
import memory_networks  # noqa: E402
import models  # noqa: E402
import products  # noqa: E402
import scans  # noqa: E402

# A row is a name, or a name and that of the PyTorch row it is compared with when that is another one.
MODULES = [models, products, elementwise, convolutions, scans, memory_networks]


def module_of(name):
    return next(m for m in MODULES if any(name in (r if isinstance(r, tuple) else (r,)) for r in m.ROWS))


def median(body, budget=1.5, warmup=3, inner=1):
    start = time.perf_counter()
    body()
    # What takes longer than all repetitions together should take is warm after one of them.
    slow = time.perf_counter() - start > budget
    for _ in range(0 if slow else warmup - 1):
        body()
    times, end = [], time.perf_counter() + budget
    while len(times) < (3 if slow else 7) or (time.perf_counter() < end and len(times) < 2000):
        start = time.perf_counter()
        for _ in range(inner):
            body()
        times.append((time.perf_counter() - start) / inner)
    return statistics.median(times)


def pytorch(name):
    made = module_of(name).body(name.split())
    body, repeats = made if isinstance(made, tuple) else (made, 1)
    start = time.perf_counter()
    body()
    # Short bodies are timed in groups, so that the clock does not count.
    inner = max(1, min(200, int(2e-4 / max(1e-7, time.perf_counter() - start))))
    return median(body, inner=inner) / repeats


def duration(seconds):
    for unit, size in (("s", 1), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e9:.0f} ns"


def figure(name, seconds):
    parts = name.split()
    if parts[0] in ("train", "stream"):
        tokens = 1
        if parts[0] == "train":
            batch, length = parts[-1].split("x")
            tokens = int(batch) * int(length)
        return f"{tokens / seconds:,.0f} tokens/s"
    return duration(seconds)


def share(name, seconds, peak):
    """What was reached of the machine's peak."""
    module, parts = module_of(name), name.split()
    flops = module.work(parts) if hasattr(module, "work") else None
    if flops:
        return f"{flops / seconds / 1e9:.0f} GFLOP/s, {100 * flops / seconds / peak['flops']:.0f} %"
    traffic = module.traffic(parts) if hasattr(module, "traffic") else None
    if traffic:
        return f"{traffic / seconds / 1e9:.0f} GB/s, {100 * traffic / seconds / peak['bytes']:.0f} %"
    return ""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", default="", help="only rows that begin with one of these, separated by commas")
    parser.add_argument("--precision", default="highest", choices=["highest", "high"], help="of float32 products, on both sides")
    parser.add_argument("--torch-precision", choices=["highest", "high", "medium"], help="PyTorch's, when it is another")
    options = parser.parse_args()
    torch.set_float32_matmul_precision(options.torch_precision or options.precision)
    if "OPENBLAS_CORETYPE" in os.environ:
        print("OPENBLAS_CORETYPE is set: OpenBLAS may run slower kernels than this machine has", file=sys.stderr)
    subprocess.run(["swift", "build", "-c", "release", "--package-path", here], check=True, stdout=sys.stderr)
    program = os.path.join(here, ".build", "release", "nstm-bench")
    worker = subprocess.Popen([program, options.precision], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ours(row):
        worker.stdin.write(row + "\n")
        worker.stdin.flush()
        answer = worker.stdout.readline().strip()
        try:
            return float(answer)
        except ValueError:
            raise SystemExit(f"nstm-bench on '{row}': {answer or 'ended'}")

    peak = {"flops": ours("peak flops"), "bytes": ours("peak bytes")}
    print(
        f"{platform.processor() or platform.machine()}, torch {torch.__version__} with {torch.get_num_threads()} threads; "
        f"precision of products {options.precision}, PyTorch's {torch.get_float32_matmul_precision()}; peak "
        f"{peak['flops'] / 1e9:.0f} GFLOP/s in registers, {peak['bytes'] / 1e9:.0f} GB/s copying\n")
    print("| work | NSTM | PyTorch | compared with | ratio (lowest … highest) | share of the peak |\n|---|---|---|---|---|---|")
    prefixes = [p for p in options.rows.split(",") if p]
    medians = {}
    for row in [r for m in MODULES for r in m.ROWS]:
        name, other = row if isinstance(row, tuple) else (row, row)
        if prefixes and not any(name.startswith(p) for p in prefixes):
            continue
        mine, theirs = [], []
        for _ in range(options.rounds):
            mine.append(ours(name))
            theirs.append(pytorch(other))
            time.sleep(0.3)  # PyTorch's threads spin for a while after their last work
        ratios = sorted(t / m for m, t in zip(mine, theirs))
        middle = statistics.median(ratios)
        medians.setdefault(name.split()[0], []).append(middle)
        print(
            f"| {name} | {figure(name, statistics.median(mine))} | {figure(other, statistics.median(theirs))} "
            f"| {'the same' if other == name else other} | {middle:.2f} ({ratios[0]:.2f} … {ratios[-1]:.2f}) "
            f"| {share(name, statistics.median(mine), peak)} |", flush=True)
    print()
    for kind, ratios in medians.items():
        if len(ratios) > 1:
            print(f"{kind}: geometric mean of the ratios {statistics.geometric_mean(ratios):.2f}, lowest {min(ratios):.2f}")
    worker.stdin.close()


if __name__ == "__main__":
    main()
