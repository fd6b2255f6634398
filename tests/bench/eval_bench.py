#!/usr/bin/env python3
"""Evaluation beside transformers, as ratios of one run on one machine.

  eval_bench.py PTRAIN MODEL.gguf [--turns N]

1. Likelihood: 4 personas x 44 items x 5 options of one token behind a preamble of 200 tokens (personas are told how to rate). The rival runs as its users
   run it: all prompts of a persona in padded batches of 16, the five options read from one row.
2. Generation: 128 answers of 64 tokens at most, greedy; the rival generates in padded batches of 16 with its cache. Tokens a second, tokens behind an end
   token not counted.
The rival's figure is its loop alone, behind loading, tokenising and a batch to warm up. Ours is the run less the same run again, which finds every answer kept: what is
left is asking the model. The whole process (loading, digests, intervals, JSON) is printed beside it. The base is exported as an f32 Hugging Face folder that both load.
The rival's bf16 is timed too, on fewer prompts (they share nothing, its rate is the same); ours runs in bf16 where the processor has a product for it, else in f32.
Written for torch 2.15, transformers 5.23.
"""
import argparse, importlib.util, json, os, subprocess, sys, tempfile, time

from bench import ROOT, in_turns, line

ITEMS = 44
SCALE = ("Rate how well the statement describes you. 1 means very inaccurate, 2 means moderately inaccurate, 3 means neither accurate nor inaccurate, 4 means "
         "moderately accurate, 5 means very accurate. Answer with the number alone.")


def personas(words_each):
    with open(os.path.join(ROOT, "data", "samples", "roles_en.json")) as f:
        roles = json.load(f)
    names, words = list(roles)[:4], " ".join(roles.values()).split()
    return {n: " ".join([roles[n]] + [words[(31 * i + k) % len(words)] for k in range(words_each)] + [SCALE]) for i, n in enumerate(names)}


def statements():
    rows = [json.loads(x) for x in open(os.path.join(ROOT, "data", "samples", "eval", "bigfive_en.jsonl"))]
    items = [x["item"] for x in rows if "item" in x]
    return [items[i % len(items)] if i < len(items) else "%s (%d)" % (items[i % len(items)], i) for i in range(ITEMS)]


def questions(n):
    rows = [json.loads(x) for x in open(os.path.join(ROOT, "data", "samples", "roles_train_en.jsonl"))]
    return ["%s Tell me at length, with a story, why you say so." % rows[i * 2 % len(rows)]["question"] + " (%d)" % i for i in range(n)]


def prepare(work, n):
    """Preambles of 200 tokens, whatever the sample texts grow to."""
    with open(os.path.join(work, "personas.json"), "w") as f:
        json.dump(personas(n), f)
    with open(os.path.join(work, "items.jsonl"), "w") as f:
        f.write(json.dumps({"questionnaire": "bench", "range": [1, 5], "instruction": ""}) + "\n")
        for i, s in enumerate(statements()):
            f.write(json.dumps({"item": s, "scale": "s%d" % (i % 5), "key": 1}) + "\n")
    with open(os.path.join(work, "questions.jsonl"), "w") as f:
        for q in questions(128):
            f.write(json.dumps({"question": q, "options": ["yes", "no"], "answer": 0}) + "\n")


def ours(ptrain, folder, work, entry, compute):
    config, answers = os.path.join(work, "eval.yaml"), os.path.join(work, "answers.jsonl")
    open(config, "w").write("base_model: %s\noutput_dir: %s\ncompute: %s\neval_temperature: 0\nevaluations: [%s]\n" % (folder, os.path.join(work, "none"), compute, entry))
    if os.path.exists(answers):
        os.remove(answers)
    seconds, notes = [], []
    for _ in range(2):
        t0 = time.perf_counter()
        p = subprocess.run([ptrain, "eval", config, "--answers", answers, "--output", os.path.join(work, "eval.json")], capture_output=True, text=True)
        seconds.append(time.perf_counter() - t0)
        if p.returncode:
            sys.exit("ptrain failed: " + p.stderr[-2000:])
        notes += [x.split("note: ")[-1] for x in p.stderr.splitlines() if "after sharing" in x]
    return seconds[0] - seconds[1], "%s; the whole process %.1f s" % (notes[0], seconds[0]), [json.loads(x) for x in open(answers)]


def rival(folder, work, what, dtype, most):
    """transformers in a process of its own; prints one JSON line."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    tok = AutoTokenizer.from_pretrained(folder)
    tok.padding_side = "left"
    tok.pad_token = tok.pad_token or tok.eos_token
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, dtype), attn_implementation="sdpa").eval()
    chat = lambda m: tok.apply_chat_template(m, add_generation_prompt=True, tokenize=False)
    if what == "likelihood":
        people = json.load(open(os.path.join(work, "personas.json")))
        items = [json.loads(x)["item"] for x in open(os.path.join(work, "items.jsonl")) if "item" in json.loads(x)]
        prompts = [chat([{"role": "system", "content": t}, {"role": "user", "content": i}]) for t in people.values() for i in items]
        options = [tok(str(k), add_special_tokens=False).input_ids[0] for k in range(1, 6)]
    else:
        prompts = [chat([{"role": "user", "content": json.loads(x)["question"]}]) for x in open(os.path.join(work, "questions.jsonl"))]
    prompts = prompts[: int(most)]
    batches = [tok(prompts[i: i + 16], return_tensors="pt", padding=True, add_special_tokens=False) for i in range(0, len(prompts), 16)]
    tokens, done = 0, 0
    with torch.inference_mode():
        model(**batches[0])
        t0 = time.perf_counter()
        for b in batches:
            if what == "likelihood":
                torch.log_softmax(model(**b, logits_to_keep=1).logits[:, -1].float(), -1)[:, options].tolist()
                tokens += int(b["attention_mask"].sum())
            else:
                out = model.generate(**b, max_new_tokens=64, do_sample=False, pad_token_id=tok.pad_token_id)[:, b["input_ids"].shape[1]:]
                for row in out.tolist():
                    stop = [i for i, t in enumerate(row) if t in (tok.eos_token_id, 0)]
                    done += stop[0] if stop else len(row)
        seconds = time.perf_counter() - t0
    print(json.dumps({"seconds": seconds, "n": len(prompts), "tokens": tokens, "done": done, "first": len(tok(prompts[0], add_special_tokens=False).input_ids)}))


def run_rival(folder, work, what, dtype, most):
    p = subprocess.run([sys.executable, os.path.abspath(__file__), "--rival", folder, work, what, dtype, str(most)], capture_output=True, text=True)
    if p.returncode:
        print("  the rival failed: " + p.stderr[-600:])
        return None
    return json.loads(p.stdout.strip().splitlines()[-1])


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("ptrain")
    ap.add_argument("model")
    ap.add_argument("--turns", type=int, default=2)
    a = ap.parse_args()
    have = all(importlib.util.find_spec(m) for m in ("torch", "transformers"))
    with tempfile.TemporaryDirectory() as work:
        folder = os.path.join(work, "f32")
        subprocess.run([a.ptrain, "export", a.model, "--to", "hf", "--type", "f32", "--out", folder], check=True, stdout=subprocess.DEVNULL)
        prepare(work, 40)
        bf16 = "bf16" in subprocess.run([a.ptrain, "doctor"], capture_output=True, text=True).stdout.lower() and \
            subprocess.run([a.ptrain, "eval", folder, "--compute=bf16", "--evaluations=[{task: choice, path: %s}]" % os.path.join(work, "questions.jsonl"), "--limit", "1", "--output", os.devnull],
                           capture_output=True).returncode == 0
        if not have:
            print("PyTorch and transformers are not installed for %s: only our figures (PYTHON=... chooses another)" % sys.executable)
        items = "{task: questionnaire, path: %s, personas: %s, prompt: '{item}'}" % (os.path.join(work, "items.jsonl"), os.path.join(work, "personas.json"))
        texts = "{task: choice, path: %s, method: written, prompt: '{question}', max_new_tokens: 64}" % os.path.join(work, "questions.jsonl")
        for dtype in ("float32", "bfloat16"):
            compute = "bf16" if dtype == "bfloat16" and bf16 else "f32"
            print("4 personas x %d items x 5 options, transformers %s, ours %s" % (ITEMS, dtype, compute))
            said, turns, most = [], a.turns if dtype == "float32" else 1, 4 * ITEMS if dtype == "float32" else 64

            def likely(k):
                s, note, _ = ours(a.ptrain, folder, work, items, compute)
                said[:] = [note]
                r = run_rival(folder, work, "likelihood", dtype, most) if have else None
                return [{"rows_s": 4 * ITEMS / s}, r and {"rows_s": r["n"] / r["seconds"], "tokens": r["tokens"], "first": r["first"]}]
            x, y, ratio = in_turns(likely, turns)
            print("    ours: %s%s" % (said[0], "; transformers: %d tokens in rows of %d" % (y["tokens"], y["first"]) if y else ""))
            line("questions a second", x["rows_s"], y and y["rows_s"], "items/s", 8.0, ratio=ratio)
            print("128 answers of 64 tokens, transformers %s, ours %s" % (dtype, compute))

            def written(k):
                s, note, answers = ours(a.ptrain, folder, work, texts, compute)
                said[:] = [note]
                r = run_rival(folder, work, "texts", dtype, most // 2) if have else None
                return [{"rows_s": sum(x["tokens"] for x in answers) / s}, r and {"rows_s": r["done"] / r["seconds"]}]
            x, y, ratio = in_turns(written, turns)
            print("    ours: %s" % said[0].split("; ")[-1])
            line("tokens a second", x["rows_s"], y and y["rows_s"], "tokens/s", 3.0, ratio=ratio)


if __name__ == "__main__":
    if len(sys.argv) > 1 and sys.argv[1] == "--rival":
        rival(*sys.argv[2:7])
    else:
        main()
