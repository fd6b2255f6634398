/* Counters: launches and syncs always; the traffic of kernels when EMU_COUNT=1, from the same instrumentation as the shadow
 * memory. Lanes run one after the other here, so accesses are logged and grouped afterwards: the k-th time that the lanes of a
 * warp come through one instruction is one access of the warp. */
#include <cxxabi.h>
#include <dlfcn.h>
#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <algorithm>
#include <deque>
#include <map>

#include "emu_counters.h"
#include "emu_rt.h"

namespace
{
struct entry {
    const void *pc;
    uint64_t addr;
    uint32_t nth;
    uint8_t lane, bytes, how, shared;
};
struct visit {
    uint64_t key;
    uint32_t block, n;
}; /* how often a thread passed an instruction in this block */
} // namespace

static uint64_t n_launches, n_syncs;
static std::vector<emu_kernel_counts> counts;
static std::deque<std::string> names; /* addresses stay */
static size_t current;
static std::vector<entry> logs[32];
static std::vector<visit> visits;
static size_t n_visits;
static uint32_t block_no;
static uint64_t *seen_sectors[2]; /* a bit for each sector of device memory: read, written in this launch */
static std::vector<size_t> touched[2];

void emu_count_host_sync(void)
{
    n_syncs++;
}

/* ---- names of instances: kernels are local symbols, which only the program's own symbol table knows ---- */
static std::vector<char> read_file(const char *path)
{
    std::vector<char> v;
    FILE *f = fopen(path, "rb");
    if (!f) return v;
    char buf[65536];
    for (size_t n; (n = fread(buf, 1, sizeof buf, f)) > 0;) v.insert(v.end(), buf, buf + n);
    fclose(f);
    return v;
}
static std::map<uint64_t, std::string> functions_of(const char *path)
{
    std::map<uint64_t, std::string> all;
    std::vector<char> file = read_file(path);
    if (file.size() < sizeof(Elf64_Ehdr) || memcmp(file.data(), ELFMAG, SELFMAG) != 0) return all;
    const Elf64_Ehdr *h = (const Elf64_Ehdr *)(const void *)file.data();
    const Elf64_Shdr *sec = (const Elf64_Shdr *)(const void *)(file.data() + h->e_shoff);
    for (int i = 0; i < h->e_shnum; i++) {
        if (sec[i].sh_type != SHT_SYMTAB) continue;
        const Elf64_Sym *sym = (const Elf64_Sym *)(const void *)(file.data() + sec[i].sh_offset);
        const char *text = file.data() + sec[sec[i].sh_link].sh_offset;
        for (size_t k = 0; k < sec[i].sh_size / sizeof *sym; k++)
            if (ELF64_ST_TYPE(sym[k].st_info) == STT_FUNC && sym[k].st_value) all[sym[k].st_value] = text + sym[k].st_name;
    }
    return all;
}
static void drop(std::string &s, const char *what)
{
    for (size_t at; (at = s.find(what)) != std::string::npos;) s.erase(at, strlen(what));
}
static std::string plain_name(const std::string &symbol)
{
    int bad;
    char *d = abi::__cxa_demangle(symbol.c_str(), NULL, NULL, &bad);
    std::string s = bad ? symbol : d;
    free(d);
    drop(s, "(anonymous namespace)::");
    if (s.compare(0, 5, "void ") == 0) s.erase(0, 5);
    for (size_t at; (at = s.find("__nv_bfloat16")) != std::string::npos;) s.replace(at, 13, "bf16");
    int depth = 0;
    for (size_t i = 0; i < s.size(); i++) {
        depth += (s[i] == '<') - (s[i] == '>');
        if (s[i] == '(' && depth == 0) s.resize(i);
    }
    for (size_t at; (at = s.find('(')) != std::string::npos;) s.erase(at, s.find(')', at) + 1 - at); /* (pt_act)1 */
    return s;
}
static const std::string &instance_name(const emu_launch_info *k)
{
    static std::map<const void *, std::string> known;
    static std::map<std::string, std::map<uint64_t, std::string>> modules;
    auto it = known.find(k->kernel);
    if (it != known.end()) return it->second;
    Dl_info info;
    std::string name = k->name;
    if (dladdr(k->kernel, &info) && info.dli_fname) {
        if (!modules.count(info.dli_fname)) modules[info.dli_fname] = functions_of(info.dli_fname);
        auto &f = modules[info.dli_fname];
        auto at = f.find((uint64_t)((const char *)k->kernel - (const char *)info.dli_fbase));
        if (at != f.end()) name = plain_name(at->second);
    }
    return known[k->kernel] = name;
}

/* ---- the file of counts ---- */
static void add_to_file(void)
{
    const char *path = getenv("EMU_COUNT_FILE");
    if (!path || !*path || counts.empty()) return;
    FILE *f = fopen(path, "a");
    if (!f) return;
    for (const emu_kernel_counts &c : counts) {
        fputs(c.name, f);
        const uint64_t v[] = {c.threads,
                              c.dynamic,
                              c.launches,
                              c.blocks,
                              c.read_bytes,
                              c.write_bytes,
                              c.read_sectors,
                              c.write_sectors,
                              c.unique_read_sectors,
                              c.unique_write_sectors,
                              c.accesses,
                              c.shared_accesses,
                              c.shared_cycles,
                              c.shared_worst,
                              c.atomics};
        for (uint64_t x : v) fprintf(f, "\t%llu", (unsigned long long)x);
        fputc('\n', f);
    }
    fclose(f);
}

void emu_count_launch(const emu_launch_info *k)
{
    static bool hooked;
    if (!hooked) atexit(add_to_file);
    hooked = true;
    n_launches++;
    const std::string &name = emu_set.count ? instance_name(k) : k->name;
    for (current = 0; current < counts.size(); current++)
        if (name == counts[current].name) break;
    if (current == counts.size()) {
        names.push_back(name);
        counts.push_back(emu_kernel_counts());
        counts.back().name = names.back().c_str();
    }
    emu_kernel_counts *c = &counts[current];
    const uint64_t grid = (uint64_t)k->grid.x * k->grid.y * k->grid.z;
    c->least_grid = c->launches++ ? std::min(c->least_grid, grid) : grid;
    c->threads = std::max(c->threads, (uint64_t)k->block.x * k->block.y * k->block.z);
    c->dynamic = std::max(c->dynamic, (uint64_t)k->smem);
    block_no++;
    n_visits = 0;
    for (int w = 0; w < 2; w++) {
        for (size_t i : touched[w]) seen_sectors[w][i] = 0;
        touched[w].clear();
    }
}

static uint32_t nth_visit(unsigned thread, const void *pc)
{
    if (n_visits * 2 >= visits.size()) {
        std::vector<visit> old(visits.empty() ? 4096 : visits.size() * 2);
        old.swap(visits);
        n_visits = 0;
        for (const visit &v : old)
            if (v.n && v.block == block_no) {
                size_t i = v.key * 0x9E3779B97F4A7C15ull >> 20 & (visits.size() - 1);
                while (visits[i].n && visits[i].block == block_no) i = (i + 1) & (visits.size() - 1);
                visits[i] = v;
                n_visits++;
            }
    }
    uint64_t key = (uint64_t)(uintptr_t)pc << 10 | thread;
    size_t i = key * 0x9E3779B97F4A7C15ull >> 20 & (visits.size() - 1);
    while (visits[i].n && visits[i].block == block_no && visits[i].key != key) i = (i + 1) & (visits.size() - 1);
    visit &v = visits[i];
    if (!v.n || v.block != block_no) {
        v = {key, block_no, 0};
        n_visits++;
    }
    return v.n++;
}

void emu_count_access(emu_thread *t, const void *p, size_t n, int how, const void *pc)
{
    if (!EMU_CHECK || !emu_set.count || n > 16 || !t) return;
    entry e = {pc, (uint64_t)(uintptr_t)p, nth_visit(t->id, pc), (uint8_t)t->lane, (uint8_t)n, (uint8_t)how, emu_in_shared(p)};
    logs[t->warp].push_back(e);
}

static uint64_t new_sectors(int w, const uint64_t *sector, int n)
{
    uint64_t fresh = 0;
    if (!seen_sectors[w]) {
        void *p =
            mmap(NULL, emu_dev_bytes / 256 + 64, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (p == MAP_FAILED) emu_die(98, "no addresses for counters");
        seen_sectors[w] = (uint64_t *)p;
    }
    for (int i = 0; i < n; i++) {
        size_t s = (size_t)(sector[i] - (uint64_t)(uintptr_t)emu_dev / 32);
        uint64_t &word = seen_sectors[w][s / 64], bit = 1ull << (s % 64);
        if (word & bit) continue;
        if (!word) touched[w].push_back(s / 64);
        word |= bit;
        fresh++;
    }
    return fresh;
}

static void count_global(emu_kernel_counts *c, const entry *e, size_t n)
{
    uint64_t sector[64], bytes = 0;
    int k = 0;
    for (size_t i = 0; i < n; i++) {
        bytes += e[i].bytes;
        for (uint64_t s = e[i].addr / 32; s <= (e[i].addr + e[i].bytes - 1) / 32 && k < 64; s++) sector[k++] = s;
    }
    std::sort(sector, sector + k);
    k = (int)(std::unique(sector, sector + k) - sector);
    bool write = e[0].how != EMU_READ;
    if (e[0].how == EMU_ATOMIC) c->atomics += n;
    c->accesses++;
    (write ? c->write_bytes : c->read_bytes) += bytes;
    (write ? c->write_sectors : c->read_sectors) += (uint64_t)k;
    (write ? c->unique_write_sectors : c->unique_read_sectors) += new_sectors(write, sector, k);
}

/* One phase: lanes whose accesses fit 128 bytes. Cycles = the most distinct 4-byte words that one of the 32 banks must give. */
static void count_phase(emu_kernel_counts *c, const entry *e, size_t n)
{
    uint64_t word[64], worst = 1;
    int k = 0, in_bank[32] = {0};
    for (size_t i = 0; i < n; i++)
        for (uint64_t w = e[i].addr / 4; w <= (e[i].addr + e[i].bytes - 1) / 4 && k < 64; w++) word[k++] = w;
    std::sort(word, word + k);
    k = (int)(std::unique(word, word + k) - word);
    for (int i = 0; i < k; i++) worst = std::max(worst, (uint64_t)++in_bank[word[i] % 32]);
    c->shared_accesses++;
    c->shared_cycles += worst;
    c->shared_worst = std::max(c->shared_worst, worst);
}

static void count_shared(emu_kernel_counts *c, entry *e, size_t n)
{
    std::sort(e, e + n, [](const entry &a, const entry &b) { return a.lane < b.lane; });
    unsigned per = e[0].bytes == 16 ? 8 : e[0].bytes == 8 ? 16 : 32;
    for (size_t i = 0; i < n;) {
        size_t j = i;
        while (j < n && e[j].lane / per == e[i].lane / per) j++;
        count_phase(c, e + i, j - i);
        i = j;
    }
}

void emu_count_block_end(void)
{
    if (current >= counts.size()) return;
    emu_kernel_counts *c = &counts[current];
    c->blocks++;
    block_no++;
    n_visits = 0;
    for (std::vector<entry> &l : logs) {
        std::sort(l.begin(), l.end(), [](const entry &a, const entry &b) {
            return a.pc != b.pc           ? a.pc < b.pc
                   : a.nth != b.nth       ? a.nth < b.nth
                   : a.shared != b.shared ? a.shared < b.shared
                                          : a.how < b.how;
        });
        for (size_t i = 0; i < l.size();) {
            size_t j = i;
            while (j < l.size() && l[j].pc == l[i].pc && l[j].nth == l[i].nth && l[j].shared == l[i].shared &&
                   l[j].how == l[i].how)
                j++;
            if (l[i].shared)
                count_shared(c, &l[i], j - i);
            else
                count_global(c, &l[i], j - i);
            i = j;
        }
        l.clear();
    }
}

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
uint64_t emu_launch_count(void)
{
    return n_launches;
}
uint64_t emu_host_sync_count(void)
{
    return n_syncs;
}
void emu_counts_reset(void)
{
    add_to_file();
    n_launches = n_syncs = 0;
    counts.clear();
    names.clear();
    current = 0;
}
}
