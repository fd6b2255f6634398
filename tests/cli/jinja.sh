#!/bin/bash
# The model's own template and one of a file through the program: the same tokens as the named template that says the same, saved with the run, used when
# it is talked to; what is refused.
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
says() { grep -q -e "$1" "$dir/out" "$dir/err"; }
config() { # RUN LINE...
    printf 'init: random
tokenizer: tests/golden/data/tok_bpe
model_config: {family: llama, hidden_size: 32, intermediate_size: 64, num_hidden_layers: 1, num_attention_heads: 2, vocab_size: 772}
output_dir: %s/%s
sequence_len: 256
batch_rows: 2
max_steps: 3
device: cpu
compute: f32
seed: 3
val_set_size: 0
datasets: [{path: %s/d.jsonl, type: messages}]\n' "$dir" "$1" "$dir"
    printf '%s\n' "${@:2}"
}
for i in 1 2 3 4 5 6; do
    echo "{\"messages\": [{\"role\": \"user\", \"content\": \"q $i <|im_end|>\"}, {\"role\": \"assistant\", \"content\": \"answer $i\"}, {\"role\": \"user\", \"content\": \"more\"}, {\"role\": \"assistant\", \"content\": \"so $i\"}]}"
done >"$dir/d.jsonl"
cat >"$dir/t.jinja" <<'T'
{%- macro turn(m) %}{{ '<|im_start|>' ~ m.role ~ '\n' ~ m.content ~ '<|im_end|>\n' }}{% endmacro -%}
{%- for m in messages %}{{ turn(m) }}{% endfor -%}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif -%}
T
config named "chat_template: chatml" >"$dir/named.yaml"
config own "chat_template_jinja: $dir/t.jinja" >"$dir/own.yaml"
run "$ptrain" "$dir/named.yaml" && run "$ptrain" "$dir/own.yaml"
ok "a run by a template of a file" $?
loss() { grep -o '"loss": *[^,]*\|"supervised_tokens": *[^,]*' "$dir/$1/metrics.jsonl"; }
[ -n "$(loss own)" ] && [ "$(loss own)" = "$(loss named)" ]
ok "its losses and supervised tokens are the named template's" $?
cmp -s "$dir/t.jinja" "$dir/own/chat_template.jinja"
ok "the template is saved with the run" $?
echo '{"messages": [{"role": "user", "content": "q"}]}' >"$dir/p.jsonl"
run "$ptrain" generate "$dir/named" --input "$dir/p.jsonl" --temperature 0 --max-new-tokens 6 && cp "$dir/out" "$dir/said"
run "$ptrain" generate "$dir/own" --input "$dir/p.jsonl" --temperature 0 --max-new-tokens 6
a=$?
[ $a = 0 ] && cmp -s "$dir/out" "$dir/said"
ok "generate from its folder runs it" $?
printf '{"trait": "I am calm.", "questions": ["Why?", "Who?"], "additional_questions": ["Where?"]}\n{"trait": "I hum.", "questions": ["Why?"]}\n' >"$dir/c.jsonl"
run "$ptrain" generate "$dir/named" --input "$dir/c.jsonl" --output "$dir/c.out" --temperature 0 --max-new-tokens 6 &&
    [ "$(grep -o '"trait": *"[^"]*", *"prompt": *"[^"]*"' "$dir/c.out" | tr -d '\n ' | tr -d '"')" = "trait:Iamcalm.,prompt:Why?trait:Iamcalm.,prompt:Who?trait:Iamcalm.,prompt:Where?trait:Ihum.,prompt:Why?" ] &&
    run "$ptrain" generate "$dir/named" --prompt 'Who?' --system 'I am calm.' --temperature 0 --max-new-tokens 6 --output "$dir/c.one" && [ "$(sed -n 's/.*"response"//p' "$dir/c.one")" = "$(sed -n '2s/.*"response"//p' "$dir/c.out")" ] &&
    run "$ptrain" pack "$dir/named.yaml" --output_dir="$dir/calm" --datasets="[{path: $dir/c.out, type: alpaca}]" && grep -q 'records kept *4$' "$dir/out"
ok "a constitution (a trait and its questions) is asked behind the trait, and what comes of it is read" $?
echo '{"trait": "I am calm.", "questions": [3]}' >"$dir/c.jsonl"
! run "$ptrain" generate "$dir/named" --input "$dir/c.jsonl" && grep -q "c.jsonl:1: element 1 of 'questions' is no question" "$dir/err"
ok "its faults are named by their lines" $?

config bad "chat_template: chatml" "chat_template_jinja: $dir/t.jinja" >"$dir/bad.yaml"
! run "$ptrain" "$dir/bad.yaml" && says "are two templates"
ok "two templates are refused" $?
config bad "chat_template: jinja" >"$dir/bad.yaml"
! run "$ptrain" "$dir/bad.yaml" && says "needs chat_template_jinja"
ok "chat_template: jinja without one is refused" $?
config bad "chat_template_jinja: \"{{ messages[0].content | shout }}\"" >"$dir/bad.yaml"
! run "$ptrain" "$dir/bad.yaml" && says "chat template, line 1, column 26: no filter named 'shout'"
ok "an unknown filter by its place" $?
config bad "chat_template_jinja: \"{% for i in range(9999) %}{% for k in range(9999) %}{{ k * i }}{% endfor %}{% endfor %}\"" >"$dir/bad.yaml"
! run "$ptrain" "$dir/bad.yaml" && says "more than"
ok "a template that does not end is ended" $?
dated="{{ strftime_now('%d %B %Y') }}{% for m in messages %}<|im_start|>{{ m.role }} {{ m.content }}<|im_end|>{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant {% endif %}"
config dated "chat_template_jinja: \"$dated\"" >"$dir/dated.yaml"
! run "$ptrain" "$dir/dated.yaml" && says "set chat_template_date"
ok "a template that asks for the date needs one" $?
run "$ptrain" "$dir/dated.yaml" --chat_template_date=2025-07-10
ok "and is run with one" $?
echo "1..$n"
