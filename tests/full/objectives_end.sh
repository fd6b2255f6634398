#!/bin/bash
# objectives_end.sh: DPO, KTO and ORPO on the quickstart base and Machine Mindset's pairs of the outgoing and the quiet (../shared/data/pref): 600 to train
# on, 100 held out, split by prompt, fixed. Accuracy: the share of held-out pairs whose margin (logp - ref of the chosen minus that of the rejected) is above 0,
# with the base as reference for all three. Beside it what "the longer one" would reach, and what the base itself prefers.
#   OBJECTIVES_ONLY="dpo kto"   some of them     OBJECTIVES_KEEP=DIR   keeps the runs
cd "$(dirname "$0")/../.." || exit 2
ptrain=${PTRAIN:-build/ptrain}
base=${OBJECTIVES_BASE:-cache/SmolLM2-135M-Instruct.Q4_1.gguf}
pairs=../shared/data/pref/machine_mindset_dpo_energy_i_e.jsonl
[ -e "$base" ] && [ -e "$pairs" ] || { echo "ok 1 - objectives end to end # SKIP no $base or no data"; exit 0; }
dir=${OBJECTIVES_KEEP:-$(mktemp -d)}
mkdir -p "$dir"
[ -n "$OBJECTIVES_KEEP" ] || trap 'rm -rf "$dir"' EXIT
n=0
result() { # NAME: by the exit code before
    local rc=$?
    n=$((n + 1))
    [ $rc -eq 0 ] && echo "ok $n - $1" && return
    tail -n 5 "$dir/log" | sed 's/^/# /'
    echo "not ok $n - $1"
}
# Prompts in the order of a generator of their own (Park and Miller, seed 1); the first 100 rows are held out. Rows as `preference` has them.
text='"([^"\\]|\\.)*"'
awk '{ k = $0; sub(/, "output": \[.*/, "", k); if (!(k in at)) { x = x ? x * 16807 % 2147483647 : 16807; at[k] = x } printf "%012.0f\t%s\n", at[k], $0 }' "$pairs" | sort -s -k1,1 | cut -f2- |
    sed -E "s/\"output\": \[($text), ($text)\]/\"chosen\": \1, \"rejected\": \3/" >"$dir/all.jsonl"
head -n 100 "$dir/all.jsonl" >"$dir/held.jsonl"
tail -n +101 "$dir/all.jsonl" >"$dir/train.jsonl"
[ "$(wc -l <"$dir/train.jsonl")" = 600 ] && [ -z "$(comm -12 <(sed 's/, "chosen".*//' "$dir/train.jsonl" | sort -u) <(sed 's/, "chosen".*//' "$dir/held.jsonl" | sort -u))" ]
result "600 pairs to train on, 100 held out, no prompt in both"
sed -E "s/.*\"chosen\": ($text), \"rejected\": ($text).*/\1\x01\3/" "$dir/held.jsonl" | awk -F '\x01' '{ n++; w += length($1) > length($2) } END { printf "# longer wins: %.2f of the held-out pairs\n", w / n }'
cat >"$dir/common.yaml" <<Y
base_model: $base
adapter: lora
lora_r: 16
lora_alpha: 32
lora_target_linear: true
sequence_len: 1024
bad_rows: drop
batch_rows: 8
lr_scheduler: cosine
warmup_ratio: 0.1
seed: 1
Y
said() { sed -n "s|.*\"$2\": *\([^,}]*\).*|\1|p" "$dir/$1/metrics.jsonl" | tail -n 1; }
# One step at rate 0 under dpo with the base as reference: the margins of the held-out pairs.
accuracy() { # RUN or nothing: the base
    local from=(--lora_r=2)
    [ -n "$1" ] && from=(--lora_model_dir="$dir/$1" --dpo_reference=base)
    { grep -v "^lora" "$dir/common.yaml"; echo "datasets: [{path: $dir/held.jsonl, type: preference}]"; echo "test_datasets: [{path: $dir/held.jsonl, type: preference}]"; } >"$dir/margin.yaml"
    "$ptrain" "$dir/margin.yaml" --objective=dpo --output_dir="$dir/margin" --learning_rate=0 --max_steps=1 "${from[@]}" >"$dir/log" 2>&1 && said margin "eval_rewards/accuracies"
}
"$ptrain" eval "$base" --objective=dpo --test_datasets="[{path: $dir/held.jsonl, type: preference}]" --output "$dir/base.json" >"$dir/log" 2>&1 &&
    grep -iE "pair|prefer" "$dir/log" | head -n 3 | sed 's/^/# the base itself: /'
echo "# at the start every margin is 0: 0.00"
ask() { sed -E "s/.*\"instruction\": ($text).*/{\"prompt\": \1}/" "$dir/held.jsonl" | head -n 5 >"$dir/ask.jsonl"; "$ptrain" generate "$dir/$1" --input "$dir/ask.jsonl" --temperature 0 --max-new-tokens 60 2>/dev/null | sed "s/^/# $1: /"; }
train() { # NAME STEPS RATE MORE...
    local name=$1 steps=$2 rate=$3 got
    shift 3
    case " ${OBJECTIVES_ONLY:-dpo kto orpo} " in *" $name "*) ;; *) return ;; esac
    { cat "$dir/common.yaml"; echo "datasets: [{path: $dir/train.jsonl, type: preference}]"; } >"$dir/$name.yaml"
    "$ptrain" "$dir/$name.yaml" --objective="$name" --output_dir="$dir/$name" --max_steps="$steps" --learning_rate="$rate" "$@" >"$dir/log" 2>&1 && got=$(accuracy "$name")
    echo "# $name: accuracy ${got:-unknown} after $steps steps of 8 records at $rate"
    awk -v a="${got:-0}" 'BEGIN { exit !(a >= 0.9) }'
    result "$name: held-out accuracy of at least 0.9"
    ask "$name"
}
train dpo 30 2e-4
train kto 60 5e-4
train orpo 75 5e-4 --beta=1
