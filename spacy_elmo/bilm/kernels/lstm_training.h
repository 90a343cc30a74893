/* The elementwise part of an LSTM step of a training, and its backward, for one instruction set.

   In place: the gates (input, forget, output, cell input) become what their nonlinearities make of
   them, and in backward the gradients of what they were before. tanh of the cells is computed twice
   rather than kept: it costs as much as reading it.

   A row is a function of its own, so that every pointer can be restrict: without, compilers do not
   vectorise the loops. */

#define FORWARD(name, type, read, write)                                                           \
    TARGET static inline void SUFFIX(name##_row)(                                                  \
        type *RESTRICT input, type *RESTRICT forget, type *RESTRICT output,                        \
        type *RESTRICT candidate, const float *RESTRICT before, float *RESTRICT after,             \
        type *RESTRICT hidden, ptrdiff_t n_cells, float clip)                                      \
    {                                                                                              \
        for (ptrdiff_t k = 0; k < n_cells; k++) {                                                  \
            float i = SUFFIX(sigmoid)(read(input[k]));                                             \
            float f = SUFFIX(sigmoid)(read(forget[k]));                                            \
            float o = SUFFIX(sigmoid)(read(output[k]));                                            \
            float g = SUFFIX(tanh_of)(read(candidate[k]));                                         \
            float c = f * before[k] + i * g;                                                       \
            c = c < -clip ? -clip : c;                                                             \
            c = c > clip ? clip : c;                                                               \
            input[k] = write(i);                                                                   \
            forget[k] = write(f);                                                                  \
            output[k] = write(o);                                                                  \
            candidate[k] = write(g);                                                               \
            after[k] = c;                                                                          \
            hidden[k] = write(o * SUFFIX(tanh_of)(c));                                             \
        }                                                                                          \
    }                                                                                              \
                                                                                                   \
    TARGET static void SUFFIX(name)(void *gates, ptrdiff_t gates_stride, const float *before,      \
                                    ptrdiff_t before_stride, float *after, ptrdiff_t after_stride, \
                                    void *out, ptrdiff_t out_stride, ptrdiff_t n_rows,             \
                                    ptrdiff_t n_cells, float clip)                                 \
    {                                                                                              \
        for (ptrdiff_t row = 0; row < n_rows; row++) {                                             \
            type *gate = (type *)gates + row * gates_stride;                                       \
            SUFFIX(name##_row)                                                                     \
            (gate, gate + n_cells, gate + 2 * n_cells, gate + 3 * n_cells,                         \
             before + row * before_stride, after + row * after_stride,                             \
             (type *)out + row * out_stride, n_cells, clip);                                       \
        }                                                                                          \
    }

/* TensorFlow lets no gradient through a cell that it has clipped. Without a clip it is NaN, which
   no cell reaches. */
#define BACKWARD(name, type, read, write)                                                          \
    TARGET static inline void SUFFIX(name##_row)(                                                  \
        type *RESTRICT input, type *RESTRICT forget, type *RESTRICT output,                        \
        type *RESTRICT candidate, const float *RESTRICT before, const float *RESTRICT after,       \
        const type *RESTRICT d_hidden, float *RESTRICT d_cell, ptrdiff_t n_cells, float clip)      \
    {                                                                                              \
        for (ptrdiff_t k = 0; k < n_cells; k++) {                                                  \
            float i = read(input[k]), f = read(forget[k]);                                         \
            float o = read(output[k]), g = read(candidate[k]);                                     \
            float c = after[k], size = c < 0.0f ? -c : c;                                          \
            float t = SUFFIX(tanh_of)(c), d_h = read(d_hidden[k]);                                 \
            float d_c = d_cell[k] + d_h * o * (1.0f - t * t);                                      \
            d_c *= size >= clip ? 0.0f : 1.0f;                                                     \
            input[k] = write(d_c * g * (i * (1.0f - i)));                                          \
            forget[k] = write(d_c * before[k] * (f * (1.0f - f)));                                 \
            output[k] = write(d_h * t * (o * (1.0f - o)));                                         \
            candidate[k] = write(d_c * i * (1.0f - g * g));                                        \
            d_cell[k] = d_c * f;                                                                   \
        }                                                                                          \
    }                                                                                              \
                                                                                                   \
    TARGET static void SUFFIX(name)(                                                               \
        void *gates, ptrdiff_t gates_stride, const float *before, ptrdiff_t before_stride,         \
        const float *after, ptrdiff_t after_stride, const void *d_out, ptrdiff_t d_out_stride,     \
        float *d_cells, ptrdiff_t d_cells_stride, ptrdiff_t n_rows, ptrdiff_t n_cells, float clip) \
    {                                                                                              \
        for (ptrdiff_t row = 0; row < n_rows; row++) {                                             \
            type *gate = (type *)gates + row * gates_stride;                                       \
            SUFFIX(name##_row)                                                                     \
            (gate, gate + n_cells, gate + 2 * n_cells, gate + 3 * n_cells,                         \
             before + row * before_stride, after + row * after_stride,                             \
             (const type *)d_out + row * d_out_stride, d_cells + row * d_cells_stride, n_cells,    \
             clip);                                                                                \
        }                                                                                          \
    }

FORWARD(lstm_forward, float, , )
FORWARD(lstm_forward_bf16, uint16_t, SUFFIX(widen), SUFFIX(narrow))
BACKWARD(lstm_backward, float, , )
BACKWARD(lstm_backward_bf16, uint16_t, SUFFIX(widen), SUFFIX(narrow))

#undef FORWARD
#undef BACKWARD
