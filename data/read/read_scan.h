/* JSON text to rows: shared by data/read/read_rows.c (lines, values, lists) and data/read/read_object.c (one object that holds the rows). */
#ifndef PT_DATA_READ_SCAN_H
#define PT_DATA_READ_SCAN_H
#include "data/read/read_feed.h"

typedef struct pt_scan {
    pt_json_in in;
    pt_feed *f;
    const pt_row_sink *sink;
    const pt_dataset_spec *spec;
} pt_scan;

/* Behind the spaces at p. */
const char *pt_scan_space(const char *p, const char *end);
/* Length of the JSON value at p as its brackets and quotes say; 0 where the text ends within it or a string has a line end. */
size_t pt_scan_extent(const char *p, const char *end);
/* Gives a row (taken over). A list of messages, where the type reads conversations, is a row of its own: {messages: list}. */
pt_status pt_scan_give(pt_scan *s, json_t *row, int64_t line);
/* Objects one behind the other, each over as many lines as it likes. */
pt_status pt_scan_values(pt_scan *s);
/* The elements of the list at in.at, and its bracket. */
pt_status pt_scan_list(pt_scan *s);
/* The text is one object of n bytes: rows in it (read_object.c), or a row. */
pt_status pt_scan_object(pt_scan *s, size_t n);
/* Whether the value at p is a message in text: an object with a speaker (the data set's key, or role or from) and a text. */
bool pt_scan_is_message(const pt_dataset_spec *spec, const char *p, const char *end);
#endif
