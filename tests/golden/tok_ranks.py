#!/usr/bin/env python3
"""tests/golden/data/tok_ranks.json: vocabularies of ranks (tekken.json, tiktoken's files) with texts, ids and decoded texts of mistral-common and tiktoken.

  tok_ranks.py                     makes the fixture: small vocabularies, trained here on sentences of data/samples, and 36 texts
  tok_ranks.py --real FOLDER OUT   900 texts through mistral-common's own two tekken.json (of its package): FOLDER gets the files, OUT the rows;
                                   PTRAIN_TOK_RANKS=OUT build/gcc/tests/unit/data_tokenizer_ranks compares

Written for mistral-common 1.13.1, tiktoken 0.14.0.
"""
import base64, collections, glob, json, os, random, sys, unicodedata

import tiktoken
from mistral_common.tokens.tokenizers.tekken import Tekkenizer

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.join(HERE, "..", "..")
CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
LLAMA3 = CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
QWEN = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
CL100K = r"""'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s"""
UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
O200K = "|".join([r"[^\r\n\p{L}\p{N}]?%s*%s+%s?" % (UPPER, LOWER, CONTRACTIONS), r"[^\r\n\p{L}\p{N}]?%s+%s*%s?" % (UPPER, LOWER, CONTRACTIONS),
                  r"\p{N}{1,3}", r" ?[^\s\p{L}\p{N}]+[\r\n/]*", r"\s*[\r\n]+", r"\s+(?!\S)", r"\s+"])
TEKKEN = "|".join([r"[^\r\n\p{L}\p{N}]?%s*%s+" % (UPPER, LOWER), r"[^\r\n\p{L}\p{N}]?%s+%s*" % (UPPER, LOWER), r"\p{N}",
                   r" ?[^\s\p{L}\p{N}]+[\r\n/]*", r"\s*[\r\n]+", r"\s+(?!\S)", r"\s+"])


def sentences(name):
    return [g for x in open(os.path.join(ROOT, "data", "samples", name), encoding="utf-8") for g in json.loads(x)["generated"]]


def train(n):
    """Byte-pair ranks: the bytes, then n merges of the most frequent pairs within words."""
    import regex
    words = collections.Counter()
    for s in sentences("roles_train_en.jsonl")[:400] + sentences("roles_train_zh.jsonl")[:200]:
        words.update(w.encode() for w in regex.findall(LLAMA3, s))
    split = {w: [bytes([b]) for b in w] for w in words}
    ranks = [bytes([b]) for b in range(256)]
    for _ in range(n):
        pairs = collections.Counter()
        for w, p in split.items():
            for a, b in zip(p, p[1:]):
                pairs[a, b] += words[w]
        (a, b), _ = max(pairs.items(), key=lambda x: (x[1], x[0]))
        if a + b not in ranks:
            ranks.append(a + b)
        for w, p in split.items():
            out, i = [], 0
            while i < len(p):
                if i + 1 < len(p) and p[i] == a and p[i + 1] == b:
                    out.append(a + b)
                    i += 2
                else:
                    out.append(p[i])
                    i += 1
            split[w] = out
    return ranks


def texts(n, seed, shared=None):
    r = random.Random(seed)
    english, chinese = sentences("roles_train_en.jsonl"), sentences("roles_train_zh.jsonl")
    if shared:
        english += open(os.path.join(shared, "text", "wiki_demo_part.txt"), encoding="utf-8").read().split("\n")
        english += open(os.path.join(shared, "text", "tinyshakespeare_train.txt"), encoding="utf-8").read().split("\n\n")[:500]
    code = [p for f in sorted(glob.glob(os.path.join(ROOT, "base", "*.c")) + glob.glob(os.path.join(ROOT, "tests", "golden", "*.py"))) for p in open(f, encoding="utf-8").read().split("\n\n")]
    emoji = [chr(c) for a, b in ((0x1F300, 0x1F64F), (0x1F900, 0x1F9FF), (0x2600, 0x26FF)) for c in range(a, b)] + ["\u200d", "\ufe0f", "\U0001f3fd", "\U0001f468\u200d\U0001f469\u200d\U0001f467"]
    any_point = lambda: chr(r.choice([r.randrange(0x20), r.randrange(0x7F, 0xA1), r.randrange(0x300, 0x370), r.randrange(0x2000, 0x2070), r.randrange(0x400, 0xD800), r.randrange(0xE000, 0x30000), 0xE0001]))
    out = ["", " ", "  ", "\n", "\r\n\r\n", " \t ", "'S 're 'LL \u017f's", "1234567 12 \u0664\u0665", "HelloWORLD don'T", "a" * 100, "aaab" * 9, "   x   ", "<s>[INST] hi [/INST]</s>", "<|im_start|>user\n", "e\u0301\u00e9", "\u1e9b\u0323", "\ufb01"]
    while len(out) < n:
        kind = len(out) % 5
        if kind == 0:
            t = r.choice(english)
        elif kind == 1:
            t = r.choice(chinese)
        elif kind == 2:
            t = r.choice(code)
        elif kind == 3:
            t = "".join(r.choice([r.choice(emoji), " ", r.choice(english)[:8]]) for _ in range(12))
        else:
            t = "".join(any_point() if r.random() < 0.7 else r.choice(english)[:5] for _ in range(20))
        out.append(t[: 600 if shared else 90])
    return out[:n]


def tekken(ranks, used, special, listed, version):
    vocab = [{"rank": i, "token_bytes": base64.b64encode(b).decode(), "token_str": None} for i, b in enumerate(ranks)]
    d = {"config": {"pattern": TEKKEN, "num_vocab_tokens": len(ranks), "default_vocab_size": used + special, "default_num_special_tokens": special, "version": version}, "vocab": vocab}
    if listed is not None:
        d["special_tokens"] = [{"rank": i, "token_str": s, "is_control": True} for i, s in enumerate(listed)]
    return d


def tekken_rows(path, all_texts, seed=5):
    t = Tekkenizer.from_file(path)
    r, rows = random.Random(seed), []
    for s in all_texts:
        ids = t.encode(s, False, False)
        odd = [r.randrange(t.n_words) for _ in range(12)]
        rows.append({"text": s, "ids": ids, "decoded": t.decode(ids), "odd": odd, "odd_decoded": t.decode(odd)})
    return rows


def tiktoken_rows(ranks, pattern, nfc, all_texts):
    e = tiktoken.Encoding("x", pat_str=pattern, mergeable_ranks={b: i for i, b in enumerate(ranks)}, special_tokens={})
    rows = []
    for s in all_texts:
        ids = e.encode_ordinary(unicodedata.normalize("NFC", s) if nfc else s)
        rows.append({"text": s, "ids": ids, "decoded": e.decode(ids)})
    return rows


def fixture():
    ranks, some = train(300), texts(36, 1)
    work = os.path.join("/tmp", "tok_ranks_%d.json" % os.getpid())
    cases = []
    for name, d in (("tekken.json", tekken(ranks, len(ranks) - 30, 24, None, "v3")),
                    ("tekken.json", tekken(ranks, len(ranks), 16, ["<unk>", "<s>", "</s>", "[INST]", "[/INST]", "<pad>", "[THINK]"], "v13"))):
        json.dump(d, open(work, "w"))
        rows = tekken_rows(work, some)
        cases.append({"file": name, "used": d["config"]["default_vocab_size"] - d["config"]["default_num_special_tokens"], "special": d["config"]["default_num_special_tokens"],
                      "listed": [x["token_str"] for x in d["special_tokens"]] if "special_tokens" in d else None, "version": d["config"]["version"], "rows": rows})
    os.remove(work)
    for name, config, pattern, nfc, known in (
            ("qwen.tiktoken", None, QWEN, True, {"<|endoftext|>": 0, "<|im_end|>": 2, "<|extra_204|>": 207}),
            ("tokenizer.model", "llama", LLAMA3, False, {"<|begin_of_text|>": 0, "<|eot_id|>": 9, "<|reserved_special_token_246|>": 255}),
            ("tokenizer.model", "chatglm", LLAMA3, False, {}),
            ("cl100k_base.tiktoken", None, CL100K, False, {"<|endoftext|>": 100257 - len(ranks), "<|endofprompt|>": 100276 - len(ranks)}),
            ("o200k_base.tiktoken", None, O200K, False, {"<|endoftext|>": 199999 - len(ranks), "<|endofprompt|>": 200018 - len(ranks)})):
        cases.append({"file": name, "model_type": config, "known": known, "rows": tiktoken_rows(ranks, pattern, nfc, some)})
    out = {"ranks": [base64.b64encode(b).decode() for b in ranks], "pattern": TEKKEN, "cases": cases}
    with open(os.path.join(HERE, "data", "tok_ranks.json"), "w", encoding="utf-8") as f:
        json.dump(out, f, ensure_ascii=True, separators=(",", ":"))


def real(folder, out):
    import mistral_common
    cases = []
    shared = os.path.join(ROOT, "..", "shared", "data") if len(sys.argv) < 5 else sys.argv[4]
    some = texts(900, 7, shared)
    for path in sorted(glob.glob(os.path.join(os.path.dirname(mistral_common.__file__), "data", "tekken_*.json"))):
        here = os.path.join(folder, os.path.basename(path)[:-5])
        os.makedirs(here, exist_ok=True)
        link = os.path.join(here, "tekken.json")
        if not os.path.exists(link):
            os.symlink(path, link)
        cases.append({"folder": here, "rows": tekken_rows(path, some)})
    json.dump({"cases": cases}, open(out, "w"), separators=(",", ":"))


if __name__ == "__main__":
    real(sys.argv[2], sys.argv[3]) if len(sys.argv) > 3 and sys.argv[1] == "--real" else fixture()
