#include "kernels/plugin.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "kernels/check_linear.h"
#include "kernels/check_loss.h"
#include "kernels/check_norm.h"
#include "kernels/check_ops.h"
#include "kernels/forest.h"

/* What plugins take from the program: named here so that the linker keeps it in every program. */
typedef void (*any_fn)(void);
#define KEEP(fn) (any_fn) fn
extern const any_fn pt_plugin_needs[];
const any_fn pt_plugin_needs[] = {
    KEEP(pt_fail),
    KEEP(pt_fail_prefix),
    KEEP(pt_err_msg),
    KEEP(pt_err_clear),
    KEEP(pt_calloc),
    KEEP(pt_grow),
    KEEP(pt_dtype_get),
    KEEP(pt_dtype_row_bytes),
    KEEP(pt_check_view),
    KEEP(pt_check_typed),
    KEEP(pt_ws_take),
    KEEP(pt_ws_done),
    KEEP(pt_check_rmsnorm),
    KEEP(pt_check_rmsnorm_bwd),
    KEEP(pt_check_layernorm),
    KEEP(pt_check_layernorm_bwd),
    KEEP(pt_check_norm_rope),
    KEEP(pt_check_norm_rope_bwd),
    KEEP(pt_check_linear),
    KEEP(pt_check_linear_bwd_x),
    KEEP(pt_check_linear_bwd_w),
    KEEP(pt_check_lora),
    KEEP(pt_lora_base),
    KEEP(pt_check_head),
    KEEP(pt_check_bend),
    KEEP(pt_check_clamp),
    KEEP(pt_check_clamp_bwd),
    KEEP(pt_check_sumsq),
    KEEP(pt_check_clip),
    KEEP(pt_check_token_sums),
    KEEP(pt_check_group_loss),
    KEEP(pt_group_loss_numbers),
    KEEP(pt_check_adamw),
    KEEP(pt_check_attention),
    KEEP(pt_check_attention_bwd),
    KEEP(pt_forest_check),
    KEEP(pt_forest_host_new),
    KEEP(pt_forest_host_set),
    KEEP(pt_forest_host_free),
    KEEP(pt_forest_host_bytes),
};

typedef struct opened {
    void *handle;
    const pt_ops *ops;
    const char *(*why_not)(void);
} opened;
static opened plugins[2];
static const char *first_folder;

static const char *const file_names[] = {"libptrain-cuda.so", "libptrain-emulated.so"};
static const char *const how[] = {"build it with `make cuda` (needs the CUDA toolkit)", "build it with `make emulated`"};

void pt_plugin_folder(const char *dir)
{
    first_folder = dir;
}

/* The program's own folder, without the last slash. */
static bool program_folder(char *dir, size_t size)
{
    ssize_t n = readlink("/proc/self/exe", dir, size - 1);
    if (n <= 0 || (size_t)n >= size - 1) return false;
    dir[n] = 0;
    char *slash = strrchr(dir, '/');
    if (!slash) return false;
    *slash = 0;
    return true;
}

/* The first existing file of the places to look at. */
static bool find_file(const char *name, char *path, size_t size)
{
    char dir[3072] = "";
    bool known = program_folder(dir, sizeof dir);
    for (int i = first_folder ? 0 : 1; i < 3; i++) {
        if (i > 0 && !known) break;
        int n = snprintf(path, size, "%s%s/%s", i ? dir : first_folder, i == 2 ? "/../lib/ptrain" : "", name);
        if (n > 0 && (size_t)n < size && access(path, R_OK) == 0) return true;
    }
    return false;
}

/* The CUDA runtime loads kernels when they are first launched unless told otherwise before it starts: that would be an
 * allocation in the middle of a run, and a hang where a kernel of NCCL waits for another GPU meanwhile (loading waits for the
 * device). Whatever was set: images set LAZY for all programs. */
static void load_kernels_early(void)
{
    setenv("CUDA_MODULE_LOADING", "EAGER", 1);
}

/* Looked for first: the plugin brings libraries of several 100 MiB, in vain on a machine without a driver. */
static pt_status find_driver(void)
{
    void *driver = dlopen("libcuda.so.1", RTLD_LAZY | RTLD_LOCAL);
    if (!driver) return pt_fail(PT_ENOSUP, "no NVIDIA driver is installed (libcuda.so.1 is not found)");
    dlclose(driver);
    return PT_OK;
}

/* One that stayed behind when the program was built again would compute other objectives under the same numbers. */
static bool fits(const pt_made_for *m)
{
    const pt_made_for *p = &pt_made_for_program;
    return m && m->ops == p->ops && m->loss == p->loss && m->step == p->step && m->answer == p->answer && !strcmp(m->objectives, p->objectives);
}

static pt_status load(pt_plugin which, opened *p)
{
    char path[4096];
    const pt_ops *(*table)(void) = NULL;
    const pt_made_for *(*made_for)(void) = NULL;
    if (!find_file(file_names[which], path, sizeof path))
        return pt_fail(PT_ENOSUP, "%s is not beside the program: %s", file_names[which], how[which]);
    if (which == PT_PLUGIN_CUDA) PT_RETURN(find_driver());
    load_kernels_early();
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!handle) return pt_fail(PT_ENOSUP, "%s", dlerror());
    *(void **)&table = dlsym(handle, "pt_cuda_ops");
    *(void **)&p->why_not = dlsym(handle, "pt_cuda_why_not");
    *(void **)&made_for = dlsym(handle, "pt_cuda_made_for");
    if (!table || !p->why_not) {
        dlclose(handle);
        return pt_fail(PT_ENOSUP, "%s is no plugin of ptrain", path);
    }
    if (!fits(made_for ? made_for() : NULL)) {
        dlclose(handle);
        return pt_fail(PT_ENOSUP, "%s was built with another program: %s", path, how[which]);
    }
    p->ops = table();
    p->handle = handle;
    return PT_OK;
}

pt_status pt_plugin_open(pt_plugin which, const pt_ops **ops)
{
    opened *p = &plugins[which];
    *ops = NULL;
    if (!p->handle) PT_RETURN(load(which, p));
    const char *why = p->why_not();
    if (why) return pt_fail(PT_ENOSUP, "%s", why);
    *ops = p->ops;
    return PT_OK;
}

void *pt_plugin_symbol(const pt_ops *ops, const char *name)
{
    for (int i = 0; i < 2; i++)
        if (plugins[i].handle && plugins[i].ops == ops) return dlsym(plugins[i].handle, name);
    return NULL;
}
