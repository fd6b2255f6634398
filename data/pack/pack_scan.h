/* Reads what pack_file.c writes by HDF5: a small part of its format (https://docs.hdfgroup.org/documentation/hdf5/latest/_f_m_t3.html), by code
 * that takes no byte of a file on trust. HDF5 1.10 does: of a file whose checksums fit but whose headers lie it frees and writes memory
 * that is not its own, wherever one looks. Read are: superblock 2 and 3; object headers 2 with their continuations; links in the root's
 * header; lists of five types of number, in chunks whose index is one chunk or a fixed array, behind shuffle, deflate and fletcher32 in this
 * order; attributes of one u64. All else is refused. Checksums are not looked at: the pack's SHA-256 has been. */
#ifndef PT_DATA_PACK_SCAN_H
#define PT_DATA_PACK_SCAN_H
#include "data/pack/pack_data.h"

enum { PT_PACK_BLOCK = 512, PT_PACK_SETS = 64, PT_PACK_NAME = 32 };

typedef struct pt_pack_list { /* a data set */
    char name[PT_PACK_NAME];
    pt_h5_type type;
    bool shuffle, deflate, sum;
    size_t n, chunk;                /* elements in all, in a chunk */
    uint64_t at, size, mask;        /* the one chunk: where from PT_PACK_BLOCK on, packed bytes, filters left out */
    bool array;                     /* or the entries of the chunks: */
    unsigned entry, page_bits;      /* bytes of one (address 8, and where there are filters packed bytes, mask 4); of a page 2^bits */
    uint64_t head;                  /* bytes in front of the first */
} pt_pack_list;

typedef struct pt_pack_scan {
    const unsigned char *bytes; /* the whole file, borrowed */
    size_t n;
    pt_pack_list list[PT_PACK_SETS];
    size_t n_lists;
    struct {
        char name[PT_PACK_NAME];
        uint64_t value;
    } attr[PT_PACK_SETS];
    size_t n_attrs;
} pt_pack_scan;

/* n > PT_PACK_BLOCK bytes. PT_EFORMAT, without the file's name. */
pt_status pt_pack_scan_file(pt_pack_scan *s, const unsigned char *bytes, size_t n);
/* NULL: there is none. */
const pt_pack_list *pt_pack_find(const pt_pack_scan *s, const char *name);
/* All elements; out has room for them. PT_EFORMAT, PT_ENOMEM. */
pt_status pt_pack_read_list(const pt_pack_scan *s, const pt_pack_list *l, void *out);
#endif
