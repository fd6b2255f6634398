/* The table after packing, as text and as JSON (kept in the pack, so that a reused one shows it too). */
#include <stddef.h>
#include <string.h>

#include "data/pack_data.h"

static const struct {
    const char *key, *label;
    size_t at;
} figures[] = {{"rows_read", "rows read", offsetof(pt_pack_report, rows_read)},
               {"records_kept", "records kept", offsetof(pt_pack_report, records_kept)},
               {"records_cut", "  of them cut to sequence_len", offsetof(pt_pack_report, records_cut)},
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

pt_status pt_pack_report_text(const pt_pack_report *r, pt_str *out)
{
    for (size_t i = 0; i < sizeof figures / sizeof *figures; i++) {
        if (!strcmp(figures[i].key, "control_in_text") && !r->control_in_text) continue;
        PT_RETURN(pt_str_printf(out, "%-32s %12lld", figures[i].label, figure(r, i)));
        if (!strcmp(figures[i].key, "shared_tokens_saved") && r->tokens > 0)
            PT_RETURN(pt_str_printf(out, "  (%.0f %%; what one forest of all records would save)",
                                    100.0 * (double)r->shared_tokens_saved / (double)r->tokens));
        PT_RETURN(pt_str_puts(out, "\n"));
        for (int d = 0; !strcmp(figures[i].key, "records_dropped") && d < r->n_dropped; d++)
            PT_RETURN(pt_str_printf(out, "  %-30s %12lld\n", r->dropped[d].reason, r->dropped[d].n));
    }
    for (int k = 0; k < PT_NOTES; k++)
        if (r->noted[k]) PT_RETURN(pt_str_printf(out, "%-41s %3lld\n", pt_note_text((pt_note)k), r->noted[k]));
    return r->reused ? pt_str_puts(out, "(reused: nothing changed since it was packed)\n") : PT_OK;
}

json_t *pt_pack_report_json(const pt_pack_report *r)
{
    json_t *j = json_object(), *drops = json_object();
    for (size_t i = 0; i < sizeof figures / sizeof *figures; i++)
        json_object_set_new(j, figures[i].key, json_integer(figure(r, i)));
    for (int d = 0; d < r->n_dropped; d++) json_object_set_new(drops, r->dropped[d].reason, json_integer(r->dropped[d].n));
    json_object_set_new(j, "dropped", drops);
    json_t *noted = json_array();
    for (int k = 0; k < PT_NOTES; k++) json_array_append_new(noted, json_integer(r->noted[k]));
    json_object_set_new(j, "noted", noted);
    return j;
}

void pt_pack_report_from(pt_pack_report *r, const json_t *j)
{
    const char *reason;
    json_t *v;
    for (size_t i = 0; i < sizeof figures / sizeof *figures; i++) {
        long long x = json_integer_value(json_object_get(j, figures[i].key));
        memcpy((char *)r + figures[i].at, &x, sizeof x);
    }
    for (size_t k = 0; k < PT_NOTES; k++) r->noted[k] = json_integer_value(json_array_get(json_object_get(j, "noted"), k));
    json_object_foreach(json_object_get(j, "dropped"), reason, v)
    {
        if (r->n_dropped == (int)(sizeof r->dropped / sizeof *r->dropped)) return;
        size_t n = strnlen(reason, sizeof r->dropped[0].reason - 1);
        memcpy(r->dropped[r->n_dropped].reason, reason, n);
        r->dropped[r->n_dropped++].n = json_integer_value(v);
    }
}
