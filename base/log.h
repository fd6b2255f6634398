/* Notes that the library wants to show (never errors): they go to a sink that train/cli sets; without one, nowhere. */
#ifndef PT_BASE_LOG_H
#define PT_BASE_LOG_H
#include <stdbool.h>

typedef enum pt_log_level { PT_LOG_DEBUG, PT_LOG_INFO, PT_LOG_WARN } pt_log_level;
typedef void (*pt_log_sink)(void *user, pt_log_level level, const char *text);
void pt_log_set_sink(pt_log_sink sink, void *user);
/* Between pause(true) and its pause(false) nothing is shown: what is looked at beforehand is said when it is done. Pairs may stand in pairs. */
void pt_log_pause(bool on);
void pt_log(pt_log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
#endif
