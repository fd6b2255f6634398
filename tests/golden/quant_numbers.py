"""Known answers for base/dtype.h (half types) and base/rng.h, printed; the constants stand in tests/unit/base_dtype.c and base_rng.c.

Run:  python tests/golden/quant_numbers.py
Made with numpy 2.4.6, torch 2.15.0."""
import numpy as np
import torch


def fnv(data):
    h = 0xCBF29CE484222325
    for b in data:
        h = (h ^ b) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return h


# a sweep of all exponents and signs: bit patterns i * 2654435761 mod 2^32 without NaN, and the neighbourhoods of every f16 boundary
bits = (np.arange(1 << 19, dtype=np.uint64) * 2654435761 % (1 << 32)).astype(np.uint32)
x = bits.view(np.float32)
x = x[~np.isnan(x)]
with np.errstate(over="ignore"):
    half = x.astype(np.float16)
print("f32 -> f16 of %d numbers: 0x%016x" % (len(x), fnv(half.view(np.uint8).tobytes())))
brain = torch.from_numpy(x.copy()).to(torch.bfloat16).view(torch.int16).numpy()
print("f32 -> bf16:              0x%016x" % fnv(brain.view(np.uint8).tobytes()))
h = np.arange(1 << 16, dtype=np.uint32).astype(np.uint16)
h = h[~np.isnan(h.view(np.float16))]
print("f16 -> f32 of %d numbers: 0x%016x" % (len(h), fnv(h.view(np.float16).astype(np.float32).view(np.uint8).tobytes())))
# half way between neighbours of f16, and one f32 step to either side
mid = ((h.view(np.float16).astype(np.float64)[:31743] + h.view(np.float16).astype(np.float64)[1:31744]) / 2).astype(np.float32)
near = np.stack([np.nextafter(mid, np.float32(0)), mid, np.nextafter(mid, np.float32(np.inf))], 1).ravel()
print("midpoints -> f16 of %d:   0x%016x" % (len(near), fnv(near.astype(np.float16).view(np.uint8).tobytes())))


def philox(ctr, key):
    """Philox4x32-10 of Salmon et al. 2011, written from the paper."""
    x, k = list(ctr), list(key)
    for _ in range(10):
        p0, p1 = 0xD2511F53 * x[0], 0xCD9E8D57 * x[2]
        x = [(p1 >> 32) ^ x[1] ^ k[0], p1 & 0xFFFFFFFF, (p0 >> 32) ^ x[3] ^ k[1], p0 & 0xFFFFFFFF]
        k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return x


# the paper's package (Random123) lists these three
assert philox([0] * 4, [0] * 2) == [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]
assert philox([0xFFFFFFFF] * 4, [0xFFFFFFFF] * 2) == [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]
assert philox([0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344], [0xA4093822, 0x299F31D0]) == [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1]
seed, purpose, c0, c1 = 42, 3, 7, 1 << 33
key = [(seed ^ purpose * 0x9E3779B9) & 0xFFFFFFFF, (seed >> 32) + purpose]
print("seed 42, dropout, (7, 2^33):", ["0x%08x" % w for w in philox([c0, 0, c1 & 0xFFFFFFFF, c1 >> 32], key)])
