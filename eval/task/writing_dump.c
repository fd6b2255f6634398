/* The answers of a task with their rows, for judges outside: {"side": ..., "answer", "row"} a line, or rows with the answer among their own fields. */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "eval/task/writing.h"

static const char dump_begins[] = "{\"side\": \"";

static json_t *text_or_null(const char *text)
{
    return text ? pt_report_text(text) : json_null();
}

/* The row with the answer among its own fields, behind the mark that says what file this is. */
static pt_status row_line(const pt_write_item *x, const char *field, const pt_reply *r, pt_str *out)
{
    json_t *o = json_object();
    bool bad = !o || json_object_set_new(o, "side", json_string("after")) || json_object_update(o, x->row) || json_object_set_new(o, field, text_or_null(r->text));
    char *text = bad ? NULL : json_dumps(o, 0);
    pt_status rc = text ? pt_str_printf(out, "%s\n", text) : pt_fail(PT_ENOMEM, "out of memory writing answers");
    free(text);
    json_decref(o);
    return rc;
}

static pt_status dump_line(const pt_task *t, const pt_write_item *x, size_t item, int repeat, pt_side side, const pt_reply *r, pt_str *out)
{
    json_t *o = json_object(), *references = json_array();
    bool bad = !o || !references;
    for (size_t k = 0; k < x->n_references; k++) bad = bad || json_array_append_new(references, pt_report_text(x->references[k]));
    bad = bad || json_object_set_new(o, "side", json_string(side == PT_BEFORE ? "before" : "after")) || json_object_set_new(o, "model", text_or_null(t->report.name[side])) ||
          json_object_set_new(o, "item", json_integer((json_int_t)item + 1)) || json_object_set_new(o, "repeat", json_integer(repeat)) ||
          json_object_set_new(o, "group", text_or_null(t->scopes[x->scope])) || json_object_set_new(o, "system", text_or_null(x->system)) ||
          json_object_set_new(o, "prompt", text_or_null(x->prompt)) || json_object_set(o, "references", references) ||
          json_object_set_new(o, "answer", text_or_null(r->text)) || json_object_set_new(o, "stopped", json_boolean(r->stopped)) || json_object_set(o, "row", x->row);
    char *text = bad ? NULL : json_dumps(o, 0);
    pt_status rc = text ? pt_str_printf(out, "%s\n", text) : pt_fail(PT_ENOMEM, "out of memory writing answers");
    free(text);
    json_decref(o);
    json_decref(references);
    return rc;
}

pt_status pt_writing_file_path(const pt_task *t, const char *path, pt_str *out)
{
    const char *dot = strrchr(pt_path_base(path), '.'), *end = dot ? dot : path + strlen(path);
    PT_RETURN(pt_str_add(out, path, (size_t)(end - path)));
    if (t->column) PT_RETURN(pt_str_printf(out, "-%zu", t->column + 1));
    return pt_str_puts(out, end);
}

/* Lines, or a list of them. */
static pt_status join(const pt_str *lines, bool list, pt_str *out)
{
    const char *p = lines->text ? lines->text : "", *end = p + lines->len;
    if (!list) return pt_str_add(out, p, lines->len);
    for (; p < end; p++) PT_RETURN(*p != '\n' ? pt_str_add(out, p, 1) : p + 1 < end ? pt_str_puts(out, ",\n") : pt_str_puts(out, ""));
    return PT_OK;
}

static bool is_list(const char *path)
{
    size_t n = strlen(path);
    return n > 5 && !strcmp(path + n - 5, ".json");
}

pt_status pt_writing_dump(const pt_task *t, pt_writing *w, const pt_reply *replies, pt_side side)
{
    const char *path = pt_task_text(t, "dump"), *field = pt_task_text(t, "dump_as");
    pt_str *own = &w->dumped[side];
    if (!path || (field && side == PT_BEFORE)) return PT_OK;
    own->len = 0;
    for (size_t i = 0; i < t->items; i++) {
        if (!w->keep[i]) continue;
        replies += pt_writing_replies(t, w, i);
        for (int r = 0; r < pt_writing_repeats(t); r++)
            PT_RETURN(field ? row_line(&w->items[i], field, replies - pt_writing_repeats(t) + r, own)
                            : dump_line(t, &w->items[i], i, r, side, replies - pt_writing_repeats(t) + r, own));
    }
    return pt_writing_dump_lines(t, (pt_str *const[2]){&w->dumped[0], &w->dumped[1]});
}

pt_status pt_writing_dump_lines(const pt_task *t, pt_str *const sides[2])
{
    const char *path = pt_task_text(t, "dump");
    pt_str lines = {0}, both = {0}, name = {0};
    pt_status rc = PT_OK;
    for (int s = 0; rc == PT_OK && s < 2; s++) rc = pt_str_add(&lines, sides[s]->text ? sides[s]->text : "", sides[s]->len);
    if (rc == PT_OK && is_list(path)) rc = pt_str_puts(&both, "[");
    if (rc == PT_OK) rc = join(&lines, is_list(path), &both);
    if (rc == PT_OK && is_list(path)) rc = pt_str_puts(&both, "]\n");
    if (rc == PT_OK) rc = pt_writing_file_path(t, path, &name);
    if (rc == PT_OK) rc = pt_file_write_whole(name.text, both.text, both.len);
    pt_str_free(&lines);
    pt_str_free(&both);
    pt_str_free(&name);
    return rc;
}

pt_status pt_writing_file_check(const pt_task *t, const char *key, const char *begins)
{
    enum { MOST = 32 };
    const char *path = pt_task_text(t, key), *slash = path ? strrchr(path, '/') : NULL;
    char begin[MOST] = {0};
    if (!path) return PT_OK;
    if (slash && slash != path) {
        char *folder;
        PT_RETURN(pt_strndup(&folder, path, (size_t)(slash - path)));
        bool there = pt_dir_exists(folder);
        free(folder);
        if (!there) return pt_task_fail(t, "%s: there is no folder for %s", key, path);
    }
    if (!pt_file_given(path)) return PT_OK;
    FILE *f = fopen(path, "rb");
    if (f && fgetc(f) != '[') rewind(f);
    size_t n = f ? fread(begin, 1, strlen(begins) < MOST ? strlen(begins) : MOST, f) : 0;
    if (f) fclose(f);
    if (f && (!n || !strncmp(begin, begins, MOST))) return PT_OK;
    return pt_task_fail(t, "%s: %s is there and is no dump of answers: it is left alone", key, path);
}

/* What stands there already is replaced only where it is a dump; better said before anything is asked. */
pt_status pt_writing_dump_check(const pt_task *t)
{
    if (!pt_task_text(t, "dump") && pt_task_text(t, "dump_as")) return pt_task_fail(t, "dump_as goes with dump: FILE");
    return pt_writing_file_check(t, "dump", dump_begins);
}
