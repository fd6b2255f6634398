#include "eval/ask/spell.h"

#include <stdlib.h>
#include <string.h>

#include "data/read/record.h"

static pt_status append(pt_requests *q, pt_ids *ids, const pt_request *like)
{
    PT_RETURN(pt_reserve(&q->list, &q->cap, q->n + 1));
    pt_request *r = &q->list[q->n++];
    *r = *like;
    r->ids = ids->ids;
    r->n = (int32_t)ids->n;
    *ids = (pt_ids){0};
    return PT_OK;
}

static pt_status render(const pt_speller *s, const pt_message *turns, size_t n, const pt_message *system, const char *answer, size_t bytes, pt_rendered *r)
{
    pt_status rc = PT_OK;
    pt_message *m = NULL;
    PT_TRY(pt_alloc0(&m, n + 1));
    if (n) memcpy(m, turns, n * sizeof *m);
    if (system) m[0] = *system;
    if (n) m[0].tools = turns[0].tools;
    for (size_t i = 0; i < n; i++) m[i].weight = 0;
    m[n] = (pt_message){.speaker = PT_ASSISTANT, .text = answer, .bytes = bytes, .weight = 1};
    PT_TRY(pt_template_render(s->tmpl, m, n + 1, false, r));
done:
    free(m);
    return rc;
}

pt_status pt_spell_answer(const pt_speller *s, pt_requests *q, const pt_message *turns, size_t n, const pt_message *system, const char *answer,
                          size_t bytes, pt_answer_end end)
{
    pt_status rc = PT_OK;
    pt_rendered r = {0};
    PT_TRY(render(s, turns, n, system, answer, bytes, &r));
    pt_request x = {.ask = PT_ASK_LOGP, .from = (int32_t)r.ids.n};
    for (int32_t i = (int32_t)r.ids.n - 1; i > 0; i--)
        if (r.weight[i] > 0) {
            x.from = i;
            if (!x.to) x.to = i + 1;
        }
    if (end == PT_END_LEFT_OUT && r.n_answers && x.to == r.answer_end[r.n_answers - 1] + 1) x.to--;
    PT_CHECK(x.to > x.from, PT_EARG, "the answer '%.40s' makes no token", answer);
    PT_TRY(append(q, &r.ids, &x));
done:
    pt_rendered_free(&r);
    return rc;
}

pt_status pt_spell_scored(const pt_speller *s, pt_requests *q, const pt_message *turns, size_t n, const char *answer, size_t bytes)
{
    pt_status rc = PT_OK;
    pt_rendered r = {0};
    PT_TRY(render(s, turns, n, NULL, answer, bytes, &r));
    int32_t end = r.n_answers ? r.answer_end[r.n_answers - 1] : (int32_t)r.ids.n - 1;
    PT_TRY(append(q, &r.ids, &(pt_request){.ask = PT_ASK_SCORE, .from = end, .to = end + 1}));
done:
    pt_rendered_free(&r);
    return rc;
}

pt_status pt_spell_question(const pt_speller *s, pt_requests *q, const pt_message *turns, size_t n, const pt_sampling *how, int repeat)
{
    pt_status rc = PT_OK;
    pt_rendered r = {0};
    PT_TRY(pt_template_render(s->tmpl, turns, n, true, &r));
    PT_TRY(append(q, &r.ids, &(pt_request){.ask = PT_ASK_TEXT, .sampling = *how, .repeat = repeat}));
done:
    pt_rendered_free(&r);
    return rc;
}

/* What stands for a context of nothing: BOS, or the id that ends texts. */
static int32_t prefix_id(const pt_tokenizer *t)
{
    return pt_tok_bos(t) >= 0 ? pt_tok_bos(t) : pt_tok_eos(t);
}

/* ids: the text's own. */
static pt_status behind_nothing(const pt_speller *s, pt_ids *ids, pt_request *x)
{
    int32_t prefix = prefix_id(s->tok);
    x->from = 1;
    if (ids->n && ids->ids[0] == prefix) return PT_OK;
    if (prefix < 0) return pt_fail(PT_EARG, "the tokenizer has neither BOS nor EOS: a text behind nothing has no first probability");
    PT_RETURN(pt_ids_add(ids, prefix));
    memmove(ids->ids + 1, ids->ids, (ids->n - 1) * sizeof *ids->ids);
    ids->ids[0] = prefix;
    return PT_OK;
}

pt_status pt_spell_continuation(const pt_speller *s, pt_requests *q, const char *context, const char *text)
{
    pt_status rc = PT_OK;
    pt_ids whole = {0}, before = {0};
    pt_str both = {0};
    const char *inner = context;
    size_t n = strlen(context), kept = n;
    pt_text_strip(&inner, &kept);
    kept = kept ? (size_t)(inner - context) + kept : 0; /* up to the last thing that is no space */
    pt_request x = {.ask = PT_ASK_LOGP};
    PT_TRY(pt_str_puts(&both, context));
    PT_TRY(pt_str_puts(&both, text));
    if (!n) {
        PT_TRY(pt_tok_encode_at(s->tok, text, strlen(text), true, PT_TOK_START, &whole, NULL));
        PT_TRY(behind_nothing(s, &whole, &x));
    } else {
        PT_TRY(pt_tok_encode_document(s->tok, both.text, both.len, false, &whole, NULL));
        PT_TRY(pt_tok_encode_document(s->tok, context, kept, false, &before, NULL));
        x.from = before.n ? (int32_t)before.n : 1;
    }
    x.to = (int32_t)whole.n;
    PT_CHECK(x.to > x.from, PT_EARG, "'%.40s' makes no token behind its context", text);
    PT_TRY(append(q, &whole, &x));
done:
    free(whole.ids);
    free(before.ids);
    pt_str_free(&both);
    return rc;
}

pt_status pt_spell_text(const pt_speller *s, pt_requests *q, const char *text, const pt_sampling *how, int repeat)
{
    pt_status rc = PT_OK;
    pt_ids ids = {0};
    PT_TRY(pt_tok_encode_document(s->tok, text, strlen(text), false, &ids, NULL));
    if (!ids.n && prefix_id(s->tok) >= 0) PT_TRY(pt_ids_add(&ids, prefix_id(s->tok)));
    PT_CHECK(ids.n, PT_EARG, "the prompt is empty");
    PT_TRY(append(q, &ids, &(pt_request){.ask = PT_ASK_TEXT, .sampling = *how, .repeat = repeat}));
done:
    free(ids.ids);
    return rc;
}

/* The ids of a whole text, and where its own begin and end. */
static pt_status whole_ids(const pt_speller *s, const pt_message *turns, size_t n, const char *text, pt_ids *ids, size_t *from, size_t *to)
{
    pt_status rc = PT_OK;
    pt_rendered r = {0};
    *from = 0;
    if (!turns) {
        PT_TRY(pt_tok_encode_document(s->tok, text, strlen(text), false, ids, NULL));
        if (ids->n && ids->ids[0] == pt_tok_bos(s->tok)) *from = 1;
        *to = ids->n;
        goto done;
    }
    PT_TRY(render(s, turns, n, NULL, text, strlen(text), &r));
    while (*from < r.ids.n && !(r.weight[*from] > 0)) ++*from;
    *to = r.n_answers ? (size_t)r.answer_end[r.n_answers - 1] : r.ids.n;
    *ids = r.ids;
    r.ids = (pt_ids){0};
done:
    pt_rendered_free(&r);
    return rc;
}

pt_status pt_spell_beginning(const pt_speller *s, pt_requests *q, const pt_message *turns, size_t n, const char *text, int prefix, const pt_sampling *how,
                             pt_str *rest, bool *enough)
{
    pt_status rc = PT_OK;
    pt_ids ids = {0};
    size_t from, to, want = (size_t)how->max_new_tokens;
    PT_TRY(whole_ids(s, turns, n, text, &ids, &from, &to));
    from += (size_t)prefix;
    *enough = from > 0 && from + want <= to;
    if (!*enough) goto done;
    PT_TRY(pt_tok_decode(s->tok, ids.ids + from, want, true, rest));
    ids.n = from;
    PT_TRY(append(q, &ids, &(pt_request){.ask = PT_ASK_TEXT, .sampling = *how}));
done:
    free(ids.ids);
    return rc;
}

pt_status pt_spell_length(const pt_speller *s, const char *text, int *tokens)
{
    pt_ids ids = {0};
    pt_status rc = pt_tok_encode_at(s->tok, text, strlen(text), true, PT_TOK_CONTINUE, &ids, NULL);
    *tokens = ids.n ? (int)ids.n : 1;
    free(ids.ids);
    return rc;
}

/* The prompt behind a conversation. *turns is owned, and points into what is asked and into *joined. */
static pt_status stand_behind(const pt_asked *x, pt_message **turns, size_t *n, pt_str *joined)
{
    pt_message *m;
    PT_RETURN(pt_alloc0(&m, x->n_before + 1));
    *turns = m;
    memcpy(m, x->before, x->n_before * sizeof *m);
    *n = x->n_before;
    if (pt_speaker_is(m[*n - 1].speaker, PT_USER)) {
        --*n;
        PT_RETURN(pt_str_add(joined, m[*n].text, m[*n].bytes));
        PT_RETURN(pt_str_puts(joined, "\n\n"));
    }
    PT_RETURN(pt_str_puts(joined, x->prompt));
    m[(*n)++] = (pt_message){.speaker = PT_USER, .text = joined->text, .bytes = joined->len};
    return PT_OK;
}

static pt_status spell_behind(const pt_speller *s, pt_requests *q, const pt_asked *x, const char *answer, const pt_sampling *how, int repeat)
{
    pt_status rc = PT_OK;
    pt_message *turns = NULL;
    pt_str joined = {0};
    size_t n;
    const char *inner = answer ? answer + strspn(answer, " ") : NULL;
    PT_CHECK(x->chat, PT_EARG, "a question behind a conversation is asked through the chat template: the model has none that is known here, or chat: false");
    PT_TRY(stand_behind(x, &turns, &n, &joined));
    if (!answer) PT_TRY(pt_spell_question(s, q, turns, n, how, repeat));
    else if (x->scored) PT_TRY(pt_spell_scored(s, q, turns, n, inner, strlen(inner)));
    else PT_TRY(pt_spell_answer(s, q, turns, n, NULL, inner, strlen(inner), x->end));
done:
    free(turns);
    pt_str_free(&joined);
    return rc;
}

pt_status pt_spell_asked(const pt_speller *s, pt_requests *q, const pt_asked *x, const char *answer, const pt_sampling *how, int repeat)
{
    const bool system = x->system && *x->system;
    const pt_message turns[2] = {{.speaker = PT_SYSTEM, .text = x->system, .bytes = system ? strlen(x->system) : 0},
                                 {.speaker = PT_USER, .text = x->prompt, .bytes = strlen(x->prompt)}};
    const pt_message *from = system ? turns : turns + 1;
    const size_t n = system ? 2 : 1;
    if (x->n_before) return spell_behind(s, q, x, answer, how, repeat);
    if (x->scored && !x->chat) return pt_fail(PT_EARG, "a score is read at an answer's end, which a chat template marks: the model has none that is known here");
    if (x->scored) return pt_spell_scored(s, q, from, n, answer + strspn(answer, " "), strlen(answer + strspn(answer, " ")));
    if (x->chat && !answer) return pt_spell_question(s, q, from, n, how, repeat);
    if (x->chat) {
        answer += strspn(answer, " ");
        return pt_spell_answer(s, q, from, n, NULL, answer, strlen(answer), x->end);
    }
    pt_status rc = PT_OK;
    pt_str whole = {0}, text = {0};
    if (system) PT_TRY(pt_str_printf(&whole, "%s\n\n", x->system));
    PT_TRY(pt_str_puts(&whole, x->prompt));
    if (answer) {
        PT_TRY(pt_str_printf(&text, "%s%s", x->delimiter, answer));
        PT_TRY(pt_spell_continuation(s, q, whole.text, text.text));
    } else {
        PT_TRY(pt_spell_text(s, q, whole.text, how, repeat));
    }
done:
    pt_str_free(&whole);
    pt_str_free(&text);
    return rc;
}

pt_status pt_spell_constrain(pt_requests *q, const char *constraint)
{
    return constraint ? pt_strdup(&q->list[q->n - 1].constraint, constraint) : PT_OK;
}
