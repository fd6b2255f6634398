#!/usr/bin/env python3
"""Golden data of whole models: tiny random checkpoints of every family, with what PyTorch makes of them.

Run: python tests/golden/models.py   (torch 2.15.0, transformers 5.23.0, peft 0.21.2, safetensors 0.8.0; CPU, f32, eager attention)
Writes tests/golden/data/model/<family>/:
  config.json, model.safetensors (bf16)      the checkpoint
  adapter/                                   a PEFT adapter (r 4, alpha 8, all linear) with B != 0
  golden.safetensors                         logits, logps, scores and gradients, f32, by name (prefix lora. / full. / reward.)
  golden.json                                sequences, pairs, losses, ten AdamW steps, errors of PyTorch's own bf16 run
and tests/golden/data/model/rope.json: inverse frequencies of every rope scaling.
"""
import json, math, os, shutil, sys
import torch
from peft import LoraConfig, PeftConfig, PeftModel, get_peft_model
from safetensors.torch import save_file
from transformers import (LlamaConfig, MistralConfig, Qwen2Config, Qwen3Config, AutoModelForCausalLM,
                          AutoModelForSequenceClassification)

HERE = os.path.dirname(os.path.abspath(__file__))
OUT = os.path.join(HERE, "data", "model")
BASE = dict(vocab_size=260, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
            num_key_value_heads=2, max_position_embeddings=256, initializer_range=0.15, rms_norm_eps=1e-5,
            bos_token_id=1, eos_token_id=2, pad_token_id=None, attn_implementation="eager")
FAMILIES = {
    "llama": LlamaConfig(**BASE, rope_parameters={"rope_type": "llama3", "rope_theta": 10000.0, "factor": 4.0, "low_freq_factor": 1.0,
                                                  "high_freq_factor": 4.0, "original_max_position_embeddings": 32}),
    "mistral": MistralConfig(**BASE, sliding_window=7, rope_parameters={"rope_type": "default", "rope_theta": 10000.0}),
    "qwen2": Qwen2Config(**BASE, tie_word_embeddings=True, rope_parameters={"rope_type": "default", "rope_theta": 1000000.0}),
    "qwen3": Qwen3Config(**BASE, head_dim=16, rope_parameters={"rope_type": "yarn", "rope_theta": 10000.0, "factor": 4.0,
                                                               "original_max_position_embeddings": 64}),
}
TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
LR, WD, CLIP, BETA, STEPS = 1e-3, 0.01, 1.0, 0.1, 10


def data(seed, vocab=260):
    """Three rows of which two share their first nine tokens; two pairs behind one prompt each."""
    g = torch.Generator().manual_seed(seed)
    r = lambda n: torch.randint(3, vocab, (n,), generator=g).tolist()
    shared = [1] + r(8)
    rows = []
    for own, ctx in ((12, 4), (9, 3), (23, 11)):
        head = shared if own != 23 else [1]
        ids = head + r(own) + [2]
        w = [0.0] * (len(head) + ctx) + [1.0] * (own - ctx + 1)
        if own == 9:
            w[-3] = 0.5
        rows.append({"ids": ids, "weight": w})
    pairs = []
    for p, c, j in ((9, 6, 8), (5, 7, 4)):
        prompt = [1] + r(p)
        pairs.append({"prompt_len": len(prompt), "chosen": prompt + r(c) + [2], "rejected": prompt + r(j) + [2]})
    return rows, pairs


def logps(model, ids):
    """log p(ids[i+1] | ids[..i]), [n-1]"""
    z = model(input_ids=torch.tensor([ids])).logits[0].float()
    return torch.log_softmax(z, -1)[:-1].gather(1, torch.tensor(ids[1:])[:, None])[:, 0]


def sft_loss(model, rows):
    num, den = 0.0, 0.0
    for r in rows:
        w = torch.tensor(r["weight"][1:])
        num = num - (w * logps(model, r["ids"])).sum()
        den += w.sum()
    return num / den


def pair_logp(model, p):
    n = p["prompt_len"] - 1
    return torch.stack([logps(model, p["chosen"])[n:].sum(), logps(model, p["rejected"])[n:].sum()])


def dpo_loss(model, pairs, ref):
    loss = 0.0
    for p, r in zip(pairs, ref):
        d = pair_logp(model, p) - r
        loss = loss - torch.nn.functional.logsigmoid(BETA * (d[0] - d[1]))
    return loss / len(pairs)


def optimise(model, loss_of):
    decay, plain = [], []
    for n, p in model.named_parameters():
        if p.requires_grad:
            (plain if p.ndim == 1 or "_norm." in n else decay).append(p)
    opt = torch.optim.AdamW([{"params": decay, "weight_decay": WD}, {"params": plain, "weight_decay": 0.0}], lr=LR)
    losses, norms = [], []
    for _ in range(STEPS):
        opt.zero_grad()
        loss = loss_of(model)
        loss.backward()
        norms.append(float(torch.nn.utils.clip_grad_norm_(decay + plain, CLIP)))
        opt.step()
        losses.append(float(loss))
    return {"losses": losses, "norms": norms}


def rel(a, b):
    return float((a - b).norm() / b.norm())


def grads(model, strip):
    return {strip(n): p.grad.clone() for n, p in model.named_parameters() if p.requires_grad and p.grad is not None}


def peft_name(n):
    return n.replace("base_model.model.", "", 1).replace(".default", "").replace(".modules_to_save", "")


def bf16_errors(make, loss_of, reference):
    """Largest relative gradient error and loss error of PyTorch under autocast and with bf16 weights; the smaller one of the two."""
    out = []
    for auto in (True, False):
        m = make()
        if not auto:
            m = m.to(torch.bfloat16)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=auto):
            loss = loss_of(m)
        loss.backward()
        g = grads(m, peft_name)
        out.append({n: rel(g[n].float(), reference[n]) for n in reference})
    return {n: min(o[n] for o in out) for n in reference}


def build(name, config, seed):
    torch.manual_seed(seed)
    folder = os.path.join(OUT, name)
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager", dtype=torch.float32)
    with torch.no_grad():
        for n, p in model.named_parameters():
            if "norm" in n:
                p.copy_(1 + 0.2 * torch.randn_like(p))
            if n.endswith("bias"):
                p.copy_(0.3 * torch.randn_like(p))
            p.copy_(p.to(torch.bfloat16).float())
    state = {n: t.to(torch.bfloat16).contiguous() for n, t in model.state_dict().items() if not (config.tie_word_embeddings and n == "lm_head.weight")}
    save_file(state, os.path.join(folder, "model.safetensors"), metadata={"format": "pt"})
    model.config.save_pretrained(folder)
    load = lambda cls=AutoModelForCausalLM, **k: cls.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager", **k)
    rows, pairs = data(seed)
    out, info = {}, {"rows": rows, "pairs": pairs, "lr": LR, "weight_decay": WD, "max_grad_norm": CLIP, "beta": BETA}

    # base and full tuning
    m = load()
    with torch.no_grad():
        out["logits"] = m(input_ids=torch.tensor([rows[2]["ids"]])).logits[0].contiguous()
        for i, r in enumerate(rows):
            out[f"logps.{i}"] = logps(m, r["ids"]).contiguous()
        g = m.generate(torch.tensor([rows[0]["ids"][:10]]), max_new_tokens=12, do_sample=False, eos_token_id=None, pad_token_id=0)
        info["greedy"] = {"prompt": rows[0]["ids"][:10], "ids": g[0, 10:].tolist()}
    loss = sft_loss(m, rows)
    loss.backward()
    info["full_loss"] = float(loss)
    full = grads(m, lambda n: n)
    out.update({"full." + n: t for n, t in full.items()})
    info["bf16_full"] = bf16_errors(load, lambda x: sft_loss(x, rows), full)
    with torch.no_grad():
        mb = load()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            za = mb(input_ids=torch.tensor([rows[2]["ids"]])).logits[0].float()
        zb = load().to(torch.bfloat16)(input_ids=torch.tensor([rows[2]["ids"]])).logits[0].float()
        centre = lambda z: z - z.mean(-1, keepdim=True)
        info["bf16_logits"] = min(rel(centre(za), centre(out["logits"])), rel(centre(zb), centre(out["logits"])))
    info["full_steps"] = optimise(load(), lambda x: sft_loss(x, rows))

    # LoRA with B != 0
    torch.manual_seed(seed + 1)
    p = get_peft_model(load(), LoraConfig(r=4, lora_alpha=8, target_modules=TARGETS, lora_dropout=0.0, task_type="CAUSAL_LM"))
    with torch.no_grad():
        for n, t in p.named_parameters():
            if "lora_B" in n:
                t.copy_(0.2 * torch.randn_like(t))
    adapter = os.path.join(folder, "adapter")
    p.save_pretrained(adapter)
    for junk in ("README.md",):
        if os.path.exists(os.path.join(adapter, junk)):
            os.remove(os.path.join(adapter, junk))
    cfg = os.path.join(adapter, "adapter_config.json")
    c = json.load(open(cfg))
    c["base_model_name_or_path"] = name
    c["target_modules"] = sorted(c["target_modules"])
    json.dump(c, open(cfg, "w"), indent=1, sort_keys=True)
    lora = lambda: PeftModel.from_pretrained(load(), adapter, is_trainable=True)
    p = lora()
    with torch.no_grad():
        out["lora_logits"] = p(input_ids=torch.tensor([rows[2]["ids"]])).logits[0].contiguous()
    loss = sft_loss(p, rows)
    loss.backward()
    info["lora_loss"] = float(loss)
    lg = grads(p, peft_name)
    out.update({"lora." + n: t for n, t in lg.items()})
    info["bf16_lora"] = bf16_errors(lora, lambda x: sft_loss(x, rows), lg)
    info["sft_steps"] = optimise(lora(), lambda x: sft_loss(x, rows))
    p = lora()
    with torch.no_grad():
        start = [pair_logp(p, q) for q in pairs]
        with p.disable_adapter():
            base = [pair_logp(p, q) for q in pairs]
    info["pair_logps"] = {"start": [t.tolist() for t in start], "base": [t.tolist() for t in base]}
    info["dpo_start_steps"] = optimise(lora(), lambda x: dpo_loss(x, pairs, start))
    info["dpo_base_steps"] = optimise(lora(), lambda x: dpo_loss(x, pairs, base))

    # reward: score at the end token, Bradley-Terry
    def reward():
        r = load(AutoModelForSequenceClassification, num_labels=1)
        r.config.pad_token_id = 0
        gen = torch.Generator().manual_seed(seed + 2)
        with torch.no_grad():
            r.score.weight.copy_(0.3 * torch.randn(r.score.weight.shape, generator=gen))
        cfg = PeftConfig.from_pretrained(adapter)
        cfg.task_type, cfg.inference_mode = None, False
        r = PeftModel.from_pretrained(r, adapter, is_trainable=True, config=cfg)
        for n, t in r.named_parameters():
            t.requires_grad_("lora_" in n or n.endswith("score.weight"))
        return r
    r = reward()
    out["score.weight"] = [t for n, t in r.named_parameters() if n.endswith("score.weight")][0].detach().clone()
    scores = lambda x: torch.stack([torch.cat([x(input_ids=torch.tensor([q[s]])).logits[0] for s in ("chosen", "rejected")]) for q in pairs])
    s = scores(r)
    loss = -torch.nn.functional.logsigmoid(s[:, 0] - s[:, 1]).mean()
    loss.backward()
    info["scores"], info["reward_loss"] = s.tolist(), float(loss)
    rg = grads(r, peft_name)
    keep = ("score.weight", "model.layers.0.self_attn.q_proj.lora_A.weight", "model.layers.1.mlp.down_proj.lora_B.weight")
    out.update({"reward." + n: rg[n] for n in keep})
    save_file({k: v.detach().contiguous() for k, v in out.items()}, os.path.join(folder, "golden.safetensors"))
    json.dump(info, open(os.path.join(folder, "golden.json"), "w"), separators=(",", ":"))
    print(name, "loss", info["full_loss"], info["lora_loss"], "bf16 logits", info["bf16_logits"], "dpo", info["dpo_start_steps"]["losses"][:2], info["dpo_base_steps"]["losses"][:2])


def rope():
    """Inverse frequencies as transformers computes them, for configs in the old and the new spelling."""
    cases = []
    old = dict(vocab_size=16, hidden_size=256, intermediate_size=16, num_hidden_layers=1, num_attention_heads=4, num_key_value_heads=4,
               max_position_embeddings=4096, rms_norm_eps=1e-5, model_type="llama")
    for spelling in (
        {"rope_theta": 500000.0, "rope_scaling": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                                                  "original_max_position_embeddings": 1024}},
        {"rope_theta": 10000.0, "rope_scaling": {"type": "linear", "factor": 2.5}},
        {"rope_theta": 10000.0, "rope_scaling": {"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 1024}},
        {"rope_parameters": {"rope_type": "yarn", "rope_theta": 1000000.0, "factor": 8.0, "original_max_position_embeddings": 512,
                             "beta_fast": 16.0, "beta_slow": 2.0, "truncate": False}},
        {"rope_parameters": {"rope_type": "yarn", "rope_theta": 50000.0, "factor": 8.0, "original_max_position_embeddings": 512,
                             "mscale": 1.5, "mscale_all_dim": 0.7}},
        {"rope_parameters": {"rope_type": "yarn", "rope_theta": 50000.0, "factor": 8.0, "original_max_position_embeddings": 512,
                             "attention_factor": 1.25}},
        {"rope_theta": 10000.0},
        {"rope_parameters": {"rope_type": "default", "rope_theta": 123456.0}},
    ):
        config = {**old, **spelling}
        c = LlamaConfig(**{k: v for k, v in json.loads(json.dumps(config)).items() if k != "model_type"})
        from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding
        e = LlamaRotaryEmbedding(c)
        cases.append({"config": config, "inv_freq": e.inv_freq.tolist(), "mscale": float(e.attention_scaling)})
    json.dump(cases, open(os.path.join(OUT, "rope.json"), "w"), separators=(",", ":"))


if __name__ == "__main__":
    torch.set_num_threads(1)
    rope()
    for i, (n, c) in enumerate(FAMILIES.items()):
        build(n, c, 100 + 10 * i)
