# ptrain: one non-recursive makefile. `make` prints help.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules
.SUFFIXES:

# Of several goals, those named by a word (ptrain, test, cuda ...) may call make again: two makes at once would write the same
# objects, so with one of them the goals take turns. Files and single tests (names with a slash) run beside each other.
ifeq ($(MAKELEVEL),0)
ifneq ($(word 2,$(MAKECMDGOALS)),)
ifneq ($(strip $(foreach g,$(MAKECMDGOALS),$(if $(findstring /,$(g)),,$(g)))),)
.NOTPARALLEL:
endif
endif
endif

CC        = gcc
BUILD     ?= build/$(notdir $(CC))
WITH_MPI  ?= 1
PREFIX    ?= /usr/local
SANITIZE  ?=
V         ?= 0
say       := $(if $(filter 1,$(V)),@set -x; :,@echo "  build")
ARCH      := $(shell uname -m)
NPROC     := $(shell nproc 2>/dev/null || echo 2)

# Lines and names for backtraces; for a debugger make CFLAGS="-O0 -g".
CFLAGS    ?= -O2 -g1
# Code of tests runs once: what it costs is its compiling (-O1 still warns of what flows), unless somebody asks for flags of all.
TEST_CFLAGS ?= $(if $(filter file,$(origin CFLAGS)),-O1)
WARN      := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wno-unused-parameter
CPPFLAGS  += -I. -D_GNU_SOURCE -DPT_WITH_MPI=$(WITH_MPI)
STD       := -std=c17 -fopenmp -fno-math-errno -ffp-contract=off
ifneq ($(SANITIZE),)
STD       += -fsanitize=$(SANITIZE) -fno-omit-frame-pointer -fno-sanitize-recover=all
LDFLAGS   += -fsanitize=$(SANITIZE)
endif
# Programs of tests/fuzz with libFuzzer's main and its counters in all code (tests/fuzz/fuzz.mk).
ifneq ($(FUZZER),)
STD       += -fsanitize=fuzzer-no-link -DPT_LIBFUZZER
LDFLAGS   += -fsanitize=fuzzer
endif

# ---- libraries: name, pkg-config module, Debian package -------------------------------------------------------------
PKGS      := yaml-0.1:libyaml-dev hdf5-serial:libhdf5-dev jansson:libjansson-dev libpcre2-8:libpcre2-dev libutf8proc:libutf8proc-dev zlib:zlib1g-dev libzstd:libzstd-dev libcurl:libcurl4-openssl-dev
ifeq ($(WITH_MPI),1)
PKGS      += ompi-c:libopenmpi-dev
endif
pc         = $(shell pkg-config --$(1) $(2) 2>/dev/null)
MODULES   := $(foreach p,$(PKGS),$(firstword $(subst :, ,$(p))))
LIBCFLAGS := $(call pc,cflags,$(MODULES))
LIBS      := $(call pc,libs,$(MODULES)) -ldnnl -ldl -lm -lpthread
TESTLIBS  := -lcmocka

# ---- folders: archive name, folder, archives it may use (the arrows of CONTRIBUTING.md) ------------------------------
DIR_base := base
DIR_kernels := kernels kernels/ref kernels/cpu
DIR_data := data/text data/constrain data/read data/pack data/batch data/audit
DIR_checkpoints := checkpoints
DIR_dist := train/dist
DIR_model := train/model train/model/family
DIR_generate := train/generate
DIR_export := train/export
DIR_objective := train/objective
DIR_optim := train/optim
DIR_loop := train/loop
DIR_eval := eval/stat eval/text eval/page eval/ask eval/http eval/metric eval/task eval/suite
DIR_cli := train/cli
LAYERS := base kernels data checkpoints dist model generate export objective optim eval loop cli
USES_base := base
USES_kernels := kernels base
USES_data := data base
USES_checkpoints := checkpoints base
USES_dist := dist base
USES_model := model kernels data checkpoints dist base
USES_generate := generate $(USES_model)
USES_export := export $(USES_model)
# Tests of models use what stands beside them too.
USES_beside := export $(USES_generate)
USES_objective := objective base
USES_losses := objective kernels base
USES_optim := optim kernels dist base
USES_eval := eval $(USES_generate)
USES_loop := loop eval export objective optim $(USES_generate)
USES_cli := cli $(USES_loop)

# Files named *_v.c in kernels/cpu are compiled once per instruction set, with PT_ISA as the suffix of their names.
ifeq ($(ARCH),x86_64)
ISAS := base avx2 avx512
else
ISAS := base
endif
ISA_base :=
ISA_avx2 := -march=x86-64-v3
ISA_avx512 := -march=x86-64-v4 -mprefer-vector-width=512

src_of     = $(PLANTED_$(1)) $(filter-out %_v.c $(if $(filter cli,$(1)),train/cli/main.c),$(foreach d,$(DIR_$(1)),$(wildcard $(d)/*.c)))
vsrc_of    = $(foreach d,$(DIR_$(1)),$(wildcard $(d)/*_v.c))
obj_of     = $(patsubst %.c,$(BUILD)/%.o,$(call src_of,$(1))) \
             $(foreach i,$(ISAS),$(patsubst %.c,$(BUILD)/%.$(i).o,$(call vsrc_of,$(1))))
lib        = $(BUILD)/lib$(1).a
libs       = $(foreach u,$(USES_$(1)),$(call lib,$(u)))

ALL_OBJ   := $(foreach l,$(LAYERS),$(call obj_of,$(l))) $(BUILD)/train/cli/main.o
# ---- lists: what a file beside its siblings adds to. make makes a header of each, which few files include; `make OBJECTIVES+=tests/plant/hinge` adds
# one from elsewhere (a path without its ending), and compiles those few again. --------------------------------------------------------------------
override OBJECTIVES := sft dft pretrain dpo aot wpo dpo_kl kto kto_apo bco orpo cpo idl reward charm charm_ratio reward_heads plackett_luce classify multilabel ordinal regress kl_sft sft_kl kd unlikelihood $(OBJECTIVES)
GEN        = $(BUILD)/gen
OBJECTIVE_LIST := $(BUILD)/gen/objective_list.h
in_folder  = $(foreach x,$(2),$(if $(findstring /,$(x)),$(x),$(1)/$(x)))
# $(1) file, $(2) name of the list, $(3) its entries, $(4) headers
define list_rule
$(1): FORCE
	@mkdir -p $$(@D); { echo '/* Made by the makefile. */'; for h in $(4); do echo "#include \"$$$$h\""; done; \
	  echo '#ifndef $(2)'; echo '#define $(2)(X) $(foreach x,$(3),X($(notdir $(x))))'; echo '#endif'; } >$$@.new; \
	  if cmp -s $$@.new $$@; then rm $$@.new; else mv $$@.new $$@; fi
endef
$(eval $(call list_rule,$(OBJECTIVE_LIST),PT_OBJECTIVE_LIST,$(OBJECTIVES),$(addsuffix _core.h,$(call in_folder,train/objective,$(OBJECTIVES)))))
override READERS := messages sharegpt alpaca rolebench text preference mindset unpaired tokens labels rated card sillytavern chatharuhi characterglm characterbench characterchat characterbox charactereval character_llm coser convai2 beyond_dialogue lamp $(READERS)
READER_LIST := $(BUILD)/gen/reader_list.h
$(eval $(call list_rule,$(READER_LIST),PT_READER_LIST,$(READERS),))
override METRICS := perplexity rouge_l_f rouge_l_recall canned_rouge_l stopped_share repeated_4grams copied_share nll_own nll_other nll_gap preference_accuracy acc acc_norm acc_bytes acc_tokens \
  acc_mutual_info gold_probability brier ece unread position_bias order_agreement margin gold_perplexity mass \
  f1_macro f1_micro f1_weighted f1_positive balanced_acc mcc kappa kappa_linear kappa_quadratic alpha_nominal alpha_ordinal auroc auprc \
  rouge_1_f rouge_1_recall rouge_2_f rouge_2_recall rouge_lsum_f rouge_lsum_recall bleu bleu_1 bleu_2 bleu_3 bleu_4 chrf meteor distinct_1 distinct_2 distinct_3 \
  self_bleu length length_ratio exact_match normal_match contains_match token_f1 pattern_match json_unread json_fields json_whole span_unread span_precision \
  span_recall span_f1 \
  mae mse rmse r2 nmape pearson spearman kendall icc1 icc2 icc3 \
  hits_1 hits_3 hits_5 hits_10 hits_k recall_k mrr map ndcg ndcg_k $(METRICS)
METRIC_LIST := $(BUILD)/gen/metric_list.h
$(eval $(call list_rule,$(METRIC_LIST),PT_METRIC_LIST,$(METRICS),))
override TASKS := choice statements questionnaire preference probability memorisation label value rank text match best_of judge dialogue $(TASKS)
TASK_LIST := $(BUILD)/gen/task_list.h
$(eval $(call list_rule,$(TASK_LIST),PT_TASK_LIST,$(TASKS),))
override FAMILIES := llama mistral mistral3 ministral qwen2 qwen3 \
  gemma gemma2 gemma3_text gemma3 \
  smollm3 olmo olmo2 granite cohere cohere2 \
  gpt2 falcon opt \
  stablelm \
  phi3 glm glm4 chatglm \
  internlm2 baichuan \
  $(FAMILIES)
FAMILY_LIST := $(BUILD)/gen/family_list.h
$(eval $(call list_rule,$(FAMILY_LIST),PT_FAMILY_LIST,$(FAMILIES),))
LISTS     := $(OBJECTIVE_LIST) $(READER_LIST) $(METRIC_LIST) $(TASK_LIST) $(FAMILY_LIST)
# Of these alone the compiler sees the lists.
LISTED    := $(addprefix $(BUILD)/,kernels/ref/group_loss_ref.o train/objective/objective.o data/read/data_types.o eval/metric/metric_table.o eval/task/task.o train/model/families.o)
$(LISTED): CPPFLAGS += -I$(GEN)
$(LISTED): $(LISTS)
# Readers and metrics from elsewhere are compiled with ours.
PLANTED_data := $(addsuffix .c,$(foreach x,$(READERS),$(if $(findstring /,$(x)),$(x))))
PLANTED_eval := $(addsuffix .c,$(foreach x,$(METRICS) $(TASKS),$(if $(findstring /,$(x)),$(x))))

FLAGSTAMP := $(BUILD)/.flags
FLAGLINE  := $(CC) $(CFLAGS) $(STD) $(CPPFLAGS) $(LDFLAGS) $(TEST_CFLAGS)

.PHONY: help ptrain quickstart test test-full tests install image-check image-lock asan bench bench-tokenizer fmt clean deps check-deps setup FORCE docs
help: ## this list
	@echo "ptrain: fine-tunes language models on role-play, persona and preference data"
	@awk -F':.*## ' '/^[a-z][a-z0-9-]*:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(filter Makefile %.mk,$(MAKEFILE_LIST))
	@echo "  variables: CC=gcc|clang  WITH_MPI=1|0  BUILD=folder  MODEL=path (quickstart)  PREFIX=/usr/local"

setup: ## install the system packages that are missing (Debian, Ubuntu)
	@sh docker/install-deps.sh $(if $(filter 1,$(WITH_MPI)),,--without-mpi)

check-deps:
	@command -v $(CC) >/dev/null || { echo "error: no compiler '$(CC)': install gcc (or set CC=), or run 'make setup'"; exit 1; }
	@command -v pkg-config >/dev/null || { echo "error: pkg-config is missing: install pkg-config, or run 'make setup'"; exit 1; }
	@for p in $(PKGS); do pkg-config --exists $${p%%:*} || { \
	  echo "error: library $${p%%:*} is missing: install $${p##*:}$$(case $$p in ompi*) echo ', or build without it: make WITH_MPI=0';; esac), or run 'make setup'"; exit 1; }; done
	@echo '#include <dnnl.h>' | $(CC) -E -x c - >/dev/null 2>&1 || { echo "error: oneDNN is missing: install libdnnl-dev, or run 'make setup'"; exit 1; }

ptrain: check-deps ## build the program: build/ptrain
	@$(MAKE) --no-print-directory -j$(NPROC) $(BUILD)/ptrain
	@mkdir -p build && cp -f $(BUILD)/ptrain build/ptrain.new && mv -f build/ptrain.new build/ptrain

$(FLAGSTAMP): FORCE
	@mkdir -p $(BUILD); echo '$(FLAGLINE)' | cmp -s - $@ || echo '$(FLAGLINE)' > $@

define archive
$(call lib,$(1)): $(call obj_of,$(1))
	@rm -f $$@; ar rcs $$@ $$^
endef
$(foreach l,$(LAYERS),$(eval $(call archive,$(l))))

# The loops of all products at -O1 keep their sums in memory, each access checked: most of what tests of whole runs take under the sanitizers.
SLOW_O1   := kernels/cpu/product
# Unrolled by hand many times over: checks by calls compile in half the time (gcc's spelling).
CALLED    := $(if $(findstring clang,$(CC)),,$(addprefix kernels/cpu/,lanes gemv packed))
BY_CALLS  := --param asan-instrumentation-with-call-threshold=0
define isa_rule
$(BUILD)/%_v.$(1).o: %_v.c $(FLAGSTAMP)
	@mkdir -p $$(@D)
	$(say) $$@; $(CC) $$(STD) $(CFLAGS) $(if $(FUZZER),-O0,$(if $(SANITIZE),$$(if $$(filter $(SLOW_O1),$$*),-O2,-O1) $$(if $$(filter $(CALLED),$$*),$(BY_CALLS)),-O3)) $(WARN) $(ISA_$(1)) $(CPPFLAGS) $(LIBCFLAGS) -DPT_ISA=$(1) -DPT_ISA_$(1) -MMD -MP -c $$< -o $$@
endef
$(foreach i,$(ISAS),$(eval $(call isa_rule,$(i))))

$(BUILD)/%.o: %.c $(FLAGSTAMP)
	@mkdir -p $(@D)
	$(say) $@; $(CC) $(STD) $(CFLAGS) $(OF_TESTS) $(WARN) $(CPPFLAGS) $(LIBCFLAGS) -MMD -MP -c $< -o $@

$(BUILD)/ptrain: $(BUILD)/train/cli/main.o $(call libs,cli)
	$(say) $@; $(CC) $(STD) $(LDFLAGS) -rdynamic $^ $(LIBS) -o $@

# ---- tests: tests/<kind>/<layer>_<name>.c; the first word of the name says what it links -------------------------------
# Some 500 programs are linked, each of all that it may use: gold takes half of what bfd takes. Where it is missing the compiler's own linker does.
TEST_LD   := $(if $(wildcard /usr/bin/ld.gold),-fuse-ld=gold)
KINDS     := unit ops golden objective invariant dist fault fuzz
TEST_SRC  := $(foreach k,$(KINDS),$(wildcard tests/$(k)/*.c))
test_layer = $(patsubst objective,losses,$(patsubst model,beside,$(firstword $(subst _, ,$(basename $(notdir $(1)))))))
TEST_BIN  := $(patsubst %.c,$(BUILD)/%,$(TEST_SRC))
$(foreach k,$(KINDS),$(eval $(BUILD)/tests/$(k)/%.o: OF_TESTS = $(TEST_CFLAGS)))
# Their own sums take longer than their compiling.
$(addprefix $(BUILD)/tests/ops/kernels_,$(addsuffix .o,linear head mlp attention decode lora optim)): OF_TESTS = $(if $(SANITIZE),-O1,$(TEST_CFLAGS))
define test_rule
$(BUILD)/$(basename $(1)): $(BUILD)/$(basename $(1)).o $(call libs,$(call test_layer,$(1)))
	@mkdir -p $$(@D)
	$(say) $$@; $(CC) $(STD) $(LDFLAGS) $(TEST_LD) $$^ $(LIBS) $(TESTLIBS) -o $$@
endef
$(foreach t,$(TEST_SRC),$(eval $(call test_rule,$(t))))
# tests/ops/*.cpp: cases for any backend (tests/ops/op_modes.h). Here pt_ops_cpu; emu.mk and gpu.mk build them for CUDA.
OPS_CASES := $(basename $(notdir $(wildcard tests/ops/*.cpp)))
HOST_CASES := $(OPS_CASES:%=$(BUILD)/tests/ops/cpu_%)
TEST_BIN  += $(HOST_CASES)
$(BUILD)/tests/ops/cpu_%.o: tests/ops/%.cpp $(FLAGSTAMP) $(LISTS)
	@mkdir -p $(@D)
	$(say) $@; $(CXX) -std=c++17 $(filter-out -std=%,$(STD)) $(CFLAGS) $(OF_TESTS) $(EMU_WARN) -DOT_MODE=OT_HOST -I$(GEN) $(CPPFLAGS) -MMD -MP -c $< -o $@
$(HOST_CASES): %: %.o $(call libs,kernels)
	$(say) $@; $(CXX) $(filter-out -std=%,$(STD)) $(LDFLAGS) $(TEST_LD) $^ $(LIBS) $(TESTLIBS) -o $@

$(foreach k,$(KINDS),$(eval t-$(k)/%: $(BUILD)/tests/$(k)/% ; @PTRAIN=$$(BUILD)/ptrain bash tests/run.sh $$<))
tests: $(TEST_BIN) $(BUILD)/ptrain

-include $(ALL_OBJ:.o=.d) $(TEST_BIN:=.d)

include tests/tests.mk tests/fuzz/fuzz.mk
-include kernels/cuda/cuda.mk tests/emu/emu.mk tests/gpu/gpu.mk
