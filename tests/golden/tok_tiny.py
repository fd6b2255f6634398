"""Makes two tiny tokenizers from the project's own sample texts and the goldens of their ids.

    tests/golden/data/tok_bpe/   byte-level BPE (Qwen2's pre-tokenizer, NFC), control tokens of ChatML and Llama 3
    tests/golden/data/tok_spm/   SentencePiece-style BPE with byte fallback (Llama 2's normalizer)
    tests/golden/data/tok_golden.json   text -> ids, by tokenizers; with and without control tokens in the text

tokenizers 0.23.3. Run from the repository's root: /opt/gold/bin/python tests/golden/tok_tiny.py
"""
import glob
import json
import os

from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, decoders, trainers, processors

OUT = "tests/golden/data/"
SPLIT = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
         r"|\s+(?!\S)|\s+")


def strings(v):
    if isinstance(v, str):
        yield v
    elif isinstance(v, dict):
        for x in v.values():
            yield from strings(x)
    elif isinstance(v, list):
        for x in v:
            yield from strings(x)


def corpus():
    texts = []
    for f in sorted(glob.glob("data/samples/*.json*")):
        for line in (open(f).read().split("\n") if f.endswith("l") else [open(f).read()]):
            if line.strip():
                texts += list(strings(json.loads(line)))
    # paragraphs and verse: without tokens of several line ends no test could see where texts are cut
    return texts + ["\n\n".join(texts[i:i + 3]) for i in range(0, 300, 3)] + [":\n\n\n" + t for t in texts[:60]]


def save(tk, name, config):
    os.makedirs(OUT + name, exist_ok=True)
    d = json.loads(tk.to_str())
    with open(f"{OUT}{name}/tokenizer.json", "w") as f:
        json.dump(d, f, ensure_ascii=False, separators=(",", ":"))
        f.write("\n")
    with open(f"{OUT}{name}/tokenizer_config.json", "w") as f:
        json.dump(config, f, ensure_ascii=False, indent=1)
        f.write("\n")


def byte_level(texts):
    tk = Tokenizer(models.BPE())
    tk.normalizer = normalizers.NFC()
    tk.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(SPLIT), "isolated"),
                                                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tk.decoder = decoders.ByteLevel()
    tk.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=760, show_progress=False,
                                                      initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    tk.add_special_tokens(["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|begin_of_text|>", "<|end_of_text|>",
                           "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"])
    tk.add_tokens([AddedToken(t, normalized=False) for t in ("<think>", "</think>", "<tool_response>", "</tool_response>")])
    save(tk, "tok_bpe", {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<|begin_of_text|>",
                         "eos_token": "<|im_end|>", "pad_token": "<|endoftext|>", "add_bos_token": False,
                         "model_max_length": 1000000000000000019884624838656})
    return tk


def sentencepiece_like(texts):
    train = Tokenizer(models.BPE())
    train.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    special = ["<unk>", "<s>", "</s>"] + [f"<0x{i:02X}>" for i in range(256)]
    train.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=960, show_progress=False, special_tokens=special,
                                                         limit_alphabet=180))
    m = json.loads(train.to_str())["model"]
    tk = Tokenizer(models.BPE(vocab=m["vocab"], merges=[tuple(x) for x in m["merges"]], unk_token="<unk>", fuse_unk=True,
                              byte_fallback=True))
    tk.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tk.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(),
                                    decoders.Strip(" ", 1, 0)])
    tk.post_processor = processors.TemplateProcessing(single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", 1)])
    tk.add_special_tokens(["<unk>", "<s>", "</s>"])
    save(tk, "tok_spm", {"tokenizer_class": "LlamaTokenizer", "legacy": True, "bos_token": "<s>", "eos_token": "</s>",
                         "unk_token": "<unk>", "model_max_length": 1000000000000000019884624838656})
    return tk


TEXTS = ["", " ", "  ", "\n", "\n\n", "\t", "Hello", " Hello", "Hello world", "  two  spaces  ", "a\nb\r\nc", "tab\tand\t\ttabs",
         "It's we'll I'd THEY'RE", "1234567 3.14159 1,000", "the lighthouse keeper", "...!?;:--", "你好，世界", "他说：“走吧。”",
         "café naïve", "cafe\u0301 A\u030a", "🙂 and 👩‍👩‍👧", "Ünïcödé ßtraße", "مرحبا", "नमस्ते", "ﬁne ½ ²", "\u00a0nbsp\u2003em\u3000ideo",
         "\u180e\u200b\ufeff", "\x01\x02\x7f", "<|im_start|>user\nhi<|im_end|>", "x<s>y</s>z", "<think>\n\n</think>\n\nok",
         "a<tool_response>b", "<|im_end", "<|im_end|", "<unk>", "<0x0A>", "▁▁x", "Ġx", "ends with space ", "a" * 70, " " * 50 + "x",
         "supercalifragilisticexpialidocious", "if (a[i] != b->c) { return 0; }", "https://example.org/a?b=c&d=%20",
         "'ſ 'K ǅ", "\ud7a3\u1100\u1161\u11a8", "𐐷𝒳", "line\u2028sep\u2029par\x85nel"]


def main():
    texts = corpus()
    out = {}
    for name, make in (("tok_bpe", byte_level), ("tok_spm", sentencepiece_like)):
        make(texts)
        tk = Tokenizer.from_file(f"{OUT}{name}/tokenizer.json")
        rows = []
        sample = [t for t in texts if 20 < len(t) < 90]
        for t in TEXTS + sample[:: max(1, len(sample) // 12)]:
            tk.encode_special_tokens = False
            a = tk.encode(t, add_special_tokens=False).ids
            tk.encode_special_tokens = True
            b = tk.encode(t, add_special_tokens=False).ids
            rows.append({"text": t, "added": a, "text_only": b, "decoded": tk.decode(a, skip_special_tokens=False),
                         "plain": tk.decode(a, skip_special_tokens=True)})
        out[name] = rows
    with open(OUT + "tok_golden.json", "w") as f:
        f.write("{\n" + ",\n".join(f'"{k}": [\n' + ",\n".join(json.dumps(r, ensure_ascii=True, separators=(",", ":")) for r in v)
                                   + "]" for k, v in out.items()) + "\n}\n")


main()
