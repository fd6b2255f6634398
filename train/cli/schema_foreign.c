#include "train/cli/schema.h"

/* Keys that configs written for axolotl, TRL or LLaMA-Factory carry, by reason. A refused key set to null, false, 0,
 * "" or [] is off and passes. */

#define TILED \
    "attention is always tiled and exact here"
#define FUSED \
    "the kernels here are fused and chunked already"
#define METRICS_FILES \
    "metrics go to metrics.jsonl and TensorBoard files in output_dir; nothing is sent anywhere"
#define STRICT \
    "unknown keys are always an error here"
#define NO_PADDING \
    "there is no padding, and results do not depend on how records are laid out"
#define PACKED_ONCE \
    "data is packed once into one file and prefetched by a thread"
#define TORCH_STACK \
    "a setting of PyTorch's stack; memory is planned and the arithmetic fixed here"
#define COMPUTE_KEY \
    "the multiply type is compute: f32 | bf16"
#define SAFETENSORS \
    "weights are always saved as safetensors"
#define ALWAYS \
    "always done, or not needed here"
#define BOOKKEEPING \
    "bookkeeping of another trainer"
#define REFERENCE_STEPS \
    "the reference is computed in the run's own micro-batches"
#define SUPERVISED_ROWS \
    "the head only ever visits supervised rows"
#define BASE_CONFIG \
    "the base model's own configuration is used as it stands"
#define NO_SCALING \
    "compute is f32 or bf16, with sums in f32: the range of f32, so no loss scaling"
#define STORED_TYPE \
    "the base stays in its stored type: nothing is rounded, and the plan says what it takes; a q8_0 GGUF as base_model takes half"
#define WHOLE_MODEL \
    "each rank holds the whole model, which changes no result; the plan says what that takes. Ranks are started with mpirun, torchrun or srun"
#define SPLIT_RECORDS \
    "records are split over ranks, never one record or the model: the same result, with the memory that the plan says"
#define LAUNCHERS \
    "ranks are started with mpirun, torchrun or srun"
#define ONLY_LORA \
    "only LoRA matrices (and the reward head) are trained beside a frozen base"
#define NO_METHOD \
    "this adapter method does not exist here"
#define OUT_IN \
    "weights are stored [out, in]"
#define PATTERNS \
    "patterns come from the adapter_config.json of lora_model_dir; choose layers with a regular expression in lora_target_modules"
#define DIRECT_KEYS \
    "give the adapter's keys directly"
#define ALL_OR_ADAPTER \
    "either every weight is tuned (adapter: none) or an adapter"
#define NO_NOISE \
    "noisy embeddings do not exist here"
#define NO_LOSS \
    "this loss does not exist here"
#define NO_OBJECTIVE \
    "this objective or variant does not exist here; see objective"
#define AS_DATASETS \
    "give the files as datasets with type: text and objective: pretrain"
#define DATA_AS_IT_IS \
    "the data is used as it stands: prepare it beforehand, or see shuffle_merged_datasets and excess_length_strategy"
#define FIXED_VOCABULARY \
    "the vocabulary cannot be changed"
#define NAMED_TEMPLATES \
    "a template knows its end of turn; what it takes beside the messages is unset here"
#define PLUGINS \
    "plugins are Python; Liger's and cut cross-entropy's kernels are built in, remove the line"
#define NO_UPLOAD \
    "nothing is uploaded; `ptrain export` writes the files"
#define BATCH_KEYS \
    "say batch_rows, or micro_batch_size and gradient_accumulation_steps"
#define ONE_OPTIMISER \
    "the optimiser is AdamW with one learning rate; schedules are constant, linear, cosine"
#define ONE_CHECKPOINTING \
    "gradient_checkpointing: true is the one form here; what it keeps stays where it is computed"
#define TO_ITS_END \
    "a run goes to its end; checkpoints are whole"
#define EVAL_COMMAND \
    "evaluation is `ptrain eval`"
#define NO_EXPERTS \
    "mixture-of-experts bases do not exist here"
#define TEXT_ONLY \
    "text only"
#define BASE_SAYS \
    "the folder or GGUF file of base_model says all"
#define CHAT_COMMAND \
    "use `ptrain chat`"
#define EXPORT_COMMAND \
    "use `ptrain export --to hf` or `--to gguf`"
#define OTHER_TRAINER \
    "another trainer's key; see sample_packing and base_model"
#define TOKENIZER_OWN \
    "the tokenizer's own are used"
#define FINER \
    "compute is f32 or bf16, both finer than 8 bits"
#define WHOLE_CHECKPOINTS \
    "checkpoints always hold all that resuming needs"
#define OWN_TOKENIZER \
    "the base model's own tokenizer is used, as its folder or file says"
#define OTHER_COMMAND \
    "it belongs to another command: `ptrain generate`, `ptrain chat`, `ptrain export RUN --to hf`"
#define SAVER_NUMBER \
    "a number of a memory saver whose place AdamW itself takes (use_galore, use_apollo, use_badam)"
#define NO_SCHEDULE_KEY \
    "no trainer's schedule reads it; cosine_min_lr_ratio is the key"
#define NO_EMBEDDINGS \
    "embeddings have no adapter here"
#define NO_OPTIMISER \
    "this optimiser does not exist here; adamw does"

static const pt_foreign_key foreign[] = {
    {"infer_backend", false, OTHER_COMMAND}, {"infer_dtype", false, OTHER_COMMAND}, {"do_predict", false, OTHER_COMMAND}, {"do_eval", false, OTHER_COMMAND}, {"do_export", false, OTHER_COMMAND},
    {"predict_with_generate", false, OTHER_COMMAND}, {"export_dir", false, OTHER_COMMAND}, {"export_size", false, OTHER_COMMAND}, {"export_device", false, OTHER_COMMAND},
    {"export_legacy_format", false, OTHER_COMMAND}, {"export_hub_model_id", false, OTHER_COMMAND}, {"export_hf_on_finish", false, OTHER_COMMAND}, {"sample_backend", false, OTHER_COMMAND},
    {"max_new_tokens", false, OTHER_COMMAND}, {"export_quantization_bit", false, OTHER_COMMAND}, {"export_quantization_dataset", false, OTHER_COMMAND},
    {"model_class", false, TORCH_STACK}, {"kernel_config", false, FUSED}, {"dist_config", false, WHOLE_MODEL}, {"init_config", false, TORCH_STACK}, {"batching_strategy", false, NO_PADDING},
    {"cp_mode", false, SPLIT_RECORDS}, {"cp_size", false, SPLIT_RECORDS}, {"optim_config", true, NO_OPTIMISER},
    {"gptq_disable_exllama", false, STORED_TYPE}, {"eta_min", false, NO_SCHEDULE_KEY}, {"loraplus_lr_embedding", false, NO_EMBEDDINGS},
    {"gptq_groupsize", true, NO_METHOD}, {"gptq_model_v1", true, NO_METHOD}, {"max_packed_sequence_len", true, NO_PADDING}, {"fp16", false, NO_SCALING}, {"float16", false, NO_SCALING},
    {"galore_*", false, SAVER_NUMBER}, {"apollo_*", false, SAVER_NUMBER}, 
    {"badam_*", false, SAVER_NUMBER}, {"use_muon", true, NO_OPTIMISER},
    {"use_asft_loss", true, NO_LOSS}, {"asft_alpha", true, NO_LOSS}, {"use_eaft_loss", true, NO_LOSS},
    {"oft_*", true, NO_METHOD}, {"use_llama_pro", true, NO_METHOD}, {"freeze_*", true, ALL_OR_ADAPTER}, {"mixture_of_depths", true, NO_METHOD}, {"additional_target", true, ONLY_LORA},
    {"reserved_label_len", false, NO_PADDING}, {"use_fast_tokenizer", false, OWN_TOKENIZER}, {"disable_shuffling", true, DATA_AS_IT_IS},
    {"tensor_model_parallel_size", false, SPLIT_RECORDS}, {"pipeline_model_parallel_size", false, SPLIT_RECORDS}, {"expert_model_parallel_size", false, SPLIT_RECORDS},
    {"sequence_parallel", false, SPLIT_RECORDS}, {"use_distributed_optimizer", false, WHOLE_MODEL}, {"overlap_param_gather", false, WHOLE_MODEL},
    {"overlap_grad_reduce", false, WHOLE_MODEL}, {"mixed_precision", false, COMPUTE_KEY}, {"use_packed_sequences", false, NO_PADDING},
    {"fp8_backend", false, FINER}, {"use_v1_kernels", false, FUSED}, {"cache_dir", false, PACKED_ONCE}, {"include_num_input_tokens_seen", false, ALWAYS},
    {"torch_dtype", false, COMPUTE_KEY}, {"test_value", false, BOOKKEEPING}, {"eval_on_start", false, ALWAYS}, {"disable_tqdm", false, ALWAYS}, {"log_level", false, ALWAYS},
    {"flash_attention", false, TILED}, {"flash_attn_cross_entropy", false, TILED}, {"flash_attn_fuse_mlp", false, TILED},
    {"flash_optimum", false, TILED}, {"flash_attn_rms_norm", false, TILED}, {"flash_attn_d512", false, TILED},
    {"xformers_attention", false, TILED}, {"sdp_attention", false, TILED}, {"sdpa_varlen", false, TILED},
    {"flex_attention", false, TILED}, {"flex_attn_compile_kwargs", false, TILED}, {"sage_attention", false, TILED},
    {"eager_attention", false, TILED}, {"attn_implementation", false, TILED}, {"fused_attn_kernel", false, TILED},
    {"large_head_attention", false, TILED}, {"flash_attn", false, TILED},
    {"liger_*", false, FUSED}, {"use_liger_kernel", false, FUSED}, {"enable_liger_kernel", false, FUSED},
    {"dpo_use_liger_kernel", false, FUSED}, {"cut_cross_entropy", false, FUSED}, {"chunked_cross_entropy", false, FUSED},
    {"chunked_cross_entropy_num_chunks", false, FUSED}, {"lora_mlp_kernel", false, FUSED}, {"lora_qkv_kernel", false, FUSED},
    {"lora_o_kernel", false, FUSED}, {"lora_embedding_kernel", false, FUSED}, {"tiled_mlp", false, FUSED}, {"tiled_mlp_*", false, FUSED},
    {"wandb_*", false, METRICS_FILES}, {"use_wandb", false, METRICS_FILES}, {"use_mlflow", false, METRICS_FILES}, {"mlflow_*", false, METRICS_FILES},
    {"hf_mlflow_log_artifacts", false, METRICS_FILES}, {"use_comet", false, METRICS_FILES}, {"comet_*", false, METRICS_FILES}, {"use_swanlab", false, METRICS_FILES},
    {"swanlab_*", false, METRICS_FILES}, {"use_trackio", false, METRICS_FILES}, {"trackio_*", false, METRICS_FILES}, {"use_otel_metrics", false, METRICS_FILES},
    {"otel_*", false, METRICS_FILES}, {"report_to", false, METRICS_FILES}, {"run_name", false, METRICS_FILES}, {"use_tensorboard", false, METRICS_FILES},
    {"strict", false, STRICT},
    {"pad_to_sequence_len", false, NO_PADDING}, {"pad_to_multiple_of", false, NO_PADDING}, {"sample_packing_group_size", false, NO_PADDING},
    {"sample_packing_bin_size", false, NO_PADDING}, {"sample_packing_eff_est", false, NO_PADDING},
    {"sample_packing_mp_start_method", false, NO_PADDING}, {"multipack_real_batches", false, NO_PADDING}, {"batch_flattening", false, NO_PADDING},
    {"pretrain_multipack_*", false, NO_PADDING}, {"eval_sample_packing", false, NO_PADDING}, {"eval_batch_size", false, NO_PADDING},
    {"per_device_eval_batch_size", false, NO_PADDING}, {"group_by_length", false, NO_PADDING}, {"streaming_multipack_buffer_size", false, NO_PADDING},
    {"dpo_padding_free", false, NO_PADDING},
    {"dataset_processes", false, PACKED_ONCE}, {"dataset_num_proc", false, PACKED_ONCE}, {"dataset_keep_in_memory", false, PACKED_ONCE},
    {"dataloader_*", false, PACKED_ONCE}, {"skip_prepare_dataset", false, PACKED_ONCE}, {"dataset_shard_num", false, PACKED_ONCE},
    {"dataset_shard_idx", false, PACKED_ONCE}, {"num_dataset_shards_to_save", false, PACKED_ONCE}, {"accelerator_config", false, PACKED_ONCE},
    {"remove_unused_columns", false, PACKED_ONCE}, {"preprocess_iterable", false, PACKED_ONCE}, {"is_preprocess", false, PACKED_ONCE},
    {"preprocessing_num_workers", false, PACKED_ONCE}, {"overwrite_cache", false, PACKED_ONCE},
    {"torch_compile", false, TORCH_STACK}, {"torch_compile_*", false, TORCH_STACK}, {"gc_steps", false, TORCH_STACK}, {"gc_collect_steps", false, TORCH_STACK},
    {"torch_empty_cache_steps", false, TORCH_STACK}, {"low_cpu_mem_usage", false, TORCH_STACK}, {"max_memory", false, TORCH_STACK},
    {"gpu_memory_limit", false, TORCH_STACK}, {"experimental_skip_move_to_device", false, TORCH_STACK}, {"use_kernels", false, TORCH_STACK},
    {"ddp", false, TORCH_STACK}, {"ddp_broadcast_buffers", false, TORCH_STACK}, {"ddp_find_unused_parameters", false, TORCH_STACK}, {"ddp_backend", false, TORCH_STACK}, {"world_size", false, TORCH_STACK}, {"local_rank", false, TORCH_STACK}, {"device_map", false, TORCH_STACK},
    {"lora_on_cpu", false, TORCH_STACK}, {"hf_use_auth_token", false, TORCH_STACK}, {"trust_remote_code", false, TORCH_STACK},
    {"tokenizer_use_fast", false, TORCH_STACK}, {"tokenizer_type", false, TORCH_STACK}, {"model_type", false, TORCH_STACK}, {"type_of_model", false, TORCH_STACK},
    {"tokenizer_save_jinja_files", false, TORCH_STACK}, {"peft_autocast_adapter_dtype", false, TORCH_STACK},
    {"embeddings_skip_upcast", false, TORCH_STACK}, {"fp32_norms", false, TORCH_STACK}, {"fp32_norm_classes", false, TORCH_STACK},
    {"gradient_checkpointing_kwargs", false, TORCH_STACK}, {"is_*_derived_model", false, TORCH_STACK}, {"mean_resizing_embeddings", false, TORCH_STACK},
    {"fix_untrained_tokens", false, TORCH_STACK},
    {"tf32", false, COMPUTE_KEY}, {"float32", false, COMPUTE_KEY}, {"fp8_enable_fsdp_float8_all_gather", false, COMPUTE_KEY},
    {"save_safetensors", false, SAFETENSORS},
    {"do_train", false, ALWAYS}, {"overwrite_output_dir", false, ALWAYS}, {"include_tokens_per_second", false, ALWAYS},
    {"include_tkps", false, ALWAYS}, {"profiler_steps", false, ALWAYS}, {"profiler_steps_start", false, ALWAYS},
    {"logging_strategy", false, ALWAYS}, {"logging_dir", false, ALWAYS}, {"plot_loss", false, ALWAYS},
    {"capabilities", false, BOOKKEEPING}, {"env_capabilities", false, BOOKKEEPING}, {"axolotl_config_path", false, BOOKKEEPING},
    {"total_num_tokens", false, BOOKKEEPING}, {"total_supervised_tokens", false, BOOKKEEPING}, {"push_dataset_to_hub", false, BOOKKEEPING},
    {"bnb_config_kwargs", false, BOOKKEEPING}, {"loftq_config", false, BOOKKEEPING}, {"bnb_4bit_*", false, BOOKKEEPING},
    {"precompute_ref_batch_size", false, REFERENCE_STEPS},
    {"dpo_use_logits_to_keep", false, SUPERVISED_ROWS},
    {"rope_scaling", true, BASE_CONFIG}, {"overrides_of_model_config", true, BASE_CONFIG}, {"overrides_of_model_kwargs", true, BASE_CONFIG},
    {"use_pose", true, BASE_CONFIG}, {"pose_*", true, BASE_CONFIG}, {"s2_attention", true, BASE_CONFIG}, {"scaling_softmax*", true, BASE_CONFIG},
    {"fp8", false, FINER},
    {"load_in_8bit", false, STORED_TYPE},
    {"fsdp*", false, WHOLE_MODEL}, {"dp_shard_size", false, WHOLE_MODEL}, {"dp_replicate_size", false, WHOLE_MODEL}, {"fsdp_version", false, WHOLE_MODEL},
    {"deepspeed", false, WHOLE_MODEL}, {"deepcompile", false, WHOLE_MODEL}, {"qlora_sharded_model_loading", false, WHOLE_MODEL},
    {"tensor_parallel_size", false, SPLIT_RECORDS}, {"sequence_parallel_degree", false, SPLIT_RECORDS}, {"context_parallel_size", false, SPLIT_RECORDS},
    {"heads_k_stride", false, SPLIT_RECORDS}, {"ring_attn_func", false, SPLIT_RECORDS}, {"expert_parallel_*", true, SPLIT_RECORDS},
    {"use_ray", false, LAUNCHERS}, {"ray_*", false, LAUNCHERS}, {"resources_per_worker", false, LAUNCHERS},
    {"lora_modules_to_save", true, ONLY_LORA}, {"modules_to_save", true, ONLY_LORA}, {"peft_trainable_token_indices", true, ONLY_LORA},
    {"lora_target_parameters", true, ONLY_LORA}, {"peft_ensure_weight_tying", true, ONLY_LORA},
    {"peft_use_dora", true, NO_METHOD}, {"use_dora", true, NO_METHOD}, {"use_mora", true, NO_METHOD}, {"mora_type", true, NO_METHOD},
    {"mora", true, NO_METHOD}, {"relora", true, NO_METHOD}, {"relora_*", true, NO_METHOD},
    {"peft_layer_replication", true, NO_METHOD}, 
    {"loftq_bits", true, NO_METHOD}, {"pissa_*", true, NO_METHOD}, {"lisa_*", true, NO_METHOD}, {"spectrum_*", true, NO_METHOD},
    {"layer_offloading", true, NO_METHOD}, 
    {"lora_fan_in_fan_out", true, OUT_IN},
    {"peft_layers_to_transform", true, PATTERNS}, {"peft_layers_pattern", true, PATTERNS}, {"lora_rank_pattern", true, PATTERNS},
    {"lora_alpha_pattern", true, PATTERNS},
    {"peft", true, DIRECT_KEYS},
    {"unfrozen_parameters", true, ALL_OR_ADAPTER}, {"freeze_mm_modules", true, ALL_OR_ADAPTER}, {"finetuning_layers", true, ALL_OR_ADAPTER},
    {"neftune_noise_alpha", true, NO_NOISE}, {"noisy_embedding_alpha", true, NO_NOISE},
    {"use_eaft", true, NO_LOSS}, {"eaft_*", true, NO_LOSS},
    {"orpo_alpha", true, "the weight of the odds is beta here, as in TRL"}, {"pref_ftx", true, NO_OBJECTIVE},
    {"trl", true, NO_OBJECTIVE}, {"trainer_cls", true, NO_OBJECTIVE}, {"vllm", true, NO_OBJECTIVE}, {"ebft", true, NO_OBJECTIVE}, {"rl_coef", true, NO_OBJECTIVE},
    {"process_reward_model", true, NO_OBJECTIVE}, 
    {"grokfast_*", true, NO_OBJECTIVE}, {"kd_temperature*", true, "objective kd compares at temperature 1, which the log-probabilities of the data are of"},
    {"kd_normalize_topk", true, "objective kd compares with the student's probabilities over the whole vocabulary"}, {"kd_beta", true, "objective kd takes the divergence of the teacher from the student alone"},
    {"kd_online_*", true, "a teacher's log-probabilities are read from the data: prompt_logprobs, or target_token_ids and target_logprobs"},
    {"diffusion*", true, NO_OBJECTIVE}, {"nemo_gym_*", true, NO_OBJECTIVE},
    {"hatchery*", true, NO_OBJECTIVE}, {"qat", true, NO_OBJECTIVE}, {"quantization", true, NO_OBJECTIVE}, {"llmcompressor", true, NO_OBJECTIVE},
    {"streaming", false, PACKED_ONCE},
    {"shuffle_before_merging_datasets", true, DATA_AS_IT_IS},
    {"sample_packing_sequentially", false, NO_PADDING},
    {"pretraining_sample_concatenation", true, DATA_AS_IT_IS}, {"max_prompt_len", true, DATA_AS_IT_IS},
    {"eval_sequence_len", true, DATA_AS_IT_IS},
    {"resize_token_embeddings_to_32x", true, FIXED_VOCABULARY}, {"shrink_embeddings", true, FIXED_VOCABULARY}, 
    {"added_tokens_overrides", true, "the model's own tokens keep their texts; added_tokens adds some"}, {"additional_special_tokens", true, FIXED_VOCABULARY},
    {"eot_tokens", true, NAMED_TEMPLATES}, {"chat_template_kwargs", true, NAMED_TEMPLATES},
    
    {"hub_*", false, NO_UPLOAD}, {"push_to_hub", false, NO_UPLOAD},
    {"batch_size", true, BATCH_KEYS}, {"auto_find_batch_size", true, BATCH_KEYS},
    
    {"cosine_constant_lr_ratio", true, ONE_OPTIMISER}, {"lr_div_factor", true, ONE_OPTIMISER}, {"lr_groups", true, ONE_OPTIMISER},
    {"jagged_restart_*", true, ONE_OPTIMISER}, {"embedding_lr", true, ONE_OPTIMISER}, {"embedding_lr_scale", true, ONE_OPTIMISER},
    {"optim_args", true, ONE_OPTIMISER}, {"optim_target_modules", true, ONE_OPTIMISER}, {"adam_beta3", true, ONE_OPTIMISER}, {"adam_epsilon2", true, ONE_OPTIMISER},
    {"torchdistx_path", true, ONE_OPTIMISER}, {"dion_*", true, ONE_OPTIMISER}, {"qgalore_*", true, ONE_OPTIMISER},
    {"selective_checkpointing", false, ONE_CHECKPOINTING}, {"activation_offloading", false, ONE_CHECKPOINTING}, {"offload", false, ONE_CHECKPOINTING},
    {"save_first_step", true, TO_ITS_END}, {"save_only_model", false, WHOLE_CHECKPOINTS}, {"dynamic_checkpoint", true, TO_ITS_END},
    {"do_causal_lm_eval", true, EVAL_COMMAND}, {"eval_causal_lm_metrics", true, EVAL_COMMAND}, {"do_bench_eval", true, EVAL_COMMAND},
    {"bench_dataset", true, EVAL_COMMAND}, {"bench_split", true, EVAL_COMMAND}, {"eval_table_size", false, METRICS_FILES},
    {"dpo_generate_during_eval", true, EVAL_COMMAND}, {"generate_samples", true, EVAL_COMMAND}, {"num_generation_samples", true, EVAL_COMMAND},
    {"generation_*", true, EVAL_COMMAND}, {"lm_eval_*", true, EVAL_COMMAND},
    {"use_scattermoe", true, NO_EXPERTS}, {"use_sonicmoe", true, NO_EXPERTS}, {"use_dsv4_kernels", true, NO_EXPERTS},
    {"use_glm_dsa_kernels", true, NO_EXPERTS}, {"dsv4_*", true, NO_EXPERTS}, {"gemma4_*", true, NO_EXPERTS}, {"nvfp4_*", true, NO_EXPERTS},
    {"moe_*", true, NO_EXPERTS}, {"expert_backend", true, NO_EXPERTS}, {"nonexpert_quantization", true, NO_EXPERTS},
    {"experts_implementation", true, NO_EXPERTS}, {"quantize_moe_experts", true, NO_EXPERTS}, {"llama4_linearized_experts", true, NO_EXPERTS},
    {"dense_mixer", true, NO_EXPERTS},
    {"processor_type", true, TEXT_ONLY}, {"processor_kwargs", true, TEXT_ONLY}, {"image_size", true, TEXT_ONLY},
    {"image_resize_algorithm", true, TEXT_ONLY}, {"role_boundaries", true, TEXT_ONLY},
    {"base_model_config", true, BASE_SAYS}, {"cls_model_config", true, BASE_SAYS}, {"revision_of_model", true, BASE_SAYS},
    {"model_quantization_config*", true, BASE_SAYS}, {"use_onebitllms", true, BASE_SAYS}, {"tokenizer_legacy", false, OWN_TOKENIZER},
    {"tokenizer_use_mistral_common", false, OWN_TOKENIZER},
    {"gradio_*", true, CHAT_COMMAND},
    {"merge_lora", true, EXPORT_COMMAND}, {"merge_method", true, EXPORT_COMMAND},
    {"mask_history", true, OTHER_TRAINER}, {"packing_strategy", false, NO_PADDING}, {"neat_packing", true, OTHER_TRAINER},
    {"quantization_method", false, STORED_TYPE}, {"double_quantization", false, STORED_TYPE},
    {"bos_token", true, TOKENIZER_OWN}, {"eos_token", true, TOKENIZER_OWN}, {"pad_token", true, TOKENIZER_OWN}, {"unk_token", true, TOKENIZER_OWN},
};

const pt_foreign_key *pt_schema_foreign(size_t *n)
{
    *n = sizeof foreign / sizeof *foreign;
    return foreign;
}
