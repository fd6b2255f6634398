#!/bin/sh
# run_gpu.sh FOLDER REPORT: every test of the programs in FOLDER in a process of its own (a lost device ends one test, not the rest), then
# compute-sanitizer where it is installed. Everything goes to REPORT; the screen gets a line a test, and "N passed, M failed" at the end.
dir=$1 report=$2
: > "$report" || exit 2
pass=0 fail=0 skip=0
say() { echo "$@"; echo "$@" >> "$report"; }
say "ptrain test-gpu, $(date -u '+%Y-%m-%d %H:%M UTC'), $(git rev-parse --short HEAD 2>/dev/null || echo 'no git'), $(uname -srm)"
"$dir/gpu_probe" | tee -a "$report"
command -v nvidia-smi >/dev/null && nvidia-smi >> "$report" 2>&1
log=$dir/test.log
# one PROGRAM TEST COMMAND...: counts the TAP lines of one process
one() {
    what=$1; shift
    start=$(date +%s)
    "$@" > "$log" 2>&1
    code=$?
    s=$(grep -cE '^(not )?ok .*# *SKIP|^1\.\.0 # SKIP' "$log"); p=$(grep -E '^ok ' "$log" | grep -cvE '# *SKIP')
    f=$(grep -E '^not ok ' "$log" | grep -cvE '# *SKIP')
    [ "$code" -ne 0 ] && [ "$f" -eq 0 ] && [ "$s" -eq 0 ] && f=1
    [ $((p + f + s)) -eq 0 ] && f=1
    pass=$((pass + p)) fail=$((fail + f)) skip=$((skip + s))
    word=passed; [ "$s" -gt 0 ] && word=skipped; [ "$f" -gt 0 ] && word=FAILED
    say "$word $what (exit $code, $(( $(date +%s) - start ))s)"
    sed 's/^/    /' "$log" >> "$report"
    [ "$f" -gt 0 ] && grep -vE '^(ok|1\.\.)' "$log" | tail -n 12 | sed 's/^/    /'
}
# The tests of a program: its functions test_*; golden programs name theirs by their data.
tests_of() {
    case $1 in
    loop_device) echo sft_lora sft_full dpo_base dpo_start dpo_full reward test_resume ;;
    model_device) echo '*' ;;
    *) nm -C "$dir/$1" | sed -n 's/.* [tT] \(test_[a-z0-9_]*\)(.*/\1/p' | sort -u ;;
    esac
}
set -f
programs=${GPU_ONLY:-kernels_stream kernels_sizes kernels_dense kernels_ranks kernels_fold kernels_draws kernels_trees model_device loop_device}
for program in $programs; do
    for t in $(tests_of "$program"); do
        one "$program $t" env CMOCKA_MESSAGE_OUTPUT=TAP GPU_TEST="$t" timeout "${GPU_LIMIT:-600}" "$dir/$program"
    done
done
if command -v compute-sanitizer >/dev/null; then
    for tool in memcheck racecheck initcheck synccheck; do
        for program in kernels_stream kernels_sizes kernels_dense kernels_ranks kernels_fold kernels_draws kernels_trees; do
            one "compute-sanitizer $tool, $program" env CMOCKA_MESSAGE_OUTPUT=TAP timeout "${GPU_LIMIT:-1800}" \
                compute-sanitizer --tool "$tool" --error-exitcode 9 "$dir/$program"
        done
    done
else
    say "skipped compute-sanitizer: not installed"
fi
say "$pass passed, $fail failed$([ "$skip" -gt 0 ] && echo ", $skip skipped") (report: $report)"
[ "$fail" -eq 0 ]
