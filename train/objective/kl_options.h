/* The keys of objectives that hold tokens near a reference: declared once, with a default of each objective's own. */
#ifndef PT_OBJECTIVE_KL_OPTIONS_H
#define PT_OBJECTIVE_KL_OPTIONS_H
#define PT_OPTION_KL_COEF(otherwise)                                                                                                                     \
    {.key = "kl_coef", .kind = PT_OPTION_NUMBER, .fallback = otherwise, .min = 0, .max = 1e3, .effect = PT_EFFECT_SAID,                                   \
     .help = "sft: this times the divergence from the reference at each supervised token is added to the loss, which stays near the start (default 0: not). " \
             "kl_sft: how dear the part of a token is that is not imitated (default 1). Needs an adapter."}
#define PT_OPTION_KL_DIRECTION(otherwise)                                                                                              \
    {.key = "kl_direction", .kind = PT_OPTION_WORD, .fallback = otherwise, .words = pt_kl_words, .effect = PT_EFFECT_SAID,              \
     .help = "With kl_coef or log_kl: policy is sum p log(p/q) with p the policy's probabilities and q the reference's, the default of sft and dpo; reference is " \
             "sum q log(q/p), the default of kl_sft."}
#define PT_OPTION_KL_REFERENCE                                                                                                      \
    {.key = "kl_reference", .kind = PT_OPTION_WORD, .fallback = NULL, .words = pt_reference_words, .effect = PT_EFFECT_SAID,         \
     .help = "With kl_coef: start is a frozen copy of the starting adapter (default with lora_model_dir), base the model without adapters."}
#endif
