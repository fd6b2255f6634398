#!/usr/bin/env bash
# make gpu-kit for the emulated device, unpacked elsewhere and run whole: every program, two stand-ins for compute-sanitizer and ncu (which run what they
# are given), a small model instead of the 8B. And what must stop it: a chip that it was not made for, a launch that fails.
cd "$(dirname "$0")/../.." || exit 2
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
n=0
result() { # NAME RC: the log of a failure with it
    n=$((n + 1))
    if [ "$2" -eq 0 ]; then echo "ok $n - $1"; else sed 's/^/# /' "$dir/out" | tail -n 30; echo "not ok $n - $1"; fi
}
b=$(dirname "${PTRAIN:-build/gcc/ptrain}")
[ "$(basename "$b")" = build ] && b=build/gcc
b=$(realpath -m --relative-to=. "$b")
cc=gcc; case $b in *clang*) cc=clang ;; esac
env -u MAKEFLAGS -u MAKELEVEL -u MAKEOVERRIDES make -s BUILD="$b" CC=$cc GPU_PLUGIN=emulated gpu-kit >"$dir/out" 2>&1
archive=$b/gpu-emulated/ptrain-gpu-kit.tar.gz
[ -s "$archive" ] && [ "$(wc -c <"$archive")" -le $((60 << 20)) ] && tar -C "$dir" -xzf "$archive"
ok=$? size=$(wc -c <"$archive")
result "make gpu-kit: $size bytes" $ok
top=$dir/ptrain-gpu-kit
(cd "$top" && find . -type f | sed 's/..//' | LC_ALL=C sort) >"$dir/has"
{ basename -s .cpp -a tests/ops/*.cpp | sed 's,^,bin/,'; printf '%s\n' bin/gpu_bench bin/gpu_probe bin/kit_model files.sha256 kit.sh lib/libptrain-emulated.so tests/bench/roofline.tsv what; } | LC_ALL=C sort >"$dir/want"
diff "$dir/want" "$dir/has" >"$dir/out"
result "the archive's files" $?
for f in "$top"/bin/*; do ldd "$f"; done >"$dir/out" 2>&1
[ "$(grep -c 'libptrain-emulated' "$dir/out")" -eq "$(ls "$top/bin" | wc -l)" ] && ! grep -qE 'dnnl|hdf5|mpi|cmocka|jansson|pcre|utf8proc|not found' "$dir/out"
result "its programs need no oneDNN, HDF5, MPI, cmocka" $?

mkdir "$dir/tools"
printf '#!/bin/sh\nwhile [ "${1#bin/}" = "$1" ]; do shift; done\nexec "$@"\n' >"$dir/tools/compute-sanitizer"
printf '#!/bin/sh\necho "$4" | sed s/regex://\nwhile [ "${1#bin/}" = "$1" ]; do shift; done\nexec "$@"\n' >"$dir/tools/ncu"
chmod +x "$dir"/tools/*
run() { # VARIABLE=VALUE...: out, rc, from a folder of its own
    (cd / && env PATH="$dir/tools:$PATH" KIT_PROGRAM_SECONDS=400 OMP_WAIT_POLICY=passive "$@" sh "$top/kit.sh" --tiny --seconds 1500 "$dir/logs") >"$dir/out" 2>&1
    rc=$?
}
run EMU_ARCH=90
[ $rc -eq 0 ] && tail -n 1 "$dir/out" | grep -q '^27 passed, 0 wrong'
ok=$? last=$(tail -n 1 "$dir/out")
result "the whole kit: ${last%;*}" $ok
lack=0
while read -r op; do grep -qE "^passed kernels_.* tests of (.* )?$op( |$)" "$dir/logs/summary.txt" || { echo "no line of $op" >>"$dir/out"; lack=1; }; done \
    < <(sed -n 's/^ *X(\([a-z_]*\), .*/\1/p' kernels/op_list.h)
result "every op was compared with the reference" $lack
bits=$(cat "$dir"/logs/*-steps-*.log | sed -n 's/^bits //p' | sort -u) # the emulated products have the same bits whatever their size
[ "$(cat "$dir"/logs/*-steps-*.log | grep -c '^step ')" -eq 30 ] && [ "$(echo "$bits" | wc -w)" -eq 1 ]
result "ten steps, twice and with kept weights, with the same bits ($bits)" $?
entries=$(grep -c "^H100" tests/bench/roofline.tsv)
[ "$(tail -n +2 "$dir/logs/table.txt" | awk '{ $1 = $2 = $3 = ""; print }' | sort -u | wc -l)" -eq "$entries" ] && [ "$entries" -gt 10 ]
result "the table has each of the $entries predicted entries" $?
for what in 'lora, down, 32 tokens' 'lora, down, 64 tokens' 'lora, gate up, base apart' 'lora_bwd, gate up, base folded' 'lora, gate up, base folded, kept' 'dequantising up:' 'dequantising down:' 'head dx, .* 16 MiB' 'head dx, .* 32 MiB' 'attention, 1 document ' 'attention, 2 documents' 'attention, 8 documents'; do
    grep -q "^$what" "$dir/logs/times-more.txt" || { echo "no line '$what'" >>"$dir/out"; lack=1; }
done
result "times of LoRA's down and with the base's products, dequantising, the head's dx, attention by documents" $lack
run EMU_ARCH=80
[ $rc -eq 1 ] && grep -q '^WRONG chip: this kit is for sm_90' "$dir/out"
result "another chip stops it" $?
run EMU_ARCH=90 EMU_FAIL=launch:40
[ $rc -eq 1 ] && grep -q '^WRONG kernels_stream: exit 1' "$dir/out" && grep -q 'launch' "$dir/logs/summary.txt" && ! grep -q 'passed kernels' "$dir/out"
result "a launch that fails stops it, with the message" $?

# The real one, where nvcc is: no other test gives the kernels' host code to nvcc's host compiler, nor links a program with the real plugin.
make_real() { env -u MAKEFLAGS -u MAKELEVEL -u MAKEOVERRIDES make -s BUILD="$b" CC=$cc gpu-kit >"$dir/out" 2>&1; }
if ! command -v nvcc >/dev/null && [ ! -x /usr/local/cuda/bin/nvcc ]; then
    n=$((n + 1)); echo "ok $n - the kit for a real GPU # SKIP no nvcc"
else
    rm -f build/ptrain-gpu-kit.tar.gz
    make_real && [ "$(wc -c <build/ptrain-gpu-kit.tar.gz)" -le $((60 << 20)) ] && rm -rf "$top" && tar -C "$dir" -xzf build/ptrain-gpu-kit.tar.gz &&
        [ -e "$top/lib/libptrain-cuda.so" ] && [ "$(ls "$top/bin" | wc -l)" -eq "$(ls tests/ops/*.cpp | wc -l | awk '{ print $1 + 3 }')" ]
    result "the kit for a real GPU builds, 60 MiB at most" $?
    (cd / && sh "$top/kit.sh" --tiny "$dir/logs") >"$dir/out" 2>&1
    rc=$?
    if grep -q '^WRONG chip' "$dir/out"; then :; elif grep -q '^passed probe' "$dir/out"; then [ $rc -eq 0 ]; else [ $rc -eq 1 ] && grep -q 'no GPU: ' "$dir/out"; fi
    result "it runs on this machine's GPU, or says that there is none of its kind" $?
fi
echo "1..$n"
