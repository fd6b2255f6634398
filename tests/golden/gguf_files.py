"""A small GGUF file by the gguf package, which our reader must read and our writer must write byte for byte.

Run:  python tests/golden/gguf_files.py       writes tests/golden/data/gguf_all.gguf
Made with gguf 0.19.0, numpy 2.4.6."""
import os

import numpy as np
from gguf import GGUFWriter, GGUFValueType, GGMLQuantizationType

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data", "gguf_all.gguf")
w = GGUFWriter(OUT, "llama")
w.add_string("general.name", "tiny \u4e2d\u6587")
w.add_uint32("llama.block_count", 2)
w.add_int32("test.i32", -7)
w.add_uint64("test.u64", 1 << 40)
w.add_float32("llama.rope.freq_base", 10000.0)
w.add_bool("tokenizer.ggml.add_bos_token", True)
w.add_array("tokenizer.ggml.tokens", ["<unk>", "a", "\u0120b", ""])
w.add_array("tokenizer.ggml.scores", [0.0, -1.5, -2.0, 0.25])
w.add_array("tokenizer.ggml.token_type", [2, 1, 1, 3])
x = np.arange(64, dtype=np.float32).reshape(2, 32) / 8
w.add_tensor("token_embd.weight", x)
w.add_tensor("output_norm.weight", np.array([1, 2, 3], dtype=np.float32))
w.add_tensor("blk.0.attn_q.weight", np.arange(2 * 34, dtype=np.uint8).reshape(2, 34), raw_dtype=GGMLQuantizationType.Q8_0)
w.add_tensor("blk.0.attn_k.weight", x.astype(np.float16))
w.write_header_to_file()
w.write_kv_data_to_file()
w.write_tensors_to_file()
w.close()
print(OUT, os.path.getsize(OUT))
# the scalar types that our writer does not make, for the reader
OUT = os.path.join(os.path.dirname(OUT), "gguf_types.gguf")
w = GGUFWriter(OUT, "llama")
for name, t, v in (("u8", "UINT8", 200), ("i8", "INT8", -100), ("u16", "UINT16", 60000), ("i16", "INT16", -30000), ("i64", "INT64", -(1 << 40)),
                   ("f64", "FLOAT64", 0.1), ("huge", "UINT64", (1 << 64) - 1)):
    w.add_key_value("test." + name, v, GGUFValueType[t])
w.add_array("test.bools", [True, False])
w.write_header_to_file()
w.write_kv_data_to_file()
w.write_tensors_to_file()
w.close()
print(OUT, os.path.getsize(OUT))
