/* pack, inspect: the data alone. No device is opened, nothing is measured. */
#include <stdlib.h>
#include <string.h>

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

static pt_status pack_one(pt_cli *c)
{
    pt_status rc = PT_OK;
    packed p = {0};
    pt_str text = {0};
    PT_TRY(open_packed(c, &p));
    PT_TRY(pt_pack_report_text(&p.report, &text));
    printf("%s%s\n", text.text, pt_pack_path(p.pack));
done:
    close_packed(&p);
    pt_str_free(&text);
    return rc;
}

pt_status pt_cmd_pack(pt_cli *c)
{
    return pt_stages_each(c, pack_one);
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

static pt_status inspect_one(pt_cli *c)
{
    pt_status rc = PT_OK;
    packed p = {0};
    pt_str text = {0};
    int64_t from, to;
    PT_TRY(open_packed(c, &p));
    PT_CHECK(p.base.tok, PT_EARG, "the base has no tokenizer: its samples cannot be shown as text");
    PT_TRY(sample_range(c->sample, pt_pack_count(p.pack), &from, &to));
    for (int64_t i = from; i <= to; i++) {
        pt_str_free(&text);
        bool colour = pt_ui_colour();
        PT_TRY(pt_pack_inspect(p.pack, p.base.tok, i, colour, &text));
        if (colour) pt_terminal_raw(stdout, text.text);
        else fwrite(text.text, 1, text.len, stdout); /* texts hold NUL characters too */
        putchar('\n');
    }
    if (p.report.n_dropped) { /* what no sample shows */
        pt_str_free(&text);
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
    return pt_stages_each(c, inspect_one);
}
