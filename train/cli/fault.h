/* SIGBUS: a mapped file was cut short, or its disk failed, while the program reads it. It cannot go on; it says which file that was and
 * ends with exit code 1. The handler runs on whatever thread read, even in generated code whose stack must not be touched: it never
 * returns there. */
#ifndef PT_CLI_FAULT_H
#define PT_CLI_FAULT_H

void pt_fault_watch(void);
/* The checkpoint to name, NULL = none yet. */
void pt_fault_checkpoint(const char *folder);
#endif
