/* Which ptrain this is. */
#ifndef PT_BASE_VERSION_H
#define PT_BASE_VERSION_H
#ifndef PT_VERSION
#define PT_VERSION "0.1.0"
#endif

/* What this was built by. */
#ifdef __clang__
#define PT_COMPILER __VERSION__ /* says its name itself */
#else
#define PT_COMPILER "gcc " __VERSION__
#endif

/* A library that stands behind one of our files, and the version that is loaded now: "HDF5 1.10.8". */
enum { PT_LIBRARY_NAME = 64 };
#endif
