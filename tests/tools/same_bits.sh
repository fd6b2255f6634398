#!/usr/bin/env bash
# same_bits.sh OLD NEW: two builds of the program train the same small runs; their checkpoints' numbers must be equal bit for bit, the losses and
# metrics that they report within 1e-12. For changes that must not change a figure. Prints a line a run; exit 1 where one differs.
set -u
old=$(realpath "$1") new=$(realpath "$2")
cd "$(dirname "$0")/../.." || exit 2
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT
export OMP_WAIT_POLICY=passive OMP_NUM_THREADS=${OMP_NUM_THREADS:-2}
words=(the a red old quiet river stone lamp walks sings over under morning night bird letter)
say() { local s=""; for ((k = 0; k < $2; k++)); do s+="${words[$((($1 * 7 + k * k * 3 + k) % 16))]} "; done; echo "${s% }"; }
for i in $(seq 1 40); do
    p="$(say $((i / 3)) 9)" c="$(say $((i * 5)) $((3 + i % 9)))" r="$(say $((i * 11 + 2)) $((2 + i % 7)))"
    echo "{\"messages\": [{\"role\": \"system\", \"content\": \"$(say 1 20)\"}, {\"role\": \"user\", \"content\": \"$p\"}, {\"role\": \"assistant\", \"content\": \"$c\"}]}" >>"$dir/chat.jsonl"
    echo "{\"prompt\": \"$p\", \"chosen\": \"$c\", \"rejected\": \"$r\", \"gap\": 0.$((i % 5))}" >>"$dir/pairs.jsonl"
    echo "{\"text\": \"$p $c\"}" >>"$dir/text.jsonl"
done
common="tokenizer: tests/golden/data/tok_bpe
chat_template: chatml
init: random
max_steps: 6
save_steps: 3
val_set_size: 6
eval_steps: 3
sequence_len: 96
micro_batch_size: 2
batch_rows: 8
learning_rate: 1e-2
device: cpu
compute: ${COMPUTE:-f32}
seed: 7"
model() { echo "model_config: {family: $1, hidden_size: 48, intermediate_size: 96, num_hidden_layers: 2, num_attention_heads: 4, num_key_value_heads: 2, vocab_size: 772${2:-}}"; }
lora="adapter: lora
lora_r: 4
lora_target_linear: true"
sets() { echo "datasets: [{path: $dir/$1.jsonl, type: $2${3:-}}]"; }
bad=0
# The numbers of a run: parameters and moments of its checkpoints, and its result.
numbers() { for f in "$1"/checkpoint-*/*.bin "$1"/checkpoint-*/state.bin "$1"/checkpoint-*/parameters* "$1"/checkpoint-*/adam_*; do [ -f "$f" ] && sha256sum <"$f"; done
    for f in "$1"/*.safetensors; do [ -f "$f" ] && { n=$(od -An -t u8 -N 8 "$f"); tail -c +$((n + 9)) "$f" | sha256sum; }; done; }
# Fields of a metrics.jsonl, a line each, that OLD has too: a build may report more.
known() { awk -F': *' -v old="$1" 'BEGIN { while ((getline line < old) > 0) { n = split(line, x, /[,{}]/); for (i = 1; i <= n; i++) { split(x[i], y, ": *"); has[y[1]] = 1 } } } !/": / || $1 in has'; }
run() { # NAME RANKS YAML
    local name=$1 ranks=$2 which mpi=()
    [ "$ranks" = 1 ] || mpi=(mpirun --allow-run-as-root --oversubscribe -n "$ranks")
    for which in old new; do
        echo "$3
output_dir: $dir/$name.$which" >"$dir/$name.$which.yaml"
        "${mpi[@]}" "${!which}" "$dir/$name.$which.yaml" >"$dir/$which.log" 2>&1 || { echo "FAILED $name: $which: $(tail -n 2 "$dir/$which.log")"; bad=1; return; }
    done
    [ -n "$(numbers "$dir/$name.old")" ] && [ "$(numbers "$dir/$name.old")" = "$(numbers "$dir/$name.new")" ] || { echo "DIFFERS $name: weights or moments"; bad=1; return; }
    far=$(paste <(tr ',{}' '\n\n\n' <"$dir/$name.old/metrics.jsonl") <(tr ',{}' '\n\n\n' <"$dir/$name.new/metrics.jsonl" | known "$dir/$name.old/metrics.jsonl") | awk -F'\t' '
        { split($1, a, ": *"); split($2, b, ": *") }
        a[1] ~ /seconds|tokens_per|eta|peak|time|rss|share/ { next }
        a[1] != b[1] { print $1 " | " $2; exit }
        a[2] != b[2] { x = a[2] + 0; y = b[2] + 0; d = x > y ? x - y : y - x; m = x < 0 ? -x : x; if (d > 1e-12 * (1 + m)) { print $1 " | " $2; exit } }')
    [ -z "$far" ] && echo "same    $name" || { echo "DIFFERS $name: $far"; bad=1; }
    rm -rf "${dir:?}/$name".*
}
c=$common
for pack in forest plain off; do
    run sft-lora-$pack 1 "$c
$(model llama)
$lora
lora_dropout: 0.1
sample_packing: $pack
$(sets chat messages)"
    run dpo-lora-$pack 1 "$c
$(model qwen3)
$lora
lora_dropout: 0.1
objective: dpo
sample_packing: $pack
$(sets pairs preference)"
    run reward-lora-$pack 1 "$c
$(model qwen2)
$lora
objective: reward
center_rewards_coefficient: 0.01
sample_packing: $pack
$(sets pairs preference ', field_margin: gap')"
done
run sft-full 1 "$c
$(model llama ', tie_word_embeddings: true')
$(sets chat messages)"
run sft-checkpointing 1 "$c
$(model mistral ', sliding_window: 16')
gradient_checkpointing: true
$(sets chat messages)"
run dft 1 "$c
$(model llama)
use_dft_loss: true
$(sets chat messages)"
run pretrain 1 "$c
$(model llama)
objective: pretrain
$(sets text text)"
run dpo-full 1 "$c
$(model llama)
objective: dpo
beta: 0.3
$(sets pairs preference)"
run reward-full 1 "$c
$(model llama)
objective: reward
$(sets pairs preference)"
for n in 2 4; do
    run sft-ranks-$n $n "$c
$(model llama)
$lora
$(sets chat messages)"
    run dpo-ranks-$n $n "$c
$(model llama)
$lora
objective: dpo
$(sets pairs preference)"
    run reward-ranks-$n $n "$c
$(model llama)
objective: reward
$(sets pairs preference)"
    run dpo-full-ranks-$n $n "$c
$(model llama)
objective: dpo
$(sets pairs preference)"
done
exit $bad
