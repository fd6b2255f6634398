#!/usr/bin/env bash
# tests/gpu/kit.sh, the script of make gpu-kit, without its programs: scripts stand for them. It stops at the first wrong result, waits for nothing that
# hangs, takes a tool that is not there as a skipped line; its lists agree with the op table, the tests' sources and the kernels. And tests/gpu/slim.
# tests/full/gpu_kit.sh runs the real programs on the emulated device.
cd "$(dirname "$0")/../.." || exit 2
dir=$(mktemp -d)
logs=$(mktemp -d -p /dev/shm 2>/dev/null) || logs=$dir/logs # the script writes every log through to the disk
trap 'rm -rf "$dir" "$logs"' EXIT
n=0
result() { # NAME RC: the log of a failure with it
    n=$((n + 1))
    if [ "$2" -eq 0 ]; then echo "ok $n - $1"; else sed 's/^/# /' "$dir/out" | tail -n 20; echo "not ok $n - $1"; fi
}
kit=tests/gpu/kit.sh

# ---- lists ----
sed -n 's/^ *X(\([a-z_]*\), .*/\1/p' kernels/op_list.h | sort -u >"$dir/ops"
sed -n "s/^entries_[a-z_]*='\(.*\)'/\1/p" $kit | tr ' ' '\n' | sort -u >"$dir/entries"
[ "$(wc -l <"$dir/ops")" -gt 25 ] && diff "$dir/ops" "$dir/entries" >"$dir/out"
result "its entries are those of the op table" $?
lack=0
: >"$dir/out"
while read -r program entries; do
    for e in $entries; do
        grep -qE "OT_(ON|CALL)\($e," "tests/ops/$program.cpp" || { echo "$program.cpp does not call $e" >>"$dir/out"; lack=1; }
    done
done < <(sed -n "s/^entries_\([a-z_]*\)='\(.*\)'/\1 \2/p" $kit)
result "each is in the program that is said to compare it" $lack
{ sed -n 's/^KIT_PROGRAMS := \(.*\) \$(OPS_CASES)$/\1/p' tests/gpu/kit.mk | tr ' ' '\n'; basename -s .cpp -a tests/ops/*.cpp; } | sort >"$dir/made"
{ sed 1d $kit | grep -oE 'bin/[a-z_]+' | sed 's/bin.//'; sed -n 's/^for program in \(.*\); do$/\1/p' $kit | tr ' ' '\n'; } | sort -u >"$dir/run"
[ "$(wc -l <"$dir/made")" -gt 8 ] && diff "$dir/made" "$dir/run" >"$dir/out"
result "it runs every program of the archive, and no other" $?
lack=0
: >"$dir/out"
for k in $(sed -n "s/^kernels='\(.*\)'/\1/p" $kit); do
    grep -qE "__global__.* $k\(" kernels/cuda/*.cu kernels/cuda/*.cuh || { echo "there is no kernel $k" >>"$dir/out"; lack=1; }
done
while read -r program test; do
    grep -q "cmocka_unit_test($test)" "tests/ops/$program.cpp" || { echo "$program.cpp has no $test" >>"$dir/out"; lack=1; }
done < <(sed -n 's/^ *sanitise \$tool \([a-z_]*\) \([a-z_]*\)$/\1 \2/p' $kit)
[ "$(grep -c 'sanitise \$tool' $kit)" -eq 3 ] && [ "$(sed -n "s/^kernels='\(.*\)'/\1/p" $kit | wc -w)" -eq 6 ] || lack=1
result "its six kernels for ncu and three tests for compute-sanitizer exist" $lack

lack=0
: >"$dir/out"
for f in $(cat tests/ops/*.cpp tests/ops/op_*.h tests/emu/{model,model_families,loop}_device.c | grep -oE '\<emu_[a-z_]+\(' | sort -u); do
    grep -qE "^[a-z].*\<\*?${f%(}\(.*[^;]$" tests/gpu/gpu_shim.cpp || { echo "tests/gpu/gpu_shim.cpp has no ${f%(}" >>"$dir/out"; lack=1; }
done
result "what tests take of the emulated device has a stand-in for a real one" $lack

# ---- the small cmocka ----
cat >"$dir/t.c" <<'C'
#include "tests/gpu/slim/cmocka.h"
#include <string.h>
static void test_right(void **s) { (void)s; assert_int_equal(2, 2); assert_memory_equal("ab", "ab", 2); assert_in_range(3, 1, 3); assert_non_null(s); }
static void test_skipped(void **s) { (void)s; skip(); }
static void test_wrong(void **s) { (void)s; assert_memory_equal("ab", "ac", 2); }
static void test_after(void **s) { (void)s; print_message("went on\n"); }
int main(int n, char **v)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_right), cmocka_unit_test(test_skipped), cmocka_unit_test(test_wrong), cmocka_unit_test(test_after)};
    if (n > 1) cmocka_set_test_filter(v[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
C
gcc -std=gnu17 -I. "$dir/t.c" tests/gpu/slim/slim.c -o "$dir/t" >"$dir/out" 2>&1
"$dir/t" >>"$dir/out"; rc=$?
[ $rc -eq 1 ] && grep -q '^1\.\.4$' "$dir/out" && grep -q '^ok 1 - test_right$' "$dir/out" && grep -q '^ok 2 - test_skipped # SKIP$' "$dir/out" &&
    grep -q 'byte 1 of 2 is 62 and 63' "$dir/out" && grep -q '^not ok 3 - test_wrong$' "$dir/out" && ! grep -q 'went on' "$dir/out"
result "tests/gpu/slim: the first wrong result ends the program" $?
"$dir/t" 'test_[ra]*' >"$dir/out" && [ "$(grep -c '^ok' "$dir/out")" -eq 2 ] && grep -q 'went on' "$dir/out"
result "tests/gpu/slim: a filter chooses tests" $?

# ---- the script, with scripts for its programs ----
mkdir -p "$dir/tools"
# make_kit NAME: a kit whose programs do what they should.
make_kit() {
    top=$dir/$1
    mkdir -p "$top/bin" "$top/lib" "$top/tests/bench"
    printf '# made up\nH100\tgated\t100.0\nH100\tstep, Llama-3.1-8B, Q4_K\t200000.0\nH100\tstep, Llama-3.1-8B, Q4_K, kept\t100000.0\nA100\tstep, Llama-3.1-8B, Q4_K\t1.0\n' >"$top/tests/bench/roofline.tsv"
    cp $kit "$top/kit.sh"
    printf 'plugin none.so\nchips 90\nmade of a test\n' >"$top/what"
    cp /bin/true "$top/lib/none.so"
    echo 'echo "GPU 0: made up, sm_90, 80.0 GiB, 132 multiprocessors"' >"$top/bin/gpu_probe"
    cat >"$top/bin/gpu_bench" <<'B'
for report; do :; done
echo "peaks: GEMM 8192^3 bf16 700.0 TFLOP/s" | tee "$report"
echo "gated                                  150.0 us       0.0 TFLOP/s       2.1 GB/s   80.0 % of the copy peak; predicted 100.0 us, measured / predicted 1.50" | tee -a "$report"
B
    for p in stream ranks fold draws trees dense sizes; do echo 'echo "ok 1 - test_${GPU_TEST:-it}"' >"$top/bin/kernels_$p"; done
    cat >"$top/bin/kit_model" <<'B'
case $1 in
make) : >"$3" ;;
steps)
    [ "$5$NO_ROOM" != keptyes ] || { echo "not run: 9 MiB are planned and 8 free"; exit 0; }
    loss=2.5 ms=300.0
    [ "$5" != kept ] || { loss=${KEPT_LOSS:-2.51}; ms=250.0; }
    for i in 1 2 3 4 5 6 7 8 9 10; do echo "step $i: loss $loss, gradient norm 1, $ms ms"; done
    echo "fastest step $ms ms: 13653 tokens/s"; echo "memory: planned 5 bytes, held 5"; echo "bits ${BITS:-1}" ;;
esac
B
    sed -i '1i #!/bin/sh' "$top"/bin/*
    chmod +x "$top"/bin/*
}
seal() { (cd "$top" && sha256sum kit.sh what bin/* lib/* >files.sha256); }
run() { # OPTION...: out, rc
    "$dir/shell" "$top/kit.sh" "$@" "$logs" >"$dir/out" 2>&1
    rc=$?
}
ln -s "$(command -v dash || command -v sh)" "$dir/shell"
make_kit right && seal
PATH=$dir/tools:/usr/bin:/bin
run --tiny --seconds 60
[ $rc -eq 0 ] && grep -q '^15 passed, 0 wrong' "$dir/out" && [ "$(tail -n +2 "$logs/table.txt")" = "200000.0 300000.0 1.50 step, Llama-3.1-8B, Q4_K
100000.0 250000.0 2.50 step, Llama-3.1-8B, Q4_K, kept
100.0 150.0 1.50 gated" ] && grep -q '^passed steps-kept .*losses differ by 4.0e-03 at most' "$logs/summary.txt" && grep -q '^passed steps-second .*fastest step 300.0 ms' "$logs/summary.txt" &&
    grep -q '^skipped memcheck,racecheck: compute-sanitizer is not installed' "$dir/out" && grep -q '^skipped ncu: not installed' "$dir/out"
result "all right: 15 passed lines, a table, skipped lines for tools that are not there" $?
# Tools that are there.
printf '#!/bin/sh\nwhile [ "${1#bin/}" = "$1" ]; do shift; done\nexec "$@"\n' >"$dir/tools/compute-sanitizer"
printf '#!/bin/sh\necho "$4 figures" | sed s/regex://\nexit 0\n' >"$dir/tools/ncu"
chmod +x "$dir"/tools/*
run --tiny --seconds 60
[ $rc -eq 0 ] && grep -q '^27 passed, 0 wrong' "$dir/out" && [ "$(grep -cE '^passed (memcheck|racecheck)-kernels_' "$dir/out")" -eq 6 ] && [ "$(grep -c '^passed ncu-' "$dir/out")" -eq 6 ]
result "memcheck and racecheck of three tests each, ncu of six kernels" $?
printf '#!/bin/sh\ncase $2 in racecheck) echo "a race"; exit 9 ;; esac\nwhile [ "${1#bin/}" = "$1" ]; do shift; done\nexec "$@"\n' >"$dir/tools/compute-sanitizer"
run --tiny --seconds 60
[ $rc -eq 1 ] && grep -q '^WRONG racecheck-kernels_trees: exit 9' "$dir/out" && grep -q 'a race' "$logs/summary.txt" && ! grep -q 'passed times' "$dir/out"
result "what compute-sanitizer finds is a wrong result" $?
rm "$dir"/tools/*
# Wrong results.
stops() { # NAME TEXT: exit 1, the text, nothing after it
    seal
    run --tiny --seconds 60
    [ $rc -eq 1 ] && grep -qF "$2" "$dir/out" && tail -n 1 "$dir/out" | grep -q '^stopped at the first wrong result' && [ "$(grep -c '^WRONG' "$dir/out")" -eq 1 ]
    result "$1" $?
}
make_kit failing && printf '#!/bin/sh\necho "ok 1 - a"\necho "not ok 2 - test_head"\nexit 1\n' >"$top/bin/kernels_dense"
stops "a program that fails" 'WRONG kernels_dense: exit 1'
! grep -q kernels_sizes "$dir/out"
result "nothing runs after it" $?
make_kit differing && sed -i 's/^case/echo x >>"$0.n"; BITS=$(wc -l <"$0.n")\ncase/' "$top/bin/kit_model"
stops "two runs with other bits" 'WRONG steps-second: the two runs differ: bits'
make_kit away && sed -i 's/^case/KEPT_LOSS=2.53\ncase/' "$top/bin/kit_model"
stops "kept weights with other losses" 'WRONG steps-kept: losses with kept weights are 1.2e-02 of those without away: more than 1e-2'
make_kit roomless && sed -i 's/^case/NO_ROOM=yes\ncase/' "$top/bin/kit_model" && seal
run --tiny --seconds 60
[ $rc -eq 0 ] && grep -q '^skipped steps-kept: not run: 9 MiB are planned and 8 free' "$dir/out" && ! grep -q 'Q4_K, kept' "$logs/table.txt"
result "no room for kept weights is a skipped line" $?
make_kit hanging && printf '#!/bin/sh\nexec sleep 30\n' >"$top/bin/kernels_ranks"
export KIT_PROGRAM_SECONDS=1
stops "a program that hangs" 'WRONG kernels_ranks: it took longer than 1 seconds'
unset KIT_PROGRAM_SECONDS
make_kit other && sed -i s/sm_90/sm_80/ "$top/bin/gpu_probe"
stops "another chip" 'WRONG chip: this kit is for sm_90'
make_kit lacking && printf '#!/bin/sh\necho "	libcublasLt.so.77 => not found"\n' >"$dir/tools/ldd" && chmod +x "$dir/tools/ldd"
stops "no cuBLASLt, and where to get it" 'WRONG libraries: not found: libcublasLt.so.77 (cuBLASLt comes with the CUDA toolkit, or: pip install nvidia-cublas'
rm "$dir/tools/ldd"
make_kit damaged && seal && echo '# more' >>"$top/bin/gpu_bench"
run --tiny
[ $rc -eq 1 ] && grep -q '^WRONG files: the kit is not whole' "$dir/out"
result "a damaged kit" $?
make_kit slow && printf '#!/bin/sh\nexec sleep 30\n' >"$top/bin/kernels_stream" && seal
run --tiny --seconds 3
[ $rc -eq 0 ] && grep -q '^skipped kernels_stream: the 3 seconds were over' "$dir/out" && grep -q '^skipped steps-first: the 3 seconds are over' "$dir/out"
result "what the time does not reach is a skipped line" $?
run --no-such-option
[ $rc -eq 2 ] && grep -q 'kit.sh \[--tiny\]' "$dir/out"
result "unknown options: usage, exit 2" $?
echo "1..$n"
