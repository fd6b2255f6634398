#!/bin/bash
# reward_pairs.sh: configs/reward.yaml on the quickstart base: the share of the held-out sample pairs whose better answer gets the higher score. Beside it what "the
# longer one" would reach: the sample's better answers are the longer ones, so that this shows that a reward model learns, not what it has learnt.
cd "$(dirname "$0")/../.." || exit 2
ptrain=${PTRAIN:-build/ptrain}
[ -e cache/SmolLM2-135M-Instruct.Q4_1.gguf ] || { echo "ok 1 - a reward model of the sample pairs # SKIP no cache/SmolLM2-135M-Instruct.Q4_1.gguf"; exit 0; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
text='"([^"\\]|\\.)*"'
sed -E "s/.*\"chosen\": ?($text), ?\"rejected\": ?($text).*/\1\x01\3/" data/samples/personality_pref_test.jsonl | awk -F '\x01' 'NF == 2 { n++; w += length($1) > length($2) } END { printf "# longer wins: %.2f of %d held-out pairs\n", w / n, n }'
"$ptrain" configs/reward.yaml --output_dir="$dir/rm" --save_steps=0 >"$dir/log" 2>&1
rc=$? got=$(sed -n 's/.*"eval_accuracy": *\([^,}]*\).*/\1/p' "$dir/rm/metrics.jsonl" | tail -n 1)
if [ $rc -eq 0 ] && awk -v a="$got" 'BEGIN { exit !(a >= 0.9) }'; then
    echo "ok 1 - a reward model puts the better answer first in $got of the held-out sample pairs (0.9 asked)"
else
    tail -n 5 "$dir/log" | sed 's/^/# /'
    echo "not ok 1 - a reward model puts the better answer first in ${got:-none} of the held-out sample pairs (0.9 asked)"
fi
echo "1..1"
