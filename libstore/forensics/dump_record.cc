#include "libstore/forensics/dump_record.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <tuple>

#include "libstore/bytes/big_endian.h"
#include "libstore/format/message_properties.h"
#include "libstore/format/sys_flag.h"
#include "libstore/format/tags_code.h"

namespace rmq::forensics {
namespace {

// MixAll.isLmq: queues of this prefix have queue id 0.
constexpr std::string_view kLmqPrefix = "%LMQ%";
// More queues than anybody dispatches one message to; the list comes from the data.
constexpr std::size_t kOtherQueuesLimit = 1024;

// Takes the part before the next comma off `list`.
std::string_view next_part(std::string_view& list) {
  const std::size_t comma = list.find(',');
  const std::string_view part = list.substr(0, comma);
  list = comma == std::string_view::npos ? std::string_view() : list.substr(comma + 1);
  return part;
}

bool parse_offset(std::string_view text, std::int64_t& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

}  // namespace

std::string_view to_string(scan::GapLook look) {
  switch (look) {
    case scan::GapLook::zeros: return "zeros";
    case scan::GapLook::damaged: return "damaged";
    case scan::GapLook::stale: return "stale";
    case scan::GapLook::garbage: return "garbage";
    case scan::GapLook::unreadable: return "unreadable";
  }
  return "?";
}

JoinedUnits join_queues(DumpQueueTable& queues, const DumpRecord& record) {
  const format::MessageView& message = record.message;
  JoinedUnits joined;
  const auto leads_here = [&](const std::optional<QueueUnit>& unit) {
    return unit && unit->commit_log_offset == record.phy_offset;
  };
  // A reader takes the size from the unit and the offset from the record (DefaultMessageStore.getMessage).
  const auto delivers = [&](const QueueUnit& unit) {
    return unit.size == message.total_size && message.physical_offset == record.phy_offset;
  };
  if (!format::enters_consume_queue(message.sys_flag)) return joined;
  if (const auto queue = queues.find(message.topic, message.queue_id)) {
    const auto unit = queues.unit(*queue, message.queue_offset);
    if (leads_here(unit)) {
      joined.in_queue = true;
      joined.readable = delivers(*unit);
      joined.tags_code = unit->tags_code;
      if (queues.queue(*queue).kind == scan::QueueKind::batch) joined.batch_num = unit->batch_size;
      joined.unit_queue_offset = unit->queue_offset;
    }
  }
  if (queues.compaction().has(message.topic, message.queue_id)) {
    // Consumers read the copies; what was compacted away nobody gets (DefaultMessageStore.getMessage).
    const auto copy = queues.compaction().unit(message.topic, message.queue_id, message.queue_offset);
    joined.readable = joined.in_queue && copy.has_value();
    if (joined.readable) joined.compaction_log_offset = copy->commit_log_offset;
  }
  const format::StoreProperties properties = format::store_properties(message.properties);
  if (!properties.multi_dispatch || !properties.multi_queue_offset) return joined;
  std::string_view names = *properties.multi_dispatch;
  std::string_view offsets = *properties.multi_queue_offset;
  while (!names.empty() && !offsets.empty() && joined.others.size() < kOtherQueuesLimit) {
    const std::string_view name = next_part(names);
    std::int64_t offset = 0;
    if (!parse_offset(next_part(offsets), offset)) continue;
    const std::int32_t queue_id = name.starts_with(kLmqPrefix) ? 0 : message.queue_id;
    const auto queue = queues.find(name, queue_id);
    if (!queue) continue;
    const auto unit = queues.unit(*queue, offset);
    if (!leads_here(unit)) continue;
    joined.readable = joined.readable || delivers(*unit);
    joined.others.push_back({std::string(name), queue_id, unit->queue_offset});
  }
  std::ranges::sort(joined.others, {},
                    [](const OtherQueue& other) { return std::tie(other.topic, other.queue_id); });
  return joined;
}

std::optional<DumpRecord> RecordReader::read(std::int64_t phy_offset, std::optional<std::size_t> file_index) {
  if (file_index) return read_in(*file_index, phy_offset);
  const auto& files = survey_.commit_log.files;
  // Files overlap only after damage; the last one that starts at or before the offset is the regular answer.
  for (std::size_t i = files.size(); i-- > 0;) {
    if (files[i].start > phy_offset || phy_offset >= files[i].start + files[i].size) continue;
    if (auto record = read_in(i, phy_offset)) return record;
  }
  return std::nullopt;
}

std::optional<DumpRecord> RecordReader::read_in(std::size_t file_index, std::int64_t phy_offset) {
  const scan::MappedFile& file = survey_.commit_log.files[file_index];
  if (open_file_ == nullptr || open_index_ != file_index) {
    auto opened = files_.open(file.path);
    if (!opened) return std::nullopt;
    open_file_ = *std::move(opened);
    open_index_ = file_index;
  }
  const std::int64_t position = phy_offset - file.start;
  std::array<std::byte, format::kBlankSize> head;
  const auto got = open_file_->read_at(position, head);
  if (!got || *got < head.size()) return std::nullopt;
  const auto size = load_be<std::int32_t>(head.data());
  const auto magic = load_be<std::int32_t>(head.data() + format::kRecordMagicOffset);
  if (size < format::kMinRecordSize || size > format::kMaxRecordSize || size > file.size - position ||
      (magic != format::kMagicV1 && magic != format::kMagicV2)) {
    return std::nullopt;
  }
  bytes_.resize(static_cast<std::size_t>(size));
  const auto filled = open_file_->read_at(position, bytes_);
  if (!filled || *filled < bytes_.size()) return std::nullopt;
  const auto message = format::MessageView::parse(bytes_);
  if (!message) return std::nullopt;
  DumpRecord record;
  record.message = *message;
  record.bytes = bytes_;
  record.phy_offset = phy_offset;
  record.file = file.name;
  std::array<std::byte, format::kDledgerEntryHeaderSize> entry;
  if (survey_.commit_log_is_dledger && position >= format::kDledgerEntryHeaderSize) {
    const auto read = open_file_->read_at(position - format::kDledgerEntryHeaderSize, entry);
    if (read && *read == entry.size()) record.dledger = format::DledgerEntry::load(entry.data());
  }
  return record;
}

std::optional<std::int64_t> RecordReader::original_of(const DumpRecord& record, std::size_t file_index) {
  const std::int64_t own = record.message.physical_offset;
  if (own == record.phy_offset) return std::nullopt;
  const auto& files = survey_.commit_log.files;
  for (std::size_t i = 0; i < files.size(); ++i) {
    if (i == file_index || own < files[i].start || own >= files[i].start + files[i].size) continue;
    const auto other = read_in(i, own);
    if (other && other->bytes.size() == record.bytes.size() &&
        std::memcmp(other->bytes.data(), record.bytes.data(), record.bytes.size()) == 0) {
      return own;
    }
  }
  return std::nullopt;
}

std::int64_t log_end(const io::ReadFileSystem& files, const scan::StoreSurvey& survey) {
  const auto& log = survey.commit_log;
  for (std::size_t i = log.files.size(); i-- > 0;) {
    const auto file = files.open(log.files[i].path);
    if (!file) continue;
    scan::CommitLogWalker::Options options;
    options.records_start = scan::records_start(**file, log.files[i].start).value_or(log.files[i].start);
    options.file_size = log.file_size;
    options.dledger = survey.commit_log_is_dledger;
    scan::CommitLogWalker walker(**file, options);
    std::int64_t end = -1;
    while (const auto item = walker.next()) {
      if (item->kind == scan::LogItemKind::record) end = log.files[i].start + item->position + item->length;
      if (item->kind == scan::LogItemKind::blank) end = log.files[i].start + log.files[i].size;
    }
    if (end >= 0) return end;
  }
  return log.files.empty() ? 0 : log.files.front().start;
}

}  // namespace rmq::forensics
