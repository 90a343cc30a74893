/* The character CNN: the largest value of each filter over a word, with its place, and backward
   through that place alone. For one instruction set.

   A filter over characters is a sum of numbers that depend on one character each, so they are made
   once per character: *Shape* of the table (blocks, width, characters, BLOCK), the filters in blocks
   of as many as are computed at once. What a block needs of it stays in the cache while all words
   are read. Words end in equal characters (padding), and windows of nothing else are all the same:
   `lengths` says where these begin, and one of them is enough. */

TARGET static void SUFFIX(char_cnn)(const float *table, const int64_t *ids, ptrdiff_t ids_stride,
                                    const int64_t *RESTRICT lengths, float *out,
                                    ptrdiff_t out_stride, uint16_t *places, ptrdiff_t n_words,
                                    ptrdiff_t n_positions, ptrdiff_t width, ptrdiff_t n_characters,
                                    ptrdiff_t n_filters)
{
    for (ptrdiff_t start = 0; start < n_filters; start += BLOCK) {
        const float *block = table + start * width * n_characters;
        ptrdiff_t n = n_filters - start < BLOCK ? n_filters - start : BLOCK;
        for (ptrdiff_t word = 0; word < n_words; word++) {
            const int64_t *character = ids + word * ids_stride;
            ptrdiff_t last = n_positions - width;
            last = lengths[word] < last ? lengths[word] : last;
            float best[BLOCK];
            int32_t place[BLOCK];
            for (int j = 0; j < BLOCK; j++) {
                best[j] = -INFINITY;
                place[j] = 0;
            }
            for (ptrdiff_t position = 0; position <= last; position++) {
                float sum[BLOCK];
                const float *RESTRICT row = block + character[position] * BLOCK;
                for (int j = 0; j < BLOCK; j++)
                    sum[j] = row[j];
                for (ptrdiff_t k = 1; k < width; k++) {
                    row = block + (k * n_characters + character[position + k]) * BLOCK;
                    for (int j = 0; j < BLOCK; j++)
                        sum[j] += row[j];
                }
                for (int j = 0; j < BLOCK; j++) {
                    /* A NaN is the largest. */
                    int larger = (sum[j] > best[j]) | (sum[j] != sum[j]);
                    best[j] = larger ? sum[j] : best[j];
                    place[j] = larger ? (int32_t)position : place[j];
                }
            }
            float *RESTRICT value = out + word * out_stride + start;
            uint16_t *RESTRICT where = places + word * n_filters + start;
            for (ptrdiff_t j = 0; j < n; j++) {
                value[j] = best[j];
                where[j] = (uint16_t)place[j];
            }
        }
    }
}

TARGET static void SUFFIX(char_cnn_backward)(float *d_table, const int64_t *ids,
                                             ptrdiff_t ids_stride, const uint16_t *places,
                                             const float *d_out, ptrdiff_t d_out_stride,
                                             ptrdiff_t n_words, ptrdiff_t width,
                                             ptrdiff_t n_characters, ptrdiff_t n_filters)
{
    for (ptrdiff_t start = 0; start < n_filters; start += BLOCK) {
        float *block = d_table + start * width * n_characters;
        ptrdiff_t n = n_filters - start < BLOCK ? n_filters - start : BLOCK;
        for (ptrdiff_t word = 0; word < n_words; word++) {
            const float *gradient = d_out + word * d_out_stride + start;
            const uint16_t *where = places + word * n_filters + start;
            for (ptrdiff_t j = 0; j < n; j++) {
                if (gradient[j] == 0.0f) /* half of them, after a relu */
                    continue;
                const int64_t *character = ids + word * ids_stride + where[j];
                for (ptrdiff_t k = 0; k < width; k++)
                    block[(k * n_characters + character[k]) * BLOCK + j] += gradient[j];
            }
        }
    }
}
