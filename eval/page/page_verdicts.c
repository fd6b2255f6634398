/* What judges said of each single text: a row a text and side, a column a judge. From a task's "verdicts" (eval/task/judge_show.c). */
#include <stdio.h>
#include <string.h>

#include "eval/page/page_priv.h"

enum { MOST_JUDGES = 16, MOST_TEXT = 300, FOLDED = 12 };

typedef struct verdicts {
    const pt_page_sides *s;
    const pt_page_task *t;
    const json_t *list[PT_PAGE_RUNS]; /* of each run; NULL: it has none */
    const char *judges[MOST_JUDGES];
    size_t n_judges, items;
    bool gold, pairs;
} verdicts;

static const json_t *at(const verdicts *v, size_t run, size_t i)
{
    return json_array_get(v->list[run], i);
}

/* Whose judges there are, in the order in which they appear. */
static void find_judges(verdicts *v, size_t i)
{
    const json_t *each[PT_PAGE_RUNS];
    const char *name;
    json_t *score;
    size_t k;
    for (k = 0; k < v->s->tuned; k++) each[k] = at(v, k, i);
    for (size_t c = 0; c < v->s->n; c++)
        json_object_foreach((json_t *)pt_page_side(v->s, each, c), name, score)
        {
            for (k = 0; k < v->n_judges && strcmp(v->judges[k], name); k++) continue;
            if (k == v->n_judges && k < MOST_JUDGES) v->judges[v->n_judges++] = name;
        }
    for (k = 0; k < v->s->tuned; k++) v->gold = v->gold || json_is_number(json_object_get(each[k], "gold"));
}

static void find_verdicts(const pt_page_sides *s, const pt_page_task *t, verdicts *v)
{
    *v = (verdicts){.s = s, .t = t, .pairs = pt_page_task_row(t->task[0], "win_rate", NULL) != NULL};
    for (size_t k = 0; k < s->tuned; k++) {
        v->list[k] = json_object_get(t->task[k], "verdicts");
        v->pairs = v->pairs || pt_page_task_row(t->task[k], "win_rate", NULL) || json_object_get(at(v, k, 0), "answers");
        if (json_array_size(v->list[k]) > v->items) v->items = json_array_size(v->list[k]);
    }
    for (size_t i = 0; i < v->items; i++) find_judges(v, i);
}

static const json_t *member(const verdicts *v, size_t i, const char *key)
{
    const json_t *x = NULL;
    for (size_t k = 0; k < v->s->tuned && !x; k++) x = json_object_get(at(v, k, i), key);
    return x;
}

/* "3", of several askings "3, again (1)", of a group "Ann 3"; of answers by name both. */
static json_t *name_of(const verdicts *v, size_t i)
{
    const json_t *item = member(v, i, "item"), *repeat = member(v, i, "repeat"), *two = member(v, i, "answers");
    const char *group = json_string_value(member(v, i, "group")), *a = json_string_value(json_array_get(two, 0)), *b = json_string_value(json_array_get(two, 1));
    pt_str name = {0};
    pt_status rc = pt_str_printf(&name, "%s%s%lld", group ? group : "", group && *group ? " " : "", (long long)json_integer_value(item) + 1);
    if (rc == PT_OK && json_integer_value(repeat)) rc = pt_str_printf(&name, ", again (%lld)", (long long)json_integer_value(repeat));
    if (rc == PT_OK && a && b) rc = pt_str_printf(&name, ": %s against %s", a, b);
    json_t *j = rc == PT_OK ? pt_page_text(name.text, name.len) : NULL;
    pt_str_free(&name);
    return j;
}

/* What side c said: with the verdict, else the task's answer at the same place. */
static json_t *said_of(const verdicts *v, size_t i, size_t c)
{
    const json_t *each[PT_PAGE_RUNS];
    for (size_t k = 0; k < v->s->tuned; k++) {
        const json_t *said = json_object_get(at(v, k, i), "said");
        each[k] = said ? said : json_array_get(json_object_get(v->t->task[k], "answers"), i);
    }
    return pt_page_cut(pt_page_side(v->s, each, c), MOST_TEXT);
}

static pt_status add_number(json_t *row, const json_t *x)
{
    char text[32];
    if (!json_is_number(x)) return pt_page_push(row, json_string("-"));
    pt_page_number(text, json_number_value(x));
    return pt_page_push(row, json_string(text));
}

static pt_status add_row(const verdicts *v, size_t i, size_t c, const json_t *scores, json_t *rows)
{
    json_t *row = json_array();
    PT_RETURN(pt_page_push(rows, row));
    PT_RETURN(pt_page_push(row, name_of(v, i)));
    PT_RETURN(pt_page_push(row, pt_page_text(v->s->name[c], strlen(v->s->name[c]))));
    PT_RETURN(pt_page_push(row, said_of(v, i, c)));
    for (size_t j = 0; j < v->n_judges; j++) PT_RETURN(add_number(row, json_object_get(scores, v->judges[j])));
    return v->gold ? add_number(row, member(v, i, "gold")) : PT_OK;
}

pt_status pt_page_verdicts(const pt_page_sides *s, const pt_page_task *t, json_t *section)
{
    const char *names[MOST_JUDGES + 4] = {"item", "whose", "answer"};
    char numbers[MOST_JUDGES + 5] = "ttt";
    verdicts v;
    json_t *table, *rows;
    size_t left = 0;
    find_verdicts(s, t, &v);
    if (!v.n_judges) return PT_OK;
    for (size_t j = 0; j < v.n_judges + v.gold; j++) {
        names[3 + j] = j < v.n_judges ? v.judges[j] : "people";
        numbers[3 + j] = 'n';
    }
    PT_RETURN(pt_page_block(section, "table", v.pairs ? "Verdicts: 1 where the answer won, 0.5 a tie" : "Verdicts", &table));
    PT_RETURN(pt_page_columns(table, 3 + v.n_judges + v.gold, names, numbers));
    rows = json_object_get(table, "rows");
    for (size_t i = 0; i < v.items; i++)
        for (size_t c = 0; c < s->n; c++) {
            const json_t *each[PT_PAGE_RUNS];
            for (size_t k = 0; k < s->tuned; k++) each[k] = at(&v, k, i);
            const json_t *scores = pt_page_side(s, each, c);
            if (!json_is_object(scores)) continue; /* that side was not judged */
            if (json_array_size(rows) < (size_t)s->rows) PT_RETURN(add_row(&v, i, c, scores, rows));
            else left++;
        }
    if (json_array_size(rows) > FOLDED) PT_RETURN(pt_page_put(table, "folded", json_true()));
    return pt_page_left_out(table, left);
}
