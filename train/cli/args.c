#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "train/cli/cli.h"
#include "train/cli/schema.h"

typedef enum opt_kind { OPT_TEXT, OPT_INT, OPT_FLAG, OPT_LIST, OPT_BYTES } opt_kind;
typedef struct opt { const char *name, *commands; opt_kind kind; size_t offset; double min, max; } opt;

#define OFF(f) offsetof(pt_cli, f)
/* commands: those that the option changes; refused elsewhere, so that it is never taken without effect. */
static const opt options[] = {
    {"output", "generate score tokenize eval report audit", OPT_TEXT, OFF(output), 0, 0},
    {"adapter", "chat generate imatrix", OPT_TEXT, OFF(adapter_dir), 0, 0},
    {"adapter", "score eval", OPT_LIST, OFF(adapters), 0, 0},
    {"ensemble", "score", OPT_TEXT, OFF(ensemble), 0, 0},
    {"input", "generate score tokenize imatrix", OPT_TEXT, OFF(input), 0, 0},
    {"prompt", "generate", OPT_TEXT, OFF(prompt), 0, 0},
    {"role", "chat generate", OPT_TEXT, OFF(role), 0, 0},
    {"to", "export", OPT_TEXT, OFF(to), 0, 0},
    {"out", "export imatrix", OPT_TEXT, OFF(out), 0, 0},
    {"type", "export", OPT_TEXT, OFF(type), 0, 0},
    {"imatrix", "export", OPT_TEXT, OFF(imatrix), 0, 0},
    {"eval-data", "export", OPT_TEXT, OFF(eval_data), 0, 0},
    {"tokens", "imatrix export", OPT_INT, OFF(tokens), 16, 1 << 30},
    {"context", "imatrix", OPT_INT, OFF(context), 16, 1 << 20},
    {"split-max-size", "export", OPT_BYTES, OFF(split), 0, 0},
    {"system", "chat generate", OPT_TEXT, OFF(system), 0, 0},
    {"sample", "inspect", OPT_TEXT, OFF(sample), 0, 0},
    {"task", "eval", OPT_TEXT, OFF(task), 0, 0},
    {"only", "train plan pack inspect audit", OPT_TEXT, OFF(only), 0, 0},
    {"answers", "eval", OPT_TEXT, OFF(answers), 0, 0},
    {"format", "report", OPT_TEXT, OFF(format), 0, 0},
    {"rows", "report", OPT_INT, OFF(rows), 1, 1 << 30},
    {"limit", "eval", OPT_INT, OFF(limit), 1, 1 << 30},
    {"max-new-tokens", "chat generate", OPT_INT, OFF(max_new_tokens), 1, 1 << 20},
    {"json-schema", "chat generate", OPT_TEXT, OFF(json_schema), 0, 0},
    {"regex", "chat generate", OPT_TEXT, OFF(regex), 0, 0},
    {"choices", "chat generate", OPT_TEXT, OFF(choices), 0, 0},
    {"n", "generate", OPT_INT, OFF(samples), 1, 1 << 20},
    {"num-beams", "generate", OPT_INT, OFF(num_beams), 1, 64},
    {"length-penalty", "generate", OPT_TEXT, OFF(length_penalty), 0, 0},
    {"early-stopping", "generate", OPT_TEXT, OFF(early_stopping), 0, 0},
    {"prefill", "chat", OPT_TEXT, OFF(prefill), 0, 0},
    {"raw", "generate", OPT_FLAG, OFF(raw), 0, 0},
    {"text", "generate", OPT_FLAG, OFF(text_only), 0, 0},
    {"base", "chat generate score eval export imatrix", OPT_FLAG, OFF(base_only), 0, 0},
    {"profile", "train", OPT_FLAG, OFF(profile), 0, 0},
    {"markdown", "help", OPT_FLAG, OFF(markdown), 0, 0},
};

static bool in_words(const char *words, const char *word)
{
    size_t n = strlen(word);
    for (const char *p = words; (p = strstr(p, word)); p += n)
        if ((p == words || p[-1] == ' ') && (p[n] == ' ' || !p[n])) return true;
    return false;
}

/* *out NULL: no option of this name, it may be a config key (adapter and seed are both: which one, the command says). */
static pt_status find_option(const pt_cli *c, const char *name, size_t n, const opt **out)
{
    *out = NULL;
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        const opt *o = &options[i];
        if (strlen(o->name) != n || strncmp(o->name, name, n)) continue;
        if (in_words(o->commands, c->command)) *out = o;
        else if (!pt_schema_find(o->name))
            return pt_fail(PT_EARG, "--%s has no effect on ptrain %s; it goes with: %s", o->name, c->command, o->commands);
    }
    return PT_OK;
}

/* Millions or thousands of millions, as llama-gguf-split has them: 500M, 4G. */
static pt_status set_bytes(const opt *o, const char *value, uint64_t *out)
{
    char *end = NULL;
    double v = strtod(value, &end), unit = end[0] == 'M' ? 1e6 : end[0] == 'G' ? 1e9 : 0;
    if (end == value || unit == 0 || end[1] || !(v * unit >= 1) || v * unit > 1e18)
        return pt_fail(PT_EARG, "--%s takes a size such as 500M or 4G, not '%s'", o->name, value);
    *out = (uint64_t)(v * unit);
    return PT_OK;
}

/* Samplers (sampler_options.c) go with these. */
#define SPEAKERS "chat generate"

static bool in_schema(const char *name, size_t n)
{
    char key[64];
    snprintf(key, sizeof key, "%.*s", (int)n, name);
    for (char *p = key; *p; p++)
        if (*p == '-') *p = '_';
    return pt_schema_find(key);
}

/* Tried at once, so that a wrong one is named before anything is opened; generation.c takes them when it knows what the config says. */
static pt_status add_sampler(pt_cli *c, const char *name, size_t n, const char *value)
{
    pt_sampler s = pt_sampler_default();
    pt_sampler_texts t = {0};
    const pt_sampler_said said = {name, value, n};
    pt_status rc = pt_sampler_option_set(&said, &s, &t);
    pt_sampler_texts_free(&t);
    if (rc == PT_OK) rc = pt_reserve(&c->samplers, &c->cap_samplers, c->n_samplers + 1);
    if (rc == PT_OK) c->samplers[c->n_samplers++] = said;
    return rc;
}

static pt_status set_option(pt_cli *c, const opt *o, const char *value)
{
    void *f = (char *)c + o->offset;
    char *end = NULL;
    if (o->kind == OPT_LIST) {
        pt_cli_list *list = f;
        if (!*value) return pt_fail(PT_EARG, "--%s is empty", o->name);
        if (list->n == PT_CLI_MOST) return pt_fail(PT_EARG, "--%s is given more than %d times", o->name, PT_CLI_MOST);
        list->at[list->n++] = value;
        return PT_OK;
    }
    if (o->kind == OPT_BYTES) return set_bytes(o, value, f);
    if (o->kind == OPT_TEXT) {
        bool may_be_empty = !strcmp(o->name, "system") || !strcmp(o->name, "prompt");
        if (!*value && !may_be_empty) return pt_fail(PT_EARG, "--%s is empty", o->name); /* a variable of a script that was not set */
        *(const char **)f = value;
        return PT_OK;
    }
    double v = strtod(value, &end);
    if (end == value || *end || !(v >= o->min && v <= o->max))
        return pt_fail(PT_EARG, "--%s takes a number from %g to %g, not '%s'", o->name, o->min, o->max, value);
    *(int *)f = (int)v;
    if (v != (int)v) return pt_fail(PT_EARG, "--%s takes a whole number, not '%s'", o->name, value);
    return PT_OK;
}

static pt_status long_option(pt_cli *c, const char *arg, int argc, char **argv, int *i)
{
    const char *name = arg + 2, *eq = strchr(name, '=');
    size_t n = eq ? (size_t)(eq - name) : strlen(name);
    const opt *o;
    if (pt_sampler_option_is(name, n)) { /* seed is a config key too: of training */
        if (in_words(SPEAKERS, c->command)) {
            if (!eq && *i + 1 >= argc) return pt_fail(PT_EARG, "--%.*s needs a value", (int)n, name);
            return add_sampler(c, name, n, eq ? eq + 1 : argv[++*i]);
        }
        if (!in_schema(name, n)) return pt_fail(PT_EARG, "--%.*s has no effect on ptrain %s; it goes with: " SPEAKERS, (int)n, name, c->command);
    }
    PT_RETURN(find_option(c, name, n, &o));
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
    *c = (pt_cli){.max_new_tokens = -1, .samples = 1};
    int i = 1;
    if (argc < 2) {
        c->command = "help";
        return PT_OK;
    }
    if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")) argv[1] = (char *)"help";
    if (!strcmp(argv[1], "--version")) argv[1] = (char *)"version";
    const pt_command *command = pt_command_find(argv[1]);
    if (command) c->command = command->name, i = 2;
    else if (argv[1][0] == '-') return pt_fail(PT_EARG, "the first word is a command or a config file, not %s; see `ptrain help`", argv[1]);
    else if (argc > 2 && argv[2][0] != '-' && !strchr(argv[1], '.') && !strchr(argv[1], '/'))
        return pt_fail(PT_EARG, "%s is no command; see `ptrain help`", argv[1]); /* ptrain trian my.yaml */
    else c->command = "train"; /* ptrain CONFIG */
    for (; i < argc; i++) {
        if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) { /* ptrain plan --help = ptrain help plan */
            if (strcmp(c->command, "help")) c->args[0] = c->command, c->n_args = 1;
            c->command = "help";
            return PT_OK;
        }
        if (!strncmp(argv[i], "--", 2) && argv[i][2]) {
            PT_RETURN(long_option(c, argv[i], argc, argv, &i));
        } else {
            if (argv[i][0] == '-' && argv[i][1])
                return pt_fail(PT_EARG, "unknown option %s; see `ptrain help %s`", argv[i], c->command);
            if (c->n_args == (int)(sizeof c->args / sizeof *c->args)) return pt_fail(PT_EARG, "too many arguments at %s", argv[i]);
            c->args[c->n_args++] = argv[i];
        }
    }
    return PT_OK;
}
