#include "emu_rt.h"
#if !EMU_CHECK
void emu_atomic_access(const void *p, int bytes)
{
    if (!emu_is_dev(p) && !emu_in_shared(p)) emu_die(97, "atomic operation on %p: neither device nor shared memory", p);
    (void)bytes;
}
void emu_block_sees_all(void) {}
#endif
