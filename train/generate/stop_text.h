/* Texts that end an answer, wherever they begin and end within tokens: the answer is what stands before the first of them. */
#ifndef PT_GENERATE_STOP_TEXT_H
#define PT_GENERATE_STOP_TEXT_H
#include "data/text/tokenizer.h"

typedef struct pt_stop_texts {
    const pt_tokenizer *tok;
    const char *const *text; /* [n] UTF-8, none empty */
    size_t n;
} pt_stop_texts;

/* PT_EARG for an empty text. */
pt_status pt_stop_check(const pt_stop_texts *s);
/* Where the first of them begins in text[len]; len: none. */
size_t pt_stop_find(const pt_stop_texts *s, const char *text, size_t len);
/* How many bytes of text[len] are certain to stand before any of them, whatever comes: those before the first, else all but an end that may become one. */
size_t pt_stop_safe(const pt_stop_texts *s, const char *text, size_t len);

/* What one answer has read so far; zero-initialise. */
typedef struct pt_stop_reader {
    pt_tok_stream stream;
    pt_str tail;
} pt_stop_reader;
void pt_stop_reader_free(pt_stop_reader *w);
/* After each token of the answer: *hit where one of them is whole. */
pt_status pt_stop_next(pt_stop_reader *w, const pt_stop_texts *s, int32_t id, bool *hit);
#endif
