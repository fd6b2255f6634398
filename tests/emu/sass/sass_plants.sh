#!/usr/bin/env bash
# sass_count against plants.cu: serial load loops that it must find and overlapped ones that it must not, narrow and wide accesses, on the
# oldest and the newest architecture. TAP; without nvcc one skipped line. NVCC, GEN (generated headers), CC as in the makefile.
set -u
cd "$(dirname "$0")/../../.." || exit 1
if [ -z "${NVCC:-}" ]; then
    echo "1..1"; echo "ok 1 - planted loops in SASS # SKIP no nvcc"; exit 0
fi
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT
n=0 bad=0
result() { n=$((n + 1)); if [ "$1" = "$2" ]; then echo "ok $n - $3"; else echo "not ok $n - $3: $1, expected $2"; bad=1; fi; }
echo "1..22"
${CC:-gcc} -std=c17 -O2 tests/emu/sass/sass_count.c -o "$tmp/sass_count" || exit 1
for arch in 80 90; do
    $NVCC -std=c++17 -O3 -I. -I"${GEN:-build/gcc/gen}" -D_GNU_SOURCE -arch=sm_$arch -cubin tests/emu/sass/plants.cu -o "$tmp/k.cubin" || exit 1
    # kernel, serial loops, narrow loads, wide loads, narrow stores, wide stores
    "$tmp/sass_count" "$tmp/k.cubin" | awk '/^[^ ]/ { k = $1 } / instructions, / { print k, $23, $14, $11, $20, $17 }' >"$tmp/found"
    for k in serial_plain serial_two serial_outer serial_one_way; do
        result "$(awk -v k=$k '$1 == k { print $2 }' "$tmp/found")" 1 "sm_$arch: $k is found"
    done
    for k in overlapped_async overlapped_four overlapped_ahead overlapped_product; do
        result "$(awk -v k=$k '$1 == k { print $2 }' "$tmp/found")" 0 "sm_$arch: $k is let pass"
    done
    result "$(awk '$1 == "narrow_row" { print $3, $4, $5, $6 }' "$tmp/found")" "2 0 2 0" "sm_$arch: two loads and two stores of 4 bytes"
    # kernel, bytes of ldmatrix an mma of its loop
    "$tmp/sass_count" "$tmp/k.cubin" | awk '/^[^ ]/ { k = $1 } / bytes an mma/ { for (i = 1; i < NF; i++) if ($i == "bytes") print k, $(i - 1) }' >"$tmp/fetched"
    result "$(awk '$1 == "overlapped_product" { print $2 }' "$tmp/fetched")" 512.0 "sm_$arch: four matrices a product are 512 bytes an mma"
    result "$(awk '$1 == "fetched_five" { print $2 }' "$tmp/fetched")" 320.0 "sm_$arch: five matrices for two products are 320"
done
exit $bad
