/* The elementwise part of an LSTM step without gradients, for one instruction set.

   Every pointer is restrict, or compilers do not vectorise the loops. */

/* One cell from its gates: updates it and returns its output.

   Sigmoid times tanh is one fraction: divisions cost as much as the polynomials. */
TARGET static inline float SUFFIX(update)(float input, float forget, float output, float candidate,
                                          float *cell, float clip)
{
    float g = SUFFIX(double_expm1)(candidate);
    float kept = *cell / SUFFIX(sigmoid_divisor)(forget);
    float c = kept + g / (SUFFIX(sigmoid_divisor)(input) * (g + 2.0f));
    c = SUFFIX(bounded)(c, clip);
    *cell = c;
    float t = SUFFIX(double_expm1)(c);
    return t / (SUFFIX(sigmoid_divisor)(output) * (t + 2.0f));
}

/* Both go row by row, so that a row's results do not depend on the rows beside it. */

TARGET static void SUFFIX(lstm_cell)(const void *gates, ptrdiff_t gates_stride,
                                     const float *RESTRICT bias, float *cells,
                                     ptrdiff_t cells_stride, void *out, ptrdiff_t out_stride,
                                     ptrdiff_t n_rows, ptrdiff_t n_cells, float clip)
{
    const float *RESTRICT input_bias = bias, *RESTRICT forget_bias = bias + n_cells;
    const float *RESTRICT output_bias = bias + 2 * n_cells;
    const float *RESTRICT candidate_bias = bias + 3 * n_cells;
    for (ptrdiff_t row = 0; row < n_rows; row++) {
        const float *RESTRICT input = (const float *)gates + row * gates_stride;
        const float *RESTRICT forget = input + n_cells;
        const float *RESTRICT output = forget + n_cells;
        const float *RESTRICT candidate = output + n_cells;
        float *RESTRICT cell = cells + row * cells_stride;
        float *RESTRICT hidden = (float *)out + row * out_stride;
        for (ptrdiff_t k = 0; k < n_cells; k++)
            hidden[k] = SUFFIX(update)(input[k] + input_bias[k], forget[k] + forget_bias[k],
                                       output[k] + output_bias[k],
                                       candidate[k] + candidate_bias[k], &cell[k], clip);
    }
}

TARGET static void SUFFIX(lstm_cell_bf16)(const void *gates, ptrdiff_t gates_stride,
                                          const float *RESTRICT bias, float *cells,
                                          ptrdiff_t cells_stride, void *out, ptrdiff_t out_stride,
                                          ptrdiff_t n_rows, ptrdiff_t n_cells, float clip)
{
    const float *RESTRICT input_bias = bias, *RESTRICT forget_bias = bias + n_cells;
    const float *RESTRICT output_bias = bias + 2 * n_cells;
    const float *RESTRICT candidate_bias = bias + 3 * n_cells;
    for (ptrdiff_t row = 0; row < n_rows; row++) {
        const uint16_t *RESTRICT input = (const uint16_t *)gates + row * gates_stride;
        const uint16_t *RESTRICT forget = input + n_cells;
        const uint16_t *RESTRICT output = forget + n_cells;
        const uint16_t *RESTRICT candidate = output + n_cells;
        float *RESTRICT cell = cells + row * cells_stride;
        uint16_t *RESTRICT hidden = (uint16_t *)out + row * out_stride;
        for (ptrdiff_t k = 0; k < n_cells; k++)
            hidden[k] = SUFFIX(narrow)(SUFFIX(update)(
                SUFFIX(widen)(input[k]) + input_bias[k], SUFFIX(widen)(forget[k]) + forget_bias[k],
                SUFFIX(widen)(output[k]) + output_bias[k],
                SUFFIX(widen)(candidate[k]) + candidate_bias[k], &cell[k], clip));
    }
}
