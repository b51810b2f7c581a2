// What a message must be to be put, and the properties that the store writes into it. RocketMQ:
// MessageExtEncoder.encode, HookUtils.checkBeforePutMessage and checkInnerBatch, LmqDispatch,
// BatchConsumeQueue.assignQueueOffset.
#include <algorithm>

#include "libstore/bytes/crc32.h"
#include "libstore/engine/message_store.h"
#include "libstore/engine/put_properties.h"
#include "libstore/format/message_properties.h"
#include "libstore/format/sys_flag.h"

namespace rmq::engine {
namespace {

constexpr std::int32_t kRecordOverhead = 64 << 10;  // MessageExtEncoder: maxMessageSize is of the body
constexpr std::size_t kMostProperties = 32767;

bool is_blank(std::string_view text) {
  return text.find_first_not_of(" \t\n\v\f\r") == std::string_view::npos;
}

}  // namespace

PutStatus MessageStore::prepare(const format::MessageView& message, Prepared& prepared) const {
  prepared.crc = 0;
  prepared.count = 1;
  prepared.multi_dispatch = {};
  if (!is_topic_name(message.topic) || message.queue_id < 0) return PutStatus::message_illegal;
  if (message.properties.size() > kMostProperties) return PutStatus::properties_size_exceeded;
  if (message.body.size() > static_cast<std::size_t>(options_.max_message_size))
    return PutStatus::message_illegal;
  prepared.version = message.topic.size() > 127 ? 2 : 1;  // autoMessageVersionOnTopicLen
  prepared.enters_queue = format::enters_consume_queue(message.sys_flag);
  prepared.inner_batch = prepared.enters_queue && (message.sys_flag & format::kSysFlagInnerBatch) != 0;
  if (const PutStatus fits = prepare_offsets(message, prepared); fits != PutStatus::put_ok) return fits;
  if (!message.body.empty()) prepared.crc = java_crc32(message.body);
  return prepared.needs_offsets() ? PutStatus::put_ok : measure(message, prepared);
}

PutStatus MessageStore::measure(const format::MessageView& message, Prepared& prepared) const {
  format::MessageView shaped = message;
  shaped.version = prepared.version;
  if (prepared.needs_offsets()) shaped.properties = prepared.properties;
  if (shaped.properties.size() > kMostProperties) return PutStatus::properties_size_exceeded;
  const auto size = format::encoded_size(shaped);
  if (!size || *size > options_.max_message_size + kRecordOverhead) return PutStatus::message_illegal;
  prepared.size = *size;
  return PutStatus::put_ok;
}

// What of it has to wait for the append lock.
PutStatus MessageStore::prepare_offsets(const format::MessageView& message, Prepared& prepared) const {
  // An inner batch takes as many queue offsets as INNER_NUM says, and only batch queues know of it.
  if (message.properties.find(format::kPropertyInnerNum) != std::string_view::npos || prepared.inner_batch) {
    const auto number = format::find_property(message.properties, format::kPropertyInnerNum);
    if (number && (message.sys_flag & format::kSysFlagInnerBatch) == 0) return PutStatus::message_illegal;
    if (number && (!format::parse_java_int(*number, prepared.count) || prepared.count < 1 ||
                   prepared.count > std::numeric_limits<std::int16_t>::max()))
      return PutStatus::message_illegal;
    if (prepared.inner_batch && queues_->kind_of(message.topic, message.queue_id) != scan::QueueKind::batch)
      return PutStatus::message_illegal;
  }
  if (!put_rules_.multi_dispatch || !takes_multi_dispatch(message.topic)) return PutStatus::put_ok;
  const auto names = format::find_property(message.properties, format::kPropertyMultiDispatch);
  if (!names || is_blank(*names)) return PutStatus::put_ok;
  prepared.multi_dispatch = *names;
  const std::vector<std::string_view> queues = split_names(*names);
  const auto lmqs =
      std::ranges::count_if(queues, [&](std::string_view name) { return put_rules_.lmq && is_lmq(name); });
  // With some and not others, stock writes offsets that its dispatcher never gets past.
  if (lmqs != 0 && lmqs != std::ssize(queues)) return PutStatus::message_illegal;
  if (lmqs != 0 && !std::ranges::all_of(queues, &is_topic_name)) return PutStatus::message_illegal;
  return PutStatus::put_ok;
}

// Under the append lock: the text that says which offsets the message has.
PutStatus MessageStore::write_offsets(const format::MessageView& message, Prepared& prepared) {
  if (!prepared.needs_offsets()) return PutStatus::put_ok;
  prepared.properties = message.properties;
  if (prepared.inner_batch) {
    set_property(prepared.properties, format::kPropertyInnerBase,
                 std::to_string(queue_end(message.topic, message.queue_id).next_offset));
  }
  if (!prepared.multi_dispatch.empty()) {
    std::vector<std::string_view> names = split_names(prepared.multi_dispatch);
    if (!put_rules_.lmq) names.assign(names.size(), {});  // stock writes nothing for others
    std::int64_t new_queues = 0;
    for (const std::string_view name : names) {
      const bool is_new = is_lmq(name) && queue_ends_.find(QueueKeyView{name, 0}) == queue_ends_.end() &&
                          !queues_->range(name, 0);
      if (is_new) ++new_queues;
    }
    if (lmq_queues_ + new_queues > max_lmq_queues_) return PutStatus::lmq_consume_queue_num_exceeded;
    lmq_queues_ += new_queues;
    std::string offsets;
    for (const std::string_view name : names) {
      if (is_lmq(name)) offsets += std::to_string(queue_end(name, 0).next_offset);
      offsets += ',';
    }
    if (!offsets.empty()) offsets.pop_back();
    remove_property(prepared.properties, "WAIT");
    set_property(prepared.properties, format::kPropertyMultiQueueOffset, offsets);
  }
  return measure(message, prepared);
}

// Under the append lock: the message has its place in the log.
void MessageStore::take_offsets(const format::MessageView& message, const Prepared& prepared,
                                PutResult& result) {
  if (!prepared.enters_queue) return;
  const auto take = [&](QueueEnd& queue, std::int64_t count) {
    queue.next_offset += count;
    queue.messages += count;
    queue.bytes += prepared.size;
    messages_put_ += count;
    bytes_put_ += prepared.size;
  };
  QueueEnd& queue = queue_end(message.topic, message.queue_id);
  result.queue_offset = queue.next_offset;
  take(queue, prepared.count);
  if (prepared.multi_dispatch.empty() || !put_rules_.lmq) return;
  std::vector<std::string_view> names = split_names(prepared.multi_dispatch);
  // A name that stands there twice has one unit of the message.
  std::ranges::sort(names);
  names.erase(std::ranges::unique(names).begin(), names.end());
  for (const std::string_view name : names) {
    if (is_lmq(name)) take(queue_end(name, 0), 1);
  }
}

}  // namespace rmq::engine
