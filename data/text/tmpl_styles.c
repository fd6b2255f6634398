/* The table of chat templates, and the digests of template texts that say exactly what a style says. */
#include "data/text/tmpl_priv.h"

#include <string.h>

#define EOS PT_TMPL_EOS
#define TAGS(...) (const pt_tmpl_tags[]){__VA_ARGS__, {NULL, NULL, NULL}}
#define CHATML_TURN(role) {role, "<|im_start|>" role "\n", "<|im_end|>\n"}
#define CHATML_CONTROLS "<|im_start|> <|im_end|>"
#define CHATML TAGS(CHATML_TURN("system"), CHATML_TURN("user"), CHATML_TURN("assistant"), CHATML_TURN("tool"))
#define LLAMA3_HEAD(role) "<|start_header_id|>" role "<|end_header_id|>\n\n"
#define EOT "<|eot_id|>"
#define TIGHT_TURN(role) {role, "<|im_start|>" role "\n", "<|im_end|>"}
#define GEMMA_TURN(speaker, role) {speaker, "<start_of_turn>" role "\n", "<end_of_turn>\n"}
#define GEMMA_CONTROLS "<start_of_turn> <end_of_turn>"
#define PHI3_TURN(role) {role, "<|" role "|>\n", "<|end|>\n"}
#define PHI4_TURN(role) {role, "<|im_start|>" role "<|im_sep|>", "<|im_end|>"}
#define DEEPSEEK_USER "<\xef\xbd\x9cUser\xef\xbd\x9c>"
#define DEEPSEEK_ASSISTANT "<\xef\xbd\x9c" "Assistant\xef\xbd\x9c>"
#define COMMAND_TURN(speaker, role) {speaker, "<|START_OF_TURN_TOKEN|><|" role "_TOKEN|>", "<|END_OF_TURN_TOKEN|>"}
#define LLAMA3_CONTROLS "<|begin_of_text|> <|start_header_id|> <|end_header_id|> <|eot_id|>"

const pt_tmpl_style pt_tmpl_own_style = {.name = "tokenizer_default", .kind = PT_TMPL_OWN, .bos = PT_BOS_NEVER, .system_anywhere = true, .tags = TAGS({NULL, NULL, NULL}), .lead = "", .controls = ""};

static const pt_tmpl_style styles[] = {
    {.name = "chatml", .also = "yi", .system_anywhere = true, .tags = CHATML, .lead = "", .controls = CHATML_CONTROLS},
    {.name = "llama2", .kind = PT_TMPL_FOLDED, .bos = PT_BOS_EACH_USER, .strip = true, .alternate = true,
     .tags = TAGS({"system", "<<SYS>>\n", "\n<</SYS>>\n\n"}, {"user", "[INST] ", " [/INST]"}, {"assistant", "", " " EOS}), .lead = " ", .controls = ""},
    {.name = "llama3", .bos = PT_BOS_ONCE, .strip = true, .system_anywhere = true,
     .tags = TAGS({"system", LLAMA3_HEAD("system"), EOT}, {"user", LLAMA3_HEAD("user"), EOT}, {"assistant", LLAMA3_HEAD("assistant"), EOT}, {"tool", LLAMA3_HEAD("tool"), EOT}),
     .lead = "", .controls = LLAMA3_CONTROLS},
    {.name = "mistral", .kind = PT_TMPL_FOLDED, .bos = PT_BOS_ONCE, .no_system = true, .alternate = true,
     .tags = TAGS({"system", "", "\n\n"}, {"user", "[INST] ", " [/INST]"}, {"assistant", "", EOS}), .lead = "", .controls = ""},
    {.name = "zephyr", .system_anywhere = true,
     .tags = TAGS({"system", "<|system|>\n", EOS "\n"}, {"user", "<|user|>\n", EOS "\n"}, {"assistant", "<|assistant|>\n", EOS "\n"}), .lead = "", .controls = ""},
    {.name = "qwen", .also = "qwen2_5 qwen2.5", .kind = PT_TMPL_QWEN25, .system_anywhere = true, .tags = CHATML, .lead = "",
     .default_system = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant.", .controls = CHATML_CONTROLS},
    {.name = "smollm", .system_anywhere = true, .tags = CHATML, .lead = "", .default_system = "You are a helpful AI assistant named SmolLM, trained by Hugging Face",
     .controls = CHATML_CONTROLS},
    {.name = "vicuna", .bos = PT_BOS_AS_TOKENIZER, .tags = TAGS({"system", "", " "}, {"user", "USER: ", " "}, {"assistant", "ASSISTANT:", EOS}), .lead = " ",
     .default_system = "A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, detailed, and polite "
                       "answers to the user's questions.",
     .controls = ""},
    {.name = "alpaca", .bos = PT_BOS_AS_TOKENIZER,
     .tags = TAGS({"system", "", "\n\n"}, {"user", "### Instruction:\n", "\n\n"}, {"assistant", "### Response:\n", EOS "\n\n"}), .lead = "",
     .default_system = "Below is an instruction that describes a task. Write a response that appropriately completes the request.", .controls = ""},
    {.name = "plain", .bos = PT_BOS_AS_TOKENIZER, .system_anywhere = true,
     .tags = TAGS({"system", "", "\n"}, {"user", "", "\n"}, {"assistant", "", EOS}, {"tool", "", "\n"}), .lead = "", .controls = ""},
    {.name = "gemma", .also = "gemma1 gemma2 gemma-2", .kind = PT_TMPL_FOLDED, .bos = PT_BOS_ONCE, .strip = true, .no_system = true, .alternate = true,
     .tags = TAGS({"system", "", "\n\n"}, GEMMA_TURN("user", "user"), GEMMA_TURN("assistant", "model")), .lead = "", .controls = GEMMA_CONTROLS},
    {.name = "gemma3", .also = "gemma-3 gemma3n", .kind = PT_TMPL_FOLDED, .bos = PT_BOS_ONCE, .strip = true, .keep_system = true, .alternate = true,
     .tags = TAGS({"system", "", "\n\n"}, GEMMA_TURN("user", "user"), GEMMA_TURN("assistant", "model")), .lead = "", .controls = GEMMA_CONTROLS},
    {.name = "mistral_v3", .also = "mistral_v2 mistral_v2v3 mistral-v3", .kind = PT_TMPL_FOLDED, .bos = PT_BOS_ONCE, .no_system = true, .alternate = true,
     .tags = TAGS({"system", "", "\n\n"}, {"user", "[INST] ", "[/INST]"}, {"assistant", "", EOS}), .lead = " ", .controls = "[INST] [/INST]"},
    {.name = "mistral_v3_tekken", .also = "mistral-v3-tekken mistral_nemo", .kind = PT_TMPL_FOLDED, .bos = PT_BOS_ONCE, .no_system = true, .alternate = true,
     .tags = TAGS({"system", "", "\n\n"}, {"user", "[INST]", "[/INST]"}, {"assistant", "", EOS}), .lead = "", .controls = "[INST] [/INST]"},
    {.name = "mistral_v7_tekken", .also = "mistral-v7-tekken mistral_small", .bos = PT_BOS_ONCE, .system_anywhere = true,
     .tags = TAGS({"system", "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]"}, {"user", "[INST]", "[/INST]"}, {"assistant", "", EOS}), .lead = "",
     .controls = "[INST] [/INST] [SYSTEM_PROMPT] [/SYSTEM_PROMPT]"},
    {.name = "metharme", .also = "pygmalion", .bos = PT_BOS_ONCE, .strip = true, .keep_system = true,
     .tags = TAGS({"system", "<|system|>", ""}, {"user", "<|user|>", ""}, {"assistant", "<|model|>", EOS}), .lead = "",
     .default_system = "Enter RP mode. You shall reply to the user while staying in character. Your responses must be detailed, creative, immersive, and drive the "
                       "scenario forward.",
     .controls = ""},
    {.name = "phi3", .also = "phi phi_3 phi_35 phi-3", .system_anywhere = true, .tags = TAGS(PHI3_TURN("system"), PHI3_TURN("user"), PHI3_TURN("assistant")), .lead = "",
     .controls = "<|system|> <|user|> <|assistant|> <|end|>"},
    {.name = "phi4", .also = "phi_4 phi-4", .system_anywhere = true, .tags = TAGS(PHI4_TURN("system"), PHI4_TURN("user"), PHI4_TURN("assistant")), .lead = "",
     .controls = "<|im_start|> <|im_sep|> <|im_end|>"},
    {.name = "glm4", .also = "glm-4 chatglm4", .system_anywhere = true, .next_ends = true, .head = "[gMASK]<sop>",
     .tags = TAGS({"system", "<|system|>\n", ""}, {"user", "<|user|>\n", ""}, {"assistant", "<|assistant|>\n", ""}, {"tool", "<|observation|>\n", ""}), .lead = "",
     .controls = "[gMASK] <sop> <|system|> <|user|> <|assistant|> <|observation|>"},
    {.name = "deepseek", .also = "deepseek_llm", .bos = PT_BOS_ONCE, .system_anywhere = true,
     .tags = TAGS({"system", "", "\n\n"}, {"user", "User: ", "\n\n"}, {"assistant", "Assistant:", EOS}), .lead = " ", .controls = ""},
    {.name = "deepseek_v2", .also = "deepseek_v2.5 deepseek-v2", .bos = PT_BOS_ONCE, .system_anywhere = true,
     .tags = TAGS({"system", "", "\n\n"}, {"user", DEEPSEEK_USER, ""}, {"assistant", DEEPSEEK_ASSISTANT, EOS}), .lead = "", .controls = DEEPSEEK_USER " " DEEPSEEK_ASSISTANT},
    {.name = "deepseek_v3", .also = "deepseek3 deepseek-v3", .bos = PT_BOS_ONCE,
     .tags = TAGS({"system", "", ""}, {"user", DEEPSEEK_USER, ""}, {"assistant", DEEPSEEK_ASSISTANT, EOS}), .lead = "", .controls = DEEPSEEK_USER " " DEEPSEEK_ASSISTANT},
    {.name = "command_r", .also = "command-r cohere", .bos = PT_BOS_ONCE, .strip = true, .keep_system = true, .alternate = true,
     .tags = TAGS(COMMAND_TURN("system", "SYSTEM"), COMMAND_TURN("user", "USER"), COMMAND_TURN("assistant", "CHATBOT")), .lead = "",
     .controls = "<|START_OF_TURN_TOKEN|> <|END_OF_TURN_TOKEN|> <|SYSTEM_TOKEN|> <|USER_TOKEN|> <|CHATBOT_TOKEN|>"},
    {.name = "chatml_bos", .also = "intern2 internlm2", .bos = PT_BOS_ONCE, .system_anywhere = true, .tags = CHATML, .lead = "", .controls = CHATML_CONTROLS},
    {.name = "chatml_no_newline", .system_anywhere = true, .tags = TAGS(TIGHT_TURN("system"), TIGHT_TURN("user"), TIGHT_TURN("assistant"), TIGHT_TURN("tool")), .lead = "",
     .controls = CHATML_CONTROLS},
    {.name = "qwen2", .system_anywhere = true, .tags = CHATML, .lead = "", .default_system = "You are a helpful assistant.", .controls = CHATML_CONTROLS},
    /* reached through tokenizer_default alone */
    {.name = "qwen3", .kind = PT_TMPL_QWEN3, .system_anywhere = true, .tags = CHATML, .lead = "", .controls = CHATML_CONTROLS},
    {.name = "llama3.1", .kind = PT_TMPL_LLAMA31, .bos = PT_BOS_ONCE, .strip = true, .system_anywhere = true,
     .tags = TAGS({"system", LLAMA3_HEAD("system"), EOT}, {"user", LLAMA3_HEAD("user"), EOT}, {"assistant", LLAMA3_HEAD("assistant"), EOT}, {"tool", LLAMA3_HEAD("ipython"), EOT}),
     .lead = "", .controls = LLAMA3_CONTROLS},
    {.name = "mistral-system", .also = "mistral_v1", .kind = PT_TMPL_FOLDED, .bos = PT_BOS_ONCE, .alternate = true,
     .tags = TAGS({"system", "", "\n\n"}, {"user", " [INST] ", " [/INST]"}, {"assistant", "", EOS}), .lead = " ", .controls = ""},
    {.name = "mistral-v0.1", .kind = PT_TMPL_FOLDED, .bos = PT_BOS_ONCE, .no_system = true, .alternate = true,
     .tags = TAGS({"system", "", "\n\n"}, {"user", "[INST] ", " [/INST]"}, {"assistant", "", EOS " "}), .lead = "", .controls = ""},
};

static const char *const names[] = {"chatml", "chatml_bos", "chatml_no_newline", "llama2", "llama3", "mistral", "mistral_v3", "mistral_v3_tekken", "mistral_v7_tekken", "zephyr", "qwen",
                                    "qwen2", "smollm", "vicuna", "alpaca", "plain", "gemma", "gemma3", "metharme", "phi3", "phi4", "glm4", "deepseek", "deepseek_v2", "deepseek_v3",
                                    "command_r", "tokenizer_default", NULL};

/* SHA-256 of a template's text without its last line end. tests/golden/template_texts.py makes this list from the texts. */
static const struct {
    const char *style, *digest;
} known[] = {
#include "data/text/tmpl_digests.inc"
};

const char *const *pt_template_names(void)
{
    return names;
}

const pt_tmpl_style *pt_tmpl_each(const pt_tmpl_style *s)
{
    s = s ? s + 1 : styles;
    return s < styles + sizeof styles / sizeof *styles ? s : NULL;
}

/* Whether a list of words separated by blanks has this one. */
static bool listed(const char *words, const char *word)
{
    size_t n = strlen(word);
    for (const char *p = words; n && p && *p; p += strcspn(p, " "), p += *p == ' ')
        if (strcspn(p, " ") == n && !memcmp(p, word, n)) return true;
    return false;
}

const pt_tmpl_style *pt_tmpl_by_name(const char *name)
{
    for (size_t i = 0; i < sizeof styles / sizeof *styles; i++) {
        if (strcmp(styles[i].name, name) == 0 || listed(styles[i].also, name)) return &styles[i];
    }
    return NULL;
}

static const pt_tmpl_tags *tags_named(const pt_tmpl_style *s, const char *name)
{
    for (const pt_tmpl_tags *tags = s->tags; tags->speaker; tags++)
        if (!strcmp(tags->speaker, name)) return tags;
    return NULL;
}

const pt_tmpl_tags *pt_tmpl_tags_of(const pt_tmpl_style *s, const pt_speaker *who)
{
    const pt_tmpl_tags *tags = who ? tags_named(s, who->name) : NULL;
    return tags || !who || !who->like ? tags : tags_named(s, who->like->name);
}

const pt_tmpl_style *pt_tmpl_by_text(const char *text)
{
    char hex[65];
    size_t n = strlen(text);
    if (n && text[n - 1] == '\n') n--; /* Jinja drops it too */
    pt_sha256_hex(hex, text, n);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(known[i].digest, hex) == 0) return pt_tmpl_by_name(known[i].style);
    }
    return NULL;
}
