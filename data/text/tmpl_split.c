/* Which rendering trains which answer, for templates that write earlier answers otherwise (pt_template_split). */
#include "data/text/tmpl_priv.h"

#include <stdlib.h>

bool pt_template_rewrites(const pt_template *t)
{
    return t->program || t->style->kind == PT_TMPL_QWEN3;
}

/* Of the messages that are rendered. */
static pt_status split(const pt_template *t, const pt_message *m, size_t n, size_t *until)
{
    if (t->program) return pt_tmpl_own_split(t, m, n, until);
    for (size_t k = n, c = n; k-- > 0;) {
        bool answer = t->style->kind == PT_TMPL_QWEN3 && pt_speaker_is(m[k].speaker, PT_ASSISTANT);
        until[k] = 0;
        if (!(m[k].weight > 0)) continue;
        if (answer && !pt_tmpl_qwen3_keeps(m, c, k)) c = k + 1;
        until[k] = c;
    }
    return PT_OK;
}

pt_status pt_template_split(const pt_template *t, const pt_message *m, size_t n, size_t *until)
{
    pt_status rc = PT_OK;
    pt_rendered counted = {0};
    pt_tmpl_taken k = {0};
    size_t *of = NULL;
    PT_TRY(pt_tmpl_take(t, m, n, &counted, &k));
    PT_TRY(pt_alloc0(&of, k.n));
    PT_TRY(split(t, k.m, k.n, of));
    for (size_t i = 0; i < n; i++) { /* back to the given messages: those that went into the first ones */
        size_t to = of[k.own ? k.at[i] : i];
        until[i] = 0;
        if (!(m[i].weight > 0)) continue;
        while (until[i] < n && (k.own ? k.at[until[i]] : until[i]) < to) until[i]++;
    }
done:
    free(of);
    pt_tmpl_taken_free(&k);
    return rc;
}
