/* base/cgroup.h against made-up systems: version 2, version 1, both, nested groups, containers with and without a namespace. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/cgroup.h"
#include "base/file.h"
#include "tests/scratch.h"

static void put(const char *name, const char *text)
{
    char path[700], *slash;
    snprintf(path, sizeof path, "%s/%s", scratch_dir, name);
    slash = strrchr(path, '/');
    *slash = 0;
    assert_int_equal(pt_dir_make(path), PT_OK);
    *slash = '/';
    assert_int_equal(pt_file_write_whole(path, text, strlen(text)), PT_OK);
}

static pt_cgroup look(const char *cgroup, const char *mounts)
{
    pt_cgroup g;
    put("proc/self/cgroup", cgroup);
    put("proc/self/mountinfo", mounts);
    pt_cgroup_read(scratch_dir, &g);
    assert_int_equal(pt_dir_remove(scratch_path("sys")), PT_OK);
    return g;
}

#define TWO "22 1 0:1 / /proc rw - proc proc rw\n31 23 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
#define ONE                                                                                                                    \
    "31 23 0:26 / /sys/fs/cgroup ro - tmpfs tmpfs ro,mode=755\n32 31 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n" \
    "33 31 0:28 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"

static void version_two(void **state)
{
    put("sys/fs/cgroup/memory.max", "1000\n"); /* the limit of a container, which sees its group as the root */
    put("sys/fs/cgroup/memory.current", "400\n");
    put("sys/fs/cgroup/cpu.max", "150000 100000\n");
    put("sys/fs/cgroup/memory.stat", "anon 100\nfile 300\ninactive_file 250\n");
    pt_cgroup g = look("0::/\n", TWO);
    assert_true(g.memory == 1000 && g.left == 850 && g.cores == 1.5);
    put("sys/fs/cgroup/memory.max", "max\n"); /* none */
    put("sys/fs/cgroup/cpu.max", "max 100000\n");
    g = look("0::/\n", TWO);
    assert_true(g.memory == 0 && g.cores == 0);
    put("sys/fs/cgroup/memory.high", "700\n"); /* a soft one */
    put("sys/fs/cgroup/memory.max", "1000\n");
    put("sys/fs/cgroup/memory.current", "900\n");
    g = look("0::/\n", TWO);
    assert_true(g.memory == 700 && g.left == 1);
}

static void groups_above(void **state)
{
    put("sys/fs/cgroup/user.slice/memory.max", "5000\n"); /* the narrowest stands in the middle */
    put("sys/fs/cgroup/user.slice/memory.current", "4900\n");
    put("sys/fs/cgroup/user.slice/job/memory.max", "3000\n");
    put("sys/fs/cgroup/user.slice/job/memory.current", "100\n");
    put("sys/fs/cgroup/user.slice/job/step/memory.max", "max\n");
    put("sys/fs/cgroup/user.slice/cpu.max", "400000 100000\n");
    put("sys/fs/cgroup/user.slice/job/step/cpu.max", "900000 100000\n");
    pt_cgroup g = look("0::/user.slice/job/step\n", TWO);
    assert_true(g.memory == 3000 && g.left == 100 && g.cores == 4);
}

static void version_one(void **state)
{
    put("sys/fs/cgroup/memory/slurm/uid_7/memory.limit_in_bytes", "9000\n");
    put("sys/fs/cgroup/memory/slurm/uid_7/memory.usage_in_bytes", "2000\n");
    put("sys/fs/cgroup/memory/slurm/uid_7/memory.stat", "inactive_file 7\ntotal_inactive_file 500\n");
    put("sys/fs/cgroup/memory/slurm/uid_7/job_3/memory.limit_in_bytes", "9223372036854771712\n"); /* none */
    put("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    put("sys/fs/cgroup/cpu,cpuacct/slurm/cpu.cfs_quota_us", "250000\n");
    put("sys/fs/cgroup/cpu,cpuacct/slurm/cpu.cfs_period_us", "100000\n");
    put("sys/fs/cgroup/cpu,cpuacct/slurm/uid_7/cpu.cfs_quota_us", "-1\n");
    put("sys/fs/cgroup/cpu,cpuacct/slurm/uid_7/cpu.cfs_period_us", "100000\n");
    pt_cgroup g = look("9:memory:/slurm/uid_7/job_3\n4:cpu,cpuacct:/slurm/uid_7\n1:name=systemd:/x\n0::/unified\n", ONE);
    assert_true(g.memory == 9000 && g.left == 7500 && g.cores == 2.5);
}

static void in_containers(void **state)
{
    /* Docker with version 1: the path is the host's, the mount is the group itself */
    put("sys/fs/cgroup/memory/memory.limit_in_bytes", "512\n");
    put("sys/fs/cgroup/memory/memory.usage_in_bytes", "12\n");
    pt_cgroup g = look("9:memory:/docker/abc\n", "32 31 0:27 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n");
    assert_true(g.memory == 512 && g.left == 500);
    /* a group below it */
    put("sys/fs/cgroup/memory/memory.limit_in_bytes", "512\n");
    put("sys/fs/cgroup/memory/inner/memory.limit_in_bytes", "100\n");
    g = look("9:memory:/docker/abc/inner\n", "32 31 0:27 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n");
    assert_true(g.memory == 100);
    /* a process that was moved out of what it sees */
    put("sys/fs/cgroup/memory.max", "77\n");
    g = look("0::/../../other\n", TWO);
    assert_true(g.memory == 77);
    /* a mount point with a blank */
    put("sys/fs/c g/memory.max", "78\n");
    g = look("0::/\n", "31 23 0:26 / /sys/fs/c\\040g rw - cgroup2 none rw\n");
    assert_true(g.memory == 78);
}

static void nothing_there(void **state)
{
    pt_cgroup g = look("", "");
    assert_true(g.memory == 0 && g.cores == 0);
    g = look("nonsense\n0\n:::\n", "a b\n\n - cgroup2\n31 23 0:26 / /sys/fs/cgroup rw - cgroup2\n");
    assert_true(g.memory == 0 && g.cores == 0);
    pt_cgroup_read("/nonexistent", &g);
    assert_true(g.memory == 0 && g.cores == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(version_two), cmocka_unit_test(groups_above), cmocka_unit_test(version_one),
                                       cmocka_unit_test(in_containers), cmocka_unit_test(nothing_there)};
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
