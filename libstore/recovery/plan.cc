#include "libstore/recovery/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "libstore/base/parallel.h"
#include "libstore/base/saturate.h"
#include "libstore/format/consume_queue_entry.h"
#include "libstore/format/index_file.h"
#include "libstore/format/message_properties.h"
#include "libstore/format/store_checkpoint.h"
#include "libstore/scan/commit_log_walker.h"

namespace rmq::recovery {
namespace {

using scan::GapLook;
using scan::LogItemKind;

// What the walk over one file found.
struct FileWalk {
  std::int64_t records = 0;
  std::int64_t data_end = 0;  // position behind the last record or the BLANK
  std::int64_t last_store_timestamp = 0;
  bool full = false;              // ends in a BLANK, or no byte is left
  std::optional<ZeroRange> tail;  // remains behind data_end, with nothing behind them that belongs to the log
  std::vector<std::string> refusals;
  std::int64_t bytes_read = 0;
  std::optional<Error> error;
};

// The body's CRC covers neither topic nor properties: where a torn write left zeros in them, the record is
// none.
bool is_whole(const format::MessageView& message) {
  return message.body_crc_matches() && message.topic.find('\0') == std::string_view::npos &&
         !format::store_properties(message.properties).has_zero;
}

class Planner {
 public:
  Planner(const io::ReadFileSystem& files, const scan::StoreSurvey& survey, const PlanOptions& options)
      : files_(files), survey_(survey), options_(options) {}

  Result<Plan> run() {
    plan_.was_closed_cleanly = !survey_.abort.has_value();
    plan_.commit_log_file_size = survey_.commit_log.file_size;
    check_layout();
    if (!plan_.possible() || survey_.commit_log.files.empty()) return plan_;
    plan_.log_begin = survey_.commit_log.files.front().start;
    RMQ_TRY(first, first_file());
    plan_.walked_from = survey_.commit_log.files[first].start;
    RMQ_TRY(walks, walk(first));
    join(first, walks);
    return plan_;
  }

 private:
  void refuse(std::string why) { plan_.refusals.push_back(std::move(why)); }

  void check_layout() {
    if (survey_.commit_log_is_dledger) refuse("the commit log is DLedger's");
    if (survey_.consume_queue_is_rocksdb) refuse("the consume queues are in RocksDB");
    const auto& log = survey_.commit_log;
    for (const scan::StoreFile& stray : log.strays)
      refuse(fmt::format("{} is no commit log file", stray.shown));
    for (std::size_t i = 0; i < log.files.size(); ++i) {
      const scan::MappedFile& file = log.files[i];
      if (file.size != log.file_size) {
        refuse(fmt::format("{} is {} bytes long instead of {}", file.shown, file.size, log.file_size));
      } else if (file.start % log.file_size != 0) {
        refuse(fmt::format("{} is no multiple of the file size {}", file.shown, log.file_size));
      } else if (i > 0 && file.start != log.files[i - 1].start + log.file_size) {
        refuse(fmt::format("{} does not follow {}", file.shown, log.files[i - 1].shown));
      }
    }
    for (const scan::Queue& queue : survey_.queues) {
      for (const scan::StoreFile& stray : queue.files.strays)
        refuse(fmt::format("{} is no queue file", stray.shown));
      const auto& set = queue.files;
      for (std::size_t i = 0; i < set.files.size(); ++i) {
        if (set.files[i].size != set.file_size ||
            (i > 0 && set.files[i].start != set.files[i - 1].start + set.file_size)) {
          refuse(
              fmt::format("{} has a wrong size, or does not follow the file before it", set.files[i].shown));
        }
      }
    }
  }

  // CommitLog.isMappedFileMatchedRecover: the last file whose first record is older than what the checkpoint
  // vouches for.
  Result<std::size_t> first_file() {
    if (options_.depth == Depth::full || !survey_.checkpoint) return std::size_t{0};
    RMQ_TRY(bytes, io::read_all(files_, survey_.checkpoint->path, 1 << 20));
    const std::int64_t trusted = format::StoreCheckpoint::read(bytes).min_timestamp();
    const auto& log = survey_.commit_log.files;
    for (std::size_t i = log.size(); i-- > 1;) {
      RMQ_TRY(file, files_.open(log[i].path));
      scan::CommitLogWalker::Options walk;
      walk.records_start = log[i].start;
      walk.file_size = survey_.commit_log.file_size;
      scan::CommitLogWalker walker(*file, walk);
      const scan::LogItem* item = walker.next();
      if (item != nullptr && item->kind == LogItemKind::record && item->message.store_timestamp <= trusted)
        return i;
    }
    return std::size_t{0};
  }

  Result<std::vector<FileWalk>> walk(std::size_t first) {
    const auto& log = survey_.commit_log.files;
    std::vector<FileWalk> walks(log.size() - first);
    parallel_for(options_.jobs, walks.size(), options_.cancelled,
                 [&](std::size_t, std::size_t i) { walks[i] = walk_file(log[first + i]); });
    for (const FileWalk& one : walks) {
      if (one.error) return *one.error;
    }
    if (options_.cancelled && options_.cancelled())
      return Error{ErrorCode::cancelled, 0, "planning the recovery"};
    return walks;
  }

  FileWalk walk_file(const scan::MappedFile& mapped) {
    FileWalk found;
    auto opened = files_.open(mapped.path);
    if (!opened) {
      found.error = std::move(opened).error();
      return found;
    }
    scan::CommitLogWalker::Options walk;
    walk.records_start = mapped.start;
    walk.file_size = survey_.commit_log.file_size;
    scan::CommitLogWalker walker(**opened, walk);
    std::optional<scan::LogItem> gap;
    bool cut = false;  // behind the log's end in this file
    const auto gap_text = [&] {
      return fmt::format("{}: bytes {} to {} are damaged", mapped.shown, gap->position,
                         gap->position + gap->length);
    };
    while (const scan::LogItem* item = walker.next()) {
      found.bytes_read = item->position + item->length;
      if (options_.cancelled && options_.cancelled()) break;
      if (item->kind == LogItemKind::unwritten) break;
      if (item->kind == LogItemKind::gap) {
        gap = *item;
        continue;
      }
      if (gap && !cut) {
        found.refusals.push_back(gap_text() + ", and the log goes on behind them");
        cut = true;
      }
      if (item->kind == LogItemKind::blank) {
        found.data_end = item->position + item->length;
        found.full = true;
        break;
      }
      if (item->message.physical_offset != mapped.start + item->position) {
        found.refusals.push_back(fmt::format("{}: the record at {} says that it is at {}", mapped.shown,
                                             item->position, item->message.physical_offset));
        break;
      }
      if (!is_whole(item->message)) {
        // Only a torn append may end the log like this; what comes behind decides.
        gap = *item;
        gap->look = GapLook::damaged;
        continue;
      }
      ++found.records;
      found.data_end = item->position + item->length;
      found.last_store_timestamp = std::max(found.last_store_timestamp, item->message.store_timestamp);
    }
    if (found.data_end >= mapped.size) found.full = true;
    if (gap && found.refusals.empty() && !found.full) {
      if (gap->look == GapLook::unreadable) {
        found.refusals.push_back(gap_text() + ": they cannot be read");
      } else {
        found.tail = ZeroRange{mapped.path, mapped.shown, found.data_end, gap->position + gap->length,
                               gap->look == GapLook::stale ? "records that an earlier recovery cut off"
                                                           : "a message half written when the store stopped"};
      }
    }
    return found;
  }

  void join(std::size_t first, const std::vector<FileWalk>& walks) {
    const auto& log = survey_.commit_log.files;
    std::size_t last = 0;
    bool any = false;
    for (std::size_t i = 0; i < walks.size(); ++i) {
      plan_.records += walks[i].records;
      plan_.bytes_read += walks[i].bytes_read;
      plan_.last_store_timestamp = std::max(plan_.last_store_timestamp, walks[i].last_store_timestamp);
      for (const std::string& refusal : walks[i].refusals) refuse(refusal);
      if (walks[i].records > 0 || walks[i].tail) {
        last = i;
        any = true;
      }
    }
    plan_.log_end = any ? log[first + last].start + walks[last].data_end : log[first].start;
    for (std::size_t i = 0; any && i < last; ++i) {
      if (!walks[i].full) {
        refuse(fmt::format("{} ends at {} of {} bytes, and the log goes on behind it", log[first + i].shown,
                           walks[i].data_end, log[first + i].size));
      }
    }
    for (const FileWalk& one : walks) {
      if (one.tail) plan_.zero.push_back(*one.tail);
    }
    plan_.dispatch_from = plan_.walked_from;
    if (!plan_.possible()) return;
    cut_queues();
    drop_index();
  }

  // Units that lead behind the end of the log: they are what a power loss took the messages of.
  void cut_queues() {
    for (const scan::Queue& queue : survey_.queues) {
      if (queue.kind != scan::QueueKind::simple) continue;
      for (const scan::MappedFile& mapped : queue.files.files) cut_queue_file(mapped);
    }
  }

  void cut_queue_file(const scan::MappedFile& mapped) {
    constexpr std::int64_t kUnit = format::kConsumeQueueEntrySize;
    const auto file = files_.open(mapped.path);
    if (!file) return refuse(file.error().message());
    std::array<std::byte, static_cast<std::size_t>(kUnit)> unit{};
    const auto load = [&](std::int64_t number) -> std::optional<format::ConsumeQueueEntry> {
      const auto got = (*file)->read_at(number * kUnit, unit);
      if (!got || *got < unit.size()) return std::nullopt;
      return format::ConsumeQueueEntry::load(unit.data());
    };
    // Units are in the order of their messages, and behind the last one there are zeros.
    const std::int64_t count = mapped.size / kUnit;
    const auto leads_behind = [&](std::int64_t number) {
      const auto entry = load(number);
      return !entry || !entry->is_used() ||
             (!entry->is_pre_blank() && saturated_add(entry->commit_log_offset, entry->size) > plan_.log_end);
    };
    std::int64_t low = 0;
    for (std::int64_t high = count; low < high;) {
      const std::int64_t middle = low + (high - low) / 2;
      if (leads_behind(middle)) {
        high = middle;
      } else {
        low = middle + 1;
      }
    }
    const auto first = low < count ? load(low) : std::nullopt;
    if (!first || !first->is_used()) return;
    std::int64_t end = low;
    for (auto entry = first; entry && entry->is_used(); entry = end < count ? load(end) : std::nullopt) ++end;
    plan_.zero.push_back({mapped.path, mapped.shown, low * kUnit, end * kUnit,
                          "queue entries of messages that are not in the log"});
  }

  // An index that knows of records behind the log's end would take new ones for known
  // (IndexService.buildIndex).
  void drop_index() {
    for (const scan::IndexFileInfo& info : survey_.index_files) {
      const auto file = files_.open(info.path);
      if (!file) return refuse(file.error().message());
      std::array<std::byte, format::kIndexHeaderSize> bytes{};
      const auto got = (*file)->read_at(0, bytes);
      if (!got || *got < bytes.size()) continue;
      const auto header = *format::IndexHeader::parse(bytes);
      if (header.end_phy_offset < plan_.log_end || header.index_count <= 1) continue;
      plan_.move.push_back(
          {info.path, info.shown, "an index file that knows of messages that are not in the log"});
      plan_.dispatch_from = std::clamp(header.begin_phy_offset, plan_.log_begin, plan_.dispatch_from);
    }
  }

  const io::ReadFileSystem& files_;
  const scan::StoreSurvey& survey_;
  const PlanOptions& options_;
  Plan plan_;
};

}  // namespace

Result<Plan> make_plan(const io::ReadFileSystem& files, const scan::StoreSurvey& survey,
                       const PlanOptions& options) {
  return Planner(files, survey, options).run();
}

}  // namespace rmq::recovery
