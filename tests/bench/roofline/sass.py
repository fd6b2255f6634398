#!/usr/bin/env python3
"""Loops of a cubin, with what each costs a warp. Beside tests/emu/sass/sass_count.c, which counts opcodes, this one reads the stall count of
every instruction, and takes loops without mma too.

  sass.py CUBIN PART_OF_THE_SYMBOL

A line a loop that has none inside: its first and last instruction, then
  instr     instructions: issue slots that a warp takes
  stall     the sum of their stall counts: cycles that a warp alone needs at least, with every load answered at once
  mma ldsm lds sts ldg stg async mufu bar   of these
  way       instructions and stall of the cheapest way through the loop that takes a 16-byte load from memory, where it has one (loops that
            also hold code for odd sizes: what an aligned call runs)
An instruction is 16 bytes: its opcode the low 12 bits, the stall count bits 105-108 (sm_70 to sm_90). A branch's distance from the next
instruction lies in the bits from 34 on, in steps of 4 bytes; since sm_90 its low 8 bits lie in bits 16-23 (sass_count.c says how that was found).
"""
import struct
import sys

NAMES = {0x23c: "mma", 0x83b: "ldsm", 0x984: "lds", 0x388: "sts", 0x988: "sts", 0x981: "ldg", 0x986: "stg", 0xfae: "async", 0x308: "mufu", 0xb1d: "bar"}
KINDS = ("mma", "ldsm", "lds", "sts", "ldg", "stg", "async", "mufu", "bar")
BRA, LDG = 0x947, 0x981


def kernels(data):
    """(symbol, instructions as pairs of 64 bits) of each section .text.*"""
    at, = struct.unpack_from("<Q", data, 0x28)
    each, n, strings = struct.unpack_from("<HHH", data, 0x3a)
    table = struct.unpack_from("<Q", data, at + strings * each + 24)[0]
    for i in range(n):
        name, = struct.unpack_from("<I", data, at + i * each)
        offset, size = struct.unpack_from("<QQ", data, at + i * each + 24)
        text = data[table + name:data.index(b"\0", table + name)].decode()
        if text.startswith(".text."):
            yield text[6:], [struct.unpack_from("<QQ", data, offset + k) for k in range(0, size, 16)]


def targets(code):
    """Where the branch at i goes, by i."""
    split = any(lo & 0xfff == BRA and lo & 0xff0000 == 0xfc0000 and lo >> 34 == 0x3fffffff for lo, _ in code)
    out = {}
    for i, (lo, hi) in enumerate(code):
        if lo & 0xfff != BRA:
            continue
        far = (lo >> 34 | (hi & 0x3ffff) << 30) & (1 << 48) - 1
        far -= (far >> 47) << 48
        out[i] = i + 1 + (far * 256 + (lo >> 16 & 0xff) if split else far) // 4
    return out


def loops(code, to):
    """Innermost ones, as (first, last)."""
    found = [(j, i) for i, j in to.items() if 0 <= j < i]
    return [a for a in found if not any(b != a and b[0] >= a[0] and b[1] <= a[1] for b in found)]


def way(code, to, first, last):
    """(instructions, stall) of the cheapest way from first to last, by stall, through a 16-byte load; None where there is none."""
    best = {(first, False): (0, 0)}  # (instruction, has loaded): (stall, instructions) before it; edges go forward only
    for i in range(first, last + 1):
        lo, hi = code[i]
        for had in (False, True):
            if (i, had) not in best:
                continue
            stall, n = best[i, had]
            has = had or (lo & 0xfff == LDG and hi >> 9 & 7 == 6)
            done = (stall + (hi >> 41 & 15), n + 1)
            if i == last:
                if has:
                    return done[1], done[0]
                continue
            always = lo >> 12 & 15 == 7
            nexts = [] if lo & 0xfff == BRA and always else [i + 1]
            if lo & 0xfff == BRA and i < to[i] <= last:
                nexts.append(to[i])
            for j in nexts:
                if (j, has) not in best or done < best[j, has]:
                    best[j, has] = done
    return None


def main():
    if len(sys.argv) != 3:
        sys.exit("usage: sass.py CUBIN PART_OF_THE_SYMBOL")
    with open(sys.argv[1], "rb") as f:
        data = f.read()
    for name, code in kernels(data):
        if sys.argv[2] not in name:
            continue
        print("%s: %d instructions" % (name, len(code)))
        to = targets(code)
        for first, last in loops(code, to):
            seen = [NAMES.get(lo & 0xfff) for lo, _ in code[first:last + 1]]
            stall = sum(hi >> 41 & 15 for _, hi in code[first:last + 1])
            kinds = "  ".join("%s %d" % (k, seen.count(k)) for k in KINDS if k in seen)
            print("  %5d-%-5d instr %4d  stall %5d  %s" % (first, last, last - first + 1, stall, kinds), end="")
            through = way(code, to, first, last)
            print("  way %d stall %d" % through if through else "")


if __name__ == "__main__":
    main()
