#!/usr/bin/env python3
"""A training step on paper: FLOPs, bytes and launches of each op of a LoRA step on a frozen, quantised base, and the share of a chip's peak that
they allow. Prints the tables of docs/gpu.md.

  roofline.py

A time is the largest of FLOPs / rate, bytes / bandwidth and launches * LAUNCH_US. Rates: products by cuBLASLt at GEMM_SHARE of the chip's dense
bf16 peak (f32 accumulate), attention by mma.sync as its issue slots allow (see attention_share), memory at MEM_SHARE of its bandwidth.
The shares are assumptions, written here; nothing was timed.
"""
# Llama-3.1-8B, one stream of 4096 tokens, every row supervised; r = 16 on all seven matrices; 4.5 bits a weight (Q4_K)
L, D, F, H, KV, HD, VOC, N, R, QBYTES = 32, 4096, 14336, 32, 8, 128, 128256, 4096, 16, 4.5 / 8
# chip: (peak TF/s bf16 with f32 sums, GB/s, GEMM share, cycles of one m16n8k16 on a quarter of an SM, sync-mma limit)
CHIPS = {"A100 80GB SXM": (312, 2039, 0.80, 8, 1.0), "H100 SXM": (989, 3350, 0.68, 4, 0.62), "RTX 4090": (165, 1008, 0.90, 32, 1.0)}
MEM_SHARE, LAUNCH_US = 0.85, 1.5
OTHER_PER_MMA = 2.65 # instructions beside each mma in attention's forward loop (tests/emu/sass; backward has 1.7-1.9)
# launches of each op family in one layer, forward and backward, as tests/emu/loop_launches.c counts them on the emulated device; linear: two (dequantise,
# multiply) a block of a matrix, and there one block a matrix. Blocks hold 16 Mi weights (kernels/cuda/linear.cu)
COUNTED = {"linear": (14, 14), "lora": (8, 12), "attention": (1, 2), "norm": (2, 4), "rope": (2, 2), "mlp": (1, 2)}
BLOCK = 16 << 20
CHUNKS = -(-N // 512)  # of the head: 256 MiB of f32 logits hold 523 rows of this vocabulary; each chunk dequantises the matrix again


def blocks(rows, cols):
    step = BLOCK // cols // 128 * 128
    return -(-rows // step)


def matrices():
    """(name, in, out) of the seven matrices, by the group that shares an input."""
    return [("q", D, H * HD), ("k", D, KV * HD), ("v", D, KV * HD), ("o", H * HD, D), ("gate", D, F), ("up", D, F), ("down", F, D)]


def ops():
    """op: (FLOPs, bytes) of all layers, forward and backward; then the head."""
    out = {}
    flops = byte = lf = lb = 0.0
    for _, i, o in matrices():
        flops += 2 * 2.0 * N * i * o                                    # y and dx
        byte += 2 * (i * o * (QBYTES + 2 + 2) + 2.0 * N * (i + o))      # blocks read, numbers written and read, x and y
        lf += 3 * 2.0 * N * R * (i + o)                                 # forward; dt and dx; dA and dB
        lb += 2.0 * N * (i + 2 * o) + 2.0 * N * (2 * o + 3 * i) + 8.0 * N * R * 4
    out["linear"], out["lora"] = (L * flops, L * byte), (L * lf, L * lb)
    pairs = N * (N + 1) / 2  # backward runs 7 products a pair, not 5: dq and dk/dv are two kernels, each makes s and dp
    q, kv = 2.0 * N * H * HD, 2.0 * N * KV * HD
    out["attention"] = (L * pairs * H * HD * (4 + 14), L * ((2 * q + 2 * kv) + (5 * q + 6 * kv)))
    x, f = 2.0 * N * D, 2.0 * N * F
    out["norm"] = (L * 40.0 * N * D, L * (2 * 3.5 * x + 2 * (2 * x + 4 * x)))   # forward with add; made again and backward
    out["rope"] = (L * 12.0 * N * (H + KV) * HD, L * 2 * 2 * (q + kv))
    out["mlp"] = (L * 30.0 * N * F, L * (3 * f + 3 * f + 5 * f))                # forward, made again, backward
    w = VOC * D
    out["head"] = (2 * 2.0 * N * w, 2 * (CHUNKS * w * (QBYTES + 4) + x) + N * VOC * (4 + 4 + 4 + 2 + 2))
    params = sum(R * (i + o) for _, i, o in matrices()) * L
    out["optimiser"] = (15.0 * params, params * 4 * 7)
    return out


def attention_share(cycles, limit):
    """Issue: an mma takes `cycles` of the tensor core, it and its companions take 1 + OTHER_PER_MMA issue slots of the same quarter."""
    return limit * cycles / max(cycles, (1 + OTHER_PER_MMA) * limit) * 0.8   # 0.8: prologues, causal tiles cut by the mask, tails


def main():
    table = ops()
    print("| op | GFLOP | GB | launches |\n|---|---|---|---|")
    launches = {k: L * sum(v) for k, v in COUNTED.items()}
    per_layer = sum(COUNTED["linear"]) // 7
    launches.update(linear=L * per_layer * sum(blocks(o, i) for _, i, o in matrices()), head=CHUNKS * (4 * blocks(VOC, D) + 2), optimiser=4)
    for k, (f, b) in table.items():
        print("| %s | %.0f | %.1f | %d |" % (k, f / 1e9, b / 1e9, launches[k]))
    print("| all | %.0f | %.1f | %d |\n" % (sum(f for f, _ in table.values()) / 1e9, sum(b for _, b in table.values()) / 1e9, sum(launches.values())))
    print("| op | " + " | ".join(CHIPS) + " |\n|---|" + "---|" * len(CHIPS))
    totals = {c: 0.0 for c in CHIPS}
    for k, (f, b) in table.items():
        cells = []
        for c, (peak, bw, gemm, cycles, limit) in CHIPS.items():
            rate = peak * 1e12 * {"linear": gemm, "head": gemm, "lora": gemm * 0.5, "attention": attention_share(cycles, limit)}.get(k, 0.03)
            times = {"FLOPs": f / rate, "bytes": b / (bw * 1e9 * MEM_SHARE), "launches": launches[k] * LAUNCH_US * 1e-6}
            # dequantising comes before the product and does not overlap it
            t = times["FLOPs"] + times["bytes"] if k in ("linear", "head") else max(times.values())
            totals[c] += t
            cells.append("%.1f ms (%s)" % (t * 1e3, max(times, key=times.get)))
        print("| %s | %s |" % (k, " | ".join(cells)))
    print("| step | " + " | ".join("%.0f ms, %.0f tokens/s" % (totals[c] * 1e3, N / totals[c]) for c in CHIPS) + " |")
    work = sum(table[k][0] for k in ("linear", "lora", "attention", "head")) - L * (N * (N + 1) / 2) * H * HD * 4  # s and dp once
    print("| share of the dense bf16 peak | " + " | ".join("%.0f %%" % (100 * work / totals[c] / (CHIPS[c][0] * 1e12)) for c in CHIPS) + " |")


if __name__ == "__main__":
    main()
