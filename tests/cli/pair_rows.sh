#!/usr/bin/env bash
# Bad input of preference pairs: refused, or left out and counted, each with its line; a reference kept for other weights.
# shellcheck source=tests/cli/lib.bash
. "$(dirname "$0")/lib.bash"
export OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive
good() { for i in $(seq 10); do echo "{\"prompt\": \"say $i\", \"chosen\": \"yes, $i\", \"rejected\": \"no, $i\", \"w\": 1}"; done; }
cat >"$dir/run.yaml" <<Y
init: random
model_config: {family: llama, hidden_size: 32, intermediate_size: 64, num_hidden_layers: 2, num_attention_heads: 2, vocab_size: 772}
tokenizer: tests/golden/data/tok_bpe
chat_template: chatml
objective: dpo
adapter: lora
max_steps: 2
batch_rows: 8
sequence_len: 96
device: cpu
compute: f32
Y
# with ROW KEYS OPTIONS...: a run on ten good rows and this one, on line 11
with() {
    local row=$1 keys=$2
    shift 2
    { good; echo "$row"; } >"$dir/p.jsonl"
    rm -rf "$dir/out"
    "$p" "$dir/run.yaml" --output_dir="$dir/out" --datasets="[{path: $dir/p.jsonl, type: preference$keys}]" "$@" >"$dir/log" 2>&1
}
with '{"prompt": "q", "chosen": "same", "rejected": "same"}' "" && grep -q 'chosen and rejected are equal  *1  .*p.jsonl:11' "$dir/log"
result "equal sides are left out and counted, by line"
for side in chosen rejected; do
    other=$([ $side = chosen ] && echo rejected || echo chosen)
    for empty in '""' '"  "' null '[]'; do
        row="{\"prompt\": \"q\", \"$side\": $empty, \"$other\": \"x\"}"
        ! with "$row" "" && [ ! -e "$dir/out/metrics.jsonl" ] && grep -q "p.jsonl:11: .*$side.*" "$dir/log" && with "$row" ", bad_rows: drop" && grep -q "$side.*  1  .*p.jsonl:11" "$dir/log" || { echo "# $row"; false; break 2; }
    done
done
result "an empty answer is refused by line, or left out by policy and counted"
with '{"prompt": "q", "chosen": "x"}' ", bad_rows: drop" && grep -q "no field 'rejected'.* 1  .*p.jsonl:11" "$dir/log" && ! with '{"prompt": "q", "chosen": 3, "rejected": "x"}' "" && grep -q 'p.jsonl:11: ' "$dir/log"
result "a side that is missing, or of another type"
long="{\"prompt\": \"$(printf 'word %.0s' $(seq 200))\", \"chosen\": \"x\", \"rejected\": \"y\"}"
with "$long" "" && grep -q 'longer than sequence_len  *1  .*p.jsonl:11' "$dir/log" && with "$long" "" --excess_length_strategy=truncate && grep -q 'nothing supervised within sequence_len  *1  .*p.jsonl:11' "$dir/log"
result "a prompt longer than the limit is left out and counted, truncated or not"
! with "$long" "" --excess_length_strategy=raise && grep -q 'p.jsonl:11: .* tokens; sequence_len is 96' "$dir/log"
result "or refused by line, where the config says so"
with '{"prompt": "q", "chosen": "x", "rejected": "y", "w": 0}' ", field_weight: w" && grep -q 'weight is 0  *1  .*p.jsonl:11' "$dir/log" && ! with '{"prompt": "q", "chosen": "x", "rejected": "y", "w": -1}' ", field_weight: w" && grep -q "p.jsonl:11: field 'w' is -1, which is out of range" "$dir/log"
result "a weight of 0 is left out and counted, one below refused by line"
good() { for i in $(seq 10); do echo "{\"prompt\": \"say $i\", \"chosen\": \"yes, $i\", \"rejected\": \"no, $i\", \"w\": 0}"; done; }
! with '{"prompt": "q", "chosen": "x", "rejected": "y", "w": 0}' ", field_weight: w" && [ ! -e "$dir/out/metrics.jsonl" ] && grep -q 'p.jsonl' "$dir/log"
result "weights that sum to 0 are refused before any step"
echo "1..$n"
