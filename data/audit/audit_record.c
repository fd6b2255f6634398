/* One record's texts: the rules that look at it alone, and what is kept of it for those that compare records. */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/rng.h"
#include "data/audit/audit_priv.h"

static const pt_audit_rule rules[] = {
    {PT_FOUND_CONTROL_IN_TEXT, PT_PART_CHAT, pt_rule_control},
    {PT_FOUND_CHAT_MARKUP, PT_PART_CHAT, pt_rule_markup},
    {PT_FOUND_UNFILLED_MACRO, PT_PART_CHAT, pt_rule_macro},
    {PT_FOUND_SPEAKS_FOR_USER, PT_PART_ANSWER, pt_rule_speaks_for_user},
    {PT_FOUND_AS_AN_AI, PT_PART_ANSWER, pt_rule_as_an_ai},
    {PT_FOUND_REFUSAL, PT_PART_ANSWER, pt_rule_refusal},
    {PT_FOUND_SECRET, PT_PART_ANY, pt_rule_secret},
    {PT_FOUND_EMAIL, PT_PART_ANY, pt_rule_email},
    {PT_FOUND_PHONE, PT_PART_ANY, pt_rule_phone},
    {PT_FOUND_MOJIBAKE, PT_PART_ANY, pt_rule_mojibake},
    {PT_FOUND_HTML, PT_PART_SPOKEN, pt_rule_html},
};

const char *pt_audit_file(const pt_audit_look *l)
{
    const char *file = pt_pack_source(l->side->pack, l->source + (int32_t)l->reader->file);
    return file ? file : l->side->sets[l->set].path;
}

/* Each kind once a record, at its first place. */
static void apply(pt_audit_look *l, int64_t line)
{
    const pt_audit_view *v = &l->view;
    for (size_t r = 0; r < sizeof rules / sizeof *rules; r++) {
        for (size_t i = 0; i < v->n; i++) {
            const pt_audit_part *p = &v->parts[i];
            pt_audit_hit hit;
            char text[PT_AUDIT_EXCERPT];
            if (!(p->kind & rules[r].parts) || !rules[r].finds(v, p, &hit)) continue;
            pt_audit_excerpt(text, p->text, p->bytes, hit.at);
            pt_audit_put(l->a, rules[r].kind, pt_audit_file(l), line, text, NULL);
            break;
        }
    }
}

/* ---- pairs ---- */

/* The next letter or digit from *at on, small; 0 at the end. Marks beyond ASCII count as they are. */
static int next_letter(const pt_str *s, size_t *at)
{
    while (*at < s->len) {
        unsigned char c = (unsigned char)s->text[(*at)++];
        if (c >= 'A' && c <= 'Z') return c + 32;
        if (c >= 0x80 || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) return c;
    }
    return 0;
}

static bool same_letters(const pt_str *a, const pt_str *b)
{
    size_t i = 0, k = 0;
    for (;;) {
        int x = next_letter(a, &i), y = next_letter(b, &k);
        if (x != y) return false;
        if (!x) return true;
    }
}

static pt_status put_answer(const pt_record *rec, size_t k, pt_str *out)
{
    const pt_answer *a = &rec->answers[k];
    if (rec->kind == PT_RECORD_TEXT) return pt_str_add(out, a->text, a->bytes);
    for (size_t i = rec->n_prompt; i < a->turns.n; i++) {
        const char *text = a->turns.turns[i].text;
        size_t n = a->turns.turns[i].bytes;
        if (!text) continue;
        pt_text_strip(&text, &n);
        PT_RETURN(pt_str_add(out, text, n));
        PT_RETURN(pt_str_puts(out, "\n"));
    }
    return pt_str_puts(out, "");
}

static bool calls_something(const pt_record *rec, size_t k)
{
    const pt_turns *t = &rec->answers[k].turns;
    for (size_t i = rec->n_prompt; i < t->n; i++)
        if (t->turns[i].calls || t->turns[i].thought_bytes) return true;
    return false;
}

static pt_status compare_pair(pt_audit_look *l, const pt_record *rec, int64_t line)
{
    pt_status rc = PT_OK;
    pt_str a = {0}, b = {0};
    const char *file = pt_audit_file(l);
    if (rec->kind == PT_RECORD_IDS || calls_something(rec, 0) || calls_something(rec, 1)) return PT_OK;
    PT_TRY(put_answer(rec, 0, &a));
    PT_TRY(put_answer(rec, 1, &b));
    bool equal = a.len == b.len && !memcmp(a.text, b.text, a.len);
    char text[PT_AUDIT_EXCERPT];
    pt_audit_excerpt(text, a.text, a.len, 0);
    if (equal) pt_audit_put(l->a, PT_FOUND_EQUAL_PAIR, file, line, text, NULL);
    else if (same_letters(&a, &b)) pt_audit_put(l->a, PT_FOUND_NEAR_PAIR, file, line, text, NULL);
done:
    pt_str_free(&a);
    pt_str_free(&b);
    return rc;
}

/* ---- the turns of a conversation ---- */

static bool says(const pt_turn *t)
{
    return t->calls || t->thought_bytes || !pt_text_blank(t->text, t->bytes);
}

static void look_at_turns(pt_audit_look *l, const pt_record *rec, int64_t line)
{
    const pt_turns *t = &rec->answers[0].turns;
    const char *file = pt_audit_file(l);
    size_t answers = 0, others = 0, last = 0;
    for (size_t i = 0; i < t->n; i++) {
        const pt_turn *u = &t->turns[i];
        if (pt_speaker_is(u->speaker, PT_SYSTEM) || !says(u)) continue;
        last = i;
        if (pt_speaker_is(u->speaker, PT_ASSISTANT)) answers++;
        else others++;
    }
    if (rec->kind != PT_RECORD_CHAT || rec->n_answers != 1 || !t->n) return;
    char text[PT_AUDIT_EXCERPT];
    pt_audit_excerpt(text, t->turns[last].text, t->turns[last].text ? t->turns[last].bytes : 0, 0);
    if (answers == 1 && !others) pt_audit_put(l->a, PT_FOUND_GREETING_ONLY, file, line, text, NULL);
    if (answers && pt_speaker_is(t->turns[last].speaker, PT_USER) && last + 1 == t->n) pt_audit_put(l->a, PT_FOUND_UNANSWERED, file, line, text, NULL);
}

/* ---- what is kept ---- */

enum { WORDS_TO_TELL = 8 }; /* an answer of fewer is given to many prompts by right */

static uint64_t hash_part(uint64_t h, const pt_audit_part *p)
{
    const char *text = p->text;
    size_t n = p->bytes;
    pt_text_strip(&text, &n);
    return pt_hash_mix(pt_fnv1a(h ^ (uint64_t)p->kind, text, n), n);
}

static pt_status add_json(pt_audit_look *l, const json_t *j, uint64_t *hash)
{
    char *text = pt_json_dump(j, JSON_COMPACT | JSON_ENCODE_ANY);
    if (!text) return pt_fail(PT_ENOMEM, "out of memory");
    size_t n = strlen(text);
    *hash = pt_fnv1a(*hash, text, n);
    pt_status rc = l ? pt_str_add(&l->text, text, n) : PT_OK;
    free(text);
    return rc;
}

/* A label, a rating: what a row says of itself, but for how much it counts. */
static uint64_t hash_columns(uint64_t h, const pt_values *v)
{
    for (size_t i = 0; i < v->n; i++)
        if (strcmp(v->list[i].name, PT_COLUMN_WEIGHT) && strcmp(v->list[i].name, PT_COLUMN_MARGIN))
            h = pt_fnv1a(pt_fnv1a(h, v->list[i].name, strlen(v->list[i].name)), &v->list[i].value, sizeof v->list[i].value);
    return h;
}

/* What stands beside the texts makes records different too: thoughts, calls, the tools that are offered. *calls: the last turn is a call. */
static pt_status add_beside(pt_audit_look *l, const pt_record *rec, uint64_t *whole, bool *calls)
{
    *calls = false;
    if (rec->role) *whole = pt_fnv1a(*whole, rec->role, strlen(rec->role));
    *whole = hash_columns(*whole, &rec->columns);
    if (rec->tools) PT_RETURN(add_json(NULL, rec->tools, whole));
    for (size_t k = 0; k < rec->n_answers; k++) {
        *whole = hash_columns(*whole, &rec->answers[k].columns);
        for (size_t i = k ? rec->n_prompt : 0; i < rec->answers[k].turns.n; i++) {
            const pt_turn *t = &rec->answers[k].turns.turns[i];
            if (t->thought) *whole = pt_fnv1a(*whole, t->thought, t->thought_bytes);
            *calls = t->calls != NULL;
            if (t->calls) PT_RETURN(add_json(k ? NULL : l, t->calls, whole));
        }
    }
    return PT_OK;
}

static pt_status put_line(pt_str *out, const pt_audit_part *p)
{
    PT_RETURN(pt_str_add(out, p->text, p->bytes));
    return pt_str_puts(out, "\n");
}

/* Texts that are spoken stand one behind the other for near duplicates; a profile that many records share would make them all alike. */
static pt_status keep(pt_audit_look *l, const pt_record *rec, int64_t line, bool validation)
{
    pt_audit *a = l->a;
    const pt_audit_view *v = &l->view;
    size_t last = v->n;
    uint64_t before = PT_FNV_START;
    bool calls;
    PT_RETURN(pt_reserve(&a->rows, &a->rows_cap, a->n_rows + 1));
    pt_audit_row *row = &a->rows[a->n_rows];
    *row = (pt_audit_row){.whole = PT_FNV_START, .file = pt_audit_file(l), .line = line, .test = l->test, .validation = validation, .set = (uint32_t)l->set};
    while (last && !(v->parts[last - 1].kind & (PT_PART_ANSWER | PT_PART_TEXT))) last--;
    l->text.len = l->answers.len = 0;
    for (size_t i = 0; i < v->n; i++) {
        const pt_audit_part *p = &v->parts[i];
        if (i + 1 < last) before = hash_part(before, p);
        row->whole = hash_part(row->whole, p);
        if (p->kind == PT_PART_SYSTEM) row->system = hash_part(row->system, p);
        if (p->kind == PT_PART_SYSTEM) continue;
        PT_RETURN(put_line(&l->text, p));
        if (p->kind != PT_PART_ASKED) PT_RETURN(put_line(&l->answers, p));
    }
    PT_RETURN(add_beside(l, rec, &row->whole, &calls));
    if (rec->role) row->system = pt_fnv1a(row->system, rec->role, strlen(rec->role));
    if (!v->n) row->whole = 0;
    if (last) {
        const pt_audit_part *answer = &v->parts[last - 1];
        row->script = (uint8_t)pt_script_text(answer->text, answer->bytes, &row->scripts);
        unsigned asked = 0;
        for (size_t i = 0; i < last; i++)
            if (v->parts[i].kind == PT_PART_ASKED) (void)pt_script_text(v->parts[i].text, v->parts[i].bytes, &asked);
        row->asked_so = v->asks_language || calls || (asked >> row->script & 1);
        if (last > 1) row->prompt = rec->role ? pt_fnv1a(before, rec->role, strlen(rec->role)) : before;
        if (answer->kind == PT_PART_ANSWER && !calls && pt_near_words(answer->text, answer->bytes) >= WORDS_TO_TELL) row->answer = hash_part(PT_FNV_START, answer);
        a->scripts[row->script] += !l->test;
    }
    bool near = l->text.len && pt_near_words(l->text.text, l->text.len) >= 3 * WORDS_TO_TELL && a->near.n < PT_AUDIT_NEAR;
    if (near) PT_RETURN(pt_near_add(&a->near, l->text.text, l->text.len, (uint32_t)a->n_rows, NULL));
    if (near && l->answers.len) PT_RETURN(pt_near_add(&a->answers, l->answers.text, l->answers.len, (uint32_t)a->n_rows, NULL));
    a->n_rows++;
    return PT_OK;
}

/* ---- the record's place in the pack ---- */

/* Records stand in a pack in the order of reading; those that were dropped are missing. */
bool pt_audit_in_pack(pt_audit_look *l, const pt_record *rec, int64_t line, bool *validation)
{
    const pt_pack_options *o = l->a->options;
    pt_packed r;
    int64_t n = pt_pack_count(l->side->pack), most = o->pretrain && rec->kind != PT_RECORD_CHAT ? INT64_MAX : o->verdicts ? (int64_t)rec->n_answers : 1;
    bool found = false;
    for (int64_t k = 0; k < most && l->at < n; k++, l->at++) {
        if (pt_pack_get(l->side->pack, l->at, &r) != PT_OK || r.source != l->source + (int32_t)l->reader->file || r.line != line) break;
        *validation = r.validation;
        found = true;
    }
    return found;
}

pt_status pt_audit_look_at(pt_audit_look *l, const pt_record *rec, int64_t line, bool there, bool validation)
{
    const pt_pack_options *o = l->a->options;
    if (rec->n_answers >= 2 && (o->pairs || o->verdicts) && !l->test) PT_RETURN(compare_pair(l, rec, line));
    if (!there) return PT_OK;
    PT_RETURN(pt_audit_view_fill(&l->view, rec, o->verdicts, o->tok));
    if (!l->test) {
        apply(l, line);
        look_at_turns(l, rec, line);
    }
    return rec->kind == PT_RECORD_IDS ? PT_OK : keep(l, rec, line, validation);
}
