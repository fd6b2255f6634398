/* Standard output and standard error when they are terminals: whatever is printed to them is made visible (base/visible.h), for data, models, paths and
 * the messages that quote them come from others. Files and pipes get every byte as it is. */
#ifndef PT_CLI_TERMINAL_H
#define PT_CLI_TERMINAL_H
#include <stdbool.h>
#include <stdio.h>

/* Once, before anything is printed. */
void pt_terminal_open(void);
/* Whether f (a standard stream) is a terminal. */
bool pt_terminal_is(FILE *f);
/* Prints text of our own as it is: the cursor's moves, colours, and what was made visible before. */
void pt_terminal_raw(FILE *f, const char *text);
#endif
