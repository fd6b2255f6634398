/* The table of metrics, which the makefile's list makes. */
#include <string.h>

#include "eval/metric/metric.h"

#include "metric_list.h"

#define DECLARE(name) extern const pt_metric_kind pt_metric_kind_##name;
PT_METRIC_LIST(DECLARE)
#define ENTRY(name) &pt_metric_kind_##name,
static const pt_metric_kind *const kinds[] = {PT_METRIC_LIST(ENTRY)};
_Static_assert(sizeof kinds / sizeof *kinds <= PT_METRICS_MOST, "more metrics than a report holds");

int pt_metric_count(void)
{
    return sizeof kinds / sizeof *kinds;
}

const pt_metric_kind *pt_metric_kind_at(int i)
{
    return kinds[i];
}

int pt_metric_find(const char *key)
{
    for (int i = 0; i < pt_metric_count(); i++)
        if (!strcmp(kinds[i]->key, key)) return i;
    return -1;
}

bool pt_metric_of_questions(int i)
{
    return !kinds[i]->choices && !kinds[i]->of_task;
}

const char *pt_metric_key(pt_metric m)
{
    return (int)m < pt_metric_count() ? kinds[m]->key : "?";
}
