#!/usr/bin/env python3
"""Packing beside datasets.map (batched, num_proc=2, the same tokenizer and template), as ratios of one run on one machine.

  pack_bench.py PTRAIN MODEL.gguf [--mb N] [--rows N] [--turns N]

Two files of messages: RoleBench's answers behind role texts (../shared where it is, else the samples), and a generated chat file of --mb MB (100). Ours is `ptrain
pack` from start to end: reading, SHA-256 of the file, rendering, tokens, weights, the split, the file on disk. The rival's clock runs for map alone (chat
template, then the fast tokenizer on the batch; no mask of answers); beside it with load_dataset before it. Both write their result. Also ours from .jsonl.zst, and the
peak memory of each: ours must not grow with the text, only with the tokens (5 bytes each, an id and the number of a weight, and the pack that is made of them).
Written for datasets 5.2, transformers 5.24, tokenizers 0.23.
"""
import argparse, importlib.util, json, os, random, re, resource, shutil, subprocess, sys, tempfile, time

from bench import ROOT, role_rows, write_rows

PROCS = 2


def sentences():
    real = os.path.join(ROOT, "..", "shared", "data", "sft", "rolebench_en_general.jsonl")
    path = real if os.path.exists(real) else os.path.join(ROOT, "data", "samples", "roles_train_en.jsonl")
    out = []
    for x in open(path):
        out += [s for g in json.loads(x)["generated"] for s in re.split(r"(?<=[.!?])\s+", g.strip()) if s]
    return out


def chat_file(path, mb, seed=1):
    """Conversations of 2 to 16 turns of 1 to 6 sentences behind one of 200 role texts."""
    r, said = random.Random(seed), sentences()
    roles = [" ".join(r.choice(said) for _ in range(12)) for _ in range(200)]
    n = rows = 0
    with open(path, "w") as f:
        while n < mb * 1e6:
            m = [{"role": "system", "content": r.choice(roles)}]
            for k in range(r.randrange(1, 9)):
                m.append({"role": "user", "content": " ".join(r.choice(said) for _ in range(r.randrange(1, 4)))})
                m.append({"role": "assistant", "content": " ".join(r.choice(said) for _ in range(r.randrange(1, 7)))})
            n += f.write(json.dumps({"messages": m}, ensure_ascii=False) + "\n")
            rows += 1
    return rows


def ours(ptrain, model, path, work):
    shutil.rmtree(os.path.join(work, "cache"), ignore_errors=True)
    config = os.path.join(work, "pack.yaml")
    open(config, "w").write("base_model: %s\nadapter: lora\noutput_dir: %s/out\ndataset_prepared_path: %s/cache\nsequence_len: 4096\nchat_template: smollm\n"
                            "datasets: [{path: %s, type: messages}]\n" % (model, work, work, path))
    said = os.path.join(work, "said")
    t0 = time.perf_counter()
    with open(said, "w") as f:
        p = subprocess.Popen([ptrain, "pack", config], stdout=f, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(p.pid, 0)
    seconds = time.perf_counter() - t0
    text = open(said).read()
    if status:
        sys.exit("ptrain failed: " + text[-2000:])
    figure = lambda name: int(re.search(r"^ *" + name + r" +(\d+)", text, re.M).group(1))
    return {"seconds": seconds, "rows": figure("rows read"), "tokens": figure("tokens"), "mib": usage.ru_maxrss / 1024, "cpu": usage.ru_utime + usage.ru_stime}


def rival(folder, path, cache):
    """In a process of its own; prints one JSON line."""
    from datasets import load_dataset
    from transformers import AutoTokenizer
    tok = AutoTokenizer.from_pretrained(folder)

    def tokens(batch):
        texts = [tok.apply_chat_template(m, tokenize=False) for m in batch["messages"]]
        return {"input_ids": tok(texts, add_special_tokens=False).input_ids}

    t0 = time.perf_counter()
    d = load_dataset("json", data_files=path, split="train", cache_dir=cache)
    t1 = time.perf_counter()
    d = d.map(tokens, batched=True, num_proc=PROCS, remove_columns=d.column_names)
    t2 = time.perf_counter()
    n = sum(len(x) for b in d.iter(1000) for x in b["input_ids"])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss + PROCS * resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    print(json.dumps({"load": t1 - t0, "seconds": t2 - t1, "rows": len(d), "tokens": n, "mib": peak / 1024}))


def measure(name, args, folder, path, work):
    best = min((ours(args.ptrain, args.model, path, work) for _ in range(args.turns)), key=lambda x: x["seconds"])
    mb = os.path.getsize(path) / 1e6
    print("%s: %d rows, %.0f MB" % (name, best["rows"], mb))
    print("  ptrain pack            %8.0f rows/s  %6.1f MB/s  %5.1f s  %6.0f MiB  %d tokens  (cpu %.1f s)"
          % (best["rows"] / best["seconds"], mb / best["seconds"], best["seconds"], best["mib"], best["tokens"], best["cpu"]))
    if not folder:
        return
    other = None
    for _ in range(args.turns):
        cache = tempfile.mkdtemp(dir=work)
        env = dict(os.environ, HF_HOME=cache, HF_DATASETS_OFFLINE="1", HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="true")
        p = subprocess.run([sys.executable, os.path.abspath(__file__), "--rival", folder, path, cache], capture_output=True, text=True, env=env)
        shutil.rmtree(cache, ignore_errors=True)
        if p.returncode:
            print("  the rival failed: " + p.stderr[-600:])
            return
        x = json.loads(p.stdout.strip().splitlines()[-1])
        other = x if not other or x["seconds"] < other["seconds"] else other
    print("  datasets.map, %d procs  %8.0f rows/s  %6.1f MB/s  %5.1f s  %6.0f MiB  %d tokens  (load_dataset before it: %.1f s)"
          % (PROCS, other["rows"] / other["seconds"], mb / other["seconds"], other["seconds"], other["mib"], other["tokens"], other["load"]))
    print("  ratio %.2f; with loading %.2f (wanted: 2)" % (other["seconds"] / best["seconds"], (other["seconds"] + other["load"]) / best["seconds"]))


def main():
    p = argparse.ArgumentParser()
    p.add_argument("ptrain")
    p.add_argument("model")
    p.add_argument("--mb", type=float, default=100)
    p.add_argument("--rows", type=int, default=20000)
    p.add_argument("--turns", type=int, default=3)
    args = p.parse_args()
    with tempfile.TemporaryDirectory() as work:
        folder = None
        if all(importlib.util.find_spec(m) for m in ("datasets", "transformers")):
            folder = os.path.join(work, "hf")
            subprocess.run([args.ptrain, "export", args.model, "--to", "hf", "--out", folder], check=True, stdout=subprocess.DEVNULL)
        else:
            print("datasets and transformers are not installed: ours alone")
        rows, _ = role_rows(args.rows, 200)
        rows = (rows * (args.rows // max(len(rows), 1) + 1))[: args.rows]
        path = os.path.join(work, "roles.jsonl")
        write_rows(path, rows)
        measure("RoleBench's answers behind role texts", args, folder, path, work)
        path = os.path.join(work, "chat.jsonl")
        chat_file(path, args.mb)
        measure("a chat file", args, folder, path, work)
        if shutil.which("zstd"):
            subprocess.run(["zstd", "-q", "--rm", path], check=True)
            best = ours(args.ptrain, args.model, path + ".zst", work)
            print("  from .jsonl.zst        %8.0f rows/s  %5.1f s  %6.0f MiB" % (best["rows"] / best["seconds"], best["seconds"], best["mib"]))


if __name__ == "__main__":
    if len(sys.argv) == 5 and sys.argv[1] == "--rival":
        rival(*sys.argv[2:])
    else:
        main()
