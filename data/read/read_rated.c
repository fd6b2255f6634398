/* rated: several answers to one question, each with a rating: {"prompt": TEXT, "answers": [TEXT, ...], "ratings": [NUMBER, ...]}. The question may stand
 * as messages or as alpaca has it; an answer is a text, one message or {"response" | "text" | "content": TEXT, "rating" | "score": NUMBER | "rank": PLACE}. Instead of
 * ratings "ranking" may give each answer its place, 1 the best. A column `rating` of each answer, larger is better, and `rated`, 1. */
#include <math.h>
#include <string.h>

#include "data/read/record.h"

static json_t *first_of(json_t *row, const char *const *names)
{
    for (; *names; names++) {
        json_t *v = json_object_get(row, *names);
        if (v && !json_is_null(v)) return v;
    }
    return NULL;
}

/* An answer's text, and the rating or the place that stands in it (NULL: none). */
static pt_status open_answer(json_t *v, size_t k, json_t **text, json_t **rating, bool *place)
{
    static const char *const texts[] = {"response", "text", "content", "answer", "output", NULL}, *const numbers[] = {"rating", "score", "overall_score", NULL}, *const places[] = {"rank", NULL};
    *text = json_is_object(v) ? first_of(v, texts) : v;
    *rating = json_is_object(v) ? first_of(v, numbers) : NULL;
    *place = json_is_object(v) && !*rating && (*rating = first_of(v, places));
    if (!json_is_string(*text)) return pt_fail(PT_EFORMAT, "answer %zu is %s, not a text", k + 1, pt_row_kind(*text));
    if (!pt_row_says(*text)) return pt_fail(PT_EFORMAT, "empty answer: answer %zu", k + 1);
    return PT_OK;
}

static pt_status ask(pt_reader *r, json_t *row, pt_turns *t)
{
    json_t *list = pt_dataset_says(r->spec, "prompt_template") ? NULL : pt_read_list(r, row);
    if (list) PT_RETURN(pt_read_turns(r, list, t));
    else PT_RETURN(pt_read_question(r, row, t));
    if (!t->n) return pt_row_missing(NULL, row, "prompt");
    return PT_OK;
}

typedef struct lists {
    json_t *answers, *ratings;
    const char *name; /* of ratings */
    bool places;      /* ratings are places: a smaller one is better */
} lists;

static pt_status find_lists(pt_reader *r, json_t *row, lists *l)
{
    static const char *const answers[] = {"answers", "responses", "completions", NULL}, *const ratings[] = {"ratings", "scores", NULL}, *const places[] = {"ranking", "ranks", NULL};
    const char *key = "answers";
    *l = (lists){.name = "ratings"};
    if (pt_dataset_says(r->spec, "answer_template")) return pt_fail(PT_EARG, "answer_template makes one answer; the answers of type rated are a list (field_answers)");
    l->answers = pt_row_column(r, row, "field_answers", answers, &key);
    if (!l->answers) return pt_row_missing(NULL, row, key);
    PT_RETURN(pt_row_list(r, l->answers, &l->answers));
    if (!json_is_array(l->answers)) return pt_fail(PT_EFORMAT, "'%s' is %s, not a list of answers", key, pt_row_kind(l->answers));
    if (json_array_size(l->answers) < 2) return pt_fail(PT_EFORMAT, "'%s' has fewer than two answers", key);
    l->ratings = pt_row_column(r, row, "field_ratings", ratings, &l->name);
    if (!l->ratings) {
        l->ratings = pt_row_column(r, row, "field_ranking", places, &l->name);
        l->places = l->ratings != NULL;
    }
    if (!l->ratings) return PT_OK;
    PT_RETURN(pt_row_list(r, l->ratings, &l->ratings));
    if (json_array_size(l->ratings) != json_array_size(l->answers))
        return pt_fail(PT_EFORMAT, "'%s' has %zu numbers for %zu answers", l->name, json_array_size(l->ratings), json_array_size(l->answers));
    return PT_OK;
}

static pt_status read_rated(pt_reader *r, json_t *row)
{
    pt_record *rec = &r->rec;
    lists l;
    float least = INFINITY, most = -INFINITY;
    PT_RETURN(find_lists(r, row, &l));
    size_t n = json_array_size(l.answers);
    PT_RETURN(pt_record_answers(rec, n));
    for (size_t k = 0; k < n; k++) {
        pt_answer *a = &rec->answers[k];
        json_t *text, *own, *v;
        bool place;
        PT_RETURN(open_answer(json_array_get(l.answers, k), k, &text, &own, &place));
        v = l.ratings ? json_array_get(l.ratings, k) : own;
        if (!json_is_number(v)) return pt_fail(PT_EFORMAT, "the rating of answer %zu is %s, not a number", k + 1, pt_row_kind(v));
        float rating = (float)json_number_value(v) * ((l.ratings ? l.places : place) ? -1 : 1);
        least = rating < least ? rating : least;
        most = rating > most ? rating : most;
        PT_RETURN(pt_values_put(&a->columns, "rating", rating));
        PT_RETURN(pt_values_put(&a->columns, "rated", 1));
        PT_RETURN(ask(r, row, &a->turns));
        rec->n_prompt = a->turns.n;
        PT_RETURN(pt_record_turn(&a->turns, PT_ASSISTANT, json_string_value(text), json_string_length(text)));
        PT_RETURN(pt_read_system(r, row, &a->turns, k + 1 == n ? &rec->n_prompt : NULL));
    }
    if (least == most) return pt_fail(PT_EFORMAT, "all answers have the same rating: there is no order to learn");
    return r->sink(r->user, rec, r->line);
}

static const pt_data_key rated_keys[] = {
    {.key = "field_answers", .kind = PT_DATA_COLUMN, .after = "field_rejected", .help = "rated: column of the list of answers. Default: answers, responses, completions."},
    {.key = "field_ratings", .kind = PT_DATA_COLUMN, .help = "rated: column of their ratings, larger is better. Default: ratings, scores."},
    {.key = "field_ranking", .kind = PT_DATA_COLUMN, .help = "rated: column of their places instead, 1 the best. Default: ranking, ranks."},
    {0}};
const pt_data_type pt_data_type_rated = {
    .name = "rated", .also = "ranked_answers", .sft = read_rated, .instructions = true,
    .fits = "prompt|instruction|question|query|messages answers|responses|completions ratings|scores|ranking|ranks", .fits_with = " (objective plackett_luce)", .keys = (const pt_data_key *const[]){rated_keys, pt_keys_of_templates, pt_keys_of_questions, NULL}};
