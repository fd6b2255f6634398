#include "base/mapped.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/log.h"

typedef struct entry {
    _Atomic(uintptr_t) data; /* 0 = free; set last, cleared first */
    size_t bytes;
    char *path;
    dev_t dev;
    ino_t ino;
    struct timespec written;
} entry;

enum { ENTRIES = 1024 };
static entry entries[ENTRIES];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

void pt_mapped_add(const void *data, size_t bytes, const char *path, const struct stat *st)
{
    char *copy = strdup(path);
    pthread_mutex_lock(&lock);
    for (int i = 0; copy && i < ENTRIES; i++) {
        entry *e = &entries[i];
        if (atomic_load(&e->data)) continue;
        e->bytes = bytes;
        e->path = copy;
        e->dev = st->st_dev;
        e->ino = st->st_ino;
        e->written = st->st_mtim;
        atomic_store(&e->data, (uintptr_t)data);
        copy = NULL;
    }
    pthread_mutex_unlock(&lock);
    free(copy);
}

void pt_mapped_drop(const void *data)
{
    pthread_mutex_lock(&lock);
    for (int i = 0; i < ENTRIES; i++) {
        entry *e = &entries[i];
        if (atomic_load(&e->data) != (uintptr_t)data) continue;
        atomic_store(&e->data, 0);
        free(e->path);
        e->path = NULL;
        break;
    }
    pthread_mutex_unlock(&lock);
}

const char *pt_mapped_at(const void *address)
{
    uintptr_t at = (uintptr_t)address;
    for (int i = 0; i < ENTRIES; i++) {
        uintptr_t data = atomic_load(&entries[i].data);
        if (data && at >= data && at - data < entries[i].bytes) return entries[i].path;
    }
    return NULL;
}

void pt_mapped_forget(const void *data, size_t bytes)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), from = ((uintptr_t)data + page - 1) / page * page, to = ((uintptr_t)data + bytes) / page * page;
    if (to > from && pt_mapped_at(data)) (void)madvise((void *)from, to - from, MADV_DONTNEED);
}

static pt_status check(entry *e)
{
    struct stat st;
    if (stat(e->path, &st) || st.st_dev != e->dev || st.st_ino != e->ino) return PT_OK; /* what is mapped lives on */
    if (st.st_size < 0 || (size_t)st.st_size < e->bytes)
        return pt_fail(PT_EIO, "%s was cut from %zu to %lld bytes while it was in use: what was computed since cannot be trusted", e->path, e->bytes,
                       (long long)st.st_size);
    if (st.st_mtim.tv_sec == e->written.tv_sec && st.st_mtim.tv_nsec == e->written.tv_nsec) return PT_OK;
    e->written = st.st_mtim;
    pt_log(PT_LOG_WARN, "%s was written to while it is in use: if its content has changed, what is computed from here on is wrong", e->path);
    return PT_OK;
}

pt_status pt_mapped_check(void)
{
    pt_status rc = PT_OK;
    pthread_mutex_lock(&lock);
    for (int i = 0; rc == PT_OK && i < ENTRIES; i++)
        if (atomic_load(&entries[i].data)) rc = check(&entries[i]);
    pthread_mutex_unlock(&lock);
    return rc;
}
