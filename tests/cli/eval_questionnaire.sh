#!/usr/bin/env bash
# The task questionnaire: sheets of personas, repeats, prompts and turned scales; the table, rows in JSON, bad input.
# shellcheck source=tests/cli/lib.bash
. "$(dirname "$0")/lib.bash"
for i in $(seq 12); do echo "{\"messages\": [{\"role\": \"user\", \"content\": \"say $i\"}, {\"role\": \"assistant\", \"content\": \"$((i % 5 + 1)), number $i\"}]}"; done >"$dir/rows.jsonl"
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
  - {task: questionnaire, name: sketch, path: data/samples/eval/questionnaire_en.jsonl, personas: data/samples/roles_en.json, score: expected}
Y
"$ptrain" "$dir/run.yaml" >"$dir/out" 2>"$dir/err"
personas=$(grep -c '^  "' data/samples/roles_en.json)
tight() { tr -d '\n' <"$dir/$1.json" | sed 's/  */ /g; s/\([][{},:]\) /\1/g; s/ \([][{}]\)/\1/g'; }
ev() { # NAME KEYS MORE...: into NAME.json, answers NAME.answers
    local name=$1 keys=$2
    shift 2
    sed '/^evaluations/,$d' "$dir/run.yaml" >"$dir/$name.yaml"
    echo "evaluations: [{task: questionnaire, path: data/samples/eval/questionnaire_en.jsonl, $keys}]" >>"$dir/$name.yaml"
    "$ptrain" eval "$dir/$name.yaml" --output "$dir/$name.json" --answers "$dir/$name.answers" "$@" >"$dir/out" 2>"$dir/err" </dev/null
}
rows() { tight "$1" | grep -o '{"metric":"[^}]*}[^}]*}[^}]*}' | grep -F "\"metric\":\"$2\""; } # NAME METRIC: its rows
"$ptrain" eval "$dir/run" --output "$dir/whole.json" >"$dir/out" 2>"$dir/err"
[ $? -eq 0 ] && grep -q "^sketch (questionnaire, 14 items) *before *after *change" "$dir/out" && grep -q "^Company  *[1-5]\.[0-9]*" "$dir/out" &&
    grep -q "^Care: alpha " "$dir/out" && grep -q "^agrees whatever is said" "$dir/out" && [ "$(grep -c "^  Orla Fenwick" "$dir/out")" -eq 1 ] && [ "$(wc -L <"$dir/out")" -le 100 ]
result "a run's questionnaire: both sides, scales, alpha, personas, in 100 columns"
[ "$(rows whole scale.Company | wc -l)" -eq $((personas + 1)) ] && rows whole scale.Company | grep -q "\"scope\":null,\"before\":{\"value\":[1-5]\.[0-9]*,\"n\":$personas,\"ci\":\[[0-9.]*,[0-9.]*\]},\"after\":{.*},\"p\":[01]" &&
    rows whole scale.Company | grep -q '"scope":"Orla Fenwick","before":{"value":[1-5]\.[0-9]*,"n":1,"ci":null}' &&
    rows whole facet.Company.Talk | grep -q '"scope":null' && rows whole scale.Care.argmax | grep -q '"scope":null' && rows whole missing_share | grep -q "\"scope\":null,\"before\":{\"value\":0\.0,\"n\":$personas,"
result "rows of scales, facets, likeliest answers beside expected values; a persona of one sheet has no interval"
tokens=$(sed -n 's/.*: \([0-9]*\) tokens, \([0-9]*\) after.*/\1 \2/p' "$dir/err")
read -r asked shared <<<"$tokens"
[ "$asked" -gt $((4 * shared)) ] && [ "$(wc -l <"$dir/run/eval_answers.jsonl")" -eq $((personas * 14 * 5 * 2)) ]
result "what sheets and numbers have in common is computed once ($asked tokens, $shared after sharing)"
ev written "method: written, temperature: 1.0, repeats: 3, max_new_tokens: 6, personas: data/samples/roles_en.json, persona: 'Orla Fenwick, Sergeant Brask'" &&
    [ "$(wc -l <"$dir/written.answers")" -eq $((2 * 14 * 2 * 3)) ] && [ "$(rows written missing_share | wc -l)" -eq 3 ] &&
    rows written missing_share | grep -q '"scope":"Sergeant Brask","before":{"value":[01]\.[0-9]*,"n":3,' && ! grep -q "Zib" "$dir/out"
result "written answers: two personas, three repeats, what names no number is missing"
printf '["{instruction} {item} {low}-{high}:", "{item}\\n{options}\\nNumber:"]' >"$dir/prompts.json"
ev turned "prompts: $dir/prompts.json, reverse_scale: true, score: expected" && [ "$(wc -l <"$dir/turned.answers")" -eq $((2 * 14 * 5 * 2 * 2)) ] &&
    rows turned order_agreement | grep -q '"scope":null,"before":{"value":[01]\.[0-9]*,"n":2,' && rows turned order_shift | grep -q '"scope":null' &&
    rows turned scale.Wonder | grep -q '"n":4,"ci":\[' && [ "$(rows turned scale.Wonder.argmax | wc -l)" -eq 1 ] && rows turned alpha.Wonder | grep -q '"n":4'
result "two prompts, each with the scale turned too: position bias; expected values as scores"
cp "$dir/turned.json" "$dir/first.json" && ev turned "prompts: $dir/prompts.json, reverse_scale: true, score: expected" && cmp -s "$dir/turned.json" "$dir/first.json" && grep -q "likelihoods: 0 tokens" "$dir/err"
result "asked again: the same rows, and nothing is computed"
ev few "limit: 9" --limit 4 && tight few | grep -q '"items":4' && rows few scale.Care | grep -q '"value":[1-5]\.0,"n":1' && [ "$(wc -l <"$dir/few.answers")" -eq 40 ]
result "--limit 4: a short form with items of every scale"
printf '%s\n' '{"questionnaire": "q", "range": [1, 2]}' '{"item": "Yes.", "scale": "A", "key": -1}' >"$dir/one.jsonl"
sed "s#path: data/samples/eval/questionnaire_en.jsonl, .*#path: $dir/one.jsonl, chat: false}#" "$dir/run.yaml" >"$dir/one.yaml"
"$ptrain" eval "$dir/one.yaml" --output "$dir/one.json" --answers "$dir/one.answers" >"$dir/out" 2>"$dir/err"
want=$(head -n 2 "$dir/one.answers" | sed 's/.*"value": \([-0-9.e]*\),.*/\1/' | awk '{ v[NR] = $1 } END { printf "%.6f %d", 2 - 1 / (1 + exp(v[1] - v[2])), (v[2] > v[1] ? 1 : 2) }')
got=$(for m in scale.A.expected scale.A; do rows one $m | sed 's/.*"before":{"value":\([0-9.]*\),.*/\1/'; done | awk 'NR == 1 { printf "%.6f ", $1 } NR == 2 { printf "%d", $1 }')
[ "$(wc -l <"$dir/one.answers")" -eq 4 ] && [ "$got" = "$want" ]
result "without a template: likeliest and expected value of a reversed item, from the likelihoods that were kept ($got)"
cat >"$dir/types.json" <<'J'
{"name": "four", "range": [1, 7], "compute_mode": "SUM", "reverse": [],
 "psychobench_prompt_choice_instruction": "1 denotes 'strongly agree', 7 denotes 'strongly disagree'.",
 "questions": {"1": {"origin_en": "You talk.", "category": "E"}, "2": {"origin_en": "You listen.", "category": "I"}},
 "categories": [{"cat_name": "E/I", "cat_questions": [1, 2], "crowd": [{"mean": 20, "std": 2, "n": 100}]}]}
J
sed "s#path: data/samples/eval/questionnaire_en.jsonl#path: $dir/types.json#" "$dir/run.yaml" >"$dir/mbti.yaml"
"$ptrain" eval "$dir/mbti.yaml" --output "$dir/mbti.json" >"$dir/out" 2>"$dir/err"
[ $? -eq 0 ] && [ "$(rows mbti type | wc -l)" -eq "$personas" ] && rows mbti type | grep -q '"before":{"value":"[EI]","n":1,"ci":null}' &&
    [ "$(rows mbti scale.E/I | grep '"scope":"' | sed 's/.*"before":{"value":\([0-9.]*\),.*/\1/' | awk '{ print ($1 > 8 ? "E" : $1 < 8 ? "I" : "X") }')" = "$(rows mbti type | sed 's/.*"before":{"value":"\(.\)".*/\1/')" ] && grep -q "^type  *[EIX]  *[EIX]" "$dir/out" &&
    rows mbti norm_g.E/I | grep -q '"scope":null,"before":{"value":-' && rows mbti norm_p.E/I | grep -q '"scope":null,"before":{"value":[0-9.e-]*,"n":'
result "letters of a type; scores beside people's"

# eleven numbers, some of several tokens: each a continuation of its own, with its end, which tells 1 from 10
{ echo '{"questionnaire": "wide", "range": [0, 10]}'; for i in 1 2 3; do echo "{\"item\": \"Number $i.\", \"scale\": \"A\", \"key\": 1}"; done; } >"$dir/wide.jsonl"
sed '/^evaluations/,$d' "$dir/run.yaml" >"$dir/wide.yaml"
echo "evaluations: [{task: questionnaire, path: $dir/wide.jsonl, personas: data/samples/roles_en.json, score: expected}]" >>"$dir/wide.yaml"
"$ptrain" eval "$dir/wide.yaml" --output "$dir/wide.json" --answers "$dir/wide.answers" >"$dir/out" 2>"$dir/err" && [ "$(wc -l <"$dir/wide.answers")" -eq $((personas * 3 * 11 * 2)) ] &&
    [ "$(grep -o '"tokens": [0-9]*' "$dir/wide.answers" | sort -u | wc -l)" -ge 2 ] && rows wide scale.A | grep -q '"scope":null,"before":{"value":[0-9]*\.[0-9]*,'
result "numbers above 9 by likelihood"
ev both "personas: data/samples/roles_en.json, score: expected, name: mini}, {task: questionnaire, name: again, reverse_scale: true, path: data/samples/eval/questionnaire_en.jsonl, personas: data/samples/roles_en.json, score: expected" &&
    rows both convergent.mini.Care.Care | grep -q "\"scope\":null,\"before\":{\"value\":-*[01]\.[0-9]*,\"n\":$personas,\"ci\":null}" && rows both convergent.Company.Care | grep -q '"after":{"value":-*[01]\.' &&
    rows both js_change | grep -q '"scope":null,"before":{"value":null,.*"after":{"value":0\.[0-9]*,"n":14,"ci":\[0' && rows both wasserstein_others | grep -q "\"scope\":null,\"before\":{\"value\":0\.[0-9]*,\"n\":$personas," &&
    grep -q '^Jensen-Shannon distance to before  *-  *0\.[0-9]* ±' "$dir/out" && tight both | grep -q '"metric":"scale.Care","scope":null,"before":[^}]*},"after":[^}]*},"p":[0-9.]*,"wilcoxon":null,"mcnemar":null,"change_ci":\[-*[0-9]'
result "two questionnaires of the same personas: correlations of their scales, distances, the interval of a change"

bad() { # NAME KEYS TEXT CODE [ROWS...]: refused with this text
    local name=$1 keys=$2 text=$3 code=$4 path=data/samples/eval/questionnaire_en.jsonl
    shift 4
    [ $# -gt 0 ] && path=$dir/q.jsonl && printf '%s\n' "$@" >"$path"
    sed '/^evaluations/,$d' "$dir/run.yaml" >"$dir/bad.yaml"
    echo "evaluations: [{task: questionnaire, path: $path, $keys}]" >>"$dir/bad.yaml"
    "$ptrain" eval "$dir/bad.yaml" --output "$dir/bad.json" >"$dir/out" 2>"$dir/err" </dev/null
    [ $? -eq "$code" ] && grep -qF "$text" "$dir/err" || { echo "# wanted: $text"; false; }
    result "$name"
}
head='{"questionnaire": "q", "range": [1, 5]}'
bad "a persona that does not exist" "personas: data/samples/roles_en.json, persona: 'Orla Fenwick, Nobody'" "roles_en.json has no persona 'Nobody'; there are: Orla Fenwick, Sergeant Brask" 2
bad "a persona without a file" "persona: Orla" "persona: Orla, but there is no file of personas" 2
bad "an item without key" "" "q.jsonl:3: the item has no key: 1, or -1 where who agrees has less of A" 1 "$head" '{"item": "Yes.", "scale": "A", "key": 1}' '{"item": "No.", "scale": "A"}'
bad "labels that do not cover the range" "" "q.jsonl:1: 2 labels for the 5 answers of the range 1 to 5" 1 '{"questionnaire": "q", "range": [1, 5], "labels": ["no", "yes"]}'
bad "a scale that is none" "" "q.jsonl:1: range [4, 4]" 1 '{"questionnaire": "q", "range": [4, 4]}'
bad "no items" "" "q.jsonl holds no items" 1 "$head"
bad "numbers that begin others, without a template" "chat: false" "q takes 0 to 10, and 1 begins 10: without a chat template nothing tells them apart" 2 '{"questionnaire": "q", "range": [0, 10]}' '{"item": "Yes.", "scale": "A", "key": 1}'
bad "a prompt that asks nothing" "prompt: 'Well?'" "a prompt has no {item}: 'Well?'" 2
bad "a scale that cannot be turned" "prompt: '{item}', reverse_scale: true" "reverse_scale turns {options}, or {low} and {high}: the prompt has neither" 2
bad "a prompt's field that there is not" "prompt: '{item} {name}'" "the prompt wants {name}" 1
bad "repeats that say the same" "repeats: 3" "repeats goes with method: written and a temperature above 0" 2
bad "expected values of what is written" "method: written, score: expected" "score: expected goes with method: likelihood" 2
: >"$dir/q.jsonl"
sed "s#path: data/samples/eval/questionnaire_en.jsonl#path: $dir/q.jsonl#" "$dir/few.yaml" >"$dir/empty.yaml"
"$ptrain" eval "$dir/empty.yaml" --output "$dir/bad.json" >"$dir/out" 2>"$dir/err"
[ $? -eq 1 ] && grep -q "q.jsonl is empty" "$dir/err"
result "an empty file"
echo '{"name": "b", "range": [1, 5], "questions": {"1": {"origin_en": "One."}},
"categories": [
{"cat_name": "First", "cat_questions": [1, 2]}]}' >"$dir/q.json"
sed "s#path: $dir/q.jsonl#path: $dir/q.json#" "$dir/empty.yaml" >"$dir/bench.yaml"
"$ptrain" eval "$dir/bench.yaml" --output "$dir/bad.json" >"$dir/out" 2>"$dir/err"
[ $? -eq 1 ] && grep -q "q.json:3: the scale First names item 2, which is not there" "$dir/err"
result "a scale that names an item that is not there"
