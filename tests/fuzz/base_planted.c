/* Not a parser of ours but faults on purpose, each behind the input "bug": what the replay and the fuzzer must find. */
#define FUZZ_OWN_MAIN
#include "tests/fuzz/harness.h"

enum planted { NOTHING, ENDLESS, UNCLEAN, SPEECHLESS, BEHIND_THE_END, OVERFLOW, LEAK, TOO_LARGE, KINDS };
static enum planted planted = BEHIND_THE_END;
static volatile int large = INT32_MAX;
static void *volatile lost;

FUZZ_HARNESS(const uint8_t *bytes, size_t n)
{
    fuzz_accepted++;
    if (n < 3 || bytes[0] != 'b' || bytes[1] != 'u' || bytes[2] != 'g') return 0;
    switch (planted) {
    case ENDLESS:
        while (large) continue;
        break;
    case UNCLEAN: fuzz_clean(pt_fail(PT_EINTERNAL, "a bug of ours")); break;
    case SPEECHLESS: fuzz_clean(PT_EFORMAT); break;
    case BEHIND_THE_END: fuzz_touch(bytes, n + 1); break;
    case OVERFLOW: large = large + 1; break;
    case LEAK:
        lost = malloc(10);
        lost = NULL;
        break;
    case TOO_LARGE:
        lost = malloc((size_t)large);
        free(lost);
        break;
    default: break;
    }
    return 0;
}

#ifndef PT_LIBFUZZER
#include <sys/wait.h>

static const char *const names[KINDS] = {"nothing is found where nothing is", "an endless loop", "a status that no file may cause",
                                         "a failure without a message", "a read behind the end", "a signed overflow", "a leak",
                                         "an allocation of 2 GB"};

/* A child goes through one input; what it said is in `said`. Its exit code, 128 + a signal. */
static int replay(enum planted kind, char *said, size_t size)
{
    int out[2], status = 0;
    size_t got = 0;
    ssize_t k;
    fflush(stdout);
    fuzz_assert(pipe(out) == 0);
    pid_t pid = fork();
    fuzz_assert(pid >= 0);
    if (!pid) {
        dup2(out[1], 2);
        planted = kind;
        fuzz_seconds = 1;
        fuzz_watch();
        fuzz_one("planted", "bug", 3);
        exit(0);
    }
    close(out[1]);
    while (got + 1 < size && (k = read(out[0], said + got, size - got - 1)) > 0) got += (size_t)k;
    said[got] = 0;
    close(out[0]);
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int main(void)
{
    static char said[65536];
    int bad = 0;
    bool sanitized = __sanitizer_set_death_callback != NULL;
    printf("1..%d\n", KINDS);
    for (int kind = NOTHING; kind < KINDS; kind++) {
        if (kind >= BEHIND_THE_END && !sanitized) {
            printf("ok %d - %s # SKIP only a sanitizer sees it\n", kind + 1, names[kind]);
            continue;
        }
        int code = replay((enum planted)kind, said, sizeof said);
        bool named = strstr(said, "died of the input planted") || kind == LEAK; /* leaks are looked for at the end */
        bool good = kind == NOTHING ? code == 0 : code != 0 && named;
        printf("%sok %d - %s\n", good ? "" : "not ", kind + 1, names[kind]);
        if (!good) fprintf(stderr, "# exit %d, said: %s\n", code, said);
        bad += !good;
    }
    return bad > 0;
}
#endif
