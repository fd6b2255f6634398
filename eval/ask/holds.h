/* Constraints of requests while these are answered: text in, data/constrain's automata out, each different one once. */
#ifndef PT_EVAL_HOLDS_H
#define PT_EVAL_HOLDS_H
#include "data/constrain/constrain.h"
#include "eval/ask/request.h"

/* Zero-initialise; what stands above the line is the caller's. */
typedef struct pt_holds {
    const pt_tokenizer *tok;
    int32_t rows;         /* of logits */
    const int32_t *stops; /* [n_stops] ids that end a text */
    size_t n_stops;
    /* ---- */
    pt_constraint_vocab *vocab; /* made for the first one */
    char **text;                /* [n] borrowed from requests, which must stay */
    pt_constraint **list;
    size_t n, cap, text_cap;
} pt_holds;

/* The constraint of a request; NULL: it has none. PT_EARG: data/constrain refuses it; PT_ENOSUP: nothing ends texts, or tokens have no bytes. */
pt_status pt_holds_get(pt_holds *h, const pt_request *r, pt_constraint **out);
void pt_holds_free(pt_holds *h);
/* Bytes that constraints may take beside a model of so many rows whose tokens have token_bytes bytes together, for plans. */
size_t pt_holds_bytes(int32_t rows, size_t token_bytes);
#endif
