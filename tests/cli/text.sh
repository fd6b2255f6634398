#!/bin/bash
# Texts through the program: answers that are continued, speakers by any name, what templates leave out is counted. Runs the program itself.
cd "$(dirname "$0")/../.." || exit 2
ptrain=${PTRAIN:-build/ptrain}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
n=0
ok() { # NAME STATUS
    n=$((n + 1))
    if [ "$2" = 0 ]; then echo "ok $n - $1"; else
        sed 's/^/# /' "$dir/out" "$dir/err"
        echo "not ok $n - $1"
    fi
}
run() { "$@" >"$dir/out" 2>"$dir/err" </dev/null; }
config() { # FILE TYPE TEMPLATE
    printf 'init: random
tokenizer: tests/golden/data/tok_bpe
chat_template: %s
model_config: {family: llama, hidden_size: 32, intermediate_size: 64, num_hidden_layers: 1, num_attention_heads: 2, vocab_size: 772}
output_dir: %s/run
sequence_len: 256
max_steps: 1
device: cpu
compute: f32
datasets: [{path: %s, type: %s}]\n' "$3" "$dir" "$1" "$2"
}
turn() { printf '{"role": "%s", "content": "%s"}' "$1" "$2"; }
echo "{\"messages\": [$(turn user a), $(turn assistant b)]}" >"$dir/d.jsonl"
config "$dir/d.jsonl" messages chatml >"$dir/c.yaml"
run "$ptrain" "$dir/c.yaml"
ok "a run to talk to" $?

# a last answer is continued: the new text stands in response, and the prompt is the answer as far as it goes
echo "{\"messages\": [$(turn user a), $(turn assistant 'The sea')]}" >"$dir/p.jsonl"
echo "{\"prompt\": \"<|im_start|>user\\na<|im_end|>\\n<|im_start|>assistant\\nThe sea\"}" >"$dir/raw.jsonl"
run "$ptrain" generate "$dir/run" --input "$dir/p.jsonl" --temperature 0 --max-new-tokens 8
ok "generate continues a last answer" $?
sed 's/.*"response"/"response"/' "$dir/out" >"$dir/a"
run "$ptrain" generate "$dir/run" --input "$dir/raw.jsonl" --raw --temperature 0 --max-new-tokens 8
sed 's/.*"response"/"response"/' "$dir/out" >"$dir/b"
cmp -s "$dir/a" "$dir/b" && [ -s "$dir/a" ]
ok "its text is what follows the same prompt given raw" $?

# the same table of speakers in training, generate and score; parts of a message; thoughts
for who in human developer model gpt observation function; do
    echo "{\"messages\": [$(turn system s), $(turn "$who" x), $(turn user a), $(turn assistant b)]}" >>"$dir/roles.jsonl"
done
echo '{"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}]}, {"role": "assistant", "content": "b"}]}' >>"$dir/roles.jsonl"
run "$ptrain" generate "$dir/run" --input "$dir/roles.jsonl" --max-new-tokens 2
ok "generate takes the speakers that training takes" $?
run "$ptrain" score "$dir/run" --input "$dir/roles.jsonl"
ok "score does too" $?
echo "{\"messages\": [$(turn stranger a)]}" >"$dir/x.jsonl"
run "$ptrain" score "$dir/run" --input "$dir/x.jsonl"
[ $? = 2 ] && grep -q "x.jsonl:1: .*speaker 'stranger' is unknown" "$dir/err"
ok "and names one that it does not know" $?

# what the template has no place for is counted in the table, and in that of a pack used again
echo '{"messages": [{"role": "user", "content": "2+2?"}, {"role": "assistant", "reasoning_content": "think", "content": "4"}]}' >"$dir/t.jsonl"
echo '{"tools": [{"name": "f"}], "messages": [{"role": "user", "content": "2+2?"}, {"role": "assistant", "content": "4"}]}' >>"$dir/t.jsonl"
config "$dir/t.jsonl" messages chatml >"$dir/t.yaml"
for how in made "used again"; do
    run "$ptrain" pack "$dir/t.yaml"
    cat "$dir/out" "$dir/err" | grep -q "thoughts the template has no place for *1" && cat "$dir/out" "$dir/err" | grep -q "lists of tools the template cannot write *1"
    ok "thoughts and tools left out are counted (pack $how)" $?
done
# the split's unit is a key
run "$ptrain" pack "$dir/t.yaml" --val_set_size=1 --val_split_by=role
[ $? = 2 ] && grep -q "2 of 2 records have neither a role nor a system text" "$dir/err"
ok "val_split_by: role wants roles" $?
run "$ptrain" pack "$dir/t.yaml" --val_set_size=1
[ $? = 2 ] && grep -q "val_split_by: record" "$dir/err"
ok "val_set_size with one prompt says what to do" $?
run "$ptrain" pack "$dir/t.yaml" --val_set_size=1 --val_split_by=record
ok "val_split_by: record splits it" $?
echo "1..$n"
