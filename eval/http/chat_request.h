/* A conversation as the body of a chat/completions request. */
#ifndef PT_EVAL_CHAT_REQUEST_H
#define PT_EVAL_CHAT_REQUEST_H
#include "eval/ask/voice.h"
#include "eval/http/http_options.h"

/* {"max_tokens", "messages": [{"content", "role"}], "model", "temperature"} and, where it is drawn, {"seed", "top_p"} (top_p 1: left out), and {"stop"} where the config
 * has one, but for what it leaves out (leave_out; length_name is the name of max_tokens): one line, keys in order, so that equal conversations are equal bytes. seed: 31 bits of the sampling's and the repeat number. Only the turns' texts
 * are sent (thoughts and calls are not); bytes that are not UTF-8 become U+FFFD. *bytes: of all texts. Free *out. PT_EARG: no turns; PT_ENOMEM. */
pt_status pt_chat_request(char **out, const pt_talk *talk, const pt_http_options *o, size_t *bytes);
#endif
