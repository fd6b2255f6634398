/* Exports of merged weights that say what they keep. */
#ifndef PT_CLI_KEPT_H
#define PT_CLI_KEPT_H
#include "train/cli/open.h"
#include "train/export/export.h"

/* Opens o's model and writes c->out with `run` (pt_export_hf or pt_export_gguf). Where the written type may lose something of what was learnt, the
 * loss of base, run and file on a few rows of the run's data is measured and said (without rows: the share of the change of the weights). A type
 * that was not asked for is replaced by a finer one until PT_EXPORT_KEEP is kept; one that was asked for is warned of. */
pt_status pt_export_judged(pt_cli *c, pt_opened *o, pt_export_options *opt, pt_status (*run)(pt_model *, const char *, const pt_export_options *));
#endif
