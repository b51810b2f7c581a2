#include "libstore/reindex/index_image.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "libstore/bytes/big_endian.h"
#include "libstore/derive/index_table.h"

namespace rmq::reindex {
namespace {

constexpr std::size_t kPage = 4096;
constexpr std::size_t kAhead = 24;  // keys whose slots are on their way into the cache

bool is_zero(std::span<const std::byte> bytes) {
  return bytes.empty() ||
         (bytes[0] == std::byte{0} && std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

}  // namespace

Result<IndexKey> key_at(const Harvest& harvest, std::int64_t number) {
  IndexKey found;
  RMQ_CHECK(harvest.visit_keys(number, number + 1,
                               [&](std::int64_t begin, std::span<const KeyEntry> keys) -> Status {
                                 found = {static_cast<std::int32_t>(keys.front().hash),
                                          begin + keys.front().offset_in_part, keys.front().store_timestamp};
                                 return {};
                               }));
  return found;
}

Result<std::vector<IndexFilePlan>> plan_index_files(const Harvest& harvest, const IndexShape& shape) {
  std::vector<IndexFilePlan> files;
  const std::int64_t keys = harvest.keys();
  for (std::int64_t from = 0; from < keys; from += shape.keys_in_file())
    files.push_back({from, std::min(from + shape.keys_in_file(), keys)});
  bool one_more = files.empty() && harvest.messages() > 0;
  if (!files.empty() && files.back().end - files.back().from == shape.keys_in_file()) {
    RMQ_TRY(last, key_at(harvest, keys - 1));
    one_more = harvest.last_message() > last.log_offset;
  }
  if (one_more) files.push_back({keys, keys});
  return files;
}

// Gathers entries, and writes them by whole pages of the file but for the first and the last ones.
class IndexFileMaker::Entries {
 public:
  Entries(io::WriteFile& file, std::span<std::byte> buffer, std::int64_t position)
      : file_(file), buffer_(buffer), start_(position - position % static_cast<std::int64_t>(kPage)) {
    skip_ = used_ = static_cast<std::size_t>(position - start_);
  }

  Status add(const format::IndexEntry& entry) {
    const std::size_t room = buffer_.size() - used_;
    if (room >= format::kIndexEntrySize) {
      entry.store(buffer_.data() + used_);
      used_ += format::kIndexEntrySize;
      return {};
    }
    std::array<std::byte, format::kIndexEntrySize> bytes{};
    entry.store(bytes.data());
    std::memcpy(buffer_.data() + used_, bytes.data(), room);
    used_ += room;
    RMQ_CHECK(finish());
    std::memcpy(buffer_.data(), bytes.data() + room, bytes.size() - room);
    used_ = bytes.size() - room;
    return {};
  }

  Status finish() {
    const auto write = [&](std::size_t from, std::size_t to, bool pages) -> Status {
      if (from >= to) return {};
      const auto bytes = buffer_.subspan(from, to - from);
      const std::int64_t position = start_ + static_cast<std::int64_t>(from);
      return pages ? file_.write_past_cache(position, bytes) : file_.write_at(position, bytes);
    };
    const std::size_t first = std::min((skip_ + kPage - 1) / kPage * kPage, used_);
    const std::size_t last = std::max(used_ / kPage * kPage, first);
    RMQ_CHECK(write(skip_, first, false));
    RMQ_CHECK(write(first, last, true));
    RMQ_CHECK(write(last, used_, false));
    start_ += static_cast<std::int64_t>(used_);
    used_ = skip_ = 0;
    return {};
  }

 private:
  io::WriteFile& file_;
  std::span<std::byte> buffer_;  // of whole pages
  std::int64_t start_;           // in the file, of the buffer's first byte: a page's
  std::size_t used_;
  std::size_t skip_;  // bytes in front that are not ours
};

IndexFileMaker::IndexFileMaker(const IndexShape& shape, io::AnonymousMemory head, io::AnonymousMemory buffer)
    : shape_(shape), head_(std::move(head)), buffer_(std::move(buffer)) {}

Result<IndexFileMaker> IndexFileMaker::make(const IndexShape& shape, std::size_t buffer) {
  const auto pages = [](std::int64_t size) {
    return (static_cast<std::size_t>(size) + kPage - 1) / kPage * kPage;
  };
  RMQ_TRY(head, io::AnonymousMemory::reserve(pages(format::index_slot_position(shape.slots))));
  RMQ_TRY(entries, io::AnonymousMemory::reserve(pages(static_cast<std::int64_t>(buffer))));
  return IndexFileMaker(shape, std::move(head), std::move(entries));
}

void IndexFileMaker::begin(const format::IndexHeader& header) {
  header_ = header;
  if (!std::exchange(fresh_, false)) std::ranges::fill(head_.bytes(), std::byte{0});
}

format::IndexEntry IndexFileMaker::put(const IndexKey& key) {
  std::byte* const head = slot(key.hash);
  const auto before = load_be<std::int32_t>(head);
  const format::IndexEntry entry{key.hash, key.log_offset,
                                 format::index_time_diff(header_.begin_timestamp, key.store_timestamp),
                                 before};
  store_be(head, header_.index_count);
  if (header_.index_count <= 1) {
    header_.begin_phy_offset = key.log_offset;
    header_.begin_timestamp = key.store_timestamp;
  }
  if (before == 0) ++header_.hash_slot_count;
  ++header_.index_count;
  header_.end_phy_offset = key.log_offset;
  header_.end_timestamp = key.store_timestamp;
  return entry;
}

Result<format::IndexHeader> IndexFileMaker::write(const Harvest& harvest, const IndexFilePlan& plan,
                                                  io::WriteFile& file) {
  format::IndexHeader first;
  if (plan.from > 0) {
    RMQ_TRY(before, key_at(harvest, plan.from - 1));
    format::IndexHeader ended;
    ended.end_phy_offset = before.log_offset;
    ended.end_timestamp = before.store_timestamp;
    first = derive::index_header_behind(ended);
  }
  begin(first);
  Entries entries(file, buffer_.bytes(), format::index_entry_position(shape_.slots, 1));
  const Status put_all = harvest.visit_keys(
      plan.from, plan.end, [&](std::int64_t log_begin, std::span<const KeyEntry> keys) -> Status {
        for (std::size_t i = 0; i < keys.size(); ++i) {
          if (i + kAhead < keys.size())
            __builtin_prefetch(slot(static_cast<std::int32_t>(keys[i + kAhead].hash)), 1);
          const format::IndexEntry entry = put({static_cast<std::int32_t>(keys[i].hash),
                                                log_begin + keys[i].offset_in_part, keys[i].store_timestamp});
          RMQ_CHECK(entries.add(entry));
        }
        return {};
      });
  if (!put_all) return put_all.error();
  RMQ_CHECK(entries.finish());
  RMQ_CHECK(write_head(file));
  return header_;
}

// Pages without a key stay holes. The last page may be the entries' too.
Status IndexFileMaker::write_head(io::WriteFile& file) {
  header_.store(head_.bytes().data());
  const auto size = static_cast<std::size_t>(format::index_slot_position(shape_.slots));
  const std::size_t whole = size / kPage * kPage;
  for (std::size_t from = 0; from < whole;) {
    std::size_t end = from;
    while (end < whole && end - from < buffer_.bytes().size() && !is_zero(head_.bytes().subspan(end, kPage)))
      end += kPage;
    if (end > from)
      RMQ_CHECK(
          file.write_past_cache(static_cast<std::int64_t>(from), head_.bytes().subspan(from, end - from)));
    from = std::max(end, from + kPage);
  }
  return file.write_at(static_cast<std::int64_t>(whole), head_.bytes().subspan(whole, size - whole));
}

}  // namespace rmq::reindex
