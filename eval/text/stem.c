#include "eval/text/stem.h"

#include <stdbool.h>
#include <string.h>

static bool vowel_letter(char c)
{
    return c == 'a' || c == 'e' || c == 'i' || c == 'o' || c == 'u';
}

/* y is a consonant at the beginning and behind a vowel. */
static bool consonant(const char *w, size_t i)
{
    bool turned = false;
    for (; i > 0 && w[i] == 'y'; i--) turned = !turned;
    return !vowel_letter(w[i]) != turned;
}

/* Porter's m: how often a consonant follows a vowel. */
static size_t measure(const char *w, size_t n)
{
    size_t m = 0;
    bool before = true;
    for (size_t i = 0; i < n; i++) {
        bool now = w[i] == 'y' ? !i || !before : !vowel_letter(w[i]);
        m += i && now && !before;
        before = now;
    }
    return m;
}

static bool has_vowel(const char *w, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!consonant(w, i)) return true;
    return false;
}

static bool ends(const char *w, size_t n, const char *suffix)
{
    size_t k = strlen(suffix);
    return n >= k && !memcmp(w + n - k, suffix, k);
}

static bool ends_double(const char *w, size_t n)
{
    return n >= 2 && w[n - 1] == w[n - 2] && consonant(w, n - 1);
}

/* *o of the paper, and two letters of which the first is the vowel. */
static bool ends_cvc(const char *w, size_t n)
{
    if (n == 2) return !consonant(w, 0) && consonant(w, 1);
    return n >= 3 && consonant(w, n - 3) && !consonant(w, n - 2) && consonant(w, n - 1) && w[n - 1] != 'w' && w[n - 1] != 'x' && w[n - 1] != 'y';
}

typedef struct rule {
    const char *from, *to;
} rule;

/* The first rule whose ending the word has, where what stands before it has m > least; no other is tried. */
static size_t apply(char *w, size_t n, const rule *rules, size_t least)
{
    for (; rules->from; rules++) {
        if (!ends(w, n, rules->from)) continue;
        size_t stem = n - strlen(rules->from), more = strlen(rules->to);
        bool ion = !strcmp(rules->from, "ion") && (!stem || (w[stem - 1] != 's' && w[stem - 1] != 't'));
        bool logi = !strcmp(rules->from, "logi"); /* its l counts for the stem */
        if (measure(w, logi ? stem + 1 : stem) <= least || ion) return n;
        memcpy(w + stem, rules->to, more);
        return stem + more;
    }
    return n;
}

static size_t plural(char *w, size_t n)
{
    if (ends(w, n, "ies")) return n == 4 ? 3 : n - 2; /* dies -> die, flies -> fli */
    if (ends(w, n, "sses")) return n - 2;
    if (ends(w, n, "ss") || !ends(w, n, "s")) return n;
    return n - 1;
}

/* Behind -ed and -ing: what was there before them. */
static size_t restored(char *w, size_t n)
{
    char last = w[n - 1];
    if (ends(w, n, "at") || ends(w, n, "bl") || ends(w, n, "iz")) {
        w[n] = 'e';
        return n + 1;
    }
    if (ends_double(w, n)) return last == 'l' || last == 's' || last == 'z' ? n : n - 1;
    if (measure(w, n) == 1 && ends_cvc(w, n)) w[n++] = 'e';
    return n;
}

static size_t past(char *w, size_t n)
{
    if (ends(w, n, "ied")) return n == 4 ? 3 : n - 2;
    if (ends(w, n, "eed")) return measure(w, n - 3) > 0 ? n - 1 : n;
    if (ends(w, n, "ed") && has_vowel(w, n - 2)) return restored(w, n - 2);
    if (ends(w, n, "ing") && has_vowel(w, n - 3)) return restored(w, n - 3);
    return n;
}

static size_t step2(char *w, size_t n)
{
    static const rule rules[] = {{"ational", "ate"}, {"tional", "tion"}, {"enci", "ence"}, {"anci", "ance"}, {"izer", "ize"}, {"bli", "ble"}, {"alli", "al"},
                                 {"entli", "ent"}, {"eli", "e"}, {"ousli", "ous"}, {"ization", "ize"}, {"ation", "ate"}, {"ator", "ate"}, {"alism", "al"},
                                 {"iveness", "ive"}, {"fulness", "ful"}, {"ousness", "ous"}, {"aliti", "al"}, {"iviti", "ive"}, {"biliti", "ble"},
                                 {"fulli", "ful"}, {"logi", "log"}, {NULL, NULL}};
    while (ends(w, n, "alli") && measure(w, n - 4) > 0) n -= 2;
    return apply(w, n, rules, 0);
}

static size_t step3(char *w, size_t n)
{
    static const rule rules[] = {{"icate", "ic"}, {"ative", ""}, {"alize", "al"}, {"iciti", "ic"}, {"ical", "ic"}, {"ful", ""}, {"ness", ""}, {NULL, NULL}};
    return apply(w, n, rules, 0);
}

static size_t step4(char *w, size_t n)
{
    static const rule rules[] = {{"al", ""}, {"ance", ""}, {"ence", ""}, {"er", ""}, {"ic", ""}, {"able", ""}, {"ible", ""}, {"ant", ""}, {"ement", ""}, {"ment", ""},
                                 {"ent", ""}, {"ion", ""}, {"ou", ""}, {"ism", ""}, {"ate", ""}, {"iti", ""}, {"ous", ""}, {"ive", ""}, {"ize", ""}, {NULL, NULL}};
    return apply(w, n, rules, 1);
}

static size_t step5(char *w, size_t n)
{
    if (ends(w, n, "e")) {
        size_t m = measure(w, n - 1);
        if (m > 1 || (m == 1 && !ends_cvc(w, n - 1))) n--;
    }
    return ends(w, n, "ll") && measure(w, n - 1) > 1 ? n - 1 : n;
}

size_t pt_stem(char *word, size_t n)
{
    static const rule irregular[] = {{"sky", "sky"}, {"skies", "sky"}, {"dying", "die"}, {"lying", "lie"}, {"tying", "tie"}, {"news", "news"},
                                     {"innings", "inning"}, {"inning", "inning"}, {"outings", "outing"}, {"outing", "outing"}, {"cannings", "canning"},
                                     {"canning", "canning"}, {"howe", "howe"}, {"proceed", "proceed"}, {"exceed", "exceed"}, {"succeed", "succeed"}, {NULL, NULL}};
    for (const rule *r = irregular; r->from; r++)
        if (strlen(r->from) == n && !memcmp(word, r->from, n)) {
            memcpy(word, r->to, strlen(r->to));
            return strlen(r->to);
        }
    if (n <= 2) return n;
    n = plural(word, n);
    n = past(word, n);
    if (n > 2 && word[n - 1] == 'y' && consonant(word, n - 2)) word[n - 1] = 'i';
    n = step2(word, n);
    n = step3(word, n);
    n = step4(word, n);
    return step5(word, n);
}
