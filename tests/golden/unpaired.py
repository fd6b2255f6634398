"""Objectives of judged answers and of pairs without a reference, as TRL computes them.

Versions: torch 2.15.0, transformers 5.23.0, peft 0.21.2, trl 1.16.0.
1. Values and gradients in float64 by TRL's own code (KTOTrainer._compute_loss, ORPOTrainer.odds_ratio_loss, CPOTrainer.cpo_loss) on given
   log-probabilities, among them extreme ones: tests/golden/data/unpaired.inc.
2. Ten steps of TRL's trainers on the tiny model of tests/golden/train.py (KTO: file order, the whole step in one micro-batch):
   tests/golden/data/train/unpaired.jsonl, unpaired.json.
Run: python -P tests/golden/unpaired.py (train.py before it)
"""
import json
import os
import types

import torch
import torch.nn.functional as F
from datasets import Dataset
from peft import PeftModel
from tokenizers import Tokenizer, models
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast
from trl import KTOConfig, KTOTrainer
from trl.experimental.cpo import CPOConfig, CPOTrainer
from trl.experimental.orpo import ORPOConfig, ORPOTrainer

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data")
TRAIN = os.path.join(HERE, "train")
STEPS, BATCH, BETA = 10, 4, 0.2
torch.set_num_threads(1)
torch.manual_seed(17)
lines = []


def emit(name, values):
    lines.append(f"static const double {name}[] = {{{', '.join(repr(float(v)) for v in values)}}};")


# ---- 1: values and gradients ---------------------------------------------------------------------------------------------

class Alone:
    device = "cpu"

    @staticmethod
    def gather_for_metrics(x):
        return x


def kto_case(name, n, loss_type, logp, ref, kl_logp, kl_ref, label, beta, good, bad):
    """TRL's loss of n answers whose tokens' log-probabilities add up to logp (one token each)."""
    logp = logp.clone().requires_grad_()
    given = iter([kl_logp] if loss_type == "kto" else [])

    def model(**kw):
        value = next(given) if kw.get("kind") == "kl" else logp
        return types.SimpleNamespace(log_probs=value[:, None], entropy=torch.zeros(n, 1), mean_logits=torch.zeros(n, 1))

    me = types.SimpleNamespace(model=types.SimpleNamespace(training=True), accelerator=Alone, calculate_KL=loss_type == "kto", loss_type=loss_type, beta=beta,
                               desirable_weight=good, undesirable_weight=bad, aux_loss_enabled=False, precompute_ref_logps=True, _total_train_tokens=0, _tp_size=1,
                               _metrics={"train": __import__("collections").defaultdict(list)})
    me._compute_kl_logps = lambda m, b: kl_logp if loss_type == "kto" else None
    inputs = {"input_ids": torch.zeros(n, 2, dtype=torch.long), "attention_mask": torch.ones(n, 2), "completion_mask": torch.tensor([[0, 1]] * n), "label": label,
              "ref_logps": ref, "ref_KL_logps": kl_ref}
    loss = KTOTrainer._compute_loss(me, model, inputs, False)
    loss.backward()
    m = {k: v[-1] if isinstance(v, list) else v for k, v in me._metrics["train"].items()}
    emit(name + "_in", torch.stack([logp.detach(), ref, kl_logp, kl_ref, label.double()], 1).flatten())
    emit(name + "_out", [loss, m.get("rewards/chosen", 0), m.get("rewards/rejected", 0), m.get("rewards/margins", 0), m.get("logps/chosen", 0), m.get("logps/rejected", 0), m["kl"]])
    emit(name + "_grad", logp.grad)
    emit(name + "_set", [beta, good, bad])


def r(n, spread, middle):
    return torch.randn(n, dtype=torch.float64) * spread + middle


label = torch.tensor([1, 0, 0, 1, 1, 0]) == 1
kto_case("kto_near", 6, "kto", r(6, 6, -20), r(6, 6, -20), r(6, 6, -38), r(6, 6, -40), label, 0.1, 1.0, 1.0)
kto_case("kto_weighed", 6, "kto", r(6, 6, -20), r(6, 6, -20), r(6, 6, -40), r(6, 6, -44), label, 0.7, 1.5, 0.25)
kto_case("kto_clamped", 6, "kto", r(6, 6, -20), r(6, 6, -20), r(6, 6, -44), r(6, 6, -40), label, 0.1, 1.0, 1.0)
far = r(6, 6, -20)
far[1], far[3] = -1e4, -3e4
kto_case("kto_far", 6, "kto", far, r(6, 6, -20), r(6, 6, -38), r(6, 6, -40), label, 1.0, 1.0, 1.0)
kto_case("kto_faint", 6, "kto", r(6, 6, -20), r(6, 6, -20), r(6, 6, -38), r(6, 6, -40), label, 1e-6, 1.0, 1.0)
kto_case("apo_near", 6, "apo_zero_unpaired", r(6, 6, -20), r(6, 6, -20), r(6, 6, -38), r(6, 6, -40), label, 0.3, 2.0, 0.5)
kto_case("apo_far", 6, "apo_zero_unpaired", far, r(6, 6, -20), r(6, 6, -38), r(6, 6, -40), label, 1.0, 1.0, 1.0)


def pair_case(name, loss_of, sums, tokens, settings):
    """sums: [n, 2] of log-probabilities; the gradient is by them. loss_of gives loss and metrics from sums and tokens."""
    sums = sums.clone().requires_grad_()
    loss, metrics = loss_of(sums, tokens)
    loss.backward()
    emit(name + "_in", torch.cat([sums.detach(), tokens.double()], 1).flatten())
    emit(name + "_out", [loss.detach()] + metrics)
    emit(name + "_grad", sums.grad.flatten())
    emit(name + "_set", settings)


def orpo_loss(beta):
    def run(sums, tokens):
        mean = sums / tokens
        me = types.SimpleNamespace(beta=beta, accelerator=Alone)
        keep, torch.Tensor.float = torch.Tensor.float, lambda x: x  # TRL goes down to f32 here
        losses, good, bad, ratio, odds = ORPOTrainer.odds_ratio_loss(me, mean[:, 0], mean[:, 1])
        torch.Tensor.float = keep
        nll = -sums[:, 0].sum() / tokens[:, 0].sum()
        return nll - losses.mean(), [good.mean(), bad.mean(), (good > bad).double().mean(), (good - bad).mean(), mean[:, 0].mean().detach(), mean[:, 1].mean().detach(),
                                     nll.detach(), ratio.detach(), odds.detach()]
    return run


def cpo_loss(loss_type, beta, smooth, cpo_alpha, gamma, alpha):
    if loss_type == "alphapo":
        loss_type, cpo_alpha = "simpo", 0.0

    def run(sums, tokens):
        value = sums / tokens if loss_type in ("ipo", "simpo") else sums
        me = types.SimpleNamespace(beta=beta, accelerator=Alone, alpha=alpha, loss_type=loss_type, simpo_gamma=gamma, label_smoothing=smooth)
        losses, good, bad = CPOTrainer.cpo_loss(me, value[:, 0], value[:, 1])
        nll = -sums[:, 0].sum() / tokens[:, 0].sum() if cpo_alpha else torch.zeros(())
        return losses.mean() + cpo_alpha * nll, [good.mean(), bad.mean(), (good > bad).double().mean(), (good - bad).mean(), value[:, 0].mean().detach(),
                                                 value[:, 1].mean().detach(), nll.detach()]
    return run


tokens = torch.tensor([[7, 9], [3, 4], [1, 1], [20, 12], [5, 1]])
near = -torch.rand(5, 2, dtype=torch.float64) * 2 * tokens - 0.01
wide = near.clone()
wide[0] = torch.tensor([-1e4, -3.0])
wide[1] = torch.tensor([-1e-9, -1e4])
wide[2] = torch.tensor([-2.0, -2.0])
for name, sums in (("near", near), ("wide", wide)):
    pair_case("orpo_" + name, orpo_loss(0.25), sums, tokens, [0.25])
    for kind, args in {"sigmoid": (0.1, 0.0, 1.0, 0.5, 0.0), "smooth": (0.3, 0.2, 0.5, 0.5, 0.0), "hinge": (0.1, 0.0, 1.0, 0.5, 0.0), "ipo": (0.4, 0.0, 0.0, 0.5, 0.0),
                       "simpo": (2.0, 0.1, 0.0, 1.2, 0.0), "simpo_nll": (2.0, 0.0, 0.7, 0.5, 0.0), "alphapo": (2.5, 0.0, 1.0, 0.3, 0.25)}.items():
        pair_case(f"cpo_{kind}_{name}", cpo_loss({"smooth": "sigmoid", "simpo_nll": "simpo"}.get(kind, kind), *args), sums if kind != "alphapo" else near, tokens, args)
with open(os.path.join(HERE, "unpaired.inc"), "w") as f:
    f.write("/* Written by tests/golden/unpaired.py. */\n" + "\n".join(lines) + "\n")

# ---- 2: ten steps ----------------------------------------------------------------------------------------------------------

with open(os.path.join(TRAIN, "pairs.jsonl")) as f:
    pairs = [json.loads(x) for x in f]
# a row of one pair in turn: its answers stand for themselves
judged = [{"prompt": p["prompt_input_ids"], "completion": p["chosen_input_ids"] if i % 3 != 1 else p["rejected_input_ids"], "label": i % 3 != 1} for i, p in enumerate(pairs)]
with open(os.path.join(TRAIN, "unpaired.jsonl"), "w") as f:
    for x in judged:
        f.write(json.dumps({"input_ids": x["prompt"] + x["completion"], "labels": [-100] * len(x["prompt"]) + x["completion"], "label": x["label"]}) + "\n")

words = Tokenizer(models.WordLevel({f"w{i}": i for i in range(96)}, unk_token="w0"))
tok = PreTrainedTokenizerFast(tokenizer_object=words, pad_token="w0", bos_token="w1", eos_token="w2", unk_token="w0")


def start():
    base = LlamaForCausalLM.from_pretrained(os.path.join(TRAIN, "model"), attn_implementation="eager", dtype=torch.float32)
    return PeftModel.from_pretrained(base, os.path.join(TRAIN, "adapter"), is_trainable=True)


COMMON = dict(output_dir="/tmp/unpaired", per_device_train_batch_size=BATCH, max_steps=STEPS, learning_rate=2e-3, lr_scheduler_type="cosine", warmup_steps=2,
              weight_decay=0.05, max_grad_norm=1.0, logging_steps=1, logging_strategy="steps", save_strategy="no", report_to="none", bf16=False, gradient_checkpointing=False,
              remove_unused_columns=False, use_cpu=True, beta=BETA, seed=1, adam_epsilon=1e-8, max_length=None, disable_tqdm=True)


class Recording:
    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        loss = super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        self.seen.append(float(loss.detach()))
        return loss


class Kto(Recording, KTOTrainer):
    def _prepare_dataset(self, dataset, processing_class, args, dataset_name):
        rows = [{"prompt_ids": x["prompt"], "completion_ids": x["completion"], "label": x["label"]} for x in judged]
        for at in range(0, len(rows), args.per_device_train_batch_size):
            batch = rows[at:at + args.per_device_train_batch_size]
            for k, x in enumerate(batch):
                x["KL_completion_ids"] = batch[k - 1]["completion_ids"]
        return Dataset.from_list(rows)


def tokenised(feature):
    out = {}
    for side in ("chosen", "rejected"):
        ids = feature["prompt_input_ids"] + feature[side + "_input_ids"]
        out |= {side + "_input_ids": ids, side + "_attention_mask": [1] * len(ids), side + "_labels": [-100] * len(feature["prompt_input_ids"]) + feature[side + "_input_ids"]}
    return out | {"prompt_input_ids": feature["prompt_input_ids"], "prompt_attention_mask": [1] * len(feature["prompt_input_ids"])}


class InOrder:
    def _get_train_sampler(self, *args, **kw):
        return torch.utils.data.SequentialSampler(self.train_dataset)

    def tokenize_row(self, feature, model=None):
        return tokenised(feature)


class Orpo(Recording, InOrder, ORPOTrainer):
    pass


class Cpo(Recording, InOrder, CPOTrainer):
    pass


def run(make, config, **args):
    torch.manual_seed(1)
    cls, rows = make
    trainer = cls.__new__(cls)
    trainer.seen = []
    trainer.__init__(model=start(), args=config(**(COMMON | args)), train_dataset=Dataset.from_list(rows), processing_class=tok)
    trainer.train()
    return {"loss": trainer.seen[:STEPS], "grad_norm": [x["grad_norm"] for x in trainer.state.log_history if "grad_norm" in x][:STEPS]}


def text_rows():
    return [{"prompt": "w3", "chosen": "w4", "rejected": "w5"} | p for p in pairs]


out = {"kto": run((Kto, judged), KTOConfig), "kto_weighed": run((Kto, judged), KTOConfig, desirable_weight=1.5, undesirable_weight=0.5),
       "apo_zero_unpaired": run((Kto, judged), KTOConfig, loss_type="apo_zero_unpaired"), "orpo": run((Orpo, text_rows()), ORPOConfig),
       "cpo": run((Cpo, text_rows()), CPOConfig), "simpo": run((Cpo, text_rows()), CPOConfig, loss_type="simpo", cpo_alpha=0.5, simpo_gamma=0.7),
       "cpo_ipo": run((Cpo, text_rows()), CPOConfig, loss_type="ipo"), "cpo_hinge": run((Cpo, text_rows()), CPOConfig, loss_type="hinge"),
       "alphapo": run((Cpo, text_rows()), CPOConfig, loss_type="alphapo", alpha=0.25)}
with open(os.path.join(TRAIN, "unpaired.json"), "w") as f:
    json.dump(out, f, indent=1)
print({k: (v["loss"][0], v["loss"][-1], len(v["grad_norm"])) for k, v in out.items()})
