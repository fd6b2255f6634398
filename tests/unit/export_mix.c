/* train/export/mix.h against what llama.cpp's quantiser chooses: tests/golden/data/mixes.txt, made by tests/golden/mixes.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "train/export/mix.h"

typedef struct place { /* in the golden file */
    pt_mix_model m;
    char arch[32];
    long long cols;
    int line, matrices;
} place;

static pt_dtype type_of(char letter)
{
    static const struct { char c; pt_dtype t; } all[] = {{'F', PT_F32},  {'H', PT_F16},  {'B', PT_BF16}, {'a', PT_Q4_0}, {'b', PT_Q4_1},   {'c', PT_Q5_0},   {'d', PT_Q5_1},  {'8', PT_Q8_0},
                                                         {'2', PT_Q2_K}, {'3', PT_Q3_K}, {'4', PT_Q4_K}, {'5', PT_Q5_K}, {'6', PT_Q6_K}, {'n', PT_IQ4_NL}, {'x', PT_IQ4_XS}, {'s', PT_IQ3_S}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i].c == letter) return all[i].t;
    fail_msg("letter %c", letter);
    return PT_F32;
}

static void check(place *p, const pt_mix *mix, pt_mix_walk *walk, const char *name, char letter)
{
    pt_dtype got = pt_mix_type(mix, &p->m, walk, name, p->cols), want = type_of(letter);
    if (got != want)
        fail_msg("line %d: %s of %s %d layers, %s, %s importances: %s instead of %s", p->line, name, p->arch, p->m.layers, pt_mix_name(mix),
                 p->m.imatrix ? "with" : "without", pt_dtype_get(got)->name, pt_dtype_get(want)->name);
    p->matrices++;
}

/* The words of a line: pairs of a tensor's name and its types. Layers are walked as an export does, all tensors of one, then the next. */
static void check_mix(place *p, const pt_mix *mix, char **word, int n)
{
    pt_mix_walk walk = {0};
    char name[64];
    for (int layer = -1; layer < p->m.layers; layer++)
        for (int k = 0; k + 1 < n; k += 2) {
            bool outer = strstr(word[k], "token_embd") || strstr(word[k], "position_embd") || !strcmp(word[k], "output");
            if (outer != (layer < 0)) continue;
            if (outer) snprintf(name, sizeof name, "%s.weight", word[k]);
            else snprintf(name, sizeof name, "blk.%d.%s.weight", layer, word[k]);
            check(p, mix, &walk, name, word[k + 1][word[k + 1][1] ? layer : 0]);
        }
}

static void equals_llama_quantize(void **state)
{
    char *text, *save = NULL;
    size_t bytes;
    place p = {0};
    assert_int_equal(pt_file_read(&text, &bytes, "tests/golden/data/mixes.txt", 1 << 20), PT_OK);
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        char *word[40], *more = NULL;
        int n = 0;
        p.line++;
        for (char *w = strtok_r(line, " ", &more); w && n < 40; w = strtok_r(NULL, " ", &more)) word[n++] = w;
        if (!strcmp(word[0], "model")) {
            assert_int_equal(n, 7);
            snprintf(p.arch, sizeof p.arch, "%s", word[1]);
            p.m = (pt_mix_model){.family = pt_family_by_gguf(p.arch, strlen(p.arch)), .layers = atoi(word[2]), .heads = atoi(word[3]), .kv_heads = atoi(word[4]), .tied = atoi(word[5]) != 0};
            p.cols = atoll(word[6]);
            assert_non_null(p.m.family);
            continue;
        }
        const pt_mix *mix = pt_mix_find(word[0]);
        assert_non_null(mix);
        for (int i = 0; i < 2; i++) {
            if (word[1][0] == (i ? '-' : 'i')) continue;
            p.m.imatrix = i;
            check_mix(&p, mix, word + 2, n - 2);
        }
    }
    assert_true(p.matrices > 200000);
    free(text);
}

static void names(void **state)
{
    char all[PT_MIX_NAMES];
    assert_ptr_equal(pt_mix_find("q4_k"), pt_mix_find("Q4_K_M"));
    assert_ptr_equal(pt_mix_find("Q3_K"), pt_mix_find("q3_k_m"));
    assert_null(pt_mix_find("q4_k_xl"));
    assert_int_equal(pt_mix_file_type(pt_mix_find("Q5_K_M")), 17);
    assert_string_equal(pt_mix_name(pt_mix_larger(pt_mix_find("q2_k"))), "Q4_K_M");
    assert_string_equal(pt_mix_name(pt_mix_larger(pt_mix_find("q4_k_m"))), "Q6_K");
    assert_string_equal(pt_mix_name(pt_mix_larger(pt_mix_find("q5_1"))), "Q6_K");
    assert_string_equal(pt_mix_name(pt_mix_larger(pt_mix_find("q6_k"))), "Q8_0");
    assert_null(pt_mix_larger(pt_mix_find("q8_0")));
    assert_string_equal(strrchr(pt_mix_names(all), ' '), " F32"); /* none is cut off */
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(equals_llama_quantize), cmocka_unit_test(names)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
