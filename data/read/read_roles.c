/* Types of conversations between people: chatharuhi, characterglm, characterbench, characterchat, characterbox, charactereval. Each is a row of
 * `shapes`; data/read/read_people.c reads them all. */
#include <string.h>

#include "data/read/people.h"
#include "data/read/read_feed.h"

#define NAMES(...) (const char *const[]){__VA_ARGS__, NULL}

/* characterbox: what a scene says of its people. */
static pt_status of_cast(pt_reader *r, json_t *row, const char *name, const char **out)
{
    static const char *const fields[] = {"description", "position", "states"};
    json_t *list = json_object_get(row, "characters"), *m;
    size_t i;
    pt_str all = {0};
    json_array_foreach(list, i, m)
    {
        const char *is = json_string_value(json_object_get(m, "name"));
        for (int k = 0; is && !strcmp(is, name) && k < 3; k++) {
            pt_status rc = pt_profile_add(&all, json_object_get(m, fields[k]), "\n");
            if (rc == PT_OK) continue;
            pt_str_free(&all);
            return rc;
        }
    }
    return pt_row_keep(r, &all, out);
}

static const pt_people_shape shapes[] = {
    {.type = "chatharuhi", .lines = "dialogue", .name = "role", .text = "text", .nobody = NAMES("旁白", "", "scene", "'''Scene'''")},
    {.type = "characterglm", .greeting = "greeting",
     .one = {{.name = "bot_name", .profile = "bot_info", .main = true}, {.name = "user_name", .profile = "user_info", .user = true}}},
    {.type = "characterbench", .lines = "dialogue", .name = "speaker", .text = "utterance", .greeting = "greeting", .response = "response_messages.response",
     .one = {{.word = "character", .name = "character_name", .profile = "character_profile", .main = true},
             {.word = "user", .name = "user_name", .profile = "user_profile", .user = true}}},
    {.type = "characterchat", .lines = "dial", .name = "speaker", .text = "utterance",
     .one = {{.word = "supporter", .profile = "supporter_info.supporter_statement", .main = true},
             {.word = "seeker", .profile = "seeker_info.seeker_statement"}}},
    {.type = "characterbox", .lines = "actions", .name = "character", .text = "dialogue", .action = "action", .cast = "characters", .profile_of = of_cast,
     .setting = NAMES("event", "time", "location", "description")},
    {.type = "charactereval", .lines = "context", .response = "model_output", .one = {{.name = "role", .main = true}}},
};

/* ChatHaruhi's file of all characters, Haruhi-54K: a question, its answer, and what was said behind it. */
static const pt_people_shape haruhi_54k = {
    .lines = "more_dialogues", .question = "user_question", .greeting = "agent_response", .nobody = NAMES("旁白", "", "scene", "'''Scene'''"),
    .one = {{.name = "agent_role", .main = true}, {.word = "user", .name = "user_role", .user = true}}};

static const pt_people_shape *shape_of(const pt_reader *r)
{
    const char *type = pt_data_type_find(r->spec->type)->name;
    size_t i = 0;
    while (strcmp(shapes[i].type, type) != 0) i++;
    return &shapes[i];
}

static pt_status read_row(pt_reader *r, json_t *row)
{
    return pt_read_people(r, row, shape_of(r));
}

static pt_status read_haruhi(pt_reader *r, json_t *row)
{
    return json_object_get(row, "agent_response") && !json_object_get(row, "dialogue") ? pt_read_people(r, row, &haruhi_54k) : read_row(r, row);
}

/* A book of scenes, or a scene. */
static pt_status read_scenes(pt_reader *r, json_t *row)
{
    json_t *list = json_object_get(row, "scenes"), *m;
    size_t i;
    if (!json_is_array(list)) return read_row(r, row);
    pt_row_take(r, row, "scenes");
    json_array_foreach(list, i, m)
    {
        pt_status rc = json_is_object(m) ? read_row(r, m) : pt_fail(PT_EFORMAT, "%s, an object is wanted", pt_row_kind(m));
        if (rc != PT_OK) return pt_fail_prefix(rc, "scene %zu", i + 1);
    }
    return PT_OK;
}

/* ---- characterglm's file of characters: {name: card} --------------------------------------------------------------- */

static bool all_cards(json_t *doc)
{
    const char *key;
    json_t *v;
    json_object_foreach(doc, key, v)
        if (!json_is_object(v) || !json_object_get(v, "bot_info")) return false;
    return json_object_size(doc) > 0;
}

static pt_status rows_of_cards(pt_feed *f, const pt_dataset_spec *spec, const pt_row_sink *sink)
{
    pt_status rc = PT_OK;
    json_t *doc, *v;
    const char *key, *at;
    int64_t line = 1;
    PT_RETURN(pt_feed_object(f, &doc));
    if (!all_cards(doc)) {
        json_decref(doc);
        return pt_rows_by_name(f, spec, sink);
    }
    at = f->at;
    json_object_foreach(doc, key, v)
    {
        pt_feed_find(f, "\"bot_info\"", &at, &line);
        PT_TRY(pt_row_give(sink, f->path, json_incref(v), line));
    }
done:
    json_decref(doc);
    return rc;
}

/* ---- types ------------------------------------------------------------------------------------------------------- */

static const pt_data_key bench_keys[] = {
    {.key = "field_scene", .kind = PT_DATA_COLUMN, .help = "characterbench: the object within a row that holds the conversation (translation_en). Default: the row itself."},
    {0}};
static const pt_data_key response_keys[] = {
    {.key = "field_reply", .kind = PT_DATA_COLUMN,
     .help = "characterbench, charactereval: path of the answer behind the conversation; \"\" leaves it out. Default: response_messages.response, model_output."},
    {0}};

const pt_data_type pt_data_type_chatharuhi = {
    .name = "chatharuhi", .sft = read_haruhi, .profiles = pt_scenes_profiles, .fits = "dialogue|agent_response source|agent_role", .keys = (const pt_data_key *const[]){pt_keys_of_people, pt_keys_of_scenes, NULL}};
const pt_data_type pt_data_type_characterglm = {
    .name = "characterglm", .sft = read_row, .profiles = pt_scenes_profiles, .rows = rows_of_cards, .fits = "bot_name bot_info", .keys = (const pt_data_key *const[]){pt_keys_of_people, pt_keys_of_scenes, NULL}};
const pt_data_type pt_data_type_characterbench = {
    .name = "characterbench", .sft = read_row, .profiles = pt_scenes_profiles, .fits = "character_name character_profile dialogue",
    .keys = (const pt_data_key *const[]){pt_keys_of_people, pt_keys_of_scenes, bench_keys, response_keys, NULL}};
const pt_data_type pt_data_type_characterchat = {
    .name = "characterchat", .sft = read_row, .profiles = pt_scenes_profiles, .fits = "dial supporter_info seeker_info", .keys = (const pt_data_key *const[]){pt_keys_of_people, pt_keys_of_scenes, NULL}};
const pt_data_type pt_data_type_characterbox = {
    .name = "characterbox", .sft = read_scenes, .profiles = pt_scenes_profiles, .fits = "actions characters", .keys = (const pt_data_key *const[]){pt_keys_of_people, pt_keys_of_scenes, NULL}};
const pt_data_type pt_data_type_charactereval = {
    .name = "charactereval", .sft = read_row, .profiles = pt_scenes_profiles, .fits = "role novel_name context",
    .keys = (const pt_data_key *const[]){pt_keys_of_people, pt_keys_of_scenes, response_keys, NULL}};
