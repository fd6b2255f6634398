/* character_llm: interviews of Character-LLM, {character, content: [{turn_role: interviewer | character, turn_content: [{role, action, content}]}]}. What is
 * spoken stands as it is, thoughts in [brackets], other actions in (brackets) before it. */
#include <string.h>

#include "data/read/people.h"

/* The action without its brackets, of which some rows have several. */
static void bare(const char **text, size_t *n)
{
    while (*n && strchr("( ", **text)) ++*text, --*n;
    while (*n && strchr(") ", (*text)[*n - 1])) --*n;
}

static bool is(const char *text, size_t n, const char *word)
{
    return n == strlen(word) && !memcmp(text, word, n);
}

static pt_status part_text(pt_reader *r, json_t *part, const char **text, size_t *bytes)
{
    const char *action;
    size_t n;
    pt_str all = {0};
    PT_RETURN(pt_row_string(part, "content", true, text, bytes));
    PT_RETURN(pt_row_string(part, "action", false, &action, &n));
    bare(&action, &n);
    if (!n || is(action, n, "speaking")) return PT_OK;
    bool thought = is(action, n, "thinking") || is(action, n, "thought");
    pt_status rc = thought ? pt_str_puts(&all, "[") : pt_str_printf(&all, "(%.*s) ", (int)n, action);
    if (rc == PT_OK) rc = pt_str_add(&all, *text, *bytes);
    if (rc == PT_OK && thought) rc = pt_str_puts(&all, "]");
    if (rc != PT_OK) {
        pt_str_free(&all);
        return rc;
    }
    *bytes = all.len;
    return pt_row_keep(r, &all, text);
}

/* The interviewers are known by the turns that are theirs: some turns of the character's hold lines of them too. */
static pt_status meet_interviewers(json_t *content, const char *character, pt_scene *c)
{
    size_t i, k;
    json_t *turn, *part;
    json_array_foreach(content, i, turn)
    {
        const char *whose = json_string_value(json_object_get(turn, "turn_role"));
        if (!whose || strcmp(whose, "interviewer") != 0) continue;
        json_array_foreach(json_object_get(turn, "turn_content"), k, part)
        {
            const char *name = json_string_value(json_object_get(part, "role"));
            if (name && strcmp(name, character) != 0) PT_RETURN(pt_scene_person_add(c, name, NULL, true, false));
        }
    }
    return PT_OK;
}

static pt_status read_turn(pt_reader *r, json_t *turn, const char *character, pt_scene *c)
{
    const char *whose, *name, *text;
    size_t k, n, bytes;
    json_t *parts = json_object_get(turn, "turn_content"), *part;
    PT_RETURN(pt_row_string(turn, "turn_role", true, &whose, &n));
    if (strcmp(whose, "interviewer") && strcmp(whose, "character"))
        return pt_fail(PT_EFORMAT, "turn_role is interviewer or character, not '%.40s'", whose);
    if (!json_is_array(parts)) return pt_fail(PT_EFORMAT, "'turn_content' is %s, a list is wanted", pt_row_kind(parts));
    json_array_foreach(parts, k, part)
    {
        if (!json_is_object(part)) return pt_fail(PT_EFORMAT, "part %zu is %s, an object is wanted", k + 1, pt_row_kind(part));
        PT_RETURN(pt_row_string(part, "role", true, &name, &n));
        PT_RETURN(part_text(r, part, &text, &bytes));
        const pt_scene_person *p = pt_scene_person_find(c, name);
        if (!p || !p->user) name = character;
        PT_RETURN(pt_scene_line_add(c, name, text, bytes));
    }
    return PT_OK;
}

static pt_status read_row(pt_reader *r, json_t *row)
{
    const char *character;
    size_t i, n;
    json_t *content = pt_row_take(r, row, "content"), *turn;
    PT_RETURN(pt_row_string(row, "character", true, &character, &n));
    pt_row_take(r, row, "character");
    if (!content) return pt_row_missing(r, row, "content");
    if (!json_is_array(content)) return pt_fail(PT_EFORMAT, "field 'content' is %s, a list of turns is wanted", pt_row_kind(content));
    pt_scene *c = pt_scene_begin(r, row);
    c->thoughts = true;
    PT_RETURN(pt_scene_person_add(c, character, NULL, false, true));
    PT_RETURN(meet_interviewers(content, character, c));
    json_array_foreach(content, i, turn)
    {
        pt_status rc = json_is_object(turn) ? read_turn(r, turn, character, c) : pt_fail(PT_EFORMAT, "%s, an object is wanted", pt_row_kind(turn));
        if (rc != PT_OK) return rc == PT_ENOMEM ? rc : pt_fail_prefix(rc, "turn %zu", i + 1);
    }
    return pt_read_scene(r, c);
}

const pt_data_type pt_data_type_character_llm = {.name = "character_llm", .sft = read_row, .profiles = pt_scenes_profiles, .fits = "character content",
                                                 .keys = (const pt_data_key *const[]){pt_keys_of_people, pt_keys_of_scenes, NULL}};
