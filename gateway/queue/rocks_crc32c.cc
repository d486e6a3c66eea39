// SPDX-License-Identifier: Apache-2.0
#include "gateway/queue/rocks_crc32c.h"

#if defined(__x86_64__)

#include <dlfcn.h>
#include <immintrin.h>

#include <cstdlib>
#include <cstring>

namespace rocksdb::crc32c {
namespace {

using Function = std::uint32_t (*)(std::uint32_t, const char*, std::size_t);

constexpr std::size_t kWord = sizeof(std::uint64_t);
/// Bytes of one of the three parts that are worked out side by side: the instruction takes three
/// cycles, and one can begin in each. A block of RocksDB's log, 32 KiB, is 21 times three parts.
constexpr std::size_t kPart = 512;

/// x to the power `exponent` modulo the polynomial of CRC-32C, the highest bit being x^0.
consteval std::uint32_t PowerOfX(std::size_t exponent) {
  constexpr std::uint32_t kPolynomial = 0x82F63B78;
  std::uint32_t power = 0x80000000;
  for (; exponent > 0; --exponent) power = (power >> 1) ^ ((power & 1) != 0 ? kPolynomial : 0);
  return power;
}

std::uint64_t WordAt(const char* data) {
  std::uint64_t word = 0;
  std::memcpy(&word, data, sizeof(word));
  return word;
}

/// The state `state` once `Bytes` zeros came behind it. The product of two polynomials of this
/// order of bits is one place too low, and the instruction that reduces it multiplies by x^32.
template <std::size_t Bytes>
[[gnu::target("sse4.2,pclmul")]] std::uint64_t BehindZeros(std::uint64_t state) {
  constexpr std::uint32_t kFactor = PowerOfX(8 * Bytes - 33);
  const __m128i product = _mm_clmulepi64_si128(_mm_cvtsi64_si128(static_cast<std::int64_t>(state)),
                                               _mm_cvtsi64_si128(std::int64_t{kFactor}), 0);
  return _mm_crc32_u64(0, static_cast<std::uint64_t>(_mm_cvtsi128_si64(product)));
}

[[gnu::target("sse4.2,pclmul")]] std::uint32_t ExtendWithInstructions(std::uint32_t crc,
                                                                      const char* data,
                                                                      std::size_t size) {
  std::uint64_t state = ~crc;
  for (; size >= 3 * kPart; size -= 3 * kPart) {
    std::uint64_t second = 0;
    std::uint64_t third = 0;
    for (const char* end = data + kPart; data != end; data += kWord) {
      state = _mm_crc32_u64(state, WordAt(data));
      second = _mm_crc32_u64(second, WordAt(data + kPart));
      third = _mm_crc32_u64(third, WordAt(data + 2 * kPart));
    }
    state = BehindZeros<2 * kPart>(state) ^ BehindZeros<kPart>(second) ^ third;
    data += 2 * kPart;
  }
  for (; size >= kWord; size -= kWord, data += kWord) state = _mm_crc32_u64(state, WordAt(data));
  auto rest = static_cast<std::uint32_t>(state);
  for (; size > 0; --size) rest = _mm_crc32_u8(rest, static_cast<unsigned char>(*data++));
  return ~rest;
}

/// The library's own where the processor lacks the instructions.
Function Choose() {
  if (__builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("pclmul")) {
    return ExtendWithInstructions;
  }
  void* const own = ::dlsym(RTLD_NEXT, "_ZN7rocksdb6crc32c6ExtendEjPKcm");
  // Linked against another RocksDB than this one was written for.
  if (own == nullptr) std::abort();
  return reinterpret_cast<Function>(own);
}

}  // namespace

std::uint32_t Extend(std::uint32_t crc, const char* data, std::size_t size) {
  static const Function kBest = Choose();
  return kBest(crc, data, size);
}

}  // namespace rocksdb::crc32c

#endif
