/* Where the time of a step goes: seconds, floating-point operations and calls an op. Filled by the backend when ctx->profile is set. */
#ifndef PT_KERNELS_PROFILE_H
#define PT_KERNELS_PROFILE_H
typedef enum pt_prof_op {
    PT_PROF_LINEAR, PT_PROF_DEQUANT, PT_PROF_LORA, PT_PROF_ATTENTION, PT_PROF_NORM, PT_PROF_ROPE, PT_PROF_MLP, PT_PROF_EMBED, PT_PROF_HEAD,
    PT_PROF_OPTIM, PT_PROF_COPY, PT_PROF_COUNT
} pt_prof_op;
typedef struct pt_profile {
    double seconds[PT_PROF_COUNT], flops[PT_PROF_COUNT];
    long long calls[PT_PROF_COUNT];
} pt_profile;
const char *pt_prof_name(pt_prof_op op);
#endif
