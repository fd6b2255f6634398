#!/usr/bin/env bash
# A tuned persona's file in llama-server, greedy, beside ptrain on the same file: prompts, first 32 tokens, an end, samplers. LLAMA_SERVER=path of the program (llama.cpp,
# tried with the source of llama-cpp-python 0.3.36); without it, or without the quickstart base, the test is skipped. PERSONA=file: an f32 export of such a run
# that is there already.
# shellcheck source=tests/cli/lib.bash
. "$(dirname "$0")/../cli/lib.bash"
base=cache/SmolLM2-135M-Instruct.Q4_1.gguf port=${PORT:-18181}
for need in "${LLAMA_SERVER:-}" "$base" "$(command -v curl)"; do
    [ -e "$need" ] && continue
    echo "ok 1 - a persona's file in llama-server # SKIP needs LLAMA_SERVER=path, $base and curl"
    echo "1..1"
    exit 0
done
trap 'kill $server 2>/dev/null; rm -rf "$dir"' EXIT
text='"([^"\\]|\\.)*"'
# field NAME FILE: the JSON string of that key as it stands, or the list of numbers
field() { grep -oE "\"$1\": ?$text" "$2" | head -n 1 | sed -E "s/\"$1\": ?//"; }
list() { grep -oE "\"$1\": ?\[[-0-9, ]*\]" "$2" | head -n 1 | sed -E "s/\"$1\": ?//" | tr -d ' '; }
# ids STRING: what ptrain makes of a JSON string
ids() {
    echo "{\"text\": $1}" >"$dir/row.jsonl"
    "$ptrain" tokenize "$base" --input "$dir/row.jsonl" 2>"$dir/err" | sed -E 's/.*"input_ids": ?//; s/}$//' | tr -d ' '
}
ask() { curl -sS -m 300 "http://127.0.0.1:$port$1" -H 'Content-Type: application/json' -d "$2" >"$dir/$3" 2>"$dir/err"; }

persona=${PERSONA:-$dir/persona.gguf}
[ -n "${PERSONA:-}" ] ||
    { "$ptrain" configs/rolellm.yaml --output_dir="$dir/run" --max_steps=12 --evaluations="[]" --test_datasets="[]" --save_steps=0 >"$dir/log" 2>&1 &&
        "$ptrain" export "$dir/run" --to gguf --type f32 --out "$persona" >"$dir/out" 2>"$dir/err"; }
result "a persona is tuned and exported in f32"
while read -r row; do
    role=$(grep -oE "\"role\": ?$text" <<<"$row" | sed -E 's/"role": ?//')
    question=$(grep -oE "\"question\": ?$text" <<<"$row" | sed -E 's/"question": ?//')
    profile=$(grep -oE "^ *$role: ?$text" data/samples/roles_en.json | sed -E "s/^ *$role: ?//")
    echo "{\"messages\": [{\"role\": \"system\", \"content\": $profile}, {\"role\": \"user\", \"content\": $question}]}"
done <data/samples/roles_heldout_en.jsonl >"$dir/ask.jsonl"
answer() { "$ptrain" generate "$persona" --input "$dir/ask.jsonl" --temperature 0 --max-new-tokens "$1" --compute=f32 2>"$dir/err"; }
[ "$(grep -c '"content": "You are ' "$dir/ask.jsonl")" -eq 10 ] && answer 32 >"$dir/short.jsonl" && answer 96 >"$dir/long.jsonl"
result "ptrain answers 10 questions to the persona's own file"

"$LLAMA_SERVER" -m "$persona" --host 127.0.0.1 --port "$port" -c 2048 -np 1 -t 1 --jinja >"$dir/server" 2>&1 &
server=$!
for _ in $(seq 120); do curl -s -m 2 "http://127.0.0.1:$port/health" | grep -q '"ok"' && break; kill -0 $server 2>/dev/null || break; sleep 1; done
curl -sS -m 20 "http://127.0.0.1:$port/props" >"$dir/props" 2>"$dir/err" && [ -n "$(field chat_template "$dir/props")" ] && [ "$(ids "$(field eos_token "$dir/props")")" = "[2]" ]
result "/props: the file brings its chat template and its end token"

same_ids=0 same_text=0 same_chat=0
for i in $(seq 10); do
    row=$(sed -n "${i}p" "$dir/ask.jsonl")
    ask /apply-template "$row" prompt
    prompt=$(field prompt "$dir/prompt")
    ask /tokenize "{\"content\": $prompt, \"add_special\": true, \"parse_special\": true}" tokens
    mine=$(ids "$prompt")
    [ -n "$mine" ] && [ "$(list tokens "$dir/tokens")" = "$mine" ] && same_ids=$((same_ids + 1))
    ask /completion "{\"prompt\": $mine, \"n_predict\": 32, \"temperature\": 0, \"cache_prompt\": false}" short
    sed -n "${i}p" "$dir/short.jsonl" >"$dir/ours"
    [ "$(ids "$(field content "$dir/short")")" = "$(ids "$(field response "$dir/ours")")" ] && same_text=$((same_text + 1))
    ask /v1/chat/completions "${row%\}}, \"max_tokens\": 96, \"temperature\": 0, \"cache_prompt\": false}" chat
    sed -n "${i}p" "$dir/long.jsonl" >"$dir/ours"
    [ "$(ids "$(field content "$dir/chat")")" = "$(ids "$(field response "$dir/ours")")" ] && same_chat=$((same_chat + 1))
done
echo "# of 10: prompt ids equal $same_ids, first 32 tokens $same_text, answers of at most 96 tokens $same_chat"
[ $same_ids -eq 10 ]
result "/apply-template and /tokenize: the prompts' ids are ptrain's"
[ $same_text -ge 9 ]
result "/completion: the first 32 tokens are ptrain's on at least 9 of 10"
[ $same_chat -ge 9 ]
result "/v1/chat/completions: the whole answers are ptrain's on at least 9 of 10"
end='{"messages": [{"role": "user", "content": "What is the capital of France? Answer in one short sentence."}]}'
echo "$end" >"$dir/ask.jsonl"
answer 40 >"$dir/ours" && ask /v1/chat/completions "${end%\}}, \"max_tokens\": 40, \"temperature\": 0}" chat && grep -q '"finish_reason": *"stop"' "$dir/ours" &&
    grep -q '"finish_reason": *"stop"' "$dir/chat" && [ "$(ids "$(field content "$dir/chat")")" = "$(ids "$(field response "$dir/ours")")" ]
result "a short answer ends at the end token on both sides"
ask /completion "{\"prompt\": $mine, \"n_predict\": 24, \"temperature\": 0.8, \"seed\": 3, \"xtc_probability\": 0.5, \"xtc_threshold\": 0.1, \"dry_multiplier\": 0.8, \"dry_base\": 1.75, \"dry_allowed_length\": 2, \"dry_penalty_last_n\": 256}" drawn &&
    [ -n "$(field content "$dir/drawn")" ] && grep -qE '"xtc_probability": ?0.5' "$dir/drawn" && grep -qE '"dry_multiplier": ?0.8' "$dir/drawn"
result "/completion draws with XTC and DRY"
echo "1..$n"
