/* The main of a harness outside libFuzzer: every input of tests/fuzz/corpus/NAME/ (made by hand, and each crash there was) and of
 * tests/fuzz/corpus/NAME.tgz (what the fuzzer found worth keeping; a folder of hundreds of tiny files otherwise) once. Or the files that the
 * command line names: build/asan/tests/fuzz/PROGRAM FILE... Included by harness.h only. */
#ifndef PT_TESTS_FUZZ_REPLAY_H
#define PT_TESTS_FUZZ_REPLAY_H
#include <dirent.h>
#include <signal.h>
#include <zlib.h>

static char fuzz_now[512]; /* the input that is running */
static size_t fuzz_runs;
static unsigned fuzz_seconds = FUZZ_SECONDS;

void __sanitizer_set_death_callback(void (*)(void)) __attribute__((weak));

static void fuzz_died(void)
{
    static const char before[] = "\n# died of the input ";
    ssize_t n = write(2, before, sizeof before - 1) + write(2, fuzz_now, strlen(fuzz_now)) + write(2, "\n", 1);
    (void)n;
}

/* gcc's UndefinedBehaviorSanitizer ends the process without the callback; it calls this. */
void __ubsan_on_report(void);
void __ubsan_on_report(void)
{
    fuzz_died();
}

static void fuzz_signal(int sig)
{
    static const char late[] = "# more than the allowed seconds for one input";
    ssize_t n = sig == SIGALRM ? write(2, late, sizeof late - 1) : 0;
    (void)n;
    fuzz_died();
    _exit(1);
}

/* The bytes stand in a block of their own, so that reading behind them is seen. */
static void fuzz_one(const char *name, const void *bytes, size_t n)
{
    uint8_t *copy = malloc(n ? n : 1);
    if (!copy) fuzz_fail("out of memory");
    memcpy(copy, bytes, n);
    snprintf(fuzz_now, sizeof fuzz_now, "%s", name);
    alarm(fuzz_seconds);
    (void)LLVMFuzzerTestOneInput(copy, n);
    alarm(0);
    free(copy);
    fuzz_runs++;
}

static void fuzz_watch(void)
{
    signal(SIGALRM, fuzz_signal);
    if (__sanitizer_set_death_callback) {
        __sanitizer_set_death_callback(fuzz_died);
    } else {
        signal(SIGSEGV, fuzz_signal);
        signal(SIGBUS, fuzz_signal);
        signal(SIGFPE, fuzz_signal);
    }
    signal(SIGABRT, fuzz_signal);
}

#ifndef FUZZ_OWN_MAIN
static void fuzz_file(const char *path)
{
    static char bytes[1 << 20];
    FILE *f = fopen(path, "rb"); /* not by our own functions: they refuse some of these files */
    if (!f) fuzz_fail("cannot read %s", path);
    size_t n = fread(bytes, 1, sizeof bytes, f);
    fclose(f);
    fuzz_one(path, bytes, n);
}

static int fuzz_by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int fuzz_visible(const struct dirent *e)
{
    return e->d_name[0] != '.';
}

static void fuzz_folder_of(const char *dir)
{
    struct dirent **list = NULL;
    int n = scandir(dir, &list, fuzz_visible, fuzz_by_name);
    for (int i = 0; i < n; i++) {
        char path[640];
        snprintf(path, sizeof path, "%s/%s", dir, list[i]->d_name);
        fuzz_file(path);
        free(list[i]);
    }
    free(list);
}

/* A tar file of small files, packed by gzip. */
static void fuzz_archive(const char *path)
{
    char head[512], name[400];
    gzFile z = gzopen(path, "rb");
    if (!z) return;
    while (gzread(z, head, sizeof head) == sizeof head && head[0]) {
        size_t n = strtoul(head + 124, NULL, 8), room = (n + 511) & ~(size_t)511;
        char *bytes = malloc(room + 1);
        if (room > 1 << 24 || !bytes || gzread(z, bytes, (unsigned)room) != (int)room) fuzz_fail("%s is damaged", path);
        snprintf(name, sizeof name, "%s:%.100s", path, head);
        if (head[156] == '0' || !head[156]) fuzz_one(name, bytes, n);
        free(bytes);
    }
    gzclose(z);
}

static void fuzz_corpus(const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "tests/fuzz/corpus/%s", name);
    fuzz_folder_of(path);
    snprintf(path, sizeof path, "tests/fuzz/corpus/%s.tgz", name);
    fuzz_archive(path);
}

/* "gguf" of "build/asan/tests/fuzz/checkpoints_gguf". */
static const char *fuzz_name(const char *program)
{
    const char *base = strrchr(program, '/'), *name = strchr(base ? base : program, '_');
    return name ? name + 1 : program;
}

int main(int argc, char **argv)
{
    const char *name = fuzz_name(argv[0]);
    fuzz_watch();
    for (int i = 1; i < argc; i++) fuzz_file(argv[i]);
    if (argc == 1) {
        fuzz_corpus(name);
        printf("1..1\n%sok 1 - %s: %zu inputs end in good order, %zu of them accepted\n", fuzz_runs && fuzz_accepted ? "" : "not ", name,
               fuzz_runs, fuzz_accepted);
    }
    return argc == 1 && !(fuzz_runs && fuzz_accepted);
}
#endif
#endif
