"""Ten optimiser steps of the tiny Llama of train.py under the idl objective (DPO with a criterion, IDL-style), reference: the starting adapter.

Versions: torch 2.15.0, transformers 5.24.0, peft 0.21.2. The loss is the sigmoid one of TRL 1.16.0's DPOTrainer plus
LAMBDA * relu(d_criterion - d_chosen), d = BETA * (logp - ref); the optimiser as in train.py. Writes triples.jsonl and the
run "idl" of losses.json in tests/golden/data/train/. Run after train.py: python tests/golden/train_idl.py
"""
import json
import os

import torch
import torch.nn.functional as F
from peft import PeftModel
from transformers import LlamaForCausalLM, get_scheduler

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data", "train")
STEPS, BATCH, VOCAB, BETA, LAMBDA, LR, WD, WARM = 10, 4, 96, 0.2, 1.5, 2e-3, 0.05, 2
torch.set_num_threads(1)
g = torch.Generator().manual_seed(4)
with open(os.path.join(HERE, "pairs.jsonl")) as f:
    rows = [json.loads(x) for x in f]
for i, r in enumerate(rows):
    n = int(torch.randint(2, 7, (1,), generator=g))
    new = torch.randint(3, VOCAB, (n,), generator=g).tolist() + [2]
    r["criterion_input_ids"] = r["rejected_input_ids"] if i % 5 == 4 else r["chosen_input_ids"][: i % 3] + new
with open(os.path.join(HERE, "triples.jsonl"), "w") as f:
    f.writelines(json.dumps(r) + "\n" for r in rows)


def started():
    base = LlamaForCausalLM.from_pretrained(os.path.join(HERE, "model"), attn_implementation="eager", dtype=torch.float32)
    return PeftModel.from_pretrained(base, os.path.join(HERE, "adapter"), is_trainable=True)


def logp(model, prompt, answer):
    x = torch.tensor([prompt + answer])
    logits = model(input_ids=x).logits[0, :-1].log_softmax(-1)
    return logits.gather(-1, x[0, 1:, None])[len(prompt) - 1:, 0].sum()


model, frozen = started(), started()
opt = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=LR, weight_decay=WD)
sched = get_scheduler("cosine", opt, num_warmup_steps=WARM, num_training_steps=STEPS)
steps = [rows[i:i + BATCH] for i in range(0, len(rows), BATCH)]
losses, norms, below = [], [], 0
for batch in (steps + steps)[:STEPS]:
    terms = []
    for r in batch:
        d = []
        for k in ("chosen", "rejected", "criterion"):
            with torch.no_grad():
                ref = logp(frozen, r["prompt_input_ids"], r[k + "_input_ids"])
            d.append(BETA * (logp(model, r["prompt_input_ids"], r[k + "_input_ids"]) - ref))
        below += int(d[2] > d[0])
        terms.append(-F.logsigmoid(d[0] - d[1]) + LAMBDA * F.relu(d[2] - d[0]))
    loss = torch.stack(terms).mean()
    loss.backward()
    norms.append(float(torch.nn.utils.clip_grad_norm_([p for p in model.parameters() if p.requires_grad], 1.0)))
    opt.step()
    sched.step()
    opt.zero_grad()
    losses.append(float(loss.detach()))
path = os.path.join(HERE, "losses.json")
with open(path) as f:
    out = json.load(f)
out["idl"] = {"loss": losses, "grad_norm": norms}
with open(path, "w") as f:
    json.dump(out, f, indent=1)
print(losses, below)
