#!/usr/bin/env python3
"""Golden answers of beam search: what transformers finds on tiny models for 20 prompts, with their scores.

Run: python tests/golden/beams.py   (torch 2.15.0, transformers 5.24.0; CPU, f32, eager attention)
Writes tests/golden/data/beams.json: a case is a prompt with its settings, the ids of the best answer (its end token among them) and its score. The models are
those of models.py; their end tokens are ids that their answers hold, so that answers end early, late and never.
"""
import json, os
import torch
from transformers import AutoModelForCausalLM

HERE = os.path.dirname(os.path.abspath(__file__))
NEW = 12
SETTINGS = [(2, 1.0, False), (4, 1.0, False), (4, 0.0, "never"), (3, 2.0, "never"), (5, 1.0, True), (4, -1.0, False), (3, 0.6, True), (8, 1.5, False)]


def main():
    torch.set_num_threads(1)
    g = torch.Generator().manual_seed(18)
    cases = []
    for family in ("llama", "qwen2"):
        model = AutoModelForCausalLM.from_pretrained(os.path.join(HERE, "data", "model", family), dtype=torch.float32, attn_implementation="eager")
        prompts = [[1] + torch.randint(3, 260, (int(n),), generator=g).tolist() for n in torch.randint(1, 30, (10,), generator=g)]
        seen = {}
        for p in prompts:
            out = model.generate(torch.tensor([p]), max_new_tokens=NEW, do_sample=False, num_beams=4, eos_token_id=None, pad_token_id=0)
            for t in out[0, len(p):].tolist():
                seen[t] = seen.get(t, 0) + 1
        often = sorted(seen, key=lambda t: (-seen[t], t))
        for i, p in enumerate(prompts):
            for k in range(4):
                beams, penalty, early = SETTINGS[(i + 2 * k) % len(SETTINGS)]
                stops = [often[:1], often[:3], often[1:3], [2]][(i + k) % 4]
                out = model.generate(torch.tensor([p]), max_new_tokens=NEW, do_sample=False, num_beams=beams, length_penalty=penalty, early_stopping=early,
                                     eos_token_id=stops, pad_token_id=0, return_dict_in_generate=True, output_scores=True)
                ids = out.sequences[0, len(p):].tolist()
                cases.append({"model": family, "prompt": p, "beams": beams, "length_penalty": penalty, "early": str(early).lower(), "stops": stops, "new": NEW,
                              "ids": ids, "score": float(out.sequences_scores[0])})
    with open(os.path.join(HERE, "data", "beams.json"), "w") as f:
        f.write("[\n" + ",\n".join(json.dumps(c) for c in cases) + "\n]\n")
    ended = sum(c["ids"][-1] in c["stops"] for c in cases)
    print("%d cases, %d ended, lengths %s" % (len(cases), ended, sorted({len(c["ids"]) for c in cases})))


main()
