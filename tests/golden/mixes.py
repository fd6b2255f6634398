"""The types that llama.cpp's quantiser gives the tensors of models of several shapes, which train/export/mix.c must give too.

Run:  python tests/golden/mixes.py       writes tests/golden/data/mixes.txt
Made with llama-cpp-python 0.3.36 (llama_model_quantize with dry_run on tiny files of zeros), gguf 0.19.0, numpy 2.4.6.

A line: mix, "-" without or "i" with importances or "*" where both give the same, then a word a tensor: its name and a letter a layer (one, where all
are the same). A line before: "model" arch layers heads kv_heads tied columns."""
import ctypes
import os
import re
import sys
import tempfile

import llama_cpp as L
import numpy as np
from gguf import GGUFWriter

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data", "mixes.txt")
FTYPE = {"Q2_K": 10, "Q2_K_S": 21, "Q3_K_S": 11, "Q3_K_M": 12, "Q3_K_L": 13, "Q4_K_S": 14, "Q4_K_M": 15, "Q5_K_S": 16, "Q5_K_M": 17, "Q6_K": 18,
         "IQ4_NL": 25, "IQ4_XS": 30, "IQ3_S": 26, "IQ3_M": 27, "Q4_0": 2, "Q4_1": 3, "Q5_0": 8, "Q5_1": 9, "Q8_0": 7, "F16": 1, "BF16": 32, "F32": 0}
LETTER = {"f32": "F", "f16": "H", "bf16": "B", "q4_0": "a", "q4_1": "b", "q5_0": "c", "q5_1": "d", "q8_0": "8", "q2_K": "2", "q3_K": "3", "q4_K": "4",
          "q5_K": "5", "q6_K": "6", "iq4_nl": "n", "iq4_xs": "x", "iq3_s": "s"}
SPLIT = ["attn_q", "attn_k", "attn_v", "attn_output"]
FUSED = ["attn_qkv", "attn_output"]
GATED = ["ffn_gate", "ffn_up", "ffn_down"]
PLAIN = ["ffn_up", "ffn_down"]
# arch, layers, heads, kv heads, tied, columns, tensors of a layer
MODELS = [("llama", 30, 9, 3, True, 576, SPLIT + GATED), ("llama", 32, 32, 8, False, 256, SPLIT + GATED), ("llama", 80, 64, 8, False, 256, SPLIT + GATED),
          ("llama", 4, 8, 8, True, 256, SPLIT + GATED), ("llama", 2, 2, 2, True, 40, SPLIT + GATED), ("llama", 19, 8, 2, True, 256, SPLIT + GATED),
          ("qwen2", 24, 14, 2, True, 256, SPLIT + GATED), ("qwen2", 80, 64, 8, False, 256, SPLIT + GATED), ("qwen3", 28, 16, 8, True, 256, SPLIT + GATED),
          ("gemma", 18, 8, 1, True, 256, SPLIT + GATED), ("gemma2", 26, 8, 4, True, 256, SPLIT + GATED), ("gemma3", 34, 8, 4, True, 256, SPLIT + GATED),
          ("falcon", 32, 71, 1, False, 256, FUSED + PLAIN), ("falcon", 60, 128, 8, True, 512, FUSED + PLAIN), ("phi3", 32, 32, 32, False, 256, FUSED + PLAIN),
          ("gpt2", 12, 12, 12, True, 256, FUSED + PLAIN), ("gpt2", 5, 12, 12, True, 288, FUSED + PLAIN), ("stablelm", 24, 32, 32, False, 256, SPLIT + GATED),
          ("glm4", 40, 48, 2, False, 256, SPLIT + PLAIN), ("command-r", 40, 64, 64, True, 256, SPLIT + GATED), ("olmo2", 16, 16, 16, False, 256, SPLIT + GATED),
          ("granite", 40, 32, 8, True, 256, SPLIT + GATED), ("smollm3", 36, 16, 4, True, 256, SPLIT + GATED),
          ("internlm2", 24, 16, 8, False, 256, SPLIT + GATED), ("baichuan", 32, 32, 32, False, 256, SPLIT + GATED)]

lines = []


@L.llama_log_callback
def log(level, text, user):
    lines.append(text.decode("utf-8", "replace"))


def write(path, arch, layers, heads, kv, tied, cols, names):
    w = GGUFWriter(path, arch)
    w.add_block_count(layers)
    w.add_context_length(64)
    w.add_embedding_length(heads * 64)
    w.add_feed_forward_length(256)
    w.add_head_count(heads)
    w.add_head_count_kv(kv)
    w.add_layer_norm_rms_eps(1e-5)
    w.add_layer_norm_eps(1e-5)
    w.add_rope_dimension_count(64)
    w.add_sliding_window(32)
    w.add_logit_scale(1.0)
    w.add_vocab_size(4)
    x = np.zeros((2, cols), np.float32)
    w.add_tensor("token_embd.weight", x)
    if not tied:
        w.add_tensor("output.weight", x)
    if arch == "gpt2":
        w.add_tensor("position_embd.weight", x)
    w.add_tensor("output_norm.weight", x[0])
    for i in range(layers):
        for n in names:
            w.add_tensor(f"blk.{i}.{n}.weight", x)
        w.add_tensor(f"blk.{i}.attn_norm.weight", x[0])
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def types(path, mix, weighted):
    p = L.llama_model_quantize_default_params()
    p.ftype, p.dry_run, p.nthread = FTYPE[mix], True, 1
    keep = None
    if weighted:
        data = (ctypes.c_float * 1)(1.0)
        keep = (L.llama_model_imatrix_data * 2)()
        keep[0].name, keep[0].data, keep[0].size = b"none", data, 1
        p.imatrix = keep
    lines.clear()
    if L.llama_model_quantize(path.encode(), b"/nowhere", ctypes.byref(p)):
        sys.exit("".join(lines))
    out = {}
    text = "".join(lines)
    for name, now, rest in re.findall(r"\[ *\d+/ *\d+\] (\S+) +- \[[^\]]*\], type = +(\w+), (?:[^\n]*? )??size = ([^\n]*)", text):
        m = re.search(r"\((\w+)\)", rest)
        out[name] = LETTER[m.group(1) if m else now]
    return out


def line(got, layers, names):
    words = []
    for n in ["token_embd", "output", "position_embd"]:
        if f"{n}.weight" in got:
            words.append(f"{n} {got[n + '.weight']}")
    for n in names:
        s = "".join(got[f"blk.{i}.{n}.weight"] for i in range(layers))
        words.append(f"{n} {s[0] if len(set(s)) == 1 else s}")
    return " ".join(words)


L.llama_log_set(log, None)
with open(OUT, "w") as f, tempfile.TemporaryDirectory() as d:
    for arch, layers, heads, kv, tied, cols, names in MODELS:
        path = os.path.join(d, "m.gguf")
        write(path, arch, layers, heads, kv, tied, cols, names)
        f.write(f"model {arch} {layers} {heads} {kv} {int(tied)} {cols}\n")
        for mix in FTYPE:
            a, b = (line(types(path, mix, w), layers, names) for w in (False, True))
            if a == b:
                f.write(f"{mix} * {a}\n")
            else:
                f.write(f"{mix} - {a}\n{mix} i {b}\n")
print(OUT, os.path.getsize(OUT))
