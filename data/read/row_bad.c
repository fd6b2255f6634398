/* Rows that cannot be used: counted by cause, with their first lines, and judged when the file is read. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "data/read/record.h"

void pt_text_fit(char *out, size_t size, const char *text)
{
    size_t n = strlen(text), at = 0;
    if (n >= size) {
        n = size - 1;
        while (n && ((unsigned char)text[n] & 0xc0) == 0x80) n--; /* no half character at the end */
    }
    for (; at < n; at++) {
        unsigned char c = (unsigned char)text[at];
        out[at] = (char)(c < 0x20 || c == 0x7f ? ' ' : c);
    }
    out[at] = 0;
}

/* What stands before a semicolon, with every number as one '#'. */
static void fold(char *out, size_t size, const char *text)
{
    size_t n = 0;
    for (const char *p = text; *p && *p != ';' && n + 1 < size; p++) {
        bool digit = *p >= '0' && *p <= '9';
        if (digit && n && out[n - 1] == '#') continue;
        out[n++] = digit ? '#' : *p;
    }
    out[n] = 0;
}

void pt_causes_add(pt_causes *c, const char *text, int64_t line)
{
    char key[sizeof c->list->key];
    int i = 0;
    fold(key, sizeof key, text);
    while (i < c->n && strcmp(c->list[i].key, key)) i++;
    if (i == PT_CAUSES) i--;
    struct pt_cause *x = &c->list[i];
    if (i == c->n) {
        c->n++;
        bool last = i + 1 == PT_CAUSES;
        memcpy(x->key, key, sizeof key);
        pt_text_fit(x->text, sizeof x->text, last ? "other causes" : text);
    }
    if (x->n < PT_CAUSE_LINES) {
        x->line[x->n] = line;
        x->file[x->n] = c->file;
    }
    x->n++;
    c->total++;
}

/* "(line 3, 7)"; of several files "(a.jsonl:3, 7, b.jsonl:1)". */
static pt_status put_lines(const struct pt_cause *x, const pt_paths *files, pt_str *out)
{
    for (int k = 0; k < x->n && k < PT_CAUSE_LINES; k++) {
        bool named = files->n > 1 && (!k || x->file[k] != x->file[k - 1]);
        PT_RETURN(pt_str_printf(out, "%s%s%s%lld", k ? ", " : files->n > 1 ? "" : "line ", named ? pt_path_base(files->list[x->file[k]]) : "", named ? ":" : "",
                                (long long)x->line[k]));
    }
    return PT_OK;
}

static pt_status put_causes(const pt_causes *c, const pt_paths *files, pt_str *out)
{
    for (int i = 0; i < c->n && i < 4; i++) {
        const struct pt_cause *x = &c->list[i];
        PT_RETURN(pt_str_printf(out, "%s%lld x %s (", i ? "; " : "", x->n, x->text));
        PT_RETURN(put_lines(x, files, out));
        PT_RETURN(pt_str_puts(out, x->n > PT_CAUSE_LINES ? " ...)" : ")"));
    }
    return c->n > 4 ? pt_str_puts(out, "; ...") : PT_OK;
}

/* The message of the present row: without the place that broken JSON names itself. */
pt_status pt_reader_bad(pt_reader *r, pt_status rc, int64_t line)
{
    if (r->spec->bad_rows <= 0) return rc;
    const char *text = pt_err_msg(), *path = pt_reader_path(r);
    size_t n = strlen(path);
    if (!strncmp(text, path, n) && text[n] == ':') {
        text += n + 1 + strspn(text + n + 1, "0123456789:");
        text += *text == ' ';
    }
    pt_causes_add(&r->bad, text, line);
    pt_err_clear();
    bool hopeless = r->spec->bad_rows < 1 && r->bad.total == r->rows && r->rows >= 1000; /* a wrong type, not a bad row */
    return hopeless ? pt_reader_judge(r) : PT_OK;
}

pt_status pt_reader_judge(const pt_reader *r)
{
    const pt_causes *c = &r->bad;
    const pt_dataset_spec *s = r->spec;
    pt_str all = {0};
    if (!c->total) return PT_OK;
    pt_status rc = put_causes(c, r->files, &all);
    if (rc != PT_OK) {
        pt_str_free(&all);
        return rc;
    }
    double allowed = s->bad_rows < 1 ? floor(s->bad_rows * (double)r->rows + 1e-9) : (double)r->rows;
    if ((double)c->total > allowed)
        rc = pt_fail(PT_EFORMAT,
                     "%s:%lld: %s. In all %lld of %lld rows cannot be used: %s. bad_rows: %g lets %.0f of them be left out; bad_rows: drop "
                     "leaves out every one",
                     r->files->list[c->list[0].file[0]], (long long)c->list[0].line[0], c->list[0].text, c->total, (long long)r->rows, all.text, s->bad_rows, allowed);
    else
        pt_log(PT_LOG_WARN, "%s: %lld of %lld rows cannot be used and are left out: %s", s->path, c->total, (long long)r->rows, all.text);
    pt_str_free(&all);
    return rc;
}
