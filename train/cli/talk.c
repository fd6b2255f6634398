#include "train/cli/talk.h"

#include <stdlib.h>
#include <string.h>

bool pt_talk_answered(const pt_talk *t)
{
    return t->n > t->first && pt_speaker_is(t->m[t->n - 1].speaker, PT_ASSISTANT);
}

static void forget_answers(pt_talk *t)
{
    while (t->n_answers) free(t->answers[--t->n_answers]);
    t->draws = 0;
}

pt_status pt_talk_add(pt_talk *t, const pt_speaker *who, const char *text, size_t bytes)
{
    char *copy;
    PT_RETURN(pt_reserve(&t->m, &t->cap, t->n + 1));
    PT_RETURN(pt_strndup(&copy, text, bytes));
    t->m[t->n++] = (pt_message){.speaker = who, .text = copy, .bytes = bytes};
    if (pt_speaker_is(who, PT_USER)) forget_answers(t);
    return PT_OK;
}

void pt_talk_cut(pt_talk *t, size_t keep)
{
    while (t->n > keep) free((char *)t->m[--t->n].text);
    forget_answers(t);
}

static pt_status put(char **at, const char *text)
{
    char *copy;
    PT_RETURN(pt_strdup(&copy, text));
    free(*at);
    *at = copy;
    return PT_OK;
}

static pt_status put_turn(pt_talk *t, size_t at, const char *text)
{
    char *old = (char *)t->m[at].text;
    pt_status rc = put(&old, text);
    t->m[at].text = old;
    t->m[at].bytes = strlen(old);
    return rc;
}

pt_status pt_talk_edit(pt_talk *t, size_t at, const char *text)
{
    PT_RETURN(put_turn(t, at, text));
    if (at + 1 == t->n && t->n_answers) return put(&t->answers[t->counts], text);
    if (at + 2 == t->n) t->draws = 0; /* another question */
    return PT_OK;
}

static void show_to(pt_talk *t, size_t end)
{
    if (end > t->shown) fwrite(t->text.text + t->shown, 1, end - t->shown, stdout);
    if (end > t->shown) t->shown = end;
    fflush(stdout);
}

static bool show(void *user, size_t i, int32_t id)
{
    pt_talk *t = user;
    (void)i;
    t->rc = pt_tok_stream_next(t->base->tok, &t->stream, id, true, &t->text);
    if (t->rc != PT_OK) return false;
    show_to(t, t->stood + pt_stop_safe(t->stop, t->text.text + t->stood, t->text.len - t->stood));
    return true;
}

/* Renders the conversation. One that has outgrown the room loses its oldest questions and answers, until a quarter of the room is free: what stays is then computed
 * once, and not anew at every turn. */
static pt_status render(pt_talk *t, pt_rendered *r, size_t *dropped)
{
    int32_t most = t->room;
    *dropped = 0;
    for (;;) {
        const size_t last = pt_talk_answered(t) ? 2 : 1; /* the question that is answered, and what there is of the answer, stay */
        pt_rendered_clear(r);
        PT_RETURN(pt_template_render(t->base->tmpl, t->m, t->n, true, r));
        if ((int64_t)r->ids.n <= most) return PT_OK;
        if (t->n < t->first + 2 + last) {
            if ((int64_t)r->ids.n <= t->room) return PT_OK;
            return pt_fail(PT_EARG, "this turn is %zu tokens, there is room for %d", r->ids.n, t->room);
        }
        most = t->room - t->room / 4;
        for (int k = 0; k < 2; k++) free((char *)t->m[t->first + (size_t)k].text);
        memmove(t->m + t->first, t->m + t->first + 2, (t->n - t->first - 2) * sizeof *t->m);
        t->n -= 2;
        t->dropped++;
        *dropped += 2;
    }
}

/* Which question of the whole conversation the last one is. */
static uint64_t question(const pt_talk *t)
{
    uint64_t n = t->dropped;
    for (size_t i = t->first; i < t->n; i++) n += pt_speaker_is(t->m[i].speaker, PT_USER);
    return n ? n - 1 : 0;
}

/* The text of the answer, behind what of it stands in the conversation already. */
static pt_status write_answer(pt_talk *t, size_t *dropped)
{
    pt_status rc = PT_OK;
    pt_rendered r = {0};
    pt_gen_result result = {0};
    const uint32_t sample = t->draws++;
    PT_TRY(render(t, &r, dropped));
    t->stream = (pt_tok_stream){.started = t->text.len > 0};
    t->stood = t->shown = t->text.len;
    t->rc = PT_OK;
    t->how->sampler.seed = t->seed + question(t);
    t->how->samples = &sample;
    PT_TRY(pt_gen_session_answer(t->session, &r.ids, t->how, &result, show, t, NULL));
    PT_TRY(t->rc);
    PT_TRY(pt_tok_stream_end(&t->stream, &t->text));
    t->text.len = t->stood + pt_stop_find(t->stop, t->text.text + t->stood, t->text.len - t->stood);
    t->text.text[t->text.len] = 0;
    show_to(t, t->text.len);
    printf("\n\n");
done:
    t->how->samples = NULL;
    pt_rendered_free(&r);
    free(result.ids.ids);
    pt_tok_stream_free(&t->stream);
    return rc;
}

static pt_status keep_answer(pt_talk *t, bool another)
{
    if (another) {
        PT_RETURN(pt_reserve(&t->answers, &t->cap_answers, t->n_answers + 1));
        PT_RETURN(pt_strdup(&t->answers[t->n_answers], t->text.text));
        t->counts = t->n_answers++;
        return PT_OK;
    }
    return t->n_answers ? put(&t->answers[t->counts], t->text.text) : PT_OK;
}

pt_status pt_talk_answer(pt_talk *t, bool on, size_t *dropped)
{
    const char *begins = on ? t->m[t->n - 1].text : t->prefill ? t->prefill : "";
    pt_str_free(&t->text);
    PT_RETURN(pt_str_puts(&t->text, begins));
    if (!on && *begins) {
        PT_RETURN(pt_talk_add(t, PT_ASSISTANT, begins, strlen(begins)));
        fputs(begins, stdout);
    }
    const bool stands = on || *begins;
    PT_RETURN(write_answer(t, dropped));
    PT_RETURN(stands ? put_turn(t, t->n - 1, t->text.text) : pt_talk_add(t, PT_ASSISTANT, t->text.text, t->text.len));
    return keep_answer(t, !on);
}

pt_status pt_talk_again(pt_talk *t, size_t *dropped)
{
    free((char *)t->m[--t->n].text);
    return pt_talk_answer(t, false, dropped);
}

pt_status pt_talk_choose(pt_talk *t, size_t answer)
{
    t->counts = answer;
    return put_turn(t, t->n - 1, t->answers[answer]);
}

void pt_talk_free(pt_talk *t)
{
    pt_talk_cut(t, 0);
    free(t->m);
    free(t->answers);
    pt_str_free(&t->text);
    pt_gen_session_free(t->session);
    *t = (pt_talk){0};
}
