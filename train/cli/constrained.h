/* What answers must be, as the command line and rows say it: --json-schema, --regex, --choices; json_schema, regex, choice of a row. */
#ifndef PT_CLI_CONSTRAINED_H
#define PT_CLI_CONSTRAINED_H
#include "train/cli/open.h"

typedef struct pt_constrained {
    pt_constraint_vocab *vocab; /* made for the first one */
    pt_constraint **list;       /* [n] owned */
    size_t n, cap;
    pt_constraint *common;      /* of the command; NULL: none (borrowed from the list) */
} pt_constrained;

/* The command's own into x->common. PT_EARG: two of them, or what data/constrain refuses. */
pt_status pt_constrained_open(const pt_cli *c, const pt_opened *o, const pt_gen_options *g, pt_constrained *x);
/* A row's own, or else the command's; NULL: the answer is free. PT_EARG: FILE:LINE: what. */
pt_status pt_constrained_row(const pt_opened *o, const pt_gen_options *g, const pt_rows *rows, const json_t *row, pt_constrained *x, pt_constraint **out);
/* Whether a command says one. */
bool pt_constrained_said(const pt_cli *c);
void pt_constrained_close(pt_constrained *x);
#endif
