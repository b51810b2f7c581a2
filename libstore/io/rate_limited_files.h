// Reads through another file system, and at most so many bytes a second: beside a broker that needs the disk
// itself. A token bucket for all files and threads together; holes that are not read cost nothing.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "libstore/base/waiter.h"
#include "libstore/io/read_file_system.h"

namespace rmq::io {

class RateLimitedFileSystem final : public ReadFileSystem {
 public:
  // Both must outlive it, and it the files that it opened. `bytes_a_second` is positive.
  RateLimitedFileSystem(const ReadFileSystem& files, std::int64_t bytes_a_second, Waiter& waiter);

  [[nodiscard]] Result<std::unique_ptr<ReadFile>> open(const std::string& path) const override;
  [[nodiscard]] Result<std::vector<DirectoryEntry>> list(const std::string& directory) const override;
  [[nodiscard]] Result<DirectoryEntry> stat(const std::string& path) const override;

 private:
  class File;
  // Waits until `bytes` more may have been read.
  void pay(std::int64_t bytes) const;

  const ReadFileSystem& files_;
  const double bytes_a_millisecond_;
  Waiter& waiter_;
  mutable std::mutex mutex_;
  mutable double paid_until_ms_;  // what was read is worth the time up to here
};

}  // namespace rmq::io
