/* The program: arguments, commands, terminal. The only place that reads argv and the environment, prints, and exits. */
#ifndef PT_CLI_CLI_H
#define PT_CLI_CLI_H
#include <stdio.h>
#include "train/cli/config.h"

/* What the command line said. */
typedef struct pt_cli {
    const char *command;          /* "train", ... */
    const char *args[8];          /* positional arguments after the command */
    int n_args;
    pt_setting settings[128];     /* --key=value that are config keys */
    int n_settings;
    /* options of commands; NULL / negative = not given */
    const char *output, *adapter_dir, *input, *prompt, *role, *to, *out, *type, *system, *sample;
    int max_new_tokens, top_k;
    double temperature, top_p, min_p, repetition_penalty;
    bool raw, markdown, base_only, text_only, profile;
    uint64_t seed; bool seed_set;
} pt_cli;

/* Fills c; PT_EARG with what is wrong. */
pt_status pt_cli_parse(pt_cli *c, int argc, char **argv);
/* Every command: status; text to show goes to stdout. */
pt_status pt_cmd_train(pt_cli *c);
pt_status pt_cmd_plan(pt_cli *c);
pt_status pt_cmd_pack(pt_cli *c);
pt_status pt_cmd_inspect(pt_cli *c);
pt_status pt_cmd_eval(pt_cli *c);
pt_status pt_cmd_chat(pt_cli *c);
pt_status pt_cmd_generate(pt_cli *c);
pt_status pt_cmd_score(pt_cli *c);
pt_status pt_cmd_tokenize(pt_cli *c);
pt_status pt_cmd_export(pt_cli *c);
pt_status pt_cmd_version(pt_cli *c);
pt_status pt_cmd_doctor(pt_cli *c);
pt_status pt_cmd_help(pt_cli *c);

#endif
