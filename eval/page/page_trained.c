/* What a run was trained on and with: trained.json and audit.json of its folder. A row a run and thing; with several runs the first column names the run. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "eval/page/page_priv.h"

enum { MOST_COLUMNS = 12, PLACES = 3 };

typedef struct table {
    const pt_page_run *runs;
    size_t n;
    json_t *block, *section; /* block NULL: no row yet */
    const char *title, *const *names, *numbers;
    size_t columns, rows, left;
} table;

/* The next row, with the run's name where there are several; *row NULL: past the limit, and counted. */
static pt_status add_row(table *t, const pt_page_run *run, json_t **row)
{
    const size_t more = t->n > 1;
    *row = NULL;
    if (!t->block) {
        const char *names[MOST_COLUMNS + 1] = {"run"};
        char numbers[MOST_COLUMNS + 2] = "t";
        for (size_t i = 0; i < t->columns; i++) {
            names[more + i] = t->names[i];
            numbers[more + i] = t->numbers[i];
        }
        PT_RETURN(pt_page_block(t->section, "table", t->title, &t->block));
        PT_RETURN(pt_page_columns(t->block, more + t->columns, names, numbers));
    }
    json_t *rows = json_object_get(t->block, "rows");
    if (json_array_size(rows) >= t->rows) {
        t->left++;
        return pt_page_put(t->block, "left_out", json_integer((json_int_t)t->left));
    }
    PT_RETURN(pt_page_push(rows, *row = json_array()));
    return more ? pt_page_push(*row, pt_page_text(run->name, strlen(run->name))) : PT_OK;
}

static pt_status add_text(json_t *row, const json_t *text)
{
    return pt_page_push(row, json_is_string(text) ? pt_page_text(json_string_value(text), json_string_length(text)) : json_string("-"));
}

static pt_status add_number(json_t *row, double v)
{
    char text[32];
    pt_page_number(text, v);
    return pt_page_push(row, json_string(text));
}

/* ---- data ---- */

static pt_status sets_of(table *t, const pt_page_run *run, const char *use)
{
    json_t *set, *row;
    size_t i;
    json_array_foreach(json_object_get(json_object_get(run->trained, use), "sets"), i, set)
    {
        static const char *const keys[] = {"records", "validation", "tokens", "supervised"};
        PT_RETURN(add_row(t, run, &row));
        if (!row) continue;
        PT_RETURN(add_text(row, json_object_get(set, "name")));
        PT_RETURN(pt_page_push(row, json_string(use)));
        PT_RETURN(add_text(row, json_object_get(set, "type")));
        for (size_t k = 0; k < 4; k++) PT_RETURN(add_number(row, pt_page_value(set, keys[k])));
        PT_RETURN(add_number(row, 100 * pt_page_value(set, "supervised") / pt_page_value(set, "tokens")));
    }
    return PT_OK;
}

static pt_status data_table(json_t *section, const pt_page_run *runs, size_t n, size_t rows)
{
    static const char *const names[] = {"data set", "for", "type", "records", "held out", "tokens", "supervised", "of 100 tokens"};
    table t = {.runs = runs, .n = n, .section = section, .title = "Data", .names = names, .numbers = "tttnnnnn", .columns = 8, .rows = rows};
    for (size_t i = 0; i < n; i++) {
        PT_RETURN(sets_of(&t, &runs[i], "train"));
        PT_RETURN(sets_of(&t, &runs[i], "test"));
    }
    return PT_OK;
}

static pt_status dropped_of(table *t, const pt_page_run *run, const char *use)
{
    const json_t *data = json_object_get(run->trained, use);
    json_t *drop, *row;
    size_t i;
    json_array_foreach(json_object_get(data, "dropped"), i, drop)
    {
        PT_RETURN(add_row(t, run, &row));
        if (!row) continue;
        PT_RETURN(pt_page_push(row, json_string(use)));
        PT_RETURN(add_text(row, json_object_get(drop, "reason")));
        PT_RETURN(add_number(row, pt_page_value(drop, "n")));
        PT_RETURN(add_text(row, json_object_get(drop, "where")));
    }
    if (!(pt_page_value(data, "records_cut") > 0)) return PT_OK;
    PT_RETURN(add_row(t, run, &row));
    if (!row) return PT_OK;
    PT_RETURN(pt_page_push(row, json_string(use)));
    PT_RETURN(pt_page_push(row, json_string("kept, but cut to sequence_len")));
    PT_RETURN(add_number(row, pt_page_value(data, "records_cut")));
    return add_text(row, json_object_get(data, "turns_cut_where"));
}

static pt_status dropped_table(json_t *section, const pt_page_run *runs, size_t n, size_t rows)
{
    static const char *const names[] = {"of", "left out", "records", "where"};
    table t = {.runs = runs, .n = n, .section = section, .title = "Left out", .names = names, .numbers = "ttnt", .columns = 4, .rows = rows};
    bool any = false;
    for (size_t i = 0; i < n; i++) {
        any = any || runs[i].trained;
        PT_RETURN(dropped_of(&t, &runs[i], "train"));
        PT_RETURN(dropped_of(&t, &runs[i], "test"));
    }
    return any && !t.block ? pt_page_note(section, "No record was left out or cut.") : PT_OK;
}

/* ---- audit ---- */

static pt_status put_places(pt_str *out, const json_t *places)
{
    for (size_t i = 0; i < json_array_size(places) && i < PLACES; i++) {
        const json_t *p = json_array_get(places, i);
        const char *file = pt_page_string(p, "file"), *slash = strrchr(file, '/');
        const char *text = pt_page_string(p, "text"), *like = pt_page_string(p, "like");
        if (i) PT_RETURN(pt_str_puts(out, "; "));
        if (file[0]) PT_RETURN(pt_str_printf(out, "%s:%.0f", slash ? slash + 1 : file, pt_page_value(p, "line")));
        else PT_RETURN(pt_str_puts(out, pt_page_string(p, "where")));
        if (text[0]) PT_RETURN(pt_str_printf(out, " %s", text));
        if (like[0]) PT_RETURN(pt_str_printf(out, " like %s", like));
    }
    if (json_array_size(places) > PLACES) PT_RETURN(pt_str_puts(out, " ..."));
    return PT_OK;
}

static pt_status audit_table(json_t *section, const pt_page_run *runs, size_t n, size_t rows)
{
    static const char *const names[] = {"", "kind", "records", "that", "for example", "what to do"};
    table t = {.runs = runs, .n = n, .section = section, .title = "Audit of the data", .names = names, .numbers = "ttnttt", .columns = 6, .rows = rows};
    bool any = false;
    for (size_t r = 0; r < n; r++) {
        json_t *finding, *row;
        size_t i;
        any = any || runs[r].audit;
        json_array_foreach(json_object_get(runs[r].audit, "findings"), i, finding)
        {
            pt_str places = {0};
            PT_RETURN(add_row(&t, &runs[r], &row));
            if (!row) continue;
            PT_RETURN(add_text(row, json_object_get(finding, "severity")));
            PT_RETURN(add_text(row, json_object_get(finding, "kind")));
            PT_RETURN(add_number(row, pt_page_value(finding, "records")));
            PT_RETURN(add_text(row, json_object_get(finding, "what")));
            pt_status rc = put_places(&places, json_object_get(finding, "places"));
            if (rc == PT_OK) rc = pt_page_push(row, pt_page_text(places.text ? places.text : "", places.len));
            pt_str_free(&places);
            PT_RETURN(rc);
            PT_RETURN(add_text(row, json_object_get(finding, "do")));
        }
    }
    if (t.block) return PT_OK;
    return pt_page_note(section, any ? "The audit of the data found nothing." : "The data was not audited.");
}

/* ---- masks ---- */

/* An answer's pieces: ["c" context | "k" control tokens of the context | "t" trained on, TEXT, its weight where that is not 1]. */
static pt_status put_pieces(json_t *block, const json_t *pieces)
{
    json_t *to = json_array(), *p;
    size_t i;
    PT_RETURN(pt_page_put(block, "pieces", to));
    json_array_foreach((json_t *)pieces, i, p)
    {
        const json_t *weight = json_object_get(p, "weight"), *text = json_object_get(p, "text");
        const char *w = json_is_string(weight) ? json_string_value(weight) : NULL;
        json_t *one = json_array();
        PT_RETURN(pt_page_push(to, one));
        PT_RETURN(pt_page_push(one, json_string(w ? "t" : json_is_true(json_object_get(p, "control")) ? "k" : "c")));
        PT_RETURN(add_text(one, text));
        if (w && strcmp(w, "1")) PT_RETURN(pt_page_push(one, pt_page_text(w, strlen(w))));
    }
    return PT_OK;
}

static pt_status sample_of(json_t *section, const pt_page_run *run, bool several)
{
    const json_t *sample = json_object_get(run->trained, "sample");
    const char *file = pt_page_string(sample, "file"), *slash = strrchr(file, '/');
    json_t *answer, *block;
    size_t i;
    json_array_foreach(json_object_get(sample, "answers"), i, answer)
    {
        const char *is = pt_page_string(answer, "is");
        pt_str title = {0};
        double left = pt_page_value(answer, "left_out");
        if (i == 4) return PT_OK; /* enough to see how it is done */
        PT_RETURN(pt_page_block(section, "pieces", "", &block));
        pt_status rc = pt_str_printf(&title, "%s%sSample %.0f (%s:%.0f)%s%s: %.0f tokens, %.0f of them trained on%s", several ? run->name : "", several ? ": " : "", pt_page_value(sample, "sample"),
                                     slash ? slash + 1 : file, pt_page_value(sample, "line"), is[0] ? ", " : "", is, pt_page_value(answer, "tokens"), pt_page_value(answer, "supervised"),
                                     json_is_false(json_object_get(answer, "ended")) ? "; no end token" : "");
        if (rc == PT_OK && left > 0) rc = pt_str_printf(&title, "; %.0f at its end are not shown", left);
        if (rc == PT_OK) rc = pt_page_put(block, "title", pt_page_text(title.text, title.len));
        pt_str_free(&title);
        PT_RETURN(rc);
        PT_RETURN(put_pieces(block, json_object_get(answer, "pieces")));
    }
    return PT_OK;
}

/* ---- plan ---- */

static pt_status memory_table(json_t *section, const pt_page_run *runs, size_t n)
{
    static const char *const names[] = {"memory, as planned", "MiB"};
    table t = {.runs = runs, .n = n, .section = section, .title = "Plan", .names = names, .numbers = "tn", .columns = 2, .rows = 400};
    for (size_t r = 0; r < n; r++) {
        json_t *one, *row;
        size_t i;
        json_array_foreach(json_object_get(runs[r].trained, "memory"), i, one)
        {
            char text[40];
            PT_RETURN(add_row(&t, &runs[r], &row));
            if (!row) continue;
            PT_RETURN(add_text(row, json_object_get(one, "what")));
            snprintf(text, sizeof text, "%.1f", pt_page_value(one, "bytes") / 1048576.0);
            PT_RETURN(pt_page_push(row, json_string(text)));
        }
    }
    return PT_OK;
}

/* A line of what does it again; NULL: the run does not say. Owned. */
static json_t *again_cell(const json_t *trained, const char *key)
{
    const json_t *v = json_object_get(trained, key);
    pt_str all = {0};
    pt_status rc = PT_OK;
    json_t *one;
    size_t i;
    if (json_is_string(v)) {
        const size_t n = json_string_length(v), most = strcmp(key, "config_sha256") ? n : 16;
        return pt_page_text(json_string_value(v), n < most ? n : most);
    }
    json_array_foreach((json_t *)v, i, one)
        if (rc == PT_OK) rc = pt_str_printf(&all, "%s%s", i ? ", " : "", json_is_string(one) ? json_string_value(one) : "?");
    one = rc != PT_OK ? NULL : all.len ? pt_page_text(all.text, all.len) : json_string("-");
    pt_str_free(&all);
    return one;
}

/* A row a thing, a column a run. */
static pt_status again_table(json_t *section, const pt_page_run *runs, size_t n)
{
    static const char *const rows[][2] = {{"command", "command"}, {"program", "program"}, {"compiler", "built with"}, {"instruction_set", "instruction set"}, {"libraries", "libraries"},
                                          {"config_sha256", "SHA-256 of config.yaml begins"}};
    const char *names[PT_PAGE_RUNS + 1] = {""};
    json_t *block, *row;
    bool any = false;
    for (size_t i = 0; i < n; i++) {
        names[i + 1] = "";
        any = any || runs[i].trained;
    }
    if (!any) return PT_OK;
    PT_RETURN(pt_page_block(section, "table", "How to do it again", &block));
    PT_RETURN(pt_page_columns(block, n + 1, names, "tttttttttt"));
    for (size_t i = 0; i < n; i++) json_array_set_new(json_object_get(block, "columns"), i + 1, pt_page_text(runs[i].name, strlen(runs[i].name)));
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
        PT_RETURN(pt_page_push(json_object_get(block, "rows"), row = json_array()));
        PT_RETURN(pt_page_push(row, json_string(rows[k][1])));
        for (size_t i = 0; i < n; i++) PT_RETURN(pt_page_push(row, again_cell(runs[i].trained, rows[k][0])));
    }
    return PT_OK;
}

static pt_status text_block(json_t *section, const pt_page_run *run, bool several, const char *title, const char *text, size_t len)
{
    json_t *block;
    pt_str all = {0};
    PT_RETURN(pt_page_block(section, "text", "", &block));
    pt_status rc = pt_str_printf(&all, "%s%s%s", title, several ? " of " : "", several ? run->name : "");
    if (rc == PT_OK) rc = pt_page_put(block, "title", pt_page_text(all.text, all.len));
    pt_str_free(&all);
    PT_RETURN(rc);
    return pt_page_put(block, "text", pt_page_text(text, len));
}

pt_status pt_page_trained(json_t *page, const pt_page_run *runs, size_t n, const pt_page_options *o)
{
    const size_t rows = (size_t)(o->rows > 0 ? o->rows : PT_PAGE_ROWS);
    bool any = false, audited = false, sampled = false;
    json_t *section;
    for (size_t i = 0; i < n; i++) {
        any = any || runs[i].trained;
        audited = audited || runs[i].audit;
    }
    if (!any && !audited) return PT_OK; /* a run of an older program */
    PT_RETURN(pt_page_section(page, "Data and plan", &section));
    PT_RETURN(data_table(section, runs, n, rows));
    PT_RETURN(dropped_table(section, runs, n, rows));
    PT_RETURN(audit_table(section, runs, n, rows));
    for (size_t i = 0; i < n; i++) {
        sampled = sampled || json_is_object(json_object_get(runs[i].trained, "sample"));
        PT_RETURN(sample_of(section, &runs[i], n > 1));
    }
    if (sampled) PT_RETURN(pt_page_note(section, "Trained on: boxed (in \xC2\xAB \xC2\xBB as text), with its weight where that is not 1. Control tokens of what is only read: in italics."));
    PT_RETURN(memory_table(section, runs, n));
    for (size_t i = 0; i < n; i++) {
        const char *plan = pt_page_string(runs[i].trained, "plan"), *said = pt_page_string(json_object_get(runs[i].trained, "train"), "said");
        if (plan[0]) PT_RETURN(text_block(section, &runs[i], n > 1, "The whole plan", plan, strlen(plan)));
        if (said[0]) PT_RETURN(text_block(section, &runs[i], n > 1, "What was read of each data set", said, strlen(said)));
    }
    return again_table(section, runs, n);
}
