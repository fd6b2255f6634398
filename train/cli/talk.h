/* A conversation that is being held: its turns, other answers to the last question, and the answers as the model writes them. */
#ifndef PT_CLI_TALK_H
#define PT_CLI_TALK_H
#include "train/cli/open.h"
#include "train/generate/session.h"

typedef struct pt_talk {
    const pt_base *base;
    pt_gen_session *session;
    pt_gen_options *how;  /* its seed and samples change: an answer draws by (seed + number of its question, which draw of that question it is) */
    uint64_t seed;
    int32_t room;         /* tokens that a prompt may have */
    const char *prefill;  /* what every answer begins with; NULL = nothing */
    pt_message *m;        /* texts owned */
    size_t n, cap;
    size_t first;         /* turns that stay: the system text */
    char **answers;       /* to the last question, as many as were drawn; m's last turn is a copy of the one that counts */
    size_t n_answers, cap_answers, counts;
    uint32_t draws;       /* of the last question */
    uint64_t dropped;     /* questions that left for want of room */
    pt_tok_stream stream;
    pt_str text;          /* of the answer that is being written */
    size_t stood, shown;  /* bytes of it: before it went on; shown: what may become a stop text is held back */
    const pt_stop_texts *stop;
    pt_status rc;
} pt_talk;

/* Whether the conversation ends with an answer. */
bool pt_talk_answered(const pt_talk *t);
pt_status pt_talk_add(pt_talk *t, const pt_speaker *who, const char *text, size_t bytes);
/* The first `keep` turns stay. */
void pt_talk_cut(pt_talk *t, size_t keep);
/* Turn `at` becomes this text. */
pt_status pt_talk_edit(pt_talk *t, size_t at, const char *text);
/* An answer to the last question, written to standard output as it comes; it becomes the conversation's last turn. on: the last turn is an answer, and is gone on with:
 * only what is new is shown. *dropped: turns that left because the conversation outgrew the room, oldest first, until a quarter of it is free. */
pt_status pt_talk_answer(pt_talk *t, bool on, size_t *dropped);
/* Another answer in place of the last one. */
pt_status pt_talk_again(pt_talk *t, size_t *dropped);
/* The answer of this number (from 0) to the last question counts. */
pt_status pt_talk_choose(pt_talk *t, size_t answer);
void pt_talk_free(pt_talk *t);
#endif
