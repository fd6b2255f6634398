#!/bin/bash
# best_of.sh: does DPO on the best and the worst of 8 raise what chose them, and more than that? On the quickstart base and Machine Mindset's pairs of the outgoing and the
# quiet (../shared/data/pref; English rows, the quiet answer is the better one): one half of the pairs trains the reward model that selects, the other half a second one that selects
# nothing. Prompts are those of the pairs of the planned and the free, which share none with them: some are sampled (8 answers of 64 tokens each, temperature 0.8, seed 1) and
# train DPO, others are held out. There base and tuned model are sampled alike, and scored by both. Beside a whole `make test` on two cores it took
# 26 minutes; n = 8 is that of the training prompts, held-out ones are answered four times by each side.
#   BEST_OF_KEEP=DIR   keeps the runs, and goes on with what is there     BEST_OF_SIZES="PROMPTS HELD REPEATS RM_STEPS DPO_STEPS"   other sizes than 96 104 4 32 40
cd "$(dirname "$0")/../.." || exit 2
ptrain=${PTRAIN:-build/ptrain}
base=${BEST_OF_BASE:-cache/SmolLM2-135M-Instruct.Q4_1.gguf}
pref=${BEST_OF_DATA:-../shared/data/pref}
[ -e "$base" ] && [ -e "$pref/machine_mindset_dpo_energy_i_e.jsonl" ] || { echo "ok 1 - the best of 8 # SKIP no $base or no $pref"; exit 0; }
dir=${BEST_OF_KEEP:-$(mktemp -d)}
mkdir -p "$dir"
[ -n "$BEST_OF_KEEP" ] || trap 'rm -rf "$dir"' EXIT
read -r prompts held repeats rm_steps dpo_steps <<<"${BEST_OF_SIZES:-96 104 4 32 40}"
n=0
result() { # NAME: by the exit code before
    local rc=$?
    n=$((n + 1))
    [ $rc -eq 0 ] && echo "ok $n - $1" && return
    tail -n 8 "$dir/log" | sed 's/^/# /'
    echo "not ok $n - $1"
}
run() { "$ptrain" "$@" >"$dir/log" 2>&1 </dev/null; }
started=$SECONDS
# English rows, in the order of the file; every second one to each reward model.
english() { LC_ALL=C grep -v '[^ -~]' "$pref/machine_mindset_dpo_$1.jsonl" | grep -v '\\u'; }
english energy_i_e | awk -v d="$dir" '{ print >(d (NR % 2 ? "/pairs_a.jsonl" : "/pairs_b.jsonl")) }'
english execution_p_j | sed 's/, "input".*/}/; s/^{"instruction"/{"question"/' | awk 'length($0) < 220 && !seen[$0]++' >"$dir/questions.jsonl"
head -n "$prompts" "$dir/questions.jsonl" >"$dir/prompts.jsonl"
tail -n +$((prompts + 1)) "$dir/questions.jsonl" | head -n "$held" >"$dir/held.jsonl"
[ "$(wc -l <"$dir/held.jsonl")" = "$held" ] && [ "$held" -ge 100 ] && [ -z "$(comm -12 <(sed 's/.*"instruction": //; s/, "input".*//' "$dir"/pairs_?.jsonl | sort -u) <(sed 's/{"question": //; s/}$//' "$dir/questions.jsonl" | sort -u))" ] &&
    [ -z "$(comm -12 <(sort "$dir/prompts.jsonl") <(sort "$dir/held.jsonl"))" ]
result "$(wc -l <"$dir/pairs_a.jsonl") and $(wc -l <"$dir/pairs_b.jsonl") pairs, $prompts prompts, $held held out: none in two of them"
cat >"$dir/common.yaml" <<Y
base_model: $base
adapter: lora
lora_r: 16
lora_alpha: 32
lora_target_linear: true
sequence_len: 512
batch_rows: 8
lr_scheduler: cosine
warmup_steps: 2
num_epochs: 20
seed: 1
save_steps: 5
device: cpu
Y
for x in a b; do
    { cat "$dir/common.yaml"; echo "objective: reward"; echo "learning_rate: 2e-4"; echo "datasets: [{path: $dir/pairs_$x.jsonl, type: mindset}]"; } >"$dir/rm_$x.yaml"
    run "$dir/rm_$x.yaml" --output_dir="$dir/rm_$x" --max_steps="$rm_steps" --resume_from_checkpoint=auto
    result "reward model $x: $rm_steps steps, training accuracy of the last five $(tail -n 5 "$dir/rm_$x/metrics.jsonl" 2>/dev/null | sed -n 's/.*"accuracy": *\([0-9.]*\).*/\1/p' | awk '{ s += $1 } END { if (NR) printf "%.2f", s / NR }') ($((SECONDS - started)) s)"
done
sampled="task: best_of, repeats: 8, temperature: 0.8, max_new_tokens: 64, seed: 1"
{ cat "$dir/common.yaml"; cat <<Y; } >"$dir/c.yaml"
models: [{name: rm_a, path: $dir/rm_a}]
learning_rate: 2e-4
beta: 0.1
stages:
  - name: sample
    evaluate: [{$sampled, path: $dir/prompts.jsonl, scorer: rm_a, pairs: "{output_dir}/sample/pairs.jsonl"}]
  - {name: dpo, objective: dpo, max_steps: $dpo_steps, datasets: [{path: "{output_dir}/sample/pairs.jsonl", type: preference}]}
Y
run "$dir/c.yaml" --output_dir="$dir/dpo" --resume_from_checkpoint=auto
[ $? -eq 0 ] && [ -s "$dir/dpo/adapter_model.safetensors" ]
result "8 samples of $prompts prompts, $(wc -l <"$dir/dpo/sample/pairs.jsonl" 2>/dev/null) pairs, $dpo_steps steps of DPO ($((SECONDS - started)) s)"
{ grep -v "^seed" "$dir/common.yaml"; cat <<Y; } >"$dir/eval.yaml"
models: [{name: rm_a, path: $dir/rm_a}, {name: rm_b, path: $dir/rm_b}]
evaluations:
  - {${sampled/repeats: 8/repeats: $repeats}, name: selecting, path: $dir/held.jsonl, scorer: rm_a, dump: $dir/answers.jsonl}
  - {${sampled/repeats: 8/repeats: $repeats}, name: second, path: $dir/held.jsonl, scorer: rm_b}
Y
run eval "$dir/eval.yaml" --output_dir="$dir/dpo" --output "$dir/eval.json"
result "base and tuned model on $held held-out prompts, $repeats samples each, scored by both ($((SECONDS - started)) s)"
sed 's/^/# /' "$dir/log" | grep -v "note: "
# TASK METRIC: "before after low high" of a task's row of all; the interval is of the change
row() { tr -d ' \n' <"$dir/eval.json" | sed 's/{"name":"/\n&/g' | grep "^{\"name\":\"$1\"" | sed 's/{"metric"/\n&/g' | grep "^{\"metric\":\"$2\",\"scope\":null" | head -n 1 |
    sed 's/.*"before":{"value":\([-0-9.e]*\),.*"after":{"value":\([-0-9.e]*\),.*"change_ci":\(null\|\[\([-0-9.e]*\),\([-0-9.e]*\)\]\).*/\1 \2 \4 \5/'; }
read -r b a lo hi <<<"$(row selecting score_mean)"
awk -v b="$b" -v a="$a" -v lo="$lo" 'BEGIN { exit !(a != "" && lo != "" && a > b && lo > 0) }'
result "reward under the selecting model: $b to $a, 95 % interval of the change $lo to $hi (above 0 asked)"
read -r b a lo hi <<<"$(row second score_mean)"
awk -v b="$b" -v a="$a" 'BEGIN { exit !(a != "" && a > b) }'
result "reward under the second model: $b to $a (more asked; 95 % interval of the change $lo to $hi)"
read -r b a lo hi <<<"$(row selecting length)"
awk -v b="$b" -v a="$a" 'BEGIN { d = b > 0 ? a / b - 1 : 9; exit !(d <= 0.25 && d >= -0.25) }'
result "mean length: $b to $a words (25 % of change at most)"
for m in empty_share again_share repeated_4grams; do
    read -r b a lo hi <<<"$(row selecting $m)"
    echo "# $m: $b before, $a after"
done
echo "# five held-out answers, base and tuned:"
for i in 1 2 3 4 5; do
    for s in before after; do grep "\"side\": \"$s\"" "$dir/answers.jsonl" | grep "\"item\": $((i * held / 6)), \"repeat\": 0," | sed 's/.*"prompt": "\(.*\)", "references": .*"answer": "\(.*\)", "stopped".*/#   '$s': \1 -> \2/'; done
done
echo "# $((SECONDS - started)) s"
echo "1..$n"
