/* A pack as a file. Schema 1, inside the container of pack_file.c (an HDF5 file; h5dump reads it). R records, S sequences (S =
 * R, or 2R for pairs: 2r is chosen, 2r + 1 rejected), T tokens. Every data set is one-dimensional, chunked, shuffle + deflate 1
 * + fletcher32. attributes of /   schema = 1, fingerprint, tokenizer, template (uint64, fingerprints), pairs (0 or 1) /meta
 * uint8   JSON text: made_from (everything that decides the content), sources [{path, type, bytes, sha256}], roles [name],
 * profiles {role: system text} or null, report {...} /tokens           int32   [T] /weights          float32 [T]  loss weight
 * of predicting the token; 0 = context /seq_start        int64   [S + 1]  0, ascending, T /end              int32   [S]  index
 * of the answer's end token in its sequence, -1 = cut off /prefix_len /role /source int32 [R]; /prefix_id /prompt_id uint64
 * [R]; /line int64 [R]; /weight /margin float32 [R]; /validation uint8 [R] Opening checks every length, index and number. A
 * pack is written once and never changed. */
#include <hdf5.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "data/pack/pack_data.h"

static const struct {
    const char *name;
    pt_h5_type type;
    size_t at;
} columns[] = {
    {"prefix_len", PT_H5_I32, offsetof(pt_pack_row, prefix_len)}, {"role", PT_H5_I32, offsetof(pt_pack_row, role)},
    {"source", PT_H5_I32, offsetof(pt_pack_row, source)},         {"prefix_id", PT_H5_U64, offsetof(pt_pack_row, prefix_id)},
    {"prompt_id", PT_H5_U64, offsetof(pt_pack_row, prompt_id)},   {"line", PT_H5_I64, offsetof(pt_pack_row, line)},
    {"weight", PT_H5_F32, offsetof(pt_pack_row, weight)},         {"margin", PT_H5_F32, offsetof(pt_pack_row, margin)},
    {"validation", PT_H5_U8, offsetof(pt_pack_row, validation)}};

static pt_status write_rows(const pt_pack *p, pt_h5 *file)
{
    pt_status rc = PT_OK;
    char *column = NULL;
    int32_t *ends = NULL;
    PT_TRY(pt_calloc(&column, p->n_rows, 8));
    PT_TRY(pt_alloc0(&ends, p->n_seqs));
    for (size_t c = 0; c < sizeof columns / sizeof *columns; c++) {
        size_t w = pt_h5_size(columns[c].type);
        for (size_t i = 0; i < p->n_rows; i++) memcpy(column + i * w, (const char *)&p->rows[i] + columns[c].at, w);
        PT_TRY(pt_h5_write(file, columns[c].name, columns[c].type, column, p->n_rows));
    }
    for (size_t s = 0; s < p->n_seqs; s++) ends[s] = p->rows[p->pairs ? s / 2 : s].end[p->pairs ? s % 2 : 0];
    PT_TRY(pt_h5_write(file, "end", PT_H5_I32, ends, p->n_seqs));
done:
    free(ends);
    free(column);
    return rc;
}

static uint64_t meta_hex(const json_t *meta, const char *key)
{
    const char *s = json_string_value(json_object_get(meta, key));
    return s ? strtoull(s, NULL, 16) : 0;
}

static pt_status write_all(const pt_pack *p, pt_h5 *file)
{
    pt_status rc = PT_OK;
    char *meta = json_dumps(p->meta, JSON_COMPACT);
    PT_CHECK(meta, PT_ENOMEM, "out of memory");
    PT_TRY(pt_h5_set_attr(file, "schema", PT_PACK_SCHEMA));
    PT_TRY(pt_h5_set_attr(file, "fingerprint", p->fingerprint));
    PT_TRY(pt_h5_set_attr(file, "tokenizer", meta_hex(p->meta, "tokenizer")));
    PT_TRY(pt_h5_set_attr(file, "template", meta_hex(p->meta, "template")));
    PT_TRY(pt_h5_set_attr(file, "pairs", p->pairs));
    PT_TRY(pt_h5_write(file, "meta", PT_H5_U8, meta, strlen(meta)));
    PT_TRY(pt_h5_write(file, "tokens", PT_H5_I32, p->ids, p->n_tokens));
    PT_TRY(pt_h5_write(file, "weights", PT_H5_F32, p->weight, p->n_tokens));
    PT_TRY(pt_h5_write(file, "seq_start", PT_H5_I64, p->seq_start, p->n_seqs + 1));
    PT_TRY(write_rows(p, file));
done:
    free(meta);
    return rc;
}

pt_status pt_pack_write(pt_pack *p, const char *path)
{
    pt_status rc = PT_OK;
    pt_h5 *file = NULL;
    bool thin = true;
    for (int deflate = 1; deflate >= 0 && thin; deflate--) {
        PT_TRY(pt_h5_begin(&file, deflate));
        PT_TRY(write_all(p, file));
        PT_TRY(pt_h5_commit(file, path, &thin));
        pt_h5_close(file);
        file = NULL;
    }
    free(p->path);
    PT_TRY(pt_strdup(&p->path, path));
done:
    pt_h5_close(file);
    return rc;
}

static pt_status read_names(const json_t *list, const char *what, const char *key, char ***names, size_t *cap, size_t *n)
{
    size_t i;
    json_t *v;
    if (!json_is_array(list)) return pt_fail(PT_EFORMAT, "meta: no list '%s'", what);
    json_array_foreach(list, i, v)
    {
        const char *s = json_string_value(key ? json_object_get(v, key) : v);
        if (!s) return pt_fail(PT_EFORMAT, "meta: entry %zu of '%s' is no name", i, what);
        PT_RETURN(pt_reserve(names, cap, *n + 1));
        PT_RETURN(pt_strdup(&(*names)[*n], s));
        (*n)++;
    }
    return PT_OK;
}

static pt_status read_meta(pt_pack *p, pt_h5 *file)
{
    pt_status rc = PT_OK;
    char *text = NULL;
    size_t n;
    PT_TRY(pt_h5_count(file, "meta", PT_H5_U8, &n));
    PT_TRY(pt_calloc(&text, n, 1));
    PT_TRY(pt_h5_read(file, "meta", PT_H5_U8, text, n));
    PT_TRY(pt_json_parse(&p->meta, text, n, "meta", PT_JSON_OBJECT | PT_JSON_OWN));
    PT_CHECK(json_is_string(json_object_get(p->meta, "made_from")), PT_EFORMAT, "meta: no 'made_from'");
    PT_TRY(read_names(json_object_get(p->meta, "roles"), "roles", NULL, &p->roles, &p->roles_cap, &p->n_roles));
    PT_TRY(read_names(json_object_get(p->meta, "sources"), "sources", "path", &p->sources, &p->sources_cap, &p->n_sources));
done:
    free(text);
    return rc;
}

static pt_status read_rows(pt_pack *p, pt_h5 *file)
{
    pt_status rc = PT_OK;
    char *column = NULL;
    int32_t *ends = NULL;
    size_t per = p->pairs ? 2 : 1;
    PT_TRY(pt_h5_count(file, columns[0].name, columns[0].type, &p->n_rows));
    PT_CHECK(p->n_rows && p->n_rows * per == p->n_seqs, PT_EFORMAT, "%zu records for %zu sequences", p->n_rows, p->n_seqs);
    PT_TRY(pt_alloc0(&p->rows, p->n_rows));
    PT_TRY(pt_calloc(&column, p->n_rows, 8));
    PT_TRY(pt_alloc0(&ends, p->n_seqs));
    for (size_t c = 0; c < sizeof columns / sizeof *columns; c++) {
        size_t w = pt_h5_size(columns[c].type);
        PT_TRY(pt_h5_read(file, columns[c].name, columns[c].type, column, p->n_rows));
        for (size_t i = 0; i < p->n_rows; i++) memcpy((char *)&p->rows[i] + columns[c].at, column + i * w, w);
    }
    PT_TRY(pt_h5_read(file, "end", PT_H5_I32, ends, p->n_seqs));
    for (size_t i = 0; i < p->n_rows; i++) {
        p->rows[i].end[0] = ends[i * per];
        p->rows[i].end[1] = per == 2 ? ends[i * 2 + 1] : -1;
    }
done:
    free(ends);
    free(column);
    return rc;
}

static pt_status check_tokens(const pt_pack *p)
{
    if (p->seq_start[0] != 0 || p->seq_start[p->n_seqs] != (int64_t)p->n_tokens)
        return pt_fail(PT_EFORMAT, "seq_start does not span the tokens");
    for (size_t s = 0; s < p->n_seqs; s++)
        if (p->seq_start[s + 1] <= p->seq_start[s] || p->seq_start[s + 1] - p->seq_start[s] > INT32_MAX)
            return pt_fail(PT_EFORMAT, "seq_start is not ascending at sequence %zu", s);
    for (size_t t = 0; t < p->n_tokens; t++) {
        if (p->ids[t] < 0) return pt_fail(PT_EFORMAT, "id %d at token %zu", p->ids[t], t);
        if (!(p->weight[t] >= 0) || !isfinite(p->weight[t]))
            return pt_fail(PT_EFORMAT, "weight %g at token %zu", (double)p->weight[t], t);
    }
    return PT_OK;
}

static pt_status check_row(const pt_pack *p, size_t i)
{
    const pt_pack_row *r = &p->rows[i];
    size_t s = p->pairs ? 2 * i : i;
    int32_t n = pt_pack_seq_len(p, s), n2 = p->pairs ? pt_pack_seq_len(p, s + 1) : 0;
    int32_t least = p->pairs && n2 < n ? n2 : n;
    bool good = r->prefix_len >= 0 && r->prefix_len <= least && r->role >= -1 && r->role < (int32_t)p->n_roles &&
                r->source >= 0 && r->source < (int32_t)p->n_sources && r->validation <= 1 && r->line >= 0 && r->weight >= 0 &&
                isfinite(r->weight) && isfinite(r->margin) && r->end[0] >= -1 && r->end[0] < n && r->end[1] >= -1 &&
                r->end[1] < (p->pairs ? n2 : 1);
    if (!good) return pt_fail(PT_EFORMAT, "record %zu is out of range", i);
    if (p->pairs && memcmp(p->ids + p->seq_start[s], p->ids + p->seq_start[s + 1], (size_t)r->prefix_len * sizeof *p->ids))
        return pt_fail(PT_EFORMAT, "record %zu: the sides do not share %d tokens", i, r->prefix_len);
    return PT_OK;
}

static pt_status read_all(pt_pack *p, pt_h5 *file)
{
    uint64_t schema, pairs;
    size_t starts;
    PT_RETURN(pt_h5_get_attr(file, "schema", &schema));
    if (schema != PT_PACK_SCHEMA)
        return pt_fail(PT_EFORMAT, "schema %llu, this program reads %d", (unsigned long long)schema, PT_PACK_SCHEMA);
    PT_RETURN(pt_h5_get_attr(file, "fingerprint", &p->fingerprint));
    PT_RETURN(pt_h5_get_attr(file, "pairs", &pairs));
    if (pairs > 1) return pt_fail(PT_EFORMAT, "attribute 'pairs' is %llu", (unsigned long long)pairs);
    p->pairs = pairs;
    PT_RETURN(read_meta(p, file));
    PT_RETURN(pt_h5_count(file, "tokens", PT_H5_I32, &p->n_tokens));
    PT_RETURN(pt_h5_count(file, "seq_start", PT_H5_I64, &starts));
    if (!starts || !p->n_tokens) return pt_fail(PT_EFORMAT, "no sequences");
    p->n_seqs = starts - 1;
    PT_RETURN(pt_alloc0(&p->ids, p->n_tokens));
    PT_RETURN(pt_alloc0(&p->weight, p->n_tokens));
    PT_RETURN(pt_alloc0(&p->seq_start, starts));
    PT_RETURN(pt_h5_read(file, "tokens", PT_H5_I32, p->ids, p->n_tokens));
    PT_RETURN(pt_h5_read(file, "weights", PT_H5_F32, p->weight, p->n_tokens));
    PT_RETURN(pt_h5_read(file, "seq_start", PT_H5_I64, p->seq_start, starts));
    PT_RETURN(read_rows(p, file));
    PT_RETURN(check_tokens(p));
    for (size_t i = 0; i < p->n_rows; i++) PT_RETURN(check_row(p, i));
    return PT_OK;
}

pt_status pt_pack_open(pt_pack **out, const char *path)
{
    pt_status rc = PT_OK;
    pt_pack *p = NULL;
    pt_h5 *file = NULL;
    *out = NULL;
    PT_TRY(pt_alloc0(&p, 1));
    PT_TRY(pt_strdup(&p->path, path));
    PT_TRY(pt_h5_open(&file, path));
    rc = read_all(p, file);
    if (rc != PT_OK) rc = pt_fail_prefix(rc, "pack %s", path);
done:
    pt_h5_close(file);
    if (rc == PT_OK)
        *out = p;
    else
        pt_pack_free(p);
    return rc;
}
