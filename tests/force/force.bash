# Commands of the program under calls that fail (tests/force/shim.c). Sourced by tests/fault/force.sh (a sample) and tests/full/force.sh (all).
#
# A phase is one command with an `old` state of its output and the `want`ed one. One case = one phase, one kind of call, the N-th call of that kind
# failing (one), or it and all after it (from). What must hold after it:
#   exit code 0 with everything as without the fault, or 1 with a line "error: ..."; no signal, no wait without end;
#   each output whole: as before or as wanted; nothing half-written left; training goes on afterwards and ends in the same bits.
force_ptrain=${PTRAIN:-build/ptrain}
force_shim=${FORCE_SHIM:-$(dirname "$force_ptrain")/force.so} # built beside the program
case $force_ptrain in /*) ;; *) force_ptrain=$PWD/$force_ptrain ;; esac
case $force_shim in /*) ;; *) force_shim=$PWD/$force_shim ;; esac
force_cores=$(nproc)
export OMP_WAIT_POLICY=passive OMP_NUM_THREADS=1

force_yaml() { # NAME EXTRA-LINES: a config of two steps in $force_dir
    printf '%s\n' "datasets: [{path: $force_dir/d.jsonl, type: messages}]" "chat_template: plain" "sequence_len: 64" "batch_rows: 2" "max_steps: 2" \
        "save_steps: 1" "device: cpu" "compute: f32" "learning_rate: 1e-2" "$2" >"$force_dir/$1.yaml"
}
force_quiet() { "$@" >"$force_dir/log" 2>&1 || { sed 's/^/# /' "$force_dir/log"; echo "# failed: $*"; return 1; }; }

# Models, data and configs; all under $force_dir.
force_fixture() {
    local d=$force_dir p=$force_ptrain tok=tests/golden/data/tok_bpe lora="adapter: lora
lora_r: 4
lora_target_linear: true"
    for i in 1 2 3 4 5 6; do
        echo "{\"messages\": [{\"role\": \"user\", \"content\": \"hello $i\"}, {\"role\": \"assistant\", \"content\": \"good day $i\"}]}"
    done >"$d/d.jsonl"
    # a text of parts, and a call whose result is an object
    echo '{"messages": [{"role": "user", "content": [{"type": "text", "text": "hello"}, {"type": "text", "text": " you"}]}, {"role": "assistant", "content": "good"}]}' >>"$d/d.jsonl"
    printf 'instruction,output\nhello,good day\n"hello, you",go away\n' | gzip -n >"$d/rows.csv.gz"
    echo '{"role": "Ann", "question": "hello", "generated": ["good day"]}' >"$d/roles.jsonl"
    echo '{"Ann": "a good one"}' >"$d/profiles.json"
    for i in 1 2 3 4; do echo "{\"prompt\": \"hello $i\", \"chosen\": \"good day $i\", \"rejected\": \"go away\"}"; done >"$d/pairs.jsonl"
    printf '{"prompt": "hello"}\n{"messages": [{"role": "user", "content": "good"}]}\n' >"$d/prompts.jsonl"
    printf '{"text": "hello"}\n{"text": "good day"}\n' >"$d/texts.jsonl"
    force_yaml random "init: random
model_config: {family: llama, hidden_size: 32, intermediate_size: 64, num_hidden_layers: 2, num_attention_heads: 4, vocab_size: 772}
tokenizer: $tok"
    force_quiet "$p" "$d/random.yaml" --output_dir="$d/base" || return 1
    force_quiet "$p" export "$d/base" --to hf --out "$d/hf" && force_quiet "$p" export "$d/base" --to gguf --type q8_0 --out "$d/base.gguf" || return 1
    force_yaml lora "base_model: $d/hf
$lora"
    force_yaml gguf "base_model: $d/base.gguf
$lora"
    force_yaml full "base_model: $d/hf"
    force_yaml bf16 "base_model: $d/hf
$lora"
    sed -i 's/compute: f32/compute: bf16/' "$d/bf16.yaml"
    force_yaml dpo "base_model: $d/hf
objective: dpo"
    sed -i "s|{path: .*}|{path: $d/pairs.jsonl, type: preference}|" "$d/dpo.yaml"
    force_yaml pack "base_model: $d/hf"
    sed -i "s|{path: .*}|{path: $d/d.jsonl, type: messages}, {path: $d/rows.csv.gz, type: alpaca}, {path: $d/roles.jsonl, type: rolebench, profiles: $d/profiles.json}|" "$d/pack.yaml"
    force_quiet "$p" "$d/lora.yaml" --output_dir="$d/run" --test_datasets="[{path: $d/d.jsonl, type: messages}]" --eval_questions=2 \
        --eval_max_new_tokens=4 || return 1
    force_quiet "$p" "$d/lora.yaml" --output_dir="$d/other" --seed=7 || return 1
    force_quiet "$p" "$d/lora.yaml" --output_dir="$d/half" --save_only_model=false && rm -rf "$d/half/checkpoint-2"
}

# ---- phases: OUT stands for the output's path -----------------------------------------------------------------------------
force_phases="train-full train-lora train-gguf train-dpo resume pack export-peft export-hf export-gguf export-gguf-lora eval generate score tokenize chat inspect plan"
force_args() { # PHASE OUT: the arguments, in the array args
    local d=$force_dir o=$2
    case $1 in
    train-*) args=("$d/${1#train-}.yaml" "--output_dir=$o") ;;
    resume) args=("$d/lora.yaml" "--output_dir=$o" --resume_from_checkpoint=auto) ;;
    pack) args=(pack "$d/pack.yaml" "--output_dir=$o") ;;
    export-*) args=(export "$d/run" --to "${1#export-}" --out "$o") ;;
    eval) args=(eval "$d/run" --output "$o") ;;
    generate) args=(generate "$d/run" --input "$d/prompts.jsonl" --max-new-tokens 4 --temperature 0 --output "$o") ;;
    score | tokenize) args=("$1" "$d/run" --input "$d/texts.jsonl" --output "$o") ;;
    chat) args=(chat "$d/run" --max-new-tokens 4 --temperature 0) ;;
    inspect | plan) args=("$1" "$d/lora.yaml" "--output_dir=$o") ;;
    esac
}
force_old() { # PHASE TO: the output before the command
    case $1 in
    resume) cp -r "$force_dir/half" "$2" ;;
    export-*) [ -e "$force_dir/old/$1" ] && cp -r "$force_dir/old/$1" "$2" ;;
    eval | generate | score | tokenize) echo old >"$2" ;;
    esac
    return 0
}
# What has to be the same, without times and places: standard output and files of the output
force_view() { # PHASE OUT STDOUT INTO
    case $1 in
    train-* | resume)
        (cd "$2" && find . -type f ! -path './runs/*' ! -name '.ptrain-*' ! -name '*.yaml' ! -path './cache/*' ! -name metrics.jsonl ! -name report.html ! -name state.json \
            ! -name trained.json -exec cksum {} + | sort -k3 && grep -vE '"(plan|bytes|command|config_sha256)": ' trained.json && sed 's/"tokens_per_second.*//' metrics.jsonl) >"$4" 2>&1 ;;
    pack) # by what it says: a filter of HDF5 that has no memory leaves its bytes out, and notes so
        find "$2" -type f -name '*.h5' | wc -l >"$4"
        "$force_ptrain" inspect "$force_dir/pack.yaml" "--output_dir=$2" --sample 0-9 >>"$4" 2>&1 ;;
    export-*) if [ -d "$2" ]; then (cd "$2" && find . -type f -exec cksum {} + | sort -k3) >"$4"; else cksum <"$2" >"$4" 2>&1; fi ;;
    chat | inspect | plan) grep -vE 'free on this machine|available|program and packed data|  total |^device ' "$3" | sed -E "s|$2|OUT|g" >"$4" ;;
    *) cksum <"$2" >"$4" 2>&1 ;;
    esac
}
force_run() { # PHASE OUT: into $w/stdout, $w/stderr; the environment's words stand in force_env
    force_args "$1" "$2"
    timeout -s KILL "${FORCE_LIMIT:-60}" taskset -c "${force_cpu:-0}" env "${force_env[@]}" "$force_ptrain" "${args[@]}" <<<"hello" >"$w/stdout" 2>"$w/stderr"
}

# The state before, the wanted view, and the list of places of one phase.
force_prepare() { # PHASE
    local phase=$1 w=$force_dir/w.$1 code
    mkdir -p "$w" "$force_dir/old" "$force_dir/want"
    force_env=(LC_ALL=C)
    case $phase in export-*) force_quiet "$force_ptrain" export "$force_dir/other" --to "${phase#export-}" --out "$force_dir/old/$phase" || return 1 ;; esac
    force_old "$phase" "$w/out"
    force_run "$phase" "$w/out" || { sed 's/^/# /' "$w/stderr"; return 1; }
    force_view "$phase" "$w/out" "$w/stdout" "$force_dir/want/$phase"
    case $phase in export-*) force_view "$phase" "$force_dir/old/$phase" /dev/null "$force_dir/want/$phase.old" ;; esac
    rm -rf "$w/out"
    force_old "$phase" "$w/out"
    force_env=("LD_PRELOAD=$force_shim" "FORCE_LIST=$force_dir/want/$phase.places")
    force_run "$phase" "$w/out" || { sed 's/^/# /' "$w/stderr"; return 1; }
    force_view "$phase" "$w/out" "$w/stdout" "$w/view"
    cmp -s "$w/view" "$force_dir/want/$phase" || { echo "# $phase: two runs differ"; diff "$w/view" "$force_dir/want/$phase" | head -5 | sed 's/^/# /'; return 1; }
    rm -rf "$w"
}

# One case, in the work folder $w; prints what is wrong, nothing when all holds.
force_case() { # PHASE KIND N MODE
    local phase=$1 code want=$force_dir/want/$1 left=
    rm -rf "$w"/out* && force_old "$phase" "$w/out"
    force_env=("LD_PRELOAD=$force_shim" "FORCE_KIND=$2" "FORCE_AT=$3" "FORCE_MODE=$4")
    force_run "$phase" "$w/out"
    code=$?
    case $code in
    0) force_view "$phase" "$w/out" "$w/stdout" "$w/view"
        cmp -s "$w/view" "$want" || { echo "exit 0, but the result differs"; diff "$w/view" "$want" | head -3; } ;;
    1) grep -q '^error: .\|^libgomp: .' "$w/stderr" || echo "no message" ;;
    137) echo "no end within ${FORCE_LIMIT:-60} s" ;;
    2) [ "$2" = open ] || echo "exit 2: $(tail -n 1 "$w/stderr")" ;; # a file that does not open behind a setting is a wrong setting
    *) echo "exit $code: $(tail -n 1 "$w/stderr")" ;;
    esac
    # without a descriptor to read it with, a folder under construction stays until the next run
    [ "$2$4" = openfrom ] || left=$(find "$w" -name '*.ptrain-new-*' -o -name '*.ptrain-old-*' | head -1)
    [ -z "$left" ] || echo "left behind: ${left#"$w"/} (exit $code: $(tail -n 1 "$w/stderr"))"
    [ $code -eq 0 ] && return
    case $phase in
    export-*) force_view "$phase" "$w/out" "$w/stdout" "$w/view"
        cmp -s "$w/view" "$want" || cmp -s "$w/view" "$want.old" || echo "exit $code, and the output is neither the old nor the new one" ;;
    eval | generate | score | tokenize) force_view "$phase" "$w/out" "$w/stdout" "$w/view"
        [ "$(cat "$w/out")" = old ] || cmp -s "$w/view" "$want" || echo "exit $code, and the output is neither the old nor the new one" ;;
    train-* | resume | pack) # a second try without faults ends as the first would have; after the end of memory every fourth time
        [ "$2" != mem ] || [ $(($3 % 4)) -eq 0 ] || return
        cp "$w/stderr" "$w/first"
        force_env=(LC_ALL=C)
        force_args "$phase" "$w/out"
        [ "$phase" = pack ] || args+=(--resume_from_checkpoint=auto)
        if timeout 60 taskset -c "${force_cpu:-0}" "$force_ptrain" "${args[@]}" >"$w/stdout" 2>"$w/stderr" </dev/null; then
            force_view "$phase" "$w/out" "$w/stdout" "$w/view"
            cmp -s "$w/view" "$want" || { echo "exit $code ($(tail -n 1 "$w/first")), and the second try ends in other bits"; diff "$w/view" "$want" | head -3; }
        else
            echo "exit $code ($(tail -n 1 "$w/first")), and the second try fails: $(tail -n 1 "$w/stderr")"
        fi ;;
    esac
}

force_worker() { # INDEX OF: its share of $force_dir/cases into $force_dir/bad.INDEX
    local w=$force_dir/worker.$1 phase kind n mode bad force_cpu
    force_cpu=$(($1 % force_cores)) # one core: the same calls in the same order
    mkdir -p "$w"
    : >"$force_dir/bad.$1"
    while read -r phase kind n mode; do
        bad=$(force_case "$phase" "$kind" "$n" "$mode" 2>&1)
        [ -z "$bad" ] || echo "$phase $kind $n $mode: ${bad//$'\n'/; }" >>"$force_dir/bad.$1"
    done < <(awk -v i="$1" -v n="$2" 'NR % n == i' "$force_dir/cases")
}

# All cases of $force_dir/cases by so many workers, then a TAP line a phase and a table of what was tried.
force_all() { # WORKERS
    local i n=0 phase
    for ((i = 0; i < $1; i++)); do force_worker "$i" "$1" & done
    wait
    cat "$force_dir"/bad.* >"$force_dir/bad"
    for phase in $force_phases; do
        grep -q "^$phase " "$force_dir/cases" || continue
        n=$((n + 1))
        echo "# figure $phase: $(awk -v p="$phase" '$1 == p { k = $2 ($4 == "from" ? "+" : ""); c[k]++ } END { for (k in c) printf "%s %d  ", k, c[k] }' "$force_dir/cases")"
        if grep -q "^$phase " "$force_dir/bad"; then
            grep "^$phase " "$force_dir/bad" | cut -c1-400 | head -40 | sed 's/^/# /'
            echo "not ok $n - $phase: $(grep -c "^$phase " "$force_dir/bad") of $(grep -c "^$phase " "$force_dir/cases") failing calls end badly"
        else echo "ok $n - $phase: $(grep -c "^$phase " "$force_dir/cases") failing calls, each ends well"; fi
    done
}
