/* Opening what every command needs: the device with its multiply type and threads, and the base with its tokenizer and template. */
#ifndef PT_LOOP_SETUP_H
#define PT_LOOP_SETUP_H
#include "data/template.h"
#include "train/dist/comm.h"
#include "train/loop/config.h"
#include "train/model/model.h"

/* What `auto` chose; saved in checkpoints, decided by rank 0 for all. */
typedef struct pt_choices {
    int threads, ranks;
    pt_compute compute;
    char isa[16], device[16];
} pt_choices;

/* Opens ctx by cfg->device and cfg->compute; comm NULL = one process. Threads = cores of this process / ranks sharing them. `forced`: choices of a
 * checkpoint to take instead of measuring (may be NULL). said: one line about what was taken and why (may be NULL). */
pt_status pt_setup_device(const pt_config *cfg, pt_comm *comm, const pt_choices *forced, pt_ctx *ctx, pt_choices *took, pt_str *said);
void pt_setup_device_close(pt_ctx *ctx);

typedef struct pt_base {
    pt_source *source;
    pt_tokenizer *own_tok;       /* when the config names another tokenizer */
    const pt_tokenizer *tok;     /* NULL: none (random base on token files) */
    pt_template *tmpl;           /* NULL: none wanted */
} pt_base;
/* Opens base_model (or init: random), the tokenizer and, when any data set or use needs one, the chat template. Checks special_tokens and quantised_wanted. */
pt_status pt_setup_base(const pt_config *cfg, bool want_template, pt_base *out);
void pt_base_close(pt_base *b);
#endif
