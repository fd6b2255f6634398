#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "train/cli/cli.h"
#include "train/cli/schema.h"

typedef enum opt_kind { OPT_TEXT, OPT_INT, OPT_NUMBER, OPT_U64, OPT_FLAG } opt_kind;
typedef struct opt { const char *name; opt_kind kind; size_t offset; double min, max; } opt;

#define OFF(f) offsetof(pt_cli, f)
static const opt options[] = {
    {"output", OPT_TEXT, OFF(output), 0, 0},      {"adapter", OPT_TEXT, OFF(adapter_dir), 0, 0},
    {"input", OPT_TEXT, OFF(input), 0, 0},        {"prompt", OPT_TEXT, OFF(prompt), 0, 0},
    {"role", OPT_TEXT, OFF(role), 0, 0},          {"to", OPT_TEXT, OFF(to), 0, 0},
    {"out", OPT_TEXT, OFF(out), 0, 0},            {"type", OPT_TEXT, OFF(type), 0, 0},
    {"system", OPT_TEXT, OFF(system), 0, 0},      {"sample", OPT_TEXT, OFF(sample), 0, 0},
    {"max-new-tokens", OPT_INT, OFF(max_new_tokens), 1, 1 << 20}, {"top-k", OPT_INT, OFF(top_k), 0, 1 << 24},
    {"temperature", OPT_NUMBER, OFF(temperature), 0, 100},        {"top-p", OPT_NUMBER, OFF(top_p), 0, 1},
    {"min-p", OPT_NUMBER, OFF(min_p), 0, 1},      {"repetition-penalty", OPT_NUMBER, OFF(repetition_penalty), 0.01, 100},
    {"seed", OPT_U64, OFF(seed), 0, 0},           {"raw", OPT_FLAG, OFF(raw), 0, 0},
    {"markdown", OPT_FLAG, OFF(markdown), 0, 0},  {"base", OPT_FLAG, OFF(base_only), 0, 0},
    {"profile", OPT_FLAG, OFF(profile), 0, 0},
    {"text", OPT_FLAG, OFF(text_only), 0, 0},
};
/* Commands whose --adapter is a folder and whose --seed is the sampler's, not the config's key. */
static const char *const model_commands[] = {"chat", "generate", "score", NULL};

static bool is_model_command(const char *command)
{
    for (int i = 0; model_commands[i]; i++)
        if (!strcmp(command, model_commands[i])) return true;
    return false;
}

static const opt *find_option(const pt_cli *c, const char *name, size_t n)
{
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        if (strlen(options[i].name) != n || strncmp(options[i].name, name, n)) continue;
        bool shared = !strcmp(options[i].name, "adapter") || !strcmp(options[i].name, "seed");
        return shared && !is_model_command(c->command) ? NULL : &options[i];
    }
    return NULL;
}

static pt_status set_option(pt_cli *c, const opt *o, const char *value)
{
    void *f = (char *)c + o->offset;
    char *end = NULL;
    errno = 0;
    if (o->kind == OPT_TEXT) {
        *(const char **)f = value;
        return PT_OK;
    }
    if (o->kind == OPT_U64) {
        *(uint64_t *)f = strtoull(value, &end, 10);
        if (end == value || *end || errno || value[0] == '-') return pt_fail(PT_EARG, "--%s takes a whole number, not '%s'", o->name, value);
        c->seed_set = true;
        return PT_OK;
    }
    double v = strtod(value, &end);
    if (end == value || *end || !(v >= o->min && v <= o->max))
        return pt_fail(PT_EARG, "--%s takes a number from %g to %g, not '%s'", o->name, o->min, o->max, value);
    if (o->kind == OPT_NUMBER) *(double *)f = v;
    else *(int *)f = (int)v;
    if (o->kind == OPT_INT && v != (int)v) return pt_fail(PT_EARG, "--%s takes a whole number, not '%s'", o->name, value);
    return PT_OK;
}

static pt_status long_option(pt_cli *c, const char *arg, int argc, char **argv, int *i)
{
    const char *name = arg + 2, *eq = strchr(name, '=');
    size_t n = eq ? (size_t)(eq - name) : strlen(name);
    const opt *o = find_option(c, name, n);
    if (o && o->kind == OPT_FLAG) {
        if (eq) return pt_fail(PT_EARG, "--%s takes no value", o->name);
        *(bool *)((char *)c + o->offset) = true;
        return PT_OK;
    }
    if (o) {
        if (!eq && *i + 1 >= argc) return pt_fail(PT_EARG, "--%s needs a value", o->name);
        return set_option(c, o, eq ? eq + 1 : argv[++*i]);
    }
    if (!eq) return pt_fail(PT_EARG, "unknown option %s; config keys are set as --key=value", arg);
    if (c->n_settings == (int)(sizeof c->settings / sizeof *c->settings)) return pt_fail(PT_EARG, "too many settings");
    char *key = argv[*i] + 2;
    key[n] = 0; /* argv is ours to cut */
    for (char *p = key; *p; p++)
        if (*p == '-') *p = '_';
    c->settings[c->n_settings++] = (pt_setting){key, key + n + 1};
    return PT_OK;
}

pt_status pt_cli_parse(pt_cli *c, int argc, char **argv)
{
    static const char *const commands[] = {"train", "plan",     "pack",   "inspect", "eval",   "chat", "generate", "score",
                                           "tokenize", "export", "version", "doctor", "help", NULL};
    *c = (pt_cli){.max_new_tokens = -1, .top_k = -1, .temperature = -1, .top_p = -1, .min_p = -1, .repetition_penalty = -1};
    int i = 1;
    if (argc < 2) {
        c->command = "help";
        return PT_OK;
    }
    if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")) argv[1] = (char *)"help";
    if (!strcmp(argv[1], "--version")) argv[1] = (char *)"version";
    for (int k = 0; commands[k]; k++)
        if (!strcmp(argv[1], commands[k])) c->command = commands[k];
    if (c->command) i = 2;
    else if (argv[1][0] == '-') return pt_fail(PT_EARG, "the first word is a command or a config file, not %s; see `ptrain help`", argv[1]);
    else c->command = "train"; /* ptrain CONFIG */
    for (; i < argc; i++) {
        if (!strncmp(argv[i], "--", 2) && argv[i][2]) {
            PT_RETURN(long_option(c, argv[i], argc, argv, &i));
        } else {
            if (c->n_args == (int)(sizeof c->args / sizeof *c->args)) return pt_fail(PT_EARG, "too many arguments at %s", argv[i]);
            c->args[c->n_args++] = argv[i];
        }
    }
    return PT_OK;
}
