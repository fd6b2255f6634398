#!/bin/bash
# The program in several processes without MPI: ranks by the variables of torchrun or by a file; what each says when one is absent,
# differs, dies.
cd "$(dirname "$0")/../.." || exit 2
. tests/dist/ranks.bash
write_job cpu

"$ptrain" "$dir/run.yaml" --output_dir="$dir/one" >"$dir/out" 2>"$dir/err" && ranks 2 two && close_to one two 1e-5
result "two processes: the curve of one"
store=PTRAIN_STORE=$dir/meet ranks 3 three && close_to one three 1e-5 && store=PTRAIN_STORE=$dir/meet ranks 3 again && same_bits three again
result "three by a file: the curve of one, and the same bits again"
store=

absent=1 patience=2 start 2 lonely && finish
[ "$codes" = "1," ] && grep -q "^error: rank 1 of 2 did not come to 127.0.0.1:$port within 2 s" "$dir/err0"
result "a rank that is absent is named"
absent=0 patience=2 start 2 lonely && finish
[ "$codes" = "1," ] && grep -q "^error: rank 1 cannot join rank 0 at 127.0.0.1:$port" "$dir/err1"
result "a port where nobody listens is named"
RANK=5 WORLD_SIZE=2 MASTER_ADDR=x MASTER_PORT=1 "$ptrain" "$dir/run.yaml" >"$dir/out" 2>"$dir/err"
[ $? -eq 2 ] && grep -q "RANK is '5'" "$dir/err"
result "a rank that cannot be is wrong usage"

# who knows the token: by a file of the user on one machine, by PTRAIN_TOKEN anywhere
env_of_1="XDG_STATE_HOME=$dir/another-home" patience=2 start 2 strange && finish
env_of_1=
[ "$codes" = "1,1," ] && grep -q "^error: rank 1 of 2 did not come .* did not know this job's token" "$dir/err0" &&
    grep -q "its token is another; the token here is from $dir/another-home/ptrain/ranks.secret.*set PTRAIN_TOKEN" "$dir/err1" &&
    env_of_0="PTRAIN_TOKEN=s" && env_of_1="XDG_STATE_HOME=$dir/third-home PTRAIN_TOKEN=s" ranks 2 token && same_bits two token
result "ranks without a common home folder need PTRAIN_TOKEN, and are told so"
env_of_0="" env_of_1=""

args_of_1="--learning_rate=2e-3" start 2 differ && finish
[ "$codes" = "2,2," ] && grep -q "rank 1 was started with another config" "$dir/err0" && grep -q "rank 1 was started with another config" "$dir/err1" &&
    ! [ -e "$dir/differ/adapter_model.safetensors" ]
result "ranks with different configs do not train"

# the folder is taken away in the middle: every rank says in which step, and from where to go on
start 2 blocked --save_steps=1 --max_steps=100000 --val_set_size=0
await_steps blocked 3 && until [ -f "$dir/blocked" ]; do # a save between the two makes the folder anew
    mv "$dir/blocked" "$dir/away$((++away))"
    touch "$dir/blocked"
done
finish
[ "$codes" = "1,1," ] && grep -q "^error: rank 0: step [0-9]* (the checkpoint of step [0-9]* is whole): " "$dir/err0" &&
    grep -q "^error: rank 1: step [0-9]* (the checkpoint of step [0-9]* is whole): rank 0 failed: " "$dir/err1"
result "saving that fails: every rank names the step"

# a rank is killed in the middle: the others leave, and the last checkpoint is whole
start 3 killed --save_steps=1 --max_steps=100000 --val_set_size=0
await_steps killed 3 && kill -KILL "${pids[1]}"
finish
last=$(ls -d "$dir"/killed/checkpoint-* 2>/dev/null | grep -v ptrain- | sed 's/.*-//' | sort -n | tail -n 1)
[ "$codes" = "1,137,1," ] && grep -q "^error: rank 0: step [0-9]* (the checkpoint of step [0-9]* is whole): rank 1 failed: it is gone" "$dir/err0" && grep -q "rank 1 failed: it is gone" "$dir/err2" &&
    [ "$(cat "$dir"/err0 "$dir"/err2 | grep -c ^error)" = 2 ] && [ -n "$last" ] &&
    ranks 3 killed --resume_from_checkpoint=auto --max_steps=$((last + 2)) --val_set_size=0 && grep -q "checkpoint-$last" "$dir/err0"
result "a killed rank: the others leave with 1, the checkpoint is whole"
patience=5 start 3 hangs --max_steps=100000 --val_set_size=0
await_steps hangs 2 && kill -STOP "${pids[1]}"
wait "${pids[0]}"
codes=$?
wait "${pids[2]}"
codes=$codes,$?
kill -KILL "${pids[1]}" # it sleeps: nobody waits for it before this
[ "$codes" = "1,1" ] && grep -q "rank 1 failed: it did not come to a .* within 5 s" "$dir/err0" && grep -q "rank 1 failed: it did not come" "$dir/err2"
result "a rank that hangs: the others leave after ddp_timeout"
start 2 stopped --max_steps=100000
await_steps stopped 2 && kill -TERM "${pids[1]}"
finish
[ "$codes" = "143,143," ] && ls -d "$dir"/stopped/checkpoint-* >/dev/null
result "a stop of one rank stops both, with everything saved"
