/* How many OpenMP threads work. */
#ifndef PT_BASE_THREADS_H
#define PT_BASE_THREADS_H
/* Cores that this process may run on (its affinity mask, the container's CPU quota). */
int pt_cores_available(void);
/* Sets the OpenMP thread count of the calling process, n >= 1, and starts them, each with a stack of its own for signal handlers that ask for one (SA_ONSTACK):
 * oneDNN's generated code cannot take a handler's frame on the thread's. */
void pt_threads_set(int n);
int pt_threads_get(void);
/* Seconds on a monotonic clock. */
double pt_seconds(void);
/* Peak resident memory of this process in bytes. */
unsigned long long pt_rss_peak(void);
/* Memory the machine has in bytes, and what is free for use (MemAvailable, or the container's limit when smaller). */
unsigned long long pt_memory_total(void);
unsigned long long pt_memory_available(void);
#endif
