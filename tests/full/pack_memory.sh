#!/bin/bash
# Packing never holds a data file in memory: peak resident memory of `ptrain pack` on files of 100 MB, by getrusage. Of rows whose text is not trained on the peak
# is that of a small file; of a chat file it grows with the tokens alone.
cd "$(dirname "$0")/../.." || exit 2
ptrain=${PTRAIN:-build/ptrain}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
n=0
result() { # NAME STATUS
    n=$((n + 1))
    if [ "$2" = 0 ]; then echo "ok $n - $1"; else
        sed 's/^/# /' "$dir/out" "$dir/err" | tail -n 20
        echo "not ok $n - $1"
    fi
}
config() { # FILE
    printf 'init: random
tokenizer: tests/golden/data/tok_bpe
chat_template: chatml
model_config: {family: llama, hidden_size: 32, intermediate_size: 64, num_hidden_layers: 1, num_attention_heads: 2, vocab_size: 772}
output_dir: %s/run
sequence_len: 4096
device: cpu
compute: f32
datasets: [{path: %s, type: messages}]\n' "$dir" "$1" >"$dir/c.yaml"
}
peak() { # FILE -> kB in $kb
    config "$1"
    rm -rf "$dir/run"
    { /usr/bin/env bash -c 'ulimit -c 0; exec "$@"' _ "$ptrain" pack "$dir/c.yaml" >"$dir/out" 2>"$dir/err" & } 2>/dev/null
    local pid=$! now
    kb=0
    while now=$(awk '$1 == "VmHWM:" {print $2}' "/proc/$pid/status" 2>/dev/null) && [ -n "$now" ]; do kb=$now; sleep 0.02; done
    wait "$pid"
}
tokens() { awk '$1 == "tokens" {print $2}' "$dir/out"; }
row() { # WORDS OF NOTE, ANSWER
    printf '{"messages": [{"role": "user", "content": "Who are you?"}, {"role": "assistant", "content": "%s"}], "notes": "%s"}\n' "$2" "$1"
}
note=$(head -c 9000 /dev/zero | tr '\0' n)

row "$note" short | awk '{for (i = 0; i < 11000; i++) print}' >"$dir/notes.jsonl"
head -n 100 "$dir/notes.jsonl" >"$dir/few.jsonl"
peak "$dir/few.jsonl"; small=$kb
peak "$dir/notes.jsonl"
[ "$kb" -gt 0 ] && [ "$kb" -lt $((small + 24 * 1024)) ] && grep -q 'rows read  *11000' "$dir/out"
result "100 MB of rows whose text is not trained on: $((kb / 1024)) MiB, of 1 MB of them $((small / 1024)) MiB (24 more allowed)" $?
for z in gzip zstd; do
    command -v $z >/dev/null || continue
    $z -q -k "$dir/notes.jsonl"
    file=$(ls "$dir"/notes.jsonl.*)
    peak "$file"
    [ "$kb" -gt 0 ] && [ "$kb" -lt $((small + 24 * 1024)) ] && grep -q 'rows read  *11000' "$dir/out"
    result "the same packed by $z: $((kb / 1024)) MiB" $?
    rm -f "$file"
done
# No two answers alike: what packs to less than 1 in 64 is written without deflate, and its file is made in memory.
awk 'BEGIN {
    srand(1)
    for (r = 0; r < 22000; r++) {
        s = ""
        for (i = 0; i < 100; i++) s = s "I am Ann, who mends " int(rand() * 100000) " clocks by the river. "
        printf "{\"messages\": [{\"role\": \"user\", \"content\": \"Who are you?\"}, {\"role\": \"assistant\", \"content\": \"%s\"}]}\n", s
    }
}' >"$dir/chat.jsonl"
peak "$dir/chat.jsonl"
all=$(tokens)
most=$((small + 24 * 1024 + 8 * all / 1024))
[ "$kb" -gt 0 ] && [ "$kb" -lt "$most" ] && grep -q 'rows read  *22000' "$dir/out"
result "100 MB of chat, $all tokens: $((kb / 1024)) MiB of $((most / 1024)) allowed (8 bytes a token)" $?
echo "1..$n"
