/* Included by kernel.c once for each instruction set, which defines and this file undefines: TARGET its attribute,
   NAME(f) its names, W floats to a vector, KEEP and UNPACK_CODES as said there. */

typedef float NAME(vf) __attribute__((vector_size(4 * W), aligned(4), may_alias));
typedef int32_t NAME(vi) __attribute__((vector_size(4 * W)));
#define vf NAME(vf)
#define vi NAME(vi)
#define INLINE static inline __attribute__((always_inline)) TARGET

/* acc[r][v] = row r (`stride` floats apart, `dim` of them) times column block v of query (dim, lanes). Never inlined:
   the caller's variables would take the registers that hold the sums. */
#define DOTS(R, NV)                                                                                                    \
    static __attribute__((noinline)) TARGET void NAME(dots_##R##_##NV)(const float *rows, int64_t stride, int32_t dim, \
                                                                       const float *query, int64_t lanes, vf *acc) {   \
        vf sums[R * NV], q[NV];                                                                                        \
        UNROLL for (int i = 0; i < R * NV; i++) sums[i] = (vf){0};                                                     \
        for (const float *end = rows + dim; rows < end; rows++, query += lanes) {                                      \
            UNROLL for (int v = 0; v < NV; v++) { q[v] = *(const vf *)(query + v * W); KEEP(q[v]); }                   \
            UNROLL for (int r = 0; r < R; r++)                                                                         \
                UNROLL for (int v = 0; v < NV; v++) sums[r * NV + v] += rows[r * stride] * q[v];                       \
        }                                                                                                              \
        UNROLL for (int i = 0; i < R * NV; i++) acc[i] = sums[i];                                                      \
    }
DOTS(8, 1)
DOTS(1, 1)
DOTS(4, 2)
DOTS(6, 2)
DOTS(1, 2)
DOTS(4, 3)
DOTS(1, 3)
DOTS(2, 4)
DOTS(1, 4)
#undef DOTS

INLINE void NAME(dots)(const float *rows, int64_t stride, int32_t dim, const float *query, int32_t lanes, int R, int NV,
                       vf *acc) {
    if (R == 8) NAME(dots_8_1)(rows, stride, dim, query, lanes, acc);
    else if (R == 4 && NV == 2) NAME(dots_4_2)(rows, stride, dim, query, lanes, acc);
    else if (R == 6) NAME(dots_6_2)(rows, stride, dim, query, lanes, acc);
    else if (R == 4 && NV == 3) NAME(dots_4_3)(rows, stride, dim, query, lanes, acc);
    else if (R == 2) NAME(dots_2_4)(rows, stride, dim, query, lanes, acc);
    else if (NV == 1) NAME(dots_1_1)(rows, stride, dim, query, lanes, acc);
    else if (NV == 2) NAME(dots_1_2)(rows, stride, dim, query, lanes, acc);
    else if (NV == 3) NAME(dots_1_3)(rows, stride, dim, query, lanes, acc);
    else NAME(dots_1_4)(rows, stride, dim, query, lanes, acc);
}

/* Similarities of centroids first..last to query tokens column.. of one block of NV vectors. */
INLINE void NAME(centroid_block)(const codec_t *c, int64_t first, int64_t last, const float *query, int32_t lanes,
                                 int32_t column, int32_t num_tokens, float *exact, uint8_t *table,
                                 int32_t row_bytes, int32_t nprobe, float *best, int32_t *cells, int R, int NV) {
    float thresholds[4 * W > 64 ? 64 : 4 * W];
    int32_t width = num_tokens - column < NV * W ? num_tokens - column : NV * W;
    for (int i = 0; i < NV * W; i++) thresholds[i] = i < width ? best[(int64_t)(column + i) * nprobe + nprobe - 1] : INFINITY;
    for (int64_t k = first; k < last; k += R) {
        vf acc[16] = {{0}};
        float values[16 * W];
        int64_t valid = last - k < R ? last - k : R;
        prefetch(c->centroids + (k + R) * c->dim, last - k > 2 * R ? (int64_t)R * c->dim * 4 : 0);
        if (valid == R) NAME(dots)(c->centroids + k * c->dim, c->dim, c->dim, query + column, lanes, R, NV, acc);
        else
            for (int64_t r = 0; r < valid; r++)
                NAME(dots)(c->centroids + (k + r) * c->dim, c->dim, c->dim, query + column, lanes, 1, NV, acc + r * NV);
        memcpy(values, acc, sizeof(vf) * (size_t)(valid * NV));
        for (int64_t r = 0; r < valid; r++) {
            const float *row = values + r * NV * W;
            if (exact) memcpy(exact + (k + r) * lanes + column, row, sizeof(float) * (size_t)(NV * W));
            uint8_t *out = table + (k + r) * row_bytes + column;
            int beats = 0;
            for (int i = 0; i < NV * W; i += 8) {
                store_levels(row + i, out + i);
                beats |= any_above(row + i, thresholds + i);
            }
            if (!beats) continue;
            for (int32_t i = 0; i < width; i++) {
                if (!(row[i] > thresholds[i])) continue;
                float *mine = best + (int64_t)(column + i) * nprobe;
                int32_t *where = cells + (int64_t)(column + i) * nprobe;
                int32_t j = nprobe - 1;
                for (; j > 0 && mine[j - 1] < row[i]; j--) { mine[j] = mine[j - 1]; where[j] = where[j - 1]; }
                mine[j] = row[i];
                where[j] = (int32_t)(k + r);
                thresholds[i] = mine[nprobe - 1];
            }
        }
    }
}

TARGET int NAME(ck_centroids)(const codec_t *c, int64_t first, int64_t last, const float *query, int32_t lanes,
                              int32_t num_tokens, float *exact, uint8_t *table, int32_t row_bytes, int32_t nprobe,
                              float *best, int32_t *cells) {
    for (int64_t i = 0; i < (int64_t)num_tokens * nprobe; i++) { best[i] = -INFINITY; cells[i] = -1; }
    int32_t column = 0;
#define BLOCK(R, NV) NAME(centroid_block)(c, first, last, query, lanes, column, num_tokens, exact, table, row_bytes, nprobe, best, cells, R, NV)
    for (; lanes - column >= 32; column += 32) { if (W == 8) BLOCK(2, 4 * 8 / W); else BLOCK(4, 32 / W); }
    if (W == 8 && lanes - column == 24) { BLOCK(4, 3); }
    else if (W == 8 && lanes - column == 16) BLOCK(6, 2);
    else if (lanes - column == 16) BLOCK(8, 1);
    else if (W == 8 && lanes - column == 8) BLOCK(8, 1);
#undef BLOCK
    return OK;
}

/* MaxSim of rows with centroids in place of tokens: for each query token the highest level of the row's codes. */
TARGET int NAME(ck_approximate)(const codec_t *c, const segment_t *s, const uint8_t *table, int32_t row_bytes,
                                const uint32_t *rows, int64_t num, uint32_t *out) {
    for (int64_t n = 0; n < num; n++) {
        if (rows[n] >= s->num_rows) return DAMAGED;
        int64_t start = s->offsets[rows[n]], stop = s->offsets[rows[n] + 1];
        uint32_t sum = 0;
        for (int32_t column = 0; column < row_bytes; column += 32) {
            levels_t high = {0}, low = {0};
            int wide = row_bytes - column >= 32;
            for (int64_t t = start; t < stop; t++) {
                int64_t code = code_at(s, t);
                if (code >= c->num_centroids) return DAMAGED;
                const uint8_t *levels = table + code * row_bytes + column;
                low = max_levels(low, load_levels(levels));
                if (wide) high = max_levels(high, load_levels(levels + 16));
            }
            sum += sum_levels(low) + sum_levels(high);
        }
        out[n] = sum;
    }
    return OK;
}

/* What the bytes of a residual stand for, (dim,). */
INLINE void NAME(unpack)(const codec_t *c, const uint8_t *residual, float *x) {
    int32_t per = 8 / c->nbits, bytes = c->dim / per;
    if (per == 2)
        for (int32_t j = 0; j < bytes; j++) memcpy(x + 2 * j, c->weights + 2 * residual[j], 8);
    else if (per == 4)
        for (int32_t j = 0; j < bytes; j++) memcpy(x + 4 * j, c->weights + 4 * residual[j], 16);
    else if (per == 8)
        for (int32_t j = 0; j < bytes; j++) memcpy(x + 8 * j, c->weights + 8 * residual[j], 32);
    else
        for (int32_t j = 0; j < bytes; j++) x[j] = c->weights[residual[j]];
}

/* The same, to half a step of 1/32,767 of the largest weight where that is faster. */
INLINE void NAME(unpack_fast)(const codec_t *c, const uint8_t *residual, float *x) {
#if UNPACK_CODES
    if (c->halves && c->dim % 32 == 0) {
        for (int32_t j = 0; j < c->dim / 2; j += 16) unpack_codes(c, residual + j, x + 2 * j);
        return;
    }
#endif
    NAME(unpack)(c, residual, x);
}

/* One token embedding, not yet of unit length. */
INLINE void NAME(decode)(const codec_t *c, const float *centroid, const uint8_t *residual, float *x) {
    NAME(unpack)(c, residual, x);
    for (int32_t d = 0; d < c->dim; d++) x[d] += centroid[d];
}

INLINE int NAME(rescore_block)(const codec_t *c, const segment_t *s, const float *query, int32_t lanes, int32_t column,
                               int32_t num_tokens, const float *exact, const uint32_t *rows, int64_t num, float *out,
                               int R, int NV) {
    float x[8 * MAX_DIM], zeros[4 * W] = {0};
    int64_t bytes = (int64_t)c->dim * c->nbits / 8;
    int32_t width = num_tokens - column < NV * W ? num_tokens - column : NV * W;
    for (int64_t n = 0; n < num; n++) {
        if (rows[n] >= s->num_rows) return DAMAGED;
        int64_t start = s->offsets[rows[n]], stop = s->offsets[rows[n] + 1];
        if (n + 1 < num && rows[n + 1] < s->num_rows) {
            int64_t next = s->offsets[rows[n + 1]];
            prefetch(s->residuals + next * bytes, next < s->offsets[rows[n + 1] + 1] ? 16 * bytes : 0);
            if (next < s->offsets[rows[n + 1] + 1]) {
                prefetch((const uint8_t *)s->codes + next * s->code_bytes, 64);
                prefetch(s->inverse_norms + next, 64);
            }
        }
        vf best[4];
        for (int v = 0; v < NV; v++) best[v] = (vf){0} - INFINITY;
        for (int64_t t = start; t < stop; t += R) {
            int valid = stop - t < R ? (int)(stop - t) : R;
            vf acc[16] = {{0}};
            const float *similarities[8];
            for (int64_t next = t + 2 * R; exact && next < t + 3 * R && next < stop; next++)
                if (code_at(s, next) < c->num_centroids) __builtin_prefetch(exact + code_at(s, next) * lanes + column);
            for (int r = 0; r < R; r++) similarities[r] = zeros;
            for (int r = 0; r < valid; r++) {
                int64_t code = code_at(s, t + r);
                if (code >= c->num_centroids) return DAMAGED;
                const uint8_t *residual = s->residuals + (t + r) * bytes;
                if (exact) {
                    similarities[r] = exact + code * lanes + column;
                    NAME(unpack_fast)(c, residual, x + r * c->dim);
                } else
                    NAME(decode)(c, c->centroids + code * c->dim, residual, x + r * c->dim);
            }
            NAME(dots)(x, c->dim, c->dim, query + column, lanes, R, NV, acc);
            for (int r = 0; r < valid; r++) {
                float inverse_norm = from_half(s->inverse_norms[t + r]);
                for (int v = 0; v < NV; v++) {
                    vf value = (acc[r * NV + v] + *(const vf *)(similarities[r] + v * W)) * inverse_norm;
                    vi better = value > best[v];
                    best[v] = (vf)(((vi)value & better) | ((vi)best[v] & ~better));
                }
            }
        }
        float sum = 0, values[4 * W];
        memcpy(values, best, sizeof(vf) * (size_t)NV);
        for (int32_t i = 0; i < width; i++) sum += values[i];
        out[n] = column ? out[n] + sum : sum;
    }
    return OK;
}

/* MaxSim of rows from their residual codes, (num,). With `exact`, the similarities of centroids (num_centroids, lanes),
   only the residuals meet the query; without (NULL) decoded tokens do. A row without tokens scores minus infinity. */
TARGET int NAME(ck_rescore)(const codec_t *c, const segment_t *s, const float *query, int32_t lanes, int32_t num_tokens,
                            const float *exact, const uint32_t *rows, int64_t num, float *out) {
    if (c->dim > MAX_DIM) return TOO_WIDE;
    int status = OK;
    int32_t column = 0;
#define BLOCK(R, NV) status = NAME(rescore_block)(c, s, query, lanes, column, num_tokens, exact, rows, num, out, R, NV)
    for (; lanes - column >= 32 && status == OK; column += 32) { if (W == 8) BLOCK(2, 32 / W); else BLOCK(4, 32 / W); }
    if (status != OK) return status;
    if (W == 8 && lanes - column == 24) BLOCK(4, 3);
    else if (W == 8 && lanes - column == 16) BLOCK(6, 2);
    else if (lanes - column == 16) BLOCK(8, 1);
    else if (W == 8 && lanes - column == 8) BLOCK(8, 1);
#undef BLOCK
    return status;
}

/* Residual bytes and float32 norms of tokens whose codes are known: cutoffs below a difference are counted. */
TARGET int NAME(ck_compress)(const codec_t *c, const float *tokens, int64_t num, const uint32_t *codes,
                             const float *cutoffs, const uint8_t *reversed, uint8_t *residuals, float *norms) {
    if (c->dim > MAX_DIM) return TOO_WIDE;
    int32_t per = 8 / c->nbits, num_cutoffs = (1 << c->nbits) - 1;
    int64_t bytes = c->dim / per;
    float x[MAX_DIM];
    int32_t buckets[MAX_DIM];
    for (int64_t t = 0; t < num; t++) {
        if (codes[t] >= c->num_centroids) return DAMAGED;
        const float *centroid = c->centroids + codes[t] * (int64_t)c->dim, *token = tokens + t * c->dim;
        for (int32_t d = 0; d < c->dim; d++) { x[d] = token[d] - centroid[d]; buckets[d] = 0; }
        for (int32_t b = 0; b < num_cutoffs; b++)
            for (int32_t d = 0; d < c->dim; d++) buckets[d] += x[d] > cutoffs[b];
        uint8_t *out = residuals + t * bytes;
        for (int64_t j = 0; j < bytes; j++) {
            uint32_t byte = 0;
            for (int32_t i = 0; i < per; i++) byte = byte << c->nbits | reversed[buckets[j * per + i]];
            out[j] = (uint8_t)byte;
        }
        NAME(decode)(c, centroid, out, x);
        float sum = 0;
        for (int32_t d = 0; d < c->dim; d++) sum += x[d] * x[d];
        norms[t] = sqrtf(sum);
    }
    return OK;
}

/* Token embeddings of unit length, (stop - start, dim). */
TARGET int NAME(ck_decode)(const codec_t *c, const segment_t *s, int64_t start, int64_t stop, float *out) {
    int64_t bytes = (int64_t)c->dim * c->nbits / 8;
    for (int64_t t = start; t < stop; t++) {
        int64_t code = code_at(s, t);
        if (code >= c->num_centroids) return DAMAGED;
        float *x = out + (t - start) * c->dim, inverse_norm = from_half(s->inverse_norms[t]);
        NAME(decode)(c, c->centroids + code * c->dim, s->residuals + t * bytes, x);
        for (int32_t d = 0; d < c->dim; d++) x[d] *= inverse_norm;
    }
    return OK;
}

/* Products of ROWS tokens with one block of a blocked panel: 2 W columns, (dim, 2 W). */
INLINE void NAME(panel)(const float *const *rows, int32_t dim, const float *block, float values[ROWS][2 * W]) {
    vf acc[2 * ROWS];
    UNROLL for (int i = 0; i < 2 * ROWS; i++) acc[i] = (vf){0};
    for (int32_t d = 0; d < dim; d++, block += 2 * W) {
        vf low = *(const vf *)block, high = *(const vf *)(block + W);
        KEEP(low);
        KEEP(high);
        UNROLL for (int r = 0; r < ROWS; r++) {
            acc[2 * r] += rows[r][d] * low;
            acc[2 * r + 1] += rows[r][d] * high;
        }
    }
    memcpy(values, acc, sizeof(float) * 2 * ROWS * W);
}

/* Brings the best of 2 W values to the front, with where it was. */
INLINE void NAME(to_front)(float *values, int32_t *at) {
#define HALVE(N)                                                                                                       \
    if (N <= W)                                                                                                        \
        for (int i = 0; i < N; i++) {                                                                                  \
            at[i] = values[i + N] > values[i] ? at[i + N] : at[i];                                                     \
            values[i] = values[i + N] > values[i] ? values[i + N] : values[i];                                         \
        }
    HALVE(16) HALVE(8) HALVE(4) HALVE(2) HALVE(1)
#undef HALVE
}

/* Which of `size` values, whole blocks of 2 W, is the best. */
INLINE int32_t NAME(best_of)(const float *values, int32_t size) {
    float highest[2 * W];
    int32_t at[2 * W];
    for (int i = 0; i < 2 * W; i++) { highest[i] = values[i]; at[i] = i; }
    for (int32_t first = 2 * W; first < size; first += 2 * W)
        for (int i = 0; i < 2 * W; i++) {
            at[i] = values[first + i] > highest[i] ? first + i : at[i];
            highest[i] = values[first + i] > highest[i] ? values[first + i] : highest[i];
        }
    NAME(to_front)(highest, at);
    return at[0];
}

/* For ROWS tokens, the best column among `size` of blocked panels: blocks of 2 W columns, each (dim, 2 W). The columns
   that fill the last block are the first one again. */
INLINE void NAME(nearest)(const float *const *rows, int32_t dim, const float *panels, int64_t size, float *best,
                          int32_t *where) {
    float highest[ROWS][2 * W], values[ROWS][2 * W];
    int32_t at[ROWS][2 * W];
    for (int r = 0; r < ROWS; r++)
        for (int i = 0; i < 2 * W; i++) { highest[r][i] = -INFINITY; at[r][i] = 0; }
    for (int64_t first = 0; first < size; first += 2 * W, panels += (int64_t)dim * 2 * W) {
        NAME(panel)(rows, dim, panels, values);
        for (int r = 0; r < ROWS; r++)
            for (int i = 0; i < 2 * W; i++) {
                at[r][i] = values[r][i] > highest[r][i] ? (int32_t)first + i : at[r][i];
                highest[r][i] = values[r][i] > highest[r][i] ? values[r][i] : highest[r][i];
            }
    }
    for (int r = 0; r < ROWS; r++) {
        NAME(to_front)(highest[r], at[r]);
        best[r] = highest[r][0];
        where[r] = at[r][0] < size ? at[r][0] : 0;
    }
}

/* The nearest centroid of each token among those of the token's `probe` nearest groups. Centroids lie group by group
   in blocked panels, group g from `starts[g]` floats on with `bounds[g + 1] - bounds[g]` of them; the groups' own
   centres in blocked panels too. Scratch: visits (num * probe,), order (num * probe,), counts (num_groups + 1,). */
TARGET int NAME(ck_assign)(const float *tokens, int64_t num, int32_t dim, const float *groups, int32_t num_groups,
                           const float *panels, const int64_t *starts, const int64_t *bounds, int32_t probe,
                           int32_t *visits, int32_t *order, int64_t *counts, float *best, int32_t *codes) {
    if (probe < 1 || probe > 64 || num_groups < 1 || num_groups > MAX_GROUPS) return TOO_WIDE;
    memset(counts, 0, sizeof(int64_t) * (size_t)(num_groups + 1));
    int32_t padded = (num_groups + 2 * W - 1) / (2 * W) * 2 * W;
    for (int64_t t = 0; t < num; t += ROWS) {
        const float *rows[ROWS];
        float values[ROWS][2 * W], similarities[ROWS][MAX_GROUPS];
        int valid = num - t < ROWS ? (int)(num - t) : ROWS;
        for (int r = 0; r < ROWS; r++) rows[r] = tokens + (r < valid ? t + r : t) * dim;
        for (int32_t first = 0; first < num_groups; first += 2 * W) {
            NAME(panel)(rows, dim, groups + (int64_t)first * dim, values);
            for (int r = 0; r < ROWS; r++) memcpy(similarities[r] + first, values[r], sizeof(values[r]));
        }
        for (int r = 0; r < valid; r++) {
            for (int32_t g = num_groups; g < padded; g++) similarities[r][g] = -INFINITY;
            for (int32_t j = 0; j < probe; j++) {
                int32_t group = NAME(best_of)(similarities[r], padded);
                /* A token that is not a number is near nothing. */
                if (!(similarities[r][group] > -INFINITY)) group = 0;
                similarities[r][group] = -INFINITY;
                visits[(t + r) * probe + j] = group;
                counts[group + 1]++;
            }
            best[t + r] = -INFINITY;
            codes[t + r] = 0;
        }
    }
    for (int32_t g = 0; g < num_groups; g++) counts[g + 1] += counts[g];
    for (int64_t v = 0; v < num * probe; v++) order[counts[visits[v]]++] = (int32_t)(v / probe);
    for (int32_t g = 0; g < num_groups; g++) {
        int64_t stop = counts[g], size = bounds[g + 1] - bounds[g];
        for (int64_t v = g ? counts[g - 1] : 0; v < stop && size; v += ROWS) {
            const float *rows[ROWS];
            float similarity[ROWS];
            int32_t where[ROWS];
            int valid = stop - v < ROWS ? (int)(stop - v) : ROWS;
            for (int r = 0; r < ROWS; r++) rows[r] = tokens + (int64_t)order[r < valid ? v + r : v] * dim;
            for (int64_t next = v + ROWS; next < v + 2 * ROWS && next < num * probe; next++)
                prefetch(tokens + (int64_t)order[next] * dim, 4 * dim);
            NAME(nearest)(rows, dim, panels + starts[g], size, similarity, where);
            for (int r = 0; r < valid; r++) {
                int32_t t = order[v + r];
                if (similarity[r] > best[t]) { best[t] = similarity[r]; codes[t] = (int32_t)bounds[g] + where[r]; }
            }
        }
    }
    return OK;
}

#undef vf
#undef vi
#undef INLINE
#undef TARGET
#undef NAME
#undef W
#undef ROWS
#undef KEEP
#undef UNPACK_CODES
