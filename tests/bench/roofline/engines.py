"""Two other engines' published figures, by the same products, memory and launches: the check of chips.py that no number was tuned for.

Surogate's benchmark page (docs.surogate.ai/reference/benchmarks, read 30 November 2026): Qwen3-8B, LoRA r 16 on all seven matrices, packed rows of 2,048 tokens,
2 rows a micro-batch, 4 micro-batches a step, H100 80GB HBM3: Surogate bf16 10.2k tokens/s, FP8 11.6k, NF4 9.4k; Unsloth bf16 8.9k, NF4 8.2k.
An older edition of the page (docs/docs/reference/benchmarks.md of the project's repository) has other figures for an H100 SXM, up to 14 % apart, and an H200.

Their plans, as they publish them; the rest is assumed and said so:
  Surogate  recompute on (its default, and its benchmark's configuration leaves it), CUDA graphs, adamw_8bit, cuDNN attention
  Unsloth   gradient checkpointing of whole layers (the default of get_peft_model), FlashAttention 2, NF4 by bitsandbytes
  both      weights in bf16 through cuBLAS; LoRA as two products beside each; every token supervised
  assumed   no time of the host; recompute runs the whole layer again, but for Surogate's last product (nothing in backward needs it); NF4 weights become
            bf16 before every product (0.53 bytes read, 2 written); each elementwise op passes memory once; logits in bf16, made and turned into gradients in two passes each
  attention rates of Shah et al. (arXiv:2407.08608), H100, heads of 128, rows of 2,048: forward causal cuDNN 484, FlashAttention 2 298 TF/s; backward is given
            without a mask only, 465 and 291: taken times what the mask costs forward (484/617 and 298/362)
"""
import kernels as k
import step
from chips import LAUNCH_US

ATTENTION = {"cudnn": (484.0, 465.0 * 484 / 617), "fa2": (298.0, 291.0 * 298 / 362)}
# (chip, engine, tokens/s of Qwen3-8B, attention, weights, last product again)
TODAY, OLDER = "today's page", "older page"
PUBLISHED = (
    ("H100 SXM", "Surogate bf16", TODAY, 10200, "cudnn", "bf16", False),
    ("H100 SXM", "Surogate FP8", TODAY, 11600, "cudnn", "fp8", False),
    ("H100 SXM", "Surogate NF4", TODAY, 9400, "cudnn", "nf4", False),
    ("H100 SXM", "Unsloth bf16", TODAY, 8900, "fa2", "bf16", True),
    ("H100 SXM", "Unsloth NF4", TODAY, 8200, "fa2", "nf4", True),
    ("H100 SXM", "Surogate bf16", OLDER, 11600, "cudnn", "bf16", False),
    ("H100 SXM", "Surogate FP8", OLDER, 12900, "cudnn", "fp8", False),
    ("H100 SXM", "Unsloth bf16", OLDER, 9100, "fa2", "bf16", True),
    ("H100 SXM", "Unsloth NF4", OLDER, 8600, "fa2", "nf4", True),
    ("H200 SXM", "Surogate bf16", OLDER, 11700, "cudnn", "bf16", False),
    ("H200 SXM", "Surogate FP8", OLDER, 14000, "cudnn", "fp8", False),
    ("H200 SXM", "Unsloth bf16", OLDER, 9100, "fa2", "bf16", True),
    ("H200 SXM", "Unsloth NF4", OLDER, 8400, "fa2", "nf4", True),
)


def product(chip, n, i, o, weights):
    """One of the three products of a matrix, with what its weights need before it."""
    if weights == "fp8":  # inputs to fp8: read twice (scale, then cast), written once; the weights are kept
        return k.product_us(chip, n, o, i, 2, chip.fp8) + k.stream_us(chip, 5.0 * n * i)
    before = k.stream_us(chip, 2.53 * i * o) if weights == "nf4" else 0.0
    return before + k.product_us(chip, n, o, i)


def lora(chip, n, i, o, backward):
    """Two skinny products forward, four backward; those that add to y and dx read them too."""
    r, again = step.RANK, k.move_us(chip, 2.0 * n * (i if backward else o))
    if backward:
        return k.product_us(chip, n, r, o) + k.product_us(chip, n, i, r) + again + k.product_us(chip, r, o, n, 4) + k.product_us(chip, r, i, n, 4)
    return k.product_us(chip, n, r, i) + k.product_us(chip, n, o, r) + again


def micro_batch_ms(chip, m, attention, weights, last_again, docs=step.DOCS):
    n, t = sum(docs), {"linear": 0.0, "lora": 0.0}
    flat = [w for g in step.matrices(m) for w in g]
    for at, (i, o) in enumerate(flat):
        forward = 2 if last_again or at < len(flat) - 1 else 1
        t["linear"] += forward * product(chip, n, i, o, weights) + product(chip, n, o, i, weights)
        t["lora"] += forward * lora(chip, n, i, o, False) + lora(chip, n, i, o, True)
    flops = sum(4.0 * d * (d + 1) / 2 * m.heads * m.dim for d in docs)
    fwd, bwd = ATTENTION[attention]
    t["attention"] = 2 * flops / (fwd * 1e6) + 2.5 * flops / (bwd * 1e6)
    x, q, f = 2.0 * n * m.width, 2.0 * n * (m.heads + m.kv) * m.dim, 2.0 * n * m.ff
    passes = 2 * 2 * [4 * x] + 2 * [4 * x] + 2 * [2 * x]      # norms with the residual, forward twice and backward; sums of gradients
    passes += 2 * [2 * q] + [3 * q] + 2 * [2 * q] + [2 * q]  # norms of heads, rope
    passes += 2 * [3 * f] + [5 * f]                          # gated
    t["norm, rope, gated"] = sum(k.stream_us(chip, b) for b in passes)
    t = {op: v * m.layers / 1e3 for op, v in t.items()}
    head = k.product_us(chip, n, m.vocab, m.width) + k.product_us(chip, n, m.width, m.vocab) + 2 * k.stream_us(chip, 4.0 * n * m.vocab)
    t["head"] = head / 1e3
    t["optimiser"] = (k.move_us(chip, 20.0 * step.params(m)) / 4 + LAUNCH_US) / 1e3
    return t


# cuBLAS on an H100, one product at a time: openxla/xla, xla/service/gpu/model/matmul_interpolator_data.h (sm_90, bf16), TF/s. Short runs: the clock is not yet
# held down as in a step.
XLA = (((2048, 4096, 4096), 753.6), ((4096, 4096, 2048), 738.7), ((4096, 1024, 4096), 738.5), ((1024, 4096, 4096), 738.5), ((4096, 512, 4096), 650.0),
       ((4096, 1024, 2048), 632.0), ((2048, 4096, 1024), 594.2), ((4096, 4096, 512), 543.1), ((512, 4096, 2048), 522.2), ((256, 4096, 4096), 412.0),
       ((1024, 2048, 1024), 373.3), ((2048, 256, 4096), 307.5), ((512, 512, 4096), 174.5), ((256, 256, 4096), 84.3))


def product_tf(chip, m, n, depth):
    return 2.0 * m * n * depth / k.product_us(chip, m, n, depth) / 1e6
