#!/usr/bin/env python3
"""What lm-evaluation-harness 0.4.13 makes of data/samples/eval/choice_*.jsonl with SmolLM2-135M-Instruct: tests/golden/data/lm_eval_choice.json.

  lm_eval_choice.py FOLDER     (FOLDER: the GGUF base as f32: ptrain export cache/SmolLM2-135M-Instruct.Q4_1.gguf --to hf --type f32 --out FOLDER)

Per file: accuracies as the harness reports them, and per item the log-likelihoods of the options, behind the question and behind nothing. Beside them
`exact`: the same sums by transformers in f64, a text at a time, since the harness's own (f32, padded batches, f32 sums) are up to 2.4e-4 nats from those on sums of -40.
Written for lm_eval 0.4.13, torch 2.15, transformers 5.24, datasets 5.2."""
import json, os, sys, tempfile

import lm_eval
import torch
import transformers
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TASK = """task: {name}
dataset_path: json
dataset_kwargs:
  data_files: {path}
test_split: train
output_type: multiple_choice
doc_to_text: "{{{{question}}}}"
doc_to_choice: "{{{{options}}}}"
doc_to_target: answer
target_delimiter: "{delimiter}"
metric_list:
  - metric: acc
  - metric: acc_norm
  - metric: acc_bytes
  - metric: acc_mutual_info
  - metric: brier_score
"""
FILES = {"choice_en": " ", "choice_zh": ""}

model = HFLM(pretrained=sys.argv[1], dtype="float32", device="cpu", batch_size=8)
out = {}
with tempfile.TemporaryDirectory() as folder:
    for name, delimiter in FILES.items():
        path = os.path.join(ROOT, "data", "samples", "eval", name + ".jsonl")
        with open(os.path.join(folder, name + ".yaml"), "w") as f:
            f.write(TASK.format(name=name, path=path, delimiter=delimiter))
    got = lm_eval.simple_evaluate(model=model, tasks=list(FILES), task_manager=TaskManager(include_path=folder), log_samples=True, bootstrap_iters=0)
tok = transformers.AutoTokenizer.from_pretrained(sys.argv[1])
double = transformers.AutoModelForCausalLM.from_pretrained(sys.argv[1], dtype=torch.float64).eval()


def exact(context, text):
    whole = tok.encode(context + text) if context else [tok.bos_token_id] + tok.encode(text)
    start = len(tok.encode(context)) if context else 1
    with torch.no_grad():
        logp = torch.log_softmax(double(torch.tensor([whole])).logits[0, start - 1 : -1], -1)
    return sum(logp[i, t].item() for i, t in enumerate(whole[start:]))


for name, delimiter in FILES.items():
    r = got["results"][name]
    items = []
    for s in sorted(got["samples"][name], key=lambda s: s["doc_id"]):
        lls = [float(x[0][0]) for x in s["resps"]]
        n = len(s["doc"]["options"])
        items.append({"logp": lls[:n], "alone": lls[n:],
                      "exact": [exact(s["doc"]["question"], delimiter + o) for o in s["doc"]["options"]],
                      "exact_alone": [exact("", delimiter + o) for o in s["doc"]["options"]]})
    out[name] = {"delimiter": delimiter, "items": items,
                 **{k: float(r[k + ",none"]) for k in ("acc", "acc_norm", "acc_bytes", "acc_mutual_info", "brier_score")}}
with open(os.path.join(ROOT, "tests", "golden", "data", "lm_eval_choice.json"), "w") as f:
    json.dump(out, f, indent=1)
    f.write("\n")
print({k: {m: v for m, v in d.items() if m != "items"} for k, d in out.items()})
