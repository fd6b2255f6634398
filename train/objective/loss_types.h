/* Words of the key `loss_type`, which several objectives share: each takes some of them. pt_core_step.list[PT_LOSS_x - 1] is the weight of one. Here, and not
 * in objective.h, for the cores, which devices compile. */
#ifndef PT_OBJECTIVE_LOSS_TYPES_H
#define PT_OBJECTIVE_LOSS_TYPES_H
enum {
    PT_LOSS_SIGMOID = 1, PT_LOSS_HINGE, PT_LOSS_IPO, PT_LOSS_ROBUST, PT_LOSS_EXO_PAIR, PT_LOSS_NCA_PAIR, PT_LOSS_BCO_PAIR, PT_LOSS_SPPO_HARD, PT_LOSS_AOT,
    PT_LOSS_AOT_UNPAIRED, PT_LOSS_APO_ZERO, PT_LOSS_APO_DOWN, PT_LOSS_DISCOPOP, PT_LOSS_SIGMOID_NORM, PT_LOSS_SFT, PT_LOSS_KTO, PT_LOSS_APO_ZERO_UNPAIRED,
    PT_LOSS_SIMPO, PT_LOSS_ALPHAPO
};
#endif
