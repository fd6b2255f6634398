#!/bin/bash
# An evaluation by several ranks: the answers of one, whatever their number; one writer; a rank that is killed ends all, and the next start goes on.
cd "$(dirname "$0")/../.." || exit 2
. tests/dist/ranks.bash
for i in $(seq 40); do echo "{\"messages\": [{\"role\": \"user\", \"content\": \"say $i\"}, {\"role\": \"assistant\", \"content\": \"yes, number $i\"}]}"; done >"$dir/rows.jsonl"
awk 'BEGIN { for (i = 0; i < 300; i++) { printf "{\"question\": \""; for (k = 0; k < 40; k++) printf "%c%c ", 97 + (i * 7 + k * k) % 26, 97 + (i + k * 3) % 26
    print "\", \"options\": [\"one " i "\", \"two\", \"three\"], \"answer\": " i % 3 "}" } }' >"$dir/many.jsonl"
printf '{"topic": "fog"}\n{"topic": "oil"}\n' >"$dir/scenes.jsonl"
cat >"$dir/run.yaml" <<END
init: random
model_config: {family: llama, hidden_size: 32, intermediate_size: 64, num_hidden_layers: 2, num_attention_heads: 2, vocab_size: 772}
tokenizer: tests/golden/data/tok_bpe
chat_template: chatml
adapter: lora
lora_target_linear: true
datasets: [{path: $dir/rows.jsonl, type: messages}]
test_datasets: [{path: $dir/rows.jsonl, type: messages}]
output_dir: $dir/run
max_steps: 3
batch_rows: 8
sequence_len: 64
learning_rate: 0.05
device: cpu
compute: f32
evaluations:
  - {task: choice, name: who, path: data/samples/eval/choice_en.jsonl, mutual_info: true}
  - {task: choice, name: many, path: $dir/many.jsonl}
  - {task: choice, name: drawn, path: data/samples/eval/choice_en.jsonl, method: written, temperature: 1, repeats: 3, max_new_tokens: 12}
  - {task: dialogue, name: talk, path: $dir/scenes.jsonl, turns: 4, context: 256, max_new_tokens: 6, temperature: 1, repeats: 35, speakers: [{name: Ann, script: "Of {topic}.", model: self}, {name: Bo, model: base}]}
  - {task: statements, name: behind, path: data/samples/eval/statements, limit: 4, after: talk}
END
"$ptrain" "$dir/run.yaml" --output_dir="$dir/run" >"$dir/out" 2>"$dir/err" || exit 1
# go N NAME OPTIONS...: N ranks into NAME.json and NAME.answers; pids, err0, err1 ... as ranks.bash has them
go() {
    local count=$1 name=$2 r
    shift 2
    while port=$((10240 + (RANDOM * 32768 + RANDOM) % 20000)) && (: <>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do :; done
    pids=()
    rm -f "$dir"/err* "$dir"/out*
    for r in $(seq 0 $((count - 1))); do
        env WORLD_SIZE="$count" RANK="$r" LOCAL_RANK="$r" MASTER_ADDR=127.0.0.1 MASTER_PORT=$port $(eval echo "\${env_of_$r}") \
            "$ptrain" eval "${run:-$dir/run}" --ddp_timeout=60 --output "$dir/$name.json" --answers "$dir/$name.answers" "$@" $(eval echo "\${args_of_$r}") >"$dir/out$r" 2>"$dir/err$r" </dev/null &
        pids[r]=$!
    done
}
all() { # as go, and waits
    go "$@"
    finish
    [ -z "$(echo "$codes" | tr -d '0,')" ]
}
"$ptrain" eval "$dir/run" --output "$dir/one.json" --answers "$dir/one.answers" >"$dir/table" 2>"$dir/err" || exit 1
counted() { sed -n 's/^note: \([0-9]*\) questions to the model, \([0-9]*\) of them answered before; \(.*\)/\1 \2 \3/p' "$1"; }
read -r asked known tokens <<<"$(counted "$dir/err")" # known: what a dialogue's speakers are asked on both sides
for ranks in 2 4; do
    all $ranks "by$ranks" && [ ! -s "$dir/out1" ] && [ ! -s "$dir/err1" ] && cmp -s "$dir/one.json" "$dir/by$ranks.json" && cmp -s <(head -n 40 "$dir/table") <(head -n 40 "$dir/out0") &&
        cmp -s <(sed 's/, "near": [0-9]*//' "$dir/one.answers") <(sed 's/, "near": [0-9]*//' "$dir/by$ranks.answers") && [ "$(counted "$dir/err0")" = "$asked $known $tokens" ]
    result "$ranks ranks: the rows, the table and the answers of one, in their order, by one writer"
done
said=$(sed -n 's/^note: 4 ranks; near ties[^:]*: //p' "$dir/err0")
echo "$said" | grep -q '^[0-9]* of [0-9]* questions with several answers (two likeliest within 0.001 nat), [0-9]* of [0-9]* texts'
result "near ties are counted: $said"
# a model whose next token is no toss-up: sampled dialogues of one rank with all threads, and of two that share them
cat >"$dir/sharp.yaml" <<END
init: random
model_config: {family: llama, hidden_size: 64, intermediate_size: 128, num_hidden_layers: 2, num_attention_heads: 4, vocab_size: 772, initializer_range: 0.3}
tokenizer: tests/golden/data/tok_bpe
chat_template: chatml
adapter: lora
datasets: [{path: $dir/rows.jsonl, type: messages}]
max_steps: 2
batch_rows: 8
sequence_len: 64
learning_rate: 0.001
device: cpu
compute: f32
evaluations: [{task: dialogue, name: talk, path: $dir/scenes.jsonl, turns: 5, context: 256, max_new_tokens: 12, temperature: 0.8, repeats: 12, speakers: [{name: Ann, script: "Of {topic}.", model: self}, {name: Bo, model: base}]}]
END
(unset OMP_NUM_THREADS; "$ptrain" "$dir/sharp.yaml" --output_dir="$dir/sharp" && "$ptrain" eval "$dir/sharp" --output "$dir/s1.json" --answers "$dir/s1.answers") >"$dir/out" 2>"$dir/err0" && run=$dir/sharp all 2 s2
code=$?
# answers by key: tokens; texts that differ, and those that one side was never asked (what was said before differs); of both those without a near tie
said=$(awk -F'"' '{ key = $4; line = $0; near = sub(/.*"near": /, "", line) ? line + 0 : 0; line = $0; sub(/.*"tokens": /, "", line); text = $0; sub(/.*"text": /, "", text); sub(/, "tokens".*/, "", text) }
    FILENAME == ARGV[1] { one[key] = text; tokens += line + 0; next } { texts++; if (!(key in one)) { asked++; next } if (one[key] != text) { differ++; clear += near == 0 } } END { print tokens + 0, differ + 0, clear + 0, asked + 0 }' "$dir/s1.answers" "$dir/s2.answers")
read -r tokens differ clear later <<<"$said"
[ $code -eq 0 ] && [ "$tokens" -ge 500 ] && [ "$clear" -eq 0 ] && [ $((50 * differ)) -le "$tokens" ] && { [ "$later" -eq 0 ] || [ "$differ" -gt 0 ]; }
result "sampled dialogues at 0.8 by one and by two ranks: of $tokens tokens $differ differ, $clear of those no near tie"
if command -v mpirun >/dev/null && "$ptrain" doctor 2>/dev/null | grep -q "ranks  *MPI"; then
    mpirun -n 2 --allow-run-as-root --oversubscribe "$ptrain" eval "$dir/run" --output "$dir/mpi.json" --answers "$dir/mpi.answers" >"$dir/out0" 2>"$dir/err0" </dev/null &&
        cmp -s "$dir/one.json" "$dir/mpi.json" && [ "$(grep -c '^wrote' "$dir/out0")" -eq 1 ]
    result "two ranks by mpirun: the same rows"
fi
all 2 by2 && grep -q "^note: $asked questions to the model, $asked of them answered before" "$dir/err0" && cmp -s "$dir/one.json" "$dir/by2.json"
result "asked again by two, nothing is computed"

# killed in the middle: all end with a line, and nothing is asked twice but what was in flight
kills=0
for lines in 300 900 1500; do
    go 3 cut
    while [ "$(cat "$dir/cut.answers" 2>/dev/null | wc -l)" -lt $lines ] && kill -0 "${pids[0]}" 2>/dev/null; do sleep 0.002; done
    kill -KILL "${pids[2]}" 2>/dev/null
    finish
    [ "$codes" = "1,1,137," ] && grep -q "^error: rank 0: rank 2 failed: it is gone" "$dir/err0" && grep -q "^error: rank 1: rank 2 failed: it is gone" "$dir/err1" && kills=$((kills + 1))
done
kept=$(wc -l <"$dir/cut.answers")
all 2 cut && cmp -s "$dir/one.json" "$dir/cut.json" && [ $kills -ge 1 ] && [ "$kept" -ge 300 ] && [ $(($(counted "$dir/err0" | cut -d' ' -f1) - $(counted "$dir/err0" | cut -d' ' -f2))) -eq $(($(wc -l <"$dir/one.answers") - kept)) ] &&
    [ "$(sed 's/"of".*//' "$dir/cut.answers" | sort | uniq -d | wc -l)" -eq 0 ] && [ "$(wc -l <"$dir/cut.answers")" -eq "$(wc -l <"$dir/one.answers")" ]
result "a rank killed in the middle ($kills times): all end and say so, the next start asks only what is missing"
args_of_1="--task who" go 2 differ
finish
[ "$codes" = "2,2," ] && grep -q "^error: rank 0: the ranks do not ask the same" "$dir/err0"
result "ranks that ask different things are refused"
args_of_1=""
