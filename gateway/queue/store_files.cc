// SPDX-License-Identifier: Apache-2.0
#include "gateway/queue/store_files.h"

#include <algorithm>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <system_error>
#include <tuple>
#include <utility>

#include "common/log.h"
#include "gateway/queue/log_file.h"
#include "gateway/queue/logged_changes.h"
#include "gateway/queue/rocks_status.h"

namespace gateway::queue {

using common::ErrorCode;
using common::Fail;
using common::Result;
using common::Status;

namespace {

bool IsNumbered(std::string_view name, std::string_view suffix) {
  return name.size() > suffix.size() && name.ends_with(suffix) &&
         name.find_first_not_of("0123456789") == name.size() - suffix.size();
}

rocksdb::Status ReplaceLogFile(rocksdb::Env* env, const std::string& folder,
                               const std::string& name, const std::string& damaged,
                               const std::string& whole) {
  const std::string file = PathIn(folder, name);
  const std::string kept = PathIn(folder, std::string(kDamagedPrefix) + name);
  common::log::Error("queue_damaged_log_file",
                     "a log file of the store is damaged; what is whole in it is used",
                     {{"file", file},
                      {"bytes", damaged.size()},
                      {"whole_bytes", whole.size()},
                      {"kept_as", kept}});
  rocksdb::Status status = Mark(env, folder, kCheckLogs);
  if (status.ok()) status = rocksdb::WriteStringToFile(env, damaged, kept, true);
  if (status.ok()) status = rocksdb::WriteStringToFile(env, whole, file + ".repaired", true);
  if (status.ok()) status = env->RenameFile(file + ".repaired", file);
  if (status.ok()) status = SyncDirectory(env, folder);
  return status;
}

/// Whole writes in a newer file say that an older one did not end where it ends now.
rocksdb::Status ForEachDamagedLogFile(
    rocksdb::Env* env, const std::string& path,
    const std::function<rocksdb::Status(const std::string& name, const std::string& damaged,
                                        const std::string& whole)>& visit) {
  std::vector<std::string> names;
  rocksdb::Status status = env->GetChildren(path, &names);
  std::erase_if(names, [](const std::string& name) { return !IsLogFile(name); });
  std::ranges::sort(names, [](const std::string& a, const std::string& b) {
    return std::tuple(a.size(), a) > std::tuple(b.size(), b);  // The newest first.
  });
  bool later_writes = false;
  for (auto name = names.begin(); status.ok() && name != names.end(); ++name) {
    std::string bytes;
    status = rocksdb::ReadFileToString(env, PathIn(path, *name), &bytes);
    if (!status.ok()) break;
    const std::optional<std::string> whole = WithoutDamage(bytes, later_writes, WasSynced);
    later_writes = later_writes || HoldsSyncedWrite(bytes, WasSynced);
    if (whole) status = visit(*name, bytes, *whole);
  }
  return status;
}

}  // namespace

std::string PathIn(const std::string& folder, std::string_view name) {
  std::string path = folder;
  path += '/';
  path += name;
  return path;
}

bool IsLogFile(std::string_view name) { return IsNumbered(name, ".log"); }

bool IsTableFile(std::string_view name) { return IsNumbered(name, ".sst"); }

std::string SalvageName(std::string_view family, std::string_view table) {
  std::string name(kSalvagePrefix);
  if (!family.empty()) name.append(family).append("-");
  return name.append(table);
}

SalvagedTable ParseSalvageName(std::string_view name) {
  name.remove_prefix(kSalvagePrefix.size());
  const std::size_t dash = name.rfind('-');
  if (dash == std::string_view::npos) return {.family = {}, .table = std::string(name)};
  return {.family = std::string(name.substr(0, dash)), .table = std::string(name.substr(dash + 1))};
}

rocksdb::Status MoveAside(rocksdb::Env* env, const std::string& path, const std::string& name,
                          const std::string& prefix, std::string number) {
  rocksdb::Status found = env->FileExists(PathIn(path, name));
  if (!found.ok()) return found.IsNotFound() ? rocksdb::Status::OK() : found;
  while ((found = env->FileExists(PathIn(path, prefix + number))).ok()) number.insert(0, "1");
  if (!found.IsNotFound()) return found;
  const rocksdb::Status moved = env->RenameFile(PathIn(path, name), PathIn(path, prefix + number));
  return moved.ok() ? SyncDirectory(env, path) : moved;
}

Result<bool> Exists(rocksdb::Env* env, const std::string& path, std::string_view name) {
  const std::string file = PathIn(path, name);
  const rocksdb::Status found = env->FileExists(file);
  if (found.ok() || found.IsNotFound()) return found.ok();
  return tl::unexpected(ToError(found, "look for " + file));
}

Result<bool> LacksList(rocksdb::Env* env, const std::string& path) {
  Result<bool> set_aside = Exists(env, path, kListLost);
  if (!set_aside || *set_aside) return set_aside;
  Result<bool> current = Exists(env, path, "CURRENT");
  if (!current) return current;
  if (*current) return false;
  std::vector<std::string> names;
  const rocksdb::Status listed = env->GetChildren(path, &names);
  if (!listed.ok()) return tl::unexpected(ToError(listed, "list the files in " + path));
  return std::ranges::any_of(
      names, [](const std::string& name) { return IsLogFile(name) || IsTableFile(name); });
}

bool IsListTorn(rocksdb::Env* env, const std::string& path) {
  std::string name;
  std::string list;
  rocksdb::Status read = rocksdb::ReadFileToString(env, PathIn(path, "CURRENT"), &name);
  name = name.substr(0, name.find('\n'));
  if (read.ok()) read = rocksdb::ReadFileToString(env, PathIn(path, name), &list);
  // RocksDB complains about one that it cannot read.
  return read.ok() && !IsWhole(list);
}

Status MakeStoreDirectory(rocksdb::Env* env, const std::string& path) {
  const std::filesystem::path parent = std::filesystem::path(path).parent_path();
  std::error_code error;
  if (env == rocksdb::Env::Default() && !parent.empty()) {
    std::filesystem::create_directories(parent, error);
  }
  const rocksdb::Status made = env->CreateDirIfMissing(path);
  if (error || !made.ok()) {
    return Fail(ErrorCode::kIo, "storage directory " + path + " cannot be made (" +
                                    (error ? error.message() : made.ToString()) +
                                    "): create it, or set storage.path to a directory that "
                                    "this user may write");
  }
  // Learn now, in plain words, what would else be the first event's problem.
  const std::string probe = PathIn(path, "write-probe");
  rocksdb::Status written = rocksdb::WriteStringToFile(env, "probe", probe, true);
  if (written.ok()) written = env->DeleteFile(probe);
  if (!written.ok()) {
    return Fail(written.IsNoSpace() ? ErrorCode::kNoSpace : ErrorCode::kIo,
                "storage directory " + path + " cannot be written (" + written.ToString() +
                    "): check its owner, its mount and the free space");
  }
  return common::Ok();
}

rocksdb::Status SyncDirectory(rocksdb::Env* env, const std::string& path) {
  std::unique_ptr<rocksdb::Directory> directory;
  rocksdb::Status status = env->NewDirectory(path, &directory);
  if (status.ok()) status = directory->Fsync();
  return status;
}

rocksdb::Status Mark(rocksdb::Env* env, const std::string& path, std::string_view mark) {
  const rocksdb::Status written = rocksdb::WriteStringToFile(env, "", PathIn(path, mark), true);
  return written.ok() ? SyncDirectory(env, path) : written;
}

rocksdb::Status Unmark(rocksdb::Env* env, const std::string& path, std::string_view mark) {
  const rocksdb::Status found = env->FileExists(PathIn(path, mark));
  if (!found.ok()) return found.IsNotFound() ? rocksdb::Status::OK() : found;
  return env->DeleteFile(PathIn(path, mark));
}

Status CheckRestored(rocksdb::Env* env, const std::string& path) {
  const Result<bool> incomplete = Exists(env, path, kRestoreIncomplete);
  if (!incomplete) return tl::unexpected(incomplete.error());
  if (!*incomplete) return common::Ok();
  return Fail(ErrorCode::kInvalidArgument,
              "a backup is being restored to " + path +
                  ", or a restore was cut short (there is a file " +
                  std::string(kRestoreIncomplete) +
                  "): it holds a part of the events; when no restore runs, empty the directory "
                  "and restore the backup again");
}

Status RepairLogFiles(rocksdb::Env* env, const std::string& path) {
  const rocksdb::Status repaired = ForEachDamagedLogFile(
      env, path,
      [&](const std::string& name, const std::string& damaged, const std::string& whole) {
        return ReplaceLogFile(env, path, name, damaged, whole);
      });
  if (!repaired.ok()) return tl::unexpected(ToError(repaired, "check the log files in " + path));
  return common::Ok();
}

std::vector<std::string> DamagedLogFiles(rocksdb::Env* env, const std::string& path) {
  std::vector<std::string> damaged;
  // What cannot be read here could not be opened either.
  ForEachDamagedLogFile(env, path,
                        [&](const std::string& name, const std::string&, const std::string&) {
                          damaged.push_back(name);
                          return rocksdb::Status::OK();
                        })
      .PermitUncheckedError();
  return damaged;
}

}  // namespace gateway::queue
