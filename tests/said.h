/* What tests say to the readers of a data set: .said of a pt_dataset_spec. */
#ifndef PT_TESTS_SAID_H
#define PT_TESTS_SAID_H
#include "data/read/dataset.h"

#define SAYS(...) .said = (pt_dataset_said[]){__VA_ARGS__, {.key = NULL}}
#define SAID(k, t) {.key = (char *)(k), .text = (char *)(t)}
#endif
