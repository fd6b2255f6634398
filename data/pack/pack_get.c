/* Reading a pack that is in memory, and the reference log-probabilities beside it. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "data/pack/pack_data.h"

#define REFERENCE "answer." PT_COLUMN_REFERENCE

void pt_pack_free(pt_pack *p)
{
    if (!p) return;
    for (size_t i = 0; i < p->n_roles; i++) free(p->roles[i]);
    for (size_t i = 0; i < p->n_sources; i++) free(p->sources[i]);
    free(p->roles);
    free(p->sources);
    free(p->set_of);
    free(p->ids);
    pt_pack_weights_free(&p->weights);
    free(p->imitate);
    pt_targets_free(&p->teacher);
    free(p->seq_start);
    free(p->end);
    free(p->record_start);
    free(p->rows);
    pt_pack_columns_free(p);
    json_decref(p->meta);
    free(p->path);
    free(p);
}

const char *pt_pack_path(const pt_pack *p)
{
    return p->path;
}

uint64_t pt_pack_fingerprint(const pt_pack *p)
{
    return p->fingerprint;
}

int64_t pt_pack_count(const pt_pack *p)
{
    return (int64_t)p->n_rows;
}

int64_t pt_pack_count_answers(const pt_pack *p)
{
    return (int64_t)p->n_seqs;
}

void pt_pack_answers(const pt_pack *p, int32_t *least, int32_t *most)
{
    *least = INT32_MAX;
    *most = 0;
    for (size_t i = 0; i < p->n_rows; i++) {
        int32_t n = (int32_t)pt_pack_n_answers(p, i);
        if (n < *least) *least = n;
        if (n > *most) *most = n;
    }
}

void pt_pack_holds(const pt_pack *p, char text[64])
{
    int32_t least, most;
    pt_pack_answers(p, &least, &most);
    if (p->parts || (least == most && most <= 2))
        snprintf(text, 64, "%s", !p->parts && most == 2 ? "pairs" : "sequences");
    else if (least == most)
        snprintf(text, 64, "records of %d answers", most);
    else
        snprintf(text, 64, "records of %d to %d answers", least, most);
}

pt_status pt_pack_get(const pt_pack *p, int64_t i, pt_packed *out)
{
    if (i < 0 || i >= (int64_t)p->n_rows)
        return pt_fail(PT_EARG, "sample %lld; the pack has %zu (0 to %zu)", (long long)i, p->n_rows, p->n_rows - 1);
    const pt_pack_row *r = &p->rows[i];
    *out = (pt_packed){.record = i,
                       .first = p->record_start[i],
                       .n_answers = (int32_t)pt_pack_n_answers(p, (size_t)i),
                       .prefix_len = r->prefix_len,
                       .prefix_id = r->prefix_id,
                       .role = r->role,
                       .validation = r->validation,
                       .source = r->source,
                       .line = r->line};
    return PT_OK;
}

pt_packed_answer pt_pack_answer(const pt_pack *p, const pt_packed *rec, int32_t k)
{
    size_t s = (size_t)rec->first + (size_t)k;
    return (pt_packed_answer){.ids = p->ids + p->seq_start[s],
                              .weight = pt_pack_weights_at(&p->weights, (size_t)p->seq_start[s]),
                              .imitate = p->imitate ? p->imitate + p->seq_start[s] : NULL,
                              .teacher_start = p->teacher.n_tokens ? p->teacher.start + p->seq_start[s] : NULL,
                              .teacher_id = p->teacher.id,
                              .teacher_p = p->teacher.p,
                              .n = pt_pack_seq_len(p, s),
                              .end = p->end[s]};
}

float pt_pack_value(const pt_pack *p, const char *column, const pt_packed *rec, int32_t k)
{
    const pt_pack_column *c = pt_pack_column_find(p, column);
    return c ? c->value[c->of_answers ? rec->first + k : rec->record] : pt_column_otherwise(column);
}

const char *pt_pack_role(const pt_pack *p, int32_t role)
{
    return role >= 0 && role < (int32_t)p->n_roles ? p->roles[role] : NULL;
}

const char *pt_pack_source(const pt_pack *p, int32_t source)
{
    return source >= 0 && source < (int32_t)p->n_sources ? p->sources[source] : NULL;
}

int32_t pt_pack_set(const pt_pack *p, int32_t source)
{
    return p->set_of[source];
}

size_t pt_pack_sets(const pt_pack *p)
{
    return p->n_sets;
}

pt_status pt_pack_source_add(pt_pack *p, const char *path, int32_t set)
{
    PT_RETURN(pt_reserve(&p->sources, &p->sources_cap, p->n_sources + 1));
    PT_RETURN(pt_reserve(&p->set_of, &p->set_of_cap, p->n_sources + 1));
    PT_RETURN(pt_strdup(&p->sources[p->n_sources], path));
    p->set_of[p->n_sources++] = set;
    if ((size_t)set >= p->n_sets) p->n_sets = (size_t)set + 1;
    return PT_OK;
}

pt_status pt_pack_profiles(const pt_pack *p, char **json)
{
    json_t *v = json_object_get(p->meta, "profiles");
    *json = NULL;
    if (!json_object_size(v)) return PT_OK;
    *json = json_dumps(v, JSON_INDENT(1));
    return *json ? PT_OK : pt_fail(PT_ENOMEM, "out of memory");
}

static pt_status ref_path(const pt_pack *p, uint64_t key, char **out)
{
    size_t n = strlen(p->path);
    if (n > 3 && !strcmp(p->path + n - 3, ".h5")) n -= 3;
    return pt_asprintf(out, "%.*s-ref-%016llx.h5", (int)n, p->path, (unsigned long long)key);
}

static pt_status keep_ref(pt_pack *p, uint64_t key, const float *reference)
{
    pt_pack_column *c;
    PT_RETURN(pt_pack_column_make(p, PT_COLUMN_REFERENCE, true, &c));
    memcpy(c->value, reference, p->n_seqs * sizeof *reference);
    p->ref_key = key;
    p->has_ref = true;
    return PT_OK;
}

pt_status pt_pack_store_reference(pt_pack *p, uint64_t key, const float *reference)
{
    pt_status rc = PT_OK;
    char *path = NULL;
    pt_h5 *file = NULL;
    bool thin;
    for (size_t s = 0; s < p->n_seqs; s++)
        PT_CHECK(isfinite(reference[s]), PT_ENONFINITE, "reference log-probability of answer %zu is not finite", s);
    PT_TRY(ref_path(p, key, &path));
    PT_TRY(pt_h5_begin(&file, false));
    PT_TRY(pt_h5_set_attr(file, "schema", PT_PACK_SCHEMA));
    PT_TRY(pt_h5_set_attr(file, "fingerprint", p->fingerprint));
    PT_TRY(pt_h5_set_attr(file, "key", key));
    PT_TRY(pt_h5_write(file, REFERENCE, PT_H5_F32, reference, p->n_seqs));
    PT_TRY(pt_h5_commit(file, path, &thin));
    PT_TRY(keep_ref(p, key, reference));
done:
    pt_h5_close(file);
    free(path);
    return rc;
}

static pt_status load_ref(pt_pack *p, uint64_t key, const char *path)
{
    pt_status rc = PT_OK;
    pt_h5 *file = NULL;
    uint64_t v;
    float *all = NULL;
    PT_TRY(pt_h5_open(&file, path));
    PT_TRY(pt_h5_get_attr(file, "schema", &v));
    PT_CHECK(v == PT_PACK_SCHEMA, PT_EFORMAT, "it has schema %llu, of another version of ptrain; this one reads %d", (unsigned long long)v, PT_PACK_SCHEMA);
    PT_TRY(pt_h5_get_attr(file, "fingerprint", &v));
    PT_CHECK(v == p->fingerprint, PT_EFORMAT, "made for another pack");
    PT_TRY(pt_h5_get_attr(file, "key", &v));
    PT_CHECK(v == key, PT_EFORMAT, "made by another reference");
    PT_TRY(pt_alloc0(&all, p->n_seqs));
    PT_TRY(pt_h5_read(file, REFERENCE, PT_H5_F32, all, p->n_seqs));
    for (size_t s = 0; s < p->n_seqs; s++) PT_CHECK(isfinite(all[s]), PT_EFORMAT, "answer %zu is not finite", s);
    PT_TRY(keep_ref(p, key, all));
done:
    pt_h5_close(file);
    free(all);
    return rc;
}

bool pt_pack_has_reference(const pt_pack *p, uint64_t key)
{
    char *path;
    if (p->has_ref && p->ref_key == key) return true;
    if (ref_path(p, key, &path) != PT_OK) return false;
    bool there = pt_file_exists(path), good = there && load_ref((pt_pack *)p, key, path) == PT_OK;
    if (there && !good) pt_log(PT_LOG_WARN, "reference log-probabilities %s are made again: %s", path, pt_err_msg());
    free(path);
    return good;
}
