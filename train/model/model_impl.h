/* Inside of a model, shared by the files of train/model. */
#ifndef PT_MODEL_MODEL_IMPL_H
#define PT_MODEL_MODEL_IMPL_H
#include "train/model/heads.h"
#include "train/model/model.h"
#include "train/model/source_impl.h"

/* A weight and its gradient; dw, db absent when frozen. */
typedef struct pt_lin {
    pt_view w, b, dw, db;
} pt_lin;

/* One block's weights, or those outside blocks: of these only lin, slots and rank. slots[m][s]: slot s of module m, NULL when no slot has an adapter there; rank[m]: the largest. */
typedef struct pt_block_weights {
    pt_lin norm1, post1, norm2, post2, qnorm, knorm; /* of those that the model has none of w is absent */
    pt_lin lin[PT_MOD_COUNT];
    pt_lora_slot *slots[PT_MOD_COUNT];
    int rank[PT_MOD_COUNT];
} pt_block_weights;

/* What the backward of a norm needs besides its input. mean: of a LayerNorm. */
typedef struct pt_norm_state {
    pt_view rstd, mean; /* [1,rows] */
} pt_norm_state;

/* What a block's forward leaves for its backward. Carved at the caps; pt_block_live trims to the batch. */
typedef struct pt_block_state {
    pt_view h;             /* [N,C] residual stream entering the block */
    pt_norm_state n1, n2;  /* of the norms before attention and the MLP */
    pt_norm_state p1, p2;  /* and of those behind them, over raw1 and raw2 [N,C]: only with post_norm */
    pt_view raw1, raw2;
    pt_view qkv;        /* [N, q + 2 kv]: q, k, v are slices of it; only with fused_qkv */
    pt_view qraw, kraw; /* before q/k norm or clipping (only with one of them; = q, k when nothing is kept) */
    pt_norm_state nq, nk; /* [1,N*heads], with PT_QK_NORM_EACH head after head, or [1,N] where whole rows are normed */
    pt_view q, k, v, o, lse;
    pt_view hmid;  /* residual stream after attention; of a parallel block h itself */
    pt_view gu;    /* [N, 2F]: g and u are slices of it; only with fused_gate_up */
    pt_view g, u;  /* of a plain MLP both are what is activated */
    pt_view t[PT_MOD_COUNT];
} pt_block_state;

/* Buffers that live during one block or one op. */
typedef struct pt_scratch {
    pt_view xn, branch;           /* [N,C]: norm output; branch output, in backward the gradient of xn */
    pt_view xm;                   /* [N,C] with sum_norm: norm 2's output, which goes on */
    pt_view act;              /* [N,F]: the activation's output; in backward its gradient, then itself again */
    pt_view dt;               /* [N, largest rank] of down's adapter, between the two calls of its backward */
    pt_view dres;             /* [N,C] gradient of the residual stream */
    pt_view dside;            /* [N,C] that of what joins it where the two differ (pt_model_has_side); in parallel blocks the gradient out of the MLP's norm */
    pt_view dqkv;             /* [N, q + 2 kv] around dq, dk, dv, with fused_qkv */
    pt_view dq, dk, dv, dout; /* share memory with act, dt */
} pt_scratch;

/* Tables of the batch on the device, and the head's buffers. */
typedef struct pt_tables {
    pt_view tokens, positions, token_key, head_token, row_head, row_target, dlogp;
    pt_view inv_freq[2], rope[2]; /* of most layers, of those with PT_LAYER_LOCAL; absent where no layer rotates so */
    pt_view slopes;               /* ALiBi's [1, heads] */
    /* [heads, hidden], about the final norm: residual stream and last branch, what the norm gives, what its backward needs, the gradient of what it gives */
    pt_view hidden_at_heads, branch_at_heads, normed_at_heads, rstd_at_heads, mean_at_heads, dnormed_at_heads;
    /* with embed_width: what the norm gives and its gradient [heads, hidden], of which normed_at_heads and dnormed_at_heads [heads, embed_width] are made; t of
     * the two projections; u64 keys of dropout */
    pt_view last_at_heads, dlast_at_heads, t_in, t_out, key_at_heads;
    pt_view logp, lse;         /* channels of the heads, with dlogp above */
    pt_view vocab[PT_VOCAB_SUMS], dvocab[PT_VOCAB_SUMS]; /* [1, heads]: sums over the vocabulary */
    pt_view entropy, argmax, token_sums; /* with loss.tokens: [1, heads] each; f64 [1, PT_TOKEN_SUMS] */
    pt_view reference_at_heads; /* as normed_at_heads: that of the reference */
    pt_view values, dvalues;   /* [heads, width] f32 */
    pt_view values_act, dvalues_act; /* the same as products give and take them; one view with values, dvalues when activations are f32 */
    /* the loss (model_loss.c): of rows; of answers by rows and by end tokens; of records; what the host hears */
    pt_view row_weight, row_column[PT_CORE_ROW_COLUMNS], reference, reference_sum;
    pt_view group_start, group_rows, group_heads, group_weight, end_start, end_head, end_weight;
    pt_view record_start, column, report;
} pt_tables;

typedef struct pt_decode {
    pt_view *k, *v;                 /* [layers]: [cells, KV] */
    pt_view logits;                 /* [B,V] f32 */
    pt_view index, lens, ids, seen; /* i32 tables; index [1, cells] and lens [1, chunk] at least (pt_decode_chunk) */
    pt_view spans;                  /* i32 [chunk, 2 * PT_DECODE_SPANS]: where the keys of each new token lie */
} pt_decode;

/* Host side of the loaded batch. */
typedef struct pt_loaded {
    int32_t n, n_live, heads, rows, groups;
    pt_lora_run *slot_runs; /* by the segments' slots */
    int32_t n_slot_runs, max_slot;
    /* the head positions that make an answer's values, and what each counts: its end token, or all that its mean is over */
    int32_t *end_start, *end_head; /* [groups + 1], [ends] */
    float *end_weight;             /* [ends] */
    int32_t n_ends;
    uint64_t step;
    int slot; /* of the last forward */
    pt_lora_run one_run; /* all tokens, when a pass has one slot */
    bool there, train, forwarded, kept, head_done;
    bool measured; /* the heads' channels of this forward pass are there */
    /* the loss */
    const pt_batch *batch; /* as long as the caller keeps it: until the next is loaded */
    int32_t n_entries, records;
    bool has_reference;
    float *dlogp;      /* [rows] of a linear objective */
    float *dvocab[PT_VOCAB_SUMS]; /* [heads] likewise */
    int32_t *entry_head; /* [entries] head of each of the answers' rows */
    /* with embed_width: tokens of the heads, their keys of dropout, runs of a pass over heads */
    int32_t *head_token;
    uint64_t *head_key;
    pt_lora_run *head_runs, all_heads;
} pt_loaded;

/* An adapter beside the first one, with a slot of its own (guests.c). */
typedef struct pt_guest {
    char *dir;
    struct pt_peft *peft;
    pt_lora_module *modules;
    size_t n_modules;
    int64_t *a, *b; /* [n_modules] where A and B lie in flat */
    pt_view flat;
} pt_guest;

/* A frozen tensor (frozen.c): its own memory or a part of the block `weights`, and its second form. */
typedef struct pt_frozen {
    pt_buf buf;
    size_t at;           /* 1 + where it stands in `weights`; 0: memory that the backend wraps */
    size_t packed_at;    /* likewise its second form for decoding; 0: none */
    size_t as_numbers;   /* bytes of its second form for products, where it can have one; 0: it cannot */
    pt_view numbers;     /* that form, in the arena of PT_ROLE_KEPT; absent: none */
} pt_frozen;

/* Rows of added tokens that are trained beside LoRA (new_rows.c). */
enum { PT_ROWS_OF_EMBED, PT_ROWS_OF_HEAD, PT_ROWS_OF };
typedef struct pt_new_rows {
    int64_t first, n;          /* 0 = none */
    pt_view start[PT_ROWS_OF]; /* [n, embedding's width] f32: the base's, for passes without an adapter */
} pt_new_rows;

struct pt_model {
    pt_ctx *ctx;
    pt_source *src;
    const pt_family *fam;
    pt_model_config cfg;
    pt_model_options opt; /* pointers inside are not kept: the adapter's facts are in `modules` */
    pt_model_caps caps;
    bool planned, committed;
    bool tight; /* pt_model_tight */
    /* weights */
    pt_frozen *fixed; /* [n_specs], those that are trained left out; views point into this array */
    pt_buf weights;   /* on a device with memory of its own, and of weights that are held: one block for all frozen tensors */
    pt_tensor_spec *specs;
    size_t n_specs;
    pt_lin embed, positions, norm, head[PT_HEAD_KINDS]; /* a tied head is the embedding */
    pt_block_weights *blocks; /* [layers + 1]: pt_block_at */
    /* adapters */
    pt_lora_module *modules;
    size_t n_modules;
    int n_slots;
    pt_lora_slot *slot_memory; /* [layers + 1][PT_MOD_COUNT][n_slots] */
    pt_guest *guests;
    size_t n_guests;
    struct pt_peft *peft; /* r, alpha, targets, patterns: as given or as the starting adapter states them */
    char *start_dir;
    pt_new_rows new_rows;
    /* trained parameters */
    pt_param *params;
    size_t n_params;
    int64_t n_flat;             /* elements of the flat vectors */
    pt_view flat, grad, frozen; /* frozen: slot 1's copy */
    /* memory */
    pt_arena arena[PT_ROLE_COUNT];
    size_t ws_floor, ws_last; /* ctx->workspace_need before and after this model's last dry run */
    size_t ws_bytes;
    int spare; /* columns behind what adapted modules read and the gradients of what they give, which lora may overwrite (kernels/lora.h) */
    pt_view workspace;
    pt_forest *forest[2]; /* without and with the window */
    float *inv_freq[2]; /* as tab.inv_freq */
    float mscale;       /* of the first; that of the second is 1 */
    pt_block_state *states;  /* [layers], or [1] when nothing or only block inputs are kept */
    pt_view *inputs, *tdown; /* checkpointing: [layers] block inputs, and t of down_proj, which recomputing stops short of */
    pt_scratch scratch;
    pt_tables tab;
    pt_decode dec;
    pt_loaded loaded;
    /* prefill: where forward copies keys and values to */
    struct pt_prefill *prefill;
    pt_status (*grads_done)(void *user, int stage); /* pt_model_on_grads */
    void *grads_user;
    pt_status (*inputs_heard)(void *user, int layer, int module, int n, pt_view x); /* pt_model_on_inputs */
    void *inputs_user;
};

enum { PT_DECODE_CHUNK = 64 }; /* tokens that go behind a cache at once: as many as every plan has room for */
/* Runs of tokens whose keys and values go into the cache while the forest runs. index[i]: view of the token rows of run i. */
typedef struct pt_prefill {
    int n;
    const int32_t *at;    /* cache row of the first token of run i */
    const int32_t *count; /* tokens */
    const pt_view *index; /* device tables */
} pt_prefill;

/* May the base's products take adapters along (kernels/lora.h)? One adapter is trained in bf16 and nothing is dropped; then there is room for it. */
static inline bool pt_model_folds(const pt_model *m)
{
    return m->opt.train && m->ctx->act == PT_BF16 && m->opt.lora.dropout == 0 && m->n_slots == 1;
}
static inline pt_view pt_trim(pt_view v, int64_t rows)
{
    return pt_view_ok(v) ? pt_view_rows(v, 0, rows) : v;
}
static inline pt_view pt_trim_vec(pt_view v, int64_t n)
{
    return pt_view_ok(v) ? pt_view_reshape(v, 1, n) : v;
}
/* Of layer -1: what stands outside blocks. */
static inline pt_block_weights *pt_block_at(const pt_model *m, int layer)
{
    return &m->blocks[layer < 0 ? m->cfg.layers : layer];
}
static inline pt_lora_slot *pt_slots_at(const pt_model *m, int layer, int kind)
{
    return &m->slot_memory[((size_t)(layer < 0 ? m->cfg.layers : layer) * PT_MOD_COUNT + (size_t)kind) * (size_t)m->n_slots];
}
static inline int64_t pt_q_cols(const pt_model *m)
{
    return (int64_t)m->cfg.heads * m->cfg.head_dim;
}
static inline int64_t pt_kv_cols(const pt_model *m)
{
    return (int64_t)m->cfg.kv_heads * m->cfg.head_dim;
}
static inline int pt_layer_window(const pt_model *m, int l)
{
    return pt_config_window(&m->cfg, l);
}
/* Which of the two tables layer l rotates by, -1 = none. */
static inline int pt_layer_rope(const pt_model *m, int l)
{
    if (m->cfg.rot == 0 || m->cfg.layer[l] & PT_LAYER_NO_ROPE) return -1;
    return m->cfg.layer[l] & PT_LAYER_LOCAL ? 1 : 0;
}
/* Whether what attention and MLP get as gradient differs from that of the residual stream. */
static inline bool pt_model_has_side(const pt_model *m)
{
    return m->cfg.post_norm || m->cfg.residual_scale > 0 || (m->cfg.parallel && !m->cfg.shared_norm);
}

/* params.c: names of all weights, and the trained ones as parameters; nothing is allocated on the device. */
pt_status pt_model_list_weights(pt_model *m);
pt_status pt_model_load_weights(pt_model *m);
/* Where a tensor's weight belongs; whether it is trained. */
pt_lin *pt_lin_of(pt_model *m, const pt_tensor_spec *t);
bool pt_tensor_trained(const pt_model *m, const pt_tensor_spec *t);
void pt_tie_heads(pt_model *m);
/* frozen.c: views and places of the frozen weights, when adapters and rows of added tokens are known; second forms, in each carving; where they stand, once
 * `weights` is allocated; specs[i] from the source. bytes: of memory that the backend wraps. */
pt_status pt_frozen_place(pt_model *m);
pt_status pt_frozen_carve(pt_model *m);
void pt_frozen_bind(pt_model *m);
pt_status pt_frozen_load(pt_model *m, size_t i);
size_t pt_frozen_wrapped(const pt_model *m);
pt_status pt_param_add(pt_model *m, const char *name, int64_t rows, int64_t cols, bool decay);
/* Offsets of all parameters: decayed ones first; every one begins at a multiple of 16 elements, but A's of one input lie one
 * behind the other so that one product serves them. */
pt_status pt_param_layout(pt_model *m);
pt_view pt_param_part(pt_view flat, const pt_param *p);
/* Index of a parameter by name, -1 when there is none. */
int64_t pt_param_find(const pt_model *m, const char *name);
/* Points the weights' views at the parameters (full tuning, heads that are always trained); after each carving. */
void pt_param_bind(pt_model *m);

/* adapters.c */
pt_status pt_lora_resolve(pt_model *m, const pt_lora_options *o); /* which modules, ranks, scales */
pt_status pt_lora_add_params(pt_model *m);
void pt_lora_bind(pt_model *m);      /* slots' views, after the layout */
pt_status pt_lora_load(pt_model *m); /* initial or loaded values */
/* guests.c, likewise; guests_bind after lora_bind */
pt_status pt_guests_resolve(pt_model *m, const pt_lora_options *o);
pt_status pt_guests_carve(pt_model *m);
void pt_guests_bind(pt_model *m);
pt_status pt_guests_load(pt_model *m);
void pt_guests_free(pt_model *m);

/* new_rows.c, in the order of their use: which rows (after lora_resolve; PT_EARG where the starting adapter trains others); their memory; views, after each
 * carving; values, with the tensors of the starting adapter (NULL: none); before each pass those of its slot into what embedding and head read. */
pt_status pt_new_rows_add(pt_model *m);
pt_status pt_new_rows_carve(pt_model *m);
pt_status pt_new_rows_bind(pt_model *m);
pt_status pt_new_rows_load(pt_model *m, const struct pt_st *st);
pt_status pt_new_rows_put(pt_model *m, int slot);
/* For exports: whether matrix k (PT_ROWS_OF_) has such rows of its own (a tied head has the embedding's), its module's path, the trained values [n, hidden]
 * to the host; and what adapter_config.json says of them. */
bool pt_new_rows_on(const pt_model *m, int k);
pt_status pt_new_rows_path(const pt_model *m, int k, char *out, size_t size);
pt_status pt_new_rows_get(const pt_model *m, int k, float *host);
pt_status pt_new_rows_say(pt_model *m);

/* memory.c: carves every view in a fixed order from the arenas (measuring or real). */
pt_status pt_model_carve(pt_model *m);

/* block.c, block_bwd.c: blocks and projections; decoder.c: all of them, the heads, passes */
typedef struct pt_pass { /* one pass over the batch */
    const pt_lora_run *runs;
    int n_runs;
    int rows; /* the slot whose rows of added tokens are read, below 0: the base's */
    bool keep;
} pt_pass;
pt_block_state pt_block_live(const pt_model *m, int layer, int64_t n, bool keep);
/* norms.c: a norm of the model's kind. y = norm(h), h = x (+ residual_scale * add). Without a weight (a place where this model has no norm) h alone is
 * made; *out (may be NULL) is what the next layer reads: y, or h. */
typedef struct pt_norm_call {
    pt_view y, x, add, h; /* as in kernels/norm.h */
    const pt_norm_state *keep; /* NULL: nothing is kept */
    const pt_lin *w;
} pt_norm_call;
pt_status pt_norm_run(pt_model *m, const pt_norm_call *a, pt_view *out);
/* dx = dres + the gradient through the norm of h, from dy; without a weight dx = dres + dy, and dx must be dres
 * (PT_EINTERNAL). dres absent: 0. dx may alias dres or dy. */
pt_status pt_norm_back(pt_model *m, pt_view dx, pt_view dy, pt_view dres, pt_view h, const pt_norm_state *kept, const pt_lin *w);
/* Whether the norm of q and k and their rotation are one op: an RMS norm with one weight for all heads. */
static inline bool pt_norm_turns(const pt_model_config *c)
{
    return c->qk_norm == PT_QK_NORM_HEADS && c->head_dim <= PT_NORM_ROPE_MOST;
}
/* Else: q or k before the rotation: y = its norm of x [N, heads * head_dim]; and back, d in place. */
pt_status pt_qk_norm_run(pt_model *m, pt_view y, pt_view x, const pt_norm_state *keep, const pt_lin *w, int heads);
pt_status pt_qk_norm_back(pt_model *m, pt_view d, pt_view x, const pt_norm_state *kept, const pt_lin *w, int heads);
/* What attention or MLP gets as gradient: dres through its scale, or through the norm behind it (raw, kept, w). */
pt_status pt_branch_back(pt_model *m, pt_view dres, pt_view raw, const pt_norm_state *kept, const pt_lin *w, pt_view *out);

/* Norm 1 (fused with adding `add`, the previous block's output, to x; absent: x is h already) up to what the block adds to the residual stream, in
 * scratch.branch. For recomputation stop_at_mlp leaves out the last product, where nothing behind it has to be made again. */
pt_status pt_block_forward(pt_model *m, int layer, pt_view x, pt_view add, const pt_pass *p, bool stop_at_mlp);
/* The pieces of it that decoding shares. enter: norm 1; *xn is what attention reads. qkv: projections, q/k norm and rotation. Then attention over the
 * forest, and the rest of the block; xn as enter gave it. */
pt_status pt_block_enter(pt_model *m, int layer, const pt_block_state *s, pt_view x, pt_view add, pt_view *xn);
pt_status pt_block_qkv(pt_model *m, int layer, pt_view xn, const pt_block_state *s, const pt_pass *p);
pt_status pt_block_attend(pt_model *m, int layer, const pt_block_state *s);
pt_status pt_block_rest(pt_model *m, int layer, const pt_block_state *s, pt_view xn, const pt_pass *p, bool stop_at_mlp);
/* What the next block's or the last norm's sum begins with, after rest. */
pt_view pt_block_stream(const pt_model *m, const pt_block_state *s);
/* The linear layers of the MLP that read its input, their results and t's; the first module and how many. */
int pt_block_mlp_in(const pt_model *m, const pt_block_state *s, pt_module *first, pt_view y[2]);
/* Likewise those of attention, with results or gradients q, k, v or the fused one. */
int pt_block_attn_in(const pt_model *m, pt_view q, pt_view k, pt_view v, pt_view qkv, pt_module *first, pt_view y[3]);
/* y = act(g) * u, or act(u) of a plain MLP. */
pt_status pt_block_activate(pt_model *m, const pt_block_state *s, pt_view y);
pt_status pt_block_backward(pt_model *m, int layer, const pt_pass *p);
pt_status pt_decoder_forward(pt_model *m, const pt_pass *p);
pt_status pt_decoder_backward(pt_model *m, const pt_pass *p);
/* heads.c. PT_ESTATE unless the head may run now. */
pt_status pt_head_ready(const pt_model *m, int kind, bool backward);
/* All heads of the model, in the order of the list; backward: from the gradients of their channels. */
pt_status pt_heads_forward(pt_model *m);
pt_status pt_heads_backward(pt_model *m);
/* The vocabulary head's log-probabilities alone, into another place than tab.logp; backward: their gradient from tab.dlogp in the same visit. */
pt_status pt_head_logp(pt_model *m, pt_view logp, bool backward);
/* Whether the loss takes sum k over the vocabulary. */
static inline bool pt_vocab_on(const pt_model *m, int k)
{
    return m->opt.loss.on && m->opt.loss.vocab >> k & 1;
}
/* group_loss on the loaded batch and its channels, model_loss.c. */
pt_status pt_loss_run(pt_model *m, const pt_core_step *step, bool gradient);
pt_view pt_column_view(const pt_model *m); /* [1 + columns, groups of the batch] */
/* layer -1: outside blocks. y_i = (add: y_i +) x . w_i^T + b_i + adapters, for modules first..first+n-1; their gradients, dx = (add: dx +) that of x. t: of the block's state. */
pt_status pt_project(pt_model *m, int layer, int first, int n, pt_view x, const pt_view *y, const pt_view *t, bool add, const pt_pass *p);
pt_status pt_project_bwd(pt_model *m, int layer, int first, int n, pt_view x, const pt_view *dy, const pt_view *t, pt_view dx, bool add, const pt_pass *p);
/* The same of down in two calls: TO_X puts the gradient of x in its place; OWN makes the gradients of what down learns, from x as it was made again there. */
pt_status pt_down_bwd(pt_model *m, int layer, pt_view x, pt_view dy, pt_view t, pt_lora_half half, const pt_pass *p);
/* ends.c: x = embedding (through its projection) + learned positions of the first n tokens of the tables; backward from dres, the gradient of x. */
pt_status pt_embed_tokens(pt_model *m, pt_view x, int64_t n, const pt_pass *p);
pt_status pt_embed_back(pt_model *m, pt_view dres, const pt_pass *p);
/* Whether anything before the first block wants the gradient. */
bool pt_embed_learns(const pt_model *m);
/* The final norm of h = x + add into what the heads read, normed_at_heads: n rows of the batch's heads, or (decoding) of sequences. Backward: dx = the gradient
 * of h from dnormed_at_heads. */
pt_status pt_last_norm(pt_model *m, pt_view x, pt_view add, pt_view h, const pt_norm_state *keep, int64_t n, const pt_pass *p);
pt_status pt_last_norm_back(pt_model *m, pt_view *dx, pt_view h, const pt_norm_state *kept, int64_t n, const pt_pass *p);
/* p over the batch's heads instead of its tokens. */
pt_pass pt_pass_at_heads(pt_model *m, const pt_pass *p);
/* decoder.c: rope tables of the first n tokens. */
pt_status pt_rope_tables(pt_model *m, int64_t n);
/* The runs of a pass: the batch's own slots or one slot for all. */
pt_status pt_pass_make(pt_model *m, int slot, bool keep, pt_lora_run *one, pt_pass *out);
/* heads.c: logits of rows x into dec.logits. decode.c: one step for `rows` new tokens (at most pt_decode_chunk), dry at the caps too; it ends with the
 * logits of all of them, or of the `heads` whose row numbers are in `at` on the host. */
pt_status pt_decode_logits(pt_model *m, int rows, pt_view x);
pt_status pt_decode_step(pt_model *m, int rows, const pt_pass *p);
pt_status pt_decode_tokens(pt_model *m, int rows, int heads, const int32_t *at, const pt_pass *p);
static inline int32_t pt_decode_chunk(const pt_model *m)
{
    return m->caps.decode_rows > PT_DECODE_CHUNK ? m->caps.decode_rows : PT_DECODE_CHUNK;
}
#endif
