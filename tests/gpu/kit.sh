#!/bin/sh
# kit.sh [--tiny] [--seconds N] [--tokens N] [--model FILE] LOGS: what make gpu-kit's archive runs on a machine with a GPU, in about ten minutes. It stops
# at the first wrong result (exit 1). LOGS gets a file a step, written as it comes, summary.txt and table.txt: send the folder.
#   --seconds N   all together (600): what begins after that is a skipped line
#   --tokens N    of a training step (4096)
#   --model FILE  where the random 8B is made: 5 GB (LOGS/8b.gguf); removed at the end, kept if it was there
#   --tiny        a small model instead and small shapes: a rehearsal, whose times mean nothing
# It needs the driver and cuBLASLt of CUDA; compute-sanitizer and ncu are used where they are. Settings of the GPU are left as they are.
usage() { sed -n '2,/^# It needs/s/^# //p' "$0"; exit 2; }
top=$(cd "$(dirname "$0")" && pwd) || exit 2
tiny= seconds=600 tokens=4096 model= logs=
while [ $# -gt 0 ]; do
    case $1 in
    --tiny) tiny=tiny ;;
    --seconds | --tokens | --model)
        [ $# -gt 1 ] || usage
        case $1 in --seconds) seconds=$2 ;; --tokens) tokens=$2 ;; --model) model=$2 ;; esac
        shift ;;
    -*) usage ;;
    *) [ -z "$logs" ] || usage; logs=$1 ;;
    esac
    shift
done
[ -n "$logs" ] || usage
case $seconds$tokens in *[!0-9]*) usage ;; esac
mkdir -p "$logs" && logs=$(cd "$logs" && pwd) || exit 2
case $model in /*) ;; ?*) model=$PWD/$model ;; *) model=$logs/8b.gguf ;; esac
cd "$top" || exit 2
end=$(($(date +%s) + seconds)) passed=0 skipped=0 number=0 made= plain= kept=
plugin=$(sed -n 's/^plugin //p' what) chips=$(sed -n 's/^chips //p' what)
: >"$logs/summary.txt" || exit 2
: >"$logs/table.txt"
say() { echo "$*"; echo "$*" >>"$logs/summary.txt"; }
tidy() { [ -n "$made" ] && rm -f "$model"; }
trap tidy EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
wrong() { # NAME WHY: the last lines of its log with it
    say "WRONG $1: $2"
    [ -f "$log" ] && tail -n 12 "$log" | sed 's/^/    /' | tee -a "$logs/summary.txt"
    say "stopped at the first wrong result; $passed passed, $skipped skipped; everything is in $logs"
    exit 1
}
skip() { skipped=$((skipped + 1)); say "skipped $1: $2"; }
# go NAME SECONDS COMMAND...: its output to a log; code has its exit status, 124 where it took too long. Returns 1 where no time is left for it.
go() {
    name=$1 limit=$2; shift 2
    left=$((end - $(date +%s)))
    number=$((number + 1)) log=$logs/$(printf %02d $number)-$(echo "$name" | tr -c 'a-z0-9_\n' '-').log code=0
    if [ $left -lt 2 ]; then skip "$name" "the $seconds seconds are over"; return 1; fi
    [ $limit -lt $left ] || limit=$left
    from=$(date +%s)
    timeout -k 5 $limit "$@" >"$log" 2>&1 || code=$?
    sync "$log" 2>/dev/null
    took=$(($(date +%s) - from))
    return 0
}
pass() { passed=$((passed + 1)); say "passed $name (${took} s)$1"; }
# must NAME SECONDS COMMAND...: anything but exit 0 is wrong; of one that was cut short by the end of all, nothing is known.
must() {
    go "$@" || return 1
    if [ $code -eq 124 ] || [ $code -eq 137 ]; then
        [ $limit -lt "$2" ] && { skip "$name" "the $seconds seconds were over after $limit of it"; return 1; }
        wrong "$name" "it took longer than $2 seconds: a kernel that hangs, or a machine that is too slow"
    fi
    [ $code -eq 0 ] || wrong "$name" "exit $code"
}

# ---- probes -----------------------------------------------------------------------------------------------------------
say "ptrain gpu-kit, made of $(sed -n 's/^made //p' what), for sm_$chips; $(date -u '+%Y-%m-%d %H:%M UTC'), $(uname -srm)"
log=
sha256sum --quiet -c files.sha256 >"$logs/files.log" 2>&1 || wrong files "the kit is not whole: $(head -n 1 "$logs/files.log")"
# cuBLASLt of a toolkit, of a Python package or of conda, where the loader does not know it.
lacks() { ldd "lib/$plugin" 2>&1 | sed -n 's/^[[:space:]]*\([^ ]*\) => not found.*/\1/p'; }
for so in $(lacks); do
    for at in /usr/local/cuda*/lib64 /usr/local/cuda*/targets/*/lib "$CONDA_PREFIX/lib" "$VIRTUAL_ENV"/lib/python3*/site-packages/nvidia/*/lib /opt/*/.venv/lib/python3*/site-packages/nvidia/*/lib \
        /usr/lib/python3*/*-packages/nvidia/*/lib /usr/local/lib/python3*/*-packages/nvidia/*/lib "$HOME"/.local/lib/python3*/site-packages/nvidia/*/lib; do
        [ -e "$at/$so" ] && { LD_LIBRARY_PATH=$at${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}; export LD_LIBRARY_PATH; say "$so is in $at"; break; }
    done
done
[ -z "$(lacks)" ] || wrong libraries "not found: $(lacks | tr '\n' ' ')(cuBLASLt comes with the CUDA toolkit, or: pip install nvidia-cublas; set LD_LIBRARY_PATH to its folder)"
must probe 60 bin/gpu_probe && pass ": $(grep -m 1 '^GPU' "$log")"
known=
for chip in $chips; do grep -q "sm_$chip," "$log" && known=1; done
[ -n "$known" ] || wrong chip "this kit is for sm_$chips: make one with KIT_ARCHS=.. for this GPU"
if command -v nvidia-smi >/dev/null; then go nvidia-smi 30 nvidia-smi -q || :; else skip nvidia-smi "not installed"; fi
must peaks 60 bin/gpu_bench $tiny peaks "$logs/peaks.txt" && pass ": $(sed -n 's/^peaks: //p' "$log")"

# ---- every op against the reference, a wait after each launch --------------------------------------------------------------
# Entries of the op table by the program that compares them.
entries_kernels_stream='rmsnorm rmsnorm_bwd layernorm layernorm_bwd rope norm_rope norm_rope_bwd rope_table gated gated_bwd clamp clamp_bwd axpby gather scatter_add cast sumsq clip token_sums adamw group_loss'
entries_kernels_sizes='embed_bwd'
entries_kernels_dense='embed linear linear_bwd_x linear_bwd_w lora lora_bwd head'
entries_kernels_ranks='lora lora_bwd'
entries_kernels_fold='lora lora_bwd'
entries_kernels_draws='decode_attention sample'
entries_kernels_trees='attention attention_bwd'
for program in kernels_stream kernels_ranks kernels_fold kernels_draws kernels_trees kernels_dense kernels_sizes; do
    must "$program" "${KIT_PROGRAM_SECONDS:-60}" "bin/$program" || continue
    grep -q '^not ok' "$log" && wrong "$program" "$(grep -m 1 '^not ok' "$log")"
    eval "entries=\$entries_$program"
    pass ": $(grep -c '^ok' "$log") tests of $entries"
done
small=$logs/small.gguf
must small-model 60 bin/kit_model make small "$small" && must model-steps "${KIT_PROGRAM_SECONDS:-60}" bin/kit_model compare "$small" && pass ": three LoRA steps of a random model, f32 and bf16, weights kept as numbers and not"

# ---- compute-sanitizer on the smallest attention, LoRA and head ----------------------------------------------------------
sanitise() { # TOOL PROGRAM TEST
    go "$1-$2" 45 env GPU_TEST="$3" compute-sanitizer --tool "$1" --error-exitcode 9 "bin/$2" || return
    if [ $code -eq 124 ] || [ $code -eq 137 ]; then skip "$name" "took longer than $limit s"; return; fi
    [ $code -eq 0 ] && grep -q '^ok 1' "$log" || wrong "$name" "exit $code"
    pass ": $3"
}
if ! command -v compute-sanitizer >/dev/null; then
    skip memcheck,racecheck "compute-sanitizer is not installed"
elif ! go sanitizer-probe 60 compute-sanitizer --error-exitcode 9 bin/gpu_bench tiny peaks "$logs/sanitizer.txt" || [ $code -ne 0 ]; then
    skip memcheck,racecheck "compute-sanitizer does not work on this machine: $(grep -im 1 'error\|not supported' "$log")"
else
    for tool in memcheck racecheck; do
        sanitise $tool kernels_trees test_without_lse
        sanitise $tool kernels_ranks test_no_dx
        sanitise $tool kernels_dense test_head
    done
fi

# ---- times ------------------------------------------------------------------------------------------------------------
for part in '' more; do
    must "times${part:+-}$part" 180 bin/gpu_bench $tiny $part "$logs/times${part:+-}$part.txt" || continue
    pass ": $(grep -c ' us .*peak' "$log") lines"
done
{
    echo "predicted us, measured us, measured / predicted, entry (predicted by tests/bench/roofline.py)"
    cat "$logs/times.txt" "$logs/times-more.txt" 2>/dev/null |
        sed -n 's/^\(.*[^ ]\)  *\([0-9.]*\) us .*predicted \([0-9.]*\) us, measured \/ predicted \([0-9.]*\)$/\3 \2 \4 \1/p' | sort -k3,3nr | awk '!seen[$0]++'
} >"$logs/table.txt"

# ---- ten steps of a random 8B, twice -----------------------------------------------------------------------------------
if [ -n "$tiny" ]; then
    model=$small shape=small tokens=64
else
    shape=8b
    if [ ! -e "$model" ]; then
        made=1
        room=$(df -Pk "$(dirname "$model")" | awk 'NR == 2 { print $4 }')
        [ "${room:-0}" -gt 6000000 ] || { made=; skip steps "less than 6 GB are free for $model (--model FILE)"; shape=; }
    fi
fi
if [ -n "$shape" ] && { [ -e "$model" ] || must make-$shape 240 bin/kit_model make $shape "$model"; }; then
    bits=
    for time in first second; do
        # kernels are loaded as the program loads them (kernels/plugin.c): before memory is counted
        must steps-$time 240 env CUDA_MODULE_LOADING=EAGER bin/kit_model steps "$model" "$tokens" 10 || break
        is=$(sed -n 's/^bits //p' "$log")
        [ -z "$bits" ] || [ "$is" = "$bits" ] || wrong "$name" "the two runs differ: bits $bits and $is"
        bits=$is plain="$plain ${log##*/}"
        pass ": $(grep '^fastest' "$log"); $(grep '^memory' "$log")"
    done
    # The same with all weights kept as numbers: other products, so on a GPU perhaps other bits, but no other losses.
    if [ -n "$bits" ] && must steps-kept 240 env CUDA_MODULE_LOADING=EAGER bin/kit_model steps "$model" "$tokens" 10 kept; then
        kept=${log##*/}
        if grep -q '^not run' "$log"; then
            skip "$name" "$(grep '^not run' "$log")"
        else
            far=$(cat "$logs/${plain##* }" "$log" | sed -n 's/^step \([0-9]*\): loss \([0-9.]*\),.*/\1 \2/p' |
                awk '{ if ($1 in l) { d = ($2 - l[$1]) / l[$1]; if (d < 0) d = -d; if (d > m) m = d; n++ } l[$1] = $2 } END { if (n == 10) printf "%.1e", m }')
            awk -v far="$far" 'BEGIN { exit !(far != "" && far <= 1e-2) }' || wrong "$name" "losses with kept weights are ${far:-not ten; 0} of those without away: more than 1e-2"
            pass ": $(grep '^fastest' "$log"); losses differ by $far at most; $(grep '^memory' "$log")"
        fi
    fi
fi

# The steps join the table, where they were of the shape that is predicted and this chip is in roofline.tsv.
device=$(sed -n 's/^GPU 0: \([^,]*\),.*/\1/p' "$logs/01-probe.log")
[ -z "$tiny" ] || device=H100
step_line() { # ENTRY LOG...: the fastest step of these runs (files in $logs) beside what is predicted
    entry=$1; shift
    [ $# -gt 0 ] || return 0
    ms=$(cd "$logs" && sed -n 's/^fastest step \([0-9.]*\) ms.*/\1/p' "$@" | sort -n | head -n 1)
    [ -z "$ms" ] || (cd "$logs" && grep -q 'blocks are run again' "$@") || awk -F'\t' -v device="$device" -v ms="$ms" -v entry="$entry" \
        '/^#/ { next } index(device, $1) && $2 == entry { printf "%s %.1f %.2f %s\n", $3, 1e3 * ms, 1e3 * ms / $3, $2 }' tests/bench/roofline.tsv
}
if [ "$tokens" -eq 4096 ] || [ -n "$tiny" ]; then
    {
        head -n 1 "$logs/table.txt"
        step_line "step, Llama-3.1-8B, Q4_K" $plain
        step_line "step, Llama-3.1-8B, Q4_K, kept" $kept
        tail -n +2 "$logs/table.txt"
    } >"$logs/table.new" && mv "$logs/table.new" "$logs/table.txt"
fi

# ---- ncu --------------------------------------------------------------------------------------------------------------
kernels='attention_fwd_k attention_dq_k attention_dkv_k lora_down_k lora_grad_k words_k'
if ! command -v ncu >/dev/null; then
    skip ncu "not installed"
else
    for kernel in $kernels; do
        go "ncu-$kernel" 40 ncu --clock-control none --kernel-name "regex:$kernel" --launch-count 1 --set full bin/gpu_bench $tiny more "$logs/ncu.txt" || break
        if [ $code -ne 0 ] || ! grep -q "$kernel" "$log"; then skip "$name" "ncu has no figures (exit $code): $(grep -m 1 'ERROR\|Failed' "$log")"; continue; fi
        pass ''
    done
fi
say "the step, and the largest ratios of measured to predicted (all: table.txt):"
head -n 12 "$logs/table.txt" | tee -a "$logs/summary.txt"
say "$passed passed, 0 wrong, $skipped skipped; everything is in $logs"
