/* Generation on the CUDA backend: prompts that share runs of the cache, places that are taken again, tokens behind a cache, against the CPU one prompt at a time; f32. */
#define BATCHING_ON_DEVICE
#include "tests/invariant/model_batching.c"

#include "emu.h"
#include "kernels/cuda/ops_cuda.h"

static void test_device(void **state)
{
    const int n = strcmp(emu_build(), "plain") == 0 ? 16 : 5; /* the fifth is the beginning of another one as a whole */
    pt_gen_options o = {.max_new_tokens = 4, .sampler = pt_sampler_off(), .slot = PT_SLOT_NONE, .logp = true, .near = true};
    generate(&pt_ops_cpu, 1, 0, 33, 128, n, 7, &o, alone);
    assert_true(generate(pt_cuda_ops(), 3, 230, 33, 128, n, 7, &o, some) > 1);
    same("device, 3 at once", alone, some, n);
    release(some, n);
    release(alone, n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_device)};
    make_prompts();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
