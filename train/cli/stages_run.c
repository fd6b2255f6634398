/* Which stages were begun and which are done (output_dir/stages.json), and commands over all of them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "train/cli/config_value.h"
#include "train/cli/stages.h"

static const char state_file[] = "stages.json";
static const char *const state_words[] = {[PT_STAGE_BEGUN] = "begun", [PT_STAGE_DONE] = "done"};

bool pt_stages_result_there(const pt_stage *g)
{
    char *path = NULL;
    if (pt_path_join(&path, g->folder, g->evaluates ? "eval.json" : g->full ? "config.json" : "adapter_model.safetensors") != PT_OK) return false;
    bool there = pt_file_exists(path);
    for (size_t k = 0; k < g->n_writes; k++) there = there && pt_file_exists(g->writes[k]);
    free(path);
    return there;
}

bool pt_stages_start_there(const pt_stages *s, int i)
{
    return s->of[i].from < 0 || pt_stages_result_there(&s->of[s->of[i].from]);
}

/* Whose result is gone is not done. */
static void read_one(const pt_stages *s, const char *name, const char *word, pt_stage_state state[PT_STAGES_MOST])
{
    int i = pt_stages_find(s, name);
    if (i < 0 || !word) return;
    if (!strcmp(word, state_words[PT_STAGE_BEGUN])) state[i] = PT_STAGE_BEGUN;
    if (!strcmp(word, state_words[PT_STAGE_DONE]) && pt_stages_result_there(&s->of[i])) state[i] = PT_STAGE_DONE;
}

pt_status pt_stages_read_state(const pt_stages *s, pt_stage_state state[PT_STAGES_MOST])
{
    pt_status rc = PT_OK;
    char *path = NULL;
    json_t *j = NULL, *v;
    const char *name;
    for (int i = 0; i < PT_STAGES_MOST; i++) state[i] = PT_STAGE_NEW;
    PT_TRY(pt_path_join(&path, s->output_dir, state_file));
    if (!pt_file_given(path)) goto done;
    PT_TRY(pt_json_load(&j, path, 1 << 16, PT_JSON_OBJECT));
    json_object_foreach (json_object_get(j, "stages"), name, v) read_one(s, name, json_string_value(v), state);
done:
    json_decref(j);
    free(path);
    return rc;
}

pt_status pt_stages_write_state(const pt_stages *s, pt_stage_state state[PT_STAGES_MOST], int i, pt_stage_state to, bool anew)
{
    pt_status rc = PT_OK;
    char *path = NULL, *text = NULL;
    json_t *list = json_object(), *all = json_pack("{s:o}", "stages", list);
    state[i] = to;
    for (int k = i + 1; k < s->n && anew; k++) state[k] = PT_STAGE_NEW;
    PT_CHECK(all, PT_ENOMEM, "out of memory");
    for (int k = 0; k < s->n; k++)
        if (state[k] != PT_STAGE_NEW) PT_CHECK(!json_object_set_new(list, s->of[k].name, json_string(state_words[state[k]])), PT_ENOMEM, "out of memory");
    PT_TRY(pt_path_join(&path, s->output_dir, state_file));
    text = pt_json_dump(all, JSON_INDENT(1));
    PT_CHECK(text, PT_ENOMEM, "out of memory");
    PT_TRY(pt_dir_make(s->output_dir));
    PT_TRY(pt_file_write_whole(path, text, strlen(text)));
done:
    json_decref(all);
    free(text);
    free(path);
    return rc;
}

static const char *setting_of(const pt_config *c, const char *key)
{
    for (size_t i = 0; i < c->source.n_settings; i++)
        if (!strcmp(c->source.settings[i].key, key)) return c->source.settings[i].value;
    return NULL;
}

/* Settings that decide what a run leaves: those that a checkpoint is compared by, and how many steps there are. */
static bool decides(const pt_setting_value *v)
{
    static const char *const steps[] = {"num_epochs", "max_steps", "warmup_steps", "warmup_ratio"};
    bool counted = v->effect & ~(unsigned)(PT_EFFECT_FREE | PT_EFFECT_RANKS);
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) counted |= !strcmp(v->key, steps[i]);
    return counted;
}

/* What an evaluation stage measured is what it would measure now. */
static pt_status same_tasks(const pt_stage *g, const pt_config *then, const pt_config *now)
{
    pt_str a = {0}, b = {0};
    pt_status rc = pt_config_put_evaluations(&a, "evaluations", then->eval.evaluations, then->eval.n_evaluations);
    if (rc == PT_OK) rc = pt_config_put_evaluations(&b, "evaluations", now->eval.evaluations, now->eval.n_evaluations);
    if (rc == PT_OK && (!a.text || !b.text || strcmp(a.text, b.text)))
        rc = pt_fail(PT_EARG, "stage %s is done, and its evaluations are others now: change them back, or start anew without resume_from_checkpoint", g->name);
    pt_str_free(&a);
    pt_str_free(&b);
    return rc;
}

pt_status pt_stages_same(const pt_stages *s, int i, const pt_config *now)
{
    pt_status rc = PT_OK;
    char *path = NULL;
    pt_config *then = NULL;
    PT_TRY(pt_path_join(&path, s->of[i].folder, "config.yaml"));
    pt_log_pause(true);
    rc = pt_config_load(&then, path, NULL, 0);
    pt_log_pause(false);
    PT_TRY(rc);
    for (size_t k = 0; k < now->source.n_settings; k++) {
        const pt_setting_value *v = &now->source.settings[k];
        const char *was = setting_of(then, v->key);
        if (decides(v) && was && strcmp(was, v->value))
            PT_TRY(pt_fail(PT_EARG, "stage %s is done, and was trained with %s %.100s; it is %.100s now: change it back, or start anew without resume_from_checkpoint",
                           s->of[i].name, v->key, was, v->value));
    }
    if (s->of[i].evaluates) PT_TRY(same_tasks(&s->of[i], then, now));
done:
    free(path);
    pt_config_free(then);
    return rc;
}

void pt_stages_say(const pt_stages *s, int i, bool chained)
{
    const pt_stage *g = &s->of[i];
    printf("%sstage %d of %d: %s (in %s", i ? "\n" : "", i + 1, s->n, g->name, g->folder);
    if (g->evaluates && g->from >= 0) printf("; evaluates what stage %s leaves)\n", s->of[g->from].name);
    else if (g->evaluates) printf("; evaluates the base)\n");
    else if (g->from >= 0)
        printf(chained ? "; begins with what stage %s left)\n" : "; begins with what stage %s will leave, and is shown as if it began like the first)\n", s->of[g->from].name);
    else
        printf(")\n");
}

pt_status pt_stages_only(const pt_stages *s, const char *name, int *i)
{
    *i = -1;
    if (!name) return PT_OK;
    if (!s->n) return pt_fail(PT_EARG, "--only %s: the config has no stages", name);
    *i = pt_stages_find(s, name);
    if (*i >= 0) return PT_OK;
    pt_str names = {0};
    for (int k = 0; k < s->n; k++) (void)pt_str_printf(&names, "%s%s", k ? ", " : "", s->of[k].name);
    pt_status rc = pt_fail(PT_EARG, "--only %s: no such stage; there are: %s", name, names.text ? names.text : "");
    pt_str_free(&names);
    return rc;
}

pt_status pt_stages_each(pt_cli *c, bool checked, pt_status (*run)(pt_cli *c), pt_status (*evaluate)(pt_cli *c))
{
    pt_status rc = PT_OK;
    pt_stages s = {0};
    int only;
    if (c->n_args != 1) return run(c); /* which says what it takes */
    PT_TRY(pt_stages_open(&s, c->args[0], c->settings, (size_t)c->n_settings));
    PT_TRY(pt_stages_only(&s, c->only, &only));
    if (!s.n) PT_TRY(run(c));
    if (checked) PT_TRY(pt_stages_check(&s, only));
    c->stages = &s;
    for (c->stage = 0; c->stage < s.n; c->stage++) {
        if (only >= 0 && only != c->stage) continue;
        if (s.of[c->stage].evaluates) pt_stages_say(&s, c->stage, false);
        if (!s.of[c->stage].evaluates) PT_TRY(run(c));
        else if (evaluate) PT_TRY(evaluate(c));
    }
done:
    c->stages = NULL;
    pt_stages_free(&s);
    return rc;
}
