/* text (= completion): one string a row. tokens: ids made elsewhere: input_ids with labels (unshifted, -100 = context) or TRL's
 * completion_mask and assistant_masks, or for pairs prompt_input_ids, chosen_input_ids, rejected_input_ids (and criterion_input_ids). What an attention_mask
 * (prompt_attention_mask ...) says is padding is left out, at either end. weights: a number >= 0 an id, the loss weight of what is supervised. */
#include <math.h>
#include <string.h>

#include "data/read/record.h"

pt_status pt_read_text(pt_reader *r, json_t *row)
{
    pt_record *rec = &r->rec;
    const char *key = pt_dataset_value(r->spec, "field_text");
    rec->kind = PT_RECORD_TEXT;
    PT_RETURN(pt_row_filled(r, row, "text_template", &rec->answers[0].text, &rec->answers[0].bytes));
    if (rec->answers[0].text) return r->sink(r->user, rec, r->line);
    if (!pt_row_take(r, row, key)) return pt_row_missing(r, row, key);
    PT_RETURN(pt_row_string(row, key, true, &rec->answers[0].text, &rec->answers[0].bytes));
    return r->sink(r->user, rec, r->line);
}

/* A list of n values; absent or null gives *list = NULL. */
static pt_status list_of(pt_reader *r, json_t *row, const char *key, size_t n, json_t **list)
{
    json_t *v = pt_row_take(r, row, key);
    *list = NULL;
    if (!v || json_is_null(v)) return PT_OK;
    if (!json_is_array(v)) return pt_fail(PT_EFORMAT, "field '%s' is not a list", key);
    if (json_array_size(v) != n) return pt_fail(PT_EFORMAT, "%zu %s for %zu ids", json_array_size(v), key, n);
    *list = v;
    return PT_OK;
}

static pt_status bit(const char *key, size_t i, const json_t *v, bool *out)
{
    if (!json_is_boolean(v) && (!json_is_integer(v) || json_integer_value(v) < 0 || json_integer_value(v) > 1))
        return pt_fail(PT_EFORMAT, "element %zu of '%s' is neither 0 nor 1", i, key);
    *out = json_is_true(v) || json_integer_value(v) == 1;
    return PT_OK;
}

typedef struct pt_span {
    size_t from, to;
} pt_span;

/* The ids that a mask does not call padding: all, or one run. */
static pt_status unpadded(pt_reader *r, json_t *row, const char *key, size_t n, pt_span *span)
{
    json_t *mask, *v;
    size_t i, runs = 0;
    bool before = false, on;
    *span = (pt_span){0, n};
    PT_RETURN(list_of(r, row, key, n, &mask));
    if (!mask) return PT_OK;
    span->to = 0;
    json_array_foreach(mask, i, v)
    {
        PT_RETURN(bit(key, i, v, &on));
        if (on && !before) runs++, span->from = i;
        if (on) span->to = i + 1;
        before = on;
    }
    if (runs > 1) return pt_fail(PT_EFORMAT, "'%s' leaves out ids between others: padding stands at an end", key);
    if (!runs) span->from = span->to = 0;
    return PT_OK;
}

/* Appends the ids of a list without its padding. */
static pt_status add_ids(pt_reader *r, json_t *row, const char *key, const char *mask, pt_ids *out, pt_span *span)
{
    json_t *list = pt_row_take(r, row, key);
    if (!list) return pt_row_missing(r, row, key);
    if (!json_is_array(list)) return pt_fail(PT_EFORMAT, "field '%s' is %s, not a list of token ids", key, pt_row_kind(list));
    PT_RETURN(unpadded(r, row, mask, json_array_size(list), span));
    PT_RETURN(pt_reserve(&out->ids, &out->cap, out->n + json_array_size(list)));
    for (size_t i = span->from; i < span->to; i++) {
        const json_t *v = json_array_get(list, i);
        json_int_t id = json_integer_value(v);
        if (!json_is_integer(v) || id < 0 || id > INT32_MAX)
            return pt_fail(PT_EFORMAT, "element %zu of '%s' is no token id", i, key);
        out->ids[out->n++] = (int32_t)id;
    }
    return PT_OK;
}

pt_status pt_read_ids(pt_reader *r, json_t *row)
{
    pt_answer *a = &r->rec.answers[0];
    pt_span span;
    r->rec.kind = PT_RECORD_IDS;
    PT_RETURN(add_ids(r, row, "input_ids", "attention_mask", &a->ids, &span));
    if (!a->ids.n) return pt_fail(PT_EFORMAT, "'input_ids' is empty");
    PT_RETURN(pt_reserve(&a->label, &a->label_cap, a->ids.n));
    for (size_t k = 0; k < a->ids.n; k++) a->label[k] = 1;
    return PT_OK;
}

/* TRL's masks instead of labels: what all of them mark. */
static pt_status read_masks(pt_reader *r, json_t *row, size_t n, pt_span span, bool *any)
{
    static const char *const keys[] = {"completion_mask", "assistant_masks"};
    *any = false;
    for (int k = 0; k < 2; k++) {
        json_t *list;
        bool on;
        PT_RETURN(list_of(r, row, keys[k], n, &list));
        if (!list) continue;
        for (size_t i = span.from; i < span.to; i++) {
            float *label = &r->rec.answers[0].label[i - span.from];
            PT_RETURN(bit(keys[k], i, json_array_get(list, i), &on));
            *label = on && (!*any || *label > 0) ? 1 : 0;
        }
        *any = true;
    }
    return PT_OK;
}

/* What is supervised, each by its weight; without labels and masks the weights say both. */
static pt_status read_weights(pt_reader *r, json_t *row, pt_span span, bool labelled)
{
    float *label = r->rec.answers[0].label;
    json_t *list;
    PT_RETURN(list_of(r, row, "weights", json_array_size(json_object_get(row, "input_ids")), &list));
    for (size_t i = 0; list && i < json_array_size(list); i++) {
        const json_t *v = json_array_get(list, i);
        double w = json_number_value(v);
        if (!json_is_number(v)) return pt_fail(PT_EFORMAT, "element %zu of 'weights' is %s, a number is wanted", i, pt_row_kind(v));
        if (!isfinite((float)w) || w < 0) return pt_fail(PT_EFORMAT, "element %zu of 'weights' is %g, which is out of range", i, w);
        if (i < span.from || i >= span.to) continue;
        float *to = &label[i - span.from];
        *to = !labelled ? (float)w : *to > 0 && (float)w < PT_WEIGHT_HELD ? PT_WEIGHT_HELD : *to * (float)w;
    }
    return PT_OK;
}

static pt_status read_labels(pt_reader *r, json_t *row, pt_span span)
{
    pt_record *rec = &r->rec;
    size_t n = json_array_size(json_object_get(row, "input_ids"));
    json_t *list;
    bool masks;
    PT_RETURN(list_of(r, row, "labels", n, &list));
    if (!list) {
        const json_t *weights = json_object_get(row, "weights");
        PT_RETURN(read_masks(r, row, n, span, &masks));
        if (!masks && (!weights || json_is_null(weights))) return pt_row_missing(NULL, row, "labels");
        return read_weights(r, row, span, masks);
    }
    for (size_t i = span.from; i < span.to; i++) {
        const json_t *v = json_array_get(list, i);
        json_int_t x = json_integer_value(v);
        int32_t id = rec->answers[0].ids.ids[i - span.from];
        if (!json_is_integer(v) || (x != -100 && x != id))
            return pt_fail(PT_EFORMAT, "label %zu is neither -100 nor the id %d at its own place (labels are not shifted)", i, id);
        rec->answers[0].label[i - span.from] = x == -100 ? 0 : 1;
    }
    return read_weights(r, row, span, true);
}

/* A pair: the answers supervised, the prompt context. */
static pt_status read_pair(pt_reader *r, json_t *row)
{
    static const char *const keys[][2] = {{"chosen_input_ids", "chosen_attention_mask"}, {"rejected_input_ids", "rejected_attention_mask"}, {"criterion_input_ids", "criterion_attention_mask"}};
    const size_t n = r->criterion ? 3 : 2;
    pt_record *rec = &r->rec;
    pt_span span;
    PT_RETURN(pt_record_answers(rec, n));
    for (size_t i = 0; i < n; i++) {
        PT_RETURN(add_ids(r, row, "prompt_input_ids", "prompt_attention_mask", &rec->answers[i].ids, &span));
        size_t prompt = rec->answers[i].ids.n;
        PT_RETURN(add_ids(r, row, keys[i][0], keys[i][1], &rec->answers[i].ids, &span));
        if (!prompt) return pt_fail(PT_EFORMAT, "'prompt_input_ids' is empty");
        if (rec->answers[i].ids.n == prompt) return pt_fail(PT_EFORMAT, "'%s' is empty", keys[i][0]);
        PT_RETURN(pt_reserve(&rec->answers[i].label, &rec->answers[i].label_cap, rec->answers[i].ids.n));
        for (size_t k = 0; k < rec->answers[i].ids.n; k++) rec->answers[i].label[k] = k >= prompt ? 1 : 0;
    }
    return PT_OK;
}

pt_status pt_read_tokens(pt_reader *r, json_t *row)
{
    pt_record *rec = &r->rec;
    pt_span span;
    rec->kind = PT_RECORD_IDS;
    if (r->pairs || (r->verdicts && json_object_get(row, "chosen_input_ids"))) {
        PT_RETURN(read_pair(r, row));
    } else {
        PT_RETURN(add_ids(r, row, "input_ids", "attention_mask", &rec->answers[0].ids, &span));
        PT_RETURN(pt_reserve(&rec->answers[0].label, &rec->answers[0].label_cap, rec->answers[0].ids.n));
        PT_RETURN(read_labels(r, row, span));
        if (r->verdicts) PT_RETURN(pt_read_verdict(r, row));
        if (r->teacher) PT_RETURN(pt_read_teacher(r, row, span.from, span.to));
    }
    return r->sink(r->user, rec, r->line);
}

const pt_data_key pt_keys_of_texts[] = {{.key = "field_text", .aliases = "field text_column", .kind = PT_DATA_COLUMN, .fallback = "text",
                                          .after = "field_margin", .help = "text: its column. Default: text."},
                                         {.key = "text_template", .kind = PT_DATA_TEMPLATE, .help = "text, labels: the text of fields of the row, as in system_template, instead of a column."},
                                         {0}};

const pt_data_type pt_data_type_text = {
    .name = "text", .also = "completion pretrain", .shown = "text (= completion)", .sft = pt_read_text, .plain = true, .lines = true,
    .keys = (const pt_data_key *const[]){pt_keys_of_texts, NULL}};
const pt_data_type pt_data_type_tokens = {
    .name = "tokens", .fits = "input_ids|chosen_input_ids", .shown = "tokens (= empty type)", .sft = pt_read_tokens, .pairs = pt_read_tokens, .verdicts = pt_read_tokens, .plain = true, .ids = true};
