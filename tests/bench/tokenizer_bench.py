#!/usr/bin/env python3
"""Tokenizers beside Hugging Face's, one thread each: what it takes to make one of its file, and to encode 10 MB of real text line by line and as one text.

  tokenizer_bench.py PROGRAM [--mb N] [--turns N] [NAME ...]      PROGRAM: build/gcc/tests/bench/tokenizer_bench (make bench-tokenizer)

Every tokenizer of ../shared/data/tokenizers, or those of these names: each tokenizer.json (packed ones are unpacked first); of a SentencePiece model and of tiktoken's
ranks the rival reads the tokenizer.json that transformers' converters make of it (made before the clock runs), and we read the file itself. The text is ../shared/data/text, repeated. The rival
runs in a process of its own with RAYON_NUM_THREADS=1 and TOKENIZERS_PARALLELISM=false: Tokenizer.from_file, then the better of encode_batch and
encode_batch_fast on the lines, and encode_fast on the whole (add_special_tokens=False; no offsets are asked for). The ids must be equal. A ratio is the
rival's seconds over ours; "all" counts load and lines together. Written for tokenizers 0.22 and 0.23.
"""
import argparse, array, gzip, hashlib, json, os, shutil, subprocess, sys, tempfile, time

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
SHARED = os.path.join(ROOT, "..", "shared", "data")


def rival(path, text, turns):
    import tokenizers
    from tokenizers import Tokenizer

    data = open(text, encoding="utf-8", newline="").read()
    lines = [x + "\n" for x in data.split("\n")]
    if data.endswith("\n"):
        lines.pop()
    else:
        lines[-1] = lines[-1][:-1]
    best = {"load": 1e9, "lines": 1e9, "whole": 1e9}

    def clock(name, call):
        t0 = time.perf_counter()
        out = call()
        best[name] = min(best[name], time.perf_counter() - t0)
        return out

    for _ in range(turns):
        tok = clock("load", lambda: Tokenizer.from_file(path))
        one = clock("lines", lambda: tok.encode_batch(lines, add_special_tokens=False))
        del one
        one = clock("lines", lambda: tok.encode_batch_fast(lines, add_special_tokens=False))
        ids = hashlib.sha256(b"".join(array.array("i", e.ids).tobytes() for e in one)).hexdigest()
        del one
        fast = getattr(tok, "encode_fast", None)
        e = clock("whole", lambda: tok.encode_batch_fast([data], add_special_tokens=False)[0] if fast is None else fast(data, add_special_tokens=False))
        whole = hashlib.sha256(array.array("i", e.ids).tobytes()).hexdigest()
        del e
    print(json.dumps(dict(best, ids_lines=ids, ids_whole=whole, version=tokenizers.__version__)))


def ours(program, path, text, turns, work):
    out = {}
    for how in ("lines", "whole"):
        ids = os.path.join(work, "ids")
        p = subprocess.run([program, path, text, how, str(turns), ids], capture_output=True, text=True)
        if p.returncode:
            sys.exit("%s: %s" % (path, p.stderr))
        x = json.loads(p.stdout)
        out[how] = x["encode"]
        out["load"] = min(out.get("load", 1e9), x["load"])
        out["ids_" + how] = hashlib.sha256(open(ids, "rb").read()).hexdigest()
    return out


def convert(kind, folder, out):
    if kind == "ranks":
        from transformers.convert_slow_tokenizer import TikTokenConverter
        TikTokenConverter(os.path.join(folder, "tokenizer.model")).converted().save(out)
    else:
        from transformers import LlamaTokenizer
        LlamaTokenizer.from_pretrained(folder).backend_tokenizer.save(out)


def files(data, names, work, python):
    folder = os.path.join(data, "tokenizers")
    for name in sorted(os.listdir(folder)):
        if names and name not in names:
            continue
        for file in sorted(os.listdir(os.path.join(folder, name))):
            path = os.path.join(folder, name, file)
            if file.endswith("tokenizer.json.gz"):
                out = os.path.join(work, name + ".json")
                with gzip.open(path) as f, open(out, "wb") as g:
                    shutil.copyfileobj(f, g)
                yield name, out, out
            elif file.endswith("tokenizer.json"):
                yield name, path, path
            elif file.endswith((".model", ".model.v3")):
                here = os.path.join(work, file)
                os.makedirs(here)
                shutil.copy(path, os.path.join(here, "tokenizer.model"))
                ranks = "tiktoken" in file
                json.dump({"model_type": "llama"}, open(os.path.join(here, "config.json"), "w"))
                out = os.path.join(work, file + ".json")
                p = subprocess.run([python, os.path.abspath(__file__), "--convert", "ranks" if ranks else "pieces", here, out], capture_output=True, text=True)
                if p.returncode:
                    print(file, "is not converted:", p.stderr.strip()[-200:])
                else:
                    yield file[:12], here, out


def main():
    p = argparse.ArgumentParser()
    p.add_argument("program")
    p.add_argument("names", nargs="*")
    p.add_argument("--mb", type=float, default=10)
    p.add_argument("--turns", type=int, default=3)
    p.add_argument("--python", default=sys.executable, help="the rival's")
    p.add_argument("--data", default=SHARED)
    args = p.parse_args()
    if subprocess.run([args.python, "-c", "import tokenizers"], capture_output=True).returncode:
        sys.exit("tokenizer_bench.py: %s has no package tokenizers, which is the rival: install it (and transformers, for SentencePiece models and ranks), or name another by PYTHON= or --python" % args.python)
    with tempfile.TemporaryDirectory() as work:
        text = os.path.join(work, "text")
        parts = b"".join(open(os.path.join(args.data, "text", f), "rb").read() for f in sorted(os.listdir(os.path.join(args.data, "text"))))
        whole = (parts * (int(args.mb * 1e6 / len(parts)) + 1))[: int(args.mb * 1e6)]
        open(text, "wb").write(whole.decode("utf-8", "ignore").encode())
        env = dict(os.environ, RAYON_NUM_THREADS="1", TOKENIZERS_PARALLELISM="false")
        worst, b = 9e9, None
        print("%-12s %27s   %27s   %27s   %6s  ids" % ("", "load s (rival, ratio)", "lines s (rival, ratio)", "one text s (rival, ratio)", "all"))
        for name, path, other in files(args.data, args.names, work, args.python):
            a = ours(args.program, path, text, args.turns, work)
            q = subprocess.run([args.python, os.path.abspath(__file__), "--rival", other, text, str(args.turns)], capture_output=True, text=True, env=env)
            if q.returncode:
                print(name, "the rival failed:", q.stderr[-300:])
                continue
            b = json.loads(q.stdout.strip().splitlines()[-1])
            say = lambda k: "%9.3f (%7.3f, %6.2f)" % (a[k], b[k], b[k] / a[k])
            both = (b["load"] + b["lines"]) / (a["load"] + a["lines"])
            same = all(a[k] == b[k] for k in ("ids_lines", "ids_whole"))
            worst = min([worst, both] + [b[k] / a[k] for k in ("load", "lines", "whole")])
            print("%-12s %27s   %27s   %27s   %6.2f  %s" % (name, say("load"), say("lines"), say("whole"), both, "equal" if same else "OTHER"), flush=True)
        if not b:
            sys.exit("tokenizer_bench.py: nothing was compared")
        print("the least ratio: %.2f (wanted: 1), beside tokenizers %s" % (worst, b["version"]))


if __name__ == "__main__":
    if len(sys.argv) == 5 and sys.argv[1] == "--convert":
        convert(*sys.argv[2:])
    elif len(sys.argv) == 5 and sys.argv[1] == "--rival":
        rival(sys.argv[2], sys.argv[3], int(sys.argv[4]))
    else:
        main()
