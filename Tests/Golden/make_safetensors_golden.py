"""Writes Tests/IOTests/Golden/sample.safetensors by the format's description, with numpy alone.

    python Tests/Golden/make_safetensors_golden.py

`SafetensorsGoldenTests` says what is in it. The elements are not in the order of the header."""

import json
import pathlib
import struct

import numpy as np

target = pathlib.Path(__file__).resolve().parent.parent / "IOTests" / "Golden" / "sample.safetensors"


def brain(values):
    """The upper halves of float32 numbers that need no more."""
    bits = np.asarray(values, np.float32).view(np.uint32)
    assert not (bits & 0xFFFF).any()
    return (bits >> 16).astype(np.uint16)


arrays = {
    "layer.weight": ("F32", np.arange(6, dtype="<f4").reshape(2, 3) / 4 - 0.5),
    "layer.bias": ("F64", np.array([1e-300, -2.5, np.inf], "<f8")),
    "half": ("F16", np.array([[0.0, -1.5], [65504.0, 6e-8]], "<f2")),
    "brain": ("BF16", brain([1.0, -2.5, 225 * 2.0**120, 0.0])),
    "indices": ("I32", np.array([-(2**31), -1, 2**31 - 1], "<i4")),
    "bytes": ("U8", np.array([[0, 128, 255]], "u1")),
    "mask": ("BOOL", np.array([True, False, True])),
    "scalar": ("F32", np.array(42.0, "<f4")),
    "empty": ("F32", np.zeros((0, 4), "<f4")),
}
data, entries = b"", {}
for name in sorted(arrays, key=lambda name: (-arrays[name][1].itemsize, name)):
    dtype, array = arrays[name]
    entries[name] = {
        "dtype": dtype,
        "shape": list(array.shape),
        "data_offsets": [len(data), len(data) + array.nbytes],
    }
    data += array.tobytes()
header = {"__metadata__": {"format": "np", "note": "größer"}} | {name: entries[name] for name in arrays}
text = json.dumps(header, ensure_ascii=False).encode()
text += b" " * (-len(text) % 8)
target.write_bytes(struct.pack("<Q", len(text)) + text + data)
