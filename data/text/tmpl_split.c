/* Which rendering trains which answer, for templates that write earlier answers otherwise (pt_template_split). */
#include "data/text/tmpl_priv.h"

bool pt_template_rewrites(const pt_template *t)
{
    return t->program || t->style->kind == PT_TMPL_QWEN3;
}

pt_status pt_template_split(const pt_template *t, const pt_message *m, size_t n, size_t *until)
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
