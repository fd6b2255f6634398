/* chat: a conversation on the terminal, streamed, with commands. Answers go to standard output, everything else to standard error. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "train/cli/talk.h"
#include "train/cli/constrained.h"
#include "train/cli/generation.h"
#include "train/cli/terminal.h"

static const char help[] = "/regen           another answer to the last question\n"
                           "/swipe [N]       its answer number N, or the next one; one more than there are is drawn\n"
                           "/continue        the last answer goes on\n"
                           "/turns           the turns with their numbers\n"
                           "/edit N TEXT     turn N becomes TEXT; what follows it stays\n"
                           "/undo            the last question and its answer are taken back\n"
                           "/reset           the conversation begins anew\n"
                           "A line that begins with // says one /. An empty line or ctrl-d ends.\n";

static pt_status told(pt_status rc, size_t dropped)
{
    if (dropped) fprintf(stderr, "(the cache is full: the %zu oldest turns are dropped, the others are numbered anew)\n", dropped);
    return rc;
}

static pt_status answer(pt_talk *t, bool on)
{
    size_t dropped = 0;
    pt_status rc = pt_talk_answer(t, on, &dropped);
    return told(rc, dropped);
}

static pt_status again(pt_talk *t)
{
    size_t dropped = 0;
    pt_status rc = pt_talk_again(t, &dropped);
    return told(rc, dropped);
}

static pt_status go_on(pt_talk *t)
{
    if (pt_talk_answered(t) && !t->how->constraints) return answer(t, true);
    fprintf(stderr, t->how->constraints ? "(an answer that is held to a constraint is whole: it cannot go on)\n" : "(there is no answer yet)\n");
    return PT_OK;
}

static void show_turns(const pt_talk *t)
{
    for (size_t i = 0; i < t->n; i++)
        if (i >= t->first) fprintf(stderr, "%zu %s: %s\n", i - t->first + 1, pt_speaker_is(t->m[i].speaker, PT_USER) ? "you" : "model", t->m[i].text);
}

/* A number from 1 to most, and where the text behind it begins; 0: there is none. */
static size_t number(const char *text, size_t most, const char **rest)
{
    char *end;
    const unsigned long v = *text >= '1' && *text <= '9' ? strtoul(text, &end, 10) : 0;
    if (!v || v > most || (*end && *end != ' ')) return 0;
    *rest = *end ? end + 1 : end;
    return v;
}

static pt_status swipe(pt_talk *t, const char *arg)
{
    const char *rest = "";
    const size_t n = *arg ? number(arg, t->n_answers + 1, &rest) : t->counts + 2;
    if (!pt_talk_answered(t) || !t->n_answers) return fprintf(stderr, "(there is no answer yet)\n"), PT_OK;
    if (!n || *rest) return fprintf(stderr, "(/swipe takes a number from 1 to %zu)\n", t->n_answers + 1), PT_OK;
    if (n > t->n_answers) return again(t);
    PT_RETURN(pt_talk_choose(t, n - 1));
    printf("%s\n\n", t->m[t->n - 1].text);
    return PT_OK;
}

static pt_status edit(pt_talk *t, const char *arg)
{
    const char *text = "";
    const size_t n = number(arg, t->n - t->first, &text);
    if (!n || !*text) return fprintf(stderr, "(/edit N TEXT takes the number of a turn, from 1 to %zu, and its new text; /turns shows them)\n", t->n - t->first), PT_OK;
    return pt_talk_edit(t, t->first + n - 1, text);
}

static pt_status command(pt_talk *t, const char *line)
{
    static const struct {
        const char *name;
        bool takes; /* an argument */
    } names[] = {{"/help", false}, {"/regen", false}, {"/swipe", true}, {"/continue", false}, {"/turns", false}, {"/edit", true}, {"/undo", false}, {"/reset", false}};
    const size_t n = strcspn(line, " "), count = sizeof names / sizeof *names;
    const char *arg = line[n] ? line + n + 1 : "";
    size_t k = 0;
    while (k < count && (strlen(names[k].name) != n || strncmp(line, names[k].name, n))) k++;
    if (k == count || (*arg && !names[k].takes)) return fprintf(stderr, "(%s is no command; /help lists them)\n", line), PT_OK;
    const bool answered = pt_talk_answered(t);
    switch (k) {
    case 0: fputs(help, stderr); return PT_OK;
    case 1: return answered ? again(t) : t->n > t->first ? answer(t, false) : (fprintf(stderr, "(there is no question yet)\n"), PT_OK);
    case 2: return swipe(t, arg);
    case 3: return go_on(t);
    case 4: show_turns(t); return PT_OK;
    case 5: return edit(t, arg);
    case 6: pt_talk_cut(t, t->n > t->first + 1 + answered ? t->n - 1 - answered : t->first); return PT_OK;
    default: t->dropped = 0; pt_talk_cut(t, t->first); return PT_OK;
    }
}

/* How long a conversation may be, what that takes, and who speaks. */
static void begin(const pt_cli *c, const pt_talk *t, const pt_opened *o, bool terminal)
{
    const pt_model_caps caps = {.decode_rows = 1, .decode_len = t->room + t->how->max_new_tokens + 1};
    const double draws = (double)pt_gen_bytes(pt_source_config(o->base.source)->vocab, &caps, !pt_sampler_on_device(&t->how->sampler));
    fprintf(stderr, "The cache has %d positions (%.1f MiB, samplers %.1f): the conversation may have %d tokens, an answer %d. The oldest turns leave when it is full.\n",
            caps.decode_len, (double)o->planned[PT_ROLE_CACHE] / 1048576, draws / 1048576, t->room, t->how->max_new_tokens);
    if (terminal) fprintf(stderr, "Talking to %s%s%s. /help lists commands; an empty line or ctrl-d ends.\n\n", c->role ? c->role : c->args[0], c->role ? " of " : "",
                          c->role ? c->args[0] : "");
}

static pt_status converse(pt_talk *t, bool terminal)
{
    pt_status rc = PT_OK;
    char *line = NULL;
    size_t cap = 0;
    for (;;) {
        if (terminal) fputs("> ", stdout);
        fflush(stdout);
        ssize_t n = getline(&line, &cap, stdin);
        PT_CHECK(n >= 0 || feof(stdin), PT_EIO, "cannot read standard input: %s", strerror(errno));
        while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == '\r')) line[--n] = 0;
        if (n <= 0) break;
        if (line[0] == '/' && line[1] != '/') {
            PT_TRY(command(t, line));
            continue;
        }
        const size_t skip = line[0] == '/';
        PT_TRY(pt_talk_add(t, PT_USER, line + skip, (size_t)n - skip));
        PT_TRY(answer(t, false));
    }
done:
    free(line);
    return rc;
}

pt_status pt_cmd_chat(pt_cli *c)
{
    pt_status rc = PT_OK;
    pt_opened o = {0};
    pt_talk t = {.base = &o.base, .room = 4096, .prefill = c->prefill};
    pt_constrained held = {0};
    pt_generation generation = {0};
    const char *system = c->system;
    bool terminal = pt_terminal_is(stdin);
    PT_CHECK(c->n_args == 1, PT_EARG, "ptrain chat RUN|MODEL [--role NAME]");
    PT_TRY(pt_open_named(c, c->args[0], true, &o));
    PT_CHECK(o.base.tok && o.base.tmpl, PT_EARG, "%s has no tokenizer or no known chat template; set --chat_template=NAME", c->args[0]);
    PT_CHECK(!o.reward, PT_EARG, "%s is a reward model: it scores, it does not speak", c->args[0]);
    if (c->role) PT_TRY(pt_open_profile(&o, c->role, &system));
    PT_TRY(pt_generation_open(&generation, c, &o));
    pt_gen_options *g = t.how = &generation.options;
    t.stop = &generation.drawing.stop;
    t.seed = g->sampler.seed;
    PT_TRY(pt_constrained_open(c, &o, g, &held));
    if (c->max_new_tokens <= 0) g->max_new_tokens = 512;
    PT_CHECK(!(held.common && t.prefill), PT_EARG, "--prefill and a constraint: the constraint holds for what is new alone; give one of them");
    if (held.common) g->constraints = &held.common;
    int limit = pt_source_config(o.base.source)->max_positions;
    if (limit > 0 && limit < t.room) t.room = limit;
    if (g->max_new_tokens > t.room / 2) g->max_new_tokens = t.room / 2;
    t.room -= g->max_new_tokens;
    PT_TRY(pt_open_model(&o, t.room, 1, t.room + g->max_new_tokens + 1));
    PT_TRY(pt_gen_session_new(&t.session, o.model));
    if (system) PT_TRY(pt_talk_add(&t, PT_SYSTEM, system, strlen(system)));
    t.first = t.n;
    begin(c, &t, &o, terminal);
    PT_TRY(converse(&t, terminal));
done:
    pt_talk_free(&t);
    pt_constrained_close(&held);
    pt_generation_close(&generation);
    pt_open_close(&o);
    return rc;
}
