/* What constraints cost: how long a schema takes until its first mask, and generation beside the same without a constraint.
 *
 *   constrain_bench mask TOKENIZER SCHEMAS.jsonl             SCHEMAS: rows with "schema" (tests/golden/constraints.py)
 *   constrain_bench speed MODEL.gguf|qwen2.5-0.5b TOKENIZER SCHEMAS.jsonl [ANSWERS [BATCH]]
 *
 * TOKENIZER: a folder or tokenizer.json; "-": the model's own. `mask`: of a vocabulary of TOKENIZER, each schema alone (nothing cached before): seconds to open it and to its first mask; median, the share
 * within 1 s, the slowest. Then the masks on the way of one answer, drawn at random from them: the mean and the slowest.
 * `speed`: a schema and the same prompt (64 tokens) without one in turn, ANSWERS each (default 5), the schema's first left out; each is 128 tokens long or as long as the schema lets it be. Tokens a
 * second behind the first token, of all answers together, of both, and their ratio. qwen2.5-0.5b: its shapes with random weights in f32. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/rng.h"
#include "base/threads.h"
#include "train/generate/generate.h"

typedef struct schemas {
    char **text;
    size_t n, cap;
} schemas;

static pt_status read_schemas(const char *path, schemas *out)
{
    pt_status rc = PT_OK;
    char *line = NULL;
    size_t cap = 0;
    json_t *row = NULL;
    FILE *f = fopen(path, "r");
    PT_CHECK(f, PT_EARG, "cannot open %s", path);
    while (getline(&line, &cap, f) > 0) {
        PT_TRY(pt_json_parse(&row, line, strlen(line), path, PT_JSON_NUL));
        PT_TRY(pt_reserve(&out->text, &out->cap, out->n + 1));
        out->text[out->n++] = json_dumps(json_object_get(row, "schema"), 0);
        json_decref(row);
        row = NULL;
    }
done:
    json_decref(row);
    free(line);
    if (f) fclose(f);
    return rc;
}

static pt_status open_schema(pt_constraint_vocab *v, const char *text, pt_constraint **out)
{
    return pt_constraint_open(v, &(pt_constraint_spec){.kind = PT_CONSTRAIN_SCHEMA, .text = text, .bytes = strlen(text)}, out);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* ---- masks ---- */

/* One answer by draws among what each mask allows: how long the masks took. */
static pt_status walk(pt_constraint *c, size_t words, uint64_t seed, double *sum, double *slowest, size_t *n)
{
    pt_status rc = PT_OK;
    pt_constraint_state s = {0};
    bool complete = false, closed = false;
    PT_TRY(pt_constraint_begin(c, &s));
    for (int step = 0; step < 64 && !closed; step++) {
        const uint64_t *bits;
        size_t set = 0;
        const double start = pt_seconds();
        PT_TRY(pt_constraint_mask(&s, &bits));
        const double took = pt_seconds() - start;
        *sum += took;
        *slowest = took > *slowest ? took : *slowest;
        ++*n;
        for (size_t w = 0; w < words; w++) set += (size_t)__builtin_popcountll(bits[w]);
        seed = pt_hash_mix(seed, set + 1);
        size_t pick = set ? seed % set : 0;
        int32_t id = -1;
        for (size_t w = 0; w < words && id < 0; w++)
            for (int k = 0; k < 64 && id < 0; k++)
                if (bits[w] >> k & 1 && pick-- == 0) id = (int32_t)(64 * w + (size_t)k);
        PT_TRY(pt_constraint_advance(&s, id));
        if (s.ended) break;
        PT_TRY(pt_constraint_complete(&s, &complete, &closed));
    }
done:
    pt_constraint_state_free(&s);
    return rc;
}

static pt_status masks(const char *tokenizer, const char *path)
{
    pt_status rc = PT_OK;
    pt_tokenizer *t = NULL;
    schemas all = {0};
    double *first = NULL, sum = 0, slowest = 0, made = 0;
    size_t n = 0, within = 0;
    PT_TRY(read_schemas(path, &all));
    PT_TRY(pt_tok_open(&t, tokenizer));
    PT_TRY(pt_alloc0(&first, all.n));
    const int32_t end = pt_tok_vocab_size(t);
    for (size_t i = 0; i < all.n; i++) {
        pt_constraint_vocab *v;
        pt_constraint *c;
        pt_constraint_state s = {0};
        const uint64_t *bits;
        double start = pt_seconds();
        PT_TRY(pt_constraint_vocab_make(&v, t, end + 1, &end, 1, PT_CONSTRAINT_CACHE));
        made = pt_seconds() - start;
        start = pt_seconds();
        PT_TRY(open_schema(v, all.text[i], &c));
        PT_TRY(pt_constraint_begin(c, &s));
        PT_TRY(pt_constraint_mask(&s, &bits));
        first[i] = pt_seconds() - start;
        within += first[i] <= 1;
        pt_constraint_state_free(&s);
        PT_TRY(walk(c, pt_constraint_words(v), i, &sum, &slowest, &n));
        pt_constraint_close(c);
        pt_constraint_vocab_free(v);
    }
    qsort(first, all.n, sizeof *first, by_value);
    printf("%d tokens, vocabulary made in %.2f s\n%zu schemas to their first mask: median %.1f ms, 95 %% within %.1f ms, slowest %.1f ms; %.1f %% within 1 s\n", (int)end, made, all.n, 1e3 * first[all.n / 2],
           1e3 * first[all.n * 95 / 100], 1e3 * first[all.n - 1], 100.0 * (double)within / (double)all.n);
    printf("%zu masks on the way of an answer each: mean %.2f ms, slowest %.1f ms\n", n, 1e3 * sum / (double)n, 1e3 * slowest);
done:
    for (size_t i = 0; i < all.n; i++) free(all.text[i]);
    free(all.text);
    free(first);
    pt_tok_free(t);
    return rc;
}

/* ---- speed ---- */

enum { PROMPT = 64, NEW = 128, ROWS_MOST = 64 };
typedef struct clock_of {
    double first, last; /* when the first and the last token of a batch came */
    size_t tokens;      /* of sequences, behind their first */
    bool had[ROWS_MOST];
} clock_of;

static bool tick(void *user, size_t i, int32_t id)
{
    clock_of *c = user;
    (void)id;
    c->last = pt_seconds();
    if (!c->tokens && !c->had[i]) c->first = c->last;
    c->tokens += c->had[i];
    c->had[i] = true;
    return true;
}

typedef struct speed {
    pt_model *m;
    pt_gen_options o;
    int batch;
    pt_ids prompts[ROWS_MOST];
    pt_constraint *held[ROWS_MOST];
} speed;

/* Seconds and tokens of a batch of answers. */
static pt_status answer(speed *x, pt_constraint *c, uint64_t seed, int most, double *seconds, size_t *tokens, size_t *longest)
{
    pt_status rc;
    pt_gen_result out[ROWS_MOST];
    clock_of k = {0};
    pt_gen_options o = x->o;
    memset(out, 0, sizeof out);
    for (int i = 0; i < x->batch; i++) x->held[i] = c;
    o.constraints = c ? x->held : NULL;
    o.sampler.seed = seed;
    o.max_new_tokens = most;
    rc = pt_generate(x->m, x->prompts, (size_t)x->batch, &o, out, tick, &k);
    *seconds += k.last - k.first;
    *tokens += k.tokens;
    *longest = 0;
    for (int i = 0; i < x->batch; i++) {
        *longest = out[i].ids.n > *longest ? out[i].ids.n : *longest;
        free(out[i].ids.ids);
    }
    return rc;
}

static pt_status open_model(const char *name, pt_source **src)
{
    const pt_model_config qwen = {.family = "qwen2", .vocab = 151936, .hidden = 896, .ffn = 4864, .layers = 24, .heads = 14, .kv_heads = 2, .head_dim = 64, .rot = 64, .max_positions = 4096, .act = PT_ACT_SILU,
                                  .norm_eps = 1e-6f, .rope_theta = 1000000, .rope_kind = PT_ROPE_HALF, .tied = true, .qkv_bias = true, .bos = -1, .eos = -1, .pad = -1, .initializer_range = 0.02};
    return strcmp(name, "qwen2.5-0.5b") ? pt_source_open(src, name) : pt_source_random(src, &qwen, 1);
}

static pt_status compare(speed *x, pt_constraint_vocab *v, const schemas *all, int answers)
{
    double held = 0, open = 0;
    size_t n_held = 0, n_open = 0, used = 0;
    for (size_t i = 0; i < all->n; i++) {
        pt_constraint *c;
        double nothing = 0;
        size_t none = 0, longest, same;
        PT_RETURN(open_schema(v, all->text[i], &c));
        PT_RETURN(answer(x, c, 1, NEW, &nothing, &none, &longest)); /* the first of the schema */
        for (int k = 0; longest >= 8 && k < answers; k++) {
            PT_RETURN(answer(x, c, (uint64_t)k + 2, NEW, &held, &n_held, &same));
            PT_RETURN(answer(x, NULL, (uint64_t)k + 2, (int)(same > 8 ? same : 8), &open, &n_open, &same));
        }
        used += longest >= 8;
        pt_constraint_close(c);
    }
    const pt_constraint_cache cache = pt_constraint_cache_of(v);
    printf("batch of %d, %zu of %zu schemas (answers of 8 tokens or more): constrained %.2f tokens/s (%zu), free %.2f (%zu): %.3f\n", x->batch, used, all->n, (double)n_held / held, n_held, (double)n_open / open,
           n_open, (double)n_held / held / ((double)n_open / open));
    printf("masks: %.0f MiB of %.0f, %llu hits, %llu made, %llu evicted\n", (double)cache.bytes / 1048576, (double)cache.limit / 1048576, (unsigned long long)cache.hits, (unsigned long long)cache.made,
           (unsigned long long)cache.evicted);
    return PT_OK;
}

static pt_status speeds(const char *model, const char *tokenizer, const char *path, int answers, int batch)
{
    pt_status rc = PT_OK;
    static int32_t ids[PROMPT];
    size_t bytes[PT_ROLE_COUNT];
    schemas all = {0};
    pt_source *src = NULL;
    pt_tokenizer *t = NULL;
    pt_constraint_vocab *v = NULL;
    pt_ctx ctx = {.ops = &pt_ops_cpu};
    speed x = {.batch = batch};
    PT_TRY(read_schemas(path, &all));
    PT_TRY(ctx.ops->open(&ctx, PT_COMPUTE_F32));
    PT_TRY(open_model(model, &src));
    PT_TRY(strcmp(tokenizer, "-") ? pt_tok_open(&t, tokenizer) : pt_source_vocabulary(model, &t));
    const int32_t rows = pt_source_config(src)->vocab, end = rows - 1;
    PT_TRY(pt_constraint_vocab_make(&v, t, rows, &end, 1, PT_CONSTRAINT_CACHE));
    PT_TRY(pt_model_new(&x.m, &ctx, src, &(pt_model_options){.heads = PT_HEAD_VOCABULARY}));
    PT_TRY(pt_model_plan(x.m, &(pt_model_caps){.tokens = PROMPT * 2, .segs = 70, .heads = 70, .rows = 70, .groups = 70, .decode_rows = batch, .decode_len = PROMPT + NEW + 1}, bytes));
    PT_TRY(pt_model_commit(x.m));
    for (int i = 0; i < PROMPT; i++) ids[i] = 100 + i * 37 % 20000;
    for (int i = 0; i < batch; i++) x.prompts[i] = (pt_ids){ids, PROMPT, 0};
    x.o = (pt_gen_options){.sampler = pt_sampler_off(), .stops = &end, .n_stops = 1, .slot = PT_SLOT_NONE};
    x.o.sampler.temperature = 1;
    PT_TRY(compare(&x, v, &all, answers));
done:
    pt_constraint_vocab_free(v);
    pt_model_free(x.m);
    pt_source_free(src);
    pt_tok_free(t);
    for (size_t i = 0; i < all.n; i++) free(all.text[i]);
    free(all.text);
    return rc;
}

/* A whole number of the command line from 1 to most; 0: it is none. */
static int count_of(const char *text, long most)
{
    char *end;
    const long v = strtol(text, &end, 10);
    return end == text || *end || v < 1 || v > most ? 0 : (int)v;
}

int main(int argc, char **argv)
{
    pt_status rc = PT_EARG;
    if (argc == 4 && !strcmp(argv[1], "mask")) rc = masks(argv[2], argv[3]);
    else if (argc >= 5 && !strcmp(argv[1], "speed")) {
        const int answers = argc > 5 ? count_of(argv[5], 1000000) : 5, batch = argc > 6 ? count_of(argv[6], ROWS_MOST) : 1;
        rc = answers && batch ? speeds(argv[2], argv[3], argv[4], answers, batch) : pt_fail(PT_EARG, "ANSWERS and BATCH are 1 or more, BATCH at most %d", ROWS_MOST);
    } else {
        pt_fail(PT_EARG, "constrain_bench mask TOKENIZER SCHEMAS | speed MODEL|qwen2.5-0.5b TOKENIZER|- SCHEMAS [ANSWERS [BATCH]]");
    }
    if (rc != PT_OK) fprintf(stderr, "%s\n", pt_err_msg());
    return rc == PT_OK ? 0 : 1;
}
