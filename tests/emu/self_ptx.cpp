/* The inline assembly of dev.cuh: nvcc's PTX of emu_probe.cu, run by a small interpreter that knows the PTX manual only,
 * against the specification in dev.cuh's comments. Changed texts (a swapped operand, a lost .trans, a wrong wait) must be
 * noticed. Without nvcc: skipped. Usage: self_ptx FILE.ptx... (default: what the makefile made). */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <map>
#include <string>
#include <vector>

extern "C" {
#include <cmocka.h>
}
#include "cuda_bf16.h"

typedef std::vector<std::string> words;
struct statement { std::string op; words args; }; /* args: "%r1", "4", "[%r2+8]", "{%r1,%r2}" */
struct span { char *p; size_t n; };

struct machine { /* one warp */
    std::map<std::string, uint64_t> reg[32];
    std::vector<uint64_t> params;
    std::vector<span> global;
    char shared[4096];
    struct copy { uint64_t dst; uint64_t src; int n, fill; int group; };
    std::vector<copy> copies[32];
    int group[32];
    std::string wrong; /* first thing that is not as the manual wants it */
};

/* ---- text ---- */
static std::string trim(const std::string &s)
{
    size_t a = s.find_first_not_of(" \t\n"), b = s.find_last_not_of(" \t\n");
    return a == std::string::npos ? "" : s.substr(a, b - a + 1);
}
static words split_args(const std::string &s)
{
    words out;
    int depth = 0;
    std::string cur;
    for (char c : s) {
        depth += (c == '{' || c == '[') - (c == '}' || c == ']');
        if (c == ',' && depth == 0) out.push_back(trim(cur)), cur.clear();
        else if (c != ' ' && c != '\t') cur += c;
    }
    if (!trim(cur).empty()) out.push_back(trim(cur));
    return out;
}
/* The statements of one kernel. */
static std::vector<statement> parse(const std::string &ptx, const std::string &kernel)
{
    std::vector<statement> out;
    size_t at = ptx.find(".entry " + kernel + "(");
    if (at == std::string::npos) return out;
    size_t body = ptx.find("\n{", at) + 2, end = ptx.find("\n}", body);
    std::string text, line;
    for (size_t i = body; i < end;) { /* without comments */
        size_t nl = ptx.find('\n', i);
        line = ptx.substr(i, nl - i);
        if (trim(line).rfind("//", 0) != 0 && trim(line).rfind(".reg", 0) != 0) text += line + "\n";
        i = nl + 1;
    }
    size_t from = 0;
    for (size_t semi; (semi = text.find(';', from)) != std::string::npos; from = semi + 1) {
        std::string s = trim(text.substr(from, semi - from));
        while (!s.empty() && (s[0] == '}' || (s[0] == '{' && s.size() > 1 && s[1] == ' ')))
            s = trim(s.substr(1)); /* scopes of inline text */
        if (s.empty()) continue;
        size_t sp = s.find_first_of(" \t");
        out.push_back({s.substr(0, sp), sp == std::string::npos ? words() : split_args(s.substr(sp + 1))});
    }
    return out;
}

/* ---- operands ---- */
static words group_of(const std::string &a) { return a[0] == '{' ? split_args(a.substr(1, a.size() - 2)) : words{a}; }
static uint64_t value(machine *m, int lane, const std::string &a)
{
    if (a == "%tid.x") return (uint64_t)lane;
    if (a == "pt_dyn_shared") return 0;
    if (a[0] == '%') {
        if (!m->reg[lane].count(a)) m->wrong = "register " + a + " is read before it is set";
        return m->reg[lane][a];
    }
    if (a.rfind("0f", 0) == 0) return strtoull(a.c_str() + 2, NULL, 16);
    return (uint64_t)strtoll(a.c_str(), NULL, 0);
}
static uint64_t address(machine *m, int lane, const std::string &a)
{
    std::string in = a.substr(1, a.size() - 2);
    size_t plus = in.find('+');
    return value(m, lane, in.substr(0, plus)) +
           (plus == std::string::npos ? 0 : (uint64_t)strtoll(in.c_str() + plus + 1, NULL, 0));
}
static char *memory(machine *m, uint64_t at, size_t n, bool shared)
{
    static char nowhere[16];
    if (at % n) m->wrong = "misaligned address";
    if (shared && at + n <= sizeof m->shared) return m->shared + at;
    for (span &s : m->global)
        if (!shared && (char *)at >= s.p && (char *)at + n <= s.p + s.n) return (char *)at;
    m->wrong = "address out of bounds";
    return nowhere;
}
static float as_float(uint64_t u)
{
    uint32_t w = (uint32_t)u;
    float f;
    memcpy(&f, &w, 4);
    return f;
}
static uint64_t as_bits(float f)
{
    uint32_t w;
    memcpy(&w, &f, 4);
    return w;
}
static float element(uint64_t r, int high) { return as_float((high ? r >> 16 : r) << 16); }

/* ---- the instructions of a warp, as chapter 9.7 of the PTX ISA states them ---- */
static void do_mma(machine *m, const statement &s)
{
    float A[16][16], B[16][8], C[16][8];
    words d = group_of(s.args[0]), a = group_of(s.args[1]), b = group_of(s.args[2]), c = group_of(s.args[3]);
    for (int lane = 0; lane < 32; lane++) {
        int group = lane >> 2, in_group = lane % 4;
        for (int i = 0; i < 8; i++) { /* elements of the A fragment */
            int row = (i % 4) < 2 ? group : group + 8, col = in_group * 2 + (i & 1) + (i >= 4 ? 8 : 0);
            A[row][col] = element(value(m, lane, a[(size_t)i / 2]), i & 1);
        }
        for (int i = 0; i < 4; i++) {
            B[in_group * 2 + (i & 1) + (i >= 2 ? 8 : 0)][group] = element(value(m, lane, b[(size_t)i / 2]), i & 1);
            C[i < 2 ? group : group + 8][in_group * 2 + (i & 1)] = as_float(value(m, lane, c[(size_t)i]));
        }
    }
    for (int lane = 0; lane < 32; lane++)
        for (int i = 0; i < 4; i++) {
            int row = (lane >> 2) + (i < 2 ? 0 : 8), col = lane % 4 * 2 + (i & 1);
            float sum = C[row][col];
            for (int k = 0; k < 16; k++) sum += A[row][k] * B[k][col];
            m->reg[lane][d[(size_t)i]] = as_bits(sum);
        }
}
static void do_ldmatrix(machine *m, const statement &s)
{
    bool trans = s.op.find(".trans") != std::string::npos;
    words d = group_of(s.args[0]);
    size_t n = s.op.find(".x4.") != std::string::npos ? 4 : s.op.find(".x2.") != std::string::npos ? 2 : 1;
    if (d.size() != n) m->wrong = "ldmatrix: number of registers";
    std::vector<uint16_t> e(n * 64);
    for (size_t mat = 0; mat < n; mat++)
        for (int row = 0; row < 8; row++)
            memcpy(&e[mat * 64 + (size_t)row * 8], memory(m, address(m, (int)mat * 8 + row, s.args[1]), 16, true), 16);
    for (int lane = 0; lane < 32; lane++)
        for (size_t mat = 0; mat < n; mat++) {
            size_t i = (size_t)lane / 4, j = (size_t)lane % 4 * 2;
            uint32_t lo = trans ? e[mat * 64 + j * 8 + i] : e[mat * 64 + i * 8 + j];
            uint32_t hi = trans ? e[mat * 64 + (j + 1) * 8 + i] : e[mat * 64 + i * 8 + j + 1];
            m->reg[lane][d[mat]] = lo | hi << 16;
        }
}
static void do_cp_async(machine *m, const statement &s, int lane)
{
    int size = (int)value(m, lane, s.args[2]), bytes = s.args.size() > 3 ? (int)value(m, lane, s.args[3]) : size;
    bool cg = s.op.find(".cg.") != std::string::npos;
    if ((cg && size != 16) || (size != 4 && size != 8 && size != 16) || bytes < 0 || bytes > size) m->wrong = "cp.async: sizes";
    machine::copy c = {address(m, lane, s.args[0]), address(m, lane, s.args[1]), bytes, size, m->group[lane]};
    memset(memory(m, c.dst, (size_t)size, true), 0xff, (size_t)size);
    m->copies[lane].push_back(c);
}
static void do_wait(machine *m, int lane, int keep)
{
    std::vector<machine::copy> left;
    for (machine::copy &c : m->copies[lane]) {
        if (c.group < m->group[lane] - keep) { /* only the keep most recent groups may be pending */
            char *d = memory(m, c.dst, (size_t)c.fill, true);
            memset(d, 0, (size_t)c.fill);
            if (c.n) memcpy(d, memory(m, c.src, 4, false), (size_t)c.n);
        } else {
            left.push_back(c);
        }
    }
    m->copies[lane] = left;
}

static void load_store(machine *m, const statement &s, int lane)
{
    bool load = s.op.rfind("ld.", 0) == 0, shared = s.op.find(".shared") != std::string::npos;
    size_t es = s.op.find("16") != std::string::npos && s.op.find(".v") == std::string::npos ? 2 : 4, k = 0;
    words regs = group_of(s.args[load ? 0 : 1]);
    uint64_t at = address(m, lane, s.args[load ? 1 : 0]);
    char *p = memory(m, at, es * regs.size(), shared);
    for (const std::string &r : regs) {
        uint64_t v = 0;
        if (load) {
            memcpy(&v, p + es * k++, es);
            m->reg[lane][r] = v;
        } else {
            v = value(m, lane, r);
            memcpy(p + es * k++, &v, es);
        }
    }
}

static bool starts(const std::string &s, const char *with) { return s.rfind(with, 0) == 0; }
static void scalar(machine *m, const statement &s, int lane)
{
    const std::string &o = s.op;
    std::map<std::string, uint64_t> &r = m->reg[lane];
    auto v = [&](size_t i) { return value(m, lane, s.args[i]); };
    if (starts(o, "ld.param")) {
        r[s.args[0]] = m->params[(size_t)(s.args[1][s.args[1].size() - 2] - '0')];
    } else if (starts(o, "ld.") || starts(o, "st.")) {
        load_store(m, s, lane);
    } else if (o == "mov.b32" && s.args[1][0] == '{') {
        words w = group_of(s.args[1]);
        r[s.args[0]] = (value(m, lane, w[0]) & 0xffff) | (value(m, lane, w[1]) & 0xffff) << 16;
    } else if (starts(o, "mov.") || starts(o, "cvta.")) {
        r[s.args[0]] = v(1);
    } else if (o == "add.s32" || o == "add.s64") {
        r[s.args[0]] = o == "add.s32" ? (uint32_t)(v(1) + v(2)) : v(1) + v(2);
    } else if (o == "sub.s32") {
        r[s.args[0]] = (uint32_t)(v(1) - v(2));
    } else if (o == "mul.wide.s32" || o == "mul.wide.u32") {
        r[s.args[0]] = (uint64_t)((int64_t)(int32_t)v(1) * (int64_t)(int32_t)v(2));
    } else if (o == "mul.lo.s32") {
        r[s.args[0]] = (uint32_t)(v(1) * v(2));
    } else if (o == "shl.b32") {
        r[s.args[0]] = (uint32_t)(v(1) << v(2));
    } else if (o == "and.b32") {
        r[s.args[0]] = (uint32_t)(v(1) & v(2));
    } else if (o == "cvt.rn.bf16x2.f32") { /* d = {a: upper half, b: lower half} */
        r[s.args[0]] = (uint64_t)__float2bfloat16(as_float(v(1))).x << 16 | __float2bfloat16(as_float(v(2))).x;
    } else if (o == "cvt.f32.bf16") {
        r[s.args[0]] = (v(1) & 0xffff) << 16;
    } else if (o == "ex2.approx.ftz.f32") {
        r[s.args[0]] = as_bits(exp2f(as_float(v(1))));
    } else if (starts(o, "cp.async.c") && o.find("commit") == std::string::npos) {
        do_cp_async(m, s, lane);
    } else if (o == "cp.async.commit_group") {
        m->group[lane]++;
    } else if (o == "cp.async.wait_group") {
        do_wait(m, lane, (int)v(0));
    } else if (o == "bar.sync") {
        if (s.args.size() != 2 || v(0) != 3 || v(1) != 32) m->wrong = "bar.sync: operands";
    } else if (o != "bar.warp.sync" && o != "ret") {
        m->wrong = "instruction that the interpreter does not know: " + o;
    }
}

/* Runs a kernel; false when it is absent. */
static bool run(machine *m, const std::string &ptx, const char *kernel)
{
    std::vector<statement> code = parse(ptx, kernel);
    memset(m->shared, 0xff, sizeof m->shared);
    memset(m->group, 0, sizeof m->group);
    for (const statement &s : code) {
        if (starts(s.op, "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32")) do_mma(m, s);
        else if (starts(s.op, "ldmatrix.sync.aligned.m8n8.x") && s.op.find(".shared.b16") != std::string::npos)
            do_ldmatrix(m, s);
        else
            for (int lane = 0; lane < 32; lane++) scalar(m, s, lane);
        if (!m->wrong.empty()) break;
    }
    return !code.empty();
}
template <typename T> static void give(machine *m, std::vector<T> &v)
{
    m->params.push_back((uint64_t)(uintptr_t)v.data());
    m->global.push_back({(char *)v.data(), v.size() * sizeof(T)});
}

/* ---- the specification, wrapper by wrapper; true when the text fulfils it ---- */
static uint64_t seed = 3;
static float uniform(void)
{
    seed = seed * 6364136223846793005ull + 1442695040888963407ull;
    return (float)(seed >> 40) / 8388608.0f - 1;
}
static bool mma_ok(const std::string &ptx)
{
    float A[16][16], B[16][8], C[16][8];
    for (auto &r : A) for (float &f : r) f = __bfloat162float(__float2bfloat16(uniform()));
    for (auto &r : B) for (float &f : r) f = __bfloat162float(__float2bfloat16(uniform()));
    for (auto &r : C) for (float &f : r) f = uniform();
    auto two = [](float lo, float hi) { return (uint32_t)__float2bfloat16(lo).x | (uint32_t)__float2bfloat16(hi).x << 16; };
    std::vector<uint32_t> in(32 * 6);
    std::vector<float> c(128), d(128, -9.0f);
    for (int l = 0; l < 32; l++) { /* as dev.cuh says */
        int g = l / 4, t = l % 4;
        uint32_t *w = &in[(size_t)l * 6];
        w[0] = two(A[g][2 * t], A[g][2 * t + 1]), w[1] = two(A[g + 8][2 * t], A[g + 8][2 * t + 1]);
        w[2] = two(A[g][2 * t + 8], A[g][2 * t + 9]), w[3] = two(A[g + 8][2 * t + 8], A[g + 8][2 * t + 9]);
        w[4] = two(B[2 * t][g], B[2 * t + 1][g]), w[5] = two(B[2 * t + 8][g], B[2 * t + 9][g]);
        for (int i = 0; i < 4; i++) c[(size_t)(l * 4 + i)] = C[g + i / 2 * 8][2 * t + i % 2];
    }
    machine m = {};
    give(&m, in), give(&m, c), give(&m, d);
    if (!run(&m, ptx, "probe_mma") || !m.wrong.empty()) return false;
    for (int l = 0; l < 32; l++)
        for (int i = 0; i < 4; i++) {
            int row = l / 4 + i / 2 * 8, col = 2 * (l % 4) + i % 2;
            double want = C[row][col];
            for (int k = 0; k < 16; k++) want += (double)A[row][k] * B[k][col];
            if (!(fabs(d[(size_t)(l * 4 + i)] - want) < 1e-5)) return false;
        }
    return true;
}
static bool ldmatrix_ok(const std::string &ptx, const char *kernel, int n, bool trans)
{
    std::vector<uint32_t> in(256), row(32), out((size_t)(32 * n), 0xdeadu);
    std::vector<uint16_t> e(512);
    for (size_t i = 0; i < 512; i++) e[i] = (uint16_t)(i * 97 + 5);
    memcpy(in.data(), e.data(), 1024);
    for (uint32_t l = 0; l < 32; l++) row[l] = (l * 7 % 32) * 16 + (l & 1) * 512; /* any rows of 16 bytes */
    machine m = {};
    give(&m, in), give(&m, row), give(&m, out);
    if (!run(&m, ptx, kernel) || !m.wrong.empty()) return false;
    for (int l = 0; l < 32; l++)
        for (int k = 0; k < n; k++)
            for (int h = 0; h < 2; h++) {
                int i = l / 4, j = 2 * (l % 4) + h, r = trans ? j : i, c = trans ? i : j;
                uint16_t got = (uint16_t)(out[(size_t)(l * n + k)] >> (16 * h));
                if (got != e[row[(size_t)(8 * k + r)] / 2 + (uint32_t)c]) return false;
            }
    return true;
}
static bool copies_ok(const std::string &ptx)
{
    std::vector<uint32_t> in(128), out(288, 0xdeadu);
    std::vector<int> bytes(32);
    for (size_t i = 0; i < 128; i++) in[i] = (uint32_t)(i * 2654435761u);
    for (int l = 0; l < 32; l++) bytes[(size_t)l] = l % 17;
    machine m = {};
    give(&m, in), give(&m, bytes), give(&m, out);
    if (!run(&m, ptx, "probe_cp_async") || !m.wrong.empty()) return false;
    for (size_t l = 0; l < 32; l++) {
        unsigned char want[16] = {0};
        memcpy(want, &in[l * 4], (size_t)bytes[l]);
        if (memcmp(&out[l * 8], &in[l * 4], 16) || memcmp(&out[l * 8 + 4], want, 16) ||
            out[256 + l] != (bytes[l] & 4 ? in[l * 4] : 0))
            return false;
    }
    return true;
}
static bool numbers_ok(const std::string &ptx)
{
    std::vector<float> x(64), out(128, -9.0f);
    for (float &f : x) f = 3 * uniform();
    machine m = {};
    give(&m, x), give(&m, out);
    if (!run(&m, ptx, "probe_numbers") || !m.wrong.empty()) return false;
    for (size_t l = 0; l < 32; l++) {
        uint16_t half[2];
        memcpy(half, &x[l], 4);
        const float want[4] = {exp2f(x[2 * l]), __bfloat162float(__float2bfloat16(x[2 * l])),
                               __bfloat162float(__float2bfloat16(x[2 * l + 1])),
                               __bfloat162float(__ushort_as_bfloat16(half[1]))};
        if (memcmp(&out[4 * l], want, 16) != 0) return false;
    }
    return true;
}
static bool stores_ok(const std::string &ptx)
{
    std::vector<uint32_t> in(192), out(192, 0xdeadu);
    for (size_t i = 0; i < 192; i++) in[i] = (uint32_t)(i * 2654435761u);
    machine m = {};
    give(&m, in), give(&m, out);
    if (!run(&m, ptx, "probe_stores") || !m.wrong.empty()) return false;
    for (size_t l = 0; l < 32; l++) {
        size_t o = 31 - l;
        if (memcmp(&out[4 * l], &in[4 * o], 16) || memcmp(&out[128 + 2 * l], &in[128 + 2 * o], 8)) return false;
    }
    return true;
}
enum { MMA = 1, X4 = 2, X4_TRANS = 4, X2 = 8, X2_TRANS = 16, COPIES = 32, NUMBERS = 64, STORES = 128, ALL = 255 };
static int fulfilled(const std::string &ptx)
{
    return MMA * mma_ok(ptx) + X4 * ldmatrix_ok(ptx, "probe_ldmatrix_x4", 4, false) +
           X4_TRANS * ldmatrix_ok(ptx, "probe_ldmatrix_x4_trans", 4, true) + X2 * ldmatrix_ok(ptx, "probe_ldmatrix_x2", 2, false) +
           X2_TRANS * ldmatrix_ok(ptx, "probe_ldmatrix_x2_trans", 2, true) + COPIES * copies_ok(ptx) + NUMBERS * numbers_ok(ptx) +
           STORES * stores_ok(ptx);
}

static std::vector<std::string> texts;
static void test_wrappers(void **)
{
    if (texts.empty()) {
        print_message("# skip no PTX: nvcc is not installed\n");
        skip();
    }
    for (const std::string &t : texts) assert_int_equal(fulfilled(t), ALL);
}

/* Swaps the n-th and m-th register inside the braces that follow `op`'s k-th group, or replaces text, behind the first `after`:
 * the checks must notice. */
static std::string replaced(std::string s, const char *from, const char *to, const char *after = "")
{
    size_t at = s.find(from, s.find(after));
    assert_true(at != std::string::npos);
    return s.replace(at, strlen(from), to);
}
static std::string swapped(std::string s, const char *op, int brace, int a, int b, const char *after = "")
{
    size_t at = s.find(op, s.find(after)), close;
    assert_true(at != std::string::npos);
    for (int i = 0; i <= brace; i++) at = s.find('{', at + 1);
    close = s.find('}', at);
    words w = split_args(s.substr(at + 1, close - at - 1));
    std::swap(w[(size_t)a], w[(size_t)b]);
    std::string in;
    for (const std::string &r : w) in += (in.empty() ? "" : ",") + r;
    return s.replace(at + 1, close - at - 1, in);
}
static void test_planted(void **)
{
    if (texts.empty()) skip();
    const std::string &t = texts[0];
    const char *mma = "mma.sync";
    assert_int_equal(fulfilled(swapped(t, mma, 1, 1, 2)), ALL - MMA); /* a1 and a2 */
    assert_int_equal(fulfilled(swapped(t, mma, 2, 0, 1)), ALL - MMA); /* b0 and b1 */
    assert_int_equal(fulfilled(swapped(t, mma, 0, 1, 2)), ALL - MMA); /* d1 and d2 */
    assert_int_equal(fulfilled(swapped(t, mma, 3, 0, 3)), ALL - MMA); /* c0 and c3 */
    assert_int_equal(fulfilled(replaced(t, "x4.trans.", "x4.")), ALL - X4_TRANS);
    assert_int_equal(fulfilled(replaced(t, "x2.shared", "x2.trans.shared")), ALL - X2);
    assert_int_equal(fulfilled(swapped(t, "ldmatrix.sync.aligned.m8n8.x4.shared", 0, 0, 1)), ALL - X4);
    assert_int_equal(fulfilled(replaced(t, "wait_group 2", "wait_group 3")), ALL - COPIES);
    assert_int_equal(fulfilled(replaced(t, "wait_group 0", "wait_group 1")), ALL - COPIES);
    assert_int_equal(fulfilled(replaced(t, "cp.async.ca", "cp.async.cg")), ALL - COPIES);
    assert_int_equal(fulfilled(replaced(t, "cvt.rn.bf16x2.f32", "cvt.rz.bf16x2.f32")), ALL - NUMBERS);
    assert_int_equal(fulfilled(replaced(t, "ex2.approx.ftz.f32", "lg2.approx.ftz.f32")), ALL - NUMBERS);
    const char *stores = ".entry probe_stores";
    assert_int_equal(fulfilled(swapped(t, "st.global.v4.b32", 0, 1, 2, stores)), ALL - STORES);
    assert_int_equal(fulfilled(swapped(t, "st.shared.v2.b32", 0, 0, 1, stores)), ALL - STORES);
    assert_int_equal(fulfilled(replaced(t, "st.shared.v4.b32", "st.global.v4.b32", stores)), ALL - STORES);
    assert_int_equal(fulfilled(replaced(t, "st.global.v2.b32", "st.shared.v2.b32", stores)), ALL - STORES);
}

int main(int argc, char **argv)
{
    std::string beside = std::string(argv[0]) + ".ptx"; /* may hold several texts, one after the other */
    const char *one = beside.c_str();
    for (int i = argc > 1 ? 1 : 0; i < (argc > 1 ? argc : 1); i++) {
        FILE *f = fopen(argc > 1 ? argv[i] : one, "r");
        std::string all;
        char buf[4096];
        for (size_t n; f && (n = fread(buf, 1, sizeof buf, f)) > 0;) all.append(buf, n);
        if (f) fclose(f);
        for (size_t at = all.find(".version"); at != std::string::npos;) {
            size_t next = all.find(".version", at + 1);
            texts.push_back(all.substr(at, next == std::string::npos ? next : next - at));
            at = next;
        }
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_wrappers), cmocka_unit_test(test_planted)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
