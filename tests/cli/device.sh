#!/bin/bash
# device: auto, cuda and emulated from the command line: where plugins are looked for, what is said without one or without a GPU, and that a
# run, its checkpoint and scoring work on the emulated device.
cd "$(dirname "$0")/../.." || exit 2
ptrain=${PTRAIN:-build/ptrain}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
mkdir -p "$dir/bin" "$dir/lib/ptrain"
cp "$ptrain" "$dir/bin/ptrain"
n=0
ok() { n=$((n + 1)); echo "ok $n - $1"; }
bad() { n=$((n + 1)); sed 's/^/# /' "$dir/log"; echo "not ok $n - $1"; }
run() { "$dir/bin/ptrain" "$@" >"$dir/log" 2>&1 </dev/null; }
says() { # NAME CODE TEXT ARGUMENTS...
    local name=$1 code=$2 text=$3
    shift 3
    run "$@"
    if [ $? -eq "$code" ] && grep -qF -- "$text" "$dir/log"; then ok "$name"; else bad "$name"; fi
}
cat >"$dir/run.yaml" <<END
base_model: tests/golden/data/train/model
datasets: [{path: tests/golden/data/train/sft.jsonl, type: tokens}]
adapter: lora
lora_r: 4
lora_target_linear: true
output_dir: $dir/out
batch_rows: 4
sequence_len: 128
max_steps: 3
save_steps: 2
END
says "cuda without its plugin" 1 "libptrain-cuda.so is not beside the program" "$dir/run.yaml" --device=cuda
says "emulated without its plugin" 1 "build it with \`make emulated\`" "$dir/run.yaml" --device=emulated
says "auto takes the CPU and says why" 0 "libptrain-cuda.so is not beside the program" plan "$dir/run.yaml" --device=auto
echo "no plugin" >"$dir/bin/libptrain-cuda.so"
printf 'void pt_no_plugin(void) {}\n' >"$dir/x.c"
if ${CC:-gcc} -shared -fPIC "$dir/x.c" -o "$dir/bin/libptrain-emulated.so" 2>/dev/null; then
    says "another library of that name" 1 "is no plugin of ptrain" "$dir/run.yaml" --device=emulated
fi
rm -f "$dir"/bin/*.so
plugin=$(dirname "$ptrain")/libptrain-emulated.so
if [ ! -e "$plugin" ]; then
    echo "ok $((n + 1)) - # SKIP no $plugin (make emulated)"
    exit 0
fi
cp "$plugin" "$dir/lib/ptrain/"
says "a run on the emulated device, plugin in lib/ptrain" 0 "device    emulated" "$dir/run.yaml" --device=emulated
if grep -q "on the device" "$dir/log" && [ "$(grep -c '"loss"' "$dir/out/metrics.jsonl")" = 3 ]; then ok "memory of the device, three steps"; else bad "memory of the device, three steps"; fi
if grep -q "^kept      15 of 15 matrices as numbers" "$dir/log" && grep -q "^  weights as numbers " "$dir/log"; then ok "the plan says what is kept as numbers"; else bad "the plan says what is kept as numbers"; fi
says "none where none are wanted" 0 "kept      0 of 15 matrices" plan "$dir/run.yaml" --device=emulated --keep_dequantised=false
says "true on the CPU is refused" 2 "keep_dequantised: true: device cpu has no memory of its own" "$dir/run.yaml" --device=cpu --keep_dequantised=true
cp "$dir/out/adapter_model.safetensors" "$dir/first"
rm -rf "$dir/out/adapter_model.safetensors"
says "resuming on it" 0 "3/3" "$dir/run.yaml" --device=emulated --resume_from_checkpoint=auto
if cmp -s "$dir/first" "$dir/out/adapter_model.safetensors"; then ok "the same bits"; else bad "the same bits"; fi
says "doctor" 0 "device emulated yes: emulated sm_80, code for sm_80" doctor
EMU_ARCH=90 says "doctor names the code of an H100" 0 "device emulated yes: emulated sm_90, code for sm_90a" doctor
head -2 tests/golden/data/train/sft.jsonl >"$dir/rows.jsonl"
nll() { sed -n 's/.*"nll": *\([0-9.][0-9.]*\).*/\1/p' "$1"; }
if run score "$dir/out" --device=emulated --compute=f32 --input "$dir/rows.jsonl" --output "$dir/a.jsonl" &&
    run score "$dir/out" --device=cpu --compute=f32 --input "$dir/rows.jsonl" --output "$dir/b.jsonl" && [ -s "$dir/a.jsonl" ] &&
    paste <(nll "$dir/a.jsonl") <(nll "$dir/b.jsonl") | awk '{ d = ($1 - $2) / $2; if (d > 1e-4 || d < -1e-4) bad = 1 } END { exit bad || NR != 2 }'; then
    ok "scores agree with the CPU's"
else
    bad "scores agree with the CPU's"
fi
EMU_DEVICES=0 says "no GPU" 1 "device: emulated: no GPU is visible" "$dir/run.yaml" --device=emulated
old="GPU 0 (emulated sm_75) has compute capability 7.5; ptrain needs 8.0 or newer"
EMU_ARCH=75 says "a chip that is too old" 1 "device: emulated: $old" "$dir/run.yaml" --device=emulated
# auto looks for a driver and for the cuda plugin: an empty library and the emulated one stand for them
cp "$plugin" "$dir/bin/libptrain-cuda.so"
if ${CC:-gcc} -shared -fPIC "$dir/x.c" -o "$dir/libcuda.so.1" 2>/dev/null; then
    EMU_ARCH=75 LD_LIBRARY_PATH=$dir says "auto takes the CPU and names the chip" 0 "no GPU    $old" plan "$dir/run.yaml" --device=auto
    EMU_ARCH=86 LD_LIBRARY_PATH=$dir says "auto takes a chip that will do" 0 "device    emulated" plan "$dir/run.yaml" --device=auto
fi
rm -f "$dir/bin/libptrain-cuda.so"
EMU_MEM=3000000 says "too little memory" 1 "MiB on the device" "$dir/run.yaml" --device=emulated
EMU_FAIL=launch:150 says "a launch that fails" 1 "kernel " "$dir/run.yaml" --device=emulated
