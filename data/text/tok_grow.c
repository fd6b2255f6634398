/* Tokens of a config, behind those that a tokenizer has. */
#include <string.h>

#include "data/text/tok_priv.h"

static pt_status check_text(const pt_tokenizer *t, const char *text)
{
    size_t n = strlen(text);
    int32_t id = pt_tok_find(t, text);
    if (!n) return pt_fail(PT_EARG, "added_tokens: a token has no text");
    if (pt_utf8_check(text, n) != n) return pt_fail(PT_EARG, "added_tokens: '%.80s' is not valid UTF-8", text);
    if (id >= 0) return pt_fail(PT_EARG, "added_tokens: '%.80s' is in the vocabulary already (id %d): leave it out", text, id);
    return PT_OK;
}

pt_status pt_tok_grow(pt_tokenizer *t, const char *const *texts, size_t n, int32_t *first)
{
    const pt_tok_added plain = {.special = false};
    if (t->added_end > t->n)
        return pt_fail(PT_ENOSUP, "added_tokens: %s has tokens that the model has no row for (the first is %d): such a vocabulary does not grow", t->path ? t->path : "the tokenizer", t->n);
    *first = t->n;
    for (size_t i = 0; i < n; i++) {
        PT_RETURN(check_text(t, texts[i]));
        PT_RETURN(pt_tok_put_added(t, &plain, -1, texts[i], strlen(texts[i])));
        if (pt_tok_find(t, texts[i]) != *first + (int32_t)i)
            return pt_fail(PT_ENOSUP, "added_tokens: '%.80s' would get id %d, in a gap of the vocabulary: such a vocabulary does not grow", texts[i], pt_tok_find(t, texts[i]));
    }
    pt_tok_pool_free(t);
    PT_RETURN(pt_tok_pool_new(t));
    return pt_tok_finish_again(t);
}
