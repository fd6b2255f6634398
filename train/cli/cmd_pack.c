/* pack, inspect, audit: the data alone. No device is opened, nothing is measured. */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "train/cli/stages.h"
#include "train/cli/terminal.h"
#include "train/cli/ui.h"
#include "train/loop/run.h"

typedef struct packed {
    pt_config *cfg;
    pt_base base;
    pt_pack *pack, *test;
    pt_pack_report report, test_report;
} packed;

static pt_status open_packed(pt_cli *c, packed *p)
{
    PT_RETURN(pt_cli_config_checked(c, &p->cfg));
    PT_RETURN(pt_run_check_folder(p->cfg));
    PT_RETURN(pt_setup_base(p->cfg, NULL, false, &p->base));
    return pt_setup_packs(p->cfg, NULL, &p->base, &p->pack, &p->test, &p->report, &p->test_report);
}

static void close_packed(packed *p)
{
    pt_pack_free(p->pack);
    pt_pack_free(p->test);
    pt_base_free(&p->base);
    pt_config_free(p->cfg);
}

static pt_status look(const packed *p, int64_t most, pt_audit **out)
{
    return pt_setup_audit(p->cfg, &p->base, p->pack, p->test, &p->report, &p->test_report, most, out);
}

static pt_status pack_one(pt_cli *c)
{
    pt_status rc = PT_OK;
    pt_audit *a = NULL;
    packed p = {0};
    pt_str text = {0};
    PT_TRY(open_packed(c, &p));
    PT_TRY(pt_pack_report_text(&p.report, &text));
    printf("%s%s\n", text.text, pt_pack_path(p.pack));
    if (p.cfg->data.audit != PT_AUDIT_MODE_OFF) {
        PT_TRY(look(&p, PT_AUDIT_ROWS, &a));
        PT_TRY(pt_setup_audit_judge(p.cfg, a));
    }
done:
    pt_audit_free(a);
    close_packed(&p);
    pt_str_free(&text);
    return rc;
}

pt_status pt_cmd_pack(pt_cli *c)
{
    return pt_stages_each(c, true, pack_one, NULL);
}

/* "7" or "3-9" of --sample; default the first five. */
static pt_status sample_range(const char *text, int64_t count, int64_t *from, int64_t *to)
{
    *from = 0;
    *to = count < 5 ? count - 1 : 4;
    if (!text) return PT_OK;
    char *end;
    *from = *to = strtoll(text, &end, 10);
    if (*end == '-' && end != text) *to = strtoll(end + 1, &end, 10);
    if (*end || end == text || *from < 0 || *to < *from) return pt_fail(PT_EARG, "--sample takes N or N-M, not '%s'", text);
    if (*to >= count) return pt_fail(PT_EARG, "--sample %s: there are %lld samples, numbered from 0", text, (long long)count);
    return PT_OK;
}

static pt_status show_samples(const packed *p, int64_t from, int64_t to)
{
    pt_status rc = PT_OK;
    pt_str text = {0};
    bool colour = pt_ui_colour();
    PT_CHECK(p->base.tok, PT_EARG, "the base has no tokenizer: its samples cannot be shown as text");
    for (int64_t i = from; i <= to; i++) {
        pt_str_free(&text);
        PT_TRY(pt_pack_inspect(p->pack, p->base.tok, i, colour, &text));
        if (colour) pt_terminal_raw(stdout, text.text);
        else fwrite(text.text, 1, text.len, stdout); /* texts hold NUL characters too */
        putchar('\n');
    }
done:
    pt_str_free(&text);
    return rc;
}

static pt_status inspect_one(pt_cli *c)
{
    pt_status rc = PT_OK;
    packed p = {0};
    pt_str text = {0};
    int64_t from, to;
    PT_TRY(open_packed(c, &p));
    PT_TRY(sample_range(c->sample, pt_pack_count(p.pack), &from, &to));
    PT_TRY(show_samples(&p, from, to));
    if (p.report.n_dropped) { /* what no sample shows */
        PT_TRY(pt_pack_report_drops(&p.report, &text));
        printf("left out: %lld records\n%s", p.report.records_dropped, text.text);
    }
done:
    close_packed(&p);
    pt_str_free(&text);
    return rc;
}

pt_status pt_cmd_inspect(pt_cli *c)
{
    return pt_stages_each(c, true, inspect_one, NULL);
}

/* ---- audit ---- */

static pt_status judge(const pt_config *cfg, const pt_audit *a)
{
    pt_status rc = PT_OK;
    pt_str names = {0};
    int errors = pt_audit_count(a, PT_AUDIT_ERROR), warnings = pt_audit_count(a, PT_AUDIT_WARNING);
    bool strict = cfg->data.audit == PT_AUDIT_MODE_STRICT;
    PT_TRY(pt_audit_names(a, strict ? PT_AUDIT_WARNING : PT_AUDIT_ERROR, &names));
    PT_CHECK(!names.len, PT_EFORMAT, "the audit found %d kind%s of error%s%s: %s", errors, errors == 1 ? "" : "s", strict && warnings ? ", and warnings" : "",
             strict ? " (audit: strict)" : "", names.text);
done:
    pt_str_free(&names);
    return rc;
}

static pt_status audit_one(pt_cli *c)
{
    pt_status rc = PT_OK;
    packed p = {0};
    pt_audit *a = NULL;
    pt_str text = {0};
    char *json = NULL;
    PT_CHECK(!c->output || !c->stages || c->only, PT_EARG, "--output takes one stage: say which with --only NAME");
    PT_TRY(open_packed(c, &p));
    PT_TRY(look(&p, 0, &a));
    if (p.base.tok) PT_TRY(show_samples(&p, 0, pt_pack_count(p.pack) < 2 ? pt_pack_count(p.pack) - 1 : 1));
    PT_TRY(pt_audit_text(a, &text));
    fwrite(text.text, 1, text.len, stdout);
    if (c->output) {
        PT_TRY(pt_audit_json(a, &json));
        PT_TRY(pt_file_write_whole(c->output, json, strlen(json)));
    }
    rc = judge(p.cfg, a);
done:
    free(json);
    pt_str_free(&text);
    pt_audit_free(a);
    close_packed(&p);
    return rc;
}

pt_status pt_cmd_audit(pt_cli *c)
{
    return pt_stages_each(c, true, audit_one, NULL);
}
