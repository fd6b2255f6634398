/* What the folder of a run holds, for its page: config.yaml, metrics.jsonl, eval.json. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "eval/page/page_priv.h"

enum { MOST_CURVES = 256 };
static const size_t most_json = (size_t)1 << 28, most_config = (size_t)1 << 20;

static pt_status curve_of(pt_page_run *r, const char *key, struct pt_page_curve **out)
{
    for (size_t i = 0; i < r->n_curves; i++) {
        *out = &r->curves[i];
        if (!strcmp((*out)->key, key)) return PT_OK;
    }
    *out = NULL;
    if (r->n_curves == MOST_CURVES) return PT_OK;
    PT_RETURN(pt_reserve(&r->curves, &r->curves_cap, r->n_curves + 1));
    *out = &r->curves[r->n_curves];
    **out = (struct pt_page_curve){0};
    PT_RETURN(pt_strdup(&(*out)->key, key));
    r->n_curves++;
    return PT_OK;
}

const struct pt_page_curve *pt_page_curve_find(const pt_page_run *r, const char *key)
{
    for (size_t i = 0; i < r->n_curves; i++)
        if (!strcmp(r->curves[i].key, key)) return &r->curves[i];
    return NULL;
}

static pt_status add_line(pt_page_run *r, json_t *line)
{
    double step = pt_page_value(line, "step");
    const char *key;
    json_t *v;
    if (!isfinite(step)) return PT_OK;
    json_object_foreach(line, key, v)
    {
        struct pt_page_curve *c;
        bool none = json_is_null(v) || pt_json_odd(v); /* a loss that is not finite */
        if (!strcmp(key, "step") || (!json_is_number(v) && !none)) continue;
        PT_RETURN(curve_of(r, key, &c));
        if (!c) continue;
        PT_RETURN(pt_reserve(&c->x, &c->x_cap, c->n + 1));
        PT_RETURN(pt_reserve(&c->y, &c->y_cap, c->n + 1));
        c->x[c->n] = step;
        c->y[c->n++] = none ? NAN : json_number_value(v);
    }
    return PT_OK;
}

static pt_status read_metrics(pt_page_run *r, const char *path)
{
    pt_map map;
    pt_status rc = pt_map_open(&map, path);
    if (rc != PT_OK) return rc;
    pt_json_in in = {.name = path, .at = (const char *)map.data, .begin = (const char *)map.data, .line = 1};
    const char *end = in.at + map.bytes;
    while (in.at < end) {
        const char *nl = memchr(in.at, '\n', (size_t)(end - in.at));
        json_t *line = NULL;
        if (!nl) break; /* a line that is being written, or was when the power went */
        in.end = nl;
        PT_TRY(pt_json_last(&in, &line));
        rc = json_is_object(line) ? add_line(r, line) : pt_fail(PT_EFORMAT, "%s:%lld: a line of metrics is an object", path, (long long)in.line);
        json_decref(line);
        PT_TRY(rc);
        in.at = in.begin = nl + 1;
        in.line++;
    }
done:
    pt_map_close(&map);
    return rc;
}

static pt_status with_file(pt_page_run *r, const char *name, pt_status (*read)(pt_page_run *r, const char *path))
{
    char *path = NULL;
    PT_RETURN(pt_path_join(&path, r->dir, name));
    pt_status rc = pt_file_exists(path) ? read(r, path) : PT_OK;
    free(path);
    return rc;
}

static pt_status read_config(pt_page_run *r, const char *path)
{
    size_t n;
    return pt_file_read(&r->config, &n, path, most_config);
}

static pt_status read_eval(pt_page_run *r, const char *path)
{
    return pt_json_load(&r->eval, path, most_json, PT_JSON_OBJECT);
}

static pt_status read_beside(pt_page_run *r, const char *path)
{
    return pt_json_load(&r->beside, path, most_json, PT_JSON_OBJECT);
}

static pt_status read_trained(pt_page_run *r, const char *path)
{
    return pt_json_load(&r->trained, path, most_json, PT_JSON_OBJECT);
}

static pt_status read_audit(pt_page_run *r, const char *path)
{
    return pt_json_load(&r->audit, path, most_json, PT_JSON_OBJECT);
}

/* A file that ptrain eval wrote elsewhere (--output). */
static pt_status open_file(pt_page_run *r, const char *path)
{
    json_t *found = NULL;
    PT_RETURN(pt_json_load(&found, path, most_json, PT_JSON_OBJECT));
    const char *format = pt_page_string(found, "format");
    if (!strcmp(format, "ptrain-eval")) r->eval = found;
    else if (!strcmp(format, "ptrain-eval-beside")) r->beside = found;
    else json_decref(found);
    return r->eval || r->beside ? PT_OK : pt_fail(PT_EARG, "%s is no eval.json or eval_beside.json; a report is of a run's output_dir, or of one of these", path);
}

pt_status pt_page_run_open(pt_page_run *r, const char *dir)
{
    r->dir = dir;
    if (pt_file_exists(dir)) return open_file(r, dir);
    if (!pt_dir_exists(dir)) return pt_fail(PT_EIO, "%s is no folder; a report is of a run's output_dir", dir);
    PT_RETURN(with_file(r, "config.yaml", read_config));
    PT_RETURN(with_file(r, "metrics.jsonl", read_metrics));
    PT_RETURN(with_file(r, "eval.json", read_eval));
    PT_RETURN(with_file(r, "eval_beside.json", read_beside));
    PT_RETURN(with_file(r, "trained.json", read_trained));
    PT_RETURN(with_file(r, "audit.json", read_audit));
    if (!r->config && !r->n_curves && !r->eval && !r->beside) return pt_fail(PT_EARG, "%s holds no run: no config.yaml, metrics.jsonl or eval.json", dir);
    return PT_OK;
}

void pt_page_run_close(pt_page_run *r)
{
    for (size_t i = 0; i < r->n_curves; i++) {
        free(r->curves[i].key);
        free(r->curves[i].x);
        free(r->curves[i].y);
    }
    free(r->curves);
    free(r->name);
    free(r->config);
    json_decref(r->eval);
    json_decref(r->beside);
    json_decref(r->trained);
    json_decref(r->audit);
    *r = (pt_page_run){0};
}
