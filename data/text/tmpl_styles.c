/* The table of chat templates, and the digests of template texts that say exactly what a style says. */
#include "data/text/tmpl_priv.h"

#include <string.h>

#define EOS PT_TMPL_EOS
#define TAGS(...) (const pt_tmpl_tags[]){__VA_ARGS__, {NULL, NULL, NULL}}
#define CHATML_TURN(role) {role, "<|im_start|>" role "\n", "<|im_end|>\n"}
#define CHATML TAGS(CHATML_TURN("system"), CHATML_TURN("user"), CHATML_TURN("assistant"), CHATML_TURN("tool"))
#define LLAMA3_HEAD(role) "<|start_header_id|>" role "<|end_header_id|>\n\n"
#define EOT "<|eot_id|>"
#define LLAMA3_CONTROLS "<|begin_of_text|> <|start_header_id|> <|end_header_id|> <|eot_id|>"

const pt_tmpl_style pt_tmpl_own_style = {.name = "tokenizer_default", .kind = PT_TMPL_OWN, .bos = PT_BOS_NEVER, .system_anywhere = true, .tags = TAGS({NULL, NULL, NULL}), .lead = "", .controls = ""};

static const pt_tmpl_style styles[] = {
    {"chatml", PT_TMPL_TURNS, PT_BOS_NEVER, false, true, CHATML, "", NULL, "<|im_start|> <|im_end|>"},
    {"llama2",
     PT_TMPL_FOLDED,
     PT_BOS_EACH_USER,
     true,
     false,
     TAGS({"system", "<<SYS>>\n", "\n<</SYS>>\n\n"}, {"user", "[INST] ", " [/INST]"}, {"assistant", "", " " EOS}),
     " ",
     NULL,
     ""},
    {"llama3",
     PT_TMPL_TURNS,
     PT_BOS_ONCE,
     true,
     true,
     TAGS({"system", LLAMA3_HEAD("system"), EOT}, {"user", LLAMA3_HEAD("user"), EOT}, {"assistant", LLAMA3_HEAD("assistant"), EOT}, {"tool", LLAMA3_HEAD("tool"), EOT}),
     "",
     NULL,
     LLAMA3_CONTROLS},
    {"mistral",
     PT_TMPL_FOLDED,
     PT_BOS_ONCE,
     false,
     false,
     TAGS({"system", "", "\n\n"}, {"user", "[INST] ", " [/INST]"}, {"assistant", "", EOS}),
     "",
     NULL,
     ""},
    {"zephyr",
     PT_TMPL_TURNS,
     PT_BOS_NEVER,
     false,
     true,
     TAGS({"system", "<|system|>\n", EOS "\n"}, {"user", "<|user|>\n", EOS "\n"}, {"assistant", "<|assistant|>\n", EOS "\n"}),
     "",
     NULL,
     ""},
    {"qwen", PT_TMPL_QWEN25, PT_BOS_NEVER, false, true, CHATML, "",
     "You are Qwen, created by Alibaba Cloud. You are a helpful assistant.", "<|im_start|> <|im_end|>"},
    {"smollm", PT_TMPL_TURNS, PT_BOS_NEVER, false, true, CHATML, "",
     "You are a helpful AI assistant named SmolLM, trained by Hugging Face", "<|im_start|> <|im_end|>"},
    {"vicuna",
     PT_TMPL_TURNS,
     PT_BOS_AS_TOKENIZER,
     false,
     false,
     TAGS({"system", "", " "}, {"user", "USER: ", " "}, {"assistant", "ASSISTANT:", EOS}),
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
     TAGS({"system", "", "\n\n"}, {"user", "### Instruction:\n", "\n\n"}, {"assistant", "### Response:\n", EOS "\n\n"}),
     "",
     "Below is an instruction that describes a task. Write a response that appropriately completes the request.",
     ""},
    {"plain", PT_TMPL_TURNS, PT_BOS_AS_TOKENIZER, false, true, TAGS({"system", "", "\n"}, {"user", "", "\n"}, {"assistant", "", EOS}, {"tool", "", "\n"}), "", NULL, ""},
    /* reached through tokenizer_default alone */
    {"qwen2", PT_TMPL_TURNS, PT_BOS_NEVER, false, true, CHATML, "", "You are a helpful assistant.",
     "<|im_start|> <|im_end|>"},
    {"qwen3", PT_TMPL_QWEN3, PT_BOS_NEVER, false, true, CHATML, "", NULL, "<|im_start|> <|im_end|>"},
    {"llama3.1",
     PT_TMPL_LLAMA31,
     PT_BOS_ONCE,
     true,
     true,
     TAGS({"system", LLAMA3_HEAD("system"), EOT}, {"user", LLAMA3_HEAD("user"), EOT}, {"assistant", LLAMA3_HEAD("assistant"), EOT}, {"tool", LLAMA3_HEAD("ipython"), EOT}),
     "",
     NULL,
     LLAMA3_CONTROLS},
    {"mistral-system",
     PT_TMPL_FOLDED,
     PT_BOS_ONCE,
     false,
     false,
     TAGS({"system", "", "\n\n"}, {"user", " [INST] ", " [/INST]"}, {"assistant", "", EOS}),
     " ",
     NULL,
     ""},
    {"mistral-v0.1",
     PT_TMPL_FOLDED,
     PT_BOS_ONCE,
     false,
     false,
     TAGS({"system", "", "\n\n"}, {"user", "[INST] ", " [/INST]"}, {"assistant", "", EOS " "}),
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
