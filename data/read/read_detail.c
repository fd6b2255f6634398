/* Parts of a message that are trained on, by character: axolotl's train_detail. */
#include <stdlib.h>

#include "data/read/record.h"

/* One part: characters [begin_offset, end_offset], the end within, as [from, to). */
static pt_status read_part(json_t *part, size_t i, float whole, pt_text_span *out)
{
    static const char *const edges[] = {"begin_offset", "end_offset"};
    json_int_t at[2];
    json_t *train;
    float w = 1;
    if (!json_is_object(part) || pt_json_odd(part)) return pt_fail(PT_EFORMAT, "part %zu is %s, an object is wanted", i + 1, pt_row_kind(part));
    for (int k = 0; k < 2; k++) {
        json_t *v = json_object_get(part, edges[k]);
        if (!json_is_integer(v) || json_integer_value(v) < 0) return pt_fail(PT_EFORMAT, "part %zu: '%s' is no place in the text", i + 1, edges[k]);
        at[k] = json_integer_value(v);
    }
    if (at[1] < at[0]) return pt_fail(PT_EFORMAT, "part %zu ends at %lld, before it begins at %lld", i + 1, (long long)at[1], (long long)at[0]);
    train = json_object_get(part, "train");
    json_t *weight = json_object_get(part, "weight");
    if (train && !json_is_null(train) && !json_is_boolean(train)) return pt_fail(PT_EFORMAT, "part %zu: 'train' is true or false", i + 1);
    bool says = weight && !json_is_null(weight);
    if (!json_is_boolean(train) && !says) return pt_fail(PT_EFORMAT, "part %zu says neither 'train' nor 'weight'", i + 1);
    pt_status rc = pt_row_number(part, "weight", 0, &w);
    if (rc != PT_OK) return pt_fail_prefix(rc, "part %zu", i + 1);
    w *= whole;
    if (json_is_false(train) || w < PT_WEIGHT_HELD) w = PT_WEIGHT_HELD;
    *out = (pt_text_span){(size_t)at[0], (size_t)at[1] + 1, w};
    return PT_OK;
}

static int by_begin(const void *a, const void *b)
{
    const pt_text_span *x = a, *y = b;
    return (x->from > y->from) - (x->from < y->from);
}

/* The byte where character `to` begins, going on from character *seen at byte *at; what reaches beyond the text ends with it. */
static size_t byte_of(const pt_turn *t, size_t to, size_t *at, size_t *seen)
{
    for (; *at < t->bytes && *seen < to; ++*seen) {
        ++*at;
        while (*at < t->bytes && ((unsigned char)t->text[*at] & 0xc0) == 0x80) ++*at;
    }
    return *at;
}

static pt_status read_parts(json_t *v, pt_turn *t, pt_text_span *list)
{
    size_t i, n = json_array_size(v), at = 0, seen = 0;
    json_t *part;
    float whole = t->has_weight ? t->weight : 1;
    json_array_foreach(v, i, part) PT_RETURN(read_part(part, i, whole, &list[i]));
    qsort(list, n, sizeof *list, by_begin);
    for (i = 1; i < n; i++)
        if (list[i].from < list[i - 1].to) return pt_fail(PT_EFORMAT, "two parts hold character %zu", list[i].from);
    for (i = 0; i < n; i++) {
        list[i].from = byte_of(t, list[i].from, &at, &seen);
        list[i].to = byte_of(t, list[i].to, &at, &seen);
    }
    t->spans = list;
    t->n_spans = n;
    t->weight = whole;
    t->has_weight = true;
    return PT_OK;
}

pt_status pt_read_detail(pt_reader *r, json_t *m, pt_turn *t)
{
    const char *key = pt_dataset_value(r->spec, "message_field_training_detail");
    json_t *v = pt_row_path(m, key);
    pt_text_span *list;
    if (!v || json_is_null(v)) return PT_OK;
    if (!json_is_array(v)) return pt_fail(PT_EFORMAT, "field '%s' is %s, a list is wanted", key, pt_row_kind(v));
    if (!json_array_size(v)) return PT_OK;
    PT_RETURN(pt_calloc(&list, json_array_size(v), sizeof *list));
    PT_RETURN(pt_record_own(&r->rec, (char *)list));
    pt_status rc = read_parts(v, t, list);
    return rc == PT_OK ? rc : pt_fail_prefix(rc, "'%s'", key);
}
