"""Golden numbers of the objectives of heads: writes tests/golden/data/heads.inc (C initialisers), in float64.

Versions: torch 2.15.0, transformers 5.23.0 (ForSequenceClassificationLoss), TRL 1.16.0 (RewardTrainer.compute_loss itself, on a stand-in model).
Plackett-Luce and cumulative logits are written here from their definitions, gradients by autograd. Run: python tests/golden/heads.py.
"""
import os
from collections import defaultdict
from types import SimpleNamespace

import torch
import torch.nn.functional as F
from transformers.loss.loss_utils import ForSequenceClassificationLoss
from trl import RewardTrainer

torch.manual_seed(17)
torch.set_default_dtype(torch.float64)
arrays, cases = [], []


def number(v):
    v = float(v)
    return "NAN" if v != v else repr(v)


def emit(name, values):
    arrays.append(f"static const double {name}[] = {{{', '.join(number(v) for v in values) or '0'}}};")
    return name


def case(name, objective, loss_of, value, columns, answers=1, options="", weights=(), sizes=None):
    """value [answers of all records, width]; columns {name: [answers of all records]}; the loss is loss_of(value)."""
    value = value.clone().requires_grad_()
    loss = loss_of(value)
    loss.backward()
    n, width = value.shape
    sizes = sizes or [answers] * (n // answers)
    k = len(cases)
    emit(f"head_in_{k}", value.detach().flatten())
    emit(f"head_grad_{k}", value.grad.flatten())
    emit(f"head_columns_{k}", torch.stack([torch.as_tensor(c, dtype=torch.float64) for c in columns], 1).flatten() if columns else [])
    emit(f"head_weights_{k}", weights)
    arrays.append(f"static const int head_sizes_{k}[] = {{{', '.join(map(str, sizes))}}};")
    cases.append(f'    {{"{name}", "{objective}", "{options}", {len(sizes)}, {width}, {len(columns)}, {len(weights)}, head_sizes_{k}, head_in_{k}, '
                 f"head_columns_{k}, head_weights_{k}, head_grad_{k}, {number(loss)}}},")


class Stand(torch.nn.Module):
    def __init__(self, scores):
        super().__init__()
        self.scores = scores

    def forward(self, **_):
        return SimpleNamespace(logits=self.scores)


def trl_reward(center, margin):
    def loss(value):
        scores = torch.cat([value[0::2], value[1::2]])  # all chosen, then all rejected
        one = SimpleNamespace(model=SimpleNamespace(training=False), args=SimpleNamespace(center_rewards_coefficient=center), _total_train_tokens=0, _tp_size=1,
                              accelerator=SimpleNamespace(gather=lambda x: x, gather_for_metrics=lambda x: x), _metrics={"eval": defaultdict(list)})
        inputs = {"attention_mask": torch.ones(1, 1)}
        if margin is not None:
            inputs["margin"] = margin
        return RewardTrainer.compute_loss(one, Stand(scores), inputs)
    return loss


def pairs(scale=1.0, n=6):
    return torch.randn(2 * n, 1) * scale


far = torch.tensor([[1e4], [-1e4], [-1e4], [1e4], [3.0], [3.0], [0.0], [0.0]])
none = torch.zeros(12)
margin = torch.tensor([0.0, 0.5, 0.0, 1.25, -0.5, 3.0])
both = margin.repeat_interleave(2)
case("bradley_terry", "reward", trl_reward(None, None), pairs(), [none], answers=2)
case("margin", "reward", trl_reward(None, margin), pairs(), [both], answers=2)
case("centering", "reward", trl_reward(0.01, None), pairs(3), [none], options="center_rewards_coefficient=0.01", answers=2)
case("margin and centering", "reward", trl_reward(0.3, margin), pairs(2), [both], options="center_rewards_coefficient=0.3", answers=2)
case("a constant margin", "reward", trl_reward(None, torch.full((6,), 0.75)), pairs(), [none], options="reward_margin=0.75", answers=2)
case("extreme scores", "reward", trl_reward(1e-6, None), far, [torch.zeros(8)], options="center_rewards_coefficient=1e-6", answers=2)

# several heads: pairs about one of them, or about all
heads, weights = torch.tensor([0, 1, 3, 2, 0, 2.0]), [1.0, 0.5, 2.0]


def reward_heads(value):
    total = 0
    for p in range(6):
        about = range(3) if heads[p] == 0 else [int(heads[p]) - 1]
        total = total + sum(weights[k] * -F.logsigmoid(value[2 * p, k] - value[2 * p + 1, k] - margin[p]) for k in about) / len(about)
    return total / 6


case("several heads", "reward_heads", reward_heads, torch.randn(12, 3), [both, heads.repeat_interleave(2)], answers=2, options="num_labels=3", weights=weights)


def hf(problem, labels, width):
    return lambda value: ForSequenceClassificationLoss(labels, value, SimpleNamespace(num_labels=width, problem_type=problem))


given = torch.ones
classes = torch.tensor([0, 3, 1, 1, 2, 0, 3])
one = [given(7), classes]
case("single_label_classification", "classify", hf("single_label_classification", classes, 4), torch.randn(7, 4) * 2, one, options="num_labels=4")
case("single_label, extreme", "classify", hf("single_label_classification", classes, 4), torch.randn(7, 4) * 1e4, one, options="num_labels=4")
w = torch.tensor([0.5, 2.0, 1.0, 0.0])
case("class weights", "classify", lambda v: F.cross_entropy(v, classes, weight=w, reduction="none").mean(), torch.randn(7, 4), one, options="num_labels=4", weights=w)
case("two classes", "classify", hf("single_label_classification", classes % 2, 2), torch.randn(7, 2), [given(7), classes % 2], options="num_labels=2")


def columns(labels):
    return [torch.full((labels.shape[0],), float(labels.shape[1]))] + [labels[:, k] for k in range(labels.shape[1])]


there = (torch.rand(5, 6) > 0.6).double()
case("multi_label_classification", "multilabel", hf("multi_label_classification", there, 6), torch.randn(5, 6) * 2, columns(there), options="num_labels=6")
case("multi_label, extreme", "multilabel", hf("multi_label_classification", there, 6), torch.randn(5, 6) * 1e3, columns(there), options="num_labels=6")
soft = torch.rand(5, 3)
w3 = torch.tensor([1.0, 0.25, 3.0])
case("soft labels with weights", "multilabel", lambda v: F.binary_cross_entropy_with_logits(v, soft, weight=w3.expand(5, 3)), torch.randn(5, 3), columns(soft), options="num_labels=3",
     weights=w3)
target = torch.randn(6, 1) * 3
case("regression", "regress", hf("regression", target, 1), torch.randn(6, 1), columns(target), options="num_labels=1")
vector = torch.randn(6, 5)
case("regression of a vector", "regress", hf("regression", vector, 5), torch.randn(6, 5), columns(vector), options="num_labels=5")
w5 = torch.tensor([1.0, 0.0, 2.0, 0.5, 1.5])
case("weighted vector", "regress", lambda v: (w5 * (v - vector) ** 2).mean(), torch.randn(6, 5), columns(vector), options="num_labels=5", weights=w5)
for delta in (1.0, 0.25):
    case(f"huber {delta}", "regress", lambda v, d=delta: torch.nn.HuberLoss(delta=d)(v, vector), torch.randn(6, 5) * 2, columns(vector),
         options=f"num_labels=5 regression_loss=2 huber_delta={delta}")
case("huber, extreme", "regress", lambda v: torch.nn.HuberLoss()(v, vector), torch.randn(6, 5) * 1e4, columns(vector), options="num_labels=5 regression_loss=2")


def ordinal(labels, levels):
    def loss(v):
        gaps = F.softplus(v[:, 2:])
        cuts = torch.cat([v[:, 1:2], v[:, 1:2] + gaps.cumsum(1)], 1)
        above = torch.sigmoid(v[:, :1] - cuts)  # P(y >= 1), P(y >= 2) ...
        edges = torch.cat([torch.ones(len(v), 1), above, torch.zeros(len(v), 1)], 1)
        p = edges[:, :-1] - edges[:, 1:]
        return -p.gather(1, labels[:, None]).log().mean()
    return loss


levels = torch.tensor([0, 4, 2, 3, 1, 2, 0, 4])
case("ordinal", "ordinal", ordinal(levels, 5), torch.randn(8, 5), [given(8), levels], options="num_labels=5")
case("ordinal of two", "ordinal", ordinal(levels % 2, 2), torch.randn(8, 2) * 3, [given(8), levels % 2], options="num_labels=2")


def luce(rating, sizes):
    def loss(value):
        total, at = 0, 0
        for n in sizes:
            s, r = value[at:at + n, 0], rating[at:at + n]
            for i in range(n):
                below = [j for j in range(n) if r[j] < r[i]]
                if below:
                    total = total + torch.logsumexp(s[below + [i]], 0) - s[i]
            at += n
        return total / len(sizes)
    return loss


sizes = [2, 5, 3, 4]
order = torch.cat([torch.randperm(n).double() for n in sizes])
case("plackett_luce", "plackett_luce", luce(order, sizes), torch.randn(14, 1), [given(14), order], sizes=sizes)
tied = (order / 2).floor()
case("plackett_luce, ties", "plackett_luce", luce(tied, sizes), torch.randn(14, 1) * 3, [given(14), tied], sizes=sizes)
case("plackett_luce, extreme", "plackett_luce", luce(order, sizes), torch.randn(14, 1) * 1e4, [given(14), order], sizes=sizes)

path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data", "heads.inc")
with open(path, "w") as f:
    f.write("/* Written by tests/golden/heads.py */\n" + "\n".join(arrays) + "\n"
            "typedef struct head_case {\n    const char *name, *objective, *options;\n    int records, width, columns, n_weights;\n    const int *sizes;\n"
            "    const double *in, *column, *weights, *grad;\n    double loss;\n} head_case;\nstatic const head_case head_cases[] = {\n" + "\n".join(cases) + "\n};\n")
