/* What a remote endpoint sends: a reply, read as an answer and as an error's words, its key masked; behind a byte 0xff a Retry-After header; behind another a turn that
 * is sent. */
#include "tests/fuzz/harness.h"

#include "base/json.h"
#include "eval/http/chat_reply.h"
#include "eval/http/chat_request.h"
#include "eval/http/api_key.h"

#define KEY "sk-Secret-7f3a9b"

/* Masked, nothing of the key is left, however it is looked at again. */
static void masked(const char *text, size_t n)
{
    pt_str once = {0}, twice = {0};
    fuzz_clean(pt_api_key_mask(&once, text, n, KEY));
    fuzz_assert(!once.len || !memmem(once.text, once.len, KEY, sizeof KEY - 1));
    fuzz_clean(pt_api_key_mask(&twice, once.text ? once.text : "", once.len, KEY));
    fuzz_assert(once.len == twice.len && (!once.len || !memcmp(once.text, twice.text, once.len)));
    pt_str_free(&once);
    pt_str_free(&twice);
}

static void request(fuzz_part p)
{
    pt_http_options o;
    pt_message turn = {.speaker = PT_USER, .text = p.n ? (const char *)p.at : "", .bytes = p.n};
    const pt_talk talk = {.turns = &turn, .n = 1, .how = {.max_new_tokens = 8, .temperature = 0.7f, .top_p = 0.9f, .seed = p.n}};
    char *body;
    size_t bytes;
    json_t *j;
    pt_http_options_start(&o);
    o.model = (char *)"m";
    fuzz_clean(pt_chat_request(&body, &talk, &o, &bytes));
    fuzz_assert(body && !strchr(body, '\n') && bytes == p.n);
    pt_status rc = pt_json_parse(&j, body, strlen(body), "request", PT_JSON_OBJECT | PT_JSON_NUL);
    if (rc != PT_OK) fuzz_fail("%s\n%s", pt_err_msg(), body);
    json_decref(j);
    free(body);
}

FUZZ_HARNESS(const uint8_t *bytes, size_t n)
{
    fuzz_part part[3];
    pt_chat_reply reply;
    pt_str words = {0};
    fuzz_split(bytes, n, part, 3);
    const char *body = part[0].n ? (const char *)part[0].at : "";
    pt_status rc = pt_chat_reply_read(&reply, body, part[0].n);
    fuzz_assert((rc == PT_OK) == (reply.text != NULL));
    fuzz_clean(rc);
    if (reply.text) {
        fuzz_accepted++;
        fuzz_assert(reply.prompt >= -1 && reply.prompt <= 1000000000 && reply.answer >= -1 && reply.answer <= 1000000000);
        masked(reply.text, strlen(reply.text));
        free(reply.text);
    }
    fuzz_clean(pt_chat_reply_error(&words, body, part[0].n));
    masked(words.text ? words.text : "", words.len);
    masked(body, part[0].n);
    pt_str_free(&words);
    char *header = fuzz_text(part[1]);
    double wait = pt_retry_after(header, 784111777);
    fuzz_assert(wait == -1 || (wait >= 0 && wait <= PT_RETRY_AFTER_MOST));
    free(header);
    request(part[2]);
    return 0;
}
