/* Pages about runs: what was trained and what came of it, as one HTML file, as Markdown or as JSON.
 *
 * pt_page_build makes a document of what the folders hold, which is the JSON form; the other forms are written from it. The same files give the same
 * bytes: no clock, no locale, no order of a folder's entries.
 *
 *   {"format": "ptrain-report", "version": 1, "title", "runs": [NAME], "broad": true where tables of it want paper on its side, "sections": [{"title", "blocks": [BLOCK]}]}
 *
 * A BLOCK has a "kind" and a "title":
 *   note    "text"
 *   text    "text": as it stands; folded away in HTML
 *   table   "columns": [NAME], "numbers": [whether a column's cells are numbers], "rows": [[TEXT]], "left_out": rows past the limit, "folded": true where HTML shows it on request
 *   chart   "x": NAME, "series": [{"name", "marks": whether its points are marked, "points": [[x, y | null]]}]; null: a gap
 *   bars    "low", "high", "series": [NAME], "rows": [{"name", "values": [null | {"value", "lo", "hi"}]}]
 *   radar   "low", "high", "axes": [NAME], "series": [{"name", "values": [NUMBER | null]}]
 *   matrix  "rows": [NAME], "columns": [NAME], "counts": [[N]]
 *   pieces  "pieces": [["t": trained on | "c": context | "k": control tokens of it, TEXT, its weight where that is not 1]]
 *   answers "columns": [NAME], "systems": [TEXT], "rows": [{"name", "system": its number from 1, 0: none, "turns": [{"who", "text"}], "said": [null | [["=" | "-": not said
 *           behind | "+": not said before, TEXT]]], "references": [TEXT]}], "left_out"
 *   talk    "turns": [{"who", "text"}]
 * Texts are UTF-8 but otherwise as data, models and configs say them; whoever writes them makes them harmless (page_text.c). */
#ifndef PT_EVAL_PAGE_H
#define PT_EVAL_PAGE_H
#include <jansson.h>

#include "base/mem.h"

enum { PT_PAGE_RUNS = 8, PT_PAGE_POINTS = 1000, PT_PAGE_ROWS = 200 };

typedef struct pt_page_options {
    int rows; /* of a table, of groups, answers, dialogues; the rest is counted. 0: as report_rows of the first run's config says, else PT_PAGE_ROWS */
} pt_page_options;

/* Of the folders of n runs, 1 to PT_PAGE_RUNS, or of files as eval.json and eval_beside.json are. One run: its own evaluation, then what it was measured beside (eval_beside.json).
 * Several: the columns of an eval_beside.json that one of them has of them all, else each one's own eval.json. What is not there is left out, and said. PT_EIO: no such folder; PT_EARG: one that holds no run, or too
 * many; PT_EFORMAT: a file of it that is broken. */
pt_status pt_page_build(const char *const *dirs, size_t n, const pt_page_options *o, json_t **out);
/* A file that needs nothing else: well-formed XML and HTML 5, no script, no outside resource; light and dark. Appended. */
pt_status pt_page_html(const json_t *page, pt_str *out);
/* GitHub's Markdown. Appended. */
pt_status pt_page_markdown(const json_t *page, pt_str *out);
#endif
