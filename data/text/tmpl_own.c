/* The model's own template, run as it stands (data/text/jinja.h): its output, whose every byte has an origin, into spans.
 *
 * Only what the template wrote itself can be a control token. What is an answer is known in one of two ways:
 *   - the template marks it ({% generation %}): the mask is what transformers gives (return_assistant_tokens_mask), and where the end token lies behind
 *     the mark, that token too;
 *   - else the conversation is rendered up to the answer with the generation prompt (G), and up to and with the answer (P). What G and the whole text F
 *     begin with alike is the prompt, and P must be a beginning of F: the answer lies between. A template that writes earlier turns otherwise once others
 *     follow (thoughts left out, another end token) fails that for all but the last answer: such a conversation is refused as a whole, and
 *     pt_tmpl_own_split says which of its beginnings to render instead.
 * Behind an answer's end token (the first token behind its last word that ends answers, else the last control token of its turn) nothing is an answer. */
#include <stdlib.h>
#include <string.h>

#include "data/text/tmpl_own_priv.h"

/* ---- regions ---- */

static pt_status add_region(pt_own *x, pt_own_region r)
{
    PT_RETURN(pt_reserve(&x->regions, &x->cap_regions, x->n_regions + 1));
    x->regions[x->n_regions++] = r;
    return PT_OK;
}

static bool is_stop(const pt_tokenizer *tok, int32_t id)
{
    size_t n;
    const int32_t *stops = pt_tok_stops(tok, &n);
    for (size_t i = 0; i < n; i++)
        if (stops[i] == id) return true;
    return id == pt_tok_eos(tok) || id == pt_tok_eot(tok);
}

/* The control tokens that the template wrote in [from, to), one after the other: false behind the last. */
static bool next_control(const pt_own *x, size_t *from, size_t to, int32_t *id, size_t *at, size_t *end)
{
    const pt_jinja_out *f = &x->f;
    size_t begin = 0;
    for (size_t i = 0; i < f->n_runs && begin < to; i++) {
        size_t stop = f->runs[i].to, a = begin;
        if (pt_own_is_template(f, f->runs[i].origin)) {
            while (i + 1 < f->n_runs && pt_own_is_template(f, f->runs[i + 1].origin)) stop = f->runs[++i].to;
            if (*from > a) a = *from < stop ? *from : stop;
            if (a < stop && (*id = pt_tok_control_within(x->t->tok, f->text, f->n, a, stop, at, end)) >= 0 && *at < to) {
                *from = *end;
                return true;
            }
        }
        begin = stop;
    }
    return false;
}

/* Where the last words of message k before `to` end; 0 = there are none. A name that a call gave may be said again behind it. */
static size_t last_words(const pt_own *x, size_t k, size_t to)
{
    const pt_jinja_out *f = &x->f;
    size_t last = 0;
    for (size_t i = 0, from = 0; i < f->n_runs && from < to; from = f->runs[i++].to)
        if (!pt_own_is_template(f, f->runs[i].origin) && f->origins[f->runs[i].origin].message == (int32_t)k) last = f->runs[i].to < to ? f->runs[i].to : to;
    return last;
}

/* Finds the token that ends the turn of a region; whether it is one that ends answers. */
static bool find_end(const pt_own *x, pt_own_region *r, size_t to)
{
    size_t from = last_words(x, r->message, to), at, end;
    int32_t id;
    if (from < r->from) from = r->from;
    r->end = r->end_to = 0;
    while (next_control(x, &from, to, &id, &at, &end)) {
        r->end = at;
        r->end_to = end;
        if (is_stop(x->t->tok, id)) return true;
    }
    return false;
}

static size_t alike(const char *a, size_t n, const char *b, size_t m)
{
    size_t i = 0;
    while (i < n && i < m && a[i] == b[i]) i++;
    while (i && i < m && ((unsigned char)b[i] & 0xC0) == 0x80) i--; /* whole characters */
    return i;
}

/* A greeting, where the template writes no conversation of nothing: it begins behind what the template asks with elsewhere. */
static pt_status begin_of_greeting(const pt_own *x, size_t *from)
{
    const pt_message question = {.speaker = PT_USER, .text = "a", .bytes = 1};
    pt_status rc = PT_OK;
    pt_jinja_out g = {0}, p = {0};
    pt_own y;
    PT_TRY(pt_own_open(&y, x->t, NULL, &question, 1));
    PT_TRY(pt_own_render(&y, 1, true, &g));
    PT_TRY(pt_own_render(&y, 1, false, &p));
    size_t n = g.n > p.n && !memcmp(g.text, p.text, p.n) ? g.n - p.n : 0;
    *from = 0;
    for (size_t at = 0; n && at + n <= x->seen[0].from; at++)
        if (!memcmp(x->f.text + at, g.text + p.n, n)) *from = at + n;
    PT_CHECK(*from, PT_ENOSUP, "the model's template asks for no answer before message 1: where it begins is not known; name a template (chat_template)");
done:
    pt_own_close(&y);
    pt_jinja_out_free(&g);
    pt_jinja_out_free(&p);
    return rc;
}

/* Where message k's answer begins in the whole: behind what the prompt for it and the whole begin with alike. */
static pt_status begin_of(const pt_own *x, size_t k, size_t *from)
{
    pt_jinja_out g = {0}, p = {0};
    pt_status rc = pt_own_render(x, k, true, &g);
    if (rc != PT_OK && !k) {
        pt_jinja_out_free(&g);
        PT_RETURN(pt_err_forgive(rc));
        return begin_of_greeting(x, from);
    }
    PT_TRY(rc);
    *from = alike(g.text, g.n, x->f.text, x->f.n);
    if (*from == g.n) goto done;
    PT_TRY(pt_own_render(x, k, false, &p)); /* the prompt says more than stands in the whole (<think>): the turns before must be the same */
    bool same = p.n <= *from && !memcmp(p.text, x->f.text, p.n);
    x->o->r->rewrites = x->o->r->rewrites || !same;
    PT_CHECK(same, PT_ENOSUP,
             "the model's template writes the turns before message %zu otherwise once it follows (at byte %zu): which words are its own is not known; train on the last answer "
             "alone, or name a chat_template",
             k + 1, *from);
done:
    pt_jinja_out_free(&g);
    pt_jinja_out_free(&p);
    return rc;
}

/* Whether the whole says answer k as p does, the rendering of the conversation up to and with it: all of p stands there, or what reaches to the
 * answer's end token. r, with its message and beginning, gets its end. */
static bool kept(const pt_own *x, const pt_jinja_out *p, pt_own_region *r)
{
    const struct pt_own_seen *s = &x->seen[r->message];
    r->to = alike(p->text, p->n, x->f.text, x->f.n);
    bool stops = find_end(x, r, r->to);
    return r->to == p->n || (stops && s->to && s->to <= r->end);
}

static pt_status answer(pt_own *x, size_t k)
{
    pt_status rc = PT_OK;
    pt_jinja_out p = {0};
    pt_own_region r = {.to = x->to, .weight = x->m[k].weight, .message = k, .cut = true};
    PT_TRY(begin_of(x, k, &r.from));
    if (k + 1 == x->n)
        find_end(x, &r, r.to);
    else {
        PT_TRY(pt_own_render(x, k + 1, false, &p));
        bool same = kept(x, &p, &r);
        x->o->r->rewrites = x->o->r->rewrites || !same;
        PT_CHECK(same, PT_ENOSUP,
                 "the model's template writes message %zu otherwise once message %zu follows (at byte %zu): train on the last answer alone, or name a chat_template",
                 k + 1, k + 2, r.to);
    }
    if (r.end_to) r.to = r.end_to;
    PT_TRY(add_region(x, r));
done:
    pt_jinja_out_free(&p);
    return rc;
}

/* A turn of somebody else: its words, and the control token that follows them at once. */
static pt_status words(pt_own *x, size_t k)
{
    const struct pt_own_seen *s = &x->seen[k];
    pt_own_region r = {.from = s->from, .to = s->to, .weight = x->m[k].weight, .message = k};
    size_t from = s->to;
    int32_t id;
    if (!s->to) return PT_OK;
    if (next_control(x, &from, s->to + 1, &id, &r.end, &r.end_to) && r.end == s->to)
        r.to = r.end_to;
    else
        r.end = r.end_to = 0;
    return add_region(x, r);
}

/* The i-th block belongs to the i-th answer; where there are not as many, to the message whose words stand in it. */
static pt_status block_owner(const pt_own *x, size_t i, size_t *k)
{
    const pt_jinja_block *b = &x->f.blocks[i];
    size_t answers = 0, nth = 0;
    for (size_t j = 0; j < x->n; j++) answers += pt_speaker_is(x->m[j].speaker, PT_ASSISTANT);
    if (answers == x->f.n_blocks) {
        for (size_t j = 0; j < x->n; j++)
            if (pt_speaker_is(x->m[j].speaker, PT_ASSISTANT) && nth++ == i) *k = j;
        return PT_OK;
    }
    for (size_t j = 0; j < x->n; j++)
        if (x->seen[j].to && x->seen[j].from < b->to && x->seen[j].to > b->from) {
            *k = j;
            return PT_OK;
        }
    return pt_fail(PT_ENOSUP, "the model's template marks %zu answers of %zu, and mark %zu holds no message's words", x->f.n_blocks, answers, i + 1);
}

/* A mark says where an answer is, not that it stands as the model said it. */
static pt_status check_kept(pt_own *x, size_t k)
{
    pt_jinja_out p = {0};
    pt_own_region r = {.message = k};
    if (k + 1 == x->n || x->o->r->rewrites) return PT_OK;
    pt_status rc = pt_own_render(x, k + 1, false, &p);
    if (rc == PT_OK) x->o->r->rewrites = !kept(x, &p, &r);
    pt_jinja_out_free(&p);
    return rc;
}

static pt_status marked(pt_own *x)
{
    if (x->f.hidden_blocks) return pt_fail(PT_ENOSUP, "the model's template marks answers ({%% generation %%}) inside a macro or a captured text");
    for (size_t i = 0; i < x->f.n_blocks; i++) {
        const pt_jinja_block *b = &x->f.blocks[i];
        pt_own_region r = {.from = b->from, .to = b->to, .cut = true};
        PT_RETURN(block_owner(x, i, &r.message));
        r.weight = x->m[r.message].weight;
        if (!(r.weight > 0) || b->from == b->to) continue;
        PT_RETURN(check_kept(x, r.message));
        find_end(x, &r, b->to);
        if (!r.end_to) { /* the contract's rule: the end token behind the mark */
            size_t from = b->to;
            int32_t id;
            if (!next_control(x, &from, x->to, &id, &r.end, &r.end_to) || r.end != b->to) r.end = r.end_to = 0;
        }
        PT_RETURN(add_region(x, r));
        if (r.end_to > r.to) x->regions[x->n_regions - 1].to = r.end_to;
    }
    return PT_OK;
}

/* A thought that is context: from the answer's beginning, or where words of it stand before the thought, from there; to its next words, or its end. */
static void hush(pt_own *x, pt_own_region *r)
{
    const pt_jinja_out *f = &x->f;
    const struct pt_own_seen *s = &x->seen[r->message];
    if (!x->m[r->message].thought_masked || !s->thought) return;
    r->quiet = s->from < s->thought_from ? s->thought_from : r->from;
    r->quiet_to = r->end_to ? r->end : r->to;
    for (size_t i = 0, from = 0; i < f->n_runs; from = f->runs[i++].to)
        if (from >= s->thought && from < r->quiet_to && !pt_own_is_template(f, f->runs[i].origin) && f->origins[f->runs[i].origin].message == (int32_t)r->message) r->quiet_to = from;
}

static int by_place(const void *a, const void *b)
{
    const pt_own_region *x = a, *y = b;
    return (x->from > y->from) - (x->from < y->from);
}

static pt_status find_regions(pt_own *x)
{
    bool marks = pt_jinja_marks_answers(x->t->program), any = false;
    for (size_t k = 0; k < x->n; k++) {
        if (!(x->m[k].weight > 0) || &x->m[k] == x->o->unfinished) continue;
        bool is_answer = pt_speaker_is(x->m[k].speaker, PT_ASSISTANT);
        any = any || is_answer;
        if (!is_answer)
            PT_RETURN(words(x, k));
        else if (!marks)
            PT_RETURN(answer(x, k));
    }
    if (marks && any) PT_RETURN(marked(x));
    for (size_t i = 0; i < x->n_regions; i++) hush(x, &x->regions[i]);
    if (x->n_regions) qsort(x->regions, x->n_regions, sizeof *x->regions, by_place);
    for (size_t i = 1; i < x->n_regions; i++)
        if (x->regions[i].from < x->regions[i - 1].to) return pt_fail(PT_ENOSUP, "the model's template writes messages %zu and %zu into each other", x->regions[i - 1].message + 1, x->regions[i].message + 1);
    return PT_OK;
}

/* An answer that is to be continued: the text ends with its last word, and is encoded apart from its prompt. */
static pt_status unfinished(pt_own *x)
{
    size_t k = x->n - 1;
    pt_own_region r = {.weight = x->m[k].weight, .message = k, .cut = true};
    x->to = x->seen[k].to;
    PT_RETURN(begin_of(x, k, &r.from));
    if (!x->m[k].bytes || x->to < r.from) x->to = r.from;
    r.to = x->to;
    return add_region(x, r);
}

/* ---- spans ---- */

static float weight_at(const pt_own_region *r, size_t at)
{
    return at >= r->quiet && at < r->quiet_to ? 0 : r->weight;
}

/* Text [from, to) that holds no control token of the template's, cut where weights change. */
static pt_status text(pt_own *x, size_t from, size_t to, bool given)
{
    for (size_t i = 0; i < x->n_regions; i++)
        if (x->regions[i].cut && x->regions[i].from == from) PT_RETURN(pt_tmpl_cut(x->o));
    while (from < to) {
        size_t stop = to;
        float weight = 0;
        for (size_t i = 0; i < x->n_regions; i++) {
            const pt_own_region *r = &x->regions[i];
            if (r->from <= from && from < r->to) weight = weight_at(r, from);
            const size_t edges[] = {r->from, r->to, r->quiet, r->quiet_to};
            for (size_t k = 0; k < 4; k++)
                if (edges[k] > from && edges[k] < stop) stop = edges[k];
        }
        if (given)
            PT_RETURN(pt_tmpl_text(x->o, x->f.text + from, stop - from, weight));
        else
            PT_RETURN(pt_tmpl_plain(x->o, x->f.text + from, stop - from, weight));
        from = stop;
        for (size_t i = 0; from < to && i < x->n_regions; i++)
            if (x->regions[i].cut && x->regions[i].from == from) PT_RETURN(pt_tmpl_cut(x->o));
    }
    return PT_OK;
}

static pt_status control(pt_own *x, int32_t id, size_t at)
{
    float weight = 0;
    bool end = false;
    for (size_t i = 0; i < x->n_regions; i++) {
        const pt_own_region *r = &x->regions[i];
        if (r->from <= at && at < r->to) weight = weight_at(r, at);
        if (r->end_to && r->end == at) end = true;
    }
    return pt_tmpl_control(x->o, id, weight, end);
}

/* Where in message k's text the words [from, to) stand that its parts' weights count by. */
static pt_status place_in(const pt_own *x, size_t k, size_t from, size_t to, const char **at)
{
    const pt_message *m = &x->m[k];
    const char *s = x->f.text + from;
    size_t n = to - from;
    *at = memmem(m->text, m->bytes, s, n);
    bool again = *at && memmem(*at + 1, m->bytes - (size_t)(*at - m->text) - 1, s, n);
    if (*at && !again) return PT_OK;
    return pt_fail(PT_ENOSUP, "the model's template rewrites message %zu, whose parts have weights of their own: where they stand is not known", k + 1);
}

/* What somebody else wrote: a run of one origin. */
static pt_status given(pt_own *x, size_t from, size_t to, uint32_t origin)
{
    const char *name = pt_own_field(&x->f, origin), *at;
    int32_t k = x->f.origins[origin].message;
    bool parts = k >= 0 && (size_t)k < x->n && x->m[k].n_spans && name && !strcmp(name, "content"), inside = false;
    for (size_t i = 0; parts && i < x->n_regions; i++) inside = inside || (x->regions[i].message == (size_t)k && x->regions[i].from <= from && to <= x->regions[i].to);
    if (!inside) return text(x, from, to, true);
    PT_RETURN(text(x, from, from, true));
    PT_RETURN(place_in(x, (size_t)k, from, to, &at));
    return pt_tmpl_said(x->o, &x->m[k], at, to - from);
}

static pt_status emit(pt_own *x)
{
    const pt_jinja_out *f = &x->f;
    size_t from = 0;
    for (size_t i = 0; i < f->n_runs && from < x->to; i++) {
        bool mine = pt_own_is_template(f, f->runs[i].origin);
        while (mine && i + 1 < f->n_runs && pt_own_is_template(f, f->runs[i + 1].origin)) i++;
        size_t to = f->runs[i].to < x->to ? f->runs[i].to : x->to, at, end, cursor = from;
        int32_t id;
        while (mine && next_control(x, &cursor, to, &id, &at, &end)) {
            PT_RETURN(text(x, from, at, false));
            PT_RETURN(control(x, id, at));
            from = end;
        }
        PT_RETURN(mine ? text(x, from, to, false) : given(x, from, to, f->runs[i].origin));
        from = to;
    }
    return PT_OK;
}

pt_status pt_tmpl_own(pt_tmpl_out *o, const pt_message *m, size_t n, bool generation)
{
    pt_status rc = PT_OK;
    pt_own x;
    PT_TRY(pt_own_open(&x, o->t, o, m, n));
    PT_TRY(pt_own_render(&x, n, generation && !o->unfinished, &x.f));
    x.to = x.f.n;
    PT_TRY(pt_own_see(&x));
    PT_TRY(pt_own_note(&x));
    if (o->unfinished)
        PT_TRY(unfinished(&x));
    else
        PT_TRY(find_regions(&x));
    PT_TRY(emit(&x));
done:
    pt_own_close(&x);
    return rc;
}

/* From the last message back: what a rendering says as it should stays in it; what it does not begins a shorter one. */
pt_status pt_tmpl_own_split(const pt_template *t, const pt_message *m, size_t n, size_t *until)
{
    pt_status rc = PT_OK;
    pt_jinja_out p = {0};
    pt_own x;
    PT_TRY(pt_own_open(&x, t, NULL, m, n));
    PT_TRY(pt_own_render(&x, n, false, &x.f));
    PT_TRY(pt_own_see(&x));
    for (size_t k = n; k-- > 0;) {
        pt_own_region r = {.message = k};
        until[k] = 0;
        if (!(m[k].weight > 0)) continue;
        until[k] = x.n;
        if (!pt_speaker_is(m[k].speaker, PT_ASSISTANT) || k + 1 == x.n) continue;
        PT_TRY(pt_own_render(&x, k + 1, false, &p));
        if (kept(&x, &p, &r)) continue;
        pt_jinja_out_free(&x.f);
        x.f = p;
        p = (pt_jinja_out){0};
        until[k] = x.n = k + 1;
        PT_TRY(pt_own_see(&x));
    }
done:
    pt_jinja_out_free(&p);
    pt_own_close(&x);
    return rc;
}

pt_status pt_tmpl_own_thoughts(pt_template *t)
{
    static const char spelled[] = "<think>\nwhy\n</think>\n\nb";
    pt_message m[2] = {{.speaker = PT_USER, .text = "a", .bytes = 1}, {.speaker = PT_ASSISTANT, .text = "b", .bytes = 1, .thought = "why", .thought_bytes = 3}};
    pt_status rc = PT_OK;
    pt_own x;
    t->thoughts = PT_THOUGHTS_TEXT;
    PT_TRY(pt_own_open(&x, t, NULL, m, 2));
    PT_TRY(pt_own_render(&x, 2, false, &x.f));
    PT_TRY(pt_own_see(&x));
    if (x.seen[1].thought) t->thoughts = PT_THOUGHTS_FIELD;
    pt_own_close(&x);
    m[1] = (pt_message){.speaker = PT_ASSISTANT, .text = spelled, .bytes = sizeof spelled - 1};
    PT_TRY(pt_own_open(&x, t, NULL, m, 2));
    PT_TRY(pt_own_render(&x, 2, false, &x.f));
    if (t->thoughts == PT_THOUGHTS_TEXT && !strstr(x.f.text, "why")) t->thoughts = PT_THOUGHTS_DROPPED;
done:
    pt_own_close(&x);
    return rc == PT_ENOMEM ? rc : pt_err_forgive(rc);
}
