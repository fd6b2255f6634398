/* A voice of a model in memory: the measured one, another beside it, an adapter in a slot of either. */
#ifndef PT_EVAL_VOICE_LOCAL_H
#define PT_EVAL_VOICE_LOCAL_H
#include "eval/ask/server.h"
#include "eval/ask/spell.h"
#include "eval/ask/voice.h"

/* `number`: its runner in the server, which stays. Its answers are kept where that runner keeps them, and are those that it gives to requests of tasks. scores: a reward
 * model, which gives scores and no text; others give no scores.
 * A conversation that the template cannot write, or that is longer than was planned for (pt_runner_reserve), fails by name; its score is NAN. */
pt_status pt_voice_local(pt_voice **out, const char *name, pt_server *s, size_t number, const pt_speller *speller, bool scores);
#endif
