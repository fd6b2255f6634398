#!/usr/bin/env bash
# Answers that are held to a JSON schema, a regular expression or a list of choices: generate, chat, rows of their own, evaluation, plan, what is refused.
# shellcheck source=tests/cli/lib.bash
. "$(dirname "$0")/lib.bash"
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
Y
"$ptrain" "$dir/run.yaml" >"$dir/out" 2>"$dir/err"
result "a tiny run"
gen() { "$ptrain" generate "$dir/run" --temperature 1 "$@" >"$dir/out" 2>"$dir/err" </dev/null; }
for i in $(seq 12); do echo '{"prompt": "hello"}'; done >"$dir/same.jsonl"
gen --input "$dir/same.jsonl" --regex '[A-Z][a-z]{2}-[0-9]{3}' && cp "$dir/out" "$dir/all" && [ "$(grep -cE '"response":"[A-Z][a-z]{2}-[0-9]{3}","finish_reason":"stop"' "$dir/all")" = 12 ] && [ "$(sort -u "$dir/all" | wc -l)" -gt 4 ]
result "--regex: each answer matches whole, and ends"
gen --input "$dir/same.jsonl" --choices 'A|AB|no, never' --temperature 2 --text && [ "$(sort -u "$dir/out")" = "$(printf 'A\nAB\nno, never')" ]
result "--choices: each of them comes, the one that begins another too, and nothing else"
cat >"$dir/in.jsonl" <<'J'
{"prompt": "one", "choice": ["caf\u00e9", "\u8336"]}
{"prompt": "two", "regex": "(ab){2}"}
{"prompt": "three"}
{"messages": [{"role": "user", "content": "four"}, {"role": "assistant", "content": "It is "}], "regex": "[0-9]{4}"}
J
gen --input "$dir/in.jsonl" --choices 'yes|no' --max-new-tokens 20 && sed -n 1p "$dir/out" | grep -qE '"response":"(café|茶|caf\\u00e9|\\u8336)","finish_reason":"stop"' &&
    sed -n 2p "$dir/out" | grep -q '"response":"abab","finish_reason":"stop"' && sed -n 3p "$dir/out" | grep -qE '"response":"(yes|no)"' && sed -n 4p "$dir/out" | grep -qE '"response":"[0-9]{4}"'
result "a row's own wins over the command's; a continued answer is held in what is new"
gen --prompt hello --regex '[a-z]{60,}' --max-new-tokens 5 && grep -q '"finish_reason":"length"' "$dir/out"
result "what its length ends is said as length"
printf '{"prompt": "free"}\n' >"$dir/free.jsonl"
gen --input "$dir/free.jsonl" --max-new-tokens 20 && cp "$dir/out" "$dir/alone" && printf '{"prompt": "held", "regex": "x{5}"}\n' >>"$dir/free.jsonl" && gen --input "$dir/free.jsonl" --max-new-tokens 20 && head -n 1 "$dir/out" | cmp -s - "$dir/alone"
result "a free answer beside a constrained one is what it is alone"
printf 'hello\nagain\n' | "$ptrain" chat "$dir/run" --regex 'ab{3}' >"$dir/out" 2>"$dir/err" && [ "$(grep -c '^abbb$' "$dir/out")" = 2 ]
result "chat --regex: every answer"
refused() { # NAME PATTERN ARGUMENTS...
    local name=$1 pattern=$2
    shift 2
    timeout 20 "$ptrain" "$@" >"$dir/out" 2>"$dir/err" </dev/null
    [ $? -eq 2 ] && grep -qE -- "$pattern" "$dir/err"
    result "refused: $name"
}
refused "lookaround" '--regex: .*look' generate "$dir/run" --prompt x --regex '(?=a)b'
refused "a back reference" '--regex: .*[Bb]ack' generate "$dir/run" --prompt x --regex '(a)\1'
refused "a count past the limit" '--regex: .*10000' generate "$dir/run" --prompt x --regex 'a{1,100000}'
refused "two at once" 'one of --json-schema, --regex and --choices' generate "$dir/run" --prompt x --regex a --choices b
refused "an empty choice" '--choices: ' generate "$dir/run" --prompt x --choices 'a||b'
echo '{"prompt": "x", "regex": "a", "choice": ["b"]}' >"$dir/two.jsonl"
refused "a row with two" 'two.jsonl:1: .*choice beside regex' generate "$dir/run" --input "$dir/two.jsonl"
echo '{"prompt": "x", "choice": "b"}' >"$dir/kind.jsonl"
refused "choices that are no list" 'kind.jsonl:1: choice: a list of texts' generate "$dir/run" --input "$dir/kind.jsonl"
awk 'BEGIN { printf "{\"prompt\": \"x\", \"choice\": [\"c0\""; for (i = 1; i < 100000; i++) printf ", \"c%d\"", i; print "]}" }' >"$dir/many.jsonl"
refused "100,000 choices" 'many.jsonl:1: choice: .*10,?000' generate "$dir/run" --input "$dir/many.jsonl"
refused "a command that generates nothing" '--regex has no effect' score "$dir/run" --input "$dir/in.jsonl" --regex a

# JSON schemas
schema='{"type":"object","properties":{"name":{"type":"string","pattern":"^[A-Z][a-z]{1,5}$"},"age":{"type":"integer","minimum":18,"maximum":21},"mood":{"enum":["calm","cross"]}},"required":["name","age","mood"],"additionalProperties":false}'
shape='\{\\"name\\": ?\\"[A-Z][a-z]{1,5}\\", ?\\"age\\": ?(18|19|20|21), ?\\"mood\\": ?\\"(calm|cross)\\"\}'
gen --input "$dir/same.jsonl" --json-schema "$schema" && [ "$(grep -cE "\"response\":\"$shape\",\"finish_reason\":\"stop\"" "$dir/out")" = 12 ]
result "--json-schema TEXT: keys in its order, values of its kinds"
echo "$schema" >"$dir/a.schema.json" && cp "$dir/out" "$dir/all" && gen --input "$dir/same.jsonl" --json-schema "$dir/a.schema.json" && cmp -s "$dir/out" "$dir/all"
result "--json-schema FILE: the same"
echo '{"prompt": "x", "json_schema": {"type": "array", "items": {"type": "boolean"}, "minItems": 2, "maxItems": 2}}' >"$dir/own.jsonl"
gen --input "$dir/own.jsonl" --json-schema "$schema" && grep -qE '"response":"\[(true|false), ?(true|false)\]","finish_reason":"stop"' "$dir/out"
result "a row's json_schema"
refused "a schema of another place" '--json-schema: .*(http|remote|\$ref)' generate "$dir/run" --prompt x --json-schema '{"$ref": "http://127.0.0.1:9/schema"}'
refused "a schema of a file" '--json-schema: .*\$ref' generate "$dir/run" --prompt x --json-schema '{"$ref": "other.json#/a"}'
refused "a keyword that is not known here" '--json-schema: .*uniqueItems' generate "$dir/run" --prompt x --json-schema '{"type": "array", "uniqueItems": true}'
refused "a schema that nothing satisfies" '--json-schema: ' generate "$dir/run" --prompt x --json-schema '{"type": "integer", "minimum": 3, "maximum": 2}'
refused "10,000 schemas inside each other" '--json-schema: .*(deep|inside|nest)' generate "$dir/run" --prompt x --json-schema "$(printf '{"items":%.0s' $(seq 10000))true$(printf '}%.0s' $(seq 10000))"
refused "a schema that is no JSON" '--json-schema: ' generate "$dir/run" --prompt x --json-schema '{"type": "object"'

# evaluation
for i in $(seq 5); do echo "{\"question\": \"Who is number $i?\", \"said\": \"It is me, $i.\"}"; done >"$dir/scored.jsonl"
for i in $(seq 4); do echo "{\"question\": \"Age and mood of number $i as JSON?\", \"json\": {\"age\": $i, \"calm\": true, \"pets\": [1, 2.5]}}"; done >"$dir/fields.jsonl"
sed '/^evaluations/,$d' "$dir/run.yaml" >"$dir/eval.yaml"
cat >>"$dir/eval.yaml" <<Y
models: [{name: far, endpoint: http://127.0.0.1:9/v1, model: m}]
evaluations:
  - {task: choice, name: free, path: data/samples/eval/choice_en.jsonl, method: written, chat: true}
  - {task: choice, name: held, path: data/samples/eval/choice_en.jsonl, method: written, chat: true, constrain: true, rotate: true}
  - {task: judge, name: verdicts, path: $dir/scored.jsonl, field_answer: said, judges: [self], judge_max_new_tokens: 32, judge_context: 1024, constrain: true}
  - {task: match, name: fields, path: $dir/fields.jsonl, max_new_tokens: 200, temperature: 1, constrain: true}
  - {task: questionnaire, name: traits, path: data/samples/eval/questionnaire_en.jsonl, method: written, chat: true, constrain: true}
Y
ev() { "$ptrain" eval "$dir/eval.yaml" --output "$dir/$1.json" --answers "$dir/$1.answers" "${@:2}" >"$dir/out" 2>"$dir/err" </dev/null; }
ev held --task held --limit 8 && grep -q '^held, constrained (choice, 8 items)' "$dir/out" && grep -qE 'asked freely, not read: before [0-9] of 8, after [0-9] of 8$' "$dir/out" && grep -qE 'answers that name no option *0\.0 %' "$dir/out"
result "evaluation: constrained answers are all read; the table says so, and what a free sample gives"
tr -d ' \n' <"$dir/held.json" | grep -qE '"free":\{"before":\{"asked":8,"unread":[0-9]\},"after":\{"asked":8,"unread":[0-9]\}\},"constrained":true'
result "the JSON says so too"
"$ptrain" report "$dir/held.json" --format markdown >"$dir/out" 2>"$dir/err" && grep -q 'held .*constrained' "$dir/out" && grep -q 'Asked freely, a sample could not be read.* before 8 of 8' "$dir/out"
result "and the report's page"
cp "$dir/held.answers" "$dir/free.answers" && before=$(wc -l <"$dir/free.answers") && "$ptrain" eval "$dir/eval.yaml" --output "$dir/free.json" --answers "$dir/free.answers" --task free --limit 8 >"$dir/out" 2>"$dir/err" </dev/null &&
    [ "$(wc -l <"$dir/free.answers")" = "$before" ] && grep -q "^free (choice, 8 items)" "$dir/out"
result "the free sample is what the task asks without constrain: answers are known, and none of the constrained ones is taken for them"
ev traits --task traits --limit 6 && grep -q '^traits, constrained (questionnaire' "$dir/out" && grep -qE 'not read: before [0-9]+ of 6, after [0-9]+ of 6' "$dir/out" && grep -qE "^items without an answer  *0\.0 %  *0\.0 %" "$dir/out"
result "a questionnaire answered in text: numbers of the scale alone"
ev verdicts --task verdicts --limit 5 && grep -q '^verdicts, constrained (judge, 5 items)' "$dir/out" && grep -q '^self.*: 5 of 5 verdicts$' "$dir/out" && grep -qE 'not read: before [0-9] of 5' "$dir/out"
result "judges' verdicts"
ev fields --task fields && grep -q '^fields, constrained (match' "$dir/out" && grep -qE '^answers without a JSON object  *0\.0 % [^ ]*  *0\.0 %' "$dir/out" && grep -qE 'not read: before [0-9] of 4' "$dir/out"
result "objects with the fields that the rows want"
wrong() { # NAME PATTERN ENTRY
    sed '/^evaluations/,$d' "$dir/eval.yaml" >"$dir/wrong.yaml"
    printf 'evaluations:\n  - %s\n' "$3" >>"$dir/wrong.yaml"
    refused "$1" "$2" eval "$dir/wrong.yaml"
}
wrong "constrain of what reads no answers" 'wrong.yaml:[0-9]*:.*constrain goes with method: written' '{task: choice, path: data/samples/eval/choice_en.jsonl, constrain: true}'
wrong "constrain of an endpoint's answers" "wrong.yaml:[0-9]*:.*'far' is an endpoint" "{task: judge, path: $dir/scored.jsonl, field_answer: said, judges: [far], constrain: true}"
wrong "constrain of objects that no row wants" 'no row of .* has .json' '{task: match, path: data/samples/eval/text_en.jsonl, constrain: true}'
sed 's/method: written/during_training: true, method: written/' "$dir/eval.yaml" | sed "s,^output_dir: .*,output_dir: $dir/planned," >"$dir/plan.yaml"
"$ptrain" plan "$dir/plan.yaml" >"$dir/out" 2>"$dir/err" && grep -qE 'constraints of answers +6[4-9]\.[0-9] MiB' "$dir/out"
result "plan says what constraints may take"
echo "1..$n"
