/* Emulation: the vector types of CUDA with their true alignment. */
#ifndef PT_EMU_VECTOR_TYPES_H
#define PT_EMU_VECTOR_TYPES_H
#define EMU_V2(n, t, a) typedef struct n { t x, y; } __attribute__((aligned(a))) n
#define EMU_V4(n, t, a) typedef struct n { t x, y, z, w; } __attribute__((aligned(a))) n
typedef struct uint3 { unsigned int x, y, z; } uint3;
typedef struct int3 { int x, y, z; } int3;
typedef struct float3 { float x, y, z; } float3;
EMU_V2(char2, signed char, 2);
EMU_V2(uchar2, unsigned char, 2);
EMU_V2(short2, short, 4);
EMU_V2(ushort2, unsigned short, 4);
EMU_V2(int2, int, 8);
EMU_V2(uint2, unsigned int, 8);
EMU_V2(float2, float, 8);
EMU_V2(double2, double, 16);
EMU_V2(longlong2, long long, 16);
EMU_V2(ulonglong2, unsigned long long, 16);
EMU_V4(char4, signed char, 4);
EMU_V4(uchar4, unsigned char, 4);
EMU_V4(short4, short, 8);
EMU_V4(ushort4, unsigned short, 8);
EMU_V4(int4, int, 16);
EMU_V4(uint4, unsigned int, 16);
EMU_V4(float4, float, 16);
struct dim3 {
    unsigned int x, y, z;
#ifdef __cplusplus
    constexpr dim3(unsigned int a = 1, unsigned int b = 1, unsigned int c = 1) : x(a), y(b), z(c) {}
#endif
};
typedef struct dim3 dim3;
#define EMU_MAKE2(n, t) static inline n make_##n(t x, t y) { n v; v.x = x; v.y = y; return v; }
#define EMU_MAKE4(n, t) static inline n make_##n(t x, t y, t z, t w) { n v; v.x = x; v.y = y; v.z = z; v.w = w; return v; }
EMU_MAKE2(int2, int)
EMU_MAKE2(uint2, unsigned int)
EMU_MAKE2(float2, float)
EMU_MAKE2(double2, double)
EMU_MAKE2(char2, signed char)
EMU_MAKE2(uchar2, unsigned char)
EMU_MAKE2(short2, short)
EMU_MAKE2(ushort2, unsigned short)
EMU_MAKE4(int4, int)
EMU_MAKE4(uint4, unsigned int)
EMU_MAKE4(float4, float)
EMU_MAKE4(char4, signed char)
EMU_MAKE4(uchar4, unsigned char)
EMU_MAKE4(ushort4, unsigned short)
#endif
