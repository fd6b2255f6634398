"""Golden errors for base/quant_*_v.c: rows of numbers, and the root mean square error that ggml's quantisers leave on them.

Run:  python tests/golden/quant_k.py WEIGHTS            writes tests/golden/data/quant_k.bin
WEIGHTS: llama2.c's stories260K.bin (28 bytes of header, then the embedding, 512 x 64 floats). Made with llama-cpp-python 0.3.36 (its libggml-base
by ctypes), gguf 0.19.0, numpy 2.4.6.

Format of quant_k.bin (little endian): u32 sets, u32 types; for each set u32 rows, u32 cols, rows * cols f16 numbers, cols f32 weights, and for each
type u32 ggml type, f64 error without weights, f64 error and f64 weighted error of a call with weights. An error is the root of the mean of
(x - y)^2, a weighted one the root of sum w (x - y)^2 / sum w."""
import ctypes
import os
import struct
import sys

import llama_cpp
import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType as T
from gguf.quants import dequantize

ggml = ctypes.CDLL(os.path.join(os.path.dirname(llama_cpp.__file__), "lib", "libggml-base.so"))
ptr, i64 = ctypes.c_void_p, ctypes.c_int64
ggml.ggml_quantize_chunk.argtypes = [ctypes.c_int, ptr, ptr, i64, i64, i64, ptr]
ggml.ggml_quantize_init.argtypes = [ctypes.c_int]
OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data", "quant_k.bin")
TYPES = [T.Q2_K, T.Q3_K, T.Q4_K, T.Q5_K, T.Q6_K, T.IQ4_NL, T.IQ4_XS, T.IQ3_S, T.Q4_0, T.Q4_1, T.Q5_0, T.Q5_1, T.Q8_0]
rng = np.random.default_rng(20261130)


def blocks(t, x, w):
    block, size = GGML_QUANT_SIZES[t]
    out = np.zeros((x.shape[0], x.shape[1] // block * size), np.uint8)
    ggml.ggml_quantize_init(int(t))
    ggml.ggml_quantize_chunk(int(t), x.ctypes.data, out.ctypes.data, 0, *x.shape, None if w is None else w.ctypes.data)
    return dequantize(out, t).astype(np.float64)


def sets():
    shape = (6, 768)
    yield rng.standard_normal(shape) * 0.02
    yield rng.laplace(size=shape) * 0.02
    x = rng.standard_normal(shape) * 0.02
    x[:, rng.integers(0, 768, 8)] *= 12
    yield x
    yield rng.standard_normal(shape) * 0.02 + 0.03
    yield np.fromfile(sys.argv[1], "<f4", 8 * 512, offset=28).astype(np.float64).reshape(8, 512)


with open(OUT, "wb") as f:
    all_sets = list(sets())
    f.write(struct.pack("<2I", len(all_sets), len(TYPES)))
    for x in all_sets:
        h = x.astype(np.float16)
        x = h.astype(np.float32)
        w = (rng.standard_normal(x.shape[1]) ** 2 * np.exp(1.5 * rng.standard_normal(x.shape[1]))).astype(np.float32)
        f.write(struct.pack("<2I", *x.shape) + h.tobytes() + w.tobytes())
        for t in TYPES:
            a, b = (blocks(t, x, v) - x for v in (None, w))
            w2 = w.astype(np.float64)
            f.write(struct.pack("<I3d", int(t), np.sqrt((a * a).mean()), np.sqrt((b * b).mean()), np.sqrt((b * b * w2).sum() / (w2.sum() * x.shape[0]))))
print(OUT, os.path.getsize(OUT))
