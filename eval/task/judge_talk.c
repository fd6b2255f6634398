/* Asking the judges. All that one judge is asked goes to it at once: how many at a time is its own affair. */
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "eval/task/held.h"
#include "eval/task/judge_state.h"

/* One judge's requests; each judge is asked the same. */
typedef struct asked {
    pt_talk *talks;         /* [n] */
    pt_message (*turns)[2]; /* [n] */
    pt_seal *seals;
    char **system, **prompt, **held; /* held: what each reply must be; NULL: anything */
    size_t n;
    size_t free;            /* behind them in talks: so many of them once more, without a constraint */
    size_t *of;             /* [free] which */
} asked;

static void asked_free(asked *a)
{
    for (size_t i = 0; i < a->n; i++) {
        free(a->system[i]);
        free(a->prompt[i]);
        free(a->held[i]);
    }
    free(a->held);
    free(a->of);
    free(a->system);
    free(a->prompt);
    free(a->seals);
    free(a->turns);
    free(a->talks);
}

/* The verdict's line and nothing else: "VERDICT 1a2b3c4d: 7". */
static pt_status hold(const pt_judge_state *s, const pt_seal *seal, char **out)
{
    pt_str text = {0};
    pt_status rc = pt_str_printf(&text, PT_CONSTRAINT_REGEX "VERDICT %s: (", seal->seal);
    if (s->template.pairs && rc == PT_OK) rc = pt_str_puts(&text, "A|B|TIE");
    for (double v = s->low; !s->template.pairs && rc == PT_OK && v <= s->high; v++) rc = pt_str_printf(&text, "%s%.0f", v > s->low ? "|" : "", v);
    if (rc == PT_OK) rc = pt_str_puts(&text, ")");
    *out = text.text;
    return rc;
}

static void lay_out(asked *a, size_t i, int repeat, const pt_sampling *how)
{
    size_t n = 0;
    if (a->system[i] && *a->system[i]) a->turns[i][n++] = (pt_message){.speaker = PT_SYSTEM, .text = a->system[i], .bytes = strlen(a->system[i])};
    a->turns[i][n++] = (pt_message){.speaker = PT_USER, .text = a->prompt[i], .bytes = strlen(a->prompt[i])};
    a->talks[i] = (pt_talk){.turns = a->turns[i], .n = n, .how = *how, .repeat = repeat, .constraint = a->held[i]};
}

/* In the order [text][criterion][order][repeat]. */
static pt_status spell_all(const pt_task *t, const pt_judge_state *s, const pt_judge_side *x, asked *a)
{
    const size_t n = x->n * s->n_criteria * (size_t)(s->orders * s->repeats);
    const pt_sampling how = {.max_new_tokens = (int)pt_task_number(t, "judge_max_new_tokens"), .temperature = (float)pt_task_number(t, "judge_temperature"), .top_p = 1, .seed = t->seed};
    PT_RETURN(pt_alloc0(&a->talks, n + PT_HELD_SAMPLE));
    PT_RETURN(pt_alloc0(&a->held, n));
    PT_RETURN(pt_alloc0(&a->of, PT_HELD_SAMPLE));
    PT_RETURN(pt_alloc0(&a->turns, n));
    PT_RETURN(pt_alloc0(&a->seals, n));
    PT_RETURN(pt_alloc0(&a->system, n));
    PT_RETURN(pt_alloc0(&a->prompt, n));
    for (size_t i = 0; i < x->n; i++)
        for (size_t c = 0; c < s->n_criteria; c++)
            for (int o = 0; o < s->orders; o++)
                for (int r = 0; r < s->repeats; r++) {
                    PT_RETURN(pt_judge_spell(s, t->seed, &x->texts[i], c, o, &a->seals[a->n], &a->system[a->n], &a->prompt[a->n]));
                    if (pt_held(t)) PT_RETURN(hold(s, &a->seals[a->n], &a->held[a->n]));
                    lay_out(a, a->n, r, &how);
                    a->n++;
                }
    for (size_t i = 0; pt_held(t) && i < a->n; i++) {
        if (!pt_held_sampled(i, a->n)) continue;
        a->talks[a->n + a->free] = a->talks[i];
        a->talks[a->n + a->free].constraint = NULL;
        a->of[a->free++] = i;
    }
    return PT_OK;
}

/* Whether two texts differ in numbers alone. */
static bool alike(const char *a, const char *b)
{
    while (*a && *b) {
        if (isdigit((unsigned char)*a) && isdigit((unsigned char)*b)) {
            while (isdigit((unsigned char)*a)) a++;
            while (isdigit((unsigned char)*b)) b++;
        } else if (*a++ != *b++) {
            return false;
        }
    }
    return !*a && !*b;
}

enum { CAUSES_MOST = 16 };

/* Under the first cause that is like it; those that find no place are counted together. */
static pt_status count_failure(pt_judge_side *x, const char *judge, const char *why)
{
    json_t *of = json_object_get(x->failures, judge), *n, *text = pt_report_text(why ? why : "no answer");
    const char *cause, *at = text ? json_string_value(text) : NULL;
    if (!of) {
        of = json_object();
        if (json_object_set_new(x->failures, judge, of)) at = NULL;
    }
    json_object_foreach (of, cause, n)
        if (at && alike(cause, at)) at = cause;
    if (at && !json_object_get(of, at) && json_object_size(of) >= CAUSES_MOST) at = "other causes";
    bool bad = !at || json_object_set_new(of, at, json_integer(json_integer_value(json_object_get(of, at)) + 1));
    json_decref(text);
    return bad ? pt_fail(PT_ENOMEM, "out of memory counting failures") : PT_OK;
}

/* The votes of one judge, from its answers. */
static pt_status read_all(const pt_judge_state *s, pt_judge_side *x, size_t judge, const asked *a, const pt_said *said)
{
    size_t at = 0;
    for (size_t i = 0; i < x->n; i++)
        for (size_t c = 0; c < s->n_criteria; c++)
            for (int o = 0; o < s->orders; o++)
                for (int r = 0; r < s->repeats; r++, at++) {
                    double *vote = &x->votes[pt_judge_vote(s, i, c, judge, o, r)];
                    pt_judge_found found;
                    *vote = NAN;
                    if (!said[at].text) {
                        x->states[judge][PT_VOTE_FAILED]++;
                        PT_RETURN(count_failure(x, s->judges[judge], said[at].failure));
                        continue;
                    }
                    PT_RETURN(pt_judge_read(&s->template, &a->seals[at], s->low, s->high, said[at].text, vote, &found));
                    if (s->template.pairs && o) *vote = 1 - *vote; /* turned: B is ours */
                    x->states[judge][found]++;
                }
    return PT_OK;
}

/* What the sample without constraints gave; one that got no answer says nothing. */
static pt_status read_free(pt_task *t, const pt_judge_state *s, pt_side side, const asked *a, const pt_said *said)
{
    for (size_t k = 0; k < a->free; k++) {
        pt_judge_found found;
        double vote;
        if (!said[a->n + k].text) continue;
        PT_RETURN(pt_judge_read(&s->template, &a->seals[a->of[k]], s->low, s->high, said[a->n + k].text, &vote, &found));
        pt_held_count(t, side, found != PT_JUDGE_READ);
    }
    return PT_OK;
}

static pt_status ask_judge(pt_task *t, const pt_judge_state *s, pt_side side, size_t judge, const asked *a, pt_voice *voice)
{
    pt_judge_side *x = &((pt_judge_state *)t->state)->side[side];
    const size_t n = a->n + a->free;
    pt_status rc = PT_OK;
    pt_said *said = NULL;
    json_t *account = NULL, *before = NULL;
    PT_TRY(pt_alloc0(&said, n));
    PT_TRY(pt_voice_account(voice, &before));
    PT_TRY(voice->ask(voice, a->talks, n, said));
    PT_TRY(read_all(s, x, judge, a, said));
    PT_TRY(read_free(t, s, side, a, said));
    PT_TRY(pt_voice_since(voice, before, &account));
    if (account && json_object_set(x->accounts, s->judges[judge], account)) rc = pt_fail(PT_ENOMEM, "out of memory asking a judge");
done:
    json_decref(account);
    json_decref(before);
    pt_said_free(said, n);
    return rc;
}

pt_status pt_judge_vote_all(pt_task *t, const pt_voices *voices, pt_side side)
{
    pt_status rc = PT_OK;
    pt_judge_state *s = t->state;
    pt_judge_side *x = &s->side[side];
    asked a = {0};
    pt_voice *voice;
    PT_TRY(pt_alloc0(&x->votes, x->n * pt_judge_votes(s)));
    PT_TRY(pt_alloc0(&x->states, s->n_judges));
    x->failures = json_object();
    x->accounts = json_object();
    PT_CHECK(x->failures && x->accounts, PT_ENOMEM, "out of memory asking a judge");
    PT_TRY(spell_all(t, s, x, &a));
    t->freely[side].asked = t->freely[side].unread = 0;
    for (size_t j = 0; j < s->n_judges; j++) {
        PT_TRY(pt_voices_find(voices, s->judges[j], &voice));
        PT_TRY(ask_judge(t, s, side, j, &a, voice));
    }
done:
    asked_free(&a);
    return rc;
}
