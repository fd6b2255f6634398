/* chat: a conversation on the terminal, streamed. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "train/cli/constrained.h"
#include "train/cli/generation.h"
#include "train/cli/terminal.h"

typedef struct talk {
    pt_opened o;
    pt_message *m; /* texts owned */
    size_t n, cap;
    pt_tok_stream stream;
    pt_str answer;
    size_t shown; /* bytes of it: what may become a stop text is held back */
    const pt_stop_texts *stop;
    pt_status rc;
} talk;

static pt_status add(talk *t, const pt_speaker *who, const char *text, size_t bytes)
{
    char *copy;
    PT_RETURN(pt_reserve(&t->m, &t->cap, t->n + 1));
    PT_RETURN(pt_strndup(&copy, text, bytes));
    t->m[t->n++] = (pt_message){.speaker = who, .text = copy, .bytes = bytes};
    return PT_OK;
}

static void forget(talk *t, size_t keep)
{
    while (t->n > keep) free((char *)t->m[--t->n].text);
}

static void show_to(talk *t, size_t end)
{
    if (end > t->shown) fwrite(t->answer.text + t->shown, 1, end - t->shown, stdout);
    if (end > t->shown) t->shown = end;
    fflush(stdout);
}

static bool show(void *user, size_t i, int32_t id)
{
    talk *t = user;
    t->rc = pt_tok_stream_next(t->o.base.tok, &t->stream, id, true, &t->answer);
    if (t->rc != PT_OK) return false;
    show_to(t, pt_stop_safe(t->stop, t->answer.text, t->answer.len));
    return true;
}

/* Old turns leave, two at a time, when the conversation outgrows the cache; the system turn stays. */
static pt_status render(talk *t, size_t system, int32_t room, pt_rendered *r)
{
    for (;;) {
        pt_rendered_clear(r);
        PT_RETURN(pt_template_render(t->o.base.tmpl, t->m, t->n, true, r));
        if ((int32_t)r->ids.n <= room) return PT_OK;
        if (t->n < system + 3) return pt_fail(PT_EARG, "this turn is %zu tokens, there is room for %d", r->ids.n, room);
        free((char *)t->m[system].text);
        free((char *)t->m[system + 1].text);
        memmove(t->m + system, t->m + system + 2, (t->n - system - 2) * sizeof *t->m);
        t->n -= 2;
    }
}

static pt_status answer(talk *t, const pt_gen_options *g, size_t system, int32_t room)
{
    pt_status rc = PT_OK;
    pt_rendered r = {0};
    pt_gen_result result = {0};
    PT_TRY(render(t, system, room, &r));
    pt_str_free(&t->answer);
    PT_TRY(pt_str_puts(&t->answer, ""));
    t->stream = (pt_tok_stream){0};
    t->shown = 0;
    t->rc = PT_OK;
    PT_TRY(pt_generate(t->o.model, &r.ids, 1, g, &result, show, t));
    PT_TRY(t->rc);
    PT_TRY(pt_tok_stream_end(&t->stream, &t->answer));
    t->answer.len = pt_stop_find(t->stop, t->answer.text, t->answer.len);
    show_to(t, t->answer.len);
    printf("\n\n");
    PT_TRY(add(t, PT_ASSISTANT, t->answer.text, t->answer.len));
done:
    pt_rendered_free(&r);
    free(result.ids.ids);
    pt_tok_stream_free(&t->stream);
    return rc;
}

pt_status pt_cmd_chat(pt_cli *c)
{
    pt_status rc = PT_OK;
    talk t = {0};
    pt_constrained held = {0};
    pt_generation generation = {0};
    char *line = NULL;
    size_t cap = 0;
    const char *system = c->system;
    int32_t room = 4096;
    bool terminal = pt_terminal_is(stdin);
    PT_CHECK(c->n_args == 1, PT_EARG, "ptrain chat RUN|MODEL [--role NAME]");
    PT_TRY(pt_open_named(c, c->args[0], true, &t.o));
    PT_CHECK(t.o.base.tok && t.o.base.tmpl, PT_EARG, "%s has no tokenizer or no known chat template; set --chat_template=NAME", c->args[0]);
    PT_CHECK(!t.o.reward, PT_EARG, "%s is a reward model: it scores, it does not speak", c->args[0]);
    if (c->role) PT_TRY(pt_open_profile(&t.o, c->role, &system));
    PT_TRY(pt_generation_open(&generation, c, &t.o));
    pt_gen_options *g = &generation.options;
    t.stop = &generation.stop;
    PT_TRY(pt_constrained_open(c, &t.o, g, &held));
    if (held.common) g->constraints = &held.common;
    if (c->max_new_tokens <= 0) g->max_new_tokens = 512;
    int limit = pt_source_config(t.o.base.source)->max_positions;
    if (limit > 0 && limit < room) room = limit;
    if (g->max_new_tokens > room / 2) g->max_new_tokens = room / 2;
    room -= g->max_new_tokens;
    PT_TRY(pt_open_model(&t.o, room, 1, room + g->max_new_tokens + 1));
    if (system) PT_TRY(add(&t, PT_SYSTEM, system, strlen(system)));
    size_t first = t.n;
    if (terminal) printf("Talking to %s%s%s. /reset starts anew; an empty line or ctrl-d ends.\n\n", c->role ? c->role : c->args[0], c->role ? " of " : "",
                         c->role ? c->args[0] : "");
    for (;;) {
        if (terminal) fputs("> ", stdout);
        fflush(stdout);
        ssize_t n = getline(&line, &cap, stdin);
        PT_CHECK(n >= 0 || feof(stdin), PT_EIO, "cannot read standard input: %s", strerror(errno));
        while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == '\r')) line[--n] = 0;
        if (n <= 0) break;
        if (!strcmp(line, "/reset")) {
            forget(&t, first);
            continue;
        }
        PT_TRY(add(&t, PT_USER, line, (size_t)n));
        PT_TRY(answer(&t, g, first, room));
        g->sampler.seed++; /* the same question twice need not give the same answer */
    }
done:
    forget(&t, 0);
    free(t.m);
    free(line);
    pt_str_free(&t.answer);
    pt_constrained_close(&held);
    pt_generation_close(&generation);
    pt_open_close(&t.o);
    return rc;
}
