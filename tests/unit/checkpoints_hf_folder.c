/* checkpoints/hf.h: typed config values with their messages, edits, and export folders that appear whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "checkpoints/folder.h"
#include "checkpoints/hf.h"
#include "tests/scratch.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

static const char config[] =
    "{\"hidden_size\": 576, \"rope_theta\": 1e6, \"eps\": 1e-5, \"tie\": true, \"gone\": null, \"act\": \"silu\","
    " \"rope_scaling\": {\"factor\": 8.0, \"kind\": {\"name\": \"llama3\"}}, \"eos\": [1, 2], \"pad\": 7,"
    " \"architectures\": [\"LlamaForCausalLM\"], \"factors\": [1, 2.5], \"big\": 12345678901234}";

static pt_hf *parsed(void)
{
    pt_hf *c;
    assert_int_equal(pt_hf_parse(&c, config, strlen(config), "config.json"), PT_OK);
    return c;
}

static void values(void **state)
{
    pt_hf *c = parsed();
    int64_t i = -1, *ints = NULL;
    double d = -1, *nums = NULL;
    bool b = false;
    const char *s = "default";
    size_t n;
    assert_int_equal(pt_hf_int(c, "hidden_size", PT_HF_REQUIRED, 1, 1000, &i), PT_OK);
    assert_int_equal(i, 576);
    assert_int_equal(pt_hf_int(c, "rope_theta", PT_HF_REQUIRED, 1, INT64_MAX, &i), PT_OK); /* 1e6 is whole */
    assert_int_equal(i, 1000000);
    assert_int_equal(pt_hf_num(c, "eps", PT_HF_REQUIRED, &d), PT_OK);
    assert_true(d == 1e-5);
    assert_int_equal(pt_hf_num(c, "rope_scaling.factor", PT_HF_REQUIRED, &d), PT_OK);
    assert_true(d == 8);
    assert_int_equal(pt_hf_text(c, "rope_scaling.kind.name", PT_HF_REQUIRED, &s), PT_OK);
    assert_string_equal(s, "llama3");
    assert_int_equal(pt_hf_bool(c, "tie", PT_HF_REQUIRED, &b), PT_OK);
    assert_true(b);
    assert_int_equal(pt_hf_ints(c, "eos", PT_HF_REQUIRED, &ints, &n), PT_OK);
    assert_true(n == 2 && ints[1] == 2);
    assert_int_equal(pt_hf_ints(c, "pad", PT_HF_REQUIRED, &ints, &n), PT_OK);
    assert_true(n == 1 && ints[0] == 7);
    assert_int_equal(pt_hf_nums(c, "factors", PT_HF_REQUIRED, &nums, &n), PT_OK);
    assert_true(n == 2 && nums[1] == 2.5);
    assert_int_equal(pt_hf_text_at(c, "architectures", PT_HF_REQUIRED, 0, &s, &n), PT_OK);
    assert_string_equal(s, "LlamaForCausalLM");
    /* optional and not there: the default stays */
    i = 42;
    assert_int_equal(pt_hf_int(c, "gone", PT_HF_OPTIONAL, 1, 2, &i), PT_OK);
    assert_int_equal(pt_hf_int(c, "rope_scaling.other.deep", PT_HF_OPTIONAL, 1, 2, &i), PT_OK);
    assert_int_equal(i, 42);
    assert_true(pt_hf_has(c, "rope_scaling.kind") && !pt_hf_has(c, "gone") && !pt_hf_has(c, "act.x"));
    free(ints);
    free(nums);
    pt_hf_close(c);
}

static void wrong_values(void **state)
{
    pt_hf *c = parsed();
    int64_t i, *ints = NULL;
    double d, *nums = NULL;
    bool b;
    const char *s;
    size_t n;
#define REFUSED(call, text)                      \
    do {                                         \
        assert_int_equal(call, PT_EFORMAT);      \
        assert_string_equal(pt_err_msg(), text); \
    } while (0)
    REFUSED(pt_hf_int(c, "gone", PT_HF_REQUIRED, 1, 2, &i), "config.json: gone is missing");
    REFUSED(pt_hf_int(c, "rope_scaling.low", PT_HF_REQUIRED, 1, 2, &i), "config.json: rope_scaling.low is missing");
    REFUSED(pt_hf_int(c, "hidden_size", PT_HF_OPTIONAL, 1, 100, &i), "config.json: hidden_size is 576; it must lie in 1..100");
    REFUSED(pt_hf_int(c, "act", PT_HF_OPTIONAL, 1, 100, &i), "config.json: act is a text, not an integer");
    REFUSED(pt_hf_int(c, "eps", PT_HF_OPTIONAL, 1, 100, &i), "config.json: eps is a number, not an integer");
    REFUSED(pt_hf_num(c, "tie", PT_HF_OPTIONAL, &d), "config.json: tie is true or false, not a number");
    REFUSED(pt_hf_bool(c, "pad", PT_HF_OPTIONAL, &b), "config.json: pad is an integer, not true or false");
    REFUSED(pt_hf_text(c, "rope_scaling", PT_HF_OPTIONAL, &s), "config.json: rope_scaling is an object, not a text");
    REFUSED(pt_hf_ints(c, "factors", PT_HF_OPTIONAL, &ints, &n),
            "config.json: factors is a number, not an integer or a list of integers");
    REFUSED(pt_hf_nums(c, "pad", PT_HF_OPTIONAL, &nums, &n), "config.json: pad is an integer, not a list of numbers");
    REFUSED(pt_hf_nums(c, "architectures", PT_HF_OPTIONAL, &nums, &n),
            "config.json: architectures is a text, not a list of numbers");
    REFUSED(pt_hf_text_at(c, "architectures", PT_HF_REQUIRED, 1, &s, &n),
            "config.json: architectures has 1 elements, element 1 is asked for");
    REFUSED(pt_hf_text_at(c, "eos", PT_HF_REQUIRED, 0, &s, &n), "config.json: eos is an integer, not a list of texts");
    pt_hf_close(c);
    REFUSED(pt_hf_parse(&c, "{\"a\":\n1,}", 9, "x"), "x:2:3: broken JSON: a key in quotes is wanted");
    REFUSED(pt_hf_parse(&c, "[1]", 3, "x"), "x: the text is a list; an object {...} is wanted");
    assert_null(c);
    assert_int_equal(pt_hf_open(&c, scratch_dir, "config.json"), PT_EIO);
    assert_string_equal(scratch_message(), "cannot open config.json: No such file or directory");
}

static void edits(void **state)
{
    pt_hf *base = parsed(), *c, *again;
    int64_t i = 0;
    double d = 0;
    const char *s = NULL;
    size_t n;
    assert_int_equal(pt_hf_edit(&c, base, "new"), PT_OK);
    assert_int_equal(pt_hf_set_int(c, "hidden_size", 64), PT_OK);
    assert_int_equal(pt_hf_set_num(c, "rope_scaling.factor", 0.1), PT_OK);
    assert_int_equal(pt_hf_set_text(c, "quantization.kind.name", "none"), PT_OK);
    assert_int_equal(pt_hf_set_bool(c, "act", false), PT_OK);
    assert_int_equal(pt_hf_set_texts(c, "architectures", (const char *const[]){"X", "Y"}, 2), PT_OK);
    assert_int_equal(pt_hf_set_ints(c, "eos", (int64_t[]){9}, 1), PT_OK);
    assert_int_equal(pt_hf_remove(c, "rope_scaling.kind.name"), PT_OK);
    assert_int_equal(pt_hf_remove(c, "nothing.here"), PT_OK);
    assert_int_equal(pt_hf_set_text(c, "bad", "\xff"), PT_EARG);
    assert_int_equal(pt_hf_write(c, scratch_dir, "config.json"), PT_OK);
    assert_int_equal(pt_hf_open(&again, scratch_dir, "config.json"), PT_OK);
    assert_int_equal(pt_hf_int(again, "hidden_size", PT_HF_REQUIRED, 0, 99, &i), PT_OK);
    assert_int_equal(i, 64);
    assert_int_equal(pt_hf_num(again, "rope_scaling.factor", PT_HF_REQUIRED, &d), PT_OK);
    assert_true(d == 0.1);
    assert_int_equal(pt_hf_text(again, "quantization.kind.name", PT_HF_REQUIRED, &s), PT_OK);
    assert_string_equal(s, "none");
    assert_int_equal(pt_hf_text_at(again, "architectures", PT_HF_REQUIRED, 1, &s, &n), PT_OK);
    assert_string_equal(s, "Y");
    assert_false(pt_hf_has(again, "rope_scaling.kind.name"));
    assert_int_equal(pt_hf_int(again, "big", PT_HF_REQUIRED, 0, INT64_MAX, &i), PT_OK);
    assert_true(i == 12345678901234);
    /* the base is untouched */
    assert_int_equal(pt_hf_int(base, "hidden_size", PT_HF_REQUIRED, 0, 999, &i), PT_OK);
    assert_int_equal(i, 576);
    assert_int_equal(pt_hf_num(base, "rope_scaling.factor", PT_HF_REQUIRED, &d), PT_OK);
    assert_true(d == 8);
    pt_hf_close(c);
    pt_hf_close(base);
    pt_hf_close(again);
}

static void put(const char *path, const char *text)
{
    assert_int_equal(pt_file_write_whole(path, text, strlen(text)), PT_OK);
}

static void folders(void **state)
{
    pt_hf_folder f;
    int n = -1;
    char from[256], to[256], *text; /* scratch_path keeps few */
    snprintf(from, sizeof from, "%s", scratch_path("from"));
    snprintf(to, sizeof to, "%s", scratch_path("to"));
    assert_int_equal(pt_dir_make(from), PT_OK);
    put(scratch_path("from/tokenizer.json"), "{}");
    put(scratch_path("from/merges.txt"), "a b");
    put(scratch_path("from/notes.txt"), "not copied");
    put(scratch_path("from/modeling.py"), "code");
    put(scratch_path("from/__init__.py"), "");
    assert_int_equal(pt_hf_folder_open(&f, to, false), PT_OK);
    assert_int_equal(pt_hf_folder_copy_tokenizer(&f, from, &n), PT_OK);
    assert_int_equal(n, 2);
    assert_int_equal(pt_hf_folder_copy_code(&f, from), PT_OK);
    assert_int_equal(pt_hf_folder_copy_code(&f, scratch_path("nowhere")), PT_EIO);
    assert_false(pt_dir_exists(to));
    assert_int_equal(pt_hf_folder_commit(&f), PT_OK);
    pt_hf_folder_close(&f);
    assert_int_equal(pt_file_read(&text, NULL, scratch_path("to/merges.txt"), 10), PT_OK);
    assert_string_equal(text, "a b");
    free(text);
    assert_false(pt_file_exists(scratch_path("to/notes.txt")));
    assert_true(pt_file_exists(scratch_path("to/modeling.py")) && pt_file_exists(scratch_path("to/__init__.py")));
    /* not over a folder with content, unless asked; then the old content goes */
    assert_int_equal(pt_hf_folder_open(&f, to, false), PT_EARG);
    assert_string_equal(scratch_message(), "to exists and is not empty; choose another folder");
    assert_int_equal(pt_hf_folder_open(&f, to, true), PT_OK);
    assert_int_equal(pt_hf_folder_copy(&f, scratch_path("from/notes.txt"), "new.txt"), PT_OK);
    assert_int_equal(pt_hf_folder_commit(&f), PT_OK);
    pt_hf_folder_close(&f);
    assert_true(pt_file_exists(scratch_path("to/new.txt")) && !pt_file_exists(scratch_path("to/merges.txt")));
    /* left without commit: nothing changes and nothing stays */
    assert_int_equal(pt_hf_folder_open(&f, scratch_path("other/"), false), PT_OK);
    char tmp[256];
    snprintf(tmp, sizeof tmp, "%s", f.tmp);
    assert_true(pt_dir_exists(tmp));
    pt_hf_folder_close(&f);
    assert_false(pt_dir_exists(tmp) || pt_dir_exists(scratch_path("other")));
    assert_int_equal(pt_hf_folder_open(&f, scratch_path("to/new.txt"), true), PT_EARG);
    assert_string_equal(scratch_message(), "to/new.txt is a file; choose another folder");
    pt_hf_folder_close(&f);
}

/* Values that jansson cannot hold: named where used, written back as they stood. */
static void odd_values(void **state)
{
    static const char text[] = "{\"model_max_length\": 1000000000000000019884624838656, \"a\": NaN, \"deep\": {\"b\": [-Infinity, \"\\ud800\"]},"
                               " \"twice\": 1, \"u64\": 18446744073709551615, \"twice\": 2}";
    pt_hf *c, *copy;
    int64_t i;
    double d;
    const char *s;
    char *back;
    assert_int_equal(pt_hf_parse(&c, text, strlen(text), "config.json"), PT_OK);
    REFUSED(pt_hf_int(c, "a", PT_HF_OPTIONAL, 0, 9, &i), "config.json: a is NaN, not an integer");
    REFUSED(pt_hf_num(c, "a", PT_HF_OPTIONAL, &d), "config.json: a is NaN, not a number");
    REFUSED(pt_hf_text(c, "a", PT_HF_OPTIONAL, &s), "config.json: a is NaN, not a text");
    REFUSED(pt_hf_int(c, "u64", PT_HF_OPTIONAL, 0, INT64_MAX, &i), "config.json: u64 is a number, not an integer");
    assert_int_equal(pt_hf_num(c, "model_max_length", PT_HF_REQUIRED, &d), PT_OK);
    assert_true(d == 1e30);
    assert_int_equal(pt_hf_int(c, "twice", PT_HF_REQUIRED, 0, 9, &i), PT_OK);
    assert_int_equal(i, 2);
    assert_int_equal(pt_hf_edit(&copy, c, "copy"), PT_OK);
    assert_int_equal(pt_hf_set_int(copy, "a.inside", 7), PT_OK); /* an odd value gives way like any other that is no object */
    assert_int_equal(pt_hf_set_int(copy, "twice", 3), PT_OK);
    assert_int_equal(pt_hf_write(copy, scratch_dir, "odd.json"), PT_OK);
    assert_int_equal(pt_file_read(&back, NULL, scratch_path("odd.json"), 4096), PT_OK);
    assert_non_null(strstr(back, "-Infinity,"));
    assert_non_null(strstr(back, "\"\\ud800\""));
    assert_non_null(strstr(back, "\"model_max_length\": 1e30"));
    assert_non_null(strstr(back, "\"inside\": 7"));
    free(back);
    pt_hf_close(copy);
    pt_hf_close(c);
}

static int live, until;
static void *counted_alloc(size_t n)
{
    if (until-- <= 0) return NULL;
    live++;
    return malloc(n);
}
static void counted_free(void *p)
{
    live -= p != NULL;
    free(p);
}

/* Memory ends at every allocation of every edit: a status, no leak, no broken list. */
static void memory_ends(void **state)
{
    static const int64_t ids[] = {1, 2, 3};
    static const char *const names[] = {"x", "y"};
    json_set_alloc_funcs(counted_alloc, counted_free);
    int failed = 0, done = 0;
    for (int n = 0; n < 40; n++) {
        pt_hf *c = NULL;
        live = 0, until = n;
        pt_status rc = pt_hf_edit(&c, NULL, "new");
        if (rc == PT_OK) rc = pt_hf_set_int(c, "a.b.c", 1);
        if (rc == PT_OK) rc = pt_hf_set_text(c, "a.b.d", "text");
        if (rc == PT_OK) rc = pt_hf_set_ints(c, "a.e.f", ids, 3);
        if (rc == PT_OK) rc = pt_hf_set_texts(c, "a.g.h", names, 2);
        failed += rc != PT_OK;
        done += rc == PT_OK;
        pt_hf_close(c);
        assert_int_equal(live, 0);
    }
    json_set_alloc_funcs(malloc, free);
    assert_true(failed > 10 && done > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(odd_values),
        cmocka_unit_test(memory_ends),
        cmocka_unit_test(values),
        cmocka_unit_test(wrong_values),
        cmocka_unit_test(edits),
        cmocka_unit_test(folders),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
