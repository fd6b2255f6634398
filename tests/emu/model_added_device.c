/* Added tokens (tests/golden/added_tokens.py) on the CUDA backend, f32. */
#define ADDED_ON_DEVICE
#include "tests/golden/model_added.c"

#include "emu.h"
#include "kernels/cuda/ops_cuda.h"

int main(void)
{
    few = true;
    grow_by(FIRST, N);
    if (strcmp(emu_build(), "plain") == 0)
        for (int k = 0; k < 2; k++) {
            add(k ? "untied" : "tied", pt_cuda_ops(), N_TESTS - 1);
            list[n_list++] = (struct CMUnitTest){k ? "untied: slots" : "tied: slots", test_slots, NULL, NULL, &setups[k]};
        }
    else /* instrumented: the kernels' own tests are thorough */
        add("tied", pt_cuda_ops(), 3);
    (void)test_exports;
    (void)test_refusals;
    return _cmocka_run_group_tests("added tokens, device", list, n_list, scratch_setup, scratch_teardown);
}
