/* A config file: read, checked, written as YAML, which reads as the same config again. No file that it names is touched. Behind a byte 0xff
 * stand settings of the command line, KEY=VALUE a line. */
#include "tests/fuzz/harness.h"

#include "train/cli/config.h"
#include "train/cli/yaml.h"

static size_t settings_of(char *text, pt_setting *s, size_t most)
{
    size_t n = 0;
    for (char *line = strtok(text, "\n"); line && n < most; line = strtok(NULL, "\n")) {
        char *value = strchr(line, '=');
        if (!value) continue;
        *value++ = 0;
        s[n++] = (pt_setting){line, value};
    }
    return n;
}

static void same_again(const pt_config *c)
{
    pt_str first = {0}, second = {0};
    pt_config *d;
    fuzz_clean(pt_config_yaml(c, &first));
    if (!first.len) return;
    pt_status rc = pt_config_load(&d, fuzz_put("again.yaml", first.text, first.len), NULL, 0);
    if (rc != PT_OK) fuzz_fail("%s\n%s", pt_err_msg(), first.text);
    fuzz_clean(pt_config_yaml(d, &second));
    if (!second.text || strcmp(first.text, second.text)) fuzz_fail("written and read, another config:\n%s\n----\n%s", first.text, second.text);
    pt_config_free(d);
    pt_str_free(&first);
    pt_str_free(&second);
}

FUZZ_HARNESS(const uint8_t *bytes, size_t n)
{
    fuzz_part part[2];
    pt_setting settings[16];
    pt_ynode *tree;
    pt_config *c;
    (void)fuzz_split(bytes, n, part, 2);
    char *more = fuzz_text(part[1]);
    pt_status rc = pt_yaml_parse(&tree, (const char *)part[0].at, part[0].n, "a.yaml");
    fuzz_clean(rc);
    fuzz_assert((tree != NULL) == (rc == PT_OK));
    pt_yaml_free(tree);
    rc = pt_config_load(&c, fuzz_put("a.yaml", part[0].at, part[0].n), settings, settings_of(more, settings, 16));
    fuzz_clean(rc);
    fuzz_assert((c != NULL) == (rc == PT_OK));
    if (c) {
        fuzz_accepted++;
        same_again(c);
        pt_config_free(c);
    }
    free(more);
    return 0;
}
