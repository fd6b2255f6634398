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
ls tests/fuzz/*_*.c | sed 's,^\(.*\)\.c$,build/fuzz/\1,' | grep -E "_(planted|$(tr ' ' '|' <<<"${FUZZ_ONLY:-.*}"))\$" |
    xargs -P "${FUZZ_WORKERS:-$(nproc)}" -I{} bash -c 'one {} >"$0/$(basename {})"' "$dir"
cat "$dir"/* | awk '/^(not )?ok - / { n++; sub(/ok - /, "ok " n " - ") } { print } END { print "1.." n; exit !n }'
