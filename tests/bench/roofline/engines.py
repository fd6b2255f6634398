"""Published figures of two other engines, and what a micro-batch of theirs launches, counted in their sources: the check of chips.py, with no number tuned to it.

Figures: the benchmark page of invergent-ai/surogate, which gives both engines (docs/docs/reference/benchmarks.md at bb003825, 18 February 2026; today's page has the
same of an H100; OLDER are those of an earlier edition that differ, up to 14 %). Qwen3 dense, LoRA r 16 on all seven matrices, packed rows of 2,048 tokens, 2 rows a
micro-batch, 4 micro-batches a step.

Surogate at bb003825 (paths below csrc/src unless said):
  products   q k v in one, gate and up in one (surogate/dsl/blocks/qwen3.py); backward runs every product of the layer again, down's too, but not attention
             (recompute_policy of each activation there; runtime/dsl/recompute_plan.cpp runs all but fft_only's attention)
  LoRA       forward t, a kernel that scales t, y += t B; backward x A again, scale, dB, dt, scale, dA for each matrix, then one dx a group, which packs t and A by two copies a
             member (runtime/lora/lora_model_utils.h)
  head       all rows at once, bf16 logits; logits made again in backward; the loss reads them once, its gradient reads and writes them (runtime/ops/fused_lm_head_loss.cpp)
  norms      residual and norm in one kernel; norm of heads and rope in one over all of q k v
  FP8        base products in e4m3 and, backward, e5m2: inputs quantised from their known maximum (3 bytes each); weights kept both ways; head and LoRA bf16
  NF4        its configuration (examples/sft/qwen3-lora-qbnb.yaml) computes in FP8: weights to bf16 twice a micro-batch (a pool of four, dsl_model.cpp), then taken to be made FP8
             before each product (maximum and cast, 5 bytes; transposed for dx, 2 more): that no copy is kept is how the code was read, not certain
  attention  cuDNN (runtime/ops/flash_attention.cpp)
Unsloth at 015bdef0 (August 2026; the page does not say which version it ran):
  products   one a matrix; whole layers run again (checkpointing is its default); dx of a group by adding: all but the first read dx (unsloth/kernels/fast_lora.py)
  LoRA       A and B are f32 and cast before each use; forward t, y += t B; backward dt, dA, x A again, dB, dt again, dx += dt A for each matrix; two more
             launches a gradient, which autograd casts and adds
  NF4        bitsandbytes to bf16 before every product, three launches (unsloth/kernels/utils.py)
  norms      residual, norm, norm of heads, rope: a kernel each; gated's backward writes the activation too
  head       two products; the loss compiled by torch: maximum, sum, gradient (unsloth_zoo/fused_losses)
  attention  FlashAttention 2
Assumed of both: no time of the host, rows of one document, weights and activations of bf16 through cuBLAS; Unsloth's copies of checkpoints to the host run beside (streams of their own).
Attention rates of Shah et al. (arXiv:2407.08608), H100, heads of 128, rows of 2,048: forward causal cuDNN 484, FlashAttention 2 298 TF/s; backward is given without a mask only,
465 and 291: taken times what the mask costs forward (484/617 and 298/362). Other chips have no wgmma: the share of mma.sync's rate that FlashAttention 2 has there (assumed).
"""
import kernels as k
import step
from chips import LAUNCH_US

ATTENTION = {"cudnn": (484.0, 465.0 * 484 / 617), "fa2": (298.0, 291.0 * 298 / 362)}
MODELS = (step.QWEN_06B, step.Model("Qwen3-1.7B", 28, 2048, 6144, 16, 8, 128, 151936, True, "bf16"), step.Model("Qwen3-4B", 36, 2560, 9728, 32, 8, 128, 151936, True, "bf16"),
          step.QWEN_8B, step.Model("Qwen3-14B", 40, 5120, 17408, 40, 8, 128, 151936, True, "bf16"), step.Model("Qwen3-32B", 64, 5120, 25600, 64, 8, 128, 151936, True, "bf16"))
SIZES = ("0.6B", "1.7B", "4B", "8B", "14B", "32B")
# Thousand tokens/s by MODELS; None: no figure. FP8 on an RTX 5090 is left out: no rate of its products was found.
PUBLISHED = (
    ("H100 SXM", "Surogate", "bf16", "", (53.9, 32.8, 15.9, 10.2, 6.0, None)),
    ("H100 SXM", "Surogate", "fp8", "", (51.2, 33.0, 17.0, 11.6, 7.2, None)),
    ("H100 SXM", "Surogate", "nf4", "", (16.6, 16.1, 11.0, 9.4, 6.1, None)),
    ("H100 SXM", "Unsloth", "bf16", "", (21.3, 20.8, 12.4, 8.9, 5.6, 2.6)),
    ("H100 SXM", "Unsloth", "nf4", "", (18.0, 18.0, 11.5, 8.2, 5.2, 2.4)),
    ("H100 SXM", "Surogate", "bf16", "older", (None, None, None, 11.6, None, None)),
    ("H100 SXM", "Surogate", "fp8", "older", (None, None, None, 12.9, None, None)),
    ("H100 SXM", "Unsloth", "bf16", "older", (None, None, None, 9.1, None, None)),
    ("H100 SXM", "Unsloth", "nf4", "older", (None, None, None, 8.6, None, None)),
    ("H200 SXM", "Surogate", "bf16", "older", (None, None, None, 11.7, None, None)),
    ("H200 SXM", "Surogate", "fp8", "older", (None, None, None, 14.0, None, None)),
    ("H200 SXM", "Unsloth", "bf16", "", (21.7, 21.4, 12.8, 9.1, None, None)),
    ("H200 SXM", "Unsloth", "nf4", "", (18.3, 18.3, 12.1, 8.4, None, None)),
    ("RTX 5090", "Surogate", "bf16", "", (30.1, 14.0, 6.8, 3.8, None, None)),
    ("RTX 5090", "Unsloth", "bf16", "", (22.1, 12.6, 6.1, 3.5, None, None)),
    ("RTX 5090", "Unsloth", "nf4", "", (19.1, 12.0, 6.0, 3.4, None, None)),
)
GPU_BOUND = 2  # from which of SIZES on: below it the time hardly falls with the model (Unsloth's 0.6B and 1.7B take the same), so it is the host's


def attention_ms(chip, m, docs, which, forwards):
    flops = sum(4.0 * d * (d + 1) / 2 * m.heads * m.dim for d in docs)
    fwd, bwd = ATTENTION[which] if chip.arch == "90" else (r / (989.4 * 0.629) * chip.peak for r in ATTENTION["fa2"])
    return forwards * flops / (fwd * 1e9) + 2.5 * flops / (bwd * 1e9)


def surogate_layer(chip, m, n, weights):
    """Microseconds of a layer by op."""
    t, r, stream, product = {"linear": 0.0, "lora": 0.0}, step.RANK, k.stream_us, k.product_us
    rate = chip.fp8 if weights in ("fp8", "nf4") else None
    tiny = stream(chip, 4.0 * n * r)  # scales t
    for group in step.matrices(m):
        i, outs = group[0][0], [o for _, o in group]
        total = sum(outs)
        t["linear"] += 2 * product(chip, n, total, i, 2, rate) + product(chip, n, i, total, 2, rate)
        if rate:
            t["linear"] += 2 * stream(chip, 3.0 * n * i) + stream(chip, 3.0 * n * total)
        if weights == "nf4":
            t["linear"] += 2 * stream(chip, 2.53 * i * total) + 3 * (stream(chip, 2.0 * i * total) + stream(chip, 3.0 * i * total)) + stream(chip, 2.0 * i * total)
        for o in outs:
            t["lora"] += 2 * (product(chip, n, r, i) + tiny + product(chip, n, o, r) + k.move_us(chip, 2.0 * n * o))
            t["lora"] += product(chip, n, r, i) + product(chip, r, o, n, 4) + product(chip, n, r, o) + product(chip, r, i, n, 4) + 2 * tiny
        parts = len(outs)
        t["lora"] += product(chip, n, i, r * parts) + k.move_us(chip, 2.0 * n * i) + (2 * parts * LAUNCH_US if parts > 1 else 0)
    x, q, f = 2.0 * n * m.width, 2.0 * n * (m.heads + 2 * m.kv) * m.dim, 2.0 * n * m.ff
    passes = 2 * [4 * x] + [2 * x, 4 * x] + 2 * [4 * x] + 2 * [2 * q] + [3 * q] + 2 * [3 * f] + [5 * f]
    t["norm, rope, gated"] = sum(stream(chip, b) for b in passes)
    return t


def unsloth_layer(chip, m, n, weights):
    t, r, stream, product = {"linear": 0.0, "lora": 0.0}, step.RANK, k.stream_us, k.product_us
    for group in step.matrices(m):
        for at, (i, o) in enumerate(group):
            before = stream(chip, 2.53 * i * o) + 2 * LAUNCH_US if weights == "nf4" else 0.0
            t["linear"] += 2 * product(chip, n, o, i) + product(chip, n, i, o) + 3 * before + (k.move_us(chip, 2.0 * n * i) if at else 0.0)
            down, up = product(chip, n, r, i), product(chip, n, o, r) + k.move_us(chip, 2.0 * n * o)
            t["lora"] += 2 * (down + up + 2 * LAUNCH_US)
            t["lora"] += 2 * product(chip, n, r, o) + down + product(chip, r, i, n) + product(chip, r, o, n) + product(chip, n, i, r) + k.move_us(chip, 2.0 * n * i) + 6 * LAUNCH_US
    x, q, f = 2.0 * n * m.width, 2.0 * n * (m.heads + m.kv) * m.dim, 2.0 * n * m.ff
    passes = 2 * 2 * [2 * x, 3 * x] + 2 * [3 * x, 3 * x]   # norms and residuals, forward twice, backward
    passes += 2 * [2 * q] + [3 * q] + 2 * [2 * q] + [2 * q]  # norms of heads, rope
    passes += 2 * [3 * f] + [6 * f]                          # gated
    t["norm, rope, gated"] = sum(stream(chip, b) for b in passes)
    return t


def micro_batch_ms(chip, m, engine, weights, docs=step.DOCS):
    """{op: ms}"""
    n, ours = sum(docs), engine == "Surogate"
    t = (surogate_layer if ours else unsloth_layer)(chip, m, n, weights)
    t = {op: v * m.layers / 1e3 for op, v in t.items()}
    t["attention"] = attention_ms(chip, m, docs, "cudnn" if ours else "fa2", 1 if ours else 2) * m.layers
    v = float(n) * m.vocab
    logits, losses = (2, (2.0, 4.0)) if ours else (1, (2.0, 2.0, 4.0))
    head = logits * k.product_us(chip, n, m.vocab, m.width) + k.product_us(chip, n, m.width, m.vocab) + sum(k.stream_us(chip, b * v) for b in losses)
    t["head"] = head / 1e3
    t["optimiser"] = (k.move_us(chip, 20.0 * step.params(m)) + 14 * m.layers * LAUNCH_US) / 4 / 1e3
    return t


# cuBLAS on an H100, one product at a time: openxla/xla, xla/service/gpu/model/matmul_interpolator_data.h (sm_90, bf16), TF/s. Short runs: the clock is not yet
# held down as in a step.
XLA = (((2048, 4096, 4096), 753.6), ((4096, 4096, 2048), 738.7), ((4096, 1024, 4096), 738.5), ((1024, 4096, 4096), 738.5), ((4096, 512, 4096), 650.0),
       ((4096, 1024, 2048), 632.0), ((2048, 4096, 1024), 594.2), ((4096, 4096, 512), 543.1), ((512, 4096, 2048), 522.2), ((256, 4096, 4096), 412.0),
       ((1024, 2048, 1024), 373.3), ((2048, 256, 4096), 307.5), ((512, 512, 4096), 174.5), ((256, 256, 4096), 84.3))


def product_tf(chip, m, n, depth):
    return 2.0 * m * n * depth / k.product_us(chip, m, n, depth) / 1e6
