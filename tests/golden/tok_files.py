#!/usr/bin/env python3
"""What transformers makes of a tokenizer's files as people edit them: tokens listed twice, empty, under other ids, special tokens that do not
exist, the files beside tokenizer.json.

Run: python tests/golden/tok_files.py   (transformers 5.24.0, tokenizers of that release)
Writes tests/golden/data/tok_files.json: {"base": tokenizer.json, "cases": [{"name", "set": members of tokenizer.json, "config":
tokenizer_config.json, "files": {name: object}, "texts", "ids", "bos", "eos", "unk", "pad" (null = none), "size"}]}
"""
import json, os, tempfile
from transformers import AutoTokenizer

HERE = os.path.dirname(os.path.abspath(__file__))
SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<s>", "</s>"]


def alphabet():
    bs = list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256))
    cs, n = bs[:], 0
    for b in range(256):
        if b not in bs:
            bs.append(b); cs.append(256 + n); n += 1
    return [chr(c) for _, c in sorted(zip(bs, cs))]


def tok(content, id=None, **k):
    t = dict(content=content, single_word=False, lstrip=False, rstrip=False, normalized=False, special=True) | k
    return t if id is None else dict(id=id) | t


def base():
    vocab = {s: i for i, s in enumerate(SPECIALS)}
    for c in alphabet():
        vocab[c] = len(vocab)
    merges = []
    for a, b in [("t", "h"), ("th", "e"), ("i", "n"), ("\u0120", "the"), ("l", "l")]:
        vocab[a + b] = len(vocab); merges.append([a, b])
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": [tok(s, i) for i, s in enumerate(SPECIALS)],
            "normalizer": None, "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
            "post_processor": None, "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
            "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None, "end_of_word_suffix": None,
                      "fuse_unk": False, "byte_fallback": False, "ignore_merges": False, "vocab": vocab, "merges": merges}}


BASE = base()
N = len(BASE["model"]["vocab"])
TEXTS = ["the <x> thin [PAD]</s> <y>z<|im_end|> ll", "a<x><y><m>zz [PAD] [PAD]"]
OLD = BASE["added_tokens"]
add = lambda *t: {"added_tokens": OLD + list(t)}
DEC = {str(i): tok(s) for i, s in enumerate(SPECIALS)}
CASES = [
    ("plain", {}, {}, {}),
    ("listed twice", add(OLD[0]), {}, {}),
    ("twice, the last flags count", add(tok("<x>", N, lstrip=True), tok("<x>", N, rstrip=True)), {}, {}),
    ("special, then not", add(tok("<x>", N), tok("<x>", N, special=False, rstrip=True)), {}, {}),
    ("normalised, then not", add(tok("<x>", N, normalized=True, special=False), tok("<x>", N, single_word=True)), {}, {}),
    ("empty", add(tok("", N)), {}, {}),
    ("empty before another", add(tok("", N), tok("<x>", N + 1)), {}, {}),
    ("under another id than the vocabulary's", add(tok("z", 300)), {}, {}),
    ("a hole before it", add(tok("<x>", N + 30)), {}, {}),
    ("two of one id", add(tok("<x>", N), tok("<y>", N)), {}, {}),
    ("out of order", add(tok("<x>", N + 1), tok("<y>", N)), {}, {}),
    ("id of a piece", add(tok("<x>", 7)), {}, {}),
    ("pad that does not exist", {}, {"pad_token": "[PAD]"}, {}),
    ("pad as an object", {}, {"pad_token": {"__type": "AddedToken", "content": "[PAD]", "lstrip": True}}, {}),
    ("pad empty", {}, {"pad_token": ""}, {}),
    ("eos and bos that do not exist", {}, {"eos_token": "<x>", "bos_token": "<y>"}, {}),
    ("eos is an ordinary piece", {}, {"eos_token": "z"}, {}),
    ("unk in the special map only", {}, {}, {"special_tokens_map.json": {"unk_token": "<x>"}}),
    ("special map counts before the config", {}, {}, {"special_tokens_map.json": {"eos_token": "</s>", "pad_token": {"content": "<y>", "lstrip": False,
        "rstrip": True, "normalized": False, "single_word": False}}}),
    ("special map is not read beside added_tokens_decoder", {}, {"added_tokens_decoder": DEC}, {"special_tokens_map.json": {"eos_token": "</s>"}}),
    ("pad in added_tokens.json", {}, {"pad_token": "[PAD]"}, {"added_tokens.json": {"[PAD]": N}}),
    ("added_tokens.json, sorted by id", {}, {}, {"added_tokens.json": {"<x>": N + 5, "<y>": N}}),
    ("added_tokens.json is not read beside the decoder", {}, {"added_tokens_decoder": DEC}, {"added_tokens.json": {"<x>": N}}),
    ("decoder adds", {}, {"added_tokens_decoder": {**DEC, "400": tok("<y>"), "399": tok("<x>", special=False)}}, {}),
    ("decoder says another text", {}, {"added_tokens_decoder": {**DEC, "1": tok("<x>")}}, {}),
    ("decoder's flags count", add(tok("<x>", N)), {"added_tokens_decoder": {**DEC, str(N): tok("<x>", lstrip=True, rstrip=True)}}, {}),
    ("additional special tokens", {}, {"additional_special_tokens": ["<x>", "<y>"]}, {}),
    ("extra special tokens", {}, {"extra_special_tokens": ["<y>", "z"]}, {}),
    ("extra special tokens by name", {}, {"extra_special_tokens": {"image_token": "<x>"}}, {}),
    ("a token of another name", {}, {"image_token": "<m>", "sep_token": "<x>", "mask_token": "<y>"}, {}),
    ("nulls", {}, {"pad_token": None, "unk_token": None, "chat_template": None}, {}),
    ("model unk that does not exist", {"model": {**BASE["model"], "unk_token": "<unk>"}}, {}, {}),
    ("a length of 10^30", {}, {"model_max_length": 1000000000000000019884624838656}, {}),
]


def main():
    out = []
    for name, put, config, files in CASES:
        config = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<|im_start|>", "eos_token": "<|im_end|>",
                  "pad_token": "<|endoftext|>", "add_bos_token": False, **config}
        with tempfile.TemporaryDirectory() as d:
            for f, o in {"tokenizer.json": {**BASE, **put}, "tokenizer_config.json": config, **files}.items():
                json.dump(o, open(os.path.join(d, f), "w"))
            t = AutoTokenizer.from_pretrained(d)
        out.append({"name": name, "set": put, "config": config, "files": files, "texts": TEXTS,
                    "ids": [t(x, add_special_tokens=False).input_ids for x in TEXTS], "size": len(t),
                    "bos": t.bos_token_id, "eos": t.eos_token_id, "unk": t.unk_token_id, "pad": t.pad_token_id})
    json.dump({"base": BASE, "cases": out}, open(os.path.join(HERE, "data", "tok_files.json"), "w"), separators=(",", ":"))
    print(len(out))


main()
