#include "libstore/repair/queue_times.h"

#include <algorithm>
#include <array>
#include <optional>

#include "libstore/bytes/big_endian.h"
#include "libstore/format/commit_log_record.h"
#include "libstore/format/sys_flag.h"
#include "libstore/recovery/queue_units.h"

namespace rmq::repair {
namespace {

constexpr std::int64_t kBlock = 64 << 10;

// The log offset in the last unit of the file that has one.
std::optional<std::int64_t> last_log_offset(const io::ReadFile& file, std::int64_t unit_size) {
  std::vector<std::byte> block(static_cast<std::size_t>(kBlock / unit_size * unit_size));
  const auto step = static_cast<std::int64_t>(block.size());
  for (std::int64_t at = (file.size() - 1) / step * step; at >= 0; at -= step) {
    const auto got = file.read_at(at, block);
    if (!got) return std::nullopt;
    for (auto unit = static_cast<std::int64_t>(*got) / unit_size; unit > 0; --unit) {
      const std::byte* const bytes = block.data() + (unit - 1) * unit_size;
      // Both kinds of units begin with offset and size.
      const auto size = load_be<std::int32_t>(bytes + 8);
      if (size > 0) return load_be<std::int64_t>(bytes);
    }
  }
  return std::nullopt;
}

std::optional<std::int64_t> store_timestamp_at(const io::ReadFileSystem& files,
                                               const scan::StoreSurvey& survey, std::int64_t log_offset) {
  const auto& all = survey.commit_log.files;
  const auto behind = std::ranges::upper_bound(all, log_offset, {}, &scan::MappedFile::start);
  if (behind == all.begin()) return std::nullopt;
  const scan::MappedFile& part = *std::prev(behind);
  const auto file = files.open(part.path);
  if (!file) return std::nullopt;
  constexpr std::size_t kHostV4 = 8;
  constexpr std::size_t kHostV6 = 20;
  std::array<std::byte, format::kRecordBornHostOffset + kHostV6 + sizeof(std::int64_t)> bytes{};
  const auto got = (*file)->read_at(log_offset - part.start, bytes);
  if (!got || *got < bytes.size()) return std::nullopt;
  const auto sys_flag = load_be<std::int32_t>(bytes.data() + format::kRecordSysFlagOffset);
  const bool v6 = (sys_flag & format::kSysFlagBornHostV6) != 0;
  return load_be<std::int64_t>(bytes.data() + format::kRecordBornHostOffset + (v6 ? kHostV6 : kHostV4));
}

}  // namespace

Status date_queue_files(io::FileSystem& files, const scan::StoreSurvey& survey,
                        const recovery::UndoJournal* journal) {
  for (const scan::Queue& queue : survey.queues) {
    for (const scan::MappedFile& part : queue.files.files) {
      if (journal != nullptr && !journal->has_changed(part.path)) continue;
      RMQ_TRY(file, files.open(part.path));
      const auto offset = last_log_offset(*file, recovery::unit_size_of(queue.kind));
      if (!offset) continue;
      if (const auto when = store_timestamp_at(files, survey, *offset))
        RMQ_CHECK(files.set_modified(part.path, *when));
    }
  }
  return {};
}

}  // namespace rmq::repair
