#!/bin/bash
# constrained.sh: answers held to JSON schemas, judged by jsonschema. 1,000 schemas drawn by a seed, one answer each of SmolLM2 at temperature 1 in batches of 16: every one that ends is valid; of
# the 500 whose longest text fits 256 bytes (so 256 tokens) all end, of the others at least 80 % (within 512 tokens). And the committed verdicts on every tokenizer of ../shared, masks included.
#   PYTHON=python3 with jsonschema 4.26 (skips without)   CONSTRAINED_N=1000   CONSTRAINED_SEED=18   CONSTRAINED_KEEP=DIR keeps the rows
cd "$(dirname "$0")/../.." || exit 2
ptrain=${PTRAIN:-build/ptrain}
python=${PYTHON:-python3}
base=${CONSTRAINED_BASE:-cache/SmolLM2-135M-Instruct.Q4_1.gguf}
verdicts=${CONSTRAINED_VERDICTS:-$(dirname "$ptrain")/tests/golden/data_constraints}
dir=${CONSTRAINED_KEEP:-$(mktemp -d)}
mkdir -p "$dir"
[ -n "$CONSTRAINED_KEEP" ] || trap 'rm -rf "$dir"' EXIT
n=0
result() { # CODE NAME
    local rc=$1
    shift
    n=$((n + 1))
    [ $rc -eq 0 ] && echo "ok $n - $1" && return
    tail -n 12 "$dir/log" | sed 's/^/# /'
    echo "not ok $n - $1"
}
if [ -x "$verdicts" ] && [ -d ../shared/data/tokenizers ]; then
    PTRAIN_FULL=1 "$verdicts" >"$dir/log" 2>&1
    result $? "jsonschema's verdicts on every tokenizer of ../shared, each token in its mask"
    grep '^# figure' "$dir/log"
else
    n=$((n + 1)) && echo "ok $n - verdicts on every tokenizer # SKIP no $verdicts or no ../shared"
fi
if ! "$python" -c 'import jsonschema' 2>/dev/null || [ ! -e "$base" ]; then
    n=$((n + 1)) && echo "ok $n - answers by jsonschema # SKIP no $base, or PYTHON ($python) has no jsonschema"
    echo "1..$n"
    exit 0
fi
"$python" tests/golden/constraints.py draw "${CONSTRAINED_N:-1000}" "${CONSTRAINED_SEED:-18}" >"$dir/schemas.jsonl" 2>"$dir/log"
rc=$?
result $rc "$(wc -l <"$dir/schemas.jsonl") schemas drawn"
"$python" - "$dir" >"$dir/log" 2>&1 <<'P'
import json, sys
out = {kind: open(sys.argv[1] + "/" + kind + ".jsonl", "w", encoding="utf-8") for kind in ("bounded", "unbounded")}
for x in map(json.loads, open(sys.argv[1] + "/schemas.jsonl", encoding="utf-8")):
    ask = "Make up something that fits this JSON schema, and answer with the JSON alone:\n" + json.dumps(x["schema"], ensure_ascii=False)
    kind = "unbounded" if x["longest"] is None else "bounded"
    out[kind].write(json.dumps({"prompt": ask[:3000], "json_schema": x["schema"], "longest": x["longest"]}, ensure_ascii=False) + "\n")
P
result $? "rows written"
for kind in bounded unbounded; do
    [ $kind = bounded ] && most=256 || most=512
    started=$SECONDS
    "$ptrain" generate "$base" --input "$dir/$kind.jsonl" --output "$dir/$kind.out.jsonl" --temperature 1 --seed 1 --max-new-tokens "$most" >"$dir/log" 2>&1
    rc=$?
    result $rc "$kind: $(wc -l <"$dir/$kind.jsonl") answers in $((SECONDS - started)) s"
    "$python" tests/golden/constraints.py check "$dir/$kind.out.jsonl" >"$dir/log" 2>&1
    rc=$?
    result $rc "$kind: every answer that ended is valid by jsonschema ($(grep "^$kind" "$dir/log"); $(grep "^invalid" "$dir/log"))"
    least=$([ $kind = bounded ] && echo 1 || echo 0.8)
    awk -v kind=$kind -v least="$least" '$1 == kind { share = $8 } END { exit !(share >= least) }' "$dir/log"
    rc=$?
    result $rc "$kind: $([ $kind = bounded ] && echo "all end" || echo "at least 80 % end")"
done
echo "1..$n"
