/* What a pack holds, as JSON, for those who show it. */
#ifndef PT_DATA_PACK_SHOW_H
#define PT_DATA_PACK_SHOW_H
#include <jansson.h>

#include "data/pack/pack.h"

/* As an object (owned; NULL: out of memory): figures by name, "dropped": [{"reason", "n", "where"}], "noted": [n of each pt_note], "said". */
json_t *pt_pack_report_json(const pt_pack_report *r);
/* Sample i as an object (owned): {"sample", "file", "line", "role": TEXT | null, "weight", "answers": [{"is": "chosen" | "rejected" | "answer 3 of 4" ... | "", "tokens", "supervised",
 * "ended", "left_out": tokens past the first `most`, "pieces": [{"weight": TEXT | null, "control", "text"}]}]}. A piece is text of one mark: the weight of its tokens, or the
 * share of them that is imitated; null: context. Text is made visible (base/visible.h). */
pt_status pt_pack_pieces(const pt_pack *p, const pt_tokenizer *tok, int64_t i, int32_t most, json_t **out);
#endif
