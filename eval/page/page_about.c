/* What was trained: the keys that say most, how far it came, how to do it again. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "eval/page/page_priv.h"

const char *pt_page_config_value(const char *config, const char *key, size_t *n)
{
    size_t len = strlen(key);
    *n = 0;
    for (const char *p = config; p && *p;) {
        size_t line = strcspn(p, "\n");
        if (line > len + 1 && !strncmp(p, key, len) && p[len] == ':') {
            const char *v = p + len + 1;
            while (*v == ' ') v++;
            *n = (size_t)(p + line - v);
            return v;
        }
        p += line + (p[line] != 0);
    }
    return "";
}

static const char *const told[] = {"objective", "base_model", "adapter", "lora_r", "lora_alpha", "learning_rate", "lr_scheduler", "batch_rows", "micro_batch_size", "num_epochs",
                                   "max_steps", "sequence_len", "chat_template", "seed"};

/* A row a key that some run says, a column a run. */
static pt_status keys_table(json_t *section, const pt_page_run *runs, size_t n)
{
    const char *names[PT_PAGE_RUNS + 1] = {""};
    json_t *table;
    size_t len;
    for (size_t i = 0; i < n; i++) names[i + 1] = "";
    PT_RETURN(pt_page_block(section, "table", "", &table));
    PT_RETURN(pt_page_columns(table, n + 1, names, "tttttttttt"));
    json_t *columns = json_object_get(table, "columns"), *rows = json_object_get(table, "rows");
    for (size_t i = 0; i < n; i++) json_array_set_new(columns, i + 1, pt_page_text(runs[i].name, strlen(runs[i].name)));
    for (size_t k = 0; k < sizeof told / sizeof *told; k++) {
        bool any = false;
        for (size_t i = 0; i < n; i++) {
            pt_page_config_value(runs[i].config, told[k], &len);
            any = any || len;
        }
        json_t *row = any ? json_array() : NULL;
        if (!any) continue;
        PT_RETURN(pt_page_push(rows, row));
        PT_RETURN(pt_page_push(row, json_string(told[k])));
        for (size_t i = 0; i < n; i++) {
            const char *v = pt_page_config_value(runs[i].config, told[k], &len);
            PT_RETURN(pt_page_push(row, pt_page_text(v, len)));
        }
    }
    return PT_OK;
}

static double last_of(const pt_page_run *r, const char *key)
{
    const struct pt_page_curve *c = pt_page_curve_find(r, key);
    return c && c->n ? c->y[c->n - 1] : NAN;
}

static double sum_of(const pt_page_run *r, const char *key)
{
    const struct pt_page_curve *c = pt_page_curve_find(r, key);
    double sum = c ? 0 : NAN;
    for (size_t i = 0; c && i < c->n; i++) sum += isnan(c->y[i]) ? 0 : c->y[i];
    return sum;
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The median of what is a number. */
static pt_status middle_of(const pt_page_run *r, const char *key, double *out)
{
    const struct pt_page_curve *c = pt_page_curve_find(r, key);
    double *y;
    size_t n = 0;
    *out = NAN;
    if (!c || !c->n) return PT_OK;
    PT_RETURN(pt_alloc0(&y, c->n));
    for (size_t i = 0; i < c->n; i++)
        if (isfinite(c->y[i])) y[n++] = c->y[i];
    qsort(y, n, sizeof *y, by_size);
    if (n) *out = y[n / 2];
    free(y);
    return PT_OK;
}

/* How far each run came. */
static pt_status came_table(json_t *section, const pt_page_run *runs, size_t n)
{
    static const char *const names[] = {"run", "steps", "records", "supervised tokens", "median tokens a second", "first loss", "last loss", "last eval loss"};
    json_t *table;
    PT_RETURN(pt_page_block(section, "table", "How far it came", &table));
    PT_RETURN(pt_page_columns(table, 8, names, "tnnnnnnn"));
    for (size_t i = 0; i < n; i++) {
        const struct pt_page_curve *loss = pt_page_curve_find(&runs[i], "loss");
        double rate;
        PT_RETURN(middle_of(&runs[i], "tokens_per_second", &rate));
        const double v[] = {loss && loss->n ? loss->x[loss->n - 1] : NAN, sum_of(&runs[i], "records"), sum_of(&runs[i], "supervised_tokens"), rate,
                            loss && loss->n ? loss->y[0] : NAN, last_of(&runs[i], "loss"), last_of(&runs[i], "eval_loss")};
        json_t *row = json_array();
        PT_RETURN(pt_page_push(json_object_get(table, "rows"), row));
        PT_RETURN(pt_page_push(row, pt_page_text(runs[i].name, strlen(runs[i].name))));
        for (size_t k = 0; k < sizeof v / sizeof *v; k++) {
            char text[32];
            pt_page_number(text, v[k]);
            PT_RETURN(pt_page_push(row, json_string(text)));
        }
    }
    return PT_OK;
}

pt_status pt_page_about(json_t *page, const pt_page_run *runs, size_t n)
{
    json_t *section, *text;
    PT_RETURN(pt_page_section(page, "What was trained", &section));
    PT_RETURN(keys_table(section, runs, n));
    PT_RETURN(came_table(section, runs, n));
    for (size_t i = 0; i < n; i++) {
        pt_str title = {0};
        if (!runs[i].config) continue;
        pt_status rc = pt_str_printf(&title, "config.yaml of %s: ptrain %s/config.yaml --output_dir=... does it again", runs[i].name, runs[i].dir);
        if (rc == PT_OK) rc = pt_page_block(section, "text", "", &text);
        if (rc == PT_OK) rc = pt_page_put(text, "title", pt_page_text(title.text, title.len));
        pt_str_free(&title);
        PT_RETURN(rc);
        PT_RETURN(pt_page_put(text, "text", pt_page_text(runs[i].config, strlen(runs[i].config))));
    }
    return PT_OK;
}
