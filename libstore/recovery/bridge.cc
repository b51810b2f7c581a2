#include "libstore/recovery/bridge.h"

#include <algorithm>

#include "libstore/format/commit_log_record.h"
#include "libstore/format/message_properties.h"
#include "libstore/format/sys_flag.h"

namespace rmq::recovery {
namespace {

std::int64_t filler_size() { return format::kMinRecordSize + std::ssize(kFillerTopic); }

std::string placeholder_properties(const Slot& slot, bool marked, std::int64_t padding) {
  std::vector<std::pair<std::string, std::string>> properties;
  if (slot.batch) {
    properties.emplace_back(format::kPropertyInnerNum, std::to_string(slot.messages));
    properties.emplace_back(format::kPropertyInnerBase, std::to_string(slot.queue_offset));
  }
  if (marked) {
    properties.emplace_back(format::kPropertyTags, kPlaceholderTag);
    properties.emplace_back(kPlaceholderProperty, "1" + std::string(static_cast<std::size_t>(padding), ' '));
  }
  return format::encode_properties(properties);
}

std::int64_t placeholder_size(const Slot& slot, bool marked) {
  // A long topic makes it version 2, which needs a second byte for the topic's length.
  const std::int64_t wide = slot.topic.size() > 127 ? 1 : 0;
  return format::kMinRecordSize + wide + std::ssize(slot.topic) +
         std::ssize(placeholder_properties(slot, marked, 0));
}

}  // namespace

StandIn stands_for_lost_bytes(const format::MessageView& message) {
  if (message.topic == kFillerTopic) return StandIn::filler;
  if (!message.body.empty()) return StandIn::no;
  const bool marked = message.properties.find(kPlaceholderTag) != std::string_view::npos;
  return marked ? StandIn::placeholder : StandIn::no;
}

std::int64_t placeholder_size(const Slot& slot) { return placeholder_size(slot, true); }

std::optional<std::vector<BridgeRecord>> plan_bridge(std::int64_t from, std::int64_t to, bool to_file_end,
                                                     const std::vector<Slot>& slots) {
  const std::int64_t behind = to_file_end ? format::kBlankSize : 0;
  std::vector<BridgeRecord> records;
  // The mark is left out where a lost message was too small for it.
  for (const bool marked : {true, false}) {
    std::int64_t at = from;
    records.clear();
    for (const Slot& slot : slots) {
      records.push_back({BridgeRecord::Kind::placeholder, at, placeholder_size(slot, marked), slot});
      at += records.back().size;
    }
    std::int64_t left = to - at;
    if (left < behind) continue;
    if (to_file_end) {
      records.push_back({BridgeRecord::Kind::blank, at, left, {}});
      return records;
    }
    if (left > 0 && left < filler_size()) {  // too little for a filler: the last placeholder takes it
      if (!marked || records.empty()) continue;
      records.back().size += left;
      left = 0;
    }
    while (left > 0) {
      const std::int64_t size = left <= kLargestFiller                  ? left
                                : left - kLargestFiller < filler_size() ? kLargestFiller - filler_size()
                                                                        : kLargestFiller;
      records.push_back({BridgeRecord::Kind::filler, to - left, size, {}});
      left -= size;
    }
    return records;
  }
  return std::nullopt;
}

std::vector<std::byte> encode_bridge(const BridgeRecord& planned, std::int64_t store_timestamp) {
  if (planned.kind == BridgeRecord::Kind::blank) {
    const auto blank = format::encode_blank(static_cast<std::int32_t>(planned.size));
    return {blank.begin(), blank.end()};
  }
  format::MessageRecord record;
  record.physical_offset = planned.log_offset;
  record.born_timestamp = record.store_timestamp = store_timestamp;
  if (planned.kind == BridgeRecord::Kind::filler) {
    record.topic = kFillerTopic;
    record.sys_flag = format::kSysFlagTransactionRollback;
    record.body.resize(static_cast<std::size_t>(planned.size - filler_size()));
  } else {
    const Slot& slot = planned.slot;
    record.topic = slot.topic;
    record.version = slot.topic.size() > 127 ? 2 : 1;
    record.queue_id = slot.queue_id;
    record.queue_offset = slot.queue_offset;
    if (slot.batch) record.sys_flag = format::kSysFlagInnerBatch | format::kSysFlagNeedUnwrap;
    const std::int64_t marked = placeholder_size(slot, true);
    record.properties = planned.size < marked ? placeholder_properties(slot, false, 0)
                                              : placeholder_properties(slot, true, planned.size - marked);
  }
  auto bytes = format::encode(record);
  return bytes ? std::move(*bytes) : std::vector<std::byte>{};
}

}  // namespace rmq::recovery
