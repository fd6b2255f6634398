/* Speakers: who says a turn. They have names, stand in one table (speaker.c) and go about by pointer: one name, one pointer. What a template knows of
 * each is in its style (tmpl_styles.c), what a turn weighs in pt_speaker_weights. A data set's own people are speakers beside the table, each like
 * one of its rows: that part they play where nobody knows them by name. */
#ifndef PT_DATA_SPEAKER_H
#define PT_DATA_SPEAKER_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

typedef struct pt_speaker {
    const char *name;            /* as chat APIs, configs and templates say it */
    const char *const *also;     /* what data sets call it, ended by NULL; NULL = nothing else. Letter case does not count */
    bool trained;                /* its turns are trained on where nobody says whose are */
    const struct pt_speaker *like; /* whose part it plays; NULL: its own */
} pt_speaker;

/* The rows that code knows, in the order of the table: packs number them so. */
enum { PT_SPEAKER_SYSTEM, PT_SPEAKER_USER, PT_SPEAKER_ASSISTANT, PT_SPEAKER_TOOL };
extern const pt_speaker pt_speakers[];
#define PT_SYSTEM (&pt_speakers[PT_SPEAKER_SYSTEM])
#define PT_USER (&pt_speakers[PT_SPEAKER_USER])
#define PT_ASSISTANT (&pt_speakers[PT_SPEAKER_ASSISTANT])
#define PT_TOOL (&pt_speakers[PT_SPEAKER_TOOL])
size_t pt_speaker_count(void);

/* By a name or another one; NULL when the table does not know it. */
const pt_speaker *pt_speaker_find(const char *name);
/* Whether s is `who` or plays its part; s may be NULL. */
static inline bool pt_speaker_is(const pt_speaker *s, const pt_speaker *who)
{
    return s && (s == who || s->like == who);
}
/* What stands for it in digests: its place in the table, else a hash of its name. */
uint64_t pt_speaker_mark(const pt_speaker *s);
/* "system, user, assistant" + last + "tool", as much of it as fits. */
void pt_speaker_names(char *out, size_t size, const char *last);

/* Loss weights of turns that say none themselves. Zero-initialise; free list. */
typedef struct pt_speaker_weights {
    struct pt_speaker_weight {
        const pt_speaker *speaker;
        float weight;
    } *list;
    size_t n, cap;
    float rest; /* of whoever is not in the list */
} pt_speaker_weights;
/* Sets a weight, also instead of an earlier one. */
pt_status pt_speaker_weigh(pt_speaker_weights *w, const pt_speaker *s, float weight);
/* Its own weight, else that of the one whose part it plays, else `rest`. */
float pt_speaker_weight(const pt_speaker_weights *w, const pt_speaker *s);
/* Of whose turns are trained on: names[n], else (names NULL) those that are by default; every other turn weighs `rest`. PT_EARG: an unknown name. */
pt_status pt_speakers_trained(pt_speaker_weights *w, const char *const *names, size_t n, float rest);
#endif
