/* Added tokens as files declare them: the ids and flags that the tokenizers library gives them. */
#include "data/text/tok_priv.h"

#include <stdlib.h>
#include <string.h>

bool pt_tok_is_turn_tag(const char *s, size_t n)
{
    static const char *const tags[] = {"<|im_start|>", "<|im_end|>",        "<|start_header_id|>", "<|end_header_id|>",
                                       "<|eot_id|>",   "<|begin_of_text|>", "<|end_of_text|>",     "<|endoftext|>"};
    for (size_t i = 0; i < sizeof tags / sizeof *tags; i++) {
        if (strlen(tags[i]) == n && memcmp(tags[i], s, n) == 0) return true;
    }
    return false;
}

/* The id of a new added token: behind the pieces of the model and behind all added before. */
static int64_t next_id(const pt_tokenizer *t)
{
    int64_t id = (int64_t)t->n_pieces;
    if (t->added_end > id) id = t->added_end;
    while (id < t->n && (t->flags[id] & PT_TOK_HAS)) id++;
    return id;
}

pt_status pt_tok_put_added(pt_tokenizer *t, const pt_tok_added *stated, int64_t id, const char *content, size_t n)
{
    pt_tok_added own = *stated, *a = &own;
    if (n == 0) return PT_OK;
    if (!a->special && pt_tok_is_turn_tag(content, n)) {
        a->special = true;
        a->normalized = false;
    }
    if (t->added_raw) a->normalized = false;
    int32_t have = pt_tok_find_n(t, content, n);
    if (have < 0) {
        int64_t next = t->added_stated && id >= 0 ? id : next_id(t);
        PT_RETURN(pt_tok_put(t, next, content, n, 0));
        have = (int32_t)next;
    }
    if (id >= 0 && have != id && !t->n_moved++) t->moved = have;
    t->flags[have] |= (uint16_t)(PT_TOK_ADDED | (a->special ? PT_TOK_SPECIAL : 0));
    a->special = (t->flags[have] & PT_TOK_SPECIAL) != 0; /* once special, always so */
    pt_tok_matcher *m = &t->added[a->normalized];
    PT_RETURN(pt_reserve(&m->list, &m->cap, m->n + 1));
    m->list[m->n] = *a;
    m->list[m->n].id = have;
    m->list[m->n].turn = ++t->turns;
    m->list[m->n].text = t->spell[have];
    m->n++;
    if (have >= t->added_end) t->added_end = have + 1;
    return PT_OK;
}

pt_status pt_tok_settle_added(pt_tokenizer *t)
{
    uint32_t *last = NULL;
    PT_RETURN(pt_alloc0(&last, t->n));
    for (int k = 0; k < 2; k++)
        for (size_t i = 0; i < t->added[k].n; i++) {
            const pt_tok_added *a = &t->added[k].list[i];
            if (a->turn > last[a->id]) last[a->id] = a->turn;
        }
    for (int k = 0; k < 2; k++) {
        pt_tok_matcher *m = &t->added[k];
        size_t kept = 0;
        for (size_t i = 0; i < m->n; i++)
            if (m->list[i].turn == last[m->list[i].id] && (t->flags[m->list[i].id] & PT_TOK_ADDED)) m->list[kept++] = m->list[i];
        m->n = kept;
    }
    free(last);
    return PT_OK;
}
