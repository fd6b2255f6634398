"""SentencePiece models and Unigram vocabularies: what sentencepiece, tokenizers and transformers make of texts.

Trains small vocabularies on ../shared/data/text (sentencepiece 0.2.3, tokenizers 0.23.3, transformers 5.24.0, protobuf 7.36.2) and writes
tests/golden/data/spm/*.model and *.json, and tests/golden/data/tok_spm.json with a few texts for each:
  models:  {file, rows: [text, ids of SentencePieceProcessor.encode, decode without and with special tokens of transformers]}
  folders: {file, config, added (added_tokens.json), size, bos, eos, unk, rows: [text, ids of transformers' TokenizersBackend, decoded, plain]}
  unigram: {file, rows: [text, ids of tokenizers, decoded, plain]}
From the repository's root: PYTHON tests/golden/tok_spm.py
With --all DUMP (build/gcc/tests/tools/tok_dump, make tok-dump) it compares instead: 900 texts go
through every file below ../shared/data/tokenizers/{spm,tiny} that is SentencePiece's, and through those written here.
"""
import argparse
import glob
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import unicodedata

import sentencepiece as spm
from sentencepiece import sentencepiece_model_pb2 as pb
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers.tokenization_utils_tokenizers import TokenizersBackend

SHARED = "../shared/data/"
OUT = "tests/golden/data/spm/"
RULES = [("\u00a0", " "), ("\t", " "), ("\u3000", " "), ("\u200b", ""), ("\ufb01", "fi"), ("\u212b", "\u00c5"), ("e\u0301", "\u00e9"),
         ("\u00bd", "1\u20442"), ("\u3000\u3000", "  x "), ("\uff71", "\u30a2"), ("\uff76\uff9e", "\u30ac"), ("\u2603", ""), ("e\u0301\u0301", "E")]


def texts(n, seed):
    """English, Chinese, code, emoji, control characters, odd code points, white space at the ends and spellings of control tokens."""
    r = random.Random(seed)
    eng = [open(f, encoding="utf8", errors="replace").read() for f in sorted(glob.glob(SHARED + "text/*.txt"))]
    zh = "\n".join(json.dumps(json.loads(x), ensure_ascii=False) for f in sorted(glob.glob(SHARED + "sft/chatharuhi_zh_*.jsonl")) for x in open(f, encoding="utf8"))
    code = [open(f, encoding="utf8").read() for f in sorted(glob.glob("base/*.c"))]
    emoji = [chr(c) for c in [*range(0x1F300, 0x1F650), *range(0x1F900, 0x1FA00), *range(0x2600, 0x27C0)]] + [
        "\u200d", "\ufe0f", "\U0001F3FD", "\U0001F1E9\U0001F1EA", "\U0001F469\u200d\U0001F469\u200d\U0001F467", "\u2764\ufe0f"]
    ctl = [chr(c) for c in [*range(1, 32), 127, *range(0x80, 0xA0), 0x200B, 0x200E, 0x2028, 0x2029, 0xFEFF, 0xA0, 0x3000, 0x2003]]
    ends = ["", " ", "   ", "\u2581", "<unk>", "<s>", "</s>", " \n ", "<|user|>", "<sep>", "[IMG]", "\u3000\u3000"]
    odd = ["", " ", "\u00e9e\u0301", "\ufb01 \u212b \u00bd \u338f \uff71\uff76\uff9e", "<0x41>", "e\u0301\u0301", "\r\n", "\u2603 a"]
    out = []

    def cut(s, k):
        i = r.randrange(max(1, len(s) - k))
        return s[i:i + k]

    while len(out) < n:
        k = len(out) % 9
        if k < 2:
            t = cut(r.choice(eng), r.randrange(1, 400))
        elif k == 2:
            t = cut(zh, r.randrange(1, 200))
        elif k == 3:
            t = cut(r.choice(code), r.randrange(1, 300))
        elif k == 4:
            t = "".join(r.choice(emoji) if r.random() < .5 else r.choice(["a", " ", "word ", "\u4f60"]) for _ in range(r.randrange(1, 60)))
        elif k == 5:
            t = "".join(r.choice(ctl) if r.random() < .4 else r.choice(["a", " ", "x y", "\n", "  "]) for _ in range(r.randrange(1, 60)))
        elif k < 8:
            top = 0x3000 if k == 6 else 0x20000
            t = "".join(c for c in (chr(r.randrange(0x20, top)) for _ in range(r.randrange(1, 80))) if unicodedata.category(c) != "Cs")
        else:
            t = r.choice(ends) + cut(r.choice(eng), r.randrange(0, 30)) + r.choice(ends) + cut(zh, r.randrange(0, 9)) + r.choice(odd) + r.choice(ends)
        out.append(t.replace("\0", ""))
    return out


def train(name, **opt):
    base = dict(vocab_size=400, num_threads=1, max_sentence_length=4000, minloglevel=2, character_coverage=0.995, input_sentence_size=3000,
                shuffle_input_sentence=False, input=",".join(sorted(glob.glob(SHARED + "text/*.txt"))[:2]))
    spm.SentencePieceTrainer.train(model_prefix=OUT + name, **dict(base, **opt))
    os.remove(OUT + name + ".vocab")
    m = pb.ModelProto()
    m.ParseFromString(open(OUT + name + ".model", "rb").read())
    m.trainer_spec.input[:] = []  # no paths of this machine
    m.trainer_spec.model_prefix = ""
    return m


def put(name, m):
    with open(OUT + name + ".model", "wb") as f:
        f.write(m.SerializeToString())


def make_models():
    os.makedirs(OUT, exist_ok=True)
    with tempfile.TemporaryDirectory() as d:
        tsv = d + "/rules.tsv"
        with open(tsv, "w") as f:
            for a, b in RULES:
                f.write(" ".join(f"{ord(c):X}" for c in a) + "\t" + " ".join(f"{ord(c):X}" for c in b) + "\n")
        own = dict(user_defined_symbols=["<|user|>", "the", "ing "], control_symbols=["<sep>"])
        m = train("uni_bytes", model_type="unigram", byte_fallback=True, normalization_rule_tsv=tsv, **own)
        m.pieces[300].type = m.pieces[301].type = pb.ModelProto.SentencePiece.UNUSED
        put("uni_bytes", m)
        put("uni_suffix", train("uni_suffix", model_type="unigram", treat_whitespace_as_suffix=True, normalization_rule_name="identity"))
        put("uni_plain", train("uni_plain", model_type="unigram", normalization_rule_name="identity", vocab_size=300))
        put("bpe_rules", train("bpe_rules", model_type="bpe", normalization_rule_tsv=tsv, unk_id=3, bos_id=0, eos_id=1, pad_id=2, vocab_size=300, **own))
        put("bpe_bytes", train("bpe_bytes", model_type="bpe", byte_fallback=True, normalization_rule_name="identity", remove_extra_whitespaces=False,
                               add_dummy_prefix=False, vocab_size=600, user_defined_symbols=["\u2581\u2581", "<|user|>"]))
        m = train("bpe_plain", model_type="bpe", byte_fallback=True, normalization_rule_name="identity", remove_extra_whitespaces=False, vocab_size=600)
        put("bpe_plain", m)
        m.normalizer_spec.escape_whitespaces = False
        for p in m.pieces:
            p.piece = p.piece.replace("\u2581", " ")
        put("bpe_blanks", m)
        return pb_map("uni_bytes")


def pb_map(name):
    m = pb.ModelProto()
    m.ParseFromString(open(OUT + name + ".model", "rb").read())
    return m.normalizer_spec.precompiled_charsmap


def make_unigrams(charsmap):
    files = sorted(glob.glob(SHARED + "text/*.txt"))[:2]
    for name, norm, split, fallback in [("unigram_map", [normalizers.Precompiled(charsmap), normalizers.Replace(Regex(" {2,}"), " ")], True, False),
                                        ("unigram_whole", [normalizers.NFC()], False, True)]:
        t = Tokenizer(models.Unigram())
        t.normalizer = normalizers.Sequence(norm)
        t.pre_tokenizer = pre_tokenizers.Metaspace(replacement="\u2581", prepend_scheme="always", split=split)
        t.decoder = decoders.Metaspace(replacement="\u2581", prepend_scheme="always", split=split)
        extra = [f"<0x{b:02X}>" for b in range(256)] if fallback else []
        lines = [x[:200] for f in files for x in open(f, encoding="utf8").read().split("\n")[:150 if fallback else 4000]]
        t.train_from_iterator(lines, trainers.UnigramTrainer(vocab_size=300 + len(extra), special_tokens=["<unk>", "<s>", "</s>"] + extra, unk_token="<unk>", show_progress=False))
        d = json.loads(t.to_str())
        d["model"]["byte_fallback"] = fallback
        d["added_tokens"] = d["added_tokens"][:3]
        with open(OUT + name + ".json", "w") as f:
            json.dump(d, f, ensure_ascii=False, separators=(",", ":"))


TOKEN = {"lstrip": False, "rstrip": False, "single_word": False, "normalized": True, "special": False}
FOLDERS = [("bpe_plain.model", {"add_bos_token": True}, None),
           ("bpe_plain.model", {"legacy": False, "pad_token": "<pad>", "eos_token": "<unk>"}, None),
           ("bpe_plain.model", {"added_tokens_decoder": {"500": dict(TOKEN, content="<|place|>", special=True), "600": dict(TOKEN, content="the sea"),
                                                         "601": dict(TOKEN, content="[IMG]", lstrip=True, rstrip=True, special=True)}}, None),
           ("uni_plain.model", {"eos_token": "<s>"}, {"[IMG]": 300, "light": 301})]


def folder(d, name, config, added):
    shutil.copy(name if "/" in name else OUT + name, d + "/tokenizer.model")
    json.dump(config, open(d + "/tokenizer_config.json", "w"))
    if added:
        json.dump(added, open(d + "/added_tokens.json", "w"))
    return TokenizersBackend.from_pretrained(d)


def rows_of(encode, decode, some):
    return [[t, (i := encode(t)), decode(i, False), decode(i, True)] for t in some]


def of_model(name, some):
    """Ids of sentencepiece; transformers decodes."""
    path = name if "/" in name else OUT + name
    sp = spm.SentencePieceProcessor(model_file=path)
    with tempfile.TemporaryDirectory() as d:
        t = folder(d, path, {}, None)
        return rows_of(sp.encode, lambda i, skip: t.decode(i, skip_special_tokens=skip), some)


def of_json(name, some):
    t = Tokenizer.from_file(OUT + name)
    return rows_of(lambda s: t.encode(s, add_special_tokens=False).ids, lambda i, skip: t.decode(i, skip_special_tokens=skip), some)


def write():
    make_unigrams(make_models())
    some = [t[:60] for t in texts(45, 3)] + ["e\u0301\u0301 ae\u0301\u0301e\u0301", "\u3000\u3000\u3000 x\u3000\u3000"]
    out = {"models": [{"file": os.path.basename(f), "rows": of_model(os.path.basename(f), some)} for f in sorted(glob.glob(OUT + "*.model"))],
           "unigram": [{"file": os.path.basename(f), "rows": of_json(os.path.basename(f), some)} for f in sorted(glob.glob(OUT + "*.json"))], "folders": []}
    for name, config, added in FOLDERS:
        with tempfile.TemporaryDirectory() as d:
            t = folder(d, name, config, added)
            rows = rows_of(lambda s: t(s, add_special_tokens=False).input_ids, lambda i, skip: t.decode(i, skip_special_tokens=skip), some[8::9] + some[:9])
            out["folders"].append({"file": name, "config": config, "added": added, "size": len(t), "bos": t.bos_token_id, "eos": t.eos_token_id,
                                   "unk": t.unk_token_id, "rows": rows})
    with open("tests/golden/data/tok_spm.json", "w") as f:
        json.dump(out, f, ensure_ascii=True, separators=(",", ":"))


def compare(dump, n):
    some, bad = texts(n, 17), 0
    with tempfile.TemporaryDirectory() as d:
        json.dump(some, open(d + "/t.json", "w"))

        def one(what, path, added, want):
            p = subprocess.run([dump, path, d + "/t.json", str(added)], capture_output=True, text=True)
            got = json.loads(p.stdout.split("\n", 1)[1]) if p.returncode == 0 else []
            if p.returncode:
                print(p.stderr, file=sys.stderr)
            same = [sum(g[k] == w[k + 1] for g, w in zip(got, want)) for k in range(3)]
            print(f"{what}: of {len(want)} texts {same[0]} give the same ids, {same[1]} and {same[2]} the same text without and with special tokens skipped")
            for g, w in zip(got, want):
                if g != w[1:]:
                    print("   ", repr(w[0])[:100], g[0][:12], w[1][:12])
                    break
            return len(want) * 3 - sum(same)

        for f in sorted(glob.glob(SHARED + "tokenizers/spm/*.model*") + [SHARED + "tokenizers/tiny/m.model"] + glob.glob(OUT + "*.model")):
            bad += one("sentencepiece " + f, f, 0, of_model(os.path.abspath(f), some))
        for f in sorted(glob.glob(OUT + "*.json")):
            bad += one("tokenizers " + f, f, 1, of_json(os.path.basename(f), some))
        for name, config, added in FOLDERS:
            f = d + "/folder"
            os.mkdir(f)
            t = folder(f, name, config, added)
            bad += one(f"transformers {name} {json.dumps(config)[:60]}", f, 1,
                       rows_of(lambda s: t(s, add_special_tokens=False).input_ids, lambda i, skip: t.decode(i, skip_special_tokens=skip), some))
            shutil.rmtree(f)
    return bad


if __name__ == "__main__":
    a = argparse.ArgumentParser()
    a.add_argument("--all")
    a.add_argument("-n", type=int, default=900)
    opt = a.parse_args()
    sys.exit(compare(opt.all, opt.n) != 0) if opt.all else write()
