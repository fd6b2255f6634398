# make gpu-kit: an archive for a machine with a GPU of sm_90, a driver for this CUDA and nothing else of ours: the plugin, programs that need neither
# oneDNN, HDF5, MPI nor cmocka, and tests/gpu/kit.sh, which runs them (docs/gpu.md). GPU_PLUGIN=emulated makes one for the emulated device: the rehearsal.
KIT_ARCHS ?= 90 90a
KIT_MIB   := 60
KIT_DIR   := $(GPU_DIR)/kit$(if $(filter cuda,$(GPU_PLUGIN)),-$(subst $(eval) ,-,$(strip $(KIT_ARCHS))))
KIT_NAME  := ptrain-gpu-kit
KIT_TOP   := $(KIT_DIR)/$(KIT_NAME)
KIT_SO    := $(KIT_TOP)/lib/libptrain-$(GPU_PLUGIN).so
KIT_PROGRAMS := gpu_probe gpu_bench kit_model $(OPS_CASES)
KIT_BIN   := $(addprefix $(KIT_TOP)/bin/,$(KIT_PROGRAMS))
KIT_ARCHIVE := $(GPU_OUT)/$(KIT_NAME).tar.gz
KIT_CXX   := $(filter-out -g,$(GPU_CXX)) -g1 -Itests/gpu/slim
KIT_CC    := $(CC) -std=c17 -fopenmp -O2 -g1 $(WARN) $(GPU_INC) $(CPPFLAGS) -MMD -MP
# What else the programs use goes into them, so that the other machine needs glibc alone.
KIT_STATIC := -static-libgcc -static-libstdc++ -Wl,-Bstatic -ljansson -lpcre2-8 -lutf8proc -lgomp -Wl,-Bdynamic -ldl -lm -lpthread

ifeq ($(GPU_PLUGIN),cuda)
KIT_CUDA_OBJ := $(patsubst %.cu,$(KIT_DIR)/%.o,$(CUDA_SRC))
KIT_GEN   := $(foreach a,$(KIT_ARCHS),-gencode arch=compute_$(a),code=sm_$(a))
$(KIT_DIR)/%.o: %.cu $(OBJECTIVE_LIST)
	@mkdir -p $(@D)
	$(say) $@; $(NVCC) -std=c++17 $(NVCCFLAGS) $(NVCC_WARN) -Xcompiler -fPIC,-fno-exceptions,-ffp-contract=off $(KIT_GEN) \
	  -I. -I$(BUILD)/gen -D_GNU_SOURCE -MD -MP -MF $(@:.o=.d) -c $< -o $@
$(KIT_DIR)/kernels/cuda/target.o: KIT_GEN += -DPT_CUDA_ARCHS='"$(strip $(KIT_ARCHS))"'
-include $(KIT_CUDA_OBJ:.o=.d)
# libcudart is small and comes along; cuBLASLt has several 100 MiB and does not.
$(KIT_SO): $(KIT_CUDA_OBJ)
	@mkdir -p $(@D); cp -L $(CUDA_HOME)/lib64/libcudart.so.* $(@D)/
	$(say) $@; $(NVCC) -shared -cudart shared $^ -L$(CUDA_HOME)/lib64 -Xlinker -rpath='$$ORIGIN' -lcublasLt -o $@
KIT_RT    := -L$(CUDA_HOME)/lib64 -lcudart -lcublasLt
else
$(KIT_SO): $(GPU_SO)
	@mkdir -p $(@D); cp $< $@
KIT_RT    :=
endif

$(KIT_DIR)/ops/%.o: tests/ops/%.cpp $(FLAGSTAMP) $(LISTS)
	@mkdir -p $(@D)
	$(say) $@; $(KIT_CXX) -c $< -o $@
$(KIT_DIR)/%.o: tests/gpu/%.cpp $(FLAGSTAMP) $(LISTS)
	@mkdir -p $(@D)
	$(say) $@; $(KIT_CXX) -c $< -o $@
$(KIT_DIR)/%.o: tests/gpu/%.c $(FLAGSTAMP) $(LISTS)
	@mkdir -p $(@D)
	$(say) $@; $(KIT_CC) -c $< -o $@
$(KIT_DIR)/slim.o: tests/gpu/slim/slim.c $(FLAGSTAMP)
	@mkdir -p $(@D)
	$(say) $@; $(KIT_CC) -c $< -o $@
KIT_LINK = $(CXX) -rdynamic -Wl,--undefined=pt_plugin_needs $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group \
  -L$(KIT_TOP)/lib -l:$(notdir $(KIT_SO)) -Wl,-rpath='$$ORIGIN/../lib' $(KIT_RT) $(KIT_STATIC) -s -o $@
$(OPS_CASES:%=$(KIT_TOP)/bin/%): $(KIT_TOP)/bin/%: $(KIT_DIR)/ops/%.o $(KIT_DIR)/gpu_shim.o $(KIT_DIR)/slim.o $(KIT_SO) $(call libs,kernels)
	@mkdir -p $(@D)
	$(say) $@; $(KIT_LINK)
$(KIT_TOP)/bin/gpu_bench: $(KIT_DIR)/gpu_bench.o $(KIT_SO) $(call libs,kernels)
	@mkdir -p $(@D)
	$(say) $@; $(KIT_LINK)
$(KIT_TOP)/bin/kit_model: $(KIT_DIR)/kit_model.o $(KIT_SO) $(call libs,model) $(call libs,objective) $(call libs,optim)
	@mkdir -p $(@D)
	$(say) $@; $(KIT_LINK)
$(KIT_TOP)/bin/gpu_probe: $(KIT_DIR)/gpu_probe.o $(KIT_SO) $(if $(filter emulated,$(GPU_PLUGIN)),$(call libs,kernels))
	@mkdir -p $(@D)
	$(say) $@; $(if $(filter emulated,$(GPU_PLUGIN)),$(KIT_LINK),$(CXX) $(filter %.o,$^) -L$(CUDA_HOME)/lib64 -lcudart -Wl$(comma)-rpath='$$ORIGIN/../lib' -static-libgcc -static-libstdc++ -s -o $@)
-include $(wildcard $(KIT_DIR)/*.d $(KIT_DIR)/ops/*.d)

# The files of the archive, beside programs and libraries; `what`: a word and its value a line, for the script.
KIT_FILES := kit.sh what tests/bench/roofline.tsv
$(KIT_ARCHIVE): $(KIT_BIN) $(KIT_SO) tests/gpu/kit.sh tests/bench/roofline.tsv
	@mkdir -p $(KIT_TOP)/tests/bench && cp tests/gpu/kit.sh $(KIT_TOP)/kit.sh && cp tests/bench/roofline.tsv $(KIT_TOP)/tests/bench/
	@{ echo "plugin libptrain-$(GPU_PLUGIN).so"; echo "chips $(filter-out %a,$(KIT_ARCHS))"; echo "made $$(git rev-parse --short HEAD 2>/dev/null || echo 'without git'), $$(uname -sm)"; } > $(KIT_TOP)/what
	@cd $(KIT_TOP) && for f in $(KIT_FILES) $(addprefix bin/,$(KIT_PROGRAMS)) lib/*; do sha256sum $$f; done | LC_ALL=C sort -k2 > files.sha256
	@tar -C $(KIT_DIR) --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 -czf $@.new $(KIT_NAME)
	@size=$$(wc -c < $@.new); if [ $$size -gt $$(($(KIT_MIB) * 1048576)) ]; then echo "error: the kit has $$size bytes: more than $(KIT_MIB) MiB"; exit 1; fi
	@mv $@.new $@
.PHONY: gpu-kit
gpu-kit: ## an archive with all that a machine with a GPU and a driver needs to test and time the kernels: build/ptrain-gpu-kit.tar.gz
ifeq ($(GPU_NONE),x)
	@echo "skipped: gpu-kit: no nvcc (install the CUDA toolkit, or set NVCC=)"
else
	@$(MAKE) --no-print-directory -j$(NPROC) $(KIT_ARCHIVE)
	@echo "$(KIT_ARCHIVE): $$(wc -c < $(KIT_ARCHIVE)) bytes; unpack it there and run: sh $(KIT_NAME)/kit.sh LOGS"
endif
