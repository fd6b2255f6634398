/* One file out of a ZIP archive (PKWARE APPNOTE 6.3: end of central directory, central directory, local headers; stored and deflate). */
#ifndef PT_DATA_ZIP_FILE_H
#define PT_DATA_ZIP_FILE_H
#include "base/mem.h"

bool pt_zip_is(const void *bytes, size_t n);
/* The file called `name` (exactly) as *text on the heap, a zero behind its *bytes; *text = NULL when the archive has none. At most `most` bytes. PT_EFORMAT: broken, cut
 * off, a name that leads out of the archive (absolute, "..", "\", a drive) whosever it is, two files of that name, a CRC or length that is not the file's, more
 * than `most` bytes, or more than deflate can pack so (a bomb). PT_ENOSUP: zip64, several disks, an encrypted file, another method. */
pt_status pt_zip_file(const char *path, const void *bytes, size_t n, const char *name, size_t most, char **text, size_t *text_bytes);
#endif
