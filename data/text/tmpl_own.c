/* The model's own template, run as it stands (data/text/jinja.h): its output, whose every byte has an origin, into spans.
 *
 * Only what the template wrote itself can be a control token. What is an answer is known in one of two ways:
 *   - the template marks it ({% generation %}): the mask is what transformers gives (return_assistant_tokens_mask), and where the end token lies behind
 *     the mark, that token too;
 *   - else the conversation is rendered up to the answer with the generation prompt (G), and up to and with the answer (P). What G and the whole text F
 *     begin with alike is the prompt, and P must be a beginning of F: the answer lies between. A template that writes earlier turns otherwise once others
 *     follow (thoughts left out) fails that for all but the last answer, and such a record is refused.
 * Behind an answer's end token (the first token behind its last word that ends answers, else the last control token of its turn) nothing is an answer. */
#include <stdlib.h>
#include <string.h>

#include "data/text/jinja.h"
#include "data/text/tmpl_priv.h"

typedef struct region {
    size_t from, to; /* bytes of the output */
    float weight;
    size_t message;
    size_t end, end_to; /* the end token's bytes; end == end_to: it has none */
    bool cut;           /* what stands before is encoded apart */
} region;

typedef struct own {
    const pt_template *t;
    pt_tmpl_out *o;
    const pt_message *m;
    size_t n;
    json_t *messages;
    pt_jinja_out f; /* the whole */
    size_t to;      /* of f.text, what counts */
    region *regions;
    size_t n_regions, cap_regions;
    struct seen {
        size_t from, to; /* of all that came from a message; to == 0: nothing */
        bool thought, calls;
    } *seen;
} own;

static void put(json_t *o, const char *key, json_t *v)
{
    json_object_set_new(o, key, v); /* a NULL is left out, and found by the count of keys below */
}

static pt_status message_json(const pt_message *m, json_t **out)
{
    json_t *o = json_object(), *content = NULL;
    const char *role = m->speaker->like ? m->speaker->like->name : m->speaker->name;
    *out = o;
    if (pt_speaker_is(m->speaker, PT_TOOL) && m->role) role = m->role;
    if (m->is_json) PT_RETURN(pt_json_parse(&content, m->text, m->bytes, "a tool's result", PT_JSON_NUL));
    if (!content) content = json_stringn(m->bytes ? m->text : "", m->bytes);
    if (m->thought) put(o, "thinking", json_stringn(m->thought, m->thought_bytes)); /* gpt-oss asks for this name */
    put(o, "role", json_string(role));
    put(o, "content", content);
    if (m->thought) put(o, "reasoning_content", json_stringn(m->thought, m->thought_bytes));
    if (m->calls) put(o, "tool_calls", json_incref((json_t *)m->calls));
    size_t want = m->thought ? 4 : 2;
    want += m->calls != NULL;
    return json_object_size(o) == want ? PT_OK : pt_fail(PT_EFORMAT, "a message that is not UTF-8, or no memory for it");
}

static void put_token(const pt_tokenizer *tok, json_t *o, const char *name, int32_t id)
{
    const char *text = id >= 0 ? pt_tok_piece(tok, id) : NULL;
    if (text) put(o, name, json_string(text));
}

/* The first n messages, with the generation prompt or without. */
static pt_status render(const own *x, size_t n, bool prompt, pt_jinja_out *out)
{
    pt_status rc = PT_OK;
    const pt_tokenizer *tok = x->t->tok;
    json_t *mine = json_object(), *given = json_object(), *some = json_array();
    for (size_t i = 0; i < n; i++) json_array_append(some, json_array_get(x->messages, i));
    put(mine, "add_generation_prompt", json_boolean(prompt));
    put_token(tok, mine, "bos_token", pt_tok_bos(tok));
    put_token(tok, mine, "eos_token", pt_tok_eos(tok));
    put_token(tok, mine, "pad_token", pt_tok_pad(tok));
    put_token(tok, mine, "unk_token", pt_tok_unk(tok));
    put(given, "messages", some);
    put(given, "tools", x->m[0].tools ? json_incref((json_t *)x->m[0].tools) : json_null());
    put(given, "documents", json_null());
    PT_CHECK(json_object_size(given) == 3 && json_array_size(some) == n, PT_ENOMEM, "out of memory");
    PT_TRY(pt_jinja_render(x->t->program, &(pt_jinja_input){.own = mine, .given = given, .now = x->t->date}, out));
done:
    json_decref(mine);
    json_decref(given);
    return rc;
}

/* ---- what a byte is ---- */

/* The field of a message that an origin lies in: "content", "role" ...; NULL for what is of none. */
static const char *field(const pt_jinja_out *f, uint32_t origin)
{
    for (uint32_t up; origin && f->origins[origin].message >= 0; origin = up) {
        up = f->origins[origin].parent;
        if (!f->origins[up].key && !f->origins[f->origins[up].parent].parent) return f->origins[origin].key;
    }
    return NULL;
}

/* Roles come from a fixed list: they count as the template's words, of which some make control tokens (<|role|>). */
static bool is_template(const pt_jinja_out *f, uint32_t origin)
{
    const char *name = field(f, origin);
    return !origin || (name && !strcmp(name, "role"));
}

static pt_status look(own *x)
{
    bool tools = false;
    PT_RETURN(pt_alloc0(&x->seen, x->n));
    for (size_t i = 0, from = 0; i < x->f.n_runs; from = x->f.runs[i++].to) {
        uint32_t origin = x->f.runs[i].origin;
        const char *name = field(&x->f, origin);
        if (is_template(&x->f, origin)) continue;
        int32_t k = x->f.origins[origin].message;
        tools = tools || k < 0;
        if (k < 0 || (size_t)k >= x->n || !name) continue;
        struct seen *s = &x->seen[k];
        if (!s->to) s->from = from;
        s->to = x->f.runs[i].to;
        s->thought = s->thought || !strcmp(name, "reasoning_content") || !strcmp(name, "thinking");
        s->calls = s->calls || !strcmp(name, "tool_calls");
    }
    size_t *noted = x->o->r->noted;
    noted[PT_NOTE_TOOLS] += x->m[0].tools && !tools;
    for (size_t i = 0; i < x->n; i++) {
        const pt_message *m = &x->m[i];
        noted[PT_NOTE_THOUGHT] += m->thought_bytes && !x->seen[i].thought;
        noted[PT_NOTE_CALLS] += m->calls && !x->seen[i].calls;
        if (m->weight > 0 && (m->bytes || m->calls) && !x->seen[i].to && m != x->o->unfinished)
            return pt_fail(PT_EFORMAT, "the model's template leaves message %zu out", i + 1);
    }
    return PT_OK;
}

/* ---- regions ---- */

static pt_status add_region(own *x, region r)
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
static bool next_control(const own *x, size_t *from, size_t to, int32_t *id, size_t *at, size_t *end)
{
    const pt_jinja_out *f = &x->f;
    size_t begin = 0;
    for (size_t i = 0; i < f->n_runs && begin < to; i++) {
        size_t stop = f->runs[i].to, a = begin;
        if (is_template(f, f->runs[i].origin)) {
            while (i + 1 < f->n_runs && is_template(f, f->runs[i + 1].origin)) stop = f->runs[++i].to;
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

/* Finds the token that ends the turn of a region. */
static void find_end(const own *x, region *r, size_t to)
{
    const struct seen *s = &x->seen[r->message];
    size_t from = s->to > r->from ? s->to : r->from, at, end;
    int32_t id;
    r->end = r->end_to = 0;
    while (next_control(x, &from, to, &id, &at, &end)) {
        r->end = at;
        r->end_to = end;
        if (is_stop(x->t->tok, id)) return;
    }
}

static size_t alike(const char *a, size_t n, const char *b, size_t m)
{
    size_t i = 0;
    while (i < n && i < m && a[i] == b[i]) i++;
    while (i && i < m && ((unsigned char)b[i] & 0xC0) == 0x80) i--; /* whole characters */
    return i;
}

/* Where message k's answer begins in the whole: behind what the prompt for it and the whole begin with alike. */
static pt_status begin_of(const own *x, size_t k, size_t *from)
{
    pt_status rc = PT_OK;
    pt_jinja_out g = {0}, p = {0};
    PT_TRY(render(x, k, true, &g));
    *from = alike(g.text, g.n, x->f.text, x->f.n);
    if (*from == g.n) goto done;
    PT_TRY(render(x, k, false, &p)); /* the prompt says more than stands in the whole (<think>): the turns before must be the same */
    PT_CHECK(p.n <= *from && !memcmp(p.text, x->f.text, p.n), PT_ENOSUP,
             "the model's template writes the turns before message %zu otherwise once it follows (at byte %zu): what of it is the answer is not known; name a template "
             "(chat_template), or train on the last answer alone",
             k + 1, *from);
done:
    pt_jinja_out_free(&g);
    pt_jinja_out_free(&p);
    return rc;
}

static pt_status answer(own *x, size_t k)
{
    pt_status rc = PT_OK;
    pt_jinja_out p = {0};
    region r = {.to = x->to, .weight = x->m[k].weight, .message = k, .cut = true};
    PT_TRY(begin_of(x, k, &r.from));
    if (k + 1 < x->n) {
        PT_TRY(render(x, k + 1, false, &p));
        r.to = alike(p.text, p.n, x->f.text, x->f.n);
        PT_CHECK(r.to == p.n, PT_ENOSUP,
                 "the model's template writes message %zu otherwise once message %zu follows (at byte %zu): only the last answer of a conversation can be trained on with it; "
                 "name a template (chat_template), or train on the last answer alone",
                 k + 1, k + 2, r.to);
    }
    find_end(x, &r, r.to);
    if (r.end_to) r.to = r.end_to;
    PT_TRY(add_region(x, r));
done:
    pt_jinja_out_free(&p);
    return rc;
}

/* A turn of somebody else: its words, and the control token that follows them at once. */
static pt_status words(own *x, size_t k)
{
    const struct seen *s = &x->seen[k];
    region r = {.from = s->from, .to = s->to, .weight = x->m[k].weight, .message = k};
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
static pt_status block_owner(const own *x, size_t i, size_t *k)
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

static pt_status marked(own *x)
{
    if (x->f.hidden_blocks) return pt_fail(PT_ENOSUP, "the model's template marks answers ({%% generation %%}) inside a macro or a captured text");
    for (size_t i = 0; i < x->f.n_blocks; i++) {
        const pt_jinja_block *b = &x->f.blocks[i];
        region r = {.from = b->from, .to = b->to, .cut = true};
        PT_RETURN(block_owner(x, i, &r.message));
        r.weight = x->m[r.message].weight;
        if (!(r.weight > 0) || b->from == b->to) continue;
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

static int by_place(const void *a, const void *b)
{
    const region *x = a, *y = b;
    return (x->from > y->from) - (x->from < y->from);
}

static pt_status find_regions(own *x)
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
    if (x->n_regions) qsort(x->regions, x->n_regions, sizeof *x->regions, by_place);
    for (size_t i = 1; i < x->n_regions; i++)
        if (x->regions[i].from < x->regions[i - 1].to) return pt_fail(PT_ENOSUP, "the model's template writes messages %zu and %zu into each other", x->regions[i - 1].message + 1, x->regions[i].message + 1);
    return PT_OK;
}

/* An answer that is to be continued: the text ends with its last word, and is encoded apart from its prompt. */
static pt_status unfinished(own *x)
{
    size_t k = x->n - 1;
    region r = {.weight = x->m[k].weight, .message = k, .cut = true};
    x->to = x->seen[k].to;
    PT_RETURN(begin_of(x, k, &r.from));
    if (!x->m[k].bytes || x->to < r.from) x->to = r.from;
    r.to = x->to;
    return add_region(x, r);
}

/* ---- spans ---- */

/* Text [from, to) that holds no control token of the template's, cut where weights change. */
static pt_status text(own *x, size_t from, size_t to, bool given)
{
    for (size_t i = 0; i < x->n_regions; i++)
        if (x->regions[i].cut && x->regions[i].from == from) PT_RETURN(pt_tmpl_cut(x->o));
    while (from < to) {
        size_t stop = to;
        float weight = 0;
        for (size_t i = 0; i < x->n_regions; i++) {
            const region *r = &x->regions[i];
            if (r->from <= from && from < r->to) weight = r->weight;
            if (r->from > from && r->from < stop) stop = r->from;
            if (r->to > from && r->to < stop) stop = r->to;
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

static pt_status control(own *x, int32_t id, size_t at)
{
    float weight = 0;
    bool end = false;
    for (size_t i = 0; i < x->n_regions; i++) {
        const region *r = &x->regions[i];
        if (r->from <= at && at < r->to) weight = r->weight;
        if (r->end_to && r->end == at) end = true;
    }
    return pt_tmpl_control(x->o, id, weight, end);
}

/* Where in message k's text the words [from, to) stand that its parts' weights count by. */
static pt_status place_in(const own *x, size_t k, size_t from, size_t to, const char **at)
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
static pt_status given(own *x, size_t from, size_t to, uint32_t origin)
{
    const char *name = field(&x->f, origin), *at;
    int32_t k = x->f.origins[origin].message;
    bool parts = k >= 0 && (size_t)k < x->n && x->m[k].n_spans && name && !strcmp(name, "content"), inside = false;
    for (size_t i = 0; parts && i < x->n_regions; i++) inside = inside || (x->regions[i].message == (size_t)k && x->regions[i].from <= from && to <= x->regions[i].to);
    if (!inside) return text(x, from, to, true);
    PT_RETURN(text(x, from, from, true));
    PT_RETURN(place_in(x, (size_t)k, from, to, &at));
    return pt_tmpl_said(x->o, &x->m[k], at, to - from);
}

static pt_status emit(own *x)
{
    const pt_jinja_out *f = &x->f;
    size_t from = 0;
    for (size_t i = 0; i < f->n_runs && from < x->to; i++) {
        bool mine = is_template(f, f->runs[i].origin);
        while (mine && i + 1 < f->n_runs && is_template(f, f->runs[i + 1].origin)) i++;
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
    own x = {.t = o->t, .o = o, .m = m, .n = n, .messages = json_array()};
    for (size_t i = 0; i < n; i++) {
        json_t *one = NULL;
        rc = message_json(&m[i], &one);
        if (json_array_append_new(x.messages, one) && rc == PT_OK) rc = pt_fail(PT_ENOMEM, "out of memory");
        if (rc != PT_OK) goto done;
    }
    PT_TRY(render(&x, n, generation && !o->unfinished, &x.f));
    x.to = x.f.n;
    PT_TRY(look(&x));
    if (o->unfinished)
        PT_TRY(unfinished(&x));
    else
        PT_TRY(find_regions(&x));
    PT_TRY(emit(&x));
done:
    pt_jinja_out_free(&x.f);
    json_decref(x.messages);
    free(x.regions);
    free(x.seen);
    return rc;
}
