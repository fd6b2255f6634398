/* The audit: what is wrong, or odd, with the data of a run, by kind and by line, before anything is trained on it.
 *
 * It looks at the packed records (tokens, masks, ends: data/pack) and at the texts of the rows they came from, which are read once more. Only what stands in a
 * pack is judged; what was left out is told with its cause. Kinds, their severity and what to do about them: data/audit/audit_kinds.c. */
#ifndef PT_DATA_AUDIT_AUDIT_H
#define PT_DATA_AUDIT_AUDIT_H
#include "data/pack/pack.h"

/* note: worth knowing; warning: most likely not meant; error: the run or its evaluation cannot be right. */
typedef enum pt_audit_severity { PT_AUDIT_NOTE, PT_AUDIT_WARNING, PT_AUDIT_ERROR, PT_AUDIT_SEVERITIES } pt_audit_severity;
/* What training does about it: says what is wrong; refuses to train where there is a warning or an error; does not look. */
typedef enum pt_audit_mode { PT_AUDIT_MODE_WARN, PT_AUDIT_MODE_STRICT, PT_AUDIT_MODE_OFF } pt_audit_mode;

/* Rows of each data set whose texts a training run reads: from the beginning. `ptrain audit` reads all. Of packs every token is looked at. */
enum { PT_AUDIT_ROWS = 20000 };
/* Near duplicates are looked for among the first so many records. */
enum { PT_AUDIT_NEAR = 1000000 };

/* The data sets of one pack. */
typedef struct pt_audit_side {
    const pt_dataset_spec *sets;
    size_t n;
    const pt_pack *pack;
    const pt_pack_report *report;
} pt_audit_side;

typedef struct pt_audit pt_audit;
/* The audit names files by the packs: it must not be used longer than they are there. test NULL: there is none. options: what both packs were made with. most: rows of each set whose texts are read, 0 = all. Rows that cannot be read
 * were counted by the packs: they are no failure here. */
pt_status pt_audit_run(pt_audit **out, const pt_audit_side *train, const pt_audit_side *test, const pt_pack_options *options, int64_t most);
void pt_audit_free(pt_audit *a);
/* Kinds of this severity that were found. */
int pt_audit_count(const pt_audit *a, pt_audit_severity severity);
/* "double_bos, cut_answer": kinds of at least this severity. */
pt_status pt_audit_names(const pt_audit *a, pt_audit_severity least, pt_str *out);
/* The table: figures of the data, then a paragraph a kind. */
pt_status pt_audit_text(const pt_audit *a, pt_str *out);
/* Kind k of those found, the most severe first, in one line: "12 records: what (a.jsonl:3, 17 ...)"; *severity NULL is fine. PT_EARG past the last. */
pt_status pt_audit_line(const pt_audit *a, int k, pt_audit_severity *severity, pt_str *out);
/* The same as JSON text, owned (a report's input): {version, rows_read, records, validation, test_records, sets, scripts, roles, tokens, findings:
 * [{kind, severity, records, what, do, places: [{file, line, text, like}]}]}. */
pt_status pt_audit_json(const pt_audit *a, char **out);
#endif
