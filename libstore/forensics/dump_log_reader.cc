#include "libstore/forensics/dump_log_reader.h"

#include <algorithm>
#include <array>

namespace rmq::forensics {
namespace {

// About one write of output; small enough that a handful of batches fit a core's cache level.
constexpr std::size_t kBatchBytes = 512 << 10;
constexpr std::size_t kBatchItems = 4096;

bool overlaps(const RecordFilter& filter, std::int64_t from, std::int64_t to) {
  return (!filter.from || to > *filter.from) && (!filter.to || from < *filter.to);
}

}  // namespace

void LogBatch::clear() {
  bytes.clear();
  items.clear();
  json.clear();
  text.clear();
  lines.clear();
}

LogReader::LogReader(const DumpInput& input, const RecordFilter& filter, DumpSummary& summary)
    : input_(input), filter_(filter), summary_(summary), records_(input.files, input.survey) {
  const auto& files = input.survey.commit_log.files;
  if (!files.empty()) covered_to_ = files.front().start;
  for (const scan::MappedFile& file : files) {
    if (overlaps(filter, file.start, file.start + file.size)) summary.bytes_expected += file.size;
  }
  input.observer.expect(summary.bytes_expected);
}

LogReader::~LogReader() = default;

bool LogReader::fill(LogBatch& batch) {
  batch.clear();
  while (batch.bytes.size() < kBatchBytes && batch.items.size() < kBatchItems) {
    if (input_.observer.cancelled()) {
      summary_.stopped = true;
      return !batch.items.empty();
    }
    if (!walker_ && !open_next(batch)) break;
    if (!walker_) continue;
    const std::int64_t before = walked_;
    const auto item = walker_->next();
    if (!item) {
      finish_file();
      continue;
    }
    take(batch, *item);
    walked_ = item->position + item->length;
    summary_.bytes_checked += walked_ - before;
    input_.observer.advance(walked_ - before);
  }
  return !batch.items.empty() || walker_.has_value() || next_file_ < input_.survey.commit_log.files.size();
}

bool LogReader::open_next(LogBatch& batch) {
  const auto& files = input_.survey.commit_log.files;
  if (next_file_ >= files.size()) return false;
  file_index_ = next_file_++;
  const scan::MappedFile& file = files[file_index_];
  if (file.start > covered_to_ && overlaps(filter_, covered_to_, file.start)) {
    take_gap(batch, file_index_, covered_to_, file.start, kLooksMissing, 0);
  }
  covered_to_ = std::max(covered_to_, file.start + file.size);
  if (file.size == 0 || !overlaps(filter_, file.start, file.start + file.size)) return true;
  auto opened = input_.files.open(file.path);
  if (!opened) {
    summary_.faults.push_back(opened.error().message());
    take_gap(batch, file_index_, file.start, file.start + file.size, to_string(scan::GapLook::unreadable), 0);
    return true;
  }
  file_ = *std::move(opened);
  scan::CommitLogWalker::Options options;
  options.records_start = scan::records_start(*file_, file.start).value_or(file.start);
  options.file_size = input_.survey.commit_log.file_size;
  options.dledger = input_.survey.commit_log_is_dledger;
  walker_.emplace(*file_, options);
  walked_ = 0;
  return true;
}

void LogReader::finish_file() {
  // A file that shrank since it was surveyed leaves the sum of checked bytes short, and the run is not
  // complete.
  walker_.reset();
  file_.reset();
}

void LogReader::take(LogBatch& batch, const scan::LogItem& item) {
  const std::int64_t phy_offset = input_.survey.commit_log.files[file_index_].start + item.position;
  if (item.kind == scan::LogItemKind::record) {
    take_pending(batch);
    if ((!filter_.from || phy_offset >= *filter_.from) && (!filter_.to || phy_offset < *filter_.to)) {
      take_record(batch, item, phy_offset);
    }
  } else if (item.kind == scan::LogItemKind::gap && overlaps(filter_, phy_offset, phy_offset + item.length)) {
    if (item.look == scan::GapLook::unreadable) {
      summary_.faults.push_back("could not read " + std::to_string(item.length) +
                                " bytes at physical offset " + std::to_string(phy_offset));
    }
    take_gap(batch, file_index_, phy_offset, phy_offset + item.length, to_string(item.look),
             item.stale_records);
  } else if (item.kind == scan::LogItemKind::unwritten) {
    pending_.push_back({file_index_, phy_offset, phy_offset + item.length});
  }
}

// A writer ends a file with a BLANK before it begins the next one: zeros in front of records were never
// written out.
void LogReader::take_pending(LogBatch& batch) {
  for (const Unwritten& zeros : pending_) {
    if (zeros.file == file_index_ || !overlaps(filter_, zeros.from, zeros.to)) continue;
    take_gap(batch, zeros.file, zeros.from, zeros.to, to_string(scan::GapLook::zeros), 0);
  }
  pending_.clear();
}

void LogReader::take_record(LogBatch& batch, const scan::LogItem& item, std::int64_t phy_offset) {
  const scan::MappedFile& file = input_.survey.commit_log.files[file_index_];
  LogBatch::Item taken;
  taken.file = file_index_;
  taken.phy_offset = phy_offset;
  taken.at = batch.bytes.size();
  taken.size = item.bytes.size();
  if (item.message.physical_offset != phy_offset) {
    DumpRecord record;
    record.message = item.message;
    record.bytes = item.bytes;
    record.phy_offset = phy_offset;
    record.file = file.name;
    taken.duplicate_of = records_.original_of(record, file_index_);
  }
  if (input_.survey.commit_log_is_dledger && item.position >= format::kDledgerEntryHeaderSize) {
    std::array<std::byte, format::kDledgerEntryHeaderSize> header;
    const auto got = file_->read_at(item.position - format::kDledgerEntryHeaderSize, header);
    if (got && *got == header.size()) taken.dledger = format::DledgerEntry::load(header.data());
  }
  batch.bytes.insert(batch.bytes.end(), item.bytes.begin(), item.bytes.end());
  batch.items.push_back(std::move(taken));
}

void LogReader::take_gap(LogBatch& batch, std::size_t file, std::int64_t from, std::int64_t to,
                         std::string_view looks_like, std::int32_t stale_records) {
  LogBatch::Item taken;
  taken.file = file;
  taken.phy_offset = from;
  taken.is_record = false;
  taken.gap = {from, to, input_.survey.commit_log.files[file].name, looks_like, stale_records};
  batch.items.push_back(taken);
  ++summary_.gaps;
  summary_.gap_bytes += to - from;
}

}  // namespace rmq::forensics
