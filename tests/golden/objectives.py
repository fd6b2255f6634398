"""Golden numbers of objectives, schedules and AdamW: writes tests/golden/data/objectives.inc (C initialisers).

Versions: torch 2.15.0, transformers 5.23.0 (get_scheduler). The losses are the expressions of TRL 1.16.0: DPOTrainer, loss_type
"sigmoid", and RewardTrainer with margins. Run: python tests/golden/objectives.py
"""
import os
import torch
import torch.nn.functional as F
from transformers import get_scheduler

torch.manual_seed(5)
out = []


def emit(name, values, kind="double"):
    body = ", ".join(repr(float(v)) for v in values)
    out.append(f"static const {kind} {name}[] = {{{body}}};")


# DPO: 5 pairs of sums, from log-probabilities of tokens; one extreme pair
beta = 0.1
c = (torch.randn(5, dtype=torch.float64) * 6 - 20).requires_grad_()
r = (torch.randn(5, dtype=torch.float64) * 6 - 22).requires_grad_()
rc, rr = torch.randn(5, dtype=torch.float64) * 6 - 20, torch.randn(5, dtype=torch.float64) * 6 - 22
with torch.no_grad():
    r[4] = -9000.0
delta = (c - rc) - (r - rr)
loss = (-F.logsigmoid(beta * delta)).mean()
loss.backward()
emit("dpo_in", torch.stack([c, r, rc, rr], 1).detach().flatten())
emit("dpo_grad", torch.stack([c.grad, r.grad], 1).flatten())
rew_c, rew_r = beta * (c - rc), beta * (r - rr)
emit("dpo_out", [loss, rew_c.mean(), rew_r.mean(), (rew_c - rew_r).mean(), (rew_c > rew_r).double().mean(), c.mean(), r.mean()])

# reward model: scores and margins
s = torch.randn(4, 2, dtype=torch.float64).requires_grad_()
margin = torch.tensor([0.0, 0.5, 0.0, 1.25], dtype=torch.float64)
loss = (-F.logsigmoid(s[:, 0] - s[:, 1] - margin)).mean()
loss.backward()
emit("reward_in", s.detach().flatten())
emit("reward_margin", margin)
emit("reward_grad", s.grad.flatten())
emit("reward_out", [loss, (s[:, 0] > s[:, 1]).double().mean(), (s[:, 0] - s[:, 1]).mean(), s.mean()])

# schedules: 12 steps, warm-up 3 and 0
rates = []
for name in ("constant_with_warmup", "linear", "cosine"):
    for warm in (3, 0):
        p = torch.nn.Parameter(torch.zeros(1))
        opt = torch.optim.SGD([p], lr=2e-3)
        sched = get_scheduler(name, opt, num_warmup_steps=warm, num_training_steps=12)
        for _ in range(12):
            rates.append(opt.param_groups[0]["lr"])
            opt.step()
            sched.step()
emit("rates", rates)

# AdamW: 6 elements, the first 4 decayed; 5 steps, clipping at 1.0
torch.manual_seed(9)
w = torch.nn.Parameter(torch.randn(4))
b = torch.nn.Parameter(torch.randn(2))
opt = torch.optim.AdamW([{"params": [w], "weight_decay": 0.1}, {"params": [b], "weight_decay": 0.0}], lr=0.01,
                        betas=(0.9, 0.95), eps=1e-8)
emit("adam_start", torch.cat([w, b]).detach(), "float")
grads, norms, params = [], [], []
for step in range(5):
    g = torch.randn(6) * (0.2 + step)
    w.grad, b.grad = g[:4].clone(), g[4:].clone()
    grads.append(g)
    norms.append(torch.nn.utils.clip_grad_norm_([w, b], 1.0))
    for group in opt.param_groups:
        group["lr"] = 0.01 / (1 + step)
    opt.step()
    params.append(torch.cat([w, b]).detach().clone())
emit("adam_grads", torch.cat(grads), "float")
emit("adam_norms", norms, "float")
emit("adam_params", torch.cat(params), "float")

path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data", "objectives.inc")
with open(path, "w") as f:
    f.write("/* Written by tests/golden/objectives.py */\n" + "\n".join(out) + "\n")
