/* The table after packing, as text and as JSON (kept in the pack, so that a reused one shows it too). */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "data/pack/pack_data.h"

static const struct {
    const char *key, *label;
    size_t at;
} figures[] = {{"rows_read", "rows read", offsetof(pt_pack_report, rows_read)},
               {"records_kept", "records kept", offsetof(pt_pack_report, records_kept)},
               {"records_cut", "  of them cut to sequence_len", offsetof(pt_pack_report, records_cut)},
               {"turns_cut", NULL, offsetof(pt_pack_report, turns_cut)},
               {"validation_records", "  of them for validation", offsetof(pt_pack_report, validation_records)},
               {"records_dropped", "records dropped", offsetof(pt_pack_report, records_dropped)},
               {"tokens", "tokens", offsetof(pt_pack_report, tokens)},
               {"supervised_tokens", "  supervised", offsetof(pt_pack_report, supervised_tokens)},
               {"end_tokens", "  supervised end tokens", offsetof(pt_pack_report, end_tokens)},
               {"shared_tokens_saved", "  that share a beginning", offsetof(pt_pack_report, shared_tokens_saved)},
               {"prefixes", "distinct prefixes", offsetof(pt_pack_report, prefixes)},
               {"longest", "longest sequence", offsetof(pt_pack_report, longest)},
               {"control_in_text", "control tokens kept as text", offsetof(pt_pack_report, control_in_text)}};

static long long figure(const pt_pack_report *r, size_t i)
{
    long long x;
    memcpy(&x, (const char *)r + figures[i].at, sizeof x);
    return x;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash && slash[1] ? slash + 1 : path; /* a folder's stays whole */
}

void pt_pack_put_place(char *where, size_t size, const char *path, int64_t line)
{
    char file[64], place[96];
    pt_text_fit(file, sizeof file, base_name(path));
    size_t at = strlen(where), n_file = strlen(file), len;
    const char *colon = strrchr(where, ':');
    bool same = colon && (size_t)(colon - where) >= n_file && !strncmp(colon - n_file, file, n_file); /* the file named last */
    if (same)
        snprintf(place, sizeof place, ", %lld", (long long)line);
    else
        snprintf(place, sizeof place, "%s%s:%lld", at ? ", " : "", file, (long long)line);
    len = strlen(place);
    if (at + len + 5 < size)
        memcpy(where + at, place, len + 1);
    else if (at < 4 || strcmp(where + at - 4, " ...") != 0)
        memcpy(where + at, " ...", 5);
}

void pt_pack_count_drop(pt_pack_report *r, const char *reason, long long n, const char *path, const int64_t *lines, int n_lines)
{
    int most = (int)(sizeof r->dropped / sizeof *r->dropped), i = 0;
    char name[sizeof r->dropped->reason];
    pt_text_fit(name, sizeof name, reason);
    while (i < r->n_dropped && strcmp(r->dropped[i].reason, name)) i++;
    r->records_dropped += n;
    if (i == most) i--;
    if (i == r->n_dropped) {
        r->n_dropped++;
        memcpy(r->dropped[i].reason, name, sizeof name);
    }
    for (int k = 0; k < n_lines; k++) pt_pack_put_place(r->dropped[i].where, sizeof r->dropped[i].where, path, lines[k]);
    r->dropped[i].n += n;
}

pt_status pt_pack_report_set(pt_pack_report *r, const pt_reader *reader)
{
    pt_str text = {0};
    pt_status rc = PT_OK;
    const char *type = pt_reader_type(reader->spec->type);
    for (int i = 0; i < reader->bad.n; i++) {
        const struct pt_cause *c = &reader->bad.list[i];
        long long left = c->n;
        for (int k = 0, same; left && k < PT_CAUSE_LINES && k < c->n; k += same) { /* lines of one file together */
            for (same = 1; k + same < PT_CAUSE_LINES && k + same < c->n && c->file[k + same] == c->file[k];) same++;
            bool last = k + same >= PT_CAUSE_LINES || k + same >= c->n;
            pt_pack_count_drop(r, c->text, last ? left : same, reader->files->list[c->file[k]], c->line + k, same);
            left -= same;
        }
    }
    char several[32] = "";
    if (reader->files->n > 1) snprintf(several, sizeof several, ", %zu files", reader->files->n);
    PT_TRY(pt_str_printf(&text, "%s  %s (%s%s): ", r->said, base_name(reader->spec->path), type, several));
    PT_TRY(pt_reader_said(reader, &text));
    PT_TRY(pt_str_puts(&text, "\n"));
    for (int i = 0; i < reader->notes.n; i++) {
        const struct pt_cause *c = &reader->notes.list[i];
        PT_TRY(pt_str_printf(&text, "    %s: %lld rows, the first on line %lld\n", c->text, c->n, (long long)c->line[0]));
    }
    if (text.len < sizeof r->said - sizeof "  ...\n")
        memcpy(r->said, text.text, text.len + 1);
    else if (!strstr(r->said, "\n  ...\n"))
        memcpy(r->said + strlen(r->said), "  ...\n", 7);
done:
    pt_str_free(&text);
    return rc;
}

pt_status pt_pack_report_drops(const pt_pack_report *r, pt_str *out)
{
    for (int d = 0; d < r->n_dropped; d++)
        PT_RETURN(pt_str_printf(out, "  %-30s %12lld%s%s\n", r->dropped[d].reason, r->dropped[d].n, r->dropped[d].where[0] ? "  " : "",
                                r->dropped[d].where));
    return PT_OK;
}

pt_status pt_pack_report_text(const pt_pack_report *r, pt_str *out)
{
    for (size_t i = 0; i < sizeof figures / sizeof *figures; i++) {
        if (!figures[i].label || (!strcmp(figures[i].key, "control_in_text") && !r->control_in_text)) continue;
        PT_RETURN(pt_str_printf(out, "%-32s %12lld", figures[i].label, figure(r, i)));
        if (!strcmp(figures[i].key, "shared_tokens_saved") && r->tokens > 0)
            PT_RETURN(pt_str_printf(out, "  (%.0f %%; what one forest of all records would save)",
                                    100.0 * (double)r->shared_tokens_saved / (double)r->tokens));
        PT_RETURN(pt_str_puts(out, "\n"));
        if (!strcmp(figures[i].key, "records_dropped")) PT_RETURN(pt_pack_report_drops(r, out));
    }
    for (int k = 0; k < PT_NOTES; k++)
        if (r->noted[k]) PT_RETURN(pt_str_printf(out, "%-41s %3lld\n", pt_note_text((pt_note)k), r->noted[k]));
    if (r->said[0]) PT_RETURN(pt_str_printf(out, "data sets\n%s", r->said));
    return r->reused ? pt_str_puts(out, "(reused: nothing changed since it was packed)\n") : PT_OK;
}

json_t *pt_pack_report_json(const pt_pack_report *r)
{
    json_t *j = json_object(), *drops = json_array();
    for (size_t i = 0; i < sizeof figures / sizeof *figures; i++)
        json_object_set_new(j, figures[i].key, json_integer(figure(r, i)));
    for (int d = 0; d < r->n_dropped; d++)
        json_array_append_new(drops, json_pack("{s:s, s:I, s:s}", "reason", r->dropped[d].reason, "n", (json_int_t)r->dropped[d].n, "where",
                                               r->dropped[d].where));
    json_object_set_new(j, "dropped", drops);
    json_t *noted = json_array();
    for (int k = 0; k < PT_NOTES; k++) json_array_append_new(noted, json_integer(r->noted[k]));
    json_object_set_new(j, "noted", noted);
    json_object_set_new(j, "said", json_string(r->said));
    json_object_set_new(j, "turns_cut_where", json_string(r->turns_cut_where));
    return j;
}

static void text_from(char *out, size_t size, const json_t *j, const char *key)
{
    const char *text = json_string_value(json_object_get(j, key));
    size_t n = text ? strnlen(text, size - 1) : 0;
    if (n) memcpy(out, text, n);
    out[n] = 0;
}

void pt_pack_report_from(pt_pack_report *r, const json_t *j)
{
    size_t k;
    json_t *v;
    for (size_t i = 0; i < sizeof figures / sizeof *figures; i++) {
        long long x = json_integer_value(json_object_get(j, figures[i].key));
        memcpy((char *)r + figures[i].at, &x, sizeof x);
    }
    for (k = 0; k < PT_NOTES; k++) r->noted[k] = json_integer_value(json_array_get(json_object_get(j, "noted"), k));
    json_array_foreach(json_object_get(j, "dropped"), k, v)
    {
        int d = r->n_dropped;
        if (d == (int)(sizeof r->dropped / sizeof *r->dropped)) break;
        text_from(r->dropped[d].reason, sizeof r->dropped[d].reason, v, "reason");
        text_from(r->dropped[d].where, sizeof r->dropped[d].where, v, "where");
        r->dropped[d].n = json_integer_value(json_object_get(v, "n"));
        r->n_dropped++;
    }
    text_from(r->said, sizeof r->said, j, "said");
    text_from(r->turns_cut_where, sizeof r->turns_cut_where, j, "turns_cut_where");
}
