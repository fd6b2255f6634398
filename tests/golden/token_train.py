"""Ten optimiser steps of objectives by tokens, on the model and the adapter of tests/golden/train.py: weights of tokens, DFT, kl_coef, kl_sft, kd.

Versions: torch 2.15.0, transformers 5.23.0, peft 0.21.2. DFT is the expression of TRL 1.16.0's
SFTTrainer (loss_type "dft"); kd is axolotl's forward KL over the named tokens; the others
are written from the equations in train/objective/*_core.h. Writes tests/golden/data/train/tokens*.json*. Run: python tests/golden/token_train.py
"""
import json
import os

import torch
from peft import PeftModel
from transformers import LlamaForCausalLM, get_scheduler

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data", "train")
STEPS, BATCH, VOCAB, LR, WD, WARM = 10, 4, 96, 2e-3, 0.05, 2
torch.set_num_threads(1)
g = torch.Generator().manual_seed(31)


def ids(n):
    return torch.randint(3, VOCAB, (n,), generator=g).tolist()


def length(lo, hi):
    return int(torch.randint(lo, hi, (1,), generator=g))


# Rows of a step share a prompt of 20 tokens and, but for the last, the first tokens of their answers, each with weights of its own.
rows = []
for i in range(22):
    if i % BATCH == 0:
        prompt, begin = [1] + ids(19), ids(2)
    answer = (begin if i % BATCH < 3 else []) + ids(length(2, 7)) + [2]
    w = torch.rand(len(answer), generator=g)
    w = torch.where(w < 0.2, 0.0, torch.where(w > 0.8, 1.0, (w * 64).round() / 64)).tolist()
    w[-1] = w[-1] or 0.5
    teacher_ids, teacher = [None] * len(prompt), [None] * len(prompt)
    for t in answer:
        named = [t] * (length(0, 3) > 0) + [k for k in ids(3) if k != t]
        named = sorted(set(named), key=named.index)
        p = torch.rand(len(named), generator=g, dtype=torch.float64) + 0.05
        teacher_ids.append(named)
        teacher.append([round(float(x), 6) for x in (0.9 * p / p.sum()).log()])
    rows.append({"input_ids": prompt + answer, "labels": [-100] * len(prompt) + answer, "weights": [0.0] * len(prompt) + w,
                 "target_token_ids": teacher_ids, "target_logprobs": teacher})
with open(os.path.join(HERE, "tokens.jsonl"), "w") as f:
    f.writelines(json.dumps(r) + "\n" for r in rows)


def fresh():
    return LlamaForCausalLM.from_pretrained(os.path.join(HERE, "model"), attn_implementation="eager", dtype=torch.float32)


def started():
    return PeftModel.from_pretrained(fresh(), os.path.join(HERE, "adapter"), is_trainable=True)


def step_rows():
    steps = [rows[i:i + BATCH] for i in range(0, len(rows), BATCH)]
    while len(steps) < STEPS:
        steps += steps
    return steps[:STEPS]


def at_answer(model, r):
    """Log-softmax [answer, V] at the positions that predict the answer; the answer, its weights."""
    n = r["labels"].count(-100)
    x = torch.tensor([r["input_ids"]])
    return model(input_ids=x).logits[0, n - 1:-1].log_softmax(-1), x[0, n:], torch.tensor(r["weights"][n:])


def of(logp, answer):
    return logp.gather(-1, answer[:, None])[:, 0]


def kl(p, q):
    return (p.exp() * (p - q)).sum(-1)


def weighted(model, batch):
    top = bottom = 0
    for r in batch:
        logp, y, w = at_answer(model, r)
        top, bottom = top - (w * of(logp, y)).sum(), bottom + w.sum()
    return top / bottom


def dft(model, batch):
    """Without weights: TRL's per-token loss times its detached probability, over the number of tokens of the step."""
    top = count = 0
    for r in batch:
        logp, y, _ = at_answer(model, r)
        log_probs = of(logp, y)
        per_token_loss = -log_probs * log_probs.exp().detach()
        top, count = top + per_token_loss.sum(), count + len(y)
    return top / count


def near_start(reference, coef, from_policy):
    def loss(model, batch):
        top = bottom = 0
        for r in batch:
            logp, y, w = at_answer(model, r)
            with torch.no_grad():
                ref = at_answer(reference, r)[0]
            d = kl(logp, ref) if from_policy else kl(ref, logp)
            top, bottom = top + (w * (coef * d - of(logp, y))).sum(), bottom + w.sum()
        return top / bottom
    return loss


def kl_sft(reference, coef, from_policy):
    def loss(model, batch):
        top = count = 0
        for r in batch:
            logp, y, w = at_answer(model, r)
            with torch.no_grad():
                ref = at_answer(reference, r)[0]
            d = kl(logp, ref) if from_policy else kl(ref, logp)
            top, count = top + (coef * (1 - w) * d - w * of(logp, y)).sum(), count + len(w)
        return top / count
    return loss


def kd(alpha, ce):
    def loss(model, batch):
        top = bottom = 0
        for r in batch:
            logp, y, w = at_answer(model, r)
            n = r["labels"].count(-100)
            for i in range(len(y)):
                q = torch.tensor(r["target_logprobs"][n + i], dtype=torch.float64).softmax(-1).float()
                d = (q * (q.log() - logp[i, r["target_token_ids"][n + i]])).sum()
                top = top + w[i] * (alpha * d - ce * logp[i, y[i]])
            bottom = bottom + w.sum()
        return top / bottom
    return loss


def optimise(model, loss_of):
    params = [p for p in model.parameters() if p.requires_grad]
    decay = [p for n, p in model.named_parameters() if p.requires_grad and "norm" not in n]
    plain = [p for n, p in model.named_parameters() if p.requires_grad and "norm" in n]
    groups = [{"params": decay, "weight_decay": WD}] + ([{"params": plain, "weight_decay": 0.0}] if plain else [])
    opt = torch.optim.AdamW(groups, lr=LR, betas=(0.9, 0.999), eps=1e-8)
    sched = get_scheduler("cosine", opt, num_warmup_steps=WARM, num_training_steps=STEPS)
    losses, norms = [], []
    for batch in step_rows():
        loss = loss_of(model, batch)
        loss.backward()
        norms.append(float(torch.nn.utils.clip_grad_norm_(params, 1.0)))
        opt.step()
        sched.step()
        opt.zero_grad()
        losses.append(float(loss.detach()))
    return {"loss": losses, "grad_norm": norms}


base, start = fresh(), started()
out = {
    "weights": optimise(started(), weighted),
    "weights_full": optimise(fresh(), weighted),
    "kl_coef": optimise(started(), near_start(start, 0.5, True)),
    "kl_coef_base": optimise(started(), near_start(base, 0.5, False)),
    "kl_sft": optimise(started(), kl_sft(start, 2.0, False)),
    "kl_sft_base": optimise(started(), kl_sft(base, 2.0, True)),
    "dft": optimise(started(), dft),
    "kd": optimise(started(), kd(1.0, 0.0)),
    "kd_ce": optimise(fresh(), kd(0.7, 0.3)),
}
with open(os.path.join(HERE, "tokens_plain.jsonl"), "w") as f:
    f.writelines(json.dumps({k: r[k] for k in ("input_ids", "labels")}) + "\n" for r in rows)
with open(os.path.join(HERE, "tokens_losses.json"), "w") as f:
    json.dump(out, f, indent=1)
print({k: (v["loss"][0], v["loss"][-1]) for k, v in out.items()})
