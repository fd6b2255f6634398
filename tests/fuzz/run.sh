#!/usr/bin/env bash
# run.sh PROGRAM RUNS [libFuzzer's options]: fuzzes one harness from its committed corpus (tests/fuzz/corpus/NAME and NAME.tgz) and from what
# earlier runs here found (build/fuzz/work/NAME), with its dictionary. A crashing input is left in build/fuzz/crash/NAME-*.
# run.sh PROGRAM merge: makes NAME.tgz anew, the smallest set of inputs that reaches what all of those reach.
set -u
cd "$(dirname "$0")/../.." || exit 2
program=$1 runs=$2
shift 2
name=$(basename "$program"); name=${name#*_}
src=tests/fuzz/$(basename "$program").c corpus=tests/fuzz/corpus/$name work=build/fuzz/work/$name
export TMPDIR
TMPDIR=$(mktemp -d "$([ -w /dev/shm ] && echo /dev/shm || echo /tmp)/ptrain-fuzz.XXXXXX") || exit 2
trap 'rm -rf "$TMPDIR"' EXIT
trap 'exit 130' INT TERM
mkdir -p "$work" build/fuzz/crash "$TMPDIR/found"
[ -f "$corpus.tgz" ] && tar -xzf "$corpus.tgz" -C "$TMPDIR/found"
seeds=("$TMPDIR/found")
[ -d "$corpus" ] && seeds+=("$corpus")
# A harness may ask for other limits, or for another's dictionary, in a line of its own: /* fuzz: -max_len=16384 */
limits=$(sed -n 's,^/\* fuzz: \(-.*\) \*/$,\1,p' "$src")
# shellcheck disable=SC2206
options=(-malloc_limit_mb=160 -rss_limit_mb=2048 -timeout=10 -max_len=4096 $limits -print_final_stats=1 "-artifact_prefix=build/fuzz/crash/$name-")
[ -f "tests/fuzz/dict/$name.dict" ] && options+=("-dict=tests/fuzz/dict/$name.dict")
# Stacks of allocations are half of the time; run a crash again without this to have them.
export ASAN_OPTIONS=malloc_context_size=${FUZZ_STACKS:-0}:quarantine_size_mb=4 OMP_NUM_THREADS=1 LSAN_OPTIONS=suppressions=tests/lsan.supp:print_suppressions=0
if [ "$runs" = merge ]; then
    mkdir -p "$TMPDIR/kept"
    "$program" "${options[@]}" -merge=1 "$@" "$TMPDIR/kept" "${seeds[@]}" "$work" >build/fuzz/$name.log 2>&1 || { tail -n 30 build/fuzz/$name.log; exit 1; }
    # What stands in the folder by name need not stand in the archive too.
    for f in "$corpus"/*; do [ -f "$f" ] && rm -f "$TMPDIR/kept/$(sha1sum <"$f" | cut -d' ' -f1)"; done
    tar -C "$TMPDIR/kept" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --format=ustar -cf - . | gzip -9n >"$corpus.tgz"
    echo "$name: $(find "$TMPDIR/kept" -type f | wc -l) inputs, $(stat -c %s "$corpus.tgz") bytes"
    exit 0
fi
start=$(date +%s.%N)
"$program" "${options[@]}" "-runs=$runs" "$@" "$work" "${seeds[@]}" >build/fuzz/$name.log 2>&1
rc=$?
if [ $rc -ne 0 ]; then
    { grep -aE '^(SUMMARY|fuzz: )|runtime error' build/fuzz/$name.log
      grep -aE "^ *#[0-9]+ 0x.* in .*$PWD/" build/fuzz/$name.log | sed "s,$PWD/,,; s, (BuildId.*,," | grep -v replay.h | head -n 8
      grep -a '^artifact_prefix' build/fuzz/$name.log | sed 's/.*written to //'; } | cut -c1-300
    echo "$name: FAILED (exit $rc), build/fuzz/$name.log"
    exit 1
fi
awk -v name="$name" -v t="$(date +%s.%N)" -v t0="$start" '/^#[0-9]+/ {cov = $0} /stat::number_of_executed_units/ {n = $2} /stat::peak_rss_mb/ {rss = $2}
    END {sub(/.*cov: /, "", cov); sub(/ .*/, "", cov); printf "%s: %d executions, %.0f a second, %s edges, %d MB, no fault\n", name, n, n / (t - t0), cov, rss}' build/fuzz/$name.log
