#include "kernels/check_loss.h"

#include "kernels/check_linear.h"

static pt_status check_channel(const pt_loss_channel *c, int64_t groups, bool by_rows)
{
    int64_t m = c->value.cols;
    if (!pt_view_ok(c->value)) return PT_OK;
    PT_RETURN(pt_check_typed("group_loss", "value", c->value, PT_F32, 1, m));
    if (pt_view_ok(c->dvalue)) PT_RETURN(pt_check_typed("group_loss", "dvalue", c->dvalue, PT_F32, 1, m));
    if (by_rows) return PT_OK;
    PT_RETURN(pt_check_typed("group_loss", "start", c->start, PT_I32, 1, groups + 1));
    PT_RETURN(pt_check_typed("group_loss", "rows", c->rows, PT_I32, 1, c->rows.cols));
    return pt_check_typed("group_loss", "weight", c->weight, PT_F32, 1, c->rows.cols);
}

pt_status pt_check_group_loss(const pt_group_loss_args *a, bool by_rows)
{
    int64_t groups = by_rows ? 0 : a->column.cols;
    PT_RETURN(pt_check_typed("group_loss", "report", a->report, PT_F64, 1, PT_REPORT_SIZE));
    if (!(a->step.norm > 0)) return pt_fail(PT_ESHAPE, "group_loss: the weights of the step sum to %g", a->step.norm);
    if (pt_view_ok(a->mark)) PT_RETURN(pt_check_typed("group_loss", "mark", a->mark, PT_F32, 1, 1));
    PT_RETURN(check_channel(&a->logp, groups, by_rows));
    PT_RETURN(check_channel(&a->score, groups, by_rows));
    if (pt_view_ok(a->reference)) PT_RETURN(pt_check_typed("group_loss", "reference", a->reference, PT_F32, 1, a->logp.value.cols));
    if (by_rows) {
        if (!pt_view_ok(a->logp.value)) return pt_fail(PT_ESHAPE, "group_loss: by rows, without log-probabilities");
        return pt_check_typed("group_loss", "row_weight", a->row_weight, PT_F32, 1, a->logp.value.cols);
    }
    if (!pt_view_ok(a->logp.value) && !pt_view_ok(a->score.value)) return pt_fail(PT_ESHAPE, "group_loss: no channel");
    PT_RETURN(pt_check_typed("group_loss", "column", a->column, PT_F32, a->column.rows, groups));
    if (a->column.rows < 1 || a->column.rows > 1 + PT_CORE_COLUMNS) return pt_fail(PT_ESHAPE, "group_loss: %lld columns", (long long)a->column.rows);
    if (pt_view_ok(a->reference_sum)) PT_RETURN(pt_check_typed("group_loss", "reference_sum", a->reference_sum, PT_F32, 1, groups));
    if (a->record_start.cols < 1) return pt_fail(PT_ESHAPE, "group_loss: no record_start");
    return pt_check_typed("group_loss", "record_start", a->record_start, PT_I32, 1, a->record_start.cols);
}
