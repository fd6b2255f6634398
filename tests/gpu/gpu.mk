# What a person with a GPU runs: make test-gpu, make bench-gpu. Without one they say so in a line.
# GPU_PLUGIN=emulated runs the same programs on the emulated device: it proves them, its times mean nothing (report beside the programs).
GPU_PLUGIN ?= cuda
GPU_DIR   := $(BUILD)/gpu-$(GPU_PLUGIN)
GPU_TESTS := $(OPS_CASES) model_device model_families_device loop_device
GPU_SO    := $(BUILD)/libptrain-$(GPU_PLUGIN).so
GPU_OUT   := $(if $(filter emulated,$(GPU_PLUGIN)),$(GPU_DIR),build)
ifeq ($(GPU_PLUGIN),cuda)
GPU_INC   := -isystem $(CUDA_HOME)/include -Itests/emu
GPU_RT    := -L$(CUDA_HOME)/lib64 -Wl,-rpath=$(CUDA_HOME)/lib64 -lcudart -lcublasLt
GPU_PROBE_DEPS :=
else
GPU_INC   := $(EMU_INC) -DGPU_EMULATED
GPU_RT    :=
GPU_PROBE_DEPS := $(GPU_SO) $(call libs,kernels)
endif
GPU_CXX   := $(CXX) -I$(BUILD)/gen -std=c++17 -fopenmp -O2 -g $(EMU_WARN) $(GPU_INC) $(CPPFLAGS) -MMD -MP

$(GPU_DIR)/%.o: tests/emu/%.cpp $(FLAGSTAMP) $(LISTS)
	@mkdir -p $(@D)
	$(say) $@; $(GPU_CXX) -c $< -o $@
$(GPU_DIR)/ops/%.o: tests/ops/%.cpp $(FLAGSTAMP) $(LISTS)
	@mkdir -p $(@D)
	$(say) $@; $(GPU_CXX) -c $< -o $@
$(GPU_DIR)/%.o: tests/gpu/%.cpp $(FLAGSTAMP) $(LISTS)
	@mkdir -p $(@D)
	$(say) $@; $(GPU_CXX) -c $< -o $@
$(GPU_DIR)/%.o: tests/emu/%.c $(FLAGSTAMP)
	@mkdir -p $(@D)
	$(say) $@; $(CC) -std=c17 -fopenmp -O2 -g $(WARN) $(GPU_INC) $(CPPFLAGS) $(LIBCFLAGS) -MMD -MP -c $< -o $@
$(GPU_DIR)/gpu_probe: $(GPU_DIR)/gpu_probe.o $(GPU_PROBE_DEPS)
	$(say) $@; $(CXX) -fopenmp -rdynamic $< $(if $(GPU_PROBE_DEPS),-Wl$(comma)--undefined=pt_plugin_needs $(call libs,kernels) $(GPU_SO) -Wl$(comma)-rpath=$(abspath $(BUILD)) $(LIBS)) $(GPU_RT) -o $@
comma := ,
# Programs resolve the op table's functions in the plugin, and the plugin base/ in the program.
GPU_LINK = $(CXX) -fopenmp -rdynamic -Wl,--undefined=pt_plugin_needs $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group \
  $(GPU_SO) -Wl,-rpath=$(abspath $(BUILD)) $(GPU_RT) $(LIBS) $(TESTLIBS) -o $@
define gpu_rule
$(GPU_DIR)/$(1): $(GPU_DIR)/$(if $(filter $(1),$(OPS_CASES)),ops/)$(1).o $(GPU_DIR)/gpu_shim.o $(GPU_SO) $(call libs,$(call test_layer,$(1)))
	$$(say) $$@; $$(GPU_LINK)
endef
$(foreach t,$(GPU_TESTS),$(eval $(call gpu_rule,$(t))))
$(GPU_DIR)/gpu_bench: $(GPU_DIR)/gpu_bench.o $(GPU_SO) $(call libs,kernels)
	$(say) $@; $(GPU_LINK)
-include $(wildcard $(GPU_DIR)/*.d $(GPU_DIR)/ops/*.d)

# $(1) what it is, $(2) programs, $(3) command: only where a device is; the reason otherwise.
define gpu_when
	@$(MAKE) --no-print-directory $(GPU_DIR)/gpu_probe
	@if $(GPU_DIR)/gpu_probe > $(GPU_DIR)/probe.txt; then \
	  $(MAKE) --no-print-directory -j$(NPROC) $(2) && $(3); \
	else echo "skipped: $(1): $$(tail -n 1 $(GPU_DIR)/probe.txt)"; fi
endef
GPU_NONE := $(if $(filter cuda,$(GPU_PLUGIN)),$(if $(NVCC),,x))
.PHONY: test-gpu bench-gpu
test-gpu: ## on a machine with a GPU: every op against ref, golden models, compute-sanitizer; one report
ifeq ($(GPU_NONE),x)
	@echo "skipped: test-gpu: no nvcc (install the CUDA toolkit, or set NVCC=)"
else
	$(call gpu_when,test-gpu,$(GPU_TESTS:%=$(GPU_DIR)/%),sh tests/gpu/run_gpu.sh $(GPU_DIR) $(GPU_OUT)/test-gpu.txt)
endif
bench-gpu: ## on a machine with a GPU: every op's time as share of the measured GEMM and copy peaks
ifeq ($(GPU_NONE),x)
	@echo "skipped: bench-gpu: no nvcc (install the CUDA toolkit, or set NVCC=)"
else
	$(call gpu_when,bench-gpu,$(GPU_DIR)/gpu_bench,$(GPU_DIR)/gpu_bench $(if $(filter emulated,$(GPU_PLUGIN)),tiny) $(GPU_OUT)/bench-gpu.txt)
endif

# make test-full: the bench itself works, and times every entry of the op table.
$(BUILD)/emu-plain/runs/bench.sh: tests/gpu/gpu_bench.cpp tests/gpu/gpu.mk
	@mkdir -p $(@D)
	@{ echo '$(MAKE) --no-print-directory BUILD=$(BUILD) CC=$(CC) GPU_PLUGIN=emulated bench-gpu > $@.log 2>&1'; \
	   echo 'if grep -q "^0 failed" $@.log; then echo "ok 1 - bench-gpu, every op"; else cat $@.log; echo "not ok 1 - bench-gpu, every op"; exit 1; fi'; } > $@
EMU_RUNS_FULL += $(BUILD)/emu-plain/runs/bench.sh
include tests/gpu/kit.mk
