#!/usr/bin/env python3
"""What transformers makes of config.json in its many spellings.

Run: python tests/golden/config_spellings.py   (torch 2.15.0, transformers 5.24.0)
Writes tests/golden/data/model/config_spellings.json: a list of
  {"text": config.json as written by hand, "inv_freq", "mscale", "kv_heads", "head_dim", "tied", "windows": a layer (0 = none)}
"""
import json, os, tempfile
import torch
from transformers import AutoConfig, AutoModelForCausalLM

HERE = os.path.dirname(os.path.abspath(__file__))
BASE = {"vocab_size": 32, "hidden_size": 64, "intermediate_size": 48, "num_hidden_layers": 4, "num_attention_heads": 8}
L3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 64}
LIN = {"type": "linear", "factor": 4}
DEF = {"rope_type": "default", "rope_theta": 10000.0}
B = lambda s: 'RAW:' + s  # a number that json.dumps would not write

CASES = [  # rope in both spellings
    ("llama", {}), ("llama", {"rope_theta": 500000}), ("llama", {"rope_scaling": None, "rope_parameters": None}),
    ("llama", {"rope_scaling": {}, "rope_parameters": {"rope_type": "linear", "factor": 2, "rope_theta": 777}}),
    ("llama", {"rope_scaling": LIN, "rope_parameters": DEF}), ("llama", {"rope_parameters": DEF, "rope_scaling": L3, "rope_theta": 250000}),
    ("llama", {"rope_scaling": {**LIN, "rope_theta": 4000.0}, "rope_parameters": {"rope_type": "default", "rope_theta": 500000.0}}),
    ("llama", {"rope_scaling": LIN, "rope_parameters": {"rope_type": "default", "rope_theta": 500000.0}}),
    ("llama", {"rope_parameters": {"factor": 3.0, "type": "linear"}, "rope_theta": 9000.5}),
    ("llama", {"rope_parameters": {"rope_type": "linear", "type": "yarn", "factor": 3.0}}),
    ("llama", {"rope_scaling": {"type": "default"}, "rope_parameters": {"rope_type": "linear", "factor": 2.0, "rope_theta": 10000.0}}),
    ("llama", {"rope_scaling": {"rope_type": "yarn", "factor": 4}, "max_position_embeddings": 512}),
    ("llama", {"rope_scaling": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 128}, "max_position_embeddings": 512}),
    ("llama", {"rope_scaling": {"rope_type": "llama3", "factor": 8, "low_freq_factor": 1, "high_freq_factor": 4},
               "original_max_position_embeddings": 32, "max_position_embeddings": 256}),
    ("llama", {"rope_scaling": L3, "original_max_position_embeddings": 32, "max_position_embeddings": 256}),
    ("llama", {"rope_parameters": {**DEF, "partial_rotary_factor": 0.5}}), ("llama", {"partial_rotary_factor": 0.5}),
    ("mistral", {"rope_scaling": LIN, "rope_parameters": DEF}), ("qwen2", {"num_key_value_heads": 8, "rope_scaling": LIN, "rope_parameters": DEF}),
    ("qwen3", {"num_key_value_heads": 2, "rope_scaling": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64}, "rope_parameters": DEF, "rope_theta": 1000000}),
    # heads, null and missing
    ("mistral", {}), ("mistral", {"num_key_value_heads": 2, "head_dim": None, "sliding_window": None}),
    ("qwen2", {"num_key_value_heads": None}), ("qwen2", {"num_attention_heads": 32}), ("qwen3", {"num_key_value_heads": 4}),
    ("qwen3", {"num_key_value_heads": None, "head_dim": 16}), ("llama", {"head_dim": None, "num_key_value_heads": None}),
    ("llama", {"head_dim": 16, "tie_word_embeddings": True}),
    # windows
    ("mistral", {"sliding_window": 17}), ("llama", {"sliding_window": 17}), ("qwen2", {"num_key_value_heads": 2, "sliding_window": None, "use_sliding_window": False}),
    ("qwen2", {"num_key_value_heads": 2, "sliding_window": 9, "use_sliding_window": True, "max_window_layers": 2}),
    ("qwen2", {"num_key_value_heads": 2, "sliding_window": 9, "use_sliding_window": False, "max_window_layers": 2}),
    ("qwen3", {"num_key_value_heads": 2, "sliding_window": 9, "use_sliding_window": True,
               "layer_types": ["full_attention"] * 3 + ["sliding_attention"]}),
    ("mistral", {"sliding_window": 9, "num_key_value_heads": 4, "max_window_layers": 2}),
    # keys that nobody reads, and how Python spells numbers
    ("llama", {"custom": B("18446744073709551615"), "other": B("Infinity"), "nan": B("NaN"), "text": "\u0000", "mlp_bias": False}),
    ("mistral", {"attention_bias": True, "mlp_bias": True}), ("qwen2", {"num_key_value_heads": 2, "attention_bias": True}),
    ("llama", {"max_position_embeddings": B("1000000000000000019884624838656")}),
    ("llama", {"architectures": ["LlamaModel"]}), ("llama", {"torch_dtype": None, "dtype": "bfloat16", "eos_token_id": [1, 2], "bos_token_id": None}),
]


def text(family, extra):
    s = json.dumps({"model_type": family, **BASE, **extra})
    for k in list(extra.values()):
        if isinstance(k, str) and k.startswith("RAW:"):
            s = s.replace(json.dumps(k), k[4:])
    return s


def main():
    out = []
    for family, extra in CASES:
        s = text(family, extra)
        with tempfile.TemporaryDirectory() as d:
            open(os.path.join(d, "config.json"), "w").write(s)
            cfg = AutoConfig.from_pretrained(d)
            m = AutoModelForCausalLM.from_config(cfg)
        windows = []
        for i, b in enumerate(m.model.layers):
            a = b.self_attn
            w = getattr(a, "sliding_window", None)
            if w is None and family == "mistral":
                w = cfg.sliding_window
            windows.append(int(w or 0))
        r = m.model.rotary_emb
        out.append({"text": s, "inv_freq": r.inv_freq.tolist(), "mscale": float(r.attention_scaling),
                    "kv_heads": m.model.layers[0].self_attn.k_proj.weight.shape[0] // m.model.layers[0].self_attn.head_dim,
                    "head_dim": m.model.layers[0].self_attn.head_dim, "windows": windows,
                    "tied": m.lm_head.weight is m.model.embed_tokens.weight})
    json.dump(out, open(os.path.join(HERE, "data", "model", "config_spellings.json"), "w"), separators=(",", ":"))
    print(len(out), "of", len(CASES))


main()
