#include "libstore/io/anonymous_memory.h"

#include <sys/mman.h>

#include <cerrno>

namespace rmq::io {

Result<AnonymousMemory> AnonymousMemory::reserve(std::size_t size) {
  void* at =
      ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (at == MAP_FAILED) return os_error(errno, "reserving " + std::to_string(size) + " bytes of memory");
  ::madvise(at, size,
            MADV_HUGEPAGE);  // a hint: the first touch of small pages costs more than what is written to them
  return AnonymousMemory({static_cast<std::byte*>(at), size});
}

AnonymousMemory::~AnonymousMemory() {
  if (!bytes_.empty()) ::munmap(bytes_.data(), bytes_.size());
}

void AnonymousMemory::release(std::size_t position, std::size_t length) {
  ::madvise(bytes_.data() + position, length, MADV_DONTNEED);
}

}  // namespace rmq::io
