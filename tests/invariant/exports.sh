#!/bin/bash
# Exports behave in transformers as what was trained: the files that tests/golden/exports.py saw there are written to the byte, and our own ids,
# numbers and answers, from the run and from its export, are those of transformers (tests/golden/data/exports.tsv).
cd "$(dirname "$0")/../.." || exit 2
ptrain=${PTRAIN:-build/ptrain}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
golden=tests/golden/data/exports.tsv
n=0
ok() { # NAME CONDITION...
    local name=$1
    shift
    n=$((n + 1))
    if "$@" >"$dir/said" 2>&1; then echo "ok $n - $name"; else
        sed 's/^/# /' "$dir/said"
        echo "not ok $n - $name"
    fi
}
want() { awk -F'\t' -v c="$1" -v w="$2" '$1 == c && $2 == w { print $3 }' $golden; }
# shellcheck source=tests/golden/exports_cases.sh
. tests/golden/exports_cases.sh
ok "the matrix is made" all_cases
talk='[{"role": "user", "content": "hello there"}, {"role": "assistant", "content": "good day to you"}, {"role": "user", "content": "who is it\n\u00e9?"}]'
same_files() { # CASE: every file that transformers loaded, and beside an adapter the same tokenizer
    local what sum
    while read -r what sum; do
        [ "$(sha256sum <"$dir/$1/hf/$what" | cut -d' ' -f1)" = "$sum" ] || { echo "$what is another"; cat "$dir/$1/hf/$what" | head -c 2000; return 1; }
        [ "$what" = config.json ] || [ ! -e "$dir/$1/run/adapter_config.json" ] || cmp "$dir/$1/run/$what" "$dir/$1/hf/$what" || return 1
    done < <(awk -F'\t' -v c="$1" '$1 == c && $2 ~ /[.]/ { print $2, $3 }' $golden)
}
same_ids() { # CASE: a conversation and a text have the numbers of transformers' ids, in an adapter's run, in the export of full weights
    local where
    printf '{"messages": %s}\n{"input_ids": [%s]}\n{"text": "the other\\nand \\u00e9  more"}\n{"input_ids": [%s]}\n' "$talk" "$(want "$1" prompt | tr ' ' ,)" "$(want "$1" text | tr ' ' ,)" >"$dir/rows.jsonl"
    for where in $([ -e "$dir/$1/run/adapter_config.json" ] && echo run || echo hf); do
        "$ptrain" score "$dir/$1/$where" --compute=f32 --input "$dir/rows.jsonl" | grep -o '"logprobs":.*' >"$dir/scores" || return 1
        awk '{ l[NR] = $0 } END { exit !(NR == 4 && l[1] == l[2] && l[3] == l[4]) }' "$dir/scores" || { cat "$dir/scores"; return 1; }
    done
}
same_answer() { # CASE: it stops where transformers stopped
    local where
    for where in run hf; do
        "$ptrain" generate "$dir/$1/$where" --prompt "hello there" --temperature 0 --max-new-tokens 24 | tee "$dir/answer"
        grep -q '"response":" \?'"$(want "$1" answer)"'","finish_reason":"stop"' "$dir/answer" || return 1
    done
}
while read -r name _; do
    ok "$name: the files that transformers loaded" same_files "$name"
    ok "$name: ids" same_ids "$name"
    [ -z "$(want "$name" answer)" ] || ok "$name: the answer and its end" same_answer "$name"
done <<<"$matrix"
