# Coverage-guided fuzzing: libFuzzer programs of tests/fuzz/LAYER_NAME.c in build/fuzz, by clang. `make test` replays their corpora by gcc.
FUZZ_SRC  := $(wildcard tests/fuzz/*.c)
space     := $(subst ,, )
fuzz_name  = $(subst $(space),_,$(wordlist 2,9,$(subst _, ,$(basename $(notdir $(1))))))
FUZZ_REAL := $(filter-out %_planted.c,$(FUZZ_SRC))
FUZZ_NAMES := $(foreach s,$(FUZZ_REAL),$(call fuzz_name,$(s)))
RUNS      ?= 100000
FUZZ_CC   ?= clang
FUZZ_MAKE  = $(MAKE) --no-print-directory CC=$(FUZZ_CC) BUILD=build/fuzz SANITIZE=address,undefined FUZZER=1 CFLAGS="-O1 -g"

.PHONY: fuzz fuzz-deps fuzz-programs fuzz-programs-instrumented $(foreach s,$(FUZZ_SRC),fuzz-$(call fuzz_name,$(s)))
# clang, its sanitizers' libraries and OpenMP, when they are missing: nothing else needs them.
fuzz-deps: setup
	@bash tests/fuzz/deps.sh $(FUZZ_CC)

fuzz: fuzz-deps ## fuzz every parser for RUNS=100000 inputs; one alone: make fuzz-NAME
	@echo "harnesses: $(FUZZ_NAMES)"
	@$(FUZZ_MAKE) -j$(NPROC) fuzz-programs
	@for s in $(basename $(FUZZ_REAL)); do bash tests/fuzz/run.sh build/fuzz/$$s $(RUNS) || exit 1; done

fuzz-programs-instrumented:
	@$(FUZZ_MAKE) -j$(NPROC) fuzz-programs

fuzz-programs: $(patsubst %.c,$(BUILD)/%,$(FUZZ_SRC))

# Kernels read no files; instrumented they take minutes to compile.
ifneq ($(FUZZER),)
$(call obj_of,kernels): STD := $(filter-out -fsanitize=% -fno-sanitize%,$(STD))
endif

define fuzz_rule
fuzz-$(call fuzz_name,$(1)): fuzz-deps
	@$$(FUZZ_MAKE) -j$$(NPROC) build/fuzz/$(basename $(1))
	@bash tests/fuzz/run.sh build/fuzz/$(basename $(1)) $$(RUNS)
endef
$(foreach s,$(FUZZ_SRC),$(eval $(call fuzz_rule,$(s))))
