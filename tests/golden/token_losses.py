"""Golden numbers of objectives by tokens in float64: writes tests/golden/data/token_losses.inc (C initialisers).

Versions: torch 2.15.0. dft is the expression of TRL 1.16.0's SFTTrainer (loss_type "dft"); kl_coef, kl_sft, kd and unlikelihood are the equations of
train/objective/*_core.h from logits, differentiated by autograd. Random logits, a flat one, equal ones of policy and reference, and logits up to 1e4.
Run: python tests/golden/token_losses.py
"""
import os
import torch

torch.manual_seed(17)
N, V, K = 14, 9, 4
scale = torch.tensor([1.0] * 8 + [0.0, 5.0, 50.0, 50.0, 1e4, 1e4], dtype=torch.float64)[:, None]
z = torch.randn(N, V, dtype=torch.float64) * scale
zr = torch.randn(N, V, dtype=torch.float64) * scale
zr[3] = z[3]
y = torch.randint(0, V, (N,))
w = torch.rand(N, dtype=torch.float64)
w[0], w[1] = 0, 1
named = torch.stack([torch.randperm(V)[:K] for _ in range(N)])
q = torch.randn(N, K, dtype=torch.float64).softmax(-1)
q[5] = torch.tensor([1 - 3e-12, 1e-12, 1e-12, 1e-12], dtype=torch.float64)
out = []


def emit(name, values):
    body = ", ".join(repr(float(v)) for v in values.flatten())
    out.append(f"static const double {name}[] = {{{body}}};")


lp, lr = z.log_softmax(-1), zr.log_softmax(-1)
logp = lp.gather(-1, y[:, None])[:, 0]
kl = [(lp.exp() * (lp - lr)).sum(-1), (lr.exp() * (lr - lp)).sum(-1)]
emit("token_logp", logp)
emit("token_kl", torch.stack(kl))
emit("token_w", w)


def of(loss, leaves):
    grads = torch.autograd.grad(loss.sum(), leaves, allow_unused=True)
    return [loss.detach()] + [torch.zeros_like(x) if g is None else g for g, x in zip(grads, leaves)]


for way in range(2):
    a, d = logp.clone().requires_grad_(), kl[way].clone().requires_grad_()
    emit(f"kl_coef_{way}", torch.stack(of(-a + 0.37 * d, [a, d])))
    emit(f"kl_sft_{way}", torch.stack(of(-w * a + 1.7 * (1 - w) * d, [a, d])))
a = logp.clone().requires_grad_()
emit("dft", torch.stack(of(-a * a.exp().detach(), [a])))
rest = lambda x: (1 - x.exp()).clamp(min=1e-5).log()  # Welleck et al. 2019
emit("unlikelihood", torch.stack(of(-w * a - 0.6 * (1 - w) * rest(a), [a])))

t = lp.gather(-1, named)
emit("kd_logp", t)
emit("kd_q", q)
t, a = t.clone().requires_grad_(), logp.clone().requires_grad_()
loss = 0.7 * (q * (q.log() - t)).sum(-1) - 0.3 * a
dt, da = torch.autograd.grad(loss.sum(), [t, a])
emit("kd_loss", loss.detach())
emit("kd_dlogp", dt)
emit("kd_dce", da)
path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data", "token_losses.inc")
with open(path, "w") as f:
    f.write("/* Made by tests/golden/token_losses.py. */\n" + f"enum {{ TOKENS = {N}, NAMED = {K} }};\n" + "\n".join(out) + "\n")
