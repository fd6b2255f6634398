/* Character cards: who a character is, as one JSON object.
 *   V1   {name, description, personality, scenario, first_mes, mes_example}
 *   V2   {spec: chara_card_v2, spec_version: 2.0, data: {those, system_prompt, post_history_instructions, alternate_greetings, character_book ...}}
 *   V3   {spec: chara_card_v3, spec_version: 3.0, data: {those, nickname, group_only_greetings ...}}
 * as a JSON file; in a PNG image, base64 under the keyword ccv3, else chara; in a CHARX archive (ZIP) as card.json. Sources: malfoyslastname/character-card-spec-v2
 * (spec_v1.md, spec_v2.md), kwaroran/character-card-spec-v3 (SPEC_V3.md). */
#ifndef PT_DATA_CARD_H
#define PT_DATA_CARD_H
#include "base/json.h"
#include "data/read/data_key.h"

/* A card of more JSON text than this is refused. */
#define PT_CARD_MOST ((size_t)64 << 20)

/* Texts are of the JSON object, "" where it says nothing; name is never empty. */
typedef struct pt_card {
    int version; /* 1, 2, 3 */
    bool newer;  /* its spec_version is newer than what is known of that version */
    json_t *data; /* the object that holds the fields */
    const char *name; /* the nickname where there is one: what {{char}} stands for */
    const char *full_name;
    const char *description, *personality, *scenario, *first_mes, *mes_example, *system_prompt;
    const json_t *greetings; /* alternate_greetings: a list of texts, or NULL */
    const json_t *book;      /* character_book: an object, or NULL */
} pt_card;

/* Whether an object calls itself a card, or has the fields of one that has no spec. */
bool pt_card_is(const json_t *j);
/* The fields of a card. PT_EFORMAT: no card, a spec that is not known (naming those that are), a field of another kind. */
pt_status pt_card_read(json_t *j, pt_card *c);
/* Whether bytes are those of a PNG image or a ZIP archive. */
bool pt_card_packed(const void *bytes, size_t n);
/* The JSON object within a PNG image or a CHARX archive. PT_EFORMAT, PT_ENOSUP: what is wrong with it, by path. */
pt_status pt_card_unpack(const char *path, const void *bytes, size_t n, json_t **out);
/* The card in a file of any of the three forms. PT_EARG, PT_EIO: no such file. */
pt_status pt_card_load(const char *path, json_t **out);
/* Who the character is, on the heap, macros as they stand: system_prompt, description, "{{char}}'s personality: ...", "Scenario: ...", a line each as SillyTavern's default
 * story string has them, and, with `lore`, the entries of its book that are always in the prompt (constant and enabled, by insertion_order): those of before_char before the
 * description, others at the end. "" when nothing is said. *waiting (may be NULL): how many entries wait for a word of the chat and are not in it. */
pt_status pt_card_profile(const pt_card *c, bool lore, char **out, size_t *waiting);

/* ---- for the readers ---- */
struct pt_reader;
/* greeting, user_name, character_book. */
extern const pt_data_key pt_keys_of_cards[];
/* Whether character_book: constant holds for a data set. */
bool pt_card_lore(const struct pt_reader *r);
/* A card's texts for a record of the present row, macros filled in: *profile is pt_card_profile's; *fields an object of all texts of the card for templates, but for
 * system_prompt, which the profile has. Both stand until the row is done. */
pt_status pt_card_cast(struct pt_reader *r, const pt_card *c, const char *user, const char **profile, json_t **fields);
/* What a data set's `profiles` names into r->profiles, {name: text}: such a JSON file as it stands; of a card, or of each card of a folder, pt_card_profile with its macros filled in
 * (the user is user_name, else User), under its name and its nickname; r->cards is {name: card} of them then. PT_EFORMAT: what is wrong, by path. */
pt_status pt_profiles_read(struct pt_reader *r, const char *path);
#endif
