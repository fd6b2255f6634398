/* Tests: what stands behind `is`. */
#include <math.h>
#include <string.h>

#include "data/text/jinja_priv.h"

typedef enum jtest {
    IS_DEFINED, IS_UNDEFINED, IS_NONE, IS_BOOLEAN, IS_TRUE, IS_FALSE, IS_INTEGER, IS_FLOAT, IS_NUMBER, IS_STRING, IS_MAPPING, IS_SEQUENCE, IS_ITERABLE,
    IS_CALLABLE, IS_ESCAPED, IS_LOWER, IS_UPPER, IS_ODD, IS_EVEN, IS_DIVISIBLE, IS_SAME, IS_IN, IS_EQ, IS_NE, IS_LT, IS_LE, IS_GT, IS_GE, IS_FILTER, IS_TEST
} jtest;

static const struct {
    const char *name;
    jtest is;
} tests[] = {{"defined", IS_DEFINED}, {"undefined", IS_UNDEFINED}, {"none", IS_NONE}, {"boolean", IS_BOOLEAN}, {"true", IS_TRUE}, {"false", IS_FALSE},
             {"integer", IS_INTEGER}, {"float", IS_FLOAT}, {"number", IS_NUMBER}, {"string", IS_STRING}, {"mapping", IS_MAPPING}, {"sequence", IS_SEQUENCE},
             {"iterable", IS_ITERABLE}, {"callable", IS_CALLABLE}, {"escaped", IS_ESCAPED}, {"lower", IS_LOWER}, {"upper", IS_UPPER}, {"odd", IS_ODD},
             {"even", IS_EVEN}, {"divisibleby", IS_DIVISIBLE}, {"sameas", IS_SAME}, {"in", IS_IN}, {"eq", IS_EQ}, {"equalto", IS_EQ}, {"==", IS_EQ},
             {"ne", IS_NE}, {"!=", IS_NE}, {"lt", IS_LT}, {"lessthan", IS_LT}, {"<", IS_LT}, {"le", IS_LE}, {"<=", IS_LE}, {"gt", IS_GT},
             {"greaterthan", IS_GT}, {">", IS_GT}, {"ge", IS_GE}, {">=", IS_GE}, {"filter", IS_FILTER}, {"test", IS_TEST}};

int jinja_test_find(const char *name)
{
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
        if (!strcmp(tests[i].name, name)) return (int)i;
    return -1;
}

/* value % by == rest, as Python divides */
static bool divides(jinja *J, jvalue v, jvalue by, int64_t rest)
{
    if (!jv_number(v) || !jv_number(by)) {
        jinja_fail(J, PT_EFORMAT, v.kind == J_UNDEFINED ? "an undefined value in place of a number" : "a %s in place of a number", jv_type(jv_number(v) ? by : v));
        return false;
    }
    double d = jv_real(by), m;
    if (!(fabs(d) > 0)) return jinja_fail(J, PT_EFORMAT, "division by zero"), false;
    m = fmod(jv_real(v), d);
    if (m * d < 0) m += d;
    return !(m < (double)rest) && !(m > (double)rest);
}

static bool same(jvalue a, jvalue b)
{
    if (a.kind != b.kind) return false;
    if (a.kind == J_BOOL) return a.u.b == b.u.b;
    if (a.kind == J_INT) return a.u.i == b.u.i;
    if (a.kind == J_NONE) return true;
    if (a.kind == J_STRING) return a.n == b.n && !memcmp(a.u.s, b.u.s, a.n);
    return a.u.list == b.u.list;
}

static bool named(jvalue v, int (*find)(const char *))
{
    char buf[64];
    if (v.kind != J_STRING || v.n >= sizeof buf) return false;
    memcpy(buf, v.u.s, v.n);
    buf[v.n] = 0;
    return find(buf) >= 0;
}

/* Tests that compare v with an argument. */
static bool against(jinja *J, jtest is, jvalue v, jvalue w)
{
    int c;
    switch (is) {
    case IS_DIVISIBLE: return divides(J, v, w, 0);
    case IS_SAME: return same(v, w);
    case IS_IN: return jv_in(J, v, w);
    case IS_EQ: return jv_equal(J, v, w);
    case IS_NE: return !jv_equal(J, v, w);
    default: c = jv_order(J, v, w, "<"); break;
    }
    if (J->rc != PT_OK || c == 2) return false;
    return is == IS_LT ? c < 0 : is == IS_LE ? c <= 0 : is == IS_GT ? c > 0 : c >= 0;
}

static bool says_method(jinja *J, jvalue v, const char *name)
{
    jargs none = {0};
    jvalue text = jv_str(J, v);
    if (text.kind != J_STRING) return false;
    jvalue yes = jinja_call(J, jinja_method(J, text, name), &none);
    return yes.kind == J_BOOL && yes.u.b;
}

bool jinja_test(jinja *J, int index, jvalue v, const jargs *a)
{
    jvalue w[1];
    jtest is = tests[index].is;
    if (is >= IS_DIVISIBLE && is <= IS_GE) return jinja_take(J, a, tests[index].name, "other", 1, w) && against(J, is, v, w[0]);
    if (!jinja_take(J, a, tests[index].name, "", 0, NULL)) return false;
    switch (is) {
    case IS_DEFINED: return v.kind != J_UNDEFINED;
    case IS_UNDEFINED: return v.kind == J_UNDEFINED;
    case IS_NONE: return v.kind == J_NONE;
    case IS_BOOLEAN: return v.kind == J_BOOL;
    case IS_TRUE: return v.kind == J_BOOL && v.u.b;
    case IS_FALSE: return v.kind == J_BOOL && !v.u.b;
    case IS_INTEGER: return v.kind == J_INT;
    case IS_FLOAT: return v.kind == J_FLOAT;
    case IS_NUMBER: return jv_number(v);
    case IS_STRING: return v.kind == J_STRING;
    case IS_MAPPING: return v.kind == J_DICT;
    case IS_SEQUENCE: return v.kind == J_STRING || v.kind == J_UNDEFINED || v.kind == J_LIST || v.kind == J_TUPLE || v.kind == J_RANGE || v.kind == J_DICT;
    case IS_ITERABLE: return v.kind == J_STRING || v.kind == J_UNDEFINED || v.kind == J_DICT || v.kind == J_LOOP || jv_is_list(v);
    case IS_CALLABLE: return v.kind == J_MACRO || v.kind == J_FUNCTION || v.kind == J_METHOD || v.kind == J_UNDEFINED || v.kind == J_LOOP;
    case IS_ESCAPED: return v.kind == J_STRING && v.safe;
    case IS_LOWER: return says_method(J, v, "islower");
    case IS_UPPER: return says_method(J, v, "isupper");
    case IS_ODD: return divides(J, v, jv_int(2), 1);
    case IS_EVEN: return divides(J, v, jv_int(2), 0);
    case IS_FILTER: return named(v, jinja_filter_find);
    default: return named(v, jinja_test_find);
    }
}
