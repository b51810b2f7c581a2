#include "libstore/repair/cut.h"

#include <fmt/format.h>

#include "libstore/scan/commit_log_walker.h"

namespace rmq::repair {

Result<Cut> resolve_cut(const io::ReadFileSystem& files, const scan::StoreSurvey& survey,
                        std::optional<std::int64_t> at, std::optional<std::int64_t> time_ms) {
  const auto& parts = survey.commit_log.files;
  if (parts.empty()) return wrong_use("there is no commit log to cut");
  const std::int64_t begin = parts.front().start;
  if (at && *at < begin)
    return wrong_use(fmt::format("the log begins at {}: it cannot be cut at {}", begin, *at));
  std::optional<Cut> cut;
  std::int64_t end = begin;
  for (const scan::MappedFile& part : parts) {
    RMQ_TRY(file, files.open(part.path));
    scan::CommitLogWalker::Options options;
    options.records_start = part.start;
    options.file_size = survey.commit_log.file_size;
    scan::CommitLogWalker walker(*file, options);
    while (const scan::LogItem* item = walker.next()) {
      if (item->kind == scan::LogItemKind::unwritten) continue;
      const std::int64_t from = part.start + item->position;
      end = from + item->length;
      if (item->kind != scan::LogItemKind::record) continue;
      const bool goes = at ? end > *at : item->message.store_timestamp > *time_ms;
      if (!cut && goes) cut = Cut{from, 0};
      if (cut) ++cut->dropped;
    }
  }
  if (cut) return *cut;
  if (at && *at > end) return wrong_use(fmt::format("the log ends at {}: it cannot be cut at {}", end, *at));
  return Cut{end, 0};
}

}  // namespace rmq::repair
