#!/usr/bin/env bash
# `models` and the task dialogue: the measured model, its base, adapters of it and another model talk; what comes after transcripts; kills, seeds, bad input.
# shellcheck source=tests/cli/lib.bash
. "$(dirname "$0")/lib.bash"
. tests/stub/stub.bash
trap 'stub_end; kill -9 $pid 2>/dev/null; rm -rf "$dir"' EXIT
for i in $(seq 12); do echo "{\"messages\": [{\"role\": \"user\", \"content\": \"say $i\"}, {\"role\": \"assistant\", \"content\": \"yes, number $i\"}]}"; done >"$dir/rows.jsonl"
for i in $(seq 8); do echo "{\"topic\": \"harbour $i\", \"group\": \"$([ "$i" -le 4 ] && echo day || echo night)\"}"; done >"$dir/scenes.jsonl"
job() { # NAME KEYS...: a run of the small model
    cat >"$dir/$1.yaml" <<Y
chat_template: chatml
datasets: [{path: $dir/rows.jsonl, type: messages}]
output_dir: $dir/$1
max_steps: 2
batch_rows: 8
sequence_len: 64
device: cpu
compute: f32
Y
    printf '%s\n' "${@:2}" >>"$dir/$1.yaml"
    "$ptrain" "$dir/$1.yaml" >"$dir/out" 2>"$dir/err" || { tail -n 3 "$dir/err"; exit 1; }
}
job base "tokenizer: tests/golden/data/tok_bpe" "init: random" "model_config: {family: llama, hidden_size: 32, intermediate_size: 64, num_hidden_layers: 2, num_attention_heads: 2, vocab_size: 772}" "learning_rate: 0.02"
job one "base_model: $dir/base" "adapter: lora" "lora_r: 4" "lora_target_linear: true" "learning_rate: 0.1"
job two "base_model: $dir/base" "adapter: lora" "lora_r: 3" "lora_target_linear: true" "learning_rate: 0.2"
# talk NAME MORE-KEYS: a config of one dialogue
talk() {
    cat >"$dir/$1.yaml" <<Y
base_model: $dir/base
chat_template: chatml
device: cpu
compute: f32
output_dir: $dir/none
models:
  - {name: other, adapter: $dir/two}
  - {name: apart, path: $dir/base, adapter: $dir/two}
  - name: idle
    path: $dir/nowhere
evaluations:
  - task: dialogue
    name: talk
    path: $dir/scenes.jsonl
    turns: 5
    max_new_tokens: 8
    context: 256
    $2
    speakers:
      - {name: Ann, script: "Of {topic}.", model: self, system: "You are Ann."}
      - {name: Bo, model: other, system: "You are Bo."}
      - {name: Cy, model: $3}
Y
}
# ev NAME CONFIG-OR-RUN MORE...: into NAME.json, answers NAME.answers
ev() {
    local name=$1
    shift
    "$ptrain" eval "$@" --output "$dir/$name.json" --answers "$dir/$name.answers" >"$dir/out" 2>"$dir/err" </dev/null
}
said() { tr -d '\n' <"$1" | sed 's/"model": "[^"]*", //g'; }

talk slots "dump: $dir/slots.jsonl" base
ev slots "$dir/slots.yaml" "$dir/one" && [ "$(grep -c '"side": "before"' "$dir/slots.jsonl")" -eq 8 ] && [ "$(grep -c '"side": "after"' "$dir/slots.jsonl")" -eq 8 ] &&
    grep -q '^talk (dialogue, 8 items)' "$dir/out" && grep -q '^Ann  *[0-9]' "$dir/out" && grep -q '"turns": \[{"speaker": "Ann", "text": "Of harbour 1."}' "$dir/slots.jsonl" && ! grep -q "beside what is measured" "$dir/err"
result "a run, an adapter in a slot and the base speak from one model; both sides have their transcripts"
! cmp -s <(grep '"before"' "$dir/slots.jsonl" | sed 's/"before"//') <(grep '"after"' "$dir/slots.jsonl" | sed 's/"after"//') && tr -d ' \n' <"$dir/slots.json" | grep -q '"talks":\[{"side":"before","name":"day,scene1","turns":\[{"who":"Ann","text":"Ofharbour1."}'
result "what is measured says something else on each side; eval.json has the talks"
[ "$(tr -d ' \n' <"$dir/slots.json" | grep -o '"voices":\[[^]]*' | grep -o '{[^}]*}' | sort)" = '{"name":"base","side":"after","requests":8}
{"name":"base","side":"before","requests":8}
{"name":"other","side":"after","requests":16}
{"name":"other","side":"before","requests":16}
{"name":"self","side":"after","requests":8}
{"name":"self","side":"before","requests":8}' ]
result "what each that speaks was asked stands by side"
talk beside "dump: $dir/beside.jsonl" base
sed -i 's/model: other/model: apart/' "$dir/beside.yaml"
ev beside "$dir/beside.yaml" "$dir/one" && grep -q "^note: apart, beside what is measured: .*, [0-9.]* MiB (weights [0-9.]*)" "$dir/err" && cmp -s <(said "$dir/slots.jsonl") <(said "$dir/beside.jsonl")
result "the same adapter on a model of its own, opened beside: the same words, and its memory is said"
ev again "$dir/slots.yaml" "$dir/one" && cp "$dir/again.json" "$dir/first.json" && ev again "$dir/slots.yaml" "$dir/one" &&
    grep -q '^note: \([0-9]*\) questions to the model, \1 of them answered before' "$dir/err" && cmp -s "$dir/again.json" "$dir/first.json"
result "asked again, nobody is asked"

talk drawn "temperature: 1.0
    repeats: 3
    dump: $dir/drawn.jsonl" self
ev drawn "$dir/drawn.yaml" && cp "$dir/drawn.jsonl" "$dir/drawn1.jsonl" && rm "$dir/drawn.answers" && ev drawn "$dir/drawn.yaml" && cmp -s "$dir/drawn.jsonl" "$dir/drawn1.jsonl" && [ "$(wc -l <"$dir/drawn.jsonl")" -eq 24 ]
result "sampled: the same by seed"
rm -f "$dir/drawn.answers"
ev drawn "$dir/drawn.yaml" --limit 2 && [ "$(wc -l <"$dir/drawn.jsonl")" -eq 6 ] && [ -z "$(grep -Fvxf "$dir/drawn1.jsonl" "$dir/drawn.jsonl")" ]
result "two scenes alone: word for word what they are among others"
rm -f "$dir/drawn.answers"
sed 's/temperature: 1.0/temperature: 1.0\n    seed: 7/' "$dir/drawn.yaml" >"$dir/other.yaml"
ev drawn "$dir/other.yaml" && ! cmp -s "$dir/drawn.jsonl" "$dir/drawn1.jsonl"
result "another seed says something else"

# killed in the middle: what was answered stands
kills=0
cp "$dir/drawn1.jsonl" "$dir/whole.jsonl"
rm -f "$dir/cut.answers"
for lines in 20 60; do
    "$ptrain" eval "$dir/drawn.yaml" --output "$dir/cut.json" --answers "$dir/cut.answers" >"$dir/out" 2>"$dir/err" </dev/null &
    pid=$!
    while [ "$(cat "$dir/cut.answers" 2>/dev/null | wc -l)" -lt $lines ] && kill -0 $pid 2>/dev/null; do sleep 0.002; done
    kill -9 $pid 2>/dev/null && kills=$((kills + 1))
    wait $pid 2>/dev/null
    cp "$dir/cut.answers" "$dir/kept.$lines"
done
ev cut "$dir/drawn.yaml" && cmp -s "$dir/drawn.jsonl" "$dir/whole.jsonl" && [ $kills -ge 1 ] && cmp -s "$dir/kept.60" <(head -n "$(wc -l <"$dir/kept.60")" "$dir/cut.answers") &&
    [ "$(cut -d'"' -f4 "$dir/cut.answers" | sort | uniq -d | wc -l)" -eq 0 ]
result "killed and begun again ($kills times): kept answers stay as they were, nothing is asked twice, the same transcripts"

# behind transcripts
cat "$dir/slots.yaml" - >"$dir/behind.yaml" <<Y
  - {task: statements, name: plain, path: data/samples/eval/statements, limit: 4, after: talk, as: Ann, at: begin}
  - {task: statements, name: behind, path: data/samples/eval/statements, limit: 4, after: talk, as: Ann}
  - {task: questionnaire, name: sheet, path: data/samples/eval/questionnaire_en.jsonl, limit: 3}
  - {task: questionnaire, name: sheet2, path: data/samples/eval/questionnaire_en.jsonl, limit: 3, after: talk}
  - {task: choice, name: written, path: data/samples/eval/choice_en.jsonl, limit: 2, method: written, after: talk, max_new_tokens: 4}
Y
rows_of() { tr -d ' \n' <"$dir/behind.json" | sed "s/.*{\"name\":\"$1\"//; s/\"confusion\".*//"; }
ev behind "$dir/behind.yaml" "$dir/one" && grep -q '^plain (statements, 4 items)' "$dir/out" && grep -q '^behind (statements, 4 items)' "$dir/out" && grep -q '^sheet2 (questionnaire' "$dir/out" &&
    grep -q '^written (choice, 2 items)' "$dir/out" && [ -n "$(rows_of plain)" ] && [ "$(rows_of plain)" != "$(rows_of behind)" ]
result "statements, a questionnaire and a choice behind every transcript, beside the same without"
ev few "$dir/behind.yaml" "$dir/one" --task behind && grep -q '^talk (dialogue' "$dir/out" && ! grep -q '^sheet' "$dir/out"
result "one task alone brings the dialogue that it comes after"

# a speaker at an endpoint
stub_start far --mode echo
stub_start down --faults 400
far() { # NAME PORT: a config of a dialogue with it
    cat >"$dir/$1.yaml" <<Y
base_model: $dir/base
chat_template: chatml
device: cpu
compute: f32
output_dir: $dir/none
models: [{name: far, endpoint: "http://127.0.0.1:$2/v1", model: stub, wait_scale: 0.01}]
evaluations: [{task: dialogue, name: talk, path: $dir/scenes.jsonl, turns: 3, max_new_tokens: 8, context: 256, dump: $dir/$1.jsonl, speakers: [{name: Ann, script: "Of {topic}.", model: self}, {name: Bo, model: far}]}]
Y
}
far far "$(cat "$dir/far.port")"
ev far "$dir/far.yaml" && grep -q '"turns": \[{"speaker": "Ann", "text": "Of harbour 8."}, {"speaker": "Bo", "text": "Of harbour 8."}, {"speaker": "Ann"' "$dir/far.jsonl" && [ "$(wc -l <"$dir/far.log")" -eq 8 ] &&
    tr -d ' \n' <"$dir/far.json" | grep -q '"voices":\[.*{"name":"far","side":"after","requests":8,.*"answers":8,"kept":0,' && ev far "$dir/far.yaml" && [ "$(wc -l <"$dir/far.log")" -eq 8 ] &&
    tr -d ' \n' <"$dir/far.json" | grep -q '"voices":\[.*{"name":"far","side":"after","requests":0,.*"answers":0,"kept":8,'
result "a speaker at an endpoint; asked again, nothing is sent"
far down "$(cat "$dir/down.port")"
ev down "$dir/down.yaml" && grep -q '^failed  *100' "$dir/out" && [ "$(grep -c '"ended_by": "failure", "failure": "[^"]*400' "$dir/down.jsonl")" -eq 8 ]
result "an endpoint that refuses ends its dialogues by name, and nothing else"

bad() { # NAME CONFIG TEXT: refused with exit 2 and the text
    ev bad "$2" "${@:4}"
    [ $? -eq 2 ] && grep -q -- "$3" "$dir/err"
    result "$1"
}
sed 's/model: other/model: nobody/' "$dir/slots.yaml" >"$dir/b1.yaml"
bad "a speaker of a model that is not there is named with those that are" "$dir/b1.yaml" "b1.yaml:[0-9]*:5: talk names a model 'nobody', and .models. has none of that name; there are: self, base, other, apart, idle"
sed 's/model: other/model: idle/' "$dir/slots.yaml" >"$dir/b2.yaml"
bad "a model whose path is not there is named by its line, before anything is loaded" "$dir/b2.yaml" "b2.yaml:[0-9]*:5: the model idle: $dir/nowhere is neither a file nor a folder"
sed "s|adapter: $dir/two|adapter: $dir/rows.jsonl|" "$dir/slots.yaml" >"$dir/b3.yaml"
bad "an adapter that is none" "$dir/b3.yaml" "b3.yaml:[0-9]*:[0-9]*: the model other: .*rows.jsonl holds no adapter"
sed 's/name: other,/name: self,/' "$dir/slots.yaml" >"$dir/b4.yaml"
bad "a name that stands for something else" "$dir/b4.yaml" "b4.yaml:[0-9]*:5: self names what is measured without an entry"
sed 's/name: apart/name: other/' "$dir/slots.yaml" >"$dir/b5.yaml"
bad "two models of one name" "$dir/b5.yaml" "two models are called other"
sed 's/{name: other, adapter/{name: other, adaptor/' "$dir/slots.yaml" >"$dir/b6.yaml"
bad "a model's unknown key" "$dir/b6.yaml" "b6.yaml:[0-9]*:[0-9]*: .*does not know adaptor"
sed 's/context: 256/context: 32/' "$dir/slots.yaml" >"$dir/long.yaml"
ev long "$dir/long.yaml" "$dir/one" && grep -q '^failed  *100' "$dir/out" && grep -q 'ended by failure: the conversation has [0-9]* tokens without its answer, and 33 are planned for' "$dir/long.json"
result "a conversation longer than was planned for fails by name, and ends nothing"
ev named "$dir/slots.yaml" && grep -q ', f32", "ask"' "$dir/named.answers" && ! grep -q ', bf16", "ask"' "$dir/named.answers"
result "a config's compute type holds where it stands for its base"
echo "1..$n"
