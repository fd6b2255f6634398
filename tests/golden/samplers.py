"""Samplers: what llama.cpp's low-level samplers leave of 200 rows of logits, for tests/unit/generate_samplers.c.

Writes tests/golden/data/samplers/{rows,expected}.bin (llama-cpp-python 0.3.36's libllama.so by ctypes, numpy 2.4.6; the settings are those of
settings.txt beside them, a line each). Rows are 49,152 logits, whole numbers of 2^-20:
  0..99    SmolLM2-135M-Instruct (Q4_1) behind words of ../shared/data/text/botchan_en.txt: the 256 largest as they are (rounded to 1/1024, and a hash
           below that), all others drawn by a hash from 65 quantiles of the rest: a compact form, not the row itself
  100..199 hashes of ten kinds: normal, ties of 1/4 and of 1, most at -inf, 20 and 1 that are not, all far below 0, one far above, flat, steep with -inf
Each row has a history of 96 tokens that repeats itself. Expected of a row and a setting: how many tokens have p >= 1.2e-38 (f32 knows smaller ones only
roughly), a hash of their ids, the sum of p * weight(id), the two largest p. Then 50 steps a seed of mirostat 1, 2 and adaptive-p: the token that
llama.cpp drew and what was left before it.
From the repository's root: PYTHON tests/golden/samplers.py MODEL.gguf [--ours LIB.so [ROWS]]
--ours compares every probability with a library of ours instead (built from tests/unit/generate_samplers.c: see there), of the first ROWS of the 200 and of
the model's 100 as they are, these without the settings that have breakers (rows.bin has those of its own histories); nothing is written.
"""
import ctypes as C
import struct
import sys

import llama_cpp
import numpy as np

V, ROWS, TOP, QUANTS, PAST, STEPS = 49152, 200, 256, 65, 96, 50
FOLDER = "tests/golden/data/samplers/"
LEAST = np.float32(1.1754944e-38)
lib = llama_cpp.llama_cpp._lib
np.seterr(over="ignore")


class Array(C.Structure):
    _fields_ = [("data", C.c_void_p), ("size", C.c_size_t), ("selected", C.c_int64), ("sorted", C.c_bool)]


class Bias(C.Structure):
    _fields_ = [("token", C.c_int32), ("bias", C.c_float)]


def bind(name, *args):
    f = getattr(lib, name)
    f.restype, f.argtypes = C.c_void_p, list(args)
    return f


F, I, U, Z, P = C.c_float, C.c_int32, C.c_uint32, C.c_size_t, C.c_void_p
init = {
    "penalties": bind("llama_sampler_init_penalties", I, I, F, F, F), "dry": bind("llama_sampler_init_dry", P, F, F, I, I, P, Z),
    "top_n_sigma": bind("llama_sampler_init_top_n_sigma", F), "top_k": bind("llama_sampler_init_top_k", I), "typ_p": bind("llama_sampler_init_typical", F, Z),
    "top_p": bind("llama_sampler_init_top_p", F, Z), "min_p": bind("llama_sampler_init_min_p", F, Z), "xtc": bind("llama_sampler_init_xtc", F, F, Z, U),
    "temperature": bind("llama_sampler_init_temp_ext", F, F, F), "bias": bind("llama_sampler_init_logit_bias", I, I, P), "dist": bind("llama_sampler_init_dist", U),
    "mirostat1": bind("llama_sampler_init_mirostat", I, U, F, F, I), "mirostat2": bind("llama_sampler_init_mirostat_v2", U, F, F),
    "adaptive": bind("llama_sampler_init_adaptive_p", F, F, U)}
apply_, accept, release = lib.llama_sampler_apply, lib.llama_sampler_accept, lib.llama_sampler_free
apply_.argtypes, apply_.restype = [P, C.POINTER(Array)], None
accept.argtypes, accept.restype = [P, I], None
release.argtypes, release.restype = [P], None
lib.llama_sampler_reset.argtypes = [P]

DEFAULTS = dict(temperature=1, dynatemp_range=0, dynatemp_exponent=1, top_k=0, top_p=1, min_p=0, typical_p=1, top_n_sigma=0, xtc_probability=0, xtc_threshold=0.1,
                repeat_penalty=1, presence_penalty=0, frequency_penalty=0, repeat_last_n=-1, dry_multiplier=0, dry_base=1.75, dry_allowed_length=2,
                dry_penalty_last_n=-1, breakers=0, bias=0)
ORDER = ["penalties", "dry", "top_n_sigma", "top_k", "typ_p", "top_p", "min_p", "xtc", "temperature"]
BREAKERS = [b"\n", b":", b'"', b"said", b"...\n"]


def mix(h, v):
    z = (np.uint64(h) ^ np.asarray(v, np.uint64)) + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def hashes(row):
    return mix(mix(np.uint64(20261130), np.uint64(row)), np.arange(V, dtype=np.uint64))


def smollm2(path):
    """Rows of the model: (ids and values of the largest, quantiles of the rest) in 1/1024, whole numbers; and the rows as they are."""
    text = open("../shared/data/text/botchan_en.txt", encoding="utf-8").read()[2000:6000].encode()
    m = llama_cpp.Llama(path, n_ctx=512, logits_all=True, verbose=False, n_threads=2)
    ids = m.tokenize(text, add_bos=True)[:420]
    m.eval(ids)
    rows, exact = [], []
    for i in range(100):
        exact.append(np.array(m.scores[20 + 4 * i], np.float32))
        z = exact[-1].astype(np.float64)
        order = np.lexsort((np.arange(V), -z))
        top, rest = order[:TOP], np.sort(z[order[TOP:]])
        quants = np.rint(np.interp(np.linspace(0, 1, QUANTS), np.linspace(0, 1, len(rest)), rest) * 1024)
        rows.append((top.astype(np.uint16), np.rint(z[top] * 1024).astype(np.int16), quants.astype(np.int16)))
    return m, rows, exact


def fixed(row, real):
    """A row in 2^-20 (int64), and where it is -inf."""
    h = hashes(row)
    u = (h >> np.uint64(40)).astype(np.int64)  # 24 bits
    minus = np.zeros(V, bool)
    if real:
        top, values, quants = real
        step, part = u >> 18, (u & 0x3FFFF) >> 6  # 64 pieces, 12 bits within
        q = quants.astype(np.int64)
        z = (q[step] * (4096 - part) + q[step + 1] * part) // 4 + (h & np.uint64(1023)).astype(np.int64)
        z[top] = values.astype(np.int64) * 1024 + (h[top] & np.uint64(1023)).astype(np.int64)
        return z, minus
    normal = sum(((h >> np.uint64(s)) & np.uint64(0xFFFF)).astype(np.int64) for s in (0, 16, 32, 48)) - 131070  # deviation 37837
    kind = row % 10
    z = normal * 83 if kind not in (7, 8, 9) else normal * (83 if kind == 7 else 1 if kind == 8 else 221)  # deviations of 3, 0.036, 8
    if kind == 1:
        z = (z >> 18) << 18
    if kind == 2:
        z = (z >> 20) << 20
    if kind == 3:
        minus = h % np.uint64(49) != 0
    if kind == 4:
        minus[:] = True
        minus[(np.arange(20) * 2311 + row) % V] = False
    if kind == 5:
        z = z - (50 << 20)
    if kind == 6:
        minus[:] = True
        minus[(row * 977) % V] = False
    if kind == 7:
        z[(row * 977) % V] = 20 << 20
    if kind == 9:
        minus = h % np.uint64(3) == 0
    return z, minus


def logits(row, real):
    z, minus = fixed(row, real)
    z = z.astype(np.float32) * np.float32(2.0**-20)
    z[minus] = -np.inf
    return z


def history(row, z, marks):
    top = np.lexsort((np.arange(V), -z))[:40]
    h = mix(np.uint64(7 + row), np.arange(PAST, dtype=np.uint64))
    past = top[(h % np.uint64(40)).astype(int)]
    motif = past[:6 + row % 7].copy()
    if row % 3 == 1:
        motif[len(motif) // 2] = marks[row % len(marks)]
    for at in (20, 45, 70, PAST - len(motif) + 2):
        past[at:at + len(motif)] = motif[: PAST - at]
    return past.astype(np.uint16)


def word_of(m, t):
    text = C.create_string_buffer(512)
    n = llama_cpp.llama_detokenize(llama_cpp.llama_model_get_vocab(m.model), (C.c_int32 * 1)(t), 1, text, 512, False, True)
    return text.raw[:n]


def breakers(m):
    """llama.cpp's get_overlapping_token_sequences over the vocabulary, by its tokenizer."""
    found = set()
    for t in range(V):
        word = word_of(m, t)
        for text in BREAKERS:
            if text in word:
                found.add((t, ()))
                continue
            for at in range(len(word)):
                n = len(word) - at
                if n < len(text) and text[:n] == word[at:]:
                    found.add((t, tuple(m.tokenize(text[n:], add_bos=False, special=False)[:20])))
    return sorted(found)


def settings():
    out = []
    for line in open(FOLDER + "settings.txt"):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        s = dict(DEFAULTS, order=ORDER, text=line.strip())
        for w in words:
            k, v = w.split("=")
            s[k] = v.split(",") if k == "order" else float(v) if k in DEFAULTS else sys.exit(f"setting {k}?")
        out.append(s)
    return out


class Row:
    """Candidates as llama.cpp's samplers want them."""

    def __init__(self, z):
        self.a = np.zeros(V, np.dtype([("id", "i4"), ("logit", "f4"), ("p", "f4")]))
        self.a["id"], self.a["logit"] = np.arange(V), z
        self.cur = Array(self.a.ctypes.data, V, -1, False)

    def left(self):
        at = (self.cur.data - self.a.ctypes.data) // self.a.itemsize
        return self.a[at:at + self.cur.size]

    def apply(self, sampler, past=()):
        for t in past:
            accept(sampler, int(t))
        apply_(sampler, C.byref(self.cur))

    def one(self, sampler, past=()):
        self.apply(sampler, past)
        release(sampler)


def sampler(m, name, s):
    f = {k: float(v) for k, v in s.items() if k not in ("order", "text")}
    reach = lambda n: 4096 if f[n] < 0 else int(f[n])
    if name == "penalties":
        return init[name](V, reach("repeat_last_n"), f["repeat_penalty"], f["frequency_penalty"], f["presence_penalty"])
    if name == "dry":
        texts = (C.c_char_p * len(BREAKERS))(*BREAKERS)
        vocab = llama_cpp.llama_model_get_vocab(m.model)
        return init[name](C.cast(vocab, P), f["dry_multiplier"], f["dry_base"], int(f["dry_allowed_length"]), reach("dry_penalty_last_n"),
                          C.cast(texts, P) if f["breakers"] else None, len(BREAKERS) if f["breakers"] else 0)
    if name == "temperature":
        return init[name](f["temperature"], f["dynatemp_range"], f["dynatemp_exponent"])
    if name == "xtc":
        return init[name](f["xtc_probability"], f["xtc_threshold"], 0, 1)
    if name == "top_k":
        return init[name](int(f["top_k"]))
    if name == "top_n_sigma":
        return init[name](f["top_n_sigma"])
    return init[name](f[{"typ_p": "typical_p", "top_p": "top_p", "min_p": "min_p"}[name]], 0)


def biases(z):
    top = np.lexsort((np.arange(V), -z))[:6]
    return [(int(top[0]), -1.5), (int(top[1]), float("-inf")), (int(top[3]), 2.25), (17, 5.0)]


def run(m, s, z, past, keep):
    """Candidates at the end; None where llama.cpp takes 0 log 0 for NaN."""
    r = Row(z)
    if s["bias"]:
        b = (Bias * 4)(*[Bias(*x) for x in biases(z)])
        r.one(init["bias"](V, 4, C.cast(b, P)))
    for name in s["order"]:
        if name == "typ_p" and s["typical_p"] < 1:
            x = r.left()["logit"]
            e = np.exp(x.astype(np.float64) - x.max())
            if (e / e.sum()).min() < 1e-44:
                return None
        if name in ("penalties", "dry") and not keep.get((name, s["text"])):
            keep[(name, s["text"])] = sampler(m, name, s)
        if name in ("penalties", "dry"):
            it = keep[(name, s["text"])]
            lib.llama_sampler_reset(it)
            r.apply(it, past)
        else:
            r.one(sampler(m, name, s))
    r.one(init["dist"](1))
    return r.left()


def weight(ids):
    return (mix(np.uint64(99), ids.astype(np.uint64)) >> np.uint64(40)).astype(np.float64) / 2**24


def told(left, scale=1):
    left = left[left["p"] >= LEAST]
    ids, p = left["id"], left["p"].astype(np.float64) * scale
    top = np.sort(p)[::-1]
    return (len(ids), int(np.bitwise_xor.reduce(mix(np.uint64(5), ids.astype(np.uint64)))) if len(ids) else 0, float((p * weight(ids)).sum()), float(top[0]),
            float(top[1]) if len(ids) > 1 else 0.0)


SEEDS = [("mirostat1", 5.0, 0.1), ("mirostat1", 3.0, 0.3), ("mirostat2", 5.0, 0.1), ("mirostat2", 2.5, 0.2), ("adaptive", 0.3, 0.9), ("adaptive", 0.7, 0.5)]


def step_row(seed, step):
    return (seed * 37 + step * 13) % 100 if step % 3 else 100 + (seed * 30 + step * 10) % 100 + (0, 5, 8)[step // 3 % 3]


def steps(zs):
    for k, (name, a, b) in enumerate(SEEDS):
        it = init["mirostat1"](V, 11 + k, a, b, 100) if name == "mirostat1" else init[name](11 + k, a, b) if name == "mirostat2" else init[name](a, b, 11 + k)
        for t in range(STEPS):
            r = Row(zs[step_row(k, t)])
            r.apply(it)
            drawn = int(r.left()["id"][r.cur.selected])
            accept(it, drawn)
            yield k, t, drawn, r.left().copy()
        release(it)


def compare(ours, m, what, zs, pasts, breakers):
    """Every probability of ours beside llama.cpp's."""
    lib2 = C.CDLL(ours, mode=1)
    lib2.ours_run.restype = C.c_int64
    ids, p, margin, tie = np.zeros(V, np.int32), np.zeros(V), C.c_double(), C.c_int()
    n = same = near = ties = none = 0
    worst, bad, keep = 0.0, [], {}
    for row, (z, past) in enumerate(zip(zs, pasts)):
        for s in settings():
            if s["breakers"] and not breakers:
                continue
            left = run(m, s, z, past, keep)
            n += 1
            if left is None:
                none += 1
                continue
            got = lib2.ours_run(s["text"].encode(), z.ctypes.data_as(P), past.ctypes.data_as(P), ids.ctypes.data_as(P), p.ctypes.data_as(P), C.byref(margin), C.byref(tie))
            a, b = np.zeros(V), np.zeros(V)
            left = left[left["p"] >= LEAST]
            a[left["id"]] = left["p"]
            b[ids[:got]] = p[:got]
            b[b.astype(np.float32) < LEAST] = 0
            if ((a > 0) == (b > 0)).all() and abs(a - b).max() <= 1e-5:
                same += 1
                worst = max(worst, abs(a - b).max())
            elif tie.value and (a > 0).sum() == (b > 0).sum() and abs(np.sort(a) - np.sort(b)).max() <= 1e-5:
                ties += 1
            elif margin.value < 1e-6:
                near += 1
            else:
                bad.append((s["text"], row, int((a > 0).sum()), int((b > 0).sum()), abs(a - b).max(), margin.value, tie.value))
    print(f"{what}: {n} rows x settings: {same} equal (largest difference {worst:.1e}), {ties} equal but for which of equal logits stayed, {near} near a cut, "
          f"{none} that llama.cpp has no number for, {len(bad)} others")
    for b in bad[:60]:
        print(*b)


def main():
    m, real, exact = smollm2(sys.argv[1])
    zs = [logits(r, real[r] if r < 100 else None) for r in range(ROWS)]
    marks = [t for t, tail in breakers(m) if not tail and len(word_of(m, t)) < 3][:8]
    pasts = [history(r, zs[r], marks) for r in range(ROWS)]
    present = set(int(t) for p in pasts for t in p)
    found = [b for b in breakers(m) if b[0] in present]
    if len(sys.argv) > 3:
        n = int(sys.argv[4]) if len(sys.argv) > 4 else ROWS
        compare(sys.argv[3], m, "committed", zs[:n], pasts[:n], True)
        return compare(sys.argv[3], m, "the model's own", exact[:n], [history(r, exact[r], marks) for r in range(min(n, 100))], False)
    with open(FOLDER + "rows.bin", "wb") as f:
        for top, values, quants in real:
            f.write(top.tobytes() + values.tobytes() + quants.tobytes())
        f.write(np.array(pasts).tobytes())
        f.write(struct.pack("<I", len(found)))
        for head, tail in found:
            f.write(struct.pack(f"<HH{len(tail)}H", head, len(tail), *tail))
    keep = {}
    with open(FOLDER + "expected.bin", "wb") as f:
        for s in settings():
            for row in range(ROWS):
                left = run(m, s, zs[row], pasts[row], keep)
                f.write(struct.pack("<IQfff", *(told(left) if left is not None else (0xFFFFFFFF, 0, 0, 0, 0))))
        for k, t, drawn, left in steps(zs):
            f.write(struct.pack("<HIQfff", drawn, *told(left, 1 / left["p"].sum(dtype=np.float64))))  # as std::discrete_distribution takes them


main()
