/* memorisation: how much of its training texts a model says by heart. It sees the beginning of a text that was trained on, writes on greedily, and what it writes
 * is compared with what stands there (Carlini et al. 2023, "Quantifying Memorization Across Neural Language Models", arXiv:2202.07646, section 3), by how
 * often the text stood in the data.
 *
 * The file: the training data itself, of any `type` of data set (texts; conversations, of whose last answer the beginning is shown behind the conversation). Equal
 * texts (by a hash of 64 bits) are one item, counted. Or, without `type`, rows of probes: {"prefix": TEXT, "continuation": TEXT, "count": N, "group": TEXT}, each asked as it is. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "data/read/record.h"
#include "eval/text/edit_distance.h"
#include "eval/task/task.h"
#include "eval/metric/tally.h"

typedef struct probe {
    pt_message *turns; /* [n] what is asked before the text; NULL: it stands by itself */
    size_t n;
    char *text;        /* a text, an answer, or a prefix */
    char *rest;        /* what should follow; a prefix's from the file, else after asking; NULL: too short */
    uint64_t hash;
    size_t count, scope, order;
} probe;

typedef struct state {
    probe *items; /* n is the task's items */
    size_t cap;
    bool *keep;
    struct pt_report_parts parts[2]; /* by side */
} state;

/* ---- reading ---- */

static void probe_free(probe *x)
{
    for (size_t i = 0; i < x->n; i++) free((char *)x->turns[i].text);
    free(x->turns);
    free(x->text);
    free(x->rest);
}

static uint64_t hash_text(uint64_t h, const char *text, size_t n)
{
    h = pt_hash_mix(h, n);
    for (size_t i = 0; i < n; i++) h = pt_hash_mix(h, (unsigned char)text[i]);
    return h;
}

static pt_status add(pt_task *t, probe **out)
{
    state *s = t->state;
    PT_RETURN(pt_reserve(&s->items, &s->cap, t->items + 1));
    *out = &s->items[t->items];
    **out = (probe){.count = 1, .order = t->items};
    t->items++;
    return PT_OK;
}

/* A record of a training set. Conversations that do not end in an answer hold nothing to continue. */
static pt_status take(void *user, const pt_record *rec, int64_t line)
{
    pt_task *t = user;
    const pt_answer *a = &rec->answers[0];
    probe *x;
    if (rec->kind == PT_RECORD_IDS) return pt_fail(PT_EARG, "type: %s holds ids: memorisation wants texts", pt_task_text(t, "type"));
    if (rec->kind == PT_RECORD_CHAT && (a->turns.n < 2 || !pt_speaker_is(a->turns.turns[a->turns.n - 1].speaker, PT_ASSISTANT))) return PT_OK;
    PT_RETURN(add(t, &x));
    if (rec->kind == PT_RECORD_TEXT) {
        x->hash = hash_text(0, a->text, a->bytes);
        return pt_strndup(&x->text, a->text, a->bytes);
    }
    PT_RETURN(pt_alloc0(&x->turns, a->turns.n));
    for (size_t i = 0; i < a->turns.n; i++) {
        const pt_turn *turn = &a->turns.turns[i];
        x->hash = hash_text(x->hash, turn->text, turn->bytes);
        if (i + 1 == a->turns.n) return pt_strndup(&x->text, turn->text, turn->bytes);
        x->turns[x->n] = (pt_message){.speaker = turn->speaker, .bytes = turn->bytes};
        PT_RETURN(pt_strndup((char **)&x->turns[x->n++].text, turn->text, turn->bytes));
    }
    return PT_OK;
}

static pt_status read_training(pt_task *t, const char *path, const char *source)
{
    pt_dataset_spec spec = {.path = (char *)path, .type = (char *)pt_task_text(t, "type"), .weight = 1};
    pt_reader r = {.spec = &spec, .sink = take, .user = t};
    const char *profiles = pt_task_text(t, "profiles"), *field = pt_task_text(t, "field_text");
    pt_status rc = PT_OK;
    (void)source;
    if (profiles) rc = pt_dataset_say(&spec, "profiles", profiles, 0, 0);
    if (rc == PT_OK && field) rc = pt_dataset_say(&spec, "field_text", field, 0, 0);
    if (rc == PT_OK) rc = pt_reader_run(&r);
    pt_reader_free(&r);
    for (pt_dataset_said *x = spec.said; x && x->key; x++) {
        free(x->key);
        free(x->text);
    }
    free(spec.said);
    return rc;
}

static pt_status text_of(json_t *row, const char *key, char **out)
{
    const json_t *v = json_object_get(row, key);
    if (!v) return pt_fail(PT_EFORMAT, "the row has no %s", key);
    if (!json_is_string(v)) return pt_fail(PT_EFORMAT, "%s is %s, not a text", key, pt_json_kind(v));
    if (pt_text_blank(json_string_value(v), json_string_length(v))) return pt_fail(PT_EFORMAT, "%s is empty", key);
    return pt_strdup(out, json_string_value(v));
}

static pt_status add_row(pt_task *t, json_t *row, const char *source)
{
    const json_t *count = json_object_get(row, "count");
    const char *by = pt_task_text(t, "group_by");
    const json_t *group = by ? json_object_get(row, by) : NULL;
    probe *x;
    (void)source;
    PT_RETURN(add(t, &x));
    PT_RETURN(text_of(row, "prefix", &x->text));
    PT_RETURN(text_of(row, "continuation", &x->rest));
    if (count && !(json_is_integer(count) && json_integer_value(count) > 0)) return pt_fail(PT_EFORMAT, "count is no whole number above 0");
    if (count) x->count = (size_t)json_integer_value(count);
    if (by && !json_is_string(group)) return pt_fail(PT_EFORMAT, "the row has no text in %s, which group_by names", by);
    return by ? pt_task_scope(t, json_string_value(group), &x->scope) : PT_OK;
}

static int by_hash(const void *a, const void *b)
{
    const probe *x = a, *y = b;
    if (x->hash != y->hash) return x->hash < y->hash ? -1 : 1;
    return (x->order > y->order) - (x->order < y->order);
}

static int by_order(const void *a, const void *b)
{
    const probe *x = a, *y = b;
    return (x->order > y->order) - (x->order < y->order);
}

/* Equal texts become one, in the place of the first. */
static void count_equal(pt_task *t)
{
    state *s = t->state;
    size_t n = 0;
    if (t->items) qsort(s->items, t->items, sizeof *s->items, by_hash);
    for (size_t i = 0; i < t->items; i++) {
        if (n && s->items[n - 1].hash == s->items[i].hash) {
            s->items[n - 1].count++;
            probe_free(&s->items[i]);
        } else {
            s->items[n++] = s->items[i];
        }
    }
    t->items = n;
    if (n) qsort(s->items, n, sizeof *s->items, by_order);
}

/* 1x, 2x, 3-4x, 5-8x, ...: groups in this order. */
static pt_status group_by_count(pt_task *t)
{
    state *s = t->state;
    size_t most = 1;
    for (size_t i = 0; i < t->items; i++) most = s->items[i].count > most ? s->items[i].count : most;
    for (size_t high = 1, low = 1; low <= most; low = high + 1, high *= 2) {
        char name[48];
        snprintf(name, sizeof name, low == high ? "%zux" : "%zu-%zux", low, high);
        for (size_t i = 0; i < t->items; i++)
            if (s->items[i].count >= low && s->items[i].count <= high) PT_RETURN(pt_task_scope(t, name, &s->items[i].scope));
    }
    return PT_OK;
}

static pt_status open_memorisation(pt_task *t)
{
    state *s;
    const char *type = pt_task_text(t, "type");
    PT_RETURN(pt_alloc0(&s, 1));
    t->state = s;
    if (type && !pt_reader_gives(type, false)) return pt_task_fail(t, "type: %s gives no texts or conversations", type);
    if (type && pt_task_text(t, "group_by")) return pt_task_fail(t, "group_by goes with rows of probes; texts of a type are grouped by how often they stand there");
    PT_RETURN(type ? pt_task_files(t, read_training) : pt_task_rows(t, add_row));
    if (type) count_equal(t);
    return pt_task_text(t, "group_by") ? PT_OK : group_by_count(t);
}

static void close_memorisation(pt_task *t)
{
    state *s = t->state;
    if (!s) return;
    for (size_t i = 0; i < t->items; i++) probe_free(&s->items[i]);
    for (int k = 0; k < 2; k++) pt_report_parts_free(&s->parts[k]);
    free(s->items);
    free(s->keep);
    free(s);
}

/* ---- asking ---- */

/* Asks one; what is too short for prefix and continuation stays unasked. */
static pt_status ask_one(pt_task *t, const pt_speller *s, pt_requests *q, probe *x, size_t *asked)
{
    pt_status rc = PT_OK;
    const pt_sampling how = {.max_new_tokens = (int)pt_task_number(t, "continuation_tokens"), .top_p = 1, .seed = t->seed};
    pt_str rest = {0};
    bool enough = true;
    if (!pt_task_text(t, "type")) {
        pt_sampling to_its_end = how;
        PT_TRY(pt_spell_length(s, x->rest, &to_its_end.max_new_tokens));
        PT_TRY(pt_spell_text(s, q, x->text, &to_its_end, 0));
    } else {
        free(x->rest);
        x->rest = NULL;
        PT_TRY(pt_spell_beginning(s, q, x->turns, x->n, x->text, (int)pt_task_number(t, "prefix_tokens"), &how, &rest, &enough));
        if (enough) PT_TRY(pt_strdup(&x->rest, rest.text ? rest.text : ""));
    }
    *asked += enough;
done:
    pt_str_free(&rest);
    return rc;
}

static pt_status ask_memorisation(pt_task *t, const pt_speller *s, pt_requests *q)
{
    pt_status rc = PT_OK;
    state *st = t->state;
    size_t *scope = NULL, kept, asked = 0;
    PT_TRY(pt_alloc0(&scope, t->items));
    free(st->keep);
    PT_TRY(pt_alloc0(&st->keep, t->items));
    for (size_t i = 0; i < t->items; i++) scope[i] = st->items[i].scope;
    PT_TRY(pt_task_limit(t, scope, st->keep, &kept));
    for (size_t i = 0; i < t->items; i++) {
        size_t before = asked;
        if (!st->keep[i]) continue;
        PT_CHECK(!st->items[i].turns || s->tmpl, PT_EARG, "%s holds conversations, and the model has no chat template that is known here", t->spec->path);
        PT_TRY(ask_one(t, s, q, &st->items[i], &asked));
        st->keep[i] = asked > before;
    }
    if (!asked)
        rc = pt_task_fail(t, "no text is long enough for prefix_tokens: %.0f and continuation_tokens: %.0f", pt_task_number(t, "prefix_tokens"), pt_task_number(t, "continuation_tokens"));
    t->report.questions = asked;
done:
    free(scope);
    return rc;
}

/* ---- judging ---- */

enum { EXACT, BEGINNING, SIMILARITY, VALUES };
static const pt_tally_row rows[VALUES] = {
    [EXACT] = {.metric = (char *)"memorised", .label = (char *)"continued word for word", .form = PT_FORM_SHARE},
    [BEGINNING] = {.metric = (char *)"memorised_beginning", .label = (char *)"share of it up to the first difference", .form = PT_FORM_SHARE},
    [SIMILARITY] = {.metric = (char *)"edit_similarity", .label = (char *)"similarity by edit distance", .form = PT_FORM_SHARE},
};

static void means(const void *user, const double *sums, double *out)
{
    (void)user;
    for (int k = 0; k < VALUES; k++) out[k] = sums[VALUES] > 0 ? sums[k] / sums[VALUES] : NAN;
}

/* part[VALUES + 1]. A probe's answer may go on behind its continuation, and begin with spaces. */
static pt_status compare(const probe *x, bool row_of_probes, const char *said, double *part)
{
    size_t distance, longest, want;
    const char *rest = x->rest;
    pt_str cut = {0};
    pt_status rc = PT_OK;
    if (row_of_probes) {
        rest += strspn(rest, " ");
        said += strspn(said, " ");
        if (strlen(said) > strlen(rest)) {
            PT_TRY(pt_str_add(&cut, said, strlen(rest)));
            said = cut.text;
        }
    }
    PT_TRY(pt_edit_distance(rest, said, &distance, &longest));
    want = (size_t)pt_task_characters(rest);
    part[EXACT] = !strcmp(rest, said);
    part[BEGINNING] = want ? (double)pt_same_beginning(rest, said) / (double)want : 1;
    part[SIMILARITY] = longest ? 1 - (double)distance / (double)longest : 1;
    part[VALUES] = 1;
done:
    pt_str_free(&cut);
    return rc;
}

static pt_status judge_memorisation(pt_task *t, const pt_reply *replies, pt_side side)
{
    state *s = t->state;
    struct pt_report_parts *p = &s->parts[side];
    const bool probes = !pt_task_text(t, "type");
    pt_report_parts_free(p);
    PT_RETURN(pt_alloc0(&p->of, t->report.questions * (VALUES + 1)));
    PT_RETURN(pt_alloc0(&p->role, t->report.questions));
    PT_RETURN(pt_alloc0(&p->cluster, t->report.questions));
    for (size_t i = 0; i < t->items; i++) {
        if (!s->keep[i]) continue;
        PT_RETURN(compare(&s->items[i], probes, (replies++)->text, p->of + p->n * (VALUES + 1)));
        p->role[p->n] = s->items[i].scope;
        p->cluster[p->n++] = i;
    }
    const pt_tally tally = {.width = VALUES + 1, .values = VALUES, .value = means, .side = {&s->parts[0], &s->parts[1]}};
    PT_RETURN(pt_tally_find(&tally, side, rows, t->scopes, t->n_scopes, t->seed, &t->findings));
    for (size_t i = 0; i < t->findings.n; i++) /* by how often is what the task is for */
        if (!strcmp(t->findings.list[i].metric, rows[EXACT].metric)) t->findings.list[i].detail = false;
    return PT_OK;
}

static const pt_task_key keys[] = {
    {.name = "type", .kind = PT_TASK_TEXT, .help = "The type of data that the file holds, as in datasets: training texts. Unset: rows of probes."},
    {.name = "profiles", .kind = PT_TASK_FILE, .help = "type: rolebench: the roles' profiles, as in datasets."},
    {.name = "field_text", .kind = PT_TASK_TEXT, .help = "type: text: the field that holds it, as in datasets."},
    {.name = "prefix_tokens", .kind = PT_TASK_WHOLE, .fallback = "32", .min = 0, .max = 65536,
     .help = "How many tokens of a text (of an answer, behind its conversation) are shown."},
    {.name = "continuation_tokens", .kind = PT_TASK_WHOLE, .fallback = "32", .min = 1, .max = 65536, .help = "How many are then wanted. Texts too short for both are left out."},
    {.name = "group_by", .kind = PT_TASK_TEXT, .help = "The field of a probe whose value is its group. Unset: how often the text stands in the data."},
    {.name = NULL},
};
static const pt_task_metric metrics[] = {{.key = NULL}}; /* its rows are findings */
const pt_task_kind pt_task_kind_memorisation = {.name = "memorisation", .help = "How much of its training texts a model says by heart.", .keys = keys, .metrics = metrics,
                                                .open = open_memorisation, .ask = ask_memorisation, .judge = judge_memorisation, .close = close_memorisation};
