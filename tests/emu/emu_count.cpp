/* Counters: launches and syncs always; the traffic of kernels when EMU_COUNT=1, from the same instrumentation as the shadow memory. */
#include <string.h>
#include <deque>

#include "emu_counters.h"
#include "emu_rt.h"

static uint64_t n_launches, n_syncs;
static std::vector<emu_kernel_counts> counts;
static std::deque<std::string> names;

void emu_count_host_sync(void) { n_syncs++; }
void emu_count_launch(const emu_launch_info *k)
{
    n_launches++;
    emu_kernel_counts *c = NULL;
    for (emu_kernel_counts &x : counts)
        if (k->name == x.name) c = &x;
    if (!c) {
        names.push_back(k->name);
        counts.push_back({});
        c = &counts.back();
        c->name = names.back().c_str();
    }
    c->launches++;
}
void emu_count_access(emu_thread *, const void *, size_t, int, const void *) {}
void emu_count_block_end(void) {}

extern "C" {
const emu_kernel_counts *emu_counts(size_t *n)
{
    *n = counts.size();
    return counts.data();
}
const emu_kernel_counts *emu_counts_of(const char *name)
{
    size_t len = strlen(name);
    for (const emu_kernel_counts &c : counts)
        if (strncmp(c.name, name, len) == 0 && (c.name[len] == 0 || c.name[len] == '<')) return &c;
    return NULL;
}
uint64_t emu_launch_count(void) { return n_launches; }
uint64_t emu_host_sync_count(void) { return n_syncs; }
void emu_counts_reset(void)
{
    n_launches = n_syncs = 0;
    counts.clear();
    names.clear();
}
}
