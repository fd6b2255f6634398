#!/usr/bin/env python3
"""The lines of loops.tsv, counted in cubins of sm_90: which loop of which kernel a prediction takes, found by what it holds and not by where it lies.

  loops.py CUBIN...           exit 1 when loops.tsv has other figures; says which
  loops.py --write CUBIN...   puts them there

tests/emu/gpu_gate.sh has the cubins of today's kernels: its `test` asks where sm_90 is among the architectures, its `loops` writes.
"""
import os
import sys

sys.dont_write_bytecode = True
import sass  # noqa: E402

TSV = os.path.join(os.path.dirname(os.path.abspath(__file__)), "loops.tsv")


class Loop:
    """Of a kernel: instructions first to last, but for those of the loops of `without` in it."""

    def __init__(self, code, to, first, last, without=()):
        at = [i for i in range(first, last + 1) if not any(a <= i <= b for a, b in without)]
        names = [sass.NAMES.get(code[i][0] & 0xfff) for i in at]
        self.first, self.instr, self.stall = first, len(at), sum(code[i][1] >> 41 & 15 for i in at)
        self.of = {kind: names.count(kind) for kind in sass.KINDS}
        self.stored = sum(4 << (code[i][1] >> 9 & 7) - 4 for i, name in zip(at, names) if name == "stg" and code[i][1] >> 9 & 7 >= 4)
        self.way = sass.way(code, to, first, last)


class Kernel:
    def __init__(self, code):
        self.code, self.to = code, sass.targets(code)
        self.inner = [Loop(code, self.to, *span) for span in sorted(sass.loops(code, self.to))]

    def stages(self):
        """The smallest loop around products, without the loops inside it that write to shared memory: those mask x, where there is something to mask."""
        spans = {(j, i) for i, j in self.to.items() if 0 <= j < i}
        first, last = min((s for s in spans if Loop(self.code, self.to, *s).of["mma"]), key=lambda s: s[1] - s[0])
        inside = [s for s in spans if first <= s[0] and s[1] <= last and s != (first, last)]
        return Loop(self.code, self.to, first, last, [s for s in inside if Loop(self.code, self.to, *s).of["sts"]])


def only(found, what):
    if len(found) != 1:
        raise ValueError("%d %s, where one was" % (len(found), what))
    return found[0]


def figures(loop, *names):
    return [(name, getattr(loop, name) if hasattr(loop, name) else loop.of[name]) for name in names]


# ---- parts: each gives (part, figure, count) of a Kernel ----
def staged(k):
    """A step of lora_staged.cuh: the loop over stages without the one inside it that masks x."""
    return [("step",) + f for f in figures(k.stages(), "instr", "stall", "ldsm")]


def up(k):
    """lora_up_k, ranks up to 16: the fills' ways for aligned calls, one of the product's four steps, the loop that adds a tile."""
    fills = [x for x in k.inner if x.of["sts"] and x.way]
    if len(fills) != 2:
        raise ValueError("%d loops that fill tiles, where two were" % len(fills))
    product, add = only([x for x in k.inner if x.of["mma"] == 32], "loops of 32 mma"), max((x for x in k.inner if x.of["stg"]), key=lambda x: x.instr)
    return ([(part,) + f for part, x in zip(("left", "right"), fills) for f in zip(("instr", "stall"), x.way)]
            + [("multiply", "stall", round(product.stall / 4))] + [("add",) + f for f in figures(add, "instr", "stall")])


def tile(k):
    """Attention: of the loops with products the leanest, which has no masks."""
    return [("tile",) + f for f in figures(min((x for x in k.inner if x.of["mma"]), key=lambda x: x.instr), "instr", "stall", "mma", "ldsm")]


def dequant(part):
    """8 weights a thread, whatever a trip takes, where no list says which rows; and the instructions before the loop."""
    def parts(k):
        main = min((x for x in k.inner if x.stored), key=lambda x: x.of["ldg"])
        return ([(part, name, round(v / (main.stored / 16), 1)) for name, v in figures(main, "instr", "stall", "ldg")] + [(part, "before", k.inner[0].first)])
    return parts


def aligned(k):
    """Streams: the way of 8 elements that aligned calls run."""
    return [("8", "instr", only([x for x in k.inner if x.way], "loops with 16-byte loads").way[0])]


# line's name in loops.tsv, kernel where that is another, parts
COUNTED = (("lora_down_k<2, false>", "", staged), ("lora_down_k<2, true>", "", staged), ("lora_grad_k<2>", "", staged),
           ("lora_up_k<false, false>", "", up), ("lora_up_k<true, false>", "", up),
           ("attention_fwd_k<128, true, false>", "", tile), ("attention_dq_k<128, true, false>", "", tile), ("attention_dkv_k<128, false, true, false>", "", tile),
           ("words_k", "words_k<14>", dequant("q4_k")), ("words_k", "words_k<7>", dequant("q8_0")), ("words_k", "words_k<16>", dequant("q6_k")),
           ("gated_k<bf16, 8, 0>", "", aligned), ("gated_bwd_k<bf16, 8, 0>", "", aligned))


def mangled(name):
    """As it stands in a symbol: lora_down_k<2, false> is 11lora_down_kILi2ELb0EE."""
    stem, _, rest = name.partition("<")
    spell = {"true": "Lb1E", "false": "Lb0E", "bf16": "13__nv_bfloat16", "float": "f"}
    return "%d%sI%sE" % (len(stem), stem, "".join(spell.get(a, "Li%sE" % a) for a in rest.rstrip(">").split(", ")))


def count(cubins):
    """{(name, part, figure): count}, and what could not be counted."""
    codes, out, wrong = {}, {}, []
    for path in cubins:
        with open(path, "rb") as f:
            codes.update(sass.kernels(f.read()))
    for name, kernel, parts in COUNTED:
        found = [code for symbol, code in codes.items() if mangled(kernel or name) in symbol]
        try:
            for part, figure, v in parts(Kernel(only(found, "kernels of that name"))):
                out[name, part, figure] = v
        except ValueError as e:
            wrong.append("%s: %s: loops.py does not know it any more" % (kernel or name, e))
    return out, wrong


def main():
    write = sys.argv[1:2] == ["--write"]
    cubins = sys.argv[1 + write:]
    if not cubins or cubins[0].startswith("-"):
        sys.exit("usage: loops.py [--write] CUBIN...")
    counted, wrong = count(cubins)
    with open(TSV, encoding="utf-8") as f:
        lines = f.read().splitlines()
    head = [line for line in lines if line.startswith("#")]
    kept = {tuple(cells[:3]): cells[3] for cells in (line.split("\t") for line in lines if not line.startswith("#"))}
    now = {key: "%g" % v for key, v in counted.items()}
    if write and not wrong:
        with open(TSV, "w", encoding="utf-8") as f:
            f.write("\n".join(head + ["\t".join(key + (v,)) for key, v in now.items()]) + "\n")
        return
    for key in {**kept, **now}:
        if kept.get(key) != now.get(key):
            wrong.append("%s, %s, %s: %s now, %s in loops.tsv" % (*key, now.get(key, "none"), kept.get(key, "nothing")))
    for line in wrong:
        print(line)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
