/* The hot loops of search and build, once for each instruction set; which one runs is decided when the program runs.

   Compiled with -fno-math-errno -fno-trapping-math -fno-signed-zeros -fassociative-math and never with -ffast-math,
   which would make every thread of the loading process flush denormals to zero. Every function checks the codes and
   rows that it reads from files: DAMAGED instead of a read outside of an array. twin.py says the same in NumPy. */
#include <math.h>
#include <stdint.h>
#include <string.h>

#define OK 0
#define DAMAGED 1
#define TOO_WIDE 2
#define MAX_DIM 4096
#define MAX_TOKENS 65535
#define MAX_GROUPS 1024 /* whole blocks of 2 W */

/* What a function may need of an index, in one place; the members' meaning is in native.py. */
typedef struct {
    const float *centroids;         /* (num_centroids, dim) */
    const float *weights;           /* (256, 8 / nbits): what each byte of a residual stands for */
    const uint8_t *halves;          /* 4 bits: low and high bytes of each code's weight in steps, (2, 16); else NULL */
    float step;
    int64_t num_centroids;
    int32_t dim, nbits;
} codec_t;

typedef struct {
    const void *codes;              /* (num_tokens,), uint16 or uint32 */
    const uint8_t *residuals;       /* (num_tokens, dim * nbits / 8) */
    const uint16_t *inverse_norms;  /* (num_tokens,), float16 */
    const int64_t *offsets;         /* (num_rows + 1,) */
    const int64_t *posting_offsets; /* (num_lists + 1,) */
    const uint32_t *postings;
    int64_t num_rows, num_lists;
    int32_t code_bytes;
} segment_t;

static inline int64_t code_at(const segment_t *s, int64_t token) {
    return s->code_bytes == 2 ? ((const uint16_t *)s->codes)[token] : ((const uint32_t *)s->codes)[token];
}

/* Never faults, wherever it points. */
static inline void prefetch(const void *from, int64_t bytes) {
    for (int64_t i = 0; i < bytes; i += 64) __builtin_prefetch((const char *)from + i);
}

static inline float from_half(uint16_t half) {
    /* Moves the exponent and lets one product with 2^112 mend its bias, denormals included; norms have no sign. */
    uint32_t bits = (uint32_t)(half & 0x7fff) << 13;
    float value;
    memcpy(&value, &bits, 4);
    return value * 0x1p112f;
}

/* Sixteen levels at a time; every x86-64 has the instructions, and compilers find those of others. */
#if defined(__x86_64__)
#include <immintrin.h>
typedef __m128i levels_t;
static inline levels_t load_levels(const uint8_t *p) { return _mm_loadu_si128((const __m128i *)p); }
static inline levels_t max_levels(levels_t a, levels_t b) { return _mm_max_epu8(a, b); }
/* Eight similarities as levels; the packing saturates at 0 and 255. */
static inline void store_levels(const float *values, uint8_t *levels) {
    /* The order of operands keeps what is not a number, which then becomes the least integer, and so level 0. */
    __m128 one = _mm_set1_ps(1.0f), scale = _mm_set1_ps(255.0f);
    __m128i low = _mm_cvtps_epi32(_mm_mul_ps(_mm_min_ps(one, _mm_loadu_ps(values)), scale));
    __m128i high = _mm_cvtps_epi32(_mm_mul_ps(_mm_min_ps(one, _mm_loadu_ps(values + 4)), scale));
    __m128i words = _mm_packs_epi32(low, high);
    _mm_storel_epi64((__m128i *)levels, _mm_packus_epi16(words, words));
}
static inline int any_above(const float *values, const float *thresholds) {
    __m128 low = _mm_cmpgt_ps(_mm_loadu_ps(values), _mm_loadu_ps(thresholds));
    __m128 high = _mm_cmpgt_ps(_mm_loadu_ps(values + 4), _mm_loadu_ps(thresholds + 4));
    return _mm_movemask_ps(_mm_or_ps(low, high));
}
static inline uint32_t sum_levels(levels_t a) {
    __m128i sums = _mm_sad_epu8(a, _mm_setzero_si128());
    return (uint32_t)(_mm_cvtsi128_si32(sums) + _mm_cvtsi128_si32(_mm_srli_si128(sums, 8)));
}
#else
typedef struct { uint8_t level[16]; } levels_t;
static inline levels_t load_levels(const uint8_t *p) { levels_t a; memcpy(&a, p, 16); return a; }
static inline levels_t max_levels(levels_t a, levels_t b) {
    for (int i = 0; i < 16; i++) a.level[i] = a.level[i] > b.level[i] ? a.level[i] : b.level[i];
    return a;
}
static inline void store_levels(const float *values, uint8_t *levels) {
    for (int i = 0; i < 8; i++) {
        float level = values[i] * 255.0f;
        level = level > 0 ? level : 0;
        levels[i] = (uint8_t)nearbyintf(level < 255 ? level : 255);
    }
}
static inline int any_above(const float *values, const float *thresholds) {
    int above = 0;
    for (int i = 0; i < 8; i++) above |= values[i] > thresholds[i];
    return above;
}
static inline uint32_t sum_levels(levels_t a) {
    uint32_t sum = 0;
    for (int i = 0; i < 16; i++) sum += a.level[i];
    return sum;
}
#endif

#if defined(__x86_64__)
/* Sixteen bytes of 4-bit codes as 32 floats: table look-ups in a register instead of in memory. */
static inline __attribute__((target("avx2"))) void unpack_codes(const codec_t *c, const uint8_t *residual, float *x) {
    __m128i low_halves = _mm_loadu_si128((const __m128i *)c->halves);
    __m128i high_halves = _mm_loadu_si128((const __m128i *)(c->halves + 16));
    __m128i mask = _mm_set1_epi8(15), bytes = _mm_loadu_si128((const __m128i *)residual);
    __m128i first = _mm_and_si128(_mm_srli_epi16(bytes, 4), mask), second = _mm_and_si128(bytes, mask);
    __m128i codes[2] = {_mm_unpacklo_epi8(first, second), _mm_unpackhi_epi8(first, second)};
    __m256 step = _mm256_set1_ps(c->step);
    for (int i = 0; i < 2; i++) {
        __m128i low = _mm_shuffle_epi8(low_halves, codes[i]), high = _mm_shuffle_epi8(high_halves, codes[i]);
        __m256i words = _mm256_cvtepi16_epi32(_mm_unpacklo_epi8(low, high));
        _mm256_storeu_ps(x + 16 * i, _mm256_mul_ps(_mm256_cvtepi32_ps(words), step));
        words = _mm256_cvtepi16_epi32(_mm_unpackhi_epi8(low, high));
        _mm256_storeu_ps(x + 16 * i + 8, _mm256_mul_ps(_mm256_cvtepi32_ps(words), step));
    }
}
#endif

static inline float clamped(float value) { return value < 0 ? 0 : value > 1 ? 1 : value; }

/* Without it arrays of vectors may stay in memory, which made the innermost loop take three times as long. */
#define UNROLL _Pragma("GCC unroll 32")

/* KEEP holds a vector in a register, where the compiler would load it again for every product. */
#define TARGET
#define NAME(f) f##_baseline
#define W 8
#define ROWS 6
#define KEEP(x)
#define UNPACK_CODES 0
#include "body.h"

#if defined(__x86_64__)
#define TARGET __attribute__((target("avx2,fma,bmi2")))
#define NAME(f) f##_avx2
#define W 8
#define ROWS 6
#define KEEP(x) __asm__("" : "+x"(x))
#define UNPACK_CODES 1
#include "body.h"

#define TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,bmi2")))
#define NAME(f) f##_avx512
#define W 16
#define ROWS 12
#define KEEP(x) __asm__("" : "+v"(x))
#define UNPACK_CODES 1
#include "body.h"
#endif

/* 0 baseline, 1 avx2, 2 avx512: the widest this processor runs. */
int ck_widest(void) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512dq"))
        return 2;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2"))
        return 1;
#endif
    return 0;
}

/* Adds, for each query token, the similarity of its probed cells to the rows they list. A row counts once a token, with
   the best of its cells, as cells come best first; a token that does not meet a row stands at its last cell's
   similarity for all rows alike, and so adds nothing. `sums` and `stamps` (num_rows,) are zero before and after.
   Stamps hold the numbers of MAX_TOKENS tokens; later ones add nothing, long after sums have reached their end.
   Found rows go to `found` with their sums; returns how many, or -1 where the postings are damaged. */
int64_t ck_accumulate(const segment_t *s, const int32_t *cells, const float *similarities, int32_t num_tokens,
                      int32_t nprobe, const uint8_t *allowed, uint16_t *sums, uint16_t *stamps, uint32_t *found,
                      uint32_t *found_sums) {
    int64_t count = 0;
    int damaged = 0;
    if (num_tokens > MAX_TOKENS) num_tokens = MAX_TOKENS;
    for (int32_t i = 0; i < num_tokens && !damaged; i++) {
        float last = clamped(similarities[(int64_t)i * nprobe + nprobe - 1]);
        for (int32_t j = 0; j < nprobe && !damaged; j++) {
            int64_t cell = cells[(int64_t)i * nprobe + j];
            if (cell < 0 || cell >= s->num_lists) continue; /* a cell that is younger than the segment lists nothing */
            uint16_t gain = (uint16_t)(255 * (clamped(similarities[(int64_t)i * nprobe + j]) - last) + 0.5f);
            int64_t stop = s->posting_offsets[cell + 1];
            for (int64_t p = s->posting_offsets[cell]; p < stop; p++) {
                uint32_t row = s->postings[p];
                if (row >= s->num_rows) { damaged = 1; break; }
                if (allowed && !allowed[row]) continue;
                if (!stamps[row]) found[count++] = row;
                if (stamps[row] == i + 1) continue;
                stamps[row] = (uint16_t)(i + 1);
                uint32_t sum = (uint32_t)sums[row] + gain;
                sums[row] = (uint16_t)(sum > 65535 ? 65535 : sum);
            }
        }
    }
    for (int64_t n = 0; n < count; n++) {
        found_sums[n] = sums[found[n]];
        sums[found[n]] = stamps[found[n]] = 0;
    }
    return damaged ? -1 : count;
}

/* Counting sort of token codes into lists: for each cell the rows that have it, each once, ascending.
   `offsets` (num_lists + 1,) and `postings` (num_tokens,) are filled, `last_row` (num_lists,) is scratch.
   Returns the length of postings, or -1 where a code is out of range. */
int64_t ck_postings(const segment_t *s, int64_t *offsets, uint32_t *postings, int64_t *last_row) {
    for (int64_t pass = 0; pass < 2; pass++) {
        for (int64_t c = 0; c < s->num_lists; c++) last_row[c] = -1;
        for (int64_t row = 0; row < s->num_rows; row++) {
            for (int64_t t = s->offsets[row]; t < s->offsets[row + 1]; t++) {
                int64_t code = code_at(s, t);
                if (code >= s->num_lists) return -1;
                if (last_row[code] == row) continue;
                last_row[code] = row;
                if (pass == 0) offsets[code + 1]++;
                else postings[offsets[code]++] = (uint32_t)row;
            }
        }
        if (pass == 0)
            for (int64_t c = 0; c < s->num_lists; c++) offsets[c + 1] += offsets[c];
    }
    int64_t total = s->num_lists ? offsets[s->num_lists - 1] : 0;
    for (int64_t c = s->num_lists; c > 0; c--) offsets[c] = offsets[c - 1];
    offsets[0] = 0;
    return total;
}
