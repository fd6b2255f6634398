/* What a data set says about scenes: whose views, how much of what came before; and whether those who are named were there. */
#include <stdlib.h>
#include <string.h>

#include "data/read/record.h"

/* ---- lists of names ------------------------------------------------------------------------------------------------- */

bool pt_scene_named(const char *names, const char *name)
{
    size_t len = strlen(name);
    for (const char *p = names; p && *p;) {
        size_t n = strcspn(p, "\n");
        if (n == len && !memcmp(p, name, n)) return true;
        p += n + (p[n] == '\n');
    }
    return false;
}

bool pt_scene_trained(const pt_reader *r, const char *name)
{
    const pt_dataset_spec *s = r->spec;
    const char *said = pt_dataset_says(s, "train_on_speakers");
    if (said && pt_scene_named(said, name)) return true;
    for (size_t i = 0; i < s->n_roles_to_train; i++)
        if (!pt_speaker_find(s->roles_to_train[i]) && !strcmp(s->roles_to_train[i], name)) return true;
    return false;
}

bool pt_scene_trains(const pt_reader *r)
{
    const pt_dataset_spec *s = r->spec;
    for (size_t i = 0; i < s->n_roles_to_train; i++)
        if (!pt_speaker_find(s->roles_to_train[i])) return true;
    return pt_dataset_says(s, "train_on_speakers") != NULL;
}

bool pt_data_type_people(const pt_data_type *t)
{
    for (const pt_data_key *const *table = t->keys; table && *table; table++)
        if (*table == pt_keys_of_scenes) return true;
    return false;
}

/* ---- history --------------------------------------------------------------------------------------------------------- */

pt_status pt_scene_history(const char *text, long *last, const char **field)
{
    static const char word[] = "last ";
    char *end;
    *last = -1;
    *field = NULL;
    if (!strcmp(text, "all")) return PT_OK;
    if (!strncmp(text, word, sizeof word - 1) && text[sizeof word - 1] >= '0' && text[sizeof word - 1] <= '9') {
        *last = strtol(text + sizeof word - 1, &end, 10);
        if (*end == ' ' && end[1]) *field = end + 1;
        if ((!*end || *field) && *last < 1000000) return PT_OK;
    } else if (*text && strncmp(text, word, sizeof word - 2) != 0) {
        *field = text;
        return PT_OK;
    }
    return pt_fail(PT_EARG, "history is 'all', 'last N', 'FIELD' or 'last N FIELD', not '%.60s'", text);
}

static pt_status check_history(const char *text)
{
    long last;
    const char *field;
    return pt_scene_history(text, &last, &field);
}

static pt_status check_views(const char *text)
{
    bool each = pt_scene_named(text, "each");
    return each && strchr(text, '\n') ? pt_fail(PT_EARG, "view_of: each is everybody: it stands alone") : PT_OK;
}

const pt_data_key pt_keys_of_people[] = {
    {.key = "profiles", .aliases = "card cards", .kind = PT_DATA_FILE, .after = "field_margin", .help = "The profiles of roles (rolebench) and of named people, for system texts: FILE of {name: text}, a character card (JSON, PNG, CHARX), or a folder of cards."},
    {0}};

const pt_data_key pt_keys_of_scenes[] = {
    {.key = "view_of", .kind = PT_DATA_LIST, .check = check_views, .after = "system_template",
     .help = "Whose turns are the assistant's in conversations of named people: NAME, a list of names, or each. A record each; others' lines are user turns."},
    {.key = "train_on_speakers", .kind = PT_DATA_LIST,
     .help = "Names: views of these people alone, which are all that is trained on. Names in roles_to_train say the same."},
    {.key = "speaker_names", .kind = PT_DATA_WORD, .fallback = "auto", .words = (const char *const[]){"auto", "always", "never", NULL},
     .help = "Whether others' lines begin with \"Name: \". auto (default): where more than one other person speaks."},
    {.key = "thoughts", .kind = PT_DATA_WORD, .words = (const char *const[]){"own", "keep", "strip", NULL},
     .help = "[..] in the lines of named people: own (the view's own stay, others' are left out), keep or strip. Default: own where the format writes thoughts so, else keep."},
    {.key = "history", .kind = PT_DATA_TEXT, .check = check_history, .fallback = "all",
     .help = "Of conversations of named people: all (default); last N: the N turns before the last answer; FIELD or last N FIELD: that column's text, a summary, stands behind the "
             "system text in place of what was cut."},
    {0}};

/* ---- who was there ---------------------------------------------------------------------------------------------------- */

pt_status pt_scene_met(pt_reader *r, const char *name)
{
    const char *of = pt_dataset_says(r->spec, "view_of");
    bool wanted = pt_scene_trained(r, name) || (of && pt_scene_named(of, name));
    if (!r->met && !(r->met = json_object())) return pt_fail(PT_ENOMEM, "out of memory");
    if (json_object_get(r->met, name) || (!wanted && json_object_size(r->met) >= PT_SCENE_PEOPLE)) return PT_OK;
    return json_object_set_new(r->met, name, json_null()) ? pt_fail(PT_ENOMEM, "out of memory: the names of people") : PT_OK;
}

static pt_status nobody(const pt_reader *r, const char *key, const char *name, size_t n)
{
    pt_str names = {0};
    const char *who;
    json_t *v;
    pt_status rc = PT_OK;
    json_object_foreach(r->met, who, v)
        if (rc == PT_OK && names.len < 300) rc = pt_str_printf(&names, "%s%.60s", names.len ? ", " : "", who);
    if (rc == PT_OK && names.len >= 300) rc = pt_str_puts(&names, " ...");
    if (rc == PT_OK)
        rc = pt_fail(PT_EARG, "%s: %s: nobody is called '%.*s'; those who speak: %s", r->spec->path, key, (int)n, name, names.len ? names.text : "no named people in its rows");
    pt_str_free(&names);
    return rc;
}

static pt_status judge_list(const pt_reader *r, const char *key)
{
    for (const char *p = pt_dataset_says(r->spec, key); p && *p;) {
        size_t n = strcspn(p, "\n");
        char *name;
        PT_RETURN(pt_strndup(&name, p, n));
        bool met = json_object_get(r->met, name) || !strcmp(name, "each");
        free(name);
        if (!met) return nobody(r, key, p, n);
        p += n + (p[n] == '\n');
    }
    return PT_OK;
}

pt_status pt_scenes_judge(const pt_reader *r)
{
    const pt_dataset_spec *s = r->spec;
    const char *of = pt_dataset_says(s, "view_of");
    if (r->max_rows || !r->rows || r->from || r->to != INT64_MAX) return PT_OK; /* some of the rows need not name all */
    PT_RETURN(judge_list(r, "view_of"));
    PT_RETURN(judge_list(r, "train_on_speakers"));
    for (size_t i = 0; i < s->n_roles_to_train; i++) {
        const char *name = s->roles_to_train[i];
        if (!pt_speaker_find(name) && !json_object_get(r->met, name)) return nobody(r, "roles_to_train", name, strlen(name));
    }
    if (of && !r->met && r->bad.total < r->rows) return pt_fail(PT_EARG, "%s: view_of: no row is a conversation of named people", s->path);
    return PT_OK;
}

pt_status pt_scenes_open(pt_reader *r)
{
    json_decref(r->met);
    r->met = NULL;
    r->views = pt_dataset_says(r->spec, "view_of") || pt_scene_trains(r);
    return pt_profiles_load(r);
}
