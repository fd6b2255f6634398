"""DPO's losses as TRL computes them.

Versions: torch 2.15.0, transformers 5.23.0, peft 0.21.2, trl 1.16.0. Two files:
- tests/golden/data/pair_losses.json: value and gradient of DPOTrainer._compute_loss itself in float64, given log-probabilities of tokens by a stand-in for
  the model. (alpha_divergence knows no float64 there: its table of clamps gets that one entry, the value of float32, and its cast to float32 is left out;
  use_weighting multiplies in place, which autograd refuses of hinge: it multiplies beside.)
- tests/golden/data/train/pair_losses.json: ten steps of DPOTrainer on the model and adapter of tests/golden/train.py (run that first).
Run: python tests/golden/pair_losses.py
"""
import inspect
import json
import math
import os
import textwrap
import types

import torch
import torch.nn.functional as F
from datasets import Dataset
from peft import PeftModel
from torch.utils.data import SequentialSampler
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast
from tokenizers import Tokenizer, models
from trl import DPOConfig, DPOTrainer
from trl.trainer import dpo_trainer

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data")
TRAIN = os.path.join(HERE, "train")
ALL = ["sigmoid", "hinge", "ipo", "robust", "exo_pair", "nca_pair", "bco_pair", "sppo_hard", "aot", "aot_unpaired", "apo_zero", "apo_down", "discopop",
       "sigmoid_norm", "sft"]
DIFFERENCE = ["sigmoid", "sigmoid_norm", "hinge", "ipo", "exo_pair", "robust", "discopop", "sft"]  # know f-divergences
torch.set_num_threads(1)

# ---- values and gradients ----
source = textwrap.dedent(inspect.getsource(DPOTrainer._compute_loss))
for was, now in (("torch.float32: 80.0}", "torch.float32: 80.0, torch.float64: 80.0}"), (".float()", ".double()"),
                 ("per_sequence_loss *= chosen_weights * rejected_weights", "per_sequence_loss = per_sequence_loss * (chosen_weights * rejected_weights)")):
    assert was in source
    source = source.replace(was, now)
scope = dict(vars(dpo_trainer))
exec(source, scope)


class StandIn:
    """What _compute_loss asks of a model, an accelerator and a trainer."""
    training = True

    def __init__(self, tokens, squares):
        self.tokens, self.squares = tokens, squares

    def __call__(self, **_):
        z = torch.zeros_like(self.tokens)
        return types.SimpleNamespace(log_probs=self.tokens, log_sum_sq_probs=self.squares, entropy=z, mean_logits=z, is_top1=z.bool(), aux_loss=None)


def compute(case, logp, ref, squares, lengths):
    """logp, ref, squares: of tokens, [2n, longest], the chosen answers first; 0 past an answer's end."""
    o = case["options"]
    mask = (torch.arange(logp.shape[1])[None] < lengths[:, None]).long()
    mask = torch.cat([torch.zeros(len(mask), 1, dtype=torch.long), mask], 1)
    gather = types.SimpleNamespace(device="cpu", gather=lambda x: x, gather_for_metrics=lambda x: x)
    from collections import defaultdict
    me = types.SimpleNamespace(
        model=StandIn(logp, squares), ref_model=StandIn(ref, None), accelerator=gather, aux_loss_enabled=False, ld_alpha=None, precompute_ref_logps=False,
        beta=o["beta"], f_divergence_type=case["f_divergence_type"], f_alpha_divergence_coef=o["f_alpha_divergence_coef"], loss_types=case["loss_type"],
        loss_weights=case["loss_weights"], label_smoothing=o["label_smoothing"], use_weighting=case["use_weighting"],
        args=types.SimpleNamespace(discopop_tau=o["discopop_tau"], gradient_checkpointing_kwargs=None), _metrics={"train": defaultdict(list)},
        _total_train_tokens=0, _tp_size=1)
    scope["disable_gradient_checkpointing"] = lambda *_: __import__("contextlib").nullcontext()
    scope["is_peft_model"] = lambda _: False
    ids = torch.ones_like(mask)
    loss = scope["_compute_loss"](me, me.model, {"input_ids": ids, "attention_mask": ids, "completion_mask": mask}, False)
    logp.grad = None
    loss.backward()
    m = {k: v[0] for k, v in me._metrics["train"].items() if k.startswith(("rewards/", "logps/"))}
    # one token's gradient is the answer's: its first, which every answer has
    return float(loss.detach()), logp.grad[:, 0].tolist(), m


def short(x):
    """Numbers to 13 digits: six more than are compared."""
    if isinstance(x, float):
        return float(f"{x:.13g}")
    return {k: short(v) for k, v in x.items()} if isinstance(x, dict) else [short(v) for v in x] if isinstance(x, list) else x


def inputs(kind):
    g = torch.Generator().manual_seed({"near": 3, "wide": 5, "extreme": 7}[kind])
    n, longest = 6, 7
    lengths = torch.randint(1, longest + 1, (2 * n,), generator=g)
    lengths[2] = lengths[n + 3] = 1
    spread = {"near": 0.3, "wide": 3.0, "extreme": 3.0}[kind]
    make = lambda s: -torch.rand(2 * n, longest, generator=g, dtype=torch.float64) * s - 0.05
    logp, ref, squares = make(3), None, make(2)
    ref = logp + spread * torch.randn(2 * n, longest, generator=g, dtype=torch.float64)
    for i in (1, n + 1):
        ref[i] = logp[i]  # policy and reference alike
    logp[4, :], logp[n + 4, :], ref[n + 4, :], lengths[n + 4] = logp[n + 4], logp[n + 4], ref[4], lengths[4]  # equal sides
    if kind == "extreme":
        logp[0, 0], logp[n + 2, 0], logp[3, 0], ref[n + 5, 0] = -1e4, -1e4, -3e4, -1e4
    live = torch.arange(longest)[None] < lengths[:, None]
    exact = lambda x: (x * 256).round() / 256  # sums of these have no rounding in float32 either
    return [torch.where(live, exact(x), torch.zeros_like(x)) for x in (logp, ref, squares)] + [lengths]


torch.set_default_dtype(torch.float64)
cases, sets = [], {}
for kind in ("near", "wide", "extreme"):
    logp, ref, squares, lengths = inputs(kind)
    n = len(lengths) // 2
    order = [i + n * s for i in range(n) for s in (0, 1)]  # chosen, rejected, chosen ...
    pick = lambda x: [float(x.sum(1)[i]) for i in order]
    sets[kind] = {"logp": pick(logp), "reference": pick(ref), "log_squares": pick(squares), "length": [int(lengths[i]) for i in order]}

    def add(losses, weights=None, f="reverse_kl", weighting=False, **options):
        o = {"beta": 0.1, "label_smoothing": 0.0, "discopop_tau": 0.05, "f_alpha_divergence_coef": 0.5, **options}
        case = {"set": kind, "loss_type": losses, "loss_weights": weights or [1.0] * len(losses), "f_divergence_type": f, "use_weighting": weighting,
                "options": o}
        x = logp.clone().requires_grad_()
        loss, grad, metrics = compute(case, x, ref, squares, lengths)
        finite = math.isfinite(loss) and all(map(math.isfinite, grad))
        case["loss"] = loss if finite else None
        case["dlogp"] = [grad[i] for i in order] if finite else None
        if losses == ["sigmoid"]:
            case["metrics"] = metrics
        cases.append(short(case))

    for name in ALL:
        smooth = {"exo_pair": [1e-3, 0.3], "robust": [0.0, 0.1], "aot": [0.0, 0.2], "aot_unpaired": [0.0, 0.2]}.get(name, [0.0])
        for s in smooth:
            for beta in (0.1, 0.7):
                add([name], label_smoothing=s, beta=beta)
            add([name], label_smoothing=s, beta=1e-4)
        if name in DIFFERENCE:
            for f, coef in (("forward_kl", 0.5), ("js_divergence", 0.5), ("alpha_divergence", 0.5), ("alpha_divergence", 2.0), ("alpha_divergence", 1.0)):
                add([name], f=f, f_alpha_divergence_coef=coef, label_smoothing=smooth[-1])
        if name not in ("aot", "aot_unpaired", "sft"):
            add([name], weighting=True, label_smoothing=smooth[-1])
    add(["discopop"], discopop_tau=1.0)
    add(["sigmoid", "bco_pair", "sft"], [0.8, 0.2, 1.0])
    add(["hinge", "ipo", "apo_down"], [0.5, 2.0, 0.25])
    add(["aot", "aot_unpaired", "sft"], [1.0, 0.5, 0.1], label_smoothing=0.1)
torch.set_default_dtype(torch.float32)
with open(os.path.join(HERE, "pair_losses.json"), "w") as f:
    f.write('{"sets": ' + json.dumps(sets) + ',\n"cases": [\n' + ",\n".join(json.dumps(c) for c in cases) + "\n]}\n")

# ---- ten steps ----
rows = [json.loads(line) for line in open(os.path.join(TRAIN, "pairs.jsonl"))]
data = Dataset.from_list([{"prompt_ids": r["prompt_input_ids"], "chosen_ids": r["chosen_input_ids"], "rejected_ids": r["rejected_input_ids"]} for r in rows])
names = {f"t{i}": i for i in range(96)}
tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.WordLevel(names, unk_token="t0")), pad_token="t0", bos_token="t1", eos_token="t2")


class InOrder(DPOTrainer):
    seen = None

    def _prepare_dataset(self, dataset, *_):
        return dataset  # has ids

    def _get_train_sampler(self, *_, **__):
        return SequentialSampler(self.train_dataset)

    def compute_loss(self, *a, **k):
        loss = super().compute_loss(*a, **k)
        self.seen.append(float(loss.detach()))
        return loss


def ten_steps(**options):
    base = LlamaForCausalLM.from_pretrained(os.path.join(TRAIN, "model"), attn_implementation="eager", dtype=torch.float32)
    model = PeftModel.from_pretrained(base, os.path.join(TRAIN, "adapter"), is_trainable=True)
    args = DPOConfig(output_dir="/tmp/pair_losses", max_steps=10, per_device_train_batch_size=4, learning_rate=2e-3, lr_scheduler_type="cosine", warmup_steps=2,
                     weight_decay=0.05, max_grad_norm=1.0, beta=0.2, bf16=False, gradient_checkpointing=False, use_cpu=True, logging_steps=1, report_to=[],
                     save_strategy="no", disable_tqdm=True, seed=1, **options)
    trainer = InOrder(model=model, args=args, train_dataset=data, processing_class=tokenizer)
    trainer.seen = []
    trainer.train()
    norms = [x["grad_norm"] for x in trainer.state.log_history if "grad_norm" in x]
    assert len(trainer.seen) == len(norms) == 10, (len(trainer.seen), len(norms))
    return {"loss": trainer.seen, "grad_norm": norms}


runs = {}
for name in ALL:
    more = {"exo_pair": {"label_smoothing": 1e-3}, "robust": {"label_smoothing": 0.1}, "aot": {"label_smoothing": 0.1}}.get(name, {})
    runs[name] = {"loss_type": name, **more}
runs["mpo"] = {"loss_type": ["sigmoid", "bco_pair", "sft"], "loss_weights": [0.8, 0.2, 1.0]}
runs["rpo"] = {"loss_type": ["sigmoid", "sft"], "loss_weights": [1.0, 0.5]}
runs["wpo"] = {"loss_type": "sigmoid", "use_weighting": True}
runs["ld"] = {"loss_type": "sigmoid", "ld_alpha": 0.5}
runs["ld_ipo"] = {"loss_type": "ipo", "ld_alpha": 0.25}
runs["ld_none"] = {"loss_type": "sigmoid", "ld_alpha": 0.0}
for f in ("forward_kl", "js_divergence", "alpha_divergence"):
    runs[f] = {"loss_type": "sigmoid", "f_divergence_type": f}
out = {k: {"options": v, **ten_steps(**v)} for k, v in runs.items()}
with open(os.path.join(TRAIN, "pair_losses.json"), "w") as f:
    f.write("{\n" + ",\n".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in out.items()) + "\n}\n")
print({k: (v["loss"][0], v["loss"][-1]) for k, v in out.items()})
with open(os.path.join(TRAIN, "losses.json")) as f:
    print("of train.py:", json.load(f)["dpo_start"]["loss"][::9])
