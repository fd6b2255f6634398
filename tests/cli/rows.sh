#!/bin/bash
# Rows of data through the program: what was read and what was not is said; rows that cannot be used are counted with their lines.
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
says() { grep -qF -- "$1" "$dir/out"; }
config() { # TYPE [MORE KEYS OF THE DATA SET]
    printf 'init: random
tokenizer: tests/golden/data/tok_bpe
chat_template: chatml
model_config: {family: llama, hidden_size: 32, intermediate_size: 64, num_hidden_layers: 1, num_attention_heads: 2, vocab_size: 772}
output_dir: %s/run
sequence_len: 256
max_steps: 1
device: cpu
compute: f32
datasets: [{path: %s/d.jsonl, type: %s%s}]\n' "$dir" "$dir" "$1" "$2" >"$dir/c.yaml"
}
seq 199 | sed 's/.*/{"instruction": "q&", "output": "a&", "weight": &, "id": "x"}/' >"$dir/d.jsonl"
echo '{"instruction": "q", "output": ""}' >>"$dir/d.jsonl"

config alpaca
run "$ptrain" pack "$dir/c.yaml" && says 'd.jsonl (alpaca): reads instruction, output; not read: weight (field_weight: weight reads it), id'
ok "pack says which columns were read, and that a weight was not" $?
says 'empty answer (message 2)                  1  d.jsonl:200' && grep -q 'd.jsonl: 1 of 200 rows cannot be used' "$dir/err"
ok "a row left out is named with cause and line" $?
run "$ptrain" pack "$dir/c.yaml" && says '(reused' && says 'empty answer (message 2)                  1  d.jsonl:200' && says 'not read: weight'
ok "a reused pack says the same" $?
run "$ptrain" inspect "$dir/c.yaml" --sample 0 && says 'left out: 1 records' && says 'd.jsonl:200' && says 'weight 1'
ok "inspect says what was left out" $?
run "$ptrain" pack "$dir/c.yaml" --bad_rows=refuse
[ $? = 1 ] && grep -q 'd.jsonl:200: empty answer (message 2)$' "$dir/err"
ok "bad_rows: refuse ends with the first one" $?
run "$ptrain" pack "$dir/c.yaml" --bad_rows=0.001
[ $? = 1 ] && grep -q 'd.jsonl:200: empty answer (message 2). In all 1 of 200 rows cannot be used.*bad_rows: 0.001 lets 0 of them' "$dir/err"
ok "more than the share are refused, and how they may be allowed is said" $?
config alpaca ', field_weight: weight'
run "$ptrain" inspect "$dir/c.yaml" --sample 4 && says 'weight 5'
ok "field_weight asks for the column" $?

# the loss is on the completion alone, whatever the prompt holds
echo '{"prompt": [{"role": "user", "content": "p"}, {"role": "assistant", "content": "x"}, {"role": "user", "content": "q"}], "completion": [{"role": "assistant", "content": "a"}]}' >"$dir/d.jsonl"
config chat_template
run "$ptrain" inspect "$dir/c.yaml" && tr '\n' '~' <"$dir/out" | grep -qF 'assistant~x<|im_end|>~<|im_start|>user~q<|im_end|>~<|im_start|>assistant~«a<|im_end|>»'
ok "prompt and completion as messages: the loss is on the completion" $?

# pairs: the prompt once; texts without a prompt as they stand
echo '{"prompt": "q", "messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "c"}], "chosen": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "c"}], "rejected": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "r"}], "margin": "x"}' >"$dir/d.jsonl"
config preference
run "$ptrain" inspect "$dir/c.yaml" --objective=dpo && [ "$(grep -c 'start|>user' "$dir/out")" = 2 ] && says '«r<|im_end|>»'
ok "a prompt that stands three times is asked once" $?
echo '{"chosen": "The sky is blue", "rejected": "The sky is red"}' >"$dir/d.jsonl"
run "$ptrain" inspect "$dir/c.yaml" --objective=dpo && ! says 'im_start' && says 'blue<|im_end|>»' && says 'red<|im_end|>»' && says 'The sky is'
ok "pairs of bare texts are taken without a template" $?
run "$ptrain" pack "$dir/c.yaml" --objective=dpo && says 'taken as they stand, without the chat template: 1 rows, the first on line 1'
ok "and the table says so" $?

# broken lines are rows too; 1 of 50 is more than a hundredth
{ seq 49 | sed 's/.*/{"text": "t&"}/'; echo '{"text": "cut'; } >"$dir/d.jsonl"
config text
run "$ptrain" pack "$dir/c.yaml"
[ $? = 1 ] && grep -q 'd.jsonl:50: broken JSON: .*In all 1 of 50 rows' "$dir/err"
ok "one bad row of fifty is refused" $?
run "$ptrain" pack "$dir/c.yaml" --bad_rows=drop && says 'd.jsonl:50' && says 'records kept                               49'
ok "bad_rows: drop leaves it out" $?
echo "1..$n"
