/* Words that tables of settings share, wherever the table stands: the schema (train/cli), the objectives' options (train/objective). */
#ifndef PT_BASE_SETTING_H
#define PT_BASE_SETTING_H

/* A word and what it stands for; lists end with word NULL. */
typedef struct pt_word {
    const char *word;
    int value;
} pt_word;

/* What follows from a key, for ranks that must agree and for runs that go on from a checkpoint (train/loop/agree.h). Values of files' names may
 * differ everywhere: what is in the files is compared. */
typedef enum pt_effect {
    PT_EFFECT_FREE = 1,   /* each rank may have its own */
    PT_EFFECT_RANKS = 2,  /* changes what is computed, or when ranks wait for each other: all ranks have the same */
    PT_EFFECT_RESUME = 4, /* a resumed run that has another is told so */
    PT_EFFECT_SAID = PT_EFFECT_RANKS | PT_EFFECT_RESUME,
    /* decides a digest that a resumed run must share: named when that one differs */
    PT_EFFECT_DATA = 8,    /* the packed data */
    PT_EFFECT_BASE = 16,   /* the base model */
    PT_EFFECT_LAYOUT = 32, /* what is trained */
    PT_EFFECT_SCALE = 64,  /* what the adapter's numbers mean */
} pt_effect;
#endif
