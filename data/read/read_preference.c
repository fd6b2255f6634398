/* Pairs: prompt, chosen and rejected, each a text, one message or a list of messages.
 *
 * What is asked with, as TRL, axolotl and LLaMA-Factory take it:
 *   - Chosen and rejected that begin with a question are whole conversations (texts "\n\nHuman: ...\n\nAssistant: ..." are such too): the
 *     prompt is what they begin with alike. A `prompt` or `messages` beside them is a copy; its system message alone is taken over.
 *   - One of the two is whole, the other an answer: the whole one's turns before its answer are the prompt of both.
 *   - Both are answers: the prompt is prompt | conversations | messages | instruction and input. Its last message is left out where it
 *     is an answer of the row (a copy of the conversation for sft).
 *   - Two bare texts without any prompt are taken as they stand, without a template; what they begin with alike is the prompt.
 * chosen may stand as the end of `messages` with rejected_response beside it (ms-swift). margin and weight are read when the config names
 * them (field_margin, field_weight). `criterion`, where one is wanted, is a third answer behind the same prompt: a text, or a conversation of which
 * the last message counts. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "data/read/record.h"

/* What stands beside the texts. */
static bool same_rest(const pt_turn *a, const pt_turn *b)
{
    bool calls = a->calls == b->calls || (a->calls && b->calls && json_equal(a->calls, b->calls));
    return calls && a->speaker == b->speaker && a->thought_bytes == b->thought_bytes &&
           (!a->thought_bytes || !memcmp(a->thought, b->thought, a->thought_bytes));
}

static bool same_turn(const pt_turn *a, const pt_turn *b)
{
    return same_rest(a, b) && a->bytes == b->bytes && !memcmp(a->text, b->text, a->bytes);
}

/* The same but for outer spaces. */
static bool alike(const pt_turn *a, const pt_turn *b)
{
    const char *x = a->text, *y = b->text;
    size_t n = a->bytes, m = b->bytes;
    pt_text_strip(&x, &n);
    pt_text_strip(&y, &m);
    return same_rest(a, b) && n == m && !memcmp(x, y, n);
}

static size_t systems(const pt_turns *t)
{
    size_t i = 0;
    while (i < t->n && pt_speaker_is(t->turns[i].speaker, PT_SYSTEM)) i++;
    return i;
}

/* A conversation with a question of its own. */
static bool is_whole(const pt_turns *t)
{
    size_t i = systems(t);
    return i < t->n && !pt_speaker_is(t->turns[i].speaker, PT_ASSISTANT);
}

static pt_status add_side(pt_reader *r, json_t *v, pt_turns *t)
{
    bool hh = false;
    if (json_array_size(v) == 1 && json_is_string(json_array_get(v, 0))) v = json_array_get(v, 0);
    if (json_is_string(v)) {
        PT_RETURN(pt_read_hh(json_string_value(v), json_string_length(v), t, &hh));
        if (!hh) PT_RETURN(pt_record_turn(t, PT_ASSISTANT, json_string_value(v), json_string_length(v)));
    } else {
        PT_RETURN(pt_read_turns(r, v, t));
    }
    if (!t->n) return pt_fail(PT_EFORMAT, "no messages");
    const pt_turn *last = &t->turns[t->n - 1];
    if (!pt_speaker_is(last->speaker, PT_ASSISTANT)) return pt_fail(PT_EFORMAT, "the last message is not the assistant's");
    if (!last->calls && !last->thought_bytes && pt_text_blank(last->text, last->bytes)) return pt_fail(PT_EFORMAT, "empty answer");
    size_t n = systems(t);
    if (n && !is_whole(t)) return pt_fail(PT_EFORMAT, "a system message, then the assistant's: no question between them");
    return PT_OK;
}

/* What the prompt's turns were read from: a conversation beside the pair, which may be a copy; a text; a text "\n\nHuman: ..."; a list of
 * messages. */
typedef enum pt_asked { PT_ASKED_BESIDE, PT_ASKED_TEXT, PT_ASKED_HH, PT_ASKED_LIST } pt_asked;

/* The prompt's own turns, into r->prompt. needed: the sides are answers alone. */
static pt_status read_prompt(pt_reader *r, json_t *row, bool needed, pt_asked *asked)
{
    static const char *const names[] = {"prompt", NULL};
    pt_turns *t = &r->prompt;
    const char *key = NULL;
    bool hh = false;
    t->n = 0;
    *asked = PT_ASKED_TEXT;
    const char *named = pt_dataset_says(r->spec, "field_prompt"), *listed = pt_dataset_says(r->spec, "field_messages"),
               *input = pt_dataset_says(r->spec, "field_input"), *history = pt_dataset_says(r->spec, "field_history");
    if (pt_dataset_says(r->spec, "prompt_template")) return pt_read_question(r, row, t);
    json_t *v = listed && !named ? NULL : pt_row_column(r, row, "field_prompt", names, &key);
    bool more = (input && *input) || (history && *history);
    if (!more) PT_RETURN(pt_row_messages(r, v, &v));
    if (v && json_is_string(v) && !more) {
        PT_RETURN(pt_read_hh(json_string_value(v), json_string_length(v), t, &hh));
        if (!hh) return pt_record_turn(t, PT_USER, json_string_value(v), json_string_length(v));
        *asked = PT_ASKED_HH;
        return PT_OK;
    }
    json_t *openai = named || listed ? NULL : pt_row_path(row, "input.messages");
    if (!v && json_is_array(openai)) {
        pt_row_take(r, row, "input");
        v = openai;
        key = "input.messages";
        *asked = PT_ASKED_LIST;
    } else if (!v && !named) {
        PT_RETURN(pt_row_list(r, pt_read_list(r, row), &v));
        key = "the conversation";
        if (json_is_string(v) && listed) /* axolotl: a text is the user's */
            return pt_record_turn(t, PT_USER, json_string_value(v), json_string_length(v));
        if (!listed && !json_is_array(v) && !json_is_object(v)) v = NULL; /* a count of messages, say */
        if (v && !json_is_string(v)) *asked = listed ? PT_ASKED_LIST : PT_ASKED_BESIDE;
    } else if (!json_is_string(v)) {
        *asked = PT_ASKED_LIST;
    }
    if (!pt_row_says(v) || json_is_string(v)) {
        *asked = PT_ASKED_TEXT;
        return pt_read_question(r, row, t);
    }
    pt_status rc = pt_read_turns(r, v, t);
    if (rc == PT_EFORMAT && !needed && *asked == PT_ASKED_BESIDE) {
        t->n = 0;
        pt_err_clear();
        return PT_OK;
    }
    return rc == PT_OK ? rc : pt_fail_prefix(rc, "'%s'", key);
}

/* Where the prompt's turns stand in a conversation (behind its system messages); false when they do not. */
static bool stands_in(const pt_turns *prompt, const pt_turns *t)
{
    size_t p = systems(prompt), n = prompt->n - p, from = systems(t);
    for (size_t at = from; n && at + n <= t->n; at++) {
        size_t k = 0;
        while (k < n && alike(&prompt->turns[p + k], &t->turns[at + k])) k++;
        if (k == n) return true;
    }
    return n == 0;
}

/* Puts the first n turns of `from` before those of t. */
static pt_status put_before(pt_turns *t, const pt_turns *from, size_t n)
{
    if (!n) return PT_OK;
    PT_RETURN(pt_reserve(&t->turns, &t->cap, t->n + n));
    memmove(t->turns + n, t->turns, t->n * sizeof *t->turns);
    memcpy(t->turns, from->turns, n * sizeof *t->turns);
    t->n += n;
    return PT_OK;
}

/* Both sides are conversations. */
static pt_status both_whole(pt_reader *r, pt_asked asked)
{
    pt_record *rec = &r->rec;
    pt_turns *a = &rec->answers[0].turns, *b = &rec->answers[1].turns, *p = &r->prompt;
    size_t same = 0;
    if (asked != PT_ASKED_BESIDE && p->n > systems(p) && !stands_in(p, a) && !stands_in(p, b)) {
        if (pt_speaker_is(p->turns[p->n - 1].speaker, PT_ASSISTANT)) { /* they go on from it */
            for (int s = 0; s < 2; s++) PT_RETURN(put_before(&rec->answers[s].turns, p, p->n));
        } else if (asked == PT_ASKED_LIST) {
            return pt_fail(PT_EFORMAT, "the prompt's messages stand in neither conversation: it is not clear what was asked");
        } else {
            pt_causes_add(&r->notes, "the prompt stands in neither conversation: they are taken, it is not", r->line);
        }
    }
    size_t most = a->n < b->n ? a->n : b->n;
    while (same + 1 < most && same_turn(&a->turns[same], &b->turns[same])) same++;
    if (same <= systems(a)) return pt_fail(PT_EFORMAT, "chosen and rejected begin with different messages: they are two conversations, not two answers to one question; each alone, judged good or bad, "
                                               "is what the objectives kto, bco and unlikelihood learn from");
    rec->n_prompt = same;
    return PT_OK;
}

/* Side `whole` is a conversation, the other an answer to its question. */
static pt_status one_whole(pt_reader *r, int whole)
{
    pt_turns *t = &r->rec.answers[whole].turns;
    r->rec.n_prompt = t->n - 1;
    return put_before(&r->rec.answers[1 - whole].turns, t, t->n - 1);
}

/* A system message that stands before the prompt alone. */
static pt_status take_system(pt_reader *r)
{
    size_t lead = systems(&r->prompt);
    if (!lead || systems(&r->rec.answers[0].turns) || systems(&r->rec.answers[1].turns)) return PT_OK;
    for (int s = 0; s < 2; s++) PT_RETURN(put_before(&r->rec.answers[s].turns, &r->prompt, lead));
    r->rec.n_prompt += lead;
    return PT_OK;
}

/* A prompt that both answers repeat: long enough not to be an echo. */
static size_t repeated(const pt_turn *prompt, const pt_turns *side)
{
    const char *p = prompt->text, *s = side->turns[0].text;
    size_t n = prompt->bytes, m = side->turns[0].bytes, words = 0;
    pt_text_strip(&p, &n);
    for (size_t i = 0; i < n; i++) words += p[i] == ' ' || p[i] == '\n';
    if (!pt_speaker_is(prompt->speaker, PT_USER) || (words < 2 && n < 24)) return 0;
    const char *from = s;
    size_t left = m;
    pt_text_strip(&from, &left);
    if (left <= n || memcmp(from, p, n) != 0 || pt_text_blank(from + n, left - n)) return 0;
    return (size_t)(from - s) + n;
}

static void without_repeated(pt_reader *r)
{
    pt_turns *side[2] = {&r->rec.answers[0].turns, &r->rec.answers[1].turns};
    const pt_turn *last = &r->prompt.turns[r->prompt.n - 1];
    size_t cut[2] = {repeated(last, side[0]), repeated(last, side[1])};
    if (side[0]->n != 1 || side[1]->n != 1 || !cut[0] || !cut[1]) return;
    for (int s = 0; s < 2; s++) {
        pt_turn *t = &side[s]->turns[0];
        t->text += cut[s];
        t->bytes -= cut[s];
        pt_text_strip(&t->text, &t->bytes);
    }
    pt_causes_add(&r->notes, "chosen and rejected repeat the prompt: it is taken once", r->line);
}

/* Both sides are answers. */
static pt_status both_answers(pt_reader *r, pt_asked asked, json_t *const v[2])
{
    pt_record *rec = &r->rec;
    pt_turns *p = &r->prompt;
    if (p->n && pt_speaker_is(p->turns[p->n - 1].speaker, PT_ASSISTANT) &&
        (alike(&p->turns[p->n - 1], &rec->answers[0].turns.turns[0]) || alike(&p->turns[p->n - 1], &rec->answers[1].turns.turns[0]))) {
        p->n--;
        pt_causes_add(&r->notes, "the conversation beside chosen and rejected ends with one of them: it is taken up to there", r->line);
    }
    if (p->n == systems(p)) {
        if (p->n || !json_is_string(v[0]) || !json_is_string(v[1]))
            return pt_fail(PT_EFORMAT, "no 'prompt', and chosen and rejected are answers alone");
        rec->kind = PT_RECORD_TEXT;
        for (int s = 0; s < 2; s++) rec->answers[s].text = json_string_value(v[s]), rec->answers[s].bytes = json_string_length(v[s]);
        pt_causes_add(&r->notes, "chosen and rejected are texts without a prompt: taken as they stand, without the chat template", r->line);
        return PT_OK;
    }
    without_repeated(r);
    for (int s = 0; s < 2; s++) {
        pt_turn *t = &rec->answers[s].turns.turns[0];
        if (asked == PT_ASKED_HH) pt_text_strip(&t->text, &t->bytes); /* "Assistant:" and " answer" */
        PT_RETURN(put_before(&rec->answers[s].turns, p, p->n));
    }
    rec->n_prompt = p->n;
    return PT_OK;
}

/* The two sides' values; ms-swift's chosen is the conversation itself. */
static pt_status find_sides(pt_reader *r, json_t *row, json_t *v[2])
{
    static const char *const chosen[] = {"chosen", "chosen_messages", "chosen_response", "preferred_output", NULL},
                             *const rejected[] = {"rejected", "rejected_messages", "rejected_response", "non_preferred_output", NULL};
    const char *named[2] = {pt_dataset_says(r->spec, "field_chosen"), pt_dataset_says(r->spec, "field_rejected")}, *key = NULL;
    v[0] = pt_row_column(r, row, "field_chosen", chosen, NULL);
    v[1] = pt_row_column(r, row, "field_rejected", rejected, &key);
    if (!v[0] && !named[0] && v[1] && strcmp(key, "rejected") != 0) v[0] = pt_read_list(r, row);
    if (!v[0] && !named[0] && v[1] && !strcmp(key, "rejected_response")) v[0] = pt_read_output(r, row); /* ms-swift's query, response */
    for (int i = 0; i < 2; i++) {
        const char *name = named[i] ? named[i] : i ? "rejected" : "chosen";
        json_t *there = pt_row_path(row, name);
        if (v[i]) continue;
        if (!there) return pt_row_missing(r, row, name);
        return json_is_null(there) ? pt_fail(PT_EFORMAT, "field '%s' is null", name) : pt_fail(PT_EFORMAT, "'%s': empty answer", name);
    }
    json_t *list[2];
    for (int i = 0; i < 2; i++) PT_RETURN(pt_row_messages(r, v[i], &list[i]));
    if (!json_is_string(list[0]) && !json_is_string(list[1])) v[0] = list[0], v[1] = list[1];
    return PT_OK;
}

/* The criterion's last message, into answer 2; its prompt is put before it when the others have theirs. A row's that nobody asked for is passed over. */
static pt_status read_criterion(pt_reader *r, json_t *row)
{
    static const char *const names[] = {"criterion", NULL};
    const char *named = pt_dataset_says(r->spec, "field_criterion");
    pt_turns *t = &r->rec.answers[2].turns;
    if (!r->criterion) {
        if (r->passed_over || !pt_row_says(pt_row_path(row, named ? named : names[0]))) return PT_OK;
        r->passed_over = true;
        pt_log(PT_LOG_WARN, "%s:%lld: the criterion answers are not read: this objective compares two answers, and no third", pt_reader_path(r), (long long)r->line);
        return PT_OK;
    }
    json_t *v = pt_row_column(r, row, "field_criterion", names, NULL), *there = pt_row_path(row, named ? named : names[0]);
    if (!v) return there ? pt_fail(PT_EFORMAT, "'criterion': empty answer") : pt_row_missing(NULL, row, named ? named : names[0]);
    PT_RETURN(pt_row_messages(r, v, &v));
    pt_status rc = add_side(r, v, t);
    if (rc != PT_OK) return pt_fail_prefix(rc, "'criterion'");
    t->turns[0] = t->turns[t->n - 1];
    t->n = 1;
    return PT_OK;
}

/* Behind the same prompt as the two others; a text as they are. */
static pt_status place_criterion(pt_reader *r)
{
    pt_record *rec = &r->rec;
    pt_answer *a = &rec->answers[2];
    if (!r->criterion) return PT_OK;
    if (rec->kind == PT_RECORD_CHAT) return put_before(&a->turns, &rec->answers[0].turns, rec->n_prompt);
    a->text = a->turns.turns[0].text;
    a->bytes = a->turns.turns[0].bytes;
    return PT_OK;
}

pt_status pt_read_preference(pt_reader *r, json_t *row)
{
    pt_record *rec = &r->rec;
    json_t *v[2];
    pt_asked asked;
    const char *named = pt_dataset_says(r->spec, "field_output");
    json_t *both = pt_row_path(row, named ? named : "output");
    if (!json_object_get(row, "chosen") && !pt_dataset_says(r->spec, "field_chosen") && json_array_size(both) == 2 &&
        json_is_string(json_array_get(both, 0)))
        return pt_read_mindset(r, row);
    PT_RETURN(find_sides(r, row, v));
    PT_RETURN(pt_record_answers(rec, r->criterion ? 3 : 2));
    for (int i = 0; i < 2; i++) {
        pt_status rc = add_side(r, v[i], &rec->answers[i].turns);
        if (rc != PT_OK) return pt_fail_prefix(rc, "'%s'", i ? "rejected" : "chosen");
    }
    PT_RETURN(read_criterion(r, row));
    bool whole[2] = {is_whole(&rec->answers[0].turns), is_whole(&rec->answers[1].turns)};
    PT_RETURN(read_prompt(r, row, !whole[0] && !whole[1], &asked));
    if (whole[0] && whole[1])
        PT_RETURN(both_whole(r, asked));
    else if (whole[0] || whole[1])
        PT_RETURN(one_whole(r, whole[0] ? 0 : 1));
    else
        PT_RETURN(both_answers(r, asked, v));
    if (rec->kind == PT_RECORD_CHAT) {
        size_t none = 0;
        PT_RETURN(take_system(r));
        PT_RETURN(pt_read_system(r, row, &rec->answers[0].turns, &none));
        PT_RETURN(pt_read_system(r, row, &rec->answers[1].turns, &rec->n_prompt));
    }
    PT_RETURN(place_criterion(r));
    return r->sink(r->user, rec, r->line);
}

const pt_data_key pt_keys_of_pairs[] = {
    {.key = "field_chosen", .kind = PT_DATA_COLUMN, .after = "field_history",
     .help = "Column of the better answer. Default: chosen, chosen_messages, chosen_response, preferred_output."},
    {.key = "field_rejected", .kind = PT_DATA_COLUMN, .help = "Column of the worse one. Default: rejected, rejected_messages, rejected_response, non_preferred_output."},
    {.key = "field_criterion", .kind = PT_DATA_COLUMN, .help = "idl: column of the answer that the better one must not fall below. Default: criterion."},
    {0}};

const pt_data_type pt_data_type_preference = {
    .name = "preference",
    .also = "chatml chatml.default chatml.argilla chatml.argilla_chat chatml.icr chatml.intel chatml.prompt_pairs chatml.ultra llama3 llama3.default "
            "llama3.argilla llama3.argilla_chat llama3.icr llama3.intel llama3.prompt_pairs llama3.ultra bradley_terry.chat_template "
            "bradley_terry.llama3 user_defined.default orpo.chat_template passthrough",
    .pairs = pt_read_preference,
    .verdicts = pt_read_unpaired,
    .keys = pt_keys_of_chats};
