/* A decoder model on a device: weights in their stored type, the adapter bank, forward and backward over one forest batch,
 * generation.
 *
 *   open source -> pt_model_new (shapes only, nothing allocated) -> pt_model_plan (dry run at maxima: bytes by role)
 *   -> pt_model_commit (allocates exactly that) -> load_batch / forward / logp / backward ...
 *
 * Trained parts are f32 in one contiguous arena ("adapters": LoRA A and B, the head of values; or all weights for full tuning),
 * gradients in another of the same layout, so that the optimiser, the reduction over ranks and checkpoints see two flat
 * vectors. */
#ifndef PT_MODEL_MODEL_H
#define PT_MODEL_MODEL_H
#include "base/batch.h"
#include "kernels/loss.h"
#include "kernels/reduce.h"
#include "train/model/source.h"

typedef struct pt_model pt_model;

typedef struct pt_lora_options {
    bool on;
    int r;
    double alpha;
    bool rslora;
    float dropout;
    const char *const *targets;
    size_t n_targets;      /* PEFT's meaning: suffixes / full paths, or ONE regular expression; none = all-linear */
    const char *start_dir; /* PEFT adapter folder to start from: its r, alpha, targets, patterns rule; NULL = fresh */
    bool frozen_copy;      /* keep a frozen copy of the starting adapter in slot 1 (DPO's reference) */
    const char *const *guests; /* [n_guests] PEFT folders of further adapters of any shape, read only, in the slots behind those: pt_model_guest_slot */
    size_t n_guests;
} pt_lora_options;

/* What the loss needs of a model (train/objective declares it). */
typedef struct pt_loss_spec {
    bool on;
    int objective; /* its number for kernels/loss.h */
    int answers;   /* of each record, 0 = any number */
    bool by_rows, linear;
    bool tokens;                      /* beside the loss: sums over supervised tokens of the entropy and of hits (kernels/reduce.h); needs logp */
    bool logp, logp_still;            /* a channel: log-probabilities of rows; still: its gradient is 0 */
    unsigned vocab;                   /* beside it, sums over the vocabulary: bit k is PT_VOCAB_ k; the divergence's reference is a pass of this model */
    bool kl_reverse;                  /* KL(reference||policy) */
    int width;                        /* another: so many values at an answer's end; 0 = none */
    bool reference, reference_stored; /* log-probabilities of a pass of this model, or of the batch's column */
    int n_columns;
    const char *const *columns; /* of the batch, of answers or of rows; must stay */
    unsigned char reduce[PT_CORE_METRICS];
} pt_loss_spec;

typedef struct pt_model_options {
    pt_lora_options lora;
    bool full;          /* every weight trained (f32 masters) */
    unsigned heads;     /* PT_HEAD_*, one or several; 0: the vocabulary's */
    int values;         /* width of PT_HEAD_VALUES; 0 stands for 1, a score */
    bool checkpointing; /* keep only block inputs, run blocks again in backward */
    bool train;         /* gradients and activations for backward are planned */
    bool hold;          /* for decoding, which reads all weights a token: frozen matrices stand in large pages, in the backend's second form where it has one
                           (pt_ops.pack; prefill reads the file), else copied; a file's pages are 4 KiB each */
    pt_loss_spec loss;  /* on: group_loss is planned */
    uint64_t seed;      /* adapter initialisation (Kaiming-uniform A as PEFT: bound 1/sqrt(in); B = 0), random heads, dropout */
} pt_model_options;

/* Maxima that the plan is made for. */
typedef struct pt_model_caps {
    int32_t tokens, segs, heads, rows, groups; /* one micro-batch (pt_loader_caps) */
    int32_t decode_rows, decode_len;           /* generation: sequences at once and positions each; 0 = no generation */
    int32_t decode_cells; /* positions of the cache, of all sequences together: a beginning that several share counts once; 0: decode_rows * decode_len */
    int32_t group_rows; /* entries of the answers' row lists, for a loss by records */
    int32_t ends;       /* tokens whose values make the answers'; fewer than groups: one each */
} pt_model_caps;

pt_status pt_model_new(pt_model **out, pt_ctx *ctx, pt_source *src, const pt_model_options *opt);
void pt_model_free(pt_model *m);
const pt_model_config *pt_model_config_get(const pt_model *m);
/* Dry run of forward, backward and generation at caps. Bytes by role (weights counts mapped bytes once). May be called again.
 */
pt_status pt_model_plan(pt_model *m, const pt_model_caps *caps, size_t bytes[PT_ROLE_COUNT]);
/* Frozen matrices that are not of the activations' type stand a second time on a device with memory of its own, as numbers, so that no product dequantises
 * them: the first n of those that can (the head, then the layers' in their order), in the next plan. At first none. PT_ESTATE once committed. */
pt_status pt_model_keep(pt_model *m, size_t n);
/* How many can, and how many are; without training, on other devices, and of weights that are trained: none. */
size_t pt_model_keepable(const pt_model *m);
size_t pt_model_keeps(const pt_model *m);
/* Whether the vocabulary's head takes as little scratch as the backend can do with, in more time, from the next plan on. PT_ESTATE once committed. */
pt_status pt_model_tight(pt_model *m, bool on);
/* Allocates what was planned and loads weights and adapters. */
pt_status pt_model_commit(pt_model *m);

/* Trained parameters: named parts of the flat vectors. Names are Hugging Face paths
 * ("model.layers.0.self_attn.q_proj.lora_A.weight"). */
typedef struct pt_param {
    char name[160];
    int64_t offset, rows, cols;
    bool decay;
} pt_param;                                                       /* offset in elements; decay: weight decay applies */
size_t pt_model_params(const pt_model *m, const pt_param **list); /* decayed ones first, each kind contiguous */
int64_t pt_model_param_count(const pt_model *m);
pt_view pt_model_param_view(const pt_model *m); /* [1, count] f32 */
pt_view pt_model_grad_view(const pt_model *m);  /* [1, count] f32 */
pt_view pt_model_frozen_view(const pt_model *m); /* lora.frozen_copy: slot 1's, laid out as the trained one; absent without */
/* frozen = share * trained + (1 - share) * frozen, element by element of A and B (and of a head that is kept beside them). */
pt_status pt_model_mix_frozen(pt_model *m, float share);

/* Uploads a batch's tables. step keys dropout (train true). */
pt_status pt_model_load_batch(pt_model *m, const pt_batch *b, uint64_t step, bool train);
#define PT_SLOT_OWN (-2)  /* each segment's own slot */
#define PT_SLOT_NONE (-1) /* adapters off */
int pt_model_guest_slot(const pt_model *m, size_t guest);
/* Hidden states of the batch up to the final norm at the head positions. keep: keep what backward needs. */
pt_status pt_model_forward(pt_model *m, int slot, bool keep);
/* logp[M] (host) of the rows; dlogp[M] (host): when given, the head's backward runs in the same visit (linear objectives). Call
 * after forward. */
pt_status pt_model_logp(pt_model *m, const float *dlogp, float *logp);
/* The head of values: value[G, width] (host) at group_end_head, or the mean over group_pool_head; and its backward from dvalue[G, width]. */
int pt_model_width(const pt_model *m); /* 0 without it */
pt_status pt_model_values(pt_model *m, float *value);
pt_status pt_model_values_backward(pt_model *m, const float *dvalue);
/* From the head's gradient down to the embeddings; accumulates into the gradients. After a forward with keep and logp(dlogp) or
 * values_backward. */
pt_status pt_model_backward(pt_model *m);
pt_status pt_model_zero_grad(pt_model *m);
/* Backward finishes gradients in stages: 0 the head's and the final norm's, then the blocks' from the last (1) to the first, then the
 * embeddings' (and what is tied to them). done(user, stage) is called in each backward pass when the kernels of a stage, and of all before it,
 * are in the stream; a batch without rows reports the last stage only. NULL: nobody listens. */
void pt_model_on_grads(pt_model *m, pt_status (*done)(void *user, int stage), void *user);
/* What the linear layers of blocks read: heard(user, layer, module, n, x) is called in each forward pass before modules [module, module + n) of families.h
 * are applied to x [tokens that are alive, their input features], f32 or bf16 on the device. NULL: nobody listens. */
void pt_model_on_inputs(pt_model *m, pt_status (*heard)(void *user, int layer, int module, int n, pt_view x), void *user);
int pt_model_grad_stage(const pt_model *m, const pt_param *p);
/* ---- the loss (options.loss): on every backend one flow, which waits for nothing --------------------------------------- */

/* What the loss takes of the batch that was loaded last; b must stay until the next is loaded. */
pt_status pt_model_load_loss(pt_model *m, const pt_batch *b);
/* The columns of that batch anew, where they changed since. */
pt_status pt_model_load_columns(pt_model *m, const pt_batch *b);
/* Whether the next passes over the loaded batch drop features (train of load_batch): a reference never does. */
void pt_model_drops(pt_model *m, bool on);
/* The log-probabilities of the forward pass that ran last are the reference of the loaded batch (loss.reference), its hidden states at head positions
 * that of the divergence. */
pt_status pt_model_keep_reference(pt_model *m);
/* After forward: the channels, the loss and the metrics, which join the report. train: their gradients and the head's backward; a loss that is
 * not finite makes the gradient NaN, so that an update of the same stream moves nothing. */
pt_status pt_model_loss(pt_model *m, const pt_core_step *step, bool train);
/* The report (kernels/loss.h) starts anew; is fetched: there when the context has waited next. */
pt_status pt_model_report_begin(pt_model *m);
pt_status pt_model_report_fetch(pt_model *m, double report[PT_REPORT_SIZE]);
/* With loss.tokens, the sums over the tokens of the same batches, fetched likewise. */
pt_status pt_model_tokens_fetch(pt_model *m, double sums[PT_TOKEN_SUMS]);
/* The channels of the forward pass that ran last, for statistics of a whole step: logp[rows], reference[rows], sums over the vocabulary
 * [heads] each and values[heads, width], fetched. */
pt_status pt_model_answers(pt_model *m, float *logp, float *reference, float *const vocab[PT_VOCAB_SUMS], float *values);

/* LoRA facts for PEFT export and messages: how many modules have an adapter (0 without LoRA), and *list of them, the model's own. */
typedef struct pt_lora_module {
    char path[128];
    int layer, kind, r; /* layer -1: outside blocks */
    double alpha, scale;
    int64_t in, out;
} pt_lora_module; /* path "model.layers.0.self_attn.q_proj" */
size_t pt_model_lora_modules(const pt_model *m, const pt_lora_module **list);

#endif
