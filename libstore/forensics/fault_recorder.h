// Reads through another file system and remembers what the operating system refused: a report that something could
// not be read is worth little without its name and the reason.
#pragma once

#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "libstore/io/read_file_system.h"

namespace rmq::forensics {

// Thread-safe; `files` must outlive it, and it the files that it opened.
class FaultRecorder final : public io::ReadFileSystem {
 public:
  explicit FaultRecorder(const io::ReadFileSystem& files) : files_(files) {}

  [[nodiscard]] Result<std::unique_ptr<io::ReadFile>> open(const std::string& path) const override;
  [[nodiscard]] Result<std::vector<io::DirectoryEntry>> list(const std::string& directory) const override;
  [[nodiscard]] Result<io::DirectoryEntry> stat(const std::string& path) const override;

  // One sentence for each file or directory, sorted; the first kMaxFaults of them.
  [[nodiscard]] std::vector<std::string> faults() const;

 private:
  class File;
  void note(const std::string& path, const Error& error) const;

  static constexpr std::size_t kMaxFaults = 20;

  const io::ReadFileSystem& files_;
  mutable std::mutex mutex_;
  mutable std::set<std::string> paths_;
  mutable std::vector<std::string> faults_;
};

}  // namespace rmq::forensics
