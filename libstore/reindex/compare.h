// What the log says held against what a store has: queue by queue, and index file by index file.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "libstore/recovery/index_check.h"
#include "libstore/recovery/queue_units.h"
#include "libstore/reindex/index_image.h"
#include "libstore/reindex/queue_image.h"

namespace rmq::reindex {

// What a comparison knows of the store beside the queue.
struct CompareContext {
  const io::ReadFileSystem* files = nullptr;
  const scan::StoreSurvey* survey = nullptr;
  std::int64_t log_begin = 0;
};

class QueueComparison {
 public:
  // `there`: the queue that the store has; nullptr: none.
  QueueComparison(const CompareContext& context, const scan::Queue* there, bool batch);

  [[nodiscard]] Status take(const Stretch& stretch);
  void finish(const QueueShape& shape);

  [[nodiscard]] std::int64_t missing() const { return missing_; }
  [[nodiscard]] std::int64_t wrong() const { return wrong_; }
  [[nodiscard]] std::int64_t extra() const { return extra_; }
  [[nodiscard]] bool same() const { return missing_ + wrong_ + extra_ == 0; }
  [[nodiscard]] const std::string& first_difference() const { return first_difference_; }
  // Numbers of units that are missing lie in these files, by their first byte.
  [[nodiscard]] const std::set<std::int64_t>& files_with_room() const { return files_with_room_; }
  [[nodiscard]] bool is_used(std::int64_t number);

 private:
  [[nodiscard]] bool is_same(const recovery::Unit& unit, std::span<const std::byte> wanted);
  [[nodiscard]] std::optional<std::int64_t> store_timestamp_at(std::int64_t log_offset);
  void differs(std::int64_t number, std::string_view what);

  CompareContext context_;
  const scan::Queue* there_;
  bool batch_;
  std::int64_t unit_size_;
  std::int64_t file_size_ = 0;
  std::optional<recovery::QueueUnits> units_;
  std::unique_ptr<io::ReadFile> log_file_;
  std::int64_t log_file_start_ = -1;
  std::int64_t missing_ = 0;
  std::int64_t wrong_ = 0;
  std::int64_t extra_ = 0;
  std::set<std::int64_t> files_with_room_;
  std::string first_difference_;
};

// Copies the queue's files that have room where units are missing, and adds these.
class QueueFiller {
 public:
  QueueFiller(io::FileSystem& files, const scan::Queue& there, QueueComparison& compared, std::string aside);
  [[nodiscard]] Status take(const Stretch& stretch);
  [[nodiscard]] Status finish();
  [[nodiscard]] const std::vector<std::string>& made() const { return made_; }  // names
  [[nodiscard]] std::int64_t bytes() const { return bytes_; }

 private:
  [[nodiscard]] Status begin_file(std::int64_t start);

  io::FileSystem& files_;
  const scan::Queue& there_;
  QueueComparison& compared_;
  std::string aside_;
  std::unique_ptr<io::WriteFile> file_;
  std::int64_t file_start_ = -1;
  bool skips_ = true;
  std::int64_t timestamp_ = 0;
  std::vector<std::string> made_;
  std::int64_t bytes_ = 0;
};

// Keys [from, end) of the harvest that the index lacks, in front of file number `before` (all of the files:
// behind the last one).
struct IndexGap {
  std::int64_t from = 0;
  std::int64_t end = 0;
  std::size_t before = 0;
};

struct IndexFileVerdict {
  std::int64_t entries = 0;
  std::int64_t wrong =
      0;  // entries that lead nowhere, or say something else; 1 at least where its chains are broken
  std::int64_t missing = 0;  // keys that belong between its entries
  std::string first_difference;
};

struct IndexComparison {
  std::vector<recovery::IndexFilePart> files;
  std::vector<IndexFileVerdict> verdicts;  // one a file
  std::vector<IndexGap> gaps;
};

[[nodiscard]] Result<IndexComparison> compare_index(const CompareContext& context, const Harvest& harvest,
                                                    std::size_t jobs, const std::function<bool()>& cancelled);

}  // namespace rmq::reindex
