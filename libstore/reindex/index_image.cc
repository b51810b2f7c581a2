#include "libstore/reindex/index_image.h"

#include <algorithm>
#include <cstring>

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

IndexFileMaker::IndexFileMaker(const IndexShape& shape, std::size_t buffer, io::AnonymousMemory heads)
    : shape_(shape),
      heads_(std::move(heads)),
      slots_size_(static_cast<std::size_t>(shape.slots) * format::kIndexSlotSize),
      most_(buffer) {}

Result<IndexFileMaker> IndexFileMaker::make(const IndexShape& shape, std::size_t buffer) {
  RMQ_TRY(heads,
          io::AnonymousMemory::reserve(static_cast<std::size_t>(shape.slots) * format::kIndexSlotSize));
  return IndexFileMaker(shape, buffer, std::move(heads));
}

void IndexFileMaker::begin(const format::IndexHeader& header) {
  header_ = header;
  std::ranges::fill(heads_.bytes().first(slots_size_), std::byte{0});
}

format::IndexEntry IndexFileMaker::put(const IndexKey& key) {
  std::byte* const head =
      heads_.bytes().data() + std::int64_t{key.hash % shape_.slots} * format::kIndexSlotSize;
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
  std::int64_t position = format::index_entry_position(shape_.slots, 1);
  buffer_.resize(most_);
  std::size_t used = 0;
  const auto write_out = [&]() -> Status {
    RMQ_CHECK(file.write_at(position, std::span(buffer_).first(used)));
    position += static_cast<std::int64_t>(used);
    used = 0;
    return {};
  };
  const Status put_all = harvest.visit_keys(
      plan.from, plan.end, [&](std::int64_t log_begin, std::span<const KeyEntry> keys) -> Status {
        const std::byte* const heads = heads_.bytes().data();
        for (std::size_t i = 0; i < keys.size(); ++i) {
          if (i + kAhead < keys.size())
            __builtin_prefetch(
                heads + std::int64_t{static_cast<std::int32_t>(keys[i + kAhead].hash) % shape_.slots} *
                            format::kIndexSlotSize,
                1);
          put({static_cast<std::int32_t>(keys[i].hash), log_begin + keys[i].offset_in_part,
               keys[i].store_timestamp})
              .store(buffer_.data() + used);
          used += format::kIndexEntrySize;
          if (used + format::kIndexEntrySize > buffer_.size()) RMQ_CHECK(write_out());
        }
        return {};
      });
  if (!put_all) return put_all.error();
  RMQ_CHECK(write_out());
  // Slots without a key stay holes.
  const std::span<const std::byte> slots = this->slots();
  for (std::size_t from = 0; from < slots.size();) {
    std::size_t end = from;
    while (end < slots.size() && end - from < most_ &&
           !is_zero(slots.subspan(end, std::min(kPage, slots.size() - end))))
      end = std::min(end + kPage, slots.size());
    if (end > from)
      RMQ_CHECK(file.write_at(format::kIndexHeaderSize + static_cast<std::int64_t>(from),
                              slots.subspan(from, end - from)));
    from = end > from ? end : std::min(end + kPage, slots.size());
  }
  std::byte head[format::kIndexHeaderSize];
  header_.store(head);
  RMQ_CHECK(file.write_at(0, head));
  return header_;
}

}  // namespace rmq::reindex
