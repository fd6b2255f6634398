#include "data/read/read_paths.h"

#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/log.h"
#include "data/read/record.h"

enum { MOST_FILES = 100000, MOST_DEPTH = 32 };
static const char meta[] = "*?[";

bool pt_path_called(const char *path, const char *ext)
{
    static const char *const packed[] = {".gz", ".zst"};
    size_t n = strlen(path), e = strlen(ext);
    for (int k = 0; k < 2; k++) {
        size_t z = strlen(packed[k]);
        if (n <= z || strcasecmp(path + n - z, packed[k])) continue;
        n -= z;
        break;
    }
    return n > e && !strncasecmp(path + n - e, ext, e);
}

void pt_paths_free(pt_paths *p)
{
    for (size_t i = 0; i < p->n; i++) free(p->list[i]);
    free(p->list);
    *p = (pt_paths){0};
}

/* Takes over the path. */
static pt_status add(pt_paths *p, char *path)
{
    pt_status rc = p->n < MOST_FILES ? pt_reserve(&p->list, &p->cap, p->n + 1) : pt_fail(PT_EARG, "%s: more than %d files", path, MOST_FILES);
    if (rc == PT_OK) p->list[p->n++] = path;
    else free(path);
    return rc;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The names in a folder that are not hidden, in order. "" is the present one. */
static pt_status names_in(const char *dir, pt_paths *out)
{
    pt_status rc = PT_OK;
    DIR *d = opendir(*dir ? dir : ".");
    if (!d) return pt_fail(PT_EIO, "cannot read the folder %s: %s", dir, strerror(errno));
    for (const struct dirent *e; (e = readdir(d)) != NULL;) {
        char *name;
        if (e->d_name[0] == '.') continue;
        PT_TRY(pt_strdup(&name, e->d_name));
        PT_TRY(add(out, name));
    }
    if (out->n) qsort(out->list, out->n, sizeof *out->list, by_name);
done:
    closedir(d);
    return rc;
}

static pt_status join(char **out, const char *dir, const char *name)
{
    return *dir ? pt_path_join(out, dir, name) : pt_strdup(out, name);
}

/* ---- patterns --------------------------------------------------------------------------------------------------------- */

static pt_status match(pt_paths *out, const char *dir, const char *rest, int depth);

/* dir/name: a file where it is the pattern's last part, else a folder to go on in. */
static pt_status enter(pt_paths *out, const char *dir, const char *name, const char *rest, int depth)
{
    struct stat st;
    char *path;
    PT_RETURN(join(&path, dir, name));
    bool there = stat(path, &st) == 0;
    if (there && !*rest && S_ISREG(st.st_mode)) return add(out, path);
    pt_status rc = there && *rest && S_ISDIR(st.st_mode) ? match(out, path, rest, depth + 1) : PT_OK;
    free(path);
    return rc;
}

/* Folders below, which `**` stands for; links are not followed, they may lead back. */
static pt_status below(pt_paths *out, const char *dir, const char *name, const char *pattern, int depth)
{
    struct stat st;
    char *path;
    PT_RETURN(join(&path, dir, name));
    bool folder = lstat(path, &st) == 0 && S_ISDIR(st.st_mode);
    pt_status rc = folder ? match(out, path, pattern, depth + 1) : PT_OK;
    free(path);
    return rc;
}

/* Files in dir that the pattern fits. */
static pt_status match(pt_paths *out, const char *dir, const char *pattern, int depth)
{
    pt_status rc = PT_OK;
    pt_paths names = {0};
    char *part = NULL;
    size_t n = strcspn(pattern, "/");
    const char *rest = pattern + n + strspn(pattern + n, "/");
    PT_CHECK(depth < MOST_DEPTH, PT_EARG, "%s: folders more than %d deep", dir, MOST_DEPTH);
    PT_TRY(pt_strndup(&part, pattern, n));
    bool deep = !strcmp(part, "**");
    if (!strpbrk(part, meta)) {
        PT_TRY(enter(out, dir, part, rest, depth));
        goto done;
    }
    if (deep) PT_TRY(match(out, dir, *rest ? rest : "*", depth + 1));
    PT_TRY(names_in(dir, &names));
    for (size_t i = 0; i < names.n; i++) {
        if (deep) PT_TRY(below(out, dir, names.list[i], pattern, depth));
        else if (!fnmatch(part, names.list[i], 0)) PT_TRY(enter(out, dir, names.list[i], rest, depth));
    }
done:
    pt_paths_free(&names);
    free(part);
    return rc;
}

/* In order, each once. */
static void settle(pt_paths *p, size_t from)
{
    size_t n = from;
    if (p->n == from) return;
    qsort(p->list + from, p->n - from, sizeof *p->list, by_name);
    for (size_t i = from; i < p->n; i++) {
        if (n > from && !strcmp(p->list[n - 1], p->list[i])) free(p->list[i]);
        else p->list[n++] = p->list[i];
    }
    p->n = n;
}

static pt_status add_pattern(pt_paths *out, const char *pattern)
{
    size_t from = out->n;
    bool root = *pattern == '/';
    PT_RETURN(match(out, root ? "/" : "", pattern + strspn(pattern, "/"), 0));
    settle(out, from);
    return out->n > from ? PT_OK : pt_fail(PT_EIO, "%s: no file matches", pattern);
}

/* ---- folders ------------------------------------------------------------------------------------------------------------ */

static bool ends_so(const char *name, const char *endings)
{
    char one[24];
    for (const char *p = endings; p && *p; p += strspn(p, " ")) {
        size_t n = strcspn(p, " ");
        snprintf(one, sizeof one, "%.*s", (int)n, p);
        if (pt_path_called(name, one)) return true;
        p += n;
    }
    return false;
}

static bool is_data(const pt_dataset_spec *s, const char *name)
{
    const pt_data_type *type = pt_data_type_find(s->type);
    if (type && type->endings) return ends_so(name, type->endings);
    static const char *const about[] = {"dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json"}; /* of the data, and no data */
    for (size_t i = 0; i < sizeof about / sizeof *about; i++)
        if (!strcmp(name, about[i])) return false;
    return ends_so(name, ".jsonl .ndjson .json .csv .tsv") || (type && type->lines && ends_so(name, ".txt"));
}

/* The split that a file's name says: 0 train, 1 validation, 2 test; -1: none. */
static int split_of(const char *name)
{
    static const char *const words[3][6] = {{"train", "training"}, {"validation", "valid", "dev", "val"}, {"test", "testing", "eval", "evaluation"}};
    for (int k = 0; k < 3; k++)
        for (const char *const *w = words[k]; *w; w++)
            for (const char *p = name; (p = strstr(p, *w)) != NULL; p++) {
                size_t n = strlen(*w);
                if ((p == name || strchr("-._ 0123456789", p[-1])) && strchr("-._ 0123456789", p[n])) return k;
            }
    return -1;
}

/* Which split is read of a folder; -1: a name that is none. */
static int split_wanted(const pt_dataset_spec *s)
{
    char name[16];
    const char *said = s->split && *s->split ? s->split : "train";
    int n = (int)strcspn(said, "[");
    snprintf(name, sizeof name, "%.*s.", n < 14 ? n : 14, said); /* the end of a name */
    return split_of(name);
}

/* Of the names that are data, those of the split. */
static pt_status keep_split(const pt_dataset_spec *s, const char *dir, pt_paths *names, bool *by_split)
{
    int want = split_wanted(s);
    size_t any = 0, n = 0;
    for (size_t i = 0; i < names->n; i++) any += split_of(names->list[i]) >= 0;
    *by_split = any > 0;
    if (!any) return PT_OK;
    for (size_t i = 0; i < names->n; i++) {
        if (want >= 0 && split_of(names->list[i]) == want) {
            char *t = names->list[n];
            names->list[n++] = names->list[i];
            names->list[i] = t;
        }
    }
    if (!n) return pt_fail(PT_EARG, "%s: no file there says by its name that it is of split '%s'; '%s' is of another", dir, s->split ? s->split : "train", names->list[0]);
    if (n < names->n)
        pt_log(PT_LOG_INFO, "%s: %zu of its %zu data files are of the split, by their names; a pattern (%s/*) takes all", dir, n, names->n, dir);
    while (names->n > n) free(names->list[--names->n]);
    return PT_OK;
}

static pt_status no_data(const char *dir, const pt_paths *all)
{
    for (size_t i = 0; i < all->n; i++)
        if (pt_path_called(all->list[i], ".parquet") || pt_path_called(all->list[i], ".arrow")) return pt_rows_refuse_parquet(dir);
    return pt_fail(PT_EARG, "%s is a folder without data files in it (.jsonl, .json, .csv, .tsv, each also .gz and .zst; .txt for type text)%s%s%s", dir,
                   all->n ? ": '" : "", all->n ? all->list[0] : "", all->n ? "' is none; a pattern names files of any name, ** goes through folders" : "");
}

static pt_status add_folder(pt_paths *out, const pt_dataset_spec *s, const char *path)
{
    pt_status rc = PT_OK;
    pt_paths all = {0}, names = {0};
    char *dir = NULL, *file;
    struct stat st;
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/') n--;
    PT_TRY(pt_strndup(&dir, path, n));
    PT_TRY(names_in(dir, &all));
    for (size_t i = 0; i < all.n; i++) {
        if (!is_data(s, all.list[i])) continue;
        PT_TRY(pt_path_join(&file, dir, all.list[i]));
        bool regular = stat(file, &st) == 0 && S_ISREG(st.st_mode);
        free(file);
        if (!regular) continue;
        PT_TRY(pt_strdup(&file, all.list[i]));
        PT_TRY(add(&names, file));
    }
    if (!names.n) PT_TRY(no_data(dir, &all));
    PT_TRY(keep_split(s, dir, &names, &out->split));
    for (size_t i = 0; i < names.n; i++) {
        PT_TRY(pt_path_join(&file, dir, names.list[i]));
        PT_TRY(add(out, file));
    }
done:
    free(dir);
    pt_paths_free(&all);
    pt_paths_free(&names);
    return rc;
}

static pt_status add_path(pt_paths *out, const pt_dataset_spec *s, const char *path)
{
    struct stat st;
    char *copy;
    if (stat(path, &st) != 0) {
        if (strpbrk(path, meta)) return add_pattern(out, path);
        return pt_fail(PT_EIO, "cannot open data file %s: %s", path, strerror(errno));
    }
    if (S_ISDIR(st.st_mode)) return add_folder(out, s, path);
    PT_RETURN(pt_strdup(&copy, path));
    return add(out, copy);
}

pt_status pt_paths_of(const pt_dataset_spec *spec, pt_paths *out)
{
    *out = (pt_paths){0};
    pt_status rc = add_path(out, spec, spec->path);
    for (size_t i = 0; i < spec->n_also && rc == PT_OK; i++) rc = add_path(out, spec, spec->also[i]);
    if (rc != PT_OK) pt_paths_free(out);
    return rc;
}
