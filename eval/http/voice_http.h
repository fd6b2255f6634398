/* A remote endpoint as a voice (eval/ask/voice.h): an OpenAI-compatible server's chat/completions.
 *
 * Every conversation ends in an answer or in a named failure. Tries: after status 408, 429 and 5xx, a time-out, a connection that could not be made
 * or was cut, `tries` in all; before the k-th again backoff * 2^(k-1) seconds (at most 60), between half of it and all by chance (from the question
 * and k: the same in each run), or what Retry-After asks for where that is longer (at most 5 minutes; then nobody else is asked meanwhile). Other
 * statuses, redirects, certificates, replies that are too large or that hold no answer end it at once. After 10 conversations in a row that ended
 * because the endpoint cannot be reached or refuses (connection, TLS, time-out, status 401, 403, 404) the rest of them is given up.
 *
 * Limits (eval/http/spending.h): before a try its price at most is reserved (a token for each byte asked and 8 a turn; max_new_tokens answered), the
 * reply's `usage` corrects it. Without usage: a token for three bytes of either, counted as estimated. A try that fails when it could have been
 * charged (a time-out, a reply that is cut, too large or unreadable) costs what three bytes a token and the longest answer come to, counted as
 * unsure. A limit that has no room: what is not sent yet fails for it, and `limit` is set.
 *
 * Answers are kept in pt_answers as they come, one write each, under the endpoint, the model, the request as it is sent and the draw. They are data: whatever
 * characters they hold they keep, only the API key is masked (eval/http/api_key.h). Failures are one line of visible characters. */
#ifndef PT_EVAL_VOICE_HTTP_H
#define PT_EVAL_VOICE_HTTP_H
#include "eval/ask/answers.h"
#include "eval/ask/voice.h"
#include "eval/http/http_options.h"

/* Checks the options; takes a copy. api_key: what the variable o->api_key_env holds, NULL when it is not set; it must be there where that option is, and
 * be one (pt_api_key_check). answers: borrowed; NULL: kept in memory alone. PT_EARG without a value that could be a secret, PT_EIO: no such ca_file. */
pt_status pt_voice_http(pt_voice **out, const char *name, const pt_http_options *o, const char *api_key, pt_answers *answers);
#endif
