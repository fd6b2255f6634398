/* The model's own template, rendered, and what its output came from: which message, which field. */
#include <stdlib.h>
#include <string.h>

#include "data/text/tmpl_own_priv.h"

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

pt_status pt_own_render(const pt_own *x, size_t n, bool prompt, pt_jinja_out *out)
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

pt_status pt_own_open(pt_own *x, const pt_template *t, pt_tmpl_out *o, const pt_message *m, size_t n)
{
    *x = (pt_own){.t = t, .o = o, .m = m, .n = n, .messages = json_array()};
    for (size_t i = 0; i < n; i++) {
        json_t *one = NULL;
        pt_status rc = message_json(&m[i], &one);
        if (json_array_append_new(x->messages, one) && rc == PT_OK) rc = pt_fail(PT_ENOMEM, "out of memory");
        PT_RETURN(rc);
    }
    return PT_OK;
}

void pt_own_close(pt_own *x)
{
    pt_jinja_out_free(&x->f);
    json_decref(x->messages);
    free(x->regions);
    free(x->seen);
}

/* ---- what a byte is ---- */

const char *pt_own_field(const pt_jinja_out *f, uint32_t origin)
{
    for (uint32_t up; origin && f->origins[origin].message >= 0; origin = up) {
        up = f->origins[origin].parent;
        if (!f->origins[up].key && !f->origins[f->origins[up].parent].parent) return f->origins[origin].key;
    }
    return NULL;
}

bool pt_own_is_template(const pt_jinja_out *f, uint32_t origin)
{
    const char *name = pt_own_field(f, origin);
    return !origin || (name && !strcmp(name, "role"));
}

static bool is_thought(const char *name)
{
    return !strcmp(name, "reasoning_content") || !strcmp(name, "thinking");
}

pt_status pt_own_see(pt_own *x)
{
    free(x->seen);
    x->seen = NULL;
    PT_RETURN(pt_alloc0(&x->seen, x->n));
    for (size_t i = 0, from = 0; i < x->f.n_runs; from = x->f.runs[i++].to) {
        uint32_t origin = x->f.runs[i].origin;
        const char *name = pt_own_field(&x->f, origin);
        if (pt_own_is_template(&x->f, origin)) continue;
        int32_t k = x->f.origins[origin].message;
        x->tools_seen = x->tools_seen || k < 0;
        if (k < 0 || (size_t)k >= x->n || !name) continue;
        struct pt_own_seen *s = &x->seen[k];
        if (!s->to) s->from = from;
        s->to = x->f.runs[i].to;
        s->calls = s->calls || !strcmp(name, "tool_calls");
        if (!is_thought(name)) continue;
        if (!s->thought) s->thought_from = from;
        s->thought = x->f.runs[i].to;
    }
    return PT_OK;
}

pt_status pt_own_note(pt_own *x)
{
    size_t *noted = x->o->r->noted;
    pt_note thought = x->t->thoughts == PT_THOUGHTS_FIELD ? PT_NOTE_OLD_THOUGHT : PT_NOTE_THOUGHT;
    noted[PT_NOTE_TOOLS] += x->m[0].tools && !x->tools_seen;
    noted[PT_NOTE_SYSTEM] += pt_speaker_is(x->m[0].speaker, PT_SYSTEM) && x->m[0].bytes && !x->seen[0].to;
    for (size_t i = 0; i < x->n; i++) {
        const pt_message *m = &x->m[i];
        noted[thought] += m->thought_bytes && !x->seen[i].thought;
        noted[PT_NOTE_CALLS] += m->calls && !x->seen[i].calls;
        if (!(m->weight > 0) || !(m->bytes || m->calls) || x->seen[i].to || m == x->o->unfinished) continue;
        x->o->r->rewrites = i + 1 < x->n;
        return pt_fail(PT_EFORMAT, "the model's template leaves message %zu out", i + 1);
    }
    return PT_OK;
}
