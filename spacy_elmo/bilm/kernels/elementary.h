/* Exponentials, the nonlinearities made of them, and bfloat16, for one instruction set.

   Included, with the kernels, once per instruction set (instruction_set.h), with
     TARGET      the attribute that lets the compiler use the set,
     SUFFIX(f)   the name of f for the set.

   Written so that compilers vectorise the loops that call them: no branches, no calls. Comparisons
   are such that a NaN stays one; nothing here may be compiled with -ffast-math. */

/* exp(x) = scale * (1 + p), with p = expm1 of the remainder and scale a power of two.

   Lower and upper bound x; NaN passes. At most 89, where scale is infinity; at least -88, where it
   is 0. */
TARGET static inline float SUFFIX(split_exp)(float x, float lower, float upper, float *scale)
{
    /* Adding 1.5 * 2^23 rounds to an integer, which the lowest bits of the sum then hold. */
    const float rounder = 12582912.0f;
    x = x < lower ? lower : x;
    x = x > upper ? upper : x;
    float shifted = x * 1.44269504088896341f + rounder;
    float n = shifted - rounder;
    /* The first half of log(2) has so few bits that its product is exact. */
    float r = x - n * 0.693359375f;
    r = r + n * 2.12194440054690583e-4f;
    uint32_t bits;
    memcpy(&bits, &shifted, sizeof bits);
    bits = (bits + 127u) << 23;
    memcpy(scale, &bits, sizeof bits);
    /* The best polynomial of its degree for |r| <= log(2) / 2: 1.1e-8 relative to expm1(r). */
    float q = 0.0013888872927054763f;
    q = q * r + 0.008369140326976776f;
    q = q * r + 0.041667137295007706f;
    q = q * r + 0.16666506230831146f;
    q = q * r + 0.4999999701976776f;
    return r + r * r * q;
}

/* 1 + exp(-x): sigmoid(x) is 1 divided by this. Below -88.4, where float32 has no digits left for a
   sigmoid, it is infinity. */
TARGET static inline float SUFFIX(sigmoid_divisor)(float x)
{
    float scale;
    float p = SUFFIX(split_exp)(-x, -88.0f, 89.0f, &scale);
    return 1.0f + scale * (1.0f + p);
}

/* expm1(2x): tanh(x) is this, divided by this plus 2. Near zero it keeps all its digits. */
TARGET static inline float SUFFIX(double_expm1)(float x)
{
    float scale;
    float p = SUFFIX(split_exp)(2.0f * x, -40.0f, 40.0f, &scale);
    return scale * p + (scale - 1.0f);
}

TARGET static inline float SUFFIX(sigmoid)(float x)
{
    return 1.0f / SUFFIX(sigmoid_divisor)(x);
}

TARGET static inline float SUFFIX(tanh_of)(float x)
{
    float t = SUFFIX(double_expm1)(x);
    return t / (t + 2.0f);
}

/* A NaN stays one. */
TARGET static inline float SUFFIX(bounded)(float x, float clip)
{
    x = x < -clip ? -clip : x;
    return x > clip ? clip : x;
}

/* bfloat16 is the upper half of a float32. */
TARGET static inline float SUFFIX(widen)(uint16_t half)
{
    uint32_t bits = (uint32_t)half << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* To the nearest, to even between two. Rounding could carry a NaN over to infinity. */
TARGET static inline uint16_t SUFFIX(narrow)(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    uint32_t rounded = bits + 0x7fffu + ((bits >> 16) & 1u);
    rounded = value != value ? 0x7fc00000u : rounded;
    return (uint16_t)(rounded >> 16);
}
