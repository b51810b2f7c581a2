#include "libstore/carve/layout.h"

#include <algorithm>
#include <numeric>
#include <set>

#include "libstore/base/parallel.h"
#include "libstore/carve/record_reader.h"
#include "libstore/format/message_properties.h"
#include "libstore/format/sys_flag.h"
#include "libstore/recovery/bridge.h"

namespace rmq::carve {
namespace {

constexpr std::string_view kLmqPrefix = "%LMQ%";  // MixAll.LMQ_PREFIX
// What the shortest filler takes: less than this between two records cannot be bridged.
constexpr std::int64_t kShortestFiller = format::kMinRecordSize + std::ssize(recovery::kFillerTopic);
constexpr std::int64_t kSmallestFile = 4096;
constexpr std::int64_t kLargestFile = std::int64_t{16} << 30;
constexpr std::int64_t kMostParts = 64;
constexpr std::int64_t kPage = 4096;

void add(QueueSummary& into, const QueueSummary& more) {
  if (into.records == 0) {
    into = more;
    return;
  }
  into.records += more.records;
  into.bytes += more.bytes;
  into.first_offset = std::min(into.first_offset, more.first_offset);
  into.last_offset = std::max(into.last_offset, more.last_offset);
  into.first_time = std::min(into.first_time, more.first_time);
  into.last_time = std::max(into.last_time, more.last_time);
  into.batch = into.batch || more.batch;
}

void add(Summary& into, const format::MessageView& message) {
  QueueSummary one;
  one.records = 1;
  one.bytes = message.total_size;
  one.first_offset = one.last_offset = message.queue_offset;
  one.first_time = one.last_time = message.store_timestamp;
  one.batch = (message.sys_flag & format::kSysFlagInnerBatch) != 0 &&
              format::find_property(message.properties, format::kPropertyInnerNum).has_value();
  add(into.queues[{std::string(message.topic), message.queue_id}], one);
  if (const auto names = format::find_property(message.properties, format::kPropertyMultiDispatch)) {
    into.multi_dispatch = true;
    into.lmq = into.lmq || names->find(kLmqPrefix) != std::string_view::npos;
  }
}

// Where files ended, as the BLANKs say.
std::set<std::int64_t> borders_of(const Log& log) {
  std::set<std::int64_t> borders;
  for (const Piece& piece : log.pieces)
    if (piece.blank_behind > 0) borders.insert(piece.log_end() + piece.blank_behind);
  return borders;
}

// Most of them: a damaged record may look like a BLANK.
bool agree(const std::set<std::int64_t>& borders, std::int64_t file_size) {
  const auto wrong =
      std::ranges::count_if(borders, [&](std::int64_t border) { return border % file_size != 0; });
  return wrong * 4 <= std::ssize(borders);
}

// The size that most records' sources have, where their places in it are those of a file of the log.
std::int64_t size_of_sources(const std::vector<Source>& sources, const Log& log) {
  std::map<std::int64_t, std::pair<std::int64_t, std::set<std::size_t>>> votes;  // records, sources
  for (const Piece& piece : log.pieces) {
    const std::int64_t size = sources[piece.source].size;
    if (size < kSmallestFile || piece.log_offset < piece.position ||
        (piece.log_offset - piece.position) % size != 0)
      continue;
    auto& [records, files] = votes[size];
    records += piece.records;
    files.insert(piece.source);
  }
  std::erase_if(votes,
                [](const auto& vote) { return vote.second.second.size() < 2 && vote.first % kPage != 0; });
  const auto most = std::ranges::max_element(votes, {}, [](const auto& vote) { return vote.second.first; });
  return most == votes.end() ? 0 : most->first;
}

}  // namespace

Result<Summary> summarize(const io::ReadFileSystem& files, const std::vector<Source>& sources, const Log& log,
                          std::size_t jobs, const std::function<bool()>& cancelled) {
  std::vector<Summary> parts(std::max<std::size_t>(jobs, 1));
  std::vector<std::optional<Error>> errors(parts.size());
  parallel_for(parts.size(), log.pieces.size(), cancelled, [&](std::size_t worker, std::size_t i) {
    RecordReader reader(files, sources, log.pieces[i]);
    while (!(cancelled && cancelled())) {
      const auto there = reader.next();
      if (!there) errors[worker] = there.error();
      if (!there || !*there) break;
      add(parts[worker], reader.message());
    }
  });
  if (cancelled && cancelled()) return Error{ErrorCode::cancelled, 0, "looking at what was found"};
  Summary summary;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (errors[i]) return std::move(*errors[i]);
    summary.multi_dispatch = summary.multi_dispatch || parts[i].multi_dispatch;
    summary.lmq = summary.lmq || parts[i].lmq;
    for (const auto& [id, queue] : parts[i].queues) add(summary.queues[id], queue);
  }
  return summary;
}

bool fits(const Log& log, std::int64_t file_size) {
  std::int64_t behind = log.begin() / file_size * file_size;
  for (const Piece& piece : log.pieces) {
    // RocketMQ leaves room for a BLANK behind the last record of a file (END_FILE_MIN_BLANK_LENGTH).
    const std::int64_t file_end = (piece.log_offset / file_size + 1) * file_size;
    if (piece.log_end() + format::kBlankSize > file_end) return false;
    const std::int64_t from =
        std::max(behind, file_end - file_size);  // what is missing in front of it, in its file
    const std::int64_t gap = piece.log_offset - from;
    if (gap < 0 || (gap > 0 && gap < kShortestFiller)) return false;
    behind = piece.log_end();
  }
  return true;
}

std::optional<FileSize> choose_file_size(const std::vector<Source>& sources, const Log& log,
                                         std::optional<std::int64_t> given) {
  if (given) {
    if (!fits(log, *given)) return std::nullopt;
    return FileSize{*given, "as asked for"};
  }
  const auto borders = borders_of(log);
  const auto is_it = [&](std::int64_t size) {
    return size >= kSmallestFile && agree(borders, size) && fits(log, size);
  };
  if (const std::int64_t size = size_of_sources(sources, log); is_it(size))
    return FileSize{size, "the size of the files that were searched"};
  if (is_it(kDefaultFileSize))
    return FileSize{kDefaultFileSize, "the default, and nothing speaks against it"};
  std::int64_t common = 0;
  for (const std::int64_t border : borders) common = std::gcd(common, border);
  for (std::int64_t parts = 1; common > 0 && parts <= kMostParts; ++parts)
    if (common % parts == 0 && is_it(common / parts))
      return FileSize{common / parts, "files ended where BLANKs say"};
  for (std::int64_t size = kLargestFile; size >= kSmallestFile; size /= 2)
    if (is_it(size)) return FileSize{size, "no record crosses the end of such a file"};
  return std::nullopt;
}

}  // namespace rmq::carve
