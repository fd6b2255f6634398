/* Keys of one entry of datasets and test_datasets: those of any set, here, and those that the readers declare (data/read/data_key.h). */
#include <string.h>

#include "train/cli/schema.h"

#define FORMAT "text around the columns is the chat template's here; prompt_template and system_template write such text into the question and the system text"
#define MEDIA "only text is trained on"

#define TAKEN(key, others, says) {.name = key, .aliases = others, .help = says}
#define REFUSED(key, others, why) {.name = key, .aliases = others, .help = "", .refused = why}

static const pt_dataset_key plain[] = {
    TAKEN("path", "file_name", "The file: JSON Lines, a JSON list, JSON objects, one object that holds the list; CSV, TSV, text (type text: a record a line) by their names; each also .gz or .zst. Or several, read one behind the other: a list, a pattern (data/*.jsonl, data/**/*.jsonl), a folder (its .jsonl, .json, .csv, .tsv files; where their names say train, validation or test, those of the split). A leading ~ and ${NAME} are expanded."),
    TAKEN("dataset", "", "Names of LLaMA-Factory's dataset_info.json in the folder that path says (else in dataset_dir): one, several after commas, or a list. Its files, formats, columns and tags hold; other keys here stand in place of its."),
    TAKEN("type", "formatting", "The shape of its rows. A mapping {field_...: NAME} is axolotl's user-defined type."),
    TAKEN("split", "", "train, or a part of it: train[:20%], train[100:500], counted over all files. Of a folder also validation or test, where its files' names say so."),
    TAKEN("num_samples", "", "The first N rows: split: train[:N]. (LLaMA-Factory draws them by chance.)"),
    TAKEN("weight", "", "Share of its records drawn an epoch: 0.5 = half of them, 2 = each twice."),
    TAKEN("bad_rows", "", "Instead of the config's bad_rows."),
    TAKEN("message_property_mappings", "", "{role: NAME, content: NAME}. Default: role and content, or from and value. Also: message_field_role, message_field_content."),
    TAKEN("roles", "", "{assistant: [NAME, ...], user: [...], system: [...], tool: [...]}: what speakers are called in the data."),
    TAKEN("tags", "", "LLaMA-Factory's names for the same: role_tag, content_tag, user_tag, assistant_tag, observation_tag, function_tag, system_tag."),
    TAKEN("roles_to_train", "", "Instead of the config's roles_to_train."),
    TAKEN("drop_system_message", "", "Leaves out the rows' system texts."),
    TAKEN("system_prompt", "", "System text of rows without one."),
    TAKEN("columns", "", "LLaMA-Factory's names for these: prompt, query, response, history, messages, system, chosen, rejected, kto_tag, tools. Columns that it does not name are not read."),
    TAKEN("data_files", "", "The file or files, where path is json or a folder."),
    TAKEN("ds_type", "", "json, csv, tsv or text: what the file is. Default: as its name says (.csv, .tsv, .txt, each also .gz or .zst; else JSON)."),
    TAKEN("ranking", "", "No effect: the objective decides."),
    TAKEN("train_on_eos", "train_on_eot", "turn."),
    TAKEN("chat_template", "", "tokenizer_default: the config's chat_template holds for all."),
    TAKEN("field_thinking", "template_thinking_key", "reasoning_content, reasoning or thinking, which are all read; another name is refused."),
    TAKEN("name", "", "What reports call it; several test_datasets are reported apart by it. Default: its file's name."),
    TAKEN("revision", "trust_remote_code preprocess_shards", "No effect on a file."),
    REFUSED("conversation", "", "the template is chat_template's, which holds for all"),
    REFUSED("field_human", "field_model", "roles and message_property_mappings say who is who"),
    REFUSED("shards", "shards_idx", "split takes a part: train[:20%]"),
    REFUSED("format", "no_input_format system_format prompt_format chosen_format rejected_format completion_format", FORMAT),
    REFUSED("input_format", "input_transform", FORMAT),
    REFUSED("images", "videos audios", MEDIA),
};

static pt_dataset_key keys[sizeof plain / sizeof *plain + 256];
static size_t n_keys;

static size_t place_of(const char *name)
{
    size_t i = 0;
    while (i < n_keys && strcmp(keys[i].name, name)) i++;
    return i;
}

/* The readers' keys, each where it asks to be listed. */
static void collect(void)
{
    const char *before = "";
    if (n_keys) return;
    memcpy(keys, plain, sizeof plain);
    n_keys = sizeof plain / sizeof *plain;
    for (size_t i = 0; i < pt_data_key_count() && n_keys < sizeof keys / sizeof *keys; i++) {
        const pt_data_key *k = pt_data_key_declared(i);
        size_t at = place_of(k->after ? k->after : before);
        if (at < n_keys) at++;
        memmove(keys + at + 1, keys + at, (n_keys++ - at) * sizeof *keys);
        keys[at] = (pt_dataset_key){.name = k->key, .aliases = k->aliases ? k->aliases : "", .help = k->help, .reader = k};
        before = k->key;
    }
}

const pt_dataset_key *pt_schema_dataset(size_t *n)
{
    collect();
    *n = n_keys;
    return keys;
}

const pt_dataset_key *pt_schema_dataset_find(const char *name)
{
    size_t len = strlen(name);
    collect();
    for (size_t i = 0; i < n_keys; i++) {
        if (!strcmp(keys[i].name, name)) return &keys[i];
        for (const char *p = keys[i].aliases; *p; p += strcspn(p, " "), p += strspn(p, " "))
            if (strcspn(p, " ") == len && !strncmp(p, name, len)) return &keys[i];
    }
    return NULL;
}

pt_status pt_schema_dataset_help(pt_str *out)
{
    PT_RETURN(pt_str_puts(out, "  keys of a data set (a key that names a column takes a path too: data.turns, answers.0.text):\n"));
    collect();
    for (size_t i = 0; i < n_keys; i++)
        if (keys[i].help) PT_RETURN(pt_str_printf(out, "    %-30s %s%s\n", keys[i].name, keys[i].refused ? "refused: " : keys[i].help, keys[i].refused ? keys[i].refused : ""));
    return PT_OK;
}

pt_status pt_schema_dataset_markdown(pt_str *out)
{
    collect();
    for (int refused = 0; refused < 2; refused++) {
        PT_RETURN(pt_str_puts(out, refused ? "\n## Keys of a data set: refused\n\n| key | why |\n|---|---|\n"
                                           : "\n## Keys of a data set\n\nOf each entry of datasets and test_datasets. A key that names a column takes a path too (data.turns, answers.0.text); see [data.md](data.md).\n\n| key | meaning |\n|---|---|\n"));
        for (size_t i = 0; i < n_keys; i++) {
            const pt_dataset_key *k = &keys[i];
            if (!k->help || (k->refused != NULL) != (refused == 1)) continue;
            PT_RETURN(pt_str_printf(out, "| `%s` | ", k->name));
            for (const char *p = refused ? k->refused : k->help; *p; p++) PT_RETURN(*p == '|' ? pt_str_puts(out, "\\|") : pt_str_add(out, p, 1));
            if (k->aliases[0]) PT_RETURN(pt_str_printf(out, "%s Also: `%s`.", refused ? "." : "", k->aliases));
            PT_RETURN(pt_str_puts(out, " |\n"));
        }
    }
    return PT_OK;
}
