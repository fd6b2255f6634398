/* The golden data of families of decoders (tests/golden/families.py) on the CUDA backend, f32. Of each family logits, gradients in one layout of a batch and a
 * short continuation; steps, which know no family, of the first. EMU_FAMILIES=all (make test-full): all layouts, whole continuations, steps of each. */
#define FAMILIES_ON_DEVICE
#include "tests/golden/model_families.c"

#include "emu.h"
#include "kernels/cuda/ops_cuda.h"

int main(void)
{
    const bool all = getenv("EMU_FAMILIES") != NULL;
    few = !all;
    if (strcmp(emu_build(), "plain") == 0)
        for (int f = 0; f < N_FAMILIES; f++) add(families[f], pt_cuda_ops(), all ? N_TESTS : f == 0 ? N_TESTS - 1 : N_TESTS - 2);
    else /* instrumented: the kernels' own tests are thorough */
        add(families[0], pt_cuda_ops(), 1);
    list[n_list++] = (struct CMUnitTest){"the table has every family", test_table, NULL, NULL, NULL};
    return _cmocka_run_group_tests("model families, device", list, n_list, NULL, NULL);
}
