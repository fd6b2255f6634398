/* The way of an audit: packs, then the rows once more, then what compares them. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "data/audit/audit_priv.h"
#include "data/text/tok_utf8.h"

void pt_audit_excerpt(char out[PT_AUDIT_EXCERPT], const char *text, size_t bytes, size_t at)
{
    size_t room = PT_AUDIT_EXCERPT - 8, from = at > 32 ? at - 32 : 0, to, k = 0;
    if (bytes <= room) from = 0;
    else if (from + room > bytes) from = bytes - room;
    while (from < bytes && from && ((unsigned char)text[from] & 0xc0) == 0x80) from++;
    to = bytes - from > room ? from + room : bytes;
    while (to > from && to < bytes && ((unsigned char)text[to] & 0xc0) == 0x80) to--;
    if (from) memcpy(out, "...", 3), k = 3;
    while (from < to) {
        size_t good = pt_utf8_check(text + from, to - from), stop = from + good;
        for (; from < stop; from++) {
            unsigned char c = (unsigned char)text[from];
            out[k++] = (char)(c < 0x20 || c == 0x7f ? ' ' : c);
        }
        if (from < to) out[k++] = '?', from++;
    }
    if (to < bytes) memcpy(out + k, "...", 3), k += 3;
    out[k] = 0;
}

void pt_audit_put(pt_audit *a, pt_audit_found k, const char *file, int64_t line, const char *text, const char *like)
{
    pt_audit_finding *f = &a->found[k];
    f->n++;
    if (f->n_places == PT_AUDIT_PLACES) return;
    pt_audit_place *p = &f->place[f->n_places++];
    *p = (pt_audit_place){.file = file, .line = line};
    if (text) pt_text_fit(p->text, sizeof p->text, text);
    if (like) pt_text_fit(p->like, sizeof p->like, like);
}

/* What is wrong with a row was said when it was packed. */
static pt_status read_set(pt_audit *a, pt_audit_look *l, int64_t most)
{
    const pt_pack_options *o = a->options;
    pt_dataset_spec spec = l->side->sets[l->set];
    spec.bad_rows = 1;
    bool fewer = most && (!o->max_samples || most < o->max_samples);
    pt_reader r = {.spec = &spec, .pairs = o->pairs, .criterion = o->criterion, .verdicts = o->verdicts, .teacher = o->teacher, .max_rows = fewer ? most : o->max_samples,
                   .sink = pt_audit_record, .user = l};
    l->reader = &r;
    for (l->source = 0; pt_pack_source(l->side->pack, l->source) && pt_pack_set(l->side->pack, l->source) != (int32_t)l->set;) l->source++;
    pt_log_pause(true);
    pt_status rc = pt_audit_read(l, &r);
    pt_log_pause(false);
    bool limited = fewer && r.rows == most;
    a->limited = a->limited || limited;
    a->rows_read += r.rows;
    json_t *set = json_pack("{s:s, s:s, s:b, s:I, s:b}", "path", spec.path, "type", pt_reader_type(spec.type), "test", (int)l->test, "rows", (json_int_t)r.rows, "limited", (int)limited);
    if (rc == PT_OK && (!set || json_array_append(a->sets, set))) rc = pt_fail(PT_ENOMEM, "out of memory");
    json_decref(set);
    pt_reader_free(&r);
    return rc;
}

static pt_status read_side(pt_audit *a, const pt_audit_side *side, bool test, int64_t most)
{
    pt_status rc = PT_OK;
    pt_audit_look l = {.a = a, .side = side, .test = test};
    for (l.set = 0; l.set < side->n && rc == PT_OK; l.set++) {
        pt_packed r;
        while (l.at < pt_pack_count(side->pack) && pt_pack_get(side->pack, l.at, &r) == PT_OK && pt_pack_set(side->pack, r.source) < (int32_t)l.set) l.at++;
        rc = read_set(a, &l, most);
    }
    return rc;
}

pt_status pt_audit_run(pt_audit **out, const pt_audit_side *train, const pt_audit_side *test, const pt_pack_options *options, int64_t most)
{
    pt_status rc = PT_OK;
    pt_audit *a = NULL;
    *out = NULL;
    PT_TRY(pt_alloc0(&a, 1));
    a->options = options;
    a->answers.sets_alone = true;
    a->sets = json_array();
    PT_CHECK(a->sets, PT_ENOMEM, "out of memory");
    pt_audit_drops(a, train);
    PT_TRY(pt_audit_tokens(a, train));
    PT_TRY(pt_audit_measure(a, train));
    PT_TRY(read_side(a, train, false, most));
    if (test) {
        a->test_records = pt_pack_count(test->pack);
        PT_TRY(read_side(a, test, true, most));
    }
    PT_TRY(pt_audit_twins(a));
    *out = a;
done:
    if (a) { /* what it worked with; the options are the caller's */
        a->options = NULL;
        free(a->rows);
        a->rows = NULL;
        pt_near_free(&a->near);
        pt_near_free(&a->answers);
    }
    if (rc != PT_OK) pt_audit_free(a);
    return rc;
}

void pt_audit_free(pt_audit *a)
{
    if (!a) return;
    for (size_t i = 0; i < a->n_roles; i++) free(a->roles[i].name);
    free(a->roles);
    free(a->rows);
    pt_near_free(&a->near);
    pt_near_free(&a->answers);
    json_decref(a->sets);
    free(a);
}

int pt_audit_count(const pt_audit *a, pt_audit_severity severity)
{
    int n = 0;
    for (int k = 0; k < PT_FOUND_KINDS; k++) n += a->found[k].n && pt_audit_kind_of((pt_audit_found)k)->severity == severity;
    return n;
}
