#!/bin/bash
# Samplers, stop texts and several answers a prompt, through the program.
. "$(dirname "$0")/lib.bash"
run() { "$ptrain" "$@" >"$dir/out" 2>"$dir/err" </dev/null; }
printf 'init: random
tokenizer: tests/golden/data/tok_bpe
chat_template: chatml
model_config: {family: llama, hidden_size: 32, intermediate_size: 64, num_hidden_layers: 1, num_attention_heads: 2, vocab_size: 772}
output_dir: %s/run
sequence_len: 256
max_steps: 1
device: cpu
compute: f32
datasets: [{path: %s/d.jsonl, type: messages}]\n' "$dir" "$dir" >"$dir/c.yaml"
echo '{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}' >"$dir/d.jsonl"
run "$dir/c.yaml"
result "a run to talk to"
refuses() { # WHAT OPTION...
    run generate "$dir/run" --prompt hi "${@:2}"
    [ $? = 2 ] && grep -qF -- "$1" "$dir/err"
    result "refused: ${*:2}"
}
refuses '--stop is empty' --stop=
refuses 'mirostat chooses candidates by itself: top_k has no effect' --mirostat 2 --top-k 5
refuses "each once, not 'magic'" --samplers 'top_k;magic'
refuses 'min_p is set, and samplers does not name it' --samplers top_k --min-p 0.1
refuses 'not '"'"'5'"'" --logit-bias 5
refuses 'token 999 of a vocabulary of 772' --logit-bias 999+1
refuses '--dry-sequence-breaker has no effect without --dry-multiplier' --dry-sequence-breaker x
refuses '--repeat-last-n takes a whole number' --repeat-last-n 1.5

printf '%s\n' '{"prompt": "one"}' '{"prompt": "two"}' >"$dir/p.jsonl"
few=(--input "$dir/p.jsonl" --max-new-tokens 24 --temp 1 --seed 3)
run generate "$dir/run" "${few[@]}" && cp "$dir/out" "$dir/one"
run generate "$dir/run" "${few[@]}" --n 3 && [ "$(wc -l <"$dir/out")" = 6 ] && [ "$(sort -u "$dir/out" | wc -l)" = 6 ] &&
    grep -F '"sample":0' "$dir/out" | sed 's/,"sample":0//' | cmp -s - "$dir/one"
result "--n 3 gives three answers a prompt, the first of them that of --n 1"
run generate "$dir/run" "${few[@]}" --n 2 && cp "$dir/out" "$dir/two"
tac "$dir/p.jsonl" | "$ptrain" generate "$dir/run" --input - --max-new-tokens 24 --temp 1 --seed 3 --n 2 >"$dir/out" 2>"$dir/err" && ! cmp -s "$dir/out" "$dir/two"
result "draws are keyed by a prompt's place"

all=(--dry-multiplier 0.8 --dry-sequence-breaker '\n' --xtc-probability 0.5 --top-n-sigma 2 --typical 0.9 --presence-penalty 0.1 --dynatemp-range 0.3 --repeat-last-n 20 --logit-bias 5-inf,6+0.5)
run generate "$dir/run" "${few[@]}" "${all[@]}" && cp "$dir/out" "$dir/a" && run generate "$dir/run" "${few[@]}" "${all[@]}" && cmp -s "$dir/out" "$dir/a" && ! cmp -s "$dir/a" "$dir/one"
result "a chain of all samplers, twice the same"
for how in "--mirostat 1" "--mirostat 2 --mirostat-ent 3" "--adaptive-target 0.3" "--samplers temperature;top_k --top-k 5"; do
    # shellcheck disable=SC2086
    run generate "$dir/run" "${few[@]}" $how && [ "$(grep -c response "$dir/out")" = 2 ]
    result "$how"
done

# a stop text: the answer without it, as generate and as chat stream it
run generate "$dir/run" --prompt hello --max-new-tokens 40 --temp 1 --seed 5 --text && cp "$dir/out" "$dir/full"
stop=$(cut -c 20-22 <"$dir/full" | head -1)
head -1 "$dir/full" | awk -v s="$stop" '{ at = index($0, s); print at ? substr($0, 1, at - 1) : $0 }' >"$dir/want"
[ -n "$stop" ] && run generate "$dir/run" --prompt hello --max-new-tokens 40 --temp 1 --seed 5 --stop "$stop" --stop never && grep -qF '"finish_reason":"stop"' "$dir/out"
result "an answer with a stop text ends there"
run generate "$dir/run" --prompt hello --max-new-tokens 40 --temp 1 --seed 5 --stop "$stop" --text && cmp -s "$dir/out" "$dir/want"
result "and is what stands before it"
echo hello | "$ptrain" chat "$dir/run" --max-new-tokens 40 --temp 1 --seed 5 --stop "$stop" >"$dir/out" 2>"$dir/err" && head -1 "$dir/out" | cmp -s - "$dir/want"
result "chat shows nothing of it"
# what a run's config says, and the command line wins
sed -i 's/^max_steps/samplers: [top_k, temperature]\nsampling: [temp=1, seed=3, top-k=7]\nmax_steps/' "$dir/c.yaml"
run generate "$dir/run" "${few[@]}" --top-k 7 --samplers 'top_k;temperature' && cp "$dir/out" "$dir/said"
run "$dir/c.yaml" --output_dir="$dir/own"
run generate "$dir/own" --input "$dir/p.jsonl" --max-new-tokens 24 && cmp -s "$dir/out" "$dir/said" && ! cmp -s "$dir/said" "$dir/one"
result "a config's samplers hold for who says nothing else"
run generate "$dir/own" "${few[@]}" --top-k 0 && cmp -s "$dir/out" "$dir/one"
result "the command line wins"
sed -i 's/top-k=7/top-k=x/' "$dir/c.yaml"
run plan "$dir/c.yaml"
[ $? = 2 ] && grep -q "sampling: --top-k takes a number" "$dir/err"
result "a wrong one is refused"
run help generate && grep -q -- '--xtc-probability' "$dir/out"
result "help names the samplers"
"$ptrain" help samplers --markdown | bash tests/tools/samplers_md.sh | diff - docs/generation.md >"$dir/out"
result "docs/generation.md says what the table says (make docs)"
echo "1..$n"
