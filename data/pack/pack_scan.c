#include "data/pack/pack_scan.h"

#include <string.h>
#include <zlib.h>

#include "base/mem.h"

/* Bytes that are still to be read. What goes beyond them gives zeros, and `bad`. */
typedef struct cursor {
    const unsigned char *p;
    size_t left;
    bool bad;
} cursor;

static cursor sub(cursor *c, uint64_t n)
{
    if (c->bad || n > c->left) {
        c->bad = true;
        return (cursor){.bad = true};
    }
    cursor part = {c->p, (size_t)n, false};
    c->p += n;
    c->left -= (size_t)n;
    return part;
}

static uint64_t number(cursor *c, unsigned width)
{
    cursor part = sub(c, width);
    uint64_t v = 0;
    while (!part.bad && width--) v = v << 8 | part.p[width];
    return v;
}

/* From an address on to the end of the file. */
static cursor from(const pt_pack_scan *s, uint64_t at)
{
    cursor c = {s->bytes + PT_PACK_BLOCK, s->n - PT_PACK_BLOCK, false};
    (void)sub(&c, at);
    return c;
}

static bool sign(cursor *c, const char *four)
{
    cursor part = sub(c, 4);
    return !part.bad && !memcmp(part.p, four, 4);
}

/* ---- object headers ------------------------------------------------------------------------------------------------------- */

enum { SPACE = 1, LINK_INFO = 2, TYPE = 3, LINK = 6, LAYOUT = 8, FILTERS = 11, ATTRIBUTE = 12, GOES_ON = 16, PIECES = 64, MESSAGES = 4096 };

typedef pt_status (*take_message)(pt_pack_scan *s, void *user, unsigned type, cursor data);

/* The first piece of an object's header; *head: bytes in front of each message. */
static cursor header(const pt_pack_scan *s, uint64_t at, unsigned *head)
{
    cursor c = from(s, at);
    bool good = sign(&c, "OHDR") && number(&c, 1) == 2;
    unsigned flags = (unsigned)number(&c, 1);
    (void)sub(&c, (flags & 32 ? 16u : 0u) + (flags & 16 ? 4u : 0u));
    uint64_t size = number(&c, 1u << (flags & 3));
    *head = flags & 4 ? 6 : 4;
    return good ? sub(&c, size) : (cursor){.bad = true};
}

static pt_status messages(pt_pack_scan *s, uint64_t at, take_message take, void *user)
{
    unsigned head;
    cursor piece[PIECES] = {header(s, at, &head)};
    size_t n = 1, seen = 0;
    if (piece[0].bad) return pt_fail(PT_EFORMAT, "a header of it is damaged");
    for (size_t i = 0; i < n; i++) {
        while (piece[i].left >= head) {
            cursor *c = &piece[i];
            unsigned type = (unsigned)number(c, 1), size = (unsigned)number(c, 2), flags = (unsigned)number(c, 1);
            (void)sub(c, head - 4);
            cursor data = sub(c, size);
            if (data.bad || (type && flags & 2) || ++seen > MESSAGES) return pt_fail(PT_EFORMAT, "a header of it is damaged");
            if (type != GOES_ON) {
                PT_RETURN(take(s, user, type, data));
                continue;
            }
            cursor next = from(s, number(&data, 8));
            uint64_t bytes = number(&data, 8);
            if (data.bad || !sign(&next, "OCHK") || bytes < 8 || n == PIECES) return pt_fail(PT_EFORMAT, "a header of it is damaged");
            piece[n] = sub(&next, bytes - 8);
            if (piece[n++].bad) return pt_fail(PT_EFORMAT, "a header of it is damaged");
        }
    }
    return PT_OK;
}

/* ---- lists --------------------------------------------------------------------------------------------------------------- */

typedef struct lister {
    pt_pack_list *l;
    bool space, typed, known, stored, inside; /* a dataspace; a type; one of ours; a layout; of ours */
    bool other_filter;
} lister;

/* Types as HDF5 writes them, behind the version in the first byte's upper half. */
static const struct {
    unsigned char n, bytes[20];
} types[] = {[PT_H5_U8] = {12, {0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 8, 0}},
             [PT_H5_I32] = {12, {0, 8, 0, 0, 4, 0, 0, 0, 0, 0, 32, 0}},
             [PT_H5_I64] = {12, {0, 8, 0, 0, 8, 0, 0, 0, 0, 0, 64, 0}},
             [PT_H5_U64] = {12, {0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 64, 0}},
             [PT_H5_F32] = {20, {1, 32, 31, 0, 4, 0, 0, 0, 0, 0, 32, 0, 23, 8, 0, 23, 127, 0, 0, 0}}};

static bool is_type(cursor c, pt_h5_type t)
{
    return !c.bad && c.left >= types[t].n && c.p[0] >> 4 >= 1 && c.p[0] >> 4 <= 3 && (c.p[0] & 15) == types[t].bytes[0] &&
           !memcmp(c.p + 1, types[t].bytes + 1, types[t].n - 1u);
}

static void take_filters(lister *k, cursor c)
{
    bool good = number(&c, 1) == 2;
    unsigned n = (unsigned)number(&c, 1), last = 0;
    for (unsigned i = 0; good && i < n; i++) {
        static const unsigned order[] = {[2] = 1, [1] = 2, [3] = 3}; /* shuffle, deflate, fletcher32 */
        unsigned id = (unsigned)number(&c, 2);
        (void)number(&c, 2);
        (void)sub(&c, 4 * number(&c, 2));
        good = !c.bad && id >= 1 && id <= 3 && order[id] > last;
        if (!good) break;
        last = order[id];
        k->l->shuffle |= id == 2;
        k->l->deflate |= id == 1;
        k->l->sum |= id == 3;
    }
    k->other_filter |= !good;
}

static bool take_layout(pt_pack_list *l, cursor c, uint64_t *element)
{
    if (number(&c, 1) != 4 || number(&c, 1) != 2) return false;
    unsigned flags = (unsigned)number(&c, 1), dims = (unsigned)number(&c, 1), width = (unsigned)number(&c, 1);
    if (flags & ~2u || dims != 2 || !width || width > 8) return false;
    l->chunk = (size_t)number(&c, width);
    *element = number(&c, width);
    unsigned index = (unsigned)number(&c, 1);
    l->array = index == 3;
    if (index != 1 && index != 3) return false;
    if (l->array) l->page_bits = (unsigned)number(&c, 1);
    if (!l->array && flags & 2) l->size = number(&c, 8), l->mask = number(&c, 4);
    l->at = number(&c, 8);
    return !c.bad;
}

static pt_status take_list(pt_pack_scan *s, void *user, unsigned type, cursor c)
{
    lister *k = user;
    pt_pack_list *l = k->l;
    uint64_t element = 0;
    (void)s;
    switch (type) {
    case SPACE:
        k->space = true;
        if (number(&c, 1) != 2 || number(&c, 1) != 1 || (number(&c, 1), number(&c, 1)) != 1)
            return pt_fail(PT_EFORMAT, "data set '%s' is not a list", l->name);
        l->n = (size_t)number(&c, 8);
        if (c.bad) return pt_fail(PT_EFORMAT, "data set '%s' is damaged", l->name);
        break;
    case TYPE:
        k->typed = true;
        for (pt_h5_type t = PT_H5_U8; t <= PT_H5_F32 && !k->known; t++)
            if ((k->known = is_type(c, t))) l->type = t;
        break;
    case LAYOUT:
        k->stored = take_layout(l, c, &element);
        k->inside = k->known && element == pt_h5_size(l->type); /* the type comes first */
        break;
    case FILTERS: take_filters(k, c); break;
    default: break;
    }
    return PT_OK;
}

/* Finds the entries of a list's chunks. */
static bool open_array(const pt_pack_scan *s, pt_pack_list *l)
{
    bool filtered = l->shuffle || l->deflate || l->sum;
    size_t chunks = l->n / l->chunk + (l->n % l->chunk != 0);
    cursor c = from(s, l->at);
    if (!sign(&c, "FAHD") || number(&c, 1) != 0 || number(&c, 1) != filtered) return false;
    l->entry = (unsigned)number(&c, 1);
    l->page_bits = (unsigned)number(&c, 1);
    if (number(&c, 8) != chunks || l->page_bits > 20 || (filtered ? l->entry < 13 || l->entry > 20 : l->entry != 8)) return false;
    l->at = number(&c, 8);
    cursor block = from(s, l->at);
    l->head = 14;
    if (chunks > (size_t)1 << l->page_bits) { /* a bit for each page that is there, and a checksum */
        size_t pages = ((chunks - 1) >> l->page_bits) + 1;
        l->head += (pages + 7) / 8 + 4;
    }
    return !c.bad && sign(&block, "FADB");
}

static pt_status add_list(pt_pack_scan *s, const char *name, uint64_t at)
{
    pt_pack_list *l = &s->list[s->n_lists++];
    lister k = {.l = l};
    *l = (pt_pack_list){0};
    memcpy(l->name, name, sizeof l->name);
    PT_RETURN(messages(s, at, take_list, &k));
    if (!k.space || !k.typed) return pt_fail(PT_EFORMAT, "no data set '%s'", name);
    if (!k.known) return pt_fail(PT_EFORMAT, "data set '%s' has another type", name);
    size_t most = l->deflate ? 1100 : 1; /* to 1; deflate packs at most 1032 */
    bool good = k.stored && k.inside && !k.other_filter && l->chunk && l->chunk <= (l->n ? l->n : 1) && l->n <= SIZE_MAX / 64 &&
                l->n * pt_h5_size(l->type) / most <= s->n;
    if (good && l->n) good = l->array ? open_array(s, l) : l->chunk == l->n;
    if (good) return PT_OK;
    return pt_fail(PT_EFORMAT, "data set '%s' is not stored as ptrain stores it, or claims %zu elements that are not there", name, l->n);
}

/* ---- the root ------------------------------------------------------------------------------------------------------------- */

static bool take_name(char out[PT_PACK_NAME], cursor name)
{
    memset(out, 0, PT_PACK_NAME);
    if (name.bad || !name.left || name.left >= PT_PACK_NAME || memchr(name.p, 0, name.left)) return false;
    memcpy(out, name.p, name.left);
    return true;
}

static pt_status take_link(pt_pack_scan *s, cursor c)
{
    char name[PT_PACK_NAME];
    unsigned version = (unsigned)number(&c, 1), flags = (unsigned)number(&c, 1), type = flags & 8 ? (unsigned)number(&c, 1) : 0;
    (void)sub(&c, (flags & 4 ? 8u : 0u) + (flags & 16 ? 1u : 0u));
    cursor told = sub(&c, number(&c, 1u << (flags & 3)));
    if (version != 1 || !take_name(name, told) || pt_pack_find(s, name)) return pt_fail(PT_EFORMAT, "it has a member that no pack has");
    if (type) return pt_fail(PT_EFORMAT, "'%s' is a link out of its place", name);
    if (s->n_lists == PT_PACK_SETS) return pt_fail(PT_EFORMAT, "it has more members than a pack has");
    uint64_t at = number(&c, 8);
    if (c.bad) return pt_fail(PT_EFORMAT, "it has a member that no pack has");
    return add_list(s, name, at);
}

static pt_status take_attribute(pt_pack_scan *s, cursor c)
{
    unsigned version = (unsigned)number(&c, 1);
    (void)number(&c, 1);
    unsigned name = (unsigned)number(&c, 2), type = (unsigned)number(&c, 2), space = (unsigned)number(&c, 2);
    (void)number(&c, 1);
    cursor told = sub(&c, name);
    cursor have = sub(&c, type), extent = sub(&c, space);
    if (told.left) told.left--; /* its zero */
    static const unsigned char scalar[4] = {2, 0, 0, 0};
    if (version != 3 || c.bad || s->n_attrs == PT_PACK_SETS || !is_type(have, PT_H5_U64) || extent.left != 4 || memcmp(extent.p, scalar, 4) ||
        !take_name(s->attr[s->n_attrs].name, told))
        return pt_fail(PT_EFORMAT, "it has an attribute that no pack has");
    s->attr[s->n_attrs++].value = number(&c, 8);
    return c.bad ? pt_fail(PT_EFORMAT, "an attribute of it is damaged") : PT_OK;
}

static pt_status take_root(pt_pack_scan *s, void *user, unsigned type, cursor c)
{
    (void)user;
    if (type == LINK) return take_link(s, c);
    if (type == ATTRIBUTE) return take_attribute(s, c);
    if (type != LINK_INFO) return PT_OK;
    bool good = number(&c, 1) == 0;
    if (number(&c, 1) & 1) (void)number(&c, 8);
    uint64_t heap = number(&c, 8);
    if (!good || c.bad) return pt_fail(PT_EFORMAT, "a header of it is damaged");
    return heap == UINT64_MAX ? PT_OK : pt_fail(PT_EFORMAT, "its links stand in a heap: an older version of ptrain made it, or another program");
}

pt_status pt_pack_scan_file(pt_pack_scan *s, const unsigned char *bytes, size_t n)
{
    *s = (pt_pack_scan){.bytes = bytes, .n = n};
    cursor c = from(s, 0);
    static const unsigned char signature[8] = {0x89, 'H', 'D', 'F', '\r', '\n', 0x1a, '\n'};
    cursor eight = sub(&c, 8);
    bool good = !eight.bad && !memcmp(eight.p, signature, 8);
    uint64_t version = number(&c, 1), widths = number(&c, 2);
    (void)number(&c, 1);
    uint64_t base = number(&c, 8);
    (void)number(&c, 8);
    uint64_t end = number(&c, 8), at = number(&c, 8);
    if (!good || c.bad || (version != 2 && version != 3) || widths != 0x0808 || base != PT_PACK_BLOCK || end != n)
        return pt_fail(PT_EFORMAT, "it cannot be read as HDF5");
    return messages(s, at, take_root, NULL);
}

const pt_pack_list *pt_pack_find(const pt_pack_scan *s, const char *name)
{
    for (size_t i = 0; i < s->n_lists; i++)
        if (!strcmp(s->list[i].name, name)) return &s->list[i];
    return NULL;
}

/* ---- elements ------------------------------------------------------------------------------------------------------------- */

/* The packed bytes of chunk i. */
static cursor chunk_of(const pt_pack_scan *s, const pt_pack_list *l, size_t i, size_t want, uint64_t *mask)
{
    uint64_t at = l->at, size = l->size;
    bool filtered = l->shuffle || l->deflate || l->sum;
    *mask = l->mask;
    if (l->array) {
        uint64_t paged = l->head > 14 ? 4 * (uint64_t)(i >> l->page_bits) : 0; /* a checksum behind each page */
        cursor c = from(s, l->at);
        (void)sub(&c, l->head + (uint64_t)i * l->entry + paged);
        at = number(&c, 8);
        size = filtered ? number(&c, l->entry - 12) : 0;
        *mask = filtered ? number(&c, 4) : 0;
        if (c.bad) return c;
    }
    cursor c = from(s, at);
    return sub(&c, filtered ? size : want);
}

/* Undoes the filters of one chunk: its first n elements. work has room for a chunk. A bit of the mask leaves a filter out, the first the
 * lowest: HDF5 does so where a filter has no memory. */
static pt_status unpack(const pt_pack_list *l, cursor c, uint64_t mask, unsigned char *work, unsigned char *out, size_t n)
{
    size_t w = pt_h5_size(l->type), want = l->chunk * w;
    unsigned i = 0;
    bool shuffle = l->shuffle && !(mask >> i++ & 1), deflate = l->deflate && !(mask >> i++ & 1), sum = l->sum && !(mask >> i++ & 1);
    const unsigned char *in = c.p;
    bool good = !c.bad && !(mask >> i);
    if (good && sum) good = c.left >= 4, c.left -= good ? 4 : 0;
    if (good && deflate) {
        uLongf got = (uLongf)want;
        int rc = uncompress(work, &got, c.p, (uLong)c.left);
        if (rc == Z_MEM_ERROR) return pt_fail(PT_ENOMEM, "out of memory");
        good = rc == Z_OK && got == want;
        in = work;
    } else {
        good = good && c.left == want;
    }
    if (!good) return pt_fail(PT_EFORMAT, "data set '%s' is damaged", l->name);
    if (!shuffle || w == 1) {
        memcpy(out, in, n * w);
        return PT_OK;
    }
    for (size_t j = 0; j < w; j++)
        for (size_t k = 0; k < n; k++) out[k * w + j] = in[j * l->chunk + k];
    return PT_OK;
}

pt_status pt_pack_read_list(const pt_pack_scan *s, const pt_pack_list *l, void *out)
{
    pt_status rc = PT_OK;
    size_t w = pt_h5_size(l->type);
    unsigned char *work = NULL;
    PT_TRY(pt_calloc(&work, l->chunk, w));
    for (size_t i = 0, done = 0; done < l->n; i++) {
        size_t n = l->n - done < l->chunk ? l->n - done : l->chunk;
        uint64_t mask;
        cursor c = chunk_of(s, l, i, l->chunk * w, &mask);
        PT_TRY(unpack(l, c, mask, work, (unsigned char *)out + done * w, n));
        done += n;
    }
done:
    free(work);
    return rc;
}
