// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

namespace common {

static_assert(std::endian::native == std::endian::little,
              "Stored integers are converted from a little-endian machine.");

template <std::unsigned_integral T>
constexpr T ByteSwap(T value) {
  if constexpr (sizeof(T) == 1) return value;
  if constexpr (sizeof(T) == 2) return __builtin_bswap16(value);
  if constexpr (sizeof(T) == 4) return __builtin_bswap32(value);
  if constexpr (sizeof(T) == 8) return __builtin_bswap64(value);
}

/// Appends `value` in big-endian order: keys sort as their numbers do.
template <std::unsigned_integral T>
void AppendBigEndian(std::string& out, T value) {
  const T swapped = ByteSwap(value);
  char raw[sizeof(T)];
  std::memcpy(raw, &swapped, sizeof(T));
  out.append(raw, sizeof(T));
}

/// Reads sizeof(T) bytes at `p`; the caller has checked that they are there.
template <std::unsigned_integral T>
T ReadBigEndian(const char* p) {
  T value;
  std::memcpy(&value, p, sizeof(T));
  return ByteSwap(value);
}

template <std::unsigned_integral T>
void AppendLittleEndian(std::string& out, T value) {
  char raw[sizeof(T)];
  std::memcpy(raw, &value, sizeof(T));
  out.append(raw, sizeof(T));
}

template <std::unsigned_integral T>
T ReadLittleEndian(const char* p) {
  T value;
  std::memcpy(&value, p, sizeof(T));
  return value;
}

}  // namespace common
