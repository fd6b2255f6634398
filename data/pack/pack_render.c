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

/* Renders one answer without its turns [from, to). */
static pt_status render_answer(pt_packer *pk, const pt_record *rec, size_t k, size_t from, size_t to)
{
    const pt_turns *t = &rec->answers[k].turns;
    pt_built *b = &pk->built[k];
    size_t n = 0;
    PT_RETURN(pt_reserve(&pk->messages, &pk->messages_cap, t->n));
    for (size_t i = 0; i < t->n; i++) {
        if (i >= from && i < to) continue;
        const pt_turn *u = &t->turns[i];
        pk->messages[n++] = pt_turn_message(u, turn_weight(pk, rec, u, i));
    }
    if (n) pk->messages[0].tools = rec->tools;
    pt_rendered_clear(&b->text);
    pt_status rc = pt_template_render(pk->opt->tmpl, pk->messages, n, false, &b->text);
    if (rc != PT_OK) return rc == PT_EARG ? PT_EFORMAT : rc; /* a conversation that the template does not take */
    PT_RETURN(settle(pk, rec, k, b));
    trim(&b->text);
    return PT_OK;
}

/* Tokens by which the longest answer passes sequence_len. */
static int64_t excess(const pt_packer *pk, const pt_record *rec)
{
    size_t n = 0;
    for (size_t k = 0; k < rec->n_answers; k++)
        if (pk->built[k].text.ids.n > n) n = pk->built[k].text.ids.n;
    return (int64_t)n - pk->opt->sequence_len;
}

/* The next user turn after `at` among the turns that may go; 0 when there is none. */
static size_t next_unit(const pt_record *rec, size_t at)
{
    const pt_turns *t = &rec->answers[0].turns;
    size_t limit = several(rec) ? rec->n_prompt : t->n;
    for (size_t i = at + 1; i < limit; i++)
        if (pt_speaker_is(t->turns[i].speaker, PT_USER)) return i;
    return 0;
}

static pt_status render_chat(pt_packer *pk, const pt_record *rec)
{
    const pt_turns *t = &rec->answers[0].turns;
    size_t first = 0, to;
    if (!pk->opt->tmpl) return pt_fail(PT_EARG, "conversations need a chat template");
    for (size_t k = 0; k < rec->n_answers; k++) PT_RETURN(render_answer(pk, rec, k, 0, 0));
    while (first < t->n && pt_speaker_is(t->turns[first].speaker, PT_SYSTEM)) first++;
    to = first;
    while (excess(pk, rec) > 0) {
        size_t next = next_unit(rec, to);
        if (!next) return PT_OK;
        const pt_rendered *r = &pk->built[0].text;
        if (to == first &&
            r->n_turns == t->n) { /* the first rendering says where each turn begins: leap to the first cut that may fit */
            size_t later;
            while (r->turn_start[next] - r->turn_start[first] < excess(pk, rec) && (later = next_unit(rec, next))) next = later;
        }
        to = next;
        for (size_t k = 0; k < rec->n_answers; k++) {
            PT_RETURN(render_answer(pk, rec, k, first, to));
            pk->built[k].cut = pk->built[k].turns_cut = true;
        }
    }
    return PT_OK;
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
        if (pt_speaker_is(u->speaker, PT_ASSISTANT) && !u->calls && !u->thought_bytes && turn_weight(pk, rec, u, i) > 0 && pt_text_blank(u->text, u->bytes))
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

pt_status pt_pack_render(pt_packer *pk, const pt_record *rec, const char **drop)
{
    const pt_pack_options *o = pk->opt;
    bool pieces = o->pretrain && rec->kind != PT_RECORD_CHAT;
    *drop = NULL;
    PT_RETURN(pt_reserve(&pk->built, &pk->built_cap, rec->n_answers));
    for (size_t k = 0; k < rec->n_answers; k++) {
        pk->built[k].end = -1;
        pk->built[k].ends = 0;
        pk->built[k].cut = pk->built[k].turns_cut = false;
        pk->built[k].teacher = NULL;
    }
    PT_RETURN(render_all(pk, rec));
    int64_t over = excess(pk, rec);
    if (over > 0 && !pieces && o->excess == PT_EXCESS_RAISE)
        return pt_fail(PT_EARG, "%lld tokens; sequence_len is %d (excess_length_strategy: raise)",
                       (long long)over + o->sequence_len, o->sequence_len);
    if (over > 0 && !pieces && o->excess == PT_EXCESS_DROP) {
        *drop = PT_DROP_LONG;
        return PT_OK;
    }
    for (size_t k = 0; k < rec->n_answers; k++) {
        pk->report->control_in_text += (long long)pk->built[k].text.control_in_text;
        for (int i = 0; i < PT_NOTES; i++) pk->report->noted[i] += (long long)pk->built[k].text.noted[i];
        PT_RETURN(finish(&pk->built[k], pieces ? SIZE_MAX : (size_t)o->sequence_len, rec->kind == PT_RECORD_TEXT, drop));
        if (o->end_token) PT_RETURN(find_end_token(o, &pk->built[k]));
    }
    if (!*drop && several(rec) && all_equal(pk, o->pairs ? 2 : rec->n_answers)) /* a criterion may be like one of a pair */
        *drop = o->pairs || rec->n_answers == 2 ? PT_DROP_EQUAL_PAIR : "all answers are equal";
    return PT_OK;
}
