/* What statements do, and a whole rendering. */
#include <string.h>

#include "data/text/jinja_priv.h"

static jframe *push(jinja *J)
{
    jframe *f = jinja_alloc(J, sizeof *f);
    if (!f) return NULL;
    f->parent = J->frame;
    return J->frame = f;
}

void jinja_set(jinja *J, const char *name, jvalue v)
{
    jframe *f = J->frame;
    for (size_t i = 0; i < f->n; i++)
        if (!strcmp(f->vars[i].name, name)) {
            f->vars[i].v = v;
            return;
        }
    struct jvar *vars = jinja_grow(J, f->vars, &f->cap, f->n + 1, sizeof *vars);
    if (!vars) return;
    f->vars = vars;
    f->vars[f->n++] = (struct jvar){name, v};
}

static void assign_attr(jinja *J, const jnode *t, jvalue v)
{
    jvalue ns = {0};
    for (const jframe *f = J->frame; f && !ns.kind; f = f->parent)
        for (size_t i = 0; i < f->n; i++)
            if (!strcmp(f->vars[i].name, t->name)) ns = f->vars[i].v;
    J->at = t->at;
    if (ns.kind != J_NAMESPACE)
        jinja_fail(J, PT_EFORMAT, "%s is no namespace: its attributes cannot be set", t->name);
    else if (t->attr[0] == '_')
        jinja_fail(J, PT_EFORMAT, "a namespace's names begin with no _");
    else
        jdict_put(J, ns.u.dict, jv_lit(t->attr), v);
}

void jinja_assign(jinja *J, const jnode *t, jvalue v)
{
    if (J->rc != PT_OK) return;
    if (t->op == E_NAME) {
        jinja_set(J, t->name, v);
        return;
    }
    if (t->op == E_NSREF) {
        assign_attr(J, t, v);
        return;
    }
    size_t n = 0;
    for (const jnode *k = t->list; k; k = k->next) n++;
    J->at = t->at;
    const jlist *l = jv_items(J, v);
    if (l && l->n != n) jinja_fail(J, PT_EFORMAT, "%zu values for %zu names", l->n, n);
    n = 0;
    for (const jnode *k = t->list; l && k && J->rc == PT_OK; k = k->next) jinja_assign(J, k, l->v[n++]);
}

/* Runs a body in a frame of its own and gives what it wrote. */
static jvalue capture(jinja *J, const jnode *body)
{
    jbuild b = {0}, *out = J->out;
    jframe *frame = J->frame;
    if (!push(J)) return jv_undefined(NULL);
    J->out = &b;
    J->captured++;
    jinja_run(J, body);
    J->captured--;
    J->out = out;
    J->frame = frame;
    return jbuild_done(&b);
}

static jvalue through(jinja *J, const jnode *filters, jvalue v)
{
    jvalue before = J->hole;
    J->hole = v;
    v = jinja_eval(J, filters);
    J->hole = before;
    return v;
}

/* The items that a loop goes over. */
static jlist *wanted(jinja *J, const jnode *n)
{
    jvalue over = jinja_eval(J, n->b), some = jv_list(J, J_LIST);
    J->at = n->at;
    jlist *l = J->rc == PT_OK ? jv_items(J, over) : NULL;
    jframe *frame = J->frame;
    if (!l || !n->list) return l;
    for (size_t i = 0; i < l->n && jinja_tick(J, 1); i++) {
        if (!push(J)) break;
        jinja_assign(J, n->a, l->v[i]);
        if (jv_true(J, jinja_eval(J, n->list))) jlist_add(J, some, l->v[i]);
        J->frame = frame;
    }
    J->frame = frame;
    return J->rc == PT_OK ? some.u.list : NULL;
}

static void loop(jinja *J, const jnode *n)
{
    jframe *frame = J->frame;
    jlist *l = wanted(J, n);
    jloop *state = jinja_alloc(J, sizeof *state);
    if (!l || !state) return;
    state->items = l;
    uint64_t defined = J->defined;
    jframe *own = NULL;
    for (size_t i = 0; i < l->n && jinja_tick(J, 1); i++) {
        state->at = i;
        if (own && defined == J->defined) { /* nothing holds the last round's names */
            own->n = 0;
            J->frame = own;
        } else if (!(own = push(J))) {
            break;
        }
        defined = J->defined;
        jinja_assign(J, n->a, l->v[i]);
        jinja_set(J, "loop", (jvalue){.kind = J_LOOP, .u.loop = state});
        jinja_run(J, n->c);
        J->frame = frame;
        bool stop = J->leaving == S_BREAK;
        J->leaving = 0;
        if (stop) break;
    }
    if (!l->n && n->d && push(J)) jinja_run(J, n->d);
    J->frame = frame;
}

static void define(jinja *J, const jnode *n, jvalue *out)
{
    jmacro *m = jinja_alloc(J, sizeof *m);
    *out = jv_undefined(NULL);
    if (!m) return;
    *m = (jmacro){n, J->frame};
    J->defined++;
    *out = (jvalue){.kind = J_MACRO, .u.macro = m};
}

/* Takes the named argument out of a; absent when it is not there. */
static jvalue take_named(jargs *a, const char *name)
{
    for (size_t i = 0; i < a->n_named; i++)
        if (!strcmp(a->names[i], name)) {
            jvalue v = a->named[i];
            a->n_named--;
            for (size_t k = i; k < a->n_named; k++) {
                a->names[k] = a->names[k + 1];
                a->named[k] = a->named[k + 1];
            }
            return v;
        }
    return (jvalue){0};
}

/* What no parameter takes. */
static void bind_rest(jinja *J, const jnode *n, jargs *a, size_t used)
{
    if (n->caller) {
        jvalue caller = take_named(a, "caller");
        jinja_set(J, "caller", caller.kind ? caller : jv_undefined("caller"));
    }
    if (n->kwargs) {
        jvalue d = jv_dict(J);
        for (size_t i = 0; i < a->n_named && J->rc == PT_OK; i++) jdict_put(J, d.u.dict, jv_lit(a->names[i]), a->named[i]);
        jinja_set(J, "kwargs", d);
    } else if (a->n_named) {
        jinja_fail(J, PT_EFORMAT, "macro '%s' takes no argument named '%s'", n->name, a->names[0]);
    }
    if (n->varargs) {
        jvalue l = jv_list(J, J_TUPLE);
        for (size_t i = used; i < a->n; i++) jlist_add(J, l, a->v[i]);
        jinja_set(J, "varargs", l);
    } else if (a->n > used) {
        jinja_fail(J, PT_EFORMAT, "macro '%s' takes no more than %zu arguments", n->name, used);
    }
}

jvalue jinja_run_macro(jinja *J, const jmacro *m, const jargs *given)
{
    const jnode *n = m->node;
    jargs a = *given;
    jframe *frame = J->frame;
    jvalue out = jv_undefined(NULL), values[32];
    size_t used = 0, i = 0;
    J->frame = m->frame;
    if (push(J)) {
        for (const jnode *p = n->list; p && i < 32; p = p->next, i++) {
            values[i] = used < a.n ? a.v[used++] : take_named(&a, p->name);
        }
        i = 0;
        for (const jnode *p = n->list; p && J->rc == PT_OK; p = p->next, i++) {
            if (i == 32) jinja_fail(J, PT_ENOSUP, "a macro of more than 32 parameters");
            else jinja_set(J, p->name, values[i].kind ? values[i] : p->a ? jinja_eval(J, p->a) : jv_undefined(p->name));
        }
        bind_rest(J, n, &a, used);
        if (J->rc == PT_OK) out = capture(J, n->c);
    }
    J->frame = frame;
    return out;
}

static void call_block(jinja *J, const jnode *n)
{
    jargs a;
    jvalue f = jinja_eval(J, n->b->a), caller;
    jinja_args(J, n->b->list, &a);
    define(J, n->a, &caller);
    size_t k = a.n_named;
    const char **names = jinja_alloc(J, (k + 1) * sizeof *names);
    jvalue *named = jinja_alloc(J, (k + 1) * sizeof *named);
    if (!names || !named) return;
    for (size_t i = 0; i < k; i++) {
        names[i] = a.names[i];
        named[i] = a.named[i];
    }
    names[k] = "caller";
    named[k] = caller;
    a.names = names;
    a.named = named;
    a.n_named = k + 1;
    J->at = n->at;
    jbuild_str(J, J->out, jv_str(J, jinja_call(J, f, &a)));
}

/* A block's place in the output is known where nothing lies between. */
static void generation(jinja *J, const jnode *n)
{
    size_t from = J->out->n;
    jframe *frame = J->frame;
    if (!push(J)) return;
    jinja_run(J, n->c);
    J->frame = frame;
    if (J->captured) {
        J->hidden_blocks = true;
        return;
    }
    pt_jinja_block *b = jinja_grow(J, J->blocks, &J->cap_blocks, J->n_blocks + 1, sizeof *b);
    if (!b) return;
    J->blocks = b;
    J->blocks[J->n_blocks++] = (pt_jinja_block){from, J->out->n};
}

static void with(jinja *J, const jnode *n)
{
    jframe *outer = J->frame, *inner = push(J);
    for (const jnode *k = n->list; inner && k && J->rc == PT_OK; k = k->next->next) {
        J->frame = outer;
        jvalue v = jinja_eval(J, k->next);
        J->frame = inner;
        jinja_assign(J, k, v);
    }
    if (inner) jinja_run(J, n->c);
    J->frame = outer;
}

static void one(jinja *J, const jnode *n)
{
    jvalue v;
    J->at = n->at;
    switch (n->op) {
    case S_TEXT: jbuild_str(J, J->out, n->value); break;
    case S_PRINT:
        v = jinja_eval(J, n->a);
        J->at = n->at;
        if (J->rc == PT_OK) jbuild_str(J, J->out, jv_str(J, v));
        break;
    case S_IF: jinja_run(J, jv_true(J, jinja_eval(J, n->a)) ? n->b : n->c); break;
    case S_FOR: loop(J, n); break;
    case S_SET: jinja_assign(J, n->a, jinja_eval(J, n->b)); break;
    case S_CAPTURE: jinja_assign(J, n->a, through(J, n->b, capture(J, n->c))); break;
    case S_FILTER:
        v = through(J, n->b, capture(J, n->c));
        if (J->rc == PT_OK) jbuild_str(J, J->out, jv_str(J, v));
        break;
    case S_MACRO:
        define(J, n, &v);
        jinja_set(J, n->name, v);
        break;
    case S_CALL: call_block(J, n); break;
    case S_WITH: with(J, n); break;
    case S_GENERATION: generation(J, n); break;
    default: J->leaving = (int)n->op;
    }
}

void jinja_run(jinja *J, const jnode *n)
{
    if (!n || !jinja_enter(J)) return;
    for (; n && J->rc == PT_OK && !J->leaving; n = n->next)
        if (jinja_tick(J, 1)) one(J, n);
    jinja_leave(J);
}

/* ---- a rendering ---- */

static void give(jinja *J, const json_t *vars, bool own)
{
    for (void *it = json_object_iter((json_t *)vars); it && J->rc == PT_OK; it = json_object_iter_next((json_t *)vars, it)) {
        const char *key = json_object_iter_key(it);
        size_t n = strlen(key) + 1;
        char *name = jinja_alloc(J, n); /* origins name it, and outlive what came in */
        if (!name) return;
        memcpy(name, key, n);
        jinja_set(J, name, jv_import(J, json_object_iter_value(it), own ? 0 : jinja_origin(J, 0, name, 0)));
    }
}

static void finish(jinja *J, jbuild *b, pt_jinja_out *out)
{
    size_t runs = 0;
    jbuild_bytes(J, b, "", 1, b->mixed && b->n ? b->o[b->n - 1] : b->one); /* the zero behind the text */
    if (J->rc != PT_OK) return;
    out->n = b->n - 1;
    for (size_t i = 0; i < out->n; i++) runs += i == 0 || (b->mixed && b->o[i] != b->o[i - 1]);
    out->runs = jinja_alloc(J, (runs + 1) * sizeof *out->runs);
    if (!out->runs) return;
    for (size_t i = 0; i < out->n; i++) {
        if (i == 0 || (b->mixed && b->o[i] != b->o[i - 1])) out->runs[out->n_runs++].origin = b->mixed ? b->o[i] : b->one;
        out->runs[out->n_runs - 1].to = i + 1;
    }
    out->text = b->s;
    out->blocks = J->blocks;
    out->n_blocks = J->n_blocks;
    out->hidden_blocks = J->hidden_blocks;
    out->origins = J->origins;
    out->n_origins = J->n_origins;
}

pt_status pt_jinja_render(const pt_jinja *t, const pt_jinja_input *in, pt_jinja_out *out)
{
    const pt_jinja_limits *l = &in->limits;
    jinja J = {.source = t->j.source, .in = in, .max_depth = l->depth ? l->depth : 1000, .max_steps = l->steps ? l->steps : 5000000,
               .max_output = l->output ? l->output : (size_t)1 << 23, .mem.limit = l->memory ? l->memory : (size_t)1 << 29};
    jbuild b = {0};
    pt_jinja_out_free(out);
    J.out = &b;
    if (push(&J)) {
        give(&J, in->own, true);
        give(&J, in->given, false);
        jinja_run(&J, t->body);
    }
    finish(&J, &b, out);
    if (J.rc != PT_OK) {
        jinja_arena_free(&J.mem);
        *out = (pt_jinja_out){0};
        return J.rc;
    }
    out->memory = J.mem.chunks;
    return PT_OK;
}

void pt_jinja_out_free(pt_jinja_out *o)
{
    jarena a = {.chunks = o->memory};
    jinja_arena_free(&a);
    *o = (pt_jinja_out){0};
}

pt_status pt_jinja_path(const pt_jinja_out *o, uint32_t origin, pt_str *out)
{
    if (!origin || origin >= o->n_origins) return pt_str_puts(out, "template");
    const pt_jinja_origin *x = &o->origins[origin];
    if (x->parent) PT_RETURN(pt_jinja_path(o, x->parent, out));
    if (!x->key) return pt_str_printf(out, "[%zu]", x->index);
    return pt_str_printf(out, "%s%s", x->parent ? "." : "", x->key);
}
