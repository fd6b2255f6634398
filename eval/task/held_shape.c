/* The constraint of answers that are JSON objects: a schema of the fields that a task's rows want, with the types of value that they have there. */
#include <stdlib.h>
#include <string.h>

#include "eval/task/held.h"

static const char *type_of(const json_t *v)
{
    return json_is_string(v) ? "string" : json_is_integer(v) ? "integer" : json_is_real(v) ? "number" : json_is_boolean(v) ? "boolean" : json_is_null(v) ? "null" : json_is_array(v) ? "array" : "object";
}

/* Adds the name where it is not in the list; a number takes whole ones in. */
static bool add_type(json_t *list, const char *type)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *had = json_string_value(json_array_get(list, i));
        if (!strcmp(had, type) || (!strcmp(had, "number") && !strcmp(type, "integer"))) return true;
        if (!strcmp(had, "integer") && !strcmp(type, "number")) return !json_array_set_new(list, i, json_string(type));
    }
    return !json_array_append_new(list, json_string(type));
}

static json_t *child(json_t *of, const char *key, json_t *fresh)
{
    json_t *v = json_object_get(of, key);
    if (v) json_decref(fresh);
    else if (!json_object_set_new(of, key, fresh)) v = fresh;
    return v;
}

pt_status pt_held_widen(json_t *shape, const json_t *object)
{
    const char *name;
    json_t *v, *fields = child(shape, "fields", json_object()), *rows = json_object_get(shape, "rows");
    bool fine = fields && !json_object_set_new(shape, "rows", json_integer(json_integer_value(rows) + 1));
    json_object_foreach((json_t *)object, name, v)
    {
        json_t *field = child(fields, name, json_object()), *types = child(field, "types", json_array()), *items = child(field, "items", json_array());
        fine = fine && field && types && items && add_type(types, type_of(v)) && !json_object_set_new(field, "rows", json_integer(json_integer_value(json_object_get(field, "rows")) + 1));
        for (size_t i = 0; fine && json_is_array(v) && i < json_array_size(v); i++) fine = add_type(items, type_of(json_array_get(v, i)));
    }
    return fine ? PT_OK : pt_fail(PT_ENOMEM, "out of memory for the fields of answers");
}

pt_status pt_held_schema(const json_t *shape, char **out)
{
    const char *name;
    json_t *field, *properties = json_object(), *required = json_array(),
                   *schema = json_pack("{ss so so sb}", "type", "object", "properties", properties, "required", required, "additionalProperties", 0);
    bool fine = schema != NULL;
    json_object_foreach(json_object_get(shape, "fields"), name, field)
    {
        json_t *one = json_pack("{sO}", "type", json_object_get(field, "types"));
        if (one && json_array_size(json_object_get(field, "items"))) fine = fine && !json_object_set_new(one, "items", json_pack("{sO}", "type", json_object_get(field, "items")));
        fine = fine && !json_object_set_new(properties, name, one);
        if (json_integer_value(json_object_get(field, "rows")) == json_integer_value(json_object_get(shape, "rows"))) fine = fine && !json_array_append_new(required, json_string(name));
    }
    char *text = fine ? json_dumps(schema, JSON_COMPACT) : NULL;
    json_decref(schema);
    pt_status rc = text ? pt_asprintf(out, PT_CONSTRAINT_SCHEMA "%s", text) : pt_fail(PT_ENOMEM, "out of memory for the fields of answers");
    free(text);
    return rc;
}
