#!/bin/bash
# A GPT-2 through the program, with DialoGPT's template: what a turn is, and where its learned positions end.
. "$(dirname "$0")/lib.bash"
run() { "$ptrain" "$@" >"$dir/out" 2>"$dir/err" </dev/null; }
config() { # SEQUENCE_LEN DATA
    printf 'init: random
tokenizer: tests/golden/data/tok_bpe
model_config: {family: gpt2, hidden_size: 32, intermediate_size: 64, num_hidden_layers: 1, num_attention_heads: 2, vocab_size: 772, max_position_embeddings: 32}
output_dir: %s/run
sequence_len: %s
batch_rows: 2
max_steps: 2
device: cpu
compute: f32
seed: 3
val_set_size: 0
chat_template_jinja: "{%% for message in messages %%}{{ message.content }}{{ eos_token }}{%% endfor %%}"
datasets: [{path: %s/%s, type: messages}]\n' "$dir" "$1" "$dir" "$2"
}
turns() { echo "{\"messages\": [{\"role\": \"user\", \"content\": \"$1\"}, {\"role\": \"assistant\", \"content\": \"answer\"}, {\"role\": \"user\", \"content\": \"more\"}, {\"role\": \"assistant\", \"content\": \"so\"}]}"; }
for i in 1 2 3 4; do turns "q $i"; done >"$dir/short.jsonl"
for i in 1 2 3 4; do turns "1 2 3 4 5 6 7 8 9 10 11 12 13 14"; done >"$dir/long.jsonl"
config 64 short.jsonl >"$dir/short.yaml"
config 64 long.jsonl >"$dir/long.yaml"
run inspect "$dir/short.yaml" && grep -qF 'q 1<|im_end|>«answer<|im_end|>»more<|im_end|>«so<|im_end|>»' "$dir/out"
result "the end token stands behind each turn, and is learned behind answers"
run "$dir/short.yaml" && run generate "$dir/run" --prompt hi --temperature 0 --max-new-tokens 4
result "it is trained and answers"
run generate "$dir/run" --prompt hi --max-new-tokens 60
[ $? != 0 ] && grep -q 'this model has positions for 32; ask for fewer tokens' "$dir/err"
result "an answer past the last position is refused"
run "$dir/long.yaml" --output_dir="$dir/long"
[ $? = 2 ] && grep -q 'tokens, and this model has positions for 32: set sequence_len to at most that' "$dir/err" && [ ! -e "$dir/long/metrics.jsonl" ]
result "records past the last position are refused before the run"
echo "1..$n"
