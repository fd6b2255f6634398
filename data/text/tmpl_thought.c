/* Thoughts of answers: left out, or context (pt_template_think). */
#include <string.h>

#include "data/text/tmpl_priv.h"

static bool is_break(char c)
{
    return c == '\n' || c == '\r' || c == ' ' || c == '\t';
}

/* The thought at the head of a text, between <think> and </think>, without outer line breaks; *rest: where the answer begins. bare: a text that
 * begins inside of a thought, as where the prompt opened it, counts too. */
static bool at_head(const pt_message *m, bool bare, pt_part *thought, size_t *rest)
{
    static const char open[] = "<think>", close[] = "</think>";
    size_t from = 0, to;
    while (from < m->bytes && is_break(m->text[from])) from++;
    bool opened = m->bytes - from >= sizeof open - 1 && !memcmp(m->text + from, open, sizeof open - 1);
    if (!opened && !bare) return false;
    if (opened) from += sizeof open - 1;
    const char *end = memmem(m->text + from, m->bytes - from, close, sizeof close - 1);
    if (!end) return false;
    to = (size_t)(end - m->text);
    *rest = to + sizeof close - 1;
    while (*rest < m->bytes && (m->text[*rest] == '\n' || m->text[*rest] == '\r')) ++*rest;
    while (from < to && is_break(m->text[from])) from++;
    while (to > from && is_break(m->text[to - 1])) to--;
    *thought = (pt_part){m->text + from, to - from};
    return true;
}

/* The spans of a text from byte `from` on, moved left by `shift`; of one that has none, one of the rest. */
static void keep_spans(pt_message *m, size_t from, size_t shift, pt_span_room *room, size_t *used)
{
    pt_text_span *out = room->list + *used;
    size_t n = 0;
    for (size_t k = 0; k < m->n_spans; k++) {
        pt_text_span s = m->spans[k];
        if (s.to <= from) continue;
        s.from = (s.from > from ? s.from : from) - shift;
        s.to -= shift;
        out[n++] = s;
    }
    if (!m->n_spans) out[n++] = (pt_text_span){from - shift, m->bytes - shift, m->weight};
    if (!n) out[n++] = (pt_text_span){m->bytes - shift, m->bytes - shift, m->weight}; /* no spans at all would mean the whole text */
    *used += n;
    m->spans = out;
    m->n_spans = n;
}

/* The text begins behind its thought. */
static void take_off(pt_message *m, size_t rest, pt_span_room *room, size_t *used)
{
    if (m->n_spans) keep_spans(m, rest, rest, room, used);
    m->text += rest;
    m->bytes -= rest;
}

static void think(const pt_template *t, pt_thinking how, pt_message *m, pt_span_room *room, size_t *used)
{
    pt_part thought;
    size_t rest;
    bool text = t->thoughts == PT_THOUGHTS_TEXT, inside = !m->thought && at_head(m, !text, &thought, &rest);
    if (how == PT_THINKING_STRIP) {
        if (inside) take_off(m, rest, room, used);
        m->thought = NULL;
        m->thought_bytes = 0;
        return;
    }
    m->thought_masked = true;
    if (!inside) return;
    if (text) { /* it stays in the text, whose other parts are the answer */
        if (m->weight > 0) keep_spans(m, rest, 0, room, used);
        return;
    }
    take_off(m, rest, room, used);
    m->thought = thought.s;
    m->thought_bytes = thought.n;
}

pt_status pt_template_think(const pt_template *t, pt_thinking how, pt_message *m, size_t n, pt_span_room *room)
{
    size_t most = 0, used = 0;
    if (how == PT_THINKING_KEEP) return PT_OK;
    for (size_t i = 0; i < n; i++) most += m[i].n_spans + 1;
    PT_RETURN(pt_reserve(&room->list, &room->cap, most));
    for (size_t i = 0; i < n; i++)
        if (pt_speaker_is(m[i].speaker, PT_ASSISTANT)) think(t, how, &m[i], room, &used);
    return PT_OK;
}
