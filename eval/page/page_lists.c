/* Lists that a task keeps beside its rows: what judges gave and where they failed, ratings, what voices cost. An object a row; columns are the members of the
 * list's first object that are texts, numbers or truths. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "eval/page/page_priv.h"

enum { MOST_MEMBERS = 14 };

static bool shown(const json_t *v)
{
    return json_is_string(v) || json_is_number(v) || json_is_boolean(v) || json_is_null(v);
}

static pt_status add_value(json_t *row, const json_t *v)
{
    char text[32];
    if (json_is_string(v)) return pt_page_push(row, pt_page_text(json_string_value(v), json_string_length(v)));
    if (json_is_boolean(v)) return pt_page_push(row, json_string(json_is_true(v) ? "yes" : "no"));
    pt_page_number(text, json_is_number(v) ? json_number_value(v) : NAN);
    return pt_page_push(row, json_string(text));
}

static size_t members_of(const json_t *list, const char **names, char *numbers)
{
    const char *key;
    json_t *v, *one;
    size_t i, n = 0;
    json_object_foreach(json_array_get(list, 0), key, v)
    {
        if (!shown(v) || n == MOST_MEMBERS) continue;
        bool text = json_is_string(v) || json_is_boolean(v);
        json_array_foreach((json_t *)list, i, one) text = text || json_is_string(json_object_get(one, key));
        names[n] = key;
        numbers[n++] = text ? 't' : 'n';
    }
    return n;
}

static pt_status put_list(const pt_page_sides *s, const pt_page_task *t, json_t *section, const char *title, const char *key)
{
    const char *names[MOST_MEMBERS + 1] = {"run"};
    char numbers[MOST_MEMBERS + 2] = "t";
    json_t *table = NULL, *one, *row;
    size_t i, n = 0, more = s->tuned > 1, left = 0;
    for (size_t k = 0; k < s->tuned; k++) {
        const json_t *list = json_object_get(t->task[k], key);
        if (!table && json_array_size(list)) {
            n = members_of(list, names + more, numbers + more);
            PT_RETURN(pt_page_block(section, "table", title, &table));
            PT_RETURN(pt_page_columns(table, more + n, names, numbers));
        }
        json_array_foreach((json_t *)list, i, one)
        {
            if (json_array_size(json_object_get(table, "rows")) >= (size_t)s->rows && ++left) continue;
            PT_RETURN(pt_page_push(json_object_get(table, "rows"), row = json_array()));
            if (more) PT_RETURN(pt_page_push(row, pt_page_text(s->runs[k].name, strlen(s->runs[k].name))));
            for (size_t c = 0; c < n; c++) PT_RETURN(add_value(row, json_object_get(one, names[more + c])));
        }
    }
    return table ? pt_page_left_out(table, left) : PT_OK;
}

pt_status pt_page_lists(const pt_page_sides *s, const pt_page_task *t, json_t *section)
{
    static const struct {
        const char *key, *title;
    } lists[] = {{"judges", "Judges"}, {"agreement", "Agreement of the judges"}, {"ratings", "Ratings"}, {"failures", "What got no score"}, {"voices", "What was asked of others"}};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) PT_RETURN(put_list(s, t, section, lists[i].title, lists[i].key));
    return PT_OK;
}
