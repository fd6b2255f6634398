/* Character cards: who a character is, as one JSON object.
 *   V1   {name, description, personality, scenario, first_mes, mes_example}
 *   V2   {spec: chara_card_v2, spec_version: 2.0, data: {those, system_prompt, post_history_instructions, alternate_greetings, character_book ...}}
 *   V3   {spec: chara_card_v3, spec_version: 3.0, data: {those, nickname, group_only_greetings ...}}
 * as a JSON file; in a PNG image, base64 under the keyword ccv3, else chara; in a CHARX archive (ZIP) as card.json. Sources: malfoyslastname/character-card-spec-v2
 * (spec_v1.md, spec_v2.md), kwaroran/character-card-spec-v3 (SPEC_V3.md). */
#ifndef PT_DATA_CARD_H
#define PT_DATA_CARD_H
#include "base/json.h"

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
/* Who the character is, on the heap, macros as they stand: description, "{{char}}'s personality: ..." and, with `lore`, the entries of its book that are always in the prompt
 * (constant and enabled, by insertion_order, those of before_char before), joined by line breaks; "" when nothing is said. scenario, where it is wanted too, behind it.
 * *waiting (may be NULL): how many entries wait for a word of the chat and are not in it. */
pt_status pt_card_profile(const pt_card *c, bool lore, bool scenario, char **out, size_t *waiting);
#endif
