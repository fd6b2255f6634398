/* Remote endpoints over TLS, against openssl's own server: a certificate that is right is taken, one that is not never is, and what is sent to it is nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stddef.h>

#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "eval/http/voice_http.h"
#include "tests/stub/stub.h"

#define KEY "sk-Secret-7f3a9b"

/* A CA and what it has signed: right, for another name, too old; one that has signed itself. */
static int make_certificates(void **state)
{
    static const char script[] = "cd %s && exec >openssl.log 2>&1 && k='ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes' && "
                                 "openssl req -x509 -newkey $k -keyout ca.key -out ca.pem -subj /CN=ca -days 30 && "
                                 "leaf() { openssl req -newkey $k -keyout $1.key -out $1.csr -subj /CN=$1 && echo subjectAltName=$2 >$1.ext && "
                                 "openssl x509 -req -in $1.csr -CA ca.pem -CAkey ca.key -CAcreateserial -extfile $1.ext -out $1.pem -days $3; } && "
                                 "leaf right IP:127.0.0.1 5 && leaf name DNS:other.example 5 && leaf old IP:127.0.0.1 -1 && "
                                 "openssl req -x509 -newkey $k -keyout self.key -out self.pem -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1 -days 5 && echo nonsense >bad.pem";
    char command[2048];
    if (scratch_setup(state)) return 1;
    snprintf(command, sizeof command, script, scratch_dir);
    *state = (void *)(intptr_t)(system("command -v openssl >/dev/null") == 0);
    return *state ? system(command) : 0;
}

typedef struct server {
    pid_t pid;
    int port, in; /* what is written to `in` goes to whoever connects */
    char log[256];
} server;

static server serve(const char *certificate)
{
    server s = {0};
    char pem[256], key[256], name[64], line[256];
    int in[2];
    snprintf(name, sizeof name, "%s.said", certificate);
    snprintf(s.log, sizeof s.log, "%s", scratch_path(name));
    snprintf(pem, sizeof pem, "%s/%s.pem", scratch_dir, certificate);
    snprintf(key, sizeof key, "%s/%s.key", scratch_dir, certificate);
    (void)unlink(s.log);
    assert_int_equal(pipe(in), 0);
    s.pid = fork();
    if (s.pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        int out = open(s.log, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        dup2(in[0], 0);
        dup2(out, 1);
        dup2(out, 2);
        close(in[1]);
        execlp("openssl", "openssl", "s_server", "-accept", "127.0.0.1:0", "-cert", pem, "-key", key, (char *)NULL);
        _exit(127);
    }
    close(in[0]);
    s.in = in[1];
    for (int i = 0; i < 1000 && !s.port; i++) {
        FILE *f = fopen(s.log, "r");
        while (f && fgets(line, sizeof line, f))
            if (!strncmp(line, "ACCEPT ", 7) && strchr(line, '\n') && strrchr(line, ':')) s.port = atoi(strrchr(line, ':') + 1);
        if (f) fclose(f);
        if (!s.port) nanosleep(&(struct timespec){0, 5000000}, NULL);
    }
    assert_true(s.port > 0);
    static const char body[] = "{\"choices\":[{\"message\":{\"content\":\"by TLS\"},\"finish_reason\":\"stop\"}]}";
    int n = snprintf(line, sizeof line, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s", sizeof body - 1, body);
    assert_int_equal(write(s.in, line, (size_t)n), n);
    return s;
}

/* One conversation with what listens at this port. */
static void talk(int port, const char *ca, pt_said *said, int *requests)
{
    pt_http_options o;
    pt_voice *v;
    char url[64];
    const pt_message turn = {.speaker = PT_USER, .text = "hello", .bytes = 5};
    const pt_talk one = {.turns = &turn, .n = 1, .how = {.max_new_tokens = 4, .top_p = 1}};
    json_t *account;
    snprintf(url, sizeof url, "https://127.0.0.1:%d/v1", port);
    pt_http_options_start(&o);
    assert_int_equal(pt_http_option(&o, "endpoint", url), PT_OK);
    assert_int_equal(pt_http_option(&o, "model", "m"), PT_OK);
    assert_int_equal(pt_http_option(&o, "api_key_env", "STUB_KEY"), PT_OK);
    assert_int_equal(pt_http_option(&o, "backoff", "0"), PT_OK);
    assert_int_equal(pt_http_option(&o, "timeout", "20"), PT_OK);
    assert_int_equal(pt_http_option(&o, "allow_insecure", "true"), PT_OK); /* changes nothing for https */
    if (ca) assert_int_equal(pt_http_option(&o, "ca_file", scratch_path(ca)), PT_OK);
    assert_int_equal(pt_voice_http(&v, "gpt", &o, KEY, NULL), PT_OK);
    assert_int_equal(v->ask(v, &one, 1, said), PT_OK);
    assert_int_equal(v->account(v, &account), PT_OK);
    *requests = (int)json_integer_value(json_object_get(account, "requests"));
    json_decref(account);
    v->close(v);
    pt_http_options_free(&o);
}

/* Whether the server has the key in what it was sent. It answers without reading first, so its log may come after its answer: wait for the key where it is due. */
static bool heard_key(const server *s, bool due)
{
    bool heard = false;
    for (int i = 0; i < (due ? 2000 : 1) && !heard; i++) {
        char *log;
        size_t n;
        assert_int_equal(pt_file_read(&log, &n, s->log, 1 << 20), PT_OK);
        heard = strstr(log, "Authorization: Bearer " KEY) != NULL;
        free(log);
        if (due && !heard) nanosleep(&(struct timespec){0, 5000000}, NULL);
    }
    return heard;
}

static void certificates(void **state)
{
    static const struct { const char *certificate, *ca, *failure; } cases[] = {
        {"right", "ca.pem", NULL},
        {"right", NULL, "gpt: tls: SSL certificate problem: "},
        {"right", "self.pem", "gpt: tls: SSL certificate problem: "},
        {"right", "bad.pem", "gpt: tls: "},
        {"self", "ca.pem", "gpt: tls: SSL certificate problem: self"},
        {"self", NULL, "gpt: tls: SSL certificate problem: self"},
        {"name", "ca.pem", "gpt: tls: SSL: no alternative certificate subject name matches"},
        {"old", "ca.pem", "gpt: tls: SSL certificate problem: certificate has expired"}};
    if (!*state) skip();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        server s = serve(cases[i].certificate);
        pt_said *said;
        int requests;
        assert_int_equal(pt_alloc0(&said, 1), PT_OK);
        talk(s.port, cases[i].ca, said, &requests);
        bool right = !cases[i].failure;
        if (right) assert_true(heard_key(&s, true));
        kill(s.pid, SIGKILL);
        waitpid(s.pid, NULL, 0);
        close(s.in);
        if (!cases[i].failure ? !said->text || strcmp(said->text, "by TLS") : !said->failure || strncmp(said->failure, cases[i].failure, strlen(cases[i].failure)))
            fail_msg("%s by %s: %s", cases[i].certificate, cases[i].ca ? cases[i].ca : "the system", said->failure ? said->failure : said->text);
        assert_int_equal(requests, 1); /* another try mends no certificate */
        assert_int_equal(heard_key(&s, false), right);
        pt_said_free(said, 1);
    }
}

/* A server that speaks no TLS is no reason to do without. */
static void no_way_back(void **state)
{
    stub s = stub_start(NULL);
    pt_said *said;
    int requests;
    assert_int_equal(pt_alloc0(&said, 1), PT_OK);
    talk(s.port, NULL, said, &requests);
    if (!said->failure || strncmp(said->failure, "gpt: tls after 5 tries: ", 24)) fail_msg("%s", said->failure ? said->failure : said->text);
    assert_int_equal(stub_count(&s, NULL, NULL, NULL), 0);
    stub_stop(&s);
    pt_said_free(said, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(certificates), cmocka_unit_test(no_way_back)};
    return cmocka_run_group_tests(tests, make_certificates, scratch_teardown);
}
