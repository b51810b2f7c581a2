#include "libstore/recovery/index_check.h"

#include <algorithm>

#include "libstore/base/parallel.h"
#include "libstore/bytes/java_string.h"

namespace rmq::recovery {
namespace {

using format::IndexEntry;
using format::IndexHeader;

constexpr std::int64_t kBlock = 64 << 10;

// Reads a range of a file block by block.
class Stream {
 public:
  Stream(const io::ReadFile& file, std::int64_t position) : file_(file), position_(position) {}
  // The next `size` bytes; nullptr where the file ends or cannot be read. Lives until the next call.
  const std::byte* next(std::size_t size) {
    if (buffer_.size() - at_ < size) {
      buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(at_));
      at_ = 0;
      const std::size_t have = buffer_.size();
      buffer_.resize(have + kBlock);
      const auto got = file_.read_at(position_, std::span(buffer_).subspan(have));
      buffer_.resize(have + (got ? *got : 0));
      position_ += std::ssize(buffer_) - static_cast<std::ptrdiff_t>(have);
      if (buffer_.size() < size) return nullptr;
    }
    const std::byte* const bytes = buffer_.data() + at_;
    at_ += size;
    return bytes;
  }

 private:
  const io::ReadFile& file_;
  std::int64_t position_;
  std::vector<std::byte> buffer_;
  std::size_t at_ = 0;
};

// Puts the entries again, one by one, and compares links, slots and header with what the file has.
bool is_sound(const io::ReadFile& file, const scan::IndexGeometry& geometry, const IndexHeader& header) {
  if (header.index_count > geometry.entries) return false;
  std::vector<std::int32_t> heads(static_cast<std::size_t>(geometry.slots), 0);
  Stream entries(file, format::index_entry_position(geometry.slots, 1));
  std::int32_t used_slots = 0;
  std::int64_t last_offset = 0;
  IndexEntry entry;
  const auto slot_of = [&](const IndexEntry& one) {
    return static_cast<std::size_t>(one.key_hash % geometry.slots);
  };
  for (std::int32_t number = 1; number < header.index_count; ++number) {
    const std::byte* const bytes = entries.next(format::kIndexEntrySize);
    if (bytes == nullptr) return false;
    entry = IndexEntry::load(bytes);
    if (entry.key_hash < 0 || entry.phy_offset < last_offset || entry.time_diff_seconds < 0) return false;
    std::int32_t& head = heads[slot_of(entry)];
    if (entry.prev_index != head) return false;
    if (head == 0) ++used_slots;
    head = number;
    last_offset = entry.phy_offset;
    if (number == 1 && entry.phy_offset != header.begin_phy_offset) return false;
  }
  if (header.hash_slot_count != used_slots) return false;
  if (header.index_count > 1 && header.end_phy_offset != last_offset) return false;
  // A process killed between slot and header leaves an entry that does not count yet.
  std::size_t uncounted = heads.size();
  const std::int32_t next = std::max(header.index_count, 1);  // IndexHeader.load
  if (next < geometry.entries) {
    const std::byte* const bytes = entries.next(format::kIndexEntrySize);
    if (bytes == nullptr) return false;
    entry = IndexEntry::load(bytes);
    if (entry.key_hash >= 0 && entry.prev_index == heads[slot_of(entry)]) uncounted = slot_of(entry);
  }
  Stream slots(file, format::index_slot_position(0));
  for (std::size_t slot = 0; slot < heads.size(); ++slot) {
    const std::byte* const bytes = slots.next(format::kIndexSlotSize);
    if (bytes == nullptr) return false;
    const auto head = load_be<std::int32_t>(bytes);
    if (head != heads[slot] && !(slot == uncounted && head == next)) return false;
  }
  return true;
}

std::optional<IndexHeader> header_of(const io::ReadFile& file) {
  std::array<std::byte, format::kIndexHeaderSize> bytes{};
  const auto got = file.read_at(0, bytes);
  if (!got || *got < bytes.size()) return std::nullopt;
  return *IndexHeader::parse(bytes);
}

// What even a look at the header alone tells.
bool looks_sound(const IndexFilePart& part) {
  return part.geometry.known() && part.info.size == part.geometry.file_size() &&
         part.header.index_count >= 0 && part.header.index_count <= part.geometry.entries &&
         part.header.begin_phy_offset <= part.header.end_phy_offset;
}

}  // namespace

IndexCheck IndexCheck::check(const io::ReadFileSystem& files, const scan::StoreSurvey& survey,
                             std::int64_t vouched_for, const PlanOptions& options) {
  IndexCheck result;
  const std::vector<scan::IndexGeometry> geometries = scan::infer_index_geometries(files, survey);
  for (std::size_t i = 0; i < survey.index_files.size(); ++i)
    result.files_.push_back({survey.index_files[i], geometries[i], {}, false});
  const bool closed_cleanly = !survey.abort;
  parallel_for(options.jobs, result.files_.size(), options.cancelled, [&](std::size_t, std::size_t i) {
    IndexFilePart& part = result.files_[i];
    const auto file = files.open(part.info.path);
    const auto header = file ? header_of(**file) : std::nullopt;
    if (!header) return;
    part.header = *header;
    if (!looks_sound(part)) return;
    const bool vouched = closed_cleanly || header->end_timestamp <= vouched_for;
    part.sound = (options.depth == Depth::tail && vouched) || is_sound(**file, part.geometry, *header);
  });
  std::int64_t end = 0;
  for (const IndexFilePart& part : result.files_) {
    const bool empty = part.header.index_count <= 1;
    if (!part.sound || (empty ? part.header.end_phy_offset != end : part.header.begin_phy_offset < end))
      break;
    if (part.geometry != result.files_.front().geometry) break;  // the writer goes on with one kind of file
    end = std::max(end, part.header.end_phy_offset);
    ++result.sound_;
  }
  return result;
}

std::int64_t IndexCheck::last_offset() const {
  for (std::size_t i = sound_; i-- > 0;) {
    if (files_[i].header.index_count > 1) return files_[i].header.end_phy_offset;
  }
  return -1;
}

IndexCheck::Reader::Reader(const io::ReadFileSystem& files, const IndexCheck& check, std::int64_t from)
    : source_(files), check_(check) {
  while (file_ < check_.sound_ &&
         (check_.files_[file_].header.index_count <= 1 || check_.files_[file_].header.end_phy_offset < from))
    ++file_;
  if (file_ == check_.sound_) return;
  std::int32_t low = 1;
  for (std::int32_t high = check_.files_[file_].header.index_count; low < high;) {
    number_ = low + (high - low) / 2;
    const auto entry = peek();
    if (entry && entry->phy_offset < from) {
      low = number_ + 1;
    } else {
      high = number_;
    }
  }
  number_ = low;
}

std::optional<IndexEntry> IndexCheck::Reader::peek() {
  while (file_ < check_.sound_ && number_ >= check_.files_[file_].header.index_count) {
    ++file_;
    number_ = 1;
  }
  if (file_ == check_.sound_) return std::nullopt;
  const IndexFilePart& part = check_.files_[file_];
  if (window_file_ != file_ || number_ < window_first_ || number_ >= window_end_) {
    const std::int64_t entries =
        std::min<std::int64_t>(kBlock / format::kIndexEntrySize, part.header.index_count - number_);
    window_.resize(static_cast<std::size_t>(entries * format::kIndexEntrySize));
    const auto file = source_.open(part.info.path);
    if (!file) return std::nullopt;
    const auto got = (*file)->read_at(format::index_entry_position(part.geometry.slots, number_), window_);
    window_file_ = file_;
    window_first_ = window_end_ = number_;
    if (!got || *got < format::kIndexEntrySize) return std::nullopt;
    window_end_ += static_cast<std::int32_t>(*got / format::kIndexEntrySize);
  }
  return IndexEntry::load(window_.data() + (number_ - window_first_) * format::kIndexEntrySize);
}

bool IndexCheck::Reader::has(const derive::DispatchRequest& request) {
  wanted_.clear();
  if (request.enters_index() && (request.uniq_key || !request.keys.empty())) {
    if (topic_ != request.topic || topic_hash_ == 0) {
      topic_ = request.topic;
      topic_hash_ = java_hash("#", java_hash(topic_));
    }
    format::append_index_key_hashes(topic_hash_, request.uniq_key, request.keys, wanted_);
  }
  if (next_below(request.log_offset)) return false;
  std::size_t found = 0;
  for (auto entry = peek(); entry && entry->phy_offset == request.log_offset; entry = peek()) {
    const format::IndexHeader& header = check_.files_[file_].header;
    // The first entry of a file counts its time from where the file before ended.
    const auto seconds = format::index_time_diff(header.begin_timestamp, request.store_timestamp);
    if (number_ > 1 ? entry->time_diff_seconds != seconds : header.begin_timestamp != request.store_timestamp)
      return false;
    if (number_ + 1 == header.index_count && header.end_timestamp != request.store_timestamp) return false;
    if (found < wanted_.size() && entry->key_hash == wanted_[found]) {
      ++found;
    } else if (std::ranges::find(wanted_, entry->key_hash) == wanted_.end()) {
      return false;
    }
    skip();
  }
  return found == wanted_.size();
}

std::optional<std::int64_t> IndexCheck::Reader::next_below(std::int64_t limit) {
  const auto entry = peek();
  return entry && entry->phy_offset < limit ? std::optional(entry->phy_offset) : std::nullopt;
}

}  // namespace rmq::recovery
