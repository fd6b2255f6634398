/* Statements of the template language into trees.
 *
 * Children: S_PRINT a; S_IF a, then b, else c; S_FOR a in b, body c, else d, filter `list`; S_SET a = b; S_CAPTURE a = body c through the filters b;
 * S_MACRO name(list) body c; S_CALL b is the call, a the macro that it may call back; S_FILTER body c through b; S_WITH targets and values by turns in
 * `list`, body c; S_GENERATION body c. */
#include <stdlib.h>
#include <string.h>

#include "data/text/jinja_priv.h"
#include "data/text/tok_utf8.h"

static jnode *body(jparser *p, const char *const *ends);
#define UNTIL(...) (const char *const[]){__VA_ARGS__, NULL}

static jnode *one_target(jparser *p, bool namespaced)
{
    jnode *n = jparse_node(p, E_NAME);
    const jtoken *t = &p->tokens[p->at];
    jparse_expect(p, T_NAME, NULL);
    n->name = jparse_intern(p, t->s, t->n);
    p->J->at = t->at;
    for (size_t i = 0; i < 6; i++)
        if (!strcmp(n->name, (const char *const[]){"true", "false", "none", "True", "False", "None"}[i])) jinja_fail(p->J, PT_EFORMAT, "'%s' cannot be set", n->name);
    if (namespaced && jparse_skip(p, T_OP, ".")) {
        t = &p->tokens[p->at];
        jparse_expect(p, T_NAME, NULL);
        n->op = E_NSREF;
        n->attr = jparse_intern(p, t->s, t->n);
    }
    return n;
}

static jnode *target_item(jparser *p, bool namespaced)
{
    if (!jparse_skip(p, T_OP, "(")) return one_target(p, namespaced);
    jnode *n = jparse_target(p, namespaced);
    jparse_expect(p, T_OP, ")");
    return n;
}

jnode *jparse_target(jparser *p, bool namespaced)
{
    if (!jinja_enter(p->J)) return jparse_node(p, E_NAME);
    jnode *n = target_item(p, namespaced), *all = n, **tail = &n->next;
    while (jparse_skip(p, T_OP, ",")) {
        if (all == n) {
            all = jparse_node(p, E_TUPLE);
            all->list = n;
        }
        if (!jparse_is(p, T_NAME, NULL) && !jparse_is(p, T_OP, "(")) break;
        if (jparse_is(p, T_NAME, "in")) break;
        *tail = target_item(p, namespaced);
        tail = &(*tail)->next;
    }
    jinja_leave(p->J);
    return all;
}

/* Parameters behind a macro's name: E_NAMED with a default in a. */
jnode *jparse_params(jparser *p)
{
    jnode *first = NULL, **tail = &first;
    jparse_expect(p, T_OP, "(");
    while (p->J->rc == PT_OK && !jparse_skip(p, T_OP, ")")) {
        if (first) jparse_expect(p, T_OP, ",");
        jnode *n = one_target(p, false);
        n->op = E_NAMED;
        if (jparse_skip(p, T_OP, "=")) n->a = jparse_expr(p, true);
        *tail = n;
        tail = &n->next;
    }
    return first;
}

/* The body up to {% NAME %}, which is taken; filters that are not there fail at once in it. */
static jnode *block(jparser *p, const char *end)
{
    bool soft = p->soft;
    p->soft = false;
    jparse_expect(p, T_BLOCK_END, NULL);
    jnode *n = body(p, UNTIL(end));
    p->at++;
    jparse_expect(p, T_BLOCK_END, NULL);
    p->soft = soft;
    return n;
}

static jnode *if_(jparser *p)
{
    jnode *n = jparse_node(p, S_IF);
    bool soft = p->soft;
    p->soft = true;
    n->a = jparse_tuple(p, false);
    jparse_expect(p, T_BLOCK_END, NULL);
    n->b = body(p, UNTIL("elif", "else", "endif"));
    if (jparse_skip(p, T_NAME, "elif")) {
        if (jinja_enter(p->J)) {
            n->c = if_(p);
            jinja_leave(p->J);
        }
        p->soft = soft;
        return n;
    }
    if (jparse_skip(p, T_NAME, "else")) {
        jparse_expect(p, T_BLOCK_END, NULL);
        n->c = body(p, UNTIL("endif"));
    }
    p->at++;
    jparse_expect(p, T_BLOCK_END, NULL);
    p->soft = soft;
    return n;
}

static jnode *for_(jparser *p)
{
    jnode *n = jparse_node(p, S_FOR);
    bool soft = p->soft;
    n->a = jparse_target(p, false);
    jparse_expect(p, T_NAME, "in");
    n->b = jparse_tuple(p, false);
    if (jparse_skip(p, T_NAME, "if")) n->list = jparse_expr(p, true);
    if (jparse_is(p, T_NAME, "recursive")) {
        p->J->at = n->at;
        jinja_fail(p->J, PT_ENOSUP, "recursive loops");
    }
    p->soft = false;
    jparse_expect(p, T_BLOCK_END, NULL);
    p->loops++;
    n->c = body(p, UNTIL("endfor", "else"));
    p->loops--;
    if (jparse_skip(p, T_NAME, "else")) {
        jparse_expect(p, T_BLOCK_END, NULL);
        n->d = body(p, UNTIL("endfor"));
    }
    p->at++;
    jparse_expect(p, T_BLOCK_END, NULL);
    p->soft = soft;
    return n;
}

static jnode *set_(jparser *p)
{
    jnode *n = jparse_node(p, S_SET);
    n->a = jparse_target(p, true);
    if (jparse_skip(p, T_OP, "=")) {
        n->b = jparse_tuple(p, true);
        jparse_expect(p, T_BLOCK_END, NULL);
        return n;
    }
    n->op = S_CAPTURE;
    n->b = jparse_node(p, E_HOLE);
    if (jparse_skip(p, T_OP, "|")) n->b = jparse_filters(p, jparse_filter(p, n->b));
    n->c = block(p, "endset");
    return n;
}

/* A macro's parameters are parsed, its body follows. */
static jnode *macro_body(jparser *p, jnode *n, const char *end)
{
    jnode *outer = p->macro;
    int loops = p->loops;
    p->macro = n;
    p->loops = 0;
    n->c = block(p, end);
    p->loops = loops;
    p->macro = outer;
    return n;
}

static jnode *macro(jparser *p)
{
    jnode *n = jparse_node(p, S_MACRO);
    n->name = one_target(p, false)->name;
    n->list = jparse_params(p);
    return macro_body(p, n, "endmacro");
}

static jnode *call(jparser *p)
{
    jnode *n = jparse_node(p, S_CALL);
    n->a = jparse_node(p, S_MACRO);
    n->a->name = "caller";
    if (jparse_is(p, T_OP, "(")) n->a->list = jparse_params(p);
    n->b = jparse_expr(p, true);
    p->J->at = n->at;
    if (n->b->op != E_CALL) jinja_fail(p->J, PT_EFORMAT, "call needs a call");
    macro_body(p, n->a, "endcall");
    return n;
}

static jnode *with(jparser *p)
{
    jnode *n = jparse_node(p, S_WITH), **tail = &n->list;
    while (p->J->rc == PT_OK && !jparse_is(p, T_BLOCK_END, NULL)) {
        if (n->list) jparse_expect(p, T_OP, ",");
        *tail = jparse_target(p, false);
        jparse_expect(p, T_OP, "=");
        tail = &(*tail)->next;
        *tail = jparse_expr(p, true);
        tail = &(*tail)->next;
    }
    n->c = block(p, "endwith");
    return n;
}

static jnode *leave(jparser *p, jop op)
{
    jnode *n = jparse_node(p, op);
    p->J->at = p->tokens[p->at - 1].at;
    if (!p->loops) jinja_fail(p->J, PT_EFORMAT, "%s outside of a loop", op == S_BREAK ? "break" : "continue");
    jparse_expect(p, T_BLOCK_END, NULL);
    return n;
}

static jnode *print(jparser *p)
{
    jnode *first = NULL, **tail = &first;
    while (p->J->rc == PT_OK && !jparse_is(p, T_BLOCK_END, NULL)) {
        if (first) jparse_expect(p, T_OP, ",");
        *tail = jparse_node(p, S_PRINT);
        (*tail)->a = jparse_expr(p, true);
        tail = &(*tail)->next;
    }
    jparse_expect(p, T_BLOCK_END, NULL);
    return first ? first : jparse_node(p, S_TEXT);
}

static jnode *generation(jparser *p)
{
    jnode *n = jparse_node(p, S_GENERATION);
    p->t->marks = true;
    int loops = p->loops;
    p->loops = 0; /* it is a function of its own in Jinja: no break leaves it */
    n->c = block(p, "endgeneration");
    p->loops = loops;
    return n;
}

static jnode *statement(jparser *p)
{
    if (jparse_skip(p, T_NAME, "if")) return if_(p);
    if (jparse_skip(p, T_NAME, "for")) return for_(p);
    if (jparse_skip(p, T_NAME, "set")) return set_(p);
    if (jparse_skip(p, T_NAME, "macro")) return macro(p);
    if (jparse_skip(p, T_NAME, "call")) return call(p);
    if (jparse_skip(p, T_NAME, "with")) return with(p);
    if (jparse_skip(p, T_NAME, "print")) return print(p);
    if (jparse_skip(p, T_NAME, "break")) return leave(p, S_BREAK);
    if (jparse_skip(p, T_NAME, "continue")) return leave(p, S_CONTINUE);
    if (jparse_skip(p, T_NAME, "generation")) return generation(p);
    if (jparse_skip(p, T_NAME, "filter")) {
        jnode *n = jparse_node(p, S_FILTER);
        n->b = jparse_filters(p, jparse_filter(p, jparse_node(p, E_HOLE)));
        n->c = block(p, "endfilter");
        return n;
    }
    const jtoken *t = &p->tokens[p->at];
    p->J->at = t->at;
    static const char *const others[] = {"block", "extends", "include", "import", "from", "autoescape"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (jparse_is(p, T_NAME, others[i])) jinja_fail(p->J, PT_ENOSUP, "{%% %s %%}", others[i]);
    jinja_fail(p->J, PT_EFORMAT, "an unknown tag '%.*s'", (int)(t->n > 40 ? 40 : t->n), t->s);
    return jparse_node(p, S_TEXT);
}

/* Statements up to {% END, where END is one of `ends` (not taken); ends NULL: the whole template. */
static jnode *body(jparser *p, const char *const *ends)
{
    jnode *first = NULL, **tail = &first;
    if (!jinja_enter(p->J)) return NULL;
    while (p->J->rc == PT_OK) {
        const jtoken *t = &p->tokens[p->at];
        if (t->kind == T_END) {
            p->J->at = t->at;
            if (ends) jinja_fail(p->J, PT_EFORMAT, "the end, where {%% %s %%} is expected", ends[0]);
            break;
        }
        p->at++;
        if (t->kind == T_TEXT) {
            p->at--;
            *tail = jparse_node(p, S_TEXT);
            p->at++;
            (*tail)->value = jv_text(t->s, t->n, 0);
        } else if (t->kind == T_PRINT) {
            *tail = jparse_node(p, S_PRINT);
            (*tail)->a = jparse_tuple(p, true);
            jparse_expect(p, T_PRINT_END, NULL);
        } else {
            for (size_t i = 0; ends && ends[i]; i++)
                if (jparse_is(p, T_NAME, ends[i])) goto done;
            *tail = statement(p);
        }
        jparse_known(p);
        while (*tail) tail = &(*tail)->next;
    }
done:
    jinja_leave(p->J);
    return first;
}

/* \r\n and \r become \n, one line break at the end goes. */
static void normalise(jinja *J, const char *text, size_t *n)
{
    char *s = jinja_alloc(J, *n + 1);
    size_t k = 0;
    if (!s) return;
    for (size_t i = 0; i < *n; i++) {
        if (text[i] == '\r' && i + 1 < *n && text[i + 1] == '\n') continue;
        s[k++] = (char)(text[i] == '\r' ? '\n' : text[i]);
    }
    if (k && s[k - 1] == '\n') k--;
    s[k] = 0;
    *n = k;
    J->source = s;
}

pt_status pt_jinja_parse(pt_jinja **out, const char *text, size_t n)
{
    pt_status rc = PT_OK;
    pt_jinja *t = NULL;
    size_t n_tokens, bad = pt_utf8_check(text, n);
    *out = NULL;
    PT_CHECK(bad == n, PT_EFORMAT, "chat template: not UTF-8 at byte %zu", bad);
    PT_CHECK(!memchr(text, 0, n), PT_EFORMAT, "chat template: a NUL in it");
    PT_CHECK(n < (size_t)1 << 24, PT_EFORMAT, "chat template: %zu bytes are too many", n);
    PT_TRY(pt_alloc0(&t, 1));
    t->j = (jinja){.mem.limit = (size_t)1 << 28, .max_depth = 250, .max_steps = 20000000, .max_output = (size_t)1 << 24};
    normalise(&t->j, text, &n);
    jparser p = {.J = &t->j, .t = t};
    if (t->j.rc == PT_OK) p.tokens = jinja_lex(&t->j, n, &n_tokens);
    if (t->j.rc == PT_OK) t->body = body(&p, NULL);
    PT_TRY(t->j.rc);
    *out = t;
    t = NULL;
done:
    pt_jinja_free(t);
    return rc;
}

void pt_jinja_free(pt_jinja *t)
{
    if (!t) return;
    jinja_arena_free(&t->j.mem);
    free(t);
}

bool pt_jinja_marks_answers(const pt_jinja *t)
{
    return t->marks;
}

bool pt_jinja_asks_date(const pt_jinja *t)
{
    return t->dates;
}
