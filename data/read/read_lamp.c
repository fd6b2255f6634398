/* lamp: the personalisation sets of LaMP: {id, input, profile: [{id, text, title ...}]}; the answers stand in a file of their own, {task, golds: [{id,
 * output}]} (outputs: FILE), or in the row (output), as the project's scripts merge them. What the user wrote before is the system text. */
#include <stdlib.h>
#include <string.h>

#include "data/read/people.h"

/* An id is a text or a whole number. */
static pt_status id_of(json_t *v, char out[64])
{
    int n = json_is_string(v) ? snprintf(out, 64, "%s", json_string_value(v)) : json_is_integer(v) ? snprintf(out, 64, "%lld", (long long)json_integer_value(v)) : 64;
    return n < 64 ? PT_OK : pt_fail(PT_EFORMAT, "'id' is %s, a text or a number is wanted", pt_row_kind(v));
}

/* The file of answers as {id: output} into r->profiles, which nothing else of this type uses. */
static pt_status load_outputs(pt_reader *r)
{
    pt_status rc = PT_OK;
    const char *file = pt_dataset_says(r->spec, "outputs");
    json_t *doc = NULL, *golds, *m;
    size_t i;
    char id[64];
    if (!file || r->profiles) return PT_OK;
    PT_TRY(pt_json_load(&doc, file, (size_t)1 << 30, PT_JSON_NUL));
    golds = json_is_array(doc) ? doc : json_object_get(doc, "golds");
    PT_CHECK(json_is_array(golds), PT_EFORMAT, "%s: {golds: [{id, output}]} is wanted", file);
    PT_CHECK(r->profiles = json_object(), PT_ENOMEM, "out of memory");
    json_array_foreach(golds, i, m)
    {
        json_t *text = json_object_get(m, "output");
        PT_CHECK(json_is_string(text), PT_EFORMAT, "%s: answer %zu: 'output' is %s, a string is wanted", file, i + 1, pt_row_kind(text));
        rc = id_of(json_object_get(m, "id"), id);
        if (rc != PT_OK) rc = pt_fail_prefix(rc, "%s: answer %zu", file, i + 1);
        PT_TRY(rc);
        PT_CHECK(!json_object_set(r->profiles, id, text), PT_ENOMEM, "out of memory");
    }
done:
    json_decref(doc);
    return rc;
}

static pt_status check_items(const char *text)
{
    char *end;
    long n = strtol(text, &end, 10);
    bool number = *text >= '0' && *text <= '9' && !*end && n < 1000000;
    return number || !strcmp(text, "all") ? PT_OK : pt_fail(PT_EARG, "profile_items is 'all' or a number, not '%.40s'", text);
}

/* The first items of the profile, each its fields but ids and dates, a line each. */
static pt_status profile_text(pt_reader *r, json_t *list, const char **out)
{
    pt_status rc = PT_OK;
    const char *said = pt_dataset_value(r->spec, "profile_items"), *key;
    size_t most = strcmp(said, "all") != 0 ? (size_t)atol(said) : SIZE_MAX, i;
    json_t *m, *v, *kept = NULL;
    pt_str all = {0};
    if (!json_is_array(list)) return pt_fail(PT_EFORMAT, "field 'profile' is %s, a list is wanted", pt_row_kind(list));
    if (json_array_size(list) > most) pt_causes_add(&r->notes, "profiles with more items than profile_items: the first ones are taken", r->line);
    json_array_foreach(list, i, m)
    {
        if (i == most) break;
        PT_CHECK(json_is_object(m) && !pt_json_odd(m), PT_EFORMAT, "item %zu of 'profile' is %s, an object is wanted", i + 1, pt_row_kind(m));
        PT_CHECK(kept = json_object(), PT_ENOMEM, "out of memory");
        json_object_foreach(m, key, v)
            if (strcmp(key, "id") != 0 && strcmp(key, "date") != 0) PT_CHECK(!json_object_set(kept, key, v), PT_ENOMEM, "out of memory");
        PT_TRY(pt_profile_add(&all, kept, "\n\n"));
        json_decref(kept);
        kept = NULL;
    }
    return pt_row_keep(r, &all, out);
done:
    json_decref(kept);
    pt_str_free(&all);
    return rc;
}

/* The row's own answer, else the file's. */
static pt_status answer_of(pt_reader *r, json_t *row, const char **text, size_t *bytes)
{
    char id[64];
    PT_RETURN(pt_row_string(row, "output", false, text, bytes));
    pt_row_take(r, row, "output");
    if (*text) return PT_OK;
    PT_RETURN(id_of(pt_row_take(r, row, "id"), id));
    json_t *v = json_object_get(r->profiles, id);
    if (!r->profiles) return pt_fail(PT_EFORMAT, "the row has no 'output'; outputs: FILE names the file of answers, {golds: [{id, output}]}");
    if (!v) return pt_fail(PT_EFORMAT, "no answer for id '%s' in %s", id, pt_dataset_says(r->spec, "outputs"));
    *text = json_string_value(v);
    *bytes = json_string_length(v);
    return PT_OK;
}

static pt_status read_row(pt_reader *r, json_t *row)
{
    pt_turns *t = &r->rec.answers[0].turns;
    const char *input, *answer, *system;
    size_t n, bytes;
    if (!pt_row_take(r, row, "input")) return pt_row_missing(r, row, "input");
    PT_RETURN(pt_row_string(row, "input", true, &input, &n));
    PT_RETURN(profile_text(r, pt_row_take(r, row, "profile"), &system));
    PT_RETURN(answer_of(r, row, &answer, &bytes));
    if (system) PT_RETURN(pt_record_turn(t, PT_SYSTEM, system, strlen(system)));
    PT_RETURN(pt_record_turn(t, PT_USER, input, n));
    r->rec.n_prompt = t->n;
    PT_RETURN(pt_record_turn(t, PT_ASSISTANT, answer, bytes));
    return r->sink(r->user, &r->rec, r->line);
}

static const pt_data_key keys[] = {
    {.key = "outputs", .kind = PT_DATA_FILE, .after = "profiles", .help = "lamp: FILE of the answers, {golds: [{id, output}]}. Rows with an output of their own need none."},
    {.key = "profile_items", .kind = PT_DATA_TEXT, .fallback = "all", .check = check_items,
     .help = "lamp: how many items of a profile stand in the system text: all (default) or the first N."},
    {0}};

const pt_data_type pt_data_type_lamp = {.name = "lamp", .sft = read_row, .open = load_outputs, .fits = "id input profile",
                                        .keys = (const pt_data_key *const[]){keys, NULL}};
