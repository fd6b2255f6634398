#!/usr/bin/env python3
"""Does llama.cpp give the logits of InternLM2 and Baichuan that we do? (They are not in transformers; tests/golden/model_packed.c holds them to Llama.)

Run:  python tests/golden/verify_packed.py make DIR CONVERTER       (torch, safetensors; CONVERTER: vendor/llama.cpp of llama_cpp_python 0.3.36's source)
      PTRAIN_PACKED=DIR build/gcc/tests/golden/model_packed
      python tests/golden/verify_packed.py llama DIR                (llama_cpp_python 0.3.36)
make: folders of random numbers: InternLM2 (grouped wqkv), Baichuan of 32 layers (rotates) and of 40 (ALiBi), and Baichuan 2's vocabulary with 32 layers (its
head is normed); those that its converter can do without a vocabulary it converts. llama: log-probabilities of the row within 1e-3.
"""
import glob, json, os, sys
import numpy as np
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path = [p for p in sys.path if os.path.abspath(p) != HERE]
ROW = [1, 8, 54, 13, 11, 36, 41, 52, 61, 39, 49, 12, 24, 30, 29, 53]
HIDDEN, HEADS, FFN = 32, 4, 24


def folder(root, name, config, layers, kv, vocab, names):
    import torch
    from safetensors.torch import save_file
    g = torch.Generator().manual_seed(7)
    r = lambda *s: (torch.randn(*s, generator=g) * 0.15 + (1.0 if len(s) == 1 else 0.0))
    d = HIDDEN // HEADS
    t = {names["embed"]: r(vocab, HIDDEN), "model.norm.weight": r(HIDDEN), names["head"]: r(vocab, HIDDEN)}
    for l in range(layers):
        p = f"model.layers.{l}."
        shapes = {"norm1": (HIDDEN,), "qkv": ((HEADS + 2 * kv) * d, HIDDEN), "o": (HIDDEN, HIDDEN), "norm2": (HIDDEN,), "gate": (FFN, HIDDEN), "up": (FFN, HIDDEN), "down": (HIDDEN, FFN)}
        t.update({p + names[k] + ".weight": r(*s) for k, s in shapes.items()})
    os.makedirs(os.path.join(root, name))
    save_file(t, os.path.join(root, name, "model.safetensors"))
    base = dict(hidden_size=HIDDEN, intermediate_size=FFN, num_hidden_layers=layers, num_attention_heads=HEADS, vocab_size=vocab, rms_norm_eps=1e-6, tie_word_embeddings=False, hidden_act="silu")
    json.dump({**base, **config}, open(os.path.join(root, name, "config.json"), "w"))


def make(root, converter):
    intern = dict(embed="model.tok_embeddings.weight", head="output.weight", norm1="attention_norm", qkv="attention.wqkv", o="attention.wo", norm2="ffn_norm",
                  gate="feed_forward.w1", up="feed_forward.w3", down="feed_forward.w2")
    bai = dict(embed="model.embed_tokens.weight", head="lm_head.weight", norm1="input_layernorm", qkv="self_attn.W_pack", o="self_attn.o_proj", norm2="post_attention_layernorm",
               gate="mlp.gate_proj", up="mlp.up_proj", down="mlp.down_proj")
    b = dict(model_type="baichuan", architectures=["BaichuanForCausalLM"])
    folder(root, "internlm2", dict(model_type="internlm2", architectures=["InternLM2ForCausalLM"], num_key_value_heads=2, bias=False, max_position_embeddings=64, rope_theta=5e4), 3, 2, 64, intern)
    folder(root, "baichuan_7b", dict(b, max_position_embeddings=64), 32, HEADS, 64, bai)
    folder(root, "baichuan_13b", dict(b, model_max_length=64), 40, HEADS, 64, bai)
    folder(root, "baichuan2_7b", dict(b, max_position_embeddings=64), 32, HEADS, 125696, bai)
    sys.path[:0] = [converter, os.path.join(converter, "gguf-py")]
    import gguf, pathlib
    from conversion import get_model_class
    for name, arch in (("internlm2", "InternLM2ForCausalLM"), ("baichuan_7b", "BaichuanForCausalLM")):
        cls = get_model_class(arch)
        cls.set_vocab = lambda self: self.gguf_writer.add_string("tokenizer.ggml.model", "none")
        try:
            cls(pathlib.Path(root) / name, gguf.LlamaFileType.ALL_F32, pathlib.Path(root) / f"{name}-converted.gguf").write()
        except Exception as e:
            print(f"-      {name}: the converter fails on it: {type(e).__name__}: {str(e)[:150]}")


def llama(root):
    sys.path.append(HERE)
    from verify_families import llama_logits, no_vocabulary
    bad = 0
    for text in sorted(glob.glob(os.path.join(root, "*.txt"))):
        name = os.path.basename(text)[:-4]
        z = llama_logits(no_vocabulary(text[:-4] + ".gguf"), ROW)
        z = np.asarray(z, np.float64)
        logp = z - z.max(-1, keepdims=True)
        logp -= np.log(np.exp(logp).sum(-1, keepdims=True))
        e = max(abs(logp[i, ROW[i + 1]] - x) for i, x in enumerate(np.loadtxt(text)))
        print(f"{'ok    ' if e < 1e-3 else 'FAILED'} {name}: llama.cpp's log-probabilities {e:.1e} from ours")
        bad += e >= 1e-3
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    make(*sys.argv[2:]) if sys.argv[1] == "make" else llama(sys.argv[2])
