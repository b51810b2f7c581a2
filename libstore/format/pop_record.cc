#include "libstore/format/pop_record.h"

#include "libstore/base/saturate.h"

namespace rmq::format {
namespace {

// A pop gets 32 messages at most, a batch of acks no more than a few hundred.
constexpr json::ReadLimits kLimits{.bytes = 1 << 20, .values = 1 << 14, .depth = 8};

json::JsonError wrong(std::string what) { return {1, 1, std::move(what)}; }

std::int64_t integer(const json::Value& record, std::string_view name) {
  const json::Value* value = record.find(name);
  return value == nullptr ? 0 : value->as_int64().value_or(0);
}

std::string text(const json::Value& record, std::string_view name) {
  const json::Value* value = record.find(name);
  const std::string* found = value == nullptr ? nullptr : value->if_string();
  return found == nullptr ? std::string() : *found;
}

std::vector<std::int64_t> integers(const json::Value& record, std::string_view name) {
  std::vector<std::int64_t> found;
  const json::Value* value = record.find(name);
  const json::Array* array = value == nullptr ? nullptr : value->if_array();
  if (array == nullptr) return found;
  for (const json::Value& item : array->items) {
    if (const auto number = item.as_int64()) found.push_back(*number);
  }
  return found;
}

// PopCheckPoint.ackOffsetByIndex: `d` since 5.0; before it the offsets followed each other.
std::vector<std::int64_t> popped_offsets(const json::Value& record, std::int64_t start) {
  std::vector<std::int64_t> offsets = integers(record, "d");
  if (offsets.empty()) {
    const std::int64_t count = integer(record, "n");  // a Java byte
    for (std::int64_t i = 0; i < count && i < 128; ++i) offsets.push_back(i);
  }
  for (std::int64_t& offset : offsets) offset = saturated_add(start, offset);
  return offsets;
}

}  // namespace

std::int64_t PopRecord::visible_at() const { return saturated_add(pop_time, invisible_time); }

json::Parsed<PopRecord> parse_pop_record(std::string_view tag, std::string_view body) {
  const auto value = json::parse(body, kLimits);
  if (!value) return value.error();
  if (value->if_object() == nullptr) return wrong("no object");
  PopRecord record;
  record.is_check_point = tag == kPopCheckPointTag;
  record.topic = text(*value, "t");
  record.group = text(*value, "c");
  if (record.topic.empty() || record.group.empty()) return wrong("no topic or no group");
  const std::int64_t queue_id = integer(*value, "q");
  if (queue_id < 0 || queue_id > INT32_MAX) return wrong("no queue id");
  record.queue_id = static_cast<std::int32_t>(queue_id);
  record.start_offset = integer(*value, "so");
  record.pop_time = integer(*value, "pt");
  if (record.is_check_point) {
    record.invisible_time = integer(*value, "it");
    record.bit_map = integer(*value, "bm");
    record.offsets = popped_offsets(*value, record.start_offset);
  } else if (tag == kPopBatchAckTag) {
    record.offsets = integers(*value, "aol");
  } else {
    record.offsets = {integer(*value, "ao")};
  }
  return record;
}

}  // namespace rmq::format
