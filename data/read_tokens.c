/* text (= completion): one string a row. tokens: ids made elsewhere: input_ids with labels (unshifted, -100 = context), or for
 * pairs prompt_input_ids, chosen_input_ids, rejected_input_ids. */
#include <string.h>

#include "data/record.h"

pt_status pt_read_text(pt_reader *r, json_t *row)
{
    pt_record *rec = &r->rec;
    rec->kind = PT_RECORD_TEXT;
    PT_RETURN(pt_row_string(row, r->spec->field_text ? r->spec->field_text : "text", true, &rec->text, &rec->bytes));
    return r->sink(r->user, rec, r->line);
}

static pt_status add_ids(json_t *row, const char *key, pt_ids *out)
{
    json_t *list = json_object_get(row, key), *v;
    const char *text;
    size_t i, n;
    if (!list || json_is_null(list)) return pt_row_string(row, key, true, &text, &n);
    if (!json_is_array(list)) return pt_fail(PT_EFORMAT, "field '%s' is not a list of token ids", key);
    PT_RETURN(pt_reserve(&out->ids, &out->cap, out->n + json_array_size(list)));
    json_array_foreach(list, i, v)
    {
        json_int_t id = json_integer_value(v);
        if (!json_is_integer(v) || id < 0 || id > INT32_MAX)
            return pt_fail(PT_EFORMAT, "element %zu of '%s' is no token id", i, key);
        out->ids[out->n++] = (int32_t)id;
    }
    return PT_OK;
}

static pt_status read_labels(pt_record *rec, json_t *row)
{
    json_t *list = json_object_get(row, "labels"), *v;
    const char *text;
    size_t i, n;
    if (!list || json_is_null(list)) return pt_row_string(row, "labels", true, &text, &n);
    if (!json_is_array(list)) return pt_fail(PT_EFORMAT, "field 'labels' is not a list");
    if (json_array_size(list) != rec->ids[0].n)
        return pt_fail(PT_EFORMAT, "%zu labels for %zu input_ids", json_array_size(list), rec->ids[0].n);
    json_array_foreach(list, i, v)
    {
        json_int_t x = json_integer_value(v);
        if (!json_is_integer(v) || (x != -100 && x != rec->ids[0].ids[i]))
            return pt_fail(PT_EFORMAT, "label %zu is neither -100 nor the id %d at its own place (labels are not shifted)", i,
                           rec->ids[0].ids[i]);
        rec->label[0][i] = x == -100 ? 0 : 1;
    }
    return PT_OK;
}

/* A pair: the answers supervised, the prompt context. */
static pt_status read_pair(pt_record *rec, json_t *row)
{
    static const char *const keys[] = {"chosen_input_ids", "rejected_input_ids"};
    rec->pair = true;
    PT_RETURN(pt_row_number(row, "margin", -1e30, &rec->margin));
    for (int i = 0; i < 2; i++) {
        PT_RETURN(add_ids(row, "prompt_input_ids", &rec->ids[i]));
        size_t prompt = rec->ids[i].n;
        PT_RETURN(add_ids(row, keys[i], &rec->ids[i]));
        if (!prompt) return pt_fail(PT_EFORMAT, "'prompt_input_ids' is empty");
        if (rec->ids[i].n == prompt) return pt_fail(PT_EFORMAT, "'%s' is empty", keys[i]);
        PT_RETURN(pt_reserve(&rec->label[i], &rec->label_cap[i], rec->ids[i].n));
        for (size_t k = 0; k < rec->ids[i].n; k++) rec->label[i][k] = k >= prompt ? 1 : 0;
    }
    return PT_OK;
}

pt_status pt_read_tokens(pt_reader *r, json_t *row)
{
    pt_record *rec = &r->rec;
    rec->kind = PT_RECORD_IDS;
    if (r->pairs) {
        PT_RETURN(read_pair(rec, row));
    } else {
        PT_RETURN(add_ids(row, "input_ids", &rec->ids[0]));
        PT_RETURN(pt_reserve(&rec->label[0], &rec->label_cap[0], rec->ids[0].n));
        PT_RETURN(read_labels(rec, row));
    }
    return r->sink(r->user, rec, r->line);
}
