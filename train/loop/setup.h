/* What every command that works on a model sets up from a config: the device, the base with its tokenizer and template, packs,
 * loaders, the model's options. Rank 0 decides whatever is automatic, for all. */
#ifndef PT_LOOP_SETUP_H
#define PT_LOOP_SETUP_H
#include "data/batch/loader.h"
#include "train/dist/comm.h"
#include "train/loop/config.h"
#include "train/model/model.h"

/* What `auto` chose: a checkpoint keeps it, a resumed run takes it again. */
typedef struct pt_choice {
    pt_compute compute;
    char isa[16]; /* "avx512"; "" = not on the CPU */
    int threads;
    int ranks;
    int64_t kept; /* 1 + frozen matrices that stand on a device as numbers too (keep_dequantised); 0 = not known, or no such device */
    bool tight;   /* the head in smaller pieces (pt_model_tight) */
    double f32_rate, bf16_rate; /* measured GEMM rates in GF/s, 0 = not measured */
    const char *device;         /* name of the backend ("cpu", "cuda", ...); NULL = not known (an older checkpoint) */
    char why_cpu[256];          /* device: auto: why no GPU was taken; "" = one was, or none was asked for */
} pt_choice;

/* Opens the device of cfg->device.kind in *ctx and fixes threads, instruction set and multiply type. wanted: what to take where the
 * config leaves the choice (a checkpoint's), NULL = choose; where that is impossible the difference is logged. said (may be
 * NULL): one line a choice. comm may be NULL (one process). ops: a backend to take instead of the config's device; NULL = by
 * device. */
pt_status pt_setup_device(const pt_config_device *device, pt_comm *comm, const pt_ops *ops, const pt_choice *wanted, pt_ctx *ctx,
                          pt_choice *chosen, pt_str *said);
void pt_setup_device_close(pt_ctx *ctx); /* safe on a zeroed ctx */

/* A base model's files opened: configuration, tokenizer, template. */
typedef struct pt_base {
    pt_source *source;
    pt_tokenizer *opened;    /* opened from cfg->model.tokenizer, or of this base's own because it grows (added_tokens) */
    const pt_tokenizer *tok; /* that, or the source's; NULL when there is none */
    pt_template *tmpl;       /* NULL when nothing needs one and the model has none that we know */
} pt_base;
/* path: NULL = cfg->model.base_model or init: random. need_template: fail without one (chat), else only where a data set needs it.
 * PT_EARG where tokenizer and model do not match, a special token is missing, or the config asks of this base what cannot be (a
 * quantised one for qlora). */
pt_status pt_setup_base(const pt_config *cfg, const char *path, bool need_template, pt_base *out);
void pt_base_free(pt_base *b);

/* The names of the labels: those of the first data set that lists any, on the heap (pt_dataset_labels_free); *names NULL = none does. */
pt_status pt_setup_labels(const pt_config *cfg, char ***names, size_t *n);
/* The word of the config's pooling, for files: NULL = the last token. */
const char *pt_setup_pooling(const pt_config *cfg);
/* The id of pooling_token: PT_EARG where it is no token of the model. */
pt_status pt_setup_pooling_token(const pt_config *cfg, const pt_tokenizer *tok, int32_t *id);
/* Training and test packs; *test NULL without test_datasets. Rank 0 packs, the others open what it made. */
pt_status pt_setup_packs(const pt_config *cfg, pt_comm *comm, const pt_base *base, pt_pack **train, pt_pack **test,
                         pt_pack_report *report, pt_pack_report *test_report);

/* What the packs of this config are made with; cache: their folder. */
pt_status pt_setup_pack_options(const pt_config *cfg, const pt_base *base, bool test, const char *cache, pt_pack_options *out);
/* What is odd in them (data/audit/audit.h); test NULL: there is none. most: rows of each set whose texts are read, 0 = all. */
pt_status pt_setup_audit(const pt_config *cfg, const pt_base *base, const pt_pack *train, const pt_pack *test, const pt_pack_report *report, const pt_pack_report *test_report,
                         int64_t most, pt_audit **out);
/* Says what is wrong, in a few lines (base/log.h). PT_EFORMAT with audit: strict, where there is an error or a warning. */
pt_status pt_setup_audit_judge(const pt_config *cfg, const pt_audit *a);

typedef enum pt_record_set {
    PT_RECORDS_TRAIN,      /* the run's steps */
    PT_RECORDS_ALL,        /* the training records of a pack, each once, in file order (reference pass, test packs) */
    PT_RECORDS_VALIDATION, /* the validation records, each once, in file order */
} pt_record_set;
pt_status pt_setup_loader(const pt_config *cfg, pt_comm *comm, const pt_pack *pack, pt_record_set pass, pt_loader **out);
/* The same of one data set of the pack, from 1; 0 = of all. */
pt_status pt_setup_loader_of(const pt_config *cfg, pt_comm *comm, const pt_pack *pack, pt_record_set pass, int source, pt_loader **out);

/* Options of pt_model_new; `targets` of it borrow from cfg. */
pt_model_options pt_setup_model_options(const pt_config *cfg);
/* pt_model_new with the checks that need both sides: full tuning of a quantised base; lora_r or lora_alpha beside
 * lora_model_dir that differ from that adapter's. guests: adapters that stand beside the trained one (pt_lora_options). */
pt_status pt_setup_model(const pt_config *cfg, pt_ctx *ctx, const pt_base *base, const char *const *guests, size_t n_guests, pt_model **out);

/* Which reference a run uses. */
typedef enum pt_reference {
    PT_REFERENCE_NONE,  /* the objective needs none */
    PT_REFERENCE_BASE,  /* the model without adapters */
    PT_REFERENCE_START, /* the starting adapter: a frozen copy of it, which sync_ref_model moves; or, where the reference is stored, itself */
} pt_reference;
pt_reference pt_setup_reference(const pt_config *cfg);
/* Whether its log-probabilities are computed before step 1 and kept beside the packs: precompute_ref_log_probs, or adapter: none, where no second
 * model stands beside the trained one. Steps then run no reference. */
bool pt_setup_reference_stored(const pt_config *cfg);
#endif
