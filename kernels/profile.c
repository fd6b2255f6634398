#include "kernels/profile.h"

const char *pt_prof_name(pt_prof_op op)
{
    static const char *const names[PT_PROF_COUNT] = {"linear", "dequant", "lora",  "attention", "norm", "rope",
                                                     "mlp",    "embed",   "head", "optimiser", "copy"};
    return (unsigned)op < PT_PROF_COUNT ? names[op] : "unknown";
}
