/* version, doctor, help. */
#include <dlfcn.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/threads.h"
#include "kernels/ops.h"
#include "kernels/plugin.h"
#include "train/cli/cli.h"
#include "train/cli/schema.h"

#ifndef PT_VERSION
#define PT_VERSION "0.1.0"
#endif

pt_status pt_cmd_version(pt_cli *c)
{
    printf("ptrain %s\n", PT_VERSION);
    return PT_OK;
}

static const char *library_state(const char *soname)
{
    void *h = dlopen(soname, RTLD_LAZY | RTLD_LOCAL);
    if (!h) return "not found";
    dlclose(h);
    return "found";
}

static void print_plugin(const char *name, pt_plugin which)
{
    const pt_ops *ops;
    if (pt_plugin_open(which, &ops) == PT_OK) {
        printf("%s yes\n", name);
        return;
    }
    printf("%s no: %s\n", name, pt_err_msg());
    pt_err_clear();
}

pt_status pt_cmd_doctor(pt_cli *c)
{
    struct utsname u;
    double f32 = 0, bf16 = 0;
    uname(&u);
    printf("ptrain %s, built with %s\n\n", PT_VERSION, __VERSION__);
    printf("machine        %s %s, %d cores for this process\n", u.sysname, u.machine, pt_cores_available());
    printf("memory         %.1f GiB, %.1f GiB available\n", (double)pt_memory_total() / 0x1p30, (double)pt_memory_available() / 0x1p30);
    printf("instructions   %s\n", pt_cpu_isa());
    pt_threads_set(pt_cores_available());
    PT_RETURN(pt_cpu_measure(&f32, &bf16));
    printf("GEMM           f32 %.0f GF/s, bf16 %.0f GF/s: compute auto takes %s\n", f32, bf16, bf16 > 1.1 * f32 ? "bf16" : "f32");
    printf("ranks          %s\n", PT_WITH_MPI ? "MPI (mpirun -n N ptrain CONFIG), TCP (torchrun, srun)" : "TCP (torchrun, srun); built with WITH_MPI=0");
    printf("GPU driver     libcuda %s\n", library_state("libcuda.so.1"));
    printf("device cpu     yes\n");
    print_plugin("device cuda    ", PT_PLUGIN_CUDA);
    print_plugin("device emulated", PT_PLUGIN_EMULATED);
    return PT_OK;
}

static const char usage[] =
    "ptrain fine-tunes language models on role-play, persona and preference data.\n"
    "\n"
    "  ptrain CONFIG                     train (same as ptrain train CONFIG)\n"
    "  ptrain plan CONFIG                memory, steps and rows; nothing is run\n"
    "  ptrain pack CONFIG                tokenise and pack only\n"
    "  ptrain inspect CONFIG             packed samples as text, weights visible (--sample N or N-M)\n"
    "  ptrain eval CONFIG|RUN            metrics before and after, as a table and JSON (--output FILE)\n"
    "  ptrain chat RUN|MODEL             talk to it (--role NAME)\n"
    "  ptrain generate RUN|MODEL         --input F.jsonl | --prompt TEXT [--raw]\n"
    "  ptrain score RUN|MODEL            --input F.jsonl: log-probabilities\n"
    "  ptrain tokenize MODEL|tokenizer.json   --input F.jsonl\n"
    "  ptrain export RUN --to peft|hf|gguf|gguf-lora --out PATH [--type T]\n"
    "  ptrain version | doctor | help [COMMAND|KEY]\n"
    "\n"
    "Any config key is set as --key=value on every command. MODEL is a Hugging Face folder or a GGUF file, RUN an output_dir.\n"
    "Options: --output FILE, --adapter DIR, --max-new-tokens N, --temperature T (0 = greedy), --top-k, --top-p, --min-p,\n"
    "--repetition-penalty, --seed, --system TEXT, --base (leave a RUN's adapter out).\n"
    "Exit codes: 0 done, 1 the run failed, 2 wrong usage or config, 128 + signal (130, 143 ...) stopped by it with everything saved.\n";

typedef struct topic { const char *name, *text; } topic;
static const topic topics[] = {
    {"train", "ptrain CONFIG [--key=value ...]\nPacks the data if it changed, prints the plan, trains, saves into output_dir.\n"
              "Ctrl-C, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2 and SIGXCPU finish the step, save, and say how to go on; the same again ends at once.\n"
              "mpirun kills its ranks a second after a SIGTERM: end its jobs by SIGUSR1, or give --mca odls_base_sigkill_timeout 60.\n"
              "--profile shows at the end where the time went, op by op.\n"},
    {"plan", "ptrain plan CONFIG\nMemory by role, steps, rows a step, before anything is allocated.\n"},
    {"pack", "ptrain pack CONFIG\nReads, tokenises and packs the data sets into one HDF5 file and shows what was kept, cut and dropped.\n"},
    {"inspect", "ptrain inspect CONFIG [--sample N | N-M]\nShows packed samples as text; supervised text stands out.\n"},
    {"eval", "ptrain eval CONFIG|RUN [--output FILE]\nPerplexity, ROUGE-L, stopping, repetition, copying, preference accuracy; base beside tuned.\n"},
    {"chat", "ptrain chat RUN|MODEL [--role NAME] [--system TEXT] [--adapter DIR]\nAn empty line or ctrl-d ends; /reset starts anew.\n"},
    {"generate", "ptrain generate RUN|MODEL --input F.jsonl | --prompt TEXT [--raw]\nRows: {\"messages\": [...]} or {\"prompt\": TEXT}; a last\nassistant message is continued, and response holds what is new. "
                 "Out: the row with response and finish_reason (stop | length).\n"},
    {"score", "ptrain score RUN|MODEL [--adapter DIR] --input F.jsonl\nRows of input_ids, messages or text; out: logprobs of tokens 2..n, nll, tokens.\n"
               "A reward model gives a score, read at the answer's end token: white space and padding behind it are left out.\n"},
    {"tokenize", "ptrain tokenize MODEL|tokenizer.json --input F.jsonl\nRows of text; out: input_ids. Added tokens are recognised; no BOS is added.\n"},
    {"version", "ptrain version\nThe version alone.\n"},
    {"doctor", "ptrain doctor\nWhat this machine and this build can do.\n"},
    {"help", "ptrain help [COMMAND|KEY]\n"},
    {"export", "ptrain export RUN --to peft|hf|gguf|gguf-lora --out PATH [--type f32|f16|bf16|q8_0|...]\n"
               "hf and gguf of a run say its loss on a few rows of its data before and after. Without --type matrices keep the base's type, but for what\n"
               "would lose more than 5 % of what was learnt: that is q8_0, f16 or f32. Only an earlier export is overwritten.\n"},
};

pt_status pt_cmd_help(pt_cli *c)
{
    pt_status rc = PT_OK;
    pt_str text = {0};
    if (c->markdown) {
        PT_TRY(pt_schema_markdown(&text));
    } else if (!c->n_args) {
        size_t n;
        const pt_key *k = pt_schema(&n);
        PT_TRY(pt_str_printf(&text, "%s\nConfig keys (ptrain help KEY):\n", usage));
        const char *section = "";
        for (size_t i = 0, column = 0; i < n; i++) {
            bool new_section = strcmp(section, k[i].section) != 0;
            section = k[i].section;
            if (new_section) PT_TRY(pt_str_printf(&text, "%s  %-11s", i ? "\n" : "", section));
            if (!new_section && column + strlen(k[i].name) + 1 > 110) {
                PT_TRY(pt_str_printf(&text, "\n%13s", ""));
                new_section = true;
            }
            if (new_section) column = 13;
            PT_TRY(pt_str_printf(&text, " %s", k[i].name));
            column += strlen(k[i].name) + 1;
        }
        PT_TRY(pt_str_puts(&text, "\n"));
    } else {
        bool found = false;
        for (size_t i = 0; i < sizeof topics / sizeof *topics; i++)
            if (!strcmp(topics[i].name, c->args[0])) found = true, rc = pt_str_puts(&text, topics[i].text);
        PT_TRY(rc);
        if (!found || pt_schema_find(c->args[0])) PT_TRY(pt_schema_help(&text, c->args[0]));
    }
    fputs(text.text, stdout);
done:
    pt_str_free(&text);
    return rc;
}
