// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/queue_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace tests {

namespace {

using Log = QueueModel::Log;

void Apply(const QueueModel::Append& append, Log& log) {
  for (const QueueModel::Event& event : append.events) {
    const bool remembered = append.dedupe && event.id != 0;
    if (remembered && !log.ids.insert(event.id).second) continue;
    log.pending.push_back(event.text);
  }
  std::ranges::copy(append.rejected, std::back_inserter(log.refused));
}

void Apply(const QueueModel::Settle& settle, Log& log) {
  log.pending.erase(log.pending.begin(),
                    log.pending.begin() + static_cast<std::ptrdiff_t>(settle.next - log.next));
  log.next = settle.next;
  log.attempts = settle.attempts;
  std::ranges::copy(settle.dead, std::back_inserter(log.dead));
}

template <typename Texts>
std::string Differ(const char* what, const Texts& expected, const Texts& observed) {
  const auto [e, o] = std::ranges::mismatch(expected, observed);
  if (e == expected.end() && o == observed.end()) return "";
  const auto shown = [](const auto& texts, auto at) {
    return at == texts.end() ? std::string("nothing") : at->substr(0, 60);
  };
  return fmt::format("{}: {} expected, {} there; number {} is {} and not {}", what, expected.size(),
                     observed.size(), std::distance(expected.begin(), e), shown(observed, o),
                     shown(expected, e));
}

std::string DifferByTheOldest(const std::vector<std::string>& expected,
                              const std::vector<std::string>& observed) {
  const std::size_t most = std::min(expected.size(), observed.size());
  const std::vector<std::string> latest(expected.end() - static_cast<std::ptrdiff_t>(most),
                                        expected.end());
  if (observed.empty() && !expected.empty()) return "refused events: none is kept";
  return Differ("refused events", latest, observed);
}

std::string Differ(const Log& expected, const Log& observed, bool refused_may_go) {
  if (expected.tenant != observed.tenant) return "the tenant is " + observed.tenant;
  if (expected.next != observed.next) {
    return fmt::format("the cursor is {} and not {}", observed.next, expected.next);
  }
  if (expected.attempts != observed.attempts) return "the retry state is another";
  std::string found = Differ("pending events", expected.pending, observed.pending);
  if (found.empty()) found = Differ("dead letters", expected.dead, observed.dead);
  if (!found.empty()) return found;
  return refused_may_go ? DifferByTheOldest(expected.refused, observed.refused)
                        : Differ("refused events", expected.refused, observed.refused);
}

}  // namespace

std::uint64_t QueueModel::stored() const {
  std::uint64_t sum = 0;
  for (const auto& [id, log] : logs) sum += log.tail() + log.refused.size();
  return sum;
}

void QueueModel::Apply(const std::vector<Change>& commit) {
  for (const Change& change : commit) {
    if (const auto* append = std::get_if<Append>(&change)) tests::Apply(*append, logs[append->log]);
  }
  for (const Change& change : commit) {
    if (const auto* settle = std::get_if<Settle>(&change)) tests::Apply(*settle, logs[settle->log]);
  }
}

std::string QueueModel::Difference(const Observed& observed, bool refused_may_go) const {
  for (const auto& [id, log] : logs) {
    const auto found = observed.logs.find(id);
    if (found == observed.logs.end()) return fmt::format("log {} is not there", id);
    const std::string difference = Differ(log, found->second, refused_may_go);
    if (!difference.empty()) return fmt::format("log {}: {}", id, difference);
  }
  return "";
}

}  // namespace tests
