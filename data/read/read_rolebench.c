/* rolebench: {role, question, generated: [answer, ...]}; the role's profile, from a file {role: text}, is the system prompt.
 * Every field loses its outer spaces. references: first makes one record of the first answer, all one record an answer. */
#include <stdlib.h>
#include <string.h>

#include "data/read/record.h"

static const char *template_of(const pt_dataset_spec *s)
{
    const char *text = pt_dataset_says(s, "system_template");
    return text && *text ? text : "{profile}";
}

pt_status pt_read_rolebench_open(pt_reader *r)
{
    if (!pt_dataset_says(r->spec, "profiles") && strstr(template_of(r->spec), "{profile}"))
        return pt_fail(PT_EARG, "%s: type rolebench needs 'profiles: FILE' ({role: text}), or a system_template without {profile}", r->spec->path);
    return pt_profiles_load(r);
}

/* The system text of a role: the template with {role}, {profile} and the row's other fields (row may be NULL); owned by the caller. */
static pt_status system_text(const char *tmpl, json_t *row, const char *role, const char *profile, char **out)
{
    pt_status rc = PT_OK;
    pt_str s = {0};
    size_t n_role = strlen(role), n_profile = strlen(profile);
    json_t *fields = row ? json_copy(row) : json_object();
    pt_text_strip(&role, &n_role);
    pt_text_strip(&profile, &n_profile);
    PT_CHECK(fields && !json_object_set_new(fields, "role", json_stringn(role, n_role)) && !json_object_set_new(fields, "profile", json_stringn(profile, n_profile)), PT_ENOMEM,
             "out of memory: a system text");
    PT_TRY(pt_row_format(fields, tmpl, &s));
    *out = s.text;
    s = (pt_str){0};
done:
    json_decref(fields);
    pt_str_free(&s);
    return rc == PT_OK ? rc : pt_fail_prefix(rc, "system_template");
}

/* Whether a template has fields of the row: then the system text of a role is another in each. */
static bool of_rows(const char *tmpl)
{
    char name[64];
    while (pt_row_template_field(&tmpl, name, sizeof name))
        if (strcmp(name, "role") && strcmp(name, "profile")) return true;
    return false;
}

/* The role as the profiles file spells it: exact, or without outer spaces. */
static pt_status find_role(pt_reader *r, const char *raw, size_t n, const char **role, const char **profile)
{
    pt_text_strip(&raw, &n);
    char *name;
    PT_RETURN(pt_strndup(&name, raw, n));
    PT_RETURN(pt_record_own(&r->rec, name));
    *role = name;
    *profile = "";
    if (!r->profiles) return PT_OK;
    json_t *v = json_object_get(r->profiles, name);
    if (!v) return pt_fail(PT_EFORMAT, "role '%s' has no profile in %s", name, pt_dataset_says(r->spec, "profiles"));
    if (!json_is_string(v))
        return pt_fail(PT_EFORMAT, "the profile of '%s' in %s is %s, not a string", name, pt_dataset_says(r->spec, "profiles"), pt_row_kind(v));
    *profile = json_string_value(v);
    return PT_OK;
}

static pt_status give_answer(pt_reader *r, json_t *answer, const char *system, const char *question, size_t n_question)
{
    pt_turns *t = &r->rec.answers[0].turns;
    if (!json_is_string(answer)) return pt_fail(PT_EFORMAT, "an answer of 'generated' is not a string");
    const char *text = json_string_value(answer);
    size_t n = json_string_length(answer);
    pt_text_strip(&text, &n);
    t->n = 0;
    if (*system) PT_RETURN(pt_record_turn(t, PT_SYSTEM, system, strlen(system)));
    PT_RETURN(pt_record_turn(t, PT_USER, question, n_question));
    PT_RETURN(pt_record_turn(t, PT_ASSISTANT, text, n));
    return r->sink(r->user, &r->rec, r->line);
}

pt_status pt_read_rolebench(pt_reader *r, json_t *row)
{
    const char *raw, *question, *role, *profile;
    size_t n_raw, n_question, i;
    char *system;
    json_t *answers = json_object_get(row, "generated"), *a;
    PT_RETURN(pt_row_string(row, "role", true, &raw, &n_raw));
    PT_RETURN(pt_row_string(row, "question", true, &question, &n_question));
    static const char *const used[] = {"role", "question", "generated"};
    for (i = 0; i < 3; i++) pt_row_take(r, row, used[i]);
    pt_text_strip(&question, &n_question);
    PT_RETURN(find_role(r, raw, n_raw, &role, &profile));
    PT_RETURN(system_text(template_of(r->spec), row, role, profile, &system));
    PT_RETURN(pt_record_own(&r->rec, system));
    r->rec.role = role;
    if (json_is_string(answers)) return give_answer(r, answers, system, question, n_question);
    if (!json_array_size(answers)) return pt_fail(PT_EFORMAT, "'generated' is not a list of answers");
    bool all = !strcmp(pt_dataset_value(r->spec, "references"), "all");
    json_array_foreach(answers, i, a)
    {
        if (i && !all) break;
        PT_RETURN(give_answer(r, a, system, question, n_question));
    }
    return PT_OK;
}

/* All roles of the profiles file, so that `chat --role` knows those never trained too, and those that rows named. */
static pt_status keep_profiles(const pt_reader *r, char *const *roles, size_t n, json_t *out)
{
    const char *role, *tmpl = template_of(r->spec);
    json_t *v;
    char *text;
    if (of_rows(tmpl)) return PT_OK;
    json_object_foreach(r->profiles, role, v)
    {
        if (!json_is_string(v)) continue; /* nobody's: a row of that role would have been refused */
        PT_RETURN(system_text(tmpl, NULL, role, json_string_value(v), &text));
        int bad = json_object_set_new(out, role, json_string(text));
        free(text);
        if (bad) return pt_fail(PT_ENOMEM, "out of memory");
    }
    for (size_t i = 0; i < n; i++) {
        if (json_object_get(out, roles[i])) continue;
        PT_RETURN(system_text(tmpl, NULL, roles[i], "", &text));
        int bad = json_object_set_new(out, roles[i], json_string(text));
        free(text);
        if (bad) return pt_fail(PT_ENOMEM, "out of memory");
    }
    return PT_OK;
}

static const pt_data_key keys[] = {
    {.key = "references", .kind = PT_DATA_WORD, .after = "profiles", .fallback = "first", .words = (const char *const[]){"first", "all", NULL},
     .help = "rolebench: first (default) or all answers of a row."},
    {0}};

const pt_data_type pt_data_type_rolebench = {.name = "rolebench", .sft = pt_read_rolebench, .open = pt_read_rolebench_open, .fits = "role question generated", .fits_with = ", profiles: FILE", .profiles = keep_profiles,
                                             .keys = (const pt_data_key *const[]){pt_keys_of_people, keys, pt_keys_of_templates, NULL}};
