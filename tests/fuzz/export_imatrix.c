/* Importances in both formats: read, asked for, written, read again. */
#include "tests/fuzz/harness.h"

#include "train/export/imatrix.h"

FUZZ_HARNESS(const uint8_t *bytes, size_t n)
{
    pt_imatrix im, again;
    pt_status rc = pt_imatrix_read(&im, fuzz_put("f", bytes, n));
    fuzz_clean(rc);
    if (rc != PT_OK) return 0;
    fuzz_accepted++;
    for (size_t i = 0; i < im.n; i++) {
        const float *mean = pt_imatrix_mean(&im, im.entries[i].name, im.entries[i].cols);
        fuzz_assert(mean == im.entries[i].mean);
        fuzz_touch(mean, (size_t)im.entries[i].cols * sizeof *mean);
    }
    if (bytes[n - 1] % 8 == 0) { /* now and then: it makes a file */
        rc = pt_imatrix_write(&im, fuzz_path("g"));
        fuzz_clean(rc);
        if (rc == PT_OK) {
            rc = pt_imatrix_read(&again, fuzz_path("g"));
            fuzz_clean(rc);
            fuzz_assert(rc != PT_OK || again.n == im.n);
            if (rc == PT_OK) pt_imatrix_free(&again);
        }
    }
    pt_imatrix_free(&im);
    return 0;
}
