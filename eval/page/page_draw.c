/* Drawings of a page, as SVG: shapes alone, which may be stretched; words stand beside them, where they can wrap. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "eval/page/page_priv.h"

enum { WIDE = 1000, HIGH = 300, MOST_AXES = 40 };

pt_status pt_page_legend(pt_str *out, const json_t *names)
{
    json_t *name;
    size_t i;
    PT_RETURN(pt_str_puts(out, "<ul class=\"legend\">"));
    json_array_foreach((json_t *)names, i, name)
    {
        PT_RETURN(pt_str_printf(out, "<li><svg viewBox=\"0 0 32 8\" aria-hidden=\"true\"><path class=\"s%zu\" d=\"M1 4H31\"/></svg> ", i % 10));
        PT_RETURN(pt_page_said(out, name));
        PT_RETURN(pt_str_puts(out, "</li>"));
    }
    return pt_str_puts(out, "</ul>\n");
}

typedef struct range {
    double low, high;
} range;

static void widen(range *r, double v)
{
    if (!(v >= r->low)) r->low = v;
    if (!(v <= r->high)) r->high = v;
}

static void not_empty(range *r)
{
    if (!isfinite(r->low)) *r = (range){0, 1};
    if (r->high > r->low) return;
    double half = r->low != 0 ? fabs(r->low) * 0.05 : 0.5;
    r->low -= half;
    r->high += half;
}

static double place(const range *r, double v, double size)
{
    return (v - r->low) / (r->high - r->low) * size;
}

static pt_status one_line(pt_str *out, const json_t *points, size_t nth, bool marks, const range *x, const range *y)
{
    json_t *p;
    size_t i;
    bool pen = false;
    PT_RETURN(pt_str_printf(out, marks ? "<path class=\"s%zu marks\" d=\"" : "<path class=\"s%zu\" d=\"", nth % 10));
    json_array_foreach((json_t *)points, i, p)
    {
        const json_t *v = json_array_get(p, 1);
        bool there = json_is_number(v);
        if (there) {
            double at_x = place(x, json_number_value(json_array_get(p, 0)), WIDE), at_y = HIGH - place(y, json_number_value(v), HIGH);
            PT_RETURN(pt_str_printf(out, pen && !marks ? "L%.1f %.1f" : "M%.1f %.1fh0", at_x, at_y));
        }
        pen = there;
    }
    return pt_str_puts(out, "\"/>");
}

pt_status pt_page_chart(pt_str *out, const json_t *block)
{
    const json_t *series = json_object_get(block, "series");
    range x = {NAN, NAN}, y = {NAN, NAN};
    char text[5][32];
    json_t *s, *p, *names = json_array();
    size_t i, k;
    pt_status rc = PT_OK;
    json_array_foreach((json_t *)series, i, s)
    {
        json_array_foreach(json_object_get(s, "points"), k, p)
        {
            widen(&x, json_number_value(json_array_get(p, 0)));
            if (json_is_number(json_array_get(p, 1))) widen(&y, json_number_value(json_array_get(p, 1)));
        }
        json_array_append(names, json_object_get(s, "name"));
    }
    not_empty(&x);
    not_empty(&y);
    pt_page_number(text[0], y.high);
    pt_page_number(text[1], (y.low + y.high) / 2);
    pt_page_number(text[2], y.low);
    pt_page_number(text[3], x.low);
    pt_page_number(text[4], x.high);
    PT_TRY(pt_str_printf(out, "<div class=\"plot\"><div class=\"ys\"><span>%s</span><span>%s</span><span>%s</span></div><svg viewBox=\"-5 -5 %d %d\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"",
                         text[0], text[1], text[2], WIDE + 10, HIGH + 10));
    PT_TRY(pt_page_said(out, json_object_get(block, "title")));
    PT_TRY(pt_str_printf(out, "\"><path class=\"grid\" d=\"M0 %dH%d\"/>", HIGH / 2, WIDE));
    json_array_foreach((json_t *)series, i, s)
    {
        PT_TRY(one_line(out, json_object_get(s, "points"), i, false, &x, &y));
        if (json_is_true(json_object_get(s, "marks"))) PT_TRY(one_line(out, json_object_get(s, "points"), i, true, &x, &y));
    }
    PT_TRY(pt_str_printf(out, "</svg><div class=\"xs\"><span>%s %s</span><span>%s</span></div></div>\n", pt_page_string(block, "x"), text[3], text[4]));
    if (json_array_size(series) > 1) PT_TRY(pt_page_legend(out, names));
done:
    json_decref(names);
    return rc;
}

static pt_status lane(pt_str *out, size_t nth, const json_t *v, const range *r)
{
    char text[32];
    double value = pt_page_value(v, "value"), lo = pt_page_value(v, "lo"), hi = pt_page_value(v, "hi");
    pt_page_number(text, value);
    PT_RETURN(pt_str_printf(out, "<div class=\"lane\"><span>%zu</span><svg viewBox=\"0 0 %d 10\" preserveAspectRatio=\"none\" aria-hidden=\"true\">", nth + 1, WIDE));
    if (isfinite(value)) {
        double zero = place(r, 0, WIDE), at = place(r, value, WIDE), from = zero < at ? zero : at;
        PT_RETURN(pt_str_printf(out, "<rect class=\"f%zu\" x=\"%.1f\" y=\"1\" width=\"%.1f\" height=\"8\"/>", nth % 10, from, fabs(at - zero)));
        if (hi > lo) PT_RETURN(pt_str_printf(out, "<path d=\"M%.1f 5H%.1f\"/>", place(r, lo, WIDE), place(r, hi, WIDE)));
    }
    return pt_str_printf(out, "</svg><span>%s</span></div>", text);
}

pt_status pt_page_bars(pt_str *out, const json_t *block)
{
    range r = {pt_page_value(block, "low"), pt_page_value(block, "high")};
    json_t *row, *v, *name;
    size_t i, k;
    not_empty(&r);
    PT_RETURN(pt_str_puts(out, "<ul class=\"legend\">"));
    json_array_foreach(json_object_get(block, "series"), i, name)
    {
        PT_RETURN(pt_str_printf(out, "<li>%zu ", i + 1));
        PT_RETURN(pt_page_said(out, name));
        PT_RETURN(pt_str_puts(out, "</li>"));
    }
    PT_RETURN(pt_str_puts(out, "</ul>\n<div class=\"bars\">"));
    json_array_foreach(json_object_get(block, "rows"), i, row)
    {
        PT_RETURN(pt_str_puts(out, "<div class=\"name\">"));
        PT_RETURN(pt_page_said(out, json_object_get(row, "name")));
        PT_RETURN(pt_str_puts(out, "</div><div>"));
        json_array_foreach(json_object_get(row, "values"), k, v) PT_RETURN(lane(out, k, v, &r));
        PT_RETURN(pt_str_puts(out, "</div>\n"));
    }
    return pt_str_puts(out, "</div>\n");
}

static void polar(double share, size_t i, size_t n, double *x, double *y)
{
    double angle = 2 * 3.14159265358979323846 * (double)i / (double)n;
    *x = 100 + share * 84 * sin(angle);
    *y = 100 - share * 84 * cos(angle);
}

static pt_status ring(pt_str *out, const char *class, double share, size_t n)
{
    double x, y;
    PT_RETURN(pt_str_printf(out, "<path class=\"%s\" d=\"", class));
    for (size_t i = 0; i < n; i++) {
        polar(share, i, n, &x, &y);
        PT_RETURN(pt_str_printf(out, "%s%.1f %.1f", i ? "L" : "M", x, y));
    }
    return pt_str_puts(out, "Z\"/>");
}

pt_status pt_page_radar(pt_str *out, const json_t *block)
{
    const json_t *axes = json_object_get(block, "axes"), *series = json_object_get(block, "series");
    range r = {pt_page_value(block, "low"), pt_page_value(block, "high")};
    size_t n = json_array_size(axes), i, k;
    char low[32], high[32];
    json_t *s, *v, *names = json_array();
    double x, y;
    pt_status rc = PT_OK;
    not_empty(&r);
    pt_page_number(low, r.low);
    pt_page_number(high, r.high);
    PT_CHECK(names, PT_ENOMEM, "out of memory writing a report");
    if (n > MOST_AXES) goto done; /* they would stand in each other's way; the table has them */
    PT_TRY(pt_str_puts(out, "<div class=\"radar\"><svg viewBox=\"0 0 200 200\" role=\"img\" aria-label=\"profile\">"));
    PT_TRY(ring(out, "grid", 1, n));
    PT_TRY(ring(out, "grid", 0.5, n));
    json_array_foreach((json_t *)series, i, s)
    {
        bool pen = false;
        PT_TRY(pt_str_printf(out, "<path class=\"s%zu\" d=\"", i % 10));
        json_array_foreach(json_object_get(s, "values"), k, v)
        {
            if (json_is_number(v)) {
                polar(place(&r, json_number_value(v), 1), k, n, &x, &y);
                PT_TRY(pt_str_printf(out, "%s%.1f %.1f", pen ? "L" : "M", x, y));
            }
            pen = json_is_number(v);
        }
        PT_TRY(pt_str_puts(out, pen ? "Z\"/>" : "\"/>"));
        json_array_append(names, json_object_get(s, "name"));
    }
    for (i = 0; i < n; i++) {
        polar(1.1, i, n, &x, &y);
        PT_TRY(pt_str_printf(out, "<text x=\"%.1f\" y=\"%.1f\">%zu</text>", x, y, i + 1));
    }
    PT_TRY(pt_str_puts(out, "</svg></div>\n"));
    PT_TRY(pt_page_legend(out, names));
    PT_TRY(pt_str_puts(out, "<ol class=\"axes\">"));
    json_array_foreach((json_t *)axes, i, v)
    {
        PT_TRY(pt_str_puts(out, "<li>"));
        PT_TRY(pt_page_said(out, v));
        PT_TRY(pt_str_puts(out, "</li>"));
    }
    PT_TRY(pt_str_printf(out, "</ol><p class=\"note\">Centre %s, outer line %s.</p>\n", low, high));
done:
    json_decref(names);
    return rc;
}
