/* Instruments: questionnaires of statements that are answered with a number, and what a sheet of answers scores on their scales. Reads the files of
 * PsychoBench and InCharacter (one JSON object), the item lists of the IPIP-NEO (CSV: label_raw, text, label_ocean, key), and rows of our own
 * (docs/evaluation.md, "questionnaire"). */
#ifndef PT_EVAL_INVENTORY_H
#define PT_EVAL_INVENTORY_H
#include "base/mem.h"

typedef struct pt_statement {
    char *id, *text;
} pt_statement;

/* An item of a scale; key +1: the raw answer x counts as it is, -1: as low + high - x. */
typedef struct pt_keyed {
    size_t item;
    int key;
} pt_keyed;

typedef struct pt_scale {
    char *name;
    char *domain;  /* of a facet; NULL: it is none */
    char poles[2]; /* letters of its high and its low end, such as E and I; 0: it has none */
    struct pt_norm { /* scores of people; n 0: not known */
        size_t n;
        double mean, deviation;
    } norm;
    pt_keyed *keyed;
    size_t n, cap;
} pt_scale;

typedef struct pt_inventory {
    char *name, *instruction;
    int low, high;   /* answers */
    bool agree_low;  /* `low` says that one agrees */
    bool sum;        /* scores are sums, not means */
    char **labels;   /* [high - low + 1] what the answers are called; NULL: nothing */
    pt_statement *items;
    size_t n_items, items_cap;
    pt_scale *scales; /* domains and facets, in order of appearance */
    size_t n_scales, scales_cap;
} pt_inventory;

/* field: the text of a PsychoBench item, such as origin_en or origin_zh. On failure free it all the same. PT_EFORMAT: FILE:LINE: what: an item without text
 * or key, a scale that names an item that is not there or the same one twice, a range or labels that do not fit, no item, no scale. */
pt_status pt_inventory_read(pt_inventory *v, const char *path, const char *field);
void pt_inventory_free(pt_inventory *v);

/* The number that a written answer gives, NAN where it gives none or several: the number it begins with ("4", "**4**", "4/5"), or behind the last word that
 * announces one ("Rating: 4", "my answer is 4", 评分), or the only one that stands in it; a range ("1 to 5", "1-5") and what follows "/" or "out of" is
 * none. Full-width digits too; else the answer is one of the labels. A number outside the range is no answer. */
double pt_rating_read(const pt_inventory *v, const char *answer);
/* The same of any number, with a fraction ("7.5", ".5") and thousands ("1,200"); there are no labels. */
double pt_number_read(const char *answer);

/* ---- sheets: answers[n_items], NAN = missing; so is a 0 where the range has none. asked[n_items] (NULL: all): a short form holds these items. ---- */

/* PT_EFORMAT names the first answer outside the range. */
pt_status pt_inventory_check(const pt_inventory *v, const double *answers);

typedef struct pt_scale_score {
    double mean;  /* of the keyed answers, where two thirds of the items are answered at least; else NAN */
    double value; /* the mean; of a `sum` instrument their sum where all are answered, else NAN */
    size_t answered, items;
} pt_scale_score;
pt_scale_score pt_inventory_score(const pt_inventory *v, const pt_scale *scale, const double *answers, const bool *asked);
/* The keyed answer of item i of a scale; NAN = missing. */
double pt_inventory_keyed(const pt_inventory *v, const pt_scale *scale, size_t i, const double *answers);

/* How a sheet was filled in, whatever it says. */
typedef struct pt_sheet_style {
    double missing; /* share of items without an answer */
    /* Agreement with items whatever their key (Soto, John, Gosling and Potter 2008): of each scale that has items of both keys, without facets, the mean
     * of the mean raw answer of its + items and that of its - items; their mean over scales, less the middle, by half the range: -1 ... 1, 0 = none. NAN:
     * no scale has answers to both. */
    double acquiescence;
    double extreme; /* share of answers at one of the two ends */
} pt_sheet_style;
pt_sheet_style pt_inventory_style(const pt_inventory *v, const double *answers, const bool *asked);

/* The letters of the scales that have poles, one of each: of the high pole where the mean is above the middle, of the low one below, X at the middle and
 * without a score. "" where no scale has poles. out[9]: eight letters at most. */
void pt_inventory_type(const pt_inventory *v, const double *answers, const bool *asked, char out[9]);
#endif
