#!/usr/bin/env python3
"""What transformers makes of our exports: prompt ids, ids of plain text, end tokens, answers; and the digests of the files that made it so.

Run:  PTRAIN=build/gcc/ptrain python tests/golden/exports.py        (from the repository's root; writes tests/golden/data/exports.tsv)
Pinned: torch 2.15.0, transformers 5.24.0, tokenizers 0.23.3. The matrix is tests/golden/exports_cases.sh; tests/invariant/exports.sh holds every
build to the file. Fails where transformers and ptrain differ: so no golden line was ever wrong.
"""
import hashlib, json, os, subprocess, sys, tempfile

os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

PTRAIN = os.path.abspath(os.environ.get("PTRAIN", "build/ptrain"))
TALK = [{"role": "user", "content": "hello there"}, {"role": "assistant", "content": "good day to you"}, {"role": "user", "content": "who is it\n\u00e9?"}]
TEXT = "the other\nand \u00e9  more"
FILES = ["config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja"]


def run(*args, **kw):
    return subprocess.run([PTRAIN, *args], check=True, capture_output=True, text=True, **kw).stdout


def scores(where, rows, tmp):
    path = os.path.join(tmp, "rows.jsonl")
    with open(path, "w") as f:
        for r in rows:
            f.write(json.dumps(r) + "\n")
    return [json.loads(l) for l in run("score", where, "--compute=f32", "--input", path).splitlines()]


def prompt_ids(tok):
    return list(tok.apply_chat_template(TALK, add_generation_prompt=True, tokenize=True, return_dict=True)["input_ids"])


def check(name, what, a, b):
    if a != b:
        sys.exit(f"{name}: {what}: transformers {a}, ptrain {b}")


def one(name, steps, mode, tmp):
    hf, trained = f"{tmp}/{name}/hf", f"{tmp}/{name}/run"
    tok, model = AutoTokenizer.from_pretrained(hf), AutoModelForCausalLM.from_pretrained(hf, dtype=torch.float32).eval()
    prompt, text, g = prompt_ids(tok), list(tok(TEXT)["input_ids"]), model.generation_config
    eos = g.eos_token_id if isinstance(g.eos_token_id, list) else [g.eos_token_id]
    for where in (trained, hf):  # the same ids, the same numbers
        a, b, c, d = scores(where, [{"messages": TALK}, {"input_ids": prompt}, {"text": TEXT}, {"input_ids": text}], tmp)
        check(name, f"prompt in {where}", b["logprobs"], a["logprobs"])
        check(name, f"text in {where}", d["logprobs"], c["logprobs"])
    check(name, "ids in config", [tok.bos_token_id, tok.pad_token_id, eos], [g.bos_token_id, g.pad_token_id, model.config.eos_token_id if isinstance(model.config.eos_token_id, list) else [model.config.eos_token_id]])
    assert tok.eos_token_id in eos, name
    if mode == "lora":  # what PEFT's users load beside the adapter
        own = AutoTokenizer.from_pretrained(trained)
        check(name, "adapter's prompt", prompt_ids(own), prompt)
        check(name, "adapter's end tokens", GenerationConfig.from_pretrained(trained).eos_token_id, g.eos_token_id)
    lines = [("prompt", prompt), ("text", text), ("eos", eos), ("ids", [tok.bos_token_id if tok.bos_token_id is not None else -1, tok.pad_token_id if tok.pad_token_id is not None else -1])]
    if steps > 1:
        q = tok.apply_chat_template(TALK[:1], add_generation_prompt=True, return_tensors="pt", return_dict=True)
        out = model.generate(**q, max_new_tokens=24, do_sample=False)[0][q["input_ids"].shape[1]:].tolist()
        assert out[-1] in eos and len(out) < 24, (name, out)
        said = tok.decode(out[:-1], skip_special_tokens=True).strip()
        ours = json.loads(run("generate", trained, "--prompt", TALK[0]["content"], "--temperature", "0", "--max-new-tokens", "24"))
        check(name, "answer", [said, "stop"], [ours["response"].strip(), ours["finish_reason"]])
        lines.append(("answer", [said]))
    for f in FILES:
        path = f"{hf}/{f}"
        if os.path.exists(path):
            lines.append((f, [hashlib.sha256(open(path, "rb").read()).hexdigest()]))
    return lines


def main():
    with tempfile.TemporaryDirectory() as tmp:
        script = 'set -e; ptrain=$1 dir=$2; . tests/golden/exports_cases.sh; all_cases; echo "$matrix"'
        cases = subprocess.run(["bash", "-c", script, "-", PTRAIN, tmp], check=True, capture_output=True, text=True)
        print(cases.stderr)
        out = []
        for line in cases.stdout.splitlines():
            if line.startswith("#"):
                sys.exit(cases.stdout)
            name, base, mode, steps = line.split()[:4]
            for what, values in one(name, int(steps), mode, tmp):
                out.append(f"{name}\t{what}\t{' '.join(map(str, values))}\n")
            print(name, "ok")
        with open("tests/golden/data/exports.tsv", "w") as f:
            f.writelines(out)


main()
