/* The kernels as Python's functions: arguments read, the lock released, the function of the set
   called. Tensors are given by their address and, where it is free, the stride of their rows. */

#define AT(type, address) ((type *)(uintptr_t)(address))

/* lstm_cell(set, is_bf16, gates, stride, bias, cells, stride, out, stride, n_rows, n_cells, clip) */
static PyObject *lstm_cell(PyObject *module, PyObject *args)
{
    (void)module;
    const instruction_set *set;
    int is_bf16;
    unsigned long long gates, bias, cells, out;
    Py_ssize_t gates_stride, cells_stride, out_stride, n_rows, n_cells;
    float clip;
    if (!PyArg_ParseTuple(args, "O&pKnKKnKnnnf:lstm_cell", find_set, &set, &is_bf16, &gates,
                          &gates_stride, &bias, &cells, &cells_stride, &out, &out_stride, &n_rows,
                          &n_cells, &clip))
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    set->lstm_cell[is_bf16](AT(const void, gates), gates_stride, AT(const float, bias),
                            AT(float, cells), cells_stride, AT(void, out), out_stride, n_rows,
                            n_cells, clip);
    Py_END_ALLOW_THREADS
    Py_RETURN_NONE;
}

/* lstm_output(set, is_bf16, values, stride, joined, stride, inputs, stride, out, stride, rows,
               n_rows, n_next, width, clip, add_inputs) */
static PyObject *lstm_output(PyObject *module, PyObject *args)
{
    (void)module;
    const instruction_set *set;
    int is_bf16, add_inputs;
    unsigned long long values, joined, inputs, out, rows;
    Py_ssize_t values_stride, joined_stride, inputs_stride, out_stride, n_rows, n_next, width;
    float clip;
    if (!PyArg_ParseTuple(args, "O&pKnKnKnKnKnnnfp:lstm_output", find_set, &set, &is_bf16, &values,
                          &values_stride, &joined, &joined_stride, &inputs, &inputs_stride, &out,
                          &out_stride, &rows, &n_rows, &n_next, &width, &clip, &add_inputs))
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    set->lstm_output[is_bf16](AT(const void, values), values_stride, AT(void, joined),
                              joined_stride, AT(const float, inputs), inputs_stride,
                              AT(float, out), out_stride, AT(const int64_t, rows), n_rows, n_next,
                              width, clip, add_inputs);
    Py_END_ALLOW_THREADS
    Py_RETURN_NONE;
}

/* lstm_forward(set, is_bf16, gates, stride, before, stride, after, stride, out, stride, n_rows,
                n_cells, clip) */
static PyObject *lstm_forward(PyObject *module, PyObject *args)
{
    (void)module;
    const instruction_set *set;
    int is_bf16;
    unsigned long long gates, before, after, out;
    Py_ssize_t gates_stride, before_stride, after_stride, out_stride, n_rows, n_cells;
    float clip;
    if (!PyArg_ParseTuple(args, "O&pKnKnKnKnnnf:lstm_forward", find_set, &set, &is_bf16, &gates,
                          &gates_stride, &before, &before_stride, &after, &after_stride, &out,
                          &out_stride, &n_rows, &n_cells, &clip))
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    set->lstm_forward[is_bf16](AT(void, gates), gates_stride, AT(const float, before),
                               before_stride, AT(float, after), after_stride, AT(void, out),
                               out_stride, n_rows, n_cells, clip);
    Py_END_ALLOW_THREADS
    Py_RETURN_NONE;
}

/* lstm_backward(set, is_bf16, gates, stride, before, stride, after, stride, d_out, stride, d_cells,
                 stride, n_rows, n_cells, clip) */
static PyObject *lstm_backward(PyObject *module, PyObject *args)
{
    (void)module;
    const instruction_set *set;
    int is_bf16;
    unsigned long long gates, before, after, d_out, d_cells;
    Py_ssize_t gates_stride, before_stride, after_stride, d_out_stride, d_cells_stride;
    Py_ssize_t n_rows, n_cells;
    float clip;
    if (!PyArg_ParseTuple(args, "O&pKnKnKnKnKnnnf:lstm_backward", find_set, &set, &is_bf16, &gates,
                          &gates_stride, &before, &before_stride, &after, &after_stride, &d_out,
                          &d_out_stride, &d_cells, &d_cells_stride, &n_rows, &n_cells, &clip))
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    set->lstm_backward[is_bf16](AT(void, gates), gates_stride, AT(const float, before),
                                before_stride, AT(const float, after), after_stride,
                                AT(const void, d_out), d_out_stride, AT(float, d_cells),
                                d_cells_stride, n_rows, n_cells, clip);
    Py_END_ALLOW_THREADS
    Py_RETURN_NONE;
}

/* sampled_softmax(set, is_bf16, logits, stride, corrections, targets, struck, losses, d_targets,
                   sums, work, n_rows, n_words) */
static PyObject *sampled_softmax(PyObject *module, PyObject *args)
{
    (void)module;
    const instruction_set *set;
    int is_bf16;
    unsigned long long logits, corrections, targets, struck, losses, d_targets, sums, work;
    Py_ssize_t stride, n_rows, n_words;
    if (!PyArg_ParseTuple(args, "O&pKnKKKKKKKnn:sampled_softmax", find_set, &set, &is_bf16,
                          &logits, &stride, &corrections, &targets, &struck, &losses, &d_targets,
                          &sums, &work, &n_rows, &n_words))
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    set->sampled_softmax[is_bf16](AT(void, logits), stride, AT(const float, corrections),
                                  AT(const float, targets), AT(const int64_t, struck),
                                  AT(float, losses), AT(float, d_targets), AT(float, sums),
                                  AT(float, work), n_rows, n_words);
    Py_END_ALLOW_THREADS
    Py_RETURN_NONE;
}

/* char_cnn(set, table, ids, stride, lengths, out, stride, places, n_words, n_positions, width,
            n_characters, n_filters) */
static PyObject *char_cnn(PyObject *module, PyObject *args)
{
    (void)module;
    const instruction_set *set;
    unsigned long long table, ids, lengths, out, places;
    Py_ssize_t ids_stride, out_stride, n_words, n_positions, width, n_characters, n_filters;
    if (!PyArg_ParseTuple(args, "O&KKnKKnKnnnnn:char_cnn", find_set, &set, &table, &ids,
                          &ids_stride, &lengths, &out, &out_stride, &places, &n_words, &n_positions,
                          &width, &n_characters, &n_filters))
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    set->char_cnn(AT(const float, table), AT(const int64_t, ids), ids_stride,
                  AT(const int64_t, lengths), AT(float, out), out_stride, AT(uint16_t, places),
                  n_words, n_positions, width, n_characters, n_filters);
    Py_END_ALLOW_THREADS
    Py_RETURN_NONE;
}

/* char_cnn_backward(set, d_table, ids, stride, places, d_out, stride, n_words, width, n_characters,
                     n_filters) */
static PyObject *char_cnn_backward(PyObject *module, PyObject *args)
{
    (void)module;
    const instruction_set *set;
    unsigned long long d_table, ids, places, d_out;
    Py_ssize_t ids_stride, d_out_stride, n_words, width, n_characters, n_filters;
    if (!PyArg_ParseTuple(args, "O&KKnKKnnnnn:char_cnn_backward", find_set, &set, &d_table, &ids,
                          &ids_stride, &places, &d_out, &d_out_stride, &n_words, &width,
                          &n_characters, &n_filters))
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    set->char_cnn_backward(AT(float, d_table), AT(const int64_t, ids), ids_stride,
                           AT(const uint16_t, places), AT(const float, d_out), d_out_stride,
                           n_words, width, n_characters, n_filters);
    Py_END_ALLOW_THREADS
    Py_RETURN_NONE;
}
