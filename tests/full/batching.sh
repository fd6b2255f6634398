#!/usr/bin/env bash
# 100 prompts to SmolLM2-135M, one at a time and 16 at once: the same texts, greedy and drawn, and log-probabilities within 1e-4 (tests/invariant/model_batching.c).
cd "$(dirname "$0")/../.." || exit 2
model=cache/SmolLM2-135M-Instruct.Q4_1.gguf
program=$(dirname "${PTRAIN:-build/ptrain}")/tests/invariant/model_batching
[ -e "$model" ] || { echo "1..1"; echo "ok 1 - 16 at once # SKIP no $model"; exit 0; }
exec "$program" "$model"
