/* tokenizer.json: "post_processor". What it writes before and behind a text is kept (t->around); its template for two texts is checked. */
#include <stdlib.h>
#include <string.h>

#include "data/text/tok_json.h"

static pt_status take(pt_tokenizer *t, const char *type)
{
    if (t->around.type) return pt_fail(PT_ENOSUP, "two post-processors that write tokens, '%s' and '%s', are not supported", t->around.type, type);
    return pt_strdup(&t->around.type, type);
}

static pt_status put_id(const pt_tokenizer *t, int32_t **list, size_t *n, json_int_t id, const char *name)
{
    size_t cap = *n;
    if (id < 0 || id >= t->n) return pt_fail(PT_EFORMAT, "the post-processor's token '%.80s' has the id %lld, which no token has", name, (long long)id);
    PT_RETURN(pt_reserve(list, &cap, *n + 1));
    (*list)[(*n)++] = (int32_t)id;
    return PT_OK;
}

/* {"id": name, "ids": [...], "tokens": [...]} of special_tokens; its ids to a side of `single` (side 0 before, 1 behind; -1: only checked). */
static pt_status special(pt_tokenizer *t, const json_t *specials, const char *name, int side)
{
    const json_t *o = json_object_get(specials, name), *ids = json_object_get(o, "ids");
    pt_tok_template *a = &t->around;
    if (!o) return pt_fail(PT_EFORMAT, "the template's '%.80s' is not among its special_tokens", name);
    if (!json_array_size(ids) || json_array_size(ids) != json_array_size(json_object_get(o, "tokens")))
        return pt_fail(PT_EFORMAT, "special_tokens '%.80s' has not as many ids as tokens", name);
    for (size_t i = 0; i < json_array_size(ids); i++) {
        const json_t *id = json_array_get(ids, i);
        if (!json_is_integer(id)) return pt_fail(PT_EFORMAT, "an id of special_tokens '%.80s' is not an integer", name);
        if (side == 0) PT_RETURN(put_id(t, &a->before, &a->n_before, json_integer_value(id), name));
        if (side == 1) PT_RETURN(put_id(t, &a->after, &a->n_after, json_integer_value(id), name));
    }
    return PT_OK;
}

/* One part of a template: which text it stands for ('A', 'B'), or 0 for a token, whose name is *name. */
static pt_status part(const json_t *o, char *text, const char **name)
{
    const json_t *seq = json_object_get(o, "Sequence"), *tok = json_object_get(o, "SpecialToken"), *in = seq ? seq : tok;
    *name = json_string_value(json_object_get(in, "id"));
    if (!*name) return pt_fail(PT_EFORMAT, "a template's part is neither a Sequence nor a SpecialToken with an id");
    if (!json_is_integer(json_object_get(in, "type_id")) || json_integer_value(json_object_get(in, "type_id")) < 0)
        return pt_fail(PT_EFORMAT, "a template's part '%.80s' has no type_id", *name);
    *text = seq ? **name : 0;
    if (seq && strcmp(*name, "A") != 0 && strcmp(*name, "B") != 0) return pt_fail(PT_EFORMAT, "a template's Sequence '%.80s' is neither A nor B", *name);
    return PT_OK;
}

static pt_status template_of(pt_tokenizer *t, const json_t *o, const char *which, bool pair)
{
    const json_t *list = json_object_get(o, which), *specials = json_object_get(o, "special_tokens");
    size_t seen[2] = {0}, k;
    json_t *p;
    if (!json_is_array(list)) return pt_fail(PT_EFORMAT, "TemplateProcessing: '%s' is not a list", which);
    json_array_foreach((json_t *)list, k, p)
    {
        const char *name;
        char text = 0;
        PT_RETURN(part(p, &text, &name));
        if (text)
            seen[text == 'B']++;
        else
            PT_RETURN(special(t, specials, name, pair ? -1 : seen[0] > 0));
    }
    if (seen[0] == 1 && seen[1] == pair) return PT_OK;
    return pt_fail(PT_ENOSUP, "TemplateProcessing: '%s' holds A %zu times and B %zu times", which, seen[0], seen[1]);
}

/* "cls": ["[CLS]", 101] */
static pt_status named(pt_tokenizer *t, const json_t *o, const char *key, int32_t **list, size_t *n)
{
    const json_t *v = json_object_get(o, key), *id = json_array_get(v, 1);
    const char *name = json_string_value(json_array_get(v, 0));
    if (!name || !json_is_integer(id)) return pt_fail(PT_EFORMAT, "the post-processor's '%s' is not a token and its id", key);
    return put_id(t, list, n, json_integer_value(id), name);
}

static pt_status read(pt_tokenizer *t, const json_t *o, int depth)
{
    const char *type;
    pt_tok_template *a = &t->around;
    if (!o || json_is_null(o)) return PT_OK;
    PT_RETURN(pt_tok_json_str(o, "type", &type));
    if (depth > PT_TOK_MAX_DEPTH) return pt_fail(PT_EFORMAT, "post-processors are nested too deeply");
    if (!strcmp(type, "Sequence")) return pt_tok_json_each(t, o, "processors", depth, read);
    if (!strcmp(type, "ByteLevel")) return PT_OK; /* trims offsets, changes no ids */
    if (!strcmp(type, "TemplateProcessing")) {
        PT_RETURN(take(t, type));
        PT_RETURN(template_of(t, o, "single", false));
        return template_of(t, o, "pair", true);
    }
    if (strcmp(type, "BertProcessing") != 0 && strcmp(type, "RobertaProcessing") != 0) return pt_fail(PT_ENOSUP, "post-processor '%s' is not supported", type);
    PT_RETURN(take(t, type));
    PT_RETURN(named(t, o, "cls", &a->before, &a->n_before));
    return named(t, o, "sep", &a->after, &a->n_after);
}

pt_status pt_tok_json_post(pt_tokenizer *t, const json_t *o)
{
    PT_RETURN(read(t, o, 0));
    if (t->around.n_before) t->template_bos = t->around.before[0];
    return PT_OK;
}
