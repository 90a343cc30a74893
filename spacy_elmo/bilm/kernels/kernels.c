/* Compiled kernels: elementwise work that PyTorch would do in many passes, done in one.

   The stable ABI of Python 3.10 has no buffer protocol, so memory is given by addresses; whoever
   calls answers for them (lstm_cell.py and its like). Nothing here keeps state, and the interpreter
   lock is released while a kernel runs. */

#ifndef Py_GIL_DISABLED
#define Py_LIMITED_API 0x030A0000
#endif
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __FAST_MATH__
#error "-ffast-math drops NaN: build without it"
#endif

#ifdef _MSC_VER
#define RESTRICT __restrict
#else
#define RESTRICT restrict
#endif

/* Filters that the character CNN computes at once. */
#define BLOCK 32

/* Of two functions the second is that for bfloat16. */
typedef struct {
    void (*lstm_cell[2])(const void *, ptrdiff_t, const float *, float *, ptrdiff_t, void *,
                         ptrdiff_t, ptrdiff_t, ptrdiff_t, float);
    void (*lstm_output[2])(const void *, ptrdiff_t, void *, ptrdiff_t, const float *, ptrdiff_t,
                           float *, ptrdiff_t, const int64_t *, ptrdiff_t, ptrdiff_t, ptrdiff_t,
                           float, int);
    void (*lstm_forward[2])(void *, ptrdiff_t, const float *, ptrdiff_t, float *, ptrdiff_t, void *,
                            ptrdiff_t, ptrdiff_t, ptrdiff_t, float);
    void (*lstm_backward[2])(void *, ptrdiff_t, const float *, ptrdiff_t, const float *, ptrdiff_t,
                             const void *, ptrdiff_t, float *, ptrdiff_t, ptrdiff_t, ptrdiff_t,
                             float);
    void (*sampled_softmax[2])(void *, ptrdiff_t, const float *, const float *, const int64_t *,
                               float *, float *, float *, float *, ptrdiff_t, ptrdiff_t);
    void (*char_cnn)(const float *, const int64_t *, ptrdiff_t, const int64_t *, float *, ptrdiff_t,
                     uint16_t *, ptrdiff_t, ptrdiff_t, ptrdiff_t, ptrdiff_t, ptrdiff_t);
    void (*char_cnn_backward)(float *, const int64_t *, ptrdiff_t, const uint16_t *, const float *,
                              ptrdiff_t, ptrdiff_t, ptrdiff_t, ptrdiff_t, ptrdiff_t);
} instruction_set;

/* Compilers that can build one function for several processors. */
#if (defined(__GNUC__) || defined(__clang__)) && defined(__x86_64__)
#define MANY_SETS
#endif

#define TARGET
#define SUFFIX(f) f##_baseline
#include "instruction_set.h"
#undef TARGET
#undef SUFFIX

#ifdef MANY_SETS

#define TARGET __attribute__((target("avx2,fma")))
#define SUFFIX(f) f##_avx2
#include "instruction_set.h"
#undef TARGET
#undef SUFFIX

/* Left to themselves, compilers keep to half of the width. */
#ifdef __clang__
#define TARGET __attribute__((target("avx512f,avx512vl,avx512bw,avx512dq,fma"), min_vector_width(512)))
#else
#define TARGET \
    __attribute__((target("avx512f,avx512vl,avx512bw,avx512dq,fma,prefer-vector-width=512")))
#endif
#define SUFFIX(f) f##_avx512
#include "instruction_set.h"
#undef TARGET
#undef SUFFIX

static int has_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

static int has_avx512(void)
{
    return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq");
}

#endif

static int always(void)
{
    return 1;
}

/* From the slowest to the fastest. */
static const struct {
    const char *name;
    int (*offered)(void);
    const instruction_set *set;
} SETS[] = {
    {"baseline", always, &set_baseline},
#ifdef MANY_SETS
    {"avx2", has_avx2, &set_avx2},
    {"avx512", has_avx512, &set_avx512},
#endif
};
static const Py_ssize_t N_SETS = sizeof SETS / sizeof SETS[0];

/* For "O&" of PyArg_ParseTuple: the set of a name, or an exception; never another in its place. */
static int find_set(PyObject *name, void *found)
{
    for (Py_ssize_t k = 0; PyUnicode_Check(name) && k < N_SETS; k++)
        if (PyUnicode_CompareWithASCIIString(name, SETS[k].name) == 0 && SETS[k].offered()) {
            *(const instruction_set **)found = SETS[k].set;
            return 1;
        }
    PyErr_Format(PyExc_ValueError, "this processor or build has no instruction set %R", name);
    return 0;
}

static PyObject *instruction_sets(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    PyObject *names = PyList_New(0);
    for (Py_ssize_t k = 0; names != NULL && k < N_SETS; k++) {
        if (!SETS[k].offered())
            continue;
        PyObject *name = PyUnicode_FromString(SETS[k].name);
        if (name == NULL || PyList_Append(names, name) < 0)
            Py_CLEAR(names);
        Py_XDECREF(name);
    }
    if (names == NULL)
        return NULL;
    PyObject *result = PyList_AsTuple(names);
    Py_DECREF(names);
    return result;
}

#include "methods.h"

static PyMethodDef METHODS[] = {
    {"instruction_sets", instruction_sets, METH_NOARGS,
     "Names of the sets that the processor offers, from the slowest to the fastest."},
    {"lstm_cell", lstm_cell, METH_VARARGS,
     "Gates to cells and outputs of a step; tensors by the address and the stride of their rows."},
    {"lstm_output", lstm_output, METH_VARARGS,
     "Projected outputs to the next step's inputs and states, and to the layer's outputs."},
    {"lstm_forward", lstm_forward, METH_VARARGS, "The same of a training; gates become activations."},
    {"lstm_backward", lstm_backward, METH_VARARGS, "Its backward; activations become gradients."},
    {"sampled_softmax", sampled_softmax, METH_VARARGS, "Logits to losses and probabilities."},
    {"char_cnn", char_cnn, METH_VARARGS, "Largest value of each filter, and its place."},
    {"char_cnn_backward", char_cnn_backward, METH_VARARGS, "Its backward, to a table's gradients."},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot SLOTS[] = {
#ifdef Py_mod_gil
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL},
};

static struct PyModuleDef MODULE = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "_kernels",
    .m_doc = "Compiled kernels, called with addresses.",
    .m_methods = METHODS,
    .m_slots = SLOTS,
};

PyMODINIT_FUNC PyInit__kernels(void)
{
#ifdef MANY_SETS
    __builtin_cpu_init();
#endif
    return PyModuleDef_Init(&MODULE);
}
