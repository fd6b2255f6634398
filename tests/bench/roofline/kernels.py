"""What a kernel takes on a chip: blocks an SM by its budgets (tests/emu/gpu_budgets.tsv), waves, and the busiest of an SM's parts.

A step is what a block does between two barriers of its main loop. While b blocks share an SM, a step of all of them takes

  max(chain, b * issue, b * tensor, b * shared) cycles

chain: loads that wait for one another, each a whole latency, and the stall counts of the instructions between them (of one warp; warps of a block go
together); issue: instructions of the block's warps in one quarter of the SM, one a cycle; tensor: its mma there; shared: bytes through shared memory at
128 a cycle, bank conflicts as counted. A kernel takes the longer of its blocks' schedule and its bytes at the rate of memory, and LAUNCH_US.
"""
import heapq
import os

from chips import BARRIER, FEED, LAUNCH_US, SHARED_BYTES

HERE = os.path.dirname(os.path.abspath(__file__))
BUDGETS = os.environ.get("GPU_BUDGETS") or os.path.join(HERE, "../../emu/gpu_budgets.tsv")
LOOPS = os.path.join(HERE, "loops.tsv")


def ceil(a, b):
    return -(-a // b)


def read_tsv(path, keys):
    """{first `keys` columns: last column} of a tab-separated file; # begins a comment line."""
    out = {}
    with open(path, encoding="utf-8") as f:
        for line in f:
            if line.strip() and not line.startswith("#"):
                cells = line.rstrip("\n").split("\t")
                out[tuple(cells[:keys])] = float(cells[keys])
    return out


budgets = read_tsv(BUDGETS, 3)
loops = read_tsv(LOOPS, 3)
used = set()  # lines of the budgets that a prediction took


def loop(kernel, part, figure):
    """Counted in the SASS of sm_90 (loops.py; loops.tsv)."""
    if (kernel, part, figure) not in loops:
        raise SystemExit("roofline: no line \"%s %s %s\" in loops.tsv (loops.py counts it)" % (kernel, part, figure))
    return loops[kernel, part, figure]


def budget(kernel, arch, figure, absent=None):
    key = (kernel, arch, figure)
    if key not in budgets and absent is not None:
        return absent
    if key not in budgets:
        raise SystemExit("roofline: no line \"%s %s %s\" in the budgets (tests/emu/gpu_budgets.tsv): has the kernel another name now?" % key)
    used.add(key + (budgets[key],))
    return budgets[key]


def resident(chip, kernel, threads):
    """Blocks of a kernel that an SM holds: registers go to whole warps in steps of 256 a quarter, shared memory in steps of 128 bytes and 1 KB a block."""
    warps = ceil(threads, 32)
    per = ceil(int(budget(kernel, chip.arch, "regs")) * 32, 256) * 256
    n = (16384 // per) // ceil(warps, 4)
    need = ceil(int(budget(kernel, chip.arch, "smem") + budget(kernel, "-", "dynamic", 0)) + 1024, 128) * 128
    return min(n, chip.shared * 1024 // need, chip.warps // warps, chip.blocks)


def step(chain=0.0, issue=0.0, tensor=0.0, shared=0.0):
    """Cycles of a step by the number of blocks that share an SM."""
    return lambda b: max(chain, b * issue, b * tensor, b * shared)


def schedule(chip, blocks, most, cycles, fixed):
    """Cycles until the last block ends. blocks: (how many, steps each), started in this order; fixed: cycles of a block before and after its loop."""
    n = sum(count for count, _ in blocks)
    if n == 0:
        return 0.0
    if most < 1:
        raise SystemExit("roofline: a kernel that no SM of this chip holds")
    b = min(most, ceil(n, chip.sms))
    if len(blocks) == 1:  # all equal: rounds, the last with fewer blocks an SM
        steps, left = blocks[0][1], n
        rounds, rest = divmod(left, chip.sms * b)
        t = rounds * (steps * cycles(b) + fixed)
        return t + (steps * cycles(ceil(rest, chip.sms)) + fixed if rest else 0)
    slots, end = [0.0] * (chip.sms * b), 0.0
    each = cycles(b)
    for count, steps in blocks:
        for _ in range(count):
            t = heapq.heappop(slots) + steps * each + fixed
            heapq.heappush(slots, t)
            end = max(end, t)
    return end


def works(chip, blocks, most):
    """Share of the multiprocessors' time that works, of blocks as in schedule(): their steps over the slots' time until the last one ends."""
    n = sum(count for count, _ in blocks)
    b = min(most, ceil(n, chip.sms))
    return sum(count * steps for count, steps in blocks) / (chip.sms * b * schedule(chip, blocks + [(0, 0)], most, lambda _: 1.0, 0.0))


def us(chip, cycles):
    return cycles / (chip.clock * 1e3)


def move_us(chip, size):
    """`size` bytes read or written at the rate of memory."""
    return size / (chip.memory * chip.share * 1e3)


def kernel_us(chip, cycles, size):
    return max(us(chip, cycles), move_us(chip, size)) + LAUNCH_US


def stream_us(chip, size, warps=0.0, instr=0.0):
    """A streaming kernel: bytes, and instructions of its warps (its blocks are many and equal: no waves)."""
    return kernel_us(chip, warps * instr / 4 / chip.sms, size)


# Tiles that cuBLAS may choose from, rows x columns of the output a block; the best for a shape is taken, K is never split.
TILES = ((128, 256), (256, 128), (128, 128), (64, 128), (128, 64), (64, 64))


def product_us(chip, m, n, k, out_bytes=2, rate=None):
    """c[m, n] = a[m, k] . b[k, n] in bf16 by cuBLASLt: whole waves of a tile, each at the SM's share of chip.gemm or of what the L2 cache feeds it, k in steps
    of 64."""
    k = ceil(k, 64) * 64
    flops = (rate or chip.gemm) * 1e6 / chip.sms  # a microsecond and SM
    feed = FEED * chip.clock * 1e3                # bytes, likewise
    best = None
    for tm, tn in TILES:
        one = max(2.0 * tm * tn * k / flops, 2.0 * (tm + tn) * k / feed)
        t = ceil(ceil(m, tm) * ceil(n, tn), chip.sms) * one
        best = t if best is None or t < best else best
    edges = us(chip, 2 * chip.far)  # the first tile's way in, the last one's way out
    return max(best + edges, move_us(chip, 2.0 * (m * k + k * n) + out_bytes * m * n)) + LAUNCH_US


def product_waves(chip, m, n, tile):
    return ceil(m, tile[0]) * ceil(n, tile[1]) / chip.sms


# ---- dequantisation (dequant.cu, words_k) ----
# Number in the budgets' names; bytes a weight; weights a thread takes at once; lines of 128 bytes that a warp's loads of 256 weights touch (from their addresses).
BLOCKS = {"q8_0": (7, 34 / 32, 8, 11.5), "q4_k": (14, 144 / 256, 16, 2.5), "q6_k": (16, 210 / 256, 32, 17.1), "bf16": (None, 2.0, 0, 0)}
LEAST_X, PASSES = 16, 4


def dequant_us(chip, kind, rows, cols):
    """rows x cols weights to bf16 scratch, of 32 MiB or the head's all, which stays in an L2 cache twice as large, else goes through memory. A block goes over up to
    PASSES rows; the first cache takes a line a cycle, the way to the L2 cache FEED bytes."""
    number, size, each, lines = BLOCKS[kind]
    name, part, n = "words_k<%d>" % number, "q" + kind[1:], rows * cols
    x = 256
    while x > LEAST_X and cols // each % x:
        x //= 2
    across, down = ceil(cols // each, x), ceil(rows, 256 // x)
    passes = min(PASSES, ceil(across * down, chip.sms * (chip.warps // 8)))
    eights = each / 8
    issue = 8 * (eights * loop("words_k", part, "instr") + loop("words_k", part, "before") / passes) / 4
    shared = 8 * eights * max(lines + 512 / SHARED_BYTES, 256 * (2 + size) / FEED)
    chain = chip.far + eights * loop("words_k", part, "stall")
    held = 2.0 * n if chip.l2 < 2 * max(32, 2.0 * n / (1 << 20)) else 0.0
    t = schedule(chip, [(across * ceil(down, passes), passes)], resident(chip, name, 256), step(chain, issue, 0, shared), 0)
    return kernel_us(chip, t, n * size + held)


def behind_us(chip, numbers):
    """behind_cuda.cu: so many numbers of A or B (f32) go behind w in bf16; a block is too short for more than its way to memory and back."""
    return kernel_us(chip, 2 * chip.far, 6.0 * numbers)


# ---- LoRA (lora.cu), ranks up to 16 ----
def fill(latency, kernel, part, trips):
    return trips * (latency + loop(kernel, part, "stall")), trips * loop(kernel, part, "instr")


def lora_loop(chip, kernel):
    """A step of 64 columns or tokens of lora_staged.cuh: tiles of 64 x 64 and 64 x 16 (f32) fetched two steps before, the latter made bf16, 8 mma."""
    chain = max(chip.far / 2, loop(kernel, "step", "stall") + BARRIER)
    shared = (64 * 64 * 2 + 64 * 16 * (4 + 4 + 2) + 4 * loop(kernel, "step", "ldsm") * 512) / SHARED_BYTES
    return step(chain, loop(kernel, "step", "instr"), 8 * chip.mma / chip.sync, shared * max(1.0, budget(kernel, "-", "banks", 1.0)))


# How lora_staged.cuh cuts sums, for an H100's multiprocessors whatever the chip: pieces so that the one with the most to do is done first.
CUT_SMS, CUT_MOST, CUT_PIECES, CUT_EDGE = 132, 6 * 132, 32, 6


def lora_cut(choices):
    """choices: (blocks, steps of each), more pieces each time; the one that is taken, and whether sums are in pieces."""
    best = None
    for at, (blocks, steps) in enumerate(choices):
        now = (blocks >= CUT_SMS * 7 // 4, ceil(blocks, CUT_SMS) * (steps + CUT_EDGE), blocks, steps, at > 0)
        if best is None or (blocks <= CUT_MOST and now[0] >= best[0] and (now[0] > best[0] or (now[1] < best[1] if now[0] else blocks > best[2]))):
            best = now
    return best[2:]


def lora_sum_us(chip, kernel, choices, size):
    """Pieces: the first copies' way, the loop, and where there are several their sums' way to the L2 cache, the count's, and back."""
    blocks, steps, cut = lora_cut(choices)
    fixed = 2 * chip.far + (3 * chip.near if cut else 0)
    t = schedule(chip, [(blocks, steps)], resident(chip, kernel, 128), lora_loop(chip, kernel), fixed)
    return kernel_us(chip, t, size + (2.0 * 4 * 64 * 16 * blocks if cut else 0))


def lora_down_choices(n, widths):
    steps = [ceil(w, 64) for w in widths]
    choices = []
    for pieces in range(1, CUT_PIECES + 1):
        each = ceil(max(steps), pieces)
        if pieces == 1 or each >= 2:
            choices.append((ceil(n, 64) * sum(ceil(s, each) for s in steps), each))
    return choices


def lora_down_us(chip, n, widths, size, backward):
    """t of each part: a block has 64 tokens x the rank and a piece of the part's columns. widths: columns of each part."""
    return lora_sum_us(chip, "lora_down_k<2, %s>" % ("true" if backward else "false"), lora_down_choices(n, widths), size)


def lora_grad_choices(n, i, outs):
    sums = sum(ceil(o, 64) + ceil(i, 64) for o in outs)
    return [(sums * pieces, ceil(ceil(n, 64), pieces)) for pieces in range(1, CUT_PIECES + 1) if pieces == 1 or ceil(ceil(n, 64), pieces) >= 2]


def lora_up_us(chip, n, widths, parts, size, backward):
    """y or dx: a block has 64 tokens x 256 columns in four chunks; a chunk fetches t and B of `parts` parts, then adds its tile in four trips."""
    kernel = "lora_up_k<%s, false>" % ("true" if backward else "false")
    c1, i1 = fill(chip.near, kernel, "left", parts)
    c2, i2 = fill(chip.near, kernel, "right", parts)
    c3, i3 = fill(chip.far, kernel, "add", 4)
    m = loop(kernel, "multiply", "stall") * parts
    shared = 4 * (parts * (64 * 16 * 4 / SHARED_BYTES + 20 * 4) + 2 * 64 * 64 * 4 / SHARED_BYTES)
    cycles = step(4 * (c1 + c2 + c3 + m + 4 * BARRIER), 4 * (i1 + i2 + i3), 32 * parts * chip.mma / chip.sync, shared * budget(kernel, "-", "banks", 1.0))
    blocks = sum(ceil(n, 64) * ceil(w, 256) for w in widths)
    return kernel_us(chip, schedule(chip, [(blocks, 1)], resident(chip, kernel, 128), cycles, chip.far), size)


def lora_grad_us(chip, n, i, outs, size):
    """dB and dA: a block has 64 of their rows and a piece of the tokens."""
    return lora_sum_us(chip, "lora_grad_k<2>", lora_grad_choices(n, i, outs), size)


# ---- attention (attention_fwd.cu, attention_bwd.cu), heads of 128 ----
def row_blocks(docs, tokens, keys):
    """Tiles of keys of each block of `tokens` queries, longest first as forest_cuda.cu orders them; documents are packed, tiles of 64 keys."""
    tiles, start = [], 0
    for d in docs:
        for at in range(0, d, tokens):
            tiles.append(((at + tokens + 63) // 64) * (64 // keys))
        start += d
    return sorted(tiles, reverse=True)


def key_blocks(docs, queries):
    tiles = []
    for d in docs:
        for at in range(0, d, 64):
            tiles.append(ceil(d - at, 64) * (64 // queries))
    return sorted(tiles, reverse=True)


# of a tile of the kernel: which instance, warps of a block, queries (dkv) or keys a tile
ATTENTION = {"fwd": ("attention_fwd_k<128, true, false>", 8, 64), "dq": ("attention_dq_k<128, true, false>", 8, 32), "dkv": ("attention_dkv_k<128, false, true, false>", 4, 32)}


def attention_blocks(docs, heads, kv, which):
    """(how many, tiles each) in the order in which they start."""
    group, per = heads // kv, ATTENTION[which][2]
    if which == "dkv":
        return [(kv, group * t) for t in key_blocks(docs, per)]
    rows = 128 // group // 16 * 16  # tokens of a block: 16, 32 or 64, times the group's heads
    rows = 64 if rows >= 64 else 32 if rows >= 32 else 16
    return [(kv, t) for t in row_blocks(docs, rows, per)]


def attention_shared(which):
    """(ldmatrix bytes an mma, bytes a tile through shared memory): ldmatrix of its warps, and the tile that cp.async writes there."""
    kernel, warps, per = ATTENTION[which]
    ldsm = loop(kernel, "tile", "ldsm") * 512
    return ldsm / loop(kernel, "tile", "mma"), warps * ldsm + 2 * per * 128 * 2 + (4 * per * 2 if which == "dkv" else 0)


def attention_us(chip, docs, heads, kv, size, which):
    """which: fwd, dq, dkv. mma and ldmatrix a warp and tile are those of loops.tsv."""
    kernel, warps, _ = ATTENTION[which]
    mma = loop(kernel, "tile", "mma")
    others = budget(kernel, chip.arch, "others_per_mma", loop(kernel, "tile", "instr") / mma - 1)
    cycles = step(loop(kernel, "tile", "stall") + BARRIER, mma * (1 + others) * warps / 4, mma * warps / 4 * chip.mma / chip.sync,
                  attention_shared(which)[1] / SHARED_BYTES * budget(kernel, "-", "banks", 1.0))
    return kernel_us(chip, schedule(chip, attention_blocks(docs, heads, kv, which), resident(chip, kernel, 32 * warps), cycles, 3 * chip.far), size)
