/* Logits of the sampled softmax to losses and probabilities, for one instruction set.

   A row's passes follow each other while it is in the cache. Sums and maxima are kept in lanes:
   compilers may not change the order of a sum by themselves. */

#define LANES 32

/* exp of what is not above 0; below -87.7 it is 0. */
TARGET static inline float SUFFIX(exp_of)(float x)
{
    float scale;
    float p = SUFFIX(split_exp)(x, -88.0f, 1.0f, &scale);
    return scale + scale * p;
}

#define SOFTMAX(name, type, read, write)                                                           \
    TARGET static void SUFFIX(name)(                                                               \
        void *logits, ptrdiff_t stride, const float *RESTRICT corrections,                         \
        const float *RESTRICT targets, const int64_t *RESTRICT struck, float *RESTRICT losses,     \
        float *RESTRICT d_targets, float *RESTRICT sums, float *RESTRICT work, ptrdiff_t n_rows,   \
        ptrdiff_t n)                                                                               \
    {                                                                                              \
        for (ptrdiff_t row = 0; row < n_rows; row++) {                                             \
            type *RESTRICT values = (type *)logits + row * stride;                                 \
            float target = targets[row];                                                           \
            float lanes[LANES];                                                                    \
            ptrdiff_t whole = n - n % LANES, k;                                                    \
            for (k = 0; k < n; k++)                                                                \
                work[k] = read(values[k]) + corrections[k];                                        \
            /* A negative that is the target. */                                                   \
            if (struck[row] >= 0 && struck[row] < n)                                               \
                work[struck[row]] = -INFINITY;                                                     \
            for (int lane = 0; lane < LANES; lane++)                                               \
                lanes[lane] = target;                                                              \
            for (k = 0; k < whole; k += LANES)                                                     \
                for (int lane = 0; lane < LANES; lane++)                                           \
                    lanes[lane] = work[k + lane] > lanes[lane] ? work[k + lane] : lanes[lane];     \
            float highest = target;                                                                \
            for (; k < n; k++)                                                                     \
                highest = work[k] > highest ? work[k] : highest;                                   \
            for (int lane = 0; lane < LANES; lane++)                                               \
                highest = lanes[lane] > highest ? lanes[lane] : highest;                           \
            for (k = 0; k < n; k++)                                                                \
                work[k] = SUFFIX(exp_of)(work[k] - highest);                                       \
            for (int lane = 0; lane < LANES; lane++)                                               \
                lanes[lane] = 0.0f;                                                                \
            for (k = 0; k < whole; k += LANES)                                                     \
                for (int lane = 0; lane < LANES; lane++)                                           \
                    lanes[lane] += work[k + lane];                                                 \
            float of_target = SUFFIX(exp_of)(target - highest), total = of_target;                 \
            for (; k < n; k++)                                                                     \
                total += work[k];                                                                  \
            for (int lane = 0; lane < LANES; lane++)                                               \
                total += lanes[lane];                                                              \
            losses[row] = logf(total) + (highest - target);                                        \
            float share = 1.0f / total;                                                            \
            d_targets[row] = of_target * share - 1.0f;                                             \
            for (k = 0; k < n; k++) {                                                              \
                float probability = work[k] * share;                                               \
                sums[k] += probability;                                                            \
                values[k] = write(probability);                                                    \
            }                                                                                      \
        }                                                                                          \
    }

SOFTMAX(sampled_softmax, float, , )
SOFTMAX(sampled_softmax_bf16, uint16_t, SUFFIX(widen), SUFFIX(narrow))

#undef SOFTMAX
#undef LANES
