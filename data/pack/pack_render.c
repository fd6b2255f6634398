/* Records to ids and weights, cut to sequence_len: whole old turns first (never the system turn, never the last question), then
 * by excess_length_strategy. What is cut off has no supervised end token, because the token itself is gone. */
#include <string.h>

#include "data/pack/pack_data.h"

static float turn_weight(const pt_packer *pk, const pt_record *rec, const pt_turn *t, size_t i)
{
    if (!rec->pair && i < rec->n_prompt && !pk->opt->train_on_inputs) return 0;
    if (!rec->pair) return t->has_weight ? t->weight : pk->speaker_weight[t->speaker];
    if (i < rec->n_prompt) return 0;
    return t->has_weight ? t->weight : t->speaker == PT_ASSISTANT ? 1 : 0;
}

/* What follows the last supervised token (the line break after an end token, a last question, padding) is predicted by nobody
 * and seen by nobody: it is left out. */
static void trim(pt_rendered *r)
{
    while (r->ids.n > 1 && !(r->weight[r->ids.n - 1] > 0)) r->ids.n--;
}

/* Renders one side without its turns [from, to). */
static pt_status render_side(pt_packer *pk, const pt_record *rec, int side, size_t from, size_t to)
{
    const pt_turns *t = &rec->side[side];
    pt_built *b = &pk->built[side];
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
    trim(&b->text);
    return PT_OK;
}

/* Tokens by which the longer side passes sequence_len. */
static int64_t excess(const pt_packer *pk, const pt_record *rec)
{
    size_t n = pk->built[0].text.ids.n;
    if (rec->pair && pk->built[1].text.ids.n > n) n = pk->built[1].text.ids.n;
    return (int64_t)n - pk->opt->sequence_len;
}

/* The next user turn after `at` among the turns that may go; 0 when there is none. */
static size_t next_unit(const pt_record *rec, size_t at)
{
    const pt_turns *t = &rec->side[0];
    size_t limit = rec->pair ? rec->n_prompt : t->n;
    for (size_t i = at + 1; i < limit; i++)
        if (t->turns[i].speaker == PT_USER) return i;
    return 0;
}

static pt_status render_chat(pt_packer *pk, const pt_record *rec)
{
    const pt_turns *t = &rec->side[0];
    int sides = rec->pair ? 2 : 1;
    size_t first = 0, to;
    if (!pk->opt->tmpl) return pt_fail(PT_EARG, "conversations need a chat template");
    for (int s = 0; s < sides; s++) PT_RETURN(render_side(pk, rec, s, 0, 0));
    while (first < t->n && t->turns[first].speaker == PT_SYSTEM) first++;
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
        for (int s = 0; s < sides; s++) PT_RETURN(render_side(pk, rec, s, first, to));
        for (int s = 0; s < sides; s++) pk->built[s].cut = true;
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
static pt_status render_text(pt_packer *pk, const pt_record *rec, int side)
{
    const pt_tokenizer *tok = pk->opt->tok;
    pt_built *b = &pk->built[side];
    pt_rendered *r = &b->text;
    bool ended;
    if (!tok) return pt_fail(PT_EARG, "text needs a tokenizer");
    pt_rendered_clear(r);
    PT_RETURN(pt_tok_encode_document(tok, rec->text[side], rec->bytes[side], true, &r->ids, &ended));
    if (ended) {
        b->end = (int32_t)r->ids.n - 1;
        b->ends = 1;
    }
    return put_weights(r, 1);
}

/* Texts of a pair: what they begin with alike is asked, the rest answered. */
static void unsupervise_prefix(pt_packer *pk)
{
    pt_rendered *a = &pk->built[0].text, *b = &pk->built[1].text;
    for (size_t i = 0; i < a->ids.n && i < b->ids.n && a->ids.ids[i] == b->ids.ids[i]; i++) a->weight[i] = b->weight[i] = 0;
}

static pt_status render_ids(pt_packer *pk, const pt_record *rec, int side)
{
    pt_built *b = &pk->built[side];
    pt_rendered *r = &b->text;
    const pt_ids *ids = &rec->ids[side];
    int32_t vocab = !pk->opt->tok ? INT32_MAX : pk->opt->vocab ? pk->opt->vocab : pt_tok_vocab_size(pk->opt->tok);
    pt_rendered_clear(r);
    PT_RETURN(pt_reserve(&r->ids.ids, &r->ids.cap, ids->n));
    PT_RETURN(pt_reserve(&r->weight, &r->weight_cap, ids->n));
    for (size_t i = 0; i < ids->n; i++) {
        if (ids->ids[i] >= vocab)
            return pt_fail(PT_EFORMAT, "id %d at token %zu; the vocabulary has %d", ids->ids[i], i, vocab);
        r->ids.ids[i] = ids->ids[i];
        r->weight[i] = rec->label[side][i];
        if (i && r->weight[i] > 0) b->end = (int32_t)i;
    }
    r->ids.n = ids->n;
    trim(r);
    return PT_OK;
}

/* A supervised turn without text teaches to say nothing. */
static pt_status check_answers(const pt_packer *pk, const pt_record *rec)
{
    const pt_turns *t = &rec->side[0]; /* the readers of pairs see to both sides' */
    for (size_t i = 0; !rec->pair && i < t->n; i++) {
        const pt_turn *u = &t->turns[i];
        if (u->speaker == PT_ASSISTANT && !u->calls && !u->thought_bytes && turn_weight(pk, rec, u, i) > 0 && pt_text_blank(u->text, u->bytes))
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
    if (!n && !b->cut && !text) return pt_fail(PT_EFORMAT, "no supervised token");
    if (!n) *drop = b->cut ? "nothing supervised within sequence_len" : "empty text";
    return PT_OK;
}

pt_status pt_pack_render(pt_packer *pk, const pt_record *rec, const char **drop)
{
    const pt_pack_options *o = pk->opt;
    int sides = rec->pair ? 2 : 1;
    bool pieces = o->pretrain && rec->kind != PT_RECORD_CHAT;
    *drop = NULL;
    for (int s = 0; s < sides; s++) {
        pk->built[s].end = -1;
        pk->built[s].ends = 0;
        pk->built[s].cut = false;
    }
    if (rec->kind == PT_RECORD_CHAT) PT_RETURN(check_answers(pk, rec));
    if (rec->kind == PT_RECORD_CHAT) PT_RETURN(render_chat(pk, rec));
    for (int s = 0; rec->kind == PT_RECORD_TEXT && s < sides; s++) PT_RETURN(render_text(pk, rec, s));
    if (rec->kind == PT_RECORD_TEXT && rec->pair) unsupervise_prefix(pk);
    for (int s = 0; rec->kind == PT_RECORD_IDS && s < sides; s++) PT_RETURN(render_ids(pk, rec, s));
    int64_t over = excess(pk, rec);
    if (over > 0 && !pieces && o->excess == PT_EXCESS_RAISE)
        return pt_fail(PT_EARG, "%lld tokens; sequence_len is %d (excess_length_strategy: raise)",
                       (long long)over + o->sequence_len, o->sequence_len);
    if (over > 0 && !pieces && o->excess == PT_EXCESS_DROP) {
        *drop = "longer than sequence_len";
        return PT_OK;
    }
    for (int s = 0; s < sides; s++) {
        pk->report->control_in_text += (long long)pk->built[s].text.control_in_text;
        for (int k = 0; k < PT_NOTES; k++) pk->report->noted[k] += (long long)pk->built[s].text.noted[k];
        PT_RETURN(finish(&pk->built[s], pieces ? SIZE_MAX : (size_t)o->sequence_len, rec->kind == PT_RECORD_TEXT, drop));
    }
    const pt_ids *a = &pk->built[0].text.ids, *z = &pk->built[1].text.ids;
    if (!*drop && rec->pair && a->n == z->n && !memcmp(a->ids, z->ids, a->n * sizeof *a->ids))
        *drop = "chosen and rejected are equal"; /* nothing is wrong with it, and it prefers nothing */
    return PT_OK;
}
