#!/bin/bash
# Speakers and judges in memory during training: the model itself, its base, adapters in slots beside it, other models; dialogues and what comes after them; both sides
# compared. Training goes its way, the numbers are those of ptrain eval, a killed run has the same best.
cd "$(dirname "$0")/../.." || exit 2
ptrain=${PTRAIN:-build/ptrain}
export OMP_WAIT_POLICY=passive OMP_NUM_THREADS=1
dir=$(mktemp -d)
. tests/stub/stub.bash
trap 'stub_end; kill -9 $pid 2>/dev/null; rm -rf "$dir"' EXIT
n=0
result() { # NAME, by the exit code before it
    local ok=$?
    n=$((n + 1))
    if [ $ok -eq 0 ]; then echo "ok $n - $1"; else tail -n 5 "$dir/err" | sed 's/^/# /'; echo "not ok $n - $1"; fi
}
for i in $(seq 12); do echo "{\"messages\": [{\"role\": \"user\", \"content\": \"say $i\"}, {\"role\": \"assistant\", \"content\": \"yes, number $i\"}]}"; done >"$dir/rows.jsonl"
for i in $(seq 6); do echo "{\"prompt\": \"say $i\", \"chosen\": \"yes, number $i\", \"rejected\": \"no\"}"; done >"$dir/pairs.jsonl"
for i in $(seq 8); do echo "{\"topic\": \"fog $i\"}"; done >"$dir/scenes.jsonl"
for i in $(seq 6); do echo "{\"question\": \"say $i\"}"; done >"$dir/asked.jsonl"
common() { # NAME KEYS...: a config
    cat >"$dir/$1.yaml" <<Y
chat_template: chatml
output_dir: $dir/$1
batch_rows: 4
sequence_len: 64
audit: "off"
device: cpu
compute: f32
Y
    printf '%s\n' "${@:2}" >>"$dir/$1.yaml"
}
go() { # CONFIG OUT ARGS...
    local config=$1 out=$2
    shift 2
    "$ptrain" "$dir/$config.yaml" --output_dir="$dir/$out" "$@" >"$dir/out" 2>"$dir/err" </dev/null
}
made() { common "$@" "max_steps: 2" && go "$1" "$1" || { tail -n 3 "$dir/err"; exit 1; }; }
sft="datasets: [{path: $dir/rows.jsonl, type: messages}]"
lora=("base_model: $dir/base" "adapter: lora" "learning_rate: 0.2")
made base "tokenizer: tests/golden/data/tok_bpe" "init: random" "model_config: {family: llama, hidden_size: 32, intermediate_size: 64, num_hidden_layers: 2, num_attention_heads: 2, vocab_size: 772}" "$sft" "learning_rate: 0.001"
made two "${lora[@]}" "$sft" "lora_r: 7" "lora_target_linear: true"
made rm "${lora[@]}" "objective: reward" "datasets: [{path: $dir/pairs.jsonl, type: preference}]" "lora_r: 4" "lora_target_linear: true"

# which of two answers is the better one is read from how the first begins, where it has a letter or a digit
for c in a b c d e f g h i j k l m n o 0 1 2 3 4; do echo "$c A"; done >"$dir/gold"
for c in p q r s t u v w x y z 5 6 7 8 9; do echo "$c B"; done >>"$dir/gold"
printf 'mode: pairwise\n---\nOne: {answer_a}\nTwo: {answer_b}\nWhich? {verdict}: A, B or TIE\n' >"$dir/which.txt"
stub_start picks --mode gold --gold "$dir/gold" --item $'One: <<<[0-9a-f]*\n[^a-z0-9]*([a-z0-9])' --marker 'VERDICT ([0-9a-f]{8}):' --verdict 'VERDICT {marker}: {score}'
models="models:
  - {name: other, adapter: $dir/two}
  - {name: apart, path: $dir/base, adapter: $dir/two}
  - {name: taste, path: $dir/base, adapter: $dir/rm}
  - {name: picks, endpoint: \"http://127.0.0.1:$port/v1\", model: stub, wait_scale: 0.01}"
tasks="evaluations:
  - task: dialogue
    name: talk
    path: $dir/scenes.jsonl
    turns: 5
    max_new_tokens: 8
    context: 128
    during_training: true
    speakers: [{name: Ann, script: \"Of {topic}.\", model: self, system: You are Ann.}, {name: Bo, model: other, temperature: 1}, {name: Cy, model: base}, {name: Di, model: apart}]
  - {task: statements, name: behind, path: data/samples/eval/statements, limit: 4, after: talk, as: Ann, during_training: true}
  - {task: choice, name: written, path: data/samples/eval/choice_en.jsonl, limit: 2, method: written, max_new_tokens: 4, after: talk, during_training: true}
  - {task: judge, name: mine, path: $dir/asked.jsonl, limit: 2, judges: [self, base], max_new_tokens: 6, judge_max_new_tokens: 4, judge_context: 400, during_training: true}
  - {task: best_of, name: best, path: $dir/asked.jsonl, repeats: 3, temperature: 1, max_new_tokens: 6, scorer: taste, context: 128, during_training: true}"
sides="  - {task: judge, name: which, path: $dir/asked.jsonl, judges: [picks], template: $dir/which.txt, max_new_tokens: 6, during_training: true}
  - task: dialogue
    name: chat
    path: $dir/scenes.jsonl
    turns: 2
    max_new_tokens: 6
    context: 128
    during_training: true
    speakers: [{name: Ann, script: \"Of {topic}.\", model: base}, {name: Bo, model: self}]
  - {task: judge, name: whose, of: chat, judges: [picks], template: $dir/which.txt, during_training: true}"
narrow=("${lora[@]}" "$sft" "lora_r: 4" "lora_target_modules: [q_proj]" "val_set_size: 4" "max_steps: 6" "eval_steps: 2" "save_steps: 6")
full=("base_model: $dir/base" "adapter: none" "learning_rate: 0.01" "$sft" "val_set_size: 4" "max_steps: 4" "eval_steps: 2" "save_steps: 4")
common plain "${narrow[@]}"
common with "${narrow[@]}" "$models" "$tasks" "$sides"
common whole "${full[@]}"
common wide "${full[@]}" "$models" "$tasks" "$sides"
same() { cmp -s "$dir/$1" "$dir/$2"; } # FILE FILE
last() { grep '"during_seconds"' "$dir/$1/metrics.jsonl" | tail -n 1 | tr -d ' ' | tr ',{}' '\n\n\n' | sed -n 's/^"eval_\([^"]*\/[^"]*\)":/\1 /p' | sort; } # OUT: "NAME/METRIC VALUE" lines
after() { # EVAL.json: likewise, of the tuned side, over all items
    tr -d ' \n' <"$1" | awk 'BEGIN { RS = "{\"" } /^name":"[^"]*","task"/ { split($0, p, "\""); task = p[3] } /^metric":/ { split($0, p, "\""); metric = p[3]; all = $0 ~ /"scope":null/ }
        /^value":/ { split($0, p, /[:,]/); if (side == 2 && all) print task "/" metric " " p[2] } { side = $0 ~ /"after":$/ ? 2 : 1 }' | sort
}
agree() { # OUT: the last step's numbers and those of ptrain eval: how many, and how many differ
    "$ptrain" eval "$dir/$1" --output "$dir/$1.json" --answers "$dir/$1.answers" >"$dir/out" 2>"$dir/err" </dev/null || return 1
    join <(last "$1") <(after "$dir/$1.json") | grep -v "^best/" >"$dir/both" # what is drawn is keyed by who answers, and that is a step here and an adapter there
    awk '{ d = $2 - $3; if ($2 != "null" && (d > 1e-8 || d < -1e-8)) { off++; print > "/dev/stderr" } } END { print NR + 0, off + 0 }' "$dir/both" 2>>"$dir/err"
}

go plain plain && go with with && same plain/adapter_model.safetensors with/adapter_model.safetensors && same plain/checkpoint-6/state.bin with/checkpoint-6/state.bin
result "an adapter in training: weights and moments are those of a run without evaluations, to the bit"
grep -q "^beside    apart [0-9.]* MiB, taste [0-9.]* MiB, 1 adapter of the base, in slots of the model" "$dir/out" && grep -q "^  models beside  *[0-9.]* MiB" "$dir/out"
result "the plan says what stands beside the model"
common few "${narrow[@]}" "evaluations: [{task: dialogue, name: talk, path: $dir/scenes.jsonl, limit: 3, context: 2048, during_training: true, speakers: [{name: Ann, script: Hm}, {name: Bo, model: self}, {name: Cy, model: base}]}]"
"$ptrain" plan "$dir/few.yaml" >"$dir/out" 2>"$dir/err" && grep -q "at once, 3 texts of 2049 positions" "$dir/out"
result "room for the three conversations that there are, and no more"
counts=$(agree with)
[ "${counts#* }" = 0 ] && [ "${counts% *}" -ge 30 ] && grep -q "^which/win_rate 0\.[0-9]* " "$dir/both" && last with | grep -q "^best/score_mean -*[0-9]" && grep -q "^behind/acc " "$dir/both" && grep -q "^whose/win_rate " "$dir/both"
result "the last step's numbers are those of ptrain eval afterwards (numbers, different ones: $counts)"
asked=$(wc -l <"$dir/picks.log")
kept=$(wc -l <"$dir/with/eval_answers.jsonl")
"$ptrain" eval "$dir/with" >"$dir/out" 2>"$dir/err" </dev/null && [ "$(wc -l <"$dir/picks.log")" -eq "$asked" ] && [ "$kept" -gt 0 ]
result "what others answered is kept in the run's folder ($kept), and nobody is asked again"

go whole whole && go wide wide && same whole/model.safetensors wide/model.safetensors && same whole/checkpoint-4/state.bin wide/checkpoint-4/state.bin && grep -q "^beside    the base [0-9.]* MiB, apart [0-9.]* MiB, taste" "$dir/out"
result "full tuning: the same, with the base and its adapter beside it"
counts=$(agree wide)
[ "${counts#* }" = 0 ] && [ "${counts% *}" -ge 30 ]
result "and the numbers of ptrain eval (numbers, different ones: $counts)"

# killed: the same best, lines and files
numbers() { sed 's/"tokens_per_second.*//; s/"during_seconds": [^,]*,//; s/, "eval_seconds.*//' "$dir/$1/metrics.jsonl"; }
best=(--metric_for_best_model=best/score_mean --load_best_model_at_end=true)
go with sure "${best[@]}"
at=$(sed -n 's/^best: best\/score_mean .* at step \([0-9]*\), .*/\1/p' "$dir/out")
kills=0
for lines in 3 9; do
    "$ptrain" "$dir/with.yaml" --output_dir="$dir/cut" "${best[@]}" --resume_from_checkpoint=auto >"$dir/out" 2>"$dir/err" </dev/null &
    pid=$!
    while [ "$(cat "$dir/cut/metrics.jsonl" 2>/dev/null | wc -l)" -lt $lines ] && kill -0 $pid 2>/dev/null; do sleep 0.002; done
    kill -9 $pid 2>/dev/null && kills=$((kills + 1))
    wait $pid 2>/dev/null
done
pid=
go with cut "${best[@]}" --resume_from_checkpoint=auto && [ $kills -ge 1 ] && [ -n "$at" ] && grep -q "at step $at, which is the result" "$dir/out" && cmp -s <(numbers sure) <(numbers cut) && same sure/adapter_model.safetensors cut/adapter_model.safetensors
result "killed $kills times and resumed: the same best (step $at), lines and result"

bad() { # NAME TEXT CONFIG ARGS...: refused with exit 2 before step 1
    local name=$1 text=$2
    shift 2
    rm -rf "$dir/no"
    go "$1" no "${@:2}"
    [ $? -eq 2 ] && grep -q -- "$text" "$dir/err" && [ ! -e "$dir/no/metrics.jsonl" ]
    result "$name"
}
sed 's/model: other/model: nobody/' "$dir/with.yaml" >"$dir/b1.yaml"
bad "a speaker that there is not" "during_training: .*b1.yaml:[0-9]*:5: talk names a model 'nobody', and .models. has none of that name; there are: self, base, other, apart, taste, picks" b1
sed "s|adapter: $dir/two}|adapter: $dir/rows.jsonl}|" "$dir/with.yaml" >"$dir/b2.yaml"
bad "an adapter that is none" "b2.yaml:[0-9:]*: the model other: .*rows.jsonl holds no adapter" b2
sed 's/name: chat,*/name: chatter/' "$dir/with.yaml" >"$dir/b3.yaml"
bad "a dialogue that is not measured during training" "b3.yaml:[0-9:]*: during_training: whose: it is about 'chat', which is not measured during training: say during_training: true there too" b3
sed "s|, judges: .picks., template: [^,]*, during|, judges: [picks], template: pair, during|" "$dir/with.yaml" >"$dir/b4.yaml"
bad "a judge's template that wants what no scene has" "during_training: .*{question}" b4
bad "full tuning from random weights has no base" "the run begins with random weights: there is no base to speak to" wide --reinit_weights=true
echo "1..$n"
