/* The golden models of tests/golden on the CUDA backend: logits, gradients by name, ten steps, scores, greedy text; f32 within the budget
 * of f32, bf16 within twice the error of PyTorch's bf16 run. */
#define GOLDEN_ON_DEVICE
#include "tests/golden/model_golden.c"

#include "emu.h"
#include "kernels/cuda/ops_cuda.h"

int main(void)
{
    static const char *const families[] = {"llama", "mistral", "qwen2", "qwen3"};
    /* instrumented builds take the families that differ most: window; biases; q and k norms come with the plain build */
    size_t n = strcmp(emu_build(), "plain") == 0 ? 4 : 2;
    for (size_t f = 0; f < n; f++) {
        if (n == 4) add(families[f], pt_cuda_ops(), PT_COMPUTE_F32);
        add(families[f], pt_cuda_ops(), PT_COMPUTE_BF16);
    }
    return _cmocka_run_group_tests("model golden, device", list, n_list, NULL, NULL);
}
