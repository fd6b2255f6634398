/* How long a tokenizer takes to be made of its file and to encode a text, beside which tokenizer_bench.py puts Hugging Face's.
 *
 *   tokenizer_bench TOKENIZER TEXT whole|lines|load TURNS [IDS]
 *
 * Prints the best of TURNS as JSON: seconds to open, seconds to encode (the text as one, or line by line with the line end, one thread), tokens.
 * IDS: the ids are written there (int32, little endian), to be compared. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/threads.h"
#include "data/text/tokenizer.h"

static pt_status encode(const pt_tokenizer *t, const char *text, size_t n, bool lines, pt_ids *out)
{
    out->n = 0;
    while (n) {
        const char *end = lines ? memchr(text, '\n', n) : NULL;
        size_t k = end ? (size_t)(end - text) + 1 : n;
        PT_RETURN(pt_tok_encode(t, text, k, true, true, out));
        text += k;
        n -= k;
    }
    return PT_OK;
}

static pt_status run(char **arg, int turns)
{
    pt_status rc = PT_OK;
    pt_tokenizer *t = NULL;
    pt_ids ids = {0};
    char *text = NULL;
    size_t n = 0;
    double load = 1e9, encoded = 1e9;
    bool nothing = !strcmp(arg[3], "load");
    PT_TRY(pt_file_read(&text, &n, arg[2], (size_t)1 << 30));
    for (int i = 0; i < turns; i++) {
        pt_tok_free(t);
        t = NULL;
        double from = pt_seconds();
        PT_TRY(pt_tok_open(&t, arg[1]));
        double at = pt_seconds() - from;
        load = at < load ? at : load;
        if (nothing) continue;
        from = pt_seconds();
        PT_TRY(encode(t, text, n, !strcmp(arg[3], "lines"), &ids));
        at = pt_seconds() - from;
        encoded = at < encoded ? at : encoded;
    }
    printf("{\"load\": %.4f, \"encode\": %.4f, \"tokens\": %zu, \"mib\": %.0f}\n", load, nothing ? 0 : encoded, ids.n, (double)pt_rss_peak() / (1 << 20));
    if (arg[5]) {
        FILE *f = fopen(arg[5], "wb");
        bool good = f && fwrite(ids.ids, sizeof *ids.ids, ids.n, f) == ids.n;
        if (f && fclose(f)) good = false;
        PT_CHECK(good, PT_EIO, "cannot write %s", arg[5]);
    }
done:
    free(ids.ids);
    free(text);
    pt_tok_free(t);
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
    char *arg[7] = {0};
    int turns = argc > 4 ? count_of(argv[4], 1000000) : 0;
    if (argc < 5 || argc > 6 || turns < 1) return fprintf(stderr, "usage: tokenizer_bench TOKENIZER TEXT whole|lines|load TURNS [IDS]\n"), 2;
    memcpy(arg, argv, (size_t)argc * sizeof *argv);
    if (run(arg, turns) == PT_OK) return 0;
    fprintf(stderr, "%s\n", pt_err_msg());
    return 1;
}
