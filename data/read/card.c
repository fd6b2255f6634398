#include "data/read/card.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/file.h"
#include "data/read/png_text.h"
#include "data/read/record.h"
#include "data/read/zip_file.h"

/* ---- the object --------------------------------------------------------------------------------------------------- */

bool pt_card_is(const json_t *j)
{
    static const char *const says[] = {"description", "personality", "scenario", "first_mes", "mes_example"};
    if (!json_is_object(j)) return false;
    if (json_is_string(json_object_get(j, "spec"))) return true;
    for (size_t i = 0; i < sizeof says / sizeof *says; i++)
        if (json_object_get(j, says[i]) && json_object_get(j, "name")) return true;
    return false;
}

/* A text that may be left out. */
static pt_status field(const json_t *data, const char *key, const char **out)
{
    const json_t *v = json_object_get(data, key);
    *out = "";
    if (!v || json_is_null(v)) return PT_OK;
    if (!json_is_string(v)) return pt_fail(PT_EFORMAT, "the card's '%s' is %s, a string is wanted", key, pt_row_kind(v));
    if (strlen(json_string_value(v)) != json_string_length(v)) return pt_fail(PT_EFORMAT, "the card's '%s' holds a NUL character", key);
    *out = json_string_value(v);
    return PT_OK;
}

static pt_status list_of_texts(const json_t *data, const char *key, const json_t **out)
{
    const json_t *v = json_object_get(data, key), *x;
    size_t i;
    *out = NULL;
    if (!v || json_is_null(v)) return PT_OK;
    if (!json_is_array(v)) return pt_fail(PT_EFORMAT, "the card's '%s' is %s, a list is wanted", key, pt_row_kind(v));
    json_array_foreach(v, i, x)
        if (!json_is_string(x)) return pt_fail(PT_EFORMAT, "element %zu of the card's '%s' is %s, a string is wanted", i + 1, key, pt_row_kind(x));
    *out = v;
    return PT_OK;
}

/* Which version it is, and where its fields are. */
static pt_status version_of(json_t *j, pt_card *c)
{
    const char *spec, *version;
    char *end;
    PT_RETURN(field(j, "spec", &spec));
    PT_RETURN(field(j, "spec_version", &version));
    c->version = !*spec ? 1 : !strcmp(spec, "chara_card_v2") ? 2 : !strcmp(spec, "chara_card_v3") ? 3 : 0;
    c->data = j;
    if (!c->version)
        return pt_fail(PT_EFORMAT, "a card of spec '%.40s'%s%.20s: chara_card_v2, chara_card_v3 and cards without a spec (V1) are known", spec, *version ? " " : "", version);
    if (c->version == 1) {
        if (*version) return pt_fail(PT_EFORMAT, "a card of spec_version '%.20s' without a spec: chara_card_v2, chara_card_v3 and cards without both (V1) are known", version);
        return PT_OK;
    }
    double is = strtod(version, &end);
    if (*version && (*end || !isfinite(is))) return pt_fail(PT_EFORMAT, "the card's spec_version '%.20s' is no number", version);
    c->newer = *version && is > c->version;
    c->data = json_object_get(j, "data");
    if (!json_is_object(c->data) || pt_json_odd(c->data)) return pt_fail(PT_EFORMAT, "a card of %s keeps its fields in an object 'data'; here it is %s", spec, pt_row_kind(c->data));
    return PT_OK;
}

pt_status pt_card_read(json_t *j, pt_card *c)
{
    const char *nickname;
    *c = (pt_card){0};
    if (!json_is_object(j) || pt_json_odd(j)) return pt_fail(PT_EFORMAT, "a character card is an object, not %s", pt_row_kind(j));
    PT_RETURN(version_of(j, c));
    if (c->version == 1 && !pt_card_is(j)) return pt_row_missing(NULL, j, json_object_get(j, "name") ? "description" : "name");
    struct {
        const char *key, **out;
    } texts[] = {{"name", &c->full_name}, {"nickname", &nickname}, {"description", &c->description}, {"personality", &c->personality}, {"scenario", &c->scenario},
                 {"first_mes", &c->first_mes}, {"mes_example", &c->mes_example}, {"system_prompt", &c->system_prompt}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) PT_RETURN(field(c->data, texts[i].key, texts[i].out));
    if (pt_text_blank(c->full_name, strlen(c->full_name))) return pt_fail(PT_EFORMAT, "the card's character has no name");
    c->name = c->version == 3 && !pt_text_blank(nickname, strlen(nickname)) ? nickname : c->full_name;
    PT_RETURN(list_of_texts(c->data, "alternate_greetings", &c->greetings));
    c->book = json_object_get(c->data, "character_book");
    if (json_is_null(c->book)) c->book = NULL;
    if (c->book && !json_is_object(c->book)) return pt_fail(PT_EFORMAT, "the card's 'character_book' is %s, an object is wanted", pt_row_kind(c->book));
    return PT_OK;
}

/* ---- its book ------------------------------------------------------------------------------------------------------ */

typedef struct lore {
    const char *text;
    double order;
    size_t at;
    bool after;
} lore;

/* The text behind the lines of decorators (@@name value), which ask for what only a running chat knows; *off: one says that the entry is never in the prompt. */
static const char *without_decorators(const char *text, bool *off)
{
    bool on = false;
    *off = false;
    while (!strncmp(text, "@@", 2)) {
        const char *end = strchr(text, '\n');
        size_t n = end ? (size_t)(end - text) : strlen(text);
        while (n && text[n - 1] == '\r') n--;
        *off |= n == 15 && !strncmp(text, "@@dont_activate", n);
        on |= n == 10 && !strncmp(text, "@@activate", n);
        text = end ? end + 1 : text + strlen(text);
        while (*text == '\n' || *text == '\r') text++;
    }
    *off &= !on;
    return text;
}

static pt_status take_entry(const json_t *e, size_t at, lore *list, size_t *n, size_t *waiting)
{
    const char *text, *position;
    bool off;
    if (!json_is_object(e) || pt_json_odd(e)) return pt_fail(PT_EFORMAT, "entry %zu of the card's 'character_book' is %s, an object is wanted", at + 1, pt_row_kind(e));
    pt_status rc = field(e, "content", &text);
    if (rc == PT_OK) rc = field(e, "position", &position);
    if (rc != PT_OK) return pt_fail_prefix(rc, "entry %zu of 'character_book'", at + 1);
    const json_t *enabled = json_object_get(e, "enabled"), *order = json_object_get(e, "insertion_order");
    text = without_decorators(text, &off);
    if (json_is_false(enabled) || off || pt_text_blank(text, strlen(text))) return PT_OK;
    if (!json_is_true(json_object_get(e, "constant"))) {
        ++*waiting;
        return PT_OK;
    }
    list[(*n)++] = (lore){.text = text, .order = json_is_number(order) ? json_number_value(order) : 0, .at = at, .after = strcmp(position, "before_char") != 0};
    return PT_OK;
}

/* A line of its own behind what is there. */
static pt_status put_line(pt_str *s, const char *before, const char *text)
{
    size_t n = strlen(text);
    pt_text_strip(&text, &n);
    if (!n) return PT_OK;
    if (s->len) PT_RETURN(pt_str_puts(s, "\n"));
    PT_RETURN(pt_str_puts(s, before));
    return pt_str_add(s, text, n);
}

/* The lower insertion_order first, of equal ones as they stand. */
static int by_order(const void *a, const void *b)
{
    const lore *x = a, *y = b;
    return x->order != y->order ? (x->order < y->order ? -1 : 1) : (x->at > y->at) - (x->at < y->at);
}

static pt_status put_lore(pt_str *s, const lore *list, size_t n, bool after)
{
    for (size_t i = 0; i < n; i++)
        if (list[i].after == after) PT_RETURN(put_line(s, "", list[i].text));
    return PT_OK;
}

pt_status pt_card_profile(const pt_card *c, bool with_lore, char **out, size_t *waiting)
{
    pt_status rc = PT_OK;
    pt_str s = {0};
    const json_t *entries = c->book ? json_object_get(c->book, "entries") : NULL, *e;
    lore *list = NULL;
    size_t i, n = 0, wait = 0;
    *out = NULL;
    PT_CHECK(!entries || json_is_array(entries), PT_EFORMAT, "'entries' of the card's 'character_book' is %s, a list is wanted", pt_row_kind(entries));
    PT_TRY(pt_alloc0(&list, json_array_size(entries) + 1));
    json_array_foreach(entries, i, e) PT_TRY(take_entry(e, i, list, &n, &wait));
    if (!with_lore) n = 0;
    qsort(list, n, sizeof *list, by_order);
    PT_TRY(pt_str_puts(&s, ""));
    PT_TRY(put_line(&s, "", c->system_prompt));
    PT_TRY(put_lore(&s, list, n, false));
    PT_TRY(put_line(&s, "", c->description));
    PT_TRY(put_line(&s, "{{char}}'s personality: ", c->personality));
    PT_TRY(put_line(&s, "Scenario: ", c->scenario));
    PT_TRY(put_lore(&s, list, n, true));
    if (waiting) *waiting = wait;
    *out = s.text;
    s = (pt_str){0};
done:
    free(list);
    pt_str_free(&s);
    return rc;
}

/* ---- files --------------------------------------------------------------------------------------------------------- */

/* A digit's value, -1 for what is none. */
static int digit(unsigned char c)
{
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* In place (RFC 4648; line breaks and spaces are passed over). */
static pt_status base64(char *text, size_t *bytes)
{
    size_t n = 0, digits = 0, pads = 0;
    uint32_t bits = 0;
    for (size_t i = 0; i < *bytes; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '\n' || c == '\r' || c == ' ') continue;
        int v = digit(c);
        if (c == '=' && ++pads <= 2) continue;
        if (v < 0 || pads) return pt_fail(PT_EFORMAT, "is no base64: byte %zu is 0x%02x", i, c);
        bits = bits << 6 | (uint32_t)v;
        if (++digits % 4 == 0)
            for (int k = 16; k >= 0; k -= 8) text[n++] = (char)(bits >> k & 255);
    }
    if (digits % 4 == 1 || (pads && (digits + pads) % 4)) return pt_fail(PT_EFORMAT, "is no whole base64: it ends after %zu digits", digits);
    if (digits % 4 == 2) text[n++] = (char)(bits >> 4 & 255);
    if (digits % 4 == 3) text[n++] = (char)(bits >> 10 & 255), text[n++] = (char)(bits >> 2 & 255);
    text[n] = 0;
    *bytes = n;
    return PT_OK;
}

bool pt_card_packed(const void *bytes, size_t n)
{
    return pt_png_is(bytes, n) || pt_zip_is(bytes, n);
}

pt_status pt_card_unpack(const char *path, const void *bytes, size_t n, json_t **out)
{
    static const char *const keys[] = {"ccv3", "chara", NULL};
    pt_status rc = PT_OK;
    char *text = NULL, name[300];
    size_t len;
    int which;
    *out = NULL;
    if (pt_zip_is(bytes, n)) {
        PT_TRY(pt_zip_file(path, bytes, n, "card.json", PT_CARD_MOST, &text, &len));
        PT_CHECK(text, PT_EFORMAT, "%s is a ZIP archive without a card.json: no character card", path);
        snprintf(name, sizeof name, "%.280s: card.json", path);
    } else {
        PT_TRY(pt_png_text(path, bytes, n, keys, &which, &text, &len));
        PT_CHECK(text, PT_EFORMAT, "%s is a PNG image without a character card: it has no text 'ccv3' or 'chara'", path);
        rc = base64(text, &len);
        if (rc != PT_OK) PT_TRY(pt_fail_prefix(rc, "%s: the text '%s'", path, keys[which]));
        snprintf(name, sizeof name, "%.280s: %s", path, keys[which]);
    }
    const char *at = text;
    if (len >= 3 && !memcmp(at, "\xef\xbb\xbf", 3)) at += 3, len -= 3;
    PT_TRY(pt_json_parse(out, at, len, name, PT_JSON_NUL | PT_JSON_OBJECT));
done:
    free(text);
    return rc;
}

pt_status pt_card_load(const char *path, json_t **out)
{
    pt_map map = {0};
    PT_RETURN(pt_map_open(&map, path));
    bool packed = pt_card_packed(map.data, map.bytes);
    pt_status rc = packed ? pt_card_unpack(path, map.data, map.bytes, out) : PT_OK;
    pt_map_close(&map);
    return packed ? rc : pt_json_load(out, path, (size_t)1 << 30, PT_JSON_OBJECT);
}
