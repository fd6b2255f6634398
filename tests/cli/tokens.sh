#!/bin/bash
# Weights of tokens from the data, divergences from the start, a teacher's log-probabilities: through the program, on host and device, by ranks; what is
# refused. The numbers themselves are held by tests/golden/loop_train.c and tests/objective/objective_tokens.c.
# shellcheck source=tests/cli/lib.bash
. "$(dirname "$0")/lib.bash"
field() { sed -n "s|.*\"$2\": *\([^,}]*\).*|\1|p" "$dir/$1/metrics.jsonl"; } # RUN FIELD
close() { # RUN RUN FIELD TOLERANCE
    paste <(field "$1" "$3") <(field "$2" "$3") | awk -v t="$4" '{ d = $1 - $2; if (d < 0) d = -d; m = $1 < 0 ? -$1 : $1; if (d > t * (1 + m)) { print $1, $2; bad = 1 } n++ } END { exit bad || n < 2 }' >>"$dir/log"
}
train() { # OUT [MORE...]
    local out=$1 start=()
    shift
    [ "${ranks:-1}" = 1 ] || start=(mpirun --allow-run-as-root --oversubscribe -n "$ranks")
    "${start[@]}" "$ptrain" "$dir/c.yaml" --output_dir="$dir/$out" "$@" >"$dir/log" 2>&1
}
refused() { # TEXT ARGUMENTS...: exit code 2 and the text
    local text=$1
    shift
    train refused "$@"
    [ $? = 2 ] && grep -qF -- "$text" "$dir/log"
}
config() { # DATA TYPE OBJECTIVE
    cat >"$dir/c.yaml" <<Y
init: random
model_config: {family: llama, hidden_size: 32, intermediate_size: 64, num_hidden_layers: 2, num_attention_heads: 2, vocab_size: 772, initializer_range: 0.3}
tokenizer: tests/golden/data/tok_bpe
chat_template: chatml
adapter: lora
lora_r: 4
lora_target_linear: true
max_steps: 6
batch_rows: 8
micro_batch_size: 2
sequence_len: 64
learning_rate: 0.02
device: cpu
compute: f32
val_set_size: 0
seed: 3
datasets: [{path: $dir/$1, type: $2}]
objective: $3
Y
}
for i in $(seq 1 24); do
    echo "{\"messages\": [{\"role\": \"user\", \"content\": \"say $((i % 5))\"}, {\"role\": \"assistant\", \"content\": \"good day $((i * 7 % 11)) of $i\", \"train_detail\": [{\"begin_offset\": 0, \"end_offset\": 3, \"weight\": 0.25}, {\"begin_offset\": 5, \"end_offset\": 7, \"train\": false}, {\"begin_offset\": 9, \"end_offset\": 30, \"train\": true}]}], \"weigths\": 1}"
done >"$dir/talks.jsonl"

config talks.jsonl messages kl_sft
train star && [ "$(field star kl | head -1)" = 0 ] && [ "$(field star kl | tail -1)" != 0 ] && awk -v x="$(field star imitated | head -1)" 'BEGIN { exit !(x > 0.4 && x < 0.9) }'
result "kl_sft: the divergence is exactly 0 before the first update; parts of a message are imitated by their weight"
"$ptrain" inspect "$dir/c.yaml" --output_dir="$dir/star" --sample 0 >"$dir/log" 2>&1 && grep -qF '«0.25|good»«0| day»' "$dir/log"
result "inspect shows the shares, 0 within an answer too"
train star2 && grep -c "the column 'weigths' is not read; 'weights' is a name that rows have here" "$dir/log" | grep -qx 1
result "a misspelt column is named once"
train mild --kl_coef=0 && train strict --kl_coef=20 && awk -v a="$(field mild kl | tail -1)" -v b="$(field strict kl | tail -1)" 'BEGIN { exit !(b < a) }'
result "the dearer, the nearer"
ranks=3 train ranks && close star ranks loss 1e-5 && close star ranks kl 1e-4
result "ranks change nothing"
train off --sample_packing=off --gradient_accumulation_steps=4 && close star off loss 1e-5
result "nor does the layout"
train near --objective=sft --kl_coef=0.5 && [ "$(field near kl | head -1)" = 0 ] && train plain --objective=sft && [ "$(field near loss | head -1)" = "$(field plain loss | head -1)" ] && ! close near plain loss 1e-6
result "kl_coef of sft: the same loss at the start, another way from there"
if [ -e "$(dirname "$ptrain")/libptrain-emulated.so" ]; then
    train device --device=emulated && close star device loss 1e-4 && train neard --objective=sft --kl_coef=0.5 --device=emulated && close near neard loss 1e-4
    result "the device says the same"
else
    echo "ok $((n += 1)) - the device says the same # SKIP no emulated plugin beside the program"
fi

refused "kl_sft needs adapter: lora" --adapter=none
result "full tuning has no reference beside it: refused"
refused "set kl_coef, or leave them out" --objective=sft --kl_direction=policy
result "a direction of no divergence is refused"
refused "kd_alpha is no option of objective: kl_sft; these have it: kd" --kd_alpha=0.5
result "an option of another objective is refused"
refused "type tokens with prompt_logprobs, or target_token_ids and target_logprobs; not type messages" --objective=kd
result "a teacher's words stand beside ids: messages are refused"

for i in $(seq 1 24); do
    echo "{\"input_ids\": [1, 2, 3, $i, 5], \"labels\": [-100, -100, 3, $i, 5], \"weights\": [0, 0, 0.5, 1, 1], \"prompt_logprobs\": [null, null, {\"3\": {\"logprob\": -0.1}, \"9\": {\"logprob\": -3}}, {\"$i\": -0.2, \"50\": -2}, {\"5\": -1}]}"
done >"$dir/ids.jsonl"
config ids.jsonl tokens kd
train kd && awk -v a="$(field kd kd_loss | head -1)" -v b="$(field kd kd_loss | tail -1)" 'BEGIN { exit !(b < a && b >= 0) }' && train full --adapter=none --learning_rate=0.002 --kd_ce_alpha=0.5
result "kd comes nearer to the teacher, by an adapter and by full tuning"
ranks=2 train kd2 --micro_batch_size=1 && close kd kd2 loss 1e-5
result "ranks and micro-batches change nothing"
sed -i '7s/"3": {"logprob": -0.1}/"773": {"logprob": -0.1}/' "$dir/ids.jsonl"
train refused --bad_rows=refuse
[ $? = 1 ] && grep -q "ids.jsonl:7: .*773" "$dir/log"
result "a teacher of another vocabulary is refused by line"
sed -i '3s/"weights": .0, 0, 0.5/"weights": [0, 0, -0.5/; 7s/773/3/' "$dir/ids.jsonl"
train refused --bad_rows=refuse
[ $? = 1 ] && grep -q "ids.jsonl:3: element 2 of 'weights' is -0.5, which is out of range" "$dir/log"
result "a negative weight is refused by line"
echo "1..$n"
