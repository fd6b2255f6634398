#!/usr/bin/env bash
# run.sh PROGRAM... [-a PROGRAM...] [-j N PROGRAM...]: runs test programs and scripts that print TAP ("ok 1 - name", "not ok 2 - name", "# SKIP"), shows what failed,
# by name, and closes with one line: "N passed, M failed" (", K skipped"). A program that dies, prints no result or returns non-zero
# without a failed line counts as one failure. What stands behind -j N runs N at a time, begun in the order of the arguments; -j 1 ends that.
# What stands behind -a takes turns as one of those N. Behind each name: seconds by the clock, and of processors.
# Waiting threads give their core away: machines are shared, and other tests run beside.
export OMP_WAIT_POLICY=passive
jobs=1
dir=$(mktemp -d) || exit 2
trap 'rm -rf "$dir"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
run_one() {
    name=$1; log=$2
    {
        time case $name in
        *.sh) bash "$name" >"$log" 2>&1 ;;
        *) CMOCKA_MESSAGE_OUTPUT=TAP "$name" >"$log" 2>&1 ;;
        esac
        code=$?
    } 2>"$log.time"
    echo "$code $(tail -n 1 "$log.time" | awk '{ printf "%d %d", $1 + 0.5, $2 + $3 + 0.5 }')" >"$log.rc"
    # At once: what stands below comes when all are through.
    if [ "$code" -ne 0 ] || grep -E '^not ok ' "$log" | grep -qvE '# *SKIP'; then echo "  failed $name (what it said stands at the end)"; fi
}
TIMEFORMAT='%R %U %S' # seconds by the clock, and of processors
i=0
take=
lane= # of those that take turns: numbers of logs
lane_to_end() { for k in $lane; do run_one "$(cat "$dir/$k.name")" "$dir/$k"; done; }
for t in "$@"; do
    [ "$take" = -j ] && { jobs=$t; take=; [ "$jobs" -gt 1 ] && [ "$lane" ] && { lane_to_end & lane=; }; continue; }
    case $t in -a | -j) take=$t; continue ;; esac
    i=$((i + 1))
    log=$dir/$(printf %04d $i)
    echo "$t" >"$log.name"
    if [ "$take" = -a ]; then
        lane+=" $(printf %04d $i)"
    elif [ "$jobs" -gt 1 ]; then
        while [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; do wait -n; done
        run_one "$t" "$log" &
    else
        wait
        run_one "$t" "$log"
    fi
done
lane_to_end
wait
pass=0; fail=0; skip=0
# By name, however they came to run.
for log in $(for name in "$dir"/*.name; do echo "$(cat "$name") ${name%.name}"; done | LC_ALL=C sort | sed 's/.* //'); do
    rc=$log.rc name=$(cat "$log.name")
    [ -e "$rc" ] || { echo "1 0 0" >"$rc"; : >>"$log"; } # it never ended
    read -r code secs cpu <"$rc"
    s=$(grep -cE '^(not )?ok .*# *SKIP' "$log"); p=$(grep -E '^ok ' "$log" | grep -cvE '# *SKIP')
    f=$(grep -E '^not ok ' "$log" | grep -cvE '# *SKIP')
    [ "$code" -ne 0 ] && [ "$f" -eq 0 ] && f=1
    [ $((p + f + s)) -eq 0 ] && f=1
    pass=$((pass + p)); fail=$((fail + f)); skip=$((skip + s))
    if [ "$f" -gt 0 ]; then
        echo "FAILED $name (exit $code, ${secs}s, cpu ${cpu}s)"; tail -n "${TEST_LINES:-60}" "$log" | sed 's/^/    /'
    else
        echo "passed $name: $p passed$([ "$s" -gt 0 ] && echo ", $s skipped") (${secs}s, cpu ${cpu}s)"
        grep -E '^# (figure|skip)' "$log" | sed 's/^/    /'
    fi
done
if [ "$skip" -gt 0 ]; then echo "$pass passed, $fail failed, $skip skipped"; else echo "$pass passed, $fail failed"; fi
[ "$fail" -eq 0 ] && [ "$pass" -gt 0 ]
