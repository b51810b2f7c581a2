#include "libstore/scan/commit_log_walker.h"

#include <algorithm>
#include <map>
#include <utility>

#include "libstore/base/saturate.h"
#include "libstore/bytes/big_endian.h"
#include "libstore/format/dledger_entry.h"

namespace rmq::scan {
namespace {

using format::kBlankSize;
using format::kMagicBlank;
using format::kMagicV1;
using format::kMagicV2;
using format::kMaxRecordSize;
using format::kMinRecordSize;
using format::MessageView;

constexpr std::int64_t kBlockSize = 256 << 10;  // stays in the L2 cache between the read and the walk
constexpr std::int64_t kViewSize = 1 << 20;     // costs no copy: large enough to be asked for seldom
constexpr std::int64_t kPageSize = 4096;        // what a failing disk loses at a time
constexpr std::size_t kProbeRecords = 9;        // how many records vote on where a file starts

bool is_record_magic(std::int32_t magic) { return magic == kMagicV1 || magic == kMagicV2; }

// Records from before a truncation are at most this much older (ms) than what was written over them.
constexpr std::int64_t kLongestTruncation = 400LL * 24 * 3600 * 1000;

// How often a search may look into bytes that turn out to be no record, in multiples of the file's size: forged
// headers that each claim megabytes must not keep us for ever.
constexpr std::int64_t kSearchBudgetFactor = 8;

// The first place at which a header could begin: one of the magics stands four bytes behind it. bytes.size() if none.
std::size_t next_magic(std::span<const std::byte> bytes) {
  const auto next = [&](int value, std::size_t from) {
    const void* hit = from < bytes.size() ? std::memchr(bytes.data() + from, value, bytes.size() - from) : nullptr;
    return hit == nullptr ? bytes.size() : static_cast<std::size_t>(static_cast<const std::byte*>(hit) - bytes.data());
  };
  constexpr int kRecordFirstByte = 0xDA;
  constexpr int kBlankFirstByte = 0xCB;
  std::size_t record = next(kRecordFirstByte, format::kRecordMagicOffset);
  std::size_t blank = next(kBlankFirstByte, format::kRecordMagicOffset);
  while (true) {
    const std::size_t at = std::min(record, blank);
    if (at + sizeof(std::int32_t) > bytes.size()) return bytes.size();
    const auto magic = load_be<std::int32_t>(bytes.data() + at);
    if (is_record_magic(magic) || magic == kMagicBlank) return at - format::kRecordMagicOffset;
    (at == record ? record : blank) = next(at == record ? kRecordFirstByte : kBlankFirstByte, at + 1);
  }
}

// Asks for the next record's header and for what lies behind its body while the one before it is worked on: the body
// between them is more than the processor foresees.
void prefetch_record(std::span<const std::byte> next) {
  constexpr std::size_t kLine = 64;
  constexpr std::size_t kTail = 3 * kLine;  // topic and properties, mostly
  if (next.size() < 2 * kLine) return;
  __builtin_prefetch(next.data() + kLine);
  const auto size = static_cast<std::size_t>(load_be<std::uint32_t>(next.data()));
  if (size > next.size() || size < kTail) return;
  for (std::size_t back = kLine; back <= kTail; back += kLine) __builtin_prefetch(next.data() + size - back);
}

bool all_zero(std::span<const std::byte> bytes) {
  return bytes.empty() ||
         (bytes[0] == std::byte{0} && std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

// How many bytes there are up to and including the last one that is not zero.
std::size_t used_size(std::span<const std::byte> bytes) {
  std::size_t size = bytes.size();
  while (size >= 64 && all_zero(bytes.subspan(size - 64, 64))) size -= 64;
  while (size > 0 && bytes[size - 1] == std::byte{0}) --size;
  return size;
}

}  // namespace

CommitLogWalker::CommitLogWalker(const io::ReadFile& file, const Options& options)
    : file_(file),
      options_(options),
      header_size_(options.dledger ? format::kDledgerEntryHeaderSize : 0),
      end_(file.size()),
      position_(options.from),
      search_budget_(kSearchBudgetFactor * file.size() + kMaxRecordSize) {
  if (options_.file_size == 0) options_.file_size = end_;
}

// Makes the buffer hold the bytes from `position` on: at least `wanted` of them unless the file ends or cannot be read
// before that.
void CommitLogWalker::refill(std::int64_t position, std::int64_t wanted) {
  wanted = std::min(wanted, end_ - position);
  const auto have = [&] { return buffer_position_ + static_cast<std::int64_t>(buffer_size_) - position; };
  if (position < buffer_position_ || have() < 0) {
    buffer_position_ = position;
    buffer_size_ = 0;
    unreadable_.reset();
  }
  if (have() >= wanted || unreadable_ || take_view(position, wanted)) return;
  if (std::exchange(viewed_, false)) {
    buffer_position_ = position;
    buffer_size_ = 0;
  }
  const auto keep = static_cast<std::size_t>(have());
  if (keep > 0) std::memmove(buffer_.data(), buffer_.data() + (position - buffer_position_), keep);
  buffer_position_ = position;
  buffer_size_ = keep;
  const auto missing = std::min(std::max(wanted - have(), kBlockSize), end_ - position - have());
  buffer_.resize(std::max(buffer_.size(), keep + static_cast<std::size_t>(missing)));
  bytes_ = buffer_.data();
  fill(static_cast<std::size_t>(missing));
}

// The bytes where they lie, if the file can show all that is wanted of them.
bool CommitLogWalker::take_view(std::int64_t position, std::int64_t wanted) {
  if (!may_view_) return false;
  const auto view = file_.view(position, std::max(wanted, kViewSize));
  if (std::ssize(view) < wanted) return false;
  bytes_ = view.data();
  buffer_position_ = position;
  buffer_size_ = view.size();
  viewed_ = true;
  return true;
}

// Appends up to `count` bytes to the buffer. After a failed read it goes on page by page, up to the page that
// cannot be read: everything in front of it still counts.
void CommitLogWalker::fill(std::size_t count) {
  const std::int64_t from = buffer_position_ + static_cast<std::int64_t>(buffer_size_);
  const auto got = file_.read_at(from, std::span(buffer_).subspan(buffer_size_, count));
  if (got && *got == count) {
    buffer_size_ += count;
    return;
  }
  for (std::int64_t at = from; at < from + static_cast<std::int64_t>(count);) {
    const std::int64_t page_end = std::min(at / kPageSize * kPageSize + kPageSize, end_);
    const auto piece = static_cast<std::size_t>(std::min<std::int64_t>(
        page_end - at, from + static_cast<std::int64_t>(count) - at));
    const auto read = file_.read_at(at, std::span(buffer_).subspan(buffer_size_, piece));
    buffer_size_ += read ? *read : 0;
    if (!read || *read != piece) {
      unreadable_ = at;
      return;
    }
    at += static_cast<std::int64_t>(piece);
  }
}

const LogItem* CommitLogWalker::next() {
  if (unwritten_from_) {
    take_rest_of_file(*std::exchange(unwritten_from_, std::nullopt), LogItemKind::unwritten);
  } else if (position_ >= end_) {
    return nullptr;
  } else {
    step(position_);
    // What could not be read looked like zeros: read again, by copies from here on.
    if (item_.kind != LogItemKind::record && may_view_ && file_.view_failed()) {
      may_view_ = viewed_ = false;
      buffer_size_ = 0;
      unwritten_from_.reset();
      item_ = {};
      step(position_);
    }
  }
  position_ = item_.position + item_.length;
  if (item_.kind == LogItemKind::record) last_store_timestamp_ = item_.message.store_timestamp;
  return &item_;
}

// Finds what stands at `position`, given that something ended right before it. In DLedger data files (DLedgerEntryCoder)
// each record has an entry header in front, and magic -1 ends the file.
void CommitLogWalker::step(std::int64_t position) {
  const auto head = window(position, header_size_ + kBlankSize);
  if (std::ssize(head) < header_size_ + kBlankSize) return gap_from(position);
  const std::byte* const record = head.data() + header_size_;
  const auto size = load_be<std::int32_t>(record);
  const auto magic = load_be<std::int32_t>(record + 4);
  if (is_record_magic(magic) && take_record(position + header_size_, size)) return;
  const bool ends = options_.dledger ? load_be<std::int32_t>(head.data()) == format::kDledgerBlankMagic
                                     : magic == kMagicBlank && is_final_blank(position, size);
  if (ends) return take_rest_of_file(position, LogItemKind::blank);
  gap_from(position);
}

void CommitLogWalker::take_rest_of_file(std::int64_t position, LogItemKind kind) {
  item_ = {};
  item_.kind = kind;
  item_.position = position;
  item_.length = end_ - position;
}

bool CommitLogWalker::plausible_size(std::int64_t position, std::int32_t size) const {
  return size >= kMinRecordSize && size <= kMaxRecordSize && size <= end_ - position;
}

bool CommitLogWalker::take_record(std::int64_t position, std::int32_t size) {
  if (!plausible_size(position, size)) return false;
  const auto bytes = window(position, size);
  if (std::ssize(bytes) < size) return false;
  item_.bytes = bytes.first(static_cast<std::size_t>(size));
  prefetch_record(bytes.subspan(static_cast<std::size_t>(size)));
  if (MessageView::decode(item_.bytes, item_.message)) return false;
  item_.kind = LogItemKind::record;
  item_.position = position;
  item_.length = size;
  item_.stale_records = 0;
  return true;
}

bool CommitLogWalker::is_final_blank(std::int64_t position, std::int32_t size) const {
  return size >= kBlankSize && (size == options_.file_size - position || size == end_ - position);
}

// Something that is no record begins at `position`: finds where sense begins again, and says what lies between.
void CommitLogWalker::gap_from(std::int64_t position) {
  const Remains remains = look_at(position);
  const Search search = resync(position);
  const std::int64_t gap_end = search.found.value_or(std::max(search.used_end, remains.claimed_end));
  if (gap_end <= position) return take_rest_of_file(position, LogItemKind::unwritten);
  if (!search.found && gap_end < end_) unwritten_from_ = gap_end;
  item_ = {};
  item_.kind = LogItemKind::gap;
  item_.position = position;
  item_.length = gap_end - position;
  item_.stale_records = search.stale_records;
  item_.look = search.unreadable            ? GapLook::unreadable
               : search.stale_records > 0   ? GapLook::stale
               : remains.starts_like_record ? GapLook::damaged
               : search.used_end <= position ? GapLook::zeros
                                             : GapLook::garbage;
}

CommitLogWalker::Remains CommitLogWalker::look_at(std::int64_t position) {
  Remains remains;
  const std::int64_t place = position + header_size_;
  const auto head = place < end_ ? window(place, kBlankSize) : std::span<const std::byte>{};
  if (std::ssize(head) < kBlankSize) return remains;
  const auto size = load_be<std::int32_t>(head.data());
  const auto magic = load_be<std::int32_t>(head.data() + 4);
  remains.starts_like_record = is_record_magic(magic) || magic == kMagicBlank;
  if (is_record_magic(magic) && plausible_size(place, size)) {
    remains.claimed_end = place + size;
  }
  return remains;
}

// A record found by searching counts when its structure holds, its own offset names the place where it lies and
// its body CRC matches; bodies that carry serialised records therefore deceive nobody.
const MessageView* CommitLogWalker::confirmed_record_at(std::int64_t position) {
  const auto head = window(position, kMinRecordSize);
  if (std::ssize(head) < kMinRecordSize) return nullptr;
  const auto size = load_be<std::int32_t>(head.data());
  const auto own_offset = load_be<std::int64_t>(head.data() + format::kRecordPhysicalOffsetOffset);
  if (!plausible_size(position, size)) return nullptr;
  if (!options_.any_offset && own_offset != options_.records_start + position) return nullptr;
  if (size > search_budget_) return nullptr;
  search_budget_ -= size;
  return take_record(position, size) && item_.message.body_crc_matches() ? &item_.message : nullptr;
}

// Looks behind `from` for the next record or for the BLANK that ends the file. Records older than the last one
// before the damage are stale (RocketMQ truncates without zeroing), unless newer ones follow them: then the clock
// went back, and they belong to the log.
CommitLogWalker::Search CommitLogWalker::resync(std::int64_t from) {
  Search search;
  search.used_end = from;
  std::optional<std::int64_t> first_old;
  for (std::int64_t at = from + header_size_ + 1; at < end_;) {
    const std::int64_t data = file_.next_data(at);
    if (data - at > kBlockSize && !unreadable_) {  // a hole holds no record
      at = data;
      continue;
    }
    const auto bytes = window(at, kBlankSize);
    if (bytes.empty()) {  // unreadable, or truncated under us
      search.unreadable = true;
      at = std::min(at / kPageSize * kPageSize + kPageSize, end_);
      search.used_end = at;
      continue;
    }
    const std::size_t candidate = next_magic(bytes);
    const std::size_t used = used_size(bytes.first(std::min(bytes.size(), candidate + kBlankSize)));
    if (used > 0) search.used_end = std::max(search.used_end, at + static_cast<std::int64_t>(used));
    if (candidate == bytes.size()) {  // keep the last bytes: they may begin a header that the next block completes
      at += std::max<std::int64_t>(std::ssize(bytes) - (kBlankSize - 1), 1);
      continue;
    }
    const std::int64_t place = at + static_cast<std::int64_t>(candidate);
    at = place + 1;
    const auto head = window(place, kBlankSize);
    if (load_be<std::int32_t>(head.data() + 4) == kMagicBlank) {
      if (!is_final_blank(place, load_be<std::int32_t>(head.data()))) continue;
      search.found = place;
      return search;
    }
    const MessageView* const record = confirmed_record_at(place);
    if (record == nullptr) continue;
    // A header is covered by no checksum: one record with a wild store time must not make all that follow look old.
    const std::int64_t older_by = saturated_sub(last_store_timestamp_, record->store_timestamp);
    if (older_by <= 0 || older_by > kLongestTruncation) {
      search.found = first_old.value_or(place - header_size_);
      search.stale_records = 0;
      return search;
    }
    if (!first_old) first_old = place - header_size_;
    ++search.stale_records;
    at = place + record->total_size;
    search.used_end = at;
  }
  return search;
}

std::optional<std::int64_t> records_start(const io::ReadFile& file, std::int64_t name_start) {
  std::map<std::int64_t, int> votes;
  const auto ask = [&](bool any_offset) {
    CommitLogWalker::Options options;
    options.records_start = name_start;
    options.any_offset = any_offset;
    CommitLogWalker walker(file, options);
    for (std::size_t records = 0; records < kProbeRecords;) {
      const auto item = walker.next();
      if (!item || item->kind == LogItemKind::unwritten) break;
      if (item->kind != LogItemKind::record) continue;
      ++records;
      const std::int64_t start = saturated_sub(item->message.physical_offset, item->position);
      if (start >= 0 && start <= kLargestFileStart) ++votes[start];
    }
  };
  ask(false);
  if (votes.empty()) ask(true);  // damaged from its first record on, and perhaps renamed as well
  if (votes.empty()) return std::nullopt;
  const auto most = std::ranges::max_element(votes, {}, [](const auto& vote) { return vote.second; });
  // Of two records that contradict each other the one that the file's name agrees with is right.
  const auto named = votes.find(name_start);
  return named != votes.end() && named->second == most->second ? name_start : most->first;
}

}  // namespace rmq::scan
