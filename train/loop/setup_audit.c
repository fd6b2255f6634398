/* The audit of a run's data, and what is done about it. */
#include <stdlib.h>

#include "base/log.h"
#include "train/loop/run.h"

pt_status pt_setup_audit(const pt_config *cfg, const pt_base *base, const pt_pack *train, const pt_pack *test, const pt_pack_report *report, const pt_pack_report *test_report,
                         int64_t most, pt_audit **out)
{
    pt_pack_options o;
    pt_audit_side sides[2] = {{.sets = cfg->data.datasets, .n = cfg->data.n_datasets, .pack = train, .report = report},
                              {.sets = cfg->data.test_datasets, .n = cfg->data.n_test_datasets, .pack = test, .report = test_report}};
    *out = NULL;
    PT_RETURN(pt_setup_pack_options(cfg, base, false, NULL, &o));
    return pt_audit_run(out, &sides[0], test ? &sides[1] : NULL, &o, most);
}

enum { LINES = 5 };

pt_status pt_setup_audit_judge(const pt_config *cfg, const pt_audit *a)
{
    pt_status rc = PT_OK;
    pt_str text = {0};
    int errors = pt_audit_count(a, PT_AUDIT_ERROR), wrong = errors + pt_audit_count(a, PT_AUDIT_WARNING);
    for (int k = 0; k < wrong && k < LINES; k++) {
        text.len = 0;
        PT_TRY(pt_audit_line(a, k, NULL, &text));
        pt_log(PT_LOG_WARN, "audit: %s", text.text);
    }
    text.len = 0;
    PT_TRY(pt_audit_names(a, PT_AUDIT_WARNING, &text));
    if (wrong > LINES) pt_log(PT_LOG_WARN, "audit: %d kinds in all: %s; `ptrain audit CONFIG` shows each with its lines", wrong, text.text);
    if (wrong && cfg->data.audit == PT_AUDIT_MODE_STRICT)
        rc = pt_fail(PT_EFORMAT, "audit: strict, and the data has %d kind%s of error and %d of warning: %s. `ptrain audit CONFIG` shows each with its lines; audit: warn goes on all the same",
                     errors, errors == 1 ? "" : "s", wrong - errors, text.text);
done:
    pt_str_free(&text);
    return rc;
}

/* Rank 0 looks; what refuses it refuses all. A run that goes on was looked at when it began. */
pt_status pt_run_audit(pt_run *r)
{
    pt_status rc = PT_OK;
    pt_audit *a = NULL;
    int64_t bad = 0;
    if (r->cfg->data.audit == PT_AUDIT_MODE_OFF || r->resume_path) return PT_OK;
    if (r->comm->rank == 0) {
        PT_TRY(pt_setup_audit(r->cfg, &r->base, r->pack, r->test_pack, &r->plan.pack, &r->plan.test, PT_AUDIT_ROWS, &a));
        PT_TRY(pt_setup_audit_judge(r->cfg, a));
        PT_TRY(pt_audit_json(a, &r->audit));
    }
done:
    pt_audit_free(a);
    bad = rc != PT_OK;
    if (r->comm->size > 1) PT_TRY_KEEP(r->comm->allreduce_max(r->comm, &bad, 1));
    return rc == PT_OK && bad ? pt_fail(PT_ESTATE, "process 0 found the data wanting") : rc;
}
