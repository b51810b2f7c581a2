// Mapped files of the store's smaller logs (timer log, compaction log, DLedger index): which there are, what
// their names and lengths say, and bytes at an offset of such a log.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "libstore/forensics/verify_context.h"
#include "libstore/io/read_file_system.h"
#include "libstore/scan/store_survey.h"

namespace rmq::forensics {

struct PartFiles {
  std::string directory;                // as reports show it, without a slash at its end
  std::vector<scan::MappedFile> files;  // sorted by start
  std::vector<scan::StoreFile> strays;
  std::int64_t file_size = 0;  // what the files are configured to have; 0 without a file

  [[nodiscard]] std::int64_t begin() const { return files.empty() ? 0 : files.front().start; }
  [[nodiscard]] std::int64_t end() const {
    return files.empty() ? 0 : files.back().start + files.back().size;
  }
  // The file that holds the byte at `offset`; nullptr where none does.
  [[nodiscard]] const scan::MappedFile* file_of(std::int64_t offset) const;
};

// The files that lie right in `directory` (shown, as "timerlog"), out of StoreSurvey::others. `configured` is
// the size from broker.conf, where it says one.
[[nodiscard]] PartFiles collect_part_files(const scan::StoreSurvey& survey, std::string_view directory,
                                           std::optional<std::int64_t> configured = std::nullopt);
// A number of broker.conf.
[[nodiscard]] std::optional<std::int64_t> configured_number(const scan::StoreSurvey& survey,
                                                            std::string_view key);

// One finding of `code` for each foreign file, wrong length, and hole between two files.
void check_part_files(VerifyContext& context, const PartFiles& parts, std::string_view code,
                      std::string_view what);

// Adds a file to the bytes expected, and `read` of it to those checked; what is missing could not be read.
void count_file(VerifyContext& context, const scan::StoreFile& file, std::int64_t read);

// Reads at offsets of such a log; keeps the last file open. One thread at a time.
class PartReader {
 public:
  PartReader(const io::ReadFileSystem& files, const PartFiles& parts) : files_(files), parts_(parts) {}
  // False unless all of `out` lies in one file and could be read.
  [[nodiscard]] bool read(std::int64_t offset, std::span<std::byte> out);

 private:
  const io::ReadFileSystem& files_;
  const PartFiles& parts_;
  const scan::MappedFile* mapped_ = nullptr;
  std::unique_ptr<io::ReadFile> file_;
};

[[nodiscard]] bool is_zero(std::span<const std::byte> bytes);

// Calls visit(position, bytes) for consecutive pieces of a file, each a multiple of `unit` long (but for the
// last), those that are all zero left out. Returns how many bytes could be read, holes counted; stops early
// when visit says false.
std::int64_t for_each_piece(const io::ReadFile& file, std::int64_t unit,
                            const std::function<bool(std::int64_t, std::span<const std::byte>)>& visit);

}  // namespace rmq::forensics
