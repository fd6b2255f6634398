"""The chips, with where each number comes from. Nothing here was measured by this project.

  sms, clock    datasheets and whitepapers; clock (GHz) is the one at which sms * 4 quarters * the tensor core's rate gives the stated peak
  peak          dense bf16 with f32 sums, TF/s: datasheets (RTX: the whitepapers' figure for f32 accumulation)
  gemm          TF/s that cuBLAS holds in large products, measured by others:
                H100, H200: 720 (SemiAnalysis, "MI300X vs H100 vs H200 Benchmark Part 1", December 2024, shapes of Llama, normal inputs)
                A100: 267.9 (stas00/ml-engineering, Maximum Achievable Matmul FLOPS, A100 SXM, best shape)
                RTX 5090: 224.3 (main-horse.github.io/posts/5090-mm-perf, torch.matmul 16384 x 8192 x 1280; the card runs above its stated clock)
                RTX 4090: 163.5 (xytpai/gpuk, its hgemm-wmma at 8192^3; no figure of cuBLAS was found)
  fp8           TF/s of fp8 products, H100: 1280 (SemiAnalysis as above)
  memory        GB/s by the datasheet; share: what a copy reaches of it. H100 0.90 (3,016 of 3,350 GB/s device to device, published copy and triad runs),
                RTX 4090 0.914 (921 of 1,008, krrishnarraj/clpeak issue 106). A100, H200, 5090: 0.90 assumed from these two
  mma           cycles of one m16n8k16 in a quarter of an SM, at the peak; sync: the share of it that mma.sync reaches. H100: 0.629 of wgmma's, and all of it
                on Ampere and Ada (Luo et al., arXiv:2501.12084 and 2402.13499)
  far, near     cycles of a load from memory and from the L2 cache: RTX 4090 636/296, RTX 5090 936/360, H100 and H200 690/281 (those of a GH200)
                (markdewing/AI_kernels, latency/README.md); A100 466/262 (arXiv:2402.13499). Published values differ by method: of the H100's memory 479
                (an H800, the same paper), 690, and 834 (a report of mt4g); docs/gpu.md says what that range does
  shared, warps KB of shared memory and warps of an SM (CUDA programming guide); l2: MB of the L2 cache
  holds         GB of memory, datasheets
  arch          whose lines of tests/emu/gpu_budgets.tsv hold; the RTX 5090 compiles from PTX and takes those of sm_89 (assumed)
"""
from collections import namedtuple

Chip = namedtuple("Chip", "name sms clock peak gemm fp8 memory share mma sync far near shared warps blocks l2 arch holds")
CHIPS = (
    Chip("A100 80GB SXM", 108, 1.410, 312.0, 267.9, 0, 2039, 0.90, 8, 1.0, 466, 262, 164, 64, 32, 40, "80", 80),
    Chip("H100 SXM", 132, 1.830, 989.4, 720.0, 1280, 3350, 0.90, 4, 0.629, 690, 281, 228, 64, 32, 50, "90", 80),
    Chip("H200 SXM", 132, 1.830, 989.4, 720.0, 1280, 4800, 0.90, 4, 0.629, 690, 281, 228, 64, 32, 50, "90", 141),
    Chip("RTX 4090", 128, 2.520, 165.2, 163.5, 0, 1008, 0.914, 32, 1.0, 636, 296, 100, 48, 24, 72, "89", 24),
    Chip("RTX 5090", 170, 2.407, 209.5, 224.3, 0, 1792, 0.90, 32, 1.0, 936, 360, 100, 48, 24, 96, "89", 32),
)
LAUNCH_US = 1.5   # from the end of a kernel to the start of the next in a stream, assumed; a graph's launch was published as 1.28 us
BARRIER = 30      # cycles of __syncthreads, assumed: a round trip of shared memory (29 in the papers above)
FEED = 64         # bytes a cycle that an SM takes from the L2 cache at most (CUDA whitepapers since Volta)
SHARED_BYTES = 128  # bytes a cycle of an SM's shared memory


def chip_of(name):
    return next(c for c in CHIPS if name.lower() in c.name.lower())
