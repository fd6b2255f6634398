#include "train/generate/stop_text.h"

#include <stdlib.h>
#include <string.h>

pt_status pt_stop_check(const pt_stop_texts *s)
{
    for (size_t i = 0; i < s->n; i++)
        if (!*s->text[i]) return pt_fail(PT_EARG, "a stop text is empty: every answer would end before it begins");
    return PT_OK;
}

size_t pt_stop_find(const pt_stop_texts *s, const char *text, size_t len)
{
    size_t first = len;
    for (size_t i = 0; i < s->n; i++) {
        size_t n = strlen(s->text[i]);
        for (size_t at = 0; at < first && at + n <= len; at++)
            if (!memcmp(text + at, s->text[i], n)) first = at;
    }
    return first;
}

size_t pt_stop_safe(const pt_stop_texts *s, const char *text, size_t len)
{
    size_t safe = pt_stop_find(s, text, len);
    for (size_t i = 0; i < s->n; i++) {
        size_t n = strlen(s->text[i]);
        for (size_t at = len > n ? len - n : 0; at < safe; at++)
            if (len - at < n && !memcmp(text + at, s->text[i], len - at)) safe = at;
    }
    return safe;
}

void pt_stop_reader_free(pt_stop_reader *w)
{
    pt_tok_stream_free(&w->stream);
    pt_str_free(&w->tail);
    *w = (pt_stop_reader){0};
}

pt_status pt_stop_next(pt_stop_reader *w, const pt_stop_texts *s, int32_t id, bool *hit)
{
    size_t longest = 0;
    PT_RETURN(pt_tok_stream_next(s->tok, &w->stream, id, true, &w->tail));
    *hit = pt_stop_find(s, w->tail.text, w->tail.len) < w->tail.len;
    for (size_t i = 0; i < s->n; i++) longest = strlen(s->text[i]) > longest ? strlen(s->text[i]) : longest;
    if (w->tail.len >= longest && longest) { /* what is before can be part of none that is still to come */
        size_t drop = w->tail.len - (longest - 1);
        memmove(w->tail.text, w->tail.text + drop, longest - 1);
        w->tail.len = longest - 1;
    }
    return PT_OK;
}
