/* A page as one HTML file that is well-formed XML too. */
#include <math.h>
#include <string.h>

#include "eval/page/page_priv.h"

static pt_status within(pt_str *out, const char *before, const json_t *s, const char *behind)
{
    PT_RETURN(pt_str_puts(out, before));
    PT_RETURN(pt_page_said(out, s));
    return pt_str_puts(out, behind);
}

static pt_status left_out(pt_str *out, const json_t *block)
{
    const json_t *n = json_object_get(block, "left_out");
    return n ? pt_str_printf(out, "<p class=\"note\">%lld more rows are left out (report_rows, ptrain report --rows).</p>\n", (long long)json_integer_value(n)) : PT_OK;
}

static pt_status put_table(pt_str *out, const json_t *block)
{
    const json_t *numbers = json_object_get(block, "numbers");
    json_t *row, *v;
    size_t i, k;
    PT_RETURN(pt_str_puts(out, "<div class=\"wide\" tabindex=\"0\"><table><thead><tr>"));
    json_array_foreach(json_object_get(block, "columns"), k, v) PT_RETURN(within(out, json_is_true(json_array_get(numbers, k)) ? "<th class=\"number\">" : "<th>", v, "</th>"));
    PT_RETURN(pt_str_puts(out, "</tr></thead>\n<tbody>"));
    json_array_foreach(json_object_get(block, "rows"), i, row)
    {
        PT_RETURN(pt_str_puts(out, "<tr>"));
        json_array_foreach(row, k, v) PT_RETURN(within(out, json_is_true(json_array_get(numbers, k)) ? "<td class=\"number\">" : "<td>", v, "</td>"));
        PT_RETURN(pt_str_puts(out, "</tr>\n"));
    }
    return pt_str_puts(out, "</tbody></table></div>\n");
}

/* Counts, the darker the larger their share of the row. */
static pt_status put_matrix(pt_str *out, const json_t *block)
{
    const json_t *rows = json_object_get(block, "rows");
    json_t *row, *v;
    size_t i, k;
    PT_RETURN(pt_str_puts(out, "<div class=\"wide\" tabindex=\"0\"><table class=\"matrix\"><thead><tr><th></th>"));
    json_array_foreach(json_object_get(block, "columns"), k, v) PT_RETURN(within(out, "<th>", v, "</th>"));
    PT_RETURN(pt_str_puts(out, "</tr></thead>\n<tbody>"));
    json_array_foreach(json_object_get(block, "counts"), i, row)
    {
        double sum = 0;
        json_array_foreach(row, k, v) sum += json_number_value(v);
        PT_RETURN(within(out, "<tr><th>", json_array_get(rows, i), "</th>"));
        json_array_foreach(row, k, v)
            PT_RETURN(pt_str_printf(out, "<td style=\"background:rgba(var(--shade),%.2f)\">%lld</td>", sum > 0 ? 0.35 * json_number_value(v) / sum : 0.0, (long long)json_integer_value(v)));
        PT_RETURN(pt_str_puts(out, "</tr>\n"));
    }
    return pt_str_puts(out, "</tbody></table></div>\n");
}

static pt_status put_block(pt_str *out, const json_t *b)
{
    static const struct {
        const char *kind;
        pt_status (*put)(pt_str *out, const json_t *block);
    } kinds[] = {{"table", put_table}, {"chart", pt_page_chart}, {"bars", pt_page_bars}, {"radar", pt_page_radar}, {"matrix", put_matrix},
                 {"pieces", pt_page_pieces}, {"answers", pt_page_answers_html}, {"talk", pt_page_talk}};
    const char *kind = pt_page_string(b, "kind");
    if (!strcmp(kind, "note")) return within(out, "<p class=\"note\">", json_object_get(b, "text"), "</p>\n");
    if (!strcmp(kind, "text")) {
        PT_RETURN(within(out, "<details><summary>", json_object_get(b, "title"), "</summary>"));
        return within(out, "<pre>", json_object_get(b, "text"), "</pre></details>\n");
    }
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (strcmp(kinds[i].kind, kind)) continue;
        const bool folded = json_is_true(json_object_get(b, "folded"));
        PT_RETURN(pt_str_puts(out, folded ? "<figure><details>" : "<figure>"));
        if (folded) PT_RETURN(within(out, "<summary>", json_object_get(b, "title"), ""));
        if (folded) PT_RETURN(pt_str_printf(out, ": %zu rows</summary>\n", json_array_size(json_object_get(b, "rows"))));
        else if (json_string_length(json_object_get(b, "title"))) PT_RETURN(within(out, "<figcaption>", json_object_get(b, "title"), "</figcaption>\n"));
        PT_RETURN(kinds[i].put(out, b));
        PT_RETURN(left_out(out, b));
        return pt_str_puts(out, folded ? "</details></figure>\n" : "</figure>\n");
    }
    return pt_fail(PT_EINTERNAL, "a report has a block of kind '%s', which HTML does not know", kind);
}

static pt_status put_section(pt_str *out, const json_t *section)
{
    json_t *b;
    size_t i;
    const char *open = NULL;
    PT_RETURN(within(out, "<section><h2>", json_object_get(section, "title"), "</h2>\n"));
    json_array_foreach(json_object_get(section, "blocks"), i, b)
    {
        const char *kind = pt_page_string(b, "kind"), *now = !strcmp(kind, "chart") ? "charts" : !strcmp(kind, "matrix") ? "matrices" : NULL; /* beside each other, as many as there is room for */
        if (now != open && open) PT_RETURN(pt_str_puts(out, "</div>\n"));
        if (now != open && now) PT_RETURN(pt_str_printf(out, "<div class=\"%s\">\n", now));
        open = now;
        PT_RETURN(put_block(out, b));
    }
    return pt_str_puts(out, open ? "</div></section>\n" : "</section>\n");
}

pt_status pt_page_html(const json_t *page, pt_str *out)
{
    json_t *s;
    size_t i;
    PT_RETURN(pt_str_puts(out, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\"/>"
                               "<meta charset=\"utf-8\"/><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n"));
    PT_RETURN(within(out, "<title>", json_object_get(page, "title"), "</title>\n<style>\n"));
    PT_RETURN(pt_str_puts(out, pt_page_style));
    PT_RETURN(within(out, json_is_true(json_object_get(page, "broad")) ? "</style></head>\n<body class=\"broad\"><h1>" : "</style></head>\n<body><h1>", json_object_get(page, "title"), "</h1>\n"));
    json_array_foreach(json_object_get(page, "sections"), i, s) PT_RETURN(put_section(out, s));
    return pt_str_puts(out, "</body></html>\n");
}
