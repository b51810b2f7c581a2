// Reads the records of a run again, one by one, where they were found.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "libstore/base/status.h"
#include "libstore/carve/find.h"

namespace rmq::carve {

// Borrows files and sources. One thread.
class RecordReader {
 public:
  RecordReader(const io::ReadFileSystem& files, const std::vector<Source>& sources, const Run& run)
      : files_(files), sources_(sources), run_(run) {}

  // Takes the next record; false behind the last. Fails where it cannot be read, or is no record any more
  // (wrong_use: the source has changed).
  [[nodiscard]] Result<bool> next();

  // Of the record at hand; both live until next().
  [[nodiscard]] const format::MessageView& message() const { return message_; }
  [[nodiscard]] std::span<const std::byte> bytes() const { return bytes_; }
  [[nodiscard]] std::int64_t position() const { return run_.position + at_; }
  [[nodiscard]] std::int64_t log_offset() const { return run_.log_offset + at_; }

 private:
  [[nodiscard]] Status reach(std::int64_t end);

  const io::ReadFileSystem& files_;
  const std::vector<Source>& sources_;
  Run run_;
  std::unique_ptr<io::ReadFile> file_;
  std::vector<std::byte> buffer_;
  std::int64_t buffer_from_ = 0;  // from the run's beginning
  std::size_t buffer_size_ = 0;
  std::int64_t at_ = 0;  // the record at hand
  format::MessageView message_;
  std::span<const std::byte> bytes_;
};

}  // namespace rmq::carve
