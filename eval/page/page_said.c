/* Texts that somebody said, as HTML: a sample with what is trained on marked, answers side by side, dialogues. What is marked is underlined, struck out or boxed, not coloured alone. */
#include <string.h>

#include "eval/page/page_priv.h"

static pt_status within(pt_str *out, const char *before, const json_t *s, const char *behind)
{
    PT_RETURN(pt_str_puts(out, before));
    PT_RETURN(pt_page_said(out, s));
    return pt_str_puts(out, behind);
}

pt_status pt_page_pieces(pt_str *out, const json_t *block)
{
    json_t *p;
    size_t i;
    PT_RETURN(pt_str_puts(out, "<pre class=\"pieces\">"));
    json_array_foreach(json_object_get(block, "pieces"), i, p)
    {
        const char *is = json_string_value(json_array_get(p, 0));
        const json_t *text = json_array_get(p, 1), *weight = json_array_get(p, 2);
        if (is && *is == 't') {
            PT_RETURN(pt_str_puts(out, "<mark>"));
            if (weight) PT_RETURN(within(out, "<b class=\"weight\">", weight, "</b>"));
            PT_RETURN(within(out, "", text, "</mark>"));
        } else if (is && *is == 'k') PT_RETURN(within(out, "<i>", text, "</i>"));
        else PT_RETURN(pt_page_said(out, text));
    }
    return pt_str_puts(out, "</pre>\n");
}

static pt_status put_turns(pt_str *out, const json_t *turns)
{
    json_t *turn;
    size_t i;
    json_array_foreach((json_t *)turns, i, turn)
    {
        PT_RETURN(within(out, "<p class=\"turn\"><b>", json_object_get(turn, "who"), "</b> "));
        PT_RETURN(within(out, "<span>", json_object_get(turn, "text"), "</span></p>\n"));
    }
    return PT_OK;
}

pt_status pt_page_talk(pt_str *out, const json_t *block)
{
    PT_RETURN(pt_str_puts(out, "<div class=\"talk\">\n"));
    PT_RETURN(put_turns(out, json_object_get(block, "turns")));
    return pt_str_puts(out, "</div>\n");
}

static pt_status put_side(pt_str *out, const json_t *name, const json_t *pieces)
{
    json_t *p;
    size_t i, length = 0;
    PT_RETURN(within(out, "<div class=\"side\"><b>", name, "</b><p>"));
    json_array_foreach((json_t *)pieces, i, p) length += json_string_length(json_array_get(p, 1));
    if (!length) PT_RETURN(pt_str_puts(out, json_is_array(pieces) ? "<span class=\"none\">nothing</span>" : "<span class=\"none\">not asked</span>"));
    json_array_foreach((json_t *)pieces, i, p)
    {
        const char *is = json_string_value(json_array_get(p, 0)), *tag = is && *is == '-' ? "del" : is && *is == '+' ? "ins" : NULL;
        if (tag) PT_RETURN(pt_str_printf(out, "<%s>", tag));
        PT_RETURN(pt_page_said(out, json_array_get(p, 1)));
        if (tag) PT_RETURN(pt_str_printf(out, "</%s>", tag));
    }
    return pt_str_puts(out, "</p></div>\n");
}

static pt_status put_row(pt_str *out, const json_t *row, const json_t *columns)
{
    long long system = (long long)json_integer_value(json_object_get(row, "system"));
    json_t *v;
    size_t i;
    PT_RETURN(pt_str_puts(out, "<article>\n"));
    if (json_string_length(json_object_get(row, "name"))) PT_RETURN(within(out, "<h3>", json_object_get(row, "name"), "</h3>\n"));
    if (system) PT_RETURN(pt_str_printf(out, "<p class=\"note\">System text %lld</p>\n", system));
    PT_RETURN(put_turns(out, json_object_get(row, "turns")));
    PT_RETURN(pt_str_puts(out, "<div class=\"sides\">\n"));
    json_array_foreach((json_t *)columns, i, v) PT_RETURN(put_side(out, v, json_array_get(json_object_get(row, "said"), i)));
    PT_RETURN(pt_str_puts(out, "</div>\n"));
    if (json_array_size(json_object_get(row, "references"))) {
        PT_RETURN(pt_str_puts(out, "<details><summary>What the data says</summary>\n"));
        json_array_foreach(json_object_get(row, "references"), i, v) PT_RETURN(within(out, "<p>", v, "</p>\n"));
        PT_RETURN(pt_str_puts(out, "</details>\n"));
    }
    return pt_str_puts(out, "</article>\n");
}

/* The name of the first row that has this system text. */
static const json_t *whose(const json_t *rows, size_t system)
{
    json_t *row;
    size_t i;
    json_array_foreach((json_t *)rows, i, row)
        if (json_integer_value(json_object_get(row, "system")) == (json_int_t)system) return json_object_get(row, "name");
    return NULL;
}

pt_status pt_page_answers_html(pt_str *out, const json_t *block)
{
    const json_t *columns = json_object_get(block, "columns");
    json_t *v;
    size_t i;
    json_array_foreach(json_object_get(block, "systems"), i, v)
    {
        const json_t *name = whose(json_object_get(block, "rows"), i + 1);
        PT_RETURN(pt_str_printf(out, "<details><summary>System text %zu", i + 1));
        if (json_string_length(name)) PT_RETURN(within(out, ", ", name, ""));
        PT_RETURN(within(out, "</summary><pre>", v, "</pre></details>\n"));
    }
    if (json_array_size(columns) > 1) {
        PT_RETURN(pt_str_puts(out, "<p class=\"note\">"));
        if (json_array_size(columns) == 2) PT_RETURN(within(out, "<del>Struck out</del>: what ", json_array_get(columns, 0), " alone says. "));
        PT_RETURN(within(out, "<ins>Underlined</ins>: what ", json_array_get(columns, 0), " does not say.</p>\n"));
    }
    json_array_foreach(json_object_get(block, "rows"), i, v) PT_RETURN(put_row(out, v, columns));
    return PT_OK;
}
