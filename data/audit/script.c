#include "data/audit/script.h"

#include "data/text/tok_utf8.h"

static const struct range {
    uint32_t from, to;
    pt_script script;
} ranges[] = { /* ascending */
    {0x41, 0x5a, PT_SCRIPT_LATIN},      {0x61, 0x7a, PT_SCRIPT_LATIN},      {0xaa, 0xaa, PT_SCRIPT_LATIN},      {0xba, 0xba, PT_SCRIPT_LATIN},
    {0xc0, 0xd6, PT_SCRIPT_LATIN},      {0xd8, 0xf6, PT_SCRIPT_LATIN},      {0xf8, 0x24f, PT_SCRIPT_LATIN},     {0x250, 0x2af, PT_SCRIPT_LATIN},
    {0x370, 0x3ff, PT_SCRIPT_GREEK},    {0x400, 0x52f, PT_SCRIPT_CYRILLIC}, {0x531, 0x58f, PT_SCRIPT_OTHER},    {0x591, 0x5f4, PT_SCRIPT_HEBREW},
    {0x600, 0x77f, PT_SCRIPT_ARABIC},   {0x8a0, 0x8ff, PT_SCRIPT_ARABIC},   {0x900, 0xdff, PT_SCRIPT_INDIC},    {0xe00, 0xeff, PT_SCRIPT_SOUTHEAST},
    {0x1000, 0x109f, PT_SCRIPT_SOUTHEAST}, {0x10a0, 0x10ff, PT_SCRIPT_OTHER}, {0x1100, 0x11ff, PT_SCRIPT_HANGUL}, {0x1200, 0x139f, PT_SCRIPT_OTHER},
    {0x1780, 0x17ff, PT_SCRIPT_SOUTHEAST}, {0x1e00, 0x1eff, PT_SCRIPT_LATIN}, {0x1f00, 0x1fff, PT_SCRIPT_GREEK}, {0x2e80, 0x2fdf, PT_SCRIPT_HAN},
    {0x3005, 0x3007, PT_SCRIPT_HAN},    {0x3021, 0x3029, PT_SCRIPT_HAN},    {0x3041, 0x30ff, PT_SCRIPT_KANA},   {0x3131, 0x318e, PT_SCRIPT_HANGUL},
    {0x31f0, 0x31ff, PT_SCRIPT_KANA},   {0x3400, 0x4dbf, PT_SCRIPT_HAN},    {0x4e00, 0x9fff, PT_SCRIPT_HAN},    {0xac00, 0xd7af, PT_SCRIPT_HANGUL},
    {0xf900, 0xfaff, PT_SCRIPT_HAN},    {0xfb50, 0xfdff, PT_SCRIPT_ARABIC}, {0xfe70, 0xfeff, PT_SCRIPT_ARABIC}, {0xff21, 0xff3a, PT_SCRIPT_LATIN},
    {0xff41, 0xff5a, PT_SCRIPT_LATIN},  {0xff66, 0xff9f, PT_SCRIPT_KANA},   {0x20000, 0x3ffff, PT_SCRIPT_HAN}};

const char *pt_script_name(pt_script s)
{
    static const char *const names[PT_SCRIPTS] = {"none", "Latin", "Han", "Kana", "Hangul", "Cyrillic", "Greek", "Arabic", "Hebrew", "Indic", "South-East Asian", "other"};
    return names[s];
}

pt_script pt_script_of(uint32_t c)
{
    size_t low = 0, high = sizeof ranges / sizeof *ranges;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (c < ranges[mid].from) high = mid;
        else if (c > ranges[mid].to) low = mid + 1;
        else return ranges[mid].script;
    }
    return PT_SCRIPT_NONE;
}

/* With the marks that such texts are written with (。、「」！ ...), so that a mark is no word of two. */
bool pt_script_unspaced(uint32_t c)
{
    if (c < 0xe00) return false;
    if ((c >= 0x3000 && c <= 0x303f) || (c >= 0xff00 && c <= 0xffef)) return true;
    pt_script s = pt_script_of(c);
    return s == PT_SCRIPT_HAN || s == PT_SCRIPT_KANA || s == PT_SCRIPT_SOUTHEAST;
}

pt_script pt_script_text(const char *text, size_t bytes, unsigned *some)
{
    size_t n[PT_SCRIPTS] = {0}, best = PT_SCRIPT_NONE, all = 0;
    for (size_t at = 0, len; at < bytes; at += len) {
        uint32_t c = pt_utf8_get(text + at, &len);
        n[pt_script_of(c)] += pt_script_unspaced(c) ? 3 : 1;
    }
    if (n[PT_SCRIPT_KANA]) {
        n[PT_SCRIPT_KANA] += n[PT_SCRIPT_HAN] < 4 * n[PT_SCRIPT_KANA] ? n[PT_SCRIPT_HAN] : 0; /* a few Kana in a Chinese text are a name */
    }
    n[PT_SCRIPT_NONE] = 0;
    for (size_t s = 1; s < PT_SCRIPTS; s++)
        if (all += n[s], n[s] > n[best]) best = s;
    for (size_t s = 1; s < PT_SCRIPTS && some; s++) *some |= (unsigned)(n[s] && 10 * n[s] >= all) << s;
    return (pt_script)best;
}
