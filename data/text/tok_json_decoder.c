/* tokenizer.json: "decoder". */
#include <string.h>

#include "data/text/tok_json.h"

static pt_status replace(pt_tokenizer *t, const json_t *o, int depth)
{
    const char *from, *to;
    bool literal;
    pt_tok_decoder *d;
    PT_RETURN(pt_tok_json_pattern(o, &from, &literal));
    PT_RETURN(pt_tok_json_str(o, "content", &to));
    PT_RETURN(pt_tok_add_decoder(t, PT_DECODE_REPLACE, from, to, &d));
    return literal ? PT_OK : pt_tok_regex(&d->code, from, false);
}

static pt_status strip(pt_tokenizer *t, const json_t *o, int depth)
{
    const char *text;
    uint32_t cp;
    pt_tok_decoder *d;
    PT_RETURN(pt_tok_json_char(o, "content", &text, &cp));
    PT_RETURN(pt_tok_add_decoder(t, PT_DECODE_STRIP, text, NULL, &d));
    PT_RETURN(pt_tok_json_count(o, "start", 0, &d->start));
    return pt_tok_json_count(o, "stop", 0, &d->stop);
}

static pt_status metaspace(pt_tokenizer *t, const json_t *o, int depth)
{
    const char *text, *scheme = json_string_value(json_object_get(o, "prepend_scheme"));
    uint32_t cp;
    bool old;
    pt_tok_decoder *d;
    PT_RETURN(pt_tok_json_char(o, "replacement", &text, &cp));
    PT_RETURN(pt_tok_json_bool(o, "add_prefix_space", true, &old));
    PT_RETURN(pt_tok_add_decoder(t, PT_DECODE_META, text, NULL, &d));
    d->on = scheme ? strcmp(scheme, "never") != 0 : old;
    return PT_OK;
}

static pt_status wordpiece(pt_tokenizer *t, const json_t *o, int depth)
{
    const char *prefix;
    pt_tok_decoder *d;
    PT_RETURN(pt_tok_json_str(o, "prefix", &prefix));
    PT_RETURN(pt_tok_add_decoder(t, PT_DECODE_WORDPIECE, prefix, NULL, &d));
    return pt_tok_json_bool(o, "cleanup", true, &d->on);
}

static pt_status bpe(pt_tokenizer *t, const json_t *o, int depth)
{
    const char *suffix;
    PT_RETURN(pt_tok_json_str(o, "suffix", &suffix));
    if (!suffix[0]) return pt_fail(PT_ENOSUP, "decoder BPEDecoder with an empty suffix");
    return pt_tok_add_decoder(t, PT_DECODE_BPE, suffix, NULL, NULL);
}

static pt_status ctc(pt_tokenizer *t, const json_t *o, int depth)
{
    const char *pad, *delimiter;
    pt_tok_decoder *d;
    PT_RETURN(pt_tok_json_str(o, "pad_token", &pad));
    PT_RETURN(pt_tok_json_str(o, "word_delimiter_token", &delimiter));
    if (!delimiter[0]) return pt_fail(PT_ENOSUP, "decoder CTC with an empty word_delimiter_token");
    PT_RETURN(pt_tok_add_decoder(t, PT_DECODE_CTC, pad, delimiter, &d));
    return pt_tok_json_bool(o, "cleanup", true, &d->on);
}

static pt_status read(pt_tokenizer *t, const json_t *o, int depth)
{
    static const struct {
        const char *name;
        pt_tok_json_part *read; /* NULL: nothing but its kind */
        pt_tok_decoder_kind kind;
    } known[] = {{"ByteLevel", NULL, PT_DECODE_BYTE_LEVEL},
                 {"ByteFallback", NULL, PT_DECODE_BYTE_FALLBACK},
                 {"Fuse", NULL, PT_DECODE_FUSE},
                 {"Replace", replace, PT_DECODE_REPLACE},
                 {"Strip", strip, PT_DECODE_STRIP},
                 {"Metaspace", metaspace, PT_DECODE_META},
                 {"WordPiece", wordpiece, PT_DECODE_WORDPIECE},
                 {"BPEDecoder", bpe, PT_DECODE_BPE},
                 {"CTC", ctc, PT_DECODE_CTC}};
    const char *type;
    if (!o || json_is_null(o)) return PT_OK;
    PT_RETURN(pt_tok_json_str(o, "type", &type));
    if (depth > PT_TOK_MAX_DEPTH) return pt_fail(PT_EFORMAT, "decoders are nested too deeply");
    if (!strcmp(type, "Sequence")) return pt_tok_json_each(t, o, "decoders", depth, read);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(known[i].name, type) != 0) continue;
        return known[i].read ? known[i].read(t, o, depth) : pt_tok_add_decoder(t, known[i].kind, NULL, NULL, NULL);
    }
    return pt_fail(PT_ENOSUP, "decoder '%s' is not supported", type);
}

pt_status pt_tok_json_decoder(pt_tokenizer *t, const json_t *o)
{
    PT_RETURN(read(t, o, 0));
    if (t->n_decoders > 64) return pt_fail(PT_ENOSUP, "a decoder of %zu steps", t->n_decoders);
    pt_tok_settle_decoders(t);
    return PT_OK;
}
