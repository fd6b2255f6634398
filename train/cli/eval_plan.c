#include "train/cli/eval_plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "eval/ask/holds.h"
#include "eval/task/held.h"

#define MIB 1048576.0

static void line(const char *name, size_t bytes)
{
    printf("  %-24s %10.1f MiB\n", name, (double)bytes / MIB);
}

void pt_eval_plan_unwritten(pt_config *cfg)
{
    for (size_t i = 0; i < cfg->eval.n_evaluations; i++) {
        pt_task_spec *x = &cfg->eval.evaluations[i];
        size_t kept = 0;
        for (size_t k = 0; k < x->n_options; k++) {
            const pt_task_key *key = pt_task_key_of(pt_task_find(x->task), x->options[k].name);
            if (!key || !key->written) {
                x->options[kept++] = x->options[k];
                continue;
            }
            free(x->options[k].name);
            free(x->options[k].value);
        }
        x->n_options = kept;
    }
}

size_t pt_eval_held_bytes(const pt_base *base, const pt_suite *s, size_t n)
{
    bool any = false;
    size_t bytes = 0;
    for (size_t k = 0; k < n; k++)
        for (size_t i = 0; i < s[k].n; i++) any = any || pt_held(&s[k].tasks[i]);
    if (!any || !base->tok) return 0;
    for (int32_t id = 0; id < pt_tok_vocab_size(base->tok); id++) {
        const char *piece = pt_tok_piece(base->tok, id);
        bytes += piece ? strlen(piece) : 0; /* as it is spelled: no fewer bytes than it has */
    }
    return pt_holds_bytes(pt_source_config(base->source)->vocab, bytes);
}

size_t pt_eval_sampler_bytes(const pt_base *base, const pt_model_caps *caps, const pt_suite *s, size_t n)
{
    bool here = false;
    for (size_t k = 0; k < n; k++) {
        here = here || (s[k].data && pt_sampling_here(&s[k].data->sampling));
        for (size_t i = 0; i < s[k].n && !here; i++) {
            const pt_entry_option *o = pt_entry_said(s[k].tasks[i].spec->options, s[k].tasks[i].spec->n_options, "sampling");
            here = o && pt_sampling_here(&(pt_sampling){.temperature = 1, .top_p = 1, .more = o->value});
        }
    }
    return pt_gen_bytes(pt_source_config(base->source)->vocab, caps, here);
}

pt_status pt_eval_plan_say(pt_opened *o, const pt_model_caps *caps, const pt_suite *s, pt_eval_models *m, bool is_base)
{
    const size_t n = s->n, held = pt_eval_held_bytes(&o->base, s, 1), draws = pt_eval_sampler_bytes(&o->base, caps, s, 1);
    pt_status rc = PT_OK;
    pt_str beside = {0};
    size_t others, all = 0;
    PT_TRY(pt_open_plan(o, caps));
    PT_TRY(pt_eval_models_open(m, o, is_base, NULL));
    PT_TRY(pt_eval_models_memory(m, &others, &beside));
    printf("measured  %zu evaluation%s: at most %d tokens at once", n, n == 1 ? "" : "s", (int)caps->tokens);
    if (caps->decode_rows) printf(", %d texts of %d positions", (int)caps->decode_rows, (int)caps->decode_len);
    printf("\n");
    if (beside.len) printf("beside    %s\n", beside.text);
    printf("memory\n");
    for (int i = 0; i < PT_ROLE_COUNT; i++) {
        all += o->planned[i];
        if (o->planned[i]) line(pt_role_name((pt_role)i), o->planned[i]);
    }
    if (others) line("models beside", others);
    if (held) line("constraints of answers", held);
    if (draws) line("samplers of answers", draws);
    line("together, beside the program", all + others + held + draws);
done:
    pt_str_free(&beside);
    return rc;
}
