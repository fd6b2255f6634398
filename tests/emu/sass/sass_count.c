/* Counts machine instructions in cubins (nvcc -cubin): the toolkit's disassembler is not needed.
 *
 *     sass_count [-v] [-k name] [-m ratio] a.cubin...
 *
 * For every kernel: instructions, tensor-core products (mma), ldmatrix, 16-byte asynchronous copies, accesses to local memory,
 * loads and stores of global memory (wide: 16 bytes a thread; narrow: fewer), and serial load loops (serial.h); then each
 * innermost loop that holds mma: its products, its other instructions and the bytes of ldmatrix for each of them; and each serial
 * loop. Loops stand in the order of their addresses. -k: only kernels whose symbol holds `name`. -v: the loops' opcodes. -m: exit 1 when no loop of a
 * chosen kernel has at most `ratio` other instructions an mma (its leanest loop is the one judged: the one without masks), or
 * when a chosen kernel touches local memory. What an instruction looks like: code.h. */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "code.h"
#include "serial.h"

enum { MOST_LOOPS = 256 };

typedef struct loop {
    size_t first, last;
    unsigned mma;
} loop;

static unsigned count(const code *c, size_t first, size_t last, unsigned op)
{
    unsigned n = 0;
    for (size_t i = first; i <= last; i++) n += opcode(c, i) == op;
    return n;
}
static unsigned count_width(const code *c, unsigned op, bool wide)
{
    unsigned n = 0;
    for (size_t i = 0; i < c->n; i++) n += opcode(c, i) == op && (width(c, i) >= 16) == wide;
    return n;
}
static unsigned ldsm_bytes_of(const code *c, const loop *l)
{
    unsigned n = 0;
    for (size_t i = l->first; i <= l->last; i++)
        if (opcode(c, i) == LDSM) n += ldsm_bytes(c, i);
    return n;
}

/* Innermost loops with products, by address. */
static size_t find_loops(const code *c, loop *out)
{
    size_t n = 0;
    for (size_t i = 0; i < c->n; i++) {
        if (opcode(c, i) != BRA) continue;
        int64_t to = target(c, i);
        if (to < 0 || to >= (int64_t)i || n == MOST_LOOPS) continue;
        loop l = {(size_t)to, i, count(c, (size_t)to, i, HMMA)};
        if (!l.mma) continue;
        size_t kept = 0;
        bool inner = true; /* a smaller loop inside of it was found before: branches come in order of their ends */
        for (size_t k = 0; k < n; k++) inner = inner && !(out[k].first >= l.first && out[k].last <= l.last);
        for (size_t k = 0; k < n; k++)
            if (!(l.first >= out[k].first && l.last <= out[k].last)) out[kept++] = out[k];
        n = kept;
        if (inner) out[n++] = l;
    }
    return n;
}

static void print_opcodes(const code *c, const loop *l)
{
    static unsigned seen[OPCODES];
    memset(seen, 0, sizeof seen);
    for (size_t i = l->first; i <= l->last; i++) seen[opcode(c, i)]++;
    for (;;) {
        unsigned best = 0;
        for (unsigned op = 0; op < OPCODES; op++)
            if (seen[op] > seen[best]) best = op;
        if (!seen[best]) break;
        printf("        %03x %u\n", best, seen[best]);
        seen[best] = 0;
    }
}

/* Prints one kernel; false when it breaks the limit. */
static bool report(const char *name, code c, bool verbose, double limit)
{
    static loop loops[MOST_LOOPS];
    static span serial[MOST_LOOPS];
    find_split(&c);
    unsigned local = count(&c, 0, c.n - 1, LDL) + count(&c, 0, c.n - 1, STL);
    size_t n_serial = serial_loops(&c, serial, MOST_LOOPS);
    printf("%s\n    %zu instructions, %u mma, %u ldmatrix, %u cp.async, %u local", name, c.n, count(&c, 0, c.n - 1, HMMA),
           count(&c, 0, c.n - 1, LDSM), count(&c, 0, c.n - 1, LDGSTS), local);
    printf(", %u wide loads, %u narrow loads, %u wide stores, %u narrow stores, %zu serial loops\n", count_width(&c, LDG, true),
           count_width(&c, LDG, false), count_width(&c, STG, true) + count_width(&c, ST, true),
           count_width(&c, STG, false) + count_width(&c, ST, false), n_serial);
    for (size_t k = 0; k < n_serial; k++) printf("    serial loop %zu-%zu\n", serial[k].first, serial[k].last);
    size_t n = find_loops(&c, loops);
    double least = -1;
    for (size_t k = 0; k < n; k++) {
        size_t all = loops[k].last - loops[k].first + 1;
        double ratio = (double)(all - loops[k].mma) / loops[k].mma;
        printf("    loop %zu-%zu: %u mma, %zu others, %.2f an mma (ldmatrix %u: %.1f bytes an mma; cp.async %u)\n", loops[k].first,
               loops[k].last, loops[k].mma, all - loops[k].mma, ratio, count(&c, loops[k].first, loops[k].last, LDSM),
               (double)ldsm_bytes_of(&c, &loops[k]) / loops[k].mma, count(&c, loops[k].first, loops[k].last, LDGSTS));
        if (verbose) print_opcodes(&c, &loops[k]);
        if (least < 0 || ratio < least) least = ratio;
    }
    return limit <= 0 || (local == 0 && least >= 0 && least <= limit);
}

/* Section headers of a 64-bit little-endian ELF file; every offset is checked. Kernels are the sections .text.<symbol>. */
static int read_cubin(const char *path, const unsigned char *d, size_t bytes, const char *filter, bool verbose, double limit)
{
    int bad = 0, found = 0;
    if (bytes < 64 || memcmp(d, "\177ELF\2\1", 6) != 0) return fprintf(stderr, "%s: no 64-bit ELF file\n", path), 2;
    uint64_t at = u64(d + 0x28);
    unsigned each = d[0x3a] | d[0x3b] << 8, n = d[0x3c] | d[0x3d] << 8, strings = d[0x3e] | d[0x3f] << 8;
    if (each < 64 || strings >= n || at > bytes || (bytes - at) / each < n)
        return fprintf(stderr, "%s: broken section table\n", path), 2;
    uint64_t st = u64(d + at + (uint64_t)strings * each + 24), st_bytes = u64(d + at + (uint64_t)strings * each + 32);
    if (st > bytes || st_bytes > bytes - st || !st_bytes || d[st + st_bytes - 1])
        return fprintf(stderr, "%s: broken names\n", path), 2;
    for (unsigned i = 0; i < n; i++) {
        const unsigned char *h = d + at + (uint64_t)i * each;
        uint32_t name;
        uint64_t from = u64(h + 24), size = u64(h + 32);
        memcpy(&name, h, 4);
        if (name >= st_bytes) return fprintf(stderr, "%s: broken name\n", path), 2;
        const char *s = (const char *)d + st + name;
        if (strncmp(s, ".text.", 6) != 0 || (filter && !strstr(s, filter))) continue;
        if (from > bytes || size > bytes - from || size < 16) return fprintf(stderr, "%s: broken section %s\n", path, s), 2;
        found++;
        if (!report(s + 6, (code){d + from, (size_t)size / 16, false}, verbose, limit)) bad = 1;
    }
    if (!found) return fprintf(stderr, "%s: no such kernel\n", path), 2;
    return bad;
}

int main(int argc, char **argv)
{
    const char *filter = NULL;
    bool verbose = false;
    double limit = 0;
    int worst = 0, i = 1;
    for (; i < argc && argv[i][0] == '-'; i++) {
        if (strcmp(argv[i], "-v") == 0)
            verbose = true;
        else if (strcmp(argv[i], "-k") == 0 && i + 1 < argc)
            filter = argv[++i];
        else if (strcmp(argv[i], "-m") == 0 && i + 1 < argc)
            limit = strtod(argv[++i], NULL);
        else
            break;
    }
    if (i == argc || argv[i][0] == '-') return fprintf(stderr, "usage: sass_count [-v] [-k name] [-m ratio] a.cubin...\n"), 2;
    for (; i < argc; i++) {
        FILE *f = fopen(argv[i], "rb");
        size_t most = (size_t)64 << 20, bytes;
        unsigned char *d = f ? malloc(most) : NULL;
        if (!d) return fprintf(stderr, "%s: cannot be read\n", argv[i]), 2;
        bytes = fread(d, 1, most, f);
        fclose(f);
        int rc = read_cubin(argv[i], d, bytes, filter, verbose, limit);
        free(d);
        if (rc > worst) worst = rc;
    }
    return worst;
}
