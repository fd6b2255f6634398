#include "train/loop/metrics.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "train/loop/manifest.h"
#include "train/loop/tensorboard.h"

#define MAX_METRICS_FILE ((size_t)1 << 32)

struct pt_metrics {
    int fd;
    pt_tb tb;
    pt_str line;
};

/* JSON has no NaN: such a number is null. 17 digits give back the same double. */
static pt_status add_number(pt_str *s, const char *key, double v)
{
    if (isfinite(v)) return pt_str_printf(s, ", \"%s\": %.17g", key, v);
    return pt_str_printf(s, ", \"%s\": null", key);
}

pt_status pt_metrics_step_line(const pt_step_report *r, pt_str *out)
{
    PT_RETURN(pt_str_printf(out, "{\"step\": %lld, \"epoch\": %.6g", (long long)r->step, r->epoch));
    if (r->skipped) PT_RETURN(pt_str_puts(out, ", \"skipped\": true"));
    if (!r->skipped) PT_RETURN(add_number(out, "loss", r->loss));
    if (!r->skipped) PT_RETURN(add_number(out, "grad_norm", r->grad_norm));
    PT_RETURN(add_number(out, "lr", r->lr));
    PT_RETURN(pt_str_printf(
        out,
        ", \"tokens\": %lld, \"supervised_tokens\": %lld, \"records\": %lld, \"tokens_per_second\": %.6g, \"seconds\": %.6g",
        (long long)r->tokens, (long long)r->supervised_tokens, (long long)r->records, r->tokens_per_second, r->seconds));
    for (int i = 0; i < r->n_metrics && !r->skipped; i++) PT_RETURN(add_number(out, r->metric_name[i], r->metric[i]));
    return pt_str_puts(out, "}");
}

pt_status pt_metrics_eval_line(const pt_eval_report *r, pt_str *out)
{
    char key[160];
    PT_RETURN(pt_str_printf(out, "{\"step\": %lld", (long long)r->step));
    snprintf(key, sizeof key, "%s_loss", r->prefix);
    PT_RETURN(add_number(out, key, r->loss));
    PT_RETURN(pt_str_printf(out, ", \"%s_records\": %lld, \"%s_seconds\": %.6g", r->prefix, (long long)r->records, r->prefix,
                            r->seconds));
    for (int i = 0; i < r->n_metrics; i++) {
        snprintf(key, sizeof key, "%s_%s", r->prefix, r->metric_name[i]);
        PT_RETURN(add_number(out, key, r->metric[i]));
    }
    return pt_str_puts(out, "}");
}

pt_status pt_metrics_during_line(const pt_during_report *r, pt_str *out)
{
    pt_status rc = PT_OK;
    json_t *line = json_pack("{s:I, s:f}", "step", (json_int_t)r->step, "during_seconds", r->seconds);
    char *key = NULL, *text = NULL;
    PT_CHECK(line, PT_ENOMEM, "out of memory writing metrics.jsonl");
    for (size_t i = 0; i < r->n; i++) {
        free(key);
        key = NULL;
        PT_TRY(pt_asprintf(&key, "eval_%s", r->name[i]));
        PT_CHECK(!json_object_set_new(line, key, isfinite(r->value[i]) ? json_real(r->value[i]) : json_null()), PT_ENOMEM, "out of memory writing metrics.jsonl");
    }
    text = json_dumps(line, JSON_REAL_PRECISION(17));
    PT_CHECK(text, PT_ENOMEM, "out of memory writing metrics.jsonl");
    PT_TRY(pt_str_puts(out, text));
done:
    free(text);
    free(key);
    json_decref(line);
    return rc;
}

static bool is_eval_of(const json_t *line, const char *prefix)
{
    char key[160];
    snprintf(key, sizeof key, "%s_seconds", prefix);
    return json_object_get(line, key) != NULL;
}

/* Lines of at most `step`, of a file that a kill may have cut anywhere, to a new file in its place. */
static pt_status cut_after(const char *path, int64_t step, const char *const *again)
{
    pt_status rc = PT_OK;
    char *text = NULL;
    size_t bytes = 0;
    pt_str keep = {0};
    if (!pt_file_exists(path)) return PT_OK;
    PT_TRY(pt_file_read(&text, &bytes, path, MAX_METRICS_FILE));
    for (size_t at = 0; at < bytes;) {
        const char *end = memchr(text + at, '\n', bytes - at);
        if (!end) break; /* unfinished */
        size_t n = (size_t)(end - (text + at)) + 1;
        json_t *j; /* NULL where a kill cut the line */
        if (pt_json_parse(&j, text + at, n, path, PT_JSON_OBJECT) == PT_ENOMEM) PT_TRY(PT_ENOMEM);
        const json_t *s = json_object_get(j, "step");
        bool good = json_is_integer(s) && json_integer_value(s) <= step;
        for (size_t i = 0; good && json_integer_value(s) == step && again[i]; i++) good = !is_eval_of(j, again[i]);
        json_decref(j);
        if (good) PT_TRY(pt_str_add(&keep, text + at, n));
        at += n;
    }
    PT_TRY(pt_file_write_whole(path, keep.text ? keep.text : "", keep.len));
done:
    free(text);
    pt_str_free(&keep);
    return rc;
}

pt_status pt_metrics_open(pt_metrics **out, const char *dir, int64_t step, const char *const *again)
{
    pt_status rc = PT_OK;
    pt_metrics *m = NULL;
    char *path = NULL, *runs = NULL, *name = NULL, *listed = NULL;
    *out = NULL;
    PT_TRY(pt_path_join(&path, dir, "metrics.jsonl"));
    PT_TRY(pt_path_join(&runs, dir, "runs"));
    PT_TRY(pt_alloc0(&m, 1));
    m->fd = m->tb.fd = -1;
    PT_TRY(pt_file_append(path, &m->fd)); /* what is no file of ours is refused before it is read or replaced */
    close(m->fd);
    m->fd = -1;
    if (step > 0) PT_TRY(cut_after(path, step, again));
    else PT_TRY(pt_file_write_whole(path, "", 0)); /* a new file: a copy of the old one by a second name stays as it is */
    PT_TRY(pt_file_append(path, &m->fd));
    PT_TRY(pt_tb_name(&name));
    PT_TRY(pt_asprintf(&listed, "runs/%s", name));
    PT_TRY(pt_manifest_add(dir, listed));
    PT_TRY(pt_tb_open(&m->tb, runs, name, step > 0 ? step + 1 : -1));
    *out = m;
    m = NULL;
done:
    free(path);
    free(runs);
    free(name);
    free(listed);
    pt_metrics_close(m);
    return rc;
}

void pt_metrics_close(pt_metrics *m)
{
    if (!m) return;
    if (m->fd >= 0) close(m->fd);
    pt_tb_close(&m->tb);
    pt_str_free(&m->line);
    free(m);
}

/* A line leaves in a single write, so that readers and a kill see whole lines. */
static pt_status write_line(pt_metrics *m)
{
    PT_RETURN(pt_str_puts(&m->line, "\n"));
    ssize_t n;
    do n = write(m->fd, m->line.text, m->line.len);
    while (n < 0 && errno == EINTR);
    if (n != (ssize_t)m->line.len) return pt_fail(PT_EIO, "metrics.jsonl: %s", n < 0 ? strerror(errno) : "the disk is full");
    return PT_OK;
}

pt_status pt_metrics_step(pt_metrics *m, const pt_step_report *r)
{
    m->line.len = 0;
    PT_RETURN(pt_metrics_step_line(r, &m->line));
    PT_RETURN(write_line(m));
    if (r->skipped) return PT_OK;
    PT_RETURN(pt_tb_scalar(&m->tb, r->step, "train/loss", r->loss));
    PT_RETURN(pt_tb_scalar(&m->tb, r->step, "train/grad_norm", r->grad_norm));
    PT_RETURN(pt_tb_scalar(&m->tb, r->step, "train/learning_rate", r->lr));
    PT_RETURN(pt_tb_scalar(&m->tb, r->step, "train/tokens_per_second", r->tokens_per_second));
    for (int i = 0; i < r->n_metrics; i++) {
        char tag[192];
        snprintf(tag, sizeof tag, "train/%s", r->metric_name[i]);
        PT_RETURN(pt_tb_scalar(&m->tb, r->step, tag, r->metric[i]));
    }
    return PT_OK;
}

pt_status pt_metrics_eval(pt_metrics *m, const pt_eval_report *r)
{
    char tag[192];
    m->line.len = 0;
    PT_RETURN(pt_metrics_eval_line(r, &m->line));
    PT_RETURN(write_line(m));
    snprintf(tag, sizeof tag, "%s/loss", r->prefix);
    PT_RETURN(pt_tb_scalar(&m->tb, r->step, tag, r->loss));
    for (int i = 0; i < r->n_metrics; i++) {
        snprintf(tag, sizeof tag, "%s/%s", r->prefix, r->metric_name[i]);
        PT_RETURN(pt_tb_scalar(&m->tb, r->step, tag, r->metric[i]));
    }
    return PT_OK;
}

pt_status pt_metrics_during(pt_metrics *m, const pt_during_report *r)
{
    pt_status rc = PT_OK;
    char *tag = NULL;
    m->line.len = 0;
    PT_TRY(pt_metrics_during_line(r, &m->line));
    PT_TRY(write_line(m));
    for (size_t i = 0; i < r->n; i++) {
        free(tag);
        tag = NULL;
        PT_TRY(pt_asprintf(&tag, "eval/%s", r->name[i]));
        PT_TRY(pt_tb_scalar(&m->tb, r->step, tag, r->value[i]));
    }
done:
    free(tag);
    return rc;
}
