/* The program: arguments, commands, terminal. The only place that reads argv and the environment, prints, and exits. */
#ifndef PT_CLI_CLI_H
#define PT_CLI_CLI_H
#include <stdio.h>
#include "kernels/ctx.h"
#include "train/cli/config.h"
#include "train/generate/sampler_options.h"
#include "train/dist/comm.h"

/* An option that may be given again. */
enum { PT_CLI_MOST = 8 };
typedef struct pt_cli_list {
    const char *at[PT_CLI_MOST];
    int n;
} pt_cli_list;

/* What the command line said. */
typedef struct pt_cli {
    const char *command;          /* "train", ... */
    const char *args[PT_CLI_MOST]; /* positional arguments after the command */
    int n_args;
    pt_setting settings[128];     /* --key=value that are config keys */
    int n_settings;
    /* options of commands; NULL / negative = not given */
    const char *output, *adapter_dir, *input, *prompt, *role, *to, *out, *type, *system, *sample, *task, *answers, *ensemble, *format, *json_schema, *regex, *choices, *imatrix, *eval_data, *length_penalty, *early_stopping, *prefill;
    pt_cli_list adapters; /* of eval, score */
    int max_new_tokens, samples, num_beams, limit, rows, tokens, context;
    uint64_t split; /* bytes of tensors a file; 0: one file */
    pt_sampler_said *samplers; /* of chat, generate: in the order of the command line; freed by main */
    size_t n_samplers, cap_samplers;
    bool raw, markdown, base_only, text_only, profile;
    /* ranks: whether the command runs in several processes, and its group once the first model is opened (its config says how long they wait) */
    bool ranks;
    pt_comm *comm;
    const pt_config *says;           /* whose device and compute type hold, whatever a model or run has; NULL: each one's own */
    const pt_ctx *beside;            /* what is opened stands beside what is open there: its device and compute type, whatever a config says; NULL */
    const char *only;                /* of a config's stages the one of this name */
    const struct pt_stages *stages;  /* what the config has, while a command runs over them (stages.h) */
    int stage;
    bool as_stage; /* eval: args[0] is the folder of an evaluation stage, adapter_dir what it measures on the base (NULL: the base); comm is lent */
} pt_cli;

/* Fills c; PT_EARG with what is wrong. */
pt_status pt_cli_parse(pt_cli *c, int argc, char **argv);
/* The config that the one argument names, with the settings; checked: its model and its data are there. */
pt_status pt_cli_config(pt_cli *c, pt_config **cfg);
pt_status pt_cli_config_checked(pt_cli *c, pt_config **cfg);

/* The group of the processes that this one was started with (train/cli/env.h); one alone is a group too. */
pt_status pt_cli_join(const pt_config_ranks *ranks, pt_comm **comm);
/* A rank that failed goes, and the others must not wait for it. Every rank says what it knows; main says it where abort comes back. */
pt_status pt_cli_leave(pt_comm *comm, pt_status rc);

/* A command: text to show goes to stdout. One table (commands.c): parsing, help and main use it. */
typedef enum pt_on_stop { PT_ON_STOP_NOTHING, PT_ON_STOP_SAVE, PT_ON_STOP_LEAVE } pt_on_stop;
typedef struct pt_command {
    const char *name;
    pt_status (*run)(pt_cli *c);
    pt_on_stop on_stop;       /* what a signal asks of it */
    const char *usage, *help; /* a line of the list, NULL = none of its own; the page of `ptrain help NAME` */
} pt_command;
const pt_command *pt_commands(size_t *n);
const pt_command *pt_command_find(const char *name); /* NULL when there is none */
pt_status pt_cmd_train(pt_cli *c);
pt_status pt_cmd_plan(pt_cli *c);
pt_status pt_cmd_pack(pt_cli *c);
pt_status pt_cmd_inspect(pt_cli *c);
pt_status pt_cmd_audit(pt_cli *c);
pt_status pt_cmd_eval(pt_cli *c);
pt_status pt_cmd_chat(pt_cli *c);
pt_status pt_cmd_generate(pt_cli *c);
pt_status pt_cmd_score(pt_cli *c);
pt_status pt_cmd_tokenize(pt_cli *c);
pt_status pt_cmd_export(pt_cli *c);
pt_status pt_cmd_imatrix(pt_cli *c);
pt_status pt_cmd_version(pt_cli *c);
pt_status pt_cmd_doctor(pt_cli *c);
pt_status pt_cmd_help(pt_cli *c);
pt_status pt_cmd_report(pt_cli *c);
/* The page of one run into its own folder; rows as in pt_page_options, 0 = the default; *path is owned. */
pt_status pt_report_of_run(const char *dir, int rows, char **path);

#endif
