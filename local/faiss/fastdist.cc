// Debian builds libfaiss for any x86-64, so its scalar kernels are no faster than a loop in JavaScript. These are the
// same functions as plain loops, compiled once per processor level; the right one is chosen when the addon is loaded.
// Linked before the archive with -z muldefs, so that they win over its copies (exact.test.ts compares the results).
// Compile with -O3 -ffast-math; don't pass -ffast-math when linking.
#include <cstddef>

#if defined(__x86_64__) && defined(__linux__)
#define LEVELS __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define LEVELS
#endif

namespace faiss {

// One query against all vectors is bound by memory. The processor's own prefetcher stops at page ends (one page holds
// less than three vectors of 384); asking for what comes 2 kB later takes up to a third off (docs/decisions).
LEVELS float fvec_inner_product(const float* x, const float* y, size_t d) {
#if defined(__GNUC__)
    for (size_t i = 0; i < d; i += 16) __builtin_prefetch(y + i + 512);
#endif
    float sum = 0;
    for (size_t i = 0; i < d; i++) sum += x[i] * y[i];
    return sum;
}

LEVELS float fvec_L2sqr(const float* x, const float* y, size_t d) {
    float sum = 0;
    for (size_t i = 0; i < d; i++) {
        const float difference = x[i] - y[i];
        sum += difference * difference;
    }
    return sum;
}

LEVELS float fvec_norm_L2sqr(const float* x, size_t d) {
    float sum = 0;
    for (size_t i = 0; i < d; i++) sum += x[i] * x[i];
    return sum;
}

LEVELS void fvec_inner_products_ny(float* out, const float* x, const float* y, size_t d, size_t ny) {
    for (size_t j = 0; j < ny; j++, y += d) {
        float sum = 0;
        for (size_t i = 0; i < d; i++) sum += x[i] * y[i];
        out[j] = sum;
    }
}

LEVELS void fvec_L2sqr_ny(float* out, const float* x, const float* y, size_t d, size_t ny) {
    for (size_t j = 0; j < ny; j++, y += d) {
        float sum = 0;
        for (size_t i = 0; i < d; i++) {
            const float difference = x[i] - y[i];
            sum += difference * difference;
        }
        out[j] = sum;
    }
}

} // namespace faiss
