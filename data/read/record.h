/* Records: what the readers make of the rows of a data file, before any template or tokenizer. One reader a shape
 * (data/read/read_*.c).
 *
 * Files are JSON Lines, one JSON list, JSON objects one behind the other or one that holds the list ({"data": [...]}); CSV, TSV and plain text
 * (a record a line) by their names; each also packed by gzip or zstd. A data set may be several of them (read_paths.h). Rows are made one at a time from a
 * map or a window, so that a file never has to fit in memory. Errors read "FILE:LINE: what". Parquet is refused with what to do instead.
 * A text that may be left out (system, instruction, prompt, input) is the same absent, null, empty or of spaces alone. */
#ifndef PT_DATA_RECORD_H
#define PT_DATA_RECORD_H
#include <float.h>

#include "base/batch.h"
#include "base/json.h"
#include "data/read/data_key.h"
#include "data/read/read_paths.h"
#include "data/read/row_format.h"
#include "data/read/scene.h"
#include "data/text/template.h"

/* The weight of a token that an answer holds and nobody is to imitate: context, but to objectives that keep such tokens near a reference. The least
 * that is above 0: of the weights that a token touches the larger counts. */
#define PT_WEIGHT_HELD FLT_MIN

struct pt_feed;
struct pt_row_sink;

typedef enum pt_record_kind { PT_RECORD_CHAT, PT_RECORD_TEXT, PT_RECORD_IDS } pt_record_kind;

typedef struct pt_turn {
    const pt_speaker *speaker;
    const char *text; /* of the JSON row, or owned by the record */
    size_t bytes;
    float weight; /* when has_weight: said by the row itself (train, weight, loss_weight, train_detail) */
    bool has_weight;
    const pt_text_span *spans; /* as in pt_message */
    size_t n_spans;
    const char *thought; /* as in pt_message */
    size_t thought_bytes;
    const json_t *calls;
    const char *call_text;
    size_t call_bytes;
    const char *role;
    bool is_json;
} pt_turn;

typedef struct pt_turns {
    pt_turn *turns;
    size_t n, cap;
} pt_turns;

/* Named numbers that a row says. They go by their names through the pack into the batch (base/batch.h): a new one needs no other place. */
typedef struct pt_values {
    struct pt_value {
        char name[PT_COLUMN_NAME];
        float value;
    } list[PT_BATCH_COLUMNS];
    size_t n;
} pt_values;

/* What a teacher says of the tokens of a sequence: of token t the ids id[start[t] .. start[t+1]) and their probabilities, which sum to 1. */
typedef struct pt_targets {
    int64_t *start; /* [tokens + 1] */
    int32_t *id;
    float *p;
    size_t start_cap, id_cap, p_cap;
    size_t n_tokens; /* 0: nothing is said */
} pt_targets;
void pt_targets_free(pt_targets *t);
/* Appends what is said of the next token: nothing, where n is 0. */
pt_status pt_targets_add(pt_targets *t, const int32_t *id, const float *p, size_t n);

/* One answer with what it answers. */
typedef struct pt_answer {
    pt_turns turns; /* CHAT: the whole conversation: prompt ++ answer */
    const char *text; /* TEXT */
    size_t bytes;
    pt_ids ids;   /* IDS */
    float *label; /* IDS: loss weight, 0 = context */
    size_t label_cap;
    pt_targets teacher; /* IDS, where the reader was asked for it */
    pt_values columns; /* of this answer alone */
} pt_answer;

/* Zero-initialise; reused from row to row (pt_record_clear), freed once (pt_record_free). Valid inside the sink only. */
typedef struct pt_record {
    pt_record_kind kind;
    pt_answer *answers; /* of one question, where there are several; pairs: chosen, rejected, and a criterion where one is wanted */
    size_t n_answers, answers_cap;
    size_t n_prompt;      /* CHAT: leading turns that are only asked with: the same of every answer, and of prompt + completion */
    pt_values columns;    /* of the row: weight, margin, and what a reader adds by pt_values_put */
    const char *role;     /* whose answers they are, where the rows name people: rolebench, scenes; else NULL */
    uint64_t scene;       /* the same of all points of view of one conversation, which share its text; 0 = there is one alone */
    const json_t *tools;  /* CHAT: the list of tools that the row offers, or NULL */
    char **owned;
    size_t n_owned, owned_cap;
} pt_record;

/* Things that happened to rows, counted: one entry for texts that differ in numbers alone or after a semicolon. The last entry takes
 * what finds no place. */
#define PT_CAUSES 16
#define PT_CAUSE_LINES 4
typedef struct pt_causes {
    struct pt_cause {
        char text[200], key[120];
        long long n;
        int64_t line[PT_CAUSE_LINES]; /* the first ones */
        size_t file[PT_CAUSE_LINES];  /* the place of the file of each among the data set's */
    } list[PT_CAUSES];
    int n;
    long long total;
    size_t file; /* of what is added next */
} pt_causes;

typedef struct pt_reader {
    const pt_dataset_spec *spec;
    bool pairs;       /* preference records are wanted */
    bool criterion;   /* with pairs: and a third answer, the criterion, in each */
    bool passed_over; /* a criterion that nobody asked for was warned of, or is not to be */
    bool verdicts;    /* records of one answer with a label are wanted, or preference records, whose answers are taken apart (data/pack) */
    bool teacher;     /* so are a teacher's log-probabilities */
    json_t *profiles; /* {role: text} of the file `profiles`, owned */
    bool views;       /* the data set asks for points of view of named people */
    json_t *cards;    /* {name: card} of profiles that are character cards, owned; NULL: none are (card.h) */
    pt_scene scene;   /* for readers of conversations of named people */
    json_t *met;      /* of those: {name: the system text that a run keeps, or null} */
    pt_record rec;
    /* PT_EFORMAT or PT_ENOSUP: the record cannot be used; its row counts as bad. */
    pt_status (*sink)(void *user, const pt_record *rec, int64_t line);
    void *user;
    const pt_paths *files;          /* the data set's; NULL: found by pt_reader_run, which keeps them in `found` */
    pt_paths found;
    size_t file;                    /* the present one's place among them */
    int64_t rows, line, max_rows;   /* rows read; line of the present one; reading stops after max_rows (0 = none) */
    int64_t seen, from, to; /* rows met; those from..to - 1 are read */
    pt_causes bad, notes; /* rows left out; rows read in a way worth saying */
    json_t *columns;      /* {name: whether it was read} */
    json_t *held;         /* values parsed out of strings of the present row */
    pt_turns prompt;      /* preference: the prompt's own turns */
    json_t *row;          /* the present one, borrowed; NULL: it is no object */
    struct pt_ahead *ahead; /* records go there first (ahead.h) */
    bool over;            /* what became of earlier records ends the reading: no fault of the present row */
} pt_reader;

/* The file that is read, or was last; before any the data set's path. */
const char *pt_reader_path(const pt_reader *r);
/* Reads every row of the data set's files into records for r->sink. PT_EARG: unknown type, a type that does not give what is wanted, a
 * missing file; PT_EFORMAT: more unusable rows than spec->bad_rows allows. Those within it are counted in r->bad, and warned of. */
pt_status pt_reader_run(pt_reader *r);
void pt_reader_free(pt_reader *r);
/* "reads a, b; not read: c" of the rows so far. */
pt_status pt_reader_said(const pt_reader *r, pt_str *out);

/* A type of data: what `type` of a data set names. Each is declared in the file of its reader (data/read/read_*.c); the makefile's list READERS
 * names them. Nothing outside this folder may ask which type it has: only what it needs. */
typedef struct pt_data_type {
    const char *name;
    const char *also;  /* other trainers' names, space-separated; a '*' at the end stands for any rest. NULL = none */
    const char *shown; /* in the list of types, where more than the name is to be said */
    pt_status (*sft)(pt_reader *r, json_t *row);   /* a row into a record of one answer; NULL: it gives none */
    pt_status (*pairs)(pt_reader *r, json_t *row); /* into a record of two; of three where r->criterion asks for it */
    pt_status (*verdicts)(pt_reader *r, json_t *row); /* into a record of one answer with the column PT_COLUMN_LABEL, or of two, the better one first */
    pt_status (*open)(pt_reader *r);               /* before the first row; may be NULL */
    const char *list;  /* the column that holds a conversation, where a row says it in the words of this type */
    const char *fits;  /* columns that tell its rows from others', space-separated, other names of one with '|' between; NULL: none do. Rows of another type are told so */
    const char *fits_with; /* what else a data set of such rows says (", profiles: FILE"); NULL = nothing */
    bool judged;       /* rows have labels: nothing is written, so that no answer's end is learnt; plain texts need no chat template, ids no tokenizer */
    bool plain;        /* texts or ids as they stand: no chat template, no end of an answer */
    bool ids;          /* no tokenizer is needed */
    bool instructions; /* questions and answers that an instruction template can write, where the model has no chat template */
    bool lines;        /* reads files of plain text, a record a line */
    /* The file is no list of rows: makes them of its bytes (data/read/read_feed.h) and gives them by pt_row_give. NULL: the file's name says its form. */
    pt_status (*rows)(struct pt_feed *f, const pt_dataset_spec *spec, const struct pt_row_sink *sink);
    bool binary;       /* such a file need not be text, and is a map whole */
    const char *endings; /* of its files' names in a folder, space-separated; NULL: as data files of rows end (read_paths.h) */
    /* Rows name roles: the system text of each that the reader knows, and of those in roles[n], into {role: text}, which a run keeps; NULL: no roles. */
    pt_status (*profiles)(const pt_reader *r, char *const *roles, size_t n, json_t *out);
    const pt_data_key *const *keys; /* tables, each ended by a key NULL, of what a config says to this type alone; ended by NULL. NULL = nothing */
} pt_data_type;
/* By name or other name ("" is tokens); NULL when there is none such. */
const pt_data_type *pt_data_type_find(const char *type);
/* All types, in the order of READERS. */
size_t pt_data_type_count(void);
const pt_data_type *pt_data_type_at(size_t i);
/* The type whose rows are texts alone. */
const pt_data_type *pt_data_type_of_texts(void);
/* What to write instead of another trainer's name that no type has; NULL when nothing is known of it. */
const char *pt_reader_type_advice(const char *type);
/* Its name, NULL when there is none such. */
const char *pt_reader_type(const char *type);
/* Whether a type gives pairs, or records for sft. */
bool pt_reader_gives(const char *type, bool pairs);
/* Whether it gives answers with labels. */
bool pt_reader_verdicts(const char *type);
/* "messages, sharegpt, ..." */
const char *pt_reader_types(void);
/* Every row of a file; the row is freed after the call. line is the row's first line. row NULL: what stands there is no object, pt_err_msg()
 * says why; PT_OK goes on behind it, PT_ESTOP ends the reading in good order. spec (may be NULL): what its names say about the file. */
pt_status pt_rows_read(const char *path, const pt_dataset_spec *spec, pt_status (*row)(void *user, json_t *row, int64_t line), void *user);
/* The rows [from, to) that a split names, counted over all files, which are read for it where they must be; PT_EARG for what is no part of train. */
pt_status pt_row_slice(const pt_dataset_spec *spec, const pt_paths *files, int64_t *from, int64_t *to);
/* "PATH:LINE: " before the present message, where it does not name the file already. */
pt_status pt_row_place(pt_status rc, const char *path, int64_t line);
/* PT_ENOSUP with the command that converts this file or folder of Parquet or Arrow. */
pt_status pt_rows_refuse_parquet(const char *path);
/* A row that cannot be used (rc and the present message say why): counted and PT_OK, or rc where none may be left out. */
pt_status pt_reader_bad(pt_reader *r, pt_status rc, int64_t line);
/* Warns of columns that nobody reads and whose names are one slip away from names that rows have here. */
void pt_reader_warn_near(const pt_reader *r);
/* Whether those rows are more than spec->bad_rows allows; a warning names them where they are not. */
pt_status pt_reader_judge(const pt_reader *r);
void pt_causes_add(pt_causes *c, const char *text, int64_t line);
/* Copies as much of a text as fits, whole characters, without control characters. */
void pt_text_fit(char *out, size_t size, const char *text);

/* ---- for the readers ---- */
/* The names of the labels, and the column of a row's; where a row's criterion is one of them (field_head). */
extern const pt_data_key pt_keys_of_labels[];
/* The place of a name among the names of `labels`; -1. *n (may be NULL): how many there are. */
int pt_label_find(const pt_dataset_spec *s, const char *name, size_t *n);
/* Keys of rows of any type; of conversations with questions and answers, and pairs of them: what reads one of these shapes reads the others too. */
extern const pt_data_key pt_keys_of_rows[], pt_keys_of_templates[], pt_keys_of_texts[], pt_keys_of_questions[], pt_keys_of_pairs[], pt_keys_of_verdicts[];
extern const pt_data_key *const pt_keys_of_chats[];
/* A record of one empty answer. */
pt_status pt_record_clear(pt_record *rec);
/* The same for the next record of the present row, which keeps what the row said of all of them: its columns and tools, and what rec owns. */
pt_status pt_record_next(pt_record *rec);
/* n empty answers instead of those that are there; before anything points into them. */
pt_status pt_record_answers(pt_record *rec, size_t n);
void pt_record_free(pt_record *rec);
/* Sets a column. PT_EARG: no name of a column (pt_column_named), or no room for another; PT_EFORMAT: not finite. */
pt_status pt_values_put(pt_values *v, const char *name, float value);
/* pt_column_otherwise when nothing is said. */
float pt_values_get(const pt_values *v, const char *name);
pt_status pt_record_turn(pt_turns *t, const pt_speaker *speaker, const char *text, size_t bytes);
/* Takes over a heap string; freed by pt_record_clear. On failure it is freed at once. */
pt_status pt_record_own(pt_record *rec, char *text);
/* "a string", "null" ...: for messages; v NULL is "nothing". */
const char *pt_row_kind(const json_t *v);
/* A string field. Absent or null: *text = NULL, or PT_EFORMAT when required (naming the fields that are there). */
pt_status pt_row_string(json_t *row, const char *key, bool required, const char **text, size_t *bytes);
/* A finite number >= least; absent keeps *out. */
pt_status pt_row_number(json_t *row, const char *key, double least, float *out);
/* The same as a column of the row or of an answer; absent or null: nothing. */
pt_status pt_row_value(json_t *row, const char *key, double least, const char *column, pt_values *out);
/* PT_EFORMAT: no field `key`, which fields there are, and the type and keys that would fit this row. */
pt_status pt_row_missing(const pt_reader *r, json_t *row, const char *key);
/* The type and keys of a data set that would fit this row, as text; nothing when no shape is known. */
pt_status pt_row_hint(const pt_reader *r, json_t *row, pt_str *out);
/* Puts that behind the present message, where it names another type than the data set has. */
void pt_row_hint_add(const pt_reader *r, json_t *row);
/* Whether a value says something: not absent, null, "", spaces, [] or {}. */
bool pt_row_says(const json_t *v);
/* The value of a column: of the name that the config gives it by the key `said`, else of the first of `names` (ends with NULL) that says something;
 * NULL when none does. *key (may be NULL) is its name. */
json_t *pt_row_column(pt_reader *r, json_t *row, const char *said, const char *const *names, const char **key);
/* The field `key`, or the one that it is the path of, as a value that was read. */
json_t *pt_row_take(pt_reader *r, json_t *row, const char *key);
/* The same as a text; PT_EFORMAT when it is another kind of value. *text = NULL when nothing says anything. */
pt_status pt_row_text(pt_reader *r, json_t *row, const char *said, const char *const *names, const char **text, size_t *bytes);
/* The template that the data set says by the key `said` (a TEMPLATE), filled with the row's fields; *text = NULL when it says none. */
pt_status pt_row_filled(pt_reader *r, json_t *row, const char *said, const char **text, size_t *bytes);
/* The key by which the data set makes questions or answers of fields; NULL when it says none. */
const char *pt_row_templates(const pt_reader *r);
/* A list that a row spells as a string ("[{...}]") is parsed; every other value is given as it is. PT_ENOMEM alone. */
pt_status pt_row_list(pt_reader *r, json_t *v, json_t **out);
/* A text that spells a list of messages, as CSV and other tables hold them, as that list; every other value as it is. */
pt_status pt_row_messages(pt_reader *r, json_t *v, json_t **out);
bool pt_text_blank(const char *text, size_t bytes);
/* Text without outer spaces (Unicode White_Space, as Python's str.strip). */
void pt_text_strip(const char **text, size_t *bytes);
/* What stands in a message beside its text: thoughts, tool calls, a tool result's own role name. */
pt_status pt_read_extras(pt_reader *r, json_t *m, const char *role, pt_turn *t);
/* A message's tool calls: tool_calls, or OpenAI's older function_call as a list of one. *out = NULL when there are none. */
pt_status pt_read_calls(pt_reader *r, json_t *m, const json_t **out);
/* Notes what stands in a message and nobody reads: fields that say something under other names than read[n] and the known ones. */
void pt_note_unread(pt_reader *r, json_t *m, const char *const *read, size_t n, const pt_speaker *who);
/* The row's `tools`: a list of objects, or one spelled as a string. */
pt_status pt_read_tools(pt_reader *r, json_t *row);
/* The turn's parts that a message's own list (train_detail) trains on or not, and what follows from it for the turn's weight. */
pt_status pt_read_detail(pt_reader *r, json_t *m, pt_turn *t);
/* The turn's text with the message's tag (message_field_tag), or as turn_template writes it. */
pt_status pt_read_tagged(pt_reader *r, json_t *m, pt_turn *t);
/* A turn as the templates take it, with weight w. */
pt_message pt_turn_message(const pt_turn *t, float w);
/* For messages where the data set asks for points of view: whoever says one by name; *who is what `role` is by the table or by `roles`, or NULL. */
pt_status pt_read_person(pt_reader *r, json_t *m, const char *role, const pt_speaker **who);
/* A list of messages into a record each point of view; before the first row: PT_EARG where it cannot be. */
pt_status pt_read_views(pt_reader *r, json_t *row, json_t *list);
pt_status pt_read_views_open(pt_reader *r);
/* Appends messages to t: a list of messages, one message, or rounds ({human: q, assistant: a} or [q, a]). */
pt_status pt_read_turns(pt_reader *r, json_t *list, pt_turns *t);
/* The conversation's list among a row's columns, NULL when there is none. */
json_t *pt_read_list(pt_reader *r, json_t *row);
/* The same under other names that data sets give it (items, dialog ...), where it is one of known speakers. */
json_t *pt_read_other_list(pt_reader *r, json_t *row);
/* The row's column `system` before turns that have no system message of their own. */
pt_status pt_read_system(pt_reader *r, json_t *row, pt_turns *t, size_t *n_prompt);
/* Turns before the answer without the system text: history, then instruction (prompt, query, question) and input joined by a line
 * break (empty behind a history when neither says anything). Nothing is appended when no column says anything. */
pt_status pt_read_question(pt_reader *r, json_t *row, pt_turns *t);
/* The answer's column: output, response, completion, answer. */
json_t *pt_read_output(pt_reader *r, json_t *row);
/* Texts of "\n\nHuman: ...\n\nAssistant: ..." as turns; *is = false when the text is not of that kind. */
pt_status pt_read_hh(const char *text, size_t bytes, pt_turns *t, bool *is);

/* The row's input_ids, all supervised, as its answer. */
pt_status pt_read_ids(pt_reader *r, json_t *row);
/* Of an answer of ids, which are elements [from, to) of the row's lists: what a teacher says of every supervised token. */
pt_status pt_read_teacher(pt_reader *r, json_t *row, size_t from, size_t to);

pt_status pt_read_messages(pt_reader *r, json_t *row);
pt_status pt_read_alpaca(pt_reader *r, json_t *row);
pt_status pt_read_mindset(pt_reader *r, json_t *row);
pt_status pt_read_rolebench(pt_reader *r, json_t *row);
pt_status pt_read_rolebench_open(pt_reader *r);
pt_status pt_read_preference(pt_reader *r, json_t *row);
pt_status pt_read_unpaired(pt_reader *r, json_t *row);
/* The row's label as its column PT_COLUMN_LABEL. */
pt_status pt_read_verdict(pt_reader *r, json_t *row);
pt_status pt_read_text(pt_reader *r, json_t *row);
pt_status pt_read_tokens(pt_reader *r, json_t *row);
#endif
