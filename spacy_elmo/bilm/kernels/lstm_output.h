/* From a step's projected outputs to whatever reads them, for one instruction set. */

/* The state of the next step is in `joined`, whose rows are an input and a state side by side: the
   state of `n_rows` rows is written, and the input of the first `n_next` of them. `rows` says where
   in `inputs` and `out` each row's token stands: `n_rows` of this step, then `n_next` of the next. */
TARGET static void SUFFIX(lstm_output)(const void *values, ptrdiff_t values_stride, void *joined,
                                       ptrdiff_t joined_stride, const float *inputs,
                                       ptrdiff_t inputs_stride, float *out, ptrdiff_t out_stride,
                                       const int64_t *rows, ptrdiff_t n_rows, ptrdiff_t n_next,
                                       ptrdiff_t width, float clip, int add_inputs)
{
    for (ptrdiff_t row = 0; row < n_rows; row++) {
        const float *RESTRICT value = (const float *)values + row * values_stride;
        float *RESTRICT hidden = (float *)joined + row * joined_stride + width;
        const float *RESTRICT input = inputs + rows[row] * inputs_stride;
        float *RESTRICT output = out + rows[row] * out_stride;
        for (ptrdiff_t k = 0; k < width; k++)
            hidden[k] = SUFFIX(bounded)(value[k], clip);
        if (add_inputs)
            for (ptrdiff_t k = 0; k < width; k++)
                output[k] = hidden[k] + input[k];
        else
            for (ptrdiff_t k = 0; k < width; k++)
                output[k] = hidden[k];
    }
    for (ptrdiff_t row = 0; row < n_next; row++) {
        const float *RESTRICT input = inputs + rows[n_rows + row] * inputs_stride;
        float *RESTRICT next = (float *)joined + row * joined_stride;
        for (ptrdiff_t k = 0; k < width; k++)
            next[k] = input[k];
    }
}

TARGET static void SUFFIX(lstm_output_bf16)(const void *values, ptrdiff_t values_stride,
                                            void *joined, ptrdiff_t joined_stride,
                                            const float *inputs, ptrdiff_t inputs_stride,
                                            float *out, ptrdiff_t out_stride, const int64_t *rows,
                                            ptrdiff_t n_rows, ptrdiff_t n_next, ptrdiff_t width,
                                            float clip, int add_inputs)
{
    for (ptrdiff_t row = 0; row < n_rows; row++) {
        const uint16_t *RESTRICT value = (const uint16_t *)values + row * values_stride;
        uint16_t *RESTRICT hidden = (uint16_t *)joined + row * joined_stride + width;
        const float *RESTRICT input = inputs + rows[row] * inputs_stride;
        float *RESTRICT output = out + rows[row] * out_stride;
        for (ptrdiff_t k = 0; k < width; k++)
            hidden[k] = SUFFIX(narrow)(SUFFIX(bounded)(SUFFIX(widen)(value[k]), clip));
        if (add_inputs)
            for (ptrdiff_t k = 0; k < width; k++)
                output[k] = SUFFIX(widen)(hidden[k]) + input[k];
        else
            for (ptrdiff_t k = 0; k < width; k++)
                output[k] = SUFFIX(widen)(hidden[k]);
    }
    for (ptrdiff_t row = 0; row < n_next; row++) {
        const float *RESTRICT input = inputs + rows[n_rows + row] * inputs_stride;
        uint16_t *RESTRICT next = (uint16_t *)joined + row * joined_stride;
        for (ptrdiff_t k = 0; k < width; k++)
            next[k] = SUFFIX(narrow)(input[k]);
    }
}
