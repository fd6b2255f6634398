/* A chat server of lies: answers POST .../chat/completions on 127.0.0.1 as OpenAI-compatible servers do, and as broken and hostile ones do.
 *
 *     chat_stub --port-file FILE [--port N] [--log FILE] [--bodies FILE] [--life SECONDS] [what it answers] [what goes wrong]
 *
 * The port stands in FILE as soon as it listens. It ends by SIGTERM, or after SECONDS (600).
 *
 * What it answers, by --mode:
 *     echo       the last message again (the default)
 *     say        --say TEXT; {n} in it is the number of the request
 *     constant   the verdict with --score (5)
 *     always_a   the verdict with A
 *     gold       the verdict with the score of the item: --gold FILE has lines "ITEM SCORE"; --minus X: X - score; an item that it has not: no verdict
 *     quote      all that was asked, word by word, then the verdict: of the item where --gold is given, else with --score
 * The verdict is --verdict TEXT ("Score: {score}") with {score} and {marker} filled in. The marker and the item are read from what was asked (all messages, a
 * line end between them): the first group of the last match of --marker REGEX, and of the first of --item REGEX (POSIX, extended; ^ and $ are those of a line).
 * --delay MS before each right answer. Usage: a token for four bytes asked and one for a byte answered, both begun ones counted.
 *
 * What goes wrong: --faults LIST, a comma between. The k-th time that it sees a body, the k-th of the list happens; behind its end, the last. With
 * --by request the list goes by the number of the request instead, round and round. `ok` is a right answer. Others:
 *     400 401 403 404 408 409 422 429 500 502 503 529   that status, a message in its body
 *     429s 429d 503s   with Retry-After, 2 seconds; d as a date 2 seconds ahead.  429long 429bad: Retry-After 86400, and one that is none
 *     hang       nothing comes;  drip: a byte each 50 ms;  endless: a body without end;  endless_head: header lines without end; continue: 100 without end
 *     reset      the connection is reset;  cut_head, cut_body, cut_chunk: it ends in the middle of the head, of a body with a length, of one in chunks
 *     garbage    200 with bytes that are no JSON;  half: JSON that ends in its middle;  empty: no body;  wrong: another shape;  list: content is a list
 *     no_text    content is null;  nul: a text with \u0000;  surrogate: with half a pair;  utf8: bytes that are not UTF-8;  error200: 200 with an error in it
 *     deep       100,000 lists in each other;  big: an answer of 2 MiB;  redirect: 302 to this server;  redirect_get: 303
 *     no_usage, bad_usage   an answer without, or with wrong, numbers of tokens;  length, filter: finish_reason length, content_filter
 *     hostile    an answer with escape sequences, C0 and bidi characters
 *     key_error, key_body, key_header, key_answer, key_escaped, key_split, key_twice   the key that came with the request, in: the error of a 400, a 400's raw body, a
 *                header of a 500, an answer, an answer with each character as \uXXXX, with escape sequences between its characters, escaped twice
 *
 * The ledger (--log): a line for each request before it is answered: NUMBER, fault, tokens of the usage that it will say (prompt, completion; 0 0: none), hash of
 * the body, whether a key came, how many requests are in their --delay with it; tabs between. --bodies: each body, a line each. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <regex.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MAX_REQUEST = 8 << 20, MAX_SEEN = 1 << 16, MAX_GOLD = 1 << 16, MAX_FAULTS = 64 };
static const char *port_file, *mode = "echo", *say = "hello {n}", *score = "5", *verdict = "Score: {score}", *faults[MAX_FAULTS] = {"ok"};
static int port, n_faults = 1, delay_ms;
static bool by_request;
static double minus;
static bool has_minus, has_marker, has_item;
static regex_t marker_re, item_re;
static int log_fd = -1, bodies_fd = -1;
static struct { char item[120]; char score[24]; } *gold;
static int n_gold;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct { uint64_t hash; int times; } seen[MAX_SEEN];
static long requests;
static int waiting; /* requests that wait for --delay */

static void die(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    exit(2);
}

typedef struct text { char *at; size_t n; } text;
static void add(text *t, const char *s, size_t n)
{
    t->at = realloc(t->at, t->n + n + 1);
    if (!t->at) die("out of memory");
    memcpy(t->at + t->n, s, n);
    t->n += n;
    t->at[t->n] = 0;
}
static void adds(text *t, const char *s) { add(t, s, strlen(s)); }

typedef struct request {
    int fd;
    long number;
    char *body;
    size_t n;
    char key[512]; /* of Authorization: Bearer */
    const char *fault;
    text asked, last; /* all messages; the last one */
} request;

static void pause_ms(int ms)
{
    struct timespec t = {ms / 1000, ms % 1000 * 1000000L};
    nanosleep(&t, NULL);
}

static bool put(int fd, const char *s, size_t n)
{
    while (n > 0) {
        ssize_t k = send(fd, s, n, MSG_NOSIGNAL);
        if (k < 0 && errno == EINTR) continue;
        if (k <= 0) return false;
        s += k;
        n -= (size_t)k;
    }
    return true;
}
static bool puts_fd(int fd, const char *s) { return put(fd, s, strlen(s)); }

static void respond(const request *r, int status, const char *more, const char *body, size_t n)
{
    char head[1024];
    snprintf(head, sizeof head, "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\nConnection: close\r\n%s\r\n", status,
             status == 200 ? "OK" : "Trouble", n, more);
    if (puts_fd(r->fd, head)) put(r->fd, body, n);
}

/* ---- right answers ---- */
/* Group 1 of the first match, or of the last one. */
static bool find(const regex_t *re, const char *in, bool last, char *out, size_t size)
{
    regmatch_t m[2];
    bool any = false;
    for (; !regexec(re, in, 2, m, 0) && m[1].rm_so >= 0; in += m[0].rm_eo > 0 ? m[0].rm_eo : 1) {
        snprintf(out, size, "%.*s", (int)(m[1].rm_eo - m[1].rm_so), in + m[1].rm_so);
        any = true;
        if (!last || !*in) break;
    }
    return any;
}

static double number(const char *what, const char *said, double low, double high)
{
    char *end;
    const double x = strtod(said, &end);
    if (end == said || *end || !(x >= low && x <= high)) die("%s: '%s' is no number from %g to %g", what, said, low, high);
    return x;
}

static const char *gold_of(const request *r, char out[32])
{
    char item[120] = "";
    if (!has_item || !find(&item_re, r->asked.at, false, item, sizeof item)) return NULL;
    for (int i = 0; i < n_gold; i++) {
        if (strcmp(gold[i].item, item)) continue;
        if (has_minus) snprintf(out, 32, "%.15g", minus - number("a score of --gold", gold[i].score, -1e9, 1e9));
        else snprintf(out, 32, "%s", gold[i].score);
        return out;
    }
    return NULL;
}

static void fill(text *t, const char *with, const char *value, const char *marker, long number)
{
    for (; *with; with++) {
        char n[24];
        snprintf(n, sizeof n, "%ld", number);
        if (!strncmp(with, "{score}", 7)) adds(t, value), with += 6;
        else if (!strncmp(with, "{marker}", 8)) adds(t, marker), with += 7;
        else if (!strncmp(with, "{n}", 3)) adds(t, n), with += 2;
        else add(t, with, 1);
    }
}

static void answer(const request *r, text *t)
{
    char marker[256] = "", number[32];
    const char *value = score;
    adds(t, "");
    if (has_marker) find(&marker_re, r->asked.at, true, marker, sizeof marker);
    if (!strcmp(mode, "echo")) {
        adds(t, r->last.at);
        return;
    }
    if (!strcmp(mode, "say")) {
        fill(t, say, "", marker, r->number);
        return;
    }
    if (!strcmp(mode, "always_a")) value = "A";
    if (!strcmp(mode, "quote")) {
        adds(t, "This is what I was asked:\n");
        adds(t, r->asked.at);
        adds(t, "\n\nAnd this is my answer.\n");
    }
    if (!strcmp(mode, "gold") || (!strcmp(mode, "quote") && gold)) value = gold_of(r, number);
    if (value) fill(t, verdict, value, marker, r->number);
    else adds(t, "I know no such item.");
}

static size_t tokens_asked(const request *r) { return (r->asked.n + 3) / 4; }

/* {"choices": ...} with this content (a JSON value as text, or NULL: made of the string). */
static char *completion(const request *r, const char *content, const char *json, const char *finish, const char *usage)
{
    char *quoted = NULL, *out = NULL;
    json_t *s = content ? json_string(content) : NULL;
    if (content && !s) s = json_string("not UTF-8");
    if (s) quoted = json_dumps(s, JSON_ENCODE_ANY);
    json_decref(s);
    size_t n = 400 + strlen(quoted ? quoted : json) + strlen(usage);
    out = malloc(n);
    if (!out) die("out of memory");
    snprintf(out, n, "{\"id\": \"stub-%ld\", \"object\": \"chat.completion\", \"choices\": [{\"index\": 0, \"message\": {\"role\": \"assistant\", \"content\": %s}, \"finish_reason\": \"%s\"}]%s}",
             r->number, quoted ? quoted : json, finish, usage);
    free(quoted);
    return out;
}

/* An answer whose content is given as JSON, or as a text. */
static void complete(const request *r, const char *content, const char *json, const char *finish)
{
    char usage[200];
    size_t said = content ? strlen(content) : 3;
    snprintf(usage, sizeof usage, ", \"usage\": {\"prompt_tokens\": %zu, \"completion_tokens\": %zu, \"total_tokens\": %zu}", tokens_asked(r), said, tokens_asked(r) + said);
    if (!strcmp(r->fault, "no_usage")) usage[0] = 0;
    if (!strcmp(r->fault, "bad_usage")) snprintf(usage, sizeof usage, ", \"usage\": {\"prompt_tokens\": -5, \"completion_tokens\": \"many\"}");
    char *body = completion(r, content, json, finish, usage);
    respond(r, 200, "", body, strlen(body));
    free(body);
}

/* ---- wrong ones ---- */
static void fill_key(text *t, const char *key, const char *hex, const char *between)
{
    for (const char *c = key; *c; c++) {
        char x[32];
        adds(t, c == key ? "" : between);
        if (hex) {
            snprintf(x, sizeof x, "%s%04x", hex, (unsigned char)*c);
            adds(t, x);
        } else add(t, c, 1);
    }
}

static void key_fault(const request *r)
{
    text t = {0};
    const char *f = r->fault + 4;
    adds(&t, "");
    if (!strcmp(f, "error")) {
        adds(&t, "{\"error\": {\"message\": \"bad key ");
        adds(&t, r->key);
        adds(&t, " is not valid\", \"type\": \"");
        adds(&t, r->key);
        adds(&t, "\"}}");
        respond(r, 400, "", t.at, t.n);
    } else if (!strcmp(f, "body")) {
        adds(&t, "<html>Authorization: Bearer ");
        adds(&t, r->key);
        adds(&t, "</html>");
        respond(r, 400, "", t.at, t.n);
    } else if (!strcmp(f, "header")) {
        adds(&t, "X-Your-Key: ");
        adds(&t, r->key);
        adds(&t, "\r\nRetry-After: ");
        adds(&t, r->key);
        adds(&t, "\r\n");
        respond(r, 500, t.at, "{}", 2);
    } else {
        adds(&t, "\"your key is ");
        if (!strcmp(f, "answer")) fill_key(&t, r->key, NULL, "");
        else if (!strcmp(f, "escaped")) fill_key(&t, r->key, "\\u", "");
        else if (!strcmp(f, "split")) fill_key(&t, r->key, NULL, "\\u001b[0m");
        else fill_key(&t, r->key, "\\\\u", ""); /* twice */
        adds(&t, ", is it not?\"");
        complete(r, NULL, t.at, "stop");
    }
    free(t.at);
}

static void stream(const request *r, const char *head, const char *piece, int wait_ms)
{
    bool on = puts_fd(r->fd, head);
    for (size_t n = 0; on && n < (size_t)1 << 30; n += strlen(piece)) {
        on = puts_fd(r->fd, piece);
        if (wait_ms) pause_ms(wait_ms);
    }
}

static void status_fault(const request *r, int status)
{
    char more[200] = "", when[64];
    const char *how = r->fault + 3, *body = "{\"error\": {\"message\": \"the stub says no\", \"type\": \"stub\"}}";
    time_t then = time(NULL) + 2;
    struct tm tm;
    gmtime_r(&then, &tm);
    strftime(when, sizeof when, "%a, %d %b %Y %H:%M:%S GMT", &tm);
    if (!strcmp(how, "s")) snprintf(more, sizeof more, "Retry-After: 2\r\n");
    if (!strcmp(how, "d")) snprintf(more, sizeof more, "Retry-After: %s\r\n", when);
    if (!strcmp(how, "long")) snprintf(more, sizeof more, "Retry-After: 86400\r\n");
    if (!strcmp(how, "bad")) snprintf(more, sizeof more, "Retry-After: soon, perhaps\r\n");
    respond(r, status, more, body, strlen(body));
}

static void cut_fault(const request *r)
{
    const char *f = r->fault;
    if (!strcmp(f, "cut_head")) puts_fd(r->fd, "HTTP/1.1 200 OK\r\nContent-Ty");
    else if (!strcmp(f, "cut_body")) puts_fd(r->fd, "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{\"choices\": [{\"mess");
    else puts_fd(r->fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n14\r\n{\"choices\": [{\"messa\r\n");
}

/* 200 with something else than an answer. */
static bool body_fault(const request *r)
{
    static const struct { const char *fault, *body; } bodies[] = {
        {"garbage", "<html>\x01 502 upstream { [ \x80\xff"}, {"half", "{\"choices\": [{\"index\": 0, \"message\": {\"role\": \"assist"}, {"empty", ""},
        {"wrong", "{\"choices\": [{\"text\": \"5\"}], \"usage\": 3}"}, {"list", "{\"choices\": [{\"message\": {\"content\": [{\"type\": \"text\", \"text\": \"5\"}]}}]}"},
        {"no_text", "{\"choices\": [{\"message\": {\"content\": null}, \"finish_reason\": \"tool_calls\"}]}"},
        {"nul", "{\"choices\": [{\"message\": {\"content\": \"a\\u0000b\"}, \"finish_reason\": \"stop\"}]}"},
        {"surrogate", "{\"choices\": [{\"message\": {\"content\": \"a\\ud83d\"}, \"finish_reason\": \"stop\"}]}"},
        {"utf8", "{\"choices\": [{\"message\": {\"content\": \"a\xff\xfe\"}, \"finish_reason\": \"stop\"}]}"},
        {"error200", "{\"error\": {\"message\": \"the model is asleep\", \"code\": 503}}"}, {NULL, NULL}};
    for (int i = 0; bodies[i].fault; i++)
        if (!strcmp(r->fault, bodies[i].fault)) {
            respond(r, 200, "", bodies[i].body, strlen(bodies[i].body));
            return true;
        }
    return false;
}

static void large_fault(const request *r, char fill_with, size_t n)
{
    char *big = malloc(n + 1);
    if (!big) die("out of memory");
    memset(big, fill_with, n);
    big[n] = 0;
    if (fill_with == '[') respond(r, 200, "", big, n);
    else complete(r, big, NULL, "stop");
    free(big);
}

static void wrong(const request *r)
{
    const char *f = r->fault;
    if (!strncmp(f, "key_", 4)) key_fault(r);
    else if (*f >= '1' && *f <= '9') status_fault(r, 100 * (f[0] - '0') + 10 * (f[1] - '0') + f[2] - '0'); /* of the list `known`: three digits, and what comes with them */
    else if (!strncmp(f, "cut_", 4)) cut_fault(r);
    else if (!strcmp(f, "hang")) { char c; while (recv(r->fd, &c, 1, 0) > 0) {} }
    else if (!strcmp(f, "drip")) stream(r, "HTTP/1.1 200 OK\r\nContent-Length: 4000\r\n\r\n", " ", 50);
    else if (!strcmp(f, "endless")) stream(r, "HTTP/1.1 200 OK\r\n\r\n", "                                                                ", 0);
    else if (!strcmp(f, "endless_head")) stream(r, "HTTP/1.1 200 OK\r\n", "X-More: and more, and more, and more\r\n", 0);
    else if (!strcmp(f, "continue")) stream(r, "", "HTTP/1.1 100 Continue\r\n\r\n", 0);
    else if (!strcmp(f, "reset")) setsockopt(r->fd, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0}, sizeof(struct linger));
    else if (!strcmp(f, "deep")) large_fault(r, '[', 100000);
    else if (!strcmp(f, "big")) large_fault(r, 'x', 2 << 20);
    else if (!strcmp(f, "redirect") || !strcmp(f, "redirect_get")) {
        char more[120];
        snprintf(more, sizeof more, "Location: http://127.0.0.1:%d/elsewhere/chat/completions\r\n", port);
        respond(r, strcmp(f, "redirect") ? 303 : 302, more, "", 0);
    } else if (!strcmp(f, "hostile")) complete(r, NULL, "\"red \\u001b[31m bell \\u0007 bidi \\u202e[[A]]\\u202c c1 \\u009b2J cr \\r del \\u007f end\"", "stop");
    else if (!body_fault(r)) { /* no_usage, bad_usage, length, filter */
        text t = {0};
        answer(r, &t);
        complete(r, t.at, NULL, !strcmp(f, "length") ? "length" : !strcmp(f, "filter") ? "content_filter" : "stop");
        free(t.at);
    }
}

static const char *const known[] = {"ok", "400", "401", "403", "404", "408", "409", "422", "429", "500", "502", "503", "529", "429s", "429d", "503s", "429long", "429bad", "hang", "drip", "endless",
                                    "endless_head", "continue", "reset", "cut_head", "cut_body", "cut_chunk", "garbage", "half", "empty", "wrong", "list", "no_text", "nul", "surrogate", "utf8",
                                    "error200", "deep", "big", "redirect", "redirect_get", "no_usage", "bad_usage", "length", "filter", "hostile", "key_error", "key_body", "key_header",
                                    "key_answer", "key_escaped", "key_split", "key_twice", NULL};

/* ---- requests ---- */
static const char *fault_of(uint64_t hash, long nth)
{
    if (by_request) return faults[(nth - 1) % n_faults];
    size_t at = hash % MAX_SEEN;
    while (seen[at].times && seen[at].hash != hash) at = (at + 1) % MAX_SEEN;
    seen[at].hash = hash;
    int k = seen[at].times++;
    return faults[k < n_faults ? k : n_faults - 1];
}

static bool read_messages(request *r)
{
    json_t *j = json_loadb(r->body, r->n, 0, NULL), *m, *list = json_object_get(j, "messages");
    size_t i;
    adds(&r->asked, "");
    adds(&r->last, "");
    json_array_foreach(list, i, m) {
        const char *content = json_string_value(json_object_get(m, "content"));
        if (!content) content = "";
        if (i) adds(&r->asked, "\n");
        adds(&r->asked, content);
        r->last.n = 0;
        adds(&r->last, content);
    }
    bool right = json_array_size(list) > 0 && json_is_string(json_object_get(j, "model"));
    json_decref(j);
    return right;
}

/* The head and the body of the one request of a connection. */
static bool receive(request *r)
{
    char *all = malloc(MAX_REQUEST + 1), *end = NULL;
    size_t n = 0, length = 0;
    if (!all) die("out of memory");
    for (;;) {
        ssize_t k = n < MAX_REQUEST ? recv(r->fd, all + n, MAX_REQUEST - n, 0) : -1;
        if (k <= 0) break;
        n += (size_t)k;
        all[n] = 0;
        if (all[0] < 'A' || all[0] > 'Z') break; /* TLS, or nothing of ours */
        if (!end && (end = strstr(all, "\r\n\r\n"))) {
            for (char *line = all; line < end; line = strstr(line, "\r\n") + 2) {
                if (!strncasecmp(line, "content-length:", 15)) length = strtoul(line + 15, NULL, 10);
                if (!strncasecmp(line, "authorization: bearer ", 22)) snprintf(r->key, sizeof r->key, "%.*s", (int)strcspn(line + 22, "\r"), line + 22);
            }
        }
        if (end && n >= (size_t)(end + 4 - all) + length) break;
    }
    bool whole = end && n >= (size_t)(end + 4 - all) + length && strstr(all, "/chat/completions HTTP/1.1\r\n") && !strncmp(all, "POST ", 5);
    if (whole) {
        r->n = length;
        r->body = malloc(length + 1);
        if (!r->body) die("out of memory");
        memcpy(r->body, end + 4, length);
        r->body[length] = 0;
    }
    free(all);
    return whole;
}

static void ledger(const request *r, uint64_t hash)
{
    char line[256];
    text t = {0};
    answer(r, &t);
    bool usage = !strcmp(r->fault, "ok") || !strcmp(r->fault, "length") || !strcmp(r->fault, "filter");
    int n = snprintf(line, sizeof line, "%ld\t%s\t%zu\t%zu\t%016llx\t%s\t%d\n", r->number, r->fault, usage ? tokens_asked(r) : 0, usage ? t.n : 0, (unsigned long long)hash, r->key[0] ? "key" : "none", waiting);
    free(t.at);
    if (log_fd >= 0 && write(log_fd, line, (size_t)n) != n) die("cannot write the log");
    if (bodies_fd < 0) return;
    char *row = malloc(r->n + 2);
    if (!row) die("out of memory");
    memcpy(row, r->body, r->n);
    row[r->n] = '\n';
    if (write(bodies_fd, row, r->n + 1) != (ssize_t)r->n + 1) die("cannot write the bodies");
    free(row);
}

static void *serve(void *arg)
{
    request r = {.fd = (int)(intptr_t)arg};
    uint64_t hash = 0xcbf29ce484222325ull;
    if (receive(&r)) {
        bool right = read_messages(&r);
        for (size_t i = 0; i < r.n; i++) hash = (hash ^ (unsigned char)r.body[i]) * 0x100000001b3ull;
        pthread_mutex_lock(&lock);
        r.number = ++requests;
        r.fault = right ? fault_of(hash, r.number) : "422";
        waiting++;
        ledger(&r, hash);
        pthread_mutex_unlock(&lock);
        bool ok = !strcmp(r.fault, "ok");
        if (ok && delay_ms) pause_ms(delay_ms);
        pthread_mutex_lock(&lock);
        waiting--; /* whoever has its answer may ask again */
        pthread_mutex_unlock(&lock);
        if (!ok) wrong(&r);
        else {
            text t = {0};
            answer(&r, &t);
            complete(&r, t.at, NULL, "stop");
            free(t.at);
        }
    }
    if (!r.fault || strcmp(r.fault, "reset")) shutdown(r.fd, SHUT_WR);
    close(r.fd);
    free(r.body);
    free(r.asked.at);
    free(r.last.at);
    return NULL;
}

/* ---- the command line ---- */
static void read_gold(const char *path)
{
    FILE *f = fopen(path, "r");
    if (!f) die("cannot read %s", path);
    gold = calloc(MAX_GOLD, sizeof *gold);
    if (!gold) die("out of memory");
    while (n_gold < MAX_GOLD && fscanf(f, "%119s %23s", gold[n_gold].item, gold[n_gold].score) == 2) n_gold++;
    fclose(f);
}

static void read_faults(char *list)
{
    n_faults = 0;
    for (char *f = strtok(list, ","); f; f = strtok(NULL, ",")) {
        int k = 0;
        while (known[k] && strcmp(known[k], f)) k++;
        if (!known[k] || n_faults == MAX_FAULTS) die("no fault is called %s", f);
        faults[n_faults++] = f;
    }
    if (!n_faults) die("--faults: none named");
}

static void read_option(const char *name, char *value)
{
    static const char *const modes[] = {"echo", "say", "constant", "always_a", "gold", "quote", NULL};
    if (!strcmp(name, "--port")) port = (int)number(name, value, 0, 65535);
    else if (!strcmp(name, "--port-file")) port_file = value;
    else if (!strcmp(name, "--log")) log_fd = open(value, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    else if (!strcmp(name, "--bodies")) bodies_fd = open(value, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    else if (!strcmp(name, "--life")) alarm((unsigned)number(name, value, 0, 86400));
    else if (!strcmp(name, "--say")) say = value;
    else if (!strcmp(name, "--score")) score = value;
    else if (!strcmp(name, "--verdict")) verdict = value;
    else if (!strcmp(name, "--delay")) delay_ms = (int)number(name, value, 0, 600000);
    else if (!strcmp(name, "--minus")) minus = number(name, value, -1e9, 1e9), has_minus = true;
    else if (!strcmp(name, "--gold")) read_gold(value);
    else if (!strcmp(name, "--faults")) read_faults(value);
    else if (!strcmp(name, "--by")) by_request = !strcmp(value, "request");
    else if (!strcmp(name, "--marker")) has_marker = !regcomp(&marker_re, value, REG_EXTENDED | REG_NEWLINE);
    else if (!strcmp(name, "--item")) has_item = !regcomp(&item_re, value, REG_EXTENDED | REG_NEWLINE);
    else if (!strcmp(name, "--mode")) {
        int k = 0;
        while (modes[k] && strcmp(modes[k], value)) k++;
        if (!modes[k]) die("no mode is called %s", value);
        mode = modes[k];
    } else die("no option is called %s", name);
}

int main(int argc, char **argv)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    pthread_attr_t attr;
    char tmp[4096];
    alarm(600);
    signal(SIGPIPE, SIG_IGN);
    for (int i = 1; i < argc; i += 2)
        if (i + 1 < argc) read_option(argv[i], argv[i + 1]);
        else die("%s needs a value", argv[i]);
    if (!port_file) die("usage: chat_stub --port-file FILE [...]; see the head of tests/stub/chat_stub.c");
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    at.sin_port = htons((uint16_t)port);
    if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof at) || listen(fd, 128) || getsockname(fd, (struct sockaddr *)&at, &size)) die("cannot listen: %s", strerror(errno));
    port = ntohs(at.sin_port);
    snprintf(tmp, sizeof tmp, "%s.new", port_file);
    FILE *f = fopen(tmp, "w");
    if (!f || fprintf(f, "%d\n", port) < 0 || fclose(f) || rename(tmp, port_file)) die("cannot write %s", port_file);
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attr, 256 << 10);
    for (;;) {
        pthread_t thread;
        int one = accept(fd, NULL, NULL);
        if (one >= 0 && pthread_create(&thread, &attr, serve, (void *)(intptr_t)one)) close(one);
    }
}
