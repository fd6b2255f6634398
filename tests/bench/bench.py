#!/usr/bin/env python3
"""Speed and memory of ptrain beside PyTorch + PEFT and llama.cpp, as ratios of one run on one machine.

  bench.py PTRAIN MODEL.gguf [--steps N]

Rivals are measured where they are installed (torch, transformers, peft; llama_cpp), else left out with a line. Weights are the same: the
GGUF base is exported as an f32 Hugging Face folder, which the rival loads. Rows are the same: messages in one JSONL file. The rival runs as its
users run it: rows padded to the longest of a batch, labels on the answer, SDPA attention, AdamW, r = 16 on all linear layers, f32.
Written for torch 2.15, transformers 5.23, peft 0.21, llama_cpp_python 0.3.36.
"""
import argparse, importlib.util, json, os, resource, statistics, subprocess, sys, tempfile, time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))


def role_rows(n, profile_words):
    """n rows behind long profiles: RoleBench's real answers where ../shared is, else the sample answers."""
    real = os.path.join(ROOT, "..", "shared", "data", "sft", "rolebench_en_general.jsonl")
    with open(os.path.join(ROOT, "data", "samples", "roles_en.json")) as f:
        words = " ".join(json.load(f).values()).split()
    path = real if os.path.exists(real) else os.path.join(ROOT, "data", "samples", "roles_train_en.jsonl")
    rows, roles = [], {}
    for line in open(path):
        r = json.loads(line)
        k = roles.setdefault(r["role"], len(roles))
        profile = "You are %s. " % r["role"] + " ".join(words[(7 * k + i) % len(words)] for i in range(profile_words))
        answer = r["generated"][0].strip()
        if len(answer.split()) > 90:
            continue
        rows.append({"messages": [{"role": "system", "content": profile}, {"role": "user", "content": r["question"].strip()},
                                  {"role": "assistant", "content": answer}]})
    by_role = {}
    for r in rows:
        by_role.setdefault(r["messages"][0]["content"], []).append(r)
    out = []
    for group in sorted(by_role.values(), key=len, reverse=True):
        out += group[: len(group) // 8 * 8]
    return out[:n], os.path.basename(path)


def plain_rows(n, words):
    """n rows of about `words` words, every token of the answer supervised."""
    text = []
    for row in open(os.path.join(ROOT, "data", "samples", "roles_train_en.jsonl")):
        text += json.loads(row)["generated"][0].split()
    rows = []
    for i in range(n):
        at = (i * 131) % len(text)
        chunk = [text[(at + k) % len(text)] for k in range(words)]
        rows.append({"messages": [{"role": "system", "content": "Read."}, {"role": "user", "content": "Go on."}, {"role": "assistant", "content": " ".join(chunk)}]})
    return rows


def write_rows(path, rows):
    with open(path, "w") as f:
        for r in rows:
            f.write(json.dumps(r) + "\n")


def run_ours(ptrain, model, rows_file, work, steps, sequence_len, name, extra=()):
    out = os.path.join(work, "run-" + name)
    cmd = [ptrain, "train", os.path.join(work, "bench.yaml"), "--base_model=" + model, "--output_dir=" + out, "--max_steps=%d" % steps,
           "--sequence_len=%d" % sequence_len, "--datasets=[{path: %s, type: messages}]" % rows_file] + list(extra)
    open(os.path.join(work, "bench.yaml"), "w").write("adapter: lora\nlora_r: 16\nlora_alpha: 32\nlora_target_linear: true\nbatch_rows: 8\nmicro_batch_size: 4\n"
                                                      "compute: f32\nlr_scheduler: constant\nlearning_rate: 1e-4\nchat_template: smollm\n")
    said = os.path.join(work, "said-" + name)
    with open(said, "w") as f:
        p = subprocess.Popen(cmd + ["--profile"], stdout=f, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(p.pid, 0)
    if status:
        sys.exit("ptrain failed: " + open(said).read()[-2000:])
    lines = [json.loads(x) for x in open(os.path.join(out, "metrics.jsonl"))]
    lines = [x for x in lines if "loss" in x][1:]
    s = statistics.median(x["seconds"] for x in lines)
    return {"rows_s": 8 / s, "computed_s": statistics.median(x["tokens_per_second"] for x in lines), "supervised": lines[0]["supervised_tokens"],
            "gib": usage.ru_maxrss / 2**20, "profile": profile_of(said)}


def profile_of(said):
    """The lines of --profile: seconds, share, rate and share of the GEMM peak, op by op."""
    lines = open(said).read().splitlines()
    at = next(i for i, x in enumerate(lines) if x.startswith("op ") and "share" in x)
    end = next(i for i in range(at, len(lines)) if lines[i].startswith("all "))
    return lines[at: end + 1]


def rival(folder, rows_file, steps, micro):
    """PyTorch + PEFT in a process of its own; prints one JSON line."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    tok = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="sdpa")
    model = get_peft_model(model, LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM"))
    opt = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-4)
    rows = [json.loads(x) for x in open(rows_file)]
    encoded = []
    for r in rows[: 8 * (steps + 1)]:
        prompt = tok.apply_chat_template(r["messages"][:-1], add_generation_prompt=True, tokenize=False)
        whole = prompt + r["messages"][-1]["content"] + "<|im_end|>\n"
        a, b = tok(prompt, add_special_tokens=False).input_ids, tok(whole, add_special_tokens=False).input_ids
        encoded.append((b, [-100] * len(a) + b[len(a):]))
    seconds, tokens = [], 0
    for s in range(steps + 1):
        t0 = time.perf_counter()
        part = encoded[8 * s: 8 * s + 8]
        opt.zero_grad()
        for m in range(0, 8, micro):
            rows_m = part[m: m + micro]
            width = max(len(x[0]) for x in rows_m)
            ids = torch.tensor([x[0] + [0] * (width - len(x[0])) for x in rows_m])
            mask = torch.tensor([[1] * len(x[0]) + [0] * (width - len(x[0])) for x in rows_m])
            labels = torch.tensor([x[1] + [-100] * (width - len(x[1])) for x in rows_m])
            (model(input_ids=ids, attention_mask=mask, labels=labels).loss * len(rows_m) / 8).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        opt.step()
        seconds.append(time.perf_counter() - t0)
        tokens = sum(len(x[0]) for x in part)
    s = statistics.median(seconds[1:])
    print(json.dumps({"rows_s": 8 / s, "tokens_s": tokens / s, "gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20}))


def run_rival(folder, rows_file, steps, micro):
    p = subprocess.run([sys.executable, os.path.abspath(__file__), "--rival", folder, rows_file, str(steps), str(micro)], capture_output=True, text=True)
    if p.returncode:
        print("  the rival failed: " + p.stderr[-600:])
        return None
    return json.loads(p.stdout.strip().splitlines()[-1])


def decode_ours(ptrain, model):
    """Seconds a token from the difference of two lengths (loading and prefill cancel)."""
    def once(n):
        t0 = time.perf_counter()
        subprocess.run([ptrain, "generate", model, "--raw", "--prompt", "Once upon a time", "--temperature", "0", "--compute=f32", "--max-new-tokens", str(n)],
                       stdout=subprocess.DEVNULL, check=True)
        return time.perf_counter() - t0
    once(8)
    return 1 / (min((once(136) - once(8)) / 128 for _ in range(3)))


def decode_llama(model):
    from llama_cpp import Llama
    llm = Llama(model, n_ctx=512, n_threads=len(os.sched_getaffinity(0)), verbose=False, logits_all=False)
    ids, best = llm.tokenize(b"Once upon a time"), 0.0
    for _ in range(3):
        llm.reset()
        n, t0 = 0, 0.0
        for _tok in llm.generate(ids, temp=0.0, repeat_penalty=1.0):
            n += 1
            if n == 8:
                t0 = time.perf_counter()
            if n == 136:
                break
        best = max(best, 128 / (time.perf_counter() - t0))
    return best


def line(what, ours, theirs, unit, need=None, low=False, ratio=None):
    if theirs is None:
        print("  %-44s %9.2f %s" % (what, ours, unit))
        return
    ratio = ratio or ours / theirs
    verdict = "" if need is None else ("ok" if (ratio <= need if low else ratio >= need) else "MISSED") + " (%s %.2f)" % ("<=" if low else ">=", need)
    print("  %-44s %9.2f vs %8.2f %-9s ratio %5.2f  %s" % (what, ours, theirs, unit, ratio, verdict))


def in_turns(pair, turns=5):
    """The median run of each side over a few turns, and the median of the turns' ratios: the two runs of a turn share the machine's mood,
    which moves by a fifth within minutes where others compute too."""
    runs = [pair(k) for k in range(turns)]
    print("    in turns: " + "; ".join(" : ".join("%.3f" % x["rows_s"] for x in r if x) for r in runs), flush=True)
    sides = [sorted((r[i] for r in runs if r[i]), key=lambda x: x["rows_s"]) for i in (0, 1)]
    ratios = [r[0]["rows_s"] / r[1]["rows_s"] for r in runs if r[1]]
    return [s[len(s) // 2] if s else None for s in sides] + [statistics.median(ratios) if ratios else None]


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("ptrain")
    ap.add_argument("model")
    ap.add_argument("--steps", type=int, default=4)
    a = ap.parse_args()
    have_peft = all(importlib.util.find_spec(m) for m in ("torch", "transformers", "peft"))
    have_llama = importlib.util.find_spec("llama_cpp") is not None
    with tempfile.TemporaryDirectory() as work:
        folder = os.path.join(work, "f32")
        subprocess.run([a.ptrain, "export", a.model, "--to", "hf", "--type", "f32", "--out", folder], check=True, stdout=subprocess.DEVNULL)
        roles, source = role_rows(8 * (a.steps + 1), 240)
        role_file, plain_file = os.path.join(work, "roles.jsonl"), os.path.join(work, "plain.jsonl")
        write_rows(role_file, roles)
        write_rows(plain_file, plain_rows(8 * (a.steps + 1), 345))
        if not have_peft:
            print("PyTorch + PEFT are not installed for %s: only our figures (PYTHON=... chooses another)" % sys.executable)
        fixed, half = ["--shuffle_merged_datasets=false"], max(1, a.steps // 2)
        print("plain rows of about 512 tokens, 8 a step, f32")
        def plain_pair(k):
            return [run_ours(a.ptrain, folder, plain_file, work, half + 1, 640, "plain%d" % k, fixed + ["--sample_packing=plain", "--micro_batch_size=2"]),
                    run_rival(folder, plain_file, half, 2) if have_peft else None]
        ours, theirs, ratio = in_turns(plain_pair)
        line("rows a second", ours["rows_s"], theirs and theirs["rows_s"], "rows/s", 1.8, ratio=ratio)
        line("peak memory", ours["gib"], theirs and theirs["gib"], "GiB")
        print("\n".join("    " + x for x in ours["profile"]))
        print("role rows behind profiles of about 300 tokens (%s), 8 a step, f32" % source)
        ours = run_ours(a.ptrain, folder, role_file, work, a.steps + 1, 640, "roles", fixed)
        theirs = run_rival(folder, role_file, a.steps, 8) if have_peft else None
        line("rows a second", ours["rows_s"], theirs and theirs["rows_s"], "rows/s", 5.0)
        line("peak memory", ours["gib"], theirs and theirs["gib"], "GiB", 1 / 6, low=True)
        print("\n".join("    " + x for x in ours["profile"]))
        print("LoRA on the GGUF base against LoRA on its f32 copy, role rows")
        def pair(k):
            return [run_ours(a.ptrain, m, role_file, work, a.steps + 1, 640, "%s%d" % (n, k), fixed) for m, n in ((a.model, "quant"), (folder, "copy"))]
        q, again, ratio = in_turns(pair)
        line("rows a second", q["rows_s"], again["rows_s"], "rows/s", 0.95, ratio=ratio)
        line("peak memory", q["gib"], again["gib"], "GiB")
        print("decoding, one sequence")
        line("tokens a second", decode_ours(a.ptrain, a.model), decode_llama(a.model) if have_llama else None, "tokens/s", 0.8)


if __name__ == "__main__":
    if len(sys.argv) > 1 and sys.argv[1] == "--rival":
        rival(sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
    else:
        main()
