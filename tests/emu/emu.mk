# The emulated CUDA device: a runtime and the kernels of kernels/cuda, each built three ways, and the tests of tests/emu.
#   plain  fast; results only                 check  every access of kernels goes to our shadow memory (-fsanitize=thread hooks, no libtsan)
#   asan   AddressSanitizer and UBSan
# tests/emu/<layer>_<name>.{c,cpp,cu} and tests/ops/*.cpp are a program per build; .cu holds kernels of its own. Needs no CUDA package.
EMU_CFGS  := plain check asan
CXX       := $(if $(findstring clang,$(CC)),clang++,g++)
EMU_STD   := -std=c++17 -fopenmp -fno-math-errno -ffp-contract=off -fno-strict-aliasing -fPIC -fno-exceptions -fno-threadsafe-statics
EMU_WARN  := -Wall -Wextra -Werror -Wno-unused-parameter -Wno-unknown-pragmas
EMU_INC   := -Itests/emu/include -Itests/emu
# Programs that name objectives see their list too.
EMU_LISTED := kernels/cuda/grouploss.cu.o tests/ops/kernels_stream.o
$(foreach c,$(EMU_CFGS),$(addprefix $(BUILD)/emu-$(c)/,$(EMU_LISTED))): CPPFLAGS += -I$(GEN)
$(foreach c,$(EMU_CFGS),$(addprefix $(BUILD)/emu-$(c)/,$(EMU_LISTED))): $(LISTS)
# The chips that the CUDA plugin is compiled for, so that the emulated ones choose among the same.
$(foreach c,$(EMU_CFGS),$(BUILD)/emu-$(c)/kernels/cuda/target.cu.o): CPPFLAGS += $(CUDA_ARCHS_DEF)
EMU_opt_plain := -O2 -g1
EMU_opt_check := -O2 -g1 -DEMU_CHECK=1
# Checks by calls compile three times as fast; null, object-size and pointer-overflow say nothing that address does not and cost as much again.
EMU_opt_asan  := -O1 -g1 -fsanitize=address,undefined -fno-sanitize=vptr,null,object-size,pointer-overflow -fno-omit-frame-pointer \
  -fno-sanitize-recover=all $(if $(findstring clang,$(CC)),,--param asan-instrumentation-with-call-threshold=0) -DEMU_ASAN=1
# Accesses to our __tsan_* functions, and what no access shows: indices of local arrays, overflow of int (our __ubsan_* functions).
EMU_hook  := -fsanitize=thread,bounds,signed-integer-overflow,shift-exponent,integer-divide-by-zero -fno-sanitize-recover=all $(if $(findstring clang,$(CC)),-mllvm -tsan-instrument-func-entry-exit=0,--param tsan-instrument-func-entry-exit=0)
# Code of tests: at -O1 its compiling costs less than its one run gains by more. Under ASan its own sums are long: checks in line.
EMU_test_plain := -O1
EMU_test_check := -O1
EMU_test_asan  := $(if $(findstring clang,$(CC)),,--param asan-instrumentation-with-call-threshold=7000)
EMU_link_asan := -fsanitize=address,undefined
EMU_RT    := $(wildcard tests/emu/emu_*.cpp)
EMU_CU    := $(wildcard kernels/cuda/*.cu train/dist/*.cu)
EMU_TESTS := $(filter-out tests/emu/emu_% tests/emu/abi_%,$(wildcard tests/emu/*.cpp tests/emu/*.cu tests/emu/*.c tests/ops/*.cpp))
# Kernels: the CUDA language by a force-included header.
EMU_lang  := -x c++ -DCUDA_EMU -include tests/emu/cuda_emu.h

# $(1) configuration
define emu_rules
EMU_DIR_$(1) := $(BUILD)/emu-$(1)
EMU_LIB_$(1) := $(BUILD)/emu-$(1)/libemu.a
EMU_KLIB_$(1) := $(BUILD)/emu-$(1)/libcuda.a
EMU_BIN_$(1) := $(addprefix $(BUILD)/emu-$(1)/,$(notdir $(basename $(EMU_TESTS))))
$(BUILD)/emu-$(1)/rt/%.o: tests/emu/%.cpp $(FLAGSTAMP)
	@mkdir -p $$(@D)
	$(say) $$@; $(CXX) $(EMU_STD) $(EMU_opt_$(1)) $(EMU_WARN) $(EMU_INC) $$(CPPFLAGS) -MMD -MP -c $$< -o $$@
$(BUILD)/emu-$(1)/%.cu.o: %.cu $(FLAGSTAMP)
	@mkdir -p $$(@D)
	$(say) $$@; $(CXX) $(EMU_STD) $(EMU_opt_$(1)) $(if $(filter check,$(1)),$(EMU_hook)) $(EMU_WARN) $(EMU_INC) $$(CPPFLAGS) $(EMU_lang) $(EMU_DEF) -MMD -MP -c $$< -o $$@
	$(if $(filter check,$(1)),@objcopy --redefine-sym memcpy=emu_memcpy --redefine-sym memset=emu_memset --redefine-sym memmove=emu_memmove $$@)
$(BUILD)/emu-$(1)/tests/emu/%.o: tests/emu/%.cpp $(FLAGSTAMP)
	@mkdir -p $$(@D)
	$(say) $$@; $(CXX) $(EMU_STD) $(EMU_opt_$(1)) $(EMU_test_$(1)) $(EMU_WARN) $(EMU_INC) $$(CPPFLAGS) -MMD -MP -c $$< -o $$@
$(BUILD)/emu-$(1)/tests/ops/%.o: tests/ops/%.cpp $(FLAGSTAMP)
	@mkdir -p $$(@D)
	$(say) $$@; $(CXX) $(EMU_STD) $(EMU_opt_$(1)) $(EMU_test_$(1)) $(EMU_WARN) $(EMU_INC) $$(CPPFLAGS) -MMD -MP -c $$< -o $$@
$(BUILD)/emu-$(1)/tests/emu/%.o: tests/emu/%.c $(FLAGSTAMP)
	@mkdir -p $$(@D)
	$(say) $$@; $(CC) -std=c17 -fopenmp $(EMU_opt_$(1)) $(EMU_test_$(1)) $(WARN) $(EMU_INC) $$(CPPFLAGS) $(LIBCFLAGS) -MMD -MP -c $$< -o $$@
$(BUILD)/emu-$(1)/libemu.a: $(patsubst tests/emu/%.cpp,$(BUILD)/emu-$(1)/rt/%.o,$(EMU_RT))
	@rm -f $$@; ar rcs $$@ $$^
$(BUILD)/emu-$(1)/libcuda.a: $(patsubst %.cu,$(BUILD)/emu-$(1)/%.cu.o,$(EMU_CU))
	@rm -f $$@; ar rcs $$@ $$^
-include $(wildcard $(BUILD)/emu-$(1)/rt/*.d $(BUILD)/emu-$(1)/kernels/cuda/*.d $(BUILD)/emu-$(1)/train/dist/*.d $(BUILD)/emu-$(1)/tests/emu/*.d $(BUILD)/emu-$(1)/tests/ops/*.d)
endef
$(foreach c,$(EMU_CFGS),$(eval $(call emu_rules,$(c))))

# $(1) configuration, $(2) source: links what its first word may use; self_ tests need the runtime and base only.
define emu_test_rule
$(BUILD)/emu-$(1)/$(basename $(notdir $(2))): $(BUILD)/emu-$(1)/$(if $(filter %.cu,$(2)),$(2).o,$(basename $(2)).o) \
  $(if $(filter self_%,$(notdir $(2))),,$(BUILD)/emu-$(1)/libcuda.a) $(BUILD)/emu-$(1)/libemu.a \
  $(call libs,$(if $(filter self_%,$(notdir $(2))),base,$(if $(USES_$(call test_layer,$(2))),$(call test_layer,$(2)),loop)))
	$(say) $$@; $(CXX) $(EMU_link_$(1)) $(TEST_LD) -fopenmp -rdynamic -Wl,--start-group $$(filter %.o %.a,$$^) -Wl,--end-group $(LIBS) $(TESTLIBS) -o $$@
endef
$(foreach c,$(EMU_CFGS),$(foreach t,$(EMU_TESTS),$(eval $(call emu_test_rule,$(c),$(t)))))

# emu-plain/self_lang builds and runs build/<cfg>/emu-plain/self_lang
$(foreach c,$(EMU_CFGS),$(eval emu-$(c)/%: $(BUILD)/emu-$(c)/% ; @bash tests/run.sh $$<))

# The PTX of the wrappers' probes, for self_ptx; empty without nvcc (the test skips with a line).
NVCC      ?= $(firstword $(wildcard /usr/local/cuda/bin/nvcc) $(shell command -v nvcc 2>/dev/null))
$(BUILD)/emu-plain/self_ptx.ptx: tests/emu/emu_probe.cu kernels/cuda/dev.cuh
	@mkdir -p $(@D); : > $@
	$(if $(NVCC),@for a in 80 90; do $(NVCC) -std=c++17 -arch=sm_$$a -I. -ptx $< -o $@.$$a || exit 1; cat $@.$$a >> $@; rm $@.$$a; done)
$(BUILD)/emu-plain/self_ptx: $(BUILD)/emu-plain/self_ptx.ptx

# Our headers and the toolkit's agree with one list of values, sizes and prototypes.
EMU_CUDA_INC := $(if $(NVCC),$(wildcard $(dir $(NVCC))../include))
$(BUILD)/emu-plain/runs/abi.sh: tests/emu/abi_check.cpp $(wildcard tests/emu/include/*.h)
	@mkdir -p $(@D)
	$(say) $@; $(CXX) -std=c++17 -fsyntax-only $(EMU_WARN) -Itests/emu/include $<
	$(if $(EMU_CUDA_INC),@$(CXX) -std=c++17 -fsyntax-only -isystem $(EMU_CUDA_INC) $<)
	@{ echo 'echo "ok 1 - own headers fit abi_check.cpp"'; echo 'echo "ok 2 - $(if $(EMU_CUDA_INC),the toolkit fits it,# SKIP no CUDA headers)"'; } > $@

# What `make test` runs: each program plain and under the sanitizers, and in the check build under two schedules (the random one changes from
# day to day; EMU_SEED=n repeats one). self_ tests set their own schedules.
EMU_SEED  ?= $(shell date +%j | sed 's/^0*//')
EMU_env_fwd :=
EMU_env_rev := EMU_ORDER=rev EMU_ASYNC=early
EMU_env_rand := EMU_ORDER=rand:$(EMU_SEED) EMU_LAZY=1 EMU_GUARD=1 EMU_ASYNC=rand
EMU_NAMES := $(notdir $(basename $(EMU_TESTS)))
EMU_SELF  := $(filter-out self_ptx,$(filter self_%,$(EMU_NAMES)))
# Only grids are looked at: once, plain.
EMU_PLAIN_ONLY := kernels_waves
EMU_OTHER := $(filter-out self_% $(EMU_PLAIN_ONLY),$(EMU_NAMES))
# $(1) configuration, $(2) schedule, $(3) program
emu_script = $(BUILD)/emu-$(1)/runs/$(3)-$(2).sh
define emu_run_rule
$(call emu_script,$(1),$(2),$(3)): $(BUILD)/emu-$(1)/$(3)
	@mkdir -p $$(@D); echo 'exec env $(EMU_env_$(2)) $(4) CMOCKA_MESSAGE_OUTPUT=TAP $(BUILD)/emu-$(1)/$(3)' > $$@
endef
$(foreach c,$(EMU_CFGS),$(foreach m,fwd rev rand,$(foreach t,$(EMU_NAMES),$(eval $(call emu_run_rule,$(c),$(m),$(t))))))
# Whole trainers are long, and their own code has its sanitiser runs on the CPU: plain, and one check schedule. Attention: the same. Traffic and
# large launches mean something in the check build only. make test-full runs everything in every build.
EMU_LONG  := $(filter loop_% model_% dist_% kernels_trees,$(EMU_OTHER))
EMU_CHECK_ONLY := $(filter kernels_traffic kernels_large,$(EMU_OTHER))
EMU_SHORT := $(filter-out $(EMU_LONG) $(EMU_CHECK_ONLY),$(EMU_OTHER))
# Large launches of kernels that smaller ones run under the sanitizers: a minute there for nothing new.
EMU_LARGE := $(filter kernels_sizes,$(EMU_SHORT))
EMU_RUNS  := $(foreach t,$(EMU_LONG) $(EMU_SHORT),$(call emu_script,plain,fwd,$(t))) $(foreach t,$(EMU_OTHER),$(call emu_script,check,rand,$(t))) \
             $(foreach t,$(filter-out $(EMU_LARGE),$(EMU_SHORT)),$(call emu_script,asan,fwd,$(t)) $(call emu_script,check,rev,$(t))) \
             $(foreach t,$(EMU_SELF),$(call emu_script,check,fwd,$(t))) $(foreach t,self_lang self_libs self_bugs,$(call emu_script,asan,fwd,$(t))) \
             $(foreach t,self_lang self_libs self_ptx,$(call emu_script,plain,fwd,$(t))) $(BUILD)/emu-plain/runs/abi.sh
EMU_MORE  := $(foreach t,$(EMU_LONG) $(EMU_LARGE),$(call emu_script,asan,fwd,$(t)) $(call emu_script,check,rev,$(t)))
# All that the families' golden data hold.
$(BUILD)/emu-plain/runs/families-all.sh: $(BUILD)/emu-plain/model_families_device
	@mkdir -p $(@D); echo 'exec env EMU_FAMILIES=all CMOCKA_MESSAGE_OUTPUT=TAP $<' > $@
EMU_MORE  += $(BUILD)/emu-plain/runs/families-all.sh
# What the compilers say of the kernels: one architecture in make test, kept by digest in build/ptxas; all of them in make test-full.
GATE_ENV  := GEN='$(BUILD)/gen' NVCC='$(NVCC)' CXX='$(CXX)' CC='$(CC)'
$(BUILD)/emu-plain/runs/gate-%.sh: tests/emu/gpu_gate.sh
	@mkdir -p $(@D); echo "exec env $(GATE_ENV) bash tests/emu/gpu_gate.sh test $(subst -, ,$*)" > $@
# The counter of machine code against planted loops.
$(BUILD)/emu-plain/runs/sass.sh: tests/emu/sass/sass_plants.sh
	@mkdir -p $(@D); echo "exec env $(GATE_ENV) bash $<" > $@
# Programs of the report: those whose traffic is counted (check build), and those that launch every kernel (plain build).
GPU_COUNTED  := kernels_traffic kernels_dense kernels_draws kernels_trees
GPU_LAUNCHED := kernels_stream kernels_sizes kernels_ranks kernels_fold kernels_dense kernels_draws kernels_trees host_device
GPU_COUNT_BIN := $(addprefix $(BUILD)/emu-check/,$(GPU_COUNTED)) $(addprefix $(BUILD)/emu-plain/,$(GPU_LAUNCHED))
GPU_LISTS := GPU_COUNTED='$(GPU_COUNTED)' GPU_LAUNCHED='$(GPU_LAUNCHED)'
$(BUILD)/emu-check/runs/banks.sh: tests/emu/gpu_report.sh $(GPU_COUNT_BIN)
	@mkdir -p $(@D); echo "exec env $(GPU_LISTS) bash tests/emu/gpu_report.sh $(BUILD)/emu-check test" > $@
EMU_RUNS += $(foreach t,$(EMU_PLAIN_ONLY),$(call emu_script,plain,fwd,$(t)))
EMU_RUNS += $(BUILD)/emu-plain/runs/gate-80.sh $(BUILD)/emu-plain/runs/sass.sh
# 50 random schedules of each program, the architectures in turn (make test-full): no false alarm. self_lang knows sm_80's limits by heart.
# kernels_traffic counts in one order whatever is asked of it: once an architecture.
EMU_SEEDS = $(if $(filter kernels_traffic,$(1)),1 2 3 4,$(shell seq 1 50))
EMU_SEEDED := $(EMU_OTHER) self_lang
define emu_seed_rule
$(BUILD)/emu-check/runs/seeds-$(1).sh: $(BUILD)/emu-check/$(1)
	@mkdir -p $$(@D)
	@echo 'for s in $(EMU_SEEDS); do env $(if $(filter self_%,$(1)),,EMU_ARCH=$$$$(set -- 80 86 89 90; shift $$$$((s % 4)); echo $$$$1)) EMU_ORDER=rand:$$$$s EMU_ASYNC=rand EMU_LAZY=1 $(BUILD)/emu-check/$(1) >/dev/null 2>$$@.log || { cat $$@.log; echo "not ok 1 - $(1), seed $$$$s"; exit 1; }; done; echo "ok 1 - $(1), $(words $(EMU_SEEDS)) random schedules"' > $$@
endef
$(foreach t,$(EMU_SEEDED),$(eval $(call emu_seed_rule,$(t))))
EMU_RUNS_FULL := $(EMU_RUNS) $(EMU_MORE) $(BUILD)/emu-plain/runs/gate-86-89-90.sh $(BUILD)/emu-check/runs/banks.sh $(foreach t,$(EMU_SEEDED),$(BUILD)/emu-check/runs/seeds-$(t).sh)

.PHONY: emu-lib emu-tests emu-test emu-test-full
emu-lib: $(foreach c,$(EMU_CFGS),$(EMU_LIB_$(c)) $(EMU_KLIB_$(c)))
emu-tests: $(EMU_RUNS)
emu-test: ## the emulated CUDA suites alone
	@$(MAKE) --no-print-directory emu-tests
	@bash tests/run.sh -j $(NPROC) $(EMU_RUNS)
emu-test-full:
	@$(MAKE) --no-print-directory $(EMU_RUNS_FULL)
	@bash tests/run.sh -j $(NPROC) $(EMU_RUNS_FULL)
GPU_REPORT_NEEDS := $(GPU_COUNT_BIN) $(BUILD)/emu-plain/loop_launches $(BUILD)/emu-plain/kernels_waves
.PHONY: gpu-report gpu-budgets
gpu-report: ## every kernel: traffic, bank conflicts, launches; with nvcc registers, occupancy, instructions
	@$(MAKE) --no-print-directory -j$(NPROC) $(GPU_REPORT_NEEDS)
	@env $(GATE_ENV) $(GPU_LISTS) bash tests/emu/gpu_report.sh $(BUILD)/emu-check
gpu-budgets: ## tests/emu/gpu_budgets.tsv: figures that fell go down, new kernels come in; tests/bench/roofline/loops.tsv anew
	@$(MAKE) --no-print-directory -j$(NPROC) $(GPU_REPORT_NEEDS)
	@env $(GPU_LISTS) bash tests/emu/gpu_report.sh $(BUILD)/emu-check lower > $(BUILD)/counted.tsv
	@env $(GATE_ENV) bash tests/emu/gpu_gate.sh lower 80 86 89 90
	@{ grep -v '	-	' tests/emu/gpu_budgets.tsv; cat $(BUILD)/counted.tsv; } > $(BUILD)/budgets.tsv && cp $(BUILD)/budgets.tsv tests/emu/gpu_budgets.tsv
	@env $(GATE_ENV) bash tests/emu/gpu_gate.sh loops
