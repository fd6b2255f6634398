"""One optimiser step of LoRA on a frozen base, op by op, as train/model and kernels/cuda run it: r <= 16 on all seven matrices, every row supervised, no
checkpointing (norms are made again in backward, the gated activation beside its gradient). Launches of a layer are those that tests/emu/loop_launches.c counts: 69, and 55 of
weights kept as numbers.
"""
from collections import namedtuple

import kernels as k
from chips import LAUNCH_US

Model = namedtuple("Model", "name layers width ff heads kv dim vocab qk_norm weights")
LLAMA_8B = Model("Llama-3.1-8B, Q4_K", 32, 4096, 14336, 32, 8, 128, 128256, False, "q4_k")
QWEN_8B = Model("Qwen3-8B, Q4_K", 36, 4096, 12288, 32, 8, 128, 151936, True, "q4_k")
QWEN_06B = Model("Qwen3-0.6B, bf16", 28, 1024, 3072, 16, 8, 128, 151936, True, "bf16")
DOCS = (2048, 2048)
RANK = 16
SCRATCH = 16 << 20  # weights of a block of linear.cu
LOGITS = 1280 << 20  # bytes of a chunk of head.cu


def matrices(m):
    """(in, out) of the seven, by the groups that share an input."""
    q, kv = m.heads * m.dim, m.kv * m.dim
    return (((m.width, q), (m.width, kv), (m.width, kv)), ((q, m.width),), ((m.width, m.ff), (m.width, m.ff)), ((m.ff, m.width),))


def cut(total, size):
    return [min(size, total - at) for at in range(0, total, size)]


def waves(sms, m, n):
    """In tiles of 128 x 128: as such, or two by two."""
    tall = k.ceil(m, 128)
    return min(k.ceil(tall * k.ceil(n, 128), sms), 2 * k.ceil(tall * k.ceil(n, 256), sms))


def pieces(chip, n, total, across, unit):
    """How linear.cu cuts `total` rows or columns of w, `across` elements each, for n rows of x: pt_cuda_piece of gemm_cuda.h."""
    most = max(SCRATCH // across // unit * unit, unit)
    sizes = [most] + list(range((most - 1) // 256 * 256, 0, -256)) if total > most else [most]
    return min((cut(total, size) for size in sizes), key=lambda parts: sum(waves(chip.sms, n, now) for now in parts))


def linear_us(chip, n, i, o, kind, backward, behind=0):
    """y = x w^T or dx = dy w, with `behind` columns more of x (dy) that meet LoRA's B (A): (of the products, of dequantising, of putting B or A behind w)."""
    across, out = (o, i) if backward else (i, o)
    product = dequant = put = 0.0
    for now in [out] if kind == "bf16" else pieces(chip, n, out, across + behind, 256 if backward else 128):
        product += k.product_us(chip, n, now, across + behind)
        if kind != "bf16":
            dequant += k.dequant_us(chip, kind, o, now) if backward else k.dequant_us(chip, kind, now, i)
        if behind:
            put += k.behind_us(chip, now * behind)
    return product, dequant, put


def lora_us(chip, n, group, backward, folded=True):
    """folded: t and dt are written behind x and dy too, in bf16, and the base's products do the rest."""
    i, outs = group[0][0], [o for _, o in group]
    parts, total = len(outs), sum(outs)
    small = 4.0 * n * RANK * parts
    down = 1.5 * small if folded else small
    if not backward:
        return k.lora_down_us(chip, n, [i] * parts, 2.0 * n * i + down, False) + (0 if folded else k.lora_up_us(chip, n, outs, 1, 4.0 * n * total + small, False))
    return (k.lora_down_us(chip, n, outs, 2.0 * n * total + down, True) + k.lora_grad_us(chip, n, i, outs, 2.0 * n * (total + parts * i) + 2 * small)
            + (0 if folded else k.lora_up_us(chip, n, [i], parts, 4.0 * n * i + small, True)))


def spare(group, backward):
    """Columns behind x or dy: the ranks of all parts, or the part's own, each in steps of 8."""
    return k.ceil(RANK, 8) * 8 * (1 if backward else len(group))


def based_us(chip, n, group, kind, backward, folded):
    """lora with the base's products taken along: one after the other, or folded into them."""
    return lora_us(chip, n, group, backward, folded) + sum(sum(linear_us(chip, n, i, o, kind, backward, spare(group, backward) if folded else 0)) for i, o in group)


def head_us(chip, n, m, kind):
    """Rows in chunks of at most 2,048 and 1,280 MiB of f32 logits; the matrix is dequantised once, whole."""
    rows = max(64, min(2048, LOGITS // 4 // (-(-m.vocab // 32) * 32) // 64 * 64))
    total = 0.0 if kind == "bf16" else k.dequant_us(chip, kind, m.vocab, m.width)
    for now in cut(n, rows):
        total += k.product_us(chip, now, m.vocab, m.width, 4) + k.product_us(chip, now, m.width, m.vocab)
        total += k.stream_us(chip, 4.0 * now * m.vocab) + k.stream_us(chip, 6.0 * now * m.vocab)  # statistics; gradient: f32 read, bf16 written
    return total


def gated_us(chip, n, ff, backward):
    """Backward reads dy, g, u and writes dg, du and the output again."""
    name = "gated_bwd_k<bf16, 8, 0>" if backward else "gated_k<bf16, 8, 0>"
    return k.stream_us(chip, (12.0 if backward else 6.0) * n * ff, n * ff / 256, k.loop(name, "8", "instr"))


def norms_us(chip, n, m):
    """Of a layer: two with the residual added, the same two again without, two backward. Those of heads are in rope_us."""
    row = 2.0 * n * m.width
    return 2 * (k.stream_us(chip, 4 * row) + k.stream_us(chip, 2 * row) + k.stream_us(chip, 4 * row))


def rope_us(chip, n, m):
    """Of q and k, forward and backward; norms of heads are in the same pass, which backward reads what was normalised too."""
    rows = [2.0 * n * h * m.dim for h in (m.heads, m.kv)]
    return sum(k.stream_us(chip, 2 * row) + k.stream_us(chip, (3 if m.qk_norm else 2) * row) for row in rows)


def params(m):
    return sum(RANK * (i + o) for g in matrices(m) for i, o in g) * m.layers


def held_gb(m, kept, docs=DOCS):
    """About what a step holds: weights, their copies in bf16, of each layer h, q, k, v, o, h again, gate and up, and the head's logits, gradient and w."""
    n, heads = sum(docs), m.vocab * m.width
    weights = sum(i * o for g in matrices(m) for i, o in g) * m.layers + heads
    row = 2 * (m.heads + m.kv) * m.dim + 2 * m.width + 2 * m.ff
    size = (weights + heads) * k.BLOCKS[m.weights][1] + 2.0 * n * row * m.layers + 6.0 * 2048 * m.vocab + 16.0 * params(m)
    return (size + 2.0 * (weights if kept else heads if m.weights != "bf16" else 0)) / 1e9


def step_ms(chip, m, kept=False, docs=DOCS):
    """{op: ms}. kept: all weights stand in memory in bf16 too (keep_dequantised: true)."""
    n, kind = sum(docs), "bf16" if kept else m.weights
    products = dequant = lora = 0.0
    for group in matrices(m):
        for i, o in group:
            for backward in (False, True):
                p, d, put = linear_us(chip, n, i, o, kind, backward, spare(group, backward))
                products, dequant, lora = products + p, dequant + d, lora + put
        lora += lora_us(chip, n, group, False) + lora_us(chip, n, group, True)
    q, kv = 2.0 * n * m.heads * m.dim, 2.0 * n * m.kv * m.dim
    attention = (k.attention_us(chip, docs, m.heads, m.kv, 2 * q + 2 * kv, "fwd") + k.attention_us(chip, docs, m.heads, m.kv, 4 * q + 2 * kv, "dq")
                 + k.attention_us(chip, docs, m.heads, m.kv, 2 * q + 4 * kv, "dkv"))
    streams = norms_us(chip, n, m) + rope_us(chip, n, m) + gated_us(chip, n, m.ff, False) + gated_us(chip, n, m.ff, True)
    out = {"linear": products, "dequantise": dequant, "lora": lora, "attention": attention, "norm, rope, gated": streams}
    out = {op: t * m.layers / 1e3 for op, t in out.items()}
    out["head"] = head_us(chip, n, m, kind) / 1e3
    out["optimiser"] = (k.stream_us(chip, 4.0 * params(m)) + k.stream_us(chip, 28.0 * params(m)) + 4 * LAUNCH_US) / 1e3
    return out


def launches(chip, m, docs=DOCS):
    """Kernels and products of a step, with the blocks that matrices of this size take."""
    per = 0
    for group in matrices(m):
        per += 1 + 2
        for i, o in group:
            blocks = [] if m.weights == "bf16" else [pieces(chip, sum(docs), o, i + spare(group, False), 128), pieces(chip, sum(docs), i, o + spare(group, True), 256)]
            per += 3 * sum(map(len, blocks)) if blocks else 4
    per += 3 + 6 + 4 + 2
    return per * m.layers
