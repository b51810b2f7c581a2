// A tar archive, compressed with zstd, made of what is handed to it piece by piece: GNU tar, bsdtar and
// Python's tarfile unpack it. The same input makes the same bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "libstore/base/error.h"

namespace rmq::codec {

class ArchiveWriter {
 public:
  // Takes finished bytes; false ends the writing (io_error).
  using Sink = std::function<bool(std::span<const std::byte>)>;
  explicit ArchiveWriter(Sink sink);
  ~ArchiveWriter();
  ArchiveWriter(const ArchiveWriter&) = delete;
  ArchiveWriter& operator=(const ArchiveWriter&) = delete;

  [[nodiscard]] Result<void> add_directory(const std::string& path, std::int64_t modified_ms);
  // `size` bytes follow through write(). Those at and after `used` are zeros, and take no space where it is
  // unpacked.
  [[nodiscard]] Result<void> begin_file(const std::string& path, std::int64_t size, std::int64_t used,
                                        std::int64_t modified_ms);
  [[nodiscard]] Result<void> write(std::span<const std::byte> bytes);
  [[nodiscard]] Result<void> finish();

 private:
  struct Handle;
  [[nodiscard]] Result<void> check(int code, const char* what);

  std::unique_ptr<Handle> handle_;
};

}  // namespace rmq::codec
