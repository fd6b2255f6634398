/* A conversation that stays in the cache: of each prompt only what differs behind the longest equal beginning of what the cache holds is computed. */
#ifndef PT_GENERATE_SESSION_H
#define PT_GENERATE_SESSION_H
#include "train/generate/generate.h"

typedef struct pt_gen_session pt_gen_session;

/* The session has the model's whole cache (a plan with decode_rows 1 serves it): nothing else may generate with this model until it is freed. NULL is freed. */
pt_status pt_gen_session_new(pt_gen_session **out, pt_model *m);
void pt_gen_session_free(pt_gen_session *s);
/* One answer, as pt_generate gives to this prompt (n = 1: streams, samples and constraints are of one element) beyond rounding. *kept (may be NULL): tokens of the
 * prompt whose keys stood in the cache, at most all but the last one; 0 after another adapter slot's answer or a failure. */
pt_status pt_gen_session_answer(pt_gen_session *s, const pt_ids *prompt, const pt_gen_options *opt, pt_gen_result *result, pt_gen_sink sink, void *user,
                                int32_t *kept);
#endif
