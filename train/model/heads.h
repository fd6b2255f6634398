/* The heads: from hidden states at head positions to a channel, and back. One list of all kinds (heads.c); a model has one or several of them. Whoever
 * needs tensors, memory or files of heads goes through the list. */
#ifndef PT_MODEL_HEADS_H
#define PT_MODEL_HEADS_H
#include "base/err.h"
#include "train/model/source.h"

struct pt_model;

/* Numbers in the list; the bit PT_HEAD_* of kind i is 1 << i. */
enum { PT_HEAD_AT_VOCABULARY, PT_HEAD_AT_VALUES, PT_HEAD_KINDS };

typedef struct pt_head {
    const char *missing; /* said of a model without it */
    const char *tensor;  /* [width, hidden], the name in Hugging Face's files */
    bool tied;           /* the embedding stands for it where the configuration ties them */
    bool saved;          /* trained whatever else is frozen, kept beside an adapter (PEFT's modules_to_save), random where the base has none */
    int64_t (*width)(const pt_model_config *c, int values);
    /* The channel's memory, in the fixed order of the other buffers. */
    pt_status (*carve)(struct pt_model *m);
    /* Both on the loaded batch after a forward pass. forward: hidden states into the channel. backward: the channel's gradient into that of the hidden
     * states (add: to what an earlier head has put there) and into the weights'. */
    pt_status (*forward)(struct pt_model *m);
    pt_status (*backward)(struct pt_model *m, bool add);
} pt_head;

const pt_head *pt_head_at(int kind);
/* Whether heads (PT_HEAD_*) have this kind. */
static inline bool pt_head_on(unsigned heads, int kind)
{
    return heads >> kind & 1;
}
#endif
