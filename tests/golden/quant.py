"""Golden blocks for base/quant.c: random blocks of every GGUF type with the floats that the gguf package makes of them, and
random floats with the blocks that its quantizers make of those.

Run:  python tests/golden/quant.py            writes tests/golden/data/quant.bin
Made with gguf 0.19.0, numpy 2.4.6.

Format of quant.bin (little endian): cases until the end of the file, each
  u32 kind (0 = bytes to floats, 1 = floats to bytes), u32 ggml type, u32 rows, u32 cols, u32 nbytes,
  nbytes of blocks, rows * cols f32."""
import os
import struct

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType as T
from gguf.quants import dequantize, quantize

rng = np.random.default_rng(20260717)
OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data", "quant.bin")
# where the f16 scales of a block lie
SCALES = {T.Q8_0: [0], T.Q4_0: [0], T.Q4_1: [0, 2], T.Q5_0: [0], T.Q5_1: [0, 2], T.IQ4_NL: [0], T.Q2_K: [80, 82], T.Q3_K: [108],
          T.Q4_K: [0, 2], T.Q5_K: [0, 2], T.Q6_K: [208], T.IQ4_XS: [0], T.IQ3_S: [0]}
# zero of both signs, smallest and largest subnormal, smallest normal, ordinary, largest
SPECIAL = np.array([0x0000, 0x8000, 0x0001, 0x8001, 0x03ff, 0x0400, 0x2e66, 0xae66, 0x3c00, 0xbc01, 0x7bff, 0xfbff], dtype=np.uint16)


def halves(n):
    h = rng.integers(0, 1 << 16, n, dtype=np.uint16)
    h = np.where((h & 0x7c00) == 0x7c00, h & 0x83ff, h)  # no infinities, no NaN
    h[: len(SPECIAL)] = SPECIAL[:n]
    return h


def case(f, kind, t, rows, cols, blob, floats):
    f.write(struct.pack("<5I", kind, int(t), rows, cols, len(blob)) + blob + floats.astype("<f4").tobytes())


with open(OUT, "wb") as f:
    for t, at in SCALES.items():
        block, size = GGML_QUANT_SIZES[t]
        n = 24 if block == 32 else 14
        raw = rng.integers(0, 256, (n, size), dtype=np.uint8)
        for k, off in enumerate(at):
            h = np.roll(halves(n), 5 * k)
            raw[:, off : off + 2] = h.view(np.uint8).reshape(n, 2)
        raw = raw.reshape(2, -1)
        y = dequantize(raw, t)
        case(f, 0, t, 2, y.shape[1], raw.tobytes(), y)
    for t in (T.F16, T.BF16):
        h = halves(96)
        raw = h.view(np.uint8).reshape(2, -1)
        y = dequantize(raw, t)
        case(f, 0, t, 2, 48, raw.tobytes(), y)
    x = rng.standard_normal((40, 64)).astype(np.float32)
    x *= np.exp2(rng.integers(-20, 12, (40, 1))).astype(np.float32)
    x[0] = 0
    x[1, :32] = np.float32(-0.0)
    x[2] = 1.5  # a constant block: the affine types have d = 0
    x[3] = -np.abs(x[3])
    x[4, ::2] = -x[4, 1::2]  # equal magnitudes of both signs: the first one is the scale
    x[5] = np.arange(64) - 31.5  # halves and d = 1 for q8_0: the rounding rule
    x[5, ::32] = 127
    x[6] *= np.float32(2.0**-24)  # f16 subnormal scales
    x[7] = np.where(np.arange(64) % 2, 60000, -3)  # largest scales
    x[8] = (np.arange(64) % 32 - 16) / 16.0
    for t in (T.F16, T.BF16, T.Q8_0, T.Q4_0, T.Q4_1, T.Q5_0, T.Q5_1):
        b = quantize(x, t)
        case(f, 1, t, 40, 64, np.ascontiguousarray(b).tobytes(), x)
print(OUT, os.path.getsize(OUT))
