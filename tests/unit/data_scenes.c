/* Scenes: conversations of named people into records of one point of view, written out by hand. */
#include "read_show.h"

#include "base/log.h"

/* A scene in short: people "Name=profile", '*' before a name: main, '-': the user's; lines "Name: text", "- text" (nobody's), "S text", "T text", "A text" (as
 * system, tool, assistant), a weight before the name: "0.5 Name: text". */
typedef struct scene_case {
    const char *people[4], *lines[10], *setting;
    bool thoughts;
    pt_dataset_said *said;
    const char *want; /* the records; behind "! " an error */
    const char *notes;
} scene_case;

#define SET(...) (pt_dataset_said[]){__VA_ARGS__, {.key = NULL}} /* in tables outside functions: a function's own does not last */

static void put_people(pt_scene *s, const scene_case *c, pt_record *keep)
{
    for (size_t i = 0; i < 4 && c->people[i]; i++) {
        const char *p = c->people[i], *is = strchr(p, '=');
        bool main = *p == '*', user = *p == '-';
        char *name;
        p += main || user;
        assert_int_equal(pt_strndup(&name, p, is ? (size_t)(is - p) : strlen(p)), PT_OK);
        assert_int_equal(pt_record_own(keep, name), PT_OK);
        assert_int_equal(pt_scene_person_add(s, name, is ? is + 1 : NULL, user, main), PT_OK);
    }
}

static void put_line(pt_scene *s, const char *l, pt_record *keep)
{
    static const struct { char mark; const pt_speaker *as; } marks[] = {{'S', PT_SYSTEM}, {'T', PT_TOOL}, {'A', PT_ASSISTANT}, {'-', NULL}};
    for (size_t i = 0; i < 4; i++) {
        if (*l != marks[i].mark || l[1] != ' ') continue;
        assert_int_equal(pt_scene_line_add(s, NULL, l + 2, strlen(l + 2)), PT_OK);
        s->lines[s->n - 1].as = marks[i].as;
        return;
    }
    char *end, *name;
    float weight = strtof(l, &end);
    bool weighs = end != l;
    if (weighs) l = end + 1;
    const char *colon = strstr(l, ": ");
    assert_non_null(colon);
    assert_int_equal(pt_strndup(&name, l, (size_t)(colon - l)), PT_OK);
    assert_int_equal(pt_record_own(keep, name), PT_OK);
    assert_int_equal(pt_scene_line_add(s, name, colon + 2, strlen(colon + 2)), PT_OK);
    if (weighs) s->lines[s->n - 1].weight = weight, s->lines[s->n - 1].has_weight = true;
}

/* other: a pair, with this in place of the last line. */
static pt_status read_case(const scene_case *c, pt_dataset_spec spec, const char *other, pt_reader *r)
{
    json_t *row = json_pack("{s:s, s:s, s:i}", "place", "the quay", "before", "They met at sea.", "n", 7);
    pt_record keep = {0};
    spec.path = "scene";
    spec.type = "messages";
    if (c->said) spec.said = c->said;
    *r = (pt_reader){.spec = &spec, .sink = show, .line = 1};
    out_text[0] = 0;
    assert_int_equal(pt_record_clear(&r->rec), PT_OK);
    assert_int_equal(pt_scenes_open(r), PT_OK);
    put_people(&r->scene, c, &keep);
    for (size_t i = 0; i < 10 && c->lines[i]; i++) put_line(&r->scene, c->lines[i], &keep);
    r->scene.setting = c->setting;
    r->scene.thoughts = c->thoughts;
    r->scene.row = row;
    pt_status rc = other ? pt_read_scene_pair(r, &r->scene, other, strlen(other)) : pt_read_scene(r, &r->scene);
    pt_record_free(&keep);
    json_decref(row);
    return rc;
}

static void check(const scene_case *c, size_t i, pt_dataset_spec spec, const char *other)
{
    pt_reader r;
    pt_status rc = read_case(c, spec, other, &r);
    if (*c->want == '!') {
        assert_int_equal(rc, PT_EFORMAT);
        assert_string_equal(pt_err_msg(), c->want + 2);
    } else if (rc != PT_OK) {
        fail_msg("case %zu: %s", i, pt_err_msg());
    } else {
        if (strcmp(out_text, c->want)) print_message("case %zu\n", i);
        assert_string_equal(out_text, c->want);
    }
    assert_string_equal(r.notes.n ? r.notes.list[0].text : "", c->notes ? c->notes : "");
    pt_reader_free(&r);
}

#define THREE {"Ann: a1", "Ben: b1", "Cal: c1", "Ann: a2", "Ben: b2"}
#define THREE_WITH(last) {"Ann: a1", "Ben: b1", "Cal: c1", last}
#define TWO {"Ann: a1", "Ben: b1", "Ann: a2", "Ben: b2", "Ann: a3"}

static const scene_case views[] = {
    /* two: no names; what follows a view's last line is left out; who begins keeps the opening as a greeting */
    {.lines = TWO, .want = "[Ann] A:a1|U:b1|A:a2|U:b2|A:a3 // [Ben] U:a1|A:b1|U:a2|A:b2"},
    /* three: others' lines that follow each other are one turn, by name */
    {.lines = THREE, .want = "[Ann] A:a1|U:Ben: b1\n\nCal: c1|A:a2 // [Ben] U:Ann: a1|A:b1|U:Cal: c1\n\nAnn: a2|A:b2 // [Cal] U:Ann: a1\n\nBen: b1|A:c1"},
    {.lines = THREE, .said = SET(SAID("view_of", "Cal")), .want = "[Cal] U:Ann: a1\n\nBen: b1|A:c1"},
    {.lines = THREE, .said = SET(SAID("view_of", "Cal\nBen")), .want = "[Ben] U:Ann: a1|A:b1|U:Cal: c1\n\nAnn: a2|A:b2 // [Cal] U:Ann: a1\n\nBen: b1|A:c1"},
    {.lines = THREE, .said = SET(SAID("train_on_speakers", "Cal")), .want = "[Cal] U:Ann: a1\n\nBen: b1|A:c1"},
    {.lines = THREE, .said = SET(SAID("view_of", "Cal\nBen"), SAID("train_on_speakers", "Ann\nCal")), .want = "[Cal] U:Ann: a1\n\nBen: b1|A:c1"},
    {.lines = THREE, .said = SET(SAID("view_of", "Cal"), SAID("speaker_names", "never")), .want = "[Cal] U:a1\n\nb1|A:c1"},
    {.lines = TWO, .said = SET(SAID("view_of", "Ben"), SAID("speaker_names", "always")), .want = "[Ben] U:Ann: a1|A:b1|U:Ann: a2|A:b2"},
    /* the main person by default, the user by name alone */
    {.people = {"*Ben", "-Ann"}, .lines = THREE, .want = "[Ben] U:Ann: a1|A:b1|U:Cal: c1\n\nAnn: a2|A:b2"},
    {.people = {"*Ben", "-Ann"}, .lines = THREE, .said = SET(SAID("view_of", "each")), .want = "[Ben] U:Ann: a1|A:b1|U:Cal: c1\n\nAnn: a2|A:b2 // [Cal] U:Ann: a1\n\nBen: b1|A:c1"},
    {.people = {"*Ben", "-Ann"}, .lines = TWO, .said = SET(SAID("view_of", "Ann")), .want = "[Ann] A:a1|U:b1|A:a2|U:b2|A:a3"},
    /* own lines that follow each other are one answer; narration joins the others' side without a name, and parts nothing of its own */
    {.lines = {"- It rains.", "Ann: a1", "Ben: b1", "Ben: b2", "- Thunder.", "Ben: b3"}, .said = SET(SAID("view_of", "Ben")),
     .want = "[Ben] U:It rains.\n\na1|A:b1\n\nb2|U:Thunder.|A:b3"},
    {.lines = {"Ann: a1", "T 4", "S hush", "Ben: b1", "A b2"}, .said = SET(SAID("view_of", "Ben")), .want = "[Ben] U:a1|T:4|S:hush|A:b1\n\nb2"},
    {.lines = {"Ann:  ", "Ann: a1", "Ben: b1", "Ben: \t"}, .said = SET(SAID("view_of", "Ben")), .want = "[Ben] U:a1|A:b1"},
    /* nobody of those that are asked for: no record, a note */
    {.lines = TWO, .said = SET(SAID("view_of", "Dan")), .want = "", .notes = "scenes in which those of view_of and train_on_speakers say nothing give no record"},
    {.people = {"-Ann", "-Ben"}, .lines = TWO, .want = "! nobody whose point of view is taken says anything; those who speak: Ann, Ben"},
    {.people = {"*Dan"}, .lines = {"- It rains."}, .want = "! nobody whose point of view is taken says anything; those who speak: nobody has a name"},
    {.want = "! the conversation holds no lines"},
};

static const scene_case weights[] = {
    {.lines = {"Ann: a1", "0.5 Ben: b1", "3 Ann: a2", "Ben: b2"}, .want = "[Ann] A:a1|U:b1|A3:a2 // [Ben] U:a1|A0.5:b1|U:a2|A:b2"},
    {.lines = {"Ann: a1", "0.5 Ben: b1", "0.5 Ben: b2"}, .said = SET(SAID("view_of", "Ben")), .want = "[Ben] U:a1|A0.5:b1\n\nb2"},
    {.lines = {"Ann: a1", "0 Ben: b1", "Ben: b2", "2 Ben: b3"}, .said = SET(SAID("view_of", "Ben")), .want = "[Ben] U:a1|A2:b1\n\nb2\n\nb3 [4,6)1 [8,10)2"},
    {.lines = {"Ann: a1", "0 Ben: b1", "Ann: a2", "Ben: b2"}, .said = SET(SAID("view_of", "Ben")), .want = "[Ben] U:a1|A0:b1|U:a2|A:b2"},
};

static const scene_case texts[] = {
    /* thoughts: of a format that writes them so others' are left out; the data set's word counts before */
    {.lines = {"Ann: [She lies.] Hi [oh [my]], Ben. [End]", "Ben: [Why?] (nods) Ho"}, .thoughts = true,
     .want = "[Ann] A:[She lies.] Hi [oh [my]], Ben. [End] // [Ben] U:Hi, Ben.|A:[Why?] (nods) Ho"},
    {.lines = {"Ann: [She lies.] Hi [open", "Ben: [Why?] (nods) Ho"}, .want = "[Ann] A:[She lies.] Hi [open // [Ben] U:[She lies.] Hi [open|A:[Why?] (nods) Ho"},
    {.lines = {"Ann: [She lies.] Hi [open", "Ben: [Why?] (nods) Ho"}, .said = SET(SAID("thoughts", "strip")), .want = "[Ann] A:Hi [open // [Ben] U:Hi [open|A:(nods) Ho"},
    {.lines = {"Ann: [She lies.]", "Ann: Hi", "Ben: Ho"}, .thoughts = true, .said = SET(SAID("view_of", "Ben")), .want = "[Ben] U:Hi|A:Ho"},
    {.lines = {"Ann: [x] Hi", "Ben: Ho"}, .thoughts = true, .said = SET(SAID("view_of", "Ben"), SAID("thoughts", "keep")), .want = "[Ben] U:[x] Hi|A:Ho"},
    /* system texts: what there is, or the template */
    {.people = {"*Ben= A smith.\n", "Ann=A queen."}, .lines = {"S Be brief.", "S Be kind.", "Ann: a1", "Ben: b1"}, .setting = "Night.",
     .want = "[Ben] S:Be brief.\n\nBe kind.\n\nA smith.\n\nNight.|U:a1|A:b1"},
    {.people = {"*Ben= A smith.\n", "-Ann=A queen."}, .lines = {"S Be brief.", "Ann: a1", "Ben: b1", "Cal: c1"}, .setting = "Night.",
     .said = SET(SAID("system_template", "{{{char}}} {role}|{user}|{others}|{profile}|{setting}|{system}|{place}")),
     .want = "[Ben] S:{Ben} Ben|Ann|Ann, Cal|A smith.|Night.|Be brief.|the quay|U:Ann: a1|A:b1"},
    {.lines = {"Ann: a1", "Ben: b1"}, .said = SET(SAID("view_of", "Ben"), SAID("system_template", "You are {char}, with {user}.{profile}")),
     .want = "[Ben] S:You are Ben, with Ann.|U:a1|A:b1"},
    /* macros */
    {.people = {"*Ben=Friend of {{user}}.", "-Ann"}, .lines = {"Ann: Hi {{char}}", "Cal: I am {{char}}", "Ben: {{char}} to {{user}}"},
     .want = "[Ben] S:Friend of Ann.|U:Ann: Hi Ben\n\nCal: I am Cal|A:Ben to Ann"},
    {.lines = {"Ann: Hi {{user}}", "Ben: I, {{user}}"}, .want = "[Ann] A:Hi Ben // [Ben] U:Hi Ann|A:I, Ann"},
    {.lines = THREE_WITH("Ben: {{user}}"), .said = SET(SAID("view_of", "Ben")), .want = "! the macro '{{user}}' has no value here: nobody is named as the user (user_name: NAME names one)"},
    {.lines = THREE_WITH("Ben: {{user}}"), .said = SET(SAID("view_of", "Ben"), SAID("user_name", "Dan")), .want = "[Ben] U:Ann: a1|A:b1|U:Cal: c1|A:Dan"},
    /* a summary stands behind the system text where turns were cut, or always */
    {.lines = TWO, .said = SET(SAID("view_of", "Ann"), SAID("history", "last 1")), .want = "[Ann] U:b2|A:a3"},
    {.lines = TWO, .said = SET(SAID("view_of", "Ann"), SAID("history", "last 2")), .want = "[Ann] U:b2|A:a3"},
    {.lines = TWO, .said = SET(SAID("view_of", "Ann"), SAID("history", "last 0")), .want = "[Ann] A:a3"},
    {.people = {"Ann=A queen."}, .lines = TWO, .said = SET(SAID("view_of", "Ann"), SAID("history", "last 3 before")), .want = "[Ann] S:A queen.\n\nThey met at sea.|U:b1|A:a2|U:b2|A:a3"},
    {.lines = TWO, .said = SET(SAID("view_of", "Ann"), SAID("history", "last 4 before")), .want = "[Ann] A:a1|U:b1|A:a2|U:b2|A:a3"},
    {.lines = {"Ann: a1", "Ben: b1"}, .said = SET(SAID("view_of", "Ben"), SAID("history", "before")), .want = "[Ben] S:They met at sea.|U:a1|A:b1"},
    {.lines = {"Ann: a1", "Ben: b1"}, .said = SET(SAID("view_of", "Ben"), SAID("history", "n")), .want = "! field 'n' is a number, a string is wanted"},
};

static void hand_written(void **state)
{
    for (size_t i = 0; i < sizeof views / sizeof *views; i++) check(&views[i], i, (pt_dataset_spec){0}, NULL);
    for (size_t i = 0; i < sizeof weights / sizeof *weights; i++) check(&weights[i], 100 + i, (pt_dataset_spec){0}, NULL);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) check(&texts[i], 200 + i, (pt_dataset_spec){0}, NULL);
}

static void around(void **state)
{
    static char *names[] = {"Ben", "assistant"};
    scene_case c = {.people = {"*Ben=A smith."}, .lines = {"Ann: a1", "Ben: b1"}, .want = "[Ben] U:a1|A:b1"};
    check(&c, 0, (pt_dataset_spec){.drop_system = true}, NULL);
    c.want = "[Ben] S:A smith.|U:a1|A:b1"; /* the scene's own counts before the data set's */
    c.notes = "a system message and another system text beside it: the message is taken";
    check(&c, 1, (pt_dataset_spec){.system_prompt = "Be kind."}, NULL);
    scene_case d = {.lines = {"Ann: a1", "Ben: b1"}, .want = "[Ben] S:Be kind.|U:a1|A:b1"};
    check(&d, 2, (pt_dataset_spec){.system_prompt = "Be kind.", .roles_to_train = names, .n_roles_to_train = 2}, NULL);
}

static const scene_case swipes[] = {
    {.lines = TWO, .want = "[Ann] A:a1|U:b1|A:a2|U:b2 => A:a3 < A:other"},
    {.lines = {"Ann: a1", "Ben: b1", "Ben: b2"}, .want = "[Ben] U:a1 => A:b1\n\nb2 < A:b1\n\nother"},
    {.lines = TWO, .said = SET(SAID("view_of", "Ben")), .want = ""},
    {.people = {"*Ann=A queen."}, .lines = TWO, .said = SET(SAID("history", "last 1")), .want = "[Ann] S:A queen.|U:b2 => A:a3 < A:other"},
    {.lines = {"Ann: a1", "- It rains."}, .want = "! the last line is nobody's: no answer that could be compared"},
};

static void pairs(void **state)
{
    for (size_t i = 0; i < sizeof swipes / sizeof *swipes; i++) check(&swipes[i], i, (pt_dataset_spec){0}, "other");
    scene_case c = {.lines = TWO, .want = "! empty answer"};
    check(&c, 9, (pt_dataset_spec){0}, " ");
}

/* ---- rows ---------------------------------------------------------------------------------------------------------------- */

#define NAMED(r, n, c) "{\"role\": \"" r "\", \"name\": \"" n "\", \"content\": \"" c "\"}"
#define FROM(n, c) "{\"from\": \"" n "\", \"value\": \"" c "\"}"
#define ROW(list) "{\"messages\": [" list "]}\n"

static const struct { const char *type, *text; pt_dataset_said *said; bool roles, map; const char *want; } good[] = {
    {"messages", ROW(M("system", "Be kind.") "," NAMED("user", "Ann", "Hi") "," NAMED("assistant", "Ben", "Ho") "," NAMED("assistant", "Cal", "Hm")), SET(SAID("view_of", "each")), false, false,
     "[Ben] S:Be kind.|U:Ann: Hi|A:Ho // [Cal] S:Be kind.|U:Ann: Hi\n\nBen: Ho|A:Hm"},
    {"messages", ROW(M("user", "Hi") "," M("assistant", "Ho")), SET(SAID("view_of", "each")), false, false, "[assistant] U:Hi|A:Ho"},
    {"messages", ROW(M("user", "Hi") "," M("assistant", "Ho")), SET(SAID("view_of", "user")), false, false, "[user] A:Hi"},
    {"sharegpt", "{\"conversations\": [" FROM("Ann", "Hi") "," FROM("Ben", "Ho") "]}\n", SET(SAID("view_of", "each")), false, false, "[Ann] A:Hi // [Ben] U:Hi|A:Ho"},
    {"sharegpt", "{\"conversations\": [" FROM("Ann", "Hi") "," FROM("Ben", "Ho") "," FROM("Ann", "Hm") "]}\n", NULL, true, false, "[Ann] A:Hi|U:Ho|A:Hm"},
    {"messages", ROW(M("Ann", "Hi") "," M("npc", "Ho")), SET(SAID("view_of", "each")), false, true, "[npc] U:Hi|A:Ho"},
    {"messages", ROW("{\"role\": \"Ann\", \"content\": \"Hi\"}, {\"role\": \"Ben\", \"content\": \"Ho\", \"weight\": 0.5}"), SET(SAID("view_of", "Ben")), false, false, "[Ben] U:Hi|A0.5:Ho"},
};

static void rows(void **state)
{
    static char *ann[] = {"Ann"}, *npc[] = {"npc", "Ann"};
    static const pt_speaker *is[] = {PT_ASSISTANT, PT_USER};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        pt_dataset_spec s = {.type = (char *)good[i].type, .said = good[i].said};
        if (good[i].roles) s.roles_to_train = ann, s.n_roles_to_train = 1;
        if (good[i].map) s.role_names = npc, s.role_is = is, s.n_roles = 2;
        if (read_bytes(good[i].text, strlen(good[i].text), s, false) != PT_OK) fail_msg("case %zu: %s", i, pt_err_msg());
        if (strcmp(out_text, good[i].want)) print_message("case %zu\n", i);
        assert_string_equal(out_text, good[i].want);
    }
}

#define TWO_ROWS ROW(M("Ann", "Hi") "," M("Ben", "Ho")) ROW(M("Ann", "Hi"))
static const struct { const char *type, *text; pt_dataset_said *said; bool roles; pt_status rc; const char *want; } bad[] = {
    {"messages", TWO_ROWS, SET(SAID("view_of", "Bert")), false, PT_EARG, "%s: view_of: nobody is called 'Bert'; those who speak: Ann, Ben"},
    {"messages", TWO_ROWS, SET(SAID("train_on_speakers", "Ben\nBert")), false, PT_EARG, "%s: train_on_speakers: nobody is called 'Bert'; those who speak: Ann, Ben"},
    {"messages", TWO_ROWS, NULL, true, PT_EARG, "%s: roles_to_train: nobody is called 'Anne'; those who speak: Ann, Ben"},
    {"messages", TWO_ROWS, SET(SAID("view_of", "each\nBen")), false, PT_EARG, "%s: view_of: each is everybody: it stands alone"},
    {"messages", TWO_ROWS, SET(SAID("view_of", "each"), SAID("history", "last")), false, PT_EARG, "%s: history is 'all', 'last N', 'FIELD' or 'last N FIELD', not 'last'"},
    {"messages", TWO_ROWS, SET(SAID("view_of", "each"), SAID("history", "last -1")), false, PT_EARG, "%s: history is 'all', 'last N', 'FIELD' or 'last N FIELD', not 'last -1'"},
    {"messages", TWO_ROWS, SET(SAID("thoughts", "all")), false, PT_EARG, "%s: thoughts is 'own', 'keep' or 'strip', not 'all'"},
    {"alpaca", TWO_ROWS, SET(SAID("view_of", "each")), false, PT_EARG, "%s: view_of goes with types whose rows name their speakers (messages, sharegpt ...), not with type alpaca"},
    {"messages", ROW(M("user", "Hi") ",{\"role\": \"assistant\", \"tool_calls\": [{\"name\": \"f\", \"arguments\": {}}]}"), SET(SAID("view_of", "each")), false, PT_EFORMAT,
     "%s:1: message 2: tool calls: not in conversations that are read by points of view"},
    {"messages", ROW(M("Ann", "Hi") "," M("Ben", "Ho")) ROW(M("Ann", "Hi") "," M("Ben", "Ho")) ROW(M("user", "Hi")), SET(SAID("view_of", "each")), false, PT_EFORMAT,
     "%s:3: nobody whose point of view is taken says anything; those who speak: user"},
    {"messages", TWO_ROWS, NULL, false, PT_EFORMAT,
     "%s:1: message 1: speaker 'Ann' is unknown (system, user, assistant, tool, human, gpt ...); roles: {assistant: [NAME]} of the data set says who is who, and view_of: each "
     "takes everybody's point of view"},
};

static void refused(void **state)
{
    static char *ann[] = {"Anne"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char want[400];
        pt_dataset_spec s = {.type = (char *)bad[i].type, .said = bad[i].said};
        if (bad[i].roles) s.roles_to_train = ann, s.n_roles_to_train = 1;
        pt_status rc = read_bytes(bad[i].text, strlen(bad[i].text), s, false);
        snprintf(want, sizeof want, bad[i].want, path);
        if (rc != bad[i].rc) print_message("case %zu\n", i);
        assert_int_equal(rc, bad[i].rc);
        assert_string_equal(pt_err_msg(), want);
    }
    pt_dataset_spec s = {.type = "messages", .said = SET(SAID("view_of", "each"))};
    assert_int_equal(read_bytes(TWO_ROWS, strlen(TWO_ROWS), s, true), PT_EARG);
    assert_non_null(strstr(pt_err_msg(), "pairs and judged answers are read as they stand"));
    pt_dataset_spec part = {.type = "messages", .split = "train[1:]", .said = SET(SAID("view_of", "Ben"))}; /* a part of the rows need not name all */
    assert_int_equal(read_bytes(TWO_ROWS, strlen(TWO_ROWS), part, false), PT_OK);
    assert_string_equal(out_text, "");
}

/* What a run keeps of people, for `chat --role`. */
static const struct { pt_dataset_said *said; const char *want; } keeps[] = {
    {SET(SAID("view_of", "each"), SAID("profiles", profiles)), "{\"Ahab\": \"A captain.\", \"李白\": \"诗人\"}"},
    {SET(SAID("view_of", "each"), SAID("profiles", profiles), SAID("system_template", "{char}. {profile}")),
     "{\"Ahab\": \"Ahab. A captain.\", \"Ben\": \"Ben. \", \"李白\": \"李白. 诗人\"}"},
    {SET(SAID("view_of", "each"), SAID("profiles", profiles), SAID("system_template", "{profile} {setting}{others}")), "{\"Ahab\": \"A captain.\", \"李白\": \"诗人\"}"},
};

static void kept(void **state)
{
    static const char row[] = ROW(M("Ahab", "Hi") "," M("Ben", "Ho"));
    assert_int_equal(pt_file_write_whole(path, row, sizeof row - 1), PT_OK);
    for (size_t i = 0; i < sizeof keeps / sizeof *keeps; i++) {
        pt_dataset_spec s = {.type = "messages", .path = path, .said = keeps[i].said};
        pt_reader r = {.spec = &s, .sink = show};
        json_t *out = json_object();
        out_text[0] = 0;
        if (pt_reader_run(&r) != PT_OK) fail_msg("%s", pt_err_msg());
        assert_int_equal(pt_scenes_profiles(&r, NULL, 0, out), PT_OK);
        char *text = json_dumps(out, JSON_SORT_KEYS);
        assert_string_equal(text, keeps[i].want);
        free(text);
        json_decref(out);
        pt_reader_free(&r);
    }
}

/* The records of tests/golden/scene_records.py: a program of its own in another language. */
typedef struct golden {
    FILE *f;
    int n;
} golden;

static pt_status compare(void *user, const pt_record *rec, int64_t line)
{
    golden *g = user;
    char text[8192];
    json_t *turns = json_array(), *got, *want;
    for (size_t i = 0; i < rec->answers[0].turns.n; i++) {
        const pt_turn *t = &rec->answers[0].turns.turns[i];
        assert_false(t->has_weight);
        json_array_append_new(turns, json_pack("[s, s%]", t->speaker->name, t->text, t->bytes));
    }
    got = json_pack("[I, s, o]", (json_int_t)line, rec->role, turns);
    assert_non_null(fgets(text, sizeof text, g->f));
    want = json_loads(text, 0, NULL);
    if (!json_equal(got, want)) fail_msg("record %d:\n  got  %s\n  want %s", g->n, json_dumps(got, 0), text);
    json_decref(got);
    json_decref(want);
    g->n++;
    return PT_OK;
}

static void second_program(void **state)
{
    static const char *const names[] = {"each", "never", "own", "last", "past"};
    int n = 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char file[128], text[512];
        const char *key;
        json_t *v;
        snprintf(file, sizeof file, "tests/golden/data/scenes/%s.jsonl", names[i]);
        golden g = {.f = fopen(file, "r")};
        assert_non_null(g.f);
        assert_non_null(fgets(text, sizeof text, g.f));
        json_t *keys = json_loads(text, 0, NULL);
        pt_dataset_spec s = {.type = "sharegpt", .path = "tests/golden/data/scenes/rows.jsonl"};
        json_object_foreach(keys, key, v) assert_int_equal(pt_dataset_say(&s, key, json_string_value(v), 0, 0), PT_OK);
        pt_reader r = {.spec = &s, .sink = compare, .user = &g};
        if (pt_reader_run(&r) != PT_OK) fail_msg("%s: %s", names[i], pt_err_msg());
        assert_null(fgets(text, sizeof text, g.f));
        n += g.n;
        fclose(g.f);
        json_decref(keys);
        pt_reader_free(&r);
        pt_dataset_clear(&(pt_dataset_spec){.said = s.said});
    }
    assert_true(n > 100);
}

/* ---- in a pack ------------------------------------------------------------------------------------------------------------ */

static pt_tokenizer *tok;
static pt_template *chatml;

static pt_pack *pack_of(const char *text, pt_dataset_said *said, pt_pack_options o, pt_pack_report *report)
{
    pt_pack *p;
    pt_dataset_spec s = {.type = "messages", .path = path, .weight = 1, .said = said};
    assert_int_equal(pt_file_write_whole(path, text, strlen(text)), PT_OK);
    o.tok = tok;
    o.tmpl = chatml;
    o.cache_dir = dir;
    o.seed = 3;
    if (!o.sequence_len) o.sequence_len = 512;
    if (pt_pack_build(&p, &s, 1, &o, report) != PT_OK) fail_msg("%s", pt_err_msg());
    return p;
}

/* All points of view of one conversation stand on one side, by prompt and by record, though all open alike. */
static void one_side(void **state)
{
    static const pt_val_split by[] = {PT_SPLIT_PROMPT, PT_SPLIT_RECORD};
    pt_str text = {0};
    pt_pack_report report;
    for (int i = 0; i < 20; i++)
        assert_int_equal(pt_str_printf(&text, "{\"messages\": [{\"role\": \"Ann\", \"content\": \"Hello\"}, {\"role\": \"Ben\", \"content\": \"Hi\"}, {\"role\": \"Cal\", \"content\": \"Ho %d\"}, "
                                              "{\"role\": \"Ann\", \"content\": \"So %d\"}]}\n", i, i), PT_OK);
    for (size_t k = 0; k < sizeof by / sizeof *by; k++) {
        int side[21] = {0}, validation = 0;
        pt_pack *p = pack_of(text.text, SET(SAID("view_of", "each")), (pt_pack_options){.val_set_size = 0.2, .val_split_by = by[k]}, &report);
        assert_int_equal(pt_pack_count(p), 60);
        for (int64_t i = 0; i < 60; i++) {
            pt_packed rec;
            assert_int_equal(pt_pack_get(p, i, &rec), PT_OK);
            int now = rec.validation ? 2 : 1;
            assert_true(!side[rec.line] || side[rec.line] == now);
            side[rec.line] = now;
            validation += rec.validation;
        }
        assert_int_equal(validation, 12);
        pt_pack_free(p);
    }
    pt_str_free(&text);
}

/* Old turns are cut whole, the system text stays; the end of every answer is supervised. */
static void window(void **state)
{
    static const char row[] = ROW(M("system", "Be kind.") "," M("Ann", "one two three four five six seven eight nine ten") "," M("Ben", "Ho") "," M("Ann", "So?") "," M("Ben", "Hey"));
    pt_pack_report report;
    pt_str shown = {0};
    pt_pack *p = pack_of(row, SET(SAID("view_of", "Ben")), (pt_pack_options){0}, &report);
    assert_int_equal(report.end_tokens, 2);
    assert_int_equal(pt_pack_inspect(p, tok, 0, false, &shown), PT_OK);
    assert_non_null(strstr(shown.text, "<|im_start|>user\none two three four five six seven eight nine ten<|im_end|>\n<|im_start|>assistant\n«Ho<|im_end|>»"));
    pt_pack_free(p);
    shown.len = 0;
    p = pack_of(row, SET(SAID("view_of", "Ben")), (pt_pack_options){.sequence_len = (int)report.longest - 4, .excess = PT_EXCESS_TRUNCATE}, &report);
    assert_int_equal(pt_pack_inspect(p, tok, 0, false, &shown), PT_OK);
    assert_non_null(strstr(shown.text, "<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\nSo?<|im_end|>\n<|im_start|>assistant\n«Hey<|im_end|>»"));
    assert_true(report.end_tokens == 1 && report.records_cut == 1);
    pt_pack_free(p);
    pt_str_free(&shown);
}

static int setup_all(void **state)
{
    return setup(state) || pt_tok_open(&tok, "tests/golden/data/tok_bpe") != PT_OK || pt_template_open(&chatml, "chatml", tok, "") != PT_OK;
}

static int teardown_all(void **state)
{
    pt_template_free(chatml);
    pt_tok_free(tok);
    return teardown(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(hand_written), cmocka_unit_test(around), cmocka_unit_test(pairs), cmocka_unit_test(rows),
                                       cmocka_unit_test(refused), cmocka_unit_test(kept), cmocka_unit_test(second_program), cmocka_unit_test(one_side), cmocka_unit_test(window)};
    return cmocka_run_group_tests(tests, setup_all, teardown_all);
}
