/* Inside of the model's own template; included by data/text/tmpl_own.c and tmpl_origin.c only. */
#ifndef PT_DATA_TMPL_OWN_PRIV_H
#define PT_DATA_TMPL_OWN_PRIV_H
#include "data/text/jinja.h"
#include "data/text/tmpl_priv.h"

/* A part of the output that is supervised: an answer, somebody else's words. */
typedef struct pt_own_region {
    size_t from, to; /* bytes of the output */
    float weight;
    size_t message;
    size_t end, end_to; /* the end token's bytes; end == end_to: it has none */
    size_t quiet, quiet_to; /* a thought that is context, and what stands around it */
    bool cut;           /* what stands before is encoded apart */
} pt_own_region;

typedef struct pt_own {
    const pt_template *t;
    pt_tmpl_out *o;
    const pt_message *m;
    size_t n;
    json_t *messages;
    pt_jinja_out f; /* the whole */
    size_t to;      /* of f.text, what counts */
    pt_own_region *regions;
    size_t n_regions, cap_regions;
    struct pt_own_seen {
        size_t from, to; /* of all that came from a message; to == 0: nothing */
        size_t thought_from, thought; /* likewise of its thought */
        bool calls;
    } *seen;
    bool tools_seen;
} pt_own;

/* A conversation as the template sees it; o may be NULL where nothing is written. pt_own_close in any case. */
pt_status pt_own_open(pt_own *x, const pt_template *t, pt_tmpl_out *o, const pt_message *m, size_t n);
void pt_own_close(pt_own *x);
/* Its first n messages, with the generation prompt or without. */
pt_status pt_own_render(const pt_own *x, size_t n, bool prompt, pt_jinja_out *out);
/* The field of a message that an origin lies in: "content", "role" ...; NULL for what is of none. */
const char *pt_own_field(const pt_jinja_out *f, uint32_t origin);
/* Roles come from a fixed list: they count as the template's words, of which some make control tokens (<|role|>). */
bool pt_own_is_template(const pt_jinja_out *f, uint32_t origin);
/* What of each message stands in the whole, and where. */
pt_status pt_own_see(pt_own *x);
/* Counts what is left out; PT_EFORMAT for a supervised message. */
pt_status pt_own_note(pt_own *x);
#endif
