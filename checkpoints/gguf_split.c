/* A model split over several GGUF files, as llama-gguf-split writes and llama.cpp reads them: NAME-00001-of-0000N.gguf and so on, each with split.no
 * (from 0), split.count and split.tensors.count (of all files). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checkpoints/gguf_impl.h"

static pt_status numbered(char **out, const char *path, size_t stem, size_t i, size_t n)
{
    return pt_asprintf(out, "%.*s-%05zu-of-%05zu.gguf", (int)stem, path, i + 1, n);
}

pt_status pt_gguf_part_path(char **out, const char *path, size_t i, size_t n)
{
    size_t len = strlen(path);
    return numbered(out, path, len > 5 && !strcmp(path + len - 5, ".gguf") ? len - 5 : len, i, n);
}

/* Length of the path before "-00001-of-00003.gguf"; 0: it is called otherwise. */
static size_t stem_of(const char *path, size_t i, size_t n)
{
    char end[64];
    size_t len = strlen(path), k = (size_t)snprintf(end, sizeof end, "-%05zu-of-%05zu.gguf", i + 1, n);
    return len > k && !strcmp(path + len - k, end) ? len - k : 0;
}

static pt_status check_part(const pt_gguf *p, size_t i, size_t n)
{
    int64_t no, count;
    PT_RETURN(pt_gguf_int(p, "split.no", 0, UINT16_MAX, &no));
    PT_RETURN(pt_gguf_int(p, "split.count", 0, UINT16_MAX, &count));
    if ((size_t)no == i && (size_t)count == n) return PT_OK;
    return pt_fail(PT_EFORMAT, "%s says that it is part %lld of %lld of a split model; part %zu of %zu is asked for", p->path, (long long)no + 1,
                   (long long)count, i + 1, n);
}

static pt_status open_part(pt_gguf *g, size_t stem, size_t i, size_t n, pt_status (*open_file)(pt_gguf **, const char *))
{
    pt_status rc = PT_OK;
    char *path = NULL;
    PT_TRY(numbered(&path, g->path, stem, i, n));
    PT_CHECK(pt_file_given(path), PT_EIO, "%s: part %zu of %zu is missing: %s", g->path, i + 1, n, path);
    PT_TRY(open_file(&g->parts[g->n_parts], path));
    g->n_parts++;
    PT_TRY(check_part(g->parts[g->n_parts - 1], i, n));
done:
    free(path);
    return rc;
}

/* The tensors of the parts behind the file's own. */
static pt_status list_all(pt_gguf *g)
{
    size_t all = g->n_own;
    int64_t stated;
    for (size_t i = 0; i < g->n_parts; i++) all += g->parts[i]->n_tensors;
    if (pt_gguf_find(g, "split.tensors.count")) {
        PT_RETURN(pt_gguf_int(g, "split.tensors.count", 0, INT32_MAX, &stated));
        if ((size_t)stated != all)
            return pt_fail(PT_EFORMAT, "%s: the split model has %lld tensors, its %zu files hold %zu", g->path, (long long)stated, g->n_parts + 1, all);
    }
    if (all > UINT32_MAX) return pt_fail(PT_EFORMAT, "%s: %zu tensors", g->path, all);
    size_t cap = g->n_own, order = g->n_own;
    PT_RETURN(pt_reserve(&g->tensors, &cap, all));
    PT_RETURN(pt_reserve(&g->tensor_order, &order, all));
    for (size_t i = 0; i < g->n_parts; i++)
        for (size_t k = 0; k < g->parts[i]->n_tensors; k++) g->tensors[g->n_tensors++] = g->parts[i]->tensors[k];
    return pt_gguf_sort_tensors(g);
}

pt_status pt_gguf_open_parts(pt_gguf *g, pt_status (*open_file)(pt_gguf **, const char *))
{
    int64_t n = 0, no = 0;
    if (pt_gguf_find(g, "split.count")) PT_RETURN(pt_gguf_int(g, "split.count", 0, UINT16_MAX, &n));
    if (n < 2) return PT_OK;
    PT_RETURN(pt_gguf_int(g, "split.no", 0, UINT16_MAX, &no));
    if (no > 0)
        return pt_fail(PT_EARG, "%s is part %lld of %lld of a split model: name its first file (...-00001-of-%05lld.gguf)", g->path, (long long)no + 1,
                       (long long)n, (long long)n);
    size_t stem = stem_of(g->path, 0, (size_t)n);
    if (!stem)
        return pt_fail(PT_EFORMAT, "%s: the first of %lld files of a split model; its name must end in -00001-of-%05lld.gguf, so that the others are found",
                       g->path, (long long)n, (long long)n);
    PT_RETURN(pt_alloc0(&g->parts, (size_t)n - 1));
    for (size_t i = 1; i < (size_t)n; i++) PT_RETURN(open_part(g, stem, i, (size_t)n, open_file));
    return list_all(g);
}
