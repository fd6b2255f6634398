/* trained.json: what a run trains on and with, for whoever looks at it later (eval/page):
 *
 *   {"format": "ptrain-trained", "version": 1, "program", "compiler", "libraries": ["NAME VERSION"], "instruction_set": TEXT | null where a device computes, "command": TEXT | null, "config_sha256": HEX | null, "plan": TEXT,
 *    "memory": [{"what", "bytes"}], "train": DATA, "test": DATA | null, "sample": data/pack/pack.h | null}
 *   DATA: what packing counted (pt_pack_report_json), with "sets": [{"name", "path", "type", "records", "validation", "tokens", "supervised"}] */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/version.h"
#include "base/visible.h"
#include "data/pack/pack_show.h"
#include "eval/http/exchange.h"
#include "train/loop/run.h"

enum { MOST_TOKENS = 2000, SHORT_TOKENS = 600 };

static pt_status put(json_t *o, const char *key, json_t *v)
{
    return json_object_set_new(o, key, v) == 0 ? PT_OK : pt_fail(PT_ENOMEM, "out of memory writing trained.json");
}

static json_t *text_of(const char *text)
{
    pt_str s = {0};
    json_t *j = !text ? json_null() : pt_str_visible(&s, text, strlen(text)) == PT_OK ? json_stringn(s.text ? s.text : "", s.len) : NULL;
    pt_str_free(&s);
    return j;
}

typedef struct counts {
    json_int_t records, validation, tokens, supervised;
} counts;

static pt_status count_sets(const pt_pack *p, counts *of, size_t n)
{
    for (int64_t i = 0; i < pt_pack_count(p); i++) {
        pt_packed r;
        PT_RETURN(pt_pack_get(p, i, &r));
        const int32_t k = pt_pack_set(p, r.source);
        if (k < 0 || (size_t)k >= n) continue;
        of[k].records++;
        of[k].validation += r.validation;
        for (int32_t a = 0; a < r.n_answers; a++) {
            const pt_packed_answer x = pt_pack_answer(p, &r, a);
            of[k].tokens += x.n;
            for (int32_t t = 0; t < x.n; t++) of[k].supervised += pt_weight_at(x.weight, (size_t)t) > 0;
        }
    }
    return PT_OK;
}

static pt_status put_sets(json_t *to, const pt_pack *p, const pt_dataset_spec *specs, size_t n)
{
    pt_status rc = PT_OK;
    counts *of = NULL;
    json_t *list = json_array();
    PT_TRY(put(to, "sets", json_incref(list)));
    PT_TRY(pt_alloc0(&of, n));
    PT_TRY(count_sets(p, of, n));
    for (size_t i = 0; i < n; i++) {
        char name[PT_DATASET_NAME];
        pt_dataset_name(specs, n, i, name);
        json_t *one = json_pack("{s:s, s:o, s:o, s:I, s:I, s:I, s:I}", "name", name, "path", text_of(specs[i].path), "type", text_of(specs[i].type), "records", of[i].records, "validation",
                                of[i].validation, "tokens", of[i].tokens, "supervised", of[i].supervised);
        PT_CHECK(json_array_append_new(list, one) == 0, PT_ENOMEM, "out of memory writing trained.json");
    }
done:
    free(of);
    json_decref(list);
    return rc;
}

static pt_status put_data(json_t *to, const char *key, const pt_pack *p, const pt_pack_report *report, const pt_dataset_spec *specs, size_t n)
{
    json_t *data = p ? pt_pack_report_json(report) : json_null();
    PT_RETURN(put(to, key, data));
    return p ? put_sets(data, p, specs, n) : PT_OK;
}

static pt_status put_bytes(json_t *list, const char *what, size_t bytes)
{
    json_t *one = bytes ? json_pack("{s:s, s:I}", "what", what, "bytes", (json_int_t)bytes) : NULL;
    return !bytes || json_array_append_new(list, one) == 0 ? PT_OK : pt_fail(PT_ENOMEM, "out of memory writing trained.json");
}

static pt_status put_memory(json_t *to, const pt_run_plan *p)
{
    json_t *list = json_array();
    PT_RETURN(put(to, "memory", list));
    for (int i = 0; i < PT_ROLE_COUNT; i++) PT_RETURN(put_bytes(list, pt_role_name((pt_role)i), p->role[i]));
    PT_RETURN(put_bytes(list, "libraries on the device (estimate)", p->device_libraries));
    PT_RETURN(put_bytes(list, p->device_memory ? "staging, OpenMP, slack" : "oneDNN, OpenMP, slack", p->libraries));
    PT_RETURN(put_bytes(list, "program and packed data", p->process));
    if (p->device_memory) PT_RETURN(put_bytes(list, "total on the device", pt_run_plan_device(p, p->device_need)));
    return put_bytes(list, p->device_memory ? "total on this machine" : "total", p->total);
}

/* The first record of training that is short enough to be read at a glance, else the first. */
static pt_status put_sample(json_t *to, const pt_pack *p, const pt_tokenizer *tok)
{
    int64_t first = -1, shown = -1;
    json_t *sample = NULL;
    for (int64_t i = 0; tok && p && shown < 0 && i < pt_pack_count(p); i++) {
        pt_packed r;
        int32_t n = 0;
        PT_RETURN(pt_pack_get(p, i, &r));
        if (r.validation) continue;
        if (first < 0) first = i;
        for (int32_t k = 0; k < r.n_answers; k++) n += pt_pack_answer(p, &r, k).n;
        if (n <= SHORT_TOKENS) shown = i;
    }
    if (shown < 0) shown = first;
    if (shown >= 0) PT_RETURN(pt_pack_pieces(p, tok, shown, MOST_TOKENS, &sample));
    return put(to, "sample", sample ? sample : json_null());
}

/* The libraries whose bits or files are in the result, or behind what was asked of others. */
static pt_status put_libraries(json_t *o)
{
    static void (*const names[])(char out[PT_LIBRARY_NAME]) = {pt_cpu_library, pt_pack_library, pt_tok_library, pt_json_library, pt_line_library};
    json_t *list = json_array();
    PT_RETURN(put(o, "libraries", list));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char name[PT_LIBRARY_NAME];
        names[i](name);
        if (json_array_append_new(list, text_of(name))) return pt_fail(PT_ENOMEM, "out of memory writing trained.json");
    }
    return PT_OK;
}

static pt_status put_words(json_t *o, const pt_run *r)
{
    pt_str plan = {0};
    char digest[65];
    const char *yaml = r->cfg->source.yaml_text;
    PT_RETURN(put(o, "format", json_string("ptrain-trained")));
    PT_RETURN(put(o, "version", json_integer(1)));
    PT_RETURN(put(o, "program", json_string("ptrain " PT_VERSION)));
    PT_RETURN(put(o, "compiler", json_string(PT_COMPILER)));
    PT_RETURN(put_libraries(o));
    PT_RETURN(put(o, "instruction_set", r->ctx.ops->isa ? json_string(r->ctx.ops->isa()) : json_null()));
    PT_RETURN(put(o, "command", text_of(r->hooks.command)));
    if (yaml) pt_sha256_hex(digest, yaml, strlen(yaml));
    PT_RETURN(put(o, "config_sha256", yaml ? json_string(digest) : json_null()));
    pt_status rc = pt_run_plan_text(&r->plan, &plan);
    if (rc == PT_OK) rc = put(o, "plan", text_of(plan.text));
    pt_str_free(&plan);
    return rc;
}

pt_status pt_run_trained(const pt_run *r, char **out)
{
    pt_status rc = PT_OK;
    const pt_config_data *d = &r->cfg->data;
    json_t *o = json_object();
    *out = NULL;
    PT_TRY(put_words(o, r));
    PT_TRY(put_memory(o, &r->plan));
    PT_TRY(put_data(o, "train", r->pack, &r->plan.pack, d->datasets, d->n_datasets));
    PT_TRY(put_data(o, "test", r->test_pack, &r->plan.test, d->test_datasets, d->n_test_datasets));
    PT_TRY(put_sample(o, r->pack, r->base.tok));
    *out = json_dumps(o, JSON_INDENT(1) | JSON_REAL_PRECISION(9));
    PT_CHECK(*out, PT_ENOMEM, "out of memory writing trained.json");
done:
    json_decref(o);
    return rc;
}
