#!/usr/bin/env bash
# What the toolkit's compilers say of every kernel, without a GPU: registers, stack, spills, static shared memory (ptxas), instructions (SASS
# by sass_count, PTX by name).
#   gpu_gate.sh table ARCH...   one line a kernel and architecture, tab separated: see HEADER
#   gpu_gate.sh test  ARCH...   TAP: no spill, no stack, nothing above tests/emu/gpu_budgets.tsv
#   gpu_gate.sh loops           counts tests/bench/roofline/loops.tsv anew; `test` asks whether that changes it where 90 is named
#   gpu_gate.sh lower ARCH...   rewrites the budgets: new kernels come in, gone ones leave, figures that fell go down, none goes up
# Lines of architecture "any" hold on each: load16 and store16 (16-byte accesses in PTX) are the fewest that a kernel may have; narrow_stores (of kernels with
# store16) and serial_loops (of load, wait, store to shared memory) the most, and without a line there may be none.
# Registers are judged in the steps of 8 in which a thread gets them. Who must raise a budget deletes its line first, and says why.
# Compiling takes minutes, so what came out is kept in build/ptxas under a digest of the file, what it includes, the compiler and its flags:
# only files that changed are compiled again. NVCC, CXX, CC as in the makefile; without nvcc `test` is one skipped line.
set -eu
cd "$(dirname "$0")/../.."
HEADER='kernel\tarch\tregs\tstack\tspill\tsmem\tinstr\tmma\tldmatrix\tcp_async\tlocal\tothers_per_mma\tload16\tstore16\tldsm_per_mma\tnarrow_stores\tserial_loops'
what=$1; shift
budgets=${GPU_BUDGETS:-tests/emu/gpu_budgets.tsv}
gen=${GEN:-build/gcc/gen}; keep=build/ptxas; flags="-std=c++17 -O3 -lineinfo"
if [ -z "${NVCC:-}" ]; then
    echo "1..1"; echo "ok 1 - resources of kernels # SKIP no nvcc: registers, spills and SASS are not looked at"; exit 0
fi
mkdir -p $keep
[ -z "$(find tests/emu/sass -name "*.[ch]" -newer $keep/sass_count 2>&1)" ] || ${CC:-gcc} -std=c17 -O2 tests/emu/sass/sass_count.c -o $keep/sass_count
version=$($NVCC --version | tail -n 1)

# Plain names: no return type, no arguments, no anonymous namespace.
plain() { c++filt | sed -e 's/(anonymous namespace):://g' -e 's/^void //' -e 's/__nv_bfloat16/bf16/g' -e 's/([a-z]*)//g' -e 's/(.*//'; }

digest() { # FILE ARCH
    { echo "$version $flags sm_$2 form 3"; cat tests/emu/sass/*.[ch] # form: of the lines that compile() writes
      ${CXX:-g++} -std=c++17 -MM -I. -I$gen -Itests/emu/include -Itests/emu -D_GNU_SOURCE -DCUDA_EMU -include tests/emu/cuda_emu.h -x c++ "$1" |
        tr -d '\\' | tr ' ' '\n' | grep -E '^(kernels|base|train)/' | sort | xargs cat
    } | sha256sum | cut -c1-24
}

compile() { # FILE ARCH OUT
    dir=$(mktemp -d); base=$(basename "$1" .cu)
    # shellcheck disable=SC2086
    $NVCC $flags -I. -I$gen -D_GNU_SOURCE -arch=sm_$2 -cubin -Xptxas -v --keep --keep-dir "$dir" "$1" -o "$dir/k.cubin" >"$dir/log" 2>&1 ||
        { cat "$dir/log" >&2; rm -rf "$dir"; return 1; }
    awk '/Compiling entry function/ { split($0, q, "\047"); k = q[2] }
         /bytes stack frame/ { for (i = 1; i < NF; i++) if ($(i + 1) == "bytes") { if ($(i + 2) ~ /^stack/) st = $i; else sp += $i } stack[k] = st; spill[k] = sp; sp = 0 }
         /Used [0-9]+ registers/ { r = 0; m = 0; for (i = 1; i < NF; i++) { if ($(i + 1) ~ /^registers/) r = $i; if ($(i + 1) == "bytes" && $(i + 2) ~ /^smem/) m = $i }
             print "R", k, r, stack[k] + 0, spill[k] + 0, m }' "$dir/log" >"$dir/all"
    "$keep/sass_count" "$dir/k.cubin" 2>/dev/null | awk '
        /^[^ ]/ { k = $1; sub(/^\.text\./, "", k); next }
        / instructions, / { print "S", k, $1, $3, $5, $7, $9; print "W", k, $20, $23 }
        / an mma/ { for (i = 1; i <= NF; i++) if ($i == "an") print ($(i - 1) == "bytes" ? "M " k " " $(i - 2) : "L " k " " $(i - 1)) }' >>"$dir/all"
    awk '/\.entry / { k = $0; sub(/.*\.entry /, "", k); sub(/\(.*/, "", k) }
         /ld\.global.*\.(v4\.(f32|b32|u32|s32)|v2\.(f64|b64|u64))/ { a[k]++ } /st\.global.*\.(v4\.(f32|b32|u32|s32)|v2\.(f64|b64|u64))/ { b[k]++ }
         /^}/ && k { print "P", k, a[k] + 0, b[k] + 0; k = "" }' "$dir/$base.ptx" >>"$dir/all" 2>/dev/null || true
    awk -v arch="$2" '$1 == "R" { r[$2] = $3 "\t" $4 "\t" $5 "\t" $6; if (!($2 in n)) { n[$2] = 1; name[++c] = $2 } }
         $1 == "S" { s[$2] = $3 "\t" $4 "\t" $5 "\t" $6 "\t" $7 } $1 == "L" { if (!($2 in l) || $3 < l[$2]) l[$2] = $3 } $1 == "M" { if ($3 > m[$2] + 0) m[$2] = $3 } $1 == "P" { p[$2] = $3 "\t" $4 } $1 == "W" { w[$2] = $3 "\t" $4 }
         END { for (i = 1; i <= c; i++) { k = name[i]; print k "\t" arch "\t" r[k] "\t" (k in s ? s[k] : "-\t-\t-\t-\t-") "\t" (k in l ? l[k] : "-") "\t" (k in p ? p[k] : "-\t-") "\t" (k in m ? m[k] : "-") "\t" (k in w ? w[k] : "-\t-") } }' "$dir/all" >"$dir/tsv"
    cut -f1 "$dir/tsv" | plain | paste - "$dir/tsv" | cut -f1,3- >"$3.new.$$" && mv "$3.new.$$" "$3"
    [ "$2" != 90 ] || cp "$dir/k.cubin" "${3%.tsv}.cubin"
    rm -rf "$dir"
}

table() {
    for arch in "$@"; do
        for f in $(grep -l __global__ kernels/cuda/*.cu); do
            out=$keep/$(basename "$f" .cu)-sm_$arch-$(digest "$f" "$arch").tsv
            cubin=${out%.tsv}.cubin
            [ -e "$out" ] && { [ "$arch" != 90 ] || [ -e "$cubin" ]; } || { rm -f "$keep/$(basename "$f" .cu)-sm_$arch-"*; compile "$f" "$arch" "$out"; }
            cat "$out"; [ "$arch" != 90 ] || echo "$cubin" >>"$cubins"
        done
    done
}

# loops.tsv against the cubins of sm_90, which table() left: a line of TAP.
loops() {
    local of="4 - the loops by which times are predicted are those of today's kernels (loops.tsv)" said
    if ! command -v "${PYTHON:-python3}" >/dev/null; then echo "ok $of # SKIP no python3"; return; fi
    said=$("${PYTHON:-python3}" tests/bench/roofline/loops.py $(cat "$cubins")) && { echo "ok $of"; return; }
    echo "$said" | sed 's/^/# /'; echo "not ok $of"; return 1
}

[ "$what" != loops ] || set -- 90
all=$(mktemp) cubins=$(mktemp); trap 'rm -f "$all" "$cubins"' EXIT
table "$@" >"$all"
case $what in
table) printf "$HEADER\n"; cat "$all" ;;
loops) "${PYTHON:-python3}" tests/bench/roofline/loops.py --write $(cat "$cubins") ;;
test)
    rc=0 plan=3; case " $* " in *" 90 "*) plan=4 ;; esac
    awk -F'\t' -v B="$budgets" -v plan=$plan '
        BEGIN { while ((getline line < B) > 0) { split(line, q, "\t"); if (line !~ /^#/) most[q[1] "\t" q[2] "\t" q[3]] = q[4] } }
        function judge(fig, v,   key) {
            key = $1 "\t" $2 "\t" fig
            if (!(key in most)) { if (fig != "others_per_mma") bad = bad sprintf("# %s sm_%s: %s %s has no budget (gpu_gate.sh lower)\n", $1, $2, fig, v) }
            else { used[key] = 1; if (v + 0 > most[key] + 0) bad = bad sprintf("# %s sm_%s: %s %s, budget %s\n", $1, $2, fig, v, most[key]); if (v + 0 < most[key] + 0) lower++ }
        }
        function fewest(fig, v,   key) {
            key = $1 "\tany\t" fig; if (key in most) used[key] = 1
            if (v + 0 > 0 && !(key in most)) bad = bad sprintf("# %s sm_%s: %s %s has no budget (gpu_gate.sh lower)\n", $1, $2, fig, v)
            if (v + 0 < most[key] + 0) bad = bad sprintf("# %s sm_%s: %s %s, no fewer than %s\n", $1, $2, fig, v, most[key])
        }
        function at_most(fig, v,   key) {
            key = $1 "\tany\t" fig; if (key in most) used[key] = 1
            if (v + 0 > most[key] + 0) bad = bad sprintf("# %s sm_%s: %s %s, budget %d\n", $1, $2, fig, v, most[key])
        }
        { n++; arch[$2] = 1; judge("regs", int(($3 + 7) / 8) * 8); judge("smem", $6); if ($12 != "-") judge("others_per_mma", $12); if ($15 != "-") judge("ldsm_per_mma", $15)
          fewest("load16", $13); fewest("store16", $14); at_most("serial_loops", $17); if ($14 + 0 > 0) at_most("narrow_stores", $16)
          if ($4 + $5 > 0) spilt = spilt sprintf("# %s sm_%s: %d bytes of stack, %d of spills\n", $1, $2, $4, $5)
          if ($11 != "-" && $11 > 0) spilt = spilt sprintf("# %s sm_%s: %d accesses to local memory\n", $1, $2, $11) }
        END { for (k in most) { split(k, q, "\t"); if (((q[2] in arch) || q[2] == "any") && !(k in used) && most[k] > 0) bad = bad sprintf("# %s sm_%s: %s in the budgets, but no such kernel (gpu_gate.sh lower)\n", q[1], q[2], q[3]) }
              print "1.." plan; printf "# figure kernels: %d of them; %d figures lie below their budget\n%s", n, lower, spilt bad
              print (n > 20 ? "ok" : "not ok") " 1 - every kernel is compiled"
              print (spilt == "" ? "ok" : "not ok") " 2 - no spills, no stack frames"
              print (bad == "" ? "ok" : "not ok") " 3 - registers, shared memory, loops and widths of accesses within their budgets"; exit spilt bad != "" || n <= 20 }' "$all" || rc=1
    [ $plan = 3 ] || loops || rc=1
    exit $rc ;;
lower)
    { echo "# Budgets of the kernels: name, architecture, figure, most. make gpu-budgets writes it: figures go down, never up. $version"
      awk -F'\t' -v B="$budgets" '
        BEGIN { while ((getline line < B) > 0) { split(line, q, "\t"); if (line !~ /^#/) { most[q[1] "\t" q[2] "\t" q[3]] = q[4]; if (q[3] == "regs") known[q[1]] = 1 } } }
        function least(fig, v) { if (v != "-" && (!(($1, fig) in few) || v + 0 < few[$1, fig])) few[$1, fig] = v + 0 }
        function top(fig, v) { if (v != "-" && v + 0 > many[$1, fig] + 0) many[$1, fig] = v + 0 }
        function any(k, fig, v) { if (v > 0) print k "\tany\t" fig "\t" v }
        function floor_of(k, fig,   v, old) { v = few[k, fig] + 0; old = most[k "\tany\t" fig] + 0; any(k, fig, v > old ? v : old) }
        function cap_of(k, fig,   v, old) { v = many[k, fig] + 0; old = most[k "\tany\t" fig] + 0; any(k, fig, (k in known) && old < v ? old : v) }
        function put(fig, v,   key) { key = $1 "\t" $2 "\t" fig; print key "\t" (key in most && most[key] + 0 < v + 0 ? most[key] : v); here[$2] = 1 }
        { put("regs", int(($3 + 7) / 8) * 8); put("smem", $6); if ($12 != "-" && $1 ~ /^attention_fwd_k/) put("others_per_mma", $12); if ($15 != "-") put("ldsm_per_mma", $15)
          name[$1] = here["any"] = 1; least("load16", $13); least("store16", $14); top("serial_loops", $17); if ($14 + 0 > 0) top("narrow_stores", $16) }
        END { for (k in most) { split(k, q, "\t"); if (!(q[2] in here)) print k "\t" most[k] }
              for (k in name) { floor_of(k, "load16"); floor_of(k, "store16"); cap_of(k, "serial_loops"); cap_of(k, "narrow_stores") } }' "$all" | LC_ALL=C sort
    } >"$budgets.new" && mv "$budgets.new" "$budgets" ;;
*) echo "usage: gpu_gate.sh table|test|lower ARCH... | loops" >&2; exit 2 ;;
esac
