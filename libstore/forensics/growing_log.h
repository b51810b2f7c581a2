// A commit log file that somebody appends to while it is read: how far its records are whole. RocketMQ
// appends under one lock and tells nobody outside how far it is (MappedFile.wrotePosition); but a record
// begins only after the one before it is complete. So every record but the last is whole, if it is read after
// the one behind it was seen.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "libstore/io/read_file_system.h"

namespace rmq::forensics {

struct VisibleRecords {
  // Everything before this position (in the file) is whole: the last record that can be seen starts here, or
  // the BLANK.
  std::int64_t settled = 0;
  std::int64_t last_size = 0;  // of the record that starts at `settled`, as its header says; 0: there is none
  bool blank = false;          // a BLANK starts at `settled`: nothing more comes in this file
  bool other_bytes =
      false;  // behind the last record stands what is no record: a header half written, or damage
};

// Follows the sizes in the records' headers from `from`, where a record starts or will start. Reads little
// more than the headers where records are large.
[[nodiscard]] VisibleRecords visible_records(const io::ReadFile& file, std::int64_t from);

// Whether a record or a BLANK begins the file: then the file before it is complete.
[[nodiscard]] bool has_begun(const io::ReadFile& file);

// Whether these bytes can be a whole record: one half written has zeros at its end, which a body CRC alone
// does not see.
[[nodiscard]] bool looks_whole(std::span<const std::byte> record);

// The first `size` bytes of a file, as if it ended there. Borrows the file.
class FilePrefix final : public io::ReadFile {
 public:
  FilePrefix(const io::ReadFile& file, std::int64_t size) : file_(file), size_(size) {}
  [[nodiscard]] Result<std::size_t> read_at(std::int64_t position, std::span<std::byte> out) const override;
  [[nodiscard]] std::int64_t size() const override { return size_; }
  [[nodiscard]] std::int64_t next_data(std::int64_t position) const override;
  [[nodiscard]] std::int64_t next_hole(std::int64_t position) const override;

 private:
  const io::ReadFile& file_;
  std::int64_t size_;
};

}  // namespace rmq::forensics
