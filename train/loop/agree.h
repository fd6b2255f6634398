/* What decides a run, as a list of names and values: the settings of the config, and what follows from them and from the files
 * (steps, what is trained, digests of base, data and starting adapter). Ranks compare theirs before they begin to wait for each
 * other, and a resumed run compares its own with the checkpoint's. Base and starting adapter count by content, every byte of
 * it (pt_source_content): the same files elsewhere are the same model. */
#ifndef PT_LOOP_AGREE_H
#define PT_LOOP_AGREE_H
#include "checkpoints/state.h"
#include "train/loop/run.h"

typedef struct pt_facts {
    pt_setting_value *items;
    size_t n, cap;
} pt_facts;
void pt_facts_free(pt_facts *f); /* safe on a zeroed one */
/* Adds "key: value"; effect: of pt_effect. */
pt_status pt_facts_add(pt_facts *f, const char *key, unsigned effect, const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* Collective, of all ranks. PT_EARG on every rank, naming the first ranks' differing keys with both values, when one that counts
 * for ranks differs or is absent on one of them. */
pt_status pt_agree(pt_comm *comm, const pt_setting_value *list, size_t n);

/* The three times that ranks of a run compare: the config before anything else is done, what was planned when the plan stands,
 * and the content of the files before the first weights are used (also fills r->base_content). */
pt_status pt_run_agree_config(pt_run *r);
pt_status pt_run_agree_plan(pt_run *r);
pt_status pt_run_agree_content(pt_run *r);

/* Digest of what each adapter's update is multiplied by. */
uint64_t pt_run_scales(const pt_run *r);

/* The same into a checkpoint, and out of it: PT_EARG names what does not belong to this run and why; what may differ is logged. */
pt_status pt_run_put_facts(pt_run *r, pt_state_writer *w);
pt_status pt_run_check_facts(pt_run *r);
#endif
