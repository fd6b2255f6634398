/* Reading a pack that is in memory, and the reference log-probabilities beside it. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "data/pack/pack_data.h"

void pt_pack_free(pt_pack *p)
{
    if (!p) return;
    for (size_t i = 0; i < p->n_roles; i++) free(p->roles[i]);
    for (size_t i = 0; i < p->n_sources; i++) free(p->sources[i]);
    free(p->roles);
    free(p->sources);
    free(p->ids);
    free(p->weight);
    free(p->seq_start);
    free(p->rows);
    free(p->ref[0]);
    free(p->ref[1]);
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

bool pt_pack_pairs(const pt_pack *p)
{
    return p->pairs;
}

int64_t pt_pack_count(const pt_pack *p)
{
    return (int64_t)p->n_rows;
}

pt_status pt_pack_get(const pt_pack *p, int64_t i, pt_packed *out)
{
    if (i < 0 || i >= (int64_t)p->n_rows)
        return pt_fail(PT_EARG, "sample %lld; the pack has %zu (0 to %zu)", (long long)i, p->n_rows, p->n_rows - 1);
    const pt_pack_row *r = &p->rows[i];
    size_t s = (size_t)i * (p->pairs ? 2 : 1);
    *out = (pt_packed){.ids = p->ids + p->seq_start[s],
                       .weight = p->weight + p->seq_start[s],
                       .n = pt_pack_seq_len(p, s),
                       .prefix_len = r->prefix_len,
                       .prefix_id = r->prefix_id,
                       .record_weight = r->weight,
                       .margin = r->margin,
                       .role = r->role,
                       .end_index = r->end[0],
                       .end_index2 = r->end[1],
                       .validation = r->validation,
                       .source = r->source,
                       .line = r->line,
                       .ref_logp = p->ref[0] ? p->ref[0][i] : NAN,
                       .ref_logp2 = p->ref[1] ? p->ref[1][i] : NAN};
    if (p->pairs) {
        out->ids2 = p->ids + p->seq_start[s + 1];
        out->weight2 = p->weight + p->seq_start[s + 1];
        out->n2 = pt_pack_seq_len(p, s + 1);
    }
    return PT_OK;
}

const char *pt_pack_role(const pt_pack *p, int32_t role)
{
    return role >= 0 && role < (int32_t)p->n_roles ? p->roles[role] : NULL;
}

const char *pt_pack_source(const pt_pack *p, int32_t source)
{
    return source >= 0 && source < (int32_t)p->n_sources ? p->sources[source] : NULL;
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

static pt_status keep_ref(pt_pack *p, uint64_t key, const float *chosen, const float *rejected)
{
    const float *from[2] = {chosen, rejected};
    for (int i = 0; i < 2; i++) {
        if (!p->ref[i]) PT_RETURN(pt_alloc0(&p->ref[i], p->n_rows));
        memcpy(p->ref[i], from[i], p->n_rows * sizeof(float));
    }
    p->ref_key = key;
    return PT_OK;
}

pt_status pt_pack_store_reference(pt_pack *p, uint64_t key, const float *chosen, const float *rejected)
{
    pt_status rc = PT_OK;
    char *path = NULL;
    pt_h5 *file = NULL;
    bool thin;
    PT_CHECK(p->pairs, PT_EARG, "reference log-probabilities belong to pairs");
    for (size_t i = 0; i < p->n_rows; i++)
        PT_CHECK(isfinite(chosen[i]) && isfinite(rejected[i]), PT_ENONFINITE,
                 "reference log-probability of record %zu is not finite", i);
    PT_TRY(ref_path(p, key, &path));
    PT_TRY(pt_h5_begin(&file, false));
    PT_TRY(pt_h5_set_attr(file, "schema", PT_PACK_SCHEMA));
    PT_TRY(pt_h5_set_attr(file, "fingerprint", p->fingerprint));
    PT_TRY(pt_h5_set_attr(file, "key", key));
    PT_TRY(pt_h5_write(file, "chosen", PT_H5_F32, chosen, p->n_rows));
    PT_TRY(pt_h5_write(file, "rejected", PT_H5_F32, rejected, p->n_rows));
    PT_TRY(pt_h5_commit(file, path, &thin));
    PT_TRY(keep_ref(p, key, chosen, rejected));
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
    float *both[2] = {NULL, NULL};
    PT_TRY(pt_h5_open(&file, path));
    PT_TRY(pt_h5_get_attr(file, "schema", &v));
    PT_CHECK(v == PT_PACK_SCHEMA, PT_EFORMAT, "another schema");
    PT_TRY(pt_h5_get_attr(file, "fingerprint", &v));
    PT_CHECK(v == p->fingerprint, PT_EFORMAT, "made for another pack");
    PT_TRY(pt_h5_get_attr(file, "key", &v));
    PT_CHECK(v == key, PT_EFORMAT, "made by another reference");
    for (int i = 0; i < 2; i++) {
        PT_TRY(pt_alloc0(&both[i], p->n_rows));
        PT_TRY(pt_h5_read(file, i ? "rejected" : "chosen", PT_H5_F32, both[i], p->n_rows));
        for (size_t k = 0; k < p->n_rows; k++) PT_CHECK(isfinite(both[i][k]), PT_EFORMAT, "record %zu is not finite", k);
    }
    PT_TRY(keep_ref(p, key, both[0], both[1]));
done:
    pt_h5_close(file);
    free(both[0]);
    free(both[1]);
    return rc;
}

bool pt_pack_has_reference(const pt_pack *p, uint64_t key)
{
    char *path;
    if (p->ref[0] && p->ref[1] && p->ref_key == key) return true;
    if (ref_path(p, key, &path) != PT_OK) return false;
    bool good = pt_file_exists(path) &&
                load_ref((pt_pack *)p, key, path) == PT_OK; /* a damaged file counts as none: it is made again */
    free(path);
    return good;
}
