/* Records to ids and weights, cut to sequence_len: whole old turns first (never the system turn, never the last question), then
 * by excess_length_strategy. What is cut off has no supervised end token, because the token itself is gone. */
#include <string.h>

#include "data/pack/pack_data.h"

/* Several answers to one question: the prompt is context. */
static bool several(const pt_record *rec)
{
    return rec->n_answers > 1;
}

static float said_weight(const pt_packer *pk, const pt_turn *t)
{
    return t->weight > PT_WEIGHT_HELD || pk->opt->imitate ? t->weight : 0;
}

static float turn_weight(const pt_packer *pk, const pt_record *rec, const pt_turn *t, size_t i)
{
    if (!several(rec) && i < rec->n_prompt && (pk->opt->verdicts || !pk->opt->train_on_inputs)) return 0;
    if (!several(rec)) return t->has_weight ? said_weight(pk, t) : pt_speaker_weight(&pk->weights, t->speaker);
    if (i < rec->n_prompt) return 0;
    return t->has_weight ? said_weight(pk, t) : pt_speaker_is(t->speaker, PT_ASSISTANT) ? 1 : 0;
}

/* Whether answer k is to be imitated at all: of judged answers the desirable ones, and of a pair the better. */
static bool wanted(const pt_packer *pk, const pt_record *rec, size_t k)
{
    if (!pk->opt->verdicts) return true;
    return several(rec) ? k == 0 : pt_values_get(&rec->columns, PT_COLUMN_LABEL) > 0.5f;
}

/* Weights as the readers gave them to weights of the loss; or to shares of tokens that weigh 1. */
static pt_status settle(const pt_packer *pk, const pt_record *rec, size_t k, pt_built *b)
{
    pt_rendered *r = &b->text;
    bool imitated = wanted(pk, rec, k);
    if (pk->opt->imitate) PT_RETURN(pt_reserve(&b->imitate, &b->imitate_cap, r->ids.n));
    for (size_t i = 0; i < r->ids.n; i++) {
        float w = r->weight[i], share = w > PT_WEIGHT_HELD ? w : 0;
        r->weight[i] = pk->opt->imitate ? w > 0 : share;
        if (!pk->opt->imitate) continue;
        if (share > 1) return pt_fail(PT_EFORMAT, "a token of weight %g; this objective takes weights from 0 to 1, the share that is imitated", (double)share);
        b->imitate[i] = imitated ? share : 0;
    }
    return PT_OK;
}

/* What follows the last supervised token (the line break after an end token, a last question, padding) is predicted by nobody
 * and seen by nobody: it is left out. */
static void trim(pt_rendered *r)
{
    while (r->ids.n > 1 && !(r->weight[r->ids.n - 1] > 0)) r->ids.n--;
}

/* What is rendered of an answer: its first `until` turns without [from, to); of a part, what is trained there alone. */
typedef struct pt_view {
    size_t answer, from, to, until;
    bool part;
} pt_view;

/* A score is read at the last answer's end: the ones before it are context, as the template writes them there. */
static void unsupervise_earlier(pt_message *m, size_t n)
{
    while (n && !(m[n - 1].weight > 0)) n--;
    for (size_t i = 0; i + 1 < n; i++) m[i].weight = 0;
}

/* The messages of a view into pk->messages. */
static pt_status gather(pt_packer *pk, const pt_record *rec, const pt_view *v, size_t *n)
{
    const pt_turns *t = &rec->answers[v->answer].turns;
    *n = 0;
    PT_RETURN(pt_reserve(&pk->messages, &pk->messages_cap, t->n));
    for (size_t i = 0; i < v->until; i++) {
        if (i >= v->from && i < v->to) continue;
        const pt_turn *u = &t->turns[i];
        pk->messages[(*n)++] = pt_turn_message(u, v->part && pk->until[i] != v->until ? 0 : turn_weight(pk, rec, u, i));
    }
    if (*n) pk->messages[0].tools = rec->tools;
    if (pk->opt->scored && pt_template_rewrites(pk->opt->tmpl)) unsupervise_earlier(pk->messages, *n);
    PT_RETURN(pt_template_think(pk->opt->tmpl, pk->thinking, pk->messages, *n, &pk->spans));
    for (size_t i = 0; pk->thinking == PT_THINKING_STRIP && i < *n; i++) {
        const pt_message *m = &pk->messages[i];
        if (m->weight > 0 && pt_speaker_is(m->speaker, PT_ASSISTANT) && !m->calls && pt_text_blank(m->text, m->bytes))
            return pt_fail(PT_EFORMAT, "an answer that is a thought alone (thinking: strip)");
    }
    return PT_OK;
}

static pt_status render_view(pt_packer *pk, const pt_record *rec, const pt_view *v, pt_built *b)
{
    size_t n;
    PT_RETURN(gather(pk, rec, v, &n));
    pt_rendered_clear(&b->text);
    pt_status rc = pt_template_render(pk->opt->tmpl, pk->messages, n, false, &b->text);
    if (rc != PT_OK) return rc == PT_EARG ? PT_EFORMAT : rc; /* a conversation that the template does not take */
    PT_RETURN(settle(pk, rec, v->answer, b));
    trim(&b->text);
    return PT_OK;
}

static pt_status begin_built(pt_packer *pk, size_t n)
{
    PT_RETURN(pt_reserve(&pk->built, &pk->built_cap, n));
    for (size_t k = pk->n_built; k < n; k++) {
        pk->built[k].end = -1;
        pk->built[k].ends = 0;
        pk->built[k].cut = pk->built[k].turns_cut = false;
        pk->built[k].teacher = NULL;
    }
    pk->n_built = n;
    return PT_OK;
}

/* Tokens by which the longest sequence from number `first` on passes sequence_len. */
static int64_t excess(const pt_packer *pk, size_t first)
{
    size_t n = 0;
    for (size_t k = first; k < pk->n_built; k++)
        if (pk->built[k].text.ids.n > n) n = pk->built[k].text.ids.n;
    return (int64_t)n - pk->opt->sequence_len;
}

/* The next user turn after `at` among the turns that may go; 0 when there is none. */
static size_t next_unit(const pt_record *rec, const pt_view *v, size_t at)
{
    const pt_turns *t = &rec->answers[0].turns;
    size_t limit = several(rec) ? rec->n_prompt : v->until;
    for (size_t i = at + 1; i < limit; i++)
        if (pt_speaker_is(t->turns[i].speaker, PT_USER)) return i;
    return 0;
}

/* Leaves old turns out of what was built from number `lo` on (all answers, or one part) until it fits. */
static pt_status shorten(pt_packer *pk, const pt_record *rec, size_t lo, pt_view v)
{
    const pt_turns *t = &rec->answers[0].turns;
    size_t first = 0;
    while (first < v.until && pt_speaker_is(t->turns[first].speaker, PT_SYSTEM)) first++;
    v.from = v.to = first;
    while (excess(pk, lo) > 0) {
        size_t next = next_unit(rec, &v, v.to);
        if (!next) return PT_OK;
        const pt_rendered *r = &pk->built[lo].text;
        if (v.to == first &&
            r->n_turns == v.until) { /* the first rendering says where each turn begins: leap to the first cut that may fit */
            size_t later;
            while (r->turn_start[next] - r->turn_start[first] < excess(pk, lo) && (later = next_unit(rec, &v, next))) next = later;
        }
        v.to = next;
        for (size_t k = lo; k < pk->n_built; k++) {
            if (!v.part) v.answer = k, v.until = rec->answers[k].turns.n;
            PT_RETURN(render_view(pk, rec, &v, &pk->built[k]));
            pk->built[k].cut = pk->built[k].turns_cut = true;
        }
    }
    return PT_OK;
}

/* The template writes answers otherwise once others follow: each is trained in the beginning of the conversation that holds it as the model says
 * it. Old turns go from each part by itself. */
static pt_status render_parts(pt_packer *pk, const pt_record *rec)
{
    size_t all = rec->answers[0].turns.n, n;
    PT_RETURN(gather(pk, rec, &(pt_view){.until = all}, &n));
    PT_RETURN(pt_reserve(&pk->until, &pk->until_cap, all));
    PT_RETURN(pt_template_split(pk->opt->tmpl, pk->messages, n, pk->until));
    pk->n_built = 0;
    for (size_t u = 1; u <= all; u++) {
        bool any = false;
        for (size_t i = 0; i < u; i++) any = any || pk->until[i] == u;
        if (!any) continue;
        pt_view v = {.until = u, .part = true};
        PT_RETURN(begin_built(pk, pk->n_built + 1));
        PT_RETURN(render_view(pk, rec, &v, &pk->built[pk->n_built - 1]));
        PT_RETURN(shorten(pk, rec, pk->n_built - 1, v));
    }
    return PT_OK;
}

/* What is learnt of a completion as a whole (its log-probability) no rendering holds as the model says it. */
static pt_status refuse_rewritten(pt_packer *pk, const pt_record *rec, const pt_view *v)
{
    size_t n, at = 0;
    PT_RETURN(gather(pk, rec, v, &n));
    PT_RETURN(pt_reserve(&pk->until, &pk->until_cap, n));
    PT_RETURN(pt_template_split(pk->opt->tmpl, pk->messages, n, pk->until));
    while (at + 1 < n && (!pk->until[at] || pk->until[at] == n)) at++;
    return pt_fail(PT_ENOSUP,
                   "the template writes message %zu otherwise once others follow; this objective wants one answer a completion (earlier ones belong to the prompt), or another "
                   "chat_template",
                   at + 1);
}

static pt_status render_chat(pt_packer *pk, const pt_record *rec)
{
    if (!pk->opt->tmpl) return pt_fail(PT_EARG, "conversations need a chat template");
    for (size_t k = 0; k < rec->n_answers; k++) {
        const pt_view v = {.answer = k, .until = rec->answers[k].turns.n};
        pt_status rc = render_view(pk, rec, &v, &pk->built[k]);
        if (pk->built[k].text.rewrites) return pk->opt->parts && !several(rec) ? render_parts(pk, rec) : refuse_rewritten(pk, rec, &v);
        PT_RETURN(rc);
    }
    return shorten(pk, rec, 0, (pt_view){.until = rec->answers[0].turns.n});
}

static pt_status put_weights(pt_rendered *r, float weight)
{
    PT_RETURN(pt_reserve(&r->weight, &r->weight_cap, r->ids.n));
    for (size_t i = 0; i < r->ids.n; i++) r->weight[i] = weight;
    return PT_OK;
}

/* A document: control tokens that it spells are ids, BOS and the end token stand once. */
static pt_status render_text(pt_packer *pk, const pt_record *rec, size_t k)
{
    const pt_tokenizer *tok = pk->opt->tok;
    pt_built *b = &pk->built[k];
    pt_rendered *r = &b->text;
    bool ended;
    if (!tok) return pt_fail(PT_EARG, "text needs a tokenizer");
    pt_rendered_clear(r);
    PT_RETURN(pt_tok_encode_document(tok, rec->answers[k].text, rec->answers[k].bytes, true, &r->ids, &ended));
    if (ended) {
        b->end = (int32_t)r->ids.n - 1;
        b->ends = 1;
    }
    PT_RETURN(put_weights(r, 1));
    return settle(pk, rec, k, b);
}

/* Texts that are compared: what all begin with alike is asked, the rest answered. */
static void unsupervise_prefix(pt_packer *pk, size_t n)
{
    const pt_ids *first = &pk->built[0].text.ids;
    for (size_t i = 0; i < first->n; i++) {
        for (size_t k = 1; k < n; k++)
            if (i >= pk->built[k].text.ids.n || pk->built[k].text.ids.ids[i] != first->ids[i]) return;
        for (size_t k = 0; k < n; k++) pk->built[k].text.weight[i] = 0;
    }
}

static pt_status take_teacher(const pt_answer *a, int32_t vocab, pt_built *b)
{
    const pt_targets *t = &a->teacher;
    if (t->n_tokens != a->ids.n) return pt_fail(PT_EFORMAT, "a record without a teacher's log-probabilities");
    for (int64_t i = 0; i < t->start[t->n_tokens]; i++)
        if (t->id[i] >= vocab) return pt_fail(PT_EFORMAT, "a teacher's id %d; the vocabulary has %d", t->id[i], vocab);
    b->teacher = t;
    return PT_OK;
}

static pt_status render_ids(pt_packer *pk, const pt_record *rec, size_t k)
{
    pt_built *b = &pk->built[k];
    pt_rendered *r = &b->text;
    const pt_ids *ids = &rec->answers[k].ids;
    int32_t vocab = !pk->opt->tok ? INT32_MAX : pk->opt->vocab ? pk->opt->vocab : pt_tok_vocab_size(pk->opt->tok);
    pt_rendered_clear(r);
    PT_RETURN(pt_reserve(&r->ids.ids, &r->ids.cap, ids->n));
    PT_RETURN(pt_reserve(&r->weight, &r->weight_cap, ids->n));
    for (size_t i = 0; i < ids->n; i++) {
        if (ids->ids[i] >= vocab)
            return pt_fail(PT_EFORMAT, "id %d at token %zu; the vocabulary has %d", ids->ids[i], i, vocab);
        r->ids.ids[i] = ids->ids[i];
        r->weight[i] = rec->answers[k].label[i];
    }
    if (pk->opt->teacher) PT_RETURN(take_teacher(&rec->answers[k], vocab, b));
    r->ids.n = ids->n;
    PT_RETURN(settle(pk, rec, k, b));
    for (size_t i = 1; i < ids->n; i++)
        if (r->weight[i] > 0) b->end = (int32_t)i;
    trim(r);
    return PT_OK;
}

/* A supervised turn without text teaches to say nothing. */
static pt_status check_answers(const pt_packer *pk, const pt_record *rec)
{
    const pt_turns *t = &rec->answers[0].turns; /* the readers of several see to theirs */
    for (size_t i = 0; !several(rec) && i < t->n; i++) {
        const pt_turn *u = &t->turns[i];
        bool thinks = u->thought_bytes && pk->thinking == PT_THINKING_KEEP;
        if (pt_speaker_is(u->speaker, PT_ASSISTANT) && !u->calls && !thinks && turn_weight(pk, rec, u, i) > 0 && pt_text_blank(u->text, u->bytes))
            return pt_fail(PT_EFORMAT, "empty answer (message %zu)", i + 1);
    }
    return PT_OK;
}

/* Cuts to sequence_len, counts what is supervised. */
static pt_status finish(pt_built *b, size_t most, bool text, const char **drop)
{
    pt_rendered *r = &b->text;
    if (r->ids.n > most) {
        r->ids.n = most;
        b->cut = true;
    }
    if (r->ids.n) r->weight[0] = 0; /* nothing stands before it to predict it */
    for (size_t i = 0; i < r->n_answers; i++) {
        int32_t at = r->answer_end[i];
        if (at < 0 || (size_t)at >= r->ids.n || !(r->weight[at] > 0)) continue;
        b->end = at;
        b->ends++;
    }
    if (b->end >= (int32_t)r->ids.n) b->end = -1, b->ends = 0;
    size_t n = 0;
    for (size_t i = 1; i < r->ids.n; i++) n += r->weight[i] > 0;
    if (!n && !b->cut && !text) return pt_fail(PT_EFORMAT, PT_DROP_UNSUPERVISED);
    if (!n) *drop = b->cut ? PT_DROP_CUT_UNSUPERVISED : "empty text";
    return PT_OK;
}

static pt_status render_all(pt_packer *pk, const pt_record *rec)
{
    if (rec->kind == PT_RECORD_CHAT) {
        PT_RETURN(check_answers(pk, rec));
        return render_chat(pk, rec);
    }
    for (size_t k = 0; k < rec->n_answers; k++)
        PT_RETURN(rec->kind == PT_RECORD_TEXT ? render_text(pk, rec, k) : render_ids(pk, rec, k));
    if (rec->kind == PT_RECORD_TEXT && several(rec)) unsupervise_prefix(pk, rec->n_answers);
    return PT_OK;
}

/* Answers that are all the same prefer nothing, and nothing is wrong with them. */
static bool all_equal(const pt_packer *pk, size_t n)
{
    const pt_ids *a = &pk->built[0].text.ids;
    for (size_t k = 1; k < n; k++) {
        const pt_ids *z = &pk->built[k].text.ids;
        if (a->n != z->n || memcmp(a->ids, z->ids, a->n * sizeof *a->ids)) return false;
    }
    return true;
}

/* Scored at the last token of this id. */
static pt_status find_end_token(const pt_pack_options *o, pt_built *b)
{
    const pt_rendered *r = &b->text;
    size_t i = r->ids.n;
    while (i && r->ids.ids[i - 1] != o->end_token - 1) i--;
    if (!i) return pt_fail(PT_EFORMAT, "the text has no pooling_token%s", b->cut ? " within sequence_len" : "");
    b->end = (int32_t)i - 1;
    return PT_OK;
}

/* Parts repeat what stands before them: the last one, which holds the most, counts; what it leaves out of earlier answers has a part of its own. */
static void count_notes(pt_packer *pk, const pt_record *rec)
{
    bool parts = pk->n_built > rec->n_answers;
    for (size_t k = parts ? pk->n_built - 1 : 0; k < pk->n_built; k++) {
        const pt_rendered *r = &pk->built[k].text;
        pk->control_in_text += (long long)r->control_in_text;
        for (int i = 0; i < PT_NOTES; i++) pk->noted[i] += parts && i == PT_NOTE_OLD_THOUGHT ? 0 : (long long)r->noted[i];
    }
}

/* A part of which nothing is left; its memory is used again. */
static void leave_out(pt_packer *pk, size_t k)
{
    pt_built gone = pk->built[k];
    memmove(pk->built + k, pk->built + k + 1, (pk->n_built - k - 1) * sizeof gone);
    pk->built[--pk->n_built] = gone;
}

pt_status pt_pack_render(pt_packer *pk, const pt_record *rec, const char **drop)
{
    const pt_pack_options *o = pk->opt;
    bool pieces = o->pretrain && rec->kind != PT_RECORD_CHAT;
    *drop = NULL;
    pk->n_built = 0;
    pk->control_in_text = 0;
    memset(pk->noted, 0, sizeof pk->noted);
    PT_RETURN(begin_built(pk, rec->n_answers));
    PT_RETURN(render_all(pk, rec));
    int64_t over = excess(pk, 0);
    if (over > 0 && !pieces && o->excess == PT_EXCESS_RAISE)
        return pt_fail(PT_EARG, "%lld tokens; sequence_len is %d (excess_length_strategy: raise)",
                       (long long)over + o->sequence_len, o->sequence_len);
    if (over > 0 && !pieces && o->excess == PT_EXCESS_DROP) {
        *drop = PT_DROP_LONG;
        return PT_OK;
    }
    count_notes(pk, rec);
    for (size_t k = 0; k < pk->n_built;) {
        const char *why = NULL;
        PT_RETURN(finish(&pk->built[k], pieces ? SIZE_MAX : (size_t)o->sequence_len, rec->kind == PT_RECORD_TEXT, &why));
        if (o->end_token) PT_RETURN(find_end_token(o, &pk->built[k]));
        if (why && !several(rec) && pk->n_built > 1) {
            leave_out(pk, k);
            continue;
        }
        if (why) *drop = why;
        k++;
    }
    if (!*drop && several(rec) && all_equal(pk, o->pairs ? 2 : rec->n_answers)) /* a criterion may be like one of a pair */
        *drop = o->pairs || rec->n_answers == 2 ? PT_DROP_EQUAL_PAIR : "all answers are equal";
    return PT_OK;
}
