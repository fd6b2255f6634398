/* TensorBoard event files: TFRecord framing (length, masked CRC-32C, data, masked CRC-32C) around Event messages in protobuf's
 * wire format (tensorflow/core/util/event.proto, summary.proto), written by hand: scalars are all we need. */
#ifndef PT_LOOP_TENSORBOARD_H
#define PT_LOOP_TENSORBOARD_H
#include <stdint.h>

#include "base/mem.h"

typedef struct pt_tb {
    int fd;
    pt_str record; /* reused */
} pt_tb;
/* Owned name for a new events.out.tfevents file: time, host, process. */
pt_status pt_tb_name(char **name);
/* Makes that file in dir (made too). restart_step >= 0: events of later steps in older files are void. */
pt_status pt_tb_open(pt_tb *tb, const char *dir, const char *name, int64_t restart_step);
pt_status pt_tb_scalar(pt_tb *tb, int64_t step, const char *tag, double value);
void pt_tb_close(pt_tb *tb);
/* CRC-32C (Castagnoli), RFC 3720 appendix B.4. */
uint32_t pt_crc32c(const void *data, size_t bytes);
#endif
