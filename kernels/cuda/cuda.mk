# The CUDA plugins.
#   make cuda      libptrain-cuda.so by nvcc, against the real libraries, for every supported chip; a line says so where there
#                  is no nvcc
#   make emulated  libptrain-emulated.so: the same sources on the emulated device (tests/emu), for device: emulated
# A plugin takes base/ and kernels/*.c from the program (kernels/plugin.h).
NVCC      ?= $(firstword $(wildcard /usr/local/cuda/bin/nvcc) $(shell command -v nvcc 2>/dev/null))
CUDA_HOME ?= $(if $(NVCC),$(abspath $(dir $(NVCC))..))
CUDA_SRC  := $(wildcard kernels/cuda/*.cu) $(wildcard train/dist/*.cu)
# Chips: A100; A10, RTX 30; L4, RTX 40; H100, twice (90a: what may use instructions of that chip alone); and PTX of the last without a letter for newer ones.
# Which of them a chip runs: kernels/cuda/target.h.
CUDA_ARCHS ?= 80 86 89 90 90a
CUDA_PTX  := $(lastword $(filter-out %a,$(CUDA_ARCHS)))
CUDA_GEN  := $(foreach a,$(CUDA_ARCHS),-gencode arch=compute_$(a),code=sm_$(a)) $(foreach a,$(CUDA_PTX),-gencode arch=compute_$(a),code=compute_$(a))
CUDA_ARCHS_DEF := -DPT_CUDA_ARCHS='"$(strip $(CUDA_ARCHS))"'
NVCCFLAGS ?= -O3 -lineinfo
# Errors for every warning of the device compiler and of the host's.
NVCC_WARN := -Werror all-warnings -Xcompiler -Wall,-Wextra,-Werror,-Wno-unused-parameter
CUDA_DIR  := $(BUILD)/cuda
CUDA_OBJ  := $(patsubst %.cu,$(CUDA_DIR)/%.o,$(CUDA_SRC))

$(CUDA_DIR)/%.o: %.cu $(OBJECTIVE_LIST)
	@mkdir -p $(@D)
	$(say) $@; $(NVCC) -std=c++17 $(NVCCFLAGS) $(NVCC_WARN) -Xcompiler -fPIC,-fno-exceptions,-ffp-contract=off $(CUDA_GEN) \
	  -I. -I$(BUILD)/gen -D_GNU_SOURCE -MD -MP -MF $(@:.o=.d) -c $< -o $@
$(CUDA_DIR)/kernels/cuda/target.o: CUDA_GEN += $(CUDA_ARCHS_DEF)
-include $(CUDA_OBJ:.o=.d)

$(BUILD)/libptrain-cuda.so: $(CUDA_OBJ)
	$(say) $@; $(NVCC) -shared -cudart shared $^ -L$(CUDA_HOME)/lib64 -Xlinker -rpath=$(CUDA_HOME)/lib64 -lcublasLt -o $@

$(BUILD)/libptrain-emulated.so: $(patsubst %.cu,$(BUILD)/emu-plain/%.cu.o,$(CUDA_SRC)) $(BUILD)/emu-plain/libemu.a
	$(say) $@; $(CXX) -shared -fopenmp $(filter %.o,$^) -Wl,--whole-archive $(BUILD)/emu-plain/libemu.a -Wl,--no-whole-archive \
	  -ldl -lm -o $@

# What a plugin lacks, the program must have: every pt_ name that it does not define is in the program's dynamic table.
$(BUILD)/.%-symbols: $(BUILD)/libptrain-%.so $(BUILD)/ptrain
	@nm -D --undefined-only $< | grep -o ' pt_[a-z0-9_]*' | sort -u > $@.need
	@nm -D --defined-only $(BUILD)/ptrain | grep -o ' pt_[a-z0-9_]*' | sort -u > $@.have
	@comm -23 $@.need $@.have > $@.lack
	@if [ -s $@.lack ]; then echo "error: $< needs what the program lacks (kernels/plugin.c):"; cat $@.lack; exit 1; fi
	@touch $@

# Tests of the program itself run it on the emulated device.
emu-tests: $(BUILD)/.emulated-symbols

# The plugins that were built go where an installed program looks for them.
install: install-plugins
install-plugins: ptrain
	@for f in $(wildcard build/libptrain-*.so); do install -D -m 755 $$f $(DESTDIR)$(PREFIX)/lib/ptrain/$$(basename $$f); done

.PHONY: cuda emulated emu-tests install-plugins
cuda: ## the GPU plugin: build/libptrain-cuda.so (CUDA toolkit 12 or 13)
ifeq ($(NVCC),)
	@echo "skipped: no nvcc: the CUDA plugin is not built (install the CUDA toolkit, or set NVCC=)"
else
	@$(MAKE) --no-print-directory ptrain
	@$(MAKE) --no-print-directory -j$(NPROC) $(BUILD)/.cuda-symbols
	@cp -f $(BUILD)/libptrain-cuda.so build/libptrain-cuda.so.new && mv -f build/libptrain-cuda.so.new build/libptrain-cuda.so
	@echo "build/libptrain-cuda.so: sm_$(subst $(eval) ,$(eval) sm_,$(strip $(CUDA_ARCHS)))$(if $(CUDA_PTX), and PTX of sm_$(CUDA_PTX))"
endif
emulated: ## the emulated device as a plugin: build/libptrain-emulated.so (device: emulated)
	@$(MAKE) --no-print-directory ptrain
	@$(MAKE) --no-print-directory -j$(NPROC) $(BUILD)/.emulated-symbols
	@cp -f $(BUILD)/libptrain-emulated.so build/libptrain-emulated.so.new
	@mv -f build/libptrain-emulated.so.new build/libptrain-emulated.so
