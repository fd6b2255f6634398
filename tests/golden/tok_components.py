"""Every component of tokenizer.json with every option, each as one tiny tokenizer: what tokenizers makes of texts, and of ids.

The base "wp" is a WordPiece of single characters: its ids show what a normaliser made of a text and where a pre-tokenizer cut it.
Writes tests/golden/data/tok_components.json: {"bases": {name: tokenizer.json}, "cases": [{"name", "base", "patch" (keys of tokenizer.json to replace;
model: keys of its model), "rows": [{"t": text, "a": ids, "s": ids with control tokens as text, "d": decoded a, "p": without special tokens}
or {"i": ids, "d", "p"}]}]}. A row without "d" decodes to what joins its pieces with blanks.

tokenizers 0.23.3. From the repository's root, after tok_tiny.py: /opt/gold/bin/python tests/golden/tok_components.py
"""
import json

from tokenizers import Tokenizer

DATA = "tests/golden/data/"
TEXTS = ["Hello, World! it's 12,345.", "  two  spaces\t\n x ", "", " ", "\u00c9cole na\u00efve \ufb01 \u00bd \u0130 \u1e9e A\u030a e\u0301\u0323 \uac00\u1100\u1161\u11a8",
         "\u4f60\u597d\uff0c\u4e16\u754c\u3002 \u304b\u30ab\u30fc \u65e5 \uff76\uff9e \u314e\u314f", "a\u0000b\u0001c\u007fd\u200be\ufefff\ufffdg\u00adh\u2028i\u00a0j\u3000k",
         "\U0001f642\U0001f469\u200d\U0001f467 \u041f\u0440\u0438\u0432\u0435\u0442 \u0645\u064e\u0631 \u0928\u093f \u0665\u216b\u00b2", "<s>a [MASK]b[CLS]\u2581x <s> A", "x-y_z...l.l  .",
         "don't CamelCaseABC x.y;z", "\u2581a\u2581 b", "\u00a1\u00bf\u060c\u061f\u2e43|+~$^`<>"]


def seq(key, *steps):
    return {"type": "Sequence", key: list(steps)}


def split(pattern, behaviour="Isolated", invert=False, kind="Regex"):
    return {"type": "Split", "pattern": {kind: pattern}, "behavior": behaviour, "invert": invert}


def replace(pattern, content, kind="Regex"):
    return {"type": "Replace", "pattern": {kind: pattern}, "content": content}


def bert(**on):
    return dict({"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None, "lowercase": True}, **on)


def meta(scheme, split_=True, rep="\u2581"):
    return {"type": "Metaspace", "replacement": rep, "prepend_scheme": scheme, "split": split_}


def added(i, content, **flags):
    return dict({"id": i, "content": content, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}, **flags)


BYTES = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
WS = {"type": "WhitespaceSplit"}
N = [("none", None)] + [(k, {"type": k}) for k in ("NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents", "Nmt", "ByteLevel")] + [
    ("Strip left", {"type": "Strip", "strip_left": True, "strip_right": False}), ("Strip right", {"type": "Strip", "strip_left": False, "strip_right": True}),
    ("Strip both", {"type": "Strip", "strip_left": True, "strip_right": True}), ("Prepend", {"type": "Prepend", "prepend": "l."}),
    ("Replace text", replace(" ", "\u2581", "String")), ("Replace by nothing", replace("l", "", "String")), ("Replace regex", replace("\\s+|l(?=l)", "-")),
    ("Replace where nothing stands", replace("x*", "-")), ("Bert", bert()), ("Bert cased", bert(lowercase=False)),
    ("Bert cased without accents", bert(lowercase=False, strip_accents=True)), ("Bert lower with accents", bert(strip_accents=False)),
    ("Bert uncleaned", bert(clean_text=False)), ("Bert without CJK", bert(handle_chinese_chars=False)),
    ("Sequence", seq("normalizers", {"type": "NFD"}, {"type": "StripAccents"}, {"type": "Lowercase"}, seq("normalizers", replace("a", "bb", "String"))))]
P = [("Whitespace", {"type": "Whitespace"}), ("WhitespaceSplit", WS), ("BertPreTokenizer", {"type": "BertPreTokenizer"}),
     ("UnicodeScripts", {"type": "UnicodeScripts"}), ("CharDelimiterSplit", {"type": "CharDelimiterSplit", "delimiter": "l"}),
     ("Digits", {"type": "Digits", "individual_digits": False}), ("Digits each", {"type": "Digits", "individual_digits": True}),
     ("FixedLength 3", {"type": "FixedLength", "length": 3}), ("FixedLength 1", {"type": "FixedLength", "length": 1})] + [
    (f"Punctuation {b}", {"type": "Punctuation", "behavior": b}) for b in ("Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous")] + [
    (f"Split {b} {i}", split("[ .l]", b, i)) for b in ("Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous") for i in (False, True)] + [
    ("Split text", split("l", "MergedWithNext", kind="String")), ("Split at nothing", split("(?=[A-Z])", "Isolated")), ("Split between", split("x*", "Removed")),
    ("Split at line ends", split("^|$", "MergedWithPrevious"))] + [
    (f"Split {r}", split(r)) for r in ("\\w+", "\\W", "\\b", "\\B", "[^\\S\\n]+", "[\\s\\S]{3}", "[\\W\\d]+", "\\h+", "\\H", "[[a-z]&&[^l]]+", "[a-c[l-o]]+", "[^a-z&&[^aeiou]]",
                                       "[[:digit:][:upper:]]", "\\p{Alphabetic}+", "\\P{L}+", "\\p{^L}", "\\p{Letter}", "[\\p{^Lu}\\p{Nd}]", "(?m:l.+)", "(?i:L){,2}", "\\u0041", "\\D+", "[\\D]",
                                       "\\p{Han}+", "[^\\p{Latin}\\p{Han}]+", "\\v|\\t", "(?<=l)\\p{P}", "[\\b-]")] + [
    (f"Metaspace {s} {k}", meta(s, k)) for s in ("always", "first", "never") for k in (True, False)] + [("Metaspace of another character", meta("always", rep="l")),
    ("Metaspace behind a split", seq("pretokenizers", split("[.,]"), meta("first"))), ("Metaspace always behind a split", seq("pretokenizers", split("[.,]"), meta("always", False)))] + [
    (f"ByteLevel {a} {r}", dict(BYTES, add_prefix_space=a, use_regex=r)) for a in (False, True) for r in (False, True)] + [
    ("ByteLevel, then digits", seq("pretokenizers", dict(BYTES, add_prefix_space=True), {"type": "Digits", "individual_digits": True})),
    ("ByteLevel behind a split", seq("pretokenizers", split("[.,]"), dict(BYTES, add_prefix_space=True))),
    ("Sequence", seq("pretokenizers", WS, seq("pretokenizers", {"type": "Punctuation", "behavior": "Isolated"}, {"type": "Digits", "individual_digits": True})))]


def tokenizer(model, **parts):
    return dict({"version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": None, "pre_tokenizer": None, "post_processor": None,
                 "decoder": None, "model": model}, **parts)


def alphabet():
    bs = list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256))
    cs, n = bs[:], 0
    for b in range(256):
        if b not in bs:
            bs.append(b)
            cs.append(256 + n)
            n += 1
    return [chr(c) for c in cs]


SPECIAL = ["[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]", "<s>"]


def wp_base():
    """Every character that a text has, or becomes by any normaliser of the list."""
    from tokenizers import models, normalizers  # noqa: F401
    empty = tokenizer({"type": "WordLevel", "vocab": {"[UNK]": 0}, "unk_token": "[UNK]"})
    chars = set("".join(TEXTS)) | set(alphabet())
    for _, n in N:
        if n:
            tk = Tokenizer.from_str(json.dumps(dict(empty, normalizer=n)))
            chars |= set("".join(tk.normalizer.normalize_str(t) for t in TEXTS))
    vocab = {}
    for s in SPECIAL[:1] + sorted(chars) + ["##" + c for c in sorted(chars)]:
        vocab.setdefault(s, len(vocab))
    for gone in ("\u216b", "##~", "\0", "##\0"):  # something must be unknown; no key of a JSON object may hold a zero byte here
        vocab.pop(gone)
    vocab = {s: i for i, s in enumerate(vocab)}
    return tokenizer({"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100, "vocab": vocab},
                     added_tokens=[added(vocab.get(s, len(vocab) + i - 1), s) for i, s in enumerate(SPECIAL)])


def bpe(words, merges, **more):
    vocab = {}
    for s in SPECIAL + words:
        vocab.setdefault(s, len(vocab))
    return dict({"type": "BPE", "dropout": None, "unk_token": "[UNK]", "continuing_subword_prefix": None, "end_of_word_suffix": None, "fuse_unk": False,
                 "byte_fallback": False, "ignore_merges": False, "vocab": vocab, "merges": merges}, **more)


def bases():
    letters = list("abcdefghijklmnopqrstuvwxyz.,'") + ["\u00e9"]
    suffix = bpe(letters + [c + "</w>" for c in letters] + ["he", "ll", "llo</w>", "hello</w>", "hello"], [["h", "e"], ["l", "l"], ["ll", "o</w>"], ["he", "llo</w>"]],
                 end_of_word_suffix="</w>")
    prefix = bpe(letters + ["@" + c for c in letters] + ["he", "@ll", "hell", "hello"], ["h @e", "@l @l", "he @ll", "hell @o"], continuing_subword_prefix="@")
    both = bpe(letters + ["@" + c for c in letters] + [c + "~" for c in letters] + ["@" + c + "~" for c in letters] + ["he", "@llo~", "@ll"],
               [["h", "@e"], ["@l", "@l"], ["@ll", "@o~"]], continuing_subword_prefix="@", end_of_word_suffix="~")
    clip = bpe(alphabet() + [c + "</w>" for c in alphabet()] + ["he", "ll", "llo</w>"], [["h", "e"], ["l", "l"], ["ll", "o</w>"]], end_of_word_suffix="</w>", unk_token="[UNK]")
    plain = bpe(letters + ["\u2581", "he", "ll", "hell", "ab", "cd", "\u2581he"] + [f"<0x{i:02X}>" for i in range(256)], [["h", "e"], ["l", "l"], ["he", "ll"], ["\u2581", "he"]])
    level = {s: i for i, s in enumerate(SPECIAL + ["Hello", "hello", ",", "it's", "x", "\u4f60\u597d", "a", "12"])}
    pieces = {s: i for i, s in enumerate(["[UNK]"] + list("helowrd") + ["##" + c for c in "helowrd"] + ["hell", "##ell", "##lo", "hello", "##world", "he"])}
    low = {"pre_tokenizer": WS, "normalizer": {"type": "Lowercase"}}
    # for decoders: pieces of every kind, and control tokens
    words = ["[UNK]", "<s>", "</s>", "\u2581he", "llo", "\u2581\u2581", "x\u2581y", "##lo", "wor", "ld</w>", "</w>x", "##", " ", "  a ", ".", "?", "'", "n't", "do not", "'m", "|", "<pad>",
             "h", "h|", "<0x41>", "<0xC3>", "<0xA9>", "<0xFF>", "<0xe2>", "\u0120the", "\u00c3\u00a9", "\u00c3", "\u00e9", "caf\u00e9", "-", "\u4f60", "!", ",", "'s", "\u010a"]
    return {"wp": wp_base(), "suffix": tokenizer(suffix, **low), "prefix": tokenizer(prefix, **low), "both": tokenizer(both, **low),
            "clip": tokenizer(clip, pre_tokenizer=BYTES | {"use_regex": True}), "plain": tokenizer(plain, pre_tokenizer=WS),
            "level": tokenizer({"type": "WordLevel", "vocab": level, "unk_token": "[UNK]"}, pre_tokenizer=WS),
            "pieces": tokenizer({"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100, "vocab": pieces}, **low),
            "words": tokenizer({"type": "WordLevel", "vocab": {w: i for i, w in enumerate(words)}, "unk_token": "[UNK]"}, pre_tokenizer=WS,
                               added_tokens=[added(1, "<s>"), added(2, "</s>"), added(21, "<pad>", special=False)])}


WORDS = ["hello he hell", "Hello, world HELLO", "\u00e9l\u00e9 hell\u00e9", "heworld lohello l", "12 a x it's", "qu\u00e9\u4f60 \u4f60\u4f60 zz~", "", "abcd  ab", "[UNK] <s> hello"]
IDS = [[3, 4, 6, 5, 3], [4, 4, 12, 4], [1, 3, 2, 8, 7, 9, 10, 14], [22, 22, 23, 21, 23, 20, 22, 14, 12, 15], [24, 25, 26, 27, 24, 4, 28, 26], [29, 30, 31, 29, 31, 1, 32, 33], [13, 17, 16, 18, 19, 38, 37],
       [], [0], [5], [12, 13, 12], [26, 25], [9], [11, 7, 11], [39, 31, 35, 34, 36]]
DECODERS = [("none", None), ("ByteLevel", dict(BYTES)), ("ByteFallback", {"type": "ByteFallback"}), ("Fuse", {"type": "Fuse"}),
            ("Strip left", {"type": "Strip", "content": " ", "start": 1, "stop": 0}), ("Strip right", {"type": "Strip", "content": " ", "start": 0, "stop": 1}),
            ("Replace", replace("\u2581", " ", "String")), ("Replace regex", replace("[hl]+", "<>")), ("WordPiece", {"type": "WordPiece", "prefix": "##", "cleanup": True}),
            ("WordPiece as it is", {"type": "WordPiece", "prefix": "##", "cleanup": False}), ("BPEDecoder", {"type": "BPEDecoder", "suffix": "</w>"}),
            ("CTC", {"type": "CTC", "pad_token": "<pad>", "word_delimiter_token": "|", "cleanup": True}),
            ("CTC as it is", {"type": "CTC", "pad_token": "<pad>", "word_delimiter_token": "|", "cleanup": False}),
            ("Metaspace always", meta("always")), ("Metaspace first", meta("first")), ("Metaspace never", meta("never")),
            ("Llama 2", seq("decoders", replace("\u2581", " ", "String"), {"type": "ByteFallback"}, {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0})),
            ("Strip behind Fuse", seq("decoders", {"type": "ByteFallback"}, {"type": "Fuse"}, {"type": "Strip", "content": "\u2581", "start": 2, "stop": 0}, replace("\u2581", "_", "String"))),
            ("ByteLevel, then Replace", seq("decoders", dict(BYTES), replace("e", "E", "String")))]


def cases():
    out = [("normalizer " + k, "wp", {"normalizer": n, "pre_tokenizer": WS if k != "none" else None}, TEXTS) for k, n in N]
    out += [("pre-tokenizer " + k, "wp", {"pre_tokenizer": p}, TEXTS) for k, p in P]
    odd = [added(0, "[UNK]"), added(5000, "[MASK]", lstrip=True), added(5001, "CamelCase", normalized=True, special=False), added(5002, "it", single_word=True, special=False),
           added(5003, "spaces", rstrip=True, special=False), added(5004, "\u00c9", normalized=True, special=False), added(5005, "l", normalized=True, special=False, single_word=True)]
    out += [("added tokens with flags", "wp", {"added_tokens": odd, "normalizer": bert(), "pre_tokenizer": {"type": "BertPreTokenizer"}}, TEXTS),
            ("added tokens, Metaspace first", "wp", {"added_tokens": odd, "pre_tokenizer": meta("first")}, TEXTS),
            ("added tokens, Metaspace always", "wp", {"added_tokens": odd, "pre_tokenizer": meta("always"), "normalizer": {"type": "Strip", "strip_left": True, "strip_right": True}}, TEXTS)]
    for b in ("suffix", "prefix", "both", "plain", "level", "pieces"):
        out.append(("model " + b, b, {}, WORDS))
    out += [("model clip", "clip", {}, TEXTS), ("ignore_merges", "plain", {"model": {"ignore_merges": True}}, WORDS), ("fuse_unk", "plain", {"model": {"fuse_unk": True}}, WORDS),
            ("byte_fallback", "plain", {"model": {"byte_fallback": True}}, WORDS), ("byte_fallback of the alphabet", "plain", {"model": {"byte_fallback": True}, "pre_tokenizer": BYTES}, WORDS),
            ("no unk_token", "plain", {"model": {"unk_token": None}}, WORDS), ("dropout 0", "plain", {"model": {"dropout": 0.0}}, WORDS),
            ("merges as text", "suffix", {"model": {"merges": ["h e", "l l", "ll o</w>", "he llo</w>"]}}, WORDS),
            ("max_input_chars_per_word", "pieces", {"model": {"max_input_chars_per_word": 4}}, WORDS), ("WordPiece with another prefix", "pieces", {"model": {"continuing_subword_prefix": "l"}}, WORDS),
            ("WordPiece without a prefix", "pieces", {"model": {"continuing_subword_prefix": ""}}, WORDS), ("suffix and BPEDecoder", "suffix", {"decoder": {"type": "BPEDecoder", "suffix": "</w>"}}, WORDS),
            ("WordPiece and its decoder", "pieces", {"decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True}}, WORDS),
            ("truncation and padding", "level", {"truncation": {"direction": "Right", "max_length": 2, "strategy": "LongestFirst", "stride": 0},
                                                 "padding": {"strategy": {"Fixed": 4}, "direction": "Right", "pad_to_multiple_of": None, "pad_id": 3, "pad_type_id": 0, "pad_token": "[PAD]"}}, None)]
    out += [("decoder " + k, "words", {"decoder": d}, IDS) for k, d in DECODERS]
    return out


def row(tk, x):
    if isinstance(x, list):
        return {"i": x, "d": tk.decode(x, skip_special_tokens=False), "p": tk.decode(x, skip_special_tokens=True)}
    tk.encode_special_tokens = False
    a = tk.encode(x, add_special_tokens=False).ids
    tk.encode_special_tokens = True
    s = tk.encode(x, add_special_tokens=False).ids
    out = {"t": x, "a": a}
    if s != a:
        out["s"] = s
    if tk.decoder:
        out |= {"d": tk.decode(a, skip_special_tokens=False), "p": tk.decode(a, skip_special_tokens=True)}
    return out


def main():
    made, out = bases(), []
    for name, base, patch, inputs in cases():
        d = json.loads(json.dumps(made[base]))
        for k, v in patch.items():
            if k == "model":
                d["model"].update(v)
            else:
                d[k] = v
        tk = Tokenizer.from_str(json.dumps(d))
        if inputs is None:  # settings of calls: no limit here
            tk.no_truncation()
            tk.no_padding()
        rows = [row(tk, x) for x in (inputs if inputs is not None else WORDS)]
        out.append({"name": name, "base": base, "patch": patch, "rows": rows})
    with open(DATA + "tok_components.json", "w") as f:
        f.write('{"bases": {\n' + ",\n".join(f'"{k}": ' + json.dumps(v, separators=(",", ":")) for k, v in made.items()) + '},\n"cases": [\n')
        f.write(",\n".join(json.dumps(v, separators=(",", ":")) for v in out) + "\n]}\n")
    print(len(out), "cases")


main()
