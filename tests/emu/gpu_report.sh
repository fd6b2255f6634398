#!/usr/bin/env bash
# gpu_report.sh FOLDER [test]: every kernel of the CUDA backend in one table, without a GPU. FOLDER: where the check build's programs are;
# beside it, the plain build's. Runs GPU_COUNTED (check build) with counters on: traffic, dense products, attention; and GPU_LAUNCHED (plain,
# quick) for nothing but the kernels that they launch: threads of a block and dynamic shared memory, from which occupancy follows. Odd shapes
# of those programs so never enter a figure of traffic. With nvcc it adds what gpu_gate.sh knows for each architecture.
# With `test`: TAP; bank conflicts (figure "banks") and dynamic shared memory ("dynamic"; both arch "-") within tests/emu/gpu_budgets.tsv, and
# every kernel that the budgets name is launched. `make gpu-report` sets the lists. COUNTS=folder takes the counts that an earlier run left
# there by KEEP_COUNTS=folder.
set -eu
cd "$(dirname "$0")/../.."
dir=$1; mode=${2:-report}; plain=${dir%check}plain
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT
run() { # PROGRAM FILE: adds a line to FILE for each kernel
    EMU_COUNT=1 EMU_COUNT_FILE=$2 CMOCKA_MESSAGE_OUTPUT=TAP "$1" >"$tmp/${1##*/}" 2>&1 || { cat "$tmp/${1##*/}"; echo "not ok 1 - $1"; exit 1; }
}
if [ -z "${COUNTS:-}" ]; then
    for p in ${GPU_LAUNCHED:?make gpu-report sets it}; do run "$plain/$p" "$tmp/launches"; done
    for p in ${GPU_COUNTED:?make gpu-report sets it}; do run "$dir/$p" "$tmp/counts"; done
    [ -z "${KEEP_COUNTS:-}" ] || { mkdir -p "$KEEP_COUNTS"; cp "$tmp/counts" "$tmp/launches" "$KEEP_COUNTS"; }
    COUNTS=$tmp
fi
# Name, threads and dynamic shared memory of the largest block, of whatever launched it.
awk -F'\t' -v OFS='\t' '{ if ($2 > thr[$1]) thr[$1] = $2; if ($3 > dyn[$1]) dyn[$1] = $3 } END { for (k in thr) print k, thr[k], dyn[k] + 0 }' \
    "$COUNTS/counts" "$COUNTS/launches" | LC_ALL=C sort >"$tmp/blocks"
# One line a kernel: sums, and the largest block.
awk -F'\t' -v OFS='\t' '{ k = $1; if (!(k in n)) name[++m] = k; n[k]++
        if ($2 > thr[k]) thr[k] = $2; if ($3 > dyn[k]) dyn[k] = $3
        for (i = 4; i <= 16; i++) if (i == 15) { if ($i > v[k, i]) v[k, i] = $i } else v[k, i] += $i }
    END { for (j = 1; j <= m; j++) { k = name[j]; acc = v[k, 12]; sh = v[k, 13]; bytes = v[k, 6] + v[k, 7]; sect = 32 * (v[k, 8] + v[k, 9]); uniq = 32 * (v[k, 10] + v[k, 11])
        print k, thr[k], dyn[k] + 0, v[k, 4], bytes, (uniq ? bytes / uniq : 0), (acc ? (v[k, 8] + v[k, 9]) / acc : 0), (sect ? bytes / sect : 0), (sh ? v[k, 14] / sh : 0), v[k, 15] + 0, v[k, 16] + 0 } }' \
    "$COUNTS/counts" | LC_ALL=C sort >"$tmp/kernels"

if [ "$mode" = test ] || [ "$mode" = lower ]; then
    awk -F'\t' -v B=tests/emu/gpu_budgets.tsv -v mode="$mode" '
        BEGIN { while ((getline line < B) > 0) { split(line, q, "\t"); if (line ~ /^#/) continue
                    if (q[2] == "-") most[q[1], q[3]] = q[4]; else if (!(q[1] in known)) { known[q[1]] = 1; n_known++ } } }
        function judge(fig, v, form,   m) {
            m = (($1, fig) in most) ? most[$1, fig] : ""
            if (mode == "lower") printf "%s\t-\t%s\t" form "\n", $1, fig, m != "" && m < v ? m : v + (fig == "banks" ? 0.0005 : 0)
            else if (m == "") bad[fig] = bad[fig] sprintf("# %s: %s " form " has no budget (make gpu-budgets)\n", $1, fig, v)
            else if (v > m + (fig == "banks" ? 0.001 : 0)) bad[fig] = bad[fig] sprintf("# %s: %s " form ", budget %s\n", $1, fig, v, m) }
        FNR == NR { launched[$1] = 1; if ($3 > 0) judge("dynamic", $3, "%d"); next }
        $9 > 0 { n++; judge("banks", $9, "%.3f") }
        END { if (mode != "test") exit
              for (k in known) if (!(k in launched)) { missing = missing "# " k ": in the budgets, and no program launches it\n"; n_missing++ }
              printf "1..3\n%s%s 1 - bank conflicts of %d kernels\n", bad["banks"], (bad["banks"] == "" && n > 10 ? "ok" : "not ok"), n
              printf "%s%s 2 - dynamic shared memory\n", bad["dynamic"], (bad["dynamic"] == "" ? "ok" : "not ok")
              printf "%s%s 3 - %d of %d kernels are launched\n", missing, (missing == "" && n_known > 20 ? "ok" : "not ok"), n_known - n_missing, n_known
              exit bad["banks"] bad["dynamic"] missing != "" || n <= 10 || n_known <= 20 }' "$tmp/blocks" "$tmp/kernels"
    exit
fi

grep -h '^# figure' "$tmp"/kernels_traffic 2>/dev/null | sed 's/^# figure /least bytes of /' || true
[ -x "$plain/loop_launches" ] && CMOCKA_MESSAGE_OUTPUT=TAP "$plain/loop_launches" | grep -E '^# (json|figure)' | sed 's/^# //'
if [ -x "$plain/kernels_waves" ]; then
    echo
    echo "Blocks of the launches of a LoRA step of an 8B model on 132 multiprocessors, and the share of their time in which they wait for the last ones (15 % at most)."
    CMOCKA_MESSAGE_OUTPUT=TAP "$plain/kernels_waves" 2>/dev/null | sed -n 's/^# figure waves: //p' || true
fi
echo
echo "Traffic on the emulated device. used: bytes that threads asked for over bytes of distinct sectors; per access: 32-byte sectors of a warp's"
echo "access; filled: bytes asked for over bytes of all sectors moved; banks: cycles an access of shared memory takes (1 = no conflict), worst."
{ printf 'kernel\tthreads\tdynamic\tlaunches\tMB\tused\tper access\tfilled\tbanks\tworst\tatomics\n'
  awk -F'\t' -v OFS='\t' '{ print $1, $2, $3, $4, sprintf("%.3f", $5 / 1e6), sprintf("%.2f", $6), sprintf("%.2f", $7), sprintf("%.2f", $8), sprintf("%.2f", $9), $10, $11 }' "$tmp/kernels"
} | column -t -s "$(printf '\t')"
echo
if [ -z "${NVCC:-}" ]; then echo "skipped: no nvcc: no registers, occupancy or SASS"; exit 0; fi
echo "Compiled (nvcc). warps: of an SM at the largest block that any program launched, as registers and shared"
echo "memory allow (0: not for this chip, which takes a smaller tile); ldmatrix/mma: bytes of the loop with most; loads, stores: of 16 bytes, in PTX; narrow:"
echo "stores of fewer bytes, serial: loops of load, wait, store to shared memory, both in SASS."
bash tests/emu/gpu_gate.sh table ${ARCHS:-80 86 89 90} >"$tmp/compiled"
awk -F'\t' -v OFS='\t' '
    NR == FNR { thr[$1] = $2; dyn[$1] = $3; next } # blocks
    FNR == 1 { print "kernel", "sm", "regs", "stack", "spill", "static", "dynamic", "threads", "warps", "instr", "mma", "ldmatrix", "cp_async", "others/mma", "ldmatrix/mma", "loads", "stores", "narrow", "serial"; next }
    { t = $1 in thr ? thr[$1] : 0; w = "-"
      if (t) { # each quarter of an SM gives its registers to whole warps in steps of 256; shared memory goes to a block in steps of
               # 128 bytes and 1 KB of its own
          warps = int((t + 31) / 32); per = int(($3 * 32 + 255) / 256) * 256; blocks = int(int(16384 / per) / int((warps + 3) / 4))
          sm = ($2 == 80 ? 164 : $2 == 90 ? 228 : 100) * 1024; most = $2 == 80 || $2 == 90 ? 64 : 48; cap = $2 == 86 ? 16 : $2 == 89 ? 24 : 32
          need = int(($6 + dyn[$1] + 1024 + 127) / 128) * 128; if (int(sm / need) < blocks) blocks = int(sm / need)
          if (int(most / warps) < blocks) blocks = int(most / warps); if (cap < blocks) blocks = cap
          w = blocks * warps "/" most }
      print $1, $2, $3, $4, $5, $6, t ? dyn[$1] : "-", t ? t : "-", w, $7, $8, $9, $10, $12, $15, $13, $14, $16, $17 }' "$tmp/blocks" "$tmp/compiled" | column -t -s "$(printf '\t')"
