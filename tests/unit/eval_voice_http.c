/* Remote endpoints, against servers that answer right, break and lie (tests/stub/chat_stub.c): every request ends in an answer or a named failure, their ledger is ours,
 * limits hold, nothing is asked twice, the key stands nowhere. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stddef.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <dirent.h>
#include <sys/socket.h>

#include "base/log.h"
#include "base/threads.h"
#include "eval/http/spending.h"
#include "eval/http/voice_http.h"
#include "tests/stub/stub.h"

#define KEY "sk-Secret-7f3a9b"
enum { MOST = 120 };

typedef struct world {
    pt_voice *v;
    pt_answers *answers;
    pt_said *said;
    pt_message turns[MOST];
    char texts[MOST][64];
    pt_talk talks[MOST];
    size_t n;
    char logged[1 << 16];
} world;

static void note(void *user, pt_log_level level, const char *text)
{
    world *w = user;
    size_t n = strlen(w->logged);
    snprintf(w->logged + n, sizeof w->logged - n, "%s\n", text);
}

/* A voice at this port; options: key, value, ..., NULL. */
static pt_status open_voice(world *w, int port, const char *file, bool key, const char *const *options)
{
    pt_http_options o;
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%d/v1", port);
    pt_http_options_start(&o);
    assert_int_equal(pt_http_option(&o, "endpoint", url), PT_OK);
    assert_int_equal(pt_http_option(&o, "model", "stub"), PT_OK);
    assert_int_equal(pt_http_option(&o, "wait_scale", "0.01"), PT_OK);
    if (key) assert_int_equal(pt_http_option(&o, "api_key_env", "STUB_KEY"), PT_OK);
    for (int i = 0; options && options[i]; i += 2) assert_int_equal(pt_http_option(&o, options[i], options[i + 1]), PT_OK);
    w->logged[0] = 0;
    if (file) assert_int_equal(pt_answers_open(&w->answers, file), PT_OK);
    pt_log_set_sink(note, w);
    pt_status rc = pt_voice_http(&w->v, "gpt", &o, key ? KEY : NULL, w->answers);
    pt_http_options_free(&o);
    return rc;
}

/* n conversations, of which i says "from + i". */
static void converse(world *w, size_t from, size_t n)
{
    w->n = n;
    for (size_t i = 0; i < n; i++) {
        snprintf(w->texts[i], sizeof w->texts[i], "case %03zu", from + i);
        w->turns[i] = (pt_message){.speaker = PT_USER, .text = w->texts[i], .bytes = strlen(w->texts[i])};
        w->talks[i] = (pt_talk){.turns = &w->turns[i], .n = 1, .how = {.max_new_tokens = 16, .top_p = 1}};
    }
    assert_int_equal(pt_alloc0(&w->said, n), PT_OK);
    pt_status rc = w->v->ask(w->v, w->talks, n, w->said);
    if (rc != PT_OK) fail_msg("%s", pt_err_msg());
    for (size_t i = 0; i < n; i++)
        if (!w->said[i].text == !w->said[i].failure) fail_msg("conversation %zu: neither answer nor failure, or both", from + i);
}

static void close_world(world *w)
{
    pt_log_set_sink(NULL, NULL);
    pt_said_free(w->said, w->n);
    if (w->v) w->v->close(w->v);
    pt_answers_free(w->answers);
    *w = (world){0};
}

static double number(const world *w, const char *group, const char *key)
{
    json_t *all;
    assert_int_equal(w->v->account(w->v, &all), PT_OK);
    double x = json_number_value(json_object_get(group ? json_object_get(all, group) : all, key));
    json_decref(all);
    return x;
}

/* What the account calls it; NULL: an answer. */
static const char *cause_of(const char *fault)
{
    static const struct { const char *fault, *cause; } known[] = {
        {"ok", NULL}, {"no_usage", NULL}, {"bad_usage", NULL}, {"length", NULL}, {"filter", NULL}, {"hostile", NULL}, {"key_answer", NULL}, {"key_escaped", NULL}, {"key_split", NULL}, {"key_twice", NULL},
        {"hang", "timeout"}, {"drip", "timeout"}, {"endless", "too large"}, {"endless_head", "too large"}, {"continue", "too large"}, {"big", "too large"}, {"reset", "cut off"}, {"cut_head", "cut off"},
        {"cut_body", "cut off"}, {"cut_chunk", "cut off"}, {"redirect", "redirect"}, {"redirect_get", "redirect"}, {"key_error", "status 400"}, {"key_body", "status 400"}, {"key_header", "status 500"}};
    static char status[32];
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (!strcmp(known[i].fault, fault)) return known[i].cause;
    snprintf(status, sizeof status, "status %d", atoi(fault));
    return atoi(fault) ? status : "unreadable";
}

static const char *const all_faults[] = {"ok", "400", "401", "403", "404", "408", "409", "422", "429", "500", "502", "503", "529", "429s", "429d", "503s", "429long", "429bad", "hang", "drip", "endless",
                                         "endless_head", "continue", "reset", "cut_head", "cut_body", "cut_chunk", "garbage", "half", "empty", "wrong", "list", "no_text", "nul", "surrogate", "utf8",
                                         "error200", "deep", "big", "redirect", "redirect_get", "no_usage", "bad_usage", "length", "filter", "hostile", "key_error", "key_body", "key_header",
                                         "key_answer", "key_escaped", "key_split", "key_twice"};
enum { FAULTS = sizeof all_faults / sizeof *all_faults };

/* No file of the test's folder holds the key. */
static void no_key_in_files(void)
{
    DIR *d = opendir(scratch_dir);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));) {
        char *text, path[400];
        size_t n;
        if (e->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "%s/%s", scratch_dir, e->d_name);
        assert_int_equal(pt_file_read(&text, &n, path, 1 << 24), PT_OK);
        if (memmem(text, n, KEY, strlen(KEY))) fail_msg("%s holds the key", e->d_name);
        free(text);
    }
    closedir(d);
}

/* The server's ledger and our account are one. */
static void same_ledger(const world *w, const stub *s)
{
    double prompt = 0, answer = 0;
    int tries = stub_count(s, NULL, NULL, NULL), answers = 0;
    for (size_t i = 0; i < FAULTS; i++) {
        const char *cause = cause_of(all_faults[i]);
        int n = stub_count(s, all_faults[i], NULL, NULL), of_cause = 0;
        if (!cause) {
            answers += n;
            stub_count(s, all_faults[i], &prompt, &answer);
            continue;
        }
        char name[32];
        snprintf(name, sizeof name, "%s", cause);
        for (size_t k = 0; k < FAULTS; k++) {
            const char *other = cause_of(all_faults[k]);
            if (other && !strcmp(other, name)) of_cause += stub_count(s, all_faults[k], NULL, NULL);
        }
        if (number(w, "failed_requests", name) != of_cause) fail_msg("%s: the server has %d, we %g", name, of_cause, number(w, "failed_requests", name));
    }
    assert_int_equal((int)number(w, NULL, "requests"), tries);
    assert_int_equal((int)number(w, NULL, "answers"), answers);
}

/* One fault after the other, each met by every try of a conversation of its own; then, below, mixed. */
static void every_fault_ends(void **state)
{
    for (size_t i = 0; i < FAULTS; i++) {
        static world w;
        const char *cause = cause_of(all_faults[i]);
        stub s = stub_start((const char *[]){"--faults", all_faults[i], NULL});
        const bool slow = !strcmp(all_faults[i], "hang") || !strcmp(all_faults[i], "drip");
        assert_int_equal(open_voice(&w, s.port, scratch_path("answers"), true, (const char *[]){"timeout", slow ? "0.1" : "20", "backoff", "0.1", "tries", "3", "wait_scale", "0.001", NULL}), PT_OK);
        converse(&w, 100 * i, 2);
        for (int k = 0; k < 2; k++) {
            if (!w.said[k].text != !!cause) fail_msg("%s: %s", all_faults[i], cause ? w.said[k].text : w.said[k].failure);
            if (!cause) continue;
            char want[64];
            snprintf(want, sizeof want, "gpt: %s", cause_of(all_faults[i]));
            if (strncmp(w.said[k].failure, want, strlen(want))) fail_msg("%s: %s", all_faults[i], w.said[k].failure);
            for (const char *c = w.said[k].failure; *c; c++) assert_true((unsigned char)*c >= 0x20);
            if (strstr(w.said[k].failure, KEY)) fail_msg("%s", w.said[k].failure);
            assert_true(strlen(w.said[k].failure) < 400);
        }
        same_ledger(&w, &s);
        cause = cause_of(all_faults[i]);
        const bool again = cause && (!strcmp(cause, "timeout") || !strcmp(cause, "cut off") || !strcmp(cause, "status 408") || !strcmp(cause, "status 429") || !strncmp(cause, "status 5", 8));
        if ((int)number(&w, NULL, "requests") != (again ? 6 : 2)) fail_msg("%s: %g requests", all_faults[i], number(&w, NULL, "requests"));
        if (strstr(w.logged, KEY)) fail_msg("%s", w.logged);
        stub_stop(&s);
        close_world(&w);
    }
    no_key_in_files();
}

static void mixed_faults_end(void **state)
{
    static world w;
    char list[1024] = "";
    for (size_t i = 0; i < FAULTS; i++) { /* but those that only end by a time-out: on a busy machine others would too */
        const char *f = all_faults[(i * 7) % FAULTS];
        if (strcmp(f, "hang") && strcmp(f, "drip")) snprintf(list + strlen(list), sizeof list - strlen(list), "%s%s", i ? "," : "", f);
    }
    stub s = stub_start((const char *[]){"--faults", list, "--by", "request", NULL});
    assert_int_equal(open_voice(&w, s.port, NULL, true, (const char *[]){"backoff", "0.1", "concurrency", "16", "wait_scale", "0.001", NULL}), PT_OK);
    converse(&w, 0, MOST);
    same_ledger(&w, &s);
    int failures = 0;
    for (size_t i = 0; i < w.n; i++) failures += w.said[i].failure != NULL;
    assert_int_equal((int)number(&w, NULL, "failed"), failures);
    assert_int_equal((int)number(&w, NULL, "answers"), MOST - failures);
    assert_true(failures > 10 && failures < MOST - 10);
    stub_stop(&s);
    close_world(&w);
}

/* Tries that are mended by the next one; waits are the longer the more there were, and as long as the server asks. */
static void tries_mend(void **state)
{
    static world w;
    stub s = stub_start((const char *[]){"--faults", "429,500,reset,503,ok", NULL});
    assert_int_equal(open_voice(&w, s.port, NULL, false, (const char *[]){"backoff", "10", NULL}), PT_OK); /* 0.1 + 0.2 + 0.4 + 0.8 seconds, half of each by chance */
    double from = pt_seconds();
    converse(&w, 0, 3);
    double took = pt_seconds() - from;
    for (int i = 0; i < 3; i++) assert_string_equal(w.said[i].text, w.texts[i]);
    if (took < 0.75 || took > 20) fail_msg("%g seconds", took);
    assert_int_equal((int)number(&w, NULL, "retries"), 12);
    stub_stop(&s);
    close_world(&w);
    s = stub_start((const char *[]){"--faults", "429s,ok", NULL});
    assert_int_equal(open_voice(&w, s.port, NULL, false, (const char *[]){"backoff", "0", "wait_scale", "0.2", NULL}), PT_OK);
    from = pt_seconds();
    converse(&w, 0, 2);
    took = pt_seconds() - from; /* 2 seconds x 0.2 */
    if (took < 0.4 || took > 20 || !w.said[0].text) fail_msg("%g seconds", took);
    stub_stop(&s);
    close_world(&w);
    s = stub_start((const char *[]){"--faults", "429d,ok", NULL});
    assert_int_equal(open_voice(&w, s.port, NULL, false, (const char *[]){"backoff", "0", "wait_scale", "0.2", NULL}), PT_OK);
    from = pt_seconds();
    converse(&w, 0, 1);
    took = pt_seconds() - from; /* a date 2 seconds ahead, a part of a second less */
    if (took < 0.19 || took > 20 || !w.said[0].text) fail_msg("%g seconds", took);
    stub_stop(&s);
    close_world(&w);
}

/* Nothing listens; a queue that is full; ten of them in a row are enough. */
static void nobody_there(void **state)
{
    static world w;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM, 0), full[3];
    assert_int_equal(bind(fd, (struct sockaddr *)&at, size), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &size), 0);
    assert_int_equal(open_voice(&w, ntohs(at.sin_port), NULL, false, (const char *[]){"backoff", "0", "concurrency", "1", NULL}), PT_OK);
    converse(&w, 0, 30);
    assert_non_null(strstr(w.said[0].failure, "gpt: connection after 5 tries: "));
    assert_string_equal(w.said[29].failure, "gpt: given up: the endpoint could not be used ten times in a row");
    assert_int_equal((int)number(&w, NULL, "requests"), 50);
    assert_int_equal((int)number(&w, "failures", "connection"), 10);
    assert_int_equal((int)number(&w, "failures", "given up"), 20);
    close_world(&w);
    assert_int_equal(listen(fd, 0), 0);
    for (int i = 0; i < 3; i++) {
        full[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)!connect(full[i], (struct sockaddr *)&at, size);
    }
    assert_int_equal(open_voice(&w, ntohs(at.sin_port), NULL, false, (const char *[]){"backoff", "0", "connect_timeout", "0.1", "tries", "2", NULL}), PT_OK);
    converse(&w, 0, 1);
    if (!strstr(w.said[0].failure, "gpt: timeout after 2 tries: ")) fail_msg("%s", w.said[0].failure);
    close_world(&w);
    for (int i = 0; i < 3; i++) close(full[i]);
    close(fd);
}

/* A limit that is reached: the rest fails by its name; the answers are kept, a larger one goes on, and pays for what is new. */
static void limits_hold(void **state)
{
    static const struct { const char *key, *small, *large; int requests; } cases[] = {{"max_requests", "7", "20", 7}, {"max_tokens", "100", "100000", 0}, {"max_cost", "0.0001", "1", 0}};
    for (size_t i = 0; i < 3; i++) {
        static world w;
        char file[256];
        snprintf(file, sizeof file, "%s", scratch_path(cases[i].key));
        stub s = stub_start(NULL);
        const char *options[] = {cases[i].key, cases[i].small, "price_prompt", "1", "price_completion", "2", NULL};
        assert_int_equal(open_voice(&w, s.port, file, false, options), PT_OK);
        converse(&w, 0, 20);
        int answers = 0, asked = stub_count(&s, NULL, NULL, NULL);
        for (int k = 0; k < 20; k++) {
            answers += w.said[k].text != NULL;
            if (w.said[k].failure && !strstr(w.said[k].failure, cases[i].key)) fail_msg("%s", w.said[k].failure);
        }
        assert_non_null(w.v->limit);
        assert_non_null(strstr(w.v->limit, cases[i].key));
        assert_int_equal(answers, asked);
        assert_true(answers > 0 && answers < 20 && (!cases[i].requests || answers == cases[i].requests));
        assert_true(i != 1 || number(&w, NULL, "prompt_tokens") + number(&w, NULL, "answer_tokens") <= 100);
        assert_true(i != 2 || number(&w, NULL, "cost") <= 0.0001);
        assert_int_equal((int)number(&w, "failures", "limit"), 20 - answers);
        close_world(&w);
        assert_int_equal(open_voice(&w, s.port, file, false, options), PT_OK); /* the same again: what was paid counts */
        converse(&w, 0, 20);
        assert_int_equal(stub_count(&s, NULL, NULL, NULL), asked);
        assert_int_equal((int)number(&w, NULL, "kept"), answers);
        assert_non_null(w.v->limit);
        close_world(&w);
        options[1] = cases[i].large;
        assert_int_equal(open_voice(&w, s.port, file, false, options), PT_OK);
        converse(&w, 0, 20);
        assert_null(w.v->limit);
        for (int k = 0; k < 20; k++) assert_string_equal(w.said[k].text, w.texts[k]);
        assert_int_equal(stub_count(&s, NULL, NULL, NULL), 20);
        stub_stop(&s);
        close_world(&w);
    }
}

/* What a reply's usage says, and what is taken where it says none. */
static void tokens_are_counted(void **state)
{
    static world w;
    double prompt = 0, answer = 0;
    stub s = stub_start((const char *[]){"--mode", "say", "--say", "twelve bytes", NULL});
    assert_int_equal(open_voice(&w, s.port, NULL, false, (const char *[]){"price_prompt", "1000", "price_completion", "3000", NULL}), PT_OK);
    converse(&w, 0, 5);
    stub_count(&s, NULL, &prompt, &answer);
    assert_true(number(&w, NULL, "prompt_tokens") == prompt && prompt == 10 && number(&w, NULL, "answer_tokens") == answer && answer == 60);
    assert_true(number(&w, NULL, "cost") == (10 * 1000. + 60 * 3000.) / 1e6);
    assert_int_equal((int)number(&w, NULL, "estimated"), 0);
    assert_int_equal(w.said[0].tokens, 12);
    assert_true(w.said[0].stopped);
    stub_stop(&s);
    close_world(&w);
    s = stub_start((const char *[]){"--mode", "say", "--say", "twelve bytes", "--faults", "no_usage", NULL});
    assert_int_equal(open_voice(&w, s.port, NULL, false, NULL), PT_OK);
    converse(&w, 0, 5);
    assert_int_equal((int)number(&w, NULL, "estimated"), 5);
    assert_int_equal((int)number(&w, NULL, "prompt_tokens"), 5 * (3 + 4)); /* 8 bytes and a turn */
    assert_int_equal((int)number(&w, NULL, "answer_tokens"), 5 * 4);
    stub_stop(&s);
    close_world(&w);
    s = stub_start((const char *[]){"--faults", "cut_body,ok", NULL});
    assert_int_equal(open_voice(&w, s.port, NULL, false, NULL), PT_OK);
    converse(&w, 0, 2);
    assert_int_equal((int)number(&w, NULL, "unsure"), 2);
    assert_int_equal((int)number(&w, NULL, "answer_tokens"), 2 * 16 + 2 * 8); /* the longest answer, and those that came */
    stub_stop(&s);
    close_world(&w);
}

/* Several at once, and no more than the config says. */
static void so_many_at_once(void **state)
{
    static world w;
    char line[512];
    int most = 0;
    stub s = stub_start((const char *[]){"--delay", "150", NULL});
    assert_int_equal(open_voice(&w, s.port, NULL, false, (const char *[]){"concurrency", "5", NULL}), PT_OK);
    converse(&w, 0, 20);
    FILE *f = fopen(s.log, "r");
    assert_non_null(f);
    while (fgets(line, sizeof line, f)) most = atoi(strrchr(line, '\t') + 1) > most ? atoi(strrchr(line, '\t') + 1) : most;
    fclose(f);
    if (most > 5 || most < 3) fail_msg("%d at once", most); /* 5; a busy machine may start one late */
    stub_stop(&s);
    close_world(&w);
}

/* Equal conversations are asked once; sampled ones by repeat number; what an earlier run kept is not asked again, by a server that is gone as well. */
static void asked_once(void **state)
{
    static world w;
    char file[256];
    snprintf(file, sizeof file, "%s", scratch_path("once"));
    stub s = stub_start((const char *[]){"--mode", "say", "--say", "answer {n}", NULL});
    /* the draw counts though no seed is sent */
    assert_int_equal(open_voice(&w, s.port, file, false, (const char *[]){"concurrency", "1", "leave_out", "seed", NULL}), PT_OK);
    w.n = 6;
    for (size_t i = 0; i < w.n; i++) {
        w.turns[i] = (pt_message){.speaker = PT_USER, .text = "same", .bytes = 4};
        w.talks[i] = (pt_talk){.turns = &w.turns[i], .n = 1, .how = {.max_new_tokens = 16, .top_p = 1, .temperature = i < 3 ? 0 : 1}, .repeat = (int)(i % 3) / 2};
    }
    assert_int_equal(pt_alloc0(&w.said, w.n), PT_OK);
    assert_int_equal(w.v->ask(w.v, w.talks, w.n, w.said), PT_OK);
    static const char *const want[] = {"answer 1", "answer 1", "answer 1", "answer 2", "answer 2", "answer 3"};
    for (size_t i = 0; i < w.n; i++) {
        assert_string_equal(w.said[i].text, want[i]);
        assert_int_equal(w.said[i].known, i != 0 && i != 3 && i != 5);
    }
    assert_int_equal(stub_count(&s, NULL, NULL, NULL), 3);
    int port = s.port;
    stub_stop(&s);
    pt_said_free(w.said, w.n);
    w.v->close(w.v);
    pt_answers_free(w.answers);
    w.answers = NULL;
    assert_int_equal(open_voice(&w, port, file, false, (const char *[]){"leave_out", "seed", NULL}), PT_OK);
    assert_int_equal(pt_alloc0(&w.said, w.n), PT_OK);
    assert_int_equal(w.v->ask(w.v, w.talks, w.n, w.said), PT_OK);
    for (size_t i = 0; i < w.n; i++) {
        assert_string_equal(w.said[i].text, want[i]);
        assert_true(w.said[i].known);
    }
    assert_int_equal((int)number(&w, NULL, "requests"), 0);
    assert_int_equal((int)number(&w, NULL, "kept_requests"), 3);
    close_world(&w);
}

/* What an answer holds is kept as it is, but for the key. */
static void hostile_text_is_data(void **state)
{
    static world w;
    static const char *const keyed[] = {"key_answer", "key_escaped", "key_split", "key_twice"};
    stub s = stub_start((const char *[]){"--faults", "hostile", NULL});
    assert_int_equal(open_voice(&w, s.port, NULL, true, NULL), PT_OK);
    converse(&w, 0, 1);
    assert_string_equal(w.said[0].text, "red \x1b[31m bell \x07 bidi \xe2\x80\xae[[A]]\xe2\x80\xac c1 \xc2\x9b" "2J cr \r del \x7f end");
    stub_stop(&s);
    close_world(&w);
    for (size_t i = 0; i < 4; i++) {
        s = stub_start((const char *[]){"--faults", keyed[i], NULL});
        assert_int_equal(open_voice(&w, s.port, scratch_path("keyed"), true, NULL), PT_OK);
        converse(&w, i, 1);
        assert_string_equal(w.said[0].text, "your key is [api key], is it not?");
        stub_stop(&s);
        close_world(&w);
    }
    s = stub_start((const char *[]){"--faults", "key_error", NULL});
    assert_int_equal(open_voice(&w, s.port, NULL, true, NULL), PT_OK);
    converse(&w, 0, 1);
    assert_string_equal(w.said[0].failure, "gpt: status 400: bad key [api key] is not valid");
    stub_stop(&s);
    close_world(&w);
    no_key_in_files();
}

static void keys_are_wanted(void **state)
{
    static world w;
    pt_http_options o;
    pt_http_options_start(&o);
    assert_int_equal(pt_http_option(&o, "endpoint", "http://127.0.0.1:1/v1"), PT_OK);
    assert_int_equal(pt_http_option(&o, "model", "m"), PT_OK);
    assert_int_equal(pt_http_option(&o, "api_key_env", "STUB_KEY"), PT_OK);
    assert_int_equal(pt_voice_http(&w.v, "gpt", &o, NULL, NULL), PT_EARG);
    assert_non_null(strstr(pt_err_msg(), "is not set, or is empty"));
    assert_int_equal(pt_voice_http(&w.v, "gpt", &o, "sk-abcdefg\r\nX-A: b", NULL), PT_EARG);
    assert_null(strstr(pt_err_msg(), "sk-"));
    assert_int_equal(pt_http_option(&o, "ca_file", "/nowhere/ca.pem"), PT_OK);
    assert_int_equal(pt_voice_http(&w.v, "gpt", &o, KEY, NULL), PT_EIO);
    assert_null(w.v);
    pt_http_options_free(&o);
    /* One that is not asked for is not sent. */
    stub s = stub_start(NULL);
    assert_int_equal(open_voice(&w, s.port, NULL, false, NULL), PT_OK);
    converse(&w, 0, 1);
    char *log;
    size_t n;
    assert_int_equal(pt_file_read(&log, &n, s.log, 1 << 20), PT_OK);
    assert_non_null(strstr(log, "\tnone\t"));
    free(log);
    stub_stop(&s);
    close_world(&w);
}

/* What one asking has cost, of a voice that was asked before. */
static void an_asking_by_itself(void **state)
{
    static world w;
    json_t *before, *since;
    stub s = stub_start((const char *[]){"--faults", "ok,400", "--by", "request", NULL});
    assert_int_equal(open_voice(&w, s.port, NULL, true, (const char *[]){"concurrency", "1", "price_prompt", "1000000", "price_completion", "1000000", "wait_scale", "0.001", NULL}), PT_OK);
    converse(&w, 0, 6);
    assert_int_equal(pt_voice_account(w.v, &before), PT_OK);
    assert_int_equal(json_integer_value(json_object_get(before, "answers")), 3);
    pt_said_free(w.said, w.n);
    converse(&w, 6, 2);
    assert_int_equal(pt_voice_since(w.v, before, &since), PT_OK);
    assert_int_equal(json_integer_value(json_object_get(since, "requests")), 2);
    assert_int_equal(json_integer_value(json_object_get(since, "answers")), 1);
    assert_int_equal(json_integer_value(json_object_get(since, "failed")), 1);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(since, "failures"), "status 400")), 1);
    double all = number(&w, NULL, "cost"), then = json_number_value(json_object_get(before, "cost")), now = json_number_value(json_object_get(since, "cost"));
    assert_true(now > 0 && then > 0);
    assert_true(now + then - all < 1e-9 && all - now - then < 1e-9);
    json_decref(since);
    json_decref(before);
    assert_int_equal(pt_voice_account(w.v, &before), PT_OK);
    assert_int_equal(pt_voice_since(w.v, before, &since), PT_OK);
    assert_int_equal(json_integer_value(json_object_get(since, "requests")), 0);
    assert_int_equal(json_object_size(json_object_get(since, "failures")), 0);
    assert_string_equal(json_string_value(json_object_get(since, "model")), "stub");
    json_decref(since);
    json_decref(before);
    stub_stop(&s);
    close_world(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_fault_ends), cmocka_unit_test(mixed_faults_end), cmocka_unit_test(tries_mend), cmocka_unit_test(nobody_there),
                                       cmocka_unit_test(limits_hold), cmocka_unit_test(tokens_are_counted), cmocka_unit_test(so_many_at_once), cmocka_unit_test(asked_once), cmocka_unit_test(hostile_text_is_data),
                                       cmocka_unit_test(keys_are_wanted), cmocka_unit_test(an_asking_by_itself)};
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
