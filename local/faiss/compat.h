// FAISS before 1.7.4 (Debian 12 has 1.7.3) calls its label type Index::idx_t only; faiss-node 0.5.1 says faiss::idx_t.
#pragma once
#include <faiss/Index.h>
#if FAISS_VERSION_MAJOR == 1 && (FAISS_VERSION_MINOR < 7 || (FAISS_VERSION_MINOR == 7 && FAISS_VERSION_PATCH < 4))
namespace faiss {
using idx_t = Index::idx_t;
}
#endif
