/* Numbers of a schema. Free ones have up to 16 digits before the point, 16 behind it, and an exponent of up to two; between bounds, whole numbers have up to
 * 16 and others 9 before and 6 behind the point, so that what a reader's double makes of them keeps to the bounds. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/constrain/con_schema.h"

enum { WHOLE = 16, BEFORE = 9, BEHIND = 6 };

static const int64_t power[] = {1,           10,           100,           1000,           10000,           100000,           1000000,           10000000,          100000000,
                                1000000000,  10000000000,  100000000000,  1000000000000,  10000000000000,  100000000000000,  1000000000000000,  10000000000000000};

/* Digits between min and max of them, then next. */
static uint32_t digits(pt_con_graph *g, int min, int max, uint32_t next)
{
    uint32_t at = next;
    for (int i = max; i-- > 0;) {
        uint32_t from = pt_con_node(g);
        pt_con_byte(g, from, '0', '9', at);
        if (i >= min) pt_con_none(g, from, next);
        at = from;
    }
    return at;
}

static uint32_t free_number(pt_con_graph *g, bool integer, uint32_t next)
{
    uint32_t end = pt_con_node(g), sign = pt_con_node(g), whole = pt_con_node(g);
    pt_con_none(g, end, next);
    if (!integer) {
        uint32_t e = pt_con_node(g), exponent = pt_con_node(g), d = digits(g, 1, 2, next), point = pt_con_node(g);
        pt_con_byte(g, e, 'E', 'E', exponent);
        pt_con_byte(g, e, 'e', 'e', exponent);
        pt_con_byte(g, exponent, '+', '+', d);
        pt_con_byte(g, exponent, '-', '-', d);
        pt_con_none(g, exponent, d);
        pt_con_none(g, end, e);
        uint32_t behind = digits(g, 1, WHOLE, end);
        pt_con_byte(g, point, '.', '.', behind);
        pt_con_none(g, point, end);
        end = point;
    }
    pt_con_byte(g, whole, '0', '0', end);
    pt_con_byte(g, whole, '1', '9', digits(g, 0, WHOLE - 1, end));
    pt_con_byte(g, sign, '-', '-', whole);
    pt_con_none(g, sign, whole);
    return sign;
}

/* Decimals of `before` digits before the point and up to `behind` behind it, whose digits all together lie between two numbers' digits. node[tight low][tight
 * high] of a place are nodes made from the last place back. */
typedef struct bounds {
    int before, behind;
    char low[WHOLE + BEHIND + 2], high[WHOLE + BEHIND + 2];
} bounds;

static bool zeros(const char *s)
{
    return strspn(s, "0") == strlen(s);
}

/* One digit at a place, towards the nodes of the next place. */
static void one_digit(pt_con_graph *g, uint32_t from, const bounds *b, int at, bool low, bool high, uint32_t to[2][2])
{
    int lo = low ? b->low[at] : '0', hi = high ? b->high[at] : '9';
    for (int c = lo, end; c <= hi; c = end + 1) {
        bool l = low && c == lo, h = high && c == hi;
        end = l || h ? c : high ? hi - 1 : hi;
        pt_con_byte(g, from, (unsigned)c, (unsigned)end, to[l][h]);
    }
}

static uint32_t decimals(pt_con_graph *g, const bounds *b, uint32_t next)
{
    uint32_t to[2][2] = {{next, next}, {next, next}}, point[2][2];
    int n = b->before + b->behind;
    for (int at = n; at-- > 0;) {
        uint32_t here[2][2];
        if (at + 1 == b->before && b->behind) /* behind this digit: the point, or the end */
            for (int k = 0; k < 4; k++) {
                bool low = k >> 1, high = k & 1;
                point[low][high] = pt_con_node(g);
                pt_con_byte(g, point[low][high], '.', '.', to[low][high]);
                if (!low || zeros(b->low + at + 1)) pt_con_none(g, point[low][high], next);
            }
        for (int k = 0; k < 4; k++) {
            bool low = k >> 1, high = k & 1, first = at == b->before;
            here[low][high] = pt_con_node(g);
            one_digit(g, here[low][high], b, at, low, high, at + 1 == b->before && b->behind ? point : to);
            if (at > b->before && !first && (!low || zeros(b->low + at))) pt_con_none(g, here[low][high], next);
        }
        memcpy(to, here, sizeof to);
    }
    return to[1][1];
}

/* The last n digits of x. */
static void spell(char *out, int n, int64_t x)
{
    out[n] = 0;
    while (n-- > 0) {
        out[n] = (char)('0' + x % 10);
        x /= 10;
    }
}

/* Numbers from a to b (0 <= a <= b), counted in units of 10^-behind. */
static void between(pt_con_graph *g, uint32_t from, int64_t a, int64_t b, int before, int behind, uint32_t next)
{
    for (int k = 1; k <= before; k++) {
        int64_t least = k == 1 ? 0 : power[k - 1] * power[behind], most = power[k] * power[behind] - 1;
        bounds d = {.before = k, .behind = behind};
        if (a > most || b < least) continue;
        spell(d.low, k + behind, a > least ? a : least);
        spell(d.high, k + behind, b < most ? b : most);
        pt_con_none(g, from, decimals(g, &d, next));
    }
}

/* A bound in units of 10^-behind: the next whole one inwards. false after a refusal. */
static bool bound(pt_con_schema *s, const json_t *schema, const char *key, bool low, bool open, int behind, int64_t *io)
{
    const json_t *j = json_object_get(schema, key);
    double x = json_number_value(j), most = (double)(behind ? power[BEFORE + BEHIND] : power[WHOLE]), y = x * (double)power[behind];
    if (!j) return true;
    if (!json_is_number(j) || pt_json_odd(j)) return pt_con_refuse(s, "'%s' must be a number, not %s", key, pt_json_kind(j)), false;
    if (fabs(y) >= most) { /* nothing of ours lies beyond it, or all does */
        if ((x < 0) != low) *io = low ? INT64_MAX : INT64_MIN;
        return true;
    }
    double near = nearbyint(y), unit = behind && fabs(near - y) < 1e-7 ? near : low ? ceil(y) : floor(y);
    if (behind && fabs(near - y) >= 1e-7) return pt_con_refuse(s, "'%s' of a number with more than %d digits behind the point is not supported", key, BEHIND), false;
    int64_t v = (int64_t)unit;
    if (json_is_integer(j)) v = (int64_t)json_integer_value(j) * power[behind];
    if (open && (json_is_integer(j) || unit == y || behind)) v += low ? 1 : -1;
    if (low ? v > *io : v < *io) *io = v;
    return true;
}

static bool whole_step(pt_con_schema *s, const json_t *schema, int64_t *step)
{
    const json_t *j = json_object_get(schema, "multipleOf");
    double x = json_number_value(j);
    *step = 1;
    if (!j) return true;
    if (!json_is_number(j) || !(x >= 1) || x != floor(x) || x > 1e15) return pt_con_refuse(s, "'multipleOf' is supported for whole numbers from 1 on"), false;
    *step = (int64_t)x;
    return true;
}

/* The multiples of a step between two numbers, one by one. */
static uint32_t multiples(pt_con_schema *s, int64_t lo, int64_t hi, int64_t step, uint32_t next)
{
    pt_con_graph *g = s->g;
    int64_t first = lo / step + (lo % step > 0), last = hi / step - (hi % step < 0);
    if (last < first) return pt_con_node(g);
    if (last - first >= PT_CONSTRAINT_CHOICES_MOST)
        return pt_con_refuse(s, "'multipleOf' needs 'minimum' and 'maximum' with at most %d multiples between them", PT_CONSTRAINT_CHOICES_MOST);
    size_t n = (size_t)(last - first + 1);
    pt_con_word *words = NULL;
    char(*text)[24] = NULL;
    uint32_t from = PT_CON_END;
    pt_con_fail(g, pt_alloc0(&words, n));
    pt_con_fail(g, pt_calloc(&text, n, sizeof *text));
    for (size_t i = 0; i < n && g->status == PT_OK; i++) {
        int k = snprintf(text[i], sizeof text[i], "%lld", (long long)((first + (int64_t)i) * step));
        words[i] = (pt_con_word){text[i], (size_t)k};
    }
    if (g->status == PT_OK) from = pt_con_words(g, words, n, next);
    free(text);
    free(words);
    return from;
}

uint32_t pt_con_number(pt_con_schema *s, const json_t *schema, bool integer, uint32_t next)
{
    static const char *const keys[] = {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"};
    pt_con_graph *g = s->g;
    bool bounded = json_object_get(schema, "multipleOf") != NULL;
    int64_t step = 1;
    for (int i = 0; i < 4; i++) bounded |= json_object_get(schema, keys[i]) != NULL;
    if (!bounded) return free_number(g, integer, next);
    if (!whole_step(s, schema, &step)) return PT_CON_END;
    if (json_object_get(schema, "multipleOf")) integer = true;
    int behind = integer ? 0 : BEHIND, before = integer ? WHOLE : BEFORE;
    int64_t hi = power[before] * power[behind] - 1, lo = -hi;
    for (int i = 0; i < 4; i++)
        if (!bound(s, schema, keys[i], i % 2 == 0, i > 1, behind, i % 2 == 0 ? &lo : &hi)) return PT_CON_END;
    if (lo > hi) return pt_con_node(g);
    if (step > 1) return multiples(s, lo, hi, step, next);
    uint32_t from = pt_con_node(g);
    if (hi >= 0) between(g, from, lo > 0 ? lo : 0, hi, before, behind, next);
    if (lo < 0) {
        uint32_t minus = pt_con_node(g);
        between(g, minus, hi < 0 ? -hi : 1, -lo, before, behind, next);
        pt_con_byte(g, from, '-', '-', minus);
    }
    return from;
}
