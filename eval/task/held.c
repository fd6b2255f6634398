#include "eval/task/held.h"

#include <stdlib.h>
#include <string.h>

bool pt_held(const pt_task *t)
{
    return pt_task_key_of(t->kind, "constrain") && pt_task_flag(t, "constrain");
}

pt_status pt_held_check(const pt_task *t)
{
    const pt_task_key *method = pt_task_key_of(t->kind, "method");
    if (!pt_held(t) || !method || !strcmp(pt_task_text(t, "method"), "written")) return PT_OK;
    return pt_task_fail(t, "constrain goes with method: written; method: %s reads no answers", pt_task_text(t, "method"));
}

bool pt_held_sampled(size_t k, size_t n)
{
    return n <= PT_HELD_SAMPLE || k * PT_HELD_SAMPLE / n != (k + 1) * PT_HELD_SAMPLE / n;
}

void pt_held_count(pt_task *t, pt_side side, bool unread)
{
    t->freely[side].asked++;
    t->freely[side].unread += unread;
}

/* ---- constraints ---- */

/* Takes list over. */
static pt_status choices(json_t *list, bool fine, char **out)
{
    char *text = fine ? json_dumps(list, JSON_COMPACT) : NULL;
    json_decref(list);
    pt_status rc = text ? pt_asprintf(out, PT_CONSTRAINT_CHOICES "%s", text) : pt_fail(PT_ENOMEM, "out of memory for the choices of an answer");
    free(text);
    return rc;
}

pt_status pt_held_texts(const char *const *texts, size_t n, char **out)
{
    json_t *list = json_array();
    bool fine = true;
    for (size_t i = 0; i < n; i++) fine = fine && !json_array_append_new(list, json_string(texts[i]));
    return choices(list, fine, out);
}

pt_status pt_held_letters(int n, char **out)
{
    json_t *list = json_array();
    bool fine = true;
    for (int i = 0; i < n; i++) {
        const char letter[2] = {(char)('A' + i), 0};
        fine = fine && !json_array_append_new(list, json_string(letter));
    }
    return choices(list, fine, out);
}

pt_status pt_held_numbers(int low, int high, char **out)
{
    json_t *list = json_array();
    bool fine = true;
    for (int i = low; i <= high; i++) {
        char number[16];
        snprintf(number, sizeof number, "%d", i);
        fine = fine && !json_array_append_new(list, json_string(number));
    }
    return choices(list, fine, out);
}

/* ---- what the report says ---- */

static const char *const sides[2] = {"before", "after"};

const char *pt_held_word(const pt_task *t)
{
    return pt_held(t) ? ", constrained" : "";
}

pt_status pt_held_table(const pt_task *t, const bool shown[2], pt_str *out)
{
    const char *between = "";
    if (!pt_held(t)) return PT_OK;
    PT_RETURN(pt_str_puts(out, "answers are held to what can be read; asked freely, not read: "));
    for (int s = 0; s < 2; s++) {
        if (!shown[s]) continue;
        PT_RETURN(pt_str_printf(out, "%s%s %zu of %zu", between, sides[s], t->freely[s].unread, t->freely[s].asked));
        between = ", ";
    }
    return pt_str_puts(out, "\n");
}

pt_status pt_held_json(const pt_task *t, json_t *o)
{
    json_t *both = json_object();
    bool fine = both && !json_object_set(o, "free", both) && !json_object_set_new(o, "constrained", json_true());
    json_decref(both);
    for (int s = 0; s < 2; s++)
        if (t->report.name[s])
            fine = fine && !json_object_set_new(both, sides[s], json_pack("{s:I, s:I}", "asked", (json_int_t)t->freely[s].asked, "unread", (json_int_t)t->freely[s].unread));
    return fine ? PT_OK : pt_fail(PT_ENOMEM, "out of memory writing the report");
}
