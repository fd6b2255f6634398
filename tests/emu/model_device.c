/* The golden models of tests/golden on the CUDA backend: logits, gradients by name, ten steps, scores, greedy text; f32 within
 * the budget of f32, bf16 within twice the error of PyTorch's bf16 run. */
#define GOLDEN_ON_DEVICE
#include "tests/golden/model_golden.c"

#include "emu.h"
#include "kernels/cuda/ops_cuda.h"

int main(void)
{
    static const char *const families[] = {"llama", "mistral", "qwen2", "qwen3"};
    few = true;
    if (strcmp(emu_build(), "plain") == 0) {
        for (size_t f = 0; f < 4; f++) {
            add(families[f], pt_cuda_ops(), PT_COMPUTE_F32, SIZE_MAX);
            add(families[f], pt_cuda_ops(), PT_COMPUTE_BF16, SIZE_MAX);
        }
    } else { /* instrumented: a window, q and k norms; logits and full gradients */
        add(strcmp(emu_build(), "check") == 0 ? "mistral" : "qwen3", pt_cuda_ops(), PT_COMPUTE_BF16, 2);
    }
    return _cmocka_run_group_tests("model golden, device", list, n_list, NULL, NULL);
}
