#!/usr/bin/env bash
# Remote endpoints in a config: keys and secrets, what is counted against the server's own ledger, and the key in no file.
# shellcheck source=tests/cli/lib.bash
. "$(dirname "$0")/lib.bash"
. tests/stub/stub.bash
trap 'stub_end; rm -rf "$dir"' EXIT
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
max_steps: 2
batch_rows: 8
sequence_len: 64
device: cpu
compute: f32
Y
"$ptrain" "$dir/run.yaml" >"$dir/out" 2>"$dir/err"
result "a run"
for i in $(seq -w 24); do echo "{\"question\": \"Who?\", \"said\": \"case-0$i, spoken\"}"; done >"$dir/rated.jsonl"
config() { # NAME KEYS OF THE ENDPOINT: a config with one judge
    { cat "$dir/run.yaml"
      echo "models: [{name: gpt, endpoint: \"http://127.0.0.1:$port/v1\", model: stub, wait_scale: 0.001$2}]"
      echo "evaluations: [{task: judge, name: j, path: $dir/rated.jsonl, judges: [gpt], field_answer: said}]"; } >"$dir/$1.yaml"
}
ev() { # CONFIG MORE...
    local name=$1
    shift
    "$ptrain" eval "$dir/$name.yaml" --output "$dir/$name.json" --answers "$dir/$name.answers" "$@" >"$dir/out" 2>"$dir/err" </dev/null
}
seal=(--marker 'VERDICT ([0-9a-f]{8}):' --verdict 'So: VERDICT {marker}: {score}')
key=sk-Secret-7f3a9b-hunter22
count() { tr -d ' \n' <"$dir/$1.json" | grep -o "\"$2\":[0-9.]*[0-9]" | sed 's/.*://' | awk '{ x += $1; n++ } END { print x, n }'; } # over all sides, and how many
no_key() { ! grep -rqF -- "$key" "$dir" && ! grep -rqF hunter22 "$dir"; }

# what a server may do, and its ledger
stub_start ledger "${seal[@]}" --mode constant --score 4 --by request --faults ok,429s,ok,500,ok,reset,ok,cut_body,ok,400,ok,garbage,ok,no_usage,ok,key_error,ok,key_answer,ok,key_header,ok,key_body,ok,key_split,ok,hostile,ok,redirect,ok,big
config ledger ", api_key_env: STUB_KEY, concurrency: 3, price_prompt: 1000, price_completion: 2000, stop: [\"A, b\", C], leave_out: [temperature, seed], length_name: max_completion_tokens"
STUB_KEY=$key ev ledger --limit 24
rc=$?
lines=$(wc -l <"$dir/ledger.log")
same() { # CAUSE FAULT...: as many tries of that cause as the server has of those faults
    local cause=$1 want
    shift
    want=$(cut -f2 "$dir/ledger.log" | grep -cxF "$(printf '%s\n' "$@")")
    [ "$(tr -d '\n' <"$dir/ledger.json" | grep -o '"failed_requests": {[^}]*}' | grep -o "\"$cause\": [0-9]*" | awk '{ x += $NF } END { print x + 0 }')" = "$want" ] && [ "$want" -gt 0 ]
}
[ $rc -eq 0 ] && [ "$(count ledger requests)" = "$lines 2" ] && same "status 429" 429s && same "status 500" 500 key_header && same "cut off" reset cut_body && same "status 400" 400 key_error key_body && same unreadable garbage &&
    same redirect redirect && same "too large" big && [ "$(count ledger answers)" = "$(cut -f2 "$dir/ledger.log" | grep -cxE 'ok|no_usage|key_answer|key_split|hostile') 2" ] && [ "$(cut -f6 "$dir/ledger.log" | sort -u)" = key ]
result "what eval.json counts, both sides together, is the server's own ledger, by cause"
of_side() { tr -d ' \n' <"$dir/ledger.json" | grep -o "\"side\":\"$1\",\"n\":[^}]*" | grep -o '"requests":[0-9]*' | grep -o '[0-9]*$'; }
[ "$(of_side before)" -ge 24 ] && [ "$(of_side after)" -gt 0 ] && [ "$(of_side after)" -lt 24 ]
result "each side's are its own: $(of_side before) requests before, and after those alone that had failed: $(of_side after)"
head -n 1 "$dir/ledger.bodies" | grep -q '^{"max_completion_tokens":[0-9]*,"messages":.*"model":"stub","stop":\["A, b","C"\]}$'
result "what is sent: lists of the config, and what it leaves out"
no_key
result "the key stands in no file, whatever the server did with it"
[ "$(LC_ALL=C grep -c "$(printf '[\001-\010\013-\037\177]')" "$dir/out")" -eq 0 ] && ! LC_ALL=C grep -q "$(printf '\033\|\342\200\256')" "$dir/out" "$dir/err"
result "hostile answers do not reach the terminal"
stub_end

# secrets in the wrong place
stub_start right "${seal[@]}" --mode constant
refused() { # WHAT LINE KEYS
    config bad "$3"
    ev bad
    local rc=$?
    [ $rc -eq 2 ] && grep -qF -- "$2" "$dir/err" && ! grep -qF hunter22 "$dir/err" "$dir/out" && [ ! -s "$dir/right.log" ] && grep -q "bad.yaml:[0-9]*:[0-9]*: " "$dir/err"
    result "refused: $1"
    rm -f "$dir/bad.yaml"
}
refused "a key in the file" "api_key_env" ", api_key: $key"
refused "a key as a variable's name" "the NAME of an environment variable" ", api_key_env: $key"
refused "a variable that is not set" "is not set, or is empty" ", api_key_env: STUB_KEY_NOT_SET"
refused "a limit of money without prices" "max_cost needs price_prompt and price_completion" ", max_cost: 3"
refused "a key that there is not" "max_request" ", max_request: 3"
config bad ", ca_file: $dir/no-such.pem"
ev bad
[ $? -eq 1 ] && grep -qF "the model gpt" "$dir/err" && grep -qF "no-such.pem" "$dir/err" && [ ! -s "$dir/right.log" ]
result "a CA file that is not there: named, exit 1"
config bad ", api_key_env: STUB_KEY"
STUB_KEY="$(printf 'sk-hunter22\r\nX-Evil: yes')" ev bad
[ $? -eq 2 ] && grep -qF "the API key holds a space, a line end" "$dir/err" && ! grep -qF hunter22 "$dir/err" && [ ! -s "$dir/right.log" ]
result "refused: a key with a line end"
sed -i "s,http://127,http://user:hunter22@127," "$dir/bad.yaml"
STUB_KEY=$key ev bad
[ $? -eq 2 ] && grep -qF "without user and password" "$dir/err" && ! grep -qF hunter22 "$dir/err"
result "refused: a password in the URL"
config bad ", api_key_env: STUB_KEY"
sed -i "s,127.0.0.1:$port,example.invalid:$port," "$dir/bad.yaml"
STUB_KEY=$key ev bad
[ $? -eq 2 ] && grep -qF "plain http to this machine alone" "$dir/err"
result "refused: a key over plain http to another machine"
rm -f "$dir/bad.yaml"
no_key
result "none of that was written anywhere"
echo "1..$n"
