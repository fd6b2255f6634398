/* Templates of judges: files, and those that are built in. */
#include <math.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "eval/task/judging.h"

enum { FILE_MOST = 1 << 20 };

static const char rating[] = "mode: score\nlow: 1\nhigh: 10\n---\n"
                             "Somebody was asked:\n\n{question}\n\nThe answer:\n\n{answer}\n\n"
                             "How good is the answer? Weigh whether it fits what was asked, whether it stays in character where there is one, and whether it reads well. "
                             "Length by itself is worth nothing.\n"
                             "Give your reasons in two sentences. Then end with a line of its own, with a number from {low} (useless) to {high} (could not be better) instead of N:\n"
                             "{verdict}: N\n";
static const char pair[] = "mode: pairwise\n---\n"
                           "Somebody was asked:\n\n{question}\n\nAnswer A:\n\n{answer_a}\n\nAnswer B:\n\n{answer_b}\n\n"
                           "Which answer is better? Weigh whether it fits what was asked, whether it stays in character where there is one, and whether it reads well. "
                           "Which one stands first, and which one is longer, is worth nothing.\n"
                           "Give your reasons in two sentences. Then end with a line of its own, with A, B or TIE instead of X:\n"
                           "{verdict}: X\n";
static const char dialogue[] = "mode: score\nlow: 1\nhigh: 10\n---\n"
                               "A conversation:\n\n{answer}\n\n"
                               "How good is it as a whole? Weigh whether each speaker stays in character, whether they listen to each other, and whether it goes somewhere without repeating itself. "
                               "Length by itself is worth nothing.\n"
                               "Give your reasons in two sentences. Then end with a line of its own, with a number from {low} (useless) to {high} (could not be better) instead of N:\n"
                               "{verdict}: N\n";
static const struct {
    const char *name, *text;
} built_in[] = {{"rating", rating}, {"pair", pair}, {"dialogue", dialogue}};

void pt_judge_template_free(pt_judge_template *t)
{
    free(t->name);
    free(t->system);
    free(t->text);
    free(t->field);
    *t = (pt_judge_template){0};
}

/* ---- lines before --- */

static bool number(const char *text, double *out)
{
    char *end;
    *out = strtod(text, &end);
    return end != text && !*end && isfinite(*out);
}

static pt_status set_place(pt_judge_template *t, int line, const char *value)
{
    static const char *const words[] = {"line", "json", "pattern"};
    const char *more = value + strcspn(value, " ");
    for (int i = 0; i < 3; i++) {
        if (strlen(words[i]) != (size_t)(more - value) || strncmp(words[i], value, (size_t)(more - value))) continue;
        more += strspn(more, " ");
        t->place = (pt_judge_place)i;
        if (i ? !*more : *more) return pt_fail(PT_EFORMAT, "%s:%d: verdict: %s %s", t->name, line, words[i], i ? "wants the field, or the expression, behind it" : "takes nothing behind it");
        free(t->field);
        t->field = NULL;
        return i ? pt_strdup(&t->field, more) : PT_OK;
    }
    return pt_fail(PT_EFORMAT, "%s:%d: verdict takes line, json FIELD or pattern EXPRESSION, not '%.60s'", t->name, line, value);
}

static pt_status set_key(pt_judge_template *t, int line, const char *key, const char *value)
{
    if (!strcmp(key, "mode")) {
        t->pairs = !strcmp(value, "pairwise");
        return t->pairs || !strcmp(value, "score") ? PT_OK : pt_fail(PT_EFORMAT, "%s:%d: mode takes score or pairwise, not '%.60s'", t->name, line, value);
    }
    if (!strcmp(key, "seal")) {
        t->open = !strcmp(value, "no");
        return t->open || !strcmp(value, "yes") ? PT_OK : pt_fail(PT_EFORMAT, "%s:%d: seal takes yes or no, not '%.60s'", t->name, line, value);
    }
    if (!strcmp(key, "low") || !strcmp(key, "high"))
        return number(value, *key == 'l' ? &t->low : &t->high) ? PT_OK : pt_fail(PT_EFORMAT, "%s:%d: %s takes a number, not '%.60s'", t->name, line, key, value);
    if (!strcmp(key, "verdict")) return set_place(t, line, value);
    if (strcmp(key, "system")) return pt_fail(PT_EFORMAT, "%s:%d: there is no '%.40s'; before the line --- stand mode, low, high, verdict, seal, system", t->name, line, key);
    free(t->system);
    t->system = NULL;
    return pt_strdup(&t->system, value);
}

/* One line of n bytes; *body: it is the line ---. */
static pt_status read_line(pt_judge_template *t, int line, const char *text, size_t n, bool *body)
{
    pt_status rc = PT_OK;
    char *copy = NULL, *colon, *value;
    while (n && (text[n - 1] == '\r' || text[n - 1] == ' ')) n--;
    *body = n == 3 && !memcmp(text, "---", 3);
    if (*body || !n || *text == '#') return PT_OK;
    PT_TRY(pt_strndup(&copy, text, n));
    colon = strchr(copy, ':');
    PT_CHECK(colon, PT_EFORMAT, "%s:%d: a line KEY: VALUE is wanted, or --- before the text", t->name, line);
    *colon = 0;
    value = colon + 1 + strspn(colon + 1, " ");
    PT_TRY(set_key(t, line, copy, value));
done:
    free(copy);
    return rc;
}

/* ---- what a whole template must have ---- */

static pt_status wants(const pt_judge_template *t, const char *field)
{
    return strstr(t->text, field) ? PT_OK : pt_fail(PT_EFORMAT, "%s: the text has no %s, so a judge of it would not see what it judges", t->name, field);
}

static pt_status check_pattern(const pt_judge_template *t)
{
    regex_t re;
    char *plain;
    if (!t->open && !strstr(t->field, "{verdict}"))
        return pt_fail(PT_EFORMAT, "%s: the pattern has no {verdict}, the marker by which a verdict is told from a quoted answer; seal: no goes without", t->name);
    PT_RETURN(pt_judge_pattern(t, "00000000", &plain));
    int bad = regcomp(&re, plain, REG_EXTENDED);
    free(plain);
    if (bad) return pt_fail(PT_EFORMAT, "%s: the pattern '%.80s' is no POSIX extended regular expression", t->name, t->field);
    const size_t groups = re.re_nsub;
    regfree(&re);
    return groups ? PT_OK : pt_fail(PT_EFORMAT, "%s: the pattern has no group (...): the place of the verdict", t->name);
}

static pt_status check(const pt_judge_template *t)
{
    if (t->pairs) {
        PT_RETURN(wants(t, "{answer_a}"));
        PT_RETURN(wants(t, "{answer_b}"));
    } else {
        PT_RETURN(wants(t, "{answer}"));
    }
    if (t->open && t->place == PT_JUDGE_LINE) return pt_fail(PT_EFORMAT, "%s: seal: no goes with verdict: json or verdict: pattern, which say where the verdict stands", t->name);
    if (!t->open && !strstr(t->text, "{verdict}"))
        return pt_fail(PT_EFORMAT, "%s: there is no place for the verdict: the text has no {verdict}%s", t->name, t->place == PT_JUDGE_LINE ? " (such as a line \"{verdict}: N\" at its end)" : "");
    if (t->place == PT_JUDGE_PATTERN) PT_RETURN(check_pattern(t));
    return t->low >= t->high ? pt_fail(PT_EFORMAT, "%s: low is %g and high %g", t->name, t->low, t->high) : PT_OK;
}

pt_status pt_judge_template_parse(pt_judge_template *t, const char *name, const char *text)
{
    bool body = false;
    int line = 0;
    *t = (pt_judge_template){.low = NAN, .high = NAN};
    PT_RETURN(pt_strdup(&t->name, name));
    while (*text && !body) {
        size_t n = strcspn(text, "\n");
        PT_RETURN(read_line(t, ++line, text, n, &body));
        text += n + (text[n] == '\n');
    }
    if (!body) return pt_fail(PT_EFORMAT, "%s: there is no line --- with the text behind it", name);
    PT_RETURN(pt_strdup(&t->text, text));
    return check(t);
}

pt_status pt_judge_template_load(pt_judge_template *t, const char *name)
{
    char *text;
    size_t bytes;
    *t = (pt_judge_template){0};
    for (size_t i = 0; i < sizeof built_in / sizeof *built_in; i++)
        if (!strcmp(built_in[i].name, name)) return pt_judge_template_parse(t, name, built_in[i].text);
    if (!pt_file_given(name)) return pt_fail(PT_EARG, "there is no judge's template %s: neither a file nor one of those that are built in (rating, pair, dialogue)", name);
    PT_RETURN(pt_text_read(&text, &bytes, name, FILE_MOST));
    pt_status rc = strlen(text) == bytes ? pt_judge_template_parse(t, name, text) : pt_fail(PT_EFORMAT, "%s holds a NUL character", name);
    free(text);
    return rc;
}
