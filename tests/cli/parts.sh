#!/bin/bash
# A template that writes earlier answers otherwise, through the program: records in parts count once, three layouts and two ranks train alike, inspect shows the parts;
# thoughts kept, left out or masked by the data set's key.
# shellcheck disable=SC2034
cd "$(dirname "$0")/../.." || exit 2
ptrain=${PTRAIN:-build/ptrain}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
n=0
result() { # NAME STATUS
    n=$((n + 1))
    if [ "$2" = 0 ]; then echo "ok $n - $1"; else
        sed 's/^/# /' "$dir/log"
        echo "not ok $n - $1"
    fi
}
cat >"$dir/t.jinja" <<'T'
{%- for m in messages %}{% set c = m.content %}{% if m.role == 'assistant' and not loop.last %}{% set c = c.split('</think>')[-1] %}{% endif %}
{{- '<|im_start|>' ~ m.role ~ '\n' ~ c ~ '<|im_end|>\n' }}{% endfor -%}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif -%}
T
for i in 1 2 3 4 5 6; do
    echo "{\"messages\": [{\"role\": \"user\", \"content\": \"a question that goes on for a while $i\"}, {\"role\": \"assistant\", \"content\": \"<think>hm $i</think>answer $i\"}, {\"role\": \"user\", \"content\": \"more\"}, {\"role\": \"assistant\", \"content\": \"<think>so</think>it is $i\"}]}"
done >"$dir/d.jsonl"
cat >"$dir/c.yaml" <<Y
init: random
tokenizer: tests/golden/data/tok_bpe
model_config: {family: llama, hidden_size: 32, intermediate_size: 64, num_hidden_layers: 1, num_attention_heads: 2, vocab_size: 772}
chat_template_jinja: $dir/t.jinja
sequence_len: 256
batch_rows: 3
micro_batch_size: 2
num_epochs: 2
learning_rate: 1e-2
device: cpu
compute: f32
seed: 3
val_set_size: 0
datasets: [{path: $dir/d.jsonl, type: messages}]
Y
run() { local out=$1; shift; "$ptrain" "$dir/c.yaml" --output_dir="$dir/$out" "$@" >"$dir/log" 2>&1 </dev/null; }
field() { sed -n "s|.*\"$2\": *\([^,}]*\).*|\1|p" "$dir/$1/metrics.jsonl"; }
close() { paste <(field "$1" loss) <(field "$2" loss) | awk '{ d = $1 - $2; if (d < 0) d = -d; if (d > 1e-5 * (1 + $1)) bad = 1; k++ } END { exit bad || k < 4 }'; }
run forest && [ "$(field forest records | sort -u)" = 3 ] && [ "$(field forest step | wc -l)" = 4 ]
result "six conversations in two parts each make two steps of three records an epoch" $?
run plain --sample_packing=plain && run off --sample_packing=off && close forest plain && close forest off && [ "$(field forest supervised_tokens)" = "$(field off supervised_tokens)" ]
result "three layouts train alike" $?
"$ptrain" inspect "$dir/c.yaml" --output_dir="$dir/forest" --sample 0 >"$dir/log" 2>&1
grep -q -- '--- part 1 of 2' "$dir/log" && grep -q 'assistant' "$dir/log" && grep -q -- '--- part 2 of 2' "$dir/log"
result "inspect shows the parts" $?
set="[{path: $dir/d.jsonl, type: messages, thinking:"
run strip --datasets="$set strip}]" && run mask --datasets="$set mask}]" && [ "$(field strip supervised_tokens)" = "$(field mask supervised_tokens)" ] &&
    [ "$(field strip supervised_tokens | head -1)" -lt "$(field forest supervised_tokens | head -1)" ] && grep -q 'thinking: "*mask' "$dir/mask/config.yaml"
result "thoughts left out or masked: the same tokens are trained, fewer than with them; config.yaml says it" $?
! run bad --datasets="$set hide}]" && grep -q "thinking is 'keep', 'strip' or 'mask', not 'hide'" "$dir/log"
result "another word is refused" $?
q='{"role": "user", "content": "a question"}'
a() { echo "{\"role\": \"assistant\", \"content\": \"<think>hm</think>answer $1\"}"; }
for i in 1 2 3 4 5 6; do
    echo "{\"prompt\": [$q, $(a 0), $q], \"chosen\": [$(a "$i")], \"rejected\": [$(a no)]}" >>"$dir/one.jsonl"
    echo "{\"prompt\": [$q], \"chosen\": [$(a 0), $q, $(a "$i")], \"rejected\": [$(a 0), $q, $(a no)]}" >>"$dir/two.jsonl"
done
pairs() { run "$1" --objective="$2" --adapter=lora --datasets="[{path: $dir/$3.jsonl, type: preference}]"; }
pairs dpo dpo one && [ "$(field dpo records | sort -u)" = 3 ] && grep -q 'loss' "$dir/dpo/metrics.jsonl"
result "pairs of one answer each, behind an answer with a thought, train" $?
! pairs dpo2 dpo two && grep -q "two.jsonl:1: the template writes message 2 otherwise once others follow; this objective wants one answer a completion" "$dir/log" &&
    grep -q "or another chat_template (line 1, 2" "$dir/log"
result "pairs of two answers each are refused by dpo, with the whole reason" $?
pairs rm1 reward one && pairs rm2 reward two && paste <(field rm1 loss) <(field rm2 loss) | awk '$1 != $2 { bad = 1 } { k++ } END { exit bad || k < 4 }'
result "a reward model scores their last answers, as if the first stood in the prompt" $?
if command -v mpirun >/dev/null; then
    mpirun --allow-run-as-root --oversubscribe -n 2 "$ptrain" "$dir/c.yaml" --output_dir="$dir/two" >"$dir/log" 2>&1 </dev/null && close forest two
    result "two ranks train alike" $?
fi
echo "1..$n"
