// SPDX-License-Identifier: Apache-2.0
//
// Preloaded into the binary by clock.py: its calendar time is the machine's plus the
// nanoseconds in the file that GATEWAY_MOVED_CLOCK names, and may jump at any moment. The
// monotonic clock stays as it is, as it does when an operator or NTP sets the machine's clock.
//
// Nothing here allocates or looks at the environment after the start: an allocator asks for
// the time before it can serve the first allocation.
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <ctime>

namespace {

constexpr std::int64_t kSecond = 1'000'000'000;
// What is smaller is no calendar time: a condition that waits by the monotonic clock.
constexpr std::int64_t kOldestCalendar = 365LL * 24 * 3600;

using CondClockWait = int (*)(pthread_cond_t*, pthread_mutex_t*, clockid_t, const timespec*);

std::atomic<const std::atomic<std::int64_t>*> offset_ns{nullptr};
std::atomic<CondClockWait> cond_clock_wait{nullptr};

timespec Plus(timespec time, std::int64_t nanoseconds) {
  const std::int64_t sum = time.tv_nsec + nanoseconds;
  const std::int64_t seconds = sum / kSecond - (sum % kSecond < 0 ? 1 : 0);
  time.tv_sec += static_cast<time_t>(seconds);
  time.tv_nsec = sum - seconds * kSecond;
  return time;
}

std::int64_t Offset() {
  const auto* offset = offset_ns.load(std::memory_order_acquire);
  return offset == nullptr ? 0 : offset->load(std::memory_order_relaxed);
}

__attribute__((constructor)) void Open() {
  const char* path = std::getenv("GATEWAY_MOVED_CLOCK");
  if (path == nullptr) return;
  const int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) std::abort();
  void* mapped = mmap(nullptr, sizeof(std::int64_t), PROT_READ, MAP_SHARED, file, 0);
  close(file);
  if (mapped == MAP_FAILED) std::abort();
  cond_clock_wait = reinterpret_cast<CondClockWait>(dlsym(RTLD_NEXT, "pthread_cond_clockwait"));
  if (cond_clock_wait.load() == nullptr) std::abort();
  offset_ns = static_cast<const std::atomic<std::int64_t>*>(mapped);
}

}  // namespace

extern "C" {

int clock_gettime(clockid_t clock, timespec* time) noexcept {
  const int result = static_cast<int>(syscall(SYS_clock_gettime, clock, time));
  if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
    *time = Plus(*time, Offset());
  }
  return result;
}

int gettimeofday(timeval* time, void* /*zone*/) noexcept {
  timespec now{};
  const int result = clock_gettime(CLOCK_REALTIME, &now);
  *time = {now.tv_sec, now.tv_nsec / 1000};
  return result;
}

time_t time(time_t* out) noexcept {
  timespec now{};
  clock_gettime(CLOCK_REALTIME_COARSE, &now);
  if (out != nullptr) *out = now.tv_sec;
  return now.tv_sec;
}

// Until a moment of the moved clock; a jump during the wait is not seen by it.
int pthread_cond_timedwait(pthread_cond_t* condition, pthread_mutex_t* mutex,
                           const timespec* until) {
  const bool calendar = until->tv_sec > kOldestCalendar;
  const timespec at = calendar ? Plus(*until, -Offset()) : *until;
  return cond_clock_wait.load()(condition, mutex, calendar ? CLOCK_REALTIME : CLOCK_MONOTONIC, &at);
}

}  // extern "C"
