#include "train/cli/importance.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "eval/suite/probe.h"

enum { TOKENS = 32768, CONTEXT = 512, ROWS = 1 << 20, LONGEST = 2048, LEAST = 16 };

static bool has_rows(const char *path)
{
    static const char *const ends[] = {".jsonl", ".json", ".jsonl.gz", ".jsonl.zst", ".json.gz", ".json.zst"};
    size_t n = strlen(path);
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (n > strlen(ends[i]) && !strcmp(path + n - strlen(ends[i]), ends[i])) return true;
    return false;
}

/* Pieces of equal length; what is left over at the end is not taken. */
static pt_status read_text(const pt_opened *o, const char *path, size_t context, size_t most, pt_probe *p)
{
    pt_status rc = PT_OK;
    char *text = NULL;
    size_t bytes;
    pt_ids ids = {0};
    const pt_tokenizer *t = o->base.tok;
    PT_CHECK(t, PT_EARG, "%s is text, and this model has no tokenizer; --tokenizer=PATH gives it one", path);
    bool bos = pt_tok_add_bos(t) && pt_tok_bos(t) >= 0;
    PT_TRY(pt_text_read(&text, &bytes, path, (size_t)1 << 30));
    if (bos) PT_TRY(pt_ids_add(&ids, pt_tok_bos(t)));
    PT_TRY(pt_tok_encode(t, text, bytes, false, true, &ids));
    for (size_t at = 0; at + context <= ids.n && p->tokens + context <= most; at += context) {
        if (bos) ids.ids[at] = pt_tok_bos(t);
        PT_TRY(pt_probe_add(p, ids.ids + at, context, NULL));
    }
    PT_CHECK(p->n, PT_EARG, "%s has %zu tokens, fewer than one piece of %zu; give more text or a smaller --context", path, ids.n, context);
done:
    free(text);
    free(ids.ids);
    return rc;
}

static pt_status read_rows(const pt_opened *o, const char *input, size_t most, pt_probe *p)
{
    const pt_config *cfg = o->cfg;
    char type[] = "messages";
    pt_dataset_spec one = cfg->data.n_datasets ? cfg->data.datasets[0] : (pt_dataset_spec){.type = type};
    const pt_probe_most limits = {most, ROWS, (size_t)(o->is_run ? cfg->data.sequence_len : LONGEST)};
    if (input) {
        one.path = (char *)(uintptr_t)input;
        one.n_also = 0;
        one.split = NULL;
    }
    bool own = !input;
    PT_RETURN(pt_probe_read(p, own ? cfg->data.datasets : &one, own ? cfg->data.n_datasets : 1, o->is_run && pt_objective_pairs(cfg->objective), o->base.tok,
                            o->base.tmpl, limits));
    if (p->n && p->tokens >= LEAST) return PT_OK;
    if (input) return pt_fail(PT_EARG, "%s has no rows that this model can read", input);
    return pt_fail(PT_EARG, "there are no training rows at hand to compute importances on: give a text or rows by ptrain imatrix ... --input FILE");
}

static pt_status run_all(pt_model *m, int slot, const pt_probe *p)
{
    pt_status rc = PT_OK;
    pt_batch b = {0};
    float *last = NULL;
    PT_TRY(pt_alloc0(&last, p->longest));
    for (size_t i = 0; i < p->n; i++) {
        const pt_probe_seq *s = &p->seqs[i];
        if (s->ids.n < 2) continue;
        last[s->ids.n - 1] = 1; /* one row: the head does next to nothing */
        pt_seq seq = {.ids = s->ids.ids, .weight = last, .n = (int32_t)s->ids.n, .end_index = -1};
        PT_TRY(pt_batch_build(&b, &seq, 1, PT_PACKING_OFF));
        PT_TRY(pt_model_load_batch(m, &b, 0, false));
        PT_TRY(pt_model_forward(m, slot, false));
        pt_batch_free(&b);
        last[s->ids.n - 1] = 0;
    }
done:
    pt_batch_free(&b);
    free(last);
    return rc;
}

pt_status pt_importances_compute(pt_cli *c, pt_opened *o, const char *input, pt_imatrix *im)
{
    pt_status rc = PT_OK;
    pt_probe p = {0};
    pt_imatrix_run *run = NULL;
    size_t most = c->tokens > 0 ? (size_t)c->tokens : TOKENS, context = c->context > 0 ? (size_t)c->context : CONTEXT;
    bool text = input && !has_rows(input);
    const char *data = input ? input : o->cfg->data.n_datasets ? o->cfg->data.datasets[0].path : "";
    PT_TRY(text ? read_text(o, input, context, most, &p) : read_rows(o, input, most, &p));
    PT_TRY(pt_open_model(o, (int32_t)(p.longest > 64 ? p.longest : 64), 0, 0));
    PT_TRY(pt_imatrix_begin(&run, o->model));
    PT_TRY(run_all(o->model, o->adapter ? 0 : PT_SLOT_NONE, &p));
    PT_TRY(pt_imatrix_end(run, im));
    PT_TRY(pt_strdup(&im->data, pt_path_base(data)));
    im->chunk_size = (int64_t)context;
    im->chunks = (int64_t)((p.tokens + context - 1) / context);
    printf("importances of %zu matrices from %zu tokens of %s\n", im->n, p.tokens, data);
done:
    pt_imatrix_run_free(run);
    pt_model_free(o->model);
    o->model = NULL;
    pt_probe_free(&p);
    return rc;
}

pt_status pt_importances_asked(pt_cli *c, pt_opened *o, pt_imatrix *im)
{
    if (!strcmp(c->imatrix, "auto")) return pt_importances_compute(c, o, NULL, im);
    return pt_imatrix_read(im, c->imatrix);
}

pt_status pt_cmd_imatrix(pt_cli *c)
{
    pt_status rc = PT_OK;
    pt_opened o = {0};
    pt_imatrix im = {0};
    PT_CHECK(c->n_args == 1 && c->out, PT_EARG, "ptrain imatrix RUN|MODEL [--input FILE] --out FILE.gguf");
    PT_TRY(pt_open_named(c, c->args[0], false, &o));
    PT_TRY(pt_guard_imatrix(c, &o, c->out));
    PT_TRY(pt_importances_compute(c, &o, c->input, &im));
    PT_TRY(pt_imatrix_write(&im, c->out));
    printf("wrote %s\n", c->out);
done:
    pt_imatrix_free(&im);
    pt_open_close(&o);
    return rc;
}
