"""What PEFT says of adapters: a saved adapter with patterns, and which modules a table of configurations targets.

Run:   python tests/golden/peft_files.py               writes tests/golden/data/peft_adapter/ and tests/golden/data/peft_targets.json
Check: python tests/golden/peft_files.py --check DIR    loads an adapter that ptrain wrote (checkpoints_peft_adapter leaves one
       when PTRAIN_KEEP names a folder) into the same model, and compares it with the golden one
Made with peft 0.21.2, torch 2.15.0, transformers 5.23.0."""
import json
import os
import sys

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from peft.tuners.tuners_utils import check_target_module_exists
from peft.utils.other import get_pattern_key
from transformers import LlamaConfig, LlamaForCausalLM

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data")
torch.manual_seed(5)
base = LlamaForCausalLM(LlamaConfig(hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2,
                                    num_key_value_heads=1, vocab_size=20, tie_word_embeddings=True))
if len(sys.argv) == 3 and sys.argv[1] == "--check":
    import copy

    def load(path):
        m = PeftModel.from_pretrained(copy.deepcopy(base), path)
        scales = {n: x.scaling["default"] for n, x in m.named_modules() if isinstance(getattr(x, "scaling", None), dict)}
        return {n: p for n, p in m.named_parameters() if "lora_" in n}, scales, m(torch.arange(12)[None]).logits

    want, got = load(os.path.join(HERE, "peft_adapter")), load(sys.argv[2])
    assert want[0].keys() == got[0].keys() and len(got[0]) == 12
    assert all(torch.equal(want[0][n], got[0][n]) for n in want[0]) and want[1] == got[1] and torch.equal(want[2], got[2])
    print("PEFT reads the same", len(got[0]), "tensors, scales and logits")
    sys.exit(0)

cfg = LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj", "v_proj", "down_proj"], rank_pattern={"q_proj": 2}, lora_dropout=0.05,
                 alpha_pattern={"layers.1.mlp.down_proj": 32}, use_rslora=True, task_type="CAUSAL_LM")
m = get_peft_model(base, cfg)
with torch.no_grad():
    for n, p in m.named_parameters():
        if "lora_B" in n:
            p.copy_(torch.arange(p.numel()).reshape(p.shape) / 64)
m.save_pretrained(os.path.join(HERE, "peft_adapter"))
readme = os.path.join(HERE, "peft_adapter", "README.md")
if os.path.exists(readme):
    os.remove(readme)

paths = []
for i in (0, 1, 10, 11):
    for n in ("self_attn.q_proj", "self_attn.k_proj", "self_attn.o_proj", "mlp.up_proj", "mlp.down_proj", "mlp.gate_up_proj"):
        paths.append(f"model.layers.{i}.{n}")
paths += ["lm_head", "score", "model.embed_tokens", "q_proj", "encoder.q_proj", "model.layers.1.experts.10.q_proj", "a.b.7.q_proj",
          "model.score.dense.q_proj", "xq_proj", "h.1.q_proj", "1.q_proj"]
configs = [
    dict(target_modules=["q_proj", "up_proj"]),
    dict(target_modules=["self_attn.k_proj", "model.layers.1.mlp.down_proj"]),
    dict(target_modules=r".*\.(q|k)_proj"),
    dict(target_modules=r"model\.layers\.1\d?\..*proj"),
    dict(target_modules=r"(?P<all>.*)up_proj$"),
    dict(target_modules=["q_proj", "down_proj"], exclude_modules=["layers.10.mlp.down_proj", "q_proj"]),
    dict(target_modules=["q_proj", "down_proj"], exclude_modules=r".*\.1\d\..*"),
    dict(target_modules=["q_proj", "down_proj"], layers_to_transform=1),
    dict(target_modules=["q_proj", "down_proj"], layers_to_transform=[0, 10, 7]),
    dict(target_modules=["q_proj", "down_proj"], layers_to_transform=[1, 10], layers_pattern="layers"),
    dict(target_modules=["q_proj", "down_proj"], layers_to_transform=[10, 7], layers_pattern=["experts", "b"]),
    dict(target_modules=["q_proj", "score"], modules_to_save=["score"]),
    dict(r=16, lora_alpha=32, target_modules=["q_proj", "down_proj", "k_proj"], rank_pattern={"q_proj": 4, "layers.1.mlp.down_proj": 8, "^k_proj": 3},
         alpha_pattern={r"layers\.1\d\..*": 7, "down_proj": 64}),
    dict(r=16, lora_alpha=32, use_rslora=True, target_modules=["q_proj"], rank_pattern={r"model.layers.(0|10).self_attn.q_proj": 4}),
]
rows = []
for kw in configs:
    c = LoraConfig(**kw)
    j = {k: (sorted(v) if isinstance(v, set) else v) for k, v in c.to_dict().items()
         if k in ("target_modules", "exclude_modules", "layers_to_transform", "layers_pattern", "modules_to_save", "rank_pattern",
                  "alpha_pattern", "r", "lora_alpha", "use_rslora", "peft_type")}
    j["peft_type"] = "LORA"
    hits = {}
    for p in paths:
        hit = check_target_module_exists(c, p)
        if not hit or type(hit).__name__ == "_ExcludedModule":
            continue
        r = c.rank_pattern.get(get_pattern_key(c.rank_pattern.keys(), p), c.r)
        a = c.alpha_pattern.get(get_pattern_key(c.alpha_pattern.keys(), p), c.lora_alpha)
        hits[p] = [r, a, a / (r ** 0.5 if c.use_rslora else r)]
    rows.append({"config": j, "hits": hits})
with open(os.path.join(HERE, "peft_targets.json"), "w") as f:
    json.dump({"paths": paths, "cases": rows}, f, indent=1)
    f.write("\n")
print(len(rows), "configurations,", [len(r["hits"]) for r in rows])
