/* Files: read-only maps, whole reads, and writes that appear whole or not at all. Errors name the path and errno. */
#ifndef PT_BASE_FILE_H
#define PT_BASE_FILE_H
#include "base/mem.h"

typedef struct pt_map {
    unsigned char *data; /* never NULL when open */
    size_t bytes;
} pt_map;
/* Maps a regular file read-only and private. The map lives until pt_map_close. PT_EFORMAT for a pointer of Git LFS, which stands
 * where the file itself should be. */
pt_status pt_map_open(pt_map *out, const char *path);
void pt_map_close(pt_map *m);

/* Whole file into owned memory with a terminating zero; PT_EFORMAT when larger than max_bytes. */
pt_status pt_file_read(char **out, size_t *bytes, const char *path, size_t max_bytes);
/* The same for text that people write: without a byte order mark; PT_EFORMAT for UTF-16, by name. */
pt_status pt_text_read(char **out, size_t *bytes, const char *path, size_t max_bytes);
/* What the two say about the first bytes of a file. */
pt_status pt_file_check_lfs(const char *path, const void *data, size_t bytes);
pt_status pt_text_check_utf16(const char *path, const void *data, size_t bytes);
bool pt_file_exists(const char *path);
/* Whether a file that may be left out was given: true as well for what cannot be read (a folder in its place, a link that leads
 * nowhere, a folder without permission, a failing disk), so that opening it says why. */
bool pt_file_given(const char *path);
bool pt_dir_exists(const char *path);
/* mkdir -p */
pt_status pt_dir_make(const char *path);
/* Makes nothing: bytes of the longest beginning of path that is there, 0 for none (then it is below the current folder, or below /). */
size_t pt_dir_there(const char *path);
/* Makes nothing: PT_EIO says why pt_dir_make could not make the folder, or nothing could be written into it, as far as can be seen beforehand. */
pt_status pt_dir_check(const char *path);
/* Removes path and the folders above it, while they are empty and longer than the first `there` bytes of path. */
void pt_dir_drop_empty(const char *path, size_t there);
/* rm -r; a path that is not there is fine. */
pt_status pt_dir_remove(const char *path);
/* Owned "a/b". */
pt_status pt_path_join(char **out, const char *a, const char *b);
/* The part after the last slash. */
const char *pt_path_base(const char *path);
/* fsync of a file's or folder's entry by path. */
pt_status pt_fsync_path(const char *path);
/* rename(from, to), then fsync of the folder that holds `to`. */
pt_status pt_rename_durable(const char *from, const char *to);

/* Creates a file that was not there, and opens it for reading and writing: never through a link, never what somebody else put there.
 * Only a leftover of our own (a regular file of this user, under no second name) is removed for it. PT_EIO says what is in the way. */
pt_status pt_file_create(const char *path, int *fd);
/* Opens a regular file for lines at its end, and makes it when missing. PT_EIO for a link, a pipe, a device. */
pt_status pt_file_append(const char *path, int *fd);

/* A file that appears whole or not at all: writes go to a temporary name (base/temp.h), commit = fsync, rename, fsync the folder.
 * PT_EIO where path is there and is no regular file. */
typedef struct pt_outfile {
    int fd;
    char *path, *tmp;
    size_t bytes; /* written so far */
} pt_outfile;
pt_status pt_outfile_open(pt_outfile *f, const char *path);
pt_status pt_outfile_write(pt_outfile *f, const void *data, size_t bytes);
/* Overwrites earlier bytes (a header whose sizes were not known). */
pt_status pt_outfile_rewrite(pt_outfile *f, size_t at, const void *data, size_t bytes);
pt_status pt_outfile_commit(pt_outfile *f);
/* Removes the temporary file when not committed; safe on a zeroed struct. */
void pt_outfile_close(pt_outfile *f);
pt_status pt_file_write_whole(const char *path, const void *data, size_t bytes);

/* 64-bit FNV-1a over bytes, chained by h (start with PT_FNV_START). */
#define PT_FNV_START 0xcbf29ce484222325ull
uint64_t pt_fnv1a(uint64_t h, const void *data, size_t bytes);
/* SHA-256 of bytes that come in pieces, and of a key and them (HMAC): who knows the key can make it, nobody else. */
typedef struct pt_sha256 {
    uint32_t h[8];
    uint64_t bytes;
    unsigned char rest[64]; /* bytes % 64 of them wait */
} pt_sha256;
void pt_sha256_start(pt_sha256 *s);
void pt_sha256_add(pt_sha256 *s, const void *data, size_t bytes);
void pt_sha256_end(pt_sha256 *s, unsigned char out[32]);
typedef struct pt_hmac {
    pt_sha256 inner;
    unsigned char outer[64];
} pt_hmac;
void pt_hmac_start(pt_hmac *m, const void *key, size_t bytes);
void pt_hmac_add(pt_hmac *m, const void *data, size_t bytes);
void pt_hmac_end(pt_hmac *m, unsigned char out[32]);
/* SHA-256 of bytes as 64 hex digits and a zero. */
void pt_sha256_hex(char out[65], const void *data, size_t bytes);
pt_status pt_sha256_file(char out[65], const char *path);
#endif
