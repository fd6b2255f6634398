/* Ops on a context that the test names: ref, cpu in each of its instruction sets, cpu with bf16 products. The dry run, then the call with a
 * workspace of exactly the bytes that it asked for (guarded, poisoned); all guards are looked at after each call.
 *
 *     pt_view x = ot_rand(n, c, 1, 1), y = ot_out(n, c);
 *     for (int i = 0; ot_isa(i); i++) OT_RUN(&ot.cpu, rmsnorm, &args);
 *     ...
 *     return cmocka_run_group_tests_name("kernels_norm", tests, ot_begin, ot_end);
 *
 * Cases that are the same for every backend are written with op_modes.h. */
#ifndef PT_OP_TEST_H
#define PT_OP_TEST_H
#include "tests/ops/op_matrix.h"

static struct {
    pt_ctx ref, cpu;
    pt_ctx half; /* cpu with bf16 products; half.ops is NULL where the processor has none */
    unsigned char *workspace;
    pt_buf workspace_buf;
} ot;

static inline pt_ctx ot_open(const pt_ops *ops, pt_compute compute)
{
    pt_ctx ctx;
    memset(&ctx, 0, sizeof ctx);
    ot_ok(ops->open(&ctx, compute));
    return ctx;
}
static inline int ot_begin(void **state)
{
    (void)state;
    ot.ref = ot_open(&pt_ops_ref, PT_COMPUTE_F32);
    ot.cpu = ot_open(&pt_ops_cpu, PT_COMPUTE_F32);
    if (pt_ops_cpu.open(&ot.half, PT_COMPUTE_BF16) != PT_OK) memset(&ot.half, 0, sizeof ot.half);
    return 0;
}
static inline int ot_end(void **state)
{
    (void)state;
    ot_free_all();
    pt_ops_ref.close(&ot.ref);
    pt_ops_cpu.close(&ot.cpu);
    if (ot.half.ops) pt_ops_cpu.close(&ot.half);
    ot_ok(pt_cpu_isa_set(NULL));
    return 0;
}

static inline void ot_dry_begin(pt_ctx *c)
{
    c->dry = true;
    c->workspace_need = 0;
    c->workspace = ot_none();
}
static inline void ot_dry_end(pt_ctx *c)
{
    size_t need = c->workspace_need;
    c->dry = false;
    ot.workspace = (unsigned char *)aligned_alloc(64, (need + 2 * OT_GUARD + 63) / 64 * 64);
    assert_non_null(ot.workspace);
    memset(ot.workspace, OT_GUARD_BYTE, need + 2 * OT_GUARD);
    memset(ot.workspace + OT_GUARD, 0xff, need);
    ot.workspace_buf.base = ot.workspace, ot.workspace_buf.bytes = OT_GUARD + need;
    c->workspace.buf = &ot.workspace_buf, c->workspace.off = OT_GUARD, c->workspace.type = PT_U8;
    c->workspace.rows = 1, c->workspace.cols = c->workspace.ld = (int64_t)need;
}
static inline void ot_after(pt_ctx *c)
{
    bool ok = ot_guarded(ot.workspace, OT_GUARD) && ot_guarded(ot.workspace + ot.workspace_buf.bytes, OT_GUARD);
    free(ot.workspace);
    ot.workspace = NULL;
    c->workspace = ot_none();
    if (!ok) fail_msg("%s wrote past its workspace", c->ops->name);
    if (!ot_guards_ok()) fail_msg("%s wrote past a matrix", c->ops->name);
}

/* The dry run and the call; *status is the call's (or the dry run's when that fails). */
#define OT_STATUS(c, op, args, status)                                                                                         \
    do {                                                                                                                       \
        ot_dry_begin(c);                                                                                                       \
        *(status) = (c)->ops->op((c), (args));                                                                                 \
        if (*(status) != PT_OK) {                                                                                              \
            (c)->dry = false;                                                                                                  \
            break;                                                                                                             \
        }                                                                                                                      \
        ot_dry_end(c);                                                                                                         \
        *(status) = (c)->ops->op((c), (args));                                                                                 \
        ot_after(c);                                                                                                           \
    } while (0)
#define OT_RUN(c, op, args)                                                                                                    \
    do {                                                                                                                       \
        pt_status ot_status_;                                                                                                  \
        OT_STATUS(c, op, args, &ot_status_);                                                                                   \
        if (ot_status_ != PT_OK) fail_msg("%s of %s: %s", #op, (c)->ops->name, pt_err_msg());                                  \
    } while (0)
/* The call must be refused with this status. */
#define OT_REFUSE(c, op, args, want)                                                                                           \
    do {                                                                                                                       \
        pt_status ot_status_;                                                                                                  \
        OT_STATUS(c, op, args, &ot_status_);                                                                                   \
        if (ot_status_ != (want))                                                                                              \
            fail_msg("%s of %s: %s, not %s", #op, (c)->ops->name, pt_status_name(ot_status_), pt_status_name(want));           \
    } while (0)
/* Bytes of workspace that the dry run asks for. */
#define ot_need(c, op, args) (ot_dry_begin(c), ot_ok((c)->ops->op((c), (args))), (c)->dry = false, (c)->workspace_need)

/* The variants that this processor has: for (int i = 0; ot_isa(i); i++) ... */
static inline bool ot_isa(int i)
{
    if (pt_cpu_isa_name(i) && pt_cpu_isa_set(pt_cpu_isa_name(i)) == PT_OK) return true;
    ot_ok(pt_cpu_isa_set(NULL));
    return false;
}
#endif
