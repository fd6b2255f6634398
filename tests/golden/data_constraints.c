/* Constraints against jsonschema's verdicts (tests/golden/constraints.py): every valid text of 60 schemas is accepted and every invalid one rejected, token by token, under the tokenizer's own
 * tokenisation and under another one that cuts the bytes at random. On the small tokenizers of this folder, and on those of ../shared/data/tokenizers where it is. And the tests' own validator
 * says what jsonschema says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/rng.h"
#include "base/threads.h"
#include "data/constrain/constrain.h"
#include "tests/golden/schema_check.h"

#define DATA "tests/golden/data/"
#define SHARED "../shared/data/tokenizers/"

#define OK(call)                                                                                                                                                                                \
    do {                                                                                                                                                                                        \
        if ((call) != PT_OK) fail_msg("%s", pt_err_msg());                                                                                                                                       \
    } while (0)

static json_t *cases(void)
{
    FILE *f = fopen(DATA "constraints.jsonl", "r");
    json_t *list = json_array();
    char *line = NULL;
    size_t cap = 0;
    assert_non_null(f);
    while (getline(&line, &cap, f) > 0) json_array_append_new(list, json_loads(line, JSON_ALLOW_NUL, NULL));
    free(line);
    fclose(f);
    assert_int_equal(json_array_size(list), 60);
    return list;
}

static void test_validator(void **state)
{
    json_t *list = cases(), *one, *text;
    size_t i, k, seen = 0;
    (void)state;
    json_array_foreach(list, i, one)
        for (int valid = 0; valid < 2; valid++)
            json_array_foreach(json_object_get(one, valid ? "valid" : "invalid"), k, text)
            {
                if (check_text(json_object_get(one, "schema"), json_string_value(text), json_string_length(text)) != valid)
                    fail_msg("schema %zu, %s: %s", i, valid ? "valid" : "invalid", json_string_value(text));
                seen++;
            }
    json_decref(list);
    assert_int_equal(seen, 60 * 40);
}

/* ---- a tokenizer, and another way to cut texts into its tokens ---- */

enum { SLOTS = 1 << 20, LONGEST = 24 };
typedef struct cutter {
    pt_tokenizer *tok;
    pt_constraint_vocab *vocab;
    int32_t end;      /* a row behind the vocabulary stands for the end */
    int32_t *slot;    /* [SLOTS] id + 1 by hash of its bytes; 0: none */
    char **bytes;     /* [vocabulary] texts of tokens that are whole characters; NULL */
    uint32_t *length;
} cutter;

static uint32_t slot_of(const cutter *c, const char *s, size_t n)
{
    uint32_t at = (uint32_t)pt_fnv1a(PT_FNV_START, s, n) & (SLOTS - 1);
    while (c->slot[at] && (c->length[c->slot[at] - 1] != n || memcmp(c->bytes[c->slot[at] - 1], s, n))) at = (at + 1) & (SLOTS - 1);
    return at;
}

static void cutter_open(cutter *c, pt_tokenizer *t)
{
    const int32_t n = pt_tok_vocab_size(t);
    *c = (cutter){.tok = t, .end = n};
    OK(pt_constraint_vocab_make(&c->vocab, t, n + 1, &c->end, 1, PT_CONSTRAINT_CACHE));
    OK(pt_alloc0(&c->slot, SLOTS));
    OK(pt_alloc0(&c->bytes, n));
    OK(pt_alloc0(&c->length, n));
    for (int32_t id = 0; id < n; id++) {
        pt_tok_stream s = {.started = true};
        pt_str text = {0}, rest = {0};
        if (!pt_tok_piece(t, id) || pt_tok_is_control(t, id)) continue;
        OK(pt_tok_stream_next(t, &s, id, true, &text));
        OK(pt_tok_stream_end(&s, &rest));
        if (text.len && !rest.len && text.len <= LONGEST && !strstr(text.text, "\xef\xbf\xbd")) {
            c->bytes[id] = text.text;
            c->length[id] = (uint32_t)text.len;
            uint32_t at = slot_of(c, text.text, text.len);
            if (!c->slot[at]) c->slot[at] = id + 1;
        } else {
            pt_str_free(&text);
        }
        pt_str_free(&rest);
        pt_tok_stream_free(&s);
    }
}

static void cutter_close(cutter *c)
{
    for (int32_t i = 0; i < c->end; i++) free(c->bytes[i]);
    free(c->bytes);
    free(c->length);
    free(c->slot);
    pt_constraint_vocab_free(c->vocab);
    pt_tok_free(c->tok);
}

static size_t character(const char *s, size_t n)
{
    size_t k = 1;
    while (k < n && ((unsigned char)s[k] & 0xc0) == 0x80) k++;
    return k;
}

/* Tokens of any lengths; a character that is no token of its own as the tokenizer writes it. */
static void cut(const cutter *c, const char *s, size_t n, uint64_t *draw, pt_ids *out)
{
    for (size_t at = 0; at < n;) {
        int32_t fits[LONGEST], found = 0;
        for (size_t k = 1; k <= LONGEST && at + k <= n; k++) {
            uint32_t i = slot_of(c, s + at, k);
            if (c->slot[i]) fits[found++] = c->slot[i] - 1;
        }
        if (found) {
            *draw = pt_hash_mix(*draw, at + 1);
            int32_t id = fits[*draw % (uint64_t)found];
            OK(pt_ids_add(out, id));
            at += c->length[id];
        } else {
            size_t k = character(s + at, n - at);
            OK(pt_tok_encode_at(c->tok, s + at, k, false, PT_TOK_CONTINUE, out, NULL));
            at += k;
        }
    }
}

/* ---- verdicts ---- */

typedef struct tally {
    size_t refused;      /* schemas whose every text has characters that the vocabulary has no tokens for */
    size_t texts, other; /* other: texts that the tokenizer itself changes (characters that it has no tokens for) */
} tally;

/* Token by token, as generation goes: each must be in the mask, and be taken; at the end the end must be allowed. */
static bool accepts(pt_constraint *c, const pt_ids *ids, int32_t end, bool masks)
{
    pt_constraint_state s = {0};
    bool yes = true, complete = false, closed;
    OK(pt_constraint_begin(c, &s));
    for (size_t i = 0; yes && i < ids->n; i++) {
        const uint64_t *bits;
        if (masks) {
            OK(pt_constraint_mask(&s, &bits));
            yes = bits[ids->ids[i] / 64] >> (ids->ids[i] % 64) & 1;
        }
        bool went = pt_constraint_advance(&s, ids->ids[i]) == PT_OK;
        if (masks && went != yes) fail_msg("the mask says %d of token %d, the state %d", yes, ids->ids[i], went);
        yes = went;
    }
    if (yes) OK(pt_constraint_complete(&s, &complete, &closed));
    if (yes && complete) OK(pt_constraint_advance(&s, end));
    pt_constraint_state_free(&s);
    return yes && complete;
}

static bool same_text(const pt_tokenizer *t, const pt_ids *ids, const char *text, size_t n)
{
    pt_tok_stream s = {.started = true};
    pt_str back = {0};
    OK(pt_str_puts(&back, ""));
    for (size_t i = 0; i < ids->n; i++) OK(pt_tok_stream_next(t, &s, ids->ids[i], false, &back));
    OK(pt_tok_stream_end(&s, &back));
    bool yes = back.len == n && !memcmp(back.text, text, n);
    pt_str_free(&back);
    pt_tok_stream_free(&s);
    return yes;
}

static void one_text(const cutter *k, pt_constraint *c, const json_t *text, bool valid, bool masks, uint64_t *draw, tally *t, const char *what, size_t schema)
{
    const char *s = json_string_value(text);
    const size_t n = json_string_length(text);
    for (int random = 0; random < 2; random++) {
        pt_ids ids = {0};
        if (random) cut(k, s, n, draw, &ids);
        else OK(pt_tok_encode_at(k->tok, s, n, false, PT_TOK_CONTINUE, &ids, NULL));
        t->texts++;
        if (!same_text(k->tok, &ids, s, n)) t->other++;
        else if (accepts(c, &ids, k->end, masks) != valid)
            fail_msg("%s, schema %zu: %s text %s (%s)", what, schema, valid ? "rejected a valid" : "accepted an invalid", s, random ? "cut at random" : "its own tokens");
        free(ids.ids);
    }
}

/* A schema is refused for its vocabulary alone: then no valid text can be written in its tokens. */
static void refused_rightly(const cutter *k, const json_t *valid, const char *what, size_t schema)
{
    size_t j;
    json_t *text;
    if (!strstr(pt_err_msg(), "bytes of the vocabulary")) fail_msg("%s, schema %zu: %s", what, schema, pt_err_msg());
    json_array_foreach(valid, j, text)
    {
        pt_ids ids = {0};
        OK(pt_tok_encode_at(k->tok, json_string_value(text), json_string_length(text), false, PT_TOK_CONTINUE, &ids, NULL));
        if (same_text(k->tok, &ids, json_string_value(text), json_string_length(text))) fail_msg("%s refuses schema %zu and can write %s", what, schema, json_string_value(text));
        free(ids.ids);
    }
}

static void all_verdicts(pt_tokenizer *tok, const char *what, bool masks)
{
    cutter k;
    json_t *list = cases(), *one, *text;
    size_t i, j;
    tally t = {0};
    uint64_t draw = 1;
    double start = pt_seconds();
    cutter_open(&k, tok);
    json_array_foreach(list, i, one)
    {
        char *schema = json_dumps(json_object_get(one, "schema"), 0);
        pt_constraint *c;
        if (pt_constraint_open(k.vocab, &(pt_constraint_spec){.kind = PT_CONSTRAIN_SCHEMA, .text = schema, .bytes = strlen(schema)}, &c) != PT_OK) {
            refused_rightly(&k, json_object_get(one, "valid"), what, i);
            t.refused++;
            free(schema);
            continue;
        }
        json_array_foreach(json_object_get(one, "valid"), j, text) one_text(&k, c, text, true, masks, &draw, &t, what, i);
        json_array_foreach(json_object_get(one, "invalid"), j, text) one_text(&k, c, text, false, masks, &draw, &t, what, i);
        pt_constraint_close(c);
        free(schema);
    }
    printf("# figure %s: %zu texts, %zu of them changed by the tokenizer itself, %zu schemas refused for want of characters, %.1f s\n", what, t.texts, t.other, t.refused, pt_seconds() - start);
    json_decref(list);
    cutter_close(&k);
    if (t.texts - t.other < 500) fail_msg("%s: most texts do not come back from its tokens", what);
}

static void test_small(void **state)
{
    static const char *const folders[] = {DATA "tok_bpe", DATA "tok_spm"};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        pt_tokenizer *t;
        OK(pt_tok_open(&t, folders[i]));
        all_verdicts(t, folders[i], true);
    }
}

/* gzip -dc from > to */
static bool gunzip(const char *from, const char *to)
{
    extern char **environ;
    char *argv[] = {(char *)"gzip", (char *)"-dc", (char *)(uintptr_t)from, NULL};
    posix_spawn_file_actions_t fa;
    pid_t pid;
    int status = 1;
    posix_spawn_file_actions_init(&fa);
    posix_spawn_file_actions_addopen(&fa, 1, to, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (posix_spawnp(&pid, "gzip", &fa, NULL, argv, environ) == 0) waitpid(pid, &status, 0);
    posix_spawn_file_actions_destroy(&fa);
    return status == 0;
}

/* One file of the shared folders as a tokenizer: unpacked where it is packed, alone in a folder under the name that says its format. */
static void one_file(const char *path, const char *file)
{
    char dir[] = "/tmp/ptrain_constraints_XXXXXX", to[512], *text = NULL;
    const char *name = strstr(file, ".json") ? "tokenizer.json" : strstr(file, "tiktoken") ? "qwen.tiktoken" : "tokenizer.model";
    pt_tokenizer *t = NULL;
    size_t n;
    assert_non_null(mkdtemp(dir));
    snprintf(to, sizeof to, "%s/%s", dir, name);
    if (strstr(file, ".gz")) assert_true(gunzip(path, to));
    else {
        OK(pt_file_read(&text, &n, path, 1 << 26));
        OK(pt_file_write_whole(to, text, n));
        free(text);
    }
    pt_status rc = pt_tok_open(&t, dir);
    pt_dir_remove(dir);
    if (rc != PT_OK) fail_msg("%s: %s", path, pt_err_msg());
    all_verdicts(t, path, getenv("PTRAIN_FULL") != NULL);
}

static void test_real(void **state)
{
    DIR *all = opendir(SHARED);
    struct dirent *d, *f;
    size_t seen = 0;
    (void)state;
    if (!all) skip();
    while ((d = readdir(all))) {
        char folder[300], path[600];
        if (d->d_name[0] == '.') continue;
        snprintf(folder, sizeof folder, SHARED "%s", d->d_name);
        DIR *in = opendir(folder);
        while (in && (f = readdir(in))) {
            if (f->d_name[0] == '.' || strstr(f->d_name, "config") || strstr(f->d_name, ".bin")) continue; /* .bin: llama2.c's own form of the .model beside it */
            snprintf(path, sizeof path, "%s/%s", folder, f->d_name);
            one_file(path, f->d_name);
            seen++;
        }
        if (in) closedir(in);
    }
    closedir(all);
    assert_true(seen > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_validator), cmocka_unit_test(test_small), cmocka_unit_test(test_real)};
    return cmocka_run_group_tests_name("constraints", tests, NULL, NULL);
}
