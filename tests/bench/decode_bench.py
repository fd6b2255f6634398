#!/usr/bin/env python3
"""Decoding beside llama.cpp and beside the memory: tokens/s of one stream and of 16, as ratios of turns on one machine.

  decode_bench.py PTRAIN STREAM_BENCH LLAMA_BIN MODEL.gguf [--turns N] [--types q4_1,q8_0]

LLAMA_BIN is a folder with llama-bench and llama-batched-bench, built for this machine. Prompts of 64 tokens, 128 new ones, two threads on both sides, greedy on
ours, f32, which the wanted ratios are of; 16 also as `compute: auto` takes them (where bf16 products are faster: numbers of 16 bits of their block's largest,
llama.cpp's have 8). A turn measures the memory (STREAM_BENCH), ours, theirs; the median of the turns' ratios counts. Types other than MODEL's own are exports of it, which
both sides read. Ours is the difference of two lengths, so that loading and prefill cancel.

Printed first, before anything is timed: what a token must cost (bytes of weights and keys, FLOPs), and for 16 streams which of memory, f32 units and byte
products bounds a step.
"""
import argparse, json, os, statistics, struct, subprocess, sys, tempfile, time

NEW, SHORT, PROMPT, STREAMS = 128, 8, 64, 16
BLOCK = {0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34), 10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176),
         14: (256, 210), 20: (32, 18), 21: (256, 110), 23: (256, 136), 30: (1, 2)}


class Gguf:
    """Sizes of a GGUF file's tensors, and its numbers."""
    def __init__(self, path):
        with open(path, "rb") as f:
            self.f = f
            f.read(8)
            tensors, pairs = struct.unpack("<QQ", f.read(16))
            self.meta = {}
            for _ in range(pairs):
                key = self.text()
                self.meta[key] = self.value(self.number("<I"))
            self.bytes = self.weights = 0
            for _ in range(tensors):
                self.text()
                n = 1
                for _ in range(self.number("<I")):
                    n *= self.number("<Q")
                block, size = BLOCK[self.number("<I")]
                self.number("<Q")
                self.bytes += n // block * size
                self.weights += n

    def number(self, form):
        return struct.unpack(form, self.f.read(struct.calcsize(form)))[0]

    def text(self):
        return self.f.read(self.number("<Q")).decode("utf-8", "replace")

    def value(self, kind):
        if kind == 8:
            return self.text()
        if kind == 9:
            of, n = self.number("<I"), self.number("<Q")
            for _ in range(n):
                self.value(of)
            return n
        return self.number({0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}[kind])


def prompts(ptrain, model, n):
    """n texts of PROMPT tokens, unlike from the first word on."""
    words = "the old keeper of the house said that every road leads back to the river where the boats wait for the morning and nobody asks who is going away".split()
    out = []
    for i in range(n):
        text = [words[(7 * i + 3 * k) % len(words)] for k in range(PROMPT)]
        lo = PROMPT
        while tokens(ptrain, model, " ".join(text[:lo])) > PROMPT:
            lo -= 1
        out.append(" ".join(text[:lo]))
    return out


def tokens(ptrain, model, text):
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as f:
        f.write(json.dumps({"text": text}) + "\n")
        f.flush()
        said = subprocess.run([ptrain, "tokenize", model, "--input", f.name], capture_output=True, text=True, check=True).stdout
    return len(json.loads(said)["input_ids"])


def ours(ptrain, model, rows, compute):
    """Tokens a second over all rows: 128 more tokens of each against the time of the first ones."""
    def once(n):
        t0 = time.perf_counter()
        said = subprocess.run([ptrain, "generate", model, "--raw", "--input", rows, "--temperature", "0", "--compute=" + compute, "--max-new-tokens", str(n)],
                              capture_output=True, text=True, check=True).stdout
        spent = time.perf_counter() - t0
        for line in said.splitlines():
            if json.loads(line)["finish_reason"] != "length":
                sys.exit("a stream ended before its %d tokens: the measurement does not count" % n)
        return spent, len(said.splitlines())
    long, n = once(NEW + SHORT)
    return n * NEW / (long - once(SHORT)[0])


def llama_one(folder, model):
    said = subprocess.run([os.path.join(folder, "llama-bench"), "-m", model, "-p", "0", "-n", str(NEW), "-d", str(PROMPT), "-t", "2", "-r", "1", "-o", "json"],
                          capture_output=True, text=True, check=True).stdout
    return json.loads(said)[0]["avg_ts"]


def llama_many(folder, model):
    said = subprocess.run([os.path.join(folder, "llama-batched-bench"), "-m", model, "-c", "4096", "-npp", str(PROMPT), "-ntg", str(NEW), "-npl", str(STREAMS), "-t", "2",
                           "--output-format", "jsonl"], capture_output=True, text=True, check=True).stdout
    return next(json.loads(x)["speed_tg"] for x in said.splitlines() if x.startswith("{"))


def cost(name, g):
    """Bytes and FLOPs that a token must cost; the keys at the middle of the answer, f32."""
    arch = g.meta["general.architecture"]
    layers, heads = g.meta[arch + ".block_count"], g.meta[arch + ".attention.head_count"]
    kv = g.meta.get(arch + ".attention.head_count_kv", heads) * (g.meta[arch + ".embedding_length"] // heads)
    keys = 2 * layers * kv * 4 * (PROMPT + NEW // 2)
    print("%s: a token reads %.1f MB of weights and %.1f MB of keys, %.2f GFLOP; %d streams together: %.1f MB, %.2f GFLOP, %.0f FLOP a byte" % (
        name, g.bytes / 1e6, keys / 1e6, 2e-9 * g.weights, STREAMS, (g.bytes + STREAMS * keys) / 1e6, 2e-9 * g.weights * STREAMS,
        2 * g.weights * STREAMS / (g.bytes + STREAMS * keys)))
    return g.bytes + keys


def measure(a, name, model, one, many):
    floor_bytes = cost(name, Gguf(model))
    sides = {"one": [], "many": [], "exact": [], "floor": []}
    for _ in range(a.turns):
        gbs = float(subprocess.run([a.stream], capture_output=True, text=True, check=True, env=dict(os.environ, OMP_NUM_THREADS="2")).stdout)
        mine, theirs = ours(a.ptrain, model, one, "f32"), llama_one(a.llama, model)
        sides["one"].append((mine, theirs))
        sides["floor"].append((mine, gbs * 1e9 / floor_bytes))
        theirs = llama_many(a.llama, model)
        sides["many"].append((ours(a.ptrain, model, many, "auto"), theirs))
        sides["exact"].append((ours(a.ptrain, model, many, "f32"), theirs))
    for key, what, need in (("one", "one stream, llama-bench", 1.0), ("floor", "one stream, the memory", 0.7), ("exact", "%d streams, llama-batched-bench" % STREAMS, 1.5), ("many", "%d streams, compute auto, the same" % STREAMS, None)):
        ratio = statistics.median(x / y for x, y in sides[key])
        print("  %-5s %-32s %8.1f vs %8.1f tokens/s  ratio %5.2f  %-14s turns: %s" % (
            name, what, statistics.median(x for x, _ in sides[key]), statistics.median(y for _, y in sides[key]), ratio, "" if need is None else "%s (>= %.2f)" % ("ok" if ratio >= need else "MISSED", need),
            " ".join("%.2f" % (x / y) for x, y in sides[key])), flush=True)


def main():
    ap = argparse.ArgumentParser()
    for x in ("ptrain", "stream", "llama", "model"):
        ap.add_argument(x)
    ap.add_argument("--turns", type=int, default=5)
    ap.add_argument("--types", default="q4_1,q8_0")
    a = ap.parse_args()
    with tempfile.TemporaryDirectory() as work:
        one, many = os.path.join(work, "one.jsonl"), os.path.join(work, "many.jsonl")
        texts = prompts(a.ptrain, a.model, STREAMS)
        open(one, "w").write(json.dumps({"prompt": texts[0]}) + "\n")
        open(many, "w").write("".join(json.dumps({"prompt": t}) + "\n" for t in texts))
        for name in a.types.split(","):
            model = a.model
            if name.upper() not in os.path.basename(a.model).upper():
                model = os.path.join(work, name + ".gguf")
                subprocess.run([a.ptrain, "export", a.model, "--to", "gguf", "--type", name, "--out", model], check=True, stdout=subprocess.DEVNULL)
            measure(a, name, model, one, many)


if __name__ == "__main__":
    main()
