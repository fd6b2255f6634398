/* Who knows the token: questions and proofs of a meeting. */
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/random.h>

#include "base/file.h"
#include "train/dist/store_impl.h"

static pt_status make_nonce(unsigned char out[32])
{
    return getrandom(out, 32, 0) == 32 ? PT_OK : pt_fail(PT_EIO, "no random numbers: %s", strerror(errno));
}

pt_status pt_ask_make(pt_ask *a)
{
    *a = (pt_ask){.magic = PT_HELLO_MAGIC, .version = PT_HELLO_VERSION};
    return make_nonce(a->nonce);
}

/* Equal, in a time that does not tell where they differ. */
static bool same(const unsigned char a[32], const unsigned char b[32])
{
    unsigned char d = 0;
    for (int i = 0; i < 32; i++) d |= a[i] ^ b[i];
    return d == 0;
}

static void prove_hello(const pt_hello *h, const pt_ask *a, const char *token, unsigned char out[32])
{
    pt_hmac m;
    pt_hmac_start(&m, token, strlen(token));
    pt_hmac_add(&m, "ptrain hello", sizeof "ptrain hello");
    pt_hmac_add(&m, a, sizeof *a);
    pt_hmac_add(&m, h, offsetof(pt_hello, proof));
    pt_hmac_end(&m, out);
}

void pt_hello_sign(pt_hello *h, const pt_ask *a, const char *token)
{
    prove_hello(h, a, token, h->proof);
}

bool pt_hello_proves(const pt_hello *h, const pt_ask *a, const char *token)
{
    unsigned char want[32];
    prove_hello(h, a, token, want);
    return token[0] && same(want, h->proof);
}

static void prove_welcome(const pt_welcome *w, const pt_ask *a, const pt_hello *h, const char *token, unsigned char out[32])
{
    pt_hmac m;
    pt_hmac_start(&m, token, strlen(token));
    pt_hmac_add(&m, "ptrain welcome", sizeof "ptrain welcome");
    pt_hmac_add(&m, a, sizeof *a);
    pt_hmac_add(&m, h->nonce, sizeof h->nonce);
    pt_hmac_add(&m, w, offsetof(pt_welcome, proof));
    pt_hmac_end(&m, out);
}

void pt_welcome_sign(pt_welcome *w, const pt_ask *a, const pt_hello *h, const char *token)
{
    prove_welcome(w, a, h, token, w->proof);
}

bool pt_welcome_proves(const pt_welcome *w, const pt_ask *a, const pt_hello *h, const char *token)
{
    unsigned char want[32];
    prove_welcome(w, a, h, token, want);
    return token[0] && same(want, w->proof);
}
