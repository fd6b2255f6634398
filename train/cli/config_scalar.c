/* Single values. What Python reads from the same text counts: PyYAML's words and the numbers that float() and int() take, in quotes or not,
 * because the trainers whose configs come here put every value through them. */
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "train/cli/config_value.h"

static pt_status scalar(pt_place at, const char *key, const pt_ynode *n, const char *wanted)
{
    if (n->kind != PT_YSCALAR) return pt_place_fail(at, "%s takes %s, not a %s", key, wanted, n->kind == PT_YSEQ ? "list" : "mapping");
    return PT_OK;
}

/* A list of one text is that text: `base_model: [x]`. */
static const pt_ynode *only(const pt_ynode *n)
{
    return n->kind == PT_YSEQ && n->n == 1 && n->items[0]->kind == PT_YSCALAR ? n->items[0] : n;
}

/* 1 true, 0 false, -1 neither: YAML 1.1's words, in quotes or not, and what Python's parsers add to them. */
static int truth(const pt_ynode *n)
{
    static const char *const words[2][7] = {{"false", "no", "off", "n", "f", "0", NULL}, {"true", "yes", "on", "y", "t", "1", NULL}};
    for (int v = 0; v < 2 && n->kind == PT_YSCALAR; v++)
        for (int i = 0; words[v][i]; i++)
            if (!strcasecmp(n->text, words[v][i])) return v;
    return -1;
}

bool pt_value_word_is(const pt_ynode *n, const char *word)
{
    if (n->kind != PT_YSCALAR) return false;
    if (!strcasecmp(n->text, word)) return true;
    pt_ynode w = {.kind = PT_YSCALAR, .text = (char *)word};
    return truth(&w) >= 0 && truth(&w) == truth(n);
}

bool pt_value_is_plain_bool(const pt_ynode *n, bool *value)
{
    int v = truth(n);
    if (v < 0 || n->quoted || strlen(n->text) < 2) return false; /* one letter or digit is text where text is asked for */
    return *value = v == 1, true;
}

bool pt_value_is_off(const pt_ynode *n)
{
    if (n->kind != PT_YSCALAR) return n->n == 0;
    if (pt_yaml_is_null(n) || !n->text[0]) return true;
    char *end;
    double v = strtod(n->text, &end);
    return truth(n) == 0 || !strcasecmp(n->text, "none") || (!*end && v == 0);
}

pt_status pt_value_string(pt_place at, const char *key, const pt_ynode *n, char **out)
{
    n = only(n);
    PT_RETURN(scalar(at, key, n, "text"));
    char *copy;
    PT_RETURN(pt_strdup(&copy, n->text));
    free(*out);
    *out = copy;
    return PT_OK;
}

/* The value of a variable that stands at p ("${NAME}"); *used = its length. */
static pt_status variable(pt_place at, const char *key, const char *p, const char **value, size_t *used)
{
    char name[128];
    const char *stop = strchr(p, '}');
    size_t n = stop ? (size_t)(stop - p - 2) : 0;
    if (!n || n >= sizeof name) return pt_place_fail(at, "%s: '${' is the beginning of a variable: ${NAME}", key);
    memcpy(name, p + 2, n);
    name[n] = 0;
    *value = getenv(name);
    *used = n + 3;
    return *value ? PT_OK : pt_place_fail(at, "%s: the environment variable %s is not set", key, name);
}

pt_status pt_value_path(pt_place at, const char *key, const pt_ynode *n, char **out)
{
    pt_status rc = PT_OK;
    char *text = NULL;
    pt_str s = {0};
    PT_TRY(pt_value_string(at, key, n, &text));
    const char *p = text;
    if (*p == '~' && (!p[1] || p[1] == '/')) {
        const char *home = getenv("HOME");
        PT_CHECK(home && *home, PT_EARG, "%s:%d:%d: %s: ~ is the home folder, but HOME is not set", at.file, at.line, at.column, key);
        PT_TRY(pt_str_puts(&s, home));
        p++;
    }
    while (*p) {
        const char *value;
        size_t used = 0;
        if (strncmp(p, "${", 2)) {
            PT_TRY(pt_str_add(&s, p++, 1));
            continue;
        }
        PT_TRY(variable(at, key, p, &value, &used));
        PT_TRY(pt_str_puts(&s, value));
        p += used;
    }
    PT_TRY(pt_str_puts(&s, ""));
    free(*out);
    *out = s.text;
    s.text = NULL;
done:
    free(text);
    free(s.text);
    return rc;
}

/* ---- numbers -------------------------------------------------------------------------------------------------------- */

enum { MAX_DIGITS = 63 };

/* Digits, with single underscores between them (1_000), without these into `to`. */
static const char *digits(const char *p, char **to, int *n)
{
    for (*n = 0; isdigit((unsigned char)*p) || (*p == '_' && *n && isdigit((unsigned char)p[1])); p++)
        if (*p != '_') *(*to)++ = *p, ++*n;
    return p;
}

/* The text without outer spaces and underscores, where it is a decimal number: [+-] digits [. digits] [e [+-] digits]; false otherwise. */
static bool decimal(const char *text, size_t n, char out[MAX_DIGITS + 1], bool *whole)
{
    char copy[MAX_DIGITS + 1], *to = out;
    int before, after = 0, power = 1;
    if (n > MAX_DIGITS) return false;
    memcpy(copy, text, n);
    copy[n] = 0;
    const char *p = copy;
    if (*p == '+' || *p == '-') *to++ = *p++;
    p = digits(p, &to, &before);
    *whole = *p != '.' && *p != 'e' && *p != 'E';
    if (*p == '.') {
        *to++ = *p++;
        p = digits(p, &to, &after);
    }
    if (*p == 'e' || *p == 'E') {
        *to++ = *p++;
        if (*p == '+' || *p == '-') *to++ = *p++;
        p = digits(p, &to, &power);
    }
    *to = 0;
    return !*p && before + after > 0 && power > 0;
}

/* 0x1f, 0b101. */
static bool based(const char *text, size_t n, uint64_t *v)
{
    char copy[MAX_DIGITS + 1], *end;
    if (n < 3 || n > MAX_DIGITS || text[0] != '0') return false;
    int base = tolower((unsigned char)text[1]) == 'x' ? 16 : tolower((unsigned char)text[1]) == 'b' ? 2 : 0;
    memcpy(copy, text + 2, n - 2);
    copy[n - 2] = 0;
    if (!base || !isxdigit((unsigned char)copy[0])) return false;
    *v = strtoull(copy, &end, base);
    return !*end && n - 2 <= (base == 16 ? 16u : 61u);
}

/* 010 is eight in YAML 1.1, and ten for whoever wrote it: said, not guessed. */
static bool octal(const pt_ynode *n, const char *text)
{
    if (n->quoted || text[0] != '0' || !isdigit((unsigned char)text[1])) return false;
    return strspn(text, "01234567_") == strlen(text) && strtoul(text, NULL, 8) > 7;
}

typedef struct number { char text[MAX_DIGITS + 1]; double v; uint64_t u; bool whole, based; } number;

/* "wanted": a number, a whole number from 0. */
static pt_status read_number(pt_place at, const char *key, const pt_ynode *n, const char *wanted, number *x)
{
    PT_RETURN(scalar(at, key, n, wanted));
    const char *text = n->text;
    size_t len = strlen(text);
    while (len && isspace((unsigned char)*text)) text++, len--;
    while (len && isspace((unsigned char)text[len - 1])) len--;
    if (octal(n, text)) return pt_place_fail(at, "%s: %s begins with 0, which makes it octal in YAML: write it without", key, n->text);
    *x = (number){.whole = true};
    x->based = based(text, len, &x->u);
    if (x->based) return x->v = (double)x->u, PT_OK;
    bool ok = decimal(text, len, x->text, &x->whole);
    if (ok) x->v = strtod(x->text, NULL);
    if (!ok || !isfinite(x->v)) return pt_place_fail(at, "%s takes %s, not '%s'", key, wanted, n->text);
    return PT_OK;
}

pt_status pt_value_number(pt_place at, const char *key, const pt_ynode *n, double min, double max, double *out)
{
    number x;
    bool on;
    n = only(n);
    if (pt_value_is_plain_bool(n, &on) && !on && min <= 0 && 0 <= max) return *out = 0, PT_OK; /* off */
    PT_RETURN(read_number(at, key, n, "a number", &x));
    if (min <= max && (x.v < min || x.v > max)) return pt_place_fail(at, "%s is %s; it must lie from %g to %g", key, n->text, min, max);
    *out = x.v;
    return PT_OK;
}

pt_status pt_value_worded(pt_place at, const pt_key *k, const pt_ynode *n, double *out)
{
    for (const pt_word *c = k->choices; c && c->word && n->kind == PT_YSCALAR; c++)
        if (!strcasecmp(c->word, n->text)) return *out = c->value, PT_OK;
    return pt_value_number(at, k->name, n, k->min, k->max, out);
}

pt_status pt_value_int(pt_place at, const char *key, const pt_ynode *n, double min, double max, int *out)
{
    double v = 0;
    PT_RETURN(pt_value_number(at, key, n, min, max, &v));
    if (v != floor(v) || fabs(v) > 2e9) return pt_place_fail(at, "%s takes a whole number, not '%s'", key, only(n)->text);
    *out = (int)v;
    return PT_OK;
}

pt_status pt_value_steps(pt_place at, const char *key, const pt_ynode *n, double min, double max, double *out)
{
    double v = 0;
    PT_RETURN(pt_value_number(at, key, n, min, max, &v));
    if (v > 1 && v != floor(v)) return pt_place_fail(at, "%s takes a whole number of steps, or below 1 a share of all steps, not '%s'", key, only(n)->text);
    if (v < 0 && v != floor(v)) return pt_place_fail(at, "%s is %s; a share lies from 0 to 1", key, only(n)->text);
    *out = v;
    return PT_OK;
}

pt_status pt_value_u64(pt_place at, const char *key, const pt_ynode *n, uint64_t *out)
{
    number x;
    const char *const wanted = "a whole number from 0";
    n = only(n);
    PT_RETURN(read_number(at, key, n, wanted, &x));
    if (x.based) return *out = x.u, PT_OK;
    errno = 0;
    if (x.whole) x.u = strtoull(x.text, NULL, 10); /* beyond 2^53 a double is not enough */
    else if (x.v == floor(x.v) && x.v < 18446744073709551616.0) x.u = (uint64_t)x.v;
    else errno = ERANGE;
    if (errno || x.v < 0) return pt_place_fail(at, "%s takes %s, not '%s'", key, wanted, n->text);
    return *out = x.u, PT_OK;
}

/* ---- words ---------------------------------------------------------------------------------------------------------- */

pt_status pt_value_bool(pt_place at, const char *key, const pt_ynode *n, bool *out)
{
    n = only(n);
    PT_RETURN(scalar(at, key, n, "true or false"));
    int v = truth(n);
    if (v < 0) return pt_place_fail(at, "%s takes true or false, not '%s'", key, n->text);
    return *out = v == 1, PT_OK;
}

pt_status pt_value_enum(pt_place at, const char *key, const pt_ynode *n, const pt_word *choices, int *out)
{
    n = only(n);
    PT_RETURN(scalar(at, key, n, "one word"));
    pt_str words = {0};
    for (const pt_word *c = choices; c->word; c++)
        if (!strcasecmp(c->word, n->text)) return *out = c->value, PT_OK;
    for (const pt_word *c = choices; c->word; c++)
        if (pt_value_word_is(n, c->word)) return *out = c->value, PT_OK;
    for (const pt_word *c = choices; c->word; c++)
        if (c->word[0] && pt_str_printf(&words, "%s%s", words.len ? ", " : "", c->word) != PT_OK) break;
    pt_status rc = pt_place_fail(at, "%s is '%s'; it must be one of: %s", key, n->text, words.text ? words.text : "");
    pt_str_free(&words);
    return rc;
}
