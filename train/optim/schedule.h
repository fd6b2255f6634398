/* Learning rates, equal to transformers' get_scheduler (5.x) for "constant_with_warmup", "linear", "cosine" and "cosine_with_min_lr". Step i is
 * 0-based: the first step of a warm-up has rate 0, as there. T: all steps, w: those of the warm-up.
 *   i < w       peak * i / w
 *   constant    peak
 *   linear      peak * max(0, (T - i) / max(1, T - w))
 *   cosine      peak * max(0, 0.5 (1 + cos(pi (i - w) / max(1, T - w)))) */
#ifndef PT_OPTIM_SCHEDULE_H
#define PT_OPTIM_SCHEDULE_H
#include <stdbool.h>
#include <stdint.h>

typedef enum pt_schedule_kind { PT_SCHEDULE_CONSTANT, PT_SCHEDULE_LINEAR, PT_SCHEDULE_COSINE } pt_schedule_kind;
typedef struct pt_schedule {
    pt_schedule_kind kind;
    double peak, floor; /* floor: share of the peak that cosine ends at */
    int64_t warmup, total; /* steps */
    bool quadratic;        /* warm-up: peak * (i / w)^2, as axolotl's lr_quadratic_warmup */
} pt_schedule;
double pt_schedule_rate(const pt_schedule *s, int64_t step);
/* Steps of warm-up: `steps` when >= 0, else ceil(total * ratio) as transformers does; 0 when neither is given (ratio <= 0). */
int64_t pt_schedule_warmup(int64_t steps, double ratio, int64_t total);
#endif
