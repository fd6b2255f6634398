/* `profiles` of a data set: {name: text}, a character card, or a folder of cards, as who their characters are. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "data/read/card.h"
#include "data/read/macro.h"
#include "data/read/record.h"

static pt_status put(json_t *where, const char *name, json_t *v)
{
    return json_object_set_new(where, name, v) ? pt_fail(PT_ENOMEM, "out of memory: a card") : PT_OK;
}

bool pt_card_lore(const pt_reader *r)
{
    const char *book = pt_dataset_value(r->spec, "character_book");
    return book && !strcmp(book, "constant");
}

/* ---- one card, in a record ----------------------------------------------------------------------------------------- */

pt_status pt_card_cast(pt_reader *r, const pt_card *c, const char *user, const char **profile, json_t **fields)
{
    static const char *const filled[] = {"description", "personality", "scenario", "first_mes"};
    const char *const texts[] = {c->description, c->personality, c->scenario, c->first_mes}, *text;
    size_t waiting, n;
    char *raw;
    PT_RETURN(pt_card_profile(c, pt_card_lore(r), &raw, &waiting));
    PT_RETURN(pt_record_own(&r->rec, raw));
    PT_RETURN(pt_text_macros(r, raw, strlen(raw), c->name, user, profile, &n));
    if (waiting) pt_causes_add(&r->notes, "character_book: entries that wait for a word of the chat are in no prompt", r->line);
    *fields = json_copy(c->data);
    if (!*fields || json_array_append_new(r->held, *fields)) return pt_fail(PT_ENOMEM, "out of memory: a card");
    json_object_del(*fields, "system_prompt");
    for (size_t i = 0; i < sizeof filled / sizeof *filled; i++) {
        PT_RETURN(pt_text_macros(r, texts[i], strlen(texts[i]), c->name, user, &text, &n));
        PT_RETURN(put(*fields, filled[i], json_stringn(text, n)));
    }
    return PT_OK;
}

/* ---- cards as profiles --------------------------------------------------------------------------------------------- */

/* Takes over j, the card of a file. */
static pt_status add_card(pt_reader *r, const char *path, json_t *j)
{
    pt_status rc = PT_OK;
    char *text = NULL;
    pt_str filled = {0};
    pt_card c;
    PT_TRY(pt_card_read(j, &c));
    PT_TRY(pt_card_profile(&c, pt_card_lore(r), &text, NULL));
    pt_macros m = {.who = c.name, .user = pt_dataset_value(r->spec, "user_name"), .original = r->spec->system_prompt};
    PT_TRY(pt_macros_fill(&m, text, strlen(text), &filled));
    const char *const names[] = {c.full_name, c.name};
    for (size_t i = 0; i < (strcmp(names[0], names[1]) ? 2 : 1); i++) {
        PT_CHECK(!json_object_get(r->cards, names[i]), PT_EFORMAT, "another card of these is called '%.60s' too", names[i]);
        PT_TRY(put(r->profiles, names[i], json_stringn(filled.text, filled.len)));
        PT_TRY(put(r->cards, names[i], json_incref(j)));
    }
done:
    pt_str_free(&filled);
    free(text);
    json_decref(j);
    return rc == PT_OK ? rc : pt_fail_prefix(rc, "%s", path);
}

static pt_status begin_cards(pt_reader *r)
{
    r->profiles = json_object();
    r->cards = json_object();
    return r->profiles && r->cards ? PT_OK : pt_fail(PT_ENOMEM, "out of memory: cards");
}

/* A name that a card may have. */
static int is_wanted(const struct dirent *e)
{
    static const char *const ends[] = {".json", ".png", ".apng", ".charx"};
    size_t n = strlen(e->d_name);
    for (size_t i = 0; i < sizeof ends / sizeof *ends && e->d_name[0] != '.'; i++)
        if (n > strlen(ends[i]) && !strcasecmp(e->d_name + n - strlen(ends[i]), ends[i])) return 1;
    return 0;
}

static pt_status load_folder(pt_reader *r, const char *path)
{
    pt_status rc = PT_OK;
    struct dirent **names = NULL;
    int n = scandir(path, &names, is_wanted, alphasort);
    PT_CHECK(n >= 0, PT_EIO, "cannot read the folder %s: %s", path, strerror(errno));
    PT_TRY(begin_cards(r));
    for (int i = 0; i < n; i++) {
        char *file;
        json_t *j;
        PT_TRY(pt_path_join(&file, path, names[i]->d_name));
        rc = pt_card_load(file, &j);
        if (rc == PT_OK) rc = add_card(r, file, j);
        free(file);
        PT_TRY(rc);
    }
done:
    for (int i = 0; i < n; i++) free(names[i]);
    free(names);
    return rc;
}

pt_status pt_profiles_read(pt_reader *r, const char *path)
{
    struct stat st;
    json_t *j;
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) return load_folder(r, path);
    PT_RETURN(pt_card_load(path, &j));
    if (!pt_card_is(j)) {
        r->profiles = j;
        return PT_OK;
    }
    pt_status rc = begin_cards(r);
    if (rc == PT_OK) return add_card(r, path, j);
    json_decref(j);
    return rc;
}
