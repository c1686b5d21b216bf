"""Memory of training steps beside PyTorch, and calls of malloc in a step in steady state.

    python Benchmarks/memory.py

Each row runs in a process of its own. Peak memory is the largest resident size of the process (VmHWM) after five steps, and the same
less what the process had before the model was built: libraries and interpreter."""
import os
import subprocess
import sys
import tempfile

here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(here, "PyTorch"))

ROWS = [
    "train transformer 12x64", "train transformer 8x256", "train transformer 2x1024", "train transformer-10m 4x256",
    "train nstm 12x64", "train nstm 8x256", "train nstm 2x1024",
]


def resident(field):
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(field))


def peak_of_pytorch(row):
    import torch
    import models

    torch.randn(8, 8) @ torch.randn(8, 8)
    before = resident("VmRSS")
    step = models.body(row.split())[0]
    for _ in range(5):
        step()
    print(resident("VmHWM"), before)


def run(command, row="", **environment):
    done = subprocess.run(command, input=row + "\n", capture_output=True, text=True, env={**os.environ, **environment})
    if done.returncode:
        raise SystemExit(f"{command}: {done.stderr}")
    return done.stdout.split()


def main():
    subprocess.run(["swift", "build", "-c", "release", "--package-path", here], check=True, stdout=sys.stderr)
    bench = os.path.join(here, ".build", "release", "nstm-bench")
    counter = os.path.join(tempfile.gettempdir(), "nstm-mallocs.so")
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", counter, os.path.join(here, "mallocs.c"), "-ldl"], check=True)
    print("| training step | NSTM, MB (without the process) | PyTorch, MB (without the process) | calls of malloc a step | operations recorded |")
    print("|---|---|---|---|---|")
    for row in ROWS:
        mine = [int(x) / 1024 for x in run([bench], "memory " + row)]
        theirs = [int(x) / 1024 for x in run([sys.executable, __file__, row])]
        calls, operations = (float(x) for x in run([bench], "mallocs " + row, LD_PRELOAD=counter))
        print(
            f"| {row} | {mine[0]:.0f} ({mine[0] - mine[1]:.0f}) | {theirs[0]:.0f} ({theirs[0] - theirs[1]:.0f}) "
            f"| {calls:.0f} | {operations:.0f} |", flush=True)


if __name__ == "__main__":
    peak_of_pytorch(sys.argv[1]) if len(sys.argv) > 1 else main()
