#include "libstore/format/pop_state.h"

#include <algorithm>
#include <optional>

#include "libstore/base/saturate.h"
#include "libstore/bytes/byte_reader.h"
#include "libstore/bytes/byte_writer.h"
#include "libstore/bytes/key_parts.h"

namespace rmq::format {
namespace {

constexpr json::ReadLimits kLimits{.bytes = 1 << 20, .values = 1 << 10, .depth = 8};
constexpr char kAt = '@';
// Separator, queue id, separator, queue offset.
constexpr std::size_t kEndSize = 1 + 4 + 1 + 8;

json::JsonError wrong(std::string what) { return {1, 1, std::move(what)}; }

void read_at_sign(ByteReader& reader) {
  if (reader.i8() != kAt) reader.fail(DecodeFault::bad_field);
}

// Absent is 0, as to fastjson; another type, or a number that does not fit, is nothing.
std::optional<std::int64_t> integer(const json::Value& record, std::string_view name) {
  const json::Value* value = record.find(name);
  return value == nullptr ? std::optional<std::int64_t>(0) : value->as_int64();
}

std::string text(const json::Value& record, std::string_view name) {
  const json::Value* value = record.find(name);
  const std::string* found = value == nullptr ? nullptr : value->if_string();
  return found == nullptr ? std::string() : *found;
}

}  // namespace

Decoded<PopStateKey> PopStateKey::parse(std::span<const std::byte> key) {
  ByteReader reader(key);
  PopStateKey found;
  found.visible_at = reader.i64();
  const std::size_t names = reader.remaining() < kEndSize ? 0 : reader.remaining() - kEndSize;
  const std::string_view both = reader.text(static_cast<std::int64_t>(names));
  const std::size_t at = both.find(kAt);
  if (at == std::string_view::npos) {
    reader.fail(DecodeFault::bad_field);
  } else {
    found.group = both.substr(0, at);
    found.topic = both.substr(at + 1);
  }
  read_at_sign(reader);
  found.queue_id = reader.i32();
  read_at_sign(reader);
  found.queue_offset = reader.i64();
  return finish_whole(reader, found);
}

std::vector<std::byte> PopStateKey::encode() const {
  ByteWriter writer;
  writer.i64(visible_at);
  writer.text(group);
  writer.i8(kAt);
  writer.text(topic);
  writer.i8(kAt);
  writer.i32(queue_id);
  writer.i8(kAt);
  writer.i64(queue_offset);
  return std::move(writer).take();
}

std::int64_t PopState::visible_at() const { return saturated_add(pop_time, invisible_time); }

json::Parsed<PopState> parse_pop_state(std::string_view value) {
  const auto record = json::parse(value, kLimits);
  if (!record) return record.error();
  if (record->if_object() == nullptr) return wrong("no object");
  PopState state;
  state.topic = text(*record, "topicId");
  state.group = text(*record, "groupId");
  if (state.topic.empty() || state.group.empty()) return wrong("no topic or no group");
  const auto queue_id = integer(*record, "queueId");
  const auto offset = integer(*record, "offset");
  const auto popped = integer(*record, "popTime");
  const auto invisible = integer(*record, "invisibleTime");
  const auto attempts = integer(*record, "attemptTimes");
  if (!queue_id || *queue_id < 0 || *queue_id > INT32_MAX) return wrong("no queue id");
  if (!offset || !popped || !invisible || !attempts) return wrong("no number where one belongs");
  state.queue_id = static_cast<std::int32_t>(*queue_id);
  state.queue_offset = *offset;
  state.pop_time = *popped;
  state.invisible_time = *invisible;
  state.attempts = static_cast<std::int32_t>(std::clamp<std::int64_t>(*attempts, 0, INT32_MAX));
  return state;
}

}  // namespace rmq::format
