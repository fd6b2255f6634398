/* The bytes of a data file for the scanners of data/read/read_rows.c and data/read/read_csv.c. */
#ifndef PT_DATA_READ_FEED_H
#define PT_DATA_READ_FEED_H
#include "base/file.h"
#include "data/read/record.h"
#include "data/read/read_packed.h"

/* A plain file is a map and stands in [at, end) whole. A packed one is unpacked as it is read: [at, end) is the part in the window. */
typedef struct pt_feed {
    const char *path, *at, *end;
    bool more; /* there is text behind end */
    pt_map map;
    pt_unpack *packed; /* NULL: a plain file */
    char *window;
    size_t cap;
    size_t left; /* bytes of the map, from its beginning, whose memory was given back */
} pt_feed;

/* PT_EARG, PT_EIO: no such file; PT_ENOSUP: a format that must be converted; PT_EFORMAT: UTF-16, Git LFS, empty, broken gzip or zstd. `at` stands behind a
 * byte order mark. binary: what the file holds is the type's own affair (pt_data_type.binary): nothing is refused by its first bytes or passed over. */
pt_status pt_feed_open(pt_feed *f, const char *path, bool binary);
/* Adds text behind end and forgets what stands before `from` (in [at, end]); `at` is then where `from` was. Pointers into the old window are
 * void. Nothing happens without `more`. PT_EFORMAT: broken gzip or zstd, or a row past the window's limit. */
pt_status pt_feed_more(pt_feed *f, const char *from);
/* What stands before `at` is read: the memory of a plain file that it took is given back, so that a file never stands whole in memory. */
void pt_feed_leave(pt_feed *f, const char *at);
void pt_feed_close(pt_feed *f);

/* What a file gives its rows to: line is where a row begins. row NULL: none can be made of what stands there, the message says why. */
typedef struct pt_row_sink {
    pt_status (*row)(void *user, json_t *row, int64_t line);
    void *user;
} pt_row_sink;
/* Gives a row (taken over) or, with row NULL, the message of why there is none; an error that names no place gets the row's. */
pt_status pt_row_give(const pt_row_sink *sink, const char *path, json_t *row, int64_t line);
/* A file whose rows stand as its name says (or spec->format): what is read where a type has no `rows` of its own, which may call it too. */
pt_status pt_rows_by_name(pt_feed *f, const pt_dataset_spec *spec, const pt_row_sink *sink);
/* A file that is one JSON object, which its type takes apart itself; *out = NULL for any other file. All of it is in [at, end) then. */
pt_status pt_feed_object(pt_feed *f, json_t **out);
/* Where `mark` stands next at or behind *at, which moves behind it as *line moves to its line; both stay where it stands nowhere. */
void pt_feed_find(const pt_feed *f, const char *mark, const char **at, int64_t *line);
/* What separates the fields of a CSV or TSV file: as the data set says; 0: as the header does. */
pt_status pt_csv_separator(const pt_dataset_spec *spec, const char *format, char *out);
/* CSV or TSV (RFC 4180: quotes, line ends within quotes, a header): an object of strings a record. separator 0: ',' or what the header has. */
pt_status pt_rows_csv(pt_feed *f, char separator, const pt_row_sink *sink);
/* A row a line, {key: line}; blank lines are none. */
pt_status pt_rows_text(pt_feed *f, const char *key, const pt_row_sink *sink);
#endif
