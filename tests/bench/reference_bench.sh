#!/usr/bin/env bash
# A DPO step beside an SFT step on the same tokens (each pair's two answers as two rows behind the same prompt), with the reference kept beforehand
# (precompute_ref_log_probs) and without. reference_bench.sh PTRAIN [TURNS]; runs take turns, and of each the best median of seconds a step counts.
# Wanted: at most 1.5 with, at most 2 without.
set -u
p=$(realpath "${1:?reference_bench.sh PTRAIN [TURNS]}") turns=${2:-3}
cd "$(dirname "$0")/../.." || exit 2
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
words=(the a red old quiet river stone lamp walks sings over under morning night bird letter)
say() { local s=""; for ((k = 0; k < $2; k++)); do s+="${words[$((($1 * 7 + k * k * 3 + k) % 16))]} "; done; echo "${s% }"; }
for i in $(seq 32); do
    prompt="$(say "$i" 40)" c="$(say $((i * 5)) 20)" r="$(say $((i * 11 + 2)) 20)"
    echo "{\"prompt\": \"$prompt\", \"chosen\": \"$c\", \"rejected\": \"$r\"}" >>"$dir/pairs.jsonl"
    for a in "$c" "$r"; do echo "{\"messages\": [{\"role\": \"user\", \"content\": \"$prompt\"}, {\"role\": \"assistant\", \"content\": \"$a\"}]}"; done >>"$dir/rows.jsonl"
done
base="init: random
model_config: {family: llama, hidden_size: 384, intermediate_size: 1024, num_hidden_layers: 6, num_attention_heads: 6, vocab_size: 16384}
tokenizer: tests/golden/data/tok_bpe
chat_template: chatml
adapter: lora
lora_target_linear: true
max_steps: 9
shuffle_merged_datasets: false
micro_batch_size: 2
sequence_len: 768
device: ${DEVICE:-cpu}
compute: ${COMPUTE:-f32}"
echo "$base
objective: sft
datasets: [{path: $dir/rows.jsonl, type: messages}]
batch_rows: 16" >"$dir/sft.yaml"
echo "$base
objective: dpo
datasets: [{path: $dir/pairs.jsonl, type: preference}]
batch_rows: 8" >"$dir/dpo.yaml"
(cat "$dir/dpo.yaml"; echo "precompute_ref_log_probs: true") >"$dir/kept.yaml"
for t in $(seq "$turns"); do
    for run in sft kept dpo; do
        "$p" "$dir/$run.yaml" --output_dir="$dir/$run" >"$dir/log" 2>&1 || { tail -n 3 "$dir/log"; exit 1; }
        sed -n 's/.*"tokens": \([0-9]*\).*"seconds": \([0-9.e-]*\).*/\1 \2/p' "$dir/$run/metrics.jsonl" | tail -n +2 | sort -k2 -g >"$dir/steps"
        echo "$run $(sed -n 4p "$dir/steps")" >>"$dir/all"
    done
done
awk '{ if (!($1 in best) || $3 < best[$1]) best[$1] = $3; tokens[$1] = $2 }
    END { printf "tokens a step: sft %d, dpo %d; seconds: sft %.4f, dpo with a kept reference %.4f, dpo %.4f\n", tokens["sft"], tokens["dpo"], best["sft"], best["kept"], best["dpo"]
          printf "dpo / sft: %.2f with precompute_ref_log_probs (wanted <= 1.5), %.2f without (wanted <= 2)\n", best["kept"] / best["sft"], best["dpo"] / best["sft"] }' "$dir/all"
