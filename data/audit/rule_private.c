/* Personal data: e-mail addresses, telephone numbers, keys. By their shapes alone; what is plainly invented is left out. */
#include <string.h>
#include <strings.h>

#include "data/audit/audit_priv.h"

static bool digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool upper(char c)
{
    return c >= 'A' && c <= 'Z';
}

static bool alnum(char c)
{
    return digit(c) || upper(c) || (c >= 'a' && c <= 'z');
}

/* ---- e-mail ---- */

/* Reserved by RFC 2606, and what people write where an address is wanted: example-domain.com, a@b.co. */
static bool invented(const char *domain, size_t n)
{
    static const char *const whole[] = {"domain.com", "email.com", "mail.com", "company.com", "yourcompany.com", "yourdomain.com", "mydomain.com", "website.com", "test.com", "abc.com", "xyz.com"};
    static const char *const ends[] = {".test", ".example", ".invalid", ".localhost"};
    for (size_t i = 0; i + 7 <= n; i++)
        if (!strncasecmp(domain + i, "example", 7)) return true;
    if (n > 1 && domain[1] == '.') return true;
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++)
        if (strlen(whole[i]) == n && !strncasecmp(domain, whole[i], n)) return true;
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        size_t k = strlen(ends[i]);
        if (n > k && !strncasecmp(domain + n - k, ends[i], k)) return true;
    }
    return false;
}

bool pt_rule_email(const pt_audit_view *v, const pt_audit_part *p, pt_audit_hit *hit)
{
    const char *end = p->text + p->bytes;
    (void)v;
    for (const char *at = p->text; (at = memchr(at, '@', (size_t)(end - at))); at++) {
        const char *from = at, *to = at + 1, *dot = NULL;
        while (from > p->text && (alnum(from[-1]) || strchr("._%+-", from[-1]))) from--;
        while (from < at && !alnum(*from)) from++;
        for (; to < end && (alnum(*to) || *to == '.' || *to == '-'); to++)
            if (*to == '.' && to + 1 < end && alnum(to[1])) dot = to;
        while (to > at + 1 && !alnum(to[-1])) to--;
        if (from == at || !dot || dot == at + 1 || to - dot < 3) continue;
        bool letters = true;
        for (const char *q = dot + 1; q < to; q++) letters = letters && !digit(*q) && *q != '-';
        if (!letters || invented(at + 1, (size_t)(to - at - 1))) continue;
        *hit = (pt_audit_hit){(size_t)(from - p->text), (size_t)(to - from)};
        return true;
    }
    return false;
}

/* ---- telephone ---- */

typedef struct number {
    char digit[16];
    int n, groups, group[8]; /* digits in each group */
    char part;               /* what stands between the groups, 0 = different things */
    bool plus, brackets;
    size_t bytes;
} number;

/* The number that begins at s, as far as digits in groups go. */
static number read_number(const char *s, size_t n)
{
    number x = {0};
    size_t i = 0;
    x.part = 1;
    if (i < n && s[i] == '+') x.plus = true, i++;
    while (i < n) {
        bool open = s[i] == '(';
        if (open && x.brackets) break;
        size_t k = i + open, from = k;
        while (k < n && digit(s[k])) k++;
        if (k == from || (open && (k >= n || s[k] != ')'))) break;
        if (x.n + (int)(k - from) > 15 || x.groups == 8) return (number){.bytes = k};
        x.group[x.groups++] = (int)(k - from);
        memcpy(x.digit + x.n, s + from, k - from);
        x.n += (int)(k - from);
        x.brackets = x.brackets || open;
        i = x.bytes = k + open;
        if (i + 1 >= n) break;
        char c = s[i];
        if (c == '(') continue;
        if (c != ' ' && c != '-' && c != '.') break;
        if (!digit(s[i + 1]) && s[i + 1] != '(') break;
        if (!open) x.part = x.part == 1 || x.part == c ? c : 0;
        i++;
    }
    return x;
}

static bool is_phone(const number *x)
{
    if (x->plus) return x->n >= 9 && x->n <= 13 && x->digit[0] != '0'; /* E.164 has up to 15; longer ones are sums */
    if (x->groups == 1) return x->n == 11 && x->digit[0] == '1' && x->digit[1] >= '3'; /* a Chinese mobile */
    bool american = x->groups == 3 && x->group[0] == 3 && x->group[1] == 3 && x->group[2] == 4 && (x->brackets || x->part == '-' || x->part == '.');
    return american && x->digit[0] >= '2' && x->digit[3] >= '2' && memcmp(x->digit + 3, "555", 3); /* 555 is of films */
}

static bool all_alike(const number *x)
{
    int same = 1, run = 1;
    for (int i = 1; i < x->n; i++) {
        same += x->digit[i] == x->digit[i - 1];
        run += x->digit[i] == x->digit[i - 1] + 1;
    }
    return same >= x->n - 2 || run >= x->n - 3; /* 13800000000 is written so too, 1234567890 */
}

bool pt_rule_phone(const pt_audit_view *v, const pt_audit_part *p, pt_audit_hit *hit)
{
    (void)v;
    for (size_t i = 0; i < p->bytes;) {
        char c = p->text[i], before = i ? p->text[i - 1] : ' ';
        if (!digit(c) && c != '+' && c != '(') {
            i++;
            continue;
        }
        bool inside = alnum(before) || (before && strchr("+-.,/$=#_:*&%\\", before));
        number x = read_number(p->text + i, p->bytes - i);
        size_t to = i + x.bytes;
        bool goes_on = to < p->bytes && (alnum(p->text[to]) || strchr("+-*/=_%$", p->text[to]));
        bool decimal = to + 1 < p->bytes && strchr(".,:", p->text[to]) && digit(p->text[to + 1]);
        if (!inside && !goes_on && !decimal && is_phone(&x) && !all_alike(&x)) {
            *hit = (pt_audit_hit){i, x.bytes};
            return true;
        }
        i += x.bytes ? x.bytes : 1;
    }
    return false;
}

/* ---- keys ---- */

/* Prefixes that services document for their tokens, and how many characters stand behind at least. */
static const struct {
    const char *text;
    size_t least;
} prefixes[] = {{"sk-", 20}, {"AKIA", 16}, {"ASIA", 16}, {"ghp_", 30}, {"gho_", 30}, {"github_pat_", 30}, {"glpat-", 20}, {"xoxb-", 20}, {"xoxp-", 20}, {"AIza", 30}, {"hf_", 30}, {"eyJhbGci", 20}, {"sk_live_", 16}, {"rk_live_", 16}};

bool pt_rule_secret(const pt_audit_view *v, const pt_audit_part *p, pt_audit_hit *hit)
{
    bool first[256] = {['-'] = true};
    (void)v;
    for (size_t k = 0; k < sizeof prefixes / sizeof *prefixes; k++) first[(unsigned char)prefixes[k].text[0]] = true;
    for (size_t i = 0; i < p->bytes; i++) {
        const char *s = p->text + i;
        size_t left = p->bytes - i;
        if (!first[(unsigned char)*s]) continue;
        if (*s == '-' && left > 30 && !memcmp(s, "-----BEGIN ", 11)) {
            const char *nl = memchr(s, '\n', left);
            size_t n = nl ? (size_t)(nl - s) : left;
            bool key = n < 64 && memmem(s, n, "PRIVATE KEY-----", 16);
            if (key) *hit = (pt_audit_hit){i, n};
            if (key) return true;
        }
        if (i && alnum(s[-1])) continue;
        for (size_t k = 0; k < sizeof prefixes / sizeof *prefixes; k++) {
            if (*s != prefixes[k].text[0]) continue;
            size_t n = strlen(prefixes[k].text), to = n, digits = 0;
            if (left < n || memcmp(s, prefixes[k].text, n)) continue;
            for (; to < left && (alnum(s[to]) || s[to] == '_' || s[to] == '-'); to++) digits += digit(s[to]);
            if (to - n < prefixes[k].least || !digits) continue;
            *hit = (pt_audit_hit){i, to};
            return true;
        }
    }
    return false;
}
