#include "data/text/tok_class.h"

#include <stddef.h>

#include "data/text/tok_class_table.h"
#include "data/text/tok_utf8.h"

static bool in_ranges(const pt_tok_range *r, size_t n, uint32_t cp)
{
    size_t low = 0;
    while (low < n) {
        size_t mid = low + (n - low) / 2;
        if (cp > r[mid].to)
            low = mid + 1;
        else if (cp < r[mid].from)
            n = mid;
        else
            return true;
    }
    return false;
}

#define IN(table) in_ranges(table, sizeof(table) / sizeof *(table), cp)

bool pt_tok_class_has(pt_tok_class c, uint32_t cp, uint32_t one)
{
    switch (c) {
    case PT_CLASS_SPACE: return pt_utf8_is_space(cp);
    case PT_CLASS_CLEAN: return IN(clean_ranges);
    case PT_CLASS_NONSPACING: return IN(nonspacing_ranges);
    case PT_CLASS_MARK: return IN(mark_ranges);
    case PT_CLASS_PUNCT: return IN(punct_ranges);
    case PT_CLASS_WORD: return IN(word_ranges);
    default: return cp == one;
    }
}

unsigned pt_tok_script(uint32_t cp)
{
    size_t low = 0, n = sizeof script_ranges / sizeof *script_ranges;
    if (cp == ' ') return 0;
    if (cp == 0x30FC) cp = 0x4E00;
    while (low < n) {
        size_t mid = low + (n - low) / 2;
        if (cp > script_ranges[mid].to)
            low = mid + 1;
        else if (cp < script_ranges[mid].from)
            n = mid;
        else
            return script_ranges[mid].script;
    }
    return 0;
}
