#include "libstore/io/file_map.h"

#include <signal.h>
#include <sys/mman.h>

#include <array>
#include <atomic>
#include <mutex>

namespace rmq::io::posix {
namespace {

constexpr std::uintptr_t kPage = 4096;

// A signal handler has no other way to learn of maps than a place that is always there.
struct Guarded {
  std::atomic<std::uintptr_t> begin{0};  // 0: free, kTaken: being filled
  std::atomic<std::uintptr_t> end{0};
  std::atomic<bool> failed{false};
};
constexpr std::uintptr_t kTaken = 1;
constexpr std::size_t kMostMaps = 64;
std::array<Guarded, kMostMaps> guarded;
struct sigaction before_us;

// Puts zeros where a page cannot be read; the access is then made again.
void take_bus_error(int signal, siginfo_t* info, void* /*context*/) {
  const auto at = reinterpret_cast<std::uintptr_t>(info->si_addr);
  for (Guarded& one : guarded) {
    const std::uintptr_t begin = one.begin.load(std::memory_order_acquire);
    if (info->si_code <= 0 || begin <= kTaken || at < begin || at >= one.end.load(std::memory_order_relaxed))
      continue;
    void* const page = reinterpret_cast<void*>(at / kPage * kPage);
    constexpr int kFlags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
    if (::mmap(page, kPage, PROT_READ, kFlags, -1, 0) == MAP_FAILED) break;
    one.failed.store(true, std::memory_order_release);
    return;
  }
  ::sigaction(signal, &before_us, nullptr);  // not ours: the access, made again, gets what it would have got
}

}  // namespace

void guard_file_maps() {
  static std::once_flag once;
  std::call_once(once, [] {
    struct sigaction ours{};
    ours.sa_sigaction = take_bus_error;
    ours.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK;
    ::sigemptyset(&ours.sa_mask);
    ::sigaction(SIGBUS, &ours, &before_us);
  });
}

std::unique_ptr<FileMap> FileMap::map(int descriptor, std::int64_t size) {
  std::size_t number = 0;
  for (; number < kMostMaps; ++number) {
    std::uintptr_t free = 0;
    if (guarded[number].begin.compare_exchange_strong(free, kTaken)) break;
  }
  if (number == kMostMaps) return nullptr;
  Guarded& guard = guarded[number];
  void* const at = ::mmap(nullptr, static_cast<std::size_t>(size), PROT_READ, MAP_SHARED, descriptor, 0);
  if (at == MAP_FAILED) {
    guard.begin.store(0);
    return nullptr;
  }
  const auto begin = reinterpret_cast<std::uintptr_t>(at);
  guard.failed.store(false);
  guard.end.store(begin + static_cast<std::uintptr_t>(size));
  guard.begin.store(begin, std::memory_order_release);
  const std::span<std::byte> bytes(static_cast<std::byte*>(at), static_cast<std::size_t>(size));
  return std::unique_ptr<FileMap>(new FileMap(bytes, number));
}

FileMap::~FileMap() {
  ::munmap(bytes_.data(), bytes_.size());
  guarded[guard_].begin.store(0);
}

bool FileMap::load(std::int64_t position, std::int64_t length) {
#ifdef MADV_POPULATE_READ
  const std::int64_t from = position / static_cast<std::int64_t>(kPage) * static_cast<std::int64_t>(kPage);
  return ::madvise(bytes_.data() + from, static_cast<std::size_t>(position - from + length),
                   MADV_POPULATE_READ) == 0;
#else
  static_cast<void>(position + length);
  return false;  // without it a failing disk is told by a signal only
#endif
}

void FileMap::unload(std::int64_t position, std::int64_t length) {
  const std::int64_t from = position / static_cast<std::int64_t>(kPage) * static_cast<std::int64_t>(kPage);
  ::madvise(bytes_.data() + from, static_cast<std::size_t>(length), MADV_DONTNEED);
}

bool FileMap::failed() const { return guarded[guard_].failed.load(std::memory_order_acquire); }

}  // namespace rmq::io::posix
