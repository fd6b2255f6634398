/* Expressions of the template language into trees: the grammar of jinja2's parser, its precedences and its oddities.
 *
 * Children: E_ATTR a.name; E_ITEM a[b]; E_SLICE a:b:c; E_CALL, E_FILTER, E_TEST a with arguments in `list`; E_COND a if b else c; two operands a, b;
 * one operand a; lists in `list`. */
#include <string.h>

#include "data/text/jinja_priv.h"

const char *jparse_intern(jparser *p, const char *s, size_t n)
{
    for (size_t i = 0; i < p->n_names; i++)
        if (strlen(p->names[i]) == n && !memcmp(p->names[i], s, n)) return p->names[i];
    char *copy = jinja_alloc(p->J, n + 1);
    p->names = jinja_grow(p->J, p->names, &p->cap_names, p->n_names + 1, sizeof *p->names);
    if (!copy || !p->names) {
        p->n_names = p->cap_names = 0;
        return "";
    }
    memcpy(copy, s, n);
    return p->names[p->n_names++] = copy;
}

jnode *jparse_node(jparser *p, jop op)
{
    static jnode none;
    jnode *n = jinja_alloc(p->J, sizeof *n);
    if (!n) {
        none = (jnode){.op = op, .name = ""};
        return &none;
    }
    n->op = op;
    n->at = p->tokens[p->at].at;
    n->name = "";
    return n;
}

static const jtoken *now(const jparser *p)
{
    return &p->tokens[p->at];
}

bool jparse_is(const jparser *p, jtoken_kind kind, const char *text)
{
    const jtoken *t = now(p);
    return p->J->rc == PT_OK && t->kind == kind && (!text || (strlen(text) == t->n && !memcmp(text, t->s, t->n)));
}

bool jparse_skip(jparser *p, jtoken_kind kind, const char *text)
{
    if (!jparse_is(p, kind, text)) return false;
    p->at++;
    return true;
}

static void unexpected(jparser *p, const char *wanted)
{
    const jtoken *t = now(p);
    p->J->at = t->at;
    jinja_fail(p->J, PT_EFORMAT, "'%.*s'%s where %s is expected", (int)(t->n > 40 ? 40 : t->n), t->s, t->kind == T_END ? "the end" : "", wanted);
}

void jparse_expect(jparser *p, jtoken_kind kind, const char *text)
{
    static const char *const kinds[] = {"text", "{{", "}}", "{%", "%}", "a name", "a string", "a number", "a number", "an operator", "the end"};
    if (!jparse_skip(p, kind, text)) unexpected(p, text ? text : kinds[kind]);
}

static bool op(const jparser *p, const char *text)
{
    return jparse_is(p, T_OP, text);
}

static bool skip_op(jparser *p, const char *text)
{
    return jparse_skip(p, T_OP, text);
}

static void add(jnode ***tail, jnode *n)
{
    **tail = n;
    *tail = &n->next;
}

static jnode *pair(jparser *p, jop kind, jnode *a, jnode *b)
{
    jnode *n = jparse_node(p, kind);
    n->at = a->at;
    n->a = a;
    n->b = b;
    return n;
}

/* Arguments behind "(", up to and with ")". */
static jnode *arguments(jparser *p)
{
    jnode *first = NULL, **tail = &first;
    bool named = false;
    while (p->J->rc == PT_OK && !skip_op(p, ")")) {
        if (first) {
            jparse_expect(p, T_OP, ",");
            if (skip_op(p, ")")) break;
        }
        if (op(p, "*") || op(p, "**")) {
            jnode *n = jparse_node(p, E_NAMED);
            n->what = op(p, "*") ? 1 : 2;
            p->at++;
            n->a = jparse_expr(p, true);
            add(&tail, n);
            continue;
        }
        if (jparse_is(p, T_NAME, NULL) && p->tokens[p->at + 1].kind == T_OP && !strcmp(p->tokens[p->at + 1].s, "=")) {
            jnode *n = jparse_node(p, E_NAMED);
            n->name = jparse_intern(p, now(p)->s, now(p)->n);
            p->at += 2;
            n->a = jparse_expr(p, true);
            named = true;
            add(&tail, n);
        } else {
            if (named) unexpected(p, "an argument with a name");
            add(&tail, jparse_expr(p, true));
        }
    }
    return first;
}

static jnode *list(jparser *p, const char *close, jop kind)
{
    jnode *n = jparse_node(p, kind), **tail = &n->list;
    p->at++;
    while (p->J->rc == PT_OK && !skip_op(p, close)) {
        if (n->list) {
            jparse_expect(p, T_OP, ",");
            if (skip_op(p, close)) break;
        }
        add(&tail, jparse_expr(p, true));
        if (kind == E_DICT) {
            jparse_expect(p, T_OP, ":");
            add(&tail, jparse_expr(p, true));
        }
    }
    return n;
}

static jnode *constant(jparser *p, jvalue v)
{
    jnode *n = jparse_node(p, E_CONST);
    n->value = v;
    p->at++;
    return n;
}

static jnode *named(jparser *p)
{
    if (jparse_is(p, T_NAME, "true") || jparse_is(p, T_NAME, "True")) return constant(p, jv_bool(true));
    if (jparse_is(p, T_NAME, "false") || jparse_is(p, T_NAME, "False")) return constant(p, jv_bool(false));
    if (jparse_is(p, T_NAME, "none") || jparse_is(p, T_NAME, "None")) return constant(p, jv_none());
    jnode *n = jparse_node(p, E_NAME);
    n->name = jparse_intern(p, now(p)->s, now(p)->n);
    p->at++;
    if (p->macro) {
        p->macro->varargs |= !strcmp(n->name, "varargs");
        p->macro->kwargs |= !strcmp(n->name, "kwargs");
        p->macro->caller |= !strcmp(n->name, "caller");
    }
    p->t->dates |= !strcmp(n->name, "strftime_now");
    return n;
}

jnode *jparse_primary(jparser *p)
{
    const jtoken *t = now(p);
    if (t->kind == T_NAME) return named(p);
    if (t->kind == T_INT || t->kind == T_FLOAT) return constant(p, t->value);
    if (t->kind == T_STRING) {
        jnode *n = constant(p, t->value);
        while (jparse_is(p, T_STRING, NULL)) {
            jbuild b = {0};
            jbuild_str(p->J, &b, n->value);
            jbuild_str(p->J, &b, now(p)->value);
            n->value = jbuild_done(&b);
            p->at++;
        }
        return n;
    }
    if (op(p, "(")) {
        p->at++;
        if (skip_op(p, ")")) return jparse_node(p, E_TUPLE);
        jnode *n = jparse_tuple(p, true);
        jparse_expect(p, T_OP, ")");
        return n;
    }
    if (op(p, "[")) return list(p, "]", E_LIST);
    if (op(p, "{")) return list(p, "}", E_DICT);
    unexpected(p, "a value");
    return jparse_node(p, E_CONST);
}

/* What stands in [ ]: an expression or a slice. */
static jnode *subscript(jparser *p)
{
    jnode *a = NULL;
    if (!op(p, ":")) a = jparse_expr(p, true);
    if (!op(p, ":")) return a;
    jnode *n = jparse_node(p, E_SLICE);
    n->a = a;
    p->at++;
    if (!op(p, "]") && !op(p, ":")) n->b = jparse_expr(p, true);
    if (skip_op(p, ":") && !op(p, "]")) n->c = jparse_expr(p, true);
    return n;
}

static jnode *call(jparser *p, jnode *f)
{
    jnode *n = pair(p, E_CALL, f, NULL);
    p->at++;
    n->list = arguments(p);
    return n;
}

jnode *jparse_postfix(jparser *p, jnode *n)
{
    while (p->J->rc == PT_OK) {
        if (skip_op(p, ".")) {
            jnode *a = pair(p, E_ATTR, n, NULL);
            if (jparse_is(p, T_INT, NULL)) {
                a->op = E_ITEM;
                a->b = constant(p, now(p)->value);
            } else {
                a->name = jparse_intern(p, now(p)->s, now(p)->n);
                jparse_expect(p, T_NAME, NULL);
            }
            n = a;
        } else if (op(p, "[")) {
            p->at++;
            jnode *key = subscript(p);
            if (op(p, ",")) {
                p->J->at = now(p)->at;
                jinja_fail(p->J, PT_ENOSUP, "several keys in [ ]");
            }
            jparse_expect(p, T_OP, "]");
            n = pair(p, E_ITEM, n, key);
        } else if (op(p, "(")) {
            n = call(p, n);
        } else {
            break;
        }
    }
    return n;
}

/* A filter or test that is not there fails at once, or, inside a condition's reach, when it runs. */
static void known(jparser *p, const jnode *n)
{
    if (n->what < 0 && !p->soft && !p->unknown) p->unknown = n;
}

void jparse_known(jparser *p)
{
    const jnode *n = p->unknown;
    if (!n) return;
    p->J->at = n->at;
    static const char *const others[] = {"groupby", "pprint", "random", "urlencode", "urlize", "striptags", "xmlattr", "wordwrap", "filesizeformat"};
    bool known = false;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) known = known || (n->op == E_FILTER && !strcmp(n->name, others[i]));
    jinja_fail(p->J, known ? PT_ENOSUP : PT_EFORMAT, known ? "the %s '%s' is not here" : "no %s named '%s'", n->op == E_TEST ? "test" : "filter", n->name);
}

jnode *jparse_filter(jparser *p, jnode *in)
{
    jnode *n = jparse_node(p, E_FILTER);
    n->a = in;
    n->name = jparse_intern(p, now(p)->s, now(p)->n);
    jparse_expect(p, T_NAME, NULL);
    if (op(p, ".")) unexpected(p, "a filter");
    if (skip_op(p, "(")) n->list = arguments(p);
    n->what = jinja_filter_find(n->name);
    known(p, n);
    return n;
}

static jnode *test(jparser *p, jnode *v)
{
    bool negated = jparse_skip(p, T_NAME, "not");
    jnode *n = jparse_node(p, E_TEST);
    const jtoken *t;
    n->a = v;
    n->name = jparse_intern(p, now(p)->s, now(p)->n);
    jparse_expect(p, T_NAME, NULL);
    t = now(p);
    if (skip_op(p, "(")) {
        n->list = arguments(p);
    } else if (t->kind == T_STRING || t->kind == T_INT || t->kind == T_FLOAT || op(p, "[") || op(p, "{") ||
               (t->kind == T_NAME && !jparse_is(p, T_NAME, "else") && !jparse_is(p, T_NAME, "or") && !jparse_is(p, T_NAME, "and"))) {
        if (jparse_is(p, T_NAME, "is")) unexpected(p, "no second test");
        n->list = jparse_postfix(p, jparse_primary(p));
    }
    n->what = jinja_test_find(n->name);
    known(p, n);
    return negated ? pair(p, E_NOT, n, NULL) : n;
}

jnode *jparse_filters(jparser *p, jnode *n)
{
    while (p->J->rc == PT_OK) {
        if (skip_op(p, "|"))
            n = jparse_filter(p, n);
        else if (jparse_skip(p, T_NAME, "is"))
            n = test(p, n);
        else if (op(p, "("))
            n = call(p, n);
        else
            break;
    }
    return n;
}

static jnode *unary(jparser *p, bool filters)
{
    jnode *n;
    if (!jinja_enter(p->J)) return jparse_node(p, E_CONST);
    if (op(p, "-") || op(p, "+")) {
        jop kind = op(p, "-") ? E_NEG : E_POS;
        n = jparse_node(p, kind);
        p->at++;
        n->a = unary(p, false);
    } else {
        n = jparse_primary(p);
    }
    n = jparse_postfix(p, n);
    if (filters) n = jparse_filters(p, n);
    jinja_leave(p->J);
    return n;
}

static jnode *power(jparser *p)
{
    jnode *n = unary(p, true);
    while (skip_op(p, "**")) n = pair(p, E_POW, n, unary(p, true));
    return n;
}

static jnode *product(jparser *p)
{
    jnode *n = power(p);
    while (op(p, "*") || op(p, "/") || op(p, "//") || op(p, "%")) {
        jop kind = op(p, "*") ? E_MUL : op(p, "/") ? E_DIV : op(p, "//") ? E_FLOORDIV : E_MOD;
        p->at++;
        n = pair(p, kind, n, power(p));
    }
    return n;
}

static jnode *concat(jparser *p)
{
    jnode *n = product(p);
    if (!op(p, "~")) return n;
    jnode *all = pair(p, E_CONCAT, n, NULL), **tail = &n->next;
    all->a = NULL;
    all->list = n;
    while (skip_op(p, "~")) add(&tail, product(p));
    return all;
}

static jnode *sum(jparser *p)
{
    jnode *n = concat(p);
    while (op(p, "+") || op(p, "-")) {
        jop kind = op(p, "+") ? E_ADD : E_SUB;
        p->at++;
        n = pair(p, kind, n, concat(p));
    }
    return n;
}

static int comparison(jparser *p)
{
    static const char *const ops[] = {"==", "!=", "<", "<=", ">", ">="};
    for (int i = 0; i < 6; i++)
        if (skip_op(p, ops[i])) return i;
    if (jparse_skip(p, T_NAME, "in")) return C_IN;
    const jtoken *behind = &p->tokens[p->at + (now(p)->kind != T_END)];
    if (jparse_is(p, T_NAME, "not") && behind->kind == T_NAME && behind->n == 2 && !memcmp(behind->s, "in", 2)) {
        p->at += 2;
        return C_NOTIN;
    }
    return -1;
}

static jnode *compare(jparser *p)
{
    jnode *n = sum(p), *all = NULL, **tail = NULL;
    for (int kind; (kind = comparison(p)) >= 0;) {
        if (!all) {
            all = pair(p, E_COMPARE, n, NULL);
            tail = &all->list;
        }
        jnode *operand = pair(p, E_NAMED, sum(p), NULL); /* a node of its own holds the operator */
        operand->what = kind;
        add(&tail, operand);
    }
    return all ? all : n;
}

static jnode *not_(jparser *p)
{
    if (!jparse_is(p, T_NAME, "not")) return compare(p);
    jnode *n = jparse_node(p, E_NOT);
    p->at++;
    if (!jinja_enter(p->J)) return n;
    n->a = not_(p);
    jinja_leave(p->J);
    return n;
}

static jnode *and_(jparser *p)
{
    jnode *n = not_(p);
    while (jparse_skip(p, T_NAME, "and")) n = pair(p, E_AND, n, not_(p));
    return n;
}

static jnode *or_(jparser *p)
{
    jnode *n = and_(p);
    while (jparse_skip(p, T_NAME, "or")) n = pair(p, E_OR, n, and_(p));
    return n;
}

jnode *jparse_expr(jparser *p, bool cond)
{
    if (!jinja_enter(p->J)) return jparse_node(p, E_CONST);
    bool soft = p->soft;
    const jnode *unknown = p->unknown;
    jnode *n = or_(p);
    while (cond && jparse_skip(p, T_NAME, "if")) {
        jnode *c = pair(p, E_COND, n, NULL);
        p->unknown = unknown;
        p->soft = true;
        c->b = or_(p);
        if (jparse_skip(p, T_NAME, "else")) c->c = jparse_expr(p, true);
        p->soft = soft;
        n = c;
    }
    jinja_leave(p->J);
    return n;
}

jnode *jparse_tuple(jparser *p, bool cond)
{
    jnode *n = jparse_expr(p, cond);
    if (!op(p, ",")) return n;
    jnode *all = pair(p, E_TUPLE, n, NULL), **tail = &n->next;
    all->a = NULL;
    all->list = n;
    while (skip_op(p, ",")) {
        if (op(p, ")") || op(p, "=") || jparse_is(p, T_PRINT_END, NULL) || jparse_is(p, T_BLOCK_END, NULL) || jparse_is(p, T_NAME, "in")) break;
        add(&tail, jparse_expr(p, cond));
    }
    return all;
}
