/* Conversations as one text (Anthropic's HH sets): "\n\nHuman: ...\n\nAssistant: ...". */
#include <string.h>

#include "data/read/record.h"

typedef struct pt_mark {
    const char *word;
    const pt_speaker *speaker;
} pt_mark;
static const pt_mark marks[] = {{"Human:", PT_USER}, {"Assistant:", PT_ASSISTANT}, {"System:", PT_SYSTEM}};

/* The mark that begins at p: at the text's first character, or behind an empty line. Bytes in *skip. */
static const pt_mark *mark_at(const char *p, const char *begin, const char *end, size_t *skip)
{
    size_t gap = 0;
    if (p == begin) {
        while (p + gap < end && p[gap] == '\n') gap++;
    } else {
        if (end - p < 2 || p[0] != '\n' || p[1] != '\n') return NULL;
        gap = 2;
    }
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
        size_t n = strlen(marks[i].word);
        if ((size_t)(end - p) < gap + n || memcmp(p + gap, marks[i].word, n) != 0) continue;
        *skip = gap + n;
        return &marks[i];
    }
    return NULL;
}

pt_status pt_read_hh(const char *text, size_t bytes, pt_turns *t, bool *is)
{
    const char *end = text + bytes, *p = text;
    size_t skip, before = t->n, humans = 0, answers = 0;
    const pt_mark *m = mark_at(text, text, end, &skip);
    *is = false;
    if (!m || pt_speaker_is(m->speaker, PT_ASSISTANT)) return PT_OK;
    while (m) {
        const char *from = p + skip, *body = from;
        const pt_mark *next = NULL;
        for (p = from; p < end && !(next = mark_at(p, text, end, &skip));) p++;
        size_t n = (size_t)(p - from);
        humans += pt_speaker_is(m->speaker, PT_USER);
        answers += pt_speaker_is(m->speaker, PT_ASSISTANT);
        pt_text_strip(&body, &n);
        if (n || next) PT_RETURN(pt_record_turn(t, m->speaker, body, n)); /* an empty last mark opens the answer */
        m = next;
    }
    *is = humans && answers;
    if (!*is) t->n = before;
    return PT_OK;
}
