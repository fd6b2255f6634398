#!/bin/bash
# What tests/full/best_of.sh asks of the quickstart base, in seconds on a small model: it says "good day N" of any N from 0 to 4; a reward model learns on half of the prompts that 0 and 1
# are better than 3 and 4, a second one on the other half. DPO on the best and the worst of 8 by the first raises both rewards on prompts that nobody has seen.
# shellcheck source=tests/cli/lib.bash
. "$(dirname "$0")/lib.bash"
export OMP_NUM_THREADS=1
run() { "$ptrain" "$@" >"$dir/out" 2>"$dir/err" </dev/null; }
for i in $(seq 60); do
    q=$((i * 7 % 60))
    for k in 0 1 2 3 4; do echo "{\"messages\": [{\"role\": \"user\", \"content\": \"say $q\"}, {\"role\": \"assistant\", \"content\": \"good day $k\"}]}" >>"$dir/talk.jsonl"; done
    if [ $i -le 40 ]; then
        for k in 0 1; do echo "{\"prompt\": \"say $q\", \"chosen\": \"good day $k\", \"rejected\": \"good day $((3 + k))\"}" >>"$dir/pairs_$((i % 2)).jsonl"; done
        echo "{\"question\": \"say $q\"}" >>"$dir/prompts.jsonl"
    else
        echo "{\"question\": \"say $q\"}" >>"$dir/held.jsonl"
    fi
done
cat >"$dir/common.yaml" <<Y
chat_template: chatml
sequence_len: 128
device: cpu
compute: f32
batch_rows: 16
num_epochs: 99
seed: 3
save_steps: 0
Y
{ cat "$dir/common.yaml"; cat <<Y; } >"$dir/warm.yaml"
init: random
model_config: {family: llama, hidden_size: 64, intermediate_size: 128, num_hidden_layers: 1, num_attention_heads: 4, vocab_size: 772}
tokenizer: tests/golden/data/tok_bpe
datasets: [$dir/talk.jsonl]
output_dir: $dir/warm
learning_rate: 0.005
max_steps: 60
Y
{ cat "$dir/common.yaml"; printf 'base_model: %s\nadapter: lora\nlora_r: 8\nlora_target_linear: true\n' "$dir/warm"; } >"$dir/on.yaml"
run "$dir/warm.yaml"
result "a model that says any of five"
for x in 0 1; do
    run "$dir/on.yaml" --objective=reward --learning_rate=0.003 --max_steps=12 --output_dir="$dir/rm_$x" --datasets="[{path: $dir/pairs_$x.jsonl, type: preference}]"
    result "reward model $x"
done
how="task: best_of, temperature: 1, max_new_tokens: 12"
{ cat "$dir/on.yaml"; cat <<Y; } >"$dir/c.yaml"
output_dir: $dir/dpo
models: [{name: selecting, path: $dir/rm_0}, {name: second, path: $dir/rm_1}]
stages:
  - name: sample
    evaluate: [{$how, path: $dir/prompts.jsonl, scorer: selecting, repeats: 8, seed: 1, pairs: "{output_dir}/sample/pairs.jsonl"}]
  - name: dpo
    objective: dpo
    loss_type: [sigmoid, sft]
    loss_weights: [1, 1]
    learning_rate: 4e-3
    max_steps: 20
    datasets: [{path: "{output_dir}/sample/pairs.jsonl", type: preference}]
evaluations:
  - {$how, name: by the selecting, path: $dir/held.jsonl, scorer: selecting, repeats: 4}
  - {$how, name: by the second, path: $dir/held.jsonl, scorer: second, repeats: 4}
Y
run "$dir/c.yaml" && [ "$(wc -l <"$dir/dpo/sample/pairs.jsonl")" -ge 36 ]
result "8 samples of 40 prompts, their pairs, DPO: one command"
run eval "$dir/dpo"
result "base and tuned model on 20 held-out prompts, by both"
# "before after low high" of a task's row
row() { tr -d ' \n' <"$dir/dpo/eval.json" | sed 's/{"name":"/\n&/g' | grep "^{\"name\":\"$1\"" | sed 's/{"metric"/\n&/g' | grep "^{\"metric\":\"$2\",\"scope\":null" | head -n 1 |
    sed 's/.*"before":{"value":\([-0-9.e]*\),.*"after":{"value":\([-0-9.e]*\),.*"change_ci":\[\([-0-9.e]*\),\([-0-9.e]*\)\].*/\1 \2 \3 \4/'; }
read -r b a lo hi <<<"$(row bytheselecting score_mean)"
awk -v b="$b" -v a="$a" -v lo="$lo" 'BEGIN { exit !(a - b > 0 && lo > 0) }'
result "reward by the selecting model $b to $a, 95 % interval of the change $lo to $hi: above 0"
read -r b a lo hi <<<"$(row bythesecond score_mean)"
awk -v b="$b" -v a="$a" 'BEGIN { exit !(a - b > 0) }'
result "by the second one $b to $a (interval $lo to $hi): more"
read -r b a lo hi <<<"$(row bytheselecting length)"
awk -v b="$b" -v a="$a" 'BEGIN { d = a / b - 1; exit !(d < 0.25 && d > -0.25) }'
result "length $b to $a words: 25 % of change at most"
