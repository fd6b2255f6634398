/* Keys of one entry of datasets and test_datasets. */
#include <string.h>

#include "train/cli/schema.h"

#define FORMAT "text around the columns is the chat template's here"
#define MEDIA "only text is trained on"

static const pt_dataset_key keys[] = {
    {"path", "file_name", "The file: JSON Lines, a JSON list, JSON objects, one object that holds the list; CSV, TSV, text (type text: a record a line) by their names; each also .gz. A leading ~ and ${NAME} are expanded.", NULL},
    {"type", "formatting", "The shape of its rows. A mapping {field_...: NAME} is axolotl's user-defined type.", NULL},
    {"split", "", "train, or a part of it: train[:20%], train[100:500].", NULL},
    {"weight", "", "Share of its records drawn an epoch: 0.5 = half of them, 2 = each twice.", NULL},
    {"bad_rows", "", "Instead of the config's bad_rows.", NULL},
    {"field_messages", "", "Column of the conversation. Default: messages, conversations, conversation.", NULL},
    {"message_property_mappings", "", "{role: NAME, content: NAME}. Default: role and content, or from and value. Also: message_field_role, message_field_content.", NULL},
    {"message_field_training", "", "A message's own true | false: whether it is trained on. Default: train; weight and loss_weight (numbers) are read too.", NULL},
    {"roles", "", "{assistant: [NAME, ...], user: [...], system: [...], tool: [...]}: what speakers are called in the data.", NULL},
    {"tags", "", "LLaMA-Factory's names for the same: role_tag, content_tag, user_tag, assistant_tag, observation_tag, function_tag, system_tag.", NULL},
    {"roles_to_train", "", "Instead of the config's roles_to_train.", NULL},
    {"drop_system_message", "", "Leaves out the rows' system texts.", NULL},
    {"system_prompt", "", "System text of rows without one.", NULL},
    {"field_system", "", "Column of the system text. Default: system, system_prompt.", NULL},
    {"field_prompt", "field_instruction field_question", "Column of the question. Default: instruction, prompt, query, question.", NULL},
    {"field_input", "", "Column that follows the question on a line of its own. Default: input.", NULL},
    {"field_output", "field_completion field_response", "Column of the answer. Default: output, response, completion, answer.", NULL},
    {"field_history", "", "Column of earlier rounds [[question, answer], ...]. Default: history.", NULL},
    {"field_chosen", "", "Column of the better answer. Default: chosen, chosen_messages, chosen_response.", NULL},
    {"field_rejected", "", "Column of the worse one. Default: rejected, rejected_messages, rejected_response.", NULL},
    {"columns", "", "LLaMA-Factory's names for these: prompt, query, response, history, messages, system, chosen, rejected. Columns that it does not name are not read.", NULL},
    {"field_weight", "", "Column of a row's loss weight: the loss is the mean by weight, of pairs too. Without this key no column is taken for one.", NULL},
    {"field_margin", "", "Column of a pair's margin (reward). Without this key no column is taken for one.", NULL},
    {"field_text", "field text_column", "text: its column. Default: text.", NULL},
    {"profiles", "", "rolebench: FILE of {role: text}.", NULL},
    {"references", "", "rolebench: first (default) or all answers of a row.", NULL},
    {"system_template", "", "rolebench: text with {role} and {profile}. Default: {profile}.", NULL},
    {"data_files", "", "The file, where path is json or a folder.", NULL},
    {"ds_type", "", "json, csv, tsv or text: what the file is. Default: as its name says (.csv, .tsv, .txt, each also .gz; else JSON).", NULL},
    {"ranking", "", "No effect: the objective decides.", NULL},
    {"train_on_eos", "train_on_eot", "turn.", NULL},
    {"chat_template", "", "tokenizer_default: the config's chat_template holds for all.", NULL},
    {"field_thinking", "template_thinking_key", "reasoning_content, reasoning or thinking, which are all read; another name is refused.", NULL},
    {"revision", "trust_remote_code preprocess_shards name", "No effect on a file.", NULL},
    {"message_field_training_detail", "", "", "parts of a message by character are not weighted here; message_field_training and weight weigh messages"},
    {"conversation", "", "", "the template is chat_template's, which holds for all"},
    {"field_human", "field_model", "", "roles and message_property_mappings say who is who"},
    {"shards", "shards_idx", "", "split takes a part: train[:20%]"},
    {"format", "no_input_format system_format prompt_format chosen_format rejected_format completion_format", "", FORMAT},
    {"input_format", "input_transform", "", FORMAT},
    {"kto_tag", "field_label", "", "single judged answers (KTO) are not trained on here"},
    {"images", "videos audios", "", MEDIA},
};

const pt_dataset_key *pt_schema_dataset(size_t *n)
{
    *n = sizeof keys / sizeof *keys;
    return keys;
}

const pt_dataset_key *pt_schema_dataset_find(const char *name)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        if (!strcmp(keys[i].name, name)) return &keys[i];
        for (const char *p = keys[i].aliases; *p; p += strcspn(p, " "), p += strspn(p, " "))
            if (strcspn(p, " ") == len && !strncmp(p, name, len)) return &keys[i];
    }
    return NULL;
}

pt_status pt_schema_dataset_help(pt_str *out)
{
    PT_RETURN(pt_str_puts(out, "  keys of a data set:\n"));
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        PT_RETURN(pt_str_printf(out, "    %-30s %s%s\n", keys[i].name, keys[i].refused ? "refused: " : keys[i].help, keys[i].refused ? keys[i].refused : ""));
    return PT_OK;
}

pt_status pt_schema_dataset_markdown(pt_str *out)
{
    for (int refused = 0; refused < 2; refused++) {
        PT_RETURN(pt_str_puts(out, refused ? "\n## Keys of a data set: refused\n\n| key | why |\n|---|---|\n"
                                           : "\n## Keys of a data set\n\nOf each entry of datasets and test_datasets.\n\n| key | meaning |\n|---|---|\n"));
        for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
            const pt_dataset_key *k = &keys[i];
            if ((k->refused != NULL) != (refused == 1)) continue;
            PT_RETURN(pt_str_printf(out, "| `%s` | ", k->name));
            for (const char *p = refused ? k->refused : k->help; *p; p++) PT_RETURN(*p == '|' ? pt_str_puts(out, "\\|") : pt_str_add(out, p, 1));
            if (k->aliases[0]) PT_RETURN(pt_str_printf(out, "%s Also: `%s`.", refused ? "." : "", k->aliases));
            PT_RETURN(pt_str_puts(out, " |\n"));
        }
    }
    return PT_OK;
}
