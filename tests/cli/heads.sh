#!/usr/bin/env bash
# Heads on a decoder: classes, labels, levels, numbers, ranked lists, and reward's margins and several heads, from files to scores: layouts, micro-batches,
# ranks, host and device, resume, folders, ensembles, bad input by line.
# shellcheck source=tests/cli/lib.bash
. "$(dirname "$0")/lib.bash"
export OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive
kinds=(sun moon rain)
for i in $(seq 0 35); do
    k=$((i % 3)) w=${kinds[$((i % 3))]}
    text="the $w stood over the hill and $((i * 7 % 10)) went"
    echo "{\"text\": \"$text\", \"label\": \"$w\"}" >>"$dir/kinds.jsonl"
    echo "{\"text\": \"$text <|im_start|> and more of the rest of it\", \"label\": $k}" >>"$dir/token.jsonl"
    echo "{\"messages\": [{\"role\": \"user\", \"content\": \"say $((i % 5)): $w and $((i * 7 % 10))\"}], \"label\": [\"$w\"$([ $((i % 2)) = 0 ] || echo ', "odd"')]}" >>"$dir/many.jsonl"
    echo "{\"prompt\": \"say $((i % 5)) of it\", \"response\": \"the $w and $((i * 7 % 10))\", \"label\": {\"warmth\": 0.$((k * 3)), \"energy\": -0.$((i % 5))}}" >>"$dir/numbers.jsonl"
    a="" r=""
    for j in $(seq 0 $((1 + i % 3))); do a+="${a:+, }\"the ${kinds[$(((i + j) % 3))]} and $j\"" r+="${r:+, }$(((i + j) % 3)).5"; done
    echo "{\"prompt\": \"say $((i % 5)) of it\", \"answers\": [$a], \"ratings\": [$r]}" >>"$dir/lists.jsonl"
    echo "{\"prompt\": \"say $((i % 5)) of it\", \"chosen\": \"the ${kinds[$((i % 2))]} and $((i % 7))\", \"rejected\": \"the rain and $((i % 5))\", \"about\": \"$([ $((i % 3)) = 0 ] && echo tone || echo fact)\"}" >>"$dir/pairs.jsonl"
done
cat >"$dir/base.yaml" <<Y
init: random
model_config: {family: llama, hidden_size: 32, intermediate_size: 64, num_hidden_layers: 2, num_attention_heads: 2, vocab_size: 772}
tokenizer: tests/golden/data/tok_bpe
chat_template: chatml
adapter: lora
lora_r: 8
lora_target_linear: true
max_steps: 4
batch_rows: 12
micro_batch_size: 2
sequence_len: 64
learning_rate: 0.01
device: cpu
compute: f32
save_steps: 0
val_set_size: 0
seed: 3
Y
train() { # OUT MORE...: before it `ranks=N`
    local out=$1 start=()
    shift
    [ "${ranks:-1}" = 1 ] || start=(mpirun --allow-run-as-root --oversubscribe -n "$ranks")
    rm -rf "${dir:?}/$out"
    "${start[@]}" $p "$dir/base.yaml" --output_dir="$dir/$out" "$@" >"$dir/log" 2>&1
}
field() { sed -n "s|.*\"$2\": *\([^,}]*\).*|\1|p" "$dir/$1/metrics.jsonl"; } # RUN FIELD: its values, a line a step
close() { # RUN RUN FIELD TOLERANCE: the same in every step
    paste <(field "$1" "$3") <(field "$2" "$3") | awk -v t="$4" '{ d = $1 - $2; if (d < 0) d = -d; m = $1 < 0 ? -$1 : $1; if (d > t * (1 + m)) { print "'"$3"'", $1, $2; bad = 1 } n++ } END { exit bad || n < 2 }' >>"$dir/log"
}
names="labels: [sun, moon, rain]"
classes=(--objective=classify --datasets="[{path: $dir/kinds.jsonl, $names}]")
train one "${classes[@]}" --max_steps=40 --val_set_size=6 --eval_steps=20 --save_steps=20
trained=$? first=$(field one loss | head -1) last=$(field one loss | tail -1) right=$(field one accuracy | tail -1) f1=$(field one eval_macro_f1 | tail -1)
[ $trained -eq 0 ] && awk -v a="$first" -v b="$last" -v r="$right" -v f="$f1" 'BEGIN { exit !(b < a / 4 && r > 0.99 && f > 0.99) }'
result "classes are learnt: the loss goes from ${first:0:6} to ${last:0:6}, macro F1 of texts held out ${f1:0:5}"
$p score "$dir/one" --input "$dir/kinds.jsonl" >"$dir/scores" 2>"$dir/log" && [ "$(sed -n 's/.*"label": *"\([a-z]*\)".*"scores": *\[[^]]*\].*"predicted": *"\([a-z]*\)".*/\1 \2/p' "$dir/scores" | awk '{ n += $1 == $2 } END { print n }')" = 36 ]
result "ptrain score says the class of each text by its name"
cp -r "$dir/one" "$dir/again" && rm -rf "$dir/again/checkpoint-40" && $p "$dir/one/config.yaml" --output_dir="$dir/again" --resume_from_checkpoint="$dir/again/checkpoint-20" >"$dir/log" 2>&1 &&
    cmp -s "$dir/one/adapter_model.safetensors" "$dir/again/adapter_model.safetensors"
result "the run's own config.yaml goes on from a checkpoint with the same bits"
$p export "$dir/one" --to hf --out "$dir/hf" >"$dir/log" 2>&1 && tr -d ' \n' <"$dir/hf/config.json" >"$dir/log" && grep -q '"id2label":{"0":"sun","1":"moon","2":"rain"}' "$dir/log" &&
    grep -q '"label2id":{"sun":0,"moon":1,"rain":2}' "$dir/log" && grep -q '"problem_type":"single_label_classification"' "$dir/log" && grep -q ForSequenceClassification "$dir/log"
result "the exported folder has the names and the kind of problem"
scores() { sed 's/.*"scores": *\[\([^]]*\)\].*/\1/; s/,/ /g' "$1"; }
tr -d ' \n' <"$dir/one/adapter_config.json" | grep -q '"modules_to_save":\["score"\].*SEQ_CLS' && sed 's/^{"text": \("[^"]*"\).*/{"text": \1}/' "$dir/kinds.jsonl" >"$dir/texts.jsonl" && $p score "$dir/one" --input "$dir/texts.jsonl" 2>>"$dir/log" | cut -c1-20 >"$dir/x" && [ -s "$dir/x" ]
result "the adapter is one of PEFT's SEQ_CLS"
train full "${classes[@]}" --adapter=none && tr -d ' \n' <"$dir/full/config.json" | grep -q '"problem_type":"single_label_classification","id2label":{"0":"sun"'
result "full tuning saves a classifier"
# Every objective: micro-batches, layouts, ranks, the device.
declare -A how=(
    [classify]="--objective=classify --class_weights=[1,0.5,2] --datasets=[{path:\ $dir/kinds.jsonl,\ labels:\ [sun,moon,rain]}]"
    [mean]="--objective=classify --pooling=mean --datasets=[{path:\ $dir/kinds.jsonl,\ labels:\ [sun,moon,rain]}]"
    [token]="--objective=classify --pooling=token --pooling_token=<|im_start|> --num_labels=3 --datasets=[{path:\ $dir/token.jsonl}]"
    [many]="--objective=classify --problem_type=multi_label_classification --datasets=[{path:\ $dir/many.jsonl,\ labels:\ [sun,moon,rain,odd]}]"
    [numbers]="--objective=regress --regression_loss=huber --huber_delta=0.2 --datasets=[{path:\ $dir/numbers.jsonl,\ labels:\ [warmth,energy]}]"
    [levels]="--objective=ordinal --datasets=[{path:\ $dir/kinds.jsonl,\ labels:\ [sun,moon,rain]}]"
    [lists]="--objective=plackett_luce --datasets=[{path:\ $dir/lists.jsonl}]"
    [likelihood]="--objective=reward --reward_margin=0.25 --adaptive_margin=ld --adaptive_margin_scale=3 --datasets=[{path:\ $dir/pairs.jsonl}]"
    [ratio]="--objective=reward --adaptive_margin=pr --adaptive_margin_scale=40 --datasets=[{path:\ $dir/pairs.jsonl}]"
    [heads]="--objective=reward --reward_head_weights=[1,3] --datasets=[{path:\ $dir/pairs.jsonl,\ labels:\ [tone,fact],\ field_head:\ about}]"
)
run() { # NAME OUT MORE...
    local -a said
    IFS=$'\x01' read -r -a said <<<"$(sed 's/ --/\x01--/g; s/\\ / /g' <<<"${how[$1]}")"
    train "$2" --learning_rate=0.003 "${said[@]}" "${@:3}"
}
same() { # NAME WHAT MORE...: as the run NAME, by another way
    run "$1" "$2" "${@:3}" && close "$1" "$2" loss "${tolerance:-1e-4}" && close "$1" "$2" grad_norm "${tolerance:-1e-3}"
}
bad=""
for x in "${!how[@]}"; do
    run "$x" "$x" || { bad+=" $x"; continue; }
    same "$x" off --sample_packing=off && same "$x" plain --sample_packing=plain && same "$x" whole --micro_batch_size=12 || bad+=" $x"
done
[ -z "$bad" ]
result "ten kinds of heads: three layouts and other micro-batches say the same, loss and gradient${bad:+; not:$bad}"
awk -v a="$(field ratio adaptive_margin | tail -1)" -v b="$(field likelihood adaptive_margin | tail -1)" 'BEGIN { exit !(a > 0 && b > 0) }'
result "margins come from log-probabilities, of one pass and beside the reference"
if command -v mpirun >/dev/null; then
    bad=""
    for x in mean numbers lists ratio heads; do ranks=2 same "$x" two || bad+=" $x"; done
    [ -z "$bad" ]
    result "two ranks say the same${bad:+; not:$bad}"
else
    n=$((n + 1)); echo "ok $n - two ranks # SKIP no mpirun"
fi
if [ -e "$(dirname "$p")/libptrain-emulated.so" ]; then
    bad=""
    for x in "${!how[@]}"; do same "$x" device --device=emulated || bad+=" $x"; done
    [ -z "$bad" ]
    result "the device computes the same${bad:+; not:$bad}"
    tolerance=5e-2 same mean half --device=emulated --compute=bf16
    result "and with bf16 nearly"
else
    n=$((n + 2)); echo "ok $((n - 1)) - the device # SKIP no libptrain-emulated.so beside the program (make emulated)"; echo "ok $n - and with bf16 nearly # SKIP"
fi
# Scores of several together.
reward=(--objective=reward --datasets="[{path: $dir/pairs.jsonl}]")
train r1 "${reward[@]}" && train r2 "${reward[@]}" --seed=9 && sed 's/.*"prompt": \("[^"]*"\), "chosen": \("[^"]*"\).*/{"messages": [{"role": "user", "content": \1}, {"role": "assistant", "content": \2}]}/' "$dir/pairs.jsonl" >"$dir/rows.jsonl" &&
    $p score "$dir/r1" --input "$dir/rows.jsonl" >"$dir/s1" 2>"$dir/log" && $p score "$dir/r2" --input "$dir/rows.jsonl" >"$dir/s2" 2>"$dir/log" && $p score "$dir/r1" "$dir/r2" --input "$dir/rows.jsonl" >"$dir/mean.s" 2>"$dir/log" &&
    $p score "$dir/r1" "$dir/r2" --ensemble minimum --input "$dir/rows.jsonl" >"$dir/least.s" 2>"$dir/log" &&
    paste <(sed 's/.*"score": *\([^,}]*\).*/\1/' "$dir/s1") <(sed 's/.*"score": *\([^,}]*\).*/\1/' "$dir/s2") <(sed 's/.*"score": *\([^,}]*\).*/\1/' "$dir/mean.s") <(sed 's/.*"score": *\([^,}]*\).*/\1/' "$dir/least.s") <(sed 's/.*"each": *\[\([^],]*\).*/\1/' "$dir/mean.s") |
    awk '{ m = ($1 + $2) / 2 - $3; l = ($1 < $2 ? $1 : $2) - $4; e = $1 - $5; if (m > 1e-5 || m < -1e-5 || l > 1e-5 || l < -1e-5 || e > 1e-5 || e < -1e-5) bad = 1; if ($1 != $2) apart = 1 } END { exit bad || !apart || NR != 36 }'
result "two reward models score together: mean, minimum, and what each gave"
! $p score "$dir/one" "$dir/r1" --input "$dir/rows.jsonl" >"$dir/log" 2>&1 && grep -q 'gives 1 numbers a row, and .* gives 3' "$dir/log" && ! $p score "$dir/r1" --ensemble mean --input "$dir/rows.jsonl" >"$dir/log" 2>&1 && grep -q 'takes several' "$dir/log" &&
    ! $p score "$dir/r1" "$dir/r2" --ensemble most --input "$dir/rows.jsonl" >"$dir/log" 2>&1 && grep -q 'mean or minimum' "$dir/log"
result "what does not score together is refused"
$p score "$dir/mean" --input "$dir/texts.jsonl" >"$dir/s1" 2>"$dir/log" && $p score "$dir/token" --input "$dir/token.jsonl" >"$dir/s2" 2>"$dir/log" && [ "$(grep -c '"scores"' "$dir/s1")" = 36 ] && [ "$(grep -c '"scores"' "$dir/s2")" = 36 ] &&
    ! $p score "$dir/token" --input "$dir/texts.jsonl" >"$dir/log" 2>&1 && grep -q "row 1: a row without '<|im_start|>'" "$dir/log"
result "means and named tokens are read when scoring too; a text without the token is refused"
$p export "$dir/mean" --to hf --type f32 --out "$dir/mean.hf" >"$dir/log" 2>&1 && grep -q "this folder is right for ptrain alone" "$dir/log" && $p tokenize tests/golden/data/tok_bpe --input "$dir/texts.jsonl" 2>"$dir/log" | sed 's/.*\("input_ids".*\)/{\1/' >"$dir/ids.jsonl" &&
    $p score "$dir/mean" --input "$dir/ids.jsonl" >"$dir/s1" 2>"$dir/log" && $p score "$dir/mean.hf" --compute=f32 --input "$dir/ids.jsonl" >"$dir/s3" 2>"$dir/log" && [ "$(wc -l <"$dir/s3")" = 36 ] &&
    paste <(scores "$dir/s1") <(scores "$dir/s3") | awk '{ for (k = 1; k <= 3; k++) { split($0, v, /[ \t,]+/); d = v[k] - v[k + 3]; if (d > 1e-4 || d < -1e-4) exit 1 } }'
result "an exported folder says that it reads the mean, and is read so"
# Bad input, by line.
refuse() { # TEXT ROW OPTIONS...: a file of two good rows and this one
    local want=$1 row=$2
    { head -2 "$dir/kinds.jsonl"; echo "$row"; } >"$dir/bad.jsonl"
    ! train bad "${@:3}" --bad_rows=0 && grep -q "$want" "$dir/log"
}
set="[{path: $dir/bad.jsonl, type: labels, $names}]"
c=(--objective=classify --datasets="$set")
refuse "bad.jsonl:3: .*no field 'label'" '{"text": "x"}' "${c[@]}" && refuse "bad.jsonl:3: 'label' is 'wind', which is none of labels: sun, moon, rain" '{"text": "x", "label": "wind"}' "${c[@]}" &&
    refuse "bad.jsonl:3: the label is past the last" '{"text": "x", "label": 3}' "${c[@]}" && refuse "bad.jsonl:3: the label is no class" '{"text": "x", "label": 0.5}' "${c[@]}" &&
    refuse "bad.jsonl:3: the text has a list of labels" '{"text": "x", "label": ["sun"]}' "${c[@]}" && refuse "bad.jsonl:3: 'label' is empty: the row has no label" '{"text": "x", "label": null}' "${c[@]}" &&
    refuse "bad.jsonl:3: 'label' mixes names with a number" '{"text": "x", "label": ["sun", 1]}' "${c[@]}" && refuse "bad.jsonl:3: 'label': 'sun' is a list" '{"text": "x", "label": {"sun": [1]}}' "${c[@]}"
result "labels that are missing, unknown, out of range or of the wrong kind are told by line"
refuse "bad.jsonl:3: .*no field 'text'" '{"label": 1}' "${c[@]}" && refuse "bad.jsonl:3: 'text' is empty" '{"text": " ", "label": 1}' "${c[@]}" &&
    refuse "bad.jsonl:1: 'label' is 'sun', a name, and the data set lists no names" '{"text": "x", "label": 1}' --objective=classify --num_labels=3 --datasets="[{path: $dir/bad.jsonl}]" &&
    refuse "bad.jsonl:1: the text has another number of values" '{"text": "x", "label": 1}' --objective=regress --datasets="[{path: $dir/bad.jsonl, $names}]"
result "so are empty texts, names that nobody lists, and another count of numbers"
lists=(--objective=plackett_luce --datasets="[{path: $dir/bad.jsonl}]")
list() { echo "$2" >"$dir/bad.jsonl"; ! train bad "${lists[@]}" --bad_rows=0 && grep -q "bad.jsonl:1: $1" "$dir/log"; }
list "'answers' has fewer than two" '{"prompt": "a", "answers": ["b"], "ratings": [1]}' && list "'ratings' has 1 numbers for 2 answers" '{"prompt": "a", "answers": ["b", "c"], "ratings": [1]}' &&
    list "the rating of answer 2 is a string" '{"prompt": "a", "answers": ["b", "c"], "ratings": [1, "x"]}' && list "all answers have the same rating" '{"prompt": "a", "answers": ["b", "c"], "ratings": [1, 1]}' && list "empty answer: answer 2" '{"prompt": "a", "answers": ["b", ""], "ratings": [1, 2]}'
result "and lists without an order"
! train bad "${classes[@]}" --num_labels=4 && grep -q 'num_labels is 4, and labels of the data set names 3' "$dir/log" && ! train bad "${classes[@]}" --class_weights='[1, 2]' && grep -q 'class_weights has another count' "$dir/log" &&
    ! train bad "${classes[@]}" --pooling=token && grep -q 'wants pooling_token' "$dir/log" && ! train bad "${classes[@]}" --pooling=token --pooling_token=nosuch && grep -q "'nosuch' is no token" "$dir/log" &&
    ! train bad "${reward[@]}" --adaptive_margin_scale=2 && grep -q 'adaptive_margin_scale has no effect without adaptive_margin' "$dir/log" && ! train bad --objective=sft --datasets="[{path: $dir/many.jsonl, type: messages}]" --class_weights='[1]' && grep -q 'class_weights is no option of objective: sft' "$dir/log" &&
    ! train bad --objective=classify --num_labels=3 --datasets="[{path: $dir/many.jsonl, type: messages}]" && grep -q 'many.jsonl:1: ' "$dir/log"
result "options that do not go together are refused"
# macro F1 and the correlation of several test sets together are those of all their records, as one file of them has it, also where a set alone has none.
grep '"sun"' "$dir/kinds.jsonl" >"$dir/few.jsonl"
grep -v '"sun"' "$dir/kinds.jsonl" >"$dir/more.jsonl"
cat "$dir/few.jsonl" "$dir/more.jsonl" >"$dir/both.jsonl"
for i in $(seq 0 11); do
    echo "{\"text\": \"the ${kinds[$((i % 3))]} and $((i * 7 % 10))\", \"label\": 2}" >>"$dir/level.jsonl"
    echo "{\"text\": \"the ${kinds[$((i % 3))]} and $((i * 7 % 10))\", \"label\": $((i % 3)).5}" >>"$dir/slope.jsonl"
done
cat "$dir/level.jsonl" "$dir/slope.jsonl" >"$dir/levels.jsonl"
train apart "${classes[@]}" --learning_rate=0.001 --eval_steps=2 --test_datasets="[{path: $dir/few.jsonl, $names}, {path: $dir/more.jsonl, $names}]" && train whole "${classes[@]}" --learning_rate=0.001 --eval_steps=2 --test_datasets="[{path: $dir/both.jsonl, $names}]" &&
    close apart whole eval_macro_f1 1e-6 && close apart whole eval_accuracy 1e-6 &&
    r=(--objective=regress --num_labels=1 --eval_steps=2 --datasets="[{path: $dir/slope.jsonl}]") && train apart "${r[@]}" --test_datasets="[{path: $dir/level.jsonl}, {path: $dir/slope.jsonl}]" && train whole "${r[@]}" --test_datasets="[{path: $dir/levels.jsonl}]" &&
    close apart whole eval_pearson 1e-4 && close apart whole eval_mse 1e-5 && ! grep -q eval_level_pearson "$dir/apart/metrics.jsonl" && grep -q eval_slope_pearson "$dir/apart/metrics.jsonl"
result "macro F1 and the correlation of several test sets are made of all their records"
echo "1..$n"
