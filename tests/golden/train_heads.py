"""Ten optimiser steps of a tiny Llama with heads of values: transformers' classifier under PEFT by its own losses (one class, several labels, numbers), the
mean over the text, ranked answers, and reward with margins, centering and a margin from log-probabilities.

Versions: torch 2.15.0, transformers 5.23.0, peft 0.21.2; reward as TRL 1.16.0 computes it. The model is that of tests/golden/train.py; AdamW, schedule and
steps are that file's too. Writes tests/golden/data/train/heads. Run: python tests/golden/train_heads.py
"""
import json
import os
import shutil

import torch
import torch.nn.functional as F
from peft import LoraConfig, get_peft_model
from transformers import LlamaForSequenceClassification, get_scheduler

DATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data", "train")
HERE = os.path.join(DATA, "heads")
STEPS, BATCH, VOCAB, LR, WD, WARM = 10, 4, 96, 2e-3, 0.05, 2
torch.manual_seed(31)
torch.set_num_threads(1)
shutil.rmtree(HERE, ignore_errors=True)
os.makedirs(HERE)
g = torch.Generator().manual_seed(5)


def ids(n):
    return torch.randint(3, VOCAB, (n,), generator=g).tolist()


def length(lo, hi):
    return int(torch.randint(lo, hi, (1,), generator=g))


shared = [[1] + ids(9), [1] + ids(14), [1] + ids(6)]
texts = [shared[i % 3] + ids(length(2, 9)) + [2] for i in range(22)]
there = (torch.rand(22, 4, generator=g) > 0.5).int().tolist()
numbers = [[round(x, 3) for x in row] for row in torch.randn(22, 2, generator=g).tolist()]
sets = {
    "classes": [{"input_ids": t, "label": i * 7 % 3} for i, t in enumerate(texts)],
    "many": [{"input_ids": t, "label": y} for t, y in zip(texts, there)],
    "numbers": [{"input_ids": t, "label": y} for t, y in zip(texts, numbers)],
}
with open(os.path.join(DATA, "pairs.jsonl")) as f:
    pairs = [json.loads(line) for line in f]
for i, r in enumerate(pairs):
    r["margin"] = [0, 0.5, -0.25, 1.5][i % 4]
sets["pairs"] = pairs
for name, rows in sets.items():
    with open(os.path.join(HERE, name + ".jsonl"), "w") as f:
        f.writelines(json.dumps(r) + "\n" for r in rows)


def step_rows(rows):
    steps = [rows[i:i + BATCH] for i in range(0, len(rows), BATCH)]
    while len(steps) < STEPS:
        steps += steps
    return steps[:STEPS]


def optimise(model, loss_of, rows):
    params = [p for p in model.parameters() if p.requires_grad]
    opt = torch.optim.AdamW(params, lr=LR, betas=(0.9, 0.999), eps=1e-8, weight_decay=WD)
    sched = get_scheduler("cosine", opt, num_warmup_steps=WARM, num_training_steps=STEPS)
    losses, norms = [], []
    for batch in step_rows(rows):
        loss = loss_of(model, batch)
        loss.backward()
        norms.append(float(torch.nn.utils.clip_grad_norm_(params, 1.0)))
        opt.step()
        sched.step()
        opt.zero_grad()
        losses.append(float(loss.detach()))
    return {"loss": losses, "grad_norm": norms}


def classifier(name, labels, problem):
    m = LlamaForSequenceClassification.from_pretrained(os.path.join(DATA, "model"), num_labels=labels, problem_type=problem, attn_implementation="eager", dtype=torch.float32)
    m = get_peft_model(m, LoraConfig(r=4, lora_alpha=8, lora_dropout=0.0, target_modules=["q_proj", "v_proj", "down_proj"], task_type="SEQ_CLS"))
    for n, p in m.named_parameters():
        if "lora_B" in n:
            torch.nn.init.normal_(p, std=0.05)
    path = os.path.join(HERE, name)
    if not os.path.exists(path):
        m.save_pretrained(path)
        os.remove(os.path.join(path, "README.md"))
        with open(os.path.join(path, "adapter_config.json")) as f:
            c = json.load(f)
        c["base_model_name_or_path"] = "model"
        c["target_modules"] = sorted(c["target_modules"])
        with open(os.path.join(path, "adapter_config.json"), "w") as f:
            json.dump(c, f, indent=2, sort_keys=True)
    return m


def padded(batch):
    n = max(len(r["input_ids"]) for r in batch)
    x = torch.tensor([r["input_ids"] + [0] * (n - len(r["input_ids"])) for r in batch])
    return {"input_ids": x, "attention_mask": torch.tensor([[1] * len(r["input_ids"]) + [0] * (n - len(r["input_ids"])) for r in batch])}


def own_loss(dtype):
    return lambda model, batch: model(**padded(batch), labels=torch.tensor([r["label"] for r in batch], dtype=dtype)).loss


def hidden(model, x):
    return model.base_model.model.model(input_ids=torch.tensor([x])).last_hidden_state[0]


def mean_loss(model, batch):
    logits = torch.stack([model.base_model.model.score(hidden(model, r["input_ids"]).mean(0)) for r in batch])
    return F.cross_entropy(logits, torch.tensor([r["label"] for r in batch]))


SIDES = ("chosen_input_ids", "rejected_input_ids")


def score(model, r, side):
    return model(input_ids=torch.tensor([r["prompt_input_ids"] + r[side]])).logits[0, 0]


def margin_loss(model, batch):
    c, j = (torch.stack([score(model, r, s) for r in batch]) for s in SIDES)
    margin = torch.tensor([r["margin"] for r in batch], dtype=torch.float32)
    return -F.logsigmoid(c - j - margin).mean() + 0.02 * ((c + j) ** 2).mean()


def charm_loss(ratio):
    """a = 2, at most 5; the reference is the model without its adapter."""
    def logp(model, r, side):
        x, at = r["prompt_input_ids"] + r[side], len(r["prompt_input_ids"])
        logits = hidden(model, x) @ model.base_model.model.model.embed_tokens.weight.T
        return logits[:-1].log_softmax(-1).gather(-1, torch.tensor(x)[1:, None])[at - 1:, 0]

    def loss(model, batch):
        terms = []
        for r in batch:
            with torch.no_grad():
                c, j = (logp(model, r, s) for s in SIDES)
                if ratio:
                    with model.disable_adapter():
                        rc, rj = (logp(model, r, s).sum() for s in SIDES)
                    apart = (c.sum() - rc) - (j.sum() - rj)
                else:
                    apart = c.mean() - j.mean()
                m = (2 * apart).clamp(0, 5)
            terms.append(-F.logsigmoid(score(model, r, SIDES[0]) - score(model, r, SIDES[1]) - m))
        return torch.stack(terms).mean()
    return loss


out = {}
for name, labels, problem, data, loss in (
        ("classes", 3, "single_label_classification", "classes", own_loss(torch.long)),
        ("many", 4, "multi_label_classification", "many", own_loss(torch.float32)),
        ("numbers", 2, "regression", "numbers", own_loss(torch.float32))):
    out[name] = optimise(classifier(name + "_adapter", labels, problem), loss, sets[data])
torch.manual_seed(37)
for name, loss in (("mean", mean_loss),):
    out[name] = optimise(classifier("mean_adapter", 3, "single_label_classification"), loss, sets["classes"])
for name, loss in (("margin", margin_loss), ("charm", charm_loss(False)), ("charm_ratio", charm_loss(True))):
    torch.manual_seed(41)  # the same start
    out[name] = optimise(classifier("pairs_adapter", 1, "regression"), loss, pairs)
with open(os.path.join(HERE, "losses.json"), "w") as f:
    json.dump(out, f, indent=1)
print({k: (v["loss"][0], v["loss"][-1]) for k, v in out.items()})
