/* What an audit found, as a table, as lines and as JSON. */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "data/audit/audit_priv.h"

static const char *const severities[PT_AUDIT_SEVERITIES] = {"note", "warning", "error"};

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* The k-th of what was found, the most severe first; PT_FOUND_KINDS past the last. */
static pt_audit_found nth(const pt_audit *a, int k)
{
    for (int s = PT_AUDIT_SEVERITIES - 1; s >= 0; s--)
        for (int f = 0; f < PT_FOUND_KINDS; f++)
            if (a->found[f].n && (int)pt_audit_kind_of((pt_audit_found)f)->severity == s && !k--) return (pt_audit_found)f;
    return PT_FOUND_KINDS;
}

/* "a.jsonl:3, 17, b.jsonl:4 ...", or what the pack counted. */
static pt_status put_places(const pt_audit_finding *f, int from, int to, pt_str *out)
{
    const char *last = NULL;
    for (int i = from; i < f->n_places && i < to; i++) {
        const pt_audit_place *p = &f->place[i];
        const char *sep = i > from ? ", " : "";
        if (!p->file) PT_RETURN(pt_str_printf(out, "%s%s", sep, p->like));
        else if (last == p->file) PT_RETURN(pt_str_printf(out, "%s%lld", sep, (long long)p->line));
        else PT_RETURN(pt_str_printf(out, "%s%s:%lld", sep, base_name(p->file), (long long)p->line));
        last = p->file;
    }
    bool counted = f->n_places && !f->place[0].file;
    return !counted && f->n > (to < f->n_places ? to : f->n_places) ? pt_str_puts(out, " ...") : PT_OK;
}

pt_status pt_audit_names(const pt_audit *a, pt_audit_severity least, pt_str *out)
{
    pt_audit_found f;
    for (int k = 0; (f = nth(a, k)) != PT_FOUND_KINDS && pt_audit_kind_of(f)->severity >= least; k++)
        PT_RETURN(pt_str_printf(out, "%s%s", k ? ", " : "", pt_audit_kind_of(f)->name));
    return pt_str_puts(out, "");
}

pt_status pt_audit_line(const pt_audit *a, int k, pt_audit_severity *severity, pt_str *out)
{
    pt_audit_found f = nth(a, k);
    if (f == PT_FOUND_KINDS) return pt_fail(PT_EARG, "no finding %d", k);
    const pt_audit_kind *kind = pt_audit_kind_of(f);
    if (severity) *severity = kind->severity;
    PT_RETURN(pt_str_printf(out, "%s: %lld record%s %s (", kind->name, a->found[f].n, a->found[f].n == 1 ? "" : "s", kind->what));
    PT_RETURN(put_places(&a->found[f], 0, 4, out));
    return pt_str_puts(out, ")");
}

/* ---- the table ---- */

static pt_status put_lengths(const char *label, const long long q[PT_AUDIT_QUANTILES], pt_str *out)
{
    PT_RETURN(pt_str_printf(out, "%-18s", label));
    for (int i = 0; i < PT_AUDIT_QUANTILES; i++) PT_RETURN(pt_str_printf(out, " %8lld", q[i]));
    return pt_str_puts(out, "\n");
}

static pt_status put_scripts(const pt_audit *a, pt_str *out)
{
    long long all = 0;
    bool any = false;
    for (int s = 1; s < PT_SCRIPTS; s++) all += a->scripts[s];
    for (int s = 1; s < PT_SCRIPTS && all; s++) {
        if (!a->scripts[s]) continue;
        PT_RETURN(pt_str_printf(out, "%s%s %.1f %%", any ? ", " : "script of answers  ", pt_script_name((pt_script)s), 100.0 * (double)a->scripts[s] / (double)all));
        any = true;
    }
    return any ? pt_str_puts(out, "\n") : PT_OK;
}

static int rarest_first(const void *a, const void *b)
{
    const struct pt_audit_role *x = *(const struct pt_audit_role *const *)a, *y = *(const struct pt_audit_role *const *)b;
    return x->n != y->n ? (x->n > y->n) - (x->n < y->n) : strcmp(x->name, y->name);
}

static pt_status put_roles(const pt_audit *a, pt_str *out)
{
    const struct pt_audit_role **list;
    if (!a->n_roles) return PT_OK;
    PT_RETURN(pt_alloc0(&list, a->n_roles));
    for (size_t i = 0; i < a->n_roles; i++) list[i] = &a->roles[i];
    qsort(list, a->n_roles, sizeof *list, rarest_first);
    pt_status rc = pt_str_printf(out, "roles              %zu; fewest records:", a->n_roles);
    for (size_t i = 0; i < a->n_roles && i < 4 && rc == PT_OK; i++) {
        char name[48];
        pt_text_fit(name, sizeof name, list[i]->name);
        rc = pt_str_printf(out, "%s %s %lld", i ? "," : "", name, list[i]->n);
    }
    if (rc == PT_OK) rc = pt_str_printf(out, "; most: %lld\n", list[a->n_roles - 1]->n);
    free(list);
    return rc;
}

enum { SHOWN = 3 };

static pt_status put_finding(const pt_audit *a, pt_audit_found k, pt_str *out)
{
    const pt_audit_kind *kind = pt_audit_kind_of(k);
    const pt_audit_finding *f = &a->found[k];
    PT_RETURN(pt_str_printf(out, "%-8s %-16s %8lld  %s\n", severities[kind->severity], kind->name, f->n, kind->what));
    for (int i = 0; i < f->n_places && i < SHOWN; i++) {
        const pt_audit_place *p = &f->place[i];
        if (p->file) PT_RETURN(pt_str_printf(out, "    %s:%lld%s%s%s%s\n", base_name(p->file), (long long)p->line, p->text[0] ? "  " : "", p->text, p->like[0] ? "  like " : "", p->like));
        else PT_RETURN(pt_str_printf(out, "    %s%s%s\n", p->like, p->text[0] ? "  " : "", p->text));
    }
    if (f->n_places > SHOWN) {
        PT_RETURN(pt_str_puts(out, "    and "));
        PT_RETURN(put_places(f, SHOWN, PT_AUDIT_PLACES, out));
        PT_RETURN(pt_str_puts(out, "\n"));
    }
    return pt_str_printf(out, "    -> %s\n", kind->todo);
}

pt_status pt_audit_text(const pt_audit *a, pt_str *out)
{
    pt_audit_found f;
    PT_RETURN(pt_str_printf(out, "%lld records, %lld of them for validation", a->records, a->validation));
    if (a->test_records) PT_RETURN(pt_str_printf(out, "; %lld test records", a->test_records));
    if (a->limited) PT_RETURN(pt_str_printf(out, "; texts of the first %lld rows", a->rows_read));
    PT_RETURN(pt_str_printf(out, "\n%-18s %8s %8s %8s %8s %8s %8s\n", "tokens of a record", "least", "10 %", "half", "90 %", "99 %", "most"));
    PT_RETURN(put_lengths("  before an answer", a->lengths.prompt, out));
    PT_RETURN(put_lengths("  trained on", a->lengths.answer, out));
    PT_RETURN(put_scripts(a, out));
    PT_RETURN(put_roles(a, out));
    if (nth(a, 0) == PT_FOUND_KINDS) return pt_str_puts(out, "nothing found\n");
    PT_RETURN(pt_str_printf(out, "\n%-8s %-16s %8s  %s\n", "", "kind", "records", "that"));
    for (int k = 0; (f = nth(a, k)) != PT_FOUND_KINDS; k++) PT_RETURN(put_finding(a, f, out));
    return PT_OK;
}

/* ---- JSON ---- */

static json_t *quantiles(const long long q[PT_AUDIT_QUANTILES])
{
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "least", (json_int_t)q[0], "10", (json_int_t)q[1], "50", (json_int_t)q[2], "90", (json_int_t)q[3], "99", (json_int_t)q[4], "most",
                     (json_int_t)q[5]);
}

static json_t *places(const pt_audit_finding *f)
{
    json_t *list = json_array();
    for (int i = 0; i < f->n_places; i++) {
        const pt_audit_place *p = &f->place[i];
        json_array_append_new(list, p->file ? json_pack("{s:s, s:I, s:s, s:s}", "file", p->file, "line", (json_int_t)p->line, "text", p->text, "like", p->like)
                                            : json_pack("{s:s, s:s}", "where", p->like, "text", p->text));
    }
    return list;
}

static json_t *findings(const pt_audit *a)
{
    json_t *list = json_array();
    pt_audit_found f;
    for (int k = 0; (f = nth(a, k)) != PT_FOUND_KINDS; k++) {
        const pt_audit_kind *kind = pt_audit_kind_of(f);
        json_array_append_new(list, json_pack("{s:s, s:s, s:I, s:s, s:s, s:o}", "kind", kind->name, "severity", severities[kind->severity], "records", (json_int_t)a->found[f].n,
                                              "what", kind->what, "do", kind->todo, "places", places(&a->found[f])));
    }
    return list;
}

pt_status pt_audit_json(const pt_audit *a, char **out)
{
    json_t *scripts = json_object(), *roles = json_object();
    for (int s = 1; s < PT_SCRIPTS; s++)
        if (a->scripts[s]) json_object_set_new(scripts, pt_script_name((pt_script)s), json_integer(a->scripts[s]));
    for (size_t i = 0; i < a->n_roles; i++) json_object_set_new(roles, a->roles[i].name, json_integer(a->roles[i].n));
    json_t *all = json_pack("{s:i, s:I, s:I, s:I, s:I, s:b, s:O, s:o, s:o, s:{s:o, s:o}, s:o}", "version", 1, "records", (json_int_t)a->records, "validation", (json_int_t)a->validation,
                            "test_records", (json_int_t)a->test_records, "rows_read", (json_int_t)a->rows_read, "limited", (int)a->limited, "sets", a->sets, "scripts", scripts, "roles",
                            roles, "tokens", "before_an_answer", quantiles(a->lengths.prompt), "trained_on", quantiles(a->lengths.answer), "findings", findings(a));
    *out = all ? pt_json_dump(all, JSON_INDENT(1)) : NULL;
    json_decref(all);
    return *out ? PT_OK : pt_fail(PT_ENOMEM, "out of memory, or a name that is no UTF-8");
}
