#!/usr/bin/env python3
"""DPO beside TRL's DPOTrainer, as ratios of one run on one machine.

  dpo_bench.py PTRAIN MODEL.gguf [--steps N] [--turns N] [--parts one,half,each,losses]

Pairs of answers of 60 tokens: 8 a step behind ONE prompt of 300 tokens, and each behind a prompt of its own. The rival runs as its users run it: DPOTrainer with
its own defaults (gradient checkpointing on; then off), a PEFT adapter r = 16 on all linear layers, 8 pairs a batch, f32; then bf16. The GGUF base is exported as an
f32 Hugging Face folder that both load. Parts: one (prompt, f32), half (the same in bf16), each (a prompt a pair), losses (the rate of every other loss_type
over sigmoid's, ours alone, behind the one prompt).
Written for trl 1.16, torch 2.15, transformers 5.23, peft 0.21.
"""
import argparse, importlib.util, json, os, resource, statistics, subprocess, sys, tempfile, time

from bench import ROOT, in_turns, line, write_rows

LOSSES = ("hinge", "ipo", "robust", "exo_pair", "nca_pair", "bco_pair", "sppo_hard", "aot", "aot_unpaired", "apo_zero", "apo_down", "discopop", "sigmoid_norm",
          "sft", "[sigmoid, sft]")
EXTRA = {"robust": ["--label_smoothing=0.1"], "exo_pair": ["--label_smoothing=0.001"]}
PROMPT, ANSWER = 300, 60


def words():
    with open(os.path.join(ROOT, "data", "samples", "roles_en.json")) as f:
        return " ".join(json.load(f).values()).split()


def tokenizer(folder):
    from transformers import AutoTokenizer
    return AutoTokenizer.from_pretrained(folder)


def text_of(tok, source, start, tokens):
    """Words until so many tokens are reached."""
    out = []
    while len(tok(" ".join(out), add_special_tokens=False).input_ids) < tokens:
        out.append(source[(start + len(out)) % len(source)])
    return " ".join(out)


def pairs(tok, n, one_prompt):
    source = words()
    rows = []
    for i in range(n):
        p = text_of(tok, source, 0 if one_prompt else 37 * i, PROMPT)
        rows.append({"prompt": [{"role": "user", "content": p}], "chosen": [{"role": "assistant", "content": text_of(tok, source, 11 * i + 5, ANSWER)}],
                     "rejected": [{"role": "assistant", "content": text_of(tok, source, 13 * i + 400, ANSWER)}]})
    return rows


def run_ours(ptrain, folder, rows_file, work, steps, name, compute="f32", extra=()):
    out, said = os.path.join(work, "run-" + name), os.path.join(work, "said-" + name)
    config = os.path.join(work, "dpo.yaml")
    open(config, "w").write("objective: dpo\nbeta: 0.1\nadapter: lora\nlora_r: 16\nlora_alpha: 32\nlora_target_linear: true\nbatch_rows: 8\nmicro_batch_size: 2\n"
                            "sequence_len: 1024\nlr_scheduler: constant\nlearning_rate: 1e-5\nchat_template: smollm\nshuffle_merged_datasets: false\n")
    with open(said, "w") as f:
        p = subprocess.Popen([ptrain, config, "--base_model=" + folder, "--output_dir=" + out, "--max_steps=%d" % (steps + 1), "--compute=" + compute,
                              "--datasets=[{path: %s, type: preference}]" % rows_file] + list(extra), stdout=f, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(p.pid, 0)
    if status:
        sys.exit("ptrain failed: " + open(said).read()[-2000:])
    lines = [json.loads(x) for x in open(os.path.join(out, "metrics.jsonl"))]
    seconds = [x["seconds"] for x in lines if "loss" in x][1:]
    return {"rows_s": 8 / statistics.median(seconds), "best": 8 / min(seconds), "gib": usage.ru_maxrss / 2**20}


def rival(folder, rows_file, steps, checkpointing, dtype):
    """DPOTrainer in a process of its own; prints one JSON line."""
    import tempfile as tmp
    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, TrainerCallback
    from trl import DPOConfig, DPOTrainer
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    seconds = []

    class Clock(TrainerCallback):
        def on_step_begin(self, args, state, control, **kw):
            self.t0 = time.perf_counter()

        def on_step_end(self, args, state, control, **kw):
            seconds.append(time.perf_counter() - self.t0)

    rows = [json.loads(x) for x in open(rows_file)][: 8 * (steps + 1)]
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, dtype))
    config = DPOConfig(output_dir=tmp.mkdtemp(), per_device_train_batch_size=8, max_steps=steps + 1, beta=0.1, learning_rate=1e-5, report_to="none",
                       save_strategy="no", use_cpu=True, bf16=dtype == "bfloat16", fp16=False, gradient_checkpointing=checkpointing, logging_steps=1000)
    trainer = DPOTrainer(model=model, args=config, train_dataset=Dataset.from_list(rows), processing_class=tokenizer(folder), callbacks=[Clock()],
                         peft_config=LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM"))
    trainer.train()
    print(json.dumps({"rows_s": 8 / statistics.median(seconds[1:]), "gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20}))


def run_rival(folder, rows_file, steps, checkpointing, dtype="float32"):
    p = subprocess.run([sys.executable, os.path.abspath(__file__), "--rival", folder, rows_file, str(steps), str(int(checkpointing)), dtype], capture_output=True, text=True)
    if p.returncode:
        print("  the rival failed: " + p.stderr[-900:])
        return None
    return json.loads(p.stdout.strip().splitlines()[-1])


def beside(a, folder, rows_file, work, name, compute, dtype, need):
    """need: pairs a second over the rival's with checkpointing, which is its default."""
    for checkpointing in (True, False):
        def pair(k):
            return [run_ours(a.ptrain, folder, rows_file, work, a.steps, "%s%d%d" % (name, checkpointing, k), compute), run_rival(folder, rows_file, a.steps, checkpointing, dtype)]
        ours, theirs, ratio = in_turns(pair, a.turns)
        line("pairs a second, its checkpointing %s" % ("on" if checkpointing else "off"), ours["rows_s"], theirs and theirs["rows_s"], "pairs/s", need if checkpointing else None, ratio=ratio)
        line("peak memory", ours["gib"], theirs and theirs["gib"], "GiB", None if checkpointing or name != "one" else 1 / 8, low=True)


def losses(a, folder, rows_file, work):
    """Each by its fastest step over that of sigmoid's runs just before: what else the machine does only adds time, and the work of every step is the same."""
    def best(loss):
        return run_ours(a.ptrain, folder, rows_file, work, a.steps, "loss", extra=["--loss_type=" + loss] + EXTRA.get(loss, []))["best"]
    print("every other loss over sigmoid, f32, the fastest of %d steps in %d turns" % (a.steps, a.turns), flush=True)
    for loss in LOSSES:
        turns = [(best("sigmoid"), best(loss)) for _ in range(a.turns)]
        line(loss, max(t[1] for t in turns), max(t[0] for t in turns), "pairs/s", 0.95)


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("ptrain")
    ap.add_argument("model")
    ap.add_argument("--steps", type=int, default=3)
    ap.add_argument("--turns", type=int, default=3)
    ap.add_argument("--parts", default="one,half,each", help="of one, half, each, losses")
    a = ap.parse_args()
    missing = [m for m in ("torch", "transformers", "peft", "trl", "datasets") if not importlib.util.find_spec(m)]
    if missing:
        print("DPO beside TRL: %s not installed for %s (PYTHON=... chooses another)" % (", ".join(missing), sys.executable))
        return
    with tempfile.TemporaryDirectory() as work:
        folder = os.path.join(work, "f32")
        subprocess.run([a.ptrain, "export", a.model, "--to", "hf", "--type", "f32", "--out", folder], check=True, stdout=subprocess.DEVNULL)
        tok = tokenizer(folder)
        one, each = os.path.join(work, "one.jsonl"), os.path.join(work, "each.jsonl")
        write_rows(one, pairs(tok, 8 * (a.steps + 1), True))
        parts = a.parts.split(",")
        if "one" in parts:
            print("8 pairs of answers of %d tokens behind one prompt of %d tokens, f32" % (ANSWER, PROMPT), flush=True)
            beside(a, folder, one, work, "one", "f32", "float32", 10)
        if "half" in parts:
            print("8 pairs of answers of %d tokens behind one prompt of %d tokens, bf16" % (ANSWER, PROMPT), flush=True)
            beside(a, folder, one, work, "one-half", "bf16", "bfloat16", 8)
        if "each" in parts:
            write_rows(each, pairs(tok, 8 * (a.steps + 1), False))
            print("one pair a prompt, f32", flush=True)
            beside(a, folder, each, work, "each", "f32", "float32", 3)
        if "losses" in parts:
            losses(a, folder, one, work)


if __name__ == "__main__":
    if len(sys.argv) > 1 and sys.argv[1] == "--rival":
        rival(sys.argv[2], sys.argv[3], int(sys.argv[4]), sys.argv[5] == "1", sys.argv[6])
    else:
        main()
