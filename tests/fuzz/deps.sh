#!/usr/bin/env bash
# deps.sh CLANG: whether CLANG can link libFuzzer, AddressSanitizer and OpenMP; on Debian and Ubuntu the packages that lack are installed.
# `deps.sh CLANG --check` only looks. Prints what is missing.
cc=${1:-clang}
works() { # in a folder of its own: names are not shared
    d=$(mktemp -d) || return 1
    printf '#include <omp.h>\n#include <stddef.h>\nint LLVMFuzzerTestOneInput(const unsigned char *b, size_t n);\nint LLVMFuzzerTestOneInput(const unsigned char *b, size_t n) { (void)b; return n > 99999999; }\n' >"$d/a.c"
    "$cc" -fopenmp -fsanitize=fuzzer,address,undefined "$d/a.c" -o "$d/a" 2>"$d/log" && "$d/a" -runs=1 >"$d/log" 2>&1
    rc=$?
    why=$(head -n 1 "$d/log")
    rm -rf "$d"
    return $rc
}
command -v "$cc" >/dev/null && works && exit 0
[ "$2" = "--check" ] && { echo "${why:-no compiler $cc}"; exit 1; }
command -v "$cc" >/dev/null || sh docker/install-deps.sh --without-mpi clang || exit 1
major=$("$cc" -dumpversion | cut -d. -f1)
# compiler-rt stands in a package of its own from Debian 12 on
for rt in "libclang-rt-$major-dev" "libclang-common-$major-dev"; do
    apt-cache show "$rt" >/dev/null 2>&1 && break
done
sh docker/install-deps.sh --without-mpi "$rt" "libomp-$major-dev" || exit 1
works || { echo "error: $cc cannot build libFuzzer programs: $why" >&2; exit 1; }
