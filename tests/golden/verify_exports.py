#!/usr/bin/env python3
"""Do other programs read our exports? transformers and PEFT on the fixtures' exports.

Run:  PTRAIN_KEEP_EXPORTS=DIR build/gcc/tests/invariant/model_exports && python tests/golden/verify_exports.py DIR
(torch 2.15.0, transformers 5.23.0, peft 0.21.2, safetensors 0.8.0, gguf 0.19.0). Every line is compared with PEFT on the fixture itself; the limit is 1e-3.
"""
import json, os, sys
import gguf
import numpy as np
import torch
from peft import PeftModel, PeftConfig
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data", "model")
LIMIT, bad = 1e-3, 0


def load(cls, path, **k):
    return cls.from_pretrained(path, dtype=torch.float32, attn_implementation="eager", **k)


def check(name, a, b):
    global bad
    e = float((a - b).abs().max())
    print(f"{'ok    ' if e <= LIMIT else 'FAILED'} {name}: largest difference {e:.2e}")
    bad += not e <= LIMIT


def main(root):
    for family in ("llama", "mistral", "qwen2", "qwen3"):
        base, x = os.path.join(HERE, family), lambda n: os.path.join(root, f"{family}-{n}")
        info = json.load(open(os.path.join(base, "golden.json")))
        ids = torch.tensor([info["rows"][2]["ids"]])
        with torch.no_grad():
            want = PeftModel.from_pretrained(load(AutoModelForCausalLM, base), os.path.join(base, "adapter"))(input_ids=ids).logits[0]
            for n in ("peft", "peft-of-gguf"):
                check(f"{family}: PEFT loads {n}", PeftModel.from_pretrained(load(AutoModelForCausalLM, base), x(n))(input_ids=ids).logits[0], want)
            for n in ("hf", "hf-of-gguf"):
                check(f"{family}: transformers loads {n}", load(AutoModelForCausalLM, x(n))(input_ids=ids).logits[0], want)
            if family in ("llama", "qwen3"):
                full, peft = load(AutoModelForSequenceClassification, x("reward-hf")), x("reward-peft")
                assert full.config.num_labels == 1 and full.config.pad_token_id not in (None, full.config.eos_token_id)
                raw = load(AutoModelForSequenceClassification, base, num_labels=1)
                raw.config.pad_token_id = full.config.pad_token_id
                p = PeftModel.from_pretrained(raw, peft)
                seqs = [torch.tensor([q[s]]) for q in info["pairs"] for s in ("chosen", "rejected")]
                score = lambda m: torch.cat([m(input_ids=s).logits[0] for s in seqs])
                check(f"{family}: reward folder and reward adapter agree", score(full), score(p))
        g = gguf.GGUFReader(x("merged.gguf"))
        names = {t.name: t for t in g.tensors}
        w = load_file(os.path.join(x("hf"), "model.safetensors"))
        d = torch.tensor(np.array(names["blk.1.ffn_down.weight"].data)).float()
        check(f"{family}: gguf reads merged.gguf", d, w["model.layers.1.mlp.down_proj.weight"].float())
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main(sys.argv[1])
