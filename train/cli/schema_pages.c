/* The page of objectives (docs/objectives.md): what their declarations say. Where `@source NAME` stands the equation and its source come, which are the
 * comment above train/objective/NAME_core.h, and where `@configs PATTERN` stands the configs that hold it (tests/tools/objectives_md.sh). */
#include <string.h>

#include "train/cli/schema.h"

static const char *const channels[] = {"log-probabilities of the supervised tokens", "a score at each answer's end", "values at each answer's end",
                                       "the entropy of the vocabulary", "the log of the vocabulary's sum of squares", "a divergence over the vocabulary"};
static const char *const means[] = {[PT_MEAN_ROWS] = "supervised tokens", [PT_MEAN_ANSWERS] = "answers", [PT_MEAN_RECORDS] = "records"};

static pt_status put_channels(pt_str *out, const pt_objective *o)
{
    int n = 0;
    PT_RETURN(pt_str_puts(out, "Reads "));
    for (size_t k = 0; k < sizeof channels / sizeof *channels; k++)
        if (o->channels >> k & 1) PT_RETURN(pt_str_printf(out, "%s%s", n++ ? ", " : "", channels[k]));
    if (o->reference) PT_RETURN(pt_str_puts(out, ", a reference's log-probabilities"));
    if (o->n_stats) PT_RETURN(pt_str_puts(out, ", statistics of the whole step"));
    if (o->by_rows) PT_RETURN(pt_str_puts(out, "; token by token"));
    else if (o->answers) PT_RETURN(pt_str_printf(out, "; records of %d answer%s", o->answers, o->answers == 1 ? "" : "s"));
    else PT_RETURN(pt_str_puts(out, "; records of any number of answers"));
    return pt_str_printf(out, "; the mean is over %s, over the whole step, all micro-batches and ranks. Data: type %s unless they say another.\n", means[o->mean], o->data);
}

static pt_status put_columns(pt_str *out, const pt_objective *o)
{
    if (!o->n_columns) return PT_OK;
    PT_RETURN(pt_str_puts(out, "\nColumns of the data:"));
    for (int k = 0; k < o->n_columns; k++) PT_RETURN(pt_str_printf(out, "%s `%s`", k ? "," : "", o->columns[k]));
    return pt_str_puts(out, ".\n");
}

static pt_status put_cell(pt_str *out, const char *text)
{
    for (const char *p = text; *p; p++) PT_RETURN(*p == '|' ? pt_str_puts(out, "\\|") : pt_str_add(out, p, 1));
    return PT_OK;
}

static pt_status put_values(pt_str *out, const pt_option *p)
{
    static const char *const kinds[] = {[PT_OPTION_NUMBER] = "number", [PT_OPTION_FLAG] = "true, false", [PT_OPTION_COUNT] = "integer", [PT_OPTION_NUMBERS] = "list of numbers"};
    int n = 0;
    if (p->kind != PT_OPTION_WORD && p->kind != PT_OPTION_WORDS) return pt_str_puts(out, kinds[p->kind]);
    for (const pt_word *w = p->words; w->word; w++)
        if (!p->takes || p->takes >> w->value & 1) PT_RETURN(pt_str_printf(out, "%s%s", n++ ? ", " : "", w->word));
    return p->kind == PT_OPTION_WORDS ? pt_str_puts(out, "; or a list") : PT_OK;
}

static pt_status put_keys(pt_str *out, const pt_objective *o)
{
    if (!o->n_options) return PT_OK;
    PT_RETURN(pt_str_puts(out, "\n| key | value | default | meaning |\n|---|---|---|---|\n"));
    for (int k = 0; k < o->n_options; k++) {
        const pt_option *p = &o->options[k];
        PT_RETURN(pt_str_printf(out, "| `%s` | ", p->key));
        PT_RETURN(put_values(out, p));
        PT_RETURN(pt_str_printf(out, " | %s | ", p->fallback ? p->fallback : "unset"));
        PT_RETURN(put_cell(out, p->help ? p->help : ""));
        PT_RETURN(pt_str_puts(out, " |\n"));
    }
    return PT_OK;
}

static pt_status put_metrics(pt_str *out, const pt_objective *o)
{
    static const char *const ways[] = {[PT_REDUCE_MEAN] = "", [PT_REDUCE_SUM] = " (sum)", [PT_REDUCE_MAX] = " (largest)", [PT_REDUCE_MIN] = " (smallest)"};
    int n = 0;
    for (int k = 0; k < o->n_metrics; k++) {
        const pt_loss_metric *m = &o->metrics[k];
        if (m->name) PT_RETURN(pt_str_printf(out, "%s`%s`%s", n++ ? ", " : "\nMetrics: ", m->name, ways[m->reduce]));
    }
    return n ? pt_str_puts(out, ".\n") : PT_OK;
}

static pt_status put_objective(pt_str *out, const pt_objective *o)
{
    PT_RETURN(pt_str_printf(out, "\n## %s\n\n", o->name));
    if (o->variant_of && o->variant_value)
        PT_RETURN(pt_str_printf(out, "Of `objective: %s` where `%s` is %s.\n\n", o->variant_of, o->variant_key, o->variant_value));
    else if (o->variant_of)
        PT_RETURN(pt_str_printf(out, "Of `objective: %s` where `%s` is said.\n\n", o->variant_of, o->variant_key));
    else PT_RETURN(pt_str_printf(out, "`objective: %s`: %s.\n\n", o->name, o->help ? o->help : ""));
    PT_RETURN(pt_str_printf(out, "@source %s\n\n", o->name));
    PT_RETURN(put_channels(out, o));
    PT_RETURN(put_columns(out, o));
    PT_RETURN(put_keys(out, o));
    PT_RETURN(put_metrics(out, o));
    if (o->variant_of) return pt_str_printf(out, "\n@configs %s: .*%s\n", o->variant_key, o->variant_value ? o->variant_value : "");
    return pt_str_printf(out, "\n@configs objective: %s\n", o->name);
}

pt_status pt_schema_objectives_page(pt_str *out)
{
    PT_RETURN(pt_str_puts(out, "# Objectives\n\nMade by `make docs` from the declarations in train/objective and the comments above them. A loss is a mean by weight over the whole "
                               "optimiser step; metrics are in metrics.jsonl under these names, and with `eval_` before them of test data; `log_token_metrics: true` adds `entropy` and `mean_token_accuracy`. An option that an objective does not "
                               "have is refused. docs/config.md has the other names of the keys. Each core is checked against TRL 1.16, transformers or a reference in double "
                               "precision, and its derivatives by differences (tests/objective, tests/golden).\n"));
    for (size_t i = 0; i < pt_objective_count(); i++) PT_RETURN(put_objective(out, pt_objective_at(i)));
    return PT_OK;
}
