#!/usr/bin/env python3
"""Golden data of added tokens: tiny models whose vocabulary grows by two, with what transformers and PEFT make of them. tests/golden/model_added.c compares.

Run: python tests/golden/added_tokens.py   (torch 2.15.0, transformers 5.24.0, peft 0.21.2, safetensors 0.8.0; CPU, f32, eager attention)
Writes tests/golden/data/added/<tied or untied>/:
  config.json, model.safetensors (f32)       the base, 62 tokens
  adapter/                                   PEFT's adapter with trainable_token_indices [62, 63], after resize_token_embeddings(64); of the untied base for the
                                             embedding and the head; B != 0, rows other than at the start
  golden.safetensors                         as of families.py: logits of the grown base and "with adapter", gradients of full tuning and of the adapter with its rows
  golden.json                                rows, losses, ten AdamW steps of either, a greedy continuation of the grown base (new rows the mean of the others)
Checks adapters of ours: python tests/golden/added_tokens.py BASE ADAPTER IDS...  prints the log-probabilities of IDS by PEFT, f32.
"""
import json, os, shutil, sys
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path = [p for p in sys.path if os.path.abspath(p) != HERE]
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, LlamaConfig, Qwen3Config
sys.path.append(HERE)
from families import fill, greedy, rope, save_golden, size
from models import LR, WD, CLIP, data, grads, optimise, peft_name, sft_loss

OUT = os.path.join(HERE, "data", "added")
OLD, NEW = 62, 64
SMALL = dict(vocab_size=OLD, hidden_size=24, intermediate_size=20)
BASES = {"tied": Qwen3Config(**{**size(head_dim=6, tie_word_embeddings=True, rope_parameters=rope()), **SMALL}),
         "untied": LlamaConfig(**{**size(tie_word_embeddings=False, rope_parameters=rope()), **SMALL})}


def grown(folder, new=NEW):
    m = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
    old = m.config.vocab_size
    m.resize_token_embeddings(new, mean_resizing=False)
    with torch.no_grad():
        for w in {id(w): w for w in (m.get_input_embeddings().weight, m.get_output_embeddings().weight)}.values():
            w[old:] = w[:old].double().mean(dim=0).float()
    return m


def build(name, config):
    folder = os.path.join(OUT, name)
    shutil.rmtree(folder, ignore_errors=True)
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager", dtype=torch.float32)
    fill(model, {}, 1)
    model.save_pretrained(folder)
    if os.path.exists(os.path.join(folder, "generation_config.json")):
        os.remove(os.path.join(folder, "generation_config.json"))
    rows = data(1, NEW)[0]
    for r in rows:  # new tokens are read and predicted
        r["ids"][3], r["ids"][-2] = OLD, NEW - 1
    loss_of = lambda m: sft_loss(m, rows)
    out, info = {}, {"rows": rows, "lr": LR, "weight_decay": WD, "max_grad_norm": CLIP}
    m = grown(folder)
    loss = loss_of(m)
    loss.backward()
    info["full_loss"] = float(loss)
    with torch.no_grad():
        out["logits"] = m(input_ids=torch.tensor([rows[2]["ids"]])).logits[0]
    ids, least = greedy(m, rows[0]["ids"][:10], 12)
    assert least > 1e-3, f"{name}: two logits are {least} apart"
    info["greedy"] = {"prompt": rows[0]["ids"][:10], "ids": ids}
    out.update({"full." + n: t for n, t in grads(m, lambda n: n).items()})
    info["full_steps"] = optimise(grown(folder), loss_of)

    ids = list(range(OLD, NEW))
    torch.manual_seed(2)
    p = get_peft_model(grown(folder), LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj", "v_proj", "down_proj"], lora_dropout=0.0, task_type="CAUSAL_LM",
                                                 trainable_token_indices=ids if name == "tied" else {"embed_tokens": ids, "lm_head": ids}))
    with torch.no_grad():
        for n, t in p.named_parameters():
            if "lora_B" in n:
                t.copy_(0.2 * torch.randn_like(t))
            if "trainable_tokens_delta" in n:
                t.add_(0.15 * torch.randn_like(t))
    adapter = os.path.join(folder, "adapter")
    p.save_pretrained(adapter, save_embedding_layers=False)
    print(name, sorted((n, tuple(t.shape)) for n, t in load_file(os.path.join(adapter, "adapter_model.safetensors")).items() if "lora" not in n))
    if os.path.exists(os.path.join(adapter, "README.md")):
        os.remove(os.path.join(adapter, "README.md"))
    where = os.path.join(adapter, "adapter_config.json")
    c = json.load(open(where))
    c["base_model_name_or_path"] = name
    c["target_modules"] = sorted(c["target_modules"])
    json.dump(c, open(where, "w"), indent=1, sort_keys=True)
    lora = lambda: PeftModel.from_pretrained(grown(folder), adapter, is_trainable=True)
    p = lora()
    with torch.no_grad():
        out["with adapter"] = p(input_ids=torch.tensor([rows[2]["ids"]])).logits[0]
    loss = loss_of(p)
    loss.backward()
    info["lora_loss"] = float(loss)
    out.update({"lora." + n: t for n, t in grads(p, peft_name).items()})
    info["lora_steps"] = optimise(lora(), loss_of)
    save_golden(os.path.join(folder, "golden.safetensors"), out)
    json.dump(info, open(os.path.join(folder, "golden.json"), "w"), separators=(",", ":"))
    print(name, info["full_loss"], info["lora_loss"], info["lora_steps"]["losses"], sorted(n for n in out if "trainable" in n))


def check(base, adapter, ids):
    c = json.load(open(os.path.join(adapter, "adapter_config.json")))["trainable_token_indices"]
    last = max(c if isinstance(c, list) else c["embed_tokens"])
    p = PeftModel.from_pretrained(grown(base, last + 1), adapter)
    with torch.no_grad():
        z = p(input_ids=torch.tensor([ids])).logits[0].log_softmax(-1)
    print(json.dumps([float(z[i, t]) for i, t in enumerate(ids[1:])]))


if __name__ == "__main__":
    torch.set_num_threads(1)
    if len(sys.argv) > 2:
        check(sys.argv[1], sys.argv[2], [int(x) for x in sys.argv[3:]])
    else:
        for n, c in BASES.items():
            build(n, c)
