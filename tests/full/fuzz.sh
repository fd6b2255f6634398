#!/usr/bin/env bash
# Every harness of tests/fuzz for FUZZ_RUNS inputs (10,000,000), as many at a time as there are cores (FUZZ_WORKERS); FUZZ_ONLY="gguf json" chooses.
# First base_planted: the fuzzer has to find a fault that is there.
cd "$(dirname "$0")/../.." || exit 2
why=$(bash tests/fuzz/deps.sh "${FUZZ_CC:-clang}" --check) || { echo "ok 1 - fuzzing # SKIP no libFuzzer here (make fuzz installs it): $why"; exit 0; }
make -s fuzz-programs-instrumented >&2 || { echo "not ok 1 - the fuzzers do not build"; exit 1; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
one() { # PROGRAM: its line of TAP
    name=$(basename "$1"); name=${name#*_}
    [ "$name" = planted ] && FUZZ_RUNS=10000000 # it ends where it finds the fault, after seconds
    said=$(bash tests/fuzz/run.sh "$1" "${FUZZ_RUNS:-10000000}" 2>&1) && ok=ok || ok="not ok"
    if [ "$name" = planted ]; then
        grep -q heap-buffer-overflow <<<"$said" && echo "ok - a planted fault is found" || echo "not ok - a planted fault is not found: $said"
    else
        echo "$ok - $(tail -n 1 <<<"$said")"
        [ "$ok" = ok ] || sed 's/^/# /' <<<"$said"
    fi
}
export -f one
export FUZZ_RUNS
for src in tests/fuzz/*_*.c; do
    name=$(basename "$src" .c)
    [[ " ${FUZZ_ONLY:-${name#*_}} planted " == *" ${name#*_} "* ]] && echo "build/fuzz/${src%.c}"
done | xargs -P "${FUZZ_WORKERS:-$(nproc)}" -I{} bash -c 'one {} >"$0/$(basename {})"' "$dir"
cat "$dir"/* | awk '/^(not )?ok - / { n++; sub(/ok - /, "ok " n " - ") } { print } END { print "1.." n; exit !n }'
