#!/usr/bin/env bash
# `ptrain generate --num-beams`: answers with scores, one beam more is never worse, what does not go with it is named. Values: tests/golden/model_beams.c.
# shellcheck source=tests/cli/lib.bash
. "$(dirname "$0")/lib.bash"
for i in 1 2 3 4; do echo "{\"messages\": [{\"role\": \"user\", \"content\": \"say $i\"}, {\"role\": \"assistant\", \"content\": \"yes, number $i\"}]}"; done >"$dir/rows.jsonl"
for i in 1 2 3; do echo "{\"messages\": [{\"role\": \"user\", \"content\": \"say $i\"}]}"; done >"$dir/ask.jsonl"
cat >"$dir/run.yaml" <<Y
init: random
model_config: {family: llama, hidden_size: 32, intermediate_size: 64, num_hidden_layers: 2, num_attention_heads: 2, vocab_size: 772}
tokenizer: tests/golden/data/tok_bpe
chat_template: chatml
datasets: [{path: $dir/rows.jsonl, type: messages}]
output_dir: $dir/run
max_steps: 2
batch_rows: 4
sequence_len: 64
device: cpu
compute: f32
Y
"$ptrain" "$dir/run.yaml" >"$dir/out" 2>"$dir/err"
ask() { "$ptrain" generate "$dir/run" --input "$dir/ask.jsonl" --max-new-tokens 8 "$@" >"$dir/out" 2>"$dir/err"; }
ask --num-beams 4 && [ "$(grep -c '"score": *-[0-9]' "$dir/out")" -eq 3 ]
result "each row has its best answer and the answer's score"
sum() { grep -o "\"score\": *-[0-9.]*" "$dir/out" | sed "s/.*://" | awk "{ s += \$1 } END { print s }"; }
ask --num-beams 2 --length-penalty 0 --early-stopping never
two=$(sum)
ask --num-beams 32 --length-penalty 0 --early-stopping never
awk -v a="$two" -v b="$(sum)" 'BEGIN { exit !(b >= a && a < 0) }'
result "many beams find answers at least as likely as two"
refused() { ! ask "$@" && grep -qF -- "$want" "$dir/err"; }
want="top_k does not go with it" refused --num-beams 3 --top-k 5 && want="a temperature does not go with it" refused --num-beams 3 --temperature 0.5 &&
    want="--n does not go with it" refused --num-beams 3 --n 2 && want="a constraint does not go with it" refused --num-beams 3 --choices "a|b"
result "samplers, constraints and several answers beside beams are refused by name"
want="--early-stopping is true, false or never" refused --num-beams 3 --early-stopping maybe && want="has no effect without --num-beams" refused --length-penalty 2 &&
    want="--length-penalty takes a number" refused --num-beams 3 --length-penalty much && want="from 1 to 64" refused --num-beams 65
result "values that cannot be are refused by name"
echo "1..$n"
