/* What surrounds requests to a remote endpoint, without a network: options, keys, request bodies, replies, Retry-After, limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/visible.h"
#include "eval/http/chat_reply.h"
#include "eval/http/chat_request.h"
#include "eval/http/http_options.h"
#include "eval/http/api_key.h"
#include "eval/http/spending.h"

#define KEY_TEXT "sk-Abc:1|2/=xyz"
static const char KEY[] = KEY_TEXT;

static void options(void **state)
{
    static const struct { const char *pairs[9]; const char *error; } cases[] = {
        {{"endpoint", "http://127.0.0.1:1/v1", "model", "m"}, NULL},
        {{"endpoint", "https://api.example.com/v1/", "model", "m", "api_key_env", "KEY_1"}, NULL},
        {{"endpoint", "http://[::1]:80", "model", "m", "api_key_env", "KEY"}, NULL},
        {{"endpoint", "http://LOCALHOST/v1", "model", "m", "api_key_env", "KEY"}, NULL},
        {{"endpoint", "http://10.0.0.1/v1", "model", "m"}, NULL},
        {{"endpoint", "http://10.0.0.1/v1", "model", "m", "api_key_env", "KEY", "allow_insecure", "true"}, NULL},
        {{"endpoint", "http://10.0.0.1/v1", "model", "m", "api_key_env", "KEY"}, "plain http to this machine alone"},
        {{"endpoint", "http://127.0.0.1.evil.example/v1", "model", "m", "api_key_env", "KEY"}, "plain http to this machine alone"},
        {{"endpoint", "http://localhost.evil.example/v1", "model", "m", "api_key_env", "KEY"}, "plain http to this machine alone"},
        {{"endpoint", "http://127.0.0.1@evil.example/v1", "model", "m", "api_key_env", "KEY"}, "without user and password"},
        {{"endpoint", "http://u:hunter22@127.0.0.1/v1", "model", "m"}, "without user and password"},
        {{"endpoint", "http://127.0.0.1/v1?api-key=hunter22", "model", "m"}, "without ?, # and spaces"},
        {{"endpoint", "http://127.0.0.1/v1#hunter22", "model", "m"}, "without ?, # and spaces"},
        {{"endpoint", "ftp://127.0.0.1/v1", "model", "m"}, "http:// or https://"},
        {{"endpoint", "file:///etc/passwd", "model", "m"}, "http:// or https://"},
        {{"endpoint", "127.0.0.1:8000/v1", "model", "m"}, "a whole URL"},
        {{"endpoint", "http://", "model", "m"}, "no URL that can be used"},
        {{"endpoint", "http://127.0.0.1:99999/v1", "model", "m"}, "no URL that can be used"},
        {{"endpoint", "http://a\nb/v1"}, "holds a control character"},
        {{"endpoint", "http://127.0.0.1/v1"}, "model is missing"},
        {{"model", "m"}, "endpoint is missing"},
        {{"endpoint", "http://127.0.0.1/v1", "model", "m", "api_key_env", "sk-hunter22"}, "the NAME of an environment variable"},
        {{"api_key", "hunter22"}, "belongs into no file and on no command line"},
        {{"Authorization", "hunter22"}, "belongs into no file and on no command line"},
        {{"tempo", "hunter22"}, "'tempo' is no key"},
        {{"max_requests", "1.5"}, "'1.5' is no whole number"},
        {{"max_requests", "0"}, "0 is outside 1 to"},
        {{"timeout", "nan"}, "'nan' is no number"},
        {{"tries", "6"}, "6 is outside 1 to 5"},
        {{"concurrency", " 4"}, "is no whole number"},
        {{"allow_insecure", "yes"}, "true or false"},
        {{"model", ""}, "model: is empty"},
        {{"stop", "a\nb\nc\nd\ne"}, "5 texts"},
        {{"endpoint", "http://127.0.0.1/v1", "model", "m", "length_name", "max_new_tokens"}, "length_name: max_tokens or"},
        {{"endpoint", "http://127.0.0.1/v1", "model", "m", "leave_out", "seed\nmessages"}, "leave_out: temperature, top_p or seed, not 'messages'"},
        {{"endpoint", "http://127.0.0.1/v1", "model", "m", "leave_out", "seed\n\ntop_p"}, "leave_out: temperature, top_p or seed, not ''"},
        {{"endpoint", "http://127.0.0.1/v1", "model", "m", "leave_out", "seed\n"}, NULL},
        {{"endpoint", "http://127.0.0.1/v1", "model", "m", "leave_out", "top_p\nseed", "length_name", "max_completion_tokens"}, NULL},
        {{"endpoint", "http://127.0.0.1/v1", "model", "m", "max_cost", "1"}, "max_cost needs price_prompt"},
        {{"endpoint", "http://127.0.0.1/v1", "model", "m", "price_prompt", "1"}, "stand together"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pt_http_options o, copy;
        pt_status rc = PT_OK;
        pt_http_options_start(&o);
        for (int k = 0; k < 8 && cases[i].pairs[k] && rc == PT_OK; k += 2) rc = pt_http_option(&o, cases[i].pairs[k], cases[i].pairs[k + 1]);
        if (rc == PT_OK) rc = pt_http_check(&o);
        if (rc != (cases[i].error ? PT_EARG : PT_OK) || (cases[i].error && !strstr(pt_err_msg(), cases[i].error))) fail_msg("case %zu: %s", i, pt_err_msg());
        if (rc != PT_OK) assert_null(strstr(pt_err_msg(), "hunter22"));
        assert_int_equal(pt_http_options_copy(&copy, &o), PT_OK);
        if (o.model) assert_string_equal(copy.model, o.model);
        pt_http_options_free(&copy);
        pt_http_options_free(&o);
    }
    for (const pt_entry_key *k = pt_http_keys; k->name; k++) {
        assert_ptr_equal(pt_entry_key_of(pt_http_keys, k->name), k);
        assert_true(strlen(k->help) > 10);
    }
}

static void keys(void **state)
{
    static const char *const wrong[] = {"", "short", "sk-abc\r\nX-Evil: 1", "sk-abcdefg\n", "sk abcdefgh", "sk-abcd\x7f" "efg", "sk-\xc3\xa9" "abcdefgh", "sk-abc\\defg", "sk-abc%41bcd", "sk-abc&def\"g"};
    assert_int_equal(pt_api_key_check(KEY), PT_OK);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(pt_api_key_check(wrong[i]), PT_EARG);
        assert_null(strstr(pt_err_msg(), "sk-"));
    }
}

/* The key in every spelling: in the text of {key} each of its characters is written by `form`, with `between` between them. */
static void masks(void **state)
{
    static const char *const forms[] = {"%c", "\\u%04x", "\\u%04X", "\\\\u%04x", "\\\\\\\\u%04x", "\\x%02x", "\\u{%x}", "%%%02x", "%%%02X", "&#%d;", "&#x%x;"};
    static const char *const between[] = {"", "\x1b[0m", "\x1b[38;5;1m", "\n", "\x01\x02", "\xe2\x80\x8b", "\xe2\x80\xae", "\xef\xbb\xbf", "\xc2\xad", "\xc2\x9b", "\\u001b[0m", "\\n", "\\x1b[1m", "\\u200b"};
    for (size_t f = 0; f < sizeof forms / sizeof *forms; f++)
        for (size_t b = 0; b < sizeof between / sizeof *between; b++) {
            pt_str text = {0}, out = {0};
            pt_str_puts(&text, "key ");
            for (const char *c = KEY; *c; c++) {
                if (c > KEY) pt_str_puts(&text, between[b]);
                char one[24];
                snprintf(one, sizeof one, forms[f], (unsigned char)*c);
                pt_str_puts(&text, one);
            }
            pt_str_puts(&text, ", sk-Abc");
            assert_int_equal(pt_api_key_mask(&out, text.text, text.len, KEY), PT_OK);
            if (strcmp(out.text, "key " PT_API_KEY_MASK ", sk-Abc")) fail_msg("%zu %zu: %s", f, b, out.text);
            pt_str_free(&text);
            pt_str_free(&out);
        }
    static const struct { const char *in, *out; } plain[] = {{"", ""}, {"sk-Abc:1|2/=xy", "sk-Abc:1|2/=xy"}, {"s" KEY_TEXT KEY_TEXT "s", "s" PT_API_KEY_MASK PT_API_KEY_MASK "s"}, {"sk-" KEY_TEXT, "sk-" PT_API_KEY_MASK},
                                                     {"\\u0073\\n \\u12", "\\u0073\\n \\u12"}};
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) {
        pt_str out = {0};
        assert_int_equal(pt_api_key_mask(&out, plain[i].in, strlen(plain[i].in), KEY), PT_OK);
        assert_string_equal(out.text ? out.text : "", plain[i].out);
        pt_str_free(&out);
    }
}

static void replies(void **state)
{
    static const struct { const char *body, *text, *error; int64_t prompt, answer; bool stopped; } cases[] = {
        {"{\"choices\":[{\"message\":{\"content\":\"hi\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2}}", "hi", NULL, 3, 2, true},
        {"{\"error\":null,\"choices\":[{\"message\":{\"content\":\"\"}}]}", "", NULL, -1, -1, false},
        {"{\"choices\":[{\"message\":{\"content\":\"a\\u001b\\u202e\"},\"finish_reason\":\"length\"}],\"usage\":{\"prompt_tokens\":-3,\"completion_tokens\":1e400}}", "a\x1b\xe2\x80\xae", NULL, -1, -1, false},
        {"{\"choices\":[{\"message\":{\"content\":\"x\"},\"finish_reason\":7}],\"usage\":{\"prompt_tokens\":99999999999,\"completion_tokens\":2.5}}", "x", NULL, -1, -1, false},
        {"{\"choices\":[]}", NULL, "choices is an empty list", 0, 0, false},
        {"{}", NULL, "choices is missing", 0, 0, false},
        {"[]", NULL, "an object {...} is wanted", 0, 0, false},
        {"", NULL, "broken JSON", 0, 0, false},
        {"{\"choices\":[{\"message\":{\"content\":\"hi", NULL, "the text is cut off", 0, 0, false},
        {"{\"choices\":[{\"message\":null}]}", NULL, "choices[0].message is null", 0, 0, false},
        {"{\"choices\":[3]}", NULL, "choices[0].message is missing", 0, 0, false},
        {"{\"choices\":[{\"message\":{\"content\":null},\"finish_reason\":\"tool_calls\"}]}", NULL, "content is null, not a text; finish_reason is tool_calls", 0, 0, false},
        {"{\"choices\":[{\"message\":{\"content\":[\"a\"]},\"finish_reason\":\"secret\"}]}", NULL, "content is a list, not a text", 0, 0, false},
        {"{\"choices\":[{\"message\":{\"content\":\"a\\u0000b\"}}]}", NULL, "a text with a NUL character", 0, 0, false},
        {"{\"choices\":[{\"message\":{\"content\":\"a\\ud800\"}}]}", NULL, "surrogate", 0, 0, false},
        {"{\"error\":{\"message\":\"no\"}}", NULL, "an error in a reply of status 200", 0, 0, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pt_chat_reply got;
        pt_status rc = pt_chat_reply_read(&got, cases[i].body, strlen(cases[i].body));
        if (cases[i].error) {
            if (rc != PT_EFORMAT || !strstr(pt_err_msg(), cases[i].error) || got.text) fail_msg("%zu: %s", i, pt_err_msg());
            assert_null(strstr(pt_err_msg(), "secret"));
            continue;
        }
        if (rc != PT_OK) fail_msg("%zu: %s", i, pt_err_msg());
        assert_string_equal(got.text, cases[i].text);
        assert_int_equal(got.prompt, cases[i].prompt);
        assert_int_equal(got.answer, cases[i].answer);
        assert_int_equal(got.stopped, cases[i].stopped);
        free(got.text);
    }
    static const char *const errors[][2] = {{"{\"error\":{\"message\":\"m\"}}", "m"}, {"{\"error\":\"e\"}", "e"}, {"{\"message\":\"d\"}", "d"}, {"{\"detail\":\"f\"}", "f"}, {"<html>", "<html>"}, {"{\"error\":{\"code\":1}}", "{\"error\":{\"code\":1}}"}};
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        pt_str out = {0};
        assert_int_equal(pt_chat_reply_error(&out, errors[i][0], strlen(errors[i][0])), PT_OK);
        assert_string_equal(out.text, errors[i][1]);
        pt_str_free(&out);
    }
}

static void retry_after(void **state)
{
    const time_t now = 784111777; /* Sun, 06 Nov 1994 08:49:37 GMT (RFC 9110, 5.6.7) */
    static const struct { const char *value; double seconds; } cases[] = {
        {"0", 0}, {"7", 7}, {"120", 120}, {"301", 300}, {"99999999999999999999999999", 300}, {"Sun, 06 Nov 1994 08:49:47 GMT", 10}, {"Sunday, 06-Nov-94 08:50:37 GMT", 60}, {"Sun Nov  6 08:49:39 1994", 2},
        {"Sun, 06 Nov 1994 08:49:27 GMT", 0}, {"Sun, 06 Nov 2094 08:49:37 GMT", 300}, {"", -1}, {"-1", -1}, {"1.5", -1}, {"3 s", -1}, {"soon", -1}, {"0x10", -1}, {"+5", -1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (pt_retry_after(cases[i].value, now) != cases[i].seconds) fail_msg("'%s': %g", cases[i].value, pt_retry_after(cases[i].value, now));
}

static pt_message turn(const pt_speaker *who, const char *text)
{
    return (pt_message){.speaker = who, .text = text, .bytes = strlen(text)};
}

static void requests(void **state)
{
    const pt_message turns[] = {turn(PT_SYSTEM, "be \"kind\""), turn(PT_USER, "hi\n\xff\xc3\xa9\xe2\x82"), turn(PT_ASSISTANT, "yes")};
    pt_http_options o;
    char *body, *again;
    size_t bytes;
    pt_http_options_start(&o);
    assert_int_equal(pt_http_option(&o, "model", "m"), PT_OK);
    pt_talk t = {.turns = turns, .n = 3, .how = {.max_new_tokens = 64, .temperature = 0, .top_p = 1, .seed = 5}};
    assert_int_equal(pt_chat_request(&body, &t, &o, &bytes), PT_OK);
    assert_string_equal(body, "{\"max_tokens\":64,\"messages\":[{\"content\":\"be \\\"kind\\\"\",\"role\":\"system\"},{\"content\":\"hi\\n\xef\xbf\xbd\xc3\xa9\xef\xbf\xbd\xef\xbf\xbd\",\"role\":\"user\"},"
                              "{\"content\":\"yes\",\"role\":\"assistant\"}],\"model\":\"m\",\"temperature\":0.0}");
    assert_int_equal(bytes, turns[0].bytes + turns[1].bytes + turns[2].bytes);
    t.how.seed = 6;
    assert_int_equal(pt_chat_request(&again, &t, &o, &bytes), PT_OK);
    assert_string_equal(body, again); /* nothing is drawn */
    free(body);
    free(again);
    t.how.temperature = 0.8f;
    t.how.top_p = 0.95f;
    assert_int_equal(pt_http_option(&o, "stop", "A:\nB:"), PT_OK);
    assert_int_equal(pt_chat_request(&body, &t, &o, &bytes), PT_OK);
    t.repeat = 1;
    assert_int_equal(pt_chat_request(&again, &t, &o, &bytes), PT_OK);
    assert_non_null(strstr(body, "\"temperature\":0.8,\"top_p\":0.95}"));
    assert_non_null(strstr(body, "\"stop\":[\"A:\",\"B:\"]"));
    assert_string_not_equal(body, again); /* another seed */
    json_t *j;
    assert_int_equal(pt_json_parse(&j, again, strlen(again), "again", PT_JSON_OBJECT), PT_OK);
    json_int_t seed = json_integer_value(json_object_get(j, "seed"));
    assert_true(seed >= 0 && seed < (json_int_t)1 << 31);
    json_decref(j);
    free(body);
    free(again);
    assert_int_equal(pt_http_option(&o, "leave_out", "temperature\nseed"), PT_OK);
    assert_int_equal(pt_http_option(&o, "length_name", "max_completion_tokens"), PT_OK);
    assert_int_equal(pt_chat_request(&body, &t, &o, &bytes), PT_OK);
    assert_non_null(strstr(body, "{\"max_completion_tokens\":64,\"messages\":"));
    assert_non_null(strstr(body, "\"model\":\"m\",\"stop\":[\"A:\",\"B:\"],\"top_p\":0.95}"));
    free(body);
    t.n = 0;
    assert_int_equal(pt_chat_request(&body, &t, &o, &bytes), PT_EARG);
    pt_http_options_free(&o);
}

static void limits(void **state)
{
    pt_http_options o;
    pt_http_options_start(&o);
    pt_spending s = {.limits = &o};
    const pt_price most = {100, 50};
    assert_null(pt_spending_bar(&s, most));
    o.max_requests = 3;
    o.max_tokens = 400;
    pt_spending_hold(&s, most);
    pt_spending_hold(&s, most);
    assert_string_equal(pt_spending_bar(&s, most), "max_tokens"); /* 2 x 150 held and 150 more */
    pt_spending_settle(&s, most, (pt_price){20, 5});
    assert_null(pt_spending_bar(&s, most)); /* 25 + 150 + 150 */
    pt_spending_hold(&s, most);
    assert_string_equal(pt_spending_bar(&s, (pt_price){0, 0}), "max_requests");
    o.max_requests = 0;
    pt_spending_settle(&s, most, (pt_price){0, 0});
    pt_spending_settle(&s, most, (pt_price){1000, 10});
    assert_string_equal(pt_spending_bar(&s, (pt_price){0, 0}), "max_tokens");
    o.max_tokens = 0;
    o.max_cost = 0.005;
    o.price_prompt = 2;
    o.price_completion = 8;
    assert_null(pt_spending_bar(&s, (pt_price){0, 350})); /* (1020 x 2 + 365 x 8) / 1e6 = 0.00496 */
    assert_string_equal(pt_spending_bar(&s, (pt_price){0, 356}), "max_cost");
    s.before = (pt_price){0, 300};
    assert_string_equal(pt_spending_bar(&s, (pt_price){0, 100}), "max_cost");
    s.failures[429] = 2;
    s.failures[PT_HTTP_CAUSE_TIMEOUT] = 1;
    json_t *j;
    assert_int_equal(pt_spending_json(&s, &j), PT_OK);
    char *text = json_dumps(j, JSON_COMPACT);
    assert_non_null(strstr(text, "\"failed\":3,\"failures\":{\"timeout\":1,\"status 429\":2},\"failed_requests\":{},\"prompt_tokens\":1020,\"answer_tokens\":15"));
    assert_true(json_real_value(json_object_get(j, "cost")) == (1020 * 2 + 15 * 8) / 1e6);
    free(text);
    json_decref(j);
    pt_http_options_free(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(options),  cmocka_unit_test(keys),    cmocka_unit_test(masks), cmocka_unit_test(replies), cmocka_unit_test(retry_after),
                                       cmocka_unit_test(requests), cmocka_unit_test(limits)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
