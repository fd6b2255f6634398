/* report: what runs were and what came of them, as a page (eval/page/page.h). */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "eval/page/page.h"
#include "train/cli/open.h"
#include "train/loop/manifest.h"

typedef enum form { FORM_HTML, FORM_MARKDOWN, FORM_JSON } form;

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), k = strlen(end);
    return n > k && !strcmp(text + n - k, end);
}

static pt_status form_of(const pt_cli *c, form *out)
{
    static const struct {
        const char *word, *ending, *also;
    } forms[] = {{"html", ".html", ".htm"}, {"markdown", ".md", ".markdown"}, {"json", ".json", ".json"}};
    *out = FORM_HTML;
    for (int i = 0; i < 3; i++) {
        if (c->format ? !strcmp(c->format, forms[i].word) : c->output && (ends_with(c->output, forms[i].ending) || ends_with(c->output, forms[i].also))) {
            *out = (form)i;
            return PT_OK;
        }
    }
    if (c->format) return pt_fail(PT_EARG, "--format is html, markdown or json, not '%s'", c->format);
    if (c->output && strcmp(c->output, "-")) return pt_fail(PT_EARG, "%s: a report ends in .html, .md or .json, or --format says what it is", c->output);
    return PT_OK;
}

static pt_status make(const char *const *dirs, size_t n, int rows, form as, pt_str *out)
{
    json_t *page = NULL;
    pt_status rc = pt_page_build(dirs, n, &(pt_page_options){.rows = rows}, &page);
    if (rc == PT_OK && as == FORM_HTML) rc = pt_page_html(page, out);
    if (rc == PT_OK && as == FORM_MARKDOWN) rc = pt_page_markdown(page, out);
    if (rc == PT_OK && as == FORM_JSON) {
        char *text = json_dumps(page, JSON_INDENT(2) | JSON_REAL_PRECISION(10));
        rc = text ? pt_str_puts(out, text) : pt_fail(PT_ENOMEM, "out of memory writing a report");
        if (rc == PT_OK) rc = pt_str_puts(out, "\n");
        free(text);
    }
    json_decref(page);
    return rc;
}

pt_status pt_report_of_run(const char *dir, int rows, char **path)
{
    pt_status rc = PT_OK;
    pt_str text = {0};
    *path = NULL;
    PT_TRY(make(&dir, 1, rows, FORM_HTML, &text));
    PT_TRY(pt_path_join(path, dir, "report.html"));
    PT_TRY(pt_manifest_claim(dir, "report.html"));
    PT_TRY(pt_file_write_whole(*path, text.text, text.len));
done:
    pt_str_free(&text);
    return rc;
}

pt_status pt_cmd_report(pt_cli *c)
{
    pt_status rc = PT_OK;
    form as;
    pt_str text = {0};
    char *path = NULL;
    PT_CHECK(c->n_args >= 1, PT_EARG, "ptrain report RUN [RUN ...] [--format html|markdown|json] [--rows N] [--output FILE]");
    PT_CHECK(!c->n_settings, PT_EARG, "--%s has no effect on ptrain report: a run's own config.yaml says what was trained", c->settings[0].key);
    PT_TRY(form_of(c, &as));
    if (c->output || as != FORM_HTML || c->n_args > 1 || pt_file_exists(c->args[0])) { /* beside a file that somebody named nothing is written */
        PT_TRY(pt_guard_output(c, NULL, c->output));
        PT_TRY(make(c->args, (size_t)c->n_args, c->rows, as, &text));
        if (!c->output || !strcmp(c->output, "-")) fwrite(text.text, 1, text.len, stdout);
        else PT_TRY(pt_file_write_whole(c->output, text.text, text.len));
        goto done;
    }
    PT_TRY(pt_report_of_run(c->args[0], c->rows, &path));
    printf("wrote %s\n", path);
done:
    free(path);
    pt_str_free(&text);
    return rc;
}
