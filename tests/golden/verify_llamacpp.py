#!/usr/bin/env python3
"""Do llama.cpp and transformers read the exports of SmolLM2?

Run:  PTRAIN_SMOLLM2=BASE.gguf PTRAIN_KEEP_EXPORTS=DIR build/gcc/tests/golden/model_smollm2
      python tests/golden/verify_llamacpp.py DIR BASE.gguf        (llama_cpp_python 0.3.36, transformers 5.23.0)
At f32: the same greedy tokens as our own (merged GGUF; base + GGUF LoRA). On the Q4_1 base llama.cpp quantises activations: teacher-forced top-1
agreement of at least 97 % with our greedy tokens. transformers: the folder's tokenizer gives the prompt's ids, its model the same greedy tokens.
"""
import json, os, sys
import numpy as np
from llama_cpp import Llama

bad = 0


def say(ok, text):
    global bad
    print(("ok     " if ok else "FAILED ") + text)
    bad += not ok


def greedy(m, prompt, n):
    m.reset()
    out = []
    for t in m.generate(prompt, temp=0.0, top_k=1, repeat_penalty=1.0):
        out.append(int(t))
        if len(out) == n:
            return out


def main(root, base):
    cases = json.load(open(os.path.join(root, "greedy.json")))
    at = lambda n: os.path.join(root, n)
    kw = dict(n_ctx=256, verbose=False, logits_all=True, n_threads=2)
    for name, model, lora in (("merged-f32.gguf", at("merged-f32.gguf"), None), ("base-f32.gguf + lora.gguf", at("base-f32.gguf"), at("lora.gguf"))):
        m = Llama(model, lora_path=lora, **kw)
        for i, c in enumerate(cases):
            got = greedy(m, c["prompt_ids"], len(c["ids"]))
            same = next((k for k, (a, b) in enumerate(zip(got, c["ids"])) if a != b), len(got))
            say(same == len(c["ids"]), f"llama.cpp, {name}, prompt {i}: {same} of {len(c['ids'])} greedy tokens equal")
        if lora is None:
            text = "<|im_start|>user\nHello 123 there,\n  it's übung!<|im_end|>\n"
            ids = m.tokenize(text.encode(), add_bos=False, special=True)
            from transformers import AutoTokenizer
            t = AutoTokenizer.from_pretrained(at("hf"))
            say(ids == t(text, add_special_tokens=False)["input_ids"], "llama.cpp and transformers tokenise alike")
        del m
    for name, model, lora in (("base Q4_1 + lora.gguf", base, at("lora.gguf")), ("merged-q4_1.gguf", at("merged-q4_1.gguf"), None)):
        m = Llama(model, lora_path=lora, **kw)
        hit = total = 0
        for c in cases:
            m.reset()
            m.eval(c["prompt_ids"] + c["ids"])
            z = np.array(m.scores[:len(c["prompt_ids"]) + len(c["ids"])])
            for k, t in enumerate(c["ids"]):
                hit += int(z[len(c["prompt_ids"]) + k - 1].argmax()) == t
                total += 1
        # requantised weights are another model: reported, with a weaker limit
        say(hit >= (0.97 if lora else 0.8) * total, f"llama.cpp, {name}: top-1 agreement {hit}/{total}")
        del m
    import torch
    from transformers import AutoModelForCausalLM
    h = AutoModelForCausalLM.from_pretrained(at("hf"), dtype=torch.float32)
    for i, c in enumerate(cases):
        prompt = torch.tensor([c["prompt_ids"]])
        # without a mask generate() hides every token that equals pad_token_id, <|im_end|> in the prompt among them
        g = h.generate(prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=len(c["ids"]), do_sample=False, eos_token_id=None, pad_token_id=2)
        got = g[0, len(c["prompt_ids"]):].tolist()
        say(got == c["ids"], f"transformers, hf folder, prompt {i}: greedy tokens equal")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
