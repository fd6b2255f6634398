"""Ten optimiser steps of a tiny Llama: SFT (LoRA, full), DPO (reference: base, start, and full tuning), reward model.

Versions: torch 2.15.0, transformers 5.23.0, peft 0.21.2; losses as TRL 1.16.0 computes them (SFT: token mean over the step;
DPO: sigmoid, sums of log-probabilities; reward: -logsigmoid of the scores at the last token). AdamW and
get_scheduler("cosine") as transformers' Trainer sets them up: no decay for norms.
Writes tests/golden/data/train/. Run: python tests/golden/train.py
"""
import json
import os
import shutil

import torch
import torch.nn.functional as F
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM, LlamaForSequenceClassification, get_scheduler

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data", "train")
STEPS, BATCH, VOCAB, BETA, LR, WD, WARM = 10, 4, 96, 0.2, 2e-3, 0.05, 2
torch.manual_seed(11)
torch.set_num_threads(1)
shutil.rmtree(HERE, ignore_errors=True)
os.makedirs(HERE)

config = LlamaConfig(vocab_size=VOCAB, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
                     num_key_value_heads=2, max_position_embeddings=256, initializer_range=0.15, tie_word_embeddings=True,
                     rms_norm_eps=1e-5, pad_token_id=0, bos_token_id=1, eos_token_id=2, attn_implementation="eager")
base = LlamaForCausalLM(config).float()
base.save_pretrained(os.path.join(HERE, "model"))


def fresh():
    return LlamaForCausalLM.from_pretrained(os.path.join(HERE, "model"), attn_implementation="eager", dtype=torch.float32)


lora = LoraConfig(r=4, lora_alpha=8, lora_dropout=0.0, target_modules="all-linear", task_type="CAUSAL_LM")
adapter = get_peft_model(fresh(), lora)
for name, p in adapter.named_parameters():
    if "lora_B" in name:
        torch.nn.init.normal_(p, std=0.05)
adapter.save_pretrained(os.path.join(HERE, "adapter"))

# Data: three shared beginnings ("profiles"), questions, answers of different lengths; the id 2 ends every answer.
g = torch.Generator().manual_seed(3)


def ids(n):
    return torch.randint(3, VOCAB, (n,), generator=g).tolist()


def length(lo, hi):
    return int(torch.randint(lo, hi, (1,), generator=g))


profiles = [[1] + ids(9), [1] + ids(14), [1] + ids(6)]
sft, pairs = [], []
for i in range(22):
    prompt = profiles[i % 3] + ids(length(2, 6))
    answer = ids(length(2, 8)) + [2]
    sft.append({"input_ids": prompt + answer, "labels": [-100] * len(prompt) + answer})
    common = ids(i % 3)
    pairs.append({"prompt_input_ids": prompt, "chosen_input_ids": common + ids(length(2, 7)) + [2],
                  "rejected_input_ids": common + ids(length(2, 7)) + [2]})
for name, rows in (("sft", sft), ("pairs", pairs)):
    with open(os.path.join(HERE, name + ".jsonl"), "w") as f:
        f.writelines(json.dumps(r) + "\n" for r in rows)


def step_rows(rows):
    """Records in file order; a step never crosses an epoch, so the last of each may be smaller."""
    steps = [rows[i:i + BATCH] for i in range(0, len(rows), BATCH)]
    while len(steps) < STEPS:
        steps += steps
    return steps[:STEPS]


def answer_logp(model, prompt, answer):
    x = torch.tensor([prompt + answer])
    logits = model(input_ids=x).logits[0, :-1].log_softmax(-1)
    return logits.gather(-1, x[0, 1:, None])[len(prompt) - 1:, 0]


def optimise(model, loss_of, rows):
    decay = [p for n, p in model.named_parameters() if p.requires_grad and "norm" not in n]
    plain = [p for n, p in model.named_parameters() if p.requires_grad and "norm" in n]
    groups = [{"params": decay, "weight_decay": WD}] + ([{"params": plain, "weight_decay": 0.0}] if plain else [])
    opt = torch.optim.AdamW(groups, lr=LR, betas=(0.9, 0.999), eps=1e-8)
    sched = get_scheduler("cosine", opt, num_warmup_steps=WARM, num_training_steps=STEPS)
    losses, norms = [], []
    for batch in step_rows(rows):
        loss = loss_of(model, batch)
        loss.backward()
        norms.append(float(torch.nn.utils.clip_grad_norm_([p for p in model.parameters() if p.requires_grad], 1.0)))
        opt.step()
        sched.step()
        opt.zero_grad()
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
                rc, rj = (reference(r["prompt_input_ids"], r[k]).sum() for k in SIDES)
            terms.append(-F.logsigmoid(BETA * ((c - rc) - (j - rj))))
        return torch.stack(terms).mean()
    return loss


def reward_loss(model, batch):
    terms = []
    for r in batch:
        s = [model(input_ids=torch.tensor([r["prompt_input_ids"] + r[k]])).logits[0, 0] for k in SIDES]
        terms.append(-F.logsigmoid(s[0] - s[1]))
    return torch.stack(terms).mean()


def started():
    return PeftModel.from_pretrained(fresh(), os.path.join(HERE, "adapter"), is_trainable=True)


plain_model, frozen_start = fresh(), started()
out = {
    "sft_lora": optimise(started(), sft_loss, sft),
    "sft_full": optimise(fresh(), sft_loss, sft),
    "dpo_base": optimise(started(), dpo_loss(lambda p, a: answer_logp(plain_model, p, a)), pairs),
    "dpo_start": optimise(started(), dpo_loss(lambda p, a: answer_logp(frozen_start, p, a)), pairs),
    "dpo_full": optimise(fresh(), dpo_loss(lambda p, a: answer_logp(plain_model, p, a)), pairs),
}

# Reward: the scores' head starts at given values; it is trained along with the adapter.
torch.manual_seed(23)
rm = LlamaForSequenceClassification.from_pretrained(os.path.join(HERE, "model"), num_labels=1, attn_implementation="eager",
                                                    dtype=torch.float32)
rm = get_peft_model(rm, LoraConfig(r=4, lora_alpha=8, lora_dropout=0.0, target_modules=["q_proj", "v_proj", "down_proj"],
                                   task_type="SEQ_CLS"))
for name, p in rm.named_parameters():
    if "lora_B" in name:
        torch.nn.init.normal_(p, std=0.05)
rm.save_pretrained(os.path.join(HERE, "reward_adapter"))
out["reward"] = optimise(rm, reward_loss, pairs)

for folder in ("adapter", "reward_adapter"):
    os.remove(os.path.join(HERE, folder, "README.md"))
    path = os.path.join(HERE, folder, "adapter_config.json")
    with open(path) as f:
        c = json.load(f)
    c["base_model_name_or_path"] = "model"
    c["target_modules"] = sorted(c["target_modules"])
    with open(path, "w") as f:
        json.dump(c, f, indent=2, sort_keys=True)
with open(os.path.join(HERE, "losses.json"), "w") as f:
    json.dump(out, f, indent=1)
print({k: (v["loss"][0], v["loss"][-1]) for k, v in out.items()})
