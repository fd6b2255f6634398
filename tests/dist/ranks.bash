# For tests that start several processes of the program, without mpirun: a small job, ranks by environment, curves.
ptrain=${PTRAIN:-build/ptrain}
export OMP_WAIT_POLICY=passive OMP_NUM_THREADS=1
unset MASTER_ADDR MASTER_PORT RANK WORLD_SIZE LOCAL_RANK PTRAIN_STORE PTRAIN_TOKEN SLURM_STEP_ID SLURM_STEPID
dir=$(mktemp -d)
export XDG_STATE_HOME=$dir/state # the secret by which ranks know each other
trap 'kill $(jobs -p) 2>/dev/null; rm -rf "$dir"' EXIT
n=0
result() { # NAME: by the exit code before
    local ok=$?
    n=$((n + 1))
    if [ $ok -eq 0 ]; then echo "ok $n - $1"; else
        tail -qn 3 "$dir"/err* 2>/dev/null | sed 's/^/# /'
        echo "not ok $n - $1"
    fi
}
write_job() { # DEVICE
    awk 'BEGIN { srand(4); for (r = 0; r < 24; r++) { ids = ""; labels = ""; len = 12 + int(rand() * 12)
        for (i = 0; i < len; i++) { id = i < 8 ? 3 + (r % 3) * 8 + i : 3 + int(rand() * 60); s = i ? ", " : ""
            ids = ids s id; labels = labels s (i < 10 ? -100 : id) }
        print "{\"input_ids\": [" ids "], \"labels\": [" labels "]}" } }' >"$dir/rows.jsonl"
    awk 'BEGIN { srand(9); for (r = 0; r < 12; r++) { for (k = 0; k < 3; k++) { t[k] = ""; for (i = 0; i < 5 + k; i++) t[k] = t[k] (i ? ", " : "") 3 + int(rand() * 60) }
        print "{\"prompt_input_ids\": [" t[2] "], \"chosen_input_ids\": [" t[1] "], \"rejected_input_ids\": [" t[0] "]}" } }' >"$dir/pairs.jsonl"
    cat >"$dir/run.yaml" <<END
init: random
model_config: {family: llama, hidden_size: 32, intermediate_size: 64, num_hidden_layers: 2, num_attention_heads: 4, vocab_size: 64}
datasets: [{path: $dir/rows.jsonl, type: tokens}]
adapter: lora
lora_r: 4
lora_target_linear: true
sequence_len: 64
batch_rows: 5
num_epochs: 1
val_set_size: 3
learning_rate: 1e-3
device: $1
compute: f32
END
}
# start N OUT ARGS...: N ranks in the background; their ids in $pids, their words in err0, err1, ...
start() {
    local count=$1 out=$2 r
    shift 2
    # below the ports that the system gives to connections, and nobody listens there
    while port=$((10240 + (RANDOM * 32768 + RANDOM) % 20000)) && (: <>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do :; done
    pids=()
    rm -f "$dir"/err* "$dir"/out*
    for r in $(seq 0 $((count - 1))); do
        [ "$r" = "$absent" ] && continue
        env WORLD_SIZE="$count" RANK="$r" LOCAL_RANK="$r" ${store:-MASTER_ADDR=127.0.0.1 MASTER_PORT=$port} \
            $(eval echo "\${env_of_$r}") "$ptrain" "$dir/run.yaml" --output_dir="$dir/$out" --ddp_timeout="${patience:-100}" "$@" $(eval echo "\${args_of_$r}") >"$dir/out$r" 2>"$dir/err$r" </dev/null &
        pids[r]=$!
    done
}
# finish: waits for all; exit codes in $codes
finish() {
    local r
    codes=""
    for r in "${!pids[@]}"; do
        wait "${pids[r]}" 2>/dev/null
        codes="$codes$?,"
    done
}
ranks() { # as start; succeeds when all do
    start "$@"
    finish
    [ -z "$(echo "$codes" | tr -d '0,')" ]
}
curve() { # OUT: step, loss, norm; "eval", step, loss
    sed -n 's/.*"step": \([0-9]*\).*"loss": \([^,]*\), "grad_norm": \([^,]*\),.*/\1 \2 \3/p
            s/.*"step": \([0-9]*\), "eval_loss": \([^,]*\),.*/eval \1 \2/p' "$dir/$1/metrics.jsonl"
}
close_to() { # A B REL: every number within REL
    paste -d' ' <(curve "$1") <(curve "$2") | awk -v rel="$3" 'function off(a, b) { d = a - b; return (d < 0 ? -d : d) > rel * (b < 0 ? -b : b) }
        { if ($1 != $4 || $2 == "" || off($2, $5) || off($3, $6)) bad = 1 } END { exit bad || NR < 6 }'
}
same_bits() { # A B
    cmp -s "$dir/$1/adapter_model.safetensors" "$dir/$2/adapter_model.safetensors" && [ "$(curve "$1")" = "$(curve "$2")" ]
}
steps_done() { # OUT
    cat "$dir/$1/metrics.jsonl" 2>/dev/null | wc -l
}
await_steps() { # OUT N
    for _ in $(seq 2400); do
        [ "$(steps_done "$1")" -ge "$2" ] && return 0
        sleep 0.05
    done
    kill -KILL "${pids[@]}" # or finish would wait for steps that nobody stops
    return 1
}
