/* The tokenizer of a GGUF file alone, whatever its architecture. */
#include "train/model/source_impl.h"

pt_status pt_source_vocabulary(const char *gguf_path, pt_tokenizer **out)
{
    pt_gguf *g = NULL;
    *out = NULL;
    PT_RETURN(pt_gguf_open(&g, gguf_path));
    pt_status rc = pt_gguf_tokenizer(g, out);
    pt_gguf_close(g);
    return rc;
}
