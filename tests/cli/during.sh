#!/bin/bash
# Evaluations during training, and the best model: training goes its way whether it is measured or not; the best, ties, failures, patience; kills and stops.
# shellcheck source=tests/cli/lib.bash
. "$(dirname "$0")/lib.bash"
export OMP_WAIT_POLICY=passive
trap 'kill -9 $pid 2>/dev/null; rm -rf "$dir"' EXIT
for i in $(seq 40); do echo "{\"messages\": [{\"role\": \"user\", \"content\": \"say $i\"}, {\"role\": \"assistant\", \"content\": \"yes, number $i\"}]}"; done >"$dir/rows.jsonl"
for i in $(seq 24); do echo "{\"prompt\": \"say $i\", \"chosen\": \"yes, number $i\", \"rejected\": \"no, never $i\"}"; done >"$dir/pairs.jsonl"
cp data/samples/eval/choice_en.jsonl "$dir/choice.jsonl"
cat >"$dir/plain.yaml" <<Y
init: random
model_config: {family: llama, hidden_size: 32, intermediate_size: 64, num_hidden_layers: 2, num_attention_heads: 2, vocab_size: 772}
tokenizer: tests/golden/data/tok_bpe
chat_template: chatml
adapter: lora
lora_r: 4
lora_dropout: 0.1
lora_target_linear: true
datasets: [{path: $dir/rows.jsonl, type: messages}]
dataset_prepared_path: $dir/packs
val_set_size: 8
audit: "off"
max_steps: 20
batch_rows: 8
sequence_len: 64
learning_rate: 0.05
eval_steps: 4
device: cpu
compute: f32
Y
cat "$dir/plain.yaml" - >"$dir/with.yaml" <<Y
evaluations:
  - {task: choice, name: who, path: $dir/choice.jsonl, mutual_info: true, during_training: true}
  - {task: choice, name: drawn, path: $dir/choice.jsonl, method: written, temperature: 1, repeats: 2, max_new_tokens: 12, during_training: true}
  - {task: statements, name: traits, path: data/samples/eval/statements, during_training: true}
  - {task: questionnaire, name: sheet, path: data/samples/eval/questionnaire_en.jsonl, during_training: true}
  - {task: statements, name: later, path: data/samples/eval/statements}
Y
go() { # CONFIG OUT ARGS...
    local config=$1 out=$2
    shift 2
    "$ptrain" "$dir/$config.yaml" --output_dir="$dir/$out" "$@" >"$dir/out" 2>"$dir/err" </dev/null
}
file() { [ "$1" = full ] && echo model.safetensors || echo adapter_model.safetensors; }
same() { cmp -s "$dir/$1" "$dir/$2"; } # FILE FILE
steps_of() { grep "$2" "$dir/$1/metrics.jsonl" | sed 's/.*"step": \([0-9]*\).*/\1/' | tr '\n' ' '; } # OUT PATTERN
value() { grep '"during_seconds"' "$dir/$1/metrics.jsonl" | sed -n "s|.*\"step\": $2,.*\"eval_$3\": \([^,}]*\).*|\1|p"; } # OUT STEP NAME
checkpoints() { (cd "$dir/$1" && ls -d checkpoint-* 2>/dev/null | sort -V | tr '\n' ' '); }

# ---- training goes its way
for kind in lora full dpo; do
    args=(--save_steps=20)
    [ $kind = full ] && args+=(--adapter=none --learning_rate=0.002)
    [ $kind = dpo ] && args+=(--objective=dpo "--datasets=[{path: $dir/pairs.jsonl, type: preference}]" --val_set_size=4)
    go plain plain_$kind "${args[@]}" && go with with_$kind "${args[@]}" && same plain_$kind/$(file $kind) with_$kind/$(file $kind) &&
        same plain_$kind/checkpoint-20/state.bin with_$kind/checkpoint-20/state.bin &&
        cmp -s <(grep -o '"loss": [^,]*, "grad_norm": [^,]*\|"eval_loss": [^,]*' "$dir/plain_$kind/metrics.jsonl") <(grep -o '"loss": [^,]*, "grad_norm": [^,]*\|"eval_loss": [^,]*' "$dir/with_$kind/metrics.jsonl")
    result "$kind: weights, moments, losses and gradients are those of a run without evaluations, to the bit"
done
steps=$(steps_of with_lora '"during_seconds"')
[ "$steps" = "4 8 12 16 20 " ] && [ -n "$(value with_lora 8 who/acc)" ] && [ -n "$(value with_lora 8 drawn/acc)" ] && [ -n "$(value with_lora 8 traits/acc)" ] && ! grep -q eval_later "$dir/with_lora/metrics.jsonl" &&
    grep -q '"eval_sheet/[^"]*": [0-9]' "$dir/with_lora/metrics.jsonl" && grep -aq "eval/who/acc" "$dir"/with_lora/runs/events*
result "metrics.jsonl and TensorBoard have eval_NAME/METRIC at eval_steps ($steps), of the marked evaluations alone"
go with with_lora --save_steps=20 && grep -q "^evaluations at step 4:  who/acc [0-9.]*  " "$dir/out" && grep -q "^measured  4 evaluations during training: at most [0-9]* tokens at once, 16 texts" "$dir/out" && grep -q "  kv cache " "$dir/out"
result "the live line has them, the plan what they take"
grep -q "eval_who/acc<" "$dir/with_lora/report.html" && grep -q "eval_traits/acc<" "$dir/with_lora/report.html" && ! grep -q "during_seconds" "$dir/with_lora/report.html"
result "the report draws them over the steps"
"$ptrain" eval "$dir/with_lora" --output "$dir/after.json" --answers "$dir/a.jsonl" >"$dir/out" 2>"$dir/err"
later=$(tr -d ' \n' <"$dir/after.json" | sed 's/.*"name":"who"//; s/"metric":"gold_probability".*"metric":"brier".*//; s/.*"metric":"acc_mutual_info","scope":null,"before":{[^}]*},"after":{"value":\([0-9.]*\),.*/\1/; s/,.*//')
now=$(value with_lora 20 who/acc_mutual_info)
[ -n "$now" ] && awk -v a="$now" -v b="$later" 'BEGIN { exit !(a - b < 1e-9 && b - a < 1e-9) }'
result "the last step's value ($now) is that of ptrain eval afterwards ($later)"

# ---- what is asked for is there
go with no --metric_for_best_model=who/akk
[ $? -eq 2 ] && grep -q "metric_for_best_model: nobody computes who/akk; there are: eval_loss, who/acc, who/acc_norm, .*drawn/acc.*traits/acc.*sheet/" "$dir/err" && [ ! -e "$dir/no/metrics.jsonl" ]
result "an unknown metric is refused before step 1 with what there is"
go plain no --metric_for_best_model=who/acc
[ $? -eq 2 ] && grep -q "nobody computes who/acc; there are: eval_loss$" "$dir/err"
result "an evaluation that is not measured during training gives none"
go plain no --metric_for_best_model=loss --val_set_size=0
[ $? -eq 2 ] && grep -q "metric_for_best_model: loss: nothing is measured during training: give val_set_size" "$dir/err"
result "nor does a run without held-out data"
go plain no --load_best_model_at_end=true --eval_steps=0
[ $? -eq 2 ] && grep -q "load_best_model_at_end: true compares evaluations: say when they are" "$dir/err"
result "load_best_model_at_end without eval_steps is refused"
go plain no "--evaluations=[{task: rank, path: data/samples/eval/rank_en.jsonl, method: score, during_training: true}]"
[ $? -eq 2 ] && grep -q "during_training: rank: method: score wants a reward model" "$dir/err"
result "an evaluation that this model cannot answer is refused"
found=$(go with sheet --metric_for_best_model="$(sed 's/.*"eval_\(sheet\/[^"]*\)".*/\1/' <<<"$(grep -m1 eval_sheet "$dir/with_lora/metrics.jsonl")")" && sed -n 's/^best: //p' "$dir/out")
[ -n "$found" ]
result "a metric that the file of a questionnaire names: $found"
go with less --metric_for_best_model=who/brier && grep -q "who/brier: less is better, and greater_is_better is true, as always where the name does not end in loss" "$dir/err"
result "transformers' greater_is_better is taken, and said where the metric means the other way"

go plain text "--evaluations=[{task: text, name: say, path: data/samples/eval/text_en.jsonl, limit: 4, max_new_tokens: 4, dump: $dir/dump.jsonl, during_training: true}]" --max_steps=4 --metric_for_best_model=say/chrf && [ -n "$(value text 4 say/chrf)" ] &&
    [ ! -e "$dir/dump.jsonl" ]
result "what an entry would write is left to ptrain eval"

# ---- the best
lowest() { grep '"eval_loss"' "$dir/$1/metrics.jsonl" | sed 's/.*"step": \([0-9]*\), "eval_loss": \([^,]*\),.*/\2 \1/' | sort -g | head -n 1 | cut -d' ' -f2; }
go plain up --learning_rate=0.8 --lr_scheduler=constant --load_best_model_at_end=true --save_steps=2 --save_total_limit=2 --eval_steps=2
best=$(lowest up)
said=$(sed -n 's/^best: //p' "$dir/out")
[ "$best" -lt 20 ] && [[ $said == "loss "*" at step $best, which is the result" ]] && same up/adapter_model.safetensors up/checkpoint-$best/adapter_model.safetensors && ! same up/adapter_model.safetensors up/checkpoint-20/adapter_model.safetensors &&
    [ "$(checkpoints up)" = "checkpoint-$best checkpoint-20 " ]
result "the best of ten ($said) is the result, and save_total_limit: 2 left it beside the newest"
go plain one --learning_rate=0.8 --lr_scheduler=constant --metric_for_best_model=loss --save_steps=2 --save_total_limit=1 --eval_steps=2 && [ "$(checkpoints one)" = "checkpoint-$best checkpoint-20 " ] &&
    same one/adapter_model.safetensors one/checkpoint-20/adapter_model.safetensors && grep -q "^best: loss .* at step $best; the result is the model of step 20" "$dir/out"
result "save_total_limit: 1 keeps two then; without load_best_model_at_end the result is the last model"
go plain off --learning_rate=0.8 --lr_scheduler=constant --load_best_model_at_end=true --eval_steps=2 && [ -d "$dir/off/checkpoint-$best" ] && [ ! -d "$dir/off/checkpoint-20" ] && same up/adapter_model.safetensors off/adapter_model.safetensors
result "without save_steps each best is saved all the same"
bests() { grep -c "is the best so far" "$dir/err"; }
go plain news --learning_rate=0.8 --lr_scheduler=constant --save_strategy=best --metric_for_best_model=loss --eval_steps=2 && all=$(checkpoints news) && [ "$(bests)" -ge 2 ] && [ "$(wc -w <<<"$all")" -eq "$(bests)" ] && [[ $all == *"checkpoint-$best " ]] && same news/adapter_model.safetensors up/checkpoint-20/adapter_model.safetensors
result "save_strategy: best saves each new best ($all) and nothing else"
go plain new --learning_rate=0.8 --lr_scheduler=constant --save_strategy=best --load_best_model_at_end=true --eval_steps=2 --save_total_limit=1 && [ "$(checkpoints new)" = "checkpoint-$best " ] && same up/adapter_model.safetensors new/adapter_model.safetensors
result "with save_total_limit: 1 the last of them"
go plain full --adapter=none --learning_rate=0.01 --lr_scheduler=constant --load_best_model_at_end=true --greater_is_better=true --eval_steps=2
fbest=$(sed -n 's/^best: loss .* at step \([0-9]*\),.*/\1/p' "$dir/out")
go plain upto --adapter=none --learning_rate=0.01 --lr_scheduler=constant --greater_is_better=true --max_steps="$fbest"
[ "$fbest" -lt 20 ] && grep -q "greater_is_better has no effect without metric_for_best_model" "$dir/err" && same full/model.safetensors upto/model.safetensors
result "full tuning: the result is the model of step $fbest"
go with tie --learning_rate=0 --metric_for_best_model=who/acc --load_best_model_at_end=true --early_stopping_patience=3 && [ "$(checkpoints tie)" = "checkpoint-4 " ] && grep -q "^best: who/acc [0-9.]* at step 4" "$dir/out" &&
    [ "$(steps_of tie '"during_seconds"')" = "4 8 12 16 " ] && grep -q "^ended early: early_stopping_patience: 3" "$dir/out"
result "of equals the earlier is the best; three that were no better end the run after 16 steps"
go with tie --learning_rate=0 --metric_for_best_model=who/acc --load_best_model_at_end=true --early_stopping_patience=3 --resume_from_checkpoint=auto && [ "$(checkpoints tie)" = "checkpoint-4 " ] &&
    [ "$(steps_of tie '"during_seconds"')" = "4 8 12 16 " ]
result "resumed, it ends there again"

# ---- evaluations that fail
go with lost --max_steps=100000 --learning_rate=1e-4 --metric_for_best_model=who/acc --load_best_model_at_end=true --early_stopping_patience=4 &
pid=$!
for _ in $(seq 600); do [ -d "$dir/lost/checkpoint-4" ] && break; sleep 0.02; done
mv "$dir/choice.jsonl" "$dir/moved.jsonl"
wait $pid
code=$?
mv "$dir/moved.jsonl" "$dir/choice.jsonl"
pid=
misses=$(tail -n 4 <<<"$(grep '"during_seconds"' "$dir/lost/metrics.jsonl")" | grep -vc who/acc)
[ $code -eq 0 ] && [ "$misses" -ge 1 ] && grep -q "the evaluations failed and count as no number: .*choice.jsonl" "$dir/err" && grep -q "who/acc is no number: it is not the best, and counts" "$dir/err" && grep -q "^best: who/acc" "$dir/out" &&
    grep -q "^ended early" "$dir/out"
result "an evaluation that fails ends nothing, is said, and counts towards patience ($misses of 4)"
go with nan --lora_alpha=1e6 --learning_rate=10 --lr_scheduler=constant --lora_dropout=0 --early_stopping_patience=2
grep -q '"eval_loss": null' "$dir/nan/metrics.jsonl" && grep -q "loss is no number" "$dir/err" && ! grep -q "^best: loss nan" "$dir/out"
result "NaN is never the best"

# ---- stopped and killed
numbers() { sed 's/"tokens_per_second.*//; s/"during_seconds": [^,]*,//; s/, "eval_seconds.*//' "$dir/$1/metrics.jsonl"; }
whole() { # OUT: ends as `sure` did
    cmp -s <(numbers sure) <(numbers "$1") && same sure/adapter_model.safetensors "$1/adapter_model.safetensors" && [ "$(checkpoints sure)" = "$(checkpoints "$1")" ] &&
        same "sure/checkpoint-$at/state.bin" "$1/checkpoint-$at/state.bin"
}
args=(--learning_rate=0.8 --lr_scheduler=constant --metric_for_best_model=who/gold_probability --load_best_model_at_end=true --eval_steps=2 --max_steps=36)
saves=(--save_steps=3 --save_total_limit=2)
go with sure "${args[@]}" "${saves[@]}"
at=$(sed -n 's/^best: .* at step \([0-9]*\),.*/\1/p' "$dir/out")
kills=0
for lines in 7 22 34 52; do
    "$ptrain" "$dir/with.yaml" --output_dir="$dir/cut" "${args[@]}" "${saves[@]}" --resume_from_checkpoint=auto >"$dir/out" 2>"$dir/err" </dev/null &
    pid=$!
    while [ "$(cat "$dir/cut/metrics.jsonl" 2>/dev/null | wc -l)" -lt $lines ] && kill -0 $pid 2>/dev/null; do sleep 0.002; done
    kill -9 $pid 2>/dev/null && kills=$((kills + 1))
    wait $pid 2>/dev/null
done
pid=
go with cut "${args[@]}" "${saves[@]}" --resume_from_checkpoint=auto && [ $kills -ge 3 ] && grep -q "at step $at, which is the result" "$dir/out" && whole cut
result "killed $kills times and resumed: the same best (step $at), lines, checkpoints and result"
stops=0
for lines in 16 28 44; do
    "$ptrain" "$dir/with.yaml" --output_dir="$dir/stop" "${args[@]}" --resume_from_checkpoint=auto >"$dir/out" 2>"$dir/err" </dev/null &
    pid=$!
    while [ "$(cat "$dir/stop/metrics.jsonl" 2>/dev/null | wc -l)" -lt $lines ] && kill -0 $pid 2>/dev/null; do sleep 0.002; done
    kill -TERM $pid 2>/dev/null && stops=$((stops + 1))
    wait $pid 2>/dev/null
done
pid=
go with stop "${args[@]}" --resume_from_checkpoint=auto && [ $stops -ge 2 ] && grep -q "at step $at, which is the result" "$dir/out" && cmp -s <(numbers sure) <(numbers stop) &&
    same sure/adapter_model.safetensors stop/adapter_model.safetensors
result "stopped $stops times, in evaluations or between: the same"

# a long evaluation is left by a stop, and done again
awk 'BEGIN { for (i = 0; i < 1500; i++) { printf "{\"question\": \""; for (k = 0; k < 40; k++) printf "%c%c ", 97 + (i * 7 + k * k) % 26, 97 + (i + k * 3) % 26
    print "\", \"options\": [\"one " i "\", \"two\", \"three\"], \"answer\": " i % 3 "}" } }' >"$dir/many.jsonl"
cat "$dir/plain.yaml" - >"$dir/long.yaml" <<Y
evaluations: [{task: choice, name: many, path: $dir/many.jsonl, during_training: true}]
metric_for_best_model: many/acc
Y
"$ptrain" "$dir/long.yaml" --output_dir="$dir/long" --max_steps=4 >"$dir/out" 2>"$dir/err" </dev/null &
pid=$!
while ! grep -q eval_loss "$dir/long/metrics.jsonl" 2>/dev/null && kill -0 $pid 2>/dev/null; do sleep 0.002; done
kill -TERM $pid
wait $pid
code=$?
pid=
[ $code -eq 143 ] && ! grep -q during_seconds "$dir/long/metrics.jsonl" && [ "$(checkpoints long)" = "checkpoint-4 " ] && go long long --max_steps=4 --resume_from_checkpoint=auto && go long sure4 --max_steps=4 &&
    [ "$(numbers long)" = "$(numbers sure4)" ] && [ "$(steps_of long '"eval_loss"')" = "4 " ] && same long/checkpoint-4/state.bin sure4/checkpoint-4/state.bin && [ "$(value long 4 many/acc)" = "$(value sure4 4 many/acc)" ]
result "a stop in the middle of an evaluation: it is done again, the losses before it are not"

# the best in another run's folder; what comes behind it hardly learns, so that nothing better can come
cp -r "$dir/up" "$dir/far" && rm -rf "$dir/far/checkpoint-$best"
go plain far2 --learning_rate=0.8 --lr_scheduler=constant --load_best_model_at_end=true --eval_steps=2 --max_steps=24 --resume_from_checkpoint="$dir/far/checkpoint-20"
[ $? -eq 2 ] && grep -q "says that the best model so far is that of step $best, and its checkpoint is not there" "$dir/err"
result "a best model that is gone is named"
go plain far3 --learning_rate=1e-9 --lr_scheduler=constant --load_best_model_at_end=true --eval_steps=2 --max_steps=24 --resume_from_checkpoint="$dir/up/checkpoint-20" && grep -q "at step $best, which is the result" "$dir/out" &&
    same up/checkpoint-$best/adapter_model.safetensors far3/adapter_model.safetensors
result "one that stands in the folder gone on from is found there"
echo "1..$n"
