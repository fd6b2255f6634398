#!/usr/bin/env python3
"""Golden data of classification heads over families of different shapes. tests/golden/model_heads.c compares.

Run: python tests/golden/heads.py   (torch 2.15.0, transformers 5.24.0; CPU, f32, eager attention)
Reads tests/golden/data/families/<family>; writes tests/golden/data/heads.json, by family, of its model with a head of LABELS numbers (transformers'
AutoModelForSequenceClassification; score.weight[r, c] = sin(r * hidden + c) / 10) on each golden row by itself:
  scores   [rows][LABELS] at the last token
  grads    of L = sum over rows i and labels k of cos(i * LABELS + k) * score: by tensor its norm, and its sum weighted by cos(index); tensors whose rows or
           columns lie otherwise in our memory (Falcon's qkv, GPT-2's matrices) have the norm alone
"""
import json, os, sys
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path = [p for p in sys.path if os.path.abspath(p) != HERE]
import torch
from transformers import AutoModelForSequenceClassification

FAMILIES, LABELS = ["gemma2", "gpt2", "falcon", "opt_350m", "stablelm_12b"], 3


def waves(n, f):
    return f(torch.arange(n, dtype=torch.float64)).to(torch.float32)


def turned(name, p):
    return "query_key_value" in name or (p.ndim == 2 and any(x in name for x in ("c_attn", "c_proj", "c_fc")))


def main():
    out = {}
    for family in FAMILIES:
        folder = os.path.join(HERE, "data", "families", family)
        rows = json.load(open(os.path.join(folder, "golden.json")))["rows"]
        m = AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager", num_labels=LABELS)
        with torch.no_grad():
            m.score.weight.copy_((waves(m.score.weight.numel(), torch.sin) / 10).reshape(m.score.weight.shape))
        scores = torch.stack([m(input_ids=torch.tensor([r["ids"]])).logits[0] for r in rows])
        (scores * waves(scores.numel(), torch.cos).reshape(scores.shape)).sum().backward()
        grads = {}
        for n, p in m.named_parameters():
            g = p.grad.double()
            grads[n] = [float(g.norm())] + ([] if turned(n, p) else [float((g.flatten() * waves(g.numel(), torch.cos).double()).sum())])
        out[family] = {"scores": scores.tolist(), "grads": grads}
        print(family, scores[0].tolist(), len(grads))
    json.dump(out, open(os.path.join(HERE, "data", "heads.json"), "w"), indent=0, sort_keys=True)


if __name__ == "__main__":
    main()
