// SPDX-License-Identifier: Apache-2.0
#include "gateway/queue/rocks_crc32c.h"

#if defined(__x86_64__)

#include <dlfcn.h>
#include <nmmintrin.h>

#include <cstring>

namespace rocksdb::crc32c {
namespace {

using Function = std::uint32_t (*)(std::uint32_t, const char*, std::size_t);

[[gnu::target("sse4.2")]] std::uint32_t ExtendWithInstruction(std::uint32_t crc, const char* data,
                                                              std::size_t size) {
  std::uint64_t state = ~crc;
  for (; size >= sizeof(std::uint64_t); size -= sizeof(std::uint64_t)) {
    std::uint64_t word = 0;
    std::memcpy(&word, data, sizeof(word));
    state = _mm_crc32_u64(state, word);
    data += sizeof(word);
  }
  auto rest = static_cast<std::uint32_t>(state);
  for (; size > 0; --size) rest = _mm_crc32_u8(rest, static_cast<unsigned char>(*data++));
  return ~rest;
}

/// The library's own where the processor lacks the instruction.
Function Choose() {
  if (__builtin_cpu_supports("sse4.2")) return ExtendWithInstruction;
  return reinterpret_cast<Function>(::dlsym(RTLD_NEXT, "_ZN7rocksdb6crc32c6ExtendEjPKcm"));
}

}  // namespace

std::uint32_t Extend(std::uint32_t crc, const char* data, std::size_t size) {
  static const Function kBest = Choose();
  return kBest(crc, data, size);
}

}  // namespace rocksdb::crc32c

#endif
