/* The tokenizer of a GGUF file alone, whatever its architecture. */
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "train/model/source_impl.h"

pt_status pt_source_vocabulary(const char *gguf_path, pt_tokenizer **out)
{
    pt_gguf *g = NULL;
    *out = NULL;
    PT_RETURN(pt_gguf_open(&g, gguf_path));
    pt_status rc = pt_gguf_tokenizer(g, out);
    pt_gguf_close(g);
    return rc;
}

bool pt_source_names_gguf(const char *path)
{
    size_t n = strlen(path);
    char magic[4] = {0};
    if (n > 5 && !strcmp(path + n - 5, ".gguf")) return true;
    FILE *f = pt_file_exists(path) ? fopen(path, "rb") : NULL;
    if (!f) return false;
    n = fread(magic, 1, sizeof magic, f);
    fclose(f);
    return n == sizeof magic && !memcmp(magic, "GGUF", sizeof magic);
}

pt_status pt_source_tokenizer_at(pt_tokenizer **out, const char *path)
{
    return pt_source_names_gguf(path) ? pt_source_vocabulary(path, out) : pt_tok_open(out, path);
}
