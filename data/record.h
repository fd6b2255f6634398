/* Records: what the readers make of the rows of a data file, before any template or tokenizer. One reader a format
 * (data/read_*.c).
 *
 * Files are JSONL or one JSON list; rows are parsed one at a time from a map, so that a file never has to fit in memory twice.
 * Errors read "FILE:LINE: what". Parquet, gzip, folders and patterns are refused with what to do instead. */
#ifndef PT_DATA_RECORD_H
#define PT_DATA_RECORD_H
#include "base/json.h"
#include "data/dataset.h"
#include "data/template.h"

typedef enum pt_record_kind { PT_RECORD_CHAT, PT_RECORD_TEXT, PT_RECORD_IDS } pt_record_kind;

typedef struct pt_turn {
    pt_speaker speaker;
    const char *text; /* of the JSON row, or owned by the record */
    size_t bytes;
    float weight; /* when has_weight: said by the row itself (train, weight, loss_weight) */
    bool has_weight;
    const char *thought; /* as in pt_message */
    size_t thought_bytes;
    const json_t *calls;
    const char *role;
    bool is_json;
} pt_turn;

typedef struct pt_turns {
    pt_turn *turns;
    size_t n, cap;
} pt_turns;

/* Zero-initialise; reused from row to row (pt_record_clear), freed once (pt_record_free). Valid inside the sink only. */
typedef struct pt_record {
    pt_record_kind kind;
    bool pair;
    pt_turns side[2]; /* CHAT: a whole conversation; pairs: prompt ++ chosen, prompt ++ rejected */
    size_t n_prompt;  /* CHAT pairs: leading turns that are the prompt, on both sides */
    const char *text; /* TEXT */
    size_t bytes;
    pt_ids ids[2];   /* IDS */
    float *label[2]; /* IDS: 1 = supervised */
    size_t label_cap[2];
    float weight, margin; /* of the row: 1 and 0 when it says nothing */
    const char *role;     /* rolebench, else NULL */
    const json_t *tools;  /* CHAT: the list of tools that the row offers, or NULL */
    json_t *parsed;       /* owned: a list that the row spells as a string */
    char **owned;
    size_t n_owned, owned_cap;
} pt_record;

typedef struct pt_reader {
    const pt_dataset_spec *spec;
    bool pairs;       /* preference records are wanted */
    json_t *profiles; /* rolebench: {role: text}, owned */
    pt_record rec;
    pt_status (*sink)(void *user, const pt_record *rec, int64_t line);
    void *user;
    int64_t rows, line;
} pt_reader;

/* Reads every row of r->spec->path into records for r->sink. PT_EARG: unknown type, a type that does not give what is wanted, a
 * missing file; PT_EFORMAT: a broken row. */
pt_status pt_reader_run(pt_reader *r);
void pt_reader_free(pt_reader *r);
/* The canonical name of a type ("chat_template" -> "messages", "" -> "tokens"), NULL when there is none such. */
const char *pt_reader_type(const char *type);
/* Every row of a JSONL file or a JSON list; the row is freed after the call. *line is the row's first line. */
pt_status pt_rows_read(const char *path, pt_status (*row)(void *user, json_t *row, int64_t line), void *user);
/* PT_ENOSUP with the command that converts this Parquet file. */
pt_status pt_rows_refuse_parquet(const char *path);

/* ---- for the readers ---- */
void pt_record_clear(pt_record *rec);
void pt_record_free(pt_record *rec);
pt_status pt_record_turn(pt_turns *t, pt_speaker speaker, const char *text, size_t bytes);
/* Takes over a heap string; freed by pt_record_clear. On failure it is freed at once. */
pt_status pt_record_own(pt_record *rec, char *text);
/* "a string", "null" ...: for messages; v NULL is "nothing". */
const char *pt_row_kind(const json_t *v);
/* A string field. Absent or null: *text = NULL, or PT_EFORMAT when required (naming the fields that are there). */
pt_status pt_row_string(json_t *row, const char *key, bool required, const char **text, size_t *bytes);
/* A finite number >= least; absent keeps *out. */
pt_status pt_row_number(json_t *row, const char *key, double least, float *out);
/* system, user, human, assistant, gpt, tool ... ; false when unknown. */
bool pt_speaker_of(const char *name, pt_speaker *out);
const char *pt_speaker_name(pt_speaker s);
/* Text without outer spaces (Unicode White_Space, as Python's str.strip). */
void pt_text_strip(const char **text, size_t *bytes);
/* Appends a list of messages to t. role_key, text_key: names of the two properties. */
pt_status pt_read_turns(pt_reader *r, json_t *list, const char *role_key, const char *text_key, pt_turns *t);
/* What stands in a message beside its text: thoughts, tool calls, a tool result's own role name. */
pt_status pt_read_extras(json_t *m, const char *role, pt_turn *t);
/* The row's `tools`: a list, or a list spelled as a string. */
pt_status pt_read_tools(json_t *row, pt_record *rec);
/* A turn as the templates take it, with weight w. */
pt_message pt_turn_message(const pt_turn *t, float w);
/* alpaca's turns before the answer: system, history, instruction and input. */
pt_status pt_read_question(pt_reader *r, json_t *row, pt_turns *t);

pt_status pt_read_messages(pt_reader *r, json_t *row);
pt_status pt_read_sharegpt(pt_reader *r, json_t *row);
pt_status pt_read_alpaca(pt_reader *r, json_t *row);
pt_status pt_read_mindset(pt_reader *r, json_t *row);
pt_status pt_read_rolebench(pt_reader *r, json_t *row);
pt_status pt_read_rolebench_open(pt_reader *r);
pt_status pt_read_preference(pt_reader *r, json_t *row);
pt_status pt_read_text(pt_reader *r, json_t *row);
pt_status pt_read_tokens(pt_reader *r, json_t *row);
/* The system text of a role: the template with {role} and {profile} filled in; owned by the caller. */
pt_status pt_read_system_text(const char *tmpl, const char *role, const char *profile, char **out);
#endif
