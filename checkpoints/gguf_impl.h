/* Shared by the files that read GGUF. */
#ifndef PT_CHECKPOINTS_GGUF_IMPL_H
#define PT_CHECKPOINTS_GGUF_IMPL_H
#include "checkpoints/gguf.h"

/* Opens the further files of a split model with open_file and lists their tensors in g; a model in one file stays as it is. */
pt_status pt_gguf_open_parts(pt_gguf *g, pt_status (*open_file)(pt_gguf **, const char *));
/* Sorts tensor_order by name. PT_EFORMAT: a name that stands twice. */
pt_status pt_gguf_sort_tensors(pt_gguf *g);
#endif
