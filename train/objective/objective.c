/* The table of objectives and what they share. */
#include "train/objective/objective.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static const pt_objective *const table[] = {&pt_objective_sft, &pt_objective_dft, &pt_objective_pretrain, &pt_objective_dpo, &pt_objective_reward};

const pt_objective *pt_objective_find(const char *name)
{
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (!strcmp(table[i]->name, name)) return table[i];
    return NULL;
}

double pt_group_value(const pt_batch *b, int32_t g, const float *value)
{
    double sum = 0;
    for (int32_t k = b->group_row_start[g]; k < b->group_row_start[g + 1]; k++)
        if (b->group_row_weight[k] != 0) sum += (double)b->group_row_weight[k] * value[b->group_rows[k]];
    return sum;
}

void pt_group_spread(const pt_batch *b, int32_t g, double d, float *dvalue)
{
    for (int32_t k = b->group_row_start[g]; k < b->group_row_start[g + 1]; k++)
        dvalue[b->group_rows[k]] += (float)(d * b->group_row_weight[k]);
}

pt_status pt_pairs_each(const pt_batch *b, pt_pair_fn fn, void *user)
{
    pt_status rc = PT_OK;
    int32_t *other = NULL; /* [pair id]: rejected group + 1; ids are below G */
    PT_TRY(pt_alloc0(&other, b->n_groups));
    int64_t chosen = 0, rejected = 0;
    for (int32_t g = 0; g < b->n_groups; g++) {
        int32_t p = b->group_pair[g];
        PT_CHECK(p >= 0 && p < b->n_groups && b->group_side[g] != 0, PT_ESHAPE, "group %d of the batch belongs to no pair",
                 (int)g);
        if (b->group_side[g] > 0) {
            chosen++;
            continue;
        }
        PT_CHECK(!other[p], PT_ESHAPE, "pair %d of the batch has two rejected answers", (int)p);
        other[p] = g + 1;
        rejected++;
    }
    PT_CHECK(chosen == rejected, PT_ESHAPE, "%lld chosen and %lld rejected answers in one batch", (long long)chosen,
             (long long)rejected);
    for (int32_t g = 0; g < b->n_groups; g++) {
        if (b->group_side[g] <= 0) continue;
        int32_t *r = &other[b->group_pair[g]];
        PT_CHECK(*r > 0, PT_ESHAPE, "pair %d of the batch lacks its rejected answer", (int)b->group_pair[g]);
        int32_t rg = *r - 1;
        *r = 0;
        PT_TRY(fn(user, g, rg));
    }
done:
    free(other);
    return rc;
}
