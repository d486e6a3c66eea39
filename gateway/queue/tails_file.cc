// SPDX-License-Identifier: Apache-2.0
#include "gateway/queue/tails_file.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "common/bytes.h"
#include "gateway/queue/store_files.h"

namespace gateway::queue {

using common::AppendLittleEndian;
using common::ReadLittleEndian;
using pipeline::LogId;
using pipeline::Seq;

namespace {

constexpr std::size_t kChecksum = 8;
constexpr std::size_t kEntry = sizeof(LogId) + sizeof(Seq);

}  // namespace

rocksdb::Status WriteTailsFile(rocksdb::Env* env, const std::string& path,
                               const std::vector<pipeline::LogState>& logs) {
  std::string entries;
  for (const pipeline::LogState& log : logs) {
    AppendLittleEndian(entries, log.log);
    AppendLittleEndian(entries, log.tail);
  }
  std::string bytes;
  AppendLittleEndian(bytes, std::uint64_t{XXH3_64bits(entries.data(), entries.size())});
  bytes += entries;
  const std::string file = PathIn(path, kTailsFile);
  rocksdb::Status status = rocksdb::WriteStringToFile(env, bytes, file + ".new", true);
  if (status.ok()) status = env->RenameFile(file + ".new", file);
  if (status.ok()) status = SyncDirectory(env, path);
  return status;
}

std::unordered_map<LogId, Seq> ReadTailsFile(rocksdb::Env* env, const std::string& path) {
  std::unordered_map<LogId, Seq> tails;
  std::string bytes;
  if (!rocksdb::ReadFileToString(env, PathIn(path, kTailsFile), &bytes).ok()) return tails;
  if (bytes.size() < kChecksum || (bytes.size() - kChecksum) % kEntry != 0) return tails;
  const char* entries = bytes.data() + kChecksum;
  const std::size_t size = bytes.size() - kChecksum;
  if (ReadLittleEndian<std::uint64_t>(bytes.data()) != XXH3_64bits(entries, size)) return tails;
  for (std::size_t at = 0; at < size; at += kEntry) {
    tails.emplace(ReadLittleEndian<LogId>(entries + at),
                  ReadLittleEndian<Seq>(entries + at + sizeof(LogId)));
  }
  return tails;
}

}  // namespace gateway::queue
