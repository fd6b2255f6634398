#include "train/loop/agree.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "checkpoints/digest.h"

enum { TEXT = 480, NAMED = 3, MAX_BLOB = 1 << 26 };

/* ---- lists ------------------------------------------------------------------------------------------------------------- */

void pt_facts_free(pt_facts *f)
{
    for (size_t i = 0; i < f->n; i++) {
        free(f->items[i].key);
        free(f->items[i].value);
    }
    free(f->items);
    *f = (pt_facts){0};
}

pt_status pt_facts_add(pt_facts *f, const char *key, unsigned effect, const char *fmt, ...)
{
    pt_status rc = PT_OK;
    pt_setting_value v = {.effect = effect};
    va_list ap;
    char text[512];
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    PT_TRY(pt_reserve(&f->items, &f->cap, f->n + 1));
    PT_TRY(pt_strdup(&v.key, key));
    PT_TRY(pt_strdup(&v.value, text));
    f->items[f->n++] = v;
    return PT_OK;
done:
    free(v.key);
    free(v.value);
    return rc;
}

static const char *value_in(const pt_setting_value *list, size_t n, const char *key)
{
    for (size_t i = 0; i < n; i++)
        if (!strcmp(list[i].key, key)) return list[i].value;
    return NULL;
}

/* ---- ranks ------------------------------------------------------------------------------------------------------------- */

static bool counts(const pt_setting_value *v)
{
    return v->effect & PT_EFFECT_RANKS;
}

/* key\0value\0 of all that count. */
static pt_status pack_list(const pt_setting_value *list, size_t n, pt_str *out)
{
    for (size_t i = 0; i < n; i++) {
        if (!counts(&list[i])) continue;
        PT_RETURN(pt_str_add(out, list[i].key, strlen(list[i].key) + 1));
        PT_RETURN(pt_str_add(out, list[i].value, strlen(list[i].value) + 1));
    }
    return PT_OK;
}

/* Cuts what is too long for a line. */
static const char *brief(const char *v, char room[72])
{
    if (!v) return "nothing";
    snprintf(room, 72, "%.*s%s", 64, *v ? v : "unset", strlen(v) > 64 ? "..." : "");
    return room;
}

static int say_one(char *text, int at, int named, int rank, const char *key, const char *mine, const char *first)
{
    char a[72], b[72];
    if (at >= TEXT) return at;
    if (named == NAMED) return at + snprintf(text + at, (size_t)(TEXT - at), "; and more");
    if (named > NAMED) return at;
    return at + snprintf(text + at, (size_t)(TEXT - at), "%s%.80s is %s on rank %d and %s on rank 0", named ? "; " : "", key,
                         brief(mine, a), rank, brief(first, b));
}

/* What differs from rank 0's list, in words; 0 = nothing. */
static int differences(const pt_setting_value *list, size_t n, const pt_str *first, int rank, char text[TEXT])
{
    int named = 0, at = 0;
    text[0] = 0;
    for (const char *p = first->text, *end = p + first->len; p && p < end;) {
        const char *value = p + strlen(p) + 1, *mine = value_in(list, n, p);
        if (!mine || strcmp(mine, value)) at = say_one(text, at, named++, rank, p, mine, value);
        p = value + strlen(value) + 1;
    }
    for (size_t i = 0; i < n; i++) {
        bool found = !counts(&list[i]);
        for (const char *p = first->text, *end = p + first->len; p && p < end && !found; p += strlen(p) + 1) {
            found = !strcmp(p, list[i].key);
            p += strlen(p) + 1;
        }
        if (!found) at = say_one(text, at, named++, rank, list[i].key, list[i].value, NULL);
    }
    return named;
}

pt_status pt_agree(pt_comm *comm, const pt_setting_value *list, size_t n)
{
    pt_status rc = PT_OK;
    pt_str mine = {0}, first = {0};
    char text[TEXT] = "";
    if (comm->size < 2) return PT_OK;
    PT_TRY(pack_list(list, n, &mine));
    uint64_t bytes = mine.len;
    PT_TRY(comm->broadcast(comm, &bytes, sizeof bytes, 0));
    PT_CHECK(bytes < MAX_BLOB, PT_EARG, "rank 0 has settings of %llu bytes", (unsigned long long)bytes);
    PT_TRY(pt_reserve(&first.text, &first.cap, (size_t)bytes + 1));
    if (comm->rank == 0 && bytes) memcpy(first.text, mine.text, (size_t)bytes);
    PT_TRY(comm->broadcast(comm, first.text, (size_t)bytes, 0));
    first.len = (size_t)bytes;
    first.text[first.len] = 0;
    PT_CHECK(!bytes || first.text[bytes - 1] == 0, PT_EIO, "rank 0's settings did not come whole");
    int64_t other = comm->rank && differences(list, n, &first, comm->rank, text) ? comm->rank : comm->size;
    PT_TRY(comm->allreduce_min(comm, &other, 1));
    if (other == comm->size) goto done;
    PT_TRY(comm->broadcast(comm, text, sizeof text, (int)other));
    text[TEXT - 1] = 0;
    rc = pt_fail(PT_EARG, "rank %d was started with another config, model or data than rank 0: %s", (int)other, text);
done:
    pt_str_free(&mine);
    pt_str_free(&first);
    return rc;
}

/* ---- the facts of a run -------------------------------------------------------------------------------------------------- */

/* Names, places and shapes of what is trained. */
static uint64_t layout(const pt_run *r)
{
    const pt_param *list;
    size_t n = pt_model_params(r->model, &list);
    uint64_t h = PT_FNV_START;
    for (size_t i = 0; i < n; i++) {
        h = pt_fnv1a(h, list[i].name, strlen(list[i].name) + 1);
        int64_t v[] = {list[i].offset, list[i].rows, list[i].cols};
        h = pt_fnv1a(h, v, sizeof v);
    }
    return h;
}

uint64_t pt_run_scales(const pt_run *r)
{
    const pt_lora_module *list;
    size_t n = pt_model_lora_modules(r->model, &list);
    uint64_t h = PT_FNV_START;
    for (size_t i = 0; i < n; i++) h = pt_fnv1a(h, &list[i].scale, sizeof list[i].scale);
    return h;
}

#define HEX "%016" PRIx64
enum { SAID = PT_EFFECT_RANKS | PT_EFFECT_RESUME };

/* Names that a checkpoint keeps, too: the order and spelling of facts with an effect on resuming matter to older ones. */
static pt_status plan_facts(const pt_run *r, pt_facts *f)
{
    const pt_run_plan *p = &r->plan;
    PT_RETURN(pt_facts_add(f, "objective", PT_EFFECT_RANKS, "%s", r->objective->name));
    PT_RETURN(pt_facts_add(f, "data", PT_EFFECT_RANKS | PT_EFFECT_DATA, HEX, pt_pack_fingerprint(r->pack)));
    PT_RETURN(pt_facts_add(f, "test data", PT_EFFECT_RANKS, HEX, r->test_pack ? pt_pack_fingerprint(r->test_pack) : 0));
    PT_RETURN(pt_facts_add(f, "layout", PT_EFFECT_RANKS | PT_EFFECT_LAYOUT, HEX, layout(r)));
    PT_RETURN(pt_facts_add(f, "scales", PT_EFFECT_RANKS | PT_EFFECT_SCALE, HEX, pt_run_scales(r)));
    PT_RETURN(pt_facts_add(f, "steps of the run", SAID, "%lld", (long long)p->data.steps));
    PT_RETURN(pt_facts_add(f, "warm-up steps", SAID, "%lld", (long long)r->schedule.warmup));
    PT_RETURN(pt_facts_add(f, "steps between evaluations", PT_EFFECT_RANKS, "%lld", (long long)p->eval_steps));
    PT_RETURN(pt_facts_add(f, "evaluations during training", PT_EFFECT_RANKS, "%zu", p->during));
    PT_RETURN(pt_facts_add(f, "steps between checkpoints", PT_EFFECT_RANKS, "%lld", (long long)p->save_steps));
    PT_RETURN(pt_facts_add(f, "device in use", PT_EFFECT_RANKS, "%s", r->ctx.ops->name));
    PT_RETURN(pt_facts_add(f, "compute in use", PT_EFFECT_RANKS, "%s", p->choice.compute == PT_COMPUTE_BF16 ? "bf16" : "f32"));
    return pt_facts_add(f, "checkpoint to go on from", PT_EFFECT_RANKS, "step %lld, %s",
                        r->resume ? (long long)pt_state_step(r->resume) : 0, r->resume ? pt_state_id(r->resume) : "none");
}

/* Every byte of the starting adapter's weights; its numbers are in the scales. */
static pt_status start_content(const pt_run *r, uint64_t *out)
{
    pt_status rc = PT_OK;
    char *path = NULL;
    pt_map m = {0};
    pt_digest d;
    *out = 0;
    if (!r->cfg->adapter.lora_model_dir) return PT_OK;
    PT_TRY(pt_path_join(&path, r->cfg->adapter.lora_model_dir, "adapter_model.safetensors"));
    PT_TRY(pt_map_open(&m, path));
    pt_digest_start(&d);
    pt_digest_add(&d, m.data, m.bytes);
    *out = pt_digest_end(&d);
done:
    pt_map_close(&m);
    free(path);
    return rc;
}

static pt_status content_facts(const pt_run *r, pt_facts *f)
{
    PT_RETURN(pt_facts_add(f, "content of base_model", PT_EFFECT_RANKS | PT_EFFECT_BASE, HEX, r->base_content));
    /* a frozen copy of it is part of the objective; else it is only where the run began, which a checkpoint is past */
    unsigned effect = r->reference == PT_REFERENCE_START ? PT_EFFECT_RANKS : SAID;
    return pt_facts_add(f, "content of lora_model_dir", effect, HEX, r->start_content);
}

pt_status pt_run_agree_config(pt_run *r)
{
    return pt_agree(r->comm, r->cfg->source.settings, r->cfg->source.n_settings);
}

pt_status pt_run_agree_plan(pt_run *r)
{
    pt_status rc = PT_OK;
    pt_facts f = {0};
    if (r->comm->size < 2) return PT_OK;
    PT_TRY(plan_facts(r, &f));
    PT_TRY(pt_agree(r->comm, f.items, f.n));
done:
    pt_facts_free(&f);
    return rc;
}

pt_status pt_run_agree_content(pt_run *r)
{
    pt_status rc = PT_OK;
    pt_facts f = {0};
    r->base_content = pt_source_content(r->base.source);
    PT_TRY(start_content(r, &r->start_content));
    if (r->comm->size < 2) return PT_OK;
    PT_TRY(content_facts(r, &f));
    PT_TRY(pt_agree(r->comm, f.items, f.n));
done:
    pt_facts_free(&f);
    return rc;
}

/* ---- checkpoints --------------------------------------------------------------------------------------------------------- */

#define KEY "config: " /* before the names of settings in a checkpoint */

static bool kept(const pt_setting_value *v)
{
    return v->effect & ~(unsigned)(PT_EFFECT_FREE | PT_EFFECT_RANKS);
}

static pt_status all_facts(const pt_run *r, pt_facts *f)
{
    PT_RETURN(plan_facts(r, f));
    return content_facts(r, f);
}

pt_status pt_run_put_facts(pt_run *r, pt_state_writer *w)
{
    pt_status rc = PT_OK;
    pt_facts f = {0};
    char name[160];
    PT_TRY(all_facts(r, &f));
    for (size_t i = 0; i < f.n; i++) {
        bool start = !strcmp(f.items[i].key, "content of lora_model_dir"), objective = !strcmp(f.items[i].key, "objective");
        if (kept(&f.items[i]) || start || objective) PT_TRY(pt_state_put_text(w, f.items[i].key, f.items[i].value));
    }
    for (size_t i = 0; i < r->cfg->source.n_settings; i++) {
        const pt_setting_value *v = &r->cfg->source.settings[i];
        if (!kept(v)) continue;
        snprintf(name, sizeof name, KEY "%s", v->key);
        PT_TRY(pt_state_put_text(w, name, v->value));
    }
done:
    pt_facts_free(&f);
    return rc;
}

/* The checkpoint's value of a name; NULL where it keeps none (an older one). */
static const char *theirs_of(const pt_run *r, const char *prefix, const char *key)
{
    char name[160];
    const char *v;
    snprintf(name, sizeof name, "%s%s", prefix, key);
    if (pt_state_has(r->resume, name) && pt_state_text(r->resume, name, &v) == PT_OK) return v;
    pt_err_clear();
    return NULL;
}

/* "; lora_r is 4 here and was 2": the settings that decide a digest and are others. */
static void say_causes(const pt_run *r, unsigned effect, char *text, size_t room)
{
    size_t at = 0;
    char a[72], b[72];
    text[0] = 0;
    for (size_t i = 0; i < r->cfg->source.n_settings && at < room; i++) {
        const pt_setting_value *v = &r->cfg->source.settings[i];
        const char *theirs = v->effect & effect ? theirs_of(r, KEY, v->key) : NULL;
        if (!theirs || !strcmp(theirs, v->value)) continue;
        at += (size_t)snprintf(text + at, room - at, "; %s is %s here and was %s", v->key, brief(v->value, a), brief(theirs, b));
    }
}

static pt_status same(const pt_run *r, const pt_setting_value *mine, const char *what)
{
    const char *theirs = theirs_of(r, "", mine->key);
    char causes[TEXT];
    if (!theirs || !strcmp(theirs, mine->value)) return PT_OK;
    say_causes(r, mine->effect & ~(unsigned)SAID, causes, sizeof causes);
    return pt_fail(PT_EARG,
                   "%s was made with another %s (%s there, %s here%s): go on with the same one, or start anew without "
                   "resume_from_checkpoint",
                   r->resume_path, what, theirs, mine->value, causes);
}

static void say_other(const pt_run *r, const char *prefix, const pt_setting_value *mine)
{
    const char *theirs = theirs_of(r, prefix, mine->key);
    char a[72], b[72];
    if (theirs && strcmp(theirs, mine->value) != 0)
        pt_log(PT_LOG_WARN, "%s is %s here and was %s in the checkpoint: it is not the run that would have been", mine->key,
               brief(mine->value, a), brief(theirs, b));
}

pt_status pt_run_check_facts(pt_run *r)
{
    static const struct {
        const char *key, *what;
    } must[] = {{"objective", "objective"},
                {"content of base_model", "base model"},
                {"data", "set of training data or packing settings"},
                {"layout", "set of trained parameters (adapter, rank, targets)"},
                {"scales", "scale of its adapters (lora_alpha, lora_r, peft_use_rslora)"},
                {"content of lora_model_dir", "starting adapter, which is also the reference"}};
    pt_status rc = PT_OK;
    pt_facts f = {0};
    PT_TRY(all_facts(r, &f));
    for (size_t m = 0; m < sizeof must / sizeof *must; m++)
        for (size_t i = 0; i < f.n; i++)
            if (!strcmp(f.items[i].key, must[m].key) && !(f.items[i].effect & PT_EFFECT_RESUME))
                PT_TRY(same(r, &f.items[i], must[m].what));
    for (size_t i = 0; i < f.n; i++)
        if (f.items[i].effect & PT_EFFECT_RESUME) say_other(r, "", &f.items[i]);
    for (size_t i = 0; i < r->cfg->source.n_settings; i++)
        if (r->cfg->source.settings[i].effect & PT_EFFECT_RESUME) say_other(r, KEY, &r->cfg->source.settings[i]);
done:
    pt_facts_free(&f);
    return rc;
}
