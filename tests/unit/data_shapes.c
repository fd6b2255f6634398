/* Shapes of rows that other trainers read: what each becomes, and what is refused by name. */
#include "read_show.h"

#include "base/log.h"
#include "tests/said.h"

typedef struct shape {
    const char *type, *row, *want; /* want begins with '!': the error says the rest */
    pt_dataset_spec spec;
} shape;

#define U(c) M("user", c)
#define A(c) M("assistant", c)
#define S(c) M("system", c)
#define CHOSEN(...) "\"chosen\": [" __VA_ARGS__ "]"
#define REJECTED(...) "\"rejected\": [" __VA_ARGS__ "]"

static const shape pairs[] = {
    /* whole conversations, with every kind of copy of the question beside them */
    {"preference", "{\"prompt\": \"q\", " CHOSEN(U("q") "," A("c")) "," REJECTED(U("q") "," A("r")) "}", "U:q => A:c < A:r", {0}},
    {"preference", "{\"prompt\": [" U("q") "], " CHOSEN(U("q") "," A("c")) "," REJECTED(U("q") "," A("r")) "}", "U:q => A:c < A:r", {0}},
    {"preference", "{\"prompt\": [" S("s") "," U("q") "], " CHOSEN(U("q") "," A("c")) "," REJECTED(U("q") "," A("r")) "}",
     "S:s|U:q => A:c < A:r", {0}},
    {"preference", "{\"prompt\": \"q\\n\", " CHOSEN(S("s") "," U("q") "," A("c")) "," REJECTED(S("s") "," U("q") "," A("r")) "}",
     "S:s|U:q => A:c < A:r", {0}},
    {"preference", "{\"messages\": [" U("q") "," A("c") "], " CHOSEN(U("q") "," A("c")) "," REJECTED(U("q") "," A("r")) "}", "U:q => A:c < A:r", {0}},
    {"preference", "{\"messages\": [" U("q") "," A("r") "], " CHOSEN(U("q") "," A("c")) "," REJECTED(U("q") "," A("r")) "}", "U:q => A:c < A:r", {0}},
    {"preference", "{\"messages\": [" U("x") "," A("y") "], " CHOSEN(U("q") "," A("c")) "," REJECTED(U("q") "," A("r")) "}", "U:q => A:c < A:r", {0}},
    {"preference",
     "{\"prompt\": \"v\", " CHOSEN(U("q") "," A("a") "," U("v") "," A("c")) "," REJECTED(U("q") "," A("a") "," U("v") "," A("r")) "}",
     "U:q|A:a|U:v => A:c < A:r", {0}},
    {"preference", "{\"prompt\": \"other\", " CHOSEN(U("q") "," A("c")) "," REJECTED(U("q") "," A("r")) "}", "U:q => A:c < A:r", {0}},
    {"preference", "{\"prompt\": [" U("other") "], " CHOSEN(U("q") "," A("c")) "," REJECTED(U("q") "," A("r")) "}", "!stand in neither conversation", {0}},
    {"preference", "{\"prompt\": [" U("p") "," A("a") "], " CHOSEN(U("q") "," A("c")) "," REJECTED(U("q") "," A("r")) "}",
     "U:p|A:a|U:q => A:c < A:r", {0}},
    {"preference", "{\"system\": \"s\", \"prompt\": \"q\", " CHOSEN(U("q") "," A("c")) "," REJECTED(U("q") "," A("r")) "}", "S:s|U:q => A:c < A:r", {0}},
    {"preference", "{\"system\": \"t\", " CHOSEN(S("s") "," U("q") "," A("c")) "," REJECTED(S("s") "," U("q") "," A("r")) "}",
     "S:s|U:q => A:c < A:r", {0}},
    {"chat_template.default", "{\"messages\": [" U("q") "], " CHOSEN(U("q") "," A("c")) "," REJECTED(U("q") "," A("r")) "}", "U:q => A:c < A:r", {0}},
    {"chatml.ultra", "{\"system\": \"s\", \"prompt\": \"q\", " CHOSEN(U("q") "," A("c")) "," REJECTED(U("q") "," A("r")) "}",
     "S:s|U:q => A:c < A:r", {0}},
    {"preference", "{\"messages\": 2, \"instruction\": \"q\", \"chosen\": \"c\", \"rejected\": \"r\"}", "U:q => A:c < A:r", {0}},
    {"preference", "{\"conversations\": [{\"by\": \"x\"}], " CHOSEN(U("q") "," A("c")) "," REJECTED(U("q") "," A("r")) "}", "U:q => A:c < A:r", {0}},
    /* one side a conversation, the other an answer (ms-swift) */
    {"preference", "{\"messages\": [" U("q") "," A("c") "], \"rejected_response\": \"r\"}", "U:q => A:c < A:r", {0}},
    {"preference", "{\"messages\": [" S("s") "," U("q") "," A("c") "], \"rejected_messages\": [" S("s") "," U("q") "," A("r") "]}",
     "S:s|U:q => A:c < A:r", {0}},
    {"preference", "{" CHOSEN(U("q") "," A("c")) ", \"rejected\": " A("r") "}", "U:q => A:c < A:r", {0}},
    /* answers behind a prompt */
    {"preference", "{\"messages\": [" U("q") "," A("c") "], \"chosen\": \"c\", \"rejected\": \"r\"}", "U:q => A:c < A:r", {0}},
    {"preference", "{\"messages\": [" U("q") "," A(" r") "], \"chosen\": " A("c") ", \"rejected\": " A("r") "}", "U:q => A:c < A:r", {0}},
    {"preference", "{\"prompt\": \"q\", \"chosen\": [\"c\"], \"rejected\": [\"r\"]}", "U:q => A:c < A:r", {0}},
    {"preference", "{\"prompt\": [" U("p") "," A("a") "," U("q") "], \"chosen\": \"c\", \"rejected\": [" A("r") "]}", "U:p|A:a|U:q => A:c < A:r", {0}},
    {"llama3.intel", "{\"system\": null, \"question\": \"q\", \"chosen\": \"c\", \"rejected\": \"r\"}", "U:q => A:c < A:r", {0}},
    {"chatml.icr", "{\"system\": \"\", \"input\": \"q\", \"chosen\": \"c\", \"rejected\": \"r\"}", "U:q => A:c < A:r", {0}},
    {"chatml.argilla", "{\"system\": \" \", \"instruction\": \"q\", \"chosen_response\": \"c\", \"rejected_response\": \"r\"}", "U:q => A:c < A:r", {0}},
    {"bradley_terry.chat_template", "{\"system\": \"s\", \"input\": \"q\", \"chosen\": \"c\", \"rejected\": \"r\"}", "S:s|U:q => A:c < A:r", {0}},
    {"alpaca", "{\"instruction\": \"i\", \"input\": null, \"chosen\": \"c\", \"rejected\": \"r\", \"history\": [[\"a\", \"b\"]]}", "U:a|A:b|U:i => A:c < A:r", {0}},
    {"sharegpt", "{\"conversations\": [{\"from\": \"human\", \"value\": \"q\"}], \"chosen\": {\"from\": \"gpt\", \"value\": \"c\"}, \"rejected\": {\"from\": "
                 "\"gpt\", \"value\": \"r\"}, \"system\": \"s\"}", "S:s|U:q => A:c < A:r", {0}},
    {"preference", "{\"question\": \"q\", \"response_j\": \"c\", \"response_k\": \"r\"}", "U:q => A:c < A:r",
     {SAYS(SAID("field_prompt", "question"), SAID("field_chosen", "response_j"), SAID("field_rejected", "response_k"))}},
    {"preference", "{\"question\": \"q\", \"response_j\": \"c\", \"response_k\": \"r\"}",
     "!field_prompt: question, field_chosen: response_j, field_rejected: response_k", {0}},
    {"preference", "{\"talk\": [" U("q") "], \"prompt\": \"x\", \"chosen\": \"c\", \"rejected\": \"r\"}", "U:q => A:c < A:r", {SAYS(SAID("field_messages", "talk"))}},
    {"preference", "{\"instruction\": \"q\", \"output\": [\"c\", \"r\"]}", "U:q => A:c < A:r", {0}},
    /* prompts that both answers repeat; an echo is none */
    {"preference", "{\"prompt\": \"What is the sky?\", \"chosen\": \"What is the sky? It is blue.\", \"rejected\": \"What is the sky?\\nGreen.\"}",
     "U:What is the sky? => A:It is blue. < A:Green.", {0}},
    {"preference", "{\"prompt\": \"Hello\", \"chosen\": \"Hello there\", \"rejected\": \"Hello.\"}", "U:Hello => A:Hello there < A:Hello.", {0}},
    {"preference", "{\"prompt\": \"What is the sky?\", \"chosen\": \"What is the sky? Blue.\", \"rejected\": \"Green.\"}",
     "U:What is the sky? => A:What is the sky? Blue. < A:Green.", {0}},
    /* conversations that a table spells as texts */
    {"preference", "{\"prompt\": \"q\", \"chosen\": \"[{\\\"role\\\": \\\"user\\\", \\\"content\\\": \\\"q\\\"}, {\\\"role\\\": \\\"assistant\\\", \\\"content\\\": \\\"c\\\"}]\", \"rejected\": \"[{\\\"role\\\": \\\"user\\\", \\\"content\\\": \\\"q\\\"}, {\\\"role\\\": \\\"assistant\\\", \\\"content\\\": \\\"r\\\"}]\"}", "U:q => A:c < A:r", {0}},
    {"preference", "{\"prompt\": \"[{\\\"role\\\": \\\"system\\\", \\\"content\\\": \\\"s\\\"}, {\\\"role\\\": \\\"user\\\", \\\"content\\\": \\\"q\\\"}]\", \"chosen\": \"c\", \"rejected\": \"r\"}", "S:s|U:q => A:c < A:r", {0}},
    {"preference", "{\"prompt\": \"q\", \"chosen\": \"[1, 2]\", \"rejected\": \"[{\\\"role\\\": \\\"king\\\"}]\"}",
     "U:q => A:[1, 2] < A:[{\"role\": \"king\"}]", {0}},
    /* one text a conversation */
    {"preference", "{\"chosen\": \"\\n\\nHuman: q\\n\\nAssistant: c\", \"rejected\": \"\\n\\nHuman: q\\n\\nAssistant: r\"}", "U:q => A:c < A:r", {0}},
    {"preference",
     "{\"chosen\": \"\\n\\nHuman: p\\n\\nAssistant: a\\n\\nb\\n\\nHuman: q\\n\\nAssistant: c\", \"rejected\": \"\\n\\nHuman: p\\n\\nAssistant: "
     "a\\n\\nb\\n\\nHuman: q\\n\\nAssistant: r\"}", "U:p|A:a\n\nb|U:q => A:c < A:r", {0}},
    {"preference", "{\"prompt\": \"\\n\\nHuman: q\\n\\nAssistant:\", \"chosen\": \" c\", \"rejected\": \" r\"}", "U:q => A:c < A:r", {0}},
    {"preference", "{\"chosen\": \"\\n\\nHuman: q\\n\\nAssistant: c\\n\\nHuman: v\", \"rejected\": \"\\n\\nHuman: q\\n\\nAssistant: r\"}",
     "!'chosen': the last message is not the assistant's", {0}},
    {"preference", "{\"chosen\": \"\\n\\nHuman: q\\n\\nAssistant:\", \"rejected\": \"\\n\\nHuman: q\\n\\nAssistant: r\"}", "!not the assistant's", {0}},
    /* no prompt at all */
    {"preference", "{\"chosen\": \"The sky is blue\", \"rejected\": \"The sky is red\"}", "text:The sky is blue < The sky is red", {0}},
    {"preference", "{\"prompt\": \"\", \"system\": null, \"chosen\": \"a b\", \"rejected\": \"a c\"}", "text:a b < a c", {0}},
    {"preference", "{\"chosen\": " A("c") ", \"rejected\": " A("r") "}", "!no 'prompt'", {0}},
    {"preference", "{\"prompt\": \"q\", \"chosen\": \" \", \"rejected\": \"r\"}", "!'chosen': empty answer", {0}},
    {"preference", "{\"prompt\": \"q\", \"chosen\": \"c\", \"rejected\": " A("") "}", "!'rejected': empty answer", {0}},
};

static const shape sft[] = {
    /* questions and answers */
    {"alpaca", "{\"prompt\": \"q\", \"completion\": \"a\"}", "U:q|A:a", {0}},
    {"messages", "{\"prompt\": \"q\", \"completion\": \"a\"}", "U:q|A:a", {0}},
    {"alpaca", "{\"prompt\": [" U("p") "," A("a") "," U("q") "], \"completion\": [" A("b") "]}", "U:p|A:a|U:q|A:b (asked 3)", {0}},
    {"messages", "{\"prompt\": [" S("s") "," U("q") "], \"completion\": " A("b") "}", "S:s|U:q|A:b (asked 2)", {0}},
    {"alpaca", "{\"prompt\": \"[{\\\"role\\\": \\\"user\\\", \\\"content\\\": \\\"q\\\"}]\", \"completion\": \"[{\\\"role\\\": \\\"assistant\\\", \\\"content\\\": \\\"b\\\"}]\"}", "U:q|A:b (asked 1)", {0}},
    {"alpaca", "{\"prompt\": \"spell it\", \"completion\": \"[{\\\"role\\\": \\\"user\\\"}]\"}", "U:spell it|A:[{\"role\": \"user\"}]", {0}},
    {"alpaca", "{\"prompt\": [" U("q") "], \"completion\": \"b\"}", "U:q|A:b (asked 1)", {0}},
    {"alpaca", "{\"system\": \"s\", \"query\": \"q\", \"response\": \"a\", \"history\": [[\"x\", \"y\"]]}", "S:s|U:x|A:y|U:q|A:a", {0}},
    {"alpaca", "{\"query\": \"q\", \"response\": \"a\", \"history\": []}", "U:q|A:a", {0}},
    {"alpaca_chat.load_qa", "{\"question\": \"q\", \"answer\": \"a\"}", "U:q|A:a", {0}},
    {"gpteacher", "{\"instruction\": \"i\", \"input\": \"x\", \"response\": \"a\"}", "U:i\nx|A:a", {0}},
    {"oasst", "{\"INSTRUCTION\": \"q\", \"RESPONSE\": \"a\"}", "U:q|A:a", {0}},
    {"alpaca_w_system.load_open_orca", "{\"system_prompt\": \"s\", \"question\": \"q\", \"response\": \"a\"}", "S:s|U:q|A:a", {0}},
    {"alpaca", "{\"input\": \"q\", \"output\": \"a\"}", "U:q|A:a", {0}},
    {"alpaca", "{\"title\": \"q\", \"more\": \"m\", \"body\": \"a\", \"who\": \"s\"}", "S:s|U:q\nm|A:a",
     {SAYS(SAID("field_prompt", "title"), SAID("field_input", "more"), SAID("field_output", "body"), SAID("field_system", "who"))}},
    {"alpaca", "{\"instruction\": \"i\", \"input\": \"x\", \"output\": \"a\", \"system\": \"s\"}", "U:i|A:a", {SAYS(SAID("field_input", ""), SAID("field_system", ""))}},
    {"alpaca", "{\"instruction\": \"i\", \"question\": \"q\", \"output\": \"a\"}", "!both 'instruction' and 'question' hold text", {0}},
    {"alpaca", "{\"instruction\": \"i\", \"prompt\": \"### i\", \"output\": \"a\"}", "U:i|A:a", {0}},
    {"alpaca", "{\"instruction\": \"i\", \"output\": \"a\", \"weight\": 62, \"margin\": \"wide\", \"label\": false, \"role\": \"x\", \"train\": 1}", "U:i|A:a", {0}},
    {"alpaca", "{\"instruction\": \"i\", \"output\": \"a\", \"tools\": \"a hammer\", \"history\": \"long\"}", "U:i|A:a", {0}},
    {"alpaca", "{\"instruction\": \"i\", \"output\": \"a\", \"tools\": [\"saw\"], \"messages\": 3}", "U:i|A:a", {0}},
    {"messages", "{\"messages\": [" U("q") ",{\"role\": \"assistant\", \"content\": \"a\", \"loss\": 1.25}]}", "U:q|A:a", {0}},
    {"messages", "{\"messages\": [" U("q") ",{\"role\": \"assistant\", \"content\": \"a\", \"loss\": false}]}", "U:q|A0:a", {0}},
    {"alpaca", "{\"instruction\": \"i\", \"output\": \"a\", \"score\": 0.5}", "U:i|A:a w0.5", {SAYS(SAID("field_weight", "score"))}},
    {"alpaca", "{\"instruction\": \"i\", \"output\": 3}", "!a list of messages is wanted", {0}},
    {"alpaca", "{\"output\": \"a\"}", "!no field 'instruction'", {0}},
    {"alpaca", "{\"messages\": [" U("q") "," A("a") "]}", "U:q|A:a", {0}},
    /* what is empty, null or absent is not there */
    {"alpaca", "{\"instruction\": null, \"input\": \"q\", \"output\": \"a\", \"system\": null, \"history\": null}", "U:q|A:a", {0}},
    {"alpaca", "{\"instruction\": \" \", \"input\": \"q\", \"output\": \"a\", \"system\": \" \\n\"}", "U:q|A:a", {0}},
    {"alpaca", "{\"instruction\": \"\", \"output\": \"a\"}", "U:|A:a", {0}},
    {"alpaca", "{\"instruction\": null, \"input\": \"\", \"output\": \"a\"}", "U:|A:a", {0}},
    {"alpaca", "{\"prompt\": \"\", \"completion\": \"a\", \"history\": [[\"x\", \"y\"]]}", "U:x|A:y|U:|A:a", {0}},
    {"messages", "{\"messages\": [" U("q") "], \"system\": \"\"}", "U:q", {0}},
    {"messages", "{\"messages\": [" U("q") "], \"system\": null}", "U:q", {0}},
    {"messages", "{\"messages\": [{\"role\": \"system\", \"content\": null}," U("q") "]}", "S:|U:q", {0}},
    {"sharegpt", "{\"conversation\": [{\"human\": \"q\", \"assistant\": \"a\"}], \"system\": \" \"}", "U:q|A:a", {0}},
    /* conversations */
    {"messages", "{\"conversations\": [{\"from\": \"human\", \"value\": \"q\"}, {\"from\": \"gpt\", \"value\": \"a\"}]}", "U:q|A:a", {0}},
    {"sharegpt", "{\"conversations\": [" U("q") "," A("a") "]}", "U:q|A:a", {0}},
    {"sharegpt", "{\"messages\": [{\"from\": \"Human\", \"content\": \"q\"}, {\"role\": \"GPT\", \"value\": \"a\"}]}", "U:q|A:a", {0}},
    {"messages", "{\"messages\": \"[{\\\"role\\\": \\\"user\\\", \\\"content\\\": \\\"q\\\"}]\"}", "U:q", {0}},
    {"messages", "{\"messages\": " U("q") "}", "U:q", {0}},
    {"messages", "{\"chat\": [[\"q\", \"a\"], [\"r\", \"b\"]]}", "U:q|A:a|U:r|A:b", {SAYS(SAID("field_messages", "chat"))}},
    {"messages", "{\"messages\": [" S("m") "," U("q") "], \"system\": \"s\"}", "S:m|U:q", {0}},
    {"messages", "{\"messages\": [" S("m") "," U("q") "], \"system\": \"s\"}", "U:q", {.drop_system = true}},
    {"messages", "{\"messages\": [" U("q") "]}", "S:own|U:q", {.system_prompt = "own"}},
    {"messages", "{\"messages\": [" U("q") "], \"system\": \"s\"}", "S:s|U:q", {.system_prompt = "own"}},
    {"messages", "{\"messages\": [{\"role\": \"assistant\", \"content\": \"a\", \"learn\": false, \"train\": true, \"weight\": 3}]}", "A0:a",
     {SAYS(SAID("message_field_training", "learn"))}},
    {"messages", "{\"dialogue\": [{\"role\": \"Sheldon\", \"text\": \"a\"}]}",
     "!type: messages, field_messages: dialogue, message_property_mappings: {content: text}, roles: {", {0}},
    {"messages", "{\"turns\": [{\"speaker\": \"user\", \"utterance\": \"a\"}]}",
     "!field_messages: turns, message_property_mappings: {role: speaker, content: utterance}", {0}},
    {"text", "{\"prompt\": \"q\", \"completion\": \"a\"}", "!this shape is read with type: alpaca", {0}},
    {"text", "{\"story\": \"q\", \"id\": 4}", "!type: text, field_text: story", {0}},
    {"alpaca", "{\"prompt\": \"q\", \"chosen\": \"c\", \"rejected\": \"r\"}", "!type: preference (objective dpo or reward)", {0}},
    /* conversations of people; samples of each format: tests/unit/data_readers.c */
    {"chatharuhi", "{\"dialogue\": [{\"role\": \"Bo\", \"text\": \"q\"}, {\"role\": \"\", \"text\": \"n\"}, {\"role\": \"Ann\", \"text\": \"a\"}]}", "[Ann] U:q\n\nn|A:a", {SAYS(SAID("view_of", "Ann"))}},
    {"chatharuhi", "{\"dialogue\": [{\"role\": \"Bo\", \"text\": \"q\"}, \"a\"]}", "!line 2 of 'dialogue': a string, an object is wanted", {0}},
    {"chatharuhi", "{\"dialogue\": [{\"role\": \"Bo\", \"text\": 3}]}", "!line 1 of 'dialogue': field 'text' is a number", {0}},
    {"chatharuhi", "{\"dialogue\": {\"role\": \"Bo\"}}", "!field 'dialogue' is an object, a list of lines is wanted", {0}},
    {"chatharuhi", "{\"agent_role\": \"Ann\", \"user_role\": \"Bo\", \"user_question\": \"q\", \"agent_response\": \"a\"}", "[Ann] U:q|A:a", {0}},
    {"chatharuhi", "{\"agent_role\": \"Ann\", \"user_question\": \"q\", \"agent_response\": \"a\", \"more_dialogues\": [3]}", "!line 1 of 'more_dialogues' is a number, a text is wanted", {0}},
    {"chatharuhi", "{\"user_question\": \"q\", \"agent_response\": \"a\"}", "!no field 'agent_role'", {0}},
    {"messages", "{\"agent_role\": \"Ann\", \"user_question\": \"q\", \"agent_response\": \"a\"}", "!this shape is read with type: chatharuhi", {0}},
    {"characterglm", "{\"bot_info\": \"b\", \"greeting\": \"hi\"}", "!no field 'bot_name'", {0}},
    {"characterbench", "{\"character_name\": \"Ann\", \"dialogue\": [{\"speaker\": \"user\", \"utterance\": \"q\"}], \"response_messages\": {\"response\": \"a\"}}", "[Ann] U:q|A:a", {0}},
    {"characterbench", "{\"character_name\": \"Ann\", \"dialogue\": [{\"speaker\": \"user\", \"utterance\": \"q\"}], \"mine\": \"a\", \"annotation_score\": 2}", "[Ann] U:q|A:a w2",
     {SAYS(SAID("field_reply", "mine"), SAID("field_weight", "annotation_score"))}},
    {"characterbench", "{\"character_name\": \"Ann\", \"dialogue\": [{\"speaker\": \"user\", \"utterance\": \"q\"}], \"response_messages\": {\"response\": \"a\"}}",
     "!nobody whose point of view is taken says anything", {SAYS(SAID("field_reply", ""))}},
    {"characterbench", "{\"character_name\": \"Ann\", \"dialogue\": []}", "!no field 'en'", {SAYS(SAID("field_scene", "en"))}},
    {"charactereval", "{\"role\": \"Ann\", \"context\": \"Bo: q\\nAnn: a\\nb\"}", "[Ann] U:q|A:a\nb", {0}},
    {"charactereval", "{\"role\": \"Ann\", \"context\": \"so it goes\"}", "!\"name: text\" is wanted in each line, not 'so it goes'", {0}},
    {"character_llm", "{\"character\": \"Ann\", \"content\": [{\"turn_role\": \"host\", \"turn_content\": []}]}", "!turn 1: turn_role is interviewer or character, not 'host'", {0}},
    {"coser", "{\"plots\": 3}", "!no field 'dialogues'", {0}},
    {"coser", "{\"plots\": [{\"conversation\": [7]}]}", "!conversation 1 of plot 1 is a number", {0}},
    {"convai2", "{\"personality\": [\"p\", \"o\"], \"history\": [\"q\", \"a\", \"v\"], \"candidates\": [\"x\", \"b\"]}", "[you] S:p\no|U:q|A0:a|U:v|A:b", {0}},
    {"convai2", "{\"personality\": [\"p\"], \"utterances\": []}", "!a dialogue without an utterance", {0}},
    {"convai2", "1 your persona: p\n2 q\ta\n", "[you] S:p|U:q|A:a", {0}},
    {"convai2", "1 q\ta\nb\tc\n", "!rows.jsonl:2: \"NUMBER text\" is wanted", {0}},
    {"convai2", "3 q\ta\n", "!rows.jsonl:1: the first line of an episode has the number 1", {0}},
    {"beyond_dialogue", "{\"Q\": [" U("q") "], \"A\": [\"x\", \"y\"], \"type\": \"style\", \"language\": \"en\"}", "U:q|A:{\"style\": \"x, y\"} (asked 1)", {0}},
    {"beyond_dialogue", "{\"Q\": [" U("q") "], \"A\": {\"joy\": 3}, \"type\": \"emotion\"}", "!field 'A' is an object; only names of labels are read", {0}},
    {"lamp", "{\"id\": \"1\", \"input\": \"q\", \"profile\": [{\"id\": \"2\", \"text\": \"t\"}], \"output\": \"a\"}", "S:text: t|U:q|A:a (asked 2)", {0}},
    {"lamp", "{\"id\": \"1\", \"input\": \"q\", \"profile\": []}", "!outputs: FILE names the file of answers", {0}},
    {"lamp", "{\"id\": \"1\", \"input\": \"q\", \"output\": \"a\"}", "!field 'profile' is nothing, a list is wanted", {0}},
    {"messages", "{\"dialogue\": [{\"role\": \"Ann\", \"text\": \"a\"}], \"source\": \"s\"}", "!this shape is read with type: chatharuhi", {0}},
    {"alpaca", "{\"id\": 1, \"context\": \"Ann: a\", \"role\": \"Ann\", \"novel_name\": \"n\"}", "!type: charactereval", {0}},
    {"messages", "{\"trait\": \"t\", \"questions\": [\"q\"], \"additional_questions\": []}", "!a trait and questions without answers", {0}},
    /* ids with padding */
    {"tokens", "{\"input_ids\": [5, 6, 0, 0], \"labels\": [-100, 6, -100, 0], \"attention_mask\": [1, 1, 0, 0]}", "5 6*", {0}},
    {"tokens", "{\"input_ids\": [0, 0, 5, 6], \"labels\": [-100, -100, -100, 6], \"attention_mask\": [0, 0, 1, 1]}", "5 6*", {0}},
    {"tokens", "{\"input_ids\": [-1, 5, 6, -1], \"labels\": [9, -100, 6, 9], \"attention_mask\": [false, true, true, false]}", "5 6*", {0}},
    {"tokens", "{\"input_ids\": [5, 6, 7], \"labels\": [5, 6, 7], \"attention_mask\": [1, 0, 1]}", "!between others", {0}},
    {"tokens", "{\"input_ids\": [5, 6], \"labels\": [5, 6], \"attention_mask\": [1]}", "!1 attention_mask for 2 ids", {0}},
    {"tokens", "{\"input_ids\": [5, 6], \"labels\": [5, 6], \"attention_mask\": [1, 2]}", "!neither 0 nor 1", {0}},
    {"tokens", "{\"input_ids\": [5, 6, 7, 0], \"completion_mask\": [0, 1, 1, 0], \"assistant_masks\": [1, 0, 1, 0], \"attention_mask\": [1, 1, 1, 0]}",
     "5 6 7*", {0}},
};

static void read_all(const shape *list, size_t n, bool as_pairs)
{
    for (size_t i = 0; i < n; i++) {
        pt_dataset_spec spec = list[i].spec;
        spec.type = (char *)list[i].type;
        pt_status rc = read_bytes(list[i].row, strlen(list[i].row), spec, as_pairs);
        const char *want = list[i].want;
        if (*want == '!') {
            if (rc != PT_EFORMAT || !strstr(pt_err_msg(), want + 1))
                fail_msg("shape %zu %s:\n%s, '%s' does not say '%s'", i, list[i].row, pt_status_name(rc), rc == PT_OK ? out_text : pt_err_msg(), want + 1);
            continue;
        }
        if (rc != PT_OK) fail_msg("shape %zu %s:\n%s", i, list[i].row, pt_err_msg());
        if (strcmp(out_text, want)) fail_msg("shape %zu %s:\n  got  %s\n  want %s", i, list[i].row, out_text, want);
    }
}

static void shapes_of_pairs(void **state)
{
    read_all(pairs, sizeof pairs / sizeof *pairs, true);
}

/* Pairs with a criterion behind the same prompt. */
static const shape triples[] = {
    {"preference", "{\"prompt\": \"q\", \"chosen\": \"c\", \"rejected\": \"r\", \"criterion\": \"k\"}", "U:q => A:c < A:r ~ A:k", {0}},
    {"preference", "{\"prompt\": [" S("s") "," U("q") "], " CHOSEN(A("c")) "," REJECTED(A("r")) ", \"criterion\": [" A("k") "]}", "S:s|U:q => A:c < A:r ~ A:k", {0}},
    {"preference", "{" CHOSEN(U("q") "," A("c")) "," REJECTED(U("q") "," A("r")) ", \"criterion\": [" U("other") "," A("k") "], \"system\": \"s\"}",
     "S:s|U:q => A:c < A:r ~ A:k", {0}},
    {"preference", "{\"chosen\": \"once c\", \"rejected\": \"once r\", \"criterion\": \"once k\"}", "text:once c < once r ~ once k", {0}},
    {"preference", "{\"prompt\": \"q\", \"chosen\": \"c\", \"rejected\": \"r\", \"mine\": \"k\"}", "U:q => A:c < A:r ~ A:k", {.said = (pt_dataset_said[]){SAID("field_criterion", "mine"), {.key = NULL}}}},
    {"preference", "{\"prompt\": \"q\", \"chosen\": \"c\", \"rejected\": \"r\"}", "!no field 'criterion'", {0}},
    {"preference", "{\"prompt\": \"q\", \"chosen\": \"c\", \"rejected\": \"r\", \"criterion\": \" \"}", "!'criterion': empty answer", {0}},
    {"preference", "{\"prompt\": \"q\", \"chosen\": \"c\", \"rejected\": \"r\", \"criterion\": [" U("k") "]}", "!'criterion': the last message is not the assistant's", {0}},
    {"preference", "{\"prompt\": \"q\", \"chosen\": \"c\", \"rejected\": \"r\", \"criterion\": 3}", "!'criterion'", {0}},
    {"mindset", "{\"instruction\": \"q\", \"output\": [\"c\", \"r\"], \"criterion\": \"k\"}", "!holds no criterion", {0}},
    {"tokens", "{\"prompt_input_ids\": [5], \"chosen_input_ids\": [6], \"rejected_input_ids\": [7], \"criterion_input_ids\": [8, 9]}", "5 6* < 5 7* ~ 5 8* 9*", {0}},
    {"tokens", "{\"prompt_input_ids\": [5], \"chosen_input_ids\": [6], \"rejected_input_ids\": [7]}", "!criterion_input_ids", {0}},
};

static int passed_over;
static void count_warnings(void *user, pt_log_level level, const char *text)
{
    passed_over += level == PT_LOG_WARN && strstr(text, "criterion answers are not read") != NULL;
}

static void shapes_with_criterion(void **state)
{
    with_criterion = true;
    read_all(triples, sizeof triples / sizeof *triples, true);
    with_criterion = false;
    static const char two[] = "{\"prompt\": \"q\", \"chosen\": \"c\", \"rejected\": \"r\", \"criterion\": \"k\"}\n{\"prompt\": \"q\", \"chosen\": \"d\", \"rejected\": \"r\", \"criterion\": \"k\"}\n";
    pt_log_set_sink(count_warnings, NULL);
    assert_int_equal(read_bytes(two, sizeof two - 1, (pt_dataset_spec){.type = "preference"}, true), PT_OK);
    pt_log_set_sink(NULL, NULL);
    assert_string_equal(out_text, "U:q => A:c < A:r // U:q => A:d < A:r @2");
    assert_int_equal(passed_over, 1);
}

static void shapes_of_sft(void **state)
{
    read_all(sft, sizeof sft / sizeof *sft, false);
}

static void padded_pairs(void **state)
{
    static const char row[] = "{\"prompt_input_ids\": [0, 5], \"prompt_attention_mask\": [0, 1], \"chosen_input_ids\": [6, 7, 0], "
                              "\"chosen_attention_mask\": [1, 1, 0], \"rejected_input_ids\": [8, 0], \"rejected_attention_mask\": [1, 0]}";
    assert_int_equal(read_bytes(row, sizeof row - 1, (pt_dataset_spec){.type = "tokens"}, true), PT_OK);
    assert_string_equal(out_text, "5 6* 7* < 5 8*");
}

static void named_speakers(void **state)
{
    static const char row[] = "{\"dialogue\": [{\"role\": \"Raj\", \"text\": \"q\"}, {\"role\": \"Sheldon\", \"text\": \"a\"}]}";
    char *names[] = {(char *)"Raj", (char *)"Sheldon"};
    const pt_speaker *is[] = {PT_USER, PT_ASSISTANT};
    pt_dataset_spec s = {.type = "messages", SAYS(SAID("field_messages", "dialogue"), SAID("message_field_content", "text")), .role_names = names, .role_is = is, .n_roles = 2};
    assert_int_equal(read_bytes(row, sizeof row - 1, s, false), PT_OK);
    assert_string_equal(out_text, "U:q|A:a");
    s.n_roles = 1;
    assert_int_equal(read_bytes(row, sizeof row - 1, s, false), PT_EFORMAT);
    assert_non_null(strstr(pt_err_msg(), "roles: {assistant: [NAME]}"));
}

/* ---- rows that cannot be used ------------------------------------------------------------------------------------ */

static char logged[4096];
static void log_sink(void *user, pt_log_level level, const char *text)
{
    snprintf(logged + strlen(logged), sizeof logged - strlen(logged), "%s\n", text);
}

/* n rows, every `period`-th one bad in one of three ways. */
static char *rows_with(int n, int period)
{
    static const char *const bad[] = {"{\"question\": \"q\"}\n", "{\"text\": 7}\n", "{\"text\": \"a\n"};
    char *rows = malloc((size_t)n * 32 + 1), *p = rows;
    for (int i = 1; i <= n; i++) p += sprintf(p, "%s", i % period ? "{\"text\": \"a\"}\n" : bad[i / period % 3]);
    return rows;
}

static void bad_rows_within(void **state)
{
    char *rows = rows_with(300, 100);
    pt_dataset_spec s = {.type = "text", .bad_rows = 0.01};
    logged[0] = 0;
    pt_log_set_sink(log_sink, NULL);
    pt_status rc = read_bytes(rows, strlen(rows), s, false);
    pt_log_set_sink(NULL, NULL);
    if (rc != PT_OK) fail_msg("%s", pt_err_msg());
    assert_non_null(strstr(logged, "rows.jsonl: 3 of 300 rows cannot be used and are left out: 1 x field 'text' is a number, a string is wanted (line 100); "
                                   "1 x broken JSON: "));
    assert_non_null(strstr(logged, "(line 200); 1 x no field 'text'; the row has 'question'"));
    s.bad_rows = 0; /* refuse: the first one, as before */
    assert_int_equal(read_bytes(rows, strlen(rows), s, false), PT_EFORMAT);
    assert_non_null(strstr(pt_err_msg(), "rows.jsonl:100: field 'text' is a number"));
    assert_null(strstr(pt_err_msg(), "bad_rows"));
    free(rows);
}

static void bad_rows_beyond(void **state)
{
    pt_dataset_spec s = {.type = "text", .bad_rows = 0.01};
    char *rows = rows_with(299, 99);
    assert_int_equal(read_bytes(rows, strlen(rows), s, false), PT_EFORMAT);
    assert_non_null(strstr(pt_err_msg(), "rows.jsonl:99: field 'text' is a number, a string is wanted. In all 3 of 299 rows cannot be used"));
    assert_non_null(strstr(pt_err_msg(), "bad_rows: 0.01 lets 2 of them be left out; bad_rows: drop leaves out every one"));
    free(rows);
    rows = rows_with(50, 50); /* 0.01 of 50 is none */
    assert_int_equal(read_bytes(rows, strlen(rows), s, false), PT_EFORMAT);
    assert_non_null(strstr(pt_err_msg(), "bad_rows: 0.01 lets 0 of them"));
    s.bad_rows = 0.02;
    pt_log_set_sink(log_sink, NULL);
    assert_int_equal(read_bytes(rows, strlen(rows), s, false), PT_OK);
    s.bad_rows = 1;
    free(rows);
    rows = rows_with(40, 2);
    assert_int_equal(read_bytes(rows, strlen(rows), s, false), PT_OK);
    pt_log_set_sink(NULL, NULL);
    free(rows);
    rows = rows_with(3000, 1); /* a wrong type ends early */
    s.bad_rows = 0.5;
    assert_int_equal(read_bytes(rows, strlen(rows), s, false), PT_EFORMAT);
    assert_non_null(strstr(pt_err_msg(), "1000 of 1000 rows cannot be used"));
    free(rows);
}

static void parts_of_a_file(void **state)
{
    static const struct {
        const char *split, *want;
    } parts[] = {{"train", "a b c d e f"}, {"train[:2]", "a b"}, {"train[4:]", "e f"}, {"train[1:3]", "b c"}, {"train[:50%]", "a b c"},
                 {"train[20%:40%]", "b"}, {"train[-2:]", "e f"}, {"train[:-4]", "a b"}, {"train[5:99]", "f"}, {"train[-10%:]", "f"},
                 {"test", NULL}, {"train[", NULL}, {"train[3]", NULL}, {"train[:101%]", NULL}, {"train[:2]+test", NULL}, {"train[2:2]", NULL}};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        char got[64] = "";
        static const char rows[] = "{\"text\": \"a\"}\n{\"text\": \"b\"}\n{\"text\": \"c\"}\n{\"text\": \"d\"}\n{\"text\": \"e\"}\n{\"text\": \"f\"}\n";
        pt_status rc = read_bytes(rows, sizeof rows - 1, (pt_dataset_spec){.type = "text", .split = (char *)parts[i].split}, false);
        if (!parts[i].want) {
            assert_int_equal(rc, PT_EARG);
            continue;
        }
        if (rc != PT_OK) fail_msg("%s: %s", parts[i].split, pt_err_msg());
        for (const char *p = out_text; (p = strstr(p, "text:")); p += 5) snprintf(got + strlen(got), sizeof got - strlen(got), "%s%c", *got ? " " : "", p[5]);
        assert_string_equal(got, parts[i].want);
    }
}

/* Every shape of the shared data reads, or its message says how it would. */
static void shared_files(void **state)
{
    const struct {
        const char *path, *type;
        bool pairs;
        const char *says;
        pt_dataset_spec spec;
    } real[] = {
        {"sft/formats/msswift_alpaca.jsonl", "alpaca", 0, NULL, {0}}, {"sft/formats/msswift_chatml.jsonl", "messages", 0, NULL, {0}},
        {"sft/formats/msswift_conversations.jsonl", "messages", 0, NULL, {0}}, {"sft/formats/msswift_sharegpt.jsonl", "messages", 0, NULL, {0}},
        {"sft/formats/msswift_swift_multi.jsonl", "messages", 0, NULL, {0}}, {"sft/formats/torchtune_alpaca_tiny.json", "alpaca", 0, NULL, {0}},
        {"sft/formats/torchtune_chat_tiny.json", "sharegpt", 0, NULL, {0}}, {"sft/formats/torchtune_instruct_tiny.json", "alpaca", 0, NULL, {0}},
        {"sft/llamafactory_alpaca_en_demo.json", "alpaca", 0, NULL, {0}}, {"sft/llamafactory_identity.json", "alpaca", 0, NULL, {0}},
        {"sft/llamafactory_v1_sft_demo.jsonl", "messages", 0, NULL, {0}}, {"sft/llamafactory_glaive_toolcall_en.json", "sharegpt", 0, NULL, {0}},
        {"sft/llamafactory_glaive_toolcall_zh.json", "messages", 0, NULL, {0}}, {"pref/llamafactory_dpo_zh_demo.json", "sharegpt", 1, NULL, {0}},
        {"pref/llamafactory_kto_en_demo.json", "messages", 0, NULL, {0}}, {"pref/llamafactory_v1_dpo_demo.jsonl", "messages", 1, NULL, {0}},
        {"pref/machine_mindset_dpo_energy_i_e.jsonl", "preference", 1, NULL, {0}}, {"pref/torchtune_hh_rlhf_tiny.json", "messages", 1, NULL, {0}},
        {"pref/torchtune_stack_exchange_paired_tiny.json", "preference", 1, NULL,
         {SAYS(SAID("field_prompt", "question"), SAID("field_chosen", "response_j"), SAID("field_rejected", "response_k"))}},
        {"pref/torchtune_stack_exchange_paired_tiny.json", "preference", 1, "field_prompt: question, field_chosen: response_j, field_rejected: response_k", {0}},
        {"pref/torchtune_hh_rlhf_tiny.json", "messages", 0, "type: preference", {0}},
        {"pref/machine_mindset_dpo_energy_i_e.jsonl", "text", 0, "type: mindset", {0}},
        {"sft/chatharuhi_en_sheldon.jsonl", "messages", 0, "type: chatharuhi", {0}},
        {"sft/opencharacter_constitution_humor.jsonl", "messages", 0, "a trait and questions without answers", {0}},
        {"sft/rolebench_en_general.jsonl", "messages", 0, "type: rolebench, profiles: FILE", {0}},
    };
    if (!pt_file_exists("../shared/data/SOURCES.md")) skip();
    for (size_t i = 0; i < sizeof real / sizeof *real; i++) {
        char file[160];
        snprintf(file, sizeof file, "../shared/data/%s", real[i].path);
        pt_dataset_spec spec = real[i].spec;
        spec.type = (char *)real[i].type;
        pt_status rc = read_file(file, spec, real[i].pairs);
        if (!real[i].says && rc != PT_OK) fail_msg("%s", pt_err_msg());
        if (real[i].says && (rc == PT_OK || !strstr(pt_err_msg(), real[i].says))) fail_msg("%s: '%s' does not say '%s'", file, pt_err_msg(), real[i].says);
    }
}

static pt_str warned;
static void keep_warning(void *user, pt_log_level level, const char *line)
{
    if (level == PT_LOG_WARN) (void)pt_str_printf(&warned, "%s\n", line);
}

/* A misspelt name of ours is warned about once a data set, with the name that was meant; other people's names are not. */
static void misspelt_columns(void **state)
{
    static const struct {
        const char *type, *extra, *says; /* says NULL: nothing */
    } cases[] = {{"tokens", "\"weigths\": [1, 1]", "'weigths' is not read; 'weights'"},  {"tokens", "\"wieght\": 1", "'wieght' is not read; 'weight'"},
                 {"tokens", "\"lable\": 1", "'lable' is not read; 'label'"},             {"tokens", "\"chosn\": 1", "'chosn' is not read; 'chosen'"},
                 {"tokens", "\"attention_msak\": 1", "'attention_msak' is not read; 'attention_mask'"},
                 {"tokens", "\"weight\": 1", NULL},                                      {"tokens", "\"title\": 1", NULL},
                 {"tokens", "\"weights\": [1, 1]", NULL},                                {"tokens", "\"height\": 1, \"weight\": 2", NULL},
                 {"tokens", "\"label\": 1", NULL},                                       {"tokens", "\"weigths\": null", NULL}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char rows[512];
        const char *at;
        pt_dataset_spec spec = {.type = (char *)cases[i].type};
        int n = snprintf(rows, sizeof rows, "{\"input_ids\": [1, 2], \"labels\": [1, 2], %s}\n{\"input_ids\": [1, 2], \"labels\": [1, 2], %s}\n", cases[i].extra, cases[i].extra);
        warned.len = 0;
        assert_int_equal(pt_str_puts(&warned, ""), PT_OK);
        pt_log_set_sink(keep_warning, NULL);
        assert_int_equal(read_bytes(rows, (size_t)n, spec, false), PT_OK);
        pt_log_set_sink(NULL, NULL);
        at = cases[i].says ? strstr(warned.text, cases[i].says) : NULL;
        if (cases[i].says ? !at || strstr(at + 1, cases[i].says) : warned.len > 0) fail_msg("case %zu: '%s'", i, warned.text);
    }
    pt_str_free(&warned);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(misspelt_columns), cmocka_unit_test(shapes_of_pairs), cmocka_unit_test(shapes_with_criterion), cmocka_unit_test(shapes_of_sft), cmocka_unit_test(padded_pairs),
                                       cmocka_unit_test(named_speakers),  cmocka_unit_test(bad_rows_within), cmocka_unit_test(bad_rows_beyond),
                                       cmocka_unit_test(parts_of_a_file),
                                       cmocka_unit_test(shared_files)};
    return cmocka_run_group_tests_name("data_shapes", tests, setup, teardown);
}
