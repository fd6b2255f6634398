"""The same two tiny vocabularies under other normalizers, pre-tokenizers, decoders and added tokens: what tokenizers makes of them.

Writes tests/golden/data/tok_variants.json: a list of {base, patch (keys of tokenizer.json to replace; model: keys of its model), rows}.
tokenizers 0.23.3. From the repository's root, after tok_tiny.py: /opt/gold/bin/python tests/golden/tok_variants.py
"""
import json

from tokenizers import Tokenizer

DATA = "tests/golden/data/"
BYTES = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
GPT2 = dict(BYTES, use_regex=True)


def seq(*steps):
    return {"type": "Sequence", "pretokenizers": list(steps)}


def split(pattern, behaviour, invert=False, kind="Regex"):
    return {"type": "Split", "pattern": {kind: pattern}, "behavior": behaviour, "invert": invert}


def meta(scheme, split_):
    return {"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": split_}


def added(i, content, **flags):
    return dict({"id": i, "content": content, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
                 "special": False}, **flags)


ODD = [added(5000, "<mask>", lstrip=True, special=True), added(5001, "zea", single_word=True, rstrip=True),
       added(5002, "<mask>ed", special=True), added(5003, "lightho"), added(5004, "lighthouse k", normalized=True),
       added(5005, "''", lstrip=True, rstrip=True), added(5006, "the s"), added(5007, "\uac00a", normalized=True)]
VARIANTS = [("tok_bpe", {"pre_tokenizer": seq({"type": "Digits", "individual_digits": True}, GPT2), "normalizer": None}),
            ("tok_bpe", {"pre_tokenizer": seq({"type": "Digits", "individual_digits": False}, BYTES), "normalizer": None}),
            ("tok_bpe", {"pre_tokenizer": dict(GPT2, add_prefix_space=True), "normalizer": {"type": "NFKC"}}),
            ("tok_bpe", {"pre_tokenizer": seq({"type": "Punctuation", "behavior": "Contiguous"}, BYTES), "normalizer": {"type": "NFD"}}),
            ("tok_bpe", {"normalizer": {"type": "Sequence", "normalizers": [
                {"type": "NFKD"}, {"type": "Lowercase"}, {"type": "Replace", "pattern": {"Regex": "\\s+"}, "content": " "},
                {"type": "Strip", "strip_left": True, "strip_right": False}]}}),
            ("tok_bpe", {"pre_tokenizer": seq(split("\\s", "Removed"), BYTES)}),
            ("tok_bpe", {"pre_tokenizer": seq(split("[^\\s]+", "Isolated", True), BYTES)}),
            ("tok_bpe", {"pre_tokenizer": seq(split("the", "Isolated", kind="String"), split(".", "Contiguous", True, "String"), BYTES)}),
            ("tok_bpe", {"model": {"ignore_merges": True}}),
            ("tok_bpe", {"added_tokens": ODD}),
            ("tok_spm", {"pre_tokenizer": meta("first", False), "normalizer": None}),
            ("tok_spm", {"pre_tokenizer": meta("always", True), "normalizer": None}),
            ("tok_spm", {"pre_tokenizer": meta("never", True), "normalizer": None}),
            ("tok_spm", {"pre_tokenizer": split(" ", "MergedWithPrevious", kind="String"),
                         "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}}),
            ("tok_spm", {"model": {"byte_fallback": False}}),
            ("tok_spm", {"model": {"byte_fallback": False, "fuse_unk": False}}),
            ("tok_spm", {"model": {"byte_fallback": False, "unk_token": None}}),
            ("tok_spm", {"added_tokens": [added(0, "<unk>", special=True), added(1, "<s>", special=True), added(2, "</s>", special=True)] +
                         ODD})]
for b in ("Removed", "MergedWithPrevious", "MergedWithNext", "Contiguous", "Isolated"):
    for inv in (False, True):
        VARIANTS.append(("tok_bpe", {"pre_tokenizer": seq(split("[ .l]", b, inv), BYTES)}))
TEXTS = ["Hello world", "  two  spaces. ..a", "the lighthouse keeper sees the sea, the lights", "a\u180eb\u200bc\u00a0d\x85e\u1680f", "12 345 ½ ٣",
         "l" * 71, "e" * 73, "o" * 42 + "k", "'' x''y", "<mask> <mask>ed a<mask>", "zeaside zea  zea. zea", "\uac00a \u1100\u1161a É ﬁ Å İ ẞ", "…!? (a[i])", "<s>a </s> b",
         "你好 世界𐐷", "\n\n a\tb", "", " ", "\u2003x ", "THE Sea"]


def main():
    out = []
    for base, patch in VARIANTS:
        d = json.load(open(f"{DATA}{base}/tokenizer.json"))
        for k, v in patch.items():
            if k == "model":
                d["model"].update(v)
            else:
                d[k] = v
        tk = Tokenizer.from_str(json.dumps(d))
        rows = []
        for t in TEXTS:
            tk.encode_special_tokens = False
            a = tk.encode(t, add_special_tokens=False).ids
            tk.encode_special_tokens = True
            rows.append({"text": t, "added": a, "text_only": tk.encode(t, add_special_tokens=False).ids,
                         "decoded": tk.decode(a, skip_special_tokens=False)})
        out.append({"base": base, "patch": patch, "rows": rows})
    with open(DATA + "tok_variants.json", "w") as f:
        f.write("[\n" + ",\n".join(json.dumps(v, ensure_ascii=True, separators=(",", ":")) for v in out) + "\n]\n")


main()
