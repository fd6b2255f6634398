#!/bin/bash
# A reward model's score is read at the answer's end token, whatever form the row has and whatever the template puts behind it.
cd "$(dirname "$0")/../.." || exit 2
ptrain=${PTRAIN:-build/ptrain}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
n=0
ok() { # NAME CONDITION...
    local name=$1
    shift
    n=$((n + 1))
    if "$@"; then echo "ok $n - $name"; else echo "not ok $n - $name"; fi
}
tok=tests/golden/data/tok_bpe
cat >"$dir/pairs.jsonl" <<'J'
{"prompt": "hello there", "chosen": "good day to you", "rejected": "go away"}
{"prompt": "who are you", "chosen": "a friend of yours", "rejected": "none of it"}
J
echo '{"text": "<|endoftext|>"}' >"$dir/pad.jsonl"
pad=$("$ptrain" tokenize $tok --input "$dir/pad.jsonl" | grep -o '"input_ids":\[[^]]*' | cut -d[ -f2)
run() { # NAME TEMPLATE
    printf 'init: random\nmodel_config: {family: llama, hidden_size: 32, intermediate_size: 64, num_hidden_layers: 1, num_attention_heads: 2, vocab_size: 800}
tokenizer: %s\nchat_template: %s\nobjective: reward\ndatasets: [{path: %s/pairs.jsonl, type: preference}]\noutput_dir: %s/%s\nsequence_len: 192
batch_rows: 2\nmax_steps: 6\nlearning_rate: 0.01\nwarmup_steps: 0\nval_set_size: 0\ndevice: cpu\ncompute: f32\n' $tok "$2" "$dir" "$dir" "$1" >"$dir/$1.yaml"
    "$ptrain" "$dir/$1.yaml" >"$dir/log" 2>&1 || sed 's/^/# /' "$dir/log"
}
field() { grep -o "\"$1\":[^,}]*" | cut -d: -f2 | tr '\n' ' '; }
scores() { "$ptrain" score "$dir/$1" --input "$2" 2>"$dir/err" | field score; }
same() { [ "$1" ] && [ "$(echo "$1" | tr ' ' '\n' | sed '/^$/d' | sort -u | wc -l)" -eq 1 ] && [ "$(echo "$1" | wc -w)" -eq "$2" ] || { echo "# $1"; sed 's/^/# /' "$dir/err"; return 1; }; }
# forms TEMPLATE RENDERED: one conversation as messages, as text with and without what follows the end token, as ids cut at the end token,
# and as ids padded
forms() {
    run "$1" "$1"
    echo '{"messages": [{"role": "user", "content": "hello there"}, {"role": "assistant", "content": "good day to you"}]}' >"$dir/rows.jsonl"
    printf '{"text": "%s"}\n' "$2" "${2%"$3"}" "$2 "'\n' >>"$dir/rows.jsonl"
    printf '{"text": "%s"}\n' "${2%"$3"}" >"$dir/text.jsonl"
    ids=$("$ptrain" tokenize $tok --input "$dir/text.jsonl" | grep -o '"input_ids":\[[^]]*' | cut -d[ -f2)
    printf '{"input_ids": [%s]}\n' "$ids" "$ids, $pad, $pad, $pad" >>"$dir/rows.jsonl"
    ok "$1: one score in every form" same "$(scores "$1" "$dir/rows.jsonl")" 6
}
forms chatml '<|im_start|>user\nhello there<|im_end|>\n<|im_start|>assistant\ngood day to you<|im_end|>\n' '\n'
forms zephyr '<|user|>\nhello there<|im_end|>\n<|assistant|>\ngood day to you<|im_end|>\n' '\n'
forms alpaca 'Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n### Instruction:\nhello there\n\n### Response:\ngood day to you<|im_end|>\n\n' '\n\n'
# another answer has another score, and what was trained on wins
printf '{"messages": [{"role": "user", "content": "hello there"}, {"role": "assistant", "content": "%s"}]}\n' "good day to you" "go away" >"$dir/two.jsonl"
two=$(scores chatml "$dir/two.jsonl")
ok "chosen over rejected" awk -v t="$two" 'BEGIN { split(t, s, " "); exit !(s[1] > s[2]) }'
# a text that has no end token is read at its last
echo '{"text": "hello\n"}' >"$dir/open.jsonl"
"$ptrain" tokenize $tok --input "$dir/open.jsonl" >"$dir/open.ids"
ok "no end token: the last token" same "$(scores chatml "$dir/open.jsonl")$(scores chatml "$dir/open.ids")" 2
# the classifier that is exported is known again, and says the same
"$ptrain" export "$dir/chatml" --to hf --out "$dir/hf" >"$dir/log" 2>&1 || sed 's/^/# /' "$dir/log"
ok "the exported folder scores alike" [ "$two" = "$("$ptrain" score "$dir/hf" --compute=f32 --input "$dir/two.jsonl" 2>"$dir/err" | field score)" ]
