/* How a normaliser (or a step that changes text) writes its text, so that every byte knows its place; included by data/text/tok_*.c only.
 * What is unchanged keeps its places byte by byte. What is new stands for in[from, to): its last byte ends where that ends, those before where
 * it begins, so that no token of the text behind it begins too early. What is taken away belongs to what stands before it. */
#ifndef PT_DATA_TOK_NORM_H
#define PT_DATA_TOK_NORM_H
#include "data/text/tok_priv.h"

pt_status pt_tok_put_same(pt_tok_made *out, const pt_tok_view *in, size_t from, size_t to);
/* n = 0: in[from, to) is taken away. */
pt_status pt_tok_put_new(pt_tok_made *out, const pt_tok_view *in, size_t from, size_t to, const char *bytes, size_t n);
/* The view of a text that was made of `in`. */
pt_tok_view pt_tok_view_of(const pt_tok_made *made, const pt_tok_view *in);
/* Every byte of in[from, to) in GPT-2's alphabet. */
pt_status pt_tok_spell_bytes(pt_tok_made *out, const pt_tok_view *in, size_t from, size_t to);
/* One normaliser: appends to out, which is empty. */
typedef pt_status pt_tok_norm_apply(const pt_tok_norm *m, const pt_tok_view *in, pt_tok_made *out);
/* tok_norm_unicode.c */
pt_tok_norm_apply pt_tok_unicode_form, pt_tok_lowercase;
#endif
