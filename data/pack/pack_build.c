/* pt_pack_build: decides what a pack is made from, reuses the file of that name, or makes it. */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/log.h"
#include "data/pack/pack_data.h"

/* set: of a data file; below 0: a file that a key names. */
static pt_status add_source(pt_str *key, json_t *sources, const char *path, const char *type, int set)
{
    struct stat st;
    char sha[65];
    if (stat(path, &st) != 0 || !S_ISREG(st.st_mode)) return PT_OK; /* the reader says what is wrong with it */
    PT_RETURN(pt_sha256_file(sha, path));
    PT_RETURN(pt_str_printf(key, "file %lld %s\n", (long long)st.st_size, sha)); /* what is in it: it may move */
    if (set < 0) return PT_OK;
    json_t *j = json_pack("{s:s, s:s, s:I, s:s}", "path", path, "type", type, "bytes", (json_int_t)st.st_size, "sha256", sha);
    if (j && json_array_size(sources) != (size_t)set && json_object_set_new(j, "set", json_integer(set))) j = (json_decref(j), NULL);
    return j && !json_array_append_new(sources, j) ? PT_OK : pt_fail(PT_ENOMEM, "out of memory (or '%s' is no UTF-8)", path);
}

/* A file that a key names, or a folder: the files in it by their names, hidden ones left out. */
static pt_status add_named(pt_str *key, const char *path)
{
    struct dirent **names = NULL;
    struct stat st;
    pt_status rc = PT_OK;
    if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode)) return add_source(key, NULL, path, NULL, -1);
    int n = scandir(path, &names, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        char *file = NULL;
        if (rc == PT_OK && names[i]->d_name[0] != '.') {
            rc = pt_path_join(&file, path, names[i]->d_name);
            if (rc == PT_OK) rc = add_source(key, NULL, file, NULL, -1);
        }
        free(file);
        free(names[i]);
    }
    free(names);
    return rc;
}

/* Everything that decides the content, as text. The file's own format does not: a checkpoint goes on with a pack that was made again in a newer
 * one ("schema 1" is the text's own). */
static pt_status make_key(const pt_dataset_spec *sets, size_t n, const pt_paths *files, const pt_pack_options *o, pt_str *key, json_t *sources)
{
    PT_RETURN(pt_str_printf(
        key,
        "schema 1 render %d\ntokenizer %016llx\ntemplate %016llx\npairs %d pretrain %d sequence_len %d excess %d inputs %d\n",
        PT_PACK_RENDER, (unsigned long long)(o->tok ? pt_tok_fingerprint(o->tok) : 0),
        (unsigned long long)(o->tmpl ? pt_template_fingerprint(o->tmpl) : 0), o->pairs + o->criterion, o->pretrain, o->sequence_len,
        (int)o->excess, o->train_on_inputs));
    if (o->verdicts) PT_RETURN(pt_str_puts(key, "labels\n"));
    if (o->tmpl && pt_template_rewrites(o->tmpl)) PT_RETURN(pt_str_printf(key, "answers as said, %s\n", o->parts ? "parts 1" : o->scored ? "the last one" : "in one piece")); /* other templates: as ever */
    if (o->min_tokens || o->distinct) PT_RETURN(pt_str_printf(key, "min_tokens %d distinct %d\n", o->min_tokens, o->distinct));
    if (o->end_token) PT_RETURN(pt_str_printf(key, "scored at %d\n", o->end_token - 1));
    if (o->max_samples) PT_RETURN(pt_str_printf(key, "max_samples %lld\n", (long long)o->max_samples));
    if (o->imitate || o->teacher) PT_RETURN(pt_str_printf(key, "imitate %d teacher %d\n", o->imitate, o->teacher));
    for (size_t i = 0; i < o->n_roles_to_train; i++) PT_RETURN(pt_str_printf(key, "train %s\n", o->roles_to_train[i]));
    PT_RETURN(pt_str_printf(key, "val_set_size %.17g\n", o->val_set_size));
    if (o->val_set_size > 0) PT_RETURN(pt_str_printf(key, "by %d seed %llu\n", (int)o->val_split_by, (unsigned long long)o->seed));
    for (size_t i = 0; i < n; i++) {
        const pt_dataset_spec *s = &sets[i];
        const char *type = pt_reader_type(s->type);
        PT_RETURN(pt_dataset_digest_text(s, type, key));
        for (size_t k = 0; k < files[i].n; k++) PT_RETURN(add_source(key, sources, files[i].list[k], type ? type : "-", (int)i));
        for (size_t k = 0; k < pt_data_key_count(); k++) {
            const char *file = pt_data_key_at(k)->kind == PT_DATA_FILE ? pt_dataset_says(s, pt_data_key_at(k)->key) : NULL;
            if (file) PT_RETURN(add_named(key, file));
        }
    }
    return PT_OK;
}

/* Weights of turns that say none themselves: of the set's roles_to_train, else the config's. Where rows name people, a name in the set's that no speaker has
 * is one of theirs: its view is taken, in which it is the assistant. */
static pt_status speaker_weights(const pt_dataset_spec *s, const pt_pack_options *o, pt_speaker_weights *w)
{
    bool own = s->n_roles_to_train > 0;
    const char *const *said = own ? (const char *const *)s->roles_to_train : o->roles_to_train;
    const pt_data_type *type = pt_data_type_find(s->type);
    size_t n = own ? s->n_roles_to_train : o->n_roles_to_train;
    const char **names;
    if (!own || !type || !pt_data_type_people(type)) return pt_speakers_trained(w, said, n, o->train_on_inputs ? 1 : 0);
    PT_RETURN(pt_alloc0(&names, n));
    for (size_t i = 0; i < n; i++) names[i] = pt_speaker_find(said[i]) ? said[i] : PT_ASSISTANT->name;
    pt_status rc = pt_speakers_trained(w, names, n, o->train_on_inputs ? 1 : 0);
    free(names);
    return rc;
}

static pt_status check_options(const pt_dataset_spec *sets, size_t n, const pt_pack_options *o)
{
    if (!n) return pt_fail(PT_EARG, "no data sets");
    if (o->sequence_len < 2) return pt_fail(PT_EARG, "sequence_len %d; 2 tokens are the least", o->sequence_len);
    for (size_t i = 0; i < n; i++) {
        const pt_data_type *type = pt_data_type_find(sets[i].type);
        pt_speaker_weights weights = {0};
        pt_status rc = speaker_weights(&sets[i], o, &weights);
        free(weights.list);
        PT_RETURN(rc);
        if (!sets[i].path || !*sets[i].path) return pt_fail(PT_EARG, "data set %zu has no path", i + 1);
        if (o->pretrain && type && !type->plain)
            return pt_fail(PT_EARG, "%s: this objective learns whole texts, which types like text and tokens hold, not %s", sets[i].path, type->name);
    }
    return PT_OK;
}

static pt_status check_set(const pt_packer *pk, const pt_dataset_spec *s, long long rows, size_t kept)
{
    const pt_pack_report *r = pk->report;
    const pt_data_type *type = pt_data_type_find(s->type);
    bool ends = !type->plain && !type->judged;
    if (!kept)
        return pt_fail(PT_EARG, "%s: nothing to train on: none of %lld rows is left%s%s", s->path, rows,
                       r->n_dropped ? "; most recent reason: " : "", r->n_dropped ? r->dropped[r->n_dropped - 1].reason : "");
    if (ends && !pk->set_ends)
        return pt_fail(
            PT_EARG,
            "%s: no answer's end token is supervised, so the model would never learn to stop (sequence_len %d too short?)",
            s->path, pk->opt->sequence_len);
    return PT_OK;
}

static pt_thinking thinking_of(const pt_dataset_spec *s)
{
    const char *word = pt_dataset_value(s, "thinking");
    return !word || !strcmp(word, "keep") ? PT_THINKING_KEEP : !strcmp(word, "strip") ? PT_THINKING_STRIP : PT_THINKING_MASK;
}

static pt_status pack_sets(pt_packer *pk, const pt_dataset_spec *sets, const pt_paths *files, size_t n, json_t *profiles)
{
    pt_status rc = PT_OK;
    pt_reader r = {0};
    pk->reader = &r;
    for (size_t i = 0; i < n; i++) {
        r = (pt_reader){.spec = &sets[i], .files = &files[i], .pairs = pk->opt->pairs, .criterion = pk->opt->criterion, .verdicts = pk->opt->verdicts, .teacher = pk->opt->teacher, .max_rows = pk->opt->max_samples, .sink = pt_pack_add, .user = pk};
        size_t before = pk->pack->n_rows;
        pk->spec = &sets[i];
        pk->source = (int32_t)pk->pack->n_sources;
        for (size_t k = 0; k < files[i].n; k++) PT_TRY(pt_pack_source_add(pk->pack, files[i].list[k], (int32_t)i));
        pk->set_ends = 0;
        pk->thinking = thinking_of(&sets[i]);
        PT_TRY(speaker_weights(&sets[i], pk->opt, &pk->weights));
        PT_TRY(pt_pack_ahead_run(pk, &r));
        pk->report->rows_read += r.rows;
        PT_TRY(pt_pack_report_set(pk->report, &r));
        PT_TRY(check_set(pk, &sets[i], r.rows, pk->pack->n_rows - before));
        const pt_data_type *type = pt_data_type_find(sets[i].type);
        if (type->profiles) PT_TRY(type->profiles(&r, pk->pack->roles, pk->pack->n_roles, profiles));
        pt_reader_free(&r);
    }
done:
    pt_reader_free(&r);
    return rc;
}

void pt_packer_free(pt_packer *pk)
{
    for (size_t k = 0; k < pk->built_cap; k++) {
        pt_rendered_free(&pk->built[k].text);
        free(pk->built[k].imitate);
    }
    free(pk->built);
    free(pk->messages);
    free(pk->until);
    free(pk->spans.list);
    free(pk->known);
    free(pk->weights.list);
}

static pt_status make_meta(pt_pack *p, const char *key, json_t *sources, json_t *profiles, const pt_pack_options *o,
                           const pt_pack_report *r)
{
    char tok[17], tmpl[17];
    snprintf(tok, sizeof tok, "%016llx", (unsigned long long)(o->tok ? pt_tok_fingerprint(o->tok) : 0));
    snprintf(tmpl, sizeof tmpl, "%016llx", (unsigned long long)(o->tmpl ? pt_template_fingerprint(o->tmpl) : 0));
    json_t *roles = json_array();
    int bad = !roles;
    for (size_t i = 0; i < p->n_roles && !bad; i++) bad = json_array_append_new(roles, json_string(p->roles[i]));
    p->meta = json_pack("{s:s, s:b, s:s, s:s, s:O, s:o, s:O, s:o}", "made_from", key, "parts", p->parts, "tokenizer", tok, "template", tmpl, "sources",
                        sources, "roles", roles, "profiles", json_object_size(profiles) ? profiles : json_null(), "report",
                        pt_pack_report_json(r));
    return p->meta && !bad ? PT_OK : pt_fail(PT_ENOMEM, "out of memory, or a name that is no UTF-8");
}

/* Where the rows came from, for messages: a pack that is used again may have been made when the files lay elsewhere. */
static pt_status name_sources(pt_pack *p, const pt_paths *files, size_t n)
{
    for (size_t i = 0; i < p->n_sources; i++) free(p->sources[i]);
    p->n_sources = p->n_sets = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < files[i].n; k++) PT_RETURN(pt_pack_source_add(p, files[i].list[k], (int32_t)i));
    return PT_OK;
}

static pt_status make_pack(pt_pack **out, const char *path, const char *key, json_t *sources, const pt_dataset_spec *sets, const pt_paths *files,
                           size_t n, const pt_pack_options *o, pt_pack_report *report)
{
    pt_status rc = PT_OK;
    pt_pack *p = NULL;
    pt_packer pk = {.opt = o, .report = report};
    json_t *profiles = json_object();
    PT_CHECK(profiles, PT_ENOMEM, "out of memory");
    PT_TRY(pt_alloc0(&p, 1));
    p->fingerprint = pt_fnv1a(PT_FNV_START, key, strlen(key));
    p->parts = o->parts;
    PT_TRY(pt_reserve(&p->seq_start, &p->seq_cap, 1));
    PT_TRY(pt_reserve(&p->record_start, &p->record_cap, 1));
    pk.pack = p;
    PT_TRY(pt_pack_ahead_open(&pk));
    PT_TRY(pack_sets(&pk, sets, files, n, profiles));
    PT_TRY(pt_pack_split(p, o->val_set_size, o->val_split_by, o->seed));
    PT_TRY(pt_pack_count_sharing(p, report));
    PT_TRY(make_meta(p, key, sources, profiles, o, report));
    PT_TRY(pt_dir_make(o->cache_dir));
    PT_TRY(pt_pack_write(p, path));
done:
    json_decref(profiles);
    pt_pack_ahead_close(&pk);
    pt_packer_free(&pk);
    if (rc == PT_OK)
        *out = p;
    else
        pt_pack_free(p);
    return rc;
}

/* The file of this name, when it is whole and was made from the same. */
static pt_pack *reuse(const char *path, const char *key)
{
    pt_pack *p;
    if (!pt_file_exists(path)) return NULL;
    if (pt_pack_open(&p, path) != PT_OK) {
        pt_log(PT_LOG_WARN, "packing again: %s", pt_err_msg());
        return NULL;
    }
    if (!strcmp(json_string_value(json_object_get(p->meta, "made_from")), key)) return p;
    pt_pack_free(p);
    return NULL;
}

pt_status pt_pack_build(pt_pack **out, const pt_dataset_spec *sets, size_t n_sets, const pt_pack_options *opt,
                        pt_pack_report *report)
{
    pt_status rc = PT_OK;
    pt_str key = {0};
    char *path = NULL, name[32];
    pt_paths *files = NULL;
    json_t *sources = json_array();
    *out = NULL;
    *report = (pt_pack_report){0};
    PT_CHECK(sources, PT_ENOMEM, "out of memory");
    PT_TRY(check_options(sets, n_sets, opt));
    PT_TRY(pt_alloc0(&files, n_sets));
    for (size_t i = 0; i < n_sets; i++) PT_TRY(pt_paths_of(&sets[i], &files[i]));
    PT_TRY(make_key(sets, n_sets, files, opt, &key, sources));
    snprintf(name, sizeof name, "pack-%016llx.h5", (unsigned long long)pt_fnv1a(PT_FNV_START, key.text, key.len));
    PT_TRY(pt_path_join(&path, opt->cache_dir, name));
    *out = reuse(path, key.text);
    if (*out) {
        PT_TRY(name_sources(*out, files, n_sets));
        pt_pack_report_from(report, json_object_get((*out)->meta, "report"));
        report->reused = true;
    } else {
        PT_TRY(make_pack(out, path, key.text, sources, sets, files, n_sets, opt, report));
    }
done:
    if (rc != PT_OK) {
        pt_pack_free(*out);
        *out = NULL;
    }
    for (size_t i = 0; files && i < n_sets; i++) pt_paths_free(&files[i]);
    free(files);
    free(path);
    json_decref(sources);
    pt_str_free(&key);
    return rc;
}
