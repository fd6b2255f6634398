#!/usr/bin/env python3
"""Do llama.cpp, transformers and PEFT read the exports of every family, and do we read what llama.cpp's converter writes?

Run:  PTRAIN_KEEP_EXPORTS=DIR build/gcc/tests/golden/model_families_exports
      python tests/golden/verify_families.py transformers DIR [family ...]           (transformers 5.24.0, peft 0.21.2)
      python tests/golden/verify_families.py llama DIR [family ...]                  (llama_cpp_python 0.3.36: low-level calls, no vocabulary)
      python tests/golden/verify_families.py convert DIR CONVERTER [family ...]      (CONVERTER: vendor/llama.cpp of that package's source; writes
                                                                                      DIR/family/converted.gguf from the golden folder; then the C program, run
                                                                                      again, reads and compares them)
transformers writes DIR/family/logits.npy of the merged folder and of base + PEFT (they must agree); llama compares its own logits with them (f32).
Limits: 1e-3 of the largest logit; transformers against PEFT 1e-4.
"""
import json, os, shutil, sys
import numpy as np
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path = [p for p in sys.path if os.path.abspath(p) != HERE]
FAMILIES = os.path.join(HERE, "data", "families")
bad = 0


def say(ok, text):
    global bad
    print(("ok     " if ok else "FAILED ") + text)
    bad += not ok


def row(family):
    g = json.load(open(os.path.join(FAMILIES, family, "golden.json")))
    return g["rows"][2]["ids"] if "rows" in g else g["sft"][2]["ids"]


def centred(z):
    z = np.asarray(z, np.float64)
    return z - z.mean(-1, keepdims=True)


def with_transformers(root, families):
    import torch
    from peft import PeftModel
    sys.path.append(HERE)
    import families_remote  # noqa: F401 (registers its models)
    from transformers import AutoModelForCausalLM
    for f in families:
        at = lambda n: os.path.join(root, f, n)
        ids = torch.tensor([row(f)])
        load = lambda p: AutoModelForCausalLM.from_pretrained(p, dtype=torch.float32, attn_implementation="eager")
        with torch.no_grad():
            merged = load(at("merged"))(ids).logits[0].numpy()
            base = load(os.path.join(FAMILIES, f))
            plain = base(ids).logits[0].numpy()
            tuned = PeftModel.from_pretrained(base, at("peft"))(ids).logits[0].numpy()
            e = np.abs(merged - tuned).max()
            say(e < 1e-4 and np.abs(merged - plain).max() > 1e-2, f"{f}: transformers' merged folder against PEFT's adapter: {e:.1e}")
            if os.path.isdir(at("of_gguf")):
                e = np.abs(load(at("of_gguf"))(ids).logits[0].numpy() - plain).max()
                say(e < 1e-4, f"{f}: transformers' folder of the GGUF file against the base: {e:.1e}")
        np.save(at("logits.npy"), merged)
        np.save(at("plain.npy"), plain)


def no_vocabulary(path):
    """The same file, saying that it has no vocabulary (llama.cpp asks for one)."""
    import gguf
    r = gguf.GGUFReader(path)
    arch = bytes(r.fields["general.architecture"].parts[-1]).decode()
    out = path[:-5] + "-none.gguf"
    w = gguf.GGUFWriter(out, arch)
    for name, f in r.fields.items():
        if name.startswith("GGUF.") or name == "general.architecture":
            continue
        t = f.types[0]
        if t == gguf.GGUFValueType.ARRAY:
            w.add_array(name, [f.parts[i].tolist()[0] for i in f.data])
        elif t == gguf.GGUFValueType.STRING:
            w.add_string(name, bytes(f.parts[-1]).decode())
        else:
            w.add_key_value(name, f.parts[-1][0].item(), t)
    if "tokenizer.ggml.model" not in r.fields:
        w.add_string("tokenizer.ggml.model", "none")
    for t in r.tensors:
        w.add_tensor(t.name, np.array(t.data))
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()
    return out


def llama_logits(path, ids, lora=None):
    import ctypes, llama_cpp as c
    mp = c.llama_model_default_params()
    mp.use_mmap = False
    m = c.llama_model_load_from_file(path.encode(), mp)
    if not m:
        return None
    cp = c.llama_context_default_params()
    cp.n_ctx = 256
    cp.n_batch = cp.n_ubatch = 256
    cp.type_k = cp.type_v = 0  # f32
    cp.flash_attn_type = 0
    x = c.llama_init_from_model(m, cp)
    if lora:
        a = c.llama_adapter_lora_init(m, lora.encode())
        if not a:
            return None
        if hasattr(c, "llama_set_adapter_lora"):
            c.llama_set_adapter_lora(x, a, 1.0)
        else:
            c.llama_set_adapters_lora(x, (ctypes.c_void_p * 1)(a), 1, (ctypes.c_float * 1)(1.0))
    n = len(ids)
    b = c.llama_batch_init(n, 0, 1)
    b.n_tokens = n
    for i, t in enumerate(ids):
        b.token[i], b.pos[i], b.n_seq_id[i], b.seq_id[i][0], b.logits[i] = t, i, 1, 0, 1
    assert c.llama_decode(x, b) == 0
    v = c.llama_vocab_n_tokens(c.llama_model_get_vocab(m))
    z = np.array([np.ctypeslib.as_array(c.llama_get_logits_ith(x, i), (v,)).copy() for i in range(n)])
    c.llama_free(x)
    c.llama_model_free(m)
    return z


def with_llama(root, families):
    import llama_cpp
    for f in families:
        at = lambda n: os.path.join(root, f, n)
        if not os.path.exists(at("merged.gguf")):
            print(f"-      {f}: no GGUF")
            continue
        want, plain = centred(np.load(at("logits.npy"))), centred(np.load(at("plain.npy")))
        base = no_vocabulary(at("base.gguf"))
        for what, path, lora, z in (("merged GGUF", no_vocabulary(at("merged.gguf")), None, want), ("GGUF of the base", base, None, plain), ("base + GGUF LoRA", base, at("lora.gguf"), want)):
            got = llama_logits(path, row(f), lora)
            if got is None:
                say(False, f"{f}: llama.cpp does not load the {what}")
                continue
            e = np.abs(centred(got) - z).max() / np.abs(z).max()
            say(e < 1e-3, f"{f}: llama.cpp's logits of the {what}: {e:.1e} of the largest")


def convert(root, converter, families):
    """Runs the converter's model class without a vocabulary: tiny golden folders have none."""
    sys.path.insert(0, converter)
    sys.path.insert(0, os.path.join(converter, "gguf-py"))
    import pathlib
    from conversion import get_model_class
    import gguf
    for f in families:
        d, out = pathlib.Path(root) / f / "to_convert", pathlib.Path(root) / f / "converted.gguf"
        shutil.copytree(os.path.join(FAMILIES, f), d, dirs_exist_ok=True)
        json.dump({"model": {"vocab": {str(i): i for i in range(64)}}, "added_tokens": []}, open(d / "tokenizer.json", "w"))  # some classes count it
        config = json.load(open(d / "config.json"))
        try:
            cls = get_model_class(config["architectures"][0])
            cls.set_vocab = lambda self: self.gguf_writer.add_string("tokenizer.ggml.model", "none")
            x = cls(d, gguf.LlamaFileType.ALL_F32, out)
            x.write()
            say(out.exists(), f"{f}: converted by {cls.__name__}")
        except Exception as e:
            say(False, f"{f}: {type(e).__name__}: {str(e)[:200]}")


def main(what, root, *rest):
    if what == "convert":
        # not of these: the converter drops gpt2_scale's scale and falcon_rw's ALiBi, Mistral's window and Gemma 3's list of layers, has no word for qwen3's and smollm3's as these have them, and loses StableLM 2 12B's norms of q and k (a return in a generator)
        return convert(root, rest[0], rest[1:] or sorted(set(os.listdir(FAMILIES)) - {"mistral", "qwen3", "smollm3_window", "gemma3_text", "gpt2_scale", "falcon_rw", "opt", "opt_350m", "stablelm_12b"}))
    families = rest or sorted(os.listdir(FAMILIES))
    with_transformers(root, families) if what == "transformers" else with_llama(root, families)


if __name__ == "__main__":
    main(*sys.argv[1:])
    sys.exit(1 if bad else 0)
