#!/usr/bin/env bash
# `evaluations`: tasks beside a run's test data, base beside tuned; limits, groups, answers that are kept, kills, bad input.
# shellcheck source=tests/cli/lib.bash
. "$(dirname "$0")/lib.bash"
trap 'kill -9 $pid 2>/dev/null; rm -rf "$dir"' EXIT
for i in $(seq 12); do echo "{\"messages\": [{\"role\": \"user\", \"content\": \"say $i\"}, {\"role\": \"assistant\", \"content\": \"yes, number $i\"}]}"; done >"$dir/rows.jsonl"
cat >"$dir/run.yaml" <<Y
init: random
model_config: {family: llama, hidden_size: 32, intermediate_size: 64, num_hidden_layers: 2, num_attention_heads: 2, vocab_size: 772}
tokenizer: tests/golden/data/tok_bpe
chat_template: chatml
adapter: lora
lora_target_linear: true
datasets: [{path: $dir/rows.jsonl, type: messages}]
output_dir: $dir/run
max_steps: 3
batch_rows: 8
sequence_len: 64
learning_rate: 0.05
device: cpu
compute: f32
evaluations:
  - {task: choice, name: who, path: data/samples/eval/choice_en.jsonl, mutual_info: true}
  - {task: statements, name: traits, path: data/samples/eval/statements}
Y
"$ptrain" "$dir/run.yaml" >"$dir/out" 2>"$dir/err"
# ev NAME CONFIG-OR-RUN MORE...: into NAME.json, answers NAME.answers
ev() {
    local name=$1 what=$2
    shift 2
    "$ptrain" eval "$what" --output "$dir/$name.json" --answers "$dir/$name.answers" "$@" >"$dir/out" 2>"$dir/err" </dev/null
}
tight() { tr -d ' \n' <"$dir/$1.json"; }
ev whole "$dir/run"
[ $? -eq 0 ] && grep -q "^who (choice, 20 items) *before *after *change" "$dir/out" && grep -q "^traits (statements, 30 items)" "$dir/out" && grep -q "^orderly *10 " "$dir/out" && grep -q "^everyday *8 " "$dir/out"
result "a run's own evaluations: both sides, each group"
tight whole | grep -q '"tasks":\[{"name":"who","task":"choice","path":"data/samples/eval/choice_en.jsonl","items":20,"rows":\[{"metric":"acc","scope":null,"before":{"value":0\.[0-9]*,"n":20,"ci":\[0\.[0-9]*,0\.[0-9]*\]},"after":{[^}]*},"p":[01]' &&
    tight whole | grep -q '"metric":"acc_mutual_info","scope":"manners"' && tight whole | grep -q '"confusion":{"before":{"[A-D]":{'
result "the JSON has rows by metric and scope with their intervals and p, and who was taken for whom"
grep -q "^accuracy  *[0-9.]* % ±[0-9.]*  *[0-9.]* % ±[0-9.]*  *[-+]" "$dir/out" && grep -q "^± half of the 95 % interval, by item$" "$dir/out" && [ "$(wc -L <"$dir/out")" -le 100 ]
result "the table says how sure its values are, in 100 columns"
asked=$(sed -n 's/.*note: \([0-9]*\) questions to the model, \([0-9]*\) of them.*: \([0-9]*\) tokens, \([0-9]*\) after.*/\1 \2 \3 \4/p' "$dir/err")
read -r q known tokens shared <<<"$asked"
[ "$known" -eq 0 ] && [ $((shared * 2)) -lt "$tokens" ] && [ "$q" -eq "$(wc -l <"$dir/whole.answers")" ]
result "what begins alike is computed once; every answer is kept"
cp "$dir/whole.json" "$dir/first.json"
ev whole "$dir/run" && cmp -s "$dir/whole.json" "$dir/first.json" && grep -q "$q questions to the model, $q of them answered before; likelihoods: 0 tokens" "$dir/err"
result "asked again, nothing is computed"
exact() { tight "$1" | sed 's/.*"tasks"//; s/{"name":"traits".*//' | grep -o '{"metric":"acc[^}]*}[^}]*}\|"confusion".*' | sed 's/]*}*,*]*}*$//'; }
ev alone "$dir/run" --task who && [ "$(exact alone | wc -l)" -ge 20 ] && [ "$(exact alone)" = "$(exact whole)" ]
result "one task alone: the rows that it has beside others"
ev few "$dir/run" --limit 4 && tight few | grep -q '"name":"traits".*"items":4' && [ "$(tight few | grep -o '"scope":"[a-z-]*"' | sort -u | wc -l)" -eq 6 ]
result "--limit 4: four items of each task, from every group"

# killed between batches: what was answered stands, and the rows come out the same
awk 'BEGIN { for (i = 0; i < 400; i++) { printf "{\"question\": \""; for (k = 0; k < 40; k++) printf "%c%c ", 97 + (i * 7 + k * k) % 26, 97 + (i + k * 3) % 26
    print "\", \"options\": [\"one " i "\", \"two\", \"three\"], \"answer\": " i % 3 "}" } }' >"$dir/many.jsonl"
sed '/^evaluations/,$d' "$dir/run.yaml" >"$dir/many.yaml"
echo "evaluations: [{task: choice, path: $dir/many.jsonl}]" >>"$dir/many.yaml"
ev sound "$dir/many.yaml"
kills=0
for lines in 200 700 1300; do
    "$ptrain" eval "$dir/many.yaml" --output "$dir/cut.json" --answers "$dir/cut.answers" >"$dir/out" 2>"$dir/err" </dev/null &
    pid=$!
    while [ "$(cat "$dir/cut.answers" 2>/dev/null | wc -l)" -lt $lines ] && kill -0 $pid 2>/dev/null; do sleep 0.002; done
    kill -9 $pid 2>/dev/null && kills=$((kills + 1))
    wait $pid 2>/dev/null
done
ev cut "$dir/many.yaml" && cmp -s "$dir/cut.json" "$dir/sound.json" && [ $kills -ge 1 ] &&
    cmp -s <(sort "$dir/cut.answers") <(sort "$dir/sound.answers")
result "killed in the middle and begun again: the same rows, and nothing was asked twice"

task() { # KEYS ROWS...: a config with one task of these rows
    local keys=$1
    shift
    printf '%s\n' "$@" >"$dir/items.jsonl"
    sed '/^evaluations/,$d' "$dir/run.yaml" >"$dir/task.yaml"
    echo "evaluations: [{path: $dir/items.jsonl, $keys}]" >>"$dir/task.yaml"
    rm -f "$dir/task.answers"
}
two='{"question": "Is it day?", "options": ["yes", "no"], "answer": "no"}'
task "task: choice, method: letter, rotate: true" "$two" '{"question": "Is it night?", "options": {"A": "yes", "B": "no"}, "answer": "B"}'
ev task "$dir/task.yaml" && tight task | grep -q '"metric":"position_bias","scope":null' && tight task | grep -q '"metric":"acc","scope":null,"before":{"value":[0-9.]*,"n":4,' && [ "$(wc -l <"$dir/task.answers")" -eq 16 ]
result "letters, in every order: position bias"
task "task: choice, method: written, temperature: 1.0, repeats: 10, max_new_tokens: 4" "$two"
ev task "$dir/task.yaml" && tight task | grep -q '"metric":"parse_failures","scope":null,"before":{"value":[0-9.]*,"n":10,' && [ "$(wc -l <"$dir/task.answers")" -eq 20 ] &&
    [ "$(sed 's/.*"text": //' "$dir/task.answers" | sort -u | wc -l)" -gt 10 ]
result "ten sampled repeats of one question are ten answers"
cp "$dir/task.answers" "$dir/ten.answers" && rm "$dir/task.answers" && task "task: choice, method: written, temperature: 1.0, repeats: 3, max_new_tokens: 4" "$two" '{"question": "Is it dusk?", "options": ["yes", "no"], "answer": 0}' &&
    ev task "$dir/task.yaml" && [ "$(grep -cFf <(sed 's/", "of.*//' "$dir/ten.answers") "$dir/task.answers")" -eq 6 ] && ! grep -vqFf <(cat "$dir/ten.answers") <(grep -Ff <(sed 's/", "of.*//' "$dir/ten.answers") "$dir/task.answers")
result "a sampled answer does not depend on what is asked beside it"
sed 's/learning_rate: 0.05/learning_rate: 0.06/' "$dir/run.yaml" >"$dir/other.yaml" && "$ptrain" "$dir/other.yaml" --output_dir="$dir/other" >"$dir/out" 2>"$dir/err"
cp "$dir/whole.answers" "$dir/other.answers" && ev other "$dir/other" && grep -q "$q questions to the model, $((q / 2)) of them answered before" "$dir/err" && cmp -s "$dir/whole.answers" <(head -n "$q" "$dir/other.answers")
result "another adapter on the same base: the base's answers hold, its own are asked for, nothing is lost"

refused() { # TEXT [CODE]: the last command failed, and says so
    [ $? -eq "${2:-1}" ] && grep -qF "$1" "$dir/err" || { echo "# wanted: $1"; return 1; }
}
bad() { # NAME KEYS ROW TEXT [CODE]
    task "$2" "$two" "$3"
    ev task "$dir/task.yaml"
    refused "$4" "$5"
    result "$1"
}
bad "no options" "task: choice" '{"question": "Well?", "answer": 0}' "items.jsonl:2: the row has no options"
bad "no answer" "task: choice" '{"question": "Well?", "options": ["a", "b"]}' "items.jsonl:2: the row has no answer"
bad "an answer that is none of them" "task: choice" '{"question": "Well?", "options": ["a", "b"], "answer": "c"}' "items.jsonl:2: answer 'c' is neither a letter nor the text of an option"
bad "an answer past the end" "task: choice" '{"question": "Well?", "options": ["a", "b"], "answer": 2}' "items.jsonl:2: answer 2: there are 2 options"
bad "options of equal text" "task: choice" '{"question": "Well?", "options": ["a", "b", "a"], "answer": 1}' "items.jsonl:2: options 1 and 3 are equal: 'a'"
bad "one option" "task: choice" '{"question": "Well?", "options": ["a"], "answer": 0}' "items.jsonl:2: 1 option: two are wanted"
bad "a prompt's field that the row has not" "task: choice, prompt: '{questoin}'" '{"question": "x", "options": ["a", "b"], "answer": 0}' "the prompt wants {questoin}: the row has no such field"
bad "a field to cluster by that rows have not" "task: choice, cluster_by: persona" "$two" "items.jsonl:1: the row has no field 'persona', which cluster_by names"
bad "a broken row" "task: choice" '{"question": ' "items.jsonl:2:"
bad "statements without their answers" "task: statements" "$two" "items.jsonl:1: the row has no answer_matching_behavior"
bad "an unknown key" "task: choice, metod: letter" "$two" "the task choice does not know metod; its keys: name, task, path, published, limit, during_training, method" 2
bad "a value that is none" "task: choice, method: guess" "$two" "method takes one of: likelihood, letter, written; not 'guess'" 2
bad "an unknown task" "task: choise" "$two" "there is no task 'choise'; known: choice, statements, questionnaire" 2
bad "repeats that say the same" "task: choice, repeats: 3" "$two" "repeats goes with method: written and a temperature above 0" 2
bad "rotation of what is not shown" "task: choice, rotate: true" "$two" "rotate turns the list of options" 2
task "task: choice" "$two" && : >"$dir/items.jsonl" && ev task "$dir/task.yaml"
refused "items.jsonl is empty"
result "an empty file"
ev task "$dir/run" --task nobody
refused "no evaluation is called 'nobody'; there are: who, traits" 2
result "a name that no evaluation has"
"$ptrain" plan "$dir/run.yaml" --evaluations='[{task: choice}]' >"$dir/out" 2>"$dir/err"
refused "the task choice needs a path" 2
result "a wrong entry stops a plan too"
"$ptrain" help evaluations >"$dir/out" 2>"$dir/err" && grep -q "^task: statements" "$dir/out" && grep -q "group_by" "$dir/out"
result "help says what tasks there are"
