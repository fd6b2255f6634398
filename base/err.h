/* Status codes and the error message of the calling thread.
 *
 * Every fallible function returns a pt_status. The message is set once, where the error was detected, with the values
 * that matter; callers only forward the status. Nothing in the library prints, exits or aborts: train/cli does.
 * Pattern:
 *     pt_status pt_thing_open(pt_thing **out, const char *path) {
 *         pt_status rc = PT_OK;
 *         *out = NULL;
 *         PT_CHECK(path[0], PT_EARG, "empty path");     // sets the message, rc, and jumps to done
 *         PT_TRY(pt_other(...));                        // forwards a failing status, jumps to done
 *     done:
 *         return rc;                                    // free in reverse order here
 *     }
 */
#ifndef PT_BASE_ERR_H
#define PT_BASE_ERR_H
#include <stddef.h>
#ifdef __cplusplus
extern "C" {
#endif

typedef enum pt_status {
    PT_OK = 0,
    PT_ENOMEM = -1,     /* out of memory (host or device) */
    PT_EIO = -2,        /* reading or writing failed */
    PT_EFORMAT = -3,    /* a file's content is broken or hostile */
    PT_ESHAPE = -4,     /* sizes that do not fit together */
    PT_ENOSUP = -5,     /* known, and not supported here */
    PT_ESTATE = -6,     /* called at the wrong time */
    PT_EARG = -7,       /* a wrong argument, key or option: the user's usage (exit code 2); a file that a right one names and that is not there is PT_EIO */
    PT_ENONFINITE = -8, /* NaN or infinity where a number must be */
    PT_ESTOP = -9,      /* asked to stop (signal); everything is saved */
    PT_EINTERNAL = -10  /* a bug of ours */
} pt_status;

/* Name of a status, such as "PT_EFORMAT". */
const char *pt_status_name(pt_status s);

/* Sets the calling thread's message (printf style, truncated at 2047 bytes); returns s, or PT_ENOMEM once memory has ended inside a
 * library (pt_mem_ended): what fails after that is its consequence. */
pt_status pt_fail(pt_status s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Puts text (printf style) and ": " before the present message; returns s. For adding where: a path, a row. */
pt_status pt_fail_prefix(pt_status s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The calling thread's last message; "" when none. Valid until the next failure in this thread. */
const char *pt_err_msg(void);
void pt_err_clear(void);
/* For a failure that stands for "not there" or "not of use": PT_OK, and the message is cleared; but PT_ENOMEM stays, for without memory nothing is
 * known about it. */
pt_status pt_err_forgive(pt_status s);

#define PT_FAIL(st, ...)                     \
    do {                                     \
        rc = pt_fail((st), __VA_ARGS__);     \
        goto done;                           \
    } while (0)
#define PT_CHECK(cond, st, ...)              \
    do {                                     \
        if (!(cond)) PT_FAIL(st, __VA_ARGS__); \
    } while (0)
#define PT_TRY(call)                         \
    do {                                     \
        rc = (call);                         \
        if (rc != PT_OK) goto done;          \
    } while (0)
/* In cleanup: attempt the call, keep the first error. */
#define PT_TRY_KEEP(call)                    \
    do {                                     \
        pt_status rc_keep_ = (call);         \
        if (rc == PT_OK) rc = rc_keep_;      \
    } while (0)
/* Outside functions with a done label. */
#define PT_RETURN(call)                      \
    do {                                     \
        pt_status rc_ret_ = (call);          \
        if (rc_ret_ != PT_OK) return rc_ret_; \
    } while (0)

#ifdef __cplusplus
}
#endif
#endif
