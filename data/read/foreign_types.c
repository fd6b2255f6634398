/* Names of data types in other trainers that no type here has: their rows are read all the same, by keys that say which column is what. */
#include <string.h>

#include "data/read/record.h"

static const struct {
    const char *name; /* a '*' at the end stands for any rest */
    const char *write;
} types[] = {
    {"summarizetldr*", "type: alpaca, field_prompt: article, field_output: summary"},
    {"jeopardy*", "type: alpaca, prompt_template: \"{question} ({category})\", answer_template: \"What is {answer}\""},
    {"explainchoice*", "type: alpaca, prompt_template: \"{question}\\n{choices}\", answer_template: \"{explanation}\\n{solution}\""},
    {"concisechoice*", "type: alpaca, prompt_template: \"{question}\\n{choices}\", field_output: solution"},
    {"reflection*", "type: alpaca, answer_template: \"{output}\\n{reflection}\\n{corrected}\""},
    {"alpaca_chat.load_camel_ai", "type: alpaca, field_prompt: message_1, field_output: message_2"},
    {"context_qa.load_v2", "type: alpaca, prompt_template: \"{context}\\n\\n{question}\", field_output: answer"},
    {"context_qa.load_404", "type: alpaca, prompt_template: \"{article}\\n\\n{unanswerable_question}\", and an answer_template that says so"},
    {"context_qa*", "type: alpaca, prompt_template: \"{article}\\n\\n{question}\", field_output: answer"},
    {"creative_acr.load_answer", "type: alpaca, field_prompt: instruction, field_output: revision"},
    {"creative_acr.load_critique", "type: alpaca, prompt_template: \"{instruction}\\n\\n{answer}\", answer_template: \"{critiques}\\n{scores}\""},
    {"creative_acr.load_revise", "type: alpaca, prompt_template: \"{instruction}\\n\\n{answer}\\n\\n{critiques}\", field_output: revision"},
    {"metharme*", "type: alpaca, field_prompt: prompt, field_output: generation; the tags are a chat template's"},
    {"pygmalion*", "type: messages; the tags are a chat template's"},
    {"llama2_chat*", "type: sharegpt, with chat_template: llama2 of the config"},
    {"orcamini*", "type: alpaca; the tags are a chat template's"},
    {"zephyr.nectar", "type: rated, with objective: plackett_luce: each answer's rank counts"},
    {"orpo.*", "type: preference, with objective: orpo"},
    {"input_output", "type: messages with train_detail: parts of a message that are trained on; or type: tokens with labels"},
    {"stepwise_supervised*", "type: unpaired, a row a step: nothing here learns from a list of labels"},
    {"sharegpt_simple*", "type: sharegpt"},
    {"sharegpt.*", "type: sharegpt"},
    {"sharegpt:*", "type: sharegpt"},
    {"guanaco*", "type: text: its texts hold the marks of both speakers"},
};

static bool matches(const char *name, const char *type)
{
    size_t n = strlen(name);
    return name[n - 1] == '*' ? !strncmp(name, type, n - 1) : !strcmp(name, type);
}

const char *pt_reader_type_advice(const char *type)
{
    for (size_t i = 0; type && i < sizeof types / sizeof *types; i++)
        if (matches(types[i].name, type)) return types[i].write;
    return NULL;
}
