#!/usr/bin/env python3
"""Do transformers and PEFT read our classifiers? Trains three on the fixtures of tests/golden/train_heads.py, saves them as an adapter, as a merged folder and by
full tuning, and compares what `ptrain score` gives with what transformers' LlamaForSequenceClassification gives, by itself and under PEFT.

Run:  python tests/golden/verify_heads.py build/gcc/ptrain        (torch 2.15.0, transformers 5.23.0, peft 0.21.2; the limit is 1e-4)
"""
import json
import os
import subprocess
import sys
import tempfile

import torch
from peft import PeftModel
from transformers import AutoModelForSequenceClassification

DATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data", "train")
LIMIT, bad = 1e-4, 0
CASES = {"classes": ("classify", "", ["sun", "moon", "late rain"], "single_label_classification"),
         "many": ("classify", "problem_type: multi_label_classification", ["a", "b.c", "d", "e"], "multi_label_classification"),
         "numbers": ("regress", "regression_loss: huber", ["warmth", "energy"], "regression")}


def say(ok, text):
    global bad
    bad += not ok
    print("ok     " if ok else "FAILED ", text)


def run(*words, **more):
    return subprocess.run(words, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT if "text" not in more else None, text=True).stdout


def load(path, **more):
    return AutoModelForSequenceClassification.from_pretrained(path, dtype=torch.float32, attn_implementation="eager", **more)


def main(ptrain):
    work = tempfile.mkdtemp()
    for name, (objective, more, names, problem) in CASES.items():
        x = lambda n: os.path.join(work, name + n)
        rows = [json.loads(line) for line in open(os.path.join(DATA, "heads", name + ".jsonl"))]
        for n, adapter in (("", "lora"), ("-full", "none")):
            with open(x(".yaml"), "w") as f:
                f.write(f"base_model: {DATA}/model\nobjective: {objective}\n{more}\ndatasets: [{{path: {DATA}/heads/{name}.jsonl, type: labels, labels: {json.dumps(names)}}}]\n"
                        f"adapter: {adapter}\nlora_target_linear: {'true' if adapter == 'lora' else 'false'}\nlearning_rate: 5e-3\nmax_steps: 8\nbatch_rows: 6\nsequence_len: 64\n"
                        f"val_set_size: 0\ndevice: cpu\ncompute: f32\nsave_steps: 0\noutput_dir: {x(n)}\n")
            run(ptrain, x(".yaml"))
        with open(x(".rows"), "w") as f:
            f.writelines(json.dumps({"input_ids": r["input_ids"]}) + "\n" for r in rows)
        run(ptrain, "export", x(""), "--to", "hf", "--out", x("-hf"), "--type", "f32")
        ids = [torch.tensor([r["input_ids"]]) for r in rows]

        def compare(what, model, of):
            got = [json.loads(line)["scores"] for line in run(ptrain, "score", of, "--input", x(".rows"), "--compute=f32", text=True).splitlines()]
            with torch.no_grad():
                e = max(float((model(input_ids=i).logits[0] - torch.tensor(s)).abs().max()) for i, s in zip(ids, got))
            say(e <= LIMIT, f"{name}: {what}: largest difference {e:.2e}")

        hf, full = load(x("-hf")), load(x("-full"))
        peft = PeftModel.from_pretrained(load(os.path.join(DATA, "model"), num_labels=len(names)), x(""))
        compare("transformers loads the merged folder", hf, x(""))
        compare("transformers loads what full tuning saved", full, x("-full"))
        compare("PEFT loads the adapter", peft, x(""))
        for m, what in ((hf, "merged"), (full, "full")):
            same = m.config.id2label == dict(enumerate(names)) and m.config.label2id == {n: i for i, n in enumerate(names)} and m.config.problem_type == problem
            say(same and m.config.num_labels == len(names), f"{name}: {what}: the names of the labels, and problem_type {m.config.problem_type}")
        with torch.no_grad():  # and its own loss takes our labels as they are
            y = [names.index(r["label"]) if isinstance(r["label"], str) else r["label"] for r in rows[:2]]
            t = torch.tensor(y, dtype=torch.long if objective == "classify" and not more else torch.float32)
            say(bool(torch.isfinite(hf(input_ids=ids[0], labels=t[:1]).loss)), f"{name}: transformers' own loss runs by the problem_type")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main(sys.argv[1])
