// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

/// RocksDB's CRC-32C, which its installed headers do not declare.
///
/// On x86-64 rocks_crc32c.cc defines it again. Distributions build RocksDB for the oldest
/// processors, where it uses tables: a third of the committer's CPU, for every byte of the log
/// file goes through it. The library calls it through the dynamic linker, which takes the
/// program's definition before the library's, and this one uses the processor's instruction.
/// The values are the same, so the files are too.
namespace rocksdb::crc32c {

/// The checksum of a text with `size` bytes of `data` behind it; `crc` is the text's, 0 of none.
/// Thread-safe.
std::uint32_t Extend(std::uint32_t crc, const char* data, std::size_t size);

}  // namespace rocksdb::crc32c
