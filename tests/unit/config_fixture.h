/* Configs from text, for tests: one file of this process, loaded and told. */
#ifndef PT_TESTS_CONFIG_FIXTURE_H
#define PT_TESTS_CONFIG_FIXTURE_H
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "train/cli/config.h"

static char notes[4096];

static inline void keep_note(void *user, pt_log_level level, const char *text)
{
    size_t n = strlen(notes);
    snprintf(notes + n, sizeof notes - n, "%s\n", text);
}

static inline char *write_yaml(const char *text)
{
    static char path[64];
    snprintf(path, sizeof path, "build/test-cli-%d.yaml", (int)getpid());
    assert_int_equal(pt_dir_make("build"), PT_OK);
    assert_int_equal(pt_file_write_whole(path, text, strlen(text)), PT_OK);
    return path;
}

static inline pt_config *load(const char *text)
{
    pt_config *c = NULL;
    pt_status rc = pt_config_load(&c, write_yaml(text), NULL, 0);
    if (rc != PT_OK) fail_msg("refused: %s", pt_err_msg());
    return c;
}

/* The notes of loading it. */
static inline const char *notes_of(const char *text)
{
    notes[0] = 0;
    pt_log_set_sink(keep_note, NULL);
    pt_config_free(load(text));
    pt_log_set_sink(NULL, NULL);
    return notes;
}

/* A config that is refused, with what the message holds. */
typedef struct refusal { const char *yaml, *want; } refusal;

static inline void check_refused(const refusal *r, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        pt_config *c = NULL;
        pt_status rc = pt_config_load(&c, write_yaml(r[i].yaml), NULL, 0);
        if (rc != PT_EARG) fail_msg("case %zu: status %s for\n%s", i, pt_status_name(rc), r[i].yaml);
        if (!strstr(pt_err_msg(), r[i].want)) fail_msg("case %zu: '%s' has no '%s'", i, pt_err_msg(), r[i].want);
        assert_null(c);
    }
}

static inline int remove_yaml(void **state)
{
    unlink(write_yaml(""));
    return 0;
}
#endif
