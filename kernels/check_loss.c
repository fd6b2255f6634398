#include "kernels/check_loss.h"

#include "kernels/check_linear.h"

static pt_status check_channel(const pt_loss_channel *c, int64_t groups, bool by_rows)
{
    pt_view v = c->value;
    if (!pt_view_ok(v)) return PT_OK;
    PT_RETURN(pt_check_typed("group_loss", "value", v, PT_F32, v.rows, v.cols));
    if (pt_view_ok(c->dvalue)) PT_RETURN(pt_check_typed("group_loss", "dvalue", c->dvalue, PT_F32, v.rows, v.cols));
    if (v.rows > 1 && (v.ld != v.cols || (pt_view_ok(c->dvalue) && c->dvalue.ld != v.cols))) return pt_fail(PT_ESHAPE, "group_loss: values that are not dense");
    if (by_rows) return PT_OK;
    PT_RETURN(pt_check_typed("group_loss", "start", c->start, PT_I32, 1, groups + 1));
    PT_RETURN(pt_check_typed("group_loss", "rows", c->rows, PT_I32, 1, c->rows.cols));
    return pt_check_typed("group_loss", "weight", c->weight, PT_F32, 1, c->rows.cols);
}

/* Sums over the vocabulary stand beside log-probabilities. */
static pt_status check_vocab(const pt_group_loss_args *a, int64_t groups, bool by_rows)
{
    for (int k = 0; k < PT_VOCAB_SUMS; k++) {
        const pt_loss_channel *c = &a->vocab[k];
        if (!pt_view_ok(c->value)) continue;
        PT_RETURN(check_channel(c, groups, by_rows));
        if (c->value.rows != 1 || !pt_view_ok(a->logp.value)) return pt_fail(PT_ESHAPE, "group_loss: a sum over the vocabulary of %lld rows", (long long)c->value.rows);
        if (by_rows) PT_RETURN(pt_check_typed("group_loss", "rows", c->rows, PT_I32, 1, a->logp.value.cols));
    }
    return PT_OK;
}

pt_status pt_check_group_loss(const pt_group_loss_args *a, bool by_rows)
{
    int64_t groups = by_rows ? 0 : a->column.cols;
    PT_RETURN(pt_check_typed("group_loss", "report", a->report, PT_F64, 1, PT_REPORT_SIZE));
    if (!(a->step.norm > 0)) return pt_fail(PT_ESHAPE, "group_loss: the weights of the step sum to %g", a->step.norm);
    if (pt_view_ok(a->mark)) PT_RETURN(pt_check_typed("group_loss", "mark", a->mark, PT_F32, 1, 1));
    PT_RETURN(check_channel(&a->logp, groups, by_rows));
    PT_RETURN(check_channel(&a->values, groups, by_rows));
    PT_RETURN(check_vocab(a, groups, by_rows));
    if (pt_view_ok(a->logp.value) && a->logp.value.rows != 1) return pt_fail(PT_ESHAPE, "group_loss: log-probabilities of %lld rows", (long long)a->logp.value.rows);
    if (pt_view_ok(a->values.value) && (a->values.value.cols < 1 || a->values.value.cols > INT32_MAX)) return pt_fail(PT_ESHAPE, "group_loss: values of width %lld", (long long)a->values.value.cols);
    if (pt_view_ok(a->reference)) PT_RETURN(pt_check_typed("group_loss", "reference", a->reference, PT_F32, 1, a->logp.value.cols));
    if (by_rows) {
        if (!pt_view_ok(a->logp.value)) return pt_fail(PT_ESHAPE, "group_loss: by rows, without log-probabilities");
        for (int k = 0; k < PT_CORE_ROW_COLUMNS; k++)
            if (pt_view_ok(a->row_column[k])) PT_RETURN(pt_check_typed("group_loss", "row_column", a->row_column[k], PT_F32, 1, a->logp.value.cols));
        return pt_check_typed("group_loss", "row_weight", a->row_weight, PT_F32, 1, a->logp.value.cols);
    }
    if (!pt_view_ok(a->logp.value) && !pt_view_ok(a->values.value)) return pt_fail(PT_ESHAPE, "group_loss: no channel");
    PT_RETURN(pt_check_typed("group_loss", "column", a->column, PT_F32, a->column.rows, groups));
    if (a->column.rows < 1 || a->column.rows > 1 + PT_CORE_COLUMNS) return pt_fail(PT_ESHAPE, "group_loss: %lld columns", (long long)a->column.rows);
    if (pt_view_ok(a->reference_sum)) PT_RETURN(pt_check_typed("group_loss", "reference_sum", a->reference_sum, PT_F32, 1, groups));
    if (a->record_start.cols < 1) return pt_fail(PT_ESHAPE, "group_loss: no record_start");
    return pt_check_typed("group_loss", "record_start", a->record_start, PT_I32, 1, a->record_start.cols);
}

int64_t pt_group_loss_numbers(const pt_group_loss_args *a)
{
    int64_t width = pt_view_ok(a->values.value) ? a->values.value.cols : 0;
    return width > 1 ? 2 * width * a->column.cols : 0;
}
