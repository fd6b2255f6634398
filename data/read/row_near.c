/* A column that nobody reads, and whose name is a slip away from one that rows have here. */
#include <string.h>

#include "base/log.h"
#include "base/letters.h"
#include "data/read/record.h"

/* Names that some reader takes a column or a list by. */
static const char *const ours[] = {
    "weight", "weights", "margin", "label", "labels", "input_ids", "attention_mask", "completion_mask", "assistant_masks", "prompt_logprobs", "target_token_ids",
    "target_logprobs", "messages", "conversations", "conversation", "prompt", "completion", "chosen", "rejected", "instruction", "input", "output", "response",
    "answer", "question", "query", "system", "history", "generated", "profiles", "tools", "text", "prompt_input_ids", "chosen_input_ids", "rejected_input_ids",
    "chosen_attention_mask", "rejected_attention_mask", "prompt_attention_mask", "rating"};

static bool is_ours(const char *name)
{
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        if (!strcmp(ours[i], name)) return true;
    return false;
}

/* The name that was meant: one letter away, of long names two; not one that the rows have as well, nor the plural of one. */
static const char *meant(const pt_reader *r, const char *name)
{
    const char *best = NULL;
    int least = strlen(name) >= 8 ? 3 : 2;
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++) {
        int d = strlen(ours[i]) >= 5 ? pt_letters_apart(name, ours[i]) : 99;
        if (d < least && !json_object_get(r->columns, ours[i])) least = d, best = ours[i];
    }
    return best;
}

void pt_reader_warn_near(const pt_reader *r)
{
    const char *name, *near;
    json_t *read;
    json_object_foreach(r->columns, name, read)
    {
        if (json_is_true(read) || strlen(name) < 5 || is_ours(name) || !(near = meant(r, name))) continue;
        char shown[48];
        pt_text_fit(shown, sizeof shown, name);
        pt_log(PT_LOG_WARN, "%s: the column '%s' is not read; '%s' is a name that rows have here: was it meant?", r->spec->path, shown, near);
    }
}
