#include "train/cli/schema.h"

/* Keys that configs written for axolotl, TRL or LLaMA-Factory carry, by reason. A refused key set to null, false, 0,
 * "" or [] is off and passes. */

#define W0 \
    "attention is always tiled and exact here"
#define W1 \
    "the kernels here are fused and chunked already"
#define W2 \
    "metrics go to metrics.jsonl and TensorBoard files in output_dir; nothing is sent anywhere"
#define W3 \
    "unknown keys are always an error here"
#define W4 \
    "there is no padding, and results do not depend on how records are laid out"
#define W5 \
    "data is packed once into one file and prefetched by a thread"
#define W6 \
    "a setting of PyTorch's stack; memory is planned and the arithmetic fixed here"
#define W7 \
    "the multiply type is compute: f32 | bf16"
#define W8 \
    "weights are always saved as safetensors"
#define W9 \
    "always done, or not needed here"
#define W10 \
    "bookkeeping of another trainer"
#define W11 \
    "the reference is another slot of the same weights; full tuning computes it before step 1 by itself"
#define W12 \
    "the head only ever visits supervised rows"
#define W13 \
    "the base model's own configuration is used as it stands"
#define W14 \
    "compute is f32 or bf16, with sums in f32: the range of f32, so no loss scaling"
#define W15 \
    "the base stays in its stored type: nothing is rounded, and the plan says what it takes; a q8_0 GGUF as base_model takes half"
#define W16 \
    "each rank holds the whole model, which changes no result; the plan says what that takes. Ranks are started with mpirun, torchrun or srun"
#define W17 \
    "records are split over ranks, never one record or the model: the same result, with the memory that the plan says"
#define W18 \
    "ranks are started with mpirun, torchrun or srun"
#define W19 \
    "only LoRA matrices (and the reward head) are trained beside a frozen base"
#define W20 \
    "this adapter method does not exist here"
#define W21 \
    "weights are stored [out, in]"
#define W22 \
    "patterns come from the adapter_config.json of lora_model_dir; choose layers with a regular expression in lora_target_modules"
#define W23 \
    "give the adapter's keys directly"
#define W24 \
    "either every weight is tuned (adapter: none) or an adapter"
#define W25 \
    "noisy embeddings do not exist here"
#define W26 \
    "this loss does not exist here"
#define W27 \
    "this objective or variant does not exist here; objectives are sft, pretrain, dpo (sigmoid) and reward"
#define W28 \
    "give the files as datasets with type: text and objective: pretrain"
#define W29 \
    "the data is used as it stands: prepare it beforehand, or see shuffle_merged_datasets and excess_length_strategy"
#define W30 \
    "the vocabulary cannot be changed"
#define W31 \
    "templates are the named ones (chat_template); they know their end of turn"
#define W32 \
    "plugins are Python; Liger's and cut cross-entropy's kernels are built in, remove the line"
#define W33 \
    "nothing is uploaded; `ptrain export` writes the files"
#define W34 \
    "say batch_rows, or micro_batch_size and gradient_accumulation_steps"
#define W35 \
    "the optimiser is AdamW with one learning rate; schedules are constant, linear, cosine"
#define W36 \
    "gradient_checkpointing: true is the one form here; what it keeps stays where it is computed"
#define W37 \
    "a run goes to its end; checkpoints are whole"
#define W38 \
    "evaluation is `ptrain eval`"
#define W39 \
    "mixture-of-experts bases do not exist here"
#define W40 \
    "text only"
#define W41 \
    "the folder or GGUF file of base_model says all"
#define W42 \
    "use `ptrain chat`"
#define W43 \
    "use `ptrain export --to hf` or `--to gguf`"
#define W44 \
    "another trainer's key; see sample_packing and base_model"
#define W45 \
    "the tokenizer's own are used"
#define W46 \
    "compute is f32 or bf16, both finer than 8 bits"
#define W47 \
    "checkpoints always hold all that resuming needs"
#define W48 \
    "the base model's own tokenizer is used, as its folder or file says"
#define W49 \
    "it belongs to another command: `ptrain generate`, `ptrain chat`, `ptrain export RUN --to hf`"
#define W50 \
    "a number of a memory saver whose place AdamW itself takes (use_galore, use_apollo, use_badam)"
#define W52 \
    "no trainer's schedule reads it; cosine_min_lr_ratio is the key"
#define W53 \
    "embeddings have no adapter here"
#define W51 \
    "this optimiser does not exist here; adamw does"

static const pt_foreign_key foreign[] = {
    {"infer_backend", false, W49}, {"infer_dtype", false, W49}, {"do_predict", false, W49}, {"do_eval", false, W49}, {"do_export", false, W49},
    {"predict_with_generate", false, W49}, {"export_dir", false, W49}, {"export_size", false, W49}, {"export_device", false, W49},
    {"export_legacy_format", false, W49}, {"export_hub_model_id", false, W49}, {"export_hf_on_finish", false, W49}, {"sample_backend", false, W49},
    {"max_new_tokens", false, W49}, {"export_quantization_bit", false, W49}, {"export_quantization_dataset", false, W49},
    {"model_class", false, W6}, {"kernel_config", false, W1}, {"dist_config", false, W16}, {"init_config", false, W6}, {"batching_strategy", false, W4},
    {"cp_mode", false, W17}, {"cp_size", false, W17}, {"optim_config", true, W51},
    {"gptq_disable_exllama", false, W15}, {"eta_min", false, W52}, {"loraplus_lr_embedding", false, W53},
    {"gptq_groupsize", true, W20}, {"gptq_model_v1", true, W20}, {"max_packed_sequence_len", true, W4}, {"fp16", false, W14}, {"float16", false, W14},
    {"galore_*", false, W50}, {"apollo_*", false, W50}, 
    {"badam_*", false, W50}, {"use_muon", true, W51},
    {"use_asft_loss", true, W26}, {"asft_alpha", true, W26}, {"use_eaft_loss", true, W26},
    {"oft_*", true, W20}, {"use_llama_pro", true, W20}, {"freeze_*", true, W24}, {"mixture_of_depths", true, W20}, {"additional_target", true, W19},
    {"reserved_label_len", false, W4}, {"use_fast_tokenizer", false, W48}, {"disable_shuffling", true, W29},
    {"tensor_model_parallel_size", false, W17}, {"pipeline_model_parallel_size", false, W17}, {"expert_model_parallel_size", false, W17},
    {"sequence_parallel", false, W17}, {"use_distributed_optimizer", false, W16}, {"overlap_param_gather", false, W16},
    {"overlap_grad_reduce", false, W16}, {"mixed_precision", false, W7}, {"use_packed_sequences", false, W4},
    {"fp8_backend", false, W46}, {"use_v1_kernels", false, W1}, {"cache_dir", false, W5}, {"include_num_input_tokens_seen", false, W9},
    {"torch_dtype", false, W7}, {"test_value", false, W10}, {"eval_on_start", false, W9}, {"disable_tqdm", false, W9}, {"log_level", false, W9},
    {"flash_attention", false, W0}, {"flash_attn_cross_entropy", false, W0}, {"flash_attn_fuse_mlp", false, W0},
    {"flash_optimum", false, W0}, {"flash_attn_rms_norm", false, W0}, {"flash_attn_d512", false, W0},
    {"xformers_attention", false, W0}, {"sdp_attention", false, W0}, {"sdpa_varlen", false, W0},
    {"flex_attention", false, W0}, {"flex_attn_compile_kwargs", false, W0}, {"sage_attention", false, W0},
    {"eager_attention", false, W0}, {"attn_implementation", false, W0}, {"fused_attn_kernel", false, W0},
    {"large_head_attention", false, W0}, {"flash_attn", false, W0},
    {"liger_*", false, W1}, {"use_liger_kernel", false, W1}, {"enable_liger_kernel", false, W1},
    {"dpo_use_liger_kernel", false, W1}, {"cut_cross_entropy", false, W1}, {"chunked_cross_entropy", false, W1},
    {"chunked_cross_entropy_num_chunks", false, W1}, {"lora_mlp_kernel", false, W1}, {"lora_qkv_kernel", false, W1},
    {"lora_o_kernel", false, W1}, {"lora_embedding_kernel", false, W1}, {"tiled_mlp", false, W1}, {"tiled_mlp_*", false, W1},
    {"wandb_*", false, W2}, {"use_wandb", false, W2}, {"use_mlflow", false, W2}, {"mlflow_*", false, W2},
    {"hf_mlflow_log_artifacts", false, W2}, {"use_comet", false, W2}, {"comet_*", false, W2}, {"use_swanlab", false, W2},
    {"swanlab_*", false, W2}, {"use_trackio", false, W2}, {"trackio_*", false, W2}, {"use_otel_metrics", false, W2},
    {"otel_*", false, W2}, {"report_to", false, W2}, {"run_name", false, W2}, {"use_tensorboard", false, W2},
    {"strict", false, W3},
    {"pad_to_sequence_len", false, W4}, {"pad_to_multiple_of", false, W4}, {"sample_packing_group_size", false, W4},
    {"sample_packing_bin_size", false, W4}, {"sample_packing_eff_est", false, W4},
    {"sample_packing_mp_start_method", false, W4}, {"multipack_real_batches", false, W4}, {"batch_flattening", false, W4},
    {"pretrain_multipack_*", false, W4}, {"eval_sample_packing", false, W4}, {"eval_batch_size", false, W4},
    {"per_device_eval_batch_size", false, W4}, {"group_by_length", false, W4}, {"streaming_multipack_buffer_size", false, W4},
    {"dpo_padding_free", false, W4},
    {"dataset_processes", false, W5}, {"dataset_num_proc", false, W5}, {"dataset_keep_in_memory", false, W5},
    {"dataloader_*", false, W5}, {"skip_prepare_dataset", false, W5}, {"dataset_shard_num", false, W5},
    {"dataset_shard_idx", false, W5}, {"num_dataset_shards_to_save", false, W5}, {"accelerator_config", false, W5},
    {"remove_unused_columns", false, W5}, {"preprocess_iterable", false, W5}, {"is_preprocess", false, W5},
    {"preprocessing_num_workers", false, W5}, {"overwrite_cache", false, W5},
    {"torch_compile", false, W6}, {"torch_compile_*", false, W6}, {"gc_steps", false, W6}, {"gc_collect_steps", false, W6},
    {"torch_empty_cache_steps", false, W6}, {"low_cpu_mem_usage", false, W6}, {"max_memory", false, W6},
    {"gpu_memory_limit", false, W6}, {"experimental_skip_move_to_device", false, W6}, {"use_kernels", false, W6},
    {"ddp", false, W6}, {"ddp_broadcast_buffers", false, W6}, {"ddp_find_unused_parameters", false, W6}, {"ddp_backend", false, W6}, {"world_size", false, W6}, {"local_rank", false, W6}, {"device_map", false, W6},
    {"lora_on_cpu", false, W6}, {"hf_use_auth_token", false, W6}, {"trust_remote_code", false, W6},
    {"tokenizer_use_fast", false, W6}, {"tokenizer_type", false, W6}, {"model_type", false, W6}, {"type_of_model", false, W6},
    {"tokenizer_save_jinja_files", false, W6}, {"peft_autocast_adapter_dtype", false, W6},
    {"embeddings_skip_upcast", false, W6}, {"fp32_norms", false, W6}, {"fp32_norm_classes", false, W6},
    {"gradient_checkpointing_kwargs", false, W6}, {"is_*_derived_model", false, W6}, {"mean_resizing_embeddings", false, W6},
    {"fix_untrained_tokens", false, W6},
    {"tf32", false, W7}, {"float32", false, W7}, {"fp8_enable_fsdp_float8_all_gather", false, W7},
    {"save_safetensors", false, W8},
    {"do_train", false, W9}, {"overwrite_output_dir", false, W9}, {"include_tokens_per_second", false, W9},
    {"include_tkps", false, W9}, {"profiler_steps", false, W9}, {"profiler_steps_start", false, W9},
    {"logging_strategy", false, W9}, {"logging_dir", false, W9}, {"plot_loss", false, W9},
    {"capabilities", false, W10}, {"env_capabilities", false, W10}, {"axolotl_config_path", false, W10},
    {"total_num_tokens", false, W10}, {"total_supervised_tokens", false, W10}, {"push_dataset_to_hub", false, W10},
    {"bnb_config_kwargs", false, W10}, {"loftq_config", false, W10}, {"bnb_4bit_*", false, W10},
    {"precompute_ref_log_probs", false, W11},
    {"dpo_use_logits_to_keep", false, W12},
    {"rope_scaling", true, W13}, {"overrides_of_model_config", true, W13}, {"overrides_of_model_kwargs", true, W13},
    {"use_pose", true, W13}, {"pose_*", true, W13}, {"s2_attention", true, W13}, {"scaling_softmax*", true, W13},
    {"fp8", false, W46},
    {"load_in_8bit", false, W15},
    {"fsdp*", false, W16}, {"dp_shard_size", false, W16}, {"dp_replicate_size", false, W16}, {"fsdp_version", false, W16},
    {"deepspeed", false, W16}, {"deepcompile", false, W16}, {"qlora_sharded_model_loading", false, W16},
    {"tensor_parallel_size", false, W17}, {"sequence_parallel_degree", false, W17}, {"context_parallel_size", false, W17},
    {"heads_k_stride", false, W17}, {"ring_attn_func", false, W17}, {"expert_parallel_*", true, W17},
    {"use_ray", false, W18}, {"ray_*", false, W18}, {"resources_per_worker", false, W18},
    {"lora_modules_to_save", true, W19}, {"modules_to_save", true, W19}, {"peft_trainable_token_indices", true, W19},
    {"lora_target_parameters", true, W19}, {"peft_ensure_weight_tying", true, W19},
    {"peft_use_dora", true, W20}, {"use_dora", true, W20}, {"use_mora", true, W20}, {"mora_type", true, W20},
    {"mora", true, W20}, {"relora", true, W20}, {"relora_*", true, W20},
    {"peft_layer_replication", true, W20}, 
    {"loftq_bits", true, W20}, {"pissa_*", true, W20}, {"lisa_*", true, W20}, {"spectrum_*", true, W20},
    {"layer_offloading", true, W20}, 
    {"lora_fan_in_fan_out", true, W21},
    {"peft_layers_to_transform", true, W22}, {"peft_layers_pattern", true, W22}, {"lora_rank_pattern", true, W22},
    {"lora_alpha_pattern", true, W22},
    {"peft", true, W23},
    {"unfrozen_parameters", true, W24}, {"freeze_mm_modules", true, W24}, {"finetuning_layers", true, W24},
    {"neftune_noise_alpha", true, W25}, {"noisy_embedding_alpha", true, W25},
    {"use_eaft", true, W26}, {"eaft_*", true, W26},
    {"orpo_alpha", true, W27}, {"simpo_gamma", true, W27}, {"cpo_alpha", true, W27}, {"kto_*", true, W27},
    {"rpo_alpha", true, W27}, {"dpo_norm_loss", true, W27}, {"dpo_label_smoothing", true, W27},
    {"dpo_use_weighting", true, W27}, {"dpo_loss_weights", true, W27}, {"pref_ftx", true, W27},
    {"trl", true, W27}, {"trainer_cls", true, W27}, {"vllm", true, W27}, {"ebft", true, W27}, {"rl_coef", true, W27},
    {"process_reward_model", true, W27}, 
    {"grokfast_*", true, W27}, {"kd_*", true, W27}, {"diffusion*", true, W27}, {"nemo_gym_*", true, W27},
    {"hatchery*", true, W27}, {"qat", true, W27}, {"quantization", true, W27}, {"llmcompressor", true, W27},
    {"streaming", false, W5},
    {"shuffle_before_merging_datasets", true, W29},
    {"sample_packing_sequentially", false, W4},
    {"pretraining_sample_concatenation", true, W29}, {"max_prompt_len", true, W29},
    {"eval_sequence_len", true, W29},
    {"resize_token_embeddings_to_32x", true, W30}, {"shrink_embeddings", true, W30}, 
    {"tokens", true, W30}, {"added_tokens_overrides", true, W30}, {"additional_special_tokens", true, W30},
    {"eot_tokens", true, W31}, {"chat_template_jinja", true, W31}, {"chat_template_kwargs", true, W31},
    
    {"hub_*", false, W33}, {"push_to_hub", false, W33},
    {"batch_size", true, W34}, {"auto_find_batch_size", true, W34},
    
    {"cosine_constant_lr_ratio", true, W35}, {"lr_div_factor", true, W35}, {"lr_groups", true, W35},
    {"jagged_restart_*", true, W35}, {"embedding_lr", true, W35}, {"embedding_lr_scale", true, W35},
    {"optim_args", true, W35}, {"optim_target_modules", true, W35}, {"adam_beta3", true, W35}, {"adam_epsilon2", true, W35},
    {"torchdistx_path", true, W35}, {"dion_*", true, W35}, {"qgalore_*", true, W35},
    {"selective_checkpointing", false, W36}, {"activation_offloading", false, W36}, {"offload", false, W36},
    {"early_stopping_patience", true, W37}, {"load_best_model_at_end", true, W37}, {"metric_for_best_model", true, W37},
    {"greater_is_better", true, W37}, 
    {"save_first_step", true, W37}, {"save_only_model", false, W47}, {"dynamic_checkpoint", true, W37},
    {"do_causal_lm_eval", true, W38}, {"eval_causal_lm_metrics", true, W38}, {"do_bench_eval", true, W38},
    {"bench_dataset", true, W38}, {"bench_split", true, W38}, {"eval_table_size", false, W2},
    {"dpo_generate_during_eval", true, W38}, {"generate_samples", true, W38}, {"num_generation_samples", true, W38},
    {"generation_*", true, W38}, {"lm_eval_*", true, W38},
    {"use_scattermoe", true, W39}, {"use_sonicmoe", true, W39}, {"use_dsv4_kernels", true, W39},
    {"use_glm_dsa_kernels", true, W39}, {"dsv4_*", true, W39}, {"gemma4_*", true, W39}, {"nvfp4_*", true, W39},
    {"moe_*", true, W39}, {"expert_backend", true, W39}, {"nonexpert_quantization", true, W39},
    {"experts_implementation", true, W39}, {"quantize_moe_experts", true, W39}, {"llama4_linearized_experts", true, W39},
    {"dense_mixer", true, W39},
    {"processor_type", true, W40}, {"processor_kwargs", true, W40}, {"image_size", true, W40},
    {"image_resize_algorithm", true, W40}, {"role_boundaries", true, W40},
    {"base_model_config", true, W41}, {"cls_model_config", true, W41}, {"revision_of_model", true, W41},
    {"model_quantization_config*", true, W41}, {"use_onebitllms", true, W41}, {"tokenizer_legacy", false, W48},
    {"tokenizer_use_mistral_common", false, W48},
    {"gradio_*", true, W42},
    {"merge_lora", true, W43}, {"merge_method", true, W43},
    {"mask_history", true, W44}, {"packing_strategy", false, W4}, {"neat_packing", true, W44},
    {"quantization_method", false, W15}, {"double_quantization", false, W15},
    {"bos_token", true, W45}, {"eos_token", true, W45}, {"pad_token", true, W45}, {"unk_token", true, W45},
};

const pt_foreign_key *pt_schema_foreign(size_t *n)
{
    *n = sizeof foreign / sizeof *foreign;
    return foreign;
}
