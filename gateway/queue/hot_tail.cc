// SPDX-License-Identifier: Apache-2.0
#include "gateway/queue/hot_tail.h"

#include <iterator>
#include <utility>

#include "gateway/queue/batch_filler.h"

namespace gateway::queue {

using pipeline::Chunk;
using pipeline::LogId;
using pipeline::Seq;

std::uint64_t HotTail::Cost(const Chunk& chunk) {
  constexpr std::uint64_t kBookkeeping = sizeof(Chunk) + sizeof(Entry) + 64;
  return chunk.storage.capacity() + chunk.ends.capacity() * sizeof(std::uint32_t) + kBookkeeping;
}

void HotTail::PopOldest(Runs::iterator run) {
  const Order::iterator oldest = run->second.oldest;
  bytes_ -= Cost(*oldest->chunk);
  if (oldest == run->second.newest) {
    runs_.erase(run);
  } else {
    run->second.oldest = oldest->next_in_log;
  }
  order_.erase(oldest);
}

void HotTail::Insert(LogId log, std::shared_ptr<const Chunk> chunk) {
  const std::scoped_lock lock(mutex_);
  bytes_ += Cost(*chunk);
  order_.push_back({.log = log, .chunk = std::move(chunk), .next_in_log = {}});
  const auto added = std::prev(order_.end());
  const auto [run, is_new] = runs_.try_emplace(log, Run{.oldest = added, .newest = added});
  if (!is_new) {
    run->second.newest->next_in_log = added;
    run->second.newest = added;
  }
  // The front of `order_` is also the oldest of its own log, so runs stay consecutive.
  while (bytes_ > budget_) PopOldest(runs_.find(order_.front().log));
}

bool HotTail::Read(const pipeline::ReadRequest& request, pipeline::ReadBatch& batch) const {
  const Seq next = request.from.next();
  const std::scoped_lock lock(mutex_);
  const auto run = runs_.find(request.log);
  if (run == runs_.end()) return false;
  Order::iterator at = run->second.oldest;
  const Order::iterator newest = run->second.newest;
  if (next < at->chunk->first || next >= newest->chunk->end()) return false;
  while (at->chunk->end() <= next) at = at->next_in_log;
  auto from = static_cast<std::uint32_t>(next - at->chunk->first);
  while (AddToBatch(request, at->chunk, from, batch) && at != newest) {
    at = at->next_in_log;
    from = 0;
  }
  return true;
}

void HotTail::DropSettled(LogId log, Seq next) {
  const std::scoped_lock lock(mutex_);
  for (auto run = runs_.find(log); run != runs_.end() && run->second.oldest->chunk->end() <= next;
       run = runs_.find(log)) {
    PopOldest(run);
  }
}

std::uint64_t HotTail::bytes() const {
  const std::scoped_lock lock(mutex_);
  return bytes_;
}

}  // namespace gateway::queue
