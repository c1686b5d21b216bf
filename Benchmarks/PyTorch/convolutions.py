"""The convolutions of Benchmarks/Sources/nstm-bench/Convolutions.swift in PyTorch."""
import torch


def planes(batch, channels, size):
    convolution = torch.nn.Conv2d(channels, channels, 3, padding=1)
    x, g = torch.randn(batch, channels, size, size, requires_grad=True), torch.randn(batch, channels, size, size)
    inputs = [x, *convolution.parameters()]
    return lambda: torch.autograd.grad(convolution(x), inputs, g)


def long_convolution(batch, time, channels):
    # [B, C, T], the layout that PyTorch's transforms are fastest in.
    x, h = torch.randn(batch, channels, time, requires_grad=True), torch.randn(channels, time, requires_grad=True)
    g = torch.randn(batch, channels, time)

    def body():
        spectrum = torch.fft.rfft(x, n=2 * time) * torch.fft.rfft(h, n=2 * time)
        torch.autograd.grad(torch.fft.irfft(spectrum, n=2 * time)[..., :time], [x, h], g)

    return body


# Batch × channels × size of the plane; batch × time × channels.
ROWS = ["conv2d 64x64x32", "conv2d 64x256x8", "longconv 4x4096x256"]


def body(parts):
    return {"conv2d": planes, "longconv": long_convolution}[parts[0]](*(int(s) for s in parts[1].split("x")))


def work(parts):
    """Multiplications and additions of the definition, forward and twice backward; transforms have no such number."""
    if parts[0] != "conv2d":
        return None
    batch, channels, size = (int(s) for s in parts[1].split("x"))
    return 3 * 2 * 9 * batch * channels**2 * size**2
