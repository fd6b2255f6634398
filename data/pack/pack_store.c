/* A pack as a file: an HDF5 file (h5dump reads it) inside the container of pack_file.c. A pack is written once and never changed.
 *
 * T tokens, S answers, R records. Record r is the answers [record_start[r], record_start[r + 1]), in the order that objectives ask for
 * (of a pair: the chosen one first; where meta.parts is true, parts of one conversation); answer s is the tokens [seq_start[s], seq_start[s + 1]).
 *
 *   attributes of /           type      what
 *   ------------------------  --------  ---------------------------------------------------------------------------------------
 *   schema                    uint64    2
 *   fingerprint               uint64    of meta.made_from
 *   tokenizer, template       uint64    fingerprints, 0 = none
 *
 *   data set                  type      length  what
 *   ------------------------  --------  ------  -------------------------------------------------------------------------------
 *   /meta                     uint8             JSON text: made_from (everything that decides the content), parts, tokenizer, template,
 *                                               sources [{path, type, bytes, sha256, set: the data set, where that is not the
 *                                               entry's own number}], roles [name], profiles {role: system
 *                                               text} or null, report {...}
 *   /tokens                   int32     T       ids, >= 0
 *   /weights                  float32   T       loss weight of predicting the token, >= 0; 0 = context
 *   /imitate                  float32   T       where the objective asks: share of the token that is imitated, 0 to 1
 *   /teacher_start            int64     T + 1   where the objective asks: 0, not descending, K
 *   /teacher_id               int32     K       what a teacher says of the token: ids, >= 0
 *   /teacher_p                float32   K       and their probabilities, above 0, up to 1
 *   /seq_start                int64     S + 1   0, ascending, T
 *   /end                      int32     S       index of the answer's end token in its sequence, -1 = cut off
 *   /record_start             int64     R + 1   0, ascending, S
 *   /prefix_len               int32     R       several answers: tokens that all share; one: tokens before the first supervised
 *   /prefix_id                uint64    R       equal for records that begin alike
 *   /role                     int32     R       index into meta.roles, -1 = none
 *   /source                   int32     R       index into meta.sources
 *   /line                     int64     R       of the source
 *   /validation               uint8     R       1 = validation
 *   /weight                   float32   R       loss weight of the record, >= 0; always there
 *   /margin                   float32   R       of a pair, where the data says one
 *   /record.NAME              float32   R       any other column NAME of records
 *   /answer.NAME              float32   S       the column NAME of answers
 *
 * NAME: small letters, digits and '_', a letter first, 23 characters at most; 12 columns at most, each of records or of answers, all numbers
 * finite. Every data set is one-dimensional, chunked, behind shuffle, deflate 1 and fletcher32. Opening checks every length, index and
 * number. Schema 1 had two sequences to each record of a pack of pairs (attribute `pairs`). */
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "data/pack/pack_data.h"

#define OF_RECORDS "record."
#define OF_ANSWERS "answer."

static const struct {
    const char *name;
    pt_h5_type type;
    size_t at;
} fields[] = {
    {"prefix_len", PT_H5_I32, offsetof(pt_pack_row, prefix_len)}, {"prefix_id", PT_H5_U64, offsetof(pt_pack_row, prefix_id)},
    {"role", PT_H5_I32, offsetof(pt_pack_row, role)},             {"source", PT_H5_I32, offsetof(pt_pack_row, source)},
    {"line", PT_H5_I64, offsetof(pt_pack_row, line)},             {"validation", PT_H5_U8, offsetof(pt_pack_row, validation)}};

static pt_status write_rows(const pt_pack *p, pt_h5 *file)
{
    pt_status rc = PT_OK;
    char *list = NULL;
    PT_TRY(pt_calloc(&list, p->n_rows, 8));
    for (size_t c = 0; c < sizeof fields / sizeof *fields; c++) {
        size_t w = pt_h5_size(fields[c].type);
        for (size_t i = 0; i < p->n_rows; i++) memcpy(list + i * w, (const char *)&p->rows[i] + fields[c].at, w);
        PT_TRY(pt_h5_write(file, fields[c].name, fields[c].type, list, p->n_rows));
    }
done:
    free(list);
    return rc;
}

/* Columns that packs have always had stand under their bare names. */
static bool is_bare(const char *name)
{
    return !strcmp(name, PT_COLUMN_WEIGHT) || !strcmp(name, PT_COLUMN_MARGIN);
}

static pt_status write_column(const pt_pack *p, pt_h5 *file, const pt_pack_column *c)
{
    char name[sizeof OF_RECORDS + PT_COLUMN_NAME];
    snprintf(name, sizeof name, "%s%s", c->of_answers ? OF_ANSWERS : is_bare(c->name) ? "" : OF_RECORDS, c->name);
    return pt_h5_write(file, name, PT_H5_F32, c->value, c->of_answers ? p->n_seqs : p->n_rows);
}

static uint64_t meta_hex(const json_t *meta, const char *key)
{
    const char *s = json_string_value(json_object_get(meta, key));
    return s ? strtoull(s, NULL, 16) : 0;
}

static pt_status write_teacher(const pt_targets *t, pt_h5 *file)
{
    size_t n = (size_t)t->start[t->n_tokens];
    PT_RETURN(pt_h5_write(file, "teacher_start", PT_H5_I64, t->start, t->n_tokens + 1));
    PT_RETURN(pt_h5_write(file, "teacher_id", PT_H5_I32, t->id, n));
    return pt_h5_write(file, "teacher_p", PT_H5_F32, t->p, n);
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
    PT_TRY(pt_h5_write(file, "meta", PT_H5_U8, meta, strlen(meta)));
    PT_TRY(pt_h5_write(file, "tokens", PT_H5_I32, p->ids, p->n_tokens));
    PT_TRY(pt_h5_write_parts(file, "weights", PT_H5_F32, pt_pack_weights_part, (void *)&p->weights, p->n_tokens));
    if (p->imitate) PT_TRY(pt_h5_write(file, "imitate", PT_H5_F32, p->imitate, p->n_tokens));
    if (p->teacher.n_tokens) PT_TRY(write_teacher(&p->teacher, file));
    PT_TRY(pt_h5_write(file, "seq_start", PT_H5_I64, p->seq_start, p->n_seqs + 1));
    PT_TRY(pt_h5_write(file, "end", PT_H5_I32, p->end, p->n_seqs));
    PT_TRY(pt_h5_write(file, "record_start", PT_H5_I64, p->record_start, p->n_rows + 1));
    PT_TRY(write_rows(p, file));
    for (size_t i = 0; i < p->n_columns; i++) PT_TRY(write_column(p, file, &p->columns[i]));
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

static pt_status read_names(const json_t *list, const char *what, char ***names, size_t *cap, size_t *n)
{
    size_t i;
    json_t *v;
    if (!json_is_array(list)) return pt_fail(PT_EFORMAT, "meta: no list '%s'", what);
    json_array_foreach(list, i, v)
    {
        const char *s = json_string_value(v);
        if (!s) return pt_fail(PT_EFORMAT, "meta: entry %zu of '%s' is no name", i, what);
        PT_RETURN(pt_reserve(names, cap, *n + 1));
        PT_RETURN(pt_strdup(&(*names)[*n], s));
        (*n)++;
    }
    return PT_OK;
}

/* A file belongs to the data set of its own number where it says none. */
static pt_status read_sources(pt_pack *p, const json_t *list)
{
    size_t i;
    json_t *v;
    if (!json_is_array(list)) return pt_fail(PT_EFORMAT, "meta: no list 'sources'");
    json_array_foreach(list, i, v)
    {
        const char *path = json_string_value(json_object_get(v, "path"));
        const json_t *set = json_object_get(v, "set");
        if (!path) return pt_fail(PT_EFORMAT, "meta: entry %zu of 'sources' is no name", i);
        if (set && (!json_is_integer(set) || json_integer_value(set) < 0 || json_integer_value(set) > (json_int_t)i))
            return pt_fail(PT_EFORMAT, "meta: entry %zu of 'sources' is of no data set", i);
        PT_RETURN(pt_pack_source_add(p, path, set ? (int32_t)json_integer_value(set) : (int32_t)i));
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
    p->parts = json_is_true(json_object_get(p->meta, "parts"));
    PT_TRY(read_names(json_object_get(p->meta, "roles"), "roles", &p->roles, &p->roles_cap, &p->n_roles));
    PT_TRY(read_sources(p, json_object_get(p->meta, "sources")));
done:
    free(text);
    return rc;
}

static pt_status read_rows(pt_pack *p, pt_h5 *file)
{
    pt_status rc = PT_OK;
    char *list = NULL;
    PT_TRY(pt_alloc0(&p->rows, p->n_rows));
    PT_TRY(pt_calloc(&list, p->n_rows, 8));
    for (size_t c = 0; c < sizeof fields / sizeof *fields; c++) {
        size_t w = pt_h5_size(fields[c].type);
        PT_TRY(pt_h5_read(file, fields[c].name, fields[c].type, list, p->n_rows));
        for (size_t i = 0; i < p->n_rows; i++) memcpy((char *)&p->rows[i] + fields[c].at, list + i * w, w);
    }
done:
    free(list);
    return rc;
}

static pt_status read_columns(pt_pack *p, pt_h5 *file)
{
    const char *name;
    pt_h5_type type;
    for (size_t i = 0; (name = pt_h5_name(file, i, &type)); i++) {
        bool of_answers = !strncmp(name, OF_ANSWERS, strlen(OF_ANSWERS));
        pt_pack_column *c;
        bool of_records = !of_answers && !strncmp(name, OF_RECORDS, strlen(OF_RECORDS));
        if (!of_answers && !of_records && !is_bare(name)) continue;
        const char *column = is_bare(name) ? name : name + strlen(OF_RECORDS);
        PT_RETURN(pt_pack_column_make(p, column, of_answers, &c));
        PT_RETURN(pt_h5_read(file, name, PT_H5_F32, c->value, of_answers ? p->n_seqs : p->n_rows));
    }
    return pt_pack_column_find(p, PT_COLUMN_WEIGHT) ? PT_OK : pt_fail(PT_EFORMAT, "no data set '" PT_COLUMN_WEIGHT "'");
}

/* What only some objectives ask for. */
static pt_status read_marks(pt_pack *p, pt_h5 *file)
{
    const char *name;
    pt_h5_type type;
    bool imitate = false, teacher = false;
    pt_targets *t = &p->teacher;
    size_t n;
    for (size_t i = 0; (name = pt_h5_name(file, i, &type)); i++) {
        imitate = imitate || !strcmp(name, "imitate");
        teacher = teacher || !strcmp(name, "teacher_start");
    }
    if (imitate) {
        PT_RETURN(pt_alloc0(&p->imitate, p->n_tokens));
        PT_RETURN(pt_h5_read(file, "imitate", PT_H5_F32, p->imitate, p->n_tokens));
    }
    for (size_t i = 0; imitate && i < p->n_tokens; i++)
        if (!(p->imitate[i] >= 0 && p->imitate[i] <= 1)) return pt_fail(PT_EFORMAT, "imitate %g at token %zu", (double)p->imitate[i], i);
    if (!teacher) return PT_OK;
    PT_RETURN(pt_alloc0(&t->start, p->n_tokens + 1));
    PT_RETURN(pt_h5_read(file, "teacher_start", PT_H5_I64, t->start, p->n_tokens + 1));
    PT_RETURN(pt_h5_count(file, "teacher_id", PT_H5_I32, &n));
    PT_RETURN(pt_alloc0(&t->id, n + 1));
    PT_RETURN(pt_alloc0(&t->p, n + 1));
    PT_RETURN(pt_h5_read(file, "teacher_id", PT_H5_I32, t->id, n));
    PT_RETURN(pt_h5_read(file, "teacher_p", PT_H5_F32, t->p, n));
    t->n_tokens = p->n_tokens;
    if (t->start[0] != 0 || t->start[p->n_tokens] != (int64_t)n) return pt_fail(PT_EFORMAT, "teacher_start does not span what it cuts");
    for (size_t i = 0; i < p->n_tokens; i++)
        if (t->start[i + 1] < t->start[i]) return pt_fail(PT_EFORMAT, "teacher_start is descending at %zu", i);
    for (size_t i = 0; i < n; i++)
        if (t->id[i] < 0 || !(t->p[i] > 0 && t->p[i] <= 1.0001f)) return pt_fail(PT_EFORMAT, "a teacher's id %d of probability %g", t->id[i], (double)t->p[i]);
    return PT_OK;
}

/* start[n + 1] cuts all of what into parts that are not empty. */
static pt_status check_starts(const int64_t *start, size_t n, size_t all, const char *name)
{
    if (start[0] != 0 || start[n] != (int64_t)all) return pt_fail(PT_EFORMAT, "%s does not span what it cuts", name);
    for (size_t i = 0; i < n; i++)
        if (start[i + 1] <= start[i] || start[i + 1] - start[i] > INT32_MAX)
            return pt_fail(PT_EFORMAT, "%s is not ascending at %zu", name, i);
    return PT_OK;
}

static pt_status check_tokens(const pt_pack *p)
{
    pt_weights all = pt_pack_weights_at(&p->weights, 0);
    for (size_t t = 0; t < p->n_tokens; t++) {
        if (p->ids[t] < 0) return pt_fail(PT_EFORMAT, "id %d at token %zu", p->ids[t], t);
        float w = pt_weight_at(all, t);
        if (!(w >= 0) || !isfinite(w)) return pt_fail(PT_EFORMAT, "weight %g at token %zu", (double)w, t);
    }
    for (size_t s = 0; s < p->n_seqs; s++)
        if (p->end[s] < -1 || p->end[s] >= pt_pack_seq_len(p, s)) return pt_fail(PT_EFORMAT, "end %d of answer %zu", p->end[s], s);
    return PT_OK;
}

static pt_status check_row(const pt_pack *p, size_t i)
{
    const pt_pack_row *r = &p->rows[i];
    size_t s = (size_t)p->record_start[i], n = pt_pack_n_answers(p, i);
    bool good = r->prefix_len >= 0 && r->role >= -1 && r->role < (int32_t)p->n_roles && r->source >= 0 &&
                r->source < (int32_t)p->n_sources && r->validation <= 1 && r->line >= 0;
    for (size_t k = 0; k < n; k++) good = good && r->prefix_len <= pt_pack_seq_len(p, s + k);
    if (!good) return pt_fail(PT_EFORMAT, "record %zu is out of range", i);
    for (size_t k = 1; k < n; k++)
        if (memcmp(p->ids + p->seq_start[s], p->ids + p->seq_start[s + k], (size_t)r->prefix_len * sizeof *p->ids))
            return pt_fail(PT_EFORMAT, "record %zu: its answers do not share %d tokens", i, r->prefix_len);
    return PT_OK;
}

static pt_status check_columns(const pt_pack *p)
{
    for (size_t c = 0; c < p->n_columns; c++) {
        const pt_pack_column *x = &p->columns[c];
        bool weight = !strcmp(x->name, PT_COLUMN_WEIGHT);
        if (weight && x->of_answers) return pt_fail(PT_EFORMAT, "column '%s' is one of answers", x->name);
        for (size_t i = 0; i < (x->of_answers ? p->n_seqs : p->n_rows); i++)
            if (!isfinite(x->value[i]) || (weight && x->value[i] < 0))
                return pt_fail(PT_EFORMAT, "column '%s' is %g at %zu", x->name, (double)x->value[i], i);
    }
    return PT_OK;
}

/* What starts with n + 1 elements cuts into n parts. */
static pt_status read_starts(pt_h5 *file, const char *name, int64_t **start, size_t *n)
{
    size_t have;
    PT_RETURN(pt_h5_count(file, name, PT_H5_I64, &have));
    if (have < 2) return pt_fail(PT_EFORMAT, "%s is empty", name);
    *n = have - 1;
    PT_RETURN(pt_alloc0(start, have));
    return pt_h5_read(file, name, PT_H5_I64, *start, have);
}

/* Before the ids: the file's numbers are there for a moment. */
static pt_status read_weights(pt_pack *p, pt_h5 *file)
{
    pt_status rc = PT_OK;
    float *all = NULL;
    PT_TRY(pt_alloc0(&all, p->n_tokens));
    PT_TRY(pt_h5_read(file, "weights", PT_H5_F32, all, p->n_tokens));
    PT_TRY(pt_pack_weights_put(&p->weights, 0, all, p->n_tokens));
done:
    free(all);
    return rc;
}

static pt_status read_all(pt_pack *p, pt_h5 *file)
{
    uint64_t schema;
    PT_RETURN(pt_h5_get_attr(file, "schema", &schema));
    if (schema != PT_PACK_SCHEMA)
        return pt_fail(PT_EFORMAT, "it has schema %llu, of %s version of ptrain; this one reads %d", (unsigned long long)schema,
                       schema < PT_PACK_SCHEMA ? "an older" : "another", PT_PACK_SCHEMA);
    PT_RETURN(pt_h5_get_attr(file, "fingerprint", &p->fingerprint));
    PT_RETURN(read_meta(p, file));
    PT_RETURN(pt_h5_count(file, "tokens", PT_H5_I32, &p->n_tokens));
    PT_RETURN(read_starts(file, "seq_start", &p->seq_start, &p->n_seqs));
    PT_RETURN(read_starts(file, "record_start", &p->record_start, &p->n_rows));
    PT_RETURN(read_weights(p, file));
    PT_RETURN(pt_alloc0(&p->ids, p->n_tokens));
    PT_RETURN(pt_alloc0(&p->end, p->n_seqs));
    PT_RETURN(pt_h5_read(file, "tokens", PT_H5_I32, p->ids, p->n_tokens));
    PT_RETURN(pt_h5_read(file, "end", PT_H5_I32, p->end, p->n_seqs));
    PT_RETURN(read_marks(p, file));
    PT_RETURN(read_rows(p, file));
    PT_RETURN(read_columns(p, file));
    PT_RETURN(check_starts(p->seq_start, p->n_seqs, p->n_tokens, "seq_start"));
    PT_RETURN(check_starts(p->record_start, p->n_rows, p->n_seqs, "record_start"));
    PT_RETURN(check_tokens(p));
    PT_RETURN(check_columns(p));
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
