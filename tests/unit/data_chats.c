/* Records of character cards and of SillyTavern's chats, written by hand beside what is read. Files: tests/golden/cards.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "read_show.h"

#define DIR "tests/golden/data/cards/"
#define V1 "S:Ann mends clocks in a harbour town.\nAnn's personality: dry, patient\nScenario: User brings a broken watch.|"
#define V2 "S:Write Ann's next reply.\nThe town is called Wick.\nAnn mends clocks in a harbour town.\nAnn's personality: dry, patient\nScenario: User brings a broken watch.\nThe tide runs at six.|"
#define GREET "A0:*looks up* Shut the door, User.|"
#define ONE "U:Is it late?|A:The clock says nine.\nI say ten."
#define TWO "U:Can you mend it?|A:I can mend anything that ticks."
#define TOM "A0:*looks up* Shut the door, Tom.|U:Is it late?"
#define BELL "|U:A bell rings.\n\nAnd Ann, the watch?"

static const struct {
    const char *file, *type;
    bool pairs;
    pt_dataset_spec spec;
    const char *want; /* "!...": the message holds it */
} cases[] = {
    {DIR "ann.json", "card", false, {0}, "[Ann] " V1 GREET ONE " // [Ann] " V1 GREET TWO},
    {DIR "ann.png", "card", false, {0}, "[Ann] " V2 GREET ONE " // [Ann] " V2 GREET TWO},
    {DIR "ann_v3.png", "card", false, {SAYS(SAID("greeting", "drop"))}, "[Ann] " V2 ONE " // [Ann] " V2 TWO},
    {DIR "ann.charx", "card", false, {SAYS(SAID("greeting", "drop"), SAID("character_book", "drop"), SAID("user_name", "Kim"))},
     "[Ann] S:Write Ann's next reply.\nAnn mends clocks in a harbour town.\nAnn's personality: dry, patient\nScenario: Kim brings a broken watch.|" ONE " // [Ann] "
     "S:Write Ann's next reply.\nAnn mends clocks in a harbour town.\nAnn's personality: dry, patient\nScenario: Kim brings a broken watch.|" TWO},
    {DIR "ann.json", "card", false, {SAYS(SAID("greeting", "train"))}, "[Ann] " V1 ONE " // [Ann] " V1 TWO " // [Ann] " V1 "A:*looks up* Shut the door, User."},
    {DIR "ann.json", "card", false, {SAYS(SAID("greeting", "drop"), SAID("system_template", "You are {char}: {description} ({first_mes})"))},
     "[Ann] S:You are Ann: Ann mends clocks in a harbour town. (*looks up* Shut the door, User.)|" ONE " // [Ann] S:You are Ann: Ann mends clocks in a harbour town. "
     "(*looks up* Shut the door, User.)|" TWO},
    {DIR "ben.json", "card", false, {0}, ""},
    {DIR "ben.json", "card", false, {SAYS(SAID("greeting", "train"))}, "[Ben] S:Ben is the harbour pilot.|A:Ahoy."},
    {DIR "plain.png", "card", false, {0}, "!plain.png is a PNG image without a character card"},
    {DIR "chat.jsonl", "card", false, {0}, "!no field 'name'"},
    {DIR "ann.json", "card", false, {SAYS(SAID("user_name", "Ann"))}, "!is called 'Ann' as the user is"},
    {DIR "chat.jsonl", "sillytavern", false, {0}, "[Ann] " TOM "|A:The clock says nine." BELL "|A:Tomorrow."},
    {DIR "chat.jsonl", "sillytavern", false, {SAYS(SAID("greeting", "drop"), SAID("user_name", "Kim"))}, "[Ann] U:Is it late?|A:The clock says nine." BELL "|A:Tomorrow."},
    {DIR "chat.jsonl", "sillytavern", false, {SAYS(SAID("greeting", "train"), SAID("profiles", DIR "ann.png"))},
     "[Ann] S:Write Ann's next reply.\nThe town is called Wick.\nAnn mends clocks in a harbour town.\nAnn's personality: dry, patient\nScenario: Tom brings a broken watch.\nThe tide runs at six."
     "|A:*looks up* Shut the door, Tom.|U:Is it late?|A:The clock says nine." BELL "|A:Tomorrow."},
    {DIR "chat.jsonl", "sillytavern", true, {0},
     "[Ann] " TOM " => A:The clock says nine. < A:I am a language model. // [Ann] " TOM " => A:The clock says nine. < A:Nine. // [Ann] " TOM "|A:The clock says nine." BELL " => A:Tomorrow. < A:Never."},
    {DIR "chat.jsonl", "sillytavern", true, {SAYS(SAID("greeting", "train"), SAID("history", "last 1"))},
     "[Ann]  => A:*looks up* Shut the door, Tom. < A:Closed, Tom. // [Ann] U:Is it late? => A:The clock says nine. < A:I am a language model. // [Ann] U:Is it late? => A:The clock says nine. "
     "< A:Nine. // [Ann] U:A bell rings.\n\nAnd Ann, the watch? => A:Tomorrow. < A:Never."},
    {DIR "group.jsonl", "sillytavern", false, {0},
     "[Ann] A0:Both of you, wipe your feet.|U:Ben: Ahoy.\n\nTom: Who sails tonight?\n\nBen: I do.|A:Then take the clock with you. // "
     "[Ben] U:Ann: Both of you, wipe your feet.|A0:Ahoy.|U:Tom: Who sails tonight?|A:I do."},
    {DIR "group_old.jsonl", "sillytavern", false, {SAYS(SAID("view_of", "Ben"), SAID("profiles", DIR "ben.json"))},
     "[Ben] S:Ben is the harbour pilot.|U:Ann: Both of you, wipe your feet.|A0:Ahoy.|U:Tom: Who sails tonight?|A:I do."},
    {DIR "group.jsonl", "sillytavern", true, {0}, "[Ben] U:Ann: Both of you, wipe your feet.|A0:Ahoy.|U:Tom: Who sails tonight? => A:I do. < A:Nobody."},
    {DIR "ann.json", "sillytavern", false, {0}, "!ann.json:1: neither the first line of a chat"},
    {DIR "ann.json", "messages", false, {0}, "!this shape is read with type: card"},
    {DIR "ben.json", "messages", false, {0}, "!this shape is read with type: card"},
    {DIR "chat.jsonl", "messages", false, {0}, "!this shape is read with type: sillytavern"},
    {DIR "chat.jsonl", "sillytavern", false, {SAYS(SAID("profiles", DIR "plain.png"))}, "!plain.png is a PNG image without a character card"},
};

static void check(const char *what, pt_status rc, const char *want)
{
    if (want[0] == '!') {
        if (rc == PT_OK || !strstr(pt_err_msg(), want + 1)) fail_msg("%s: %s '%s'; wanted '%s'", what, pt_status_name(rc), rc == PT_OK ? out_text : pt_err_msg(), want + 1);
        return;
    }
    if (rc != PT_OK) fail_msg("%s: %s", what, pt_err_msg());
    if (strcmp(out_text, want)) fail_msg("%s:\n got '%s'\nwant '%s'", what, out_text, want);
}

static void records(void **state)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pt_dataset_spec spec = cases[i].spec;
        char what[200];
        spec.type = (char *)cases[i].type;
        snprintf(what, sizeof what, "case %zu, %s as %s", i, cases[i].file, cases[i].type);
        check(what, read_file(cases[i].file, spec, cases[i].pairs), cases[i].want);
    }
}

#define HEAD "{\"user_name\": \"Tom\", \"character_name\": \"Ann\"}\n"
#define SAID_BY(name, user, more) "{\"name\": \"" name "\", \"is_user\": " user ", " more "}\n"
#define Q SAID_BY("Tom", "true", "\"mes\": \"q\"")
#define A SAID_BY("Ann", "false", "\"mes\": \"a\"")

static void chats(void **state)
{
    static const struct { const char *text, *want; bool pairs; } rows[] = {
        {HEAD Q A HEAD Q A, "[Ann] U:q|A:a // [Ann] U:q|A:a @4", false},
        {HEAD Q A "\n" A Q, "[Ann] U:q|A:a\n\na", false},
        {HEAD, "", false},
        {HEAD Q A, "", true},
        {Q A, "!rows.jsonl:1: the chat has no first line {user_name, character_name, chat_metadata}", false},
        {HEAD Q "{\"name\": ", "!rows.jsonl:3:", false},
        {HEAD Q "[]", "!rows.jsonl:3: neither the first line", false},
        {HEAD Q SAID_BY("Ann", "false", "\"mes\": 3"), "!line 3: 'mes' is a number, a string is wanted", false},
        {HEAD Q SAID_BY("Ann", "false", "\"mes\": \"{{time}}\""), "!line 3: the macro '{{time}}' has no value", false},
        {HEAD Q SAID_BY("Ann", "false", "\"mes\": \"a\", \"swipes\": [\"a\", 4]"), "!line 3: swipe 2 is a number, a string is wanted", true},
        {HEAD Q SAID_BY("Ann", "false", "\"mes\": {\"message\": \"a\"}, \"swipes\": [{\"message\": \"a\"}, {\"message\": \"b\"}]"), "[Ann] U:q => A:a < A:b", true},
        {"{\"user_name\": \"Ann\", \"character_name\": \"Ann\"}\n" SAID_BY("Ann", "true", "\"mes\": \"hello {{user}}\"") A, "[Ann] U:hello User|A:a", false}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        pt_dataset_spec spec = {.type = "sillytavern"};
        check(rows[i].text, read_bytes(rows[i].text, strlen(rows[i].text), spec, rows[i].pairs), rows[i].want);
    }
}

static void cards(void **state)
{
    static const struct { const char *text, *want; } rows[] = {
        {"{\"name\": \"A\", \"description\": \"\", \"mes_example\": \"{{CHAR}}: hi\\n{{user}}: q\\n{{char}}\xef\xbc\x9a" "a\"}", "[A] A:hi|U:q|A:a"},
        {"{\"name\": \"A\", \"first_mes\": \"greet\", \"mes_example\": \"{{char}}: hi\\n{{user}}: q\\nA: a\"}", "[A] A:hi|U:q|A:a"},
        {"{\"name\": \"A\", \"mes_example\": \"A door opens.\\n{{user}}: q\\n{{char}}: a\\nNote: b\"}", "[A] U:A door opens.\n\nq|A:a\nNote: b"},
        {"{\"name\": \"A\", \"mes_example\": \"only prose\"}", ""},
        {"{\"name\": \"A\", \"mes_example\": \"<start>{{user}}: q\\n{{char}}: a<START>\\n<START>\"}", "[A] U:q|A:a"},
        {"{\"name\": \"A\", \"mes_example\": \"{{user}}: q\\n{{char}}: it is {{time}}\"}", "!rows.jsonl:1: the macro '{{time}}' has no value"},
        {"{\"name\": \"A\", \"mes_example\": \"{{char}}: a\"}\n{\"name\": \"B\", \"mes_example\": \"{{char}}: b\"}\n", "[A] A:a // [B] A:b @2"},
        {"{\"spec\": \"chara_card_v4\", \"spec_version\": \"4.0\", \"data\": {}}", "!rows.jsonl:1: a card of spec 'chara_card_v4' 4.0: chara_card_v2, chara_card_v3"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        pt_dataset_spec spec = {.type = "card"};
        check(rows[i].text, read_bytes(rows[i].text, strlen(rows[i].text), spec, false), rows[i].want);
    }
}

/* Cards as the profiles of role data, and of a folder. */
static void card_profiles(void **state)
{
    static const char row[] = "{\"role\": \"Ben\", \"question\": \"q\", \"generated\": [\"a\"]}\n", text[] = "{\"name\": \"Ben\", \"description\": \"{{char}} and {{user}}\"}";
    char folder[100], file[128];
    pt_dataset_spec one = {.type = "rolebench", SAYS(SAID("profiles", DIR "ben.json"))}, many = {.type = "rolebench", SAYS(SAID("profiles", folder))};
    check("a card", read_bytes(row, sizeof row - 1, one, false), "[Ben] S:Ben is the harbour pilot.|U:q|A:a");
    snprintf(folder, sizeof folder, "%s/cards", dir);
    assert_int_equal(pt_dir_make(folder), PT_OK);
    snprintf(file, sizeof file, "%s/b.json", folder);
    assert_int_equal(pt_file_write_whole(file, text, sizeof text - 1), PT_OK);
    snprintf(file, sizeof file, "%s/.hidden.json", folder);
    assert_int_equal(pt_file_write_whole(file, "x", 1), PT_OK);
    check("a folder", read_bytes(row, sizeof row - 1, many, false), "[Ben] S:Ben and User|U:q|A:a");
    snprintf(file, sizeof file, "%s/a.json", folder);
    assert_int_equal(pt_file_write_whole(file, text, sizeof text - 1), PT_OK);
    check("two of a name", read_bytes(row, sizeof row - 1, many, false), "!b.json: another card of these is called 'Ben' too");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(records), cmocka_unit_test(chats), cmocka_unit_test(cards), cmocka_unit_test(card_profiles)};
    return cmocka_run_group_tests_name("data_chats", tests, setup, teardown);
}
