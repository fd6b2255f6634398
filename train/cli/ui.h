/* The terminal: progress of a run as one live line, or plain lines when not a terminal. */
#ifndef PT_CLI_UI_H
#define PT_CLI_UI_H
#include <stdio.h>
#include "train/loop/flow.h"

typedef struct pt_ui {
    bool show;       /* rank 0 */
    bool live;       /* stdout is a terminal: one line, redrawn */
    bool colour;
    int64_t every;   /* plain lines: each so many steps, 0 = the first and the last; of the plan */
    double last;     /* when the live line was drawn */
    bool open_line;  /* a live line stands unfinished */
} pt_ui;

void pt_ui_init(pt_ui *ui, bool show);
void pt_ui_plan(void *ui, const pt_run_plan *plan, const char *text);
void pt_ui_step(void *ui, const pt_step_report *r);
void pt_ui_eval(void *ui, const pt_eval_report *r);
void pt_ui_during(void *ui, const pt_during_report *r);
void pt_ui_save(void *ui, const char *folder, int64_t step);
/* Ends a live line. */
void pt_ui_break(pt_ui *ui);
/* "1h 02m", "3m 10s", "12 s" into text. */
void pt_ui_duration(double seconds, char text[32]);
bool pt_ui_colour(void);
#endif
