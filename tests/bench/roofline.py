#!/usr/bin/env python3
"""What a training step takes on GPUs that nobody here has: ms by op, reckoned from counted work of the kernels as they stand.

  roofline.py            prints the tables that stand in docs/gpu.md
  roofline.py --write    writes them there, and tests/bench/roofline.tsv: microseconds of the entries that gpu_bench times, which it prints beside its own
  roofline.py --check    exit 1 when either is not what this script gives (a kernel's budget fell, a constant changed): run --write, and say in the commit
                         what changed
GPU_BUDGETS: another file than tests/emu/gpu_budgets.tsv. The parts lie in tests/bench/roofline/: chips (constants and their sources), kernels (blocks, waves,
steps of our kernels), step (the ops of a training step), engines (published figures of others, as a check), sass (loops of a cubin), loops.tsv (their
counts: loops.py; tests/emu/gpu_gate.sh says where it is old).
"""
import hashlib
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "roofline"))
sys.dont_write_bytecode = True
import chips  # noqa: E402
import engines  # noqa: E402
import kernels as k  # noqa: E402
import step  # noqa: E402

DOC = os.path.join(HERE, "../../docs/gpu.md")
TSV = os.path.join(HERE, "roofline.tsv")
BEGIN, END = "<!-- roofline.py --write -->", "<!-- end of roofline.py -->"
INPUTS = ("chips.py", "kernels.py", "step.py", "loops.tsv")


MODELS = (step.LLAMA_8B, step.QWEN_8B, step.QWEN_06B)
# The first predictions for an H100, of the kernels before issue 19 changed them (commit a0988e5): ms by op in the order of step_ms.
FIRST = {"Llama-3.1-8B, Q4_K": (171.1, 13.4, 88.6, 26.1, 23.2, 57.4, 0.5), "Qwen3-8B, Q4_K": (171.2, 13.7, 93.5, 29.4, 27.8, 92.2, 0.5),
         "Qwen3-0.6B, bf16": (11.2, 0.0, 33.8, 11.6, 7.5, 7.8, 0.1)}


def row(cells):
    return "| " + " | ".join(cells) + " |"


# Why they are others now.
WHY = {"linear": "blocks of weights are cut at whole waves of tiles; with LoRA's 16 to 48 columns more",
       "dequantise": "by words and not by bytes, bound by the way to memory; none where copies are kept",
       "lora": "y and dx within the base's products; copies two steps ahead, sums in pieces that fill the chip",
       "attention": "as it was: ldmatrix through shared memory binds it (wgmma is an issue of its own)",
       "norm, rope, gated": "the activation is made again within its own backward; norms of heads (Qwen3) within the rotation",
       "head": "chunks of 2,048 rows, dx in one product, w made numbers once or kept so",
       "optimiser": "as it was"}


def speeds(tables, suffix=""):
    """The last two lines of a table: a step and tokens a second, of {op: ms}, None where there is none."""
    sums = [t and sum(t.values()) for t in tables]
    return [row(["step" + suffix] + ["%.0f" % s if s else "-" for s in sums]),
            row(["tokens/s" + suffix] + ["%.0f" % (sum(step.DOCS) / s * 1e3) if s else "-" for s in sums])]


def kept_ms(chip, m):
    """Of a step with all weights kept as numbers; None where they are numbers already, or the chip cannot hold that."""
    return step.step_ms(chip, m, True) if m.weights != "bf16" and step.held_gb(m, True) <= 0.9 * chip.holds else None


def ours(models):
    lines = []
    for m in models:
        table, kept = ([f(c, m) for c in chips.CHIPS] for f in (step.step_ms, kept_ms))
        lines += ["%s, ms a step (%d launches in its layers):" % (m.name, step.launches(chips.chip_of("H100"), m)), ""]
        lines += [row(["op"] + [c.name for c in chips.CHIPS]), "|---" * (len(chips.CHIPS) + 1) + "|"]
        for op in table[0]:
            if any(t[op] >= 0.05 for t in table):
                lines.append(row([op] + ["%.1f" % t[op] for t in table]))
        lines += speeds(table) + (speeds(kept, ", `keep_dequantised: true`") if any(kept) else []) + [""]
    return lines


def changes(models):
    """The H100's first predictions beside today's: of the first model with copies kept and not, and why; of the others."""
    h, lines = chips.chip_of("H100"), []
    for head, some, why in (("H100, Llama-3.1-8B, Q4_K, ms a step, the kernels as they were at first and now (kept: `keep_dequantised: true`):", models[:1], WHY),
                            ("The same of the others:", models[1:], {})):
        columns = []  # (head, {op: ms})
        for m in some:
            name = m.name.split(",")[0] + ", " if len(some) > 1 else ""
            now, kept = step.step_ms(h, m), kept_ms(h, m)
            columns += [(name + "first", dict(zip(now, FIRST[m.name]))), (name + "now", now)] + ([(name + "now, kept", kept)] if kept else [])
        lines += [head, "", row(["op"] + [name for name, _ in columns] + ["why"] * bool(why)), "|---" * (len(columns) + 1 + bool(why)) + "|"]
        for op in columns[0][1]:
            lines.append(row([op] + ["%.1f" % t[op] for _, t in columns] + [why.get(op, "")] * bool(why)))
        lines += [line + " |" * bool(why) for line in speeds([t for _, t in columns])] + [""]
    return lines


def waves():
    """Waves of our kernels and of the products of an 8B step, H100."""
    h, m, n = chips.chip_of("H100"), step.LLAMA_8B, sum(step.DOCS)
    cut = lambda choices: [(k.lora_cut(choices)[0], 1)]
    grids = [("lora_down_k, `down`", "lora_down_k<2, false>", 128, cut(k.lora_down_choices(n, [m.ff]))),
             ("lora_down_k, gate and up", "lora_down_k<2, false>", 128, cut(k.lora_down_choices(n, [m.width] * 2))),
             ("lora_grad_k, `down`", "lora_grad_k<2>", 128, cut(k.lora_grad_choices(n, m.ff, [m.width])))]
    grids += [(k.ATTENTION[w][0].split("<")[0], k.ATTENTION[w][0], 32 * k.ATTENTION[w][1], k.attention_blocks(step.DOCS, m.heads, m.kv, w)) for w in k.ATTENTION]
    lines = [row(["kernel, 8B, H100 (132 SMs)", "blocks", "an SM holds", "blocks an SM gets", "share of the SMs' time that works"]), "|---|---|---|---|---|"]
    for what, name, threads, blocks in grids:
        total, most = sum(count for count, _ in blocks), k.resident(h, name, threads)
        share = total / h.sms / k.ceil(total, h.sms) if len(blocks) == 1 else k.works(h, blocks, most)
        lines.append(row([what, str(total), str(most), "%.2f" % (total / h.sms), "%.0f %%" % (100 * share)]))
    lines += ["", row(["kernel", "bytes of ldmatrix an mma", "of shared memory an mma, with the copies into it", "most TF/s by shared memory, H100"]), "|---|---|---|---|"]
    for which, (name, warps, _) in k.ATTENTION.items():
        ldsm, tile = k.attention_shared(which)
        mma = warps * k.loop(name, "tile", "mma")
        lines.append(row([name.split("<")[0], "%.0f" % ldsm, "%.0f" % (tile / mma),
                          "%.0f" % (4096 * h.sms * h.clock * k.SHARED_BYTES / k.budget(name, "-", "banks", 1.0) * mma / tile / 1e3)]))
    lines += ["", row(["product [4096 x n], k (H100)", "tiles of 128 x 256 an SM gets", "share of its time that works"]), "|---|---|---|"]
    for what, total, across, unit in (("forward, `up`", m.ff, m.width, 128), ("forward, `down`", m.width, m.ff, 128), ("dx, `up`", m.width, m.ff, 256), ("dx, `down`", m.ff, m.width, 256)):
        for now in sorted(set(step.pieces(h, n, total, across, unit)), reverse=True):
            w = k.product_waves(h, n, now, (128, 256))
            lines.append(row(["%s: n %d, k %d" % (what, now, across), "%.2f" % w, "%.0f %%" % (100 * n * now / 128 / 256 / h.sms / -(-w // 1))]))
    return lines + [""]


def others():
    lines = [row(["published thousand tokens/s, reckoned / published"] + ["Qwen3-" + size for size in engines.SIZES]), "|---" * (len(engines.SIZES) + 1) + "|"]
    near = figures = 0
    for chip, engine, weights, page, speeds in engines.PUBLISHED:
        cells = []
        for at, (m, speed) in enumerate(zip(engines.MODELS, speeds)):
            if speed is None:
                cells.append("")
                continue
            ratio = sum(step.DOCS) / sum(engines.micro_batch_ms(chips.chip_of(chip), m, engine, weights).values()) / speed
            cells.append("%g, %.2f" % (speed, ratio))
            if at >= engines.GPU_BOUND:
                near, figures = near + (abs(ratio - 1) <= 0.15), figures + 1
        lines.append(row(["%s %s, %s%s" % (engine, weights, chip, ", older edition" if page else "")] + cells))
    lines += ["", "Within 15 %%: %d of the %d figures of %s and larger." % (near, figures, engines.SIZES[engines.GPU_BOUND]), ""]
    lines += [row(["cuBLAS, H100, m x n x k", "measured, TF/s", "reckoned", "reckoned / measured"]), "|---|---|---|---|"]
    for shape, measured in engines.XLA:
        got = engines.product_tf(chips.chip_of("H100"), *shape)
        lines.append(row(["%d x %d x %d" % shape, "%.0f" % measured, "%.0f" % got, "%.2f" % (got / measured)]))
    return lines


def text():
    return "\n".join(ours(MODELS) + changes(MODELS) + waves() + others()) + "\n"


def entries(c):
    """Of gpu_bench (tests/gpu/gpu_bench.cpp, its full shapes), by the names that it prints; and the whole step, which tests/gpu/kit.sh measures."""
    m, n = step.LLAMA_8B, 4096
    x, q, kv = 2.0 * n * m.width, 2.0 * n * m.heads * m.dim, 2.0 * n * m.kv * m.dim
    out = {"rmsnorm + residual add": k.stream_us(c, 4 * x), "rmsnorm_bwd": k.stream_us(c, 4 * x), "rope, q": k.stream_us(c, 2 * x + 4.0 * n * m.dim),
           "norm_rope, q": k.stream_us(c, 2 * x + 4.0 * n * m.dim), "norm_rope_bwd, q": k.stream_us(c, 3 * x + 4.0 * n * m.dim),
           "gated": step.gated_us(c, n, m.ff, False), "gated_bwd": step.gated_us(c, n, m.ff, True),
           "sumsq": k.stream_us(c, 4.0 * (100 << 20)) + chips.LAUNCH_US, "adamw": k.stream_us(c, 28.0 * (100 << 20))}
    for kind in ("bf16", "q8_0", "q4_k", "q6_k"):
        out["linear, up, " + kind] = sum(step.linear_us(c, n, m.width, m.ff, kind, False))
        out["linear_bwd_x, up, " + kind] = sum(step.linear_us(c, n, m.width, m.ff, kind, True))
    group = step.matrices(m)[0]
    out["lora, q k v, r 16"], out["lora_bwd, q k v, r 16"] = step.lora_us(c, n, group, False, False), step.lora_us(c, n, group, True, False)
    for way, kind, folded in (("apart", "q4_k", False), ("folded", "q4_k", True), ("folded, kept", "bf16", True)):
        for backward, name in ((False, "lora"), (True, "lora_bwd")):
            out["%s, gate up, base %s" % (name, way)] = step.based_us(c, n, step.matrices(m)[2], kind, backward, folded)
    out["attention"] = k.attention_us(c, (n,), m.heads, m.kv, 2 * q + 2 * kv, "fwd")
    out["attention_bwd"] = k.attention_us(c, (n,), m.heads, m.kv, 4 * q + 2 * kv, "dq") + k.attention_us(c, (n,), m.heads, m.kv, 2 * q + 4 * kv, "dkv")
    out["head, forward and backward"] = step.head_us(c, 1024, m, "bf16")
    out["step, Llama-3.1-8B, Q4_K"] = 1e3 * sum(step.step_ms(c, m).values())
    kept = kept_ms(c, m)
    if kept:
        out["step, Llama-3.1-8B, Q4_K, kept"] = 1e3 * sum(kept.values())
    return out


def tsv():
    k.used.clear()
    lines = ["%s\t%s\t%.1f" % (c.name.removesuffix(" 80GB SXM").removesuffix(" SXM"), name, t) for c in chips.CHIPS for name, t in entries(c).items()]
    h = hashlib.sha256()
    for name in INPUTS:
        with open(os.path.join(HERE, "roofline", name), "rb") as f:
            h.update(f.read())
    for line in sorted(k.used):
        h.update(repr(line).encode())
    head = "# Written by tests/bench/roofline.py --write: chip (a part of the device's name), entry of gpu_bench, microseconds predicted. Inputs: sha256 "
    return head + h.hexdigest()[:16] + "\n" + "\n".join(lines) + "\n"


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def main():
    what = sys.argv[1] if len(sys.argv) == 2 else "" if len(sys.argv) == 1 else "?"
    if what not in ("", "--write", "--check"):
        sys.exit("usage: roofline.py [--write | --check]")
    tables = text()
    if not what:
        sys.stdout.write(tables)
        return
    doc = read(DOC)
    if doc.count(BEGIN) != 1 or doc.count(END) != 1:
        sys.exit("docs/gpu.md: no place for the tables (%s ... %s)" % (BEGIN, END))
    before, rest = doc.split(BEGIN)
    old, after = rest.split(END)
    new = "\n\n" + tables + "\n"
    if what == "--write":
        for path, content in ((DOC, before + BEGIN + new + END + after), (TSV, tsv())):
            with open(path, "w", encoding="utf-8") as f:
                f.write(content)
        return
    stale = [name for name, same in (("docs/gpu.md", old == new), ("tests/bench/roofline.tsv", read(TSV) == tsv())) if not same]
    for name in stale:
        print("%s is not what tests/bench/roofline.py gives: run it with --write, and say in the commit what changed" % name)
    sys.exit(1 if stale else 0)


if __name__ == "__main__":
    main()
