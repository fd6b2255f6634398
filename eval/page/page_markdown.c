/* A page as GitHub's Markdown: tables; of charts their ends; nothing of a text counts as markup. */
#include <stdio.h>
#include <string.h>

#include "eval/page/page_priv.h"

static pt_status text_of(pt_str *out, const json_t *s)
{
    return pt_page_plain(out, json_string_value(s) ? json_string_value(s) : "", json_string_length(s));
}

static pt_status cells(pt_str *out, const json_t *list)
{
    json_t *v;
    size_t k;
    json_array_foreach((json_t *)list, k, v)
    {
        PT_RETURN(pt_str_puts(out, "| "));
        PT_RETURN(text_of(out, v));
        PT_RETURN(pt_str_puts(out, " "));
    }
    return pt_str_puts(out, "|\n");
}

static pt_status put_table(pt_str *out, const json_t *b)
{
    json_t *v, *row;
    size_t k, i;
    PT_RETURN(cells(out, json_object_get(b, "columns")));
    json_array_foreach(json_object_get(b, "numbers"), k, v) PT_RETURN(pt_str_puts(out, json_is_true(v) ? "| ---: " : "| --- "));
    PT_RETURN(pt_str_puts(out, "|\n"));
    json_array_foreach(json_object_get(b, "rows"), i, row) PT_RETURN(cells(out, row));
    return PT_OK;
}

static const json_t *last_number(const json_t *points, bool first)
{
    size_t n = json_array_size(points);
    for (size_t i = 0; i < n; i++) {
        const json_t *y = json_array_get(json_array_get(points, first ? i : n - 1 - i), 1);
        if (json_is_number(y)) return y;
    }
    return NULL;
}

/* The first and the last number of each line. */
static pt_status put_chart(pt_str *out, const json_t *b)
{
    json_t *s;
    size_t i;
    PT_RETURN(pt_str_puts(out, "| line | points | first | last |\n| --- | ---: | ---: | ---: |\n"));
    json_array_foreach(json_object_get(b, "series"), i, s)
    {
        const json_t *points = json_object_get(s, "points");
        char from[32], to[32];
        const json_t *a = last_number(points, true), *z = last_number(points, false);
        snprintf(from, sizeof from, "-");
        snprintf(to, sizeof to, "-");
        if (a) pt_page_number(from, json_number_value(a));
        if (z) pt_page_number(to, json_number_value(z));
        PT_RETURN(pt_str_puts(out, "| "));
        PT_RETURN(text_of(out, json_object_get(s, "name")));
        PT_RETURN(pt_str_printf(out, " | %zu | %s | %s |\n", json_array_size(points), from, to));
    }
    return PT_OK;
}

/* Names of `series` above, a row each below; value(row, column) as a number. */
static pt_status put_grid(pt_str *out, const json_t *columns, const json_t *rows, const json_t *(*value)(const json_t *b, size_t row, size_t column), const json_t *b)
{
    size_t n = json_array_size(columns);
    PT_RETURN(pt_str_puts(out, "| "));
    PT_RETURN(n ? cells(out, columns) : pt_str_puts(out, "|\n"));
    PT_RETURN(pt_str_puts(out, "| --- "));
    for (size_t k = 0; k < n; k++) PT_RETURN(pt_str_puts(out, "| ---: "));
    PT_RETURN(pt_str_puts(out, "|\n"));
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *name = json_array_get(rows, i);
        PT_RETURN(pt_str_puts(out, "| "));
        PT_RETURN(text_of(out, json_is_object(name) ? json_object_get(name, "name") : name));
        for (size_t k = 0; k < n; k++) {
            const json_t *v = value(b, i, k);
            char text[32] = "-";
            if (json_is_number(v)) pt_page_number(text, json_number_value(v));
            PT_RETURN(pt_str_printf(out, " | %s", text));
        }
        PT_RETURN(pt_str_puts(out, " |\n"));
    }
    return PT_OK;
}

static const json_t *of_bars(const json_t *b, size_t row, size_t column)
{
    return json_object_get(json_array_get(json_object_get(json_array_get(json_object_get(b, "rows"), row), "values"), column), "value");
}
static const json_t *of_radar(const json_t *b, size_t row, size_t column)
{
    return json_array_get(json_object_get(json_array_get(json_object_get(b, "series"), column), "values"), row);
}
static const json_t *of_matrix(const json_t *b, size_t row, size_t column)
{
    return json_array_get(json_array_get(json_object_get(b, "counts"), row), column);
}

static pt_status put_radar(pt_str *out, const json_t *b)
{
    json_t *names = json_array(), *s;
    size_t i;
    json_array_foreach(json_object_get(b, "series"), i, s) json_array_append(names, json_object_get(s, "name"));
    pt_status rc = put_grid(out, names, json_object_get(b, "axes"), of_radar, b);
    json_decref(names);
    return rc;
}

/* What is marked stands in brackets, as git's word diff has it; of what is trained on the weight, where that is not 1, comes first. */
static pt_status put_pieces(pt_str *out, const json_t *pieces)
{
    static const char *const marks[][3] = {{"-", "[-", "-]"}, {"+", "{+", "+}"}, {"t", "\xC2\xAB", "\xC2\xBB"}};
    json_t *p;
    size_t i;
    json_array_foreach((json_t *)pieces, i, p)
    {
        const char *is = json_string_value(json_array_get(p, 0));
        const char *const *m = NULL;
        for (size_t k = 0; is && k < sizeof marks / sizeof *marks; k++)
            if (!strcmp(is, marks[k][0])) m = marks[k];
        if (m) PT_RETURN(pt_page_plain(out, m[1], strlen(m[1])));
        if (json_array_size(p) > 2) {
            PT_RETURN(text_of(out, json_array_get(p, 2)));
            PT_RETURN(pt_page_plain(out, "|", 1));
        }
        PT_RETURN(text_of(out, json_array_get(p, 1)));
        if (m) PT_RETURN(pt_page_plain(out, m[2], strlen(m[2])));
    }
    return pt_str_puts(out, "\n");
}

static pt_status put_turns(pt_str *out, const json_t *turns)
{
    json_t *turn;
    size_t i;
    json_array_foreach((json_t *)turns, i, turn)
    {
        PT_RETURN(pt_str_puts(out, "- **"));
        PT_RETURN(text_of(out, json_object_get(turn, "who")));
        PT_RETURN(pt_str_puts(out, "** "));
        PT_RETURN(text_of(out, json_object_get(turn, "text")));
        PT_RETURN(pt_str_puts(out, "\n"));
    }
    return PT_OK;
}

static pt_status named(pt_str *out, const json_t *name, const char *suffix)
{
    PT_RETURN(pt_str_puts(out, "- **"));
    PT_RETURN(text_of(out, name));
    return pt_str_printf(out, "**%s ", suffix);
}

static pt_status put_answers(pt_str *out, const json_t *b)
{
    json_t *row, *v;
    size_t i, k;
    json_array_foreach(json_object_get(b, "systems"), i, v)
    {
        PT_RETURN(pt_str_printf(out, "- System text %zu: ", i + 1));
        PT_RETURN(text_of(out, v));
        PT_RETURN(pt_str_puts(out, "\n"));
    }
    json_array_foreach(json_object_get(b, "rows"), i, row)
    {
        long long system = (long long)json_integer_value(json_object_get(row, "system"));
        PT_RETURN(pt_str_printf(out, "\n#### %zu ", i + 1));
        PT_RETURN(text_of(out, json_object_get(row, "name")));
        PT_RETURN(system ? pt_str_printf(out, " \\(system text %lld\\)\n\n", system) : pt_str_puts(out, "\n\n"));
        PT_RETURN(put_turns(out, json_object_get(row, "turns")));
        json_array_foreach(json_object_get(b, "columns"), k, v)
        {
            PT_RETURN(named(out, v, ":"));
            PT_RETURN(put_pieces(out, json_array_get(json_object_get(row, "said"), k)));
        }
        json_array_foreach(json_object_get(row, "references"), k, v)
        {
            PT_RETURN(pt_str_puts(out, "- what the data says: "));
            PT_RETURN(text_of(out, v));
            PT_RETURN(pt_str_puts(out, "\n"));
        }
    }
    return PT_OK;
}

static pt_status put_sample(pt_str *out, const json_t *b)
{
    return put_pieces(out, json_object_get(b, "pieces"));
}

static pt_status put_talk(pt_str *out, const json_t *b)
{
    return put_turns(out, json_object_get(b, "turns"));
}

static pt_status put_block(pt_str *out, const json_t *b)
{
    const char *kind = pt_page_string(b, "kind");
    const json_t *left = json_object_get(b, "left_out");
    PT_RETURN(pt_str_puts(out, "\n"));
    if (json_string_length(json_object_get(b, "title"))) {
        PT_RETURN(pt_str_puts(out, "### "));
        PT_RETURN(text_of(out, json_object_get(b, "title")));
        PT_RETURN(pt_str_puts(out, "\n\n"));
    }
    if (!strcmp(kind, "note")) {
        PT_RETURN(text_of(out, json_object_get(b, "text")));
        return pt_str_puts(out, "\n");
    }
    if (!strcmp(kind, "text")) { /* a line each, as code of no language: indented */
        const char *p = pt_page_string(b, "text");
        while (*p) {
            size_t n = strcspn(p, "\n");
            PT_RETURN(pt_str_puts(out, "    "));
            PT_RETURN(pt_str_add(out, p, n));
            PT_RETURN(pt_str_puts(out, "\n"));
            p += n + (p[n] != 0);
        }
        return PT_OK;
    }
    if (!strcmp(kind, "table")) PT_RETURN(put_table(out, b));
    else if (!strcmp(kind, "chart")) PT_RETURN(put_chart(out, b));
    else if (!strcmp(kind, "bars")) PT_RETURN(put_grid(out, json_object_get(b, "series"), json_object_get(b, "rows"), of_bars, b));
    else if (!strcmp(kind, "radar")) PT_RETURN(put_radar(out, b));
    else if (!strcmp(kind, "matrix")) PT_RETURN(put_grid(out, json_object_get(b, "columns"), json_object_get(b, "rows"), of_matrix, b));
    else if (!strcmp(kind, "pieces")) PT_RETURN(put_sample(out, b));
    else if (!strcmp(kind, "answers")) PT_RETURN(put_answers(out, b));
    else if (!strcmp(kind, "talk")) PT_RETURN(put_talk(out, b));
    else return pt_fail(PT_EINTERNAL, "a report has a block of kind '%s', which Markdown does not know", kind);
    return left ? pt_str_printf(out, "\n%lld more rows are left out (report_rows, ptrain report --rows).\n", (long long)json_integer_value(left)) : PT_OK;
}

pt_status pt_page_markdown(const json_t *page, pt_str *out)
{
    json_t *s, *b;
    size_t i, k;
    PT_RETURN(pt_str_puts(out, "# "));
    PT_RETURN(text_of(out, json_object_get(page, "title")));
    PT_RETURN(pt_str_puts(out, "\n"));
    json_array_foreach(json_object_get(page, "sections"), i, s)
    {
        PT_RETURN(pt_str_puts(out, "\n## "));
        PT_RETURN(text_of(out, json_object_get(s, "title")));
        PT_RETURN(pt_str_puts(out, "\n"));
        json_array_foreach(json_object_get(s, "blocks"), k, b) PT_RETURN(put_block(out, b));
    }
    return PT_OK;
}
