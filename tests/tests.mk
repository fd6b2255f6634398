# What `make test` and its relatives run. The runner is tests/run.sh; every result it counts comes from a test that ran.
SCRIPTS   := tests/arrows.sh $(wildcard tests/cli/*.sh) $(wildcard tests/fault/*.sh) $(wildcard tests/dist/*.sh) $(wildcard tests/invariant/*.sh)
# A library that makes calls fail (tests/force).
FORCE_SO  := $(BUILD)/force.so
$(FORCE_SO): tests/force/shim.c $(FLAGSTAMP)
	@mkdir -p $(@D)
	$(say) $@; $(CC) -std=c17 -O2 -g $(WARN) -D_GNU_SOURCE -shared -fPIC $< -ldl -o $@
tests: $(FORCE_SO)
# A server that answers chats as real, broken and hostile ones do (tests/stub).
CHAT_STUB := $(BUILD)/chat_stub
$(CHAT_STUB): tests/stub/chat_stub.c $(FLAGSTAMP)
	@mkdir -p $(@D)
	$(say) $@; $(CC) -std=c17 -O1 -g $(WARN) -D_GNU_SOURCE $< $(call pc,cflags,jansson) $(call pc,libs,jansson) -lpthread -o $@
tests: $(CHAT_STUB)
# Test programs that start it.
$(BUILD)/tests/unit/eval_voice_http $(BUILD)/tests/unit/eval_voice_tls: | $(CHAT_STUB)
# The long ones: `make test-full` runs them too.
SLOW      := $(wildcard tests/full/*.sh) tests/image/image_check.sh
# Run again under AddressSanitizer and UndefinedBehaviorSanitizer.
ASAN_KINDS := unit fuzz fault ops
asan_bins  = $(patsubst %.c,$(1)/%,$(foreach k,$(ASAN_KINDS),$(wildcard tests/$(k)/*.c)))

# What measures its waiting takes turns, beside what only computes: ranks that leave each other by a deadline, signals at chosen moments. Two of these at
# once would be five processes and more. Everything else, scripts too, shares the cores.
ALONE     := tests/dist/dist_ tests/dist/mpirun.sh tests/dist/tcp.sh tests/fault/signals.sh tests/fault/kill_resume.sh
alone      = $(foreach t,$(1),$(if $(strip $(foreach a,$(ALONE),$(findstring $(a),$(t)))),$(t)))
together   = $(filter-out $(call alone,$(1)),$(1))
# run.sh's arguments for all of $(1). Those that take long begin, so that what ends last is short.
LONG      := /gate- /loop_device-fwd /kernels_sizes-fwd losses.sh during.sh heads.sh plant /model_device-fwd loop_resume unpaired.sh emu- tests/cli/ tests/ops/ loop_
first      = $(foreach l,$(LONG),$(foreach t,$(1),$(if $(findstring $(l),$(t)),$(t))))
in_order   = $(call once,$(call first,$(1)) $(1))
once       = $(if $(1),$(firstword $(1)) $(call once,$(filter-out $(firstword $(1)),$(1))))
run_all    = bash tests/run.sh -a $(call alone,$(1)) -j $(NPROC) $(call in_order,$(call together,$(1)))

# Tests on the quickstart's model run where it has been fetched.
SMOLLM2   := $(if $(wildcard cache/SmolLM2-135M-Instruct.Q4_1.gguf),PTRAIN_SMOLLM2="$$(realpath cache/SmolLM2-135M-Instruct.Q4_1.gguf)")

test: setup ## set-up, then every test that needs no GPU; ends with "N passed, M failed"
	@$(MAKE) --no-print-directory check-deps
	@$(MAKE) --no-print-directory -j$(NPROC) tests emu-tests $(BUILD)/.emulated-symbols asan-programs
	@mkdir -p build && cp -f $(BUILD)/ptrain build/ptrain
	@PTRAIN="$$(realpath $(BUILD)/ptrain)" $(SMOLLM2) ASAN_OPTIONS=detect_leaks=1 LSAN_OPTIONS=suppressions=tests/lsan.supp \
	  $(call run_all,$(SCRIPTS) $(TEST_BIN) $(call asan_bins,build/asan) $(EMU_RUNS))

TESTS_FULL = $(TEST_BIN) $(call asan_bins,build/asan) $(patsubst $(BUILD)/%,build/clang/%,$(TEST_BIN))
test-full: setup ## the tests, the slow ones, and the clang build
	@$(MAKE) --no-print-directory -j$(NPROC) tests $(EMU_RUNS_FULL) $(BUILD)/.emulated-symbols asan-programs
	@$(MAKE) --no-print-directory -j$(NPROC) CC=clang BUILD=build/clang tests
	@PTRAIN="$$(realpath $(BUILD)/ptrain)" LSAN_OPTIONS=suppressions=tests/lsan.supp \
	  $(call run_all,$(SCRIPTS) $(TESTS_FULL) $(EMU_RUNS_FULL)) -j 1 $(SLOW)

.PHONY: asan-tests asan-programs
# Tests' own code at -O0 compiles in a fourth of the time, and no access is optimised away before it is checked.
ASAN_BUILD := BUILD=build/asan SANITIZE=address,undefined CFLAGS="-O1 -g1" TEST_CFLAGS=-O0
asan-tests: $(call asan_bins,$(BUILD))
# From the same make as the other builds: what one has left over at its end, another takes.
asan-programs:
	+@$(MAKE) --no-print-directory $(ASAN_BUILD) asan-tests

asan: ## the program under AddressSanitizer: build/asan/ptrain
	@$(MAKE) --no-print-directory -j$(NPROC) $(ASAN_BUILD) build/asan/ptrain

image-check: ## build the container images without a Docker engine, try them inside, compare two builds (Debian, root)
	@TEST_LINES=200 bash tests/run.sh tests/image/image_check.sh

image-lock: ## the package versions of the images anew: docker/packages.lock
	@bash tests/image/image_check.sh --lock

quickstart: setup ## set-up, then the main job on a real model: pack, train, evaluate, export, talk
	@$(MAKE) --no-print-directory ptrain
	@MODEL="$(MODEL)" bash docker/quickstart.sh

install: ptrain ## copy the program, and the GPU plugin where it was built, to PREFIX/bin
	install -D -m 755 build/ptrain $(DESTDIR)$(PREFIX)/bin/ptrain
	[ ! -e build/libptrain-cuda.so ] || install -m 755 build/libptrain-cuda.so $(DESTDIR)$(PREFIX)/bin/libptrain-cuda.so

docs: ptrain ## docs/config.md from the schema table
	@build/ptrain help --markdown > docs/config.md.new && mv docs/config.md.new docs/config.md
	@build/ptrain help objective --markdown | bash tests/tools/objectives_md.sh > docs/objectives.md.new && mv docs/objectives.md.new docs/objectives.md
	@build/ptrain help samplers --markdown | bash tests/tools/samplers_md.sh > docs/generation.md.new && mv docs/generation.md.new docs/generation.md

fmt: ## format the lines of C sources that differ from HEAD (git-clang-format)
	@command -v git-clang-format >/dev/null || { echo "error: git-clang-format is missing: install clang-format"; exit 1; }
	@git clang-format --quiet --force --extensions c,h HEAD

clean: ## remove what was built
	rm -rf build

PYTHON ?= python3
bench: ptrain ## speed and memory beside PyTorch + PEFT and llama.cpp where installed (PYTHON=...), and where our time goes
	@[ -n "$(MODEL)" ] || sh docker/fetch-base.sh cache/SmolLM2-135M-Instruct.Q4_1.gguf
	@$(PYTHON) tests/bench/bench.py build/ptrain $(or $(MODEL),cache/SmolLM2-135M-Instruct.Q4_1.gguf)
	@$(PYTHON) tests/bench/eval_bench.py build/ptrain $(or $(MODEL),cache/SmolLM2-135M-Instruct.Q4_1.gguf)
	@$(PYTHON) tests/bench/dpo_bench.py build/ptrain $(or $(MODEL),cache/SmolLM2-135M-Instruct.Q4_1.gguf) --parts one,half,each,losses
	@$(PYTHON) tests/bench/pack_bench.py build/ptrain $(or $(MODEL),cache/SmolLM2-135M-Instruct.Q4_1.gguf)
	@bash tests/bench/reference_bench.sh build/ptrain
	@if [ -n "$(LLAMA_BIN)" ]; then $(MAKE) --no-print-directory bench-decode; else echo "decoding beside llama.cpp's own tools: left out, LLAMA_BIN=folder is not set"; fi

# Beside llama.cpp's own tools: LLAMA_BIN=folder with llama-bench and llama-batched-bench, built for this machine.
bench-decode: ptrain $(BUILD)/tests/bench/stream_bench ## decoding beside llama-bench and llama-batched-bench (LLAMA_BIN=folder), and beside the memory
	@[ -x "$(LLAMA_BIN)/llama-bench" ] || { echo "error: LLAMA_BIN=$(LLAMA_BIN) has no llama-bench: name the folder of llama.cpp's programs"; exit 1; }
	@$(PYTHON) tests/bench/decode_bench.py build/ptrain $(BUILD)/tests/bench/stream_bench "$(LLAMA_BIN)" $(or $(MODEL),cache/SmolLM2-135M-Instruct.Q4_1.gguf)
.PHONY: bench-decode

# Programs of tests/bench use kernels and base only; those of the tokenizers use data, that of constraints all that generates.
TOKENIZER_BENCH := $(BUILD)/tests/bench/tokenizer_bench
TOK_DUMP := $(BUILD)/tests/tools/tok_dump
$(TOKENIZER_BENCH) $(TOK_DUMP): %: %.o $(BUILD)/libdata.a $(BUILD)/libbase.a
	$(say) $@; $(CC) $(LDFLAGS) -fopenmp -Wl,--start-group $^ -Wl,--end-group $(LIBS) -o $@
tok-dump: $(TOK_DUMP)
bench-tokenizer: $(TOKENIZER_BENCH) ## tokenizers beside Hugging Face's (PYTHON=... with tokenizers)
	@$(PYTHON) tests/bench/tokenizer_bench.py $(TOKENIZER_BENCH)
CONSTRAIN_BENCH := $(BUILD)/tests/bench/constrain_bench
$(CONSTRAIN_BENCH): %: %.o $(call libs,generate)
	$(say) $@; $(CC) $(STD) $(LDFLAGS) $^ $(LIBS) -o $@
QWEN ?= ../shared/data/tokenizers/qwen3/tokenizer.json.gz
bench-constrain: $(CONSTRAIN_BENCH) ## what constraints cost: first masks at 152k tokens, tokens/s beside free answers (MODEL=..., QWEN=tokenizer.json.gz)
	@mkdir -p $(BUILD)/qwen && gzip -dc $(QWEN) >$(BUILD)/qwen/tokenizer.json
	@$(CONSTRAIN_BENCH) mask $(BUILD)/qwen tests/golden/data/constraints.jsonl
	@$(CONSTRAIN_BENCH) speed $(or $(MODEL),cache/SmolLM2-135M-Instruct.Q4_1.gguf) - tests/golden/data/constraints.jsonl
	@$(CONSTRAIN_BENCH) speed qwen2.5-0.5b $(BUILD)/qwen tests/golden/data/constraints.jsonl 2
BENCHES := $(filter-out $(TOKENIZER_BENCH) $(CONSTRAIN_BENCH),$(patsubst tests/bench/%.c,$(BUILD)/tests/bench/%,$(wildcard tests/bench/*.c)))
$(BUILD)/tests/bench/%: $(BUILD)/tests/bench/%.o $(BUILD)/libkernels.a $(BUILD)/libbase.a
	$(say) $@; $(CC) $(LDFLAGS) -fopenmp -Wl,--start-group $^ -Wl,--end-group $(LIBS) $(TESTLIBS) -o $@
-include $(patsubst %.c,$(BUILD)/%.d,$(wildcard tests/bench/*.c))
bench-kernels: $(BENCHES) ## speed of the CPU ops, each as a share of the GEMM peak
	@for b in $(BENCHES); do $$b || exit 1; done
