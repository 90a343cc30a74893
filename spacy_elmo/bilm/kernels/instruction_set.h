/* Every kernel for one instruction set: kernels.c defines TARGET and SUFFIX and includes this. */

#include "elementary.h"
#include "lstm_cell.h"
#include "lstm_output.h"
#include "lstm_training.h"
#include "sampled_softmax.h"
#include "char_cnn.h"

static const instruction_set SUFFIX(set) = {
    .lstm_cell = {SUFFIX(lstm_cell), SUFFIX(lstm_cell_bf16)},
    .lstm_output = {SUFFIX(lstm_output), SUFFIX(lstm_output_bf16)},
    .lstm_forward = {SUFFIX(lstm_forward), SUFFIX(lstm_forward_bf16)},
    .lstm_backward = {SUFFIX(lstm_backward), SUFFIX(lstm_backward_bf16)},
    .sampled_softmax = {SUFFIX(sampled_softmax), SUFFIX(sampled_softmax_bf16)},
    .char_cnn = SUFFIX(char_cnn),
    .char_cnn_backward = SUFFIX(char_cnn_backward),
};
