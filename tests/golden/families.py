#!/usr/bin/env python3
"""Golden data of families of decoders: tiny random models, with what PyTorch makes of them. tests/golden/model_families.c compares.

Run: python tests/golden/families.py [family ...]   (torch 2.15.0, transformers 5.24.0, peft 0.21.2, safetensors 0.8.0; CPU, f32, eager attention)
Without names: all of them. Writes tests/golden/data/families/<family>/, less than 150 KB:
  config.json, model.safetensors (bf16)      as transformers saves the model
  adapter/                                   PEFT's adapter (r 4, alpha 8, all linear layers but the head), bf16, B != 0
  golden.safetensors                         logits of the third row; gradients of every tensor under its name in the file ("full." + name) and of A and B
                                             ("lora." + name). Each row of a tensor is I16 times a scale of its own (rounding: 2e-5 of a row's norm); "scales":
                                             f32, the rows of all tensors in the order of their names
  golden.json                                rows (ids, weights; two of three begin alike), losses, ten AdamW steps, a greedy continuation

To add a family: a row in FAMILIES here, its name in the table of tests/golden/model_families.c; run this file with the name; commit the folder.
A row: config (small: size() says what fits), and where they are needed
  seed     another draw of everything (the generator says when one is needed)
  std      standard deviation of matrices (0.15)
  attention  transformers' attention, "eager" unless that is wrong (Falcon's adds ALiBi twice)
  tweak    function(model, generator of random numbers): sets what random numbers should not (called before rounding to bf16)
Switch on what the family has: windows in a pattern, softcaps, biases, norms whose weights are not 1 (done here for every vector), odd head sizes, scales.
Every matrix is random with the same deviation; vectors are what the model starts with, plus 0.2 times random numbers.
Models whose code is not in transformers (ChatGLM) have a small class in families_remote.py.
"""
import json, os, shutil, sys
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path = [p for p in sys.path if os.path.abspath(p) != HERE]  # its statistics.py is not Python's
import numpy as np
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.numpy import save_file as save_arrays
from safetensors.torch import load_file, save_file
from transformers import (AutoModelForCausalLM, Cohere2Config, CohereConfig, Gemma2Config, Gemma3TextConfig, GemmaConfig, Glm4Config, GlmConfig, GraniteConfig, LlamaConfig, MinistralConfig, MistralConfig,
                          Olmo2Config, Phi3Config, Qwen3Config, SmolLM3Config,
                          StableLmConfig)
from transformers import FalconConfig, GPT2Config, OlmoConfig, OPTConfig
sys.path.append(HERE)
from families_remote import ChatGLMConfig
from models import LR, WD, CLIP, data, grads, logps, optimise, peft_name, sft_loss

OUT = os.path.join(HERE, "data", "families")
VOCAB = 64


def size(**more):
    """Keys that most configs share."""
    base = dict(vocab_size=VOCAB, hidden_size=32, intermediate_size=40, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
                max_position_embeddings=128, bos_token_id=1, eos_token_id=2, pad_token_id=None)
    return {**base, **more}


def rope(theta=10000.0, **more):
    return {"rope_type": "default", "rope_theta": theta, **more}


def longrope(rot, partial):
    """Two lists of rot / 2 factors."""
    half = range(rot // 2)
    return rope(rope_type="longrope", partial_rotary_factor=partial, short_factor=[1.05 + 0.1 * i for i in half], long_factor=[1.5 + 0.75 * i for i in half])


def gpt2(**more):
    return {**dict(vocab_size=VOCAB, n_embd=24, n_layer=2, n_head=4, n_positions=64, n_ctx=64, n_inner=None, bos_token_id=1, eos_token_id=2, attn_pdrop=0, embd_pdrop=0, resid_pdrop=0), **more}


def falcon(**more):
    return {**dict(vocab_size=VOCAB, hidden_size=24, num_hidden_layers=2, num_attention_heads=4, bos_token_id=1, eos_token_id=2, rope_parameters=rope()), **more}


FAMILIES = {
    "llama": dict(config=LlamaConfig(**size(num_key_value_heads=1, head_dim=10, rope_parameters={
        "rope_type": "llama3", "rope_theta": 10000.0, "factor": 4.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 32}))),
    "mistral": dict(config=MistralConfig(**size(sliding_window=7, head_dim=12, rope_parameters=rope(1000.0)))),
    "ministral": dict(config=MinistralConfig(**size(num_hidden_layers=3, hidden_size=24, intermediate_size=20, sliding_window=5, head_dim=12,
                                                  layer_types=["full_attention", "sliding_attention", "full_attention"], rope_parameters=rope()))),
    "qwen3": dict(config=Qwen3Config(**size(num_hidden_layers=3, head_dim=6, use_sliding_window=True, max_window_layers=2, sliding_window=5, tie_word_embeddings=True,
                                            rope_parameters=rope(1000000.0)))),
    "smollm3": dict(config=SmolLM3Config(**size(num_hidden_layers=4, hidden_size=24, intermediate_size=20, num_attention_heads=3, num_key_value_heads=1, tie_word_embeddings=True, rope_parameters=rope()))),
    "smollm3_window": dict(config=SmolLM3Config(**size(no_rope_layers=[0, 1], use_sliding_window=True, sliding_window=5, attention_bias=True, mlp_bias=True,
                                                     tie_word_embeddings=False, rope_parameters=rope()))),
    "olmo": dict(config=OlmoConfig(**size(rope_parameters=rope()))),
    "olmo_clip": dict(config=OlmoConfig(**size(hidden_size=24, intermediate_size=20, clip_qkv=0.7, rope_parameters=rope()))),
    "olmo2": dict(config=Olmo2Config(**size(rope_parameters=rope()))),
    "granite": dict(config=GraniteConfig(**size(embedding_multiplier=3.0, logits_scaling=2.0, residual_multiplier=0.4, attention_multiplier=0.2, attention_bias=True, mlp_bias=True,
                                              rope_parameters=rope()))),
    "cohere": dict(config=CohereConfig(**size(logit_scale=0.3, rope_parameters=rope()))),
    "cohere_plus": dict(config=CohereConfig(**size(hidden_size=24, intermediate_size=20, logit_scale=0.3, use_qk_norm=True, rope_parameters=rope()))),
    "cohere2": dict(config=Cohere2Config(**size(num_hidden_layers=4, hidden_size=24, intermediate_size=20, num_attention_heads=3, num_key_value_heads=1, logit_scale=0.3, sliding_window=5,
                                              rope_parameters=rope()))),
    "gemma": dict(config=GemmaConfig(**size(head_dim=10, num_key_value_heads=1, rope_parameters=rope()))),
    "gemma2": dict(config=Gemma2Config(**size(num_hidden_layers=3, hidden_size=24, intermediate_size=20, head_dim=10, sliding_window=5, query_pre_attn_scalar=10, attn_logit_softcapping=2.0,
                                            final_logit_softcapping=3.0, rope_parameters=rope()))),
    "gemma3_text": dict(config=Gemma3TextConfig(**size(num_hidden_layers=3, hidden_size=24, intermediate_size=20, head_dim=10, sliding_window=5, query_pre_attn_scalar=10,
                                                     layer_types=["sliding_attention", "full_attention", "sliding_attention"],
                                                     rope_parameters={"full_attention": rope(1e6, rope_type="linear", factor=8.0), "sliding_attention": rope(500.0)}))),
    "gemma3_capped": dict(config=Gemma3TextConfig(**size(hidden_size=24, intermediate_size=20, head_dim=8, sliding_window=4, query_pre_attn_scalar=20,
                                                       final_logit_softcapping=3.0, attention_bias=True, layer_types=["full_attention", "sliding_attention"],
                                                       rope_parameters={"full_attention": rope(1e5), "sliding_attention": rope()}))),
    "gpt2": dict(config=GPT2Config(**gpt2())),
    "gpt2_scale": dict(config=GPT2Config(**gpt2(n_embd=30, n_head=3, n_inner=24, scale_attn_by_inverse_layer_idx=True, reorder_and_upcast_attn=True, activation_function="relu",
                                              tie_word_embeddings=False))),
    "falcon": dict(config=FalconConfig(**falcon(num_kv_heads=1))),
    "falcon_new": dict(config=FalconConfig(**falcon(num_kv_heads=2, new_decoder_architecture=True, tie_word_embeddings=False))),
    "falcon_rw": dict(config=FalconConfig(**falcon(multi_query=False, parallel_attn=False, alibi=True, bias=True, ffn_hidden_size=40)), attention="sdpa"),
    "opt": dict(config=OPTConfig(vocab_size=VOCAB, hidden_size=24, ffn_dim=40, num_hidden_layers=2, num_attention_heads=4, max_position_embeddings=64, dropout=0.0,
                                 bos_token_id=1, eos_token_id=2, pad_token_id=None)),
    "opt_350m": dict(config=OPTConfig(vocab_size=VOCAB, hidden_size=24, ffn_dim=40, num_hidden_layers=2, num_attention_heads=4, max_position_embeddings=64, dropout=0.0,
                                      do_layer_norm_before=False, word_embed_proj_dim=16, bos_token_id=1, eos_token_id=2, pad_token_id=None)),
    "stablelm": dict(config=StableLmConfig(**size(use_qkv_bias=True, hidden_dropout=0.0, rope_parameters=rope(partial_rotary_factor=0.25)))),
    "stablelm_parallel": dict(config=StableLmConfig(**size(use_parallel_residual=True, use_qkv_bias=True, hidden_dropout=0.0, rope_parameters=rope(partial_rotary_factor=0.5)))),
    "stablelm_12b": dict(config=StableLmConfig(**size(hidden_size=24, intermediate_size=20, use_parallel_residual=True, qk_layernorm=True, hidden_dropout=0.0,
                                                    rope_parameters=rope(partial_rotary_factor=0.34)))),
    # longrope: the golden rows are shorter than the original positions of the first, longer than those of the second
    "phi3": dict(config=Phi3Config(**size(sliding_window=9, rms_norm_eps=1e-5, max_position_embeddings=1024, original_max_position_embeddings=256, rope_parameters=longrope(6, 0.75)))),
    "phi3_long": dict(config=Phi3Config(**size(hidden_size=40, num_key_value_heads=1, sliding_window=None, tie_word_embeddings=True, max_position_embeddings=96,
                                              original_max_position_embeddings=4, rope_parameters=longrope(10, 1.0)))),
    "glm": dict(config=GlmConfig(**size(hidden_size=36, num_attention_heads=3, num_key_value_heads=1, head_dim=12, attention_bias=True, rms_norm_eps=1e-5, rope_parameters=rope(partial_rotary_factor=0.5)))),
    "glm4": dict(config=Glm4Config(**size(head_dim=12, attention_bias=True, rope_parameters=rope(partial_rotary_factor=0.5)))),
    "chatglm": dict(config=ChatGLMConfig(num_layers=2, padded_vocab_size=VOCAB, hidden_size=32, ffn_hidden_size=40, kv_channels=8, num_attention_heads=4, seq_length=128, add_qkv_bias=True,
                                        multi_query_group_num=2, rope_ratio=2.5, bos_token_id=1, eos_token_id=2, pad_token_id=None)),
}


def rows_of_i16(t):
    """[.., n] as I16 and one scale a row."""
    a = t.detach().to(torch.float32).numpy()
    a = a.reshape(-1, a.shape[-1]) if a.ndim else a.reshape(1, 1)
    scale = (np.abs(a).max(axis=1) / 32767).astype(np.float32)
    q = np.round(a / np.where(scale > 0, scale, 1)[:, None])
    return q.astype(np.int16).reshape(t.shape), scale


def save_golden(path, tensors):
    q, scales = {}, []
    for name in sorted(tensors, key=lambda n: n.encode()):
        q[name], s = rows_of_i16(tensors[name])
        scales.append(s)
    save_arrays({**q, "scales": np.concatenate(scales)}, path)


def fill(model, row, seed):
    g = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for n, p in sorted(model.named_parameters()):
            r = torch.randn(p.shape, generator=g)
            p.copy_(p + 0.2 * r if p.ndim == 1 or "_norm." in n else row.get("std", 0.15) * r)
        if "tweak" in row:
            row["tweak"](model, g)
        for p in model.parameters():
            p.copy_(p.to(torch.bfloat16).float())


def greedy(model, prompt, n):
    """The continuation, and the smallest distance between the best and the second logit on the way."""
    ids, least = list(prompt), 1e9
    with torch.no_grad():
        for _ in range(n):
            top = model(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -1].topk(2)
            least = min(least, float(top.values[0] - top.values[1]))
            ids.append(int(top.indices[0]))
    cached = model.generate(torch.tensor([prompt]), max_new_tokens=n, do_sample=False, eos_token_id=None, pad_token_id=0)[0].tolist()
    assert cached == ids, "generate with a cache says otherwise"
    return ids[len(prompt):], least


def build(name, row):
    seed = row.get("seed", 1)
    folder = os.path.join(OUT, name)
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    model = AutoModelForCausalLM.from_config(row["config"], attn_implementation=row.get("attention", "eager"), dtype=torch.float32)
    fill(model, row, seed)
    model.to(torch.bfloat16).save_pretrained(folder)
    if os.path.exists(os.path.join(folder, "generation_config.json")):
        os.remove(os.path.join(folder, "generation_config.json"))
    load = lambda: AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation=row.get("attention", "eager"))
    rows = data(seed, VOCAB)[0]
    loss_of = lambda m: sft_loss(m, rows)
    out, info = {}, {"rows": rows, "lr": LR, "weight_decay": WD, "max_grad_norm": CLIP}

    m = load()
    with torch.no_grad():
        out["logits"] = m(input_ids=torch.tensor([rows[2]["ids"]])).logits[0]
    ids, least = greedy(m, rows[0]["ids"][:10], 12)
    assert least > 1e-3, f"{name}: greedy: two logits are {least} apart: take another seed"
    info["greedy"] = {"prompt": rows[0]["ids"][:10], "ids": ids}
    loss = loss_of(m)
    loss.backward()
    info["full_loss"] = float(loss)
    out.update({"full." + n: t for n, t in grads(m, lambda n: n).items()})
    stored = set(load_file(os.path.join(folder, "model.safetensors")))
    assert {n[5:] for n in out if n.startswith("full.")} == stored, "names of gradients are not those of the file"
    info["full_steps"] = optimise(load(), loss_of)

    torch.manual_seed(seed + 1)
    p = get_peft_model(load(), LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", lora_dropout=0.0, task_type="CAUSAL_LM"))
    with torch.no_grad():
        for n, t in p.named_parameters():
            if "lora_B" in n:
                t.copy_(0.2 * torch.randn_like(t))
    adapter = os.path.join(folder, "adapter")
    p.save_pretrained(adapter)
    weights = os.path.join(adapter, "adapter_model.safetensors")
    save_file({n: t.to(torch.bfloat16) for n, t in load_file(weights).items()}, weights, metadata={"format": "pt"})
    if os.path.exists(os.path.join(adapter, "README.md")):
        os.remove(os.path.join(adapter, "README.md"))
    where = os.path.join(adapter, "adapter_config.json")
    c = json.load(open(where))
    c["base_model_name_or_path"] = name
    c["target_modules"] = sorted(c["target_modules"])
    json.dump(c, open(where, "w"), indent=1, sort_keys=True)
    lora = lambda: PeftModel.from_pretrained(load(), adapter, is_trainable=True)
    p = lora()
    loss = loss_of(p)
    loss.backward()
    info["lora_loss"] = float(loss)
    out.update({"lora." + n: t for n, t in grads(p, peft_name).items()})
    info["lora_steps"] = optimise(lora(), loss_of)

    save_golden(os.path.join(folder, "golden.safetensors"), out)
    json.dump(info, open(os.path.join(folder, "golden.json"), "w"), separators=(",", ":"))
    total = sum(os.path.getsize(os.path.join(d, f)) for d, _, fs in os.walk(folder) for f in fs)
    assert total < 150000, f"{name}: {total} bytes: make it smaller"
    print(f"{name}: {total} bytes, losses {info['full_loss']:.4f} {info['lora_loss']:.4f}, last of ten steps {info['full_steps']['losses'][-1]:.4f} "
          f"{info['lora_steps']['losses'][-1]:.4f}, logits {float(out['logits'].std()):.2f}, greedy {ids}, at least {least:.1e} apart")


if __name__ == "__main__":
    torch.set_num_threads(1)
    for n in sys.argv[1:] or FAMILIES:
        build(n, FAMILIES[n])
