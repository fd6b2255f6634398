#!/usr/bin/env bash
# Several runs, adapters and models beside one base: a column each, with the figures that each has alone.
# shellcheck source=tests/cli/lib.bash
. "$(dirname "$0")/lib.bash"
for i in $(seq 12); do echo "{\"messages\": [{\"role\": \"user\", \"content\": \"say $i\"}, {\"role\": \"assistant\", \"content\": \"yes, number $i\"}]}"; done >"$dir/rows.jsonl"
echo '{"Ann": "You are Ann.", "Bo": "You are Bo.", "Cy": "You are Cy."}' >"$dir/people.json"
job() { # NAME KEYS...: a run of the small model
    local name=$1
    shift
    cat >"$dir/$name.yaml" <<Y
tokenizer: tests/golden/data/tok_bpe
chat_template: chatml
datasets: [{path: $dir/rows.jsonl, type: messages}]
test_datasets: [{path: $dir/rows.jsonl, type: messages}]
eval_max_new_tokens: 8
output_dir: $dir/$name
max_steps: 3
batch_rows: 8
sequence_len: 64
device: cpu
compute: f32
evaluations:
  - {task: choice, name: who, path: data/samples/eval/choice_en.jsonl}
  - {task: questionnaire, path: data/samples/eval/questionnaire_en.jsonl, personas: $dir/people.json}
Y
    printf '%s\n' "$@" >>"$dir/$name.yaml"
    "$ptrain" "$dir/$name.yaml" >"$dir/out" 2>"$dir/err" || { tail -n 3 "$dir/err"; exit 1; }
}
random='model_config: {family: llama, hidden_size: 32, intermediate_size: 64, num_hidden_layers: 2, num_attention_heads: 2, vocab_size: 772}'
job one "init: random" "$random" "adapter: lora" "lora_r: 4" "lora_target_linear: true" "learning_rate: 0.05"
job two "init: random" "$random" "adapter: lora" "lora_r: 7" "lora_target_modules: [q_proj, down_proj]" "learning_rate: 0.2"
job three "init: random" "$random" "adapter: lora" "lora_r: 2" "lora_target_linear: true" "learning_rate: 0.1"
job whole "init: random" "$random" "learning_rate: 0.02"
job on_whole "base_model: $dir/whole" "adapter: lora" "lora_r: 4" "lora_target_linear: true" "learning_rate: 0.1"
# ev NAME SUBJECTS AND OPTIONS...: into NAME.json and NAME.answers
ev() {
    local name=$1
    shift
    "$ptrain" eval "$@" --output "$dir/$name.json" --answers "$dir/$name.answers" >"$dir/out" 2>"$dir/err" </dev/null
}
rows() { tr -d ' \n' <"$dir/$1.json" | sed 's/.*"tasks"//; s/{"metric"/\n&/g' | grep '^{"metric"'; } # a line each
alone() { # NAME: metric, scope, base, tuned
    rows "$1" | sed -n 's/^{"metric":"\([^"]*\)","scope":\([^,]*\),"before":{"value":\([^,]*\),.*"after":{"value":\([^,]*\),.*/\1 \2 \3 \4/p'
}
beside() { # NAME COLUMN: the same of one column
    rows "$1" | sed 's/"ci":\[[^]]*\]/"ci":0/g' | awk -v c="$2" '{ m = s = $0; sub(/^{"metric":"/, "", m); sub(/".*/, "", m); sub(/.*"scope":/, "", s); sub(/,.*/, "", s)
        k = split($0, v, /"value":/); for (i = 2; i <= k; i++) sub(/,.*/, "", v[i]); print m, s, v[2], v[2 + c] }'
}
own() { "$@" | grep -v '_change ' | cut -d' ' -f1,2,4; } # what does not depend on the base
for r in one two three; do ev "$r" "$dir/$r" || exit 1; done
ev all "$dir/one" "$dir/two" --adapter "$dir/three"
[ $? -eq 0 ] && grep -q '^base: *random weights$' "$dir/out" && grep -q "^(2): *$dir/two$" "$dir/out" && grep -q "^(3): *$dir/three$" "$dir/out" &&
    grep -q '^who (choice, 20 items)  *base  *(1)  *(2)  *(3)$' "$dir/out" && grep -q '^accuracy  *[0-9.]* %.*[0-9.]* %.*[0-9.]* %.*[0-9.]* %' "$dir/out" &&
    grep -q '^  Bo$' "$dir/out" && ! grep -q ' $' <(sed '/^say 1/,$d' "$dir/out") && [ "$(sed '/^say 1/,$d' "$dir/out" | wc -L)" -le 100 ]
result "two runs and an adapter: a column each, in 100 columns"
i=0 ok=1
for r in one two three; do
    i=$((i + 1))
    [ "$(alone $r | wc -l)" -gt 60 ] && cmp -s <(alone $r) <(beside all $i) || { diff <(alone $r) <(beside all $i) | head -4 | sed 's/^/# /'; ok=0; }
done
[ $ok -eq 1 ]
result "every column's figures are those that it has alone"
cmp -s <(sort -u "$dir"/{one,two,three}.answers) <(sort "$dir/all.answers") && [ "$(wc -l <"$dir/all.answers")" -gt 800 ]
result "and so is every answer to the bit: the base is asked once, the adapters stand in slots of one model"
p_of() { tr -d ' \n' <"$dir/$1.json" | sed 's/"roles".*//' | grep -o '"p":{[^}]*"nll_own":[^,}]*' | sed 's/.*://' | tr '\n' ' '; } # of 12 questions; 7 metrics in a family, or 21
alone=$(for r in one two three; do p_of $r; done)
all=$(p_of all)
awk -v a="$alone" -v b="$all" 'BEGIN { n = split(a, x, " "); m = split(b, y, " ")
    exit !(n == 3 && m == 3 && x[1] < 0.004 && x[3] > 0.01 && x[3] < 0.05 && y[1] >= 2.99 * x[1] && y[2] >= 2.99 * x[2] && y[3] > 0.05 && y[3] < 0.1) }'
result "p is corrected over all columns: ${all}beside $alone"
ev all "$dir/one" "$dir/two" --adapter "$dir/three"
grep -q '^nats a token, own profile  *[0-9.]*  *[0-9.]* \*  *[0-9.]* \*  *[0-9.]*$' "$dir/out" && grep -q '^\* differs from the base' "$dir/out" && grep -q ": 0 tokens" "$dir/err"
result "what differs by more than noise is marked"
ev one "$dir/one" && grep -q '^ *"format": "ptrain-eval",' "$dir/one.json" && grep -q '^before: random weights$' "$dir/out" && grep -q '"before"' "$dir/one.json"
result "one alone keeps its form: before and after"
"$ptrain" eval "$dir/one.yaml" "$dir/two.yaml" --task who >"$dir/out" 2>"$dir/err" && [ -f "$dir/one/eval_beside.json" ] && ! [ -e "$dir/two/eval_beside.json" ] &&
    grep -q '"format": "ptrain-eval-beside"' "$dir/one/eval_beside.json" && [ -s "$dir/one/eval_answers.jsonl" ]
result "configs stand for their runs; the first one's folder gets answers and eval_beside.json"

# models one after another: the first is the base
sed -n '/^evaluations/,$p' "$dir/one.yaml" | grep -v -e '^init' -e '^model_config' -e '^adapter' -e '^lora' -e '^learning' >"$dir/tasks"
{ echo "base_model: $dir/whole"; echo "output_dir: $dir/nowhere"; echo "device: cpu"; echo "compute: f32"; echo "datasets: [{path: $dir/rows.jsonl, type: messages}]"; cat "$dir/tasks"; } >"$dir/model.yaml"
ev models "$dir/model.yaml" "$dir/on_whole" "$dir/one" && grep -q "^base: *$dir/whole$" "$dir/out" && grep -q "^(1): *$dir/on_whole$" "$dir/out" &&
    ev tuned "$dir/on_whole" && cmp -s <(alone tuned) <(beside models 1) && [ "$(beside models 1 | wc -l)" -gt 60 ] &&
    cmp -s <(own alone one) <(own beside models 2)
result "a model as the base, an adapter of it, and a run of another base"
ev full "$dir/on_whole.yaml" "$dir/one" && rows full | grep '"metric":"acquiescence","scope":null' | grep -o '"p":[0-9a-z.]*' | grep -vc null | grep -q '^2$'
result "a model that is asked after another is tested against it"
ev pair "$dir/whole" "$dir/one" && cmp -s <(own alone one) <(own beside pair 1) && ! grep -q '^base:' "$dir/out"
result "a fully tuned run whose base was random has no base column"

says() { # CODE TEXT COMMAND...
    local code=$1 text=$2
    shift 2
    "$@" >"$dir/out" 2>"$dir/err" </dev/null
    [ $? -eq "$code" ] && grep -q "^error: .*$text" "$dir/err"
}
says 2 "none: no such config file" "$ptrain" eval "$dir/one" "$dir/none"
result "a run that is not there is named"
says 1 "tests/golden/data/peft_adapter" "$ptrain" eval "$dir/one" --adapter tests/golden/data/peft_adapter
result "an adapter of another model is refused by what does not fit"
says 2 "measures the base of one run alone" "$ptrain" eval "$dir/one" "$dir/two" --base
result "--base with several is refused"
echo "1..$n"
