/* The kinds of findings. */
#include "data/audit/audit_priv.h"

#define ERROR PT_AUDIT_ERROR
#define WARNING PT_AUDIT_WARNING
#define NOTE PT_AUDIT_NOTE

static const pt_audit_kind kinds[PT_FOUND_KINDS] = {
    [PT_FOUND_DOUBLE_BOS] = {"double_bos", ERROR, "begin with two BOS tokens", "the rows or the chat template bring a BOS of their own: take it out there"},
    [PT_FOUND_END_NOT_TRAINED] = {"end_not_trained", ERROR, "hold an answer whose end token is only context: the model does not learn to stop there",
                                  "let the whole turn be trained on, or mark the end token in the rows' labels"},
    [PT_FOUND_TEST_OVERLAP] = {"test_overlap", ERROR, "stand in the training and in the test data, prompt and answer", "take them out of one of the two: measured on them, every model looks good"},
    [PT_FOUND_MISSING_BOS] = {"missing_bos", WARNING, "begin without the BOS token that this tokenizer puts first", "put it in front of the rows' ids"},
    [PT_FOUND_UNSUPERVISED] = {"unsupervised", WARNING, "have nothing to train on and are left out", "look at roles_to_train, train_detail and labels"},
    [PT_FOUND_UNUSABLE] = {"unusable", WARNING, "cannot be used and are left out", "mend the rows, or the keys that name their columns"},
    [PT_FOUND_TOO_LONG] = {"too_long", WARNING, "do not fit into sequence_len and are left out", "a larger sequence_len, or excess_length_strategy: truncate"},
    [PT_FOUND_CUT_ANSWER] = {"cut_answer", WARNING, "are cut off within an answer, which then has no end", "a larger sequence_len, or excess_length_strategy: drop"},
    [PT_FOUND_CUT_TURNS] = {"cut_turns", NOTE, "lost their oldest turns to fit into sequence_len", "a larger sequence_len keeps them"},
    [PT_FOUND_CONTROL_IN_TEXT] = {"control_in_text", WARNING, "spell a control token of this model in their text, where it stays text",
                                  "take it out: it is a leftover of another rendering, or an injection"},
    [PT_FOUND_CHAT_MARKUP] = {"chat_markup", WARNING, "hold the markup of a chat template in their text", "let the rows hold plain messages; the template is put around them here"},
    [PT_FOUND_UNFILLED_MACRO] = {"unfilled_macro", WARNING, "hold a macro that nobody filled in", "fill it in, or the model learns to say it"},
    [PT_FOUND_SPEAKS_FOR_USER] = {"speaks_for_user", WARNING, "hold an answer that goes on with the user's part", "cut the answer there: the model learns to talk to itself"},
    [PT_FOUND_AS_AN_AI] = {"as_an_ai", WARNING, "hold an answer that calls a persona an AI or a language model", "take them out, or write the answers anew in the persona's voice"},
    [PT_FOUND_REFUSAL] = {"refusal", WARNING, "hold an assistant's refusal in a persona's answer", "take them out, unless the persona is to refuse so"},
    [PT_FOUND_GREETING_ONLY] = {"greeting_only", WARNING, "hold a greeting alone: nobody says anything to it", "add what follows, or leave them out"},
    [PT_FOUND_EQUAL_PAIR] = {"equal_pair", WARNING, "have the same text as chosen and as rejected", "they prefer nothing and are left out"},
    [PT_FOUND_NEAR_PAIR] = {"near_pair", NOTE, "have a chosen and a rejected answer that differ in case, spaces and marks alone", "is that what is to be preferred?"},
    [PT_FOUND_DUPLICATE] = {"duplicate", WARNING, "are the same as an earlier record", "dataset_exact_deduplication: true drops them; data sets' `weight` repeats on purpose"},
    [PT_FOUND_NEAR_DUPLICATE] = {"near_duplicate", NOTE, "are nearly the same as an earlier record", "keep one of them"},
    [PT_FOUND_TEST_PROMPT] = {"test_prompt", WARNING, "ask what the test data asks, with other answers", "take them out of one of the two"},
    [PT_FOUND_TEST_ANSWER] = {"test_answer", WARNING, "give an answer that the test data holds, to another prompt", "take them out of one of the two"},
    [PT_FOUND_TEST_NEAR] = {"test_near", WARNING, "are nearly the same as a record of the test data", "take them out of one of the two"},
    [PT_FOUND_VAL_OVERLAP] = {"val_overlap", WARNING, "for validation stand in training too, prompt and answer", "dataset_exact_deduplication: true, or val_split_by: prompt"},
    [PT_FOUND_VAL_NEAR] = {"val_near", NOTE, "for validation are nearly the same as a record of training", "the eval loss is better than it will be on new data"},
    [PT_FOUND_SECRET] = {"secret", WARNING, "hold what looks like a key or a token", "take it out, and have it withdrawn"},
    [PT_FOUND_EMAIL] = {"email", WARNING, "hold an e-mail address", "take it out, unless it is invented"},
    [PT_FOUND_PHONE] = {"phone", WARNING, "hold what looks like a telephone number", "take it out, unless it is invented"},
    [PT_FOUND_MOJIBAKE] = {"mojibake", WARNING, "hold characters that were read in the wrong encoding", "read the source anew as what it is"},
    [PT_FOUND_HTML] = {"html", NOTE, "hold HTML entities or tags in plain talk", "unescape the source"},
    [PT_FOUND_OTHER_SCRIPT] = {"other_script", NOTE, "are answered in another script than nearly all of their data set, unasked", "are they meant to be there?"},
    [PT_FOUND_CANNED_ANSWER] = {"canned_answer", NOTE, "give an answer that ten or more different prompts get", "keep a few of them: such an answer is learnt first"},
    [PT_FOUND_UNANSWERED] = {"unanswered", NOTE, "end with a turn that nobody answers: it is left out", "nothing, where the answer was meant to be missing"},
};

const pt_audit_kind *pt_audit_kind_of(pt_audit_found k)
{
    return &kinds[k];
}
