#include "eval/text/edit_distance.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* The next character: its bytes packed into a number, which is all that comparing wants. */
static uint32_t next(const char **p)
{
    uint32_t c = (unsigned char)*(*p)++;
    while (((unsigned char)**p & 0xc0) == 0x80 && c < 1u << 24) c = c << 8 | (unsigned char)*(*p)++;
    return c;
}

static pt_status characters(const char *text, uint32_t **out, size_t *n)
{
    *n = 0;
    PT_RETURN(pt_alloc0(out, strlen(text)));
    while (*text) (*out)[(*n)++] = next(&text);
    return PT_OK;
}

pt_status pt_edit_distance(const char *a, const char *b, size_t *distance, size_t *longest)
{
    pt_status rc = PT_OK;
    uint32_t *x = NULL, *y = NULL;
    size_t *row = NULL, n, m;
    PT_TRY(characters(a, &x, &n));
    PT_TRY(characters(b, &y, &m));
    PT_TRY(pt_alloc0(&row, m + 1));
    for (size_t k = 0; k <= m; k++) row[k] = k;
    for (size_t i = 1; i <= n; i++) {
        size_t corner = row[0]; /* of the row above, one to the left */
        row[0] = i;
        for (size_t k = 1; k <= m; k++) {
            size_t best = corner + (x[i - 1] != y[k - 1]);
            corner = row[k];
            if (row[k] + 1 < best) best = row[k] + 1;
            if (row[k - 1] + 1 < best) best = row[k - 1] + 1;
            row[k] = best;
        }
    }
    *distance = row[m];
    *longest = n > m ? n : m;
done:
    free(x);
    free(y);
    free(row);
    return rc;
}

size_t pt_same_beginning(const char *a, const char *b)
{
    size_t n = 0;
    while (*a && *b && next(&a) == next(&b)) n++;
    return n;
}
