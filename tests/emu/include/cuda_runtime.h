/* Emulation: as the CUDA header of this name. */
#ifndef PT_EMU_CUDA_RUNTIME_H
#define PT_EMU_CUDA_RUNTIME_H
#include "cuda_runtime_api.h"
#endif
