/* Libraries that do not survive the end of memory: HDF5 1.10 follows null pointers, recurses without end or calls exit(-1), depending on
 * which allocation failed; oneDNN 2 writes its machine code to where mmap gave nothing. Calls into such a library stand between enter
 * and leave; what the program does when it falls over in between is train/cli's affair (oom.c). For the calling thread; not nested. */
#ifndef PT_BASE_FOREIGN_H
#define PT_BASE_FOREIGN_H

/* library: a literal. */
void pt_foreign_enter(const char *library);
void pt_foreign_leave(void);
/* The library that this thread is inside of, or NULL. Safe in a signal handler. */
const char *pt_foreign_library(void);
/* What is done when a library says, inside, that memory has ended, and cannot be trusted from there on: for the process, set once; NULL
 * (the default): nothing. It need not return. */
void pt_foreign_on_fall(void (*fell)(void));
/* The library of this thread says so; without one, or without a function, nothing. */
void pt_foreign_fell(void);
#endif
