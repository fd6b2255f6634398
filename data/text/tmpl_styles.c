/* The table of chat templates, and the digests of template texts that say exactly what a style says. */
#include "data/text/tmpl_priv.h"

#include <string.h>

#define EOS PT_TMPL_EOS
#define CHATML_OPEN                                                                                                            \
    {                                                                                                                          \
        "<|im_start|>system\n", "<|im_start|>user\n", "<|im_start|>assistant\n", "<|im_start|>tool\n"                          \
    }
#define CHATML_CLOSE                                                                                                           \
    {                                                                                                                          \
        "<|im_end|>\n", "<|im_end|>\n", "<|im_end|>\n", "<|im_end|>\n"                                                         \
    }
#define LLAMA3_HEAD(role) "<|start_header_id|>" role "<|end_header_id|>\n\n"
#define EOT "<|eot_id|>"
#define LLAMA3_CONTROLS "<|begin_of_text|> <|start_header_id|> <|end_header_id|> <|eot_id|>"

static const pt_tmpl_style styles[] = {
    {"chatml", PT_TMPL_TURNS, PT_BOS_NEVER, false, true, CHATML_OPEN, CHATML_CLOSE, "", NULL, "<|im_start|> <|im_end|>"},
    {"llama2",
     PT_TMPL_FOLDED,
     PT_BOS_EACH_USER,
     true,
     false,
     {"<<SYS>>\n", "[INST] ", "", NULL},
     {"\n<</SYS>>\n\n", " [/INST]", " " EOS, NULL},
     " ",
     NULL,
     ""},
    {"llama3",
     PT_TMPL_TURNS,
     PT_BOS_ONCE,
     true,
     true,
     {LLAMA3_HEAD("system"), LLAMA3_HEAD("user"), LLAMA3_HEAD("assistant"), LLAMA3_HEAD("tool")},
     {EOT, EOT, EOT, EOT},
     "",
     NULL,
     LLAMA3_CONTROLS},
    {"mistral",
     PT_TMPL_FOLDED,
     PT_BOS_ONCE,
     false,
     false,
     {"", "[INST] ", "", NULL},
     {"\n\n", " [/INST]", EOS, NULL},
     "",
     NULL,
     ""},
    {"zephyr",
     PT_TMPL_TURNS,
     PT_BOS_NEVER,
     false,
     true,
     {"<|system|>\n", "<|user|>\n", "<|assistant|>\n", NULL},
     {EOS "\n", EOS "\n", EOS "\n", NULL},
     "",
     NULL,
     ""},
    {"qwen", PT_TMPL_QWEN25, PT_BOS_NEVER, false, true, CHATML_OPEN, CHATML_CLOSE, "",
     "You are Qwen, created by Alibaba Cloud. You are a helpful assistant.", "<|im_start|> <|im_end|>"},
    {"smollm", PT_TMPL_TURNS, PT_BOS_NEVER, false, true, CHATML_OPEN, CHATML_CLOSE, "",
     "You are a helpful AI assistant named SmolLM, trained by Hugging Face", "<|im_start|> <|im_end|>"},
    {"vicuna",
     PT_TMPL_TURNS,
     PT_BOS_AS_TOKENIZER,
     false,
     false,
     {"", "USER: ", "ASSISTANT:", NULL},
     {" ", " ", EOS, NULL},
     " ",
     "A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, detailed, and "
     "polite "
     "answers to the user's questions.",
     ""},
    {"alpaca",
     PT_TMPL_TURNS,
     PT_BOS_AS_TOKENIZER,
     false,
     false,
     {"", "### Instruction:\n", "### Response:\n", NULL},
     {"\n\n", "\n\n", EOS "\n\n", NULL},
     "",
     "Below is an instruction that describes a task. Write a response that appropriately completes the request.",
     ""},
    {"plain", PT_TMPL_TURNS, PT_BOS_AS_TOKENIZER, false, true, {"", "", "", ""}, {"\n", "\n", EOS, "\n"}, "", NULL, ""},
    /* reached through tokenizer_default alone */
    {"qwen2", PT_TMPL_TURNS, PT_BOS_NEVER, false, true, CHATML_OPEN, CHATML_CLOSE, "", "You are a helpful assistant.",
     "<|im_start|> <|im_end|>"},
    {"qwen3", PT_TMPL_QWEN3, PT_BOS_NEVER, false, true, CHATML_OPEN, CHATML_CLOSE, "", NULL, "<|im_start|> <|im_end|>"},
    {"llama3.1",
     PT_TMPL_LLAMA31,
     PT_BOS_ONCE,
     true,
     true,
     {LLAMA3_HEAD("system"), LLAMA3_HEAD("user"), LLAMA3_HEAD("assistant"), LLAMA3_HEAD("ipython")},
     {EOT, EOT, EOT, EOT},
     "",
     NULL,
     LLAMA3_CONTROLS},
    {"mistral-system",
     PT_TMPL_FOLDED,
     PT_BOS_ONCE,
     false,
     false,
     {"", " [INST] ", "", NULL},
     {"\n\n", " [/INST]", EOS, NULL},
     " ",
     NULL,
     ""},
    {"mistral-v0.1",
     PT_TMPL_FOLDED,
     PT_BOS_ONCE,
     false,
     false,
     {"", "[INST] ", "", NULL},
     {"\n\n", " [/INST]", EOS " ", NULL},
     "",
     NULL,
     ""},
};

static const char *const names[] = {"chatml", "llama2", "llama3", "mistral",           "zephyr", "qwen", "smollm",
                                    "vicuna", "alpaca", "plain",  "tokenizer_default", NULL};

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

const pt_tmpl_style *pt_tmpl_by_name(const char *name)
{
    for (size_t i = 0; i < sizeof styles / sizeof *styles; i++) {
        if (strcmp(styles[i].name, name) == 0) return &styles[i];
    }
    return NULL;
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
