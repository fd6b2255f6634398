#!/usr/bin/env python3
"""Vocabularies of GGUF files beside llama.cpp's: 900 texts (tok_spm.py's) through every ggml-vocab-*.gguf of a folder, by `ptrain tokenize` and by llama.cpp.

  verify_vocabularies.py PTRAIN FOLDER      FOLDER: vendor/llama.cpp/models of the source package llama-cpp-python 0.3.36

Prints, for each vocabulary, how many texts have equal ids, and the first that has not. llama-cpp-python 0.3.36.
"""
import glob, json, os, subprocess, sys, tempfile

HERE = os.path.dirname(os.path.abspath(__file__))


def texts(path):
    src = open(os.path.join(HERE, "tok_spm.py"), encoding="utf8").read()
    body = src[src.index("def texts("):src.index("def train(")]
    scope = {"random": __import__("random"), "glob": glob, "json": json, "unicodedata": __import__("unicodedata"), "SHARED": "../shared/data/"}
    exec(body, scope)
    some = [t for t in scope["texts"](900, 17)]
    with open(path, "w") as f:
        for t in some:
            f.write(json.dumps({"text": t}) + "\n")
    return some


def main():
    with tempfile.TemporaryDirectory() as d:
        some = texts(d + "/t.jsonl")
        from llama_cpp import Llama
        for f in sorted(glob.glob(sys.argv[2] + "/ggml-vocab-*.gguf")):
            p = subprocess.run([sys.argv[1], "tokenize", f, "--input", d + "/t.jsonl"], capture_output=True, text=True)
            if p.returncode:
                print(os.path.basename(f), "REFUSED:", p.stderr.strip()[:200])
                continue
            got = [json.loads(x)["input_ids"] for x in p.stdout.split("\n") if x]
            try:
                m = Llama(f, vocab_only=True, verbose=False)
            except ValueError:
                print(os.path.basename(f), "llama.cpp does not load it")
                continue
            want = [m.tokenize(t.encode(), add_bos=False, special=True) for t in some]
            bad = [i for i, (g, w) in enumerate(zip(got, want)) if g != w]
            print(os.path.basename(f), f"{len(some) - len(bad)} of {len(some)}", "".join("\n    %r\n      ours %s\n      theirs %s" % (some[i][:80], got[i][:24], want[i][:24]) for i in bad[:2]), flush=True)


main()
