"""How far PyTorch's bf16 runs of tests/golden/train.py are from its f32 runs: the budget of a bf16 backend is twice that.

Versions: torch 2.15.0, transformers 5.23.0, peft 0.21.2. LoRA, as axolotl and TRL run it with bf16: true: the base in bf16, the
adapter's weights in f32, products under autocast in bf16. Full tuning: weights in bf16 for forward and backward, f32 masters for
AdamW. Reads what train.py wrote; writes tests/golden/data/train/bf16.json: for each run, root mean square over its ten steps, and
over two ways to compute attention (eager, sdpa: equal but for rounding), of the relative error of the loss and of the gradient's
norm. Run: python tests/golden/train_bf16.py
"""
import json
import math
import os

import torch
import torch.nn.functional as F
from peft import PeftModel
from transformers import LlamaForCausalLM, LlamaForSequenceClassification, get_scheduler

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data", "train")
STEPS, BATCH, BETA, LR, WD, WARM = 10, 4, 0.2, 2e-3, 0.05, 2
torch.set_num_threads(1)


def rows_of(name):
    with open(os.path.join(HERE, name + ".jsonl")) as f:
        return [json.loads(line) for line in f]


attention = "eager"


def fresh(kind=LlamaForCausalLM, **more):
    return kind.from_pretrained(os.path.join(HERE, "model"), attn_implementation=attention, dtype=torch.bfloat16, **more)


def started(base=None, name="adapter"):
    return PeftModel.from_pretrained(base or fresh(), os.path.join(HERE, name), is_trainable=True)


def step_rows(rows):
    steps = [rows[i:i + BATCH] for i in range(0, len(rows), BATCH)]
    while len(steps) < STEPS:
        steps += steps
    return steps[:STEPS]


def answer_logp(model, prompt, answer):
    x = torch.tensor([prompt + answer])
    logits = model(input_ids=x).logits[0, :-1].float().log_softmax(-1)
    return logits.gather(-1, x[0, 1:, None])[len(prompt) - 1:, 0]


def optimise(model, loss_of, rows):
    named = [(n, p) for n, p in model.named_parameters() if p.requires_grad]
    masters = [p.detach().float().clone().requires_grad_(True) for _, p in named]
    decay = [m for (n, _), m in zip(named, masters) if "norm" not in n]
    plain = [m for (n, _), m in zip(named, masters) if "norm" in n]
    groups = [{"params": decay, "weight_decay": WD}] + ([{"params": plain, "weight_decay": 0.0}] if plain else [])
    opt = torch.optim.AdamW(groups, lr=LR, betas=(0.9, 0.999), eps=1e-8)
    sched = get_scheduler("cosine", opt, num_warmup_steps=WARM, num_training_steps=STEPS)
    losses, norms = [], []
    for batch in step_rows(rows):
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=isinstance(model, PeftModel)):
            loss = loss_of(model, batch)
        loss.backward()
        for (_, p), m in zip(named, masters):
            m.grad = p.grad.float()
            p.grad = None
        norms.append(float(torch.nn.utils.clip_grad_norm_(masters, 1.0)))
        opt.step()
        sched.step()
        with torch.no_grad():
            for (_, p), m in zip(named, masters):
                p.copy_(m)
        losses.append(float(loss.detach()))
    return {"loss": losses, "grad_norm": norms}


def sft_loss(model, batch):
    cut = [(r["input_ids"], r["labels"].count(-100)) for r in batch]
    logps = [answer_logp(model, row[:n], row[n:]) for row, n in cut]
    return -torch.cat(logps).sum() / sum(len(x) for x in logps)


SIDES = ("chosen_input_ids", "rejected_input_ids")


def dpo_loss(reference):
    def loss(model, batch):
        terms = []
        for r in batch:
            c, j = (answer_logp(model, r["prompt_input_ids"], r[k]).sum() for k in SIDES)
            with torch.no_grad():
                rc, rj = (answer_logp(reference, r["prompt_input_ids"], r[k]).sum() for k in SIDES)
            terms.append(-F.logsigmoid(BETA * ((c - rc) - (j - rj))))
        return torch.stack(terms).mean()
    return loss


def reward_loss(model, batch):
    terms = []
    for r in batch:
        s = [model(input_ids=torch.tensor([r["prompt_input_ids"] + r[k]])).logits[0, 0].float() for k in SIDES]
        terms.append(-F.logsigmoid(s[0] - s[1]))
    return torch.stack(terms).mean()


sft, pairs = rows_of("sft"), rows_of("pairs")
runs = {
    "sft_lora": lambda: optimise(started(), sft_loss, sft),
    "sft_full": lambda: optimise(fresh(), sft_loss, sft),
    "dpo_base": lambda: optimise(started(), dpo_loss(fresh()), pairs),
    "dpo_start": lambda: optimise(started(), dpo_loss(started()), pairs),
    "dpo_full": lambda: optimise(fresh(), dpo_loss(fresh()), pairs),
    "reward": lambda: optimise(started(fresh(LlamaForSequenceClassification, num_labels=1), "reward_adapter"), reward_loss, pairs),
}
with open(os.path.join(HERE, "losses.json")) as f:
    exact = json.load(f)
out = {}
for name, run in runs.items():
    square = {"loss": 0.0, "grad_norm": 0.0}
    for attention in ("eager", "sdpa"):
        got = run()
        each = {k: sum(((a - b) / b) ** 2 for a, b in zip(got[k], exact[name][k])) / STEPS for k in square}
        print(name, attention, {k: math.sqrt(v) for k, v in each.items()})
        square = {k: square[k] + each[k] / 2 for k in square}
    out[name] = {k: math.sqrt(v) for k, v in square.items()}
with open(os.path.join(HERE, "bf16.json"), "w") as f:
    json.dump(out, f, indent=1)
