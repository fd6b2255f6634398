#!/bin/bash
# Evaluations during training by several ranks: training goes its way, rank 0 decides which is the best, and what fails or stops on one rank is heard by all.
cd "$(dirname "$0")/../.." || exit 2
. tests/dist/ranks.bash
for i in $(seq 40); do echo "{\"messages\": [{\"role\": \"user\", \"content\": \"say $i\"}, {\"role\": \"assistant\", \"content\": \"yes, number $i\"}]}"; done >"$dir/rows.jsonl"
awk 'BEGIN { for (i = 0; i < 300; i++) { printf "{\"question\": \""; for (k = 0; k < 12; k++) printf "%c%c ", 97 + (i * 7 + k * k) % 26, 97 + (i + k * 3) % 26
    print "\", \"options\": [\"one " i "\", \"two\", \"three\"], \"answer\": " i % 3 "}" } }' >"$dir/many.jsonl"
cp "$dir/many.jsonl" "$dir/own0.jsonl"
cp "$dir/many.jsonl" "$dir/own1.jsonl"
cat >"$dir/run.yaml" <<END
init: random
model_config: {family: llama, hidden_size: 32, intermediate_size: 64, num_hidden_layers: 2, num_attention_heads: 2, vocab_size: 772}
tokenizer: tests/golden/data/tok_bpe
chat_template: chatml
adapter: lora
lora_target_linear: true
datasets: [{path: $dir/rows.jsonl, type: messages}]
val_set_size: 8
audit: "off"
max_steps: 12
batch_rows: 8
sequence_len: 64
learning_rate: 0.8
lr_scheduler: constant
eval_steps: 2
device: cpu
compute: f32
END
many="--evaluations=[{task: choice, name: many, path: $dir/many.jsonl, during_training: true}, {task: choice, name: drawn, path: data/samples/eval/choice_en.jsonl, method: written, temperature: 1, max_new_tokens: 8, during_training: true}]"
best=(--metric_for_best_model=many/acc --load_best_model_at_end=true)
lines() { grep -c during_seconds "$dir/$1/metrics.jsonl" 2>/dev/null; }
values() { sed -n 's/.*"step": \([0-9]*\),.*"eval_many\/acc": \([0-9.]*\).*/\1 \2/p' "$dir/$1/metrics.jsonl"; }
ranks 2 plain && ranks 2 with "$many" && [ "$(lines with)" -eq 6 ] && same_bits plain with && [ ! -s "$dir/err1" ]
result "2 ranks: weights and losses are those of a run without evaluations, to the bit"
ranks 2 two "$many" "${best[@]}" && cp "$dir/out0" "$dir/said" && ranks 1 one "$many" "${best[@]}" && off=$(paste -d' ' <(values one) <(values two) | awk '{ d = $2 - $4; if (d < 0) d = -d; if (d > most) most = d } END { print NR, most + 0 }') &&
    [ "${off% *}" = 6 ] && awk -v d="${off#* }" 'BEGIN { exit d > 0.02 }'
result "the numbers of one rank, but for near ties (most apart: ${off#* } of 1 over 6 evaluations of 300 questions)"
at=$(sed -n 's/^best: many\/acc .* at step \([0-9]*\), which is the result/\1/p' "$dir/said")
[ "$at" = "$(values two | sort -k2,2gr -k1,1g | head -n 1 | cut -d' ' -f1)" ] && cmp -s "$dir/two/adapter_model.safetensors" "$dir/two/checkpoint-$at/adapter_model.safetensors"
result "the best of two ranks (step $at) is the result"

# speakers in memory: all ranks compute, rank 0 alone decides what is said next
printf '{"topic": "fog"}\n{"topic": "oil"}\n{"topic": "tar"}\n' >"$dir/scenes.jsonl"
printf 'mode: pairwise\n---\nOne: {answer_a}\nTwo: {answer_b}\nWhich? {verdict}: A, B or TIE\n' >"$dir/which.txt"
speak="--evaluations=[{task: dialogue, name: talk, path: $dir/scenes.jsonl, turns: 5, context: 128, max_new_tokens: 6, during_training: true, speakers: [{name: Ann, script: 'Of {topic}.', model: self}, {name: Bo, model: base}, {name: Cy, model: other}, {name: Di, model: apart}]},
    {task: statements, name: behind, path: data/samples/eval/statements, limit: 12, after: talk, during_training: true}, {task: judge, name: pair, of: talk, judges: [base], judge_max_new_tokens: 4, judge_context: 400, template: $dir/which.txt, during_training: true}]"
list="--models=[{name: other, adapter: $dir/one}, {name: apart, path: $dir/one}]"
ranks 2 spoken "$speak" "$list" && [ "$(lines spoken)" -eq 6 ] && same_bits plain spoken && [ ! -s "$dir/err1" ] && grep -q "^beside    apart [0-9.]* MiB, 1 adapter of the base" "$dir/out0" && ranks 1 spoken1 "$speak" "$list"
result "2 ranks with speakers in memory: weights and losses are those of a run without evaluations, to the bit"
numbers() { grep during_seconds "$dir/$1/metrics.jsonl" | sed 's/"during_seconds": [^,]*,//' | tr -d ' {}' | tr ',' '\n' | grep eval_; }
off=$(paste -d: <(numbers spoken) <(numbers spoken1) | awk -F: '{ n++; d = $2 - $4; if ($1 != $3 || ($2 == "null") != ($4 == "null") || d > 0.02 || d < -0.02) off++ } END { print n + 0, off + 0 }')
[ "${off#* }" = 0 ] && [ "${off% *}" -ge 90 ]
result "dialogues, what comes after them and both sides are those of one rank (numbers, different ones: $off)"
echo "{\"statement\": \"$(printf 'so it is %.0s' $(seq 300))\", \"answer_matching_behavior\": \" Yes\", \"answer_not_matching_behavior\": \" No\"}" >"$dir/long.jsonl"
ranks 2 short "${speak/data\/samples\/eval\/statements/$dir\/long.jsonl}" "$list" --metric_for_best_model=talk/turns --early_stopping_patience=2 && [ "$(lines short)" -eq 2 ] && grep -q "the evaluations failed and count as no number: .*behind a transcript a question has" "$dir/err0" &&
    grep -q "^ended early" "$dir/out0"
result "what fails on rank 0 while the others serve it ends nothing, and is said"

# a file that one rank alone misses: all of them hear of it, and go on
own="--evaluations=[{task: choice, name: own, path: '\${OWN}', during_training: true}]"
env_of_0="OWN=$dir/own0.jsonl" env_of_1="OWN=$dir/own1.jsonl"
start 2 lost "$own" --max_steps=100000 --learning_rate=1e-4 --metric_for_best_model=own/acc --early_stopping_patience=3
for _ in $(seq 600); do [ "$(lines lost)" != "" ] && [ "$(lines lost)" -ge 1 ] && break; sleep 0.05; done
rm "$dir/own1.jsonl"
finish
[ "$codes" = "0,0," ] && grep -q "the evaluations failed and count as no number: another rank says why" "$dir/err0" && grep -q "^ended early" "$dir/out0"
result "an evaluation that fails on rank 1 fails on all, is said, and ends by patience"
env_of_0="" env_of_1=""

# a stop that one rank hears
start 2 halt "$many" "${best[@]}" --max_steps=4000 --learning_rate=1e-3
for _ in $(seq 600); do [ "$(lines halt)" != "" ] && [ "$(lines halt)" -ge 2 ] && break; sleep 0.05; done
kill -TERM "${pids[1]}"
finish
stopped=$codes

ranks 2 halt "$many" "${best[@]}" --max_steps=4000 --learning_rate=1e-3 --resume_from_checkpoint=auto --early_stopping_patience=3
[ "$(echo "$stopped" | tr -cd ',' | wc -c)" -eq 2 ] && [[ $stopped != *0,* ]] && grep -q "^best: many/acc" "$dir/out0" && [ "$(values halt | cut -d' ' -f1 | uniq -d)" = "" ]
result "a signal to rank 1 stops both ($stopped) wherever they are; they go on, and every evaluation stands once"
echo "1..$n"
