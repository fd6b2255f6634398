/* The table of data types, which the makefile's list makes. */
#include "data/read/record.h"

#include <string.h>

#include "reader_list.h"

#define DECLARE(name) extern const pt_data_type pt_data_type_##name;
PT_READER_LIST(DECLARE)
#define ENTRY(name) &pt_data_type_##name,
static const pt_data_type *const types[] = {PT_READER_LIST(ENTRY)};

static bool named(const char *words, const char *name)
{
    size_t len = strlen(name);
    for (const char *p = words; p && *p;) {
        size_t n = strcspn(p, " ");
        if (p[n - 1] == '*' ? len >= n - 1 && !strncmp(p, name, n - 1) : n == len && !strncmp(p, name, n)) return true;
        p += n;
        p += strspn(p, " ");
    }
    return false;
}

const pt_data_type *pt_data_type_find(const char *type)
{
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        const pt_data_type *t = types[i];
        if (type && *type ? !strcmp(t->name, type) || named(t->also, type) : t->ids) return t; /* axolotl's empty type holds ids */
    }
    return NULL;
}

const pt_data_type *pt_data_type_of_texts(void)
{
    size_t i = 0;
    while (!types[i]->lines) i++;
    return types[i];
}

const char *pt_reader_type(const char *type)
{
    const pt_data_type *t = pt_data_type_find(type);
    return t ? t->name : NULL;
}

size_t pt_data_type_count(void)
{
    return sizeof types / sizeof *types;
}

const pt_data_type *pt_data_type_at(size_t i)
{
    return types[i];
}

bool pt_reader_gives(const char *type, bool pairs)
{
    const pt_data_type *t = pt_data_type_find(type);
    return t && (pairs ? t->pairs : t->sft) != NULL;
}

bool pt_reader_verdicts(const char *type)
{
    const pt_data_type *t = pt_data_type_find(type);
    return t && t->verdicts != NULL;
}

const char *pt_reader_types(void)
{
    static char text[512];
    if (text[0]) return text;
    for (size_t i = 0, n = 0; i < sizeof types / sizeof *types; i++) {
        const char *parts[] = {i ? ", " : "", types[i]->shown ? types[i]->shown : types[i]->name};
        for (int k = 0; k < 2 && n + strlen(parts[k]) < sizeof text; k++) {
            memcpy(text + n, parts[k], strlen(parts[k]) + 1);
            n += strlen(parts[k]);
        }
    }
    return text;
}
