/* Batched generation with a KV cache. Prompts are prefilled as a forest (a shared profile is computed once), then all sequences
 * decode together. */
#ifndef PT_MODEL_GENERATE_H
#define PT_MODEL_GENERATE_H
#include "data/constrain/constrain.h"
#include "train/generate/sampler.h"
#include "train/generate/stop_text.h"
#include "train/model/model.h"

typedef struct pt_gen_options {
    int max_new_tokens;
    pt_sampler sampler;
    const int32_t *stops;
    size_t n_stops; /* ids that end an answer; not part of the result */
    const pt_stop_texts *stop_texts; /* lent, NULL = none: the answer ends with the token that makes one whole; its ids stay, pt_stop_find cuts its text */
    int slot;       /* adapter slot, PT_SLOT_NONE = base */
    pt_constraint *const *constraints; /* [n] what each prompt's answer must be (train/generate/masked.h), NULL: it is free; their vocabularies have the model's rows and end
                                          in `stops`. NULL: all are free */
    /* A draw is keyed by (sampler.seed, stream, sample, position in the answer). */
    const uint64_t *streams; /* [n] the id of each sequence's prompt; NULL: its number */
    const uint32_t *samples; /* [n] which answer to that prompt it is; NULL: 0 */
    bool near;      /* count near ties (train/generate/near.h, of temperature and top_p alone; pt_chain_draw) */
    bool logp;      /* fill logp_sum: the sum of the tokens' log-probabilities under the unfiltered distribution */
} pt_gen_options;
typedef struct pt_gen_result {
    pt_ids ids;
    bool stopped;
    float logp_sum;
    float score; /* of beam search (beam.h), else 0 */
    int32_t near; /* tokens that were chosen at a near tie; 0 unless asked for */
} pt_gen_result; /* stopped: ended by a stop id or text, not by length (nor by the sink); logp_sum: 0 unless asked for */
/* Called after every new token of sequence i; NULL = none. Returning false ends that sequence. */
typedef bool (*pt_gen_sink)(void *user, size_t i, int32_t id);
/* n prompts -> n results (zero-initialised by the caller; free ids). Needs a plan with decode_rows >= 1 and decode_len >=
 * longest prompt + new tokens; n may exceed decode_rows: as answers end, others take their places. What prompts begin with alike (equal ones: all of it) is computed
 * and stored once while they stand in the cache together. Results do not depend on who is beside whom in f32 beyond rounding. */
pt_status pt_generate(pt_model *m, const pt_ids *prompts, size_t n, const pt_gen_options *opt, pt_gen_result *results,
                      pt_gen_sink sink, void *user);
/* Positions of a cache (pt_model_caps.decode_cells) in which `rows` of these prompts rarely wait for room, their common beginnings counted once;
 * with fewer, down to the longest prompt's own, it only takes longer. 0: more than there can be. PT_ENOMEM. */
pt_status pt_gen_cells(const pt_ids *prompts, size_t n, int32_t rows, int32_t max_new_tokens, int32_t *cells);
/* Bytes of this process that a generation takes beside what the model was planned with, for that many sequences of a vocabulary: at most. here: its samplers are run
 * by the host (not pt_sampler_on_device), over downloaded logits; else there is the table of penalties alone. Constraints, prompts and answers are not counted. */
size_t pt_gen_bytes(int64_t vocab, const pt_model_caps *caps, bool here);
/* Log-probability of ids[1..n) given what stands before, teacher-forced: logp[n-1]. Uses the forest path. */
pt_status pt_model_token_logps(pt_model *m, const int32_t *ids, int32_t n, int slot, float *logp);
#endif
