/* Conversations: messages (= chat_template) and sharegpt. The two differ in the name of the list that is looked for first; a message may
 * say role and content or from and value in both. */
#include <string.h>

#include "data/read/record.h"

/* The text of a message: a string, or a list of text parts [{type: text, text | value: ...}] put together. A message of tool calls
 * may have none; a tool's result may be an object (*is_json). */
static pt_status message_text(pt_reader *r, json_t *m, const char *key, const char **text, size_t *bytes, bool *is_json)
{
    pt_status rc = PT_OK;
    pt_str all = {0};
    json_t *v = pt_row_path(m, key);
    *is_json = json_is_object(v) && !pt_json_odd(v);
    if (*is_json) {
        PT_TRY(pt_text_json(&all, v, 0));
        *text = all.text;
        *bytes = all.len;
        return pt_record_own(&r->rec, all.text);
    }
    const json_t *calls = NULL;
    if (!v || json_is_null(v)) PT_RETURN(pt_read_calls(r, m, &calls));
    if (calls) {
        *text = "";
        *bytes = 0;
        return PT_OK;
    }
    if (!json_is_array(v)) return pt_row_string(m, key, true, text, bytes);
    size_t i;
    json_t *part;
    json_array_foreach(v, i, part)
    {
        const char *kind, *piece;
        size_t n;
        if (json_is_string(part)) { /* a part of text alone */
            PT_TRY(pt_str_add(&all, json_string_value(part), json_string_length(part)));
            continue;
        }
        PT_CHECK(json_is_object(part), PT_EFORMAT, "part %zu of '%s' is neither an object nor a string", i + 1, key);
        PT_TRY(pt_row_string(part, "type", false, &kind, &n));
        PT_CHECK(!kind || !strcmp(kind, "text"), PT_ENOSUP, "a message part of type '%s'; only text is trained on", kind);
        PT_TRY(pt_row_string(part, json_object_get(part, "text") ? "text" : "value", true, &piece, &n));
        PT_TRY(pt_str_add(&all, piece, n));
    }
    PT_TRY(pt_str_puts(&all, ""));
    *text = all.text;
    *bytes = all.len;
    return pt_record_own(&r->rec, all.text); /* which frees it when it fails */
done:
    pt_str_free(&all);
    return rc;
}

/* train: false|true (or message_field_training's name), weight: x, loss_weight: x (LLaMA-Factory), loss: bool, loss_scale: x (ms-swift). */
static pt_status message_weight(const pt_reader *r, json_t *m, pt_turn *t)
{
    const char *named = pt_dataset_says(r->spec, "message_field_training");
    static const char *const numbers[] = {"weight", "loss_weight", "loss_scale"}, *const flags[] = {"train", "training", "loss"};
    for (int i = 0; i < 3 && !named; i++) {
        json_t *v = json_object_get(m, numbers[i]);
        if (!v || json_is_null(v)) continue;
        PT_RETURN(pt_row_number(m, numbers[i], 0, &t->weight));
        if (t->weight == 0 && pt_speaker_is(t->speaker, PT_ASSISTANT)) t->weight = PT_WEIGHT_HELD; /* it is an answer all the same */
        t->has_weight = true;
        return PT_OK;
    }
    for (int i = 0; i < (named ? 1 : 3); i++) {
        const char *name = named ? named : flags[i];
        json_t *v = pt_row_path(m, name);
        bool foreign = i > 0 && !json_is_boolean(v); /* a loss that was measured, say */
        if (!v || json_is_null(v) || foreign) continue;
        if (!json_is_boolean(v)) return pt_fail(PT_EFORMAT, "field '%s' of a message is true or false", name);
        t->weight = json_is_true(v) ? 1 : 0;
        t->has_weight = true;
        return PT_OK;
    }
    return PT_OK;
}

static pt_status speaker(pt_reader *r, json_t *m, const char *name, const pt_speaker **who)
{
    const pt_dataset_spec *s = r->spec;
    size_t i = 0;
    while (i < s->n_roles && strcmp(s->role_names[i], name)) i++;
    *who = i < s->n_roles ? s->role_is[i] : pt_speaker_find(name);
    if (r->views) return pt_read_person(r, m, name, who);
    if (*who) return PT_OK;
    char known[160];
    pt_speaker_names(known, sizeof known, ", ");
    return pt_fail(PT_EFORMAT, "speaker '%.60s' is unknown (%s, human, gpt ...); roles: {assistant: [NAME]} of the data set says who is who, and view_of: each takes "
                               "everybody's point of view",
                   name, known);
}

/* The first name that a message has a field of, else the first of all. */
static const char *first_there(json_t *m, const char *const *names)
{
    for (const char *const *p = names; *p; p++)
        if (json_object_get(m, *p)) return *p;
    return names[0];
}

static pt_status add_message(pt_reader *r, json_t *m, pt_turns *t)
{
    const char *role = pt_dataset_says(r->spec, "message_field_role"), *text_key = pt_dataset_says(r->spec, "message_field_content"), *name, *text;
    size_t n, bytes;
    const pt_speaker *who;
    bool is_json;
    if (!role) role = first_there(m, (const char *const[]){"role", "from", "speaker", NULL});
    if (!text_key) {
        bool value = !strcmp(role, "from");
        text_key = first_there(m, (const char *const[]){value ? "value" : "content", value ? "content" : "value", "text", NULL});
    }
    PT_RETURN(pt_row_string(m, role, true, &name, &n));
    PT_RETURN(speaker(r, m, name, &who));
    if (pt_speaker_is(who, PT_SYSTEM) && json_is_null(pt_row_path(m, text_key))) return pt_record_turn(t, who, "", 0);
    PT_RETURN(message_text(r, m, text_key, &text, &bytes, &is_json));
    if (is_json && !pt_speaker_is(who, PT_TOOL)) return pt_fail(PT_EFORMAT, "field '%s' is an object, a string is wanted", text_key);
    PT_RETURN(pt_record_turn(t, who, text, bytes));
    t->turns[t->n - 1].is_json = is_json;
    if (is_json) pt_causes_add(&r->notes, "tool results that are objects are written as JSON", r->line);
    PT_RETURN(pt_read_extras(r, m, name, &t->turns[t->n - 1]));
    PT_RETURN(pt_read_tagged(r, m, &t->turns[t->n - 1]));
    const char *const read[] = {role, text_key, pt_dataset_says(r->spec, "message_field_training"), pt_dataset_value(r->spec, "message_field_training_detail"),
                                pt_dataset_says(r->spec, "message_field_tag"), r->views ? "name" : NULL};
    if (!pt_dataset_says(r->spec, "turn_template")) pt_note_unread(r, m, read, sizeof read / sizeof *read, who);
    PT_RETURN(message_weight(r, m, &t->turns[t->n - 1]));
    return pt_read_detail(r, m, &t->turns[t->n - 1]);
}

/* Who says the text under a name of a round. */
static const pt_speaker *round_speaker(const char *name)
{
    static const char *const asks[] = {"instruction", "prompt", "query", "question", "input"}, *const answers[] = {"output", "response", "completion", "answer"};
    for (size_t i = 0; i < sizeof asks / sizeof *asks; i++)
        if (!strcmp(asks[i], name)) return PT_USER;
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++)
        if (!strcmp(answers[i], name)) return PT_ASSISTANT;
    return pt_speaker_find(name);
}

/* {human: q, assistant: a} (ms-swift's shape), {question: q, answer: a}: every text stands under a speaker. */
static bool is_round(const pt_reader *r, json_t *m)
{
    const char *key;
    json_t *v;
    bool any = false, all = true;
    const char *role = pt_dataset_says(r->spec, "message_field_role");
    if (pt_row_path(m, role ? role : "role") || json_object_get(m, "from")) return false;
    json_object_foreach(m, key, v)
        if (round_speaker(key) && json_is_string(v)) any = true;
        else if (json_is_string(v)) all = false;
    return any && all;
}

static pt_status add_round(pt_reader *r, json_t *m, pt_turns *t)
{
    const char *key;
    json_t *v;
    size_t i;
    if (json_is_array(m)) {
        json_array_foreach(m, i, v)
        {
            if (!json_is_string(v)) return pt_fail(PT_EFORMAT, "not [question, answer]");
            PT_RETURN(pt_record_turn(t, i % 2 ? PT_ASSISTANT : PT_USER, json_string_value(v), json_string_length(v)));
        }
        return i == 2 ? PT_OK : pt_fail(PT_EFORMAT, "not [question, answer]");
    }
    json_object_foreach(m, key, v)
    {
        const pt_speaker *who = round_speaker(key);
        if (!who) continue;
        if (!json_is_string(v)) return pt_fail(PT_EFORMAT, "field '%s' is %s, a string is wanted", key, pt_row_kind(v));
        PT_RETURN(pt_record_turn(t, who, json_string_value(v), json_string_length(v)));
    }
    return PT_OK;
}

pt_status pt_read_turns(pt_reader *r, json_t *list, pt_turns *t)
{
    size_t i;
    json_t *m;
    PT_RETURN(pt_row_list(r, list, &list));
    if (json_is_object(list) && !pt_json_odd(list)) return add_message(r, list, t);
    if (!json_is_array(list)) return pt_fail(PT_EFORMAT, "a list of messages is wanted, not %s", pt_row_kind(list));
    json_array_foreach(list, i, m)
    {
        bool round = json_is_array(m) || is_round(r, m);
        if (!round && (!json_is_object(m) || pt_json_odd(m))) return pt_fail(PT_EFORMAT, "message %zu is not an object", i + 1);
        pt_status rc = round ? add_round(r, m, t) : add_message(r, m, t);
        if (rc != PT_OK) return pt_fail_prefix(rc, "%s %zu", round ? "round" : "message", i + 1);
    }
    return PT_OK;
}

/* Puts a turn before all others. */
static pt_status put_first(pt_turns *t, const char *text, size_t bytes)
{
    PT_RETURN(pt_record_turn(t, PT_SYSTEM, text, bytes));
    pt_turn last = t->turns[t->n - 1];
    memmove(t->turns + 1, t->turns, (t->n - 1) * sizeof *t->turns);
    t->turns[0] = last;
    return PT_OK;
}

pt_status pt_read_system(pt_reader *r, json_t *row, pt_turns *t, size_t *n_prompt)
{
    static const char *const names[] = {"system", "system_prompt", NULL};
    const char *text;
    size_t n, n_system = 0;
    while (n_system < t->n && pt_speaker_is(t->turns[n_system].speaker, PT_SYSTEM)) n_system++;
    PT_RETURN(pt_row_filled(r, row, "system_template", &text, &n));
    if (r->spec->drop_system) {
        t->n -= n_system;
        memmove(t->turns, t->turns + n_system, t->n * sizeof *t->turns);
        if (n_prompt) *n_prompt -= n_system < *n_prompt ? n_system : *n_prompt;
        if (!text) return PT_OK;
        n_system = 0;
    }
    if (!text) PT_RETURN(pt_row_text(r, row, "field_system", names, &text, &n));
    if (!text && (text = r->spec->system_prompt)) n = strlen(text);
    if (!text) return PT_OK;
    if (n_system) { /* the message stands nearer, as for axolotl and LLaMA-Factory */
        if (n != t->turns[0].bytes || memcmp(text, t->turns[0].text, n) != 0)
            pt_causes_add(&r->notes, "a system message and another system text beside it: the message is taken", r->line);
        return PT_OK;
    }
    PT_RETURN(put_first(t, text, n));
    if (n_prompt && *n_prompt) ++*n_prompt;
    return PT_OK;
}

json_t *pt_read_list(pt_reader *r, json_t *row)
{
    const pt_data_type *type = pt_data_type_find(r->spec->type);
    const char *const names[] = {type->list ? type->list : "messages", "conversations", "conversation", "messages", NULL};
    const char *named[] = {pt_dataset_says(r->spec, "field_messages"), NULL};
    for (const char *const *p = named[0] ? named : names; *p; p++) {
        const json_t *v = pt_row_path(row, *p);
        if (v && !json_is_null(v)) return pt_row_take(r, row, *p);
    }
    return NULL;
}

/* Texts alone, question and answer in turns (UltraChat). */
static bool texts_in_turns(const json_t *list)
{
    size_t i;
    json_t *v;
    json_array_foreach(list, i, v)
        if (!json_is_string(v)) return false;
    return json_array_size(list) > 1;
}

/* Whether a list is a conversation of speakers that are known: names alone do not tell. */
static bool is_talk(const pt_reader *r, json_t *list)
{
    json_t *m = json_array_get(list, 0);
    if (json_is_array(m)) return json_array_size(m) == 2 && texts_in_turns(m);
    if (!json_is_object(m) || pt_json_odd(m)) return false;
    const char *who = json_string_value(json_object_get(m, first_there(m, (const char *const[]){"role", "from", "speaker", NULL})));
    bool text = json_is_string(json_object_get(m, first_there(m, (const char *const[]){"content", "value", "text", NULL})));
    return is_round(r, m) || (who && text && pt_speaker_find(who));
}

json_t *pt_read_other_list(pt_reader *r, json_t *row)
{
    static const char *const names[] = {"items", "dialog", "dialogue", "turns", "chat", "data", NULL};
    for (const char *const *p = names; *p; p++) {
        json_t *v = json_object_get(row, *p);
        if (is_talk(r, v) || (!strcmp(*p, "data") && texts_in_turns(v))) return pt_row_take(r, row, *p);
    }
    return NULL;
}

static pt_status add_turns(pt_reader *r, json_t *list, pt_turns *t)
{
    size_t i;
    json_t *v;
    PT_RETURN(pt_row_list(r, list, &list));
    if (!texts_in_turns(list)) return pt_read_turns(r, list, t);
    json_array_foreach(list, i, v) PT_RETURN(pt_record_turn(t, i % 2 ? PT_ASSISTANT : PT_USER, json_string_value(v), json_string_length(v)));
    return PT_OK;
}

pt_status pt_read_messages(pt_reader *r, json_t *row)
{
    const char *named = pt_dataset_says(r->spec, "field_messages"), *want = named;
    pt_turns *t = &r->rec.answers[0].turns;
    json_t *list = pt_read_list(r, row);
    bool made = pt_row_templates(r) != NULL;
    if (!list && !named && (made || pt_read_output(r, row))) return pt_read_alpaca(r, row);
    if (list && made) return pt_fail(PT_EFORMAT, "the row is a conversation; %s is for rows without one", pt_row_templates(r));
    if (!list && !named) list = pt_read_other_list(r, row);
    if (!want) want = pt_data_type_find(r->spec->type)->list;
    if (!want) want = "messages"; /* read for a type that has no list of its own */
    if (!list) return pt_row_missing(r, row, want);
    if (r->views) return pt_read_views(r, row, list);
    PT_RETURN(add_turns(r, list, t));
    if (!t->n) return pt_fail(PT_EFORMAT, "the list holds no messages");
    PT_RETURN(pt_read_system(r, row, t, NULL));
    if (!t->n) return pt_fail(PT_EFORMAT, "the list holds a system message alone");
    return r->sink(r->user, &r->rec, r->line);
}

static const char *const thinking_words[] = {"keep", "strip", "mask", NULL};

static const pt_data_key conversation_keys[] = {
    {.key = "field_messages", .kind = PT_DATA_COLUMN, .after = "bad_rows", .help = "Column of the conversation, or its path (data.turns). Default: messages, conversations, conversation; else items, dialog, dialogue, turns, chat or data, where that is one."},
    {.key = "message_field_role", .kind = PT_DATA_TEXT, .within = "message_property_mappings", .as = "role"},
    {.key = "message_field_content", .kind = PT_DATA_TEXT, .within = "message_property_mappings", .as = "content"},
    {.key = "message_field_training", .kind = PT_DATA_TEXT, .after = "message_property_mappings",
     .help = "A message's own true | false: whether it is trained on. Default: train; weight and loss_weight (numbers) are read too."},
    {.key = "message_field_training_detail", .kind = PT_DATA_TEXT, .fallback = "train_detail", .after = "message_field_training",
     .help = "A message's own list of parts that are trained on: {begin_offset, end_offset, train: true | false, weight}, counted in characters, the "
             "end within; what no part holds is context. Default: train_detail."},
    {.key = "thinking", .kind = PT_DATA_WORD, .fallback = "keep", .words = thinking_words, .after = "message_field_training_detail",
     .help = "Thoughts of answers (reasoning_content, or a think block at the head of the text). keep: as the template writes them, and trained on; "
             "strip: left out; mask: written, and context. Default: keep."},
    {.key = "message_field_tag", .kind = PT_DATA_TEXT,
     .help = "A message's field (or the path of one) that says how it is meant: a strategy, a feeling. It is written before the text of messages that have it: \"[tag] text\"."},
    {.key = "turn_template", .kind = PT_DATA_TEMPLATE,
     .help = "How a message's text is written, over its own fields, {content} and {tag}. With message_field_tag of messages that have a tag, without it of all but system messages. "
             "Default: [{tag}] {content}."},
    {.key = "field_tools", .kind = PT_DATA_COLUMN, .help = "Column of the list of tools that a row offers. Default: tools."},
    {.key = "field_system", .kind = PT_DATA_COLUMN, .after = "system_prompt", .help = "Column of the system text. Default: system, system_prompt."},
    {0}};
const pt_data_key *const pt_keys_of_chats[] = {conversation_keys, pt_keys_of_templates, pt_keys_of_questions, pt_keys_of_pairs, pt_keys_of_verdicts, NULL};
static const pt_data_key *const keys_of_conversations[] = {conversation_keys, pt_keys_of_templates, pt_keys_of_questions, pt_keys_of_pairs, pt_keys_of_verdicts, pt_keys_of_people, pt_keys_of_scenes, NULL};

const pt_data_type pt_data_type_messages = {
    .name = "messages", .also = "chat_template chat_template.* openai", .shown = "messages (= chat_template)", .sft = pt_read_messages,
    .pairs = pt_read_preference, .verdicts = pt_read_unpaired, .open = pt_read_views_open, .profiles = pt_scenes_profiles, .list = "messages", .keys = keys_of_conversations};
const pt_data_type pt_data_type_sharegpt = {
    .name = "sharegpt", .also = "sharegpt.load sharegpt.load_role sharegpt:chat", .sft = pt_read_messages, .pairs = pt_read_preference, .verdicts = pt_read_unpaired,
    .open = pt_read_views_open, .profiles = pt_scenes_profiles, .list = "conversations", .keys = keys_of_conversations};
