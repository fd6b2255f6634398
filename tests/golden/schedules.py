"""Golden rates of cosine_with_min_lr: writes tests/golden/data/schedules.inc (a C initialiser).

    python tests/golden/schedules.py
Versions: torch 2.15.0, transformers 5.24.0 (get_scheduler with scheduler_specific_kwargs min_lr_rate). 12 steps; warm-up 3, 0; floor 0.25, 1.
"""
import torch
from transformers import get_scheduler

out = []
for floor in (0.25, 1.0):
    for warm in (3, 0):
        opt = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=2e-3)
        sched = get_scheduler("cosine_with_min_lr", opt, num_warmup_steps=warm, num_training_steps=12, scheduler_specific_kwargs={"min_lr_rate": floor})
        for _ in range(12):
            out.append(sched.get_last_lr()[0])
            opt.step()
            sched.step()
open("tests/golden/data/schedules.inc", "w").write("static const double floor_rates[] = {%s};\n" % ", ".join(repr(x) for x in out))
