#!/usr/bin/env bash
# gpu_report.sh FOLDER [test]: every kernel of the CUDA backend in one table, without a GPU. FOLDER: where the check build's programs are. Runs
# them with counters on: traffic, dense products, attention; then, with nvcc, adds what gpu_gate.sh knows for each architecture.
# With `test`: TAP; bank conflicts of shared memory within tests/emu/gpu_budgets.tsv (figure "banks", arch "-").
# COUNTS=file takes counts of an earlier run instead.
set -eu
cd "$(dirname "$0")/../.."
dir=$1; mode=${2:-report}
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT
counts=${COUNTS:-$tmp/counts}
if [ -z "${COUNTS:-}" ]; then
    for p in kernels_traffic kernels_dense kernels_sample kernels_attention_gpu; do
        EMU_COUNT=1 EMU_COUNT_FILE=$counts CMOCKA_MESSAGE_OUTPUT=TAP "$dir/$p" >"$tmp/$p" 2>&1 || { cat "$tmp/$p"; echo "not ok 1 - $p"; exit 1; }
    done
    [ -z "${KEEP_COUNTS:-}" ] || cp "$counts" "$KEEP_COUNTS"
fi
# One line a kernel: sums, and the largest block.
awk -F'\t' -v OFS='\t' '{ k = $1; if (!(k in n)) name[++m] = k; n[k]++
        if ($2 > thr[k]) thr[k] = $2; if ($3 > dyn[k]) dyn[k] = $3
        for (i = 4; i <= 16; i++) if (i == 15) { if ($i > v[k, i]) v[k, i] = $i } else v[k, i] += $i }
    END { for (j = 1; j <= m; j++) { k = name[j]; acc = v[k, 12]; sh = v[k, 13]; bytes = v[k, 6] + v[k, 7]; sect = 32 * (v[k, 8] + v[k, 9]); uniq = 32 * (v[k, 10] + v[k, 11])
        print k, thr[k], dyn[k] + 0, v[k, 4], bytes, (uniq ? bytes / uniq : 0), (acc ? (v[k, 8] + v[k, 9]) / acc : 0), (sect ? bytes / sect : 0), (sh ? v[k, 14] / sh : 0), v[k, 15] + 0, v[k, 16] + 0 } }' \
    "$counts" | LC_ALL=C sort >"$tmp/kernels"

if [ "$mode" = test ] || [ "$mode" = lower ]; then
    awk -F'\t' -v B=tests/emu/gpu_budgets.tsv -v mode="$mode" -v OFS='\t' '
        BEGIN { while ((getline line < B) > 0) { split(line, q, "\t"); if (q[3] == "banks") most[q[1]] = q[4] } }
        $9 > 0 { n++; if (mode == "lower") { v = $9; if ($1 in most && most[$1] < v) v = most[$1]; printf "%s\t-\tbanks\t%.3f\n", $1, v + 0.0005 }
                 else if (!($1 in most)) bad = bad "# " $1 ": no budget for its bank conflicts\n"
                 else if ($9 > most[$1] + 0.001) bad = bad sprintf("# %s: %.3f cycles an access of shared memory, budget %s\n", $1, $9, most[$1]) }
        END { if (mode == "test") { printf "1..1\n%s%s 1 - bank conflicts of %d kernels\n", bad, (bad == "" && n > 10 ? "ok" : "not ok"), n; exit bad != "" } }' "$tmp/kernels"
    exit
fi

grep -h '^# figure' "$tmp"/kernels_traffic 2>/dev/null | sed 's/^# figure /least bytes of /' || true
[ -x "${dir%check}plain/loop_launches" ] && CMOCKA_MESSAGE_OUTPUT=TAP "${dir%check}plain/loop_launches" | grep -E '^# (json|figure)' | sed 's/^# //'
echo
echo "Traffic on the emulated device. used: bytes that threads asked for over bytes of distinct sectors; per access: 32-byte sectors of a warp's"
echo "access; filled: bytes asked for over bytes of all sectors moved; banks: cycles an access of shared memory takes (1 = no conflict), worst."
{ printf 'kernel\tthreads\tdynamic\tlaunches\tMB\tused\tper access\tfilled\tbanks\tworst\tatomics\n'
  awk -F'\t' -v OFS='\t' '{ print $1, $2, $3, $4, sprintf("%.3f", $5 / 1e6), sprintf("%.2f", $6), sprintf("%.2f", $7), sprintf("%.2f", $8), sprintf("%.2f", $9), $10, $11 }' "$tmp/kernels"
} | column -t -s "$(printf '\t')"
echo
if [ -z "${NVCC:-}" ]; then echo "skipped: no nvcc: no registers, occupancy or SASS"; exit 0; fi
echo "Compiled (nvcc). warps: of an SM at the block sizes above, as registers and shared memory allow; loads, stores: of 16 bytes, in PTX."
bash tests/emu/gpu_gate.sh table ${ARCHS:-80 86 89 90} >"$tmp/compiled"
awk -F'\t' -v OFS='\t' '
    NR == FNR { thr[$1] = $2; dyn[$1] = $3; next }
    FNR == 1 { print "kernel", "sm", "regs", "stack", "spill", "static", "dynamic", "threads", "warps", "instr", "mma", "ldmatrix", "cp_async", "others/mma", "loads", "stores"; next }
    { t = $1 in thr ? thr[$1] : 0; w = "-"
      if (t) { # registers are given to a warp in steps of 256, shared memory to a block in steps of 128 bytes and 1 KB of its own
          warps = int((t + 31) / 32); per = int(($3 * 32 + 255) / 256) * 256; blocks = int(65536 / per / warps)
          sm = ($2 == 80 ? 164 : $2 == 90 ? 228 : 100) * 1024; most = $2 == 80 || $2 == 90 ? 64 : 48; cap = $2 == 86 ? 16 : $2 == 89 ? 24 : 32
          need = int(($6 + dyn[$1] + 1024 + 127) / 128) * 128; if (int(sm / need) < blocks) blocks = int(sm / need)
          if (int(most / warps) < blocks) blocks = int(most / warps); if (cap < blocks) blocks = cap
          w = blocks * warps "/" most }
      print $1, $2, $3, $4, $5, $6, t ? dyn[$1] : "-", t ? t : "-", w, $7, $8, $9, $10, $12, $13, $14 }' "$tmp/kernels" "$tmp/compiled" | column -t -s "$(printf '\t')"
