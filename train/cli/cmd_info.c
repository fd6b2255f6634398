/* version, doctor, help. */
#include <dlfcn.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/threads.h"
#include "base/version.h"
#include "kernels/ops.h"
#include "kernels/plugin.h"
#include "train/cli/cli.h"
#include "train/cli/schema.h"

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
        const char *(*code)(void);
        *(void **)&code = pt_plugin_symbol(ops, "pt_cuda_code");
        const char *text = code ? code() : NULL;
        printf("%s yes%s%s\n", name, text ? ": " : "", text ? text : "");
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

static const char about[] = "ptrain fine-tunes language models on role-play, persona and preference data.\n\n";
static const char rest[] =
    "\n"
    "Any config key is set as --key=value on every command. MODEL is a Hugging Face folder or a GGUF file, RUN an output_dir.\n"
    "Options: --output FILE, --adapter DIR, --max-new-tokens N, --temperature T (0 = greedy), --top-k, --top-p, --min-p,\n"
    "--repetition-penalty, --seed, --system TEXT, --base (leave a RUN's adapter out).\n"
    "Exit codes: 0 done, 1 the run failed, 2 wrong usage or config, 128 + signal (130, 143 ...) stopped by it with everything saved.\n";

static pt_status put_usage(pt_str *out)
{
    size_t n;
    const pt_command *all = pt_commands(&n);
    PT_RETURN(pt_str_puts(out, about));
    for (size_t i = 0; i < n; i++)
        if (all[i].usage) PT_RETURN(pt_str_printf(out, "%s\n", all[i].usage));
    return pt_str_puts(out, rest);
}

pt_status pt_cmd_help(pt_cli *c)
{
    pt_status rc = PT_OK;
    pt_str text = {0};
    if (c->markdown && c->n_args && !strcmp(c->args[0], "objective")) {
        PT_TRY(pt_schema_objectives_page(&text));
    } else if (c->markdown && c->n_args && !strcmp(c->args[0], "samplers")) {
        PT_TRY(pt_sampler_options_help(&text, true));
    } else if (c->markdown) {
        PT_TRY(pt_schema_markdown(&text));
    } else if (!c->n_args) {
        size_t n;
        const pt_key *k = pt_schema(&n);
        PT_TRY(put_usage(&text));
        PT_TRY(pt_str_puts(&text, "\nConfig keys (ptrain help KEY):\n"));
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
        const pt_command *command = pt_command_find(c->args[0]);
        if (command) PT_TRY(pt_str_puts(&text, command->help));
        if (command && (command->run == pt_cmd_chat || command->run == pt_cmd_generate)) PT_TRY(pt_sampler_options_help(&text, false));
        if (!command || pt_schema_find(c->args[0])) PT_TRY(pt_schema_help(&text, c->args[0]));
    }
    fputs(text.text, stdout);
done:
    pt_str_free(&text);
    return rc;
}
